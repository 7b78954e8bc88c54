"""Which rows are kept out of training, drawn so that correcting some rows leaves the others on their sides.

    rows, each with its key  ->  the order of keyed hashes, copies together  ->  the first so many

A row's place in the draw depends on the seed and on its own words as they were given, and on nothing else: not on the
other rows, their order, or what was done to it since. So a row that leaves moves one other row at most, and a row that
is mended moves none. (A draw of places among so many, `random.sample`, draws all of them anew when one row leaves.)

Rows that are trained on as the same conversation stay on one side as far as that is possible, since a held-out row that
also stands in training measures what was learned by heart. Where copies have to be parted to hold out as many rows as
were asked for, the linter names them. Near copies are not known here: to find them takes the linter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_LARGEST_SHARE = 4
"""Copies of one conversation make up at most one in so many held-out rows: more would speak for all of them."""


def held_out_places(
    given: Sequence[bytes], conversations: Sequence[bytes], share: float, seed: int, *, shuffle: bool = True
) -> list[int]:
    """Places of the rows kept out of training, sorted: `share` of all, at least 1 where share is above 0, never all.

    given, conversations: for each row a digest of what arrived, and of what is trained on (equal for copies).
    The same for the same rows, in whatever order, on every machine. Without `shuffle` the last rows.
    """
    count = len(given)
    if share <= 0 or count < 2:
        return []
    wanted = min(max(round(count * share), 1), count - 1)
    if not shuffle:
        return list(range(count - wanted, count))
    return sorted(_drawn(_groups(given, conversations, seed), wanted))


def _groups(given: Sequence[bytes], conversations: Sequence[bytes], seed: int) -> list[list[int]]:
    """The places of copies together, in the order of the draw."""
    key = seed.to_bytes(8, "little")
    groups: dict[bytes, list[tuple[bytes, int]]] = {}
    for place, (own, conversation) in enumerate(zip(given, conversations, strict=True)):
        groups.setdefault(conversation, []).append((blake2b(own, digest_size=16, key=key).digest(), place))
    return [[place for _, place in sorted(group)] for group in sorted(groups.values(), key=min)]


def _drawn(groups: list[list[int]], wanted: int) -> Iterator[int]:
    """So many places, those of whole groups first. A group that is too large stays in training, the next may fit."""
    most = max(wanted // _LARGEST_SHARE, 1)
    rest: list[list[int]] = []
    for group in groups:
        if len(group) <= min(most, wanted):
            wanted -= len(group)
            yield from group
        else:
            rest.append(group)
    parted: list[list[int]] = []
    for group in rest:
        if len(group) <= wanted:
            wanted -= len(group)
            yield from group
        else:
            parted.append(group)
    for group in parted:
        yield from group[:wanted]
        wanted -= len(group[:wanted])


def even_places(rows: int, count: int) -> list[int]:
    """Places of `count` of so many rows, or of all: evenly spread, always the same."""
    count = min(count, rows)
    return [place * rows // count for place in range(count)]


def evenly(rows: Sequence[T], count: int) -> list[T]:
    """`count` of the rows, or all: from all over, since rows that stand together are often about the same."""
    return [rows[place] for place in even_places(len(rows), count)]
