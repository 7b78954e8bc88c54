"""The whole page: header and three tabs. `build_page` wires it together, `launch_options` says how to serve it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from playground.core.paths import ASSETS
from playground.core.settings import Limits
from playground.server.backend import Backend
from playground.ui import api
from playground.ui.compare.tab import CompareTab
from playground.ui.finetune_tab import FinetuneTab
from playground.ui.rows.persistence import KeptRows
from playground.ui.run.my_runs import OtherTabs
from playground.ui.template.tab import TemplateTab
from playground.ui.theme import theme
from playground.ui.widgets.header import Header
from playground.ui.widgets.i18n import label, translations

STYLES = [ASSETS / "style.css", *sorted((ASSETS / "styles").glob("*.css"))]
"""The page's own style, then those of its larger pieces."""
RUNS_KEY = "sft-playground-runs"
"""Where a browser keeps the ids of its runs. Another name would lose them."""

# Says the page's language to screen readers, and makes browsers draw kanji in their Japanese shapes.
_HEAD = """<script>document.documentElement.lang = /^ja/i.test(navigator.language || "en") ? "ja" : "en";</script>
<meta name="color-scheme" content="light dark">"""


def build_page(backend: Backend, browser_secret: str) -> gr.Blocks:
    """The page in front of `backend`. `browser_secret` must outlive a restart, or browsers forget their runs."""
    with gr.Blocks(title="SFT Playground", analytics_enabled=False, delete_cache=(3600, 24 * 3600)) as page:
        runs = gr.BrowserState([], storage_key=RUNS_KEY, secret=browser_secret)
        kept = KeptRows(browser_secret)
        others = OtherTabs()
        header = Header(backend)
        with gr.Tabs(selected="template", elem_id="tabs") as tabs:
            with gr.Tab(label("Chat template"), id="template", elem_id="tab-template"):
                template = TemplateTab(backend)
            with gr.Tab(label("Fine-tune"), id="finetune", elem_id="tab-finetune"):
                finetune = FinetuneTab(backend, template.template_for_training)
            with gr.Tab(label("Compare"), id="compare", elem_id="tab-compare"):
                compare = CompareTab(backend)
        others.wire(runs)
        header.wire(page)
        template.wire(page, header)
        template.hand_over(tabs, finetune.rows.paste, finetune.rows.file)
        finetune.wire(page, header, runs, tabs, compare.run, kept)
        compare.wire(page, header, runs)
        api.add_endpoints(backend)
    return page


def launch_options() -> dict[str, Any]:
    """Arguments for `launch()` that belong to the page; host, port and the like are the caller's."""
    return {
        "theme": theme(),
        "css": "\n".join(path.read_text(encoding="utf-8") for path in STYLES),
        "head": _HEAD,
        "i18n": translations(),
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,
        # Every stream and every waiting check holds a thread; 40, the default, is one workshop.
        "max_threads": 160,
        # Twice the limit, so that it is the backend that refuses, in words and in the reader's language.
        "max_file_size": 2 * Limits().upload_bytes,
    }
