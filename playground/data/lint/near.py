"""Pairs of rows that are nearly the same, by MinHash and locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman
and Ullman, Mining of Massive Datasets, chapter 3).

The library is rensa. A row of 60 words costs it 5 µs for the signature and 3 µs for asking and filling the index;
datasketch takes 130 µs and 160 µs for the same and brings scipy along (113 MB; rensa is 1 MB and needs nothing).
Both are kept: rensa had its 0.5.0 in September 2026, datasketch its 2.0.0 in July. Not used are rensa's deduplicators,
which decide by the estimate alone, and its "rho" sketches, which depend on the order of the words.

What a row is compared by: pairs of neighbouring words, where each Japanese, Chinese or Thai character is a word, with a
mark where somebody else speaks. A signature only proposes. What is said is the true Jaccard similarity of the pairs,
and the questions must be alike as well: one long answer to different questions is no copy.

What it does not know: rows of more than `LONGEST` characters are left out, and where hundreds of rows resemble each
other without being nearly the same, a row is compared with the best `_TRIES` of them; `Search.crowded` tells.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash, RMinHashLSH

from playground.data.lint.rows import View

THRESHOLD = 0.75
"""Share of the pairs of words that two rows must have in common: one word changed in a row of 16, two in 28."""
LONGEST = 200_000
"""Characters of the longest row that is compared."""
_QUESTION = 0.5
"""Share of the words that the two questions must have in common."""
_PERMUTATIONS, _BANDS = 150, 25
"""Six numbers a band: a pair at the threshold is proposed in 99.3 of 100 cases, one at 0.5 in 32, at 0.3 in 2."""
_SLACK = 0.13
"""The estimate's standard error is 0.035 at the threshold: less than this below it is never nearly the same."""
_CROWD = 48
"""Proposals above which a row is not put into the index, so that no bucket grows past this."""
_TRIES = 8
_SEED = 20_260_901
_CHUNK = 1_000

# Scripts written without spaces: kana, Chinese characters, Thai, Lao, Burmese, Khmer.
_UNSPACED = (
    "\u3041-\u3096\u30a1-\u30fa\u30fc\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u109f\u1780-\u17d3\U00020000-\U000323af"
)
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_PIECES = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)
"""2^64 by the golden ratio: keeps (a, b) apart from (b, a) and from what has the same sum."""

Hashes = NDArray[np.uint64]


@dataclass
class Search:
    """What was found among the rows, by their places in the list that was searched."""

    near: list[tuple[int, int, float]] = field(default_factory=list)
    """(later, earlier, share of word pairs in common): enough of them to join each group; both held out, or neither."""
    twins: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Held-out row -> (training row, share)."""
    crowded: int = 0
    """Rows that were not compared with all that resemble them."""
    too_long: int = 0
    """Rows that were not compared at all."""


def words_in(text: str) -> list[str]:
    """The words, without case; where no spaces are written, the characters.

    "A red fox"  ->  ["a", "red", "fox"];   "赤い fox"  ->  ["赤", "い", "fox"]
    """
    text = text.casefold()
    if text.isascii() or not _HAS_UNSPACED.search(text):
        return text.split()
    return _PIECES.findall(text)


def similarity(ours: set[int] | set[str], theirs: set[int] | set[str]) -> float:
    """Jaccard: how much of what either has they have in common, 0 to 1."""
    both = len(ours & theirs)
    together = len(ours) + len(theirs) - both
    return both / together if together else 1.0


def search(views: Sequence[View], report: Callable[[float], None]) -> Search:
    """Compare rows of which no two are equal. Time grows with the characters, whatever the rows hold."""
    # The library reads this once, when it first needs its threads. More than one do not survive a fork: a child that
    # searches after its parent did would wait for ever. They would save a second in 50,000 rows.
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    found = Search()
    index = _Index(views, found)
    for start in range(0, len(views), _CHUNK):
        index.take(start, views[start : start + _CHUNK])
        report(min(1.0, (start + _CHUNK) / len(views)))
    return found


class _Index:
    """Rows so far, to be asked for those that resemble the next one."""

    def __init__(self, views: Sequence[View], found: Search) -> None:
        self.views = views
        self.found = found
        self.lsh = RMinHashLSH(THRESHOLD, _PERMUTATIONS, _BANDS)
        self.sketches: dict[int, RMinHash] = {}
        self.pairs: dict[int, Hashes] = {}
        self.group = list(range(len(views)))
        self.held_out = [view.given.held_out for view in views]

    def take(self, start: int, views: Sequence[View]) -> None:
        places = []
        pairs = []
        for place, hashes in enumerate(_pairs_of(views), start=start):
            if hashes is None:
                self.found.too_long += 1
            elif len(hashes):
                places.append(place)
                pairs.append(hashes)
        # An array of 8-byte voids gives its items as bytes, which is how the library takes them.
        sketches = RMinHash.from_token_sets([hashes.view("V8").tolist() for hashes in pairs], _PERMUTATIONS, _SEED)
        for place, hashes, sketch in zip(places, pairs, sketches, strict=True):
            self.pairs[place] = hashes
            self._compare(place, hashes, sketch)

    def _compare(self, place: int, hashes: Hashes, sketch: RMinHash) -> None:
        proposed = self.lsh.query(sketch)
        if len(proposed) < _CROWD:
            self.lsh.insert(place, sketch)
            self.sketches[place] = sketch
        else:
            self.found.crowded += 1
        if not proposed:
            return
        sketches, least = self.sketches, THRESHOLD - _SLACK
        # A list, built in one go: among rows of one kind this is asked dozens of times for each of them.
        alike = [(-share, other) for other in proposed if (share := sketch.jaccard(sketches[other])) >= least]
        if not alike:
            return
        alike.sort()
        ours: set[int] = set(hashes.tolist())
        tries = 0
        for _, other in alike:
            if self._is_known(place, other):
                continue
            if tries == _TRIES:
                self.found.crowded += len(proposed) < _CROWD
                break
            share = similarity(ours, set(self.pairs[other].tolist()))
            if share >= THRESHOLD and self._ask_alike(place, other):
                self._note(place, other, share)
            else:
                tries += 1

    def _is_known(self, place: int, other: int) -> bool:
        if self.held_out[place] != self.held_out[other]:
            return (place if self.held_out[place] else other) in self.found.twins
        group = self.group
        return group[place] == group[other] or self._root(place) == self._root(other)

    def _note(self, place: int, other: int, share: float) -> None:
        if self.views[place].given.held_out == self.views[other].given.held_out:
            self.found.near.append((place, other, share))
            self.group[self._root(place)] = self._root(other)
        elif self.views[place].given.held_out:
            self.found.twins[place] = (other, share)
        else:
            self.found.twins[other] = (place, share)

    def _ask_alike(self, place: int, other: int) -> bool:
        ours, theirs = (set(words_in(self.views[number].question)) for number in (place, other))
        return similarity(ours, theirs) >= _QUESTION

    def _root(self, place: int) -> int:
        while self.group[place] != place:
            self.group[place] = self.group[self.group[place]]
            place = self.group[place]
        return place


def _pairs_of(views: Sequence[View]) -> list[Hashes | None]:
    """For each row the hashes of its pairs of neighbouring words; None where the row is too long."""
    words = [_spoken(view) for view in views]
    hashes = RMinHash.hash_token_sets([row or [] for row in words])
    flat = np.fromiter(chain.from_iterable(hashes), dtype=np.uint64)
    pairs = flat[:-1] * _SPREAD + flat[1:]
    found: list[Hashes | None] = []
    start = 0
    for row in words:
        # The pair across the border of two rows belongs to neither.
        found.append(None if row is None else pairs[start : start + max(0, len(row) - 1)])
        start += len(row or [])
    return found


def _spoken(view: View) -> list[str] | None:
    """The words of a row with a mark before each message, None where they are too many."""
    said = view.said()
    if sum(len(text) for _, text in said) > LONGEST:
        return None
    words = []
    for role, text in said:
        words.append(f"\0{role}")
        words += words_in(text)
    return words
