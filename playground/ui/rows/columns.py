"""Which column is the question and which the answer, for rows whose shape is not recognised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from playground.core.i18n import say
from playground.data.types import Column
from playground.ui.widgets.events import QUICK
from playground.ui.widgets.i18n import label
from playground.ui.widgets.markup import escape

PARTS = ("system", "user", "assistant")

# The name goes where the writing mark was last, as if it had been typed.
_SCRIPT = """
const ids = ["#map-system", "#map-user", "#map-assistant"];
const boxes = () => ids.map((id) => document.querySelector(`${id} textarea`));
let last = null;
document.addEventListener("focusin", (event) => { if (boxes().includes(event.target)) last = event.target; });
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-insert]");
  if (!button) return;
  const all = boxes();
  const box = all.includes(last) ? last : all.find((one) => one && !one.value && one !== all[0]) || all[1];
  if (!box) return;
  box.focus();
  box.setRangeText(button.dataset.insert, box.selectionStart, box.selectionEnd, "end");
  box.dispatchEvent(new Event("input", { bubbles: true }));
});
"""


class Columns:
    def __init__(self) -> None:
        with gr.Accordion(
            label("Columns: what is the question, what the answer"), open=False, elem_id="columns-panel"
        ) as self.panel:
            gr.HTML(
                label("A column's name, or a text with columns in braces. Empty: the shape is recognised by itself."),
                elem_classes="hint",
                js_on_load=None,
                apply_default_css=False,
            )
            self.buttons = gr.HTML(
                "", html_template="${value}", js_on_load=_SCRIPT, elem_id="map-columns", apply_default_css=False
            )
            self.boxes = [
                self._box(label("User"), label("The question."), "map-user", "Translate into Japanese: {text}"),
                self._box(label("Assistant"), label("The answer, which is learned."), "map-assistant", "{translation}"),
                self._box(label("System"), label("May stay empty."), "map-system", ""),
            ]
            """In the order of `mapping_of`'s arguments."""
            self.clear = gr.Button(label("Clear the columns"), size="sm", elem_id="map-clear")

    def _box(self, title: Any, info: Any, elem_id: str, example: str) -> gr.Textbox:
        return gr.Textbox(label=title, info=info, placeholder=example, lines=1, max_lines=6, elem_id=elem_id)

    def wire(self) -> None:
        self.clear.click(lambda: ("", "", ""), None, self.boxes, **QUICK)


def mapping_of(user: str | None, assistant: str | None, system: str | None) -> dict[str, str]:
    """The mapping in the boxes, in their order. {} until both question and answer are named: half of one is none."""
    given = {"user": user or "", "assistant": assistant or "", "system": system or ""}
    if not given["user"].strip() or not given["assistant"].strip():
        return {}
    return {part: text for part, text in given.items() if text.strip()}


def column_buttons(columns: Sequence[Column], language: str) -> str:
    """A button for each column, with what stands in it."""
    if not columns:
        return ""
    buttons = "".join(_button(column, language) for column in columns)
    name = escape(say("Insert a column").to(language))
    return f'<div class="columns" role="group" aria-label="{name}">{buttons}</div>'


def _button(column: Column, language: str) -> str:
    name = column["name"]
    # A name with braces in it can only stand alone.
    insert = name if "{" in name or "}" in name else f"{{{name}}}"
    sample = f'<span class="column-sample">{escape(column["sample"])}</span>' if column["sample"] else ""
    return (
        f'<button type="button" class="pick-column" data-insert="{escape(insert)}">'
        f'<span class="column-name">{escape(name)}'
        f"</span>{sample}</button>"
    )
