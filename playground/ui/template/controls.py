"""Every input that a template reads beside the messages, as one form whose value is `RenderOptions`' fields.

One element, not a widget each: which controls there are depends on the template and changes while its source is edited,
and what was typed into the others has to stay.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import gradio as gr

from playground.core.i18n import LANGUAGES, localise, say
from playground.templates.types import TemplateDescription, VariableDict

VARIABLES_SHOWN = 40
"""Controls at most: a template of a stranger's may mention thousands of names."""

_SCRIPT = (Path(__file__).parent / "template_inputs.js").read_text(encoding="utf-8")
_TOOLS = """[
  {
    "type": "function",
    "function": {
      "name": "get_weather",
      "description": "Current weather at a place.",
      "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"]
      }
    }
  }
]"""
_DOCUMENTS = """[
  {"title": "Opening hours", "text": "The library is open from 9 to 18, and closed on Mondays."}
]"""


def template_inputs(elem_id: str) -> gr.HTML:
    """Its value holds what is set of RenderOptions' fields, and nothing else; it fires `input` after each change."""
    return gr.HTML(
        value={},
        asked=asked(None),
        html_template='<div class="inputs"></div>',
        js_on_load=_SCRIPT,
        words={language: localise(_words(), language) for language in LANGUAGES},
        examples={"tools": _TOOLS, "documents": _DOCUMENTS},
        elem_id=elem_id,
        apply_default_css=False,
    )


class Inputs(TypedDict):
    """What the form has to draw for a template."""

    variables: list[VariableDict]
    special_tokens: dict[str, str]
    clock: bool
    tools: bool
    documents: bool


def asked(facts: TemplateDescription | None) -> Inputs:
    """Before any template is known there is nothing to draw."""
    if facts is None:
        return {"variables": [], "special_tokens": {}, "clock": False, "tools": False, "documents": False}
    return {
        "variables": facts["variables"][:VARIABLES_SHOWN],
        "special_tokens": facts["special_tokens"],
        "clock": facts["clock"],
        "tools": facts["tools"],
        "documents": facts["documents"],
    }


def merged(options: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`options` with a fix's changes. None takes a field away; the two ways to end a text exclude each other."""
    if changes.get("add_generation_prompt"):
        changes = {"continue_final_message": None, **changes}
    if changes.get("continue_final_message"):
        changes = {"add_generation_prompt": None, **changes}
    together = {**options, **changes}
    return {name: value for name, value in together.items() if value not in (None, False)}


def _words() -> dict[str, Any]:
    return {
        "prompt": say("Generation prompt"),
        "promptHint": say("Ends with the opening of an assistant turn, as when the model is asked to answer."),
        "continue": say("Continue the last message"),
        "continueHint": say("Leaves the last turn open, so that the model goes on writing it."),
        "variables": say("Variables of this template"),
        "unset": say("not set"),
        "default": say("Not set, it is {value}.", value="{value}"),
        "tools": say("Tools"),
        "toolsHint": say("A JSON list of function definitions that the model may call."),
        "documents": say("Documents"),
        "documentsHint": say("A JSON list of objects with title and text, for answers from sources."),
        "example": say("Insert an example"),
        "clear": say("Clear"),
        "clockAndTokens": say("Clock and special tokens"),
        "clock": say("Clock"),
        "clockHint": say("The time that the template is told. Empty: now."),
        "special": say("In place of the tokenizer's own. Empty: its own."),
        "unread": say("not read by this template"),
        "set": say("set"),
        "notJson": say("This is no JSON yet. The last valid value stays in use."),
        "notList": say("It has to be a list: [ … ]. The last valid value stays in use."),
    }
