"""One event for all that is set in them at once.

Gradio's "always_last" keeps order only from when a request has left the browser: two triggers in one tick, as when a
fix sets two widgets, are both sent and can overtake each other. So a trigger only asks (`js=TEMPLATE_CHANGED` and the
like), and `input` of the element here fires once, when all that was set at once stands and nothing more was set for a
moment: typing costs nothing, a preset that sets a dozen widgets one request. It also fires when the page is there.
"""

from __future__ import annotations

import gradio as gr

TEMPLATE_CHANGED = "() => { document.dispatchEvent(new Event('sft-template-changed')); }"
ROWS_CHANGED = "() => { document.dispatchEvent(new Event('sft-rows')); }"
SETTINGS_CHANGED = "() => { document.dispatchEvent(new Event('sft-settings')); }"
"""Some setting was changed: draw them anew and estimate anew."""
PLAN_CHANGED = "() => { document.dispatchEvent(new Event('sft-estimate')); }"
"""Something else was changed that a run depends on."""
SETTINGS_SET = "() => ['settings', 'rows'].forEach((name) => document.dispatchEvent(new Event('sft-' + name)))"
"""Widgets were set by the server. One in a closed drawer says nothing itself, and the rows depend on some of them."""
ESTIMATE_DELAY_MS = 500
DRAW_DELAY_MS = 120
# The value is a time, so that it goes on growing when the tab is drawn anew.
_SCRIPT = """
let soon, last = 0;
const fire = () => { last = Math.max(Date.now(), last + 1); props.value = last; trigger("input"); };
const ask = () => { clearTimeout(soon); soon = setTimeout(fire, DELAY); };
for (const name of EVENTS) document.addEventListener(name, ask);
ask();
"""


def template_debounce(elem_id: str) -> gr.HTML:
    """Its `input` follows `TEMPLATE_CHANGED`."""
    return _debounce(elem_id, '["sft-template-changed"]', 0)


def rows_debounce(elem_id: str) -> gr.HTML:
    """Its `input` follows `ROWS_CHANGED`. Its value grows each time, so that a newer check can stop an older one."""
    return _debounce(elem_id, '["sft-rows"]', DRAW_DELAY_MS)


def settings_debounce(elem_id: str) -> gr.HTML:
    """Its `input` follows `SETTINGS_CHANGED`."""
    return _debounce(elem_id, '["sft-settings"]', DRAW_DELAY_MS)


def estimate_debounce(elem_id: str) -> gr.HTML:
    """Its `input` follows `SETTINGS_CHANGED` and `PLAN_CHANGED`, once nothing was changed for half a second."""
    return _debounce(elem_id, '["sft-settings", "sft-estimate"]', ESTIMATE_DELAY_MS)


def _debounce(elem_id: str, events: str, delay_ms: int) -> gr.HTML:
    """Draws nothing; there is one of each on the page."""
    script = _SCRIPT.replace("EVENTS", events).replace("DELAY", str(delay_ms))
    return gr.HTML(0, html_template="", js_on_load=script, elem_id=elem_id, apply_default_css=False)
