"""Where the words of a conversation stand in the text that it was rendered to.

A chat template is a program: it may trim a message, move it, or write it in pieces. So it is asked, not parsed. The
conversation is rendered once more with a pair of private-use characters set around the words of each part:

    <|im_start|>user\\n[Hi]<|im_end|>\\n<|im_start|>assistant\\n[Ahoy]<|im_end|>\\n

The marks are believed only where the text without them is, byte for byte, the text that is looked into. Knows nothing
of tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from os.path import commonprefix
from typing import Any

from playground.core.messages import Message

Interval = tuple[int, int]
Rewrite = Callable[[list[Message]], str | None]
"""Renders other messages just as the text was rendered; None where the template refuses them."""

REASONING = ("reasoning_content", "thinking", "reasoning")
"""Where a message may carry its reasoning; transformers gives templates the first under the names of the others."""
SIDES = ("both", "end", "start")
"""A template may look at how a message begins or ends ("<think>", a blank): then one mark is too many."""
_PRIVATE = range(0xF0000, 0x10FFFE)
"""Where the marks come from: Unicode's private-use planes."""


@dataclass(frozen=True)
class Slot:
    """One stretch of words that a person wrote: a message's content, its reasoning, or a part of a call."""

    message: int
    way: tuple[Any, ...]
    """The keys that lead to it in the message."""
    words: str
    place: Interval | None = None
    """Characters of the rendered text; None where the words are not there as they are."""
    asked: bool | None = None
    """Whether the template wrote it, be it in other words; None where that could not be asked."""

    @property
    def field(self) -> str:
        """ "content", one of REASONING, or "tool_calls"."""
        return str(self.way[0])


def slots_of(number: int, message: Message) -> list[Slot]:
    """Every string of a message that a template writes out, in the order of most: reasoning, content, calls."""
    given = [key for key in REASONING if _is_words(message.get(key)) and message[key]]
    found = [Slot(number, (key,), message[key]) for key in given[:1]]
    content = message.get("content")
    if isinstance(content, str):
        found.append(Slot(number, ("content",), content))
    elif isinstance(content, list):
        found += [
            Slot(number, ("content", place, "text"), block["text"])
            for place, block in enumerate(content)
            if isinstance(block, dict) and _is_words(block.get("text"))
        ]
    calls = message.get("tool_calls")
    for place, call in enumerate(calls if isinstance(calls, list) else []):
        found += _slots_of_call(number, call, ("tool_calls", place))
    return found


def _is_words(value: Any) -> bool:
    return isinstance(value, str)


def _slots_of_call(number: int, call: Any, way: tuple[Any, ...]) -> list[Slot]:
    inner = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(inner, dict):
        return []
    here = (*way, "function") if "function" in call else way
    found = [Slot(number, (*here, "name"), inner["name"])] if _is_words(inner.get("name")) else []
    arguments = inner.get("arguments")
    if isinstance(arguments, dict):
        said = [key for key, value in arguments.items() if _is_words(value)]
        found += [Slot(number, (*here, "arguments", key), arguments[key]) for key in said]
    return found


def _replaced(value: Any, way: tuple[Any, ...], leaf: Any) -> Any:
    """A copy of a JSON-like value with another leaf."""
    if not way:
        return leaf
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[way[0]] = _replaced(value[way[0]], way[1:], leaf)
    return copy


def put(messages: list[Message], words: Iterable[tuple[Slot, str]]) -> list[Message]:
    """A copy of the conversation with other words in these slots."""
    changed = list(messages)
    for slot, text in words:
        changed[slot.message] = _replaced(changed[slot.message], slot.way, text)
    return changed


def plain_text(message: Message) -> str:
    """All words of a message's content as one text."""
    return "".join(slot.words for slot in slots_of(0, message) if slot.field == "content")


# --- Marks ---


@dataclass(frozen=True)
class Marks:
    """A run of characters that the text does not use: two for each stretch that is looked for."""

    base: int
    count: int

    @classmethod
    def not_in(cls, text: str, stretches: int) -> Marks | None:
        """None where the text leaves no run of private-use characters that is long enough."""
        used = sorted({ord(character) for character in re.findall(r"[\U000f0000-\U0010ffff]", text)})
        base = _PRIVATE.start
        for character in [*used, _PRIVATE.stop]:
            if character - base >= 2 * stretches:
                return cls(base, 2 * stretches)
            base = character + 1
        return None

    @property
    def _any(self) -> re.Pattern[str]:
        return re.compile(f"[{chr(self.base)}-{chr(self.base + self.count - 1)}]")

    def erase(self, text: str) -> str:
        return self._any.sub("", text)

    def hits(self, written: str) -> dict[int, list[tuple[int, str]]]:
        """Stretch -> the marks of it that are there, in order, each with its place in the text without marks."""
        hits: dict[int, list[tuple[int, str]]] = {}
        for before, hit in enumerate(self._any.finditer(written)):
            hits.setdefault((ord(hit[0]) - self.base) // 2, []).append((hit.start() - before, hit[0]))
        return hits

    def pair(self, number: int) -> tuple[str, str]:
        """The marks before and after a stretch."""
        return chr(self.base + 2 * number), chr(self.base + 2 * number + 1)

    def blanks(self, written: str) -> dict[str, int]:
        """Mark -> how much white space stands before it where it opens, and behind it where it closes."""
        found, between = self._any.findall(written), self._any.split(written)
        return {
            mark: len(after) - len(after.lstrip())
            if (ord(mark) - self.base) % 2
            else len(before) - len(before.rstrip())
            for mark, (before, after) in zip(found, pairwise(between), strict=True)
        }

    def set_into(
        self, messages: list[Message], ends: dict[int, tuple[Slot, Slot]], sides: str, tight: bool = True
    ) -> list[Message]:
        """The messages with marks before the first slot of each stretch and after its last.

        `tight`: inside their outer whitespace, where a template that trims leaves them alone.
        """
        wrap = _wrap if tight else "{1}{0}{2}".format
        wrapped = []
        for number, (first, last) in ends.items():
            opening, closing = self.pair(number)
            opening, closing = opening if sides != "end" else "", closing if sides != "start" else ""
            if first is last:
                wrapped.append((first, wrap(first.words, opening, closing)))
            else:
                wrapped += [(first, wrap(first.words, opening, "")), (last, wrap(last.words, "", closing))]
        return put(messages, wrapped)


def _wrap(words: str, opening: str, closing: str) -> str:
    core = words.strip()
    if not core:
        return opening + closing + words
    start = words.index(core[0])
    return words[:start] + opening + core + closing + words[start + len(core) :]


# --- Each slot by itself ---


def locate_slots(messages: list[Message], text: str, rewrite: Rewrite) -> list[Slot]:
    """Every stretch of words that is more than white space, calls left out, with its place in `text`.

    Words that the template writes twice have the last place. At most four renders.
    """
    slots = [
        slot
        for number, message in enumerate(messages)
        for slot in slots_of(number, message)
        if slot.words.strip() and slot.field != "tool_calls"
    ]
    marks = Marks.not_in(text, len(slots))
    if marks is None or not slots:
        return slots
    ends = {number: (slot, slot) for number, slot in enumerate(slots)}
    around = rewrite(marks.set_into(messages, ends, "both", tight=False))
    if around is not None and marks.erase(around) == text:
        exact = _Found(text, marks, around)
        return [exact.place(number, slot, slot.words) for number, slot in enumerate(slots)]
    found: _Found | None = None
    for sides in SIDES:
        written = rewrite(marks.set_into(messages, ends, sides))
        if written is not None and marks.erase(written) == text:
            found = _Found(text, marks, written, around)
            break
        if written is not None and found is None:
            found = _Found(text, marks, written, around)
    return [found.place(number, slot, slot.words.strip()) for number, slot in enumerate(slots)] if found else slots


class _Found:
    """A text with marks, and how its places carry over to the text without.

    Where the two differ otherwise too, since the template counts characters, say, the words stand as far from the
    beginning or from the end.
    """

    def __init__(self, text: str, marks: Marks, written: str, around: str | None = None) -> None:
        """`around`: what was written with the marks outside the words' outer whitespace, where `written` has them
        inside: from there on, it is the template's own."""
        self.text, self.marks = text, marks
        self.hits, erased = marks.hits(written), marks.erase(written)
        self.same = len(text if erased == text else commonprefix([erased, text]))
        self.longer = len(text) - len(erased)
        theirs, self.kept = marks.blanks(around or ""), marks.blanks(written)
        self.kept = {mark: blanks - theirs.get(mark, blanks) for mark, blanks in self.kept.items()}

    def place(self, number: int, slot: Slot, core: str) -> Slot:
        if number not in self.hits:
            return replace(slot, asked=False)
        opening, closing = self.marks.pair(number)
        position, mark = self.hits[number][-1]
        end = position if mark == closing else position + len(core)
        end += self.longer if end > self.same else 0
        start = end - len(core)
        if start < 0 or self.text[start:end] != core:
            return replace(slot, asked=True)
        lead = slot.words.index(core)
        tail = len(slot.words) - lead - len(core)
        start -= min(max(self.kept.get(opening, 0), 0), lead)
        end += min(max(self.kept.get(closing, 0), 0), tail)
        return replace(slot, place=(start, end), asked=True)
