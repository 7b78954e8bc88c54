"""What is said to the processes and what they say: one JSON object a line."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from playground.core.errors import PackedError
from playground.core.i18n import Sentence
from playground.core.settings.training import Quantization
from playground.models.types import DeviceFacts
from playground.runs import types as runs

# --- The chat process ---


class Base(TypedDict):
    """The model that answers."""

    folder: str
    quantization: Quantization
    double_quant: NotRequired[bool]


class Question(TypedDict):
    """One answer that is wanted."""

    prompt: list[int]
    stop: list[int]
    """Tokens that end it."""
    sampling: dict[str, Any]
    """settings.Sampling's fields."""
    adapter: str | None
    """Its folder; None for the base alone."""


class LabelledRow(TypedDict):
    """Tokens to be scored where their label is not -100."""

    ids: list[int]
    labels: list[int]
    adapter: str | None


class LoadOrder(TypedDict):
    op: Literal["load"]
    base: Base


class ReplyOrder(TypedDict):
    op: Literal["reply"]
    id: str
    base: Base
    rows: list[Question]


class ScoreOrder(TypedDict):
    op: Literal["score"]
    id: str
    base: Base
    rows: list[LabelledRow]
    each: bool
    """Whether the probability of each token is wanted."""


class CancelOrder(TypedDict):
    op: Literal["cancel"]
    id: str


ChatOrder = LoadOrder | ReplyOrder | ScoreOrder | CancelOrder


class Answer(runs.Answer):
    """One side's answer so far."""

    tokens: int
    tokens_per_s: float
    first_s: float
    """Seconds to the first token."""


NOTHING_YET: Answer = {"text": "", "tokens": 0, "tokens_per_s": 0.0, "first_s": 0.0, "ended": ""}


class Reply(TypedDict):
    """Both sides' answers so far."""

    base: Answer
    tuned: Answer | None
    waiting: Sentence | None
    """Why nothing comes yet."""


class _Scored(TypedDict):
    tokens: int
    """Supervised ones."""
    log_probs: NotRequired[list[float]]
    """Of each of them, where that was asked for."""


class RowScore(_Scored):
    """What the model makes of one row's labels."""

    nll: float
    """Nats; NaN where the model's numbers are none."""


class PackedScore(_Scored):
    """The same for JSON, which has no NaN."""

    nll: float | None


class LoadingNews(TypedDict):
    """The model that answers is loaded."""

    event: Literal["loading"]
    base: Base


class ReadyNews(TypedDict):
    event: Literal["ready"]
    base: Base
    line: Any
    """A packed sentence: what was chosen and why."""
    device: DeviceFacts


class FailedNews(PackedError):
    event: Literal["failed"]
    base: Base


class RowsNews(TypedDict):
    event: Literal["rows"]
    id: str
    rows: list[Answer]


class ScoresNews(TypedDict):
    event: Literal["scores"]
    id: str
    done: int
    total: int
    """Tokens read and in all."""
    rows: list[PackedScore] | None
    """With the last."""


class RefusedNews(PackedError):
    event: Literal["refused"]
    id: str


AnswerNews = RowsNews | ScoresNews | RefusedNews
ChatNews = LoadingNews | ReadyNews | FailedNews | AnswerNews


class ScoresSoFar(TypedDict):
    """What ChatClient.score yields."""

    done: int
    total: int
    rows: list[RowScore] | None


# --- The processes that fetch, and the one that trains ---


class FetchOrder(TypedDict):
    """Rows that are wanted of the Hub, and the most that it may take."""

    name: str
    config: str
    split: str
    count: int
    bytes: int
    memory: int
    seconds: float
    token: str | Literal[False]


class Found(TypedDict):
    """What will be read, once that is known."""

    name: str
    config: str
    split: str
    configs: list[str]
    splits: list[str]
    notes: list[Sentence]


class FetchNews(TypedDict, total=False):
    """How a fetch comes on: one of these at a time."""

    line: Any
    """A packed sentence, with"""
    fraction: float | None
    """0 to 1."""
    found: Any
    """Found, packed."""
    rows: int
    """At the end, with"""
    notes: Any
    """packed sentences."""
    folder: str
    """Where the model is, at the end."""
    error: str
    parts: list[Any]
    """PackedError's."""
    ended: int
    """The process's code: added by who listens."""


class TrainOrder(TypedDict):
    folder: str
    """The run's."""
