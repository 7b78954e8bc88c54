"""What is told of rows, as it crosses to the page, the API and a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from playground.core.findings import FindingDict, Severity
from playground.core.i18n import Sentence
from playground.core.messages import Message
from playground.templates.types import TokenChip


class Column(TypedDict):
    """A column of the file."""

    name: str
    filled: int
    """Rows that have a value there."""
    sample: str
    """The first value, shortened."""


class Example(TypedDict):
    """A bundled dataset."""

    name: str
    title: Sentence
    teaches: Sentence
    language: str
    rows: int
    ask: list[str]
    """Questions that show the difference and stand in no row."""
    system: str


class RowCounts(TypedDict):
    """The counts of a dataset."""

    format: str
    """The rows' shape, "mixed" or "unknown"."""
    rows: int
    usable_rows: int
    dropped_rows: int
    tokens: int
    trained_tokens: int
    """Supervised tokens of the rows that are trained on, in one pass."""
    held_out_tokens: int
    """Supervised tokens of those that are held out."""
    truncated_rows: int


class FileFacts(TypedDict):
    file_format: str
    encoding: str


class Shape(TypedDict):
    """So many rows were taken for this shape, and why."""

    shape: str
    rows: int
    reason: Sentence | None


class LengthBin(TypedDict):
    """Rows with `start` to `end` tokens, both included."""

    start: int
    end: int
    rows: int


class Lengths(TypedDict):
    """How many rows have how many tokens before the cut, those among them that it leaves out."""

    bins: list[LengthBin]
    median: int
    p95: int
    max: int
    over: int
    """Rows that are longer than the maximum length."""


class Padding(TypedDict):
    """Shares of padding among the tokens of a pass, in batches of so many rows."""

    batch: int
    shuffled: float
    """Drawn at random."""
    grouped: float
    """As a run draws them."""


class Split(TypedDict):
    """How many rows are trained on and held out."""

    train: int
    held_out: int
    seed: int | None
    """None where the last rows are held out."""
    held_out_rows: list[int]


class Epochs(TypedDict):
    steps: int
    """Of one pass."""
    seen: float
    """Passes over the rows."""


class EditOffer(TypedDict):
    """An edit, and the rows that it would answer a finding of."""

    do: str
    rows: list[int]


class FindingKind(TypedDict):
    """The findings of one code together, with all rows that they stand on."""

    code: str
    severity: Severity
    count: int
    rows: list[int]
    message: Sentence
    why: Sentence | None
    fix: Sentence | None
    edits: list[EditOffer]


class RowChip(TokenChip):
    """A token of a row."""

    cut: bool
    """Whether the row is cut before or after it, so that it is not trained on."""


class ShownRow(TypedDict):
    """A row as it is shown. One that cannot be used has its finding, and of the rest what could be made of it."""

    row: int
    finding: NotRequired[FindingDict | None]
    data: NotRequired[dict[str, Any]]
    """As it arrived."""
    text: NotRequired[str]
    """Of a row that could not be read."""
    messages: NotRequired[list[Message]]
    shape: NotRequired[str]
    tokens: NotRequired[list[RowChip]]
    left_out: NotRequired[int]
    """Tokens that are not shown, those before the first one that is among them."""
    left_out_before: NotRequired[int]
    length: NotRequired[int]
    kept: NotRequired[int]
    trained: NotRequired[int]
    """Tokens of the whole row, of what is kept of it, and of what is trained."""


class RowsPage(TypedDict):
    """One page of the rows that were looked for."""

    page: int
    pages: int
    total: int
    rows: list[ShownRow]


class DatasetReport(RowCounts):
    """Everything about a dataset but its rows, and the first usable ones."""

    findings: list[FindingDict]
    findings_left_out: int

    source: FileFacts
    shapes: list[Shape]
    columns: list[Column]
    mapping: dict[str, str]
    max_length: int
    lengths: Lengths | None
    padding: Padding
    split: Split
    epochs: Epochs
    codes: list[FindingKind]
    """Gravest first."""
    preview: list[ShownRow]


class CheckNews(TypedDict, total=False):
    """How reading rows comes on."""

    fraction: float
    """0 to 1."""
    rows: int
    preview: list[ShownRow]
    """Of the first rows, once, before the others are read."""


class RowLengths(TypedDict):
    """What a plan is made by, of rows that nobody trains on yet."""

    train: list[int]
    held_out: list[int]
    """Tokens of each row."""
    scored_tokens: int
    probes: int


class Extras(TypedDict):
    """What a run has beside its own rows: how many prompts it answers as it goes, and everyday questions."""

    probes: int
    general_rows: int
    general_tokens: int


class WrittenRows(RowCounts, Extras):
    """A run's rows as they were written."""

    held_out_rows: int
    train_rows: int
    losses: NotRequired[list[Any]]
    """Packed sentences: what is not learned of them because of the template."""


class ScoredRow(TypedDict):
    """A row as tokens, with the labels that are scored; -100 elsewhere."""

    ids: list[int]
    labels: list[int]


class AskedRow(TypedDict):
    """Prompts for a row's last answer."""

    question: str
    expected: str
    plain: list[int]
    examples: list[int] | None
    room: int
    """Tokens that an answer may take."""


class BaselineRow(TypedDict):
    """What the base is asked about one row, as it is and behind examples."""

    row: int
    plain: ScoredRow
    examples: ScoredRow | None
    asked: AskedRow | None


class BaselinePrompts(TypedDict):
    """What the base is asked before anybody trains."""

    rows: list[BaselineRow]
    examples: int
    """How many stand before a question at most."""
    stop: list[int]
    """Tokens that end an answer."""
    notes: list[Sentence]


class HubNews(TypedDict):
    """How a fetch from the Hub comes on."""

    line: Sentence
    fraction: float | None


class FetchedRows(TypedDict):
    """Rows from the Hub."""

    path: Path
    """A .jsonl in a folder of its own, which whoever asked clears away."""
    name: str
    config: str
    split: str
    rows: int
    configs: list[str]
    splits: list[str]
    notes: list[Sentence]
