""" "Is it needed?", asked before Start: what the base model does with the held-out rows, with and without examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import localise, say
from playground.runs.types import Baseline, Settings
from playground.server.backend import Backend
from playground.ui.run.baseline_view import baseline_progress, baseline_view
from playground.ui.widgets.elements import html
from playground.ui.widgets.events import QUICK, STREAM
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.live_work import followed
from playground.ui.widgets.markup import callout, refusal

Asked = tuple[str, str, str, Settings]
"""(text, file, model, settings), as `RunService.baseline` takes them."""


@dataclass
class Newest:
    """Lives in a gr.State and is changed in place: a check that still works sees that it was cancelled."""

    number: int = 0


class BaselinePanel:
    """A button and what it finds. Nothing runs until it is pressed."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.newest = gr.State(Newest())
        with gr.Column(elem_id="baseline-panel"):
            gr.HTML(
                label(
                    "Before you train: how far is the base from your answers, and would a few rows as examples in the "
                    "prompt do? It looks at held-out rows and takes up to a minute."
                ),
                html_template='<p class="hint">${value}</p>',
                js_on_load=None,
                apply_default_css=False,
                elem_id="baseline-hint",
            )
            with gr.Row(elem_classes="actions"):
                self.ask = gr.Button(label("What does the base model already do?"), size="md", elem_id="baseline-ask")
                self.cancel = gr.Button(
                    label("Cancel"), size="md", variant="stop", visible=False, elem_id="baseline-cancel"
                )
            self.status = html("baseline-status")
            self.found = html("baseline-found")

    def wire(self, inputs: Sequence[Any], asked: Callable[..., Asked]) -> None:
        """`asked` makes (text, file, model, settings) of the values of `inputs`; it may raise PlaygroundError."""
        self.asked = asked
        self.ask.click(
            self.ask_base,
            [self.newest, *inputs],
            [self.status, self.found, self.ask, self.cancel],
            trigger_mode="once",
            **STREAM,
        )
        self.cancel.click(self.give_up, self.newest, [self.status, self.ask, self.cancel], **QUICK)

    def ask_base(self, request: gr.Request, asked: Newest, *given: Any) -> Iterator[dict[Any, Any]]:
        """Ask the backend in the background and say how far it is. Ends, and the work with it, when the page goes."""
        language = reader_language(request)
        asked.number += 1
        number = asked.number
        begun = baseline_progress(None, say("Reading the rows.").to(language), language)
        yield {
            self.status: begun,
            self.found: "",
            self.ask: gr.update(interactive=False),
            self.cancel: gr.update(visible=True),
        }
        try:
            yield from self._follow(asked, number, given, language)
        finally:
            # Also where the tab was closed: `tell` then raises inside the work, which stops it.
            if asked.number == number:
                asked.number += 1

    def _follow(self, asked: Newest, number: int, given: Sequence[Any], language: str) -> Iterator[dict[Any, Any]]:
        ready = {self.ask: gr.update(interactive=True), self.cancel: gr.update(visible=False)}
        try:
            text, file, model, settings = self.asked(*given)
        except PlaygroundError as error:
            yield {self.status: refusal(error, language), **ready}
            return

        def work(tell: Callable[[Any], None]) -> Baseline:
            return self.backend.runs.baseline(text, file, model, settings, tell)

        for kind, item in followed(work, lambda: asked.number == number):
            if kind == "news":
                yield {self.status: baseline_progress(item["fraction"], localise(item["line"], language), language)}
            elif kind == "refused":
                yield {self.status: refusal(item, language), **ready}
            elif kind == "done":
                yield {self.status: "", self.found: baseline_view(item, language), **ready}
        if asked.number != number:
            yield {self.status: gr.skip()}  # Gradio sends the last update once more when a generator ends.

    def give_up(self, asked: Newest, request: gr.Request) -> tuple[str, Any, Any]:
        asked.number += 1
        told = say("The baseline check was cancelled.").to(reader_language(request))
        return callout("info", told), gr.update(interactive=True), gr.update(visible=False)
