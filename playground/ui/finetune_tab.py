"""Tab "Fine-tune": rows, settings, run, from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import say
from playground.server.backend import Backend
from playground.ui.history.panel import History
from playground.ui.rows.edits import Changes
from playground.ui.rows.options import rows_settings
from playground.ui.rows.panel import RowsPanel
from playground.ui.rows.persistence import KeptRows
from playground.ui.run.baseline_panel import BaselinePanel
from playground.ui.run.estimate import estimate_view, no_estimate
from playground.ui.run.my_runs import TELL_OTHERS, remembered, with_run
from playground.ui.run.panel import RunPanel
from playground.ui.run.start_from import StartFrom
from playground.ui.settings.form import SettingsForm
from playground.ui.template.source import ForTraining
from playground.ui.widgets.buttons import pressable
from playground.ui.widgets.debounce import PLAN_CHANGED, estimate_debounce
from playground.ui.widgets.elements import heading, html
from playground.ui.widgets.events import LIVE, PAGE, QUICK, STREAM
from playground.ui.widgets.header import Header
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.markup import refusal, waiting

# A refusal stays where the button is; only a run that started is worth moving the page for.
_SHOW_RUN = """() => { if (!document.querySelector('#start-error .callout'))
  document.querySelector('#run-panel').scrollIntoView({behavior: 'smooth', block: 'start'}); }"""


class FinetuneTab:
    def __init__(self, backend: Backend, template: gr.State) -> None:
        """`template`: what the template tab hands on, see `RunTemplate`."""
        self.backend = backend
        self.rows = RowsPanel(backend, template)
        with gr.Column(elem_classes="card", elem_id="settings-card"):
            heading(
                label("Settings"),
                label("A preset and how long it may take are enough for a first run."),
                "2",
            )
            self.settings = SettingsForm()
            self.baseline = BaselinePanel(backend)
            self.changed = estimate_debounce("estimate-changed")
            self.estimated = pressable("estimate", ["apply"])
            self.start_from = StartFrom()
            with gr.Row(elem_classes="actions"):
                self.start = gr.Button(label("Start training"), variant="primary", elem_id="start")
            self.error = html("start-error")
        self.run = RunPanel(backend)
        self.history = History(backend)

    @property
    def given(self) -> list[Any]:
        """What `asked` reads, in its order: whatever a run depends on."""
        return [self.start_from.run, *self.rows.given, *self.settings.widgets]

    def wire(
        self,
        page: gr.Blocks,
        header: Header,
        runs: gr.BrowserState,
        tabs: gr.Tabs,
        compared: gr.Dropdown,
        kept: KeptRows | None = None,
    ) -> None:
        self.rows.wire(page, header, self.settings, kept)
        self.settings.wire()
        self._wire_estimate(header)
        self.run.wire(runs, compared)
        self._wire_others(page, header, runs, compared)
        self.run.refresh_after(
            page.load(self.run.find_again, runs, [self.run.chosen, compared, tabs], show_progress="hidden", **PAGE)
        )
        started = self.start.click(
            self.begin,
            [header.model, self.rows.source.example, runs, *self.given],
            [self.error, runs, self.run.chosen],
            trigger_mode="once",
            **STREAM,
        )
        begun = self.run.refresh_after(started.then(None, runs, None, js=TELL_OTHERS, **PAGE))
        begun.then(None, None, None, js=_SHOW_RUN, **PAGE)
        self.history.refresh_after(begun)
        # The run that was begun has its adapter; the one after it begins a new one, unless that is asked for again.
        started.then(self.begin_anew, self.error, [self.start_from.run, self.start_from.line], **QUICK)
        self.run.compare.click(
            self.to_compare, self.run.chosen, [compared, tabs], queue=False, show_progress="hidden", **PAGE
        )

    def _wire_others(self, page: gr.Blocks, header: Header, runs: gr.BrowserState, compared: gr.Dropdown) -> None:
        self.baseline.wire([header.model, *self.given], self.asked_of)
        self.start_from.wire()
        self.history.wire(page, runs, self.run, compared, self.start_from)
        # What a reading advises, and what an earlier run was set to, goes into the form.
        for pressed in (self.run.resume.click, self.run.stop.click):
            self.history.refresh_after(pressed(None, None, None, **QUICK))
        for wanting, wanted in ((self.run.wanting, self.run.wanted), (self.history.taken_over, self.history.wanted)):
            self.settings.set_by(wanting.then(self.settings.updates, wanted, self.settings.apply_outputs, **QUICK))

    def asked_of(self, model: str | None, *given: Any) -> tuple[str, str, str, dict[str, Any]]:
        """(text, file, model, settings)."""
        text, file, settings = self.asked(*given)
        return text, file, model or "", settings

    def _wire_estimate(self, header: Header) -> None:
        """Anew when a setting was changed (`changed` follows these by itself), when the rows' check says something
        else, and when the model is another one."""
        others = [self.rows.view.change, header.model.input, header.ready.change]
        gr.on(others, None, None, None, js=PLAN_CHANGED, **PAGE)
        self.changed.input(self.estimate, [header.model, *self.given], self.estimated, **LIVE)
        self.settings.take_from(self.estimated.apply)

    def asked(
        self,
        earlier: str | None,
        pasted: str | None,
        file: str | None,
        template: ForTraining | None,
        changes: Changes,
        user: str | None,
        assistant: str | None,
        system: str | None,
        *given: Any,
    ) -> tuple[str, str, dict[str, Any]]:
        """(text, file, settings) as `RunService.train` and `estimate` take them; `given`: the form's widgets."""
        added = rows_settings(pasted, file, template, changes, (user, assistant, system))
        settings = {**self.settings.values(given), **added}
        if earlier:
            settings["start_from"] = earlier
        return "" if file else pasted or "", file or "", settings

    def estimate(self, request: gr.Request, model: str | None, *given: Any) -> str:
        """What such a run would take, or the refusal that it would meet."""
        language = reader_language(request)
        text, file, settings = self.asked(*given)
        if not text.strip() and not file:
            return no_estimate(language)
        try:
            return estimate_view(self.backend.runs.estimate(text, file, model or "", settings), language)
        except PlaygroundError as error:
            return refusal(error, language)

    def begin(
        self, request: gr.Request, model: str | None, example: str, stored: Any, *given: Any
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Queue a run. The backend reads all rows first, and fetches the model if need be, so say so meanwhile."""
        language = reader_language(request)
        text, file, settings = self.asked(*given)
        yield waiting(say("Reading the rows and putting the run in the queue."), language), gr.skip(), gr.skip()
        try:
            queued = self.backend.runs.train(text, file, model or "", settings)
        except PlaygroundError as error:
            yield refusal(error, language), gr.skip(), gr.skip()
            return
        example, name = self.rows.source.names(text, file, example)
        entries = with_run(remembered(stored), queued["run"], example, name)
        offered = self.run.offered(entries, language)
        yield "", entries, gr.update(choices=offered, value=queued["run"], visible=True)

    def begin_anew(self, refused: str | None) -> tuple[Any, Any]:
        return (gr.skip(), gr.skip()) if refused else self.start_from.taken_back()

    def to_compare(self, run: str | None) -> tuple[Any, Any]:
        return gr.update(value=run), gr.Tabs(selected="compare")
