"""Buttons in HTML that the server wrote: each fires an event with its values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import orjson

from playground.ui.widgets.markup import escape

_SCRIPT = (Path(__file__).parent / "buttons.js").read_text(encoding="utf-8")


def pressable(elem_id: str, events: Sequence[str], value: str = "") -> gr.HTML:
    """Shows HTML of the server's. Each `button_for` in it fires its event, one of `events`, with its values."""
    # Gradio knows an event of one's own by finding its name in quotes in the script.
    script = f"const EVENTS = {orjson.dumps(list(events)).decode()};\n{_SCRIPT}"
    return gr.HTML(value, js_on_load=script, html_template="${value}", elem_id=elem_id, apply_default_css=False)


def button_for(event: str, words: str, style: str = "", named: str = "", **given: Any) -> str:
    """`named` says to screen readers what `words` alone would not."""
    values = escape(orjson.dumps(given).decode())
    name = f' aria-label="{escape(named)}"' if named else ""
    return (
        f'<button type="button" class="row-button {style}" data-event="{event}" data-given="{values}"{name}>'
        f"{escape(words)}</button>"
    )
