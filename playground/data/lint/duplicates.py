"""Rows that stand in the dataset twice: equal, nearly equal, or held out and trained on as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from playground.core.findings import Finding
from playground.core.i18n import say
from playground.data.lint.near import LONGEST, THRESHOLD, Search, search
from playground.data.lint.rows import Report, View, digest_of

_DROP = ["drop", "keep"]


def duplicates(views: Sequence[View], contradicting: set[int], report: Report) -> Iterator[Finding]:
    """Exact copies, near copies, and held-out rows that have either among the training rows.

    contradicting: rows that another finding compares with a row of the same question already.
    """
    equal: dict[bytes, list[View]] = {}
    for view in views:
        equal.setdefault(view.given.digest or digest_of(view.messages), []).append(view)
    different: list[View] = []
    leaked: set[int] = set()
    for group in equal.values():
        trained = [view for view in group if not view.given.held_out]
        held_out = [view for view in group if view.given.held_out]
        different += [*trained[:1], *held_out[:1]]
        yield from _copies(trained)
        if trained:
            leaked.update(view.row for view in held_out)
            yield from (_leak(view, trained[0], None) for view in held_out)
        else:
            yield from _copies(held_out)
    report(0.1)
    # By row, so that findings name the earlier row whatever the order in which the rows came.
    different.sort(key=lambda view: view.row)
    found = search([view for view in different if view.row not in leaked], lambda share: report(0.1 + 0.9 * share))
    yield from _near(found, [view for view in different if view.row not in leaked], contradicting)
    yield from _limits(found)


def _copies(group: list[View]) -> Iterator[Finding]:
    fix = say("Remove the copy, unless this row is meant to count twice.")
    why = say("The run sees the same words twice as often as others, and leans towards learning them by heart.")
    group = sorted(group, key=lambda view: view.row)
    for view in group[1:]:
        message = say("Row {row} is the same as row {other}.", row=view.row, other=group[0].row)
        yield Finding("duplicate", "warning", message, fix, view.row, why, edits=list(_DROP))


def _near(found: Search, views: Sequence[View], contradicting: set[int]) -> Iterator[Finding]:
    for place, (other, share) in found.twins.items():
        yield _leak(views[place], views[other], share)
    fix = say("Compare the two rows and remove one, unless the difference is what is to be learned.")
    why = say("Near copies count almost twice: the run leans towards learning their words by heart.")
    for place, (other, share) in _partners(found).items():
        view = views[place]
        if place in found.twins or view.row in contradicting:
            continue
        message = say(
            "Row {row} is nearly the same as row {other}: {percent} % of their word pairs agree (it takes {least} %).",
            row=view.row,
            other=views[other].row,
            percent=_percent(share),
            least=_percent(THRESHOLD),
        )
        yield Finding("near_duplicate", "info", message, fix, view.row, why, edits=list(_DROP))


def _partners(found: Search) -> dict[int, tuple[int, float]]:
    """For each row of a group but its first: a row that it is nearly the same as, the earliest that is known."""
    partners: dict[int, tuple[int, float]] = {}
    neighbours: dict[int, list[int]] = {}
    for place, other, share in found.near:
        for one, two in ((place, other), (other, place)):
            neighbours.setdefault(one, []).append(two)
            partners[one] = min(partners.get(one, (two, share)), (two, share))
    seen: set[int] = set()
    for first in sorted(neighbours):
        if first in seen:
            continue
        del partners[first]  # It stays when the others of its group are dropped.
        waiting = [first]
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                waiting += neighbours[place]
    return partners


def _leak(view: View, trained: View, share: float | None) -> Finding:
    message = (
        say("Row {row} is held out, but the training row {other} is the same.", row=view.row, other=trained.row)
        if share is None
        else say(
            "Row {row} is held out, but the training row {other} is nearly the same ({percent} % of the word pairs).",
            row=view.row,
            other=trained.row,
            percent=_percent(share),
        )
    )
    return Finding(
        "held_out_in_training",
        "warning",
        message,
        say("Remove one of the two rows."),
        view.row,
        say("The held-out loss then measures what was learned by heart, and looks better than it is."),
        edits=list(_DROP),
    )


def _limits(found: Search) -> Iterator[Finding]:
    """What the search left out, said openly."""
    if found.crowded:
        yield Finding(
            "near_duplicate_limits",
            "info",
            say(
                "Rows that resemble so many others that each was only compared with the most similar ones: {count}.",
                count=found.crowded,
            ),
            say("Remove the near copies that are named, and check again."),
            None,
            say("Some near copies may not be named. Exact copies are all named."),
        )
    if found.too_long:
        yield Finding(
            "near_duplicate_limits",
            "info",
            say(
                "Rows with more than {limit} characters, which were only searched for exact copies: {count}.",
                count=found.too_long,
                limit=LONGEST,
            ),
            None,
            None,
            say("Some near copies may not be named. Exact copies are all named."),
        )


def _percent(share: float) -> int:
    """Rounded down: 100 is only said where nothing differs."""
    return int(100 * share + 1e-9)
