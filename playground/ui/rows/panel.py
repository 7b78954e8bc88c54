"""First step of fine-tuning: rows come in, and what would be trained on them is shown, corrected and taken away."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import say
from playground.data.types import CheckNews, DatasetReport
from playground.server.backend import Backend
from playground.ui.rows.browser import RowsBrowser, Updates
from playground.ui.rows.columns import Columns, column_buttons
from playground.ui.rows.edits import KNOWN, Changes, Edit, edits_for, source_mark, with_edit, without_last
from playground.ui.rows.options import FORMED, RunTemplate, check_options, rows_settings
from playground.ui.rows.persistence import KEEP, RESTORED, KeptRows, is_kept, rest_of, restored
from playground.ui.rows.report import nothing_given, report_view
from playground.ui.rows.source import RowsSource
from playground.ui.rows.state import Asked, Report, RowsState
from playground.ui.settings.form import SettingsForm
from playground.ui.template.source import ForTraining
from playground.ui.widgets.buttons import pressable
from playground.ui.widgets.debounce import ROWS_CHANGED, rows_debounce
from playground.ui.widgets.elements import heading
from playground.ui.widgets.events import PAGE, QUEUED, STREAM
from playground.ui.widgets.header import Header
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.live_work import followed
from playground.ui.widgets.markup import progress, refusal

_SHOWN_AFTER_S = 0.4
"""Seconds of work after which it is said how far it is; before, the answer is nearly there."""
_OLDER_ENDS_S = 2.0
"""Seconds that a check waits for the older one to end: that takes it a tenth of a second, unless its page is gone."""


class RowsPanel:
    """Sources on one side, the backend's opinion of the rows on the other, the rows one by one below."""

    def __init__(self, backend: Backend, template: gr.State) -> None:
        self.backend = backend
        self.state = gr.State(RowsState())
        self.changes = gr.State({})
        """`rows_edits.Changes`: what was done to the rows."""
        self.changed = rows_debounce("rows-changed")
        with gr.Column(elem_classes="card", elem_id="rows-card"):
            heading(label("Rows"), label("Take an example, or bring your own conversations."), "1")
            self.source = RowsSource(backend, self.state)
            self.source.offer_examples()
            self.template = RunTemplate(template)
            with gr.Row(equal_height=False):
                with gr.Column(scale=5, min_width=300):
                    self.source.inputs()
                    self.columns = Columns()
                with gr.Column(scale=7, min_width=300):
                    self.progress = gr.HTML("", js_on_load=None, apply_default_css=False, elem_id="rows-progress")
                    self.view = pressable("check", ["fix", "undo", "undo_all", "go"])
            self.browser = RowsBrowser(backend, self.state, self.changes)
        self.kept: KeptRows | None = None

    @property
    def paste(self) -> gr.Textbox:
        return self.source.paste

    @property
    def file(self) -> gr.File:
        return self.source.file

    @property
    def given(self) -> list[Any]:
        """What `rows_options.rows_settings` reads, in its order."""
        return [self.paste, self.file, self.template.chosen, self.changes, *self.columns.boxes]

    def wire(self, page: gr.Blocks, header: Header, settings: SettingsForm, kept: KeptRows | None = None) -> None:
        """`kept`: where the browser keeps the rows; without it a reload forgets them."""
        self.kept = kept
        fields = [settings.fields[name] for name in FORMED]
        self.source.wire(page)
        self.template.wire()
        self.columns.wire()
        self.browser.wire(self.view)
        gr.on(
            [
                self.paste.change,
                self.file.change,
                *(field.change for field in fields),
                *(box.change for box in self.columns.boxes),
                self.template.chosen.change,
                header.model.input,
                header.ready.change,
            ],
            None,
            None,
            None,
            js=ROWS_CHANGED,
            **PAGE,
        )
        self.changed.input(
            self.check,
            [self.changed, self.state, header.model, *self.given, *fields],
            [
                *(self.view, self.progress, self.changes, self.columns.panel, self.columns.buttons),
                *self.browser.drawn,
                *([kept.rest] if kept else []),
            ],
            trigger_mode="multiple",
            **STREAM,
        )
        if kept:
            self._wire_kept(page, settings, kept)
        for event, handler in (
            (self.view.fix, self.fix),
            (self.view.undo, self.undo),
            (self.view.undo_all, self.undo_all),
        ):
            changed = event(handler, [self.changes, self.state], self.changes, **QUEUED)
            changed.then(None, None, None, js=ROWS_CHANGED, **PAGE)

    # ---- a reload of the page -----------------------------------------------------------------------------------

    def _wire_kept(self, page: gr.Blocks, settings: SettingsForm, kept: KeptRows) -> None:
        self.changed.input(None, [self.paste, kept.text], kept.text, js=KEEP, **PAGE)
        loaded = page.load(
            lambda *given: self.bring_back(settings, *given),
            [kept.text, kept.rest, self.paste],
            [
                *(self.paste, self.changes, self.source.example, self.columns.panel, *self.columns.boxes),
                *settings.apply_outputs,
            ],
            **QUEUED,
        )
        settings.set_by(loaded).then(None, None, None, js=RESTORED, **PAGE)

    def bring_back(self, settings: SettingsForm, kept: Any, rest: Any, pasted: str | None) -> list[Any]:
        """The rows that the browser kept, unless somebody was quicker and put in others."""
        back = restored(kept, rest)
        chosen = settings.updates(back.settings) if back.settings else [gr.skip()] * len(settings.apply_outputs)
        if not back.text or (pasted or "").strip():
            return [gr.skip()] * (4 + len(self.columns.boxes)) + chosen
        panel = gr.update(open=True) if any(back.columns) else gr.skip()
        return [back.text, back.changes, self.source.example_with(back.text), panel, *back.columns, *chosen]

    # ---- the check ---------------------------------------------------------------------------------------------

    def check(
        self,
        request: gr.Request,
        number: int | None,
        state: RowsState,
        model: str | None,
        pasted: str | None,
        file: str | None,
        template: ForTraining | None,
        changes: Changes,
        user: str | None,
        assistant: str | None,
        system: str | None,
        *given: Any,
    ) -> Iterator[Updates]:
        """Check the rows anew. The newest check wins: an older one ends where it is, and draws nothing more."""
        number = int(number or 0) or state.newest + 1
        if number <= state.newest:
            return
        older, drawn = state.drawn, threading.Event()
        state.newest, state.drawn = number, drawn
        try:
            yield from self._check(
                reader_language(request),
                number,
                older,
                state,
                model,
                pasted,
                file,
                template,
                changes,
                (user, assistant, system),
                given,
            )
            if state.newest != number:
                # Gradio sends the last update once more when a generator ends. This one may come late and harm nothing.
                yield {self.progress: gr.skip()}
        finally:
            drawn.set()

    def _check(
        self,
        language: str,
        number: int,
        older: threading.Event | None,
        state: RowsState,
        model: str | None,
        pasted: str | None,
        file: str | None,
        template: ForTraining | None,
        changes: Changes,
        columns: tuple[str | None, str | None, str | None],
        given: Sequence[Any],
    ) -> Iterator[Updates]:
        """What `check` draws, once nothing of the older check can come after it."""
        if older:
            older.wait(_OLDER_ENDS_S)
        if state.newest != number:
            return
        if not (pasted or "").strip() and not file:
            state.asked = state.report = state.shown = None
            yield {
                self.view: nothing_given(language),
                self.progress: "",
                self.columns.buttons: "",
                **self.browser.hide(),
            }
            return
        mark = source_mark(pasted, file)
        is_new = state.asked is None or state.asked.mark != mark
        try:
            settings = SettingsForm.chosen(FORMED, given)
            settings.update(rows_settings(pasted, file, template, changes, columns))
            asked = Asked("" if file else pasted or "", file or "", model or "", check_options(settings), mark)
            kept = rest_of(pasted, file, edits_for(changes, mark), columns, settings)
        except PlaygroundError as error:
            yield self._refused(state, error, language)
            return
        edits = edits_for(changes, mark)
        if changes and changes["source"] != mark:
            state.taken_back += len(changes["edits"])
            yield {self.changes: {}}
        if self.kept and kept != state.kept:
            state.kept = kept
            yield {self.kept.rest: kept}
        for kind, item in self._work(state, number, asked):
            if kind == "waiting" and item >= _SHOWN_AFTER_S and is_new:
                yield {self.progress: _progress(None, language)}
            elif kind == "news":
                so_far = {self.progress: _progress(item.get("fraction"), language)}
                yield self._news(state, item, language) if is_new else so_far
            elif kind == "refused":
                yield self._refused(state, item, language)
            elif kind == "done":
                yield from self._done(state, number, asked, item, edits, language)

    def _work(self, state: RowsState, number: int, asked: Asked) -> Iterator[tuple[str, Any]]:
        return followed(
            lambda tell: self.backend.datasets.check(*asked.arguments(), tell), lambda: state.newest == number
        )

    def _news(self, state: RowsState, item: CheckNews, language: str) -> Updates:
        early = self.browser.early(item["preview"], state, language) if item.get("preview") else {}
        return {self.progress: _progress(item.get("fraction"), language), **early}

    def _refused(self, state: RowsState, error: PlaygroundError, language: str) -> Updates:
        state.asked = state.report = state.shown = None
        return {
            self.view: f'<div id="check-findings">{refusal(error, language)}</div>',
            self.progress: "",
            **self.browser.hide(),
        }

    def _done(
        self,
        state: RowsState,
        number: int,
        asked: Asked,
        report: DatasetReport,
        edits: Sequence[Edit],
        language: str,
    ) -> Iterator[Updates]:
        # Rows of no known shape need somebody to say which column is what.
        needs_columns = not report["usable_rows"] and report["columns"] and state.asked_columns_for != asked.mark
        if needs_columns:
            state.asked_columns_for = asked.mark
        state.turn_to(asked)
        state.report = Report(report)
        state.refresh_only()
        file, taken_back, state.taken_back = Path(asked.file).name if asked.file else "", state.taken_back, 0
        forgets = self.kept is not None and not is_kept(asked.text, asked.file)
        yield {
            self.view: report_view(report, file, edits, taken_back, language, forgets=forgets),
            self.progress: "",
            self.columns.panel: gr.update(open=True) if needs_columns else gr.skip(),
            self.columns.buttons: column_buttons(report["columns"], language),
        }
        rows = self.browser.turn(state, language)
        if state.newest == number:
            yield rows

    # ---- edits -------------------------------------------------------------------------------------------------

    def fix(self, changes: Changes, state: RowsState, pressed: gr.EventData) -> Any:
        """One edit for all rows with a finding. Which rows these are, the server knows."""
        place, code, do = (pressed._data.get(name) for name in ("kind", "code", "do"))
        kind = state.report.kind(place, code) if state.report else None
        rows = next((edit["rows"] for edit in kind["edits"] if edit["do"] == do), None) if kind else None
        if not rows or do not in KNOWN or state.asked is None:
            return gr.skip()
        return with_edit(changes, state.asked.mark, do, rows, code=code if do == "keep" else "")

    def undo(self, changes: Changes, state: RowsState) -> Changes:
        return without_last(changes)

    def undo_all(self, changes: Changes, state: RowsState) -> Changes:
        return {}


def _progress(fraction: float | None, language: str) -> str:
    line = say("Reading the rows")
    if fraction is not None:
        line = say("Looking through the rows: {percent} %", percent=f"{100 * fraction:.0f}")
    return progress(line.to(language), fraction)
