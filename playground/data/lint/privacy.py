"""Personal data and secrets in the words, shown masked: findings travel to logs, screens and reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from playground.core.findings import Finding
from playground.core.i18n import say
from playground.data.lint.pii import find_private, hint, kind_in_words
from playground.data.lint.rows import View


def private_data(views: Iterable[View]) -> Iterator[Finding]:
    """One finding a row, naming the first thing."""
    fix = say("Mask it: each becomes a placeholder such as [email]. Or remove the row.")
    why = say("A tuned model can repeat what it was trained on, word for word, to anybody who asks.")
    for view in views:
        # Asked once for the whole row: nearly all rows hold nothing.
        if not find_private("\n".join(view.all_said)):
            continue
        found = [
            (number, kind, text[start:end])
            for number, text in enumerate(view.all_said, start=1)
            for kind, start, end in find_private(text)
        ]
        if not found:
            continue
        number, kind, value = found[0]
        if len(found) == 1:
            message = say(
                "Row {row}, message {number} holds {kind}: {hint}",
                row=view.row,
                number=number,
                kind=kind_in_words(kind),
                hint=hint(value),
            )
        else:
            message = say(
                "Row {row} holds private data in {count} places, first {kind} in message {number}: {hint}",
                row=view.row,
                count=len(found),
                number=number,
                kind=kind_in_words(kind),
                hint=hint(value),
            )
        yield Finding("private_data", "warning", message, fix, view.row, why, edits=["mask", "drop", "keep"])
