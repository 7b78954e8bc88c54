"""The editor of a conversation: a list of turns, each with a role and a text, edited in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from playground.words import LANGUAGES, localise, say

_SCRIPT = (Path(__file__).parent / "conversation.js").read_text(encoding="utf-8")
_TEMPLATE = '<ol class="turns"></ol><p class="no-turns" hidden></p><button type="button" class="add-turn"></button>'


def conversation_editor(messages: list[dict[str, str]], elem_id: str) -> gr.HTML:
    """Its value is the list of messages [{role, content}]; it fires `input` a moment after the last key."""
    return gr.HTML(
        value=messages,
        html_template=_TEMPLATE,
        js_on_load=_SCRIPT,
        words={language: localise(_words(), language) for language in LANGUAGES},
        elem_id=elem_id,
        elem_classes="conversation",
        apply_default_css=False,
    )


def _words() -> dict[str, Any]:
    """The script picks the language as Gradio does for labels: from the browser's setting."""
    return {
        "turn": say("Turn {number}", number="{number}"),
        "role": say("role"),
        "text": say("text"),
        "remove": say("Remove turn"),
        "add": say("Add a turn"),
        "none": say("No turns yet. Add one, or start from an example."),
        "placeholder": say("What is said in this turn"),
        "roles": {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"},
    }
