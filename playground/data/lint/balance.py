"""What one row, one answer or the number of rows does to the whole run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from playground.core.findings import Finding
from playground.core.i18n import say
from playground.data.lint.rows import LintFacts, View, excerpt, fold

_FEWEST_ROWS = 10
_FEWEST_TO_WEIGH = 8
"""Training rows from which on one of them can be said to dominate, or an answer to repeat."""
_DOMINATES = 0.2
_REPEATED = 1 / 3
_LABELS, _LABEL_LENGTH = 20, 40
"""At most so many different answers of at most so many characters: the rows teach to choose among labels."""
_MANY_PASSES, _TOO_MANY_PASSES = 10, 30


def dominating_row(training: Sequence[View]) -> Iterator[Finding]:
    total = sum(view.given.trained for view in training)
    if len(training) < _FEWEST_TO_WEIGH:
        return
    for view in training:
        if view.given.trained > _DOMINATES * total:
            yield Finding(
                "dominating_row",
                "info",
                say(
                    "Row {row} holds {percent} % of all supervised tokens ({trained} of {total}).",
                    row=view.row,
                    percent=int(100 * view.given.trained / total),
                    trained=view.given.trained,
                    total=total,
                ),
                say("Split it into several rows, shorten it, or remove it."),
                view.row,
                say("The model learns the style of this one row more than that of the others."),
                edits=["drop", "keep"],
            )


def row_count(training: Sequence[View], facts: LintFacts) -> Iterator[Finding]:
    """Few rows, fewer than a step asks for, and rows that the run sees too often."""
    rows = len(training)
    if 0 < rows < _FEWEST_ROWS:
        yield Finding(
            "too_few_rows",
            "warning",
            say("There is only one training row.")
            if rows == 1
            else say("There are only {rows} training rows.", rows=rows),
            say("Add rows that show what you want in different words; a few dozen make a visible difference."),
            None,
            say("The model learns these few rows by heart and little that carries over to other questions."),
        )
    if 0 < rows < facts.rows_per_step:
        yield Finding(
            "small_step",
            "warning",
            say("A step is set to {asked} rows, but has one: there is only one to train on.", asked=facts.rows_per_step)
            if rows == 1
            else say(
                "A step is set to {asked} rows, but has {rows}: there are no more to train on.",
                asked=facts.rows_per_step,
                rows=rows,
            ),
            say("Lower the rows in a batch or the batches in a step, or add rows."),
            None,
            say("Every step sees all rows, so that the run sees each row as often as it has steps."),
        )
    if not rows or facts.epochs <= _MANY_PASSES:
        return
    yield Finding(
        "seen_often",
        "warning" if facts.epochs > _TOO_MANY_PASSES else "info",
        say("The run sees each training row about {passes} times.", passes=round(facts.epochs)),
        say("Lower the number of epochs to {passes} or less, or add rows.", passes=_MANY_PASSES)
        if facts.steps is None
        else say(
            "Lower the number of steps to about {steps}, or add rows.",
            steps=_MANY_PASSES * math.ceil(rows / max(1, facts.rows_per_step)),
        ),
        None,
        say("Seen this often, rows are learned by heart: the training loss falls while new questions gain nothing."),
    )


def repeated_answer(training: Sequence[View]) -> Iterator[Finding]:
    """More than a third of the answers, copies of rows left out, are the same words."""
    by_question = {(fold(view.question), fold(_last(view))): view for view in reversed(training)}
    answers = Counter(answer for _, answer in by_question if answer)
    if len(by_question) < _FEWEST_TO_WEIGH or not answers:
        return
    answer, count = min(answers.items(), key=lambda item: (-item[1], item[0]))
    if count <= _REPEATED * len(by_question):
        return
    words = next(_last(view) for view in training if fold(_last(view)) == answer)
    percent = int(100 * count / len(by_question))
    is_choice = 1 < len(answers) <= min(_LABELS, len(by_question) // 2) and max(map(len, answers)) <= _LABEL_LENGTH
    if is_choice:
        yield Finding(
            "repeated_answer",
            "info",
            say(
                "The answers are {kinds} short texts, as for a classification; {percent} % are “{answer}”.",
                kinds=len(answers),
                percent=percent,
                answer=excerpt(words),
            ),
            say("Give each of the answers about as many rows, unless this is how often they really occur."),
            None,
            say("The model learns to choose among these texts, and to prefer the one that it sees most."),
        )
        return
    yield Finding(
        "repeated_answer",
        "info",
        say("{percent} % of the answers are the same words: “{answer}”", percent=percent, answer=excerpt(words)),
        say("Remove some of these rows, or give them answers of their own."),
        None,
        say("The model learns to say this to questions where it does not fit."),
    )


def _last(view: View) -> str:
    return view.words[view.last_answer] if view.last_answer >= 0 else ""
