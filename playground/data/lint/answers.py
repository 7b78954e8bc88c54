"""Answers that hold nothing, blanks around the words, and answers and questions that the maximum length cuts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.data.lint.rows import LintFacts, View, fold, is_blank, is_wordless

_PLACEHOLDERS = frozenset(
    {"n/a", "#n/a", "todo", "tbd", "tba", "fixme", "null", "nan", "<na>", "undefined", "lorem ipsum", "no answer"}
    | {"[answer]", "<answer>", "{answer}", "[response]", "<response>", "{response}", "{output}", "[insert answer here]"}
    | {"未回答", "未入力", "未定", "回答なし", "無回答", "待补充", "无回答"}
)
"""What people write where an answer is still to come. "None", "NA" and "No" are not here: they can be answers."""
_LONGEST = max(map(len, _PLACEHOLDERS)) + 4


def empty_answer(views: Iterable[View]) -> Iterator[Finding]:
    fix = say("Write the answer, or remove the row.")
    why = say("The model learns to say nothing, or to write the placeholder, where people want an answer.")
    for view in views:
        for place, role in enumerate(view.roles):
            message = _emptiness(view, place) if role == "assistant" else None
            if message is not None:
                edits = ["drop_empty", "drop", "keep"] if is_wordless(view.messages[place]) else ["drop", "keep"]
                yield Finding("empty_answer", "warning", message, fix, view.row, why, edits=edits)
                break


def _emptiness(view: View, place: int) -> Sentence | None:
    """What is wrong with this answer, None where it says something."""
    text = view.words[place]
    if len(text) > _LONGEST and not is_blank(text):
        return None
    bare = text.strip()
    number = place + 1
    message = view.messages[place]
    if message.get("tool_calls") or message.get("reasoning_content"):
        return None
    if not text:
        return say("Row {row}: the answer in message {number} is empty.", row=view.row, number=number)
    if is_blank(bare):
        return say("Row {row}: the answer in message {number} is only white space.", row=view.row, number=number)
    if all(unicodedata.category(character)[0] == "P" for character in bare):
        return say(
            "Row {row}: the answer in message {number} is only punctuation: {text}",
            row=view.row,
            number=number,
            text=bare,
        )
    if fold(bare).rstrip(".。!！:") in _PLACEHOLDERS:
        return say(
            "Row {row}: the answer in message {number} is a placeholder: {text}",
            row=view.row,
            number=number,
            text=" ".join(bare.split()),
        )
    return None


def outer_whitespace(views: Iterable[View]) -> Iterator[Finding]:
    fix = say("Trim the messages.")
    why = say("Unless the template strips them, the blanks are trained: the model learns to write or to expect them.")
    for view in views:
        numbers = [
            str(place + 1)
            for place, text in enumerate(view.words)
            # Words that are nothing but blanks are another finding.
            if text and (text[0].isspace() or text[-1].isspace()) and not text.isspace()
        ]
        if numbers:
            message = say(
                "Row {row}: message {numbers} begins or ends with white space.",
                row=view.row,
                numbers=", ".join(numbers[:6]),
            )
            yield Finding("outer_whitespace", "info", message, fix, view.row, why, edits=["trim", "drop", "keep"])


def answer_cut(views: Iterable[View], facts: LintFacts) -> Iterator[Finding]:
    why = say("The model learns a part of the answer only: it may break off or begin in the middle as this row does.")
    for view in views:
        given = view.given
        if given.answer_cut:
            message = say(
                "Row {row} has {length} tokens: the maximum length of {max_length} cuts its answer.",
                row=view.row,
                length=given.length,
                max_length=facts.max_length,
            )
            fix = say("Raise the maximum length to {length}, shorten the row, or remove it.", length=given.length)
            yield Finding("answer_cut", "warning", message, fix, view.row, why, edits=["drop", "keep"])


def question_cut(views: Iterable[View], facts: LintFacts) -> Iterator[Finding]:
    """Rows whose beginning is cut, where others than the assistant speak."""
    why = say("The model learns this answer to a question of which it sees the end at most.")
    for view in views if facts.keeps_end else ():
        length, kept = view.given.length, view.given.kept
        if kept < length and any(role != "assistant" for role in view.roles):
            message = say(
                "Row {row} has {length} tokens: the maximum length of {max_length} cuts {count} of them from its "
                "beginning, where the question stands.",
                row=view.row,
                length=length,
                max_length=facts.max_length,
                count=length - kept,
            )
            fix = say("Raise the maximum length to {length}, shorten the row, or remove it.", length=length)
            yield Finding("question_cut", "warning", message, fix, view.row, why, edits=["drop", "keep"])
