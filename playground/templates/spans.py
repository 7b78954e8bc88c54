"""Whose words each stretch of a rendered text is: a message's, or the template's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playground.core.messages import Message
from playground.templates.masking import Turn
from playground.templates.types import SpanDict

PROBE = "\u2983probe\u2984"
"""Words that no template and hardly a conversation has."""
ONE_TURN: list[Message] = [{"role": "user", "content": PROBE}, {"role": "assistant", "content": PROBE}]
Write = Callable[[list[Message]], str | None]
"""write(messages) -> text without a generation prompt, or None where the template refuses."""


@dataclass(frozen=True)
class Span:
    """A stretch of the text that one message, or the template by itself, put there."""

    start: int
    end: int
    role: str
    """The message's role, or "template" for text that the template adds without being asked."""
    message: int | None
    """Index of the message, or None."""

    def to_dict(self) -> SpanDict:
        return {"start": self.start, "end": self.end, "role": self.role, "message": self.message}


def share_out(
    messages: list[Message], text: str, turns: list[Turn | None], write: Write, *, has_prompt: bool
) -> list[Span]:
    """The text shared out among the messages, the template's own words and the generation prompt (`has_prompt`)."""
    placed = sorted((turn.start, turn.end, place) for place, turn in enumerate(turns) if turn is not None)
    spans: list[Span] = []
    edge = 0
    for start, end, place in placed:
        if not spans and (own := _preamble(messages, text, turns, place, write)):
            spans.append(Span(0, own, "template", None))
            start = own
        if end > start:
            spans.append(Span(start, end, messages[place]["role"], place))
        edge = end
    if edge < len(text):
        is_prompt = has_prompt and bool(placed)
        spans.append(Span(edge, len(text), "assistant" if is_prompt else "template", None))
    return spans


def _preamble(messages: list[Message], text: str, turns: list[Turn | None], place: int, write: Write) -> int:
    """Length of what the template puts before its first message by itself, such as a default system prompt.

    A second turn of the same role shows how such a turn opens; where the first turn opens later than its text begins,
    the rest is the template's own.
    """
    first = turns[place]
    assert first is not None
    header = text[: first.words[0]]
    if not header or messages[place]["role"] != "user":
        return 0
    later = next(
        (
            text[turn.start : turn.words[0]]
            for turn, message in zip(turns[place + 1 :], messages[place + 1 :], strict=True)
            if turn is not None and message["role"] == "user"
        ),
        None,
    )
    if later is None:
        later = _opening_of_a_second_turn(messages[place], write)
    return len(header) - len(later) if later is not None and header.endswith(later) else 0


def _opening_of_a_second_turn(message: Message, write: Write) -> str | None:
    before = write(ONE_TURN)
    after = write([*ONE_TURN, {**message, "content": PROBE}])
    if before is None or after is None or not after.startswith(before):
        return None
    opening, found, _ = after[len(before) :].partition(PROBE)
    return opening if found else None
