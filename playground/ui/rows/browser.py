"""The rows below the card's columns: search, pages, one row's edits, editing by hand, and the file to take away."""

from __future__ import annotations

import json
import shutil
from typing import Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import say
from playground.data.types import ShownRow
from playground.server.backend import Backend
from playground.ui.rows.edits import KNOWN, Changes, with_edit
from playground.ui.rows.findings import kind_title
from playground.ui.rows.state import RowsState
from playground.ui.rows.viewer import PER_PAGE, as_json, first_rows, only_words, pages_words, rows_list
from playground.ui.widgets.buttons import pressable
from playground.ui.widgets.debounce import ROWS_CHANGED
from playground.ui.widgets.events import LIVE, PAGE, QUEUED, QUICK
from playground.ui.widgets.i18n import label, reader_language, told
from playground.ui.widgets.markup import callout, escape, refusal

_PRESS_LINK = "() => document.querySelector('#clean-link').click()"
# Svelte draws a moment after the answer is there.
_SHOW_ROW = """() => setTimeout(() => {
  const rows = document.querySelector('#check-preview[data-goto]');
  const row = rows && rows.querySelector(`[data-row="${rows.dataset.goto}"]`);
  if (row) { row.scrollIntoView({block: 'center'}); row.focus({preventScroll: true}); }
}, 80)"""
_SHOW_EDITOR = """() => setTimeout(() => {
  const box = document.querySelector('#row-json textarea');
  if (box) { box.scrollIntoView({block: 'center'}); box.focus(); box.setSelectionRange(0, 0); box.scrollTop = 0; }
}, 80)"""

_NO_LIST = '<span class="no-list"></span>'
"""What stands in the list while there are no rows; the style sheet then hides all that belongs to it."""

Updates = dict[Any, Any]


class RowsBrowser:
    def __init__(self, backend: Backend, state: gr.State, changes: gr.State) -> None:
        self.backend, self.state, self.changes = backend, state, changes
        # Always in the page, hidden by the style sheet: a column that is drawn only when it is shown misses updates
        # that come meanwhile.
        with gr.Column(elem_id="rows-browser"):
            self._tools()
            self._editor()
            self.only = pressable("rows-only", ["all_rows"])
            self.list = pressable("rows-list", ["fix_row", "edit"], _NO_LIST)
            with gr.Row(elem_classes="actions pager"):
                self.previous = gr.Button(label("Previous"), size="sm", interactive=False, elem_id="rows-previous")
                self.pages = gr.HTML("", js_on_load=None, apply_default_css=False, elem_id="rows-pages")
                self.next = gr.Button(label("Next"), size="sm", interactive=False, elem_id="rows-next")
                self.download = gr.Button(
                    label("Download cleaned rows (JSONL)"), size="sm", elem_id="download-rows", elem_classes="to-end"
                )
                self.link = gr.DownloadButton(visible="hidden", elem_id="clean-link")

    def _tools(self) -> None:
        with gr.Row(elem_id="rows-tools", equal_height=False):
            gr.HTML(
                label("Row by row"),
                html_template="<h3>${value}</h3>",
                js_on_load=None,
                apply_default_css=False,
                elem_id="rows-title",
            )
            self.search = gr.Textbox(
                placeholder=label("Search in the rows"),
                label=label("Search in the rows"),
                info=label("Only rows with these words are shown."),
                show_label=False,
                container=False,
                max_lines=1,
                min_width=160,
                elem_id="rows-search",
            )
            self.view = gr.Radio(
                [(label("Tokens"), "tokens"), (label("Conversation"), "conversation")],
                value="tokens",
                label=label("Show the rows as"),
                show_label=False,
                container=False,
                min_width=160,
                elem_id="rows-view",
            )

    def _editor(self) -> None:
        with gr.Column(elem_id="row-editor"):
            self.title = gr.HTML("", js_on_load=None, apply_default_css=False, elem_id="row-title")
            self.json = gr.Textbox(
                label=label("The row as JSON"),
                info=label("What is saved takes the place of the row; what you gave stays as it is."),
                lines=6,
                max_lines=20,
                elem_id="row-json",
            )
            self.problem = gr.HTML("", js_on_load=None, apply_default_css=False, elem_id="row-problem")
            with gr.Row(elem_classes="actions"):
                self.save = gr.Button(label("Save the row"), size="sm", variant="primary", elem_id="row-save")
                self.leave = gr.Button(label("Cancel"), size="sm", elem_id="row-leave")

    @property
    def drawn(self) -> list[Any]:
        """What `turn` and `draw` set."""
        return [self.only, self.list, self.title, self.pages, self.previous, self.next]

    def wire(self, check: gr.HTML) -> None:
        """`check` shows the findings, whose row numbers lead here."""
        given = {"outputs": self.drawn, **QUEUED}
        self.search.change(self.find, [self.state, self.search], self.drawn, **{**LIVE, "show_progress": "hidden"})
        self.view.change(self.redraw, [self.state, self.view], self.drawn, **QUICK)
        self.previous.click(self.back, self.state, **given)
        self.next.click(self.forward, self.state, **given)
        self.only.all_rows(self.show_all, self.state, **given)
        check.go(self.go, self.state, [*self.drawn, self.search], **QUEUED).then(None, None, None, js=_SHOW_ROW, **PAGE)
        self.list.fix_row(self.fix_row, [self.changes, self.state], self.changes, **QUEUED).then(
            None, None, None, js=ROWS_CHANGED, **PAGE
        )
        self.list.edit(self.open_editor, self.state, [self.title, self.json, self.problem], **QUEUED).then(
            None, None, None, js=_SHOW_EDITOR, **PAGE
        )
        self.save.click(
            self.save_row, [self.changes, self.state, self.json], [self.changes, self.title, self.problem], **QUEUED
        ).then(None, None, None, js=ROWS_CHANGED, **PAGE)
        self.leave.click(self.close_editor, self.state, [self.title, self.problem], **QUICK)
        self.download.click(
            self.clean, self.state, self.link, show_progress="minimal", show_progress_on=self.download, **PAGE
        ).success(None, None, None, js=_PRESS_LINK, **PAGE)

    # ---- pages -------------------------------------------------------------------------------------------------

    def turn(self, state: RowsState, language: str) -> Updates:
        """Ask for the page at hand and draw it, unless a newer page was asked for meanwhile."""
        if state.asked is None:
            return {self.list: _NO_LIST}
        state.looked += 1
        number = state.looked
        try:
            answer = self.backend.datasets.rows(
                *state.asked.arguments(), state.page, PER_PAGE, state.query, state.only.get("rows")
            )
        except PlaygroundError as error:
            return {self.list: refusal(error, language)}
        if state.looked != number:
            return {self.list: gr.skip()}
        state.shown, state.page = answer, answer["page"]
        return self.draw(state, language)

    def draw(self, state: RowsState, language: str) -> Updates:
        answer = state.shown or {"page": 1, "pages": 1, "total": 0, "rows": []}
        return {
            self.only: only_words(state, language),
            self.list: rows_list(state, language),
            self.pages: pages_words(answer, language),
            self.previous: gr.update(interactive=answer["page"] > 1),
            self.next: gr.update(interactive=answer["page"] < answer["pages"]),
        }

    def early(self, rows: list[ShownRow], state: RowsState, language: str) -> Updates:
        """The first rows of a source that is still worked on."""
        return {
            self.only: "",
            self.list: first_rows(rows, state.view, language) or _NO_LIST,
            self.title: "",
            self.pages: "",
        }

    def hide(self) -> Updates:
        return {self.list: _NO_LIST, self.title: "", self.pages: ""}

    def find(self, request: gr.Request, state: RowsState, query: str) -> Updates:
        if (query or "") == state.query:  # Emptied by `go`, which has drawn its own page.
            return {self.list: gr.skip()}
        state.query, state.page, state.goto = query or "", 1, 0
        return self.turn(state, reader_language(request))

    def redraw(self, request: gr.Request, state: RowsState, view: str) -> Updates:
        state.view = view
        if state.shown is None:
            return {self.list: gr.skip()}
        return self.draw(state, reader_language(request))

    def back(self, request: gr.Request, state: RowsState) -> Updates:
        state.page, state.goto = max(state.page - 1, 1), 0
        return self.turn(state, reader_language(request))

    def forward(self, request: gr.Request, state: RowsState) -> Updates:
        state.page, state.goto = state.page + 1, 0
        return self.turn(state, reader_language(request))

    def show_all(self, request: gr.Request, state: RowsState) -> Updates:
        state.only, state.page, state.goto = {}, 1, 0
        return self.turn(state, reader_language(request))

    def go(self, request: gr.Request, state: RowsState, pressed: gr.EventData) -> Updates:
        """To a row that a finding names, among the other rows with that finding."""
        place, code, row = (pressed._data.get(name) for name in ("kind", "code", "row"))
        kind = state.report.kind(place, code) if state.report else None
        if kind is None or row not in kind["rows"]:
            return {self.list: gr.skip()}
        rows = sorted(set(kind["rows"]))
        state.only = {"title": kind_title(kind["code"]) or kind["message"], "rows": rows, "code": code}
        state.goto, state.page, state.query = row, rows.index(row) // PER_PAGE + 1, ""
        return {**self.turn(state, reader_language(request)), self.search: ""}

    # ---- edits -------------------------------------------------------------------------------------------------

    def fix_row(self, changes: Changes, state: RowsState, pressed: gr.EventData) -> Any:
        row, code, do = (pressed._data.get(name) for name in ("row", "code", "do"))
        if state.asked is None or do not in KNOWN or not isinstance(row, int) or not isinstance(code, str):
            return gr.skip()
        return with_edit(changes, state.asked.mark, do, [row], code=code if do == "keep" else "")

    def open_editor(self, request: gr.Request, state: RowsState, pressed: gr.EventData) -> tuple[Any, Any, str]:
        number = pressed._data.get("row")
        rows = state.shown["rows"] if state.shown else []
        row = next((row for row in rows if row["row"] == number), None)
        if row is None:
            return gr.skip(), gr.skip(), ""
        state.editing = row["row"]
        title = say("Edit row {row}", row=row["row"]).to(reader_language(request))
        return f"<h4>{escape(title)}</h4>", _editable(row), ""

    def close_editor(self, state: RowsState) -> tuple[Any, str]:
        state.editing = 0
        return "", ""

    def save_row(self, request: gr.Request, changes: Changes, state: RowsState, text: str) -> tuple[Any, Any, Any]:
        """The row becomes what is in the box, or the box stays open and says what is wrong with it."""
        language = reader_language(request)
        if state.asked is None or not state.editing:
            return gr.skip(), "", ""
        try:
            data = json.loads(text or "")
        except (ValueError, RecursionError) as problem:
            line, column = getattr(problem, "lineno", 1), getattr(problem, "colno", 1)
            said = say("This is no JSON: see line {line}, character {column}.", line=line, column=column)
            return gr.skip(), gr.skip(), callout("error", said.to(language))
        if not isinstance(data, dict):
            said = say("A row is a JSON object: it begins with a brace and ends with one.")
            return gr.skip(), gr.skip(), callout("error", said.to(language))
        changed = with_edit(changes, state.asked.mark, "replace", [state.editing], data=data)
        state.editing = 0
        return changed, "", ""

    @told
    def clean(self, state: RowsState, request: gr.Request) -> Any:
        """The file moves into Gradio's cache, which is cleared in time; the folder that it was made in goes."""
        if state.asked is None:
            return gr.skip()
        path = self.backend.datasets.clean(*state.asked.arguments())
        try:
            return gr.processing_utils.save_file_to_cache(path, cache_dir=self.link.GRADIO_CACHE)
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)


def _editable(row: ShownRow) -> str:
    """The row's own data, as it is after the edits so far; of one that cannot be read, its text."""
    if "text" in row:
        return str(row["text"])
    return as_json(row["data"])
