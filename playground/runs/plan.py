"""How many steps a run takes, when it is evaluated on its held-out rows, and how long all of it lasts on this machine.

    a run = loading + scores before and after + evaluations on held-out rows + probe answers + steps

A step's cost is one part for each batch and one for each token, padding included. Both are measured (`fit_speed`) and
remembered by `ThroughputCache`. What a batch costs whatever its tokens is no small thing: 4-bit weights are unpacked
in every forward and backward. Tokens are counted as the trainer's batches hold them, which begin with the longest
rows: the first steps of an epoch are the slow ones, and a run cut short by its budget is made of them.

Knows neither torch nor models: seconds and token lengths come in, numbers go out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from playground.core.figures import expected, steps_said
from playground.core.i18n import Sentence, say
from playground.core.settings import TrainSettings
from playground.data.batch_tokens import Floats, Lengths, eval_tokens, step_tokens
from playground.data.split import even_places
from playground.runs.types import PlanDict

EVALUATIONS = 8
"""Evaluations on the held-out rows after the one before the first step, where the settings do not say."""
FEWEST_EVALUATIONS = 3
EVALUATION_SHARE = 0.15
"""Share of the time budget that evaluations may take, as long as there are FEWEST_EVALUATIONS."""
FEWEST_EVAL_ROWS = 16
"""Where even the fewest evaluations take more than that, only some of the held-out rows are scored, and no fewer."""
PROBE_ROUNDS = 4
"""Times the probe prompts are answered after the first time, the end included."""
PROBING_SHARE = 0.1
"""Share of the time budget that probe answers may take; at least they are answered before and at the end."""
FILLED = 0.95
"""Share of the time budget that is planned for: half of all estimates are too short."""

_FORWARD_SHARE = 1 / 3
"""Of a step's time: a backward through frozen weights costs about as much again as the forward, recomputing not
counted, and the adapter's own gradients the rest."""
_BATCH_SHARE = 0.15
"""Guess at the share of a step that does not depend on its tokens, where all steps measured were of one size."""
_APART = 0.2
"""Between two steps whose tokens differ by less, of the larger, the slope is noise."""
_COMPARED = 200
"""Steps that are compared in pairs, at most about so many."""


@dataclass(frozen=True)
class Speed:
    """Seconds that things take on one machine with one model."""

    step_s: float
    """One batch forward and backward, whatever its tokens. A step of `gradient_accumulation_steps` batches takes it
    that many times."""
    token_s: float
    """More for each token of the batch, padding included."""
    eval_token_s: float
    """One token scored without gradients."""
    answer_token_s: float
    """One decoding step of the probes, all of them in one batch."""
    load_s: float
    """Until model and trainer stand."""


@dataclass(frozen=True)
class Work:
    """What there is to do, in tokens."""

    train: Sequence[int] | Lengths
    """Tokens of each training row, as cut."""
    held_out: Sequence[int] | Lengths
    """Tokens of each held-out row, as cut."""
    scored_tokens: int = 0
    """Tokens scored once before and once after: a sample of the training rows and the general set."""
    probes: int = 0
    """Prompts that are answered at intervals, in one batch."""


@dataclass(frozen=True)
class Plan:
    """What a run will do, and how long that takes."""

    steps: int
    per_device_train_batch_size: int
    gradient_accumulation_steps: int
    eval_steps: int
    """Steps between two evaluations on the held-out rows; 0 where none are held out. There is one before the first step
    and one after the last as well."""
    eval_rows: int
    """Held-out rows that are scored: those of `even_places`. All of them unless they are too many for the budget."""
    probe_steps: int
    """Steps between two rounds of probe answers, a multiple of `eval_steps`; 0 without probes. There is one round
    before the first step and one after the last as well."""
    epochs: float
    """How often each training row is seen."""
    seconds: float | None
    """The whole run, from its start to its result; None where this machine's speed is not known."""
    bound_by: str
    """What ended the steps: time, epochs or steps (`max_steps`)."""
    train_s: float | None = None
    eval_s: float | None = None
    other_s: float | None = None
    """Loading, scores before and after, probe answers."""

    def to_dict(self) -> PlanDict:
        return cast(PlanDict, asdict(self))


def make_plan(settings: TrainSettings, work: Work, speed: Speed | None) -> Plan:
    """Steps by `max_steps` or else the epochs, cut to what the time budget holds where `speed` is known; at least 1."""
    tokens = step_tokens(settings, work.train)
    wanted = settings.max_steps if settings.max_steps > 0 else math.ceil(len(tokens) * settings.num_train_epochs)
    bound_by = "steps" if settings.max_steps > 0 else "epochs"
    clock = _Clock(settings, work, speed, np.concatenate([[0.0], np.cumsum(tokens)]))
    steps = max(wanted, 1)
    limit = settings.time_budget_s * FILLED
    if speed and limit and clock.seconds(steps) > limit:
        steps, bound_by = clock.steps_within(limit, steps), "time"
    known = speed is not None
    return Plan(
        steps=steps,
        per_device_train_batch_size=settings.per_device_train_batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        eval_steps=clock.eval_steps(steps),
        eval_rows=clock.eval_rows,
        probe_steps=clock.probe_steps(steps),
        epochs=round(_seen(settings, len(work.train), steps, len(tokens)), 3),
        seconds=round(clock.seconds(steps), 2) if known else None,
        bound_by=bound_by,
        train_s=round(clock.train_s(steps), 2) if known else None,
        eval_s=round(clock.eval_s * clock.evaluations(steps), 2) if known else None,
        other_s=round(clock.fixed_s + clock.probe_s * clock.rounds(steps), 2) if known else None,
    )


def _seen(settings: TrainSettings, rows: int, steps: int, steps_of_a_pass: int) -> float:
    """How often each training row is seen. How many rows a pack holds is not known: of packs a share of the pass."""
    return steps / steps_of_a_pass if settings.packing else settings.dataset_options().seen(rows, steps)


class _Clock:
    """How long a run of so many steps takes. Without a speed everything takes no time."""

    def __init__(self, settings: TrainSettings, work: Work, speed: Speed | None, sums: Floats) -> None:
        """`sums`: tokens of the first 0, 1, 2, ... steps of an epoch."""
        speed = speed or Speed(0, 0, 0, 0, 0)
        self.sums = sums
        self.step_s = speed.step_s * settings.gradient_accumulation_steps
        self.token_s = speed.token_s
        self.fixed_s = speed.load_s + 2 * work.scored_tokens * speed.eval_token_s
        self.probe_s = settings.probe_max_new_tokens * speed.answer_token_s if work.probes else 0.0
        budget = settings.time_budget_s
        self.eval_rows, self.eval_s = _one_evaluation(settings, work.held_out, speed.eval_token_s)
        self._every = settings.eval_steps if len(work.held_out) else 0
        self._evaluations = (
            _as_many(EVALUATIONS, FEWEST_EVALUATIONS, budget * EVALUATION_SHARE, self.eval_s)
            if len(work.held_out)
            else 0
        )
        has_probes = work.probes and settings.probe_max_new_tokens
        self._rounds = _as_many(PROBE_ROUNDS, 1, budget * PROBING_SHARE, self.probe_s) if has_probes else 0

    def eval_steps(self, steps: int) -> int:
        return self._every or (math.ceil(steps / self._evaluations) if self._evaluations else 0)

    def probe_steps(self, steps: int) -> int:
        if not self._rounds:
            return 0
        every = max(self.eval_steps(steps), 1)
        return math.ceil(steps / self._rounds / every) * every

    def evaluations(self, steps: int) -> int:
        return 1 + math.ceil(steps / self.eval_steps(steps)) if self._evaluations else 0

    def rounds(self, steps: int) -> int:
        return 1 + math.ceil(steps / self.probe_steps(steps)) if self._rounds else 0

    def train_s(self, steps: int) -> float:
        epochs, rest = divmod(steps, len(self.sums) - 1)
        return steps * self.step_s + self.token_s * float(epochs * self.sums[-1] + self.sums[rest])

    def seconds(self, steps: int) -> float:
        return (
            self.fixed_s
            + self.train_s(steps)
            + self.evaluations(steps) * self.eval_s
            + self.rounds(steps) * self.probe_s
        )

    def steps_within(self, limit: float, most: int) -> int:
        """The most steps that end within `limit` seconds, of 1 to `most`.

        `seconds` may fall by an evaluation or two as the steps rise, so its upper bound is searched for; what
        that leaves unused goes into a second search with the number of evaluations that the first one came to.
        """
        steps = self._search(limit, most, 1 + self._evaluations, 1 + self._rounds)
        better = self._search(limit, most, self.evaluations(steps), self.rounds(steps))
        return better if self.seconds(better) <= limit else steps

    def _search(self, limit: float, most: int, evaluations: int, rounds: int) -> int:
        low, high = 1, most
        while low < high:
            middle = (low + high + 1) // 2
            seen = 1 + middle // self._every if self._every else evaluations
            if self.fixed_s + self.train_s(middle) + seen * self.eval_s + rounds * self.probe_s <= limit:
                low = middle
            else:
                high = middle - 1
        return low


def _one_evaluation(settings: TrainSettings, lengths: Sequence[int] | Lengths, token_s: float) -> tuple[int, float]:
    """(held-out rows to score, the seconds that takes)."""
    rows, batch = np.asarray(lengths, dtype=np.int64), settings.per_device_train_batch_size
    all_s = eval_tokens(rows, batch) * token_s
    allowed = settings.time_budget_s * EVALUATION_SHARE / (1 + FEWEST_EVALUATIONS)
    if not allowed or all_s <= allowed or len(rows) <= FEWEST_EVAL_ROWS:
        return len(rows), all_s
    count = max(int(len(rows) * allowed / all_s), FEWEST_EVAL_ROWS)
    return count, eval_tokens(rows[even_places(len(rows), count)], batch) * token_s


def _as_many(most: int, fewest: int, allowed_s: float, each_s: float) -> int:
    """How many of `most` fit into `allowed_s` seconds (0: no limit) with one more before the first step."""
    if not allowed_s or allowed_s >= each_s * (most + 1):
        return most
    return max(int(allowed_s / each_s) - 1, fewest)


def fit_speed(
    steps: Sequence[tuple[float, float]],
    evaluations: Sequence[tuple[float, float]],
    answers: Sequence[tuple[float, float]],
    load_s: float,
    *,
    known: Speed | None = None,
    batches: int = 1,
) -> Speed:
    """What steps and evaluations (tokens, seconds) and answers (decoding steps, seconds) say, in order of time.

    The first step warms up and is left out where there are others. What was not measured is taken from `known`, else
    guessed from the steps. `batches`: batches in each step. Raises ValueError without a step.
    """
    points = np.array(steps if len(steps) == 1 else steps[1:], dtype=np.float64).reshape(-1, 2)
    if not len(points):
        raise ValueError("no step was measured")
    step_s, token_s = _line(points[:, 0], points[:, 1], _guess_at_step(points, known, batches))
    step_s /= batches
    eval_token_s = _rate(evaluations) or (known.eval_token_s if known else token_s * _FORWARD_SHARE)
    answer_token_s = _rate(answers) or (known.answer_token_s if known else (step_s + 8 * token_s) * _FORWARD_SHARE)
    return Speed(step_s, token_s, eval_token_s, answer_token_s, load_s)


def _guess_at_step(points: Floats, known: Speed | None, batches: int) -> float:
    """Seconds of a step whatever its tokens, before anything is fitted."""
    typical = float(np.median(points[:, 1]))
    if known is None:
        return _BATCH_SHARE * typical
    before = known.step_s * batches
    return typical * before / max(before + known.token_s * float(np.median(points[:, 0])), 1e-12)


def _line(tokens: Floats, seconds: Floats, guess: float) -> tuple[float, float]:
    """(at no tokens, for each token), neither below 0: the median of the slopes between two steps (Theil and Sen).

    Where all steps were about of one size, `guess` tells what they take at no tokens.
    """
    every = len(tokens) // _COMPARED + 1
    x, y = tokens[::every], seconds[::every]
    one, other = np.triu_indices(len(x), 1)
    apart = np.abs(x[one] - x[other]) > _APART * np.maximum(x[one], x[other])
    one, other = one[apart], other[apart]
    slopes = (y[one] - y[other]) / (x[one] - x[other]) if apart.any() else (y - guess) / x
    slope = max(float(np.median(slopes)), 0.0)
    base = float(np.median(seconds - slope * tokens))
    return (base, slope) if base >= 0 else (0.0, float(np.median(seconds / tokens)))


def _rate(measured: Sequence[tuple[float, float]]) -> float:
    """Median seconds for one; 0 where nothing was measured."""
    rates = [seconds / count for count, seconds in measured if count > 0]
    return float(np.median(rates)) if rates else 0.0


def sentence(plan: Plan, settings: TrainSettings, measured: bool) -> Sentence:
    """The estimate in a line for people. `measured`: whether this machine's speed for the model is known."""
    values: dict[str, Any] = {"steps": steps_said(plan.steps), "epochs": _epochs_said(plan.epochs)}
    budget = expected(settings.time_budget_s)
    if plan.seconds is None or not measured:
        if settings.time_budget_s:
            return say(
                "{steps} ({epochs}), or as many as fit into {budget}: how fast this machine is with this model is "
                "measured when the run starts.",
                **values,
                budget=budget,
            )
        return say(
            "{steps} ({epochs}). How fast this machine is with this model is measured when the run starts.", **values
        )
    values["time"] = expected(plan.seconds)
    if plan.bound_by != "time":
        return say("{steps} ({epochs}) in about {time} on this machine.", **values)
    if plan.seconds > settings.time_budget_s:
        return say(
            "Not even one step fits into {budget} on this machine: {steps} ({epochs}) in about {time}.",
            **values,
            budget=budget,
        )
    return say(
        "{steps} ({epochs}) in about {time} on this machine: as many as fit into {budget}.", **values, budget=budget
    )


def _epochs_said(epochs: float) -> Sentence:
    if epochs < 0.1:
        return say("under 0.1 epochs")
    count = f"{epochs:.2g}" if epochs < 10 else f"{epochs:.0f}"
    return say("1 epoch") if count == "1" else say("{count} epochs", count=count)
