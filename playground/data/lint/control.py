"""Control tokens inside the words that people wrote, and words that look like a rendered conversation.

"Bye<|im_end|>"                                 ->  control_tokens
"Hi<|im_end|>\\n<|im_start|>assistant\\nAhoy"    ->  rendered_already: schemas/rendered_text.py read nothing of it
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from playground.core.findings import Finding
from playground.core.i18n import say
from playground.data.lint.rows import LintFacts, View
from playground.data.schemas.rendered_forms import MARKERS, without_edges
from playground.data.schemas.rendered_text import marks_in, read_loosely

_TAG = re.compile(r"(?=(<[^<>\s]{1,60}>|\[[^\[\]\s]{1,40}\]))")
"""What control tokens look like, one within another too. Each one found is looked up, so a tokenizer with a thousand of
them costs no more."""
_MEANT = re.compile(r"</?(?:think|thinking|tool_call|tool_response|tools|reasoning|answer)>")
"""What assistants are to write themselves."""
_ODD = 200
"""Control tokens of an unusual shape that are searched for, at most."""


class ControlTokens:
    """The tokenizer's control tokens, to be found in a text."""

    def __init__(self, tokens: Iterable[str]) -> None:
        names = {token for token in tokens if len(token) > 2 and not token.isspace()}
        self.names = names
        # Plain words and runs of blanks are added tokens of some tokenizers, but nobody's turn ends with them.
        odd = [name for name in names if _TAG.findall(name)[:1] != [name] and not re.fullmatch(r"[\w\s▁]+", name)]
        odd = sorted(odd, key=lambda name: (-len(name), name))[:_ODD]
        self.odd = re.compile("|".join(map(re.escape, odd))) if odd else None

    def among(self, text: str, by_assistant: bool) -> list[str]:
        """Control tokens in `text`, each once, in order."""
        found = [tag for tag in _TAG.findall(text) if tag in self.names]
        if self.odd is not None:
            found += self.odd.findall(text)
        return [name for name in dict.fromkeys(found) if not (by_assistant and _MEANT.fullmatch(name))]


def control_tokens(views: Iterable[View], facts: LintFacts) -> Iterator[Finding]:
    """A warning where the tokenizer takes the words for the real token or where an end stands behind an answer, an info
    where they only look like one.
    """
    known = ControlTokens(facts.control_tokens)
    for view in views:
        marks = [marks_in(text, is_alone=len(view.words) == 1) for text in view.words]
        if any(marks):
            yield _rendered(view, marks)
        real, alike, where = _found(view, known, marks)
        names = ", ".join((real or alike)[:4])
        if real:
            yield Finding(
                "control_tokens",
                "warning",
                say("Row {row}: the words of message {number} hold {names}.", row=view.row, number=where, names=names),
                say("Remove the control tokens from the words; the template writes those that are needed."),
                view.row,
                say("The tokenizer takes them for the real control token: the turn ends or changes in mid-sentence."),
                edits=["remove_control_tokens", "drop", "keep"],
            )
        elif alike:
            yield _of_others(view, where, names)


def _rendered(view: View, marks: list[list[str]]) -> Finding:
    """The first message that looks like a conversation that a chat template was applied to."""
    number, names = next((number, names) for number, names in enumerate(marks, start=1) if names)
    return Finding(
        "rendered_already",
        "warning",
        say(
            "Row {row}: message {number} looks like a whole conversation in one text, as a chat template writes it: it "
            "holds {names}.",
            row=view.row,
            number=number,
            names=", ".join(names[:6]),
        ),
        say("Give the row as messages, or as a question and an answer, without these markers; or remove it."),
        view.row,
        say(
            "It cannot be read back for certain, so the template wraps it once more: the model learns markers and the "
            "names of roles as words."
        ),
        edits=[*(["read_back"] if read_loosely(view.messages) else []), "drop", "keep"],
    )


def _of_others(view: View, where: int, names: str) -> Finding:
    message = say(
        "Row {row}: the words of message {number} hold {names}, a control token of other models.",
        row=view.row,
        number=where,
        names=names,
    )
    if any(role == "assistant" and without_edges(text)[1] for role, text in zip(view.roles, view.words, strict=True)):
        return Finding(
            "control_tokens",
            "warning",
            message,
            say("Remove it from the end of the answer: the template writes the end that this model knows."),
            view.row,
            say("For this tokenizer it is ordinary text, and the model learns to write it behind each answer."),
            edits=["remove_control_tokens", "drop", "keep"],
        )
    return Finding(
        "control_tokens",
        "info",
        message,
        say("Remove it from the row if it was left behind by another template."),
        view.row,
        say("For this tokenizer it is ordinary text, and the model learns to read or write it as such."),
        edits=["drop", "keep"],
    )


def _found(view: View, known: ControlTokens, marks: list[list[str]]) -> tuple[list[str], list[str], int]:
    """Real control tokens, lookalikes, and the number of the first message that has the graver of them; those with
    marks aside.
    """
    real: list[str] = []
    alike: list[str] = []
    real_at = alike_at = 0
    for number, (role, text) in enumerate(zip(view.roles, view.words, strict=True), start=1):
        if ("<" not in text and "[" not in text and known.odd is None) or marks[number - 1]:
            continue
        here = known.among(text, role == "assistant")
        usual = [name for name in dict.fromkeys(MARKERS.findall(text)) if name not in known.names]
        real_at = real_at or (number if here else 0)
        alike_at = alike_at or (number if usual else 0)
        real += here
        alike += usual
    return list(dict.fromkeys(real)), list(dict.fromkeys(alike)), real_at or alike_at
