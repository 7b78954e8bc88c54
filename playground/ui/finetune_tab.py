"""Tab "Fine-tune": rows, settings, run, from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from playground.backend import Backend
from playground.errors import PlaygroundError
from playground.ui.events import PAGE, STREAM
from playground.ui.header import Header
from playground.ui.heading import heading
from playground.ui.i18n import label, reader_language
from playground.ui.markup import refusal, waiting
from playground.ui.own_runs import remembered, with_run
from playground.ui.rows_edits import Changes
from playground.ui.rows_options import rows_settings
from playground.ui.rows_panel import RowsPanel
from playground.ui.run_panel import RunPanel, html
from playground.ui.settings_form import SettingsForm
from playground.words import say

# A refusal stays where the button is; only a run that started is worth moving the page for.
_SHOW_RUN = """() => { if (!document.querySelector('#start-error .callout'))
  document.querySelector('#run-panel').scrollIntoView({behavior: 'smooth', block: 'start'}); }"""


class FinetuneTab:
    def __init__(self, backend: Backend, template: gr.State) -> None:
        """`template`: what the template tab hands on, see `RunTemplate`."""
        self.backend = backend
        self.rows = RowsPanel(backend, template)
        with gr.Column(elem_classes="card"):
            heading(
                label("Settings"),
                label("The values here suit a first run; change one at a time to see what it does."),
                "2",
            )
            self.settings = SettingsForm()
            with gr.Row(elem_classes="actions"):
                self.start = gr.Button(label("Start training"), variant="primary", elem_id="start")
            self.error = html("start-error")
        self.run = RunPanel(backend)

    def wire(
        self, page: gr.Blocks, header: Header, runs: gr.BrowserState, tabs: gr.Tabs, compared: gr.Dropdown
    ) -> None:
        self.rows.wire(page, header, self.settings)
        self.run.wire(runs, compared)
        self.run.look_after(
            page.load(self.run.find_again, runs, [self.run.chosen, compared, tabs], show_progress="hidden", **PAGE)
        )
        started = self.start.click(
            self.begin,
            [header.model, self.rows.source.example, runs, *self.rows.given, *self.settings.widgets],
            [self.error, runs, self.run.chosen],
            trigger_mode="once",
            **STREAM,
        )
        self.run.look_after(started).then(None, None, None, js=_SHOW_RUN, **PAGE)
        self.run.compare.click(
            self.to_compare, self.run.chosen, [compared, tabs], queue=False, show_progress="hidden", **PAGE
        )

    def begin(
        self,
        request: gr.Request,
        model: str | None,
        example: str,
        stored: Any,
        pasted: str | None,
        file: str | None,
        template: dict[str, Any] | None,
        changes: Changes,
        user: str | None,
        assistant: str | None,
        system: str | None,
        *given: Any,
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Queue a run. The backend reads all rows first, and fetches the model if need be, so say so meanwhile."""
        language = reader_language(request)
        added = rows_settings(pasted, file, template, changes, (user, assistant, system))
        settings = {**self.settings.values(given), **added}
        yield waiting(say("Reading the rows and putting the run in the queue."), language), gr.skip(), gr.skip()
        try:
            queued = self.backend.train("" if file else pasted or "", file or "", model or "", settings)
        except PlaygroundError as error:
            yield refusal(error, language), gr.skip(), gr.skip()
            return
        example, name = self.rows.source.names(pasted or "", file, example)
        entries = with_run(remembered(stored), queued["run"], example, name)
        offered = self.run.offered(entries, language)
        yield "", entries, gr.update(choices=offered, value=queued["run"], visible=True)

    def to_compare(self, run: str | None) -> tuple[Any, Any]:
        return gr.update(value=run), gr.Tabs(selected="compare")
