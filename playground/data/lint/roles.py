"""Whether the messages follow each other as in a chat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.messages import is_plain
from playground.data.lint.rows import LEADS, View

_MAY_REPEAT = ("tool",)
"""One answer may call several tools: their results follow each other."""


def role_order(views: Iterable[View]) -> Iterator[Finding]:
    """One finding for each way in which the order of a row is unusual."""
    for view in views:
        roles = view.roles
        # Plain text to go on with is one answer to nothing, and meant so.
        if roles == ["assistant"]:
            continue
        yield from _repeated(view)
        yield from _system_late(view)
        spoken = [(place, role) for place, role in enumerate(roles) if role not in LEADS]
        if spoken and spoken[0][1] != "user":
            yield _begins(view, *spoken[0])
        if roles and roles[-1] != "assistant":
            yield _ends(view)


def _repeated(view: View) -> Iterator[Finding]:
    roles = view.roles
    places = [
        place for place in range(1, len(roles)) if roles[place] == roles[place - 1] and roles[place] not in _MAY_REPEAT
    ]
    if not places:
        return
    first = places[0]
    can_merge = all(is_plain(view.messages[place + step]) for place in places for step in (-1, 0))
    yield _finding(
        view,
        say(
            "Row {row}: messages {first} and {second} are both from {role}.",
            row=view.row,
            first=first,
            second=first + 1,
            role=roles[first],
        ),
        say("Merge the two into one message, or add the turn that is missing between them."),
        say("Many templates refuse two turns of one role; others make a pattern of it that no chat has."),
        ["merge", "drop", "keep"] if can_merge else ["drop", "keep"],
    )


def _system_late(view: View) -> Iterator[Finding]:
    place = next(
        (
            place
            for place, role in enumerate(view.roles)
            if role in LEADS and any(earlier not in LEADS for earlier in view.roles[:place])
        ),
        None,
    )
    if place is not None:
        yield _finding(
            view,
            say("Row {row}: the system prompt is message {number}, not the first.", row=view.row, number=place + 1),
            say("Move the system prompt to the beginning."),
            say("Many templates refuse this or leave the system prompt out, and in a chat it always comes first."),
            ["drop", "keep"],
        )


def _begins(view: View, place: int, role: str) -> Finding:
    return _finding(
        view,
        say(
            "Row {row} begins with {role} (message {number}), not with the user.",
            row=view.row,
            role=role,
            number=place + 1,
        ),
        say("Write what the user said before it, or remove the row."),
        say("The model learns to speak first, but in a chat it is always asked first."),
        ["drop", "keep"],
    )


def _ends(view: View) -> Finding:
    return _finding(
        view,
        say(
            "Row {row} ends with {role} (message {number}), and no answer follows.",
            row=view.row,
            role=view.roles[-1],
            number=len(view.roles),
        ),
        say("Add the answer that the model should give, or take the last message away."),
        say("No answer follows these words: unless all tokens are trained, nothing is learned from them."),
        ["drop", "keep"],
    )


def _finding(view: View, message: Sentence, fix: Sentence, why: Sentence, edits: list[str]) -> Finding:
    return Finding("role_order", "warning", message, fix, view.row, why, edits=edits)
