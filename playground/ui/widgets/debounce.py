"""One look at the widgets for all that is set in them at once.

Gradio's "always_last" keeps order only from when a request has left the browser: two triggers in one tick, as when a
fix sets two widgets, are both sent and can overtake each other. So a trigger only asks for a look (`js=ASK`), and
`input` of the element here fires once, when all that was set in that tick stands. It also fires when the page is there.
"""

from __future__ import annotations

import gradio as gr

ASK = "() => { document.dispatchEvent(new Event('sft-look')); }"
_SCRIPT = """
let soon;
const look = () => { clearTimeout(soon); soon = setTimeout(() => trigger("input"), 0); };
document.addEventListener("sft-look", look);
look();
"""


def look(elem_id: str) -> gr.HTML:
    """Draws nothing; there is one on the page."""
    return gr.HTML("", html_template="", js_on_load=_SCRIPT, elem_id=elem_id, apply_default_css=False)
