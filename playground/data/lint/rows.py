"""What the linter reads: rows that are conversations already, with the lengths that their rendering gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from playground.core.messages import Message
from playground.data.lint.pii import find_private, hint

Report = Callable[[float], None]
"""Told now and then which share of the work is done, 0 to 1."""
LEADS = ("system", "developer")
"""Roles that speak before the conversation begins."""
_SHOWN = 60
"""Characters of somebody's words that a message shows."""
_SEARCHED = 2_000
_WITHOUT_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"


@dataclass(frozen=True, slots=True)
class LintRow:
    """One usable row."""

    row: int
    """Its number as the person gave it, from 1."""
    messages: list[Message]
    length: int
    """Tokens before the cut."""
    kept: int
    """Tokens after the cut."""
    trained: int
    """Supervised tokens after the cut."""
    answer_cut: bool
    """The cut took supervised tokens."""
    held_out: bool
    digest: bytes = b""
    """`digest_of` its messages, where somebody knows it already."""


@dataclass(frozen=True)
class LintFacts:
    """What the linter has to know about the model and the run."""

    max_length: int
    control_tokens: tuple[str, ...]
    """As the tokenizer knows them; each becomes one token wherever it stands in a text."""
    rows_per_step: int
    steps: int | None
    """None where the run is set by epochs."""
    epochs: float
    """How often the run sees each training row."""
    keeps_end: bool = False
    """Whether the cut takes the beginning of a row."""


class View:
    """A row with its words taken out of the messages once, for all checks."""

    def __init__(self, given: LintRow) -> None:
        self.given = given
        self.row = given.row
        self.messages = given.messages
        self.roles = [_encodable(str(message.get("role"))) for message in given.messages]
        self.words = [words_of(message) for message in given.messages]
        self.all_said = [_with_calls(message, text) for message, text in zip(self.messages, self.words, strict=True)]
        """The words of each message together with its reasoning and its calls."""
        self.last_answer = max((place for place, role in enumerate(self.roles) if role == "assistant"), default=-1)
        """Place of the last assistant message, -1 where there is none."""

    @property
    def question(self) -> str:
        """The words of the user's messages."""
        return "\n".join(text for role, text in zip(self.roles, self.words, strict=True) if role == "user")

    def said(self) -> list[tuple[str, str]]:
        """(role, words and calls) of each message that is not a system prompt: those are often equal in all rows."""
        return [pair for pair in zip(self.roles, self.all_said, strict=True) if pair[0] not in LEADS]


def words_of(message: Message) -> str:
    """The words of a message: its text, the texts of its blocks, or "" where it has none (it may call a tool).

        {"role": "user", "content": [{"type": "text", "text": "Hi"}]}  ->  "Hi"

    Half surrogate pairs, which no encoder takes, become question marks.
    """
    content = message.get("content")
    if isinstance(content, list):
        texts = (block.get("text") if isinstance(block, dict) else block for block in content)
        content = "\n".join(text for text in texts if isinstance(text, str) and text)
    if not isinstance(content, str):
        return ""
    return content if content.isascii() else _encodable(content)


def _with_calls(message: Message, words: str) -> str:
    if "tool_calls" not in message and "reasoning_content" not in message:
        return words
    return "\n".join(
        [words, *(_packed(message[key]) for key in ("reasoning_content", "tool_calls") if message.get(key))]
    )


def is_wordless(message: Message) -> bool:
    """Whether nothing is said and nothing is called."""
    return not (words_of(message).strip() or message.get("tool_calls") or message.get("reasoning_content"))


def is_blank(text: str) -> bool:
    """Whether nothing can be seen of it: white space, and characters without width, as pages leave in a copy."""
    return all(character.isspace() or character in _WITHOUT_WIDTH for character in text)


def fold(text: str) -> str:
    """The text without what a reader does not see: case, and how much white space there is."""
    return " ".join(text.casefold().split())


def excerpt(text: str) -> str:
    """The beginning of somebody's words, on one line, with personal data and secrets masked."""
    text = text[:_SEARCHED]  # Far more than is shown, so that nothing private is cut in two and missed.
    for _, start, end in reversed(find_private(text)):
        text = text[:start] + hint(text[start:end]) + text[end:]
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _packed(value: Any) -> str:
    """A JSON-like value as text, the same for equal values; text stays as it is."""
    if isinstance(value, str):
        return _encodable(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except (TypeError, ValueError, RecursionError):  # Numbers past 64 bits, half surrogate pairs, too deep.
        return _encodable(repr(value))


def digest_of(value: Any) -> bytes:
    """16 bytes that are equal for conversations, or other JSON-like values, that are equal in everything."""
    return blake2b(_packed(value).encode(), digest_size=16).digest()


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
