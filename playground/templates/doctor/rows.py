"""The doctor over many rows: what a template does to their parts, and what it does to all of them alike.

    RowDoctor(renderer, options).look(3, messages, tools, supervised)
        ->  "Row 3: The tool calls of message 2 are not in the text." What is learned of it: "<|im_end|>"

A conversation is examined whole once for each order of roles and keys. For the others of that order it is enough that
all their words stand in the text; one of which some do not is examined too. What holds for the template and not for a
row is told once (`about_all`). What a row's answers say is compared with what the template teaches of an empty answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

from playground.core.errors import InputError, PlaygroundError
from playground.core.findings import Finding, Severity
from playground.core.i18n import say
from playground.core.messages import Message
from playground.core.settings import RenderOptions
from playground.templates.doctor import diagnose
from playground.templates.doctor.facts import TemplateFacts, examine
from playground.templates.doctor.prober import Budget, shown
from playground.templates.locate import REASONING, slots_of
from playground.templates.rendered import Supervised
from playground.templates.renderer import Renderer

_OF_ROWS = {
    "content_dropped", "role_dropped", "system_dropped", "reasoning_stripped", "reasoning_ignored", "content_rewritten",
    "printed_value", "arguments_as_text",
}  # fmt: skip
"""On the parts of a row, as is tools_ignored where calls are lost; where definitions are, it is on all rows."""
_ELSEWHERE = {"nothing_trained", "control_tokens_in_content", "content_trimmed", "stop_token_unknown"}
"""Findings that rows have otherwise: from the mask, or from the linter; chats here stop on any turn end."""
_TOLD_ONCE = {"generation_prompt_trained"}
"""Infos that are told although nothing has to be done: what TRL's own markers train of the generation prompt."""
_BUDGET_S = 20.0
_LONG = 400
"""Characters of which something is said: no turn's end is that long."""
_SHAPES = 64
_ONE_BY_ONE = 200
"""Rows that are examined although others of their order were, since words of theirs are not in the text."""

_Shape = tuple[Any, ...]


class NothingSaid(InputError):
    """All that would be learned of a row is how a turn ends."""


class RowDoctor:
    """For rows with one template and one set of options."""

    def __init__(self, renderer: Renderer, options: RenderOptions) -> None:
        self._renderer, self._options = renderer, replace(options, tools=None)
        self._budget = Budget(_BUDGET_S)
        self._known: dict[_Shape, list[Finding]] = {}
        self._one_by_one = 0
        self._all: dict[tuple[str, str], Finding] = {}

    @cached_property
    def _facts(self) -> TemplateFacts:
        return examine(self._renderer, self._options, self._budget)

    @cached_property
    def _silence(self) -> str:
        """What the template teaches of an empty answer."""
        turn: list[Message] = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": ""}]
        try:
            found = self._renderer.supervise(turn, self._options)
        except PlaygroundError:
            return ""
        return "".join(found.text[start:end] for start, end in found.learned)

    @cached_property
    def _silent(self) -> tuple[str, str]:
        """What says nothing, without white space."""
        return "", "".join(self._silence.split())

    @cached_property
    def silent_ids(self) -> frozenset[int]:
        """The tokens of which nothing is said: those of a turn's end."""
        [(ids, _)] = self._renderer.tokenize([self._silence])
        return frozenset(ids)

    def require_words(self, row: int, supervised: Supervised) -> None:
        """Raises NothingSaid where all that the row would teach is how a turn ends."""
        text = supervised.text
        if supervised.mask_source in ("all", "none") or not supervised.learned:
            return
        if any(end - start > _LONG for start, end in supervised.learned):
            return
        if all("".join(text[start:end].split()) in self._silent for start, end in supervised.learned):
            raise NothingSaid(
                say("Row {row} teaches nothing but the end of a turn: “{text}”.", row=row,
                    text=shown(self._learned(supervised))),
                say("The answer's words, calls and thoughts are empty, or the template does not write them."),
                say("Write the answer, or choose a template that writes what it has."),
            )  # fmt: skip

    def look(self, row: int, messages: list[Message], tools: list[Any] | None, supervised: Supervised) -> list[Finding]:
        """What is to be told of this row."""
        shape = shape_of(messages, tools)
        found = self._known.get(shape)
        if found is None and len(self._known) < _SHAPES:
            found = self._known[shape] = self._examined(row, messages, tools)
        elif not found and not is_all_there(messages, supervised.text):
            self._one_by_one += 1
            found = [_NOT_THERE] if self._one_by_one > _ONE_BY_ONE else self._examined(row, messages, tools)
        return [self._of_row(finding, row, supervised) for finding in found or ()]

    def about_all(self) -> Iterator[Finding]:
        """What the template does to all rows, each told once."""
        yield from self._all.values()

    def _examined(self, row: int, messages: list[Message], tools: list[Any] | None) -> list[Finding]:
        """The findings on the parts of this row; those on the template are kept."""
        options = replace(self._options, tools=tools)
        rendered = self._renderer.render(messages, options)
        of_row = []
        for finding in diagnose(self._renderer, messages, options, rendered, None, self._budget, self._facts):
            key = (finding.code, finding.severity)
            if finding.code in _ELSEWHERE or (finding.severity == "info" and finding.code not in _TOLD_ONCE):
                continue
            if finding.code in _OF_ROWS or key == ("tools_ignored", "error"):
                if finding.code != "content_rewritten" or not is_all_there(messages, rendered.text):
                    of_row.append(finding)
            elif key not in self._all:
                said = finding.message
                if finding.code == "history_rewritten":
                    said = say("Row {row}: {told}", row=row, told=said)
                severity: Severity = "info" if finding.severity == "info" else "warning"
                self._all[key] = replace(finding, message=said, severity=severity, evidence=[], action=None)
        return of_row

    def _of_row(self, finding: Finding, row: int, supervised: Supervised) -> Finding:
        return Finding(
            finding.code,
            "warning",
            say("Row {row}: {told}", row=row, told=finding.message),
            finding.fix,
            row,
            say("What is learned of the row: “{text}”.", text=shown(self._learned(supervised), 160)),
            edits=["drop", "keep"],
        )

    @staticmethod
    def _learned(supervised: Supervised) -> str:
        return " … ".join(supervised.text[start:end].strip() for start, end in supervised.learned)


_NOT_THERE = Finding(
    "content_rewritten",
    "warning",
    say("Not all of its words are in the text as they were written."),
    say("Compare the text with the conversation, and choose another template where it matters."),
)


def shape_of(messages: list[Message], tools: list[Any] | None) -> _Shape:
    """What conversations have in common that a template treats alike: the order of roles, and which keys say something.

    Thoughts among the words are told by the tag that ends them.
    """
    shape: list[Any] = [bool(tools)]
    for message in messages:
        content = message.get("content")
        if len(message) == 2 and isinstance(content, str):
            shape.append((message["role"], bool(content.strip()), "</think>" in content))
        else:
            words = content if isinstance(content, str) else str(content)
            keys = tuple(sorted(key for key, value in message.items() if value not in (None, "", [])))
            shape.append((message["role"], keys, "</think>" in words))
    return tuple(shape)


def is_all_there(messages: list[Message], text: str) -> bool:
    """Whether all words, thoughts and parts of calls stand in the text. What tools answered may stand there as JSON."""
    for number, message in enumerate(messages):
        content = message.get("content")
        if len(message) == 2 and isinstance(content, str):
            if content.strip() not in text and not (message["role"] == "tool" and _as_json(content) in text):
                return False
            continue
        for slot in slots_of(number, message):
            words = slot.words.strip()
            may_be_json = slot.field not in ("content", *REASONING) or message["role"] == "tool"
            if words not in text and not (may_be_json and _as_json(slot.words) in text):
                return False
    return True


def _as_json(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)[1:-1]
