"""Looks at the settings after they were changed: one that draws what they are, and one that asks for an estimate.

As `debounce.py`: a trigger only asks, and the element fires once when all that was set at once stands, and nothing came
for a moment. So typing costs nothing, and a preset that sets a dozen widgets costs one request.
"""

from __future__ import annotations

import gradio as gr

CHANGED = "() => { document.dispatchEvent(new Event('sft-settings')); }"
"""Some setting was changed: draw them anew and estimate anew."""
ESTIMATE = "() => { document.dispatchEvent(new Event('sft-estimate')); }"
"""Something else was changed that a run depends on."""
SET = "() => ['settings', 'rows'].forEach((name) => document.dispatchEvent(new Event('sft-' + name)))"
"""Widgets were set by the server. One in a closed drawer says nothing itself, and the rows depend on some of them."""
ESTIMATE_DELAY_MS = 500
DRAW_DELAY_MS = 120
_SCRIPT = """
let soon;
const look = () => { clearTimeout(soon); soon = setTimeout(() => trigger("input"), DELAY); };
for (const name of EVENTS) document.addEventListener(name, look);
look();
"""


def settings_look(elem_id: str) -> gr.HTML:
    """Its `input` follows `CHANGED`; it draws nothing."""
    return _look(elem_id, '["sft-settings"]', DRAW_DELAY_MS)


def estimate_look(elem_id: str) -> gr.HTML:
    """Its `input` follows `CHANGED` and `ESTIMATE`, once nothing was changed for half a second; it draws nothing."""
    return _look(elem_id, '["sft-settings", "sft-estimate"]', ESTIMATE_DELAY_MS)


def _look(elem_id: str, events: str, delay_ms: int) -> gr.HTML:
    script = _SCRIPT.replace("EVENTS", events).replace("DELAY", str(delay_ms))
    return gr.HTML("", html_template="", js_on_load=script, elem_id=elem_id, apply_default_css=False)
