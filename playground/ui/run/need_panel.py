""" "Is it needed?", asked before Start: what the base model does with the held-out rows, with and without examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import localise, say
from playground.runs.types import Need, Settings
from playground.server.backend import Backend
from playground.ui.run.need_view import need_progress, need_view
from playground.ui.widgets.elements import html
from playground.ui.widgets.events import QUICK, STREAM
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.live_work import followed
from playground.ui.widgets.markup import callout, refusal

Asked = tuple[str, str, str, Settings]
"""(text, file, model, settings), as `RunService.need` takes them."""


@dataclass
class Looks:
    """Lives in a gr.State and is changed in place: a look that still works sees that it was cancelled."""

    newest: int = 0


class NeedPanel:
    """A button and what it finds. Nothing runs until it is pressed."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.looks = gr.State(Looks())
        with gr.Column(elem_id="need-panel"):
            gr.HTML(
                label(
                    "Before you train: how far is the base from your answers, and would a few rows as examples in the "
                    "prompt do? It looks at held-out rows and takes up to a minute."
                ),
                html_template='<p class="hint">${value}</p>',
                js_on_load=None,
                apply_default_css=False,
                elem_id="need-hint",
            )
            with gr.Row(elem_classes="actions"):
                self.ask = gr.Button(label("What does the base model already do?"), size="md", elem_id="need-ask")
                self.cancel = gr.Button(
                    label("Cancel"), size="md", variant="stop", visible=False, elem_id="need-cancel"
                )
            self.status = html("need-status")
            self.found = html("need-found")

    def wire(self, inputs: Sequence[Any], asked: Callable[..., Asked]) -> None:
        """`asked` makes (text, file, model, settings) of the values of `inputs`; it may raise PlaygroundError."""
        self.asked = asked
        self.ask.click(
            self.look,
            [self.looks, *inputs],
            [self.status, self.found, self.ask, self.cancel],
            trigger_mode="once",
            **STREAM,
        )
        self.cancel.click(self.give_up, self.looks, [self.status, self.ask, self.cancel], **QUICK)

    def look(self, request: gr.Request, looks: Looks, *given: Any) -> Iterator[dict[Any, Any]]:
        """Ask the backend in the background and say how far it is. Ends, and the work with it, when the page goes."""
        language = reader_language(request)
        looks.newest += 1
        number = looks.newest
        begun = need_progress(None, say("Reading the rows.").to(language), language)
        yield {
            self.status: begun,
            self.found: "",
            self.ask: gr.update(interactive=False),
            self.cancel: gr.update(visible=True),
        }
        try:
            yield from self._follow(looks, number, given, language)
        finally:
            # Also where the tab was closed: `tell` then raises inside the work, which stops it.
            if looks.newest == number:
                looks.newest += 1

    def _follow(self, looks: Looks, number: int, given: Sequence[Any], language: str) -> Iterator[dict[Any, Any]]:
        ready = {self.ask: gr.update(interactive=True), self.cancel: gr.update(visible=False)}
        try:
            text, file, model, settings = self.asked(*given)
        except PlaygroundError as error:
            yield {self.status: refusal(error, language), **ready}
            return

        def work(tell: Callable[[Any], None]) -> Need:
            return self.backend.runs.need(text, file, model, settings, tell)

        for kind, item in followed(work, lambda: looks.newest == number):
            if kind == "news":
                yield {self.status: need_progress(item["fraction"], localise(item["line"], language), language)}
            elif kind == "refused":
                yield {self.status: refusal(item, language), **ready}
            elif kind == "done":
                yield {self.status: "", self.found: need_view(item, language), **ready}
        if looks.newest != number:
            yield {self.status: gr.skip()}  # Gradio sends the last update once more when a generator ends.

    def give_up(self, looks: Looks, request: gr.Request) -> tuple[str, Any, Any]:
        looks.newest += 1
        told = say("The look at the base was cancelled.").to(reader_language(request))
        return callout("info", told), gr.update(interactive=True), gr.update(visible=False)
