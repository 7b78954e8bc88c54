"""Which rows are kept out of training, drawn so that correcting some rows leaves the others on their sides.

    rows, each with its key  ->  the order of keyed hashes, copies together  ->  the first so many

A row's place in the draw depends on the seed and on its own words as they were given, and on nothing else: not on the
other rows, their order, or what was done to it since. Rows that are taken out stay in the draw. So a row that leaves or
is mended moves no other, nor does another run on the same file that reads fewer of its rows. (A draw of places among so
many, `random.sample`, draws all of them anew when one row leaves.)

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
    given: Sequence[bytes],
    conversations: Sequence[bytes],
    share: float,
    seed: int,
    *,
    shuffle: bool = True,
    left_out: Sequence[bytes] = (),
) -> list[int]:
    """Places of the rows kept out of training, sorted: at least 1 where share is above 0, never all.

    given, conversations: for each row a digest of what arrived, and of what is trained on (equal for copies).
    left_out: of each row that cannot be used, or was taken out, the digest of what arrived. They are drawn as well, so
    that `share` of all rows that arrived is drawn, and which rows can be used moves none of the others.
    The same for the same rows, in whatever order, on every machine. Without `shuffle` the last rows.
    """
    count = len(given)
    if share <= 0 or count < 2:
        return []
    if not shuffle:
        return list(range(count - _wanted(count, share), count))
    copies = dict(zip(given, conversations, strict=True))
    others = [copies.get(digest, digest) for digest in left_out]
    groups = _groups([*given, *left_out], [*conversations, *others], seed)
    drawn = [place for place in _drawn(groups, _wanted(count + len(left_out), share)) if place < count]
    usable = [place for group in groups for place in group if place < count]
    if not drawn:
        return usable[:1]
    return sorted(drawn) if len(drawn) < count else sorted(usable[:-1])


def _wanted(count: int, share: float) -> int:
    return min(max(round(count * share), 1), count - 1)


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
