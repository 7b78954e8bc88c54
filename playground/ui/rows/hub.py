"""Rows of a dataset on the Hugging Face Hub: what to fetch, how far it is, and a way to stop."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from playground.core.figures import rows_said
from playground.core.i18n import localise, say
from playground.data.hub import DEFAULT_ROWS
from playground.data.types import FetchedRows
from playground.server.backend import Backend
from playground.ui.rows.state import RowsState
from playground.ui.widgets.events import QUICK, STREAM
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.live_work import followed
from playground.ui.widgets.markup import callout, progress, refusal


class HubRows:
    def __init__(self, backend: Backend, state: gr.State, file: gr.File) -> None:
        """`file`: where the rows go that came."""
        self.backend, self.state, self.file = backend, state, file
        self.name = gr.Textbox(
            label=label("Dataset on the Hugging Face Hub"),
            info=label("owner/name, or the address of its page."),
            placeholder="HuggingFaceTB/smoltalk",
            max_lines=1,
            elem_id="hub-name",
        )
        with gr.Row(elem_classes="settings-row"):
            self.config = self._part(label("Config"), "hub-config")
            self.split = self._part(label("Split"), "hub-split")
            self.count = gr.Number(
                DEFAULT_ROWS, label=label("Number of rows"), info=label("The first ones."), precision=0, min_width=120,
                elem_id="hub-count",
            )  # fmt: skip
        with gr.Row(elem_classes="actions"):
            self.fetch = gr.Button(label("Fetch rows"), size="md", elem_id="hub-fetch")
            self.cancel = gr.Button(label("Cancel"), size="md", variant="stop", visible=False, elem_id="hub-cancel")
        self.status = gr.HTML("", js_on_load=None, apply_default_css=False, elem_id="hub-status")

    def _part(self, title: Any, elem_id: str) -> gr.Dropdown:
        return gr.Dropdown(
            [],
            value=None,
            label=title,
            info=label("Empty: the first."),
            allow_custom_value=True,
            min_width=120,
            elem_id=elem_id,
        )

    def wire(self) -> None:
        outputs = [self.status, self.fetch, self.cancel, self.config, self.split, self.file]
        inputs = [self.state, self.name, self.config, self.split, self.count]
        given = {"inputs": inputs, "outputs": outputs, "trigger_mode": "multiple", **STREAM}
        self.fetch.click(self.take, **given)
        self.name.submit(self.take, **given)
        self.cancel.click(self.stop_fetching, self.state, [self.status, self.fetch, self.cancel], **QUICK)

    def stop_fetching(self, request: gr.Request, state: RowsState) -> tuple[str, Any, Any]:
        state.fetching += 1
        told = say("Fetching was cancelled. The rows that were here stay.").to(reader_language(request))
        return callout("info", told), gr.update(interactive=True), gr.update(visible=False)

    def take(
        self, request: gr.Request, state: RowsState, name: str | None, config: Any, split: Any, count: float | None
    ) -> Iterator[dict[Any, Any]]:
        """Fetch in the background; the file that comes is put where an uploaded one would be."""
        language = reader_language(request)
        state.fetching += 1
        number = state.fetching
        wanted = int(count) if count is not None else DEFAULT_ROWS

        def is_cancelled() -> bool:
            return state.fetching != number

        def work(tell: Any) -> FetchedRows:
            what = ((name or "").strip(), str(config or ""), str(split or ""), wanted)
            return self.backend.datasets.from_hub(*what, tell, is_cancelled)

        yield {
            self.status: progress(say("Asking the Hugging Face Hub for {name}.", name=name or "").to(language), None),
            self.fetch: gr.update(interactive=False),
            self.cancel: gr.update(visible=True),
        }
        try:
            yield from self._follow(work, is_cancelled, language)
        finally:
            if not is_cancelled():  # Also where the tab was closed: nobody waits for the rows then.
                state.fetching += 1

    def _follow(
        self, work: Callable[[Any], FetchedRows], is_cancelled: Callable[[], bool], language: str
    ) -> Iterator[dict[Any, Any]]:
        ready = {self.fetch: gr.update(interactive=True), self.cancel: gr.update(visible=False)}
        seconds = 0
        for kind, item in followed(work, lambda: not is_cancelled()):
            if kind == "waiting" and item >= seconds + 1:
                seconds = int(item)
                yield {self.status: gr.skip()}  # Gradio ends a generator only where it yields.
            elif kind == "news":
                yield {self.status: progress(localise(item["line"], language), item["fraction"])}
            elif kind == "refused":
                yield {self.status: refusal(item, language), **ready}
            elif kind == "done":
                yield {**self._arrived(item, language), **ready}
        if is_cancelled():
            yield {self.status: gr.skip()}  # Gradio sends the last update once more when a generator ends.

    def _arrived(self, found: FetchedRows, language: str) -> dict[Any, Any]:
        """The file moves into Gradio's cache, which is cleared in time; the folder that it came in goes."""
        path = Path(found["path"])
        kept = gr.processing_utils.save_file_to_cache(path, cache_dir=self.file.GRADIO_CACHE)
        shutil.rmtree(path.parent, ignore_errors=True)
        said = [
            say(
                "Fetched: {rows} of {name} (config {config}, split {split}).",
                rows=rows_said(found["rows"]),
                name=found["name"],
                config=found["config"],
                split=found["split"],
            ).to(language),
            *(localise(note, language) for note in found["notes"]),
        ]
        return {
            self.status: callout("info", *said),
            self.config: gr.update(choices=found["configs"], value=found["config"]),
            self.split: gr.update(choices=found["splits"], value=found["split"]),
            self.file: kept,
        }
