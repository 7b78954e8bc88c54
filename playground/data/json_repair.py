"""Rows that are almost JSON, read with json_repair within bounds.

    {'prompt': 'Hi', 'completion': 'Ahoy'   ->  {"prompt": "Hi", "completion": "Ahoy"}

json_repair looks ahead and tries again, and hostile text of 20,000 characters kept it busy for over ten seconds (seen:
'{"' * 10_000). It reads a text by its index and by slices, so a text that counts these stops it after the same work on
every machine. Honest text takes about one look a character.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, SupportsIndex

import json_repair
import orjson

LONGEST = 20_000
"""Characters of a row that a repair looks at."""
_LOOKS_A_CHARACTER = 10
_FIRST_LOOKS = 5_000
_SLICE = 32
"""Copying this many characters costs about as much as one look."""


@dataclass
class Budget:
    """Looks that all repairs of one dataset may take together: about ten seconds."""

    looks: int = 10_000_000


class _Exhausted(Exception):
    """A text was looked at too often."""


class _Counted(str):
    """Text that counts how often it is looked at. Its slices and sums count on."""

    budget: Budget

    @classmethod
    def of(cls, text: str, budget: Budget) -> _Counted:
        self = cls(text)
        self.budget = budget
        return self

    def _spend(self, looks: int) -> None:
        self.budget.looks -= looks
        if self.budget.looks < 0:
            raise _Exhausted

    def __getitem__(self, place: SupportsIndex | slice) -> str:
        piece = super().__getitem__(place)
        if not isinstance(place, slice):
            self._spend(1)
            return piece
        self._spend(1 + len(piece) // _SLICE)
        return _Counted.of(piece, self.budget)

    def __add__(self, other: str) -> str:
        self._spend(1 + (len(self) + len(other)) // _SLICE)
        return _Counted.of(super().__add__(other), self.budget)

    def __radd__(self, other: str) -> str:
        self._spend(1 + (len(self) + len(other)) // _SLICE)
        return _Counted.of(other + str(self), self.budget)


def repair(text: str, shared: Budget | None = None) -> dict[str, Any] | None:
    """The JSON object that `text` was meant to be; None where none can be made out within the bounds.

    `shared`: what all rows of a dataset may take together.
    """
    if len(text) > LONGEST or "{" not in text:
        return None
    shared = shared or Budget()
    mine = Budget(min(shared.looks, _FIRST_LOOKS + _LOOKS_A_CHARACTER * len(text)))
    given = mine.looks
    try:
        found = json_repair.loads(_Counted.of(text, mine))
        # Through JSON once more: it knows no NaN, no half of a surrogate pair, and nothing but plain values.
        found = (
            orjson.loads(orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS))
            if isinstance(found, dict) and found
            else None
        )
    except Exception:  # Also what it asserts of itself: hostile text finds more ways to fail than it names.
        return None
    finally:
        shared.looks -= given - max(mine.looks, 0)
    return found
