"""The rows below the card's columns: search, pages, one row's edits, editing by hand, and the file to take away."""

from __future__ import annotations

import json
import shutil
from typing import Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import say
from playground.server.backend import Backend
from playground.ui.rows.edits import KNOWN, Changes, with_edit
from playground.ui.rows.findings import kind_title
from playground.ui.rows.state import Desk
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
    def __init__(self, backend: Backend, desk: gr.State, changes: gr.State) -> None:
        self.backend, self.desk, self.changes = backend, desk, changes
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
        self.search.change(self.find, [self.desk, self.search], self.drawn, **{**LIVE, "show_progress": "hidden"})
        self.view.change(self.redraw, [self.desk, self.view], self.drawn, **QUICK)
        self.previous.click(self.back, self.desk, **given)
        self.next.click(self.forward, self.desk, **given)
        self.only.all_rows(self.show_all, self.desk, **given)
        check.go(self.go, self.desk, [*self.drawn, self.search], **QUEUED).then(None, None, None, js=_SHOW_ROW, **PAGE)
        self.list.fix_row(self.fix_row, [self.changes, self.desk], self.changes, **QUEUED).then(
            None, None, None, js=ROWS_CHANGED, **PAGE
        )
        self.list.edit(self.open_editor, self.desk, [self.title, self.json, self.problem], **QUEUED).then(
            None, None, None, js=_SHOW_EDITOR, **PAGE
        )
        self.save.click(
            self.save_row, [self.changes, self.desk, self.json], [self.changes, self.title, self.problem], **QUEUED
        ).then(None, None, None, js=ROWS_CHANGED, **PAGE)
        self.leave.click(self.close_editor, self.desk, [self.title, self.problem], **QUICK)
        self.download.click(
            self.clean, self.desk, self.link, show_progress="minimal", show_progress_on=self.download, **PAGE
        ).success(None, None, None, js=_PRESS_LINK, **PAGE)

    # ---- pages -------------------------------------------------------------------------------------------------

    def turn(self, desk: Desk, language: str) -> Updates:
        """Ask for the page at hand and draw it, unless a newer page was asked for meanwhile."""
        if desk.asked is None:
            return {self.list: _NO_LIST}
        desk.looked += 1
        number = desk.looked
        try:
            answer = self.backend.dataset_rows(
                *desk.asked.arguments(), desk.page, PER_PAGE, desk.query, desk.only.get("rows")
            )
        except PlaygroundError as error:
            return {self.list: refusal(error, language)}
        if desk.looked != number:
            return {self.list: gr.skip()}
        desk.shown, desk.page = answer, answer["page"]
        return self.draw(desk, language)

    def draw(self, desk: Desk, language: str) -> Updates:
        answer = desk.shown or {"page": 1, "pages": 1, "total": 0, "rows": []}
        return {
            self.only: only_words(desk, language),
            self.list: rows_list(desk, language),
            self.pages: pages_words(answer, language),
            self.previous: gr.update(interactive=answer["page"] > 1),
            self.next: gr.update(interactive=answer["page"] < answer["pages"]),
        }

    def early(self, rows: list[dict[str, Any]], desk: Desk, language: str) -> Updates:
        """The first rows of a source that is still worked on."""
        return {
            self.only: "",
            self.list: first_rows(rows, desk.view, language) or _NO_LIST,
            self.title: "",
            self.pages: "",
        }

    def hide(self) -> Updates:
        return {self.list: _NO_LIST, self.title: "", self.pages: ""}

    def find(self, request: gr.Request, desk: Desk, query: str) -> Updates:
        if (query or "") == desk.query:  # Emptied by `go`, which has drawn its own page.
            return {self.list: gr.skip()}
        desk.query, desk.page, desk.goto = query or "", 1, 0
        return self.turn(desk, reader_language(request))

    def redraw(self, request: gr.Request, desk: Desk, view: str) -> Updates:
        desk.view = view
        if desk.shown is None:
            return {self.list: gr.skip()}
        return self.draw(desk, reader_language(request))

    def back(self, request: gr.Request, desk: Desk) -> Updates:
        desk.page, desk.goto = max(desk.page - 1, 1), 0
        return self.turn(desk, reader_language(request))

    def forward(self, request: gr.Request, desk: Desk) -> Updates:
        desk.page, desk.goto = desk.page + 1, 0
        return self.turn(desk, reader_language(request))

    def show_all(self, request: gr.Request, desk: Desk) -> Updates:
        desk.only, desk.page, desk.goto = {}, 1, 0
        return self.turn(desk, reader_language(request))

    def go(self, request: gr.Request, desk: Desk, pressed: gr.EventData) -> Updates:
        """To a row that a finding names, among the other rows with that finding."""
        place, code, row = (pressed._data.get(name) for name in ("kind", "code", "row"))
        kind = desk.report.kind(place, code) if desk.report else None
        if kind is None or row not in kind["rows"]:
            return {self.list: gr.skip()}
        rows = sorted(set(kind["rows"]))
        desk.only = {"title": kind_title(kind["code"]) or kind["message"], "rows": rows, "code": code}
        desk.goto, desk.page, desk.query = row, rows.index(row) // PER_PAGE + 1, ""
        return {**self.turn(desk, reader_language(request)), self.search: ""}

    # ---- edits -------------------------------------------------------------------------------------------------

    def fix_row(self, changes: Changes, desk: Desk, pressed: gr.EventData) -> Any:
        row, code, do = (pressed._data.get(name) for name in ("row", "code", "do"))
        if desk.asked is None or do not in KNOWN or not isinstance(row, int) or not isinstance(code, str):
            return gr.skip()
        return with_edit(changes, desk.asked.mark, do, [row], code=code if do == "keep" else "")

    def open_editor(self, request: gr.Request, desk: Desk, pressed: gr.EventData) -> tuple[Any, Any, str]:
        number = pressed._data.get("row")
        rows = desk.shown["rows"] if desk.shown else []
        row = next((row for row in rows if row["row"] == number), None)
        if row is None:
            return gr.skip(), gr.skip(), ""
        desk.editing = row["row"]
        title = say("Edit row {row}", row=row["row"]).to(reader_language(request))
        return f"<h4>{escape(title)}</h4>", _editable(row), ""

    def close_editor(self, desk: Desk) -> tuple[Any, str]:
        desk.editing = 0
        return "", ""

    def save_row(self, request: gr.Request, changes: Changes, desk: Desk, text: str) -> tuple[Any, Any, Any]:
        """The row becomes what is in the box, or the box stays open and says what is wrong with it."""
        language = reader_language(request)
        if desk.asked is None or not desk.editing:
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
        changed = with_edit(changes, desk.asked.mark, "replace", [desk.editing], data=data)
        desk.editing = 0
        return changed, "", ""

    @told
    def clean(self, desk: Desk, request: gr.Request) -> Any:
        """The file moves into Gradio's cache, which is cleared in time; the folder that it was made in goes."""
        if desk.asked is None:
            return gr.skip()
        path = self.backend.clean_rows(*desk.asked.arguments())
        try:
            return gr.processing_utils.save_file_to_cache(path, cache_dir=self.link.GRADIO_CACHE)
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)


def _editable(row: dict[str, Any]) -> str:
    """The row's own data, as it is after the edits so far; of one that cannot be read, its text."""
    if "text" in row:
        return str(row["text"])
    if "data" in row:
        return as_json(row["data"])
    return as_json({name: row[name] for name in ("messages", "tools") if row.get(name)})
