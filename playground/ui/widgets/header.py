"""The top of the page: what this is, and which model is in use in what state."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.figures import parameters, size
from playground.core.i18n import say
from playground.models.types import CatalogueEntry, ModelStatus
from playground.server.backend import Backend
from playground.ui.widgets.events import QUICK
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.markup import bar, escape, icon

POLL_S = 1.0
"""Seconds between two refreshes for a model that is on its way."""

_BRAND = """<div class="brand"><svg viewBox="0 0 40 40" aria-hidden="true">
<rect class="mark-plain" x="2" y="6" width="15" height="11" rx="3"/>
<rect class="mark-plain" x="21" y="6" width="17" height="11" rx="3"/>
<rect class="mark-trained" x="2" y="22" width="24" height="11" rx="3"/><path class="mark-bar" d="M3 37h22"/>
<rect class="mark-plain" x="30" y="22" width="8" height="11" rx="3"/></svg>
<div><h1>SFT Playground</h1><p>${value}</p></div></div>"""


class Header:
    """Owns the model chooser, whose value ("" or a Hub id) the tabs read."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        with gr.Row(elem_id="header", equal_height=False):
            with gr.Column(scale=6, min_width=300):
                gr.HTML(
                    label("See which tokens a model is trained on, train it in minutes, and compare before and after."),
                    html_template=_BRAND,
                    elem_id="brand",
                    js_on_load=None,
                    apply_default_css=False,
                )
            with gr.Column(scale=5, min_width=300, elem_id="model-panel"):
                models = backend.models.catalogue()
                default = next((entry["name"] for entry in models if entry["default"]), None)
                self.model = gr.Dropdown(
                    [(entry["name"], entry["name"]) for entry in models],
                    value=default,
                    label=label("Model"),
                    info=label("The base model that is shown, trained and compared."),
                    elem_id="model",
                    filterable=False,
                )
                self.line = gr.HTML("", elem_id="model-line", js_on_load=None, apply_default_css=False)
        self.timer = gr.Timer(POLL_S)
        # No gr.State: Gradio tells a page of its changes only through the queue, where no timer should wait.
        self.ready = gr.HTML("", visible="hidden", elem_id="model-ready", js_on_load=None)
        """Name of the model that is ready, "" while it is on its way; the tabs look again when it changes."""

    def wire(self, page: gr.Blocks) -> None:
        refreshing = {"inputs": [self.model, self.ready], "outputs": [self.line, self.timer, self.ready]}
        self.timer.tick(self.refresh, **refreshing, trigger_mode="once", **QUICK)
        page.load(self.refresh, **refreshing, **QUICK)
        self.model.input(self.fetch, **refreshing, **QUICK)
        page.load(self.named_models, None, self.model, **QUICK)

    def named_models(self, request: gr.Request) -> Any:
        language = reader_language(request)
        return gr.update(
            choices=[(choice_name(entry, language), entry["name"]) for entry in self.backend.models.catalogue()]
        )

    def fetch(self, model: str | None, ready: str, request: gr.Request) -> tuple[Any, Any, Any]:
        """A model was chosen: have it brought here while its tokens are looked at. A failure shows in its line."""
        with suppress(PlaygroundError):
            self.backend.models.fetch(model or "")
        return self.refresh(model, ready, request)

    def refresh(self, model: str | None, ready: str, request: gr.Request) -> tuple[Any, Any, Any]:
        language = reader_language(request)
        try:
            status = self.backend.models.status(model or "")
        except PlaygroundError as error:
            status = {"name": model or "", "state": "failed", "fraction": None, "line": error.arrived, "error": error}
        entry = next((entry for entry in self.backend.models.catalogue() if entry["name"] == model), None)
        moving = status["state"] in ("waiting", "fetching", "loading")
        now_ready = (model or "") if status["state"] == "ready" else ""
        return (
            model_line(status, entry, language),
            gr.Timer(active=moving),
            gr.skip() if now_ready == ready else now_ready,
        )


def choice_name(entry: CatalogueEntry, language: str) -> str:
    gated = say("gated").to(language) if entry["gated"] else ""
    told = (entry["name"].split("/")[-1], parameters(entry["parameters"]), entry["licence"], gated)
    return " · ".join(part for part in told if part)


def model_line(status: ModelStatus, entry: CatalogueEntry | None, language: str) -> str:
    """The model's state: a word with a mark, the sentence behind it, and a bar while it is on its way."""
    state = status["state"]
    words = {
        "waiting": say("Waiting"),
        "fetching": say("Fetching"),
        "loading": say("Loading"),
        "ready": say("Ready"),
        "failed": say("Not available"),
    }
    marks = {"waiting": "queued", "ready": "done", "failed": "error"}
    line = (status["error"] or status["line"]).to(language)
    facts = model_facts(entry, language) if entry else []
    on_its_way = state in ("waiting", "fetching", "loading")
    how_far = bar(status["fraction"], say("Progress of the model").to(language)) if on_its_way else ""
    word = words[state].to(language)
    return (
        f'<div class="model-state is-{escape(state)}" role="status">{icon(marks.get(state, "running"))}'
        f"<p><strong>{escape(word)}</strong> {escape(line)}</p></div>{how_far}"
        f'<p class="model-facts">{escape(" · ".join(facts))}</p>'
    )


def model_facts(entry: CatalogueEntry, language: str) -> list[str]:
    """Where the model is from and what it asks for. A folder on this machine has no licence or size to tell."""
    facts = [entry["name"]]
    if entry["download"]:
        facts.append(say("{size} download", size=size(entry["download"])).to(language))
    if entry["gated"]:
        facts.append(say("gated: needs an accepted licence on huggingface.co and a token").to(language))
    return facts
