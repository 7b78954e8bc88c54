"""What is told of a template and of what it renders, as it crosses to the page and the API."""

from __future__ import annotations

from typing import Literal, TypedDict

from playground.core.errors import PlaygroundError
from playground.core.findings import FindingDict
from playground.core.i18n import Sentence

Kind = Literal["boolean", "text", "json"]


class TokenChip(TypedDict):
    """One token as a person can look at it."""

    id: int
    text: str
    """Its characters, or its bytes ("E3 81") where it is only a part of one."""
    role: str
    """A message's role, or template: text that the template adds by itself."""
    trained: bool
    special: bool
    message: int | None
    """Index of the message."""
    start: int
    end: int
    """Characters of the text."""


class SpanDict(TypedDict):
    """spans.Span."""

    start: int
    end: int
    role: str
    message: int | None


class Preview(TypedDict):
    """One conversation rendered."""

    text: str
    tokens: list[TokenChip]
    """[] without a tokenizer."""
    mask: str
    """What the mask was made by: generation, training_template, sentinels, prefix or none."""
    spans: list[SpanDict]
    findings: list[FindingDict]


class VariableDict(TypedDict):
    """inputs.Variable."""

    name: str
    kind: Kind
    default: object
    choices: list[str]


class TemplateDescription(TypedDict):
    """A chat template and everything that it reads."""

    source: str
    name: str
    """In the catalogue, or ""."""
    variables: list[VariableDict]
    clock: bool
    tools: bool
    documents: bool
    """Whether it reads them."""
    special_tokens: dict[str, str]
    """{bos_token: text, ...} of the model."""
    training_twin: str
    """Catalogue name of the same template with {% generation %} markers, or ""."""


class TemplateFile(TypedDict):
    """The template in a file."""

    source: str
    name: str
    """The file's."""
    special_tokens: dict[str, str]
    """Those that the file gives."""
    note: Sentence | None
    """Which template was taken where the file has several."""


class TurnCost(TypedDict):
    """Tokens around the words of one more turn."""

    user: int
    assistant: int


class Side(TypedDict):
    """What one of two templates or models makes of a conversation."""

    label: str
    text: str
    tokens: int
    trained: int
    characters: int
    turn_cost: TurnCost | None
    error: PlaygroundError | None


class DiffPart(TypedDict):
    """A stretch of two texts."""

    op: Literal["equal", "delete", "insert"]
    text: str


class Comparison(TypedDict):
    """Two sides, and what differs: [] where one of them could not be had."""

    sides: list[Side]
    diff: list[DiffPart]


class ChatPrompt(TypedDict):
    """The prompt of a chat turn."""

    ids: list[int]
    stop: list[int]
    """Tokens that end an answer."""
