"""Where the words of each message stand in the rendered text.

The same conversation is rendered with a sentinel in place of each content. What stands between the sentinels is the
template's; walking along it through the real text gives each content its place, even where the words of one are also
written by the template or by another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from playground.core.messages import Message
from playground.templates.doctor.prober import Asker, sentinel

REASONING = ("reasoning_content", "thinking", "reasoning")
"""Where a message may carry its reasoning; transformers gives templates the first under the names of the others."""


@dataclass(frozen=True)
class Slot:
    """One stretch of words that a person wrote: a message's content, a block of it, or its reasoning."""

    message: int
    field: str
    """"content" or one of REASONING."""
    block: int | None
    """Which block of the content, None for plain text."""
    words: str
    place: tuple[int, int] | None = None
    """Characters of the rendered text; None where the words are not there as they are."""
    asked: bool | None = None
    """Whether a sentinel in its place was written; None where that could not be asked."""


def slots_of(messages: list[Message]) -> list[Slot]:
    """Every stretch of words that is more than white space, in order; reasoning before the content it leads to."""
    found = []
    for index, message in enumerate(messages):
        field = next((name for name in REASONING if isinstance(message.get(name), str)), None)
        if field is not None:
            found.append(Slot(index, field, None, message[field]))
        content = message.get("content")
        if isinstance(content, str):
            found.append(Slot(index, "content", None, content))
        elif isinstance(content, list):
            blocks = [(number, _words(block)) for number, block in enumerate(content)]
            found += [Slot(index, "content", number, words) for number, words in blocks]
    return [slot for slot in found if slot.words.strip()]


def put(messages: list[Message], slot: Slot, words: str) -> list[Message]:
    """A copy of the conversation with other words in one slot."""
    message = dict(messages[slot.message])
    if slot.block is None:
        message[slot.field] = words
    else:
        blocks = list(message["content"])
        blocks[slot.block] = {**blocks[slot.block], "text": words}
        message["content"] = blocks
    return [*messages[: slot.message], message, *messages[slot.message + 1 :]]


def change(messages: list[Message], slots: list[Slot], rewrite: Callable[[str], str]) -> list[Message]:
    """A copy of the conversation with `rewrite` applied to the words of these slots."""
    for slot in slots:
        messages = put(messages, slot, rewrite(slot.words))
    return messages


@dataclass(frozen=True)
class Skeleton:
    """The template's part of a conversation: the text between the words, and whose words stand where it breaks."""

    between: list[str]
    """One more than `order`."""
    order: list[int]
    """Indices into the slots; one may be missing, or there twice."""


def skeleton_of(asker: Asker, messages: list[Message], slots: list[Slot]) -> Skeleton | None:
    """One render; None where the template refuses sentinels. Raises OutOfTime."""
    for number, slot in enumerate(slots):
        messages = put(messages, slot, sentinel(number))
    text = asker.text(messages)
    return None if text is None else _take_apart(text, len(slots))


def _take_apart(text: str, count: int) -> Skeleton:
    known = {sentinel(number): number for number in range(count)}
    width = len(sentinel(0))
    between, order, start = [], [], 0
    place = text.find("Zqx")
    while place >= 0:
        number = known.get(text[place : place + width])
        if number is not None:
            between.append(text[start:place])
            order.append(number)
            start = place + width
        place = text.find("Zqx", place + 1)
    return Skeleton([*between, text[start:]], order)


def locate(text: str, slots: list[Slot], skeleton: Skeleton | None) -> list[Slot]:
    """The slots with their places in `text`. Words that the template writes twice have the last place."""
    if skeleton is None:
        return slots
    seen = set(skeleton.order)
    found = [replace(slot, asked=number in seen) for number, slot in enumerate(slots)]
    position = 0
    for step, number in enumerate(skeleton.order):
        position = _after(text, skeleton.between[step], position)
        following = skeleton.between[step + 1]
        for words in _variants(slots[number].words):
            end = position + len(words)
            if text.startswith(words, position) and _follows(text, following, end):
                found[number] = replace(found[number], place=(position, end))
                position = end
                break
        else:
            found[number], position = _search(text, found[number], position)
    return found


def _after(text: str, lead: str, position: int) -> int:
    """The end of `lead` where it stands at or after `position`; else the end of its last line, else `position`."""
    if text.startswith(lead, position):
        return position + len(lead)
    for part in (lead, lead[lead.rstrip("\n").rfind("\n") + 1 :]):
        place = text.find(part, position)
        if part.strip() and place >= 0:
            return place + len(part)
    return position


def _follows(text: str, following: str, position: int) -> bool:
    """Whether the template's own text goes on here. Its first characters do: what comes later may hang on words."""
    if not following:
        return True
    return text.startswith(following[:8], position)


def _search(text: str, slot: Slot, position: int) -> tuple[Slot, int]:
    for words in _variants(slot.words):
        place = text.find(words, position)
        if place >= 0:
            return replace(slot, place=(place, place + len(words))), place + len(words)
    return slot, position


def _variants(words: str) -> list[str]:
    """The words as they are, and with the white space at their edges taken off in the ways that templates do."""
    forms = (words, words.rstrip(), words.lstrip(), words.strip(), words.strip("\n"))
    return list(dict.fromkeys(form for form in forms if form))


def plain_text(message: Message) -> str:
    """All words of a message's content as one text."""
    content: Any = message.get("content")
    if isinstance(content, list):
        return "".join(_words(block) for block in content)
    return content if isinstance(content, str) else ""


def _words(block: Any) -> str:
    words = block.get("text") if isinstance(block, dict) else None
    return words if isinstance(words, str) else ""
