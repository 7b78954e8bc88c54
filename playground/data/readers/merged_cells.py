"""Cells of a sheet that are merged over several rows: what stands in the first of them belongs to each.

    B3:B4 merged, B3 "How do I return a bike?", B4 nothing  ->  the question of row 3 and of row 4

Over several columns a merged cell is that of the first column alone: a question is no answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from playground.core.figures import listed
from playground.core.findings import Finding
from playground.core.i18n import say
from playground.core.settings import Limits
from playground.data.readers.bounds import expanded_limit, note, too_large

Range = tuple[tuple[int, int], tuple[int, int]]
"""((row, column) of the first cell, of the last), from 0."""
_SHOWN = 8


def place_of(row: int, column: int) -> str:
    """A cell's name; both from 1: (3, 28) is AB3."""
    letters = ""
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row}"


class Merged:
    """The merged cells of a sheet whose rows are gone through from the top."""

    def __init__(self, ranges: Sequence[Range], first_column: int, limits: Limits) -> None:
        """`first_column`: from 0, the one that the first text of a row stands in."""
        self._begin: dict[int, list[tuple[int, int]]] = {}
        for (top, left), (bottom, _) in ranges:
            self._begin.setdefault(top + 1, []).append((left - first_column, bottom + 1))
        self._open: dict[int, tuple[int, str, str]] = {}
        """Place in a row -> (last row, text, name of the range)."""
        self._first_column, self._limits, self._left = first_column, limits, expanded_limit(limits)
        self._used: dict[str, None] = {}

    def filled(self, row: int, texts: list[str]) -> list[str]:
        """The row's texts with those of merged cells above. Raises LimitError where they become too much."""
        if not self._open and row not in self._begin:
            return texts
        texts = list(texts)
        for place, (last, text, name) in list(self._open.items()):
            if row > last:
                del self._open[place]
            elif not texts[place]:
                texts[place] = text
                self._used[name] = None
                self._left -= len(text)
        if self._left < 0:
            raise too_large(self._limits)
        for place, last in self._begin.get(row, ()):
            if 0 <= place < len(texts) and texts[place]:
                column = place + self._first_column + 1
                self._open[place] = (last, texts[place], f"{place_of(row, column)}:{place_of(last, column)}")
        return texts

    def told(self) -> list[Finding]:
        """An info that names the cells whose text went to further rows; nothing where there are none."""
        if not self._used:
            return []
        cells = listed(self._used, _SHOWN)
        return [note("merged_cells", say("Merged cells give their text to each of their rows: {cells}.", cells=cells))]
