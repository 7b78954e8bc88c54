"""Two tabs of one browser keep one list of runs.

Gradio reads a gr.BrowserState when a page is opened and never again: a tab that was open all along would write its old
list over what another one has added. So each tab tells the others what it has written.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from playground.ui.run.my_runs import remembered
from playground.ui.widgets.events import PAGE, QUICK

_SCRIPT = """
const others = new BroadcastChannel("sft-playground-runs");
let written = null;
others.onmessage = ({ data }) => {
  if (data.entries) trigger("told", { entries: written = data.entries });
  else if (written) others.postMessage({ entries: written });
};
document.addEventListener("sft-runs", (event) => others.postMessage({ entries: written = event.detail }));
others.postMessage({ asks: true });
"""
_TELL = "(entries) => { document.dispatchEvent(new CustomEvent('sft-runs', { detail: entries })); }"


class OtherTabs:
    """Draws nothing. It stands outside the page's tabs, where it listens from the beginning."""

    def __init__(self) -> None:
        self.ear = gr.HTML("", html_template="", js_on_load=_SCRIPT, elem_id="other-tabs", apply_default_css=False)

    def wire(self, runs: gr.BrowserState) -> None:
        runs.change(None, runs, None, js=_TELL, **PAGE)
        self.ear.told(self.take_over, runs, runs, **QUICK)

    def take_over(self, stored: Any, heard: gr.EventData) -> Any:
        """The other tab's list, which had this one's runs in it. An equal one is left, or both would go on forever."""
        entries = remembered(heard._data.get("entries"))
        return gr.skip() if entries == remembered(stored) else entries
