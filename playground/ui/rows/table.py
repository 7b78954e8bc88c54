"""Rows as an editable table with one question and one answer each. What is typed becomes JSON Lines in the box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import orjson

from playground.core.errors import PlaygroundError
from playground.core.i18n import say
from playground.data.types import ShownRow
from playground.server.backend import Backend
from playground.ui.widgets.events import PAGE, QUEUED
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.markup import callout, refusal

ROWS_SHOWN = 200
_EMPTY = 4
_ROLES = ("system", "user", "assistant")

Line = list[str]
"""[system, user, assistant]"""


class RowsTable:
    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.note = gr.HTML("", js_on_load=None, apply_default_css=False, elem_id="table-note")
        self.table = gr.Dataframe(
            _value([], "en"),
            type="array",
            datatype="str",
            column_count=3,
            interactive=True,
            wrap=True,
            max_height=420,
            column_widths=["24%", "38%", "38%"],
            show_label=False,
            label=label("Rows as a table"),
            buttons=[],
            elem_id="rows-table",
        )
        gr.HTML(
            label(
                "A row for each question and its answer; System may stay empty. What you write goes into the paste box."
            ),
            elem_classes="hint",
            js_on_load=None,
            apply_default_css=False,
        )

    def wire(self, tab: gr.Tab, paste: gr.Textbox, file: gr.File) -> None:
        tab.select(self.open, [paste, file], [self.table, self.note], **QUEUED)
        self.table.input(
            self.typed, [self.table, paste, file], paste, **PAGE, show_progress="hidden", trigger_mode="always_last"
        )

    def open(self, request: gr.Request, pasted: str | None, file: str | None) -> tuple[Any, str]:
        """The pasted rows, if all of them fit; otherwise what fits can be read, and nothing can be lost by typing."""
        language = reader_language(request)
        if file:
            told = say("The rows come from a file. Remove it to write rows here.")
            return gr.update(value=_value([], language), interactive=False), callout("info", told.to(language))
        if not (pasted or "").strip():
            return gr.update(value=_value([], language), interactive=True), ""
        try:
            answer = self.backend.datasets.rows(pasted or "", "", "", {}, 1, ROWS_SHOWN)
        except PlaygroundError as error:
            return gr.update(value=_value([], language), interactive=False), refusal(error, language)
        lines = [line for line in map(as_line, answer["rows"]) if line]
        others = answer["total"] - len(lines)
        if not others:
            return gr.update(value=_value(lines, language), interactive=True), ""
        told = say(
            "Rows that do not fit into the table: {others} of {rows}. So it can only be read: it takes up to "
            "{limit} rows with one question and one answer. Change the others where they are shown below.",
            others=f"{others:,}",
            rows=f"{answer['total']:,}",
            limit=ROWS_SHOWN,
        )
        return gr.update(value=_value(lines, language), interactive=False), callout("info", told.to(language))

    def typed(self, table: Sequence[Sequence[Any]] | None, pasted: str | None, file: str | None) -> Any:
        if file:
            return gr.skip()
        text = as_jsonl(table or [])
        return gr.skip() if text == (pasted or "") else text


def as_line(row: ShownRow) -> Line | None:
    """[system, user, assistant] of a row with one question and one answer in words, None for any other."""
    messages = row.get("messages")
    if not isinstance(messages, list) or row.get("tools"):
        return None
    roles = [message.get("role") for message in messages]
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]):
        return None
    if any(set(message) != {"role", "content"} or not isinstance(message["content"], str) for message in messages):
        return None
    words = [message["content"] for message in messages]
    return words if len(words) == 3 else ["", *words]


def as_jsonl(table: Sequence[Sequence[Any]]) -> str:
    """A line for each row of the table that has a word in it. A system message only where it says something."""
    lines = []
    for cells in table:
        words = [str(cell) if cell is not None else "" for cell in [*cells, "", "", ""][:3]]
        if any(word.strip() for word in words):
            messages = [
                {"role": role, "content": word}
                for role, word in zip(_ROLES, words, strict=True)
                if role != "system" or word.strip()
            ]
            # Half a character pair cannot be written as UTF-8; the box would refuse it too.
            lines.append(orjson.dumps({"messages": messages}).decode())
    return "".join(f"{line}\n" for line in lines)


def _value(lines: Sequence[Line], language: str) -> dict[str, Any]:
    headers = [say("System").to(language), say("User").to(language), say("Assistant").to(language)]
    return {"headers": headers, "data": [*lines, *([["", "", ""]] * max(_EMPTY - len(lines), 1))]}
