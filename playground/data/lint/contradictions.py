"""The same question with different answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from playground.core.findings import Finding
from playground.core.i18n import say
from playground.data.lint.rows import View, fold

_AROUND_AN_ANSWER = " .。!！\"'“”‘’「」`*"
"""Signs that change nothing about an answer; a minus in front of it does."""


def contradictions(views: Sequence[View]) -> Iterator[Finding]:
    """A finding for each row whose question an earlier row asks too, with another answer.

    The same question: the same messages before the last answer, the system prompt among them, but for case and spaces.
    """
    first: dict[bytes, dict[bytes, View]] = {}
    for view in sorted(views, key=lambda view: view.row):
        key = _question(view)
        if key is None:
            continue
        answers = first.setdefault(key, {})
        answer = _digest(fold(view.all_said[view.last_answer]).strip(_AROUND_AN_ANSWER))
        other = next((earlier for given, earlier in answers.items() if given != answer), None)
        answers.setdefault(answer, view) if len(answers) < 2 else None
        if other is not None:
            yield _finding(view, other)


def _question(view: View) -> bytes | None:
    """What stands before the last answer; None where nobody asks anything."""
    before = list(zip(view.roles, view.all_said, strict=True))[: max(0, view.last_answer)]
    if not any(role in ("user", "tool") and text.strip() for role, text in before):
        return None
    return _digest("\0".join(f"{role}\0{fold(text)}" for role, text in before))


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _finding(view: View, other: View) -> Finding:
    return Finding(
        "contradiction",
        "warning",
        say("Row {row} asks the same as row {other} and gets another answer.", row=view.row, other=other.row),
        say("Keep the right answer and remove the other row, unless both answers are good ones."),
        view.row,
        say("The run is pulled both ways: the model learns a mixture, and the loss cannot fall to zero."),
        edits=["drop", "keep"],
    )
