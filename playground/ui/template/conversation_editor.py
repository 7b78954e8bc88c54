"""The editor of a conversation: a list of messages as turns or as JSON, edited in the browser.

What a message carries beside role and text (reasoning, calls, names, keys that nobody here knows) is shown and kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from playground.core.i18n import LANGUAGES, localise, say

_PARTS = ("conversation_json.js", "conversation_turn.js", "conversation.js")
_SCRIPT = "\n".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in _PARTS)
_TEMPLATE = """
<div class="views" role="tablist">
  <button type="button" role="tab" class="view-turns" aria-selected="true"></button>
  <button type="button" role="tab" class="view-json" aria-selected="false" tabindex="-1"></button>
</div>
<div class="turns-view" role="tabpanel">
  <p class="json-waits" hidden></p>
  <ol class="turns"></ol>
  <p class="no-turns" hidden></p>
  <button type="button" class="add-turn"></button>
</div>
<div class="json-view" role="tabpanel" hidden>
  <textarea class="json" rows="12" spellcheck="false" autocapitalize="off" autocomplete="off"></textarea>
  <p class="json-problem problem" role="status" hidden>
    <span class="json-sentence"></span> <button type="button" class="go-to-mistake" hidden></button>
  </p>
  <p class="json-hint"></p>
</div>
<p class="editor-status" role="status">
  <span class="editor-status-text"></span> <button type="button" class="undo-remove" hidden></button>
</p>
"""


def conversation_editor(messages: list[dict[str, Any]], elem_id: str) -> gr.HTML:
    """Its value is the list of messages, with whatever each carries.

    It fires `input` a moment after the last key, never inside a composition (Japanese input). It fires `tools` with
    `{"tools": [...]}` as the event's data when JSON is pasted that brings tools: they are no messages.
    """
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
        "field": say("Turn {number}: {field}", number="{number}", field="{field}"),
        "role": say("role"),
        "text": say("text"),
        "noRole": say("no role"),
        "more": say("Add reasoning, a tool call or a name"),
        "up": say("Move up"),
        "down": say("Move down"),
        "duplicate": say("Duplicate"),
        "remove": say("Remove"),
        "removePart": say("Remove: {part}", part="{part}"),
        "add": say("Add a turn"),
        "none": say("No turns yet. Add one, or start from an example."),
        "placeholder": say("What is said in this turn"),
        "blocks": say("The content is a list of {count} blocks. Editing makes it one text.", count="{count}"),
        "noText": say("The content is no text. Editing makes it one."),
        "moved": say("Moved: this is now turn {number}.", number="{number}"),
        "removed": say("Turn {number} is removed.", number="{number}"),
        "undo": say("Undo"),
        "roles": {
            "system": say("system"),
            "user": say("user"),
            "assistant": say("assistant"),
            "tool": say("tool"),
            "developer": "developer",
        },
        "parts": {"reasoning_content": say("Reasoning"), "name": say("Name"), "tool_call_id": say("Tool call id")},
        "call": say("Tool call"),
        "callName": say("Function"),
        "callId": say("Id (optional)"),
        "arguments": say("Arguments (JSON)"),
        "other": say("also: {key}", key="{key}"),
        "lastStays": say("Until then the last valid value is used."),
        **_words_of_json(),
    }


def _words_of_json() -> dict[str, Any]:
    """Texts of the JSON view, and what can be wrong with JSON."""
    return {
        "views": {"turns": say("Turns"), "json": "JSON"},
        "boxLabel": say("Conversation"),
        "boxHint": say("A list of messages, an object with messages, or one row of JSONL."),
        "waits": say("The JSON view holds text that is not valid JSON. Editing the turns replaces it."),
        "goTo": say("Go there"),
        "where": say("Line {line}, column {column}: {problem}", line="{line}", column="{column}", problem="{problem}"),
        "mistakes": {
            "empty": say("There is nothing here. Write a list of messages, each with a role and content."),
            "shape": say("This is JSON, but no conversation: write a list of messages, each with a role and content."),
            "message": say("Message {number} is no object with a role and content.", number="{number}"),
            "noValue": say("A value is missing."),
            "ends": say("The text ends before the JSON does: a bracket is still open."),
            "value": say("Something that is no JSON value stands here."),
            "quotes": say("JSON puts texts and names in straight double quotation marks."),
            "word": say("JSON writes true, false and null, and knows no other such words."),
            "name": say("A name in double quotation marks must stand here."),
            "colon": say("A colon must follow the name."),
            "comma": say("A comma or a closing bracket is missing before this."),
            "extra": say("This comma is one too many."),
            "open": say("The text that begins here does not end on its line. Write a line break inside it as \\n."),
            "control": say("A tab inside a text is written \\t."),
            "escape": say('After a backslash JSON knows only " \\ / b f n r t and u with four digits.'),
            "deep": say("The brackets are nested too deeply."),
            "after": say("The JSON is complete before this: remove what follows."),
            "second": say("A second row begins here. The editor holds one conversation: keep one row."),
        },
    }
