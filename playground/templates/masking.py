"""Where each message stands in a rendered text, and what of it an assistant has to learn to write.

The words are found by marks (locate.py). What stands between two messages' words is then shared out by rendering the
conversation up to there: what the template writes after the last message ends its turn; what its generation prompt
writes opens the assistant's.

    learned = from where the generation prompt would have ended to the end of the turn

That is what TRL marks by hand in its training templates (the tests compare), for templates that nobody has marked. The
number of renders does not grow with the number of plain turns: what stands between two messages is worked out once for
each different such stretch; a turn with tool calls is worked out by itself. Knows nothing of tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from playground.core.messages import Message
from playground.templates.locate import REASONING, SIDES, Interval, Marks, Rewrite, Slot, slots_of

Write = Callable[[list[Message], bool], str | None]
"""write(messages, add_generation_prompt) -> text, or None where the template refuses."""

_TAG = r"<[^<>\n]{1,60}>|\[/?[A-Z_]{2,30}\]"
"""What looks like a control token: a stretch that two texts share must not end inside one."""
_TRIES_ONE_BY_ONE = 24
"""Messages that are marked one at a time where marking all at once changes the text."""


@dataclass(frozen=True)
class Turn:
    """Where one message stands, in characters of the text."""

    start: int
    """Where its header begins."""
    words: Interval
    """From the first of its own words to the last: what a mark could be set around."""
    end: int
    """Where the next message's header, or the generation prompt, begins."""
    learned: Interval | None = None
    """What the model itself has to write of an assistant's message; None for the others."""


@dataclass
class _Known:
    """Lengths that were worked out already."""

    ends: dict[tuple[str, bool, str], int] = field(default_factory=dict)
    """(role, is it the last, what stands between its words and the next) -> how much of that ends the turn."""
    openings: dict[str, int] = field(default_factory=dict)
    """What stands before an answer's words -> how much of that the generation prompt writes."""
    frame: tuple[str, ...] = ()
    """What stood before, between and after the words of the last conversation whose words were found by marks."""

    def words(self, messages: list[Message], text: str) -> dict[int, Interval] | None:
        """Where the words stand, if `text` is just these words in the known frame: then no marks are needed."""
        if len(self.frame) != len(messages) + 1:
            return None
        found: dict[int, Interval] = {}
        parts: list[str] = []
        edge = 0
        for place, (around, message) in enumerate(zip(self.frame, messages, strict=False)):
            content = message.get("content")
            core = content.strip() if isinstance(content, str) else ""
            if not core or any(message.get(key) for key in REASONING):
                return None
            start = edge + len(around)
            edge = start + len(core)
            found[place] = (start, edge)
            parts += (around, core)
        return found if "".join((*parts, self.frame[-1])) == text else None

    def learn_frame(self, words: dict[int, Interval | None], text: str) -> None:
        edges = [0]
        for _, place in sorted(words.items()):
            if place is None or place[0] < edges[-1]:
                return
            edges += place
        edges.append(len(text))
        self.frame = tuple(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


@dataclass
class Memory:
    """What a template writes around the words, from one row of a dataset to the next.

    What was worked out for a conversation holds for those with the same roles in the same order wherever the very same
    text stands between the words. Rows with calls are worked out by themselves.
    """

    shapes: dict[tuple[str, ...], _Known] = field(default_factory=dict)

    def of(self, messages: list[Message]) -> _Known:
        if any(message.get("tool_calls") for message in messages):
            return _Known()
        return self.shapes.setdefault(tuple(message["role"] for message in messages), _Known())


def locate_turns(
    messages: list[Message],
    text: str,
    write: Write,
    rewrite: Rewrite,
    *,
    is_open: bool = False,
    control_tokens: Iterable[str] = (),
    memory: Memory | None = None,
) -> list[Turn | None]:
    """One entry a message; None where its words are nowhere to be found in `text`, or twice.

    `rewrite` renders other messages just as `text` was rendered; `write` renders the first few of them.
    `is_open`: the last message is to be continued, so its turn ends with the text. `memory`: what was worked out for
    earlier conversations with the same template and inputs.
    """
    known = (memory or Memory()).of(messages)
    words: dict[int, Interval | None] = {**(known.words(messages, text) or {})}
    if not words:
        words = _find_words(messages, text, rewrite)
        known.learn_frame(words, text)
    shown = sorted((place for place in words if words[place] is not None), key=lambda place: words[place] or (0, 0))
    between = _Between(messages, text, write, control_tokens, known)
    ends: dict[int, int] = {}
    for place, following in pairwise([*shown, -1]):
        reach = words[following][0] if following >= 0 else len(text)  # type: ignore[index]
        ends[place] = reach if following < 0 and is_open else between.end_of(place, words[place][1], reach)  # type: ignore[index]
    turns: list[Turn | None] = [None] * len(messages)
    start = 0
    for place in shown:
        (first, last), end = words[place], ends[place]  # type: ignore[misc]
        learned = None
        if messages[place]["role"] == "assistant":
            learned = (between.opening_end_of(place, start, first), end)
        turns[place] = Turn(start, (first, last), end, learned)
        start = end
    return turns


# --- Finding the words ---


def _find_words(messages: list[Message], text: str, rewrite: Rewrite) -> dict[int, Interval | None]:
    """For each message the stretch from its first word to its last; None where the template does not show them."""
    nowhere: dict[int, Interval | None] = dict.fromkeys(range(len(messages)))
    marks = Marks.not_in(text, len(messages))
    if marks is None:
        return nowhere
    ends = {place: told for place, message in enumerate(messages) if (told := _ends(place, message)) is not None}
    if (words := _marked(messages, text, rewrite, marks, ends)) is not None:
        return {**nowhere, **words}
    found: dict[int, Interval] = {}
    for place in range(min(len(messages), _TRIES_ONE_BY_ONE)):
        if place in ends:
            found |= _marked(messages, text, rewrite, marks, {place: ends[place]}) or {}
    return {**nowhere, **found}


def _ends(place: int, message: Message) -> tuple[Slot, Slot] | None:
    """Content, reasoning and calls are taken together."""
    slots = slots_of(place, message)
    # With something said or called beside it, an empty string is no edge that can be relied on.
    told = [slot for slot in slots if slot.words.strip()] or slots
    return (told[0], told[-1]) if told else None


def _marked(
    messages: list[Message], text: str, rewrite: Rewrite, marks: Marks, ends: dict[int, tuple[Slot, Slot]]
) -> dict[int, Interval] | None:
    """Where the words of each message stand that is there, and there once; None where the marks change the text."""
    for sides in SIDES:
        written = rewrite(marks.set_into(messages, ends, sides))
        if written is not None and marks.erase(written) == text:
            hits = marks.hits(written).items()
            once = ((place, there) for place, there in hits if len(there) == len({mark for _, mark in there}))
            return {place: (there[0][0], there[-1][0]) for place, there in once}
    return None


# --- Sharing out what stands between ---


@lru_cache(maxsize=8)
def _units(control_tokens: tuple[str, ...]) -> re.Pattern[str]:
    """What must not be taken apart."""
    tokens = sorted((re.escape(token) for token in control_tokens if len(token) > 1), key=len, reverse=True)
    return re.compile("|".join([*tokens, _TAG]))


class _Between:
    """What the template writes around the words: the end of one turn, then the header of the next."""

    def __init__(
        self, messages: list[Message], text: str, write: Write, control_tokens: Iterable[str], known: _Known
    ) -> None:
        self.messages, self.text, self.write = messages, text, write
        self.units = _units(tuple(control_tokens))
        self._ends, self._openings = known.ends, known.openings

    def end_of(self, place: int, last: int, reach: int) -> int:
        """Where the turn of a message ends whose last word ends at `last`; the next words begin at `reach`."""
        gap = self.text[last:reach]
        has_calls = bool(self.messages[place].get("tool_calls"))
        key = (self.messages[place]["role"], reach == len(self.text), gap)
        if has_calls or key not in self._ends:
            self._ends[key] = self._closing(place, last, gap)
        return last + self._ends[key]

    def _closing(self, place: int, last: int, gap: str) -> int:
        """Length of the part of `gap` that ends the turn."""
        alone = self.write(self.messages[: place + 1], False)
        if alone is None:
            return 0
        if self.text.startswith(alone) and last <= len(alone) <= last + len(gap):
            return len(alone) - last
        # The template writes the turn otherwise once more follows: what both ways of ending it have in common.
        words = _find_words(self.messages[: place + 1], alone, lambda marked: self.write(marked, False))[place]
        if words is None:
            return 0
        tail = alone[words[1] :]
        shared = self._shared(gap, tail)
        if self.units.search(gap, 0, shared):
            return shared
        # It ends history with another token than the last answer (gpt-oss: <|end|>, <|return|>), be it at once or after
        # the whitespace that the words themselves ended with.
        ours, other = self.units.match(gap, shared), self.units.match(tail, shared)
        return ours.end() if ours is not None and other is not None else shared

    def opening_end_of(self, place: int, start: int, first: int) -> int:
        """Where, after `start`, the generation prompt would have ended and the model begun; at most `first`."""
        region = self.text[start:first]
        if region not in self._openings:
            self._openings[region] = self._opening(place, start, region)
        return start + self._openings[region]

    def _opening(self, place: int, start: int, region: str) -> int:
        """Length of the part of `region` that the generation prompt would have written."""
        before = self.messages[:place]
        prompted = self.write(before, True)
        if prompted is None:
            return len(region)
        if self.text.startswith(prompted) and start <= len(prompted) <= start + len(region):
            return len(prompted) - start
        plain = (self.write(before, False) if before else "") or ""
        header = prompted[self._shared(prompted, plain) :]
        anchored = self._shared(region, header)
        if self.units.search(region, 0, anchored):
            return anchored
        for length in range(len(header), 0, -1):
            found = region.find(header[:length])
            if found >= 0:
                return found + self._shared(region[found:], header)
        return len(region)

    def _shared(self, one: str, other: str) -> int:
        """Length of the beginning that two texts share, not ending inside a control token of either."""
        length = next(
            (number for number, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
            min(len(one), len(other)),
        )
        for text in (one, other):
            for unit in self.units.finditer(text):
                if unit.start() < length < unit.end():
                    length = unit.start()
        return length
