"""What is known of a run, as it crosses doors: in its folder's files, in the API's answers, on the page's state.

Where a type says that it may be {}, it has all of its keys or none.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, Required, TypedDict, get_args

from playground.core.errors import PackedError, PlaygroundError
from playground.core.i18n import Sentence
from playground.core.messages import Message
from playground.data.types import WrittenRows

Settings = dict[str, Any]
"""TrainSettings' fields by name, all or some of them: an older run lacks those that came later."""
State = Literal["queued", "running", "done", "stopped", "failed"]
Scale = Literal["train", "held_out", "general"]
"""Rows that it trained on, rows held out, everyday questions."""
SCALES: tuple[Scale, ...] = get_args(Scale)
Side = Literal["base", "tuned"]
SIDES: tuple[Side, ...] = get_args(Side)

# --- What was asked for ---


class ExpectedMemory(TypedDict, total=False):
    """The memory that was expected before the run, in bytes; {} where it could not be told."""

    total: int
    available: int | None
    device: str


class RunRecord(TypedDict):
    """settings.json."""

    settings: Settings
    model: str
    model_folder: str
    counts: WrittenRows
    memory: NotRequired[ExpectedMemory]
    created: float
    """Epoch seconds, as all times of a run."""


class Probe(TypedDict):
    """A prompt that is answered at intervals."""

    prompt: str
    expected: str
    """ "" where no answer is expected."""
    source: str
    """yours, held_out or general."""


# --- What it will take ---


class PlanDict(TypedDict, total=False):
    """The fields of plan.Plan; {} while no plan was made. Older ones lack those that came later."""

    steps: int
    per_device_train_batch_size: int
    gradient_accumulation_steps: int
    eval_steps: int
    eval_rows: int
    probe_steps: int
    epochs: float
    seconds: float | None
    bound_by: str
    train_s: float | None
    eval_s: float | None
    other_s: float | None


class MemoryPart(TypedDict):
    """What a part of the memory is for."""

    name: Sentence
    bytes: int


class Advice(TypedDict):
    """A change that saves memory, on top of those before it."""

    setting: str
    """ "model", with value "" and no changes, where only a smaller model helps."""
    value: Any
    message: Sentence
    total: int
    """Bytes by then."""
    changes: Settings
    """All settings that this one step sets."""


class MemoryEstimate(TypedDict):
    """The memory that a run will take, in bytes."""

    parts: list[MemoryPart]
    total: int
    available: int | None
    fits: bool | None
    advice: list[Advice]
    line: Sentence


class Estimate(TypedDict):
    """What a run will take, before it is started."""

    plan: PlanDict
    measured: bool
    """Whether this machine's speed with the model is known."""
    line: Sentence
    memory: MemoryEstimate | None
    """None where the model's size cannot be told."""


# --- Whether it is needed ---


class Loss(TypedDict):
    """Nats per supervised token, with the 95 % interval over rows; None where it cannot be told."""

    loss: float | None
    low: float | None
    high: float | None


class ExamplesLoss(Loss):
    """The loss behind examples in the prompt."""

    count: int
    tokens: int
    """What the examples add to a prompt on average."""


class BaselineAnswer(TypedDict):
    """The base's answers to one row, beside the expected one."""

    row: int
    question: str
    expected: str
    plain: str
    with_examples: str | None
    ended: list[str]
    """[stop or length, the same with examples or ""]."""


class BaselineFindings(TypedDict):
    """What the base's losses on the held-out rows say."""

    rows: int
    plain: Loss
    examples: ExamplesLoss | None
    gap: Sentence
    code: str
    """known, examples, both, tuning, untried or broken."""
    verdict: Sentence


class Baseline(BaselineFindings):
    """What the base already does with the held-out rows."""

    answers: list[BaselineAnswer]
    notes: list[Sentence]


class News(TypedDict):
    """How far something is."""

    fraction: float
    """0 to 1."""
    line: Sentence


# --- How it goes ---

MetricName = Literal[
    "loss", "eval_loss", "learning_rate", "grad_norm", "token_accuracy", "tokens", "tokens_per_s", "memory"
]
METRICS: tuple[MetricName, ...] = get_args(MetricName)


class Metrics(TypedDict):
    """The figures of one step, None where there is no value. `eval_loss` also stands at step 0."""

    step: int
    loss: float | None
    eval_loss: float | None
    learning_rate: float | None
    grad_norm: float | None
    token_accuracy: float | None
    tokens: int | None
    tokens_per_s: float | None
    memory: int | None


class Answer(TypedDict):
    """What a model wrote."""

    text: str
    ended: str
    """stop (it ended it) or length (it was cut); of a chat also cancelled, and "" while it goes on."""


class ProbeRound(TypedDict):
    """The answers to the probes, in their order, at one step."""

    step: int
    answers: list[Answer]


class Figure(TypedDict):
    """The loss on one scale."""

    loss: float | None
    """Nats per supervised token; None where it was no number."""
    rows: int
    tokens: int


class Change(TypedDict):
    """A loss after training minus that before, with its 95 % interval over rows; below 0 is better."""

    mean: float | None
    low: float | None
    """None, as `high`, where it cannot be told: a single row says nothing about others."""
    high: float | None


def bounds(change: Change | None) -> tuple[float, float] | None:
    """(low, high), None where there is no such thing."""
    if change is None or change["low"] is None or change["high"] is None:
        return None
    return change["low"], change["high"]


Figures = dict[Scale, Figure | None]
"""By scale; None where it has no rows."""
Changes = dict[Scale, Change | None]


class Scales(TypedDict, total=False):
    """What training did to the three scales; {} while nothing was measured."""

    before: Figures
    after: Figures | None
    """None, as `change`, while the run goes, and where it was stopped."""
    change: Changes | None


# --- What came of it ---


class ReadingDict(TypedDict):
    """The fields of diagnosis.Reading."""

    code: str
    severity: str
    message: Sentence
    why: Sentence
    advice: Sentence
    change: Settings
    step: int | None


CheckState = Literal["passed", "failed", "unknown"]


class Check(TypedDict):
    """One of the verdict's checks."""

    code: str
    """finite, changed, logits, held_out, general or stops."""
    state: CheckState
    message: Sentence
    fix: Sentence | None


class Verdict(TypedDict, total=False):
    """What may be said of a run in the end; {} while it has not ended."""

    code: str
    """learned, partly, not_better, nothing_learned, forgot, broken or unchecked."""
    message: Sentence
    checks: list[Check]


class UsedMemory(TypedDict, total=False):
    """Bytes that were used at the most and that were expected; {} where neither is known."""

    peak: int | None
    estimated: int | None
    available: int | None
    device: str


class Machine(TypedDict, total=False):
    """What a run ran on."""

    versions: dict[str, str]
    """Of Python and the libraries, by package."""
    device: str
    dtype: str
    quantization: str


class Report(Machine):
    """report.json."""

    verdict: Verdict
    steps: int
    best_step: int | None
    eval_loss_before: float | None
    eval_loss_after: float | None
    choice: Sentence
    """Why this device and number format."""
    peak: int
    seconds: float


class RunStatus(Machine):
    """How a run stands; what it ran on is known once it has ended."""

    run: str
    state: State
    position: int
    """In the queue; 0 when running."""
    wait_s: int | None
    step: int
    steps: int
    eta_s: float | None
    metrics: list[Metrics]
    phase: Sentence
    """What happens now."""
    notes: list[Sentence]
    plan: PlanDict
    probes: list[Probe]
    answers: list[ProbeRound]
    scales: Scales
    readings: list[ReadingDict]
    verdict: Verdict
    memory: UsedMemory
    best_step: int | None
    can_resume: bool
    error: PlaygroundError | None
    settings: Settings
    model: str
    title: str
    """The name that a person gave it, or ""."""
    start_from: str
    """The run whose adapter it trains further, or ""."""
    rows: int
    held_out_rows: int
    trained_tokens: int
    has_adapter: bool
    created: float
    started: float | None
    ended: float | None


class Queued(TypedDict):
    """A run that waits."""

    run: str
    state: Literal["queued"]
    position: int


class ReportRows(TypedDict):
    """The rows of a run, for its report."""

    fingerprint: str
    """SHA-256 of rows.jsonl."""
    train_rows: int
    samples: list[list[Message]]
    """A few training rows."""


# --- Events ---


class _Event(TypedDict):
    time: float


class StateEvent(_Event):
    """The run enters a state: with the train process' id where it begins, with what came of it where it ends."""

    event: Literal["state"]
    state: State
    pid: NotRequired[int]
    verdict: NotRequired[Verdict]
    peak: NotRequired[int]
    problem: NotRequired[PackedError]


class PhaseEvent(_Event):
    event: Literal["phase"]
    phase: Sentence


class NoteEvent(_Event):
    event: Literal["note"]
    note: Sentence


class PlanEvent(_Event, PlanDict):
    event: Literal["plan"]


class AnswersEvent(_Event, ProbeRound):
    event: Literal["answers"]


class ScalesEvent(_Event, Scales):
    event: Literal["scales"]


class MarkEvent(_Event):
    """A step at which the loss was no number, whose adapter is the best so far, or from which the run goes on."""

    event: Literal["not_finite", "best", "restart"]
    step: int


class FiguresEvent(_Event, total=False):
    """What was measured at a step: the figures that are new, and how long the rest takes."""

    event: Required[Literal["step", "eval"]]
    step: Required[int]
    eta_s: float
    loss: float
    eval_loss: float
    learning_rate: float
    grad_norm: float
    token_accuracy: float
    tokens: int
    tokens_per_s: float
    memory: int


Event = StateEvent | PhaseEvent | NoteEvent | PlanEvent | AnswersEvent | ScalesEvent | MarkEvent | FiguresEvent

# --- Base and tuned on the same questions ---


class Question(TypedDict):
    """What base and tuned are asked: a held-out row or a probe."""

    row: int | None
    """None for a probe."""
    prompt: list[int]
    """Tokens."""
    question: str
    messages: list[Message]
    """They end with the question."""
    expected: str
    source: str
    """held_out, yours or general."""
    room: int
    """Tokens that an answer may take."""


class HeldOutQuestions(TypedDict):
    """What base and tuned are asked in one go."""

    questions: list[Question]
    """Rows in their order, from all over the dataset, then probes."""
    held_out: int
    """How many rows were."""
    too_long: int
    """Rows left out whose prompt leaves no room within what the model can read,"""
    unclear: int
    """and whose last answer cannot be told from its question."""
    stop: list[int]
    """Tokens that end an answer."""
    notes: list[Sentence]


ScoreName = Literal["chrf", "exact", "valid_json", "same_shape", "length_ratio", "ended"]


class AnswerScores(TypedDict):
    """One answer's scores. All but `ended` are None where nothing was expected."""

    chrf: float | None
    """0 (no character in common) to 100 (the same but for whitespace)."""
    exact: bool | None
    valid_json: bool | None
    """Whether the whole answer is a JSON object or array; None where none was expected."""
    same_shape: bool | None
    """Whether it has the keys and kinds of the expected one as well; None where no JSON was expected."""
    length_ratio: float | None
    """Its characters over those of the expected one."""
    ended: bool | None
    """True where the model ended it, False where it ran on to the longest answer, None where that is not known."""


class Answered(Question):
    """A question with what came of it; None while a side has not begun."""

    base: NotRequired[Answer | None]
    tuned: NotRequired[Answer | None]


class Compared(Answered):
    """An answered question with its scores."""

    scores: dict[Side, AnswerScores | None]
    """None where a side did not come to an end."""
    change: str
    """better, worse, same, or "" where nothing was compared."""


class MeasureSummary(TypedDict):
    """One measure over all rows that have it."""

    name: str
    title: Sentence
    unit: str
    rows: int
    base: float
    tuned: float
    """Means, as `base`."""
    change: float | None
    low: float | None
    """The 95 % interval over pairs; None, as `high`, below try_table.FEWEST rows."""
    high: float | None


class TrySummary(TypedDict):
    """What compared rows say together."""

    rows: int
    """Those that count: compared, and no everyday question."""
    everyday: int
    """Those that do not."""
    better: int
    worse: int
    same: int
    measures: list[MeasureSummary]
    code: str
    """none, few, unclear, better or worse."""
    verdict: Sentence
