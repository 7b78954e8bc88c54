"""Headings of the page's parts, translated in the browser."""

from __future__ import annotations

import gradio as gr
from gradio.i18n import I18nData


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
