"""Two templates, or two models, on one conversation: what differs and what a turn costs.

    text_diff("Hi there\\n", "Hi you\\n")
        ->  [{"op": "equal", "text": "Hi "}, {"op": "delete", "text": "there"}, {"op": "insert", "text": "you"},
             {"op": "equal", "text": "\\n"}]

Lines are lined up first, then the words in lines that changed. difflib alone takes minutes for a text of one long line:
its work grows with the pairs of equal words. So what stands once on both sides, a word or a few in a row, is matched
first, in the longest order that they share (patience diff, Bram Cohen), and difflib has the short stretches between.

Renders templates: call `compare` in the sandbox.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby

from playground.core.errors import InputError, PlaygroundError
from playground.core.messages import Message
from playground.core.settings import RenderOptions
from playground.templates.locate import Interval
from playground.templates.masking import Turn
from playground.templates.renderer import Renderer
from playground.templates.types import Comparison, DiffPart, Side, TurnCost

Blocks = Iterator[tuple[bool, list[str], list[str]]]
"""(whether they are the same, pieces of the one text, pieces of the other), in order."""
Piece = tuple[str, str, str]
"""Text that both have, or else text that is gone and text that is new."""
_WORDS = re.compile(r"\w+|\s|.", re.DOTALL)
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_PAIRS = 40_000
"""Pairs of equal pieces that difflib gets at once: about 20 ms of work."""
_ROWS = (1, 4, 16)
"""Lengths of the rows of pieces that are looked for, in this order."""
_DEPTH = 30
_LONGEST = 200_000
"""Characters of a changed stretch that is still looked at word by word."""
_WORD = "sesame"


def compare(
    messages: list[Message], sides: Sequence[tuple[str, Renderer | PlaygroundError]], options: RenderOptions
) -> Comparison:
    """What each of the two makes of one conversation.

    A side that cannot be had comes as its error; the other is shown all the same, without a diff.
    """
    shown = [_side(label, renderer, messages, options) for label, renderer in sides]
    left, right = shown
    comparable = left["error"] is None and right["error"] is None
    return {"sides": shown, "diff": text_diff(left["text"], right["text"]) if comparable else []}


def _side(label: str, renderer: Renderer | PlaygroundError, messages: list[Message], options: RenderOptions) -> Side:
    try:
        if isinstance(renderer, PlaygroundError):
            raise renderer
        rendered = renderer.render(messages, options, with_spans=False)
    except PlaygroundError as problem:
        nothing: Side = {
            "label": label, "text": "", "tokens": 0, "trained": 0, "characters": 0, "turn_cost": None, "error": problem,
        }  # fmt: skip
        return nothing
    return {
        "label": label,
        "text": rendered.text,
        "tokens": len(rendered.input_ids),
        "trained": sum(rendered.loss_mask),
        "characters": len(rendered.text),
        "turn_cost": turn_cost(renderer, options),
        "error": None,
    }


# --- The cost of a turn ---


def turn_cost(renderer: Renderer, options: RenderOptions) -> TurnCost | None:
    """Tokens that one more turn in the middle of a conversation costs beside those of its words.

    Measured on a conversation of one word said five times, on its third and fourth turn: what only opens or closes a
    conversation, and what only its last answer has, is no part of them. A token that shares a character with the word
    counts as the word's. None without a tokenizer, and where the template refuses such a conversation or leaves some
    of it out.
    """
    if renderer.tokenizer is None:
        return None
    for content in (_WORD, [{"type": "text", "text": _WORD}]):  # Some templates write content blocks alone.
        talk = [{"role": role, "content": content} for role in ("user", "assistant", "user", "assistant", "user")]
        try:
            text = renderer.text(talk, options)
        except InputError:
            continue
        turns = [turn for turn in renderer.turns(talk, options, text) if turn is not None]
        if len(turns) == len(talk):
            offsets = renderer.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
            return {"user": _around_words(turns[2], offsets), "assistant": _around_words(turns[3], offsets)}
    return None


def _around_words(turn: Turn, offsets: list[Interval]) -> int:
    first, last = turn.words
    mine = [(start, end) for start, end in offsets if turn.start <= start < turn.end]
    return sum(end <= first or start >= last for start, end in mine)


# --- The difference of two texts ---


def text_diff(before: str, after: str) -> list[DiffPart]:
    """The parts from `before` to `after`, in order, no two of one kind in a row.

    equal and delete together are `before`, equal and insert together are `after`. Under 0.2 s of one core for
    texts of 20,000 characters, whatever they are.
    """
    pieces: list[Piece] = []
    for same, gone, new in _align(_LINES.findall(before), _LINES.findall(after)):
        less, more = "".join(gone), "".join(new)
        if same or len(less) + len(more) > _LONGEST:
            pieces.append(_piece(same, gone, new))
        else:
            pieces.extend(_piece(*words) for words in _align(_WORDS.findall(less), _WORDS.findall(more)))
    operations: list[DiffPart] = []
    for both_have, changes in groupby(_without_islands(pieces), key=lambda piece: bool(piece[0])):
        same_text, gone_text, new_text = ("".join(texts) for texts in zip(*changes, strict=True))
        parts: list[DiffPart] = [{"op": "delete", "text": gone_text}, {"op": "insert", "text": new_text}]
        parts = [{"op": "equal", "text": same_text}] if both_have else parts
        operations += [part for part in parts if part["text"]]
    return operations


def _piece(same: bool, gone: list[str], new: list[str]) -> Piece:
    return ("".join(gone), "", "") if same else ("", "".join(gone), "".join(new))


def _without_islands(pieces: list[Piece]) -> list[Piece]:
    """Spaces alone between two changes belong to the change: words struck out one by one are hard to read."""
    kept: list[Piece] = []
    for place, (same, gone, new) in enumerate(pieces):
        island = same.isspace() and "\n" not in same and 0 < place < len(pieces) - 1
        if island and not kept[-1][0] and not pieces[place + 1][0]:
            kept.append(("", same, same))
        else:
            kept.append((same, gone, new))
    return kept


def _align(before: list[str], after: list[str], depth: int = 0) -> Blocks:
    start = _shared(before, after)
    end = _shared(before[start:][::-1], after[start:][::-1])
    if start:
        yield True, before[:start], after[:start]
    middle = before[start : len(before) - end], after[start : len(after) - end]
    if any(middle):
        yield from _align_middle(*middle, depth)
    if end:
        yield True, before[len(before) - end :], after[len(after) - end :]


def _shared(before: list[str], after: list[str]) -> int:
    """How many pieces both begin with."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(before), len(after)))


def _align_middle(before: list[str], after: list[str], depth: int) -> Blocks:
    there = Counter(after)
    if sum(count * there[piece] for piece, count in Counter(before).items()) <= _PAIRS:
        for operation, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            yield operation == "equal", before[i1:i2], after[j1:j2]
        return
    found = (_anchors(before, after, length) for length in _ROWS if depth < _DEPTH)
    anchors = next(filter(None, found), [])
    if not anchors:
        yield False, before, after
        return
    i = j = 0  # Where what is not aligned yet begins.
    for (here, yonder), following in zip(anchors, [*anchors[1:], None], strict=True):
        if following != (here + 1, yonder + 1):  # Else they go on together.
            yield from _align(before[i : here + 1], after[j : yonder + 1], depth + 1)
            i, j = here + 1, yonder + 1
    yield from _align(before[i:], after[j:], depth + 1)


def _anchors(before: list[str], after: list[str], length: int) -> list[tuple[int, int]]:
    """Where the rows of `length` pieces begin that stand once on each side, as many as keep their order on both."""
    here, there = _single(before, length), _single(after, length)
    pairs = [(place, there[row]) for row, place in here.items() if row in there]
    ends: list[int] = []  # The smallest place in `after` at which so many pairs in order can end,
    last: list[int] = []  # the pair that ends there,
    earlier: list[int] = []  # and the one before each pair.
    for number, (_, place) in enumerate(pairs):
        many = bisect_left(ends, place)
        ends[many : many + 1] = [place]
        last[many : many + 1] = [number]
        earlier.append(last[many - 1] if many else -1)
    longest = []
    number = last[-1] if last else -1
    while number >= 0:
        longest.append(pairs[number])
        number = earlier[number]
    return longest[::-1]


def _single(pieces: list[str], length: int) -> dict[tuple[str, ...], int]:
    """Row of `length` pieces -> where it begins, for those that stand once, in order."""
    rows = list(zip(*(pieces[start:] for start in range(length)), strict=False))
    counts = Counter(rows)
    return {row: place for place, row in enumerate(rows) if counts[row] == 1}
