"""Choices as buttons: cards for datasets, short ones for questions. One element, whatever their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
from gradio.i18n import I18nData

from playground.ui.widgets.markup import escape

# `select` carries the place of the choice; the server knows what stands there and need not trust a name.
_SCRIPT = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-index]");
  if (button) trigger("select", { index: Number(button.dataset.index), value: button.dataset.index });
});
"""
_TEMPLATE = '<div role="group" aria-label="${label}">${value}</div>'


@dataclass(frozen=True)
class Choice:
    """What one button says, already in the reader's language."""

    title: str
    text: str = ""
    note: str = ""


def choices(label: I18nData, elem_id: str, style: str) -> gr.HTML:
    """An empty group of buttons; `style` is "cards" or "pills". Its `select` event has the index of the one pressed."""
    return gr.HTML(
        "",
        label=label,
        html_template=_TEMPLATE,
        js_on_load=_SCRIPT,
        elem_id=elem_id,
        elem_classes=f"choices {style}",
        apply_default_css=False,
    )


def buttons(offered: Sequence[Choice]) -> str:
    """The HTML that fills a group."""
    return "".join(_button(index, choice) for index, choice in enumerate(offered))


def _button(index: int, choice: Choice) -> str:
    text = f'<span class="choice-text">{escape(choice.text)}</span>' if choice.text else ""
    note = f'<span class="choice-note">{escape(choice.note)}</span>' if choice.note else ""
    return (
        f'<button type="button" class="choice" data-index="{index}">'
        f'<span class="choice-title">{escape(choice.title)}</span>{text}{note}</button>'
    )


def html(elem_id: str) -> gr.HTML:
    return gr.HTML("", elem_id=elem_id, js_on_load=None, apply_default_css=False)


def heading(title: I18nData, hint: I18nData, number: str = "") -> gr.HTML:
    """A second-level heading with one line that says what to do here. `number` shows the order of the steps."""
    mark = f'<span class="step-number" aria-hidden="true">{number}</span>' if number else ""
    return gr.HTML(
        hint,
        label=title,
        html_template=f'<div class="heading">{mark}<div><h2>${{label}}</h2><p>${{value}}</p></div></div>',
        js_on_load=None,
        apply_default_css=False,
    )
