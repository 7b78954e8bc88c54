"""Which row of a table names its columns: in an office a title, a date and a blank row stand above it.

    [["Customer questions", "", ""], ["Topic", "Question", "Answer"], ["Delivery", "Do you ship?", "Yes."]]  ->  row 2

A title is passed over only where that is certain: nothing but single cells stand above, and the names below are those
of a question and an answer. Elsewhere the first row is the header, and a warning names the row that seems to be it.
"""

from __future__ import annotations

from collections.abc import Sequence

from playground.core.figures import listed
from playground.core.findings import Finding
from playground.core.i18n import say
from playground.data.readers.bounds import excerpt, note
from playground.data.readers.message_rows import SPEAKERS, WORDS
from playground.data.schemas.column_names import ANSWERS, CONTEXTS, INPUTS, QUESTIONS, SYSTEMS, TEXTS, TURNS, fold

SEARCHED = 20
"""Rows among which the header is looked for."""
_NAME_CHARS = 40
_KNOWN = frozenset((*QUESTIONS, *ANSWERS, *CONTEXTS, *INPUTS, *SYSTEMS, *TEXTS, *TURNS, *SPEAKERS, *WORDS))


def header_of(rows: Sequence[tuple[int, Sequence[str]]]) -> tuple[int, Finding | None]:
    """(place of the header among the first rows, which have a filled cell; what is to be said of it).

    rows: (number, cells), the first SEARCHED of a table.
    """
    taken, seems = _places([_names(cells) for _, cells in rows])
    if seems == 0:
        return 0, None
    number, cells = rows[seems]
    names = ", ".join(name[:_NAME_CHARS] for name in _names(cells)[:8])
    if taken == seems:
        above = " · ".join(name for _, row in rows[:taken] for name in _names(row))
        told = say("Row {row} is the header ({names}). What stands above it is left out: {excerpt}",
                   row=number, names=names, excerpt=excerpt(above))  # fmt: skip
        return taken, note("header_below", told)
    message = say("Row {row} seems to be the header ({names}), but row {first} is taken for it.",
                  row=number, names=names, first=rows[0][0])  # fmt: skip
    return 0, Finding("header_below", "warning", message, say("If it is, remove what stands above it."))


def of_repeats(rows: Sequence[int]) -> list[Finding]:
    """What is said of rows that are the header once more, as where tables were put below each other: they are none."""
    if not rows:
        return []
    told = say("The header is repeated and left out in these rows: {rows}.", rows=listed(rows, 8))
    return [note("header_repeated", told)]


def without_title(rows: list[list[str]]) -> list[list[str]]:
    """The rows from the header on, where it is certain that something stands above it."""
    head = [(place, _names(cells)) for place, cells in enumerate(rows[:SEARCHED])]
    filled = [(place, names) for place, names in head if names]
    return rows[filled[_places([names for _, names in filled])[0]][0] :] if filled else rows


def _places(rows: list[list[str]]) -> tuple[int, int]:
    """(place of the row that is taken for the header, place of the one that seems to be it)."""
    if not rows or _has_pair(rows[0]) or (len(rows[0]) == 1 and fold(rows[0][0]) in _KNOWN):
        return 0, 0
    most = max(map(len, rows))
    for place, names in enumerate(rows):
        if place and _has_pair(names) and 2 * len(names) > most:
            is_below_titles = all(len(above) < 2 for above in rows[:place])
            return (place if is_below_titles else 0), place
    if most == 1:  # One column, which nothing reads by the name that it has.
        return 0, next((place for place, names in enumerate(rows) if fold(names[0]) in _KNOWN), 0)
    below = next((place for place, names in enumerate(rows) if len(names) > 1), 0)
    return 0, (below if below and _are_names(rows[below]) and 2 * len(rows[below]) > most else 0)


def _names(cells: Sequence[str]) -> list[str]:
    return [bare for cell in cells if (bare := cell.strip())]


def _are_names(names: list[str]) -> bool:
    return len(set(names)) == len(names) and max(map(len, names)) <= _NAME_CHARS


def _has_pair(names: list[str]) -> bool:
    """Whether these are names of columns that make a row: a question and an answer, or who speaks and what."""
    if not names or not _are_names(names):
        return False
    folded = {fold(name) for name in names}
    pairs = ((*QUESTIONS, *INPUTS), ANSWERS), (SPEAKERS, WORDS)
    return any(not folded.isdisjoint(one) and not folded.isdisjoint(other) for one, other in pairs)
