"""Rows of which nothing is left to learn: what the maximum length leaves, and how long it has to be for more.

60 tokens, the answer at 50 to 59, the first 40 kept  ->  nothing is learned: 51 for a part of the answer, 60 for it
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from playground.core.errors import InputError
from playground.core.findings import Finding, Severity, finding_of
from playground.core.i18n import Sentence, say
from playground.core.messages import Conversation, is_read_only
from playground.core.settings import DatasetOptions
from playground.data.tokenize import Mask

LEFT_OUT = say("The row is left out: the model learns nothing from it.")


def needed_lengths(mask: Mask, *, keeps_end: bool) -> tuple[int, int] | None:
    """(smallest maximum length with a supervised token, smallest with all of them); None where the row has none.

    The first token that is kept is never predicted, so that its label teaches nothing.
    """
    supervised = np.flatnonzero(mask[1:]) + 1
    if not len(supervised):
        return None
    first, last = int(supervised[0]), int(supervised[-1])
    return (len(mask) - last + 1, len(mask) - first + 1) if keeps_end else (first + 1, last + 1)


def kept_part(length: int, options: DatasetOptions) -> slice:
    """The tokens of a row of this length that the maximum length leaves."""
    limit = options.max_length
    return slice(max(length - limit, 0), length) if options.truncation_mode == "keep_end" else slice(0, limit)


def _left_out(row: int, code: str, severity: Severity, message: Sentence, fix: Sentence) -> Finding:
    return Finding(code, severity, message, fix, row, LEFT_OUT, edits=["drop"])


def too_long(row: int, length: int, limit: int) -> Finding:
    """The finding on a row that is left out rather than cut."""
    message = say("Row {row} has {length} tokens, more than the maximum length of {limit}.", row=row, length=length,
                  limit=limit)  # fmt: skip
    fix = say("Raise the maximum length to {length}, or have long rows cut off.", length=length)
    return _left_out(row, "too_long", "warning", message, fix)


def empty_row(row: int) -> Finding:
    """The finding on a row whose answers are all empty."""
    message = say("Row {row} has an empty answer: only the end of a turn would be learned.", row=row)
    return _left_out(row, "empty_answer", "error", message, say("Write the answer, or remove the row."))


def nothing_left(conversation: Conversation, mask: Mask, options: DatasetOptions) -> Finding:
    """The finding on a row without a supervised token, after the cut or at all."""
    row = conversation.row
    if not mask.any() and any(is_read_only(message) for message in conversation.messages):
        message = say("Row {row}: nothing of it is to be learned, for its answers have the weight 0.", row=row)
        fix = say("Give an answer that is to be learned the weight 1.")
        return _left_out(row, "nothing_to_learn", "warning", message, fix)
    limit = options.max_length
    needed = needed_lengths(mask, keeps_end=options.truncation_mode == "keep_end")
    if needed is None:
        problem = InputError(
            say("Row {row} has no supervised token, however long it may be.", row=row),
            say("Something of the assistant's answer has to be trained."),
            say("Write an answer, or change what is trained."),
        )
    else:
        problem = InputError(
            say("Row {row} has no supervised token within {max_length} tokens.", row=row, max_length=limit),
            say("Something of the assistant's answer has to be left after the cut."),
            say(
                "Shorten the question, or raise the maximum length: from {some} on something of the answer is trained, "
                "from {all} on all of it.",
                some=needed[0],
                all=needed[1],
            ),
        )
    return replace(finding_of(problem, "no_supervised_token", row), edits=["drop"], why=LEFT_OUT)
