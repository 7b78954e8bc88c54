"""Where rows come from: the paste box, a file, an example, a dataset on the Hub, a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import localise, say
from playground.data.source import PACKED, SUFFIXES
from playground.server.backend import Backend
from playground.ui.rows.hub import HubRows
from playground.ui.rows.table import RowsTable
from playground.ui.widgets.elements import Choice, buttons, choices
from playground.ui.widgets.events import PAGE, QUICK
from playground.ui.widgets.i18n import label, reader_language, told


class RowsSource:
    """`paste` and `file` hold the rows, wherever they came from; `example` names the example that was put in."""

    def __init__(self, backend: Backend, state: gr.State) -> None:
        self.backend = backend
        self.example = gr.State("")
        """Name of the example that was put into the box; a run is called after it while the box is unchanged."""
        self.state = state

    def offer_examples(self) -> None:
        self.cards = choices(label("Examples"), "examples", "cards")

    def inputs(self) -> None:
        with gr.Tabs(selected="given", elem_id="rows-source") as self.tabs:
            with gr.Tab(label("Paste or upload"), id="given"):
                self._given()
            with gr.Tab(label("Hub dataset"), id="hub", elem_id="tab-hub"):
                self.hub = HubRows(self.backend, self.state, self.file)
            with gr.Tab(label("Table"), id="table", elem_id="tab-table") as self.table_tab:
                self.table = RowsTable(self.backend)

    def _given(self) -> None:
        self.paste = gr.Textbox(
            label=label("Training data"),
            info=label("JSONL, JSON, CSV, questions and answers as text (Q: … A: …), or a chat transcript."),
            placeholder='{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}',
            lines=9,
            max_lines=16,
            elem_id="paste",
        )
        self.file = gr.File(
            label=label("Or upload a file"),
            file_types=[*SUFFIXES, *PACKED],
            type="filepath",
            height=120,
            elem_id="upload",
        )
        gr.HTML(
            label("JSONL, JSON, CSV, TSV, Parquet, Excel, text or Markdown; also one of them packed as .gz or .zip."),
            elem_classes="hint",
            js_on_load=None,
            apply_default_css=False,
        )

    def wire(self, page: gr.Blocks) -> None:
        page.load(self.offer, None, self.cards, **QUICK)
        self.cards.select(
            self.take_example, None, [self.paste, self.file, self.example, self.tabs], show_progress="hidden", **PAGE
        )
        self.file.change(self.lock_box, self.file, self.paste, **QUICK)
        self.hub.wire()
        self.table.wire(self.table_tab, self.paste, self.file)

    def offer(self, request: gr.Request) -> str:
        language = reader_language(request)
        return buttons(
            [
                Choice(
                    localise(example["title"], language),
                    localise(example["teaches"], language),
                    say("{rows} rows", rows=example["rows"]).to(language),
                )
                for example in self.backend.datasets.examples()
            ]
        )

    @told
    def take_example(self, chosen: gr.SelectData, request: gr.Request) -> tuple[str, None, str, Any]:
        name = self.backend.datasets.examples()[int(chosen.index)]["name"]
        return self.backend.datasets.example_text(name), None, name, gr.Tabs(selected="given")

    def lock_box(self, file: str | None) -> Any:
        # With both there would be two sets of rows; the box keeps its text for when the file is removed.
        return gr.update(interactive=not file)

    def example_with(self, text: str) -> str:
        """The name of the example that this text is, "" where it is none."""
        for example in self.backend.datasets.examples():
            try:
                if self.backend.datasets.example_text(example["name"]).strip() == text.strip():
                    return str(example["name"])
            except PlaygroundError:
                continue
        return ""

    def names(self, pasted: str, file: str | None, example: str) -> tuple[str, str]:
        """(example, file) names for a run's title: the example only while the box still holds it."""
        if file:
            return "", Path(file).name
        try:
            same = bool(example) and self.backend.datasets.example_text(example).strip() == (pasted or "").strip()
        except PlaygroundError:
            same = False
        return (example if same else ""), ""
