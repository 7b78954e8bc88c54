"""What the sandbox is asked, a class for each job; jobs.py has what is done. Imports neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from playground.core.errors import PlaygroundError
from playground.core.settings import DatasetOptions, Limits, RenderOptions, TrainSettings
from playground.data.source import Source
from playground.data.types import BaselinePrompts, DatasetReport, RowLengths, RowsPage, WrittenRows
from playground.runs.types import HeldOutQuestions
from playground.templates.types import ChatPrompt, Comparison, Preview, TemplateDescription, TemplateFile

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Request(Generic[Answer]):
    """A job and what it needs; `Answer` is what it returns."""

    is_long: ClassVar[bool] = False
    """Whether it may take a minute: a dataset."""
    folder: str
    """Of the tokenizer; "" where none is needed."""

    @property
    def compiled(self) -> str:
        """The template that a worker has compiled by the end of it, "" where that is not known beforehand."""
        return ""


class WarmUp(Request[None]):
    """Load the tokenizer and look at its own template before anybody waits for it; "" has only the imports done."""


@dataclass(frozen=True)
class ReadTemplateFile(Request[TemplateFile]):
    """The template in an uploaded file."""

    raw: bytes
    name: str
    limits: Limits


@dataclass(frozen=True)
class _OfTemplate(Request[Answer]):
    template: str
    """"" for the model's own, a name of the catalogue, or Jinja source."""
    limits: Limits

    @property
    def compiled(self) -> str:
        return self.template


class DescribeTemplate(_OfTemplate[TemplateDescription]):
    """A template's source and everything that it reads."""


@dataclass(frozen=True)
class _OfConversation(_OfTemplate[Answer]):
    conversation: Any
    options: RenderOptions


class RenderPreview(_OfConversation[Preview]):
    """/preview. Without a tokenizer the text alone is rendered."""


class RenderPrompt(_OfConversation[ChatPrompt]):
    """The prompt of a chat turn, by the same renderer as the training rows."""


@dataclass(frozen=True)
class WriteScript(_OfConversation[str]):
    """A script that renders the same with plain transformers. `model` "": there is no tokenizer."""

    model: str


@dataclass(frozen=True)
class CompareTemplates(Request[Comparison]):
    """Two templates or models on one conversation. `folder`, that of the first side, is only loaded beforehand."""

    conversation: Any
    sides: Sequence[tuple[str, str | PlaygroundError, str]]
    """(label, tokenizer's folder or why there is none, template)"""
    options: RenderOptions
    limits: Limits


@dataclass(frozen=True)
class OfRows(Request[Answer]):
    is_long: ClassVar[bool] = True
    source: Source
    options: DatasetOptions
    limits: Limits


class CheckRows(OfRows[DatasetReport]):
    """/check_dataset: what would be trained, and the first rows. Says CheckNews while it works."""


@dataclass(frozen=True)
class PageOfRows(OfRows[RowsPage]):
    """Those of the rows with these numbers (None: all) that have `query` in them, see data/pages.py."""

    number: int = 1
    per_page: int = 5
    query: str = ""
    rows: list[int] | None = None


@dataclass(frozen=True)
class CleanRows(OfRows[int]):
    """Write the usable rows, edits done, as JSON Lines to `destination`; how many there are."""

    destination: str


@dataclass(frozen=True)
class OfRun(Request[Answer]):
    is_long: ClassVar[bool] = True
    source: Source
    settings: TrainSettings
    limits: Limits

    @property
    def options(self) -> DatasetOptions:
        return self.settings.dataset_options()


class MeasureRows(OfRun[RowLengths]):
    """What a run's plan is made by."""


@dataclass(frozen=True)
class WriteRows(OfRun[WrittenRows]):
    """Write a run's rows into the folder `destination`."""

    destination: str


class AskBaseline(OfRun[BaselinePrompts]):
    """What "Is it needed?" asks the base, see data/few_shot.py. Says CheckNews while it works."""


@dataclass(frozen=True)
class AskHeldOut(Request[HeldOutQuestions]):
    """What base and tuned are asked in one go, see runs/held_out_questions.py. `run`: the run's folder, by the app."""

    is_long: ClassVar[bool] = True
    run: str
    limits: Limits
