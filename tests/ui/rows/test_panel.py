"""The rows panel's handlers, called as Gradio calls them, without a server."""

import json
import re
import threading
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.ui.finetune_tab import FinetuneTab
from playground.ui.rows.columns import column_buttons, mapping_of
from playground.ui.rows.options import FORMED
from playground.ui.rows.state import RowsState
from playground.ui.rows.table import as_jsonl, as_line
from playground.ui.widgets.live_work import Superseded, followed
from tests.ui.fake_backend import FakeBackend

ROWS = '{"prompt": "a", "completion": "b"}\n'
MESSY = ROWS * 3 + '{"prompt": " a ", "completion": "mail me@example.org"}\n{"prompt": "half"\n{"q": 1}\n'


@cache
def the_tab():
    """One for all people, as the app has it."""
    with gr.Blocks():
        return FinetuneTab(FakeBackend(), gr.State({}))


class Page:
    """The panel with one person in front of it, and what they see."""

    def __init__(self, tab=None):
        tab = tab or the_tab()
        tab.backend.__init__()
        self.rows, self.backend, self.state = tab.rows, tab.backend, RowsState()
        self.changes, self.shown, self.number = {}, {}, 0

    def check(self, text="", file=None, columns=("", "", ""), **settings):
        self.number += 1
        formed = [settings.get(name) for name in FORMED]
        given = (self.number, self.state, "m", text, file, {}, self.changes, *columns, *formed)
        for update in self.rows.check(None, *given):
            self.see(update)
        return self.html

    def see(self, update):
        if self.rows.changes in update:
            self.changes = update[self.rows.changes]
        self.shown.update(update)

    def press(self, handler, **given):
        self.changes = handler(self.changes, self.state, SimpleNamespace(_data=given))

    @property
    def html(self):
        return self.shown[self.rows.view]

    @property
    def listed(self):
        return self.shown[self.rows.browser.list]

    def kind(self, code):
        codes = [kind["code"] for kind in self.state.report.given["codes"]]
        return {"kind": codes.index(code), "code": code}


@pytest.fixture
def page():
    return Page()


def test_nothing_given_is_no_error(page):
    assert "No rows yet" in page.check("  \n") and page.backend.asked == []


def test_a_file_goes_before_the_box(page, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(ROWS)
    assert "File: rows.jsonl" in page.check("pasted", str(file))
    assert page.backend.asked[0][1:4] == ("", str(file), "m")


def test_the_report_and_the_rows(page):
    html = page.check(MESSY)
    assert "Usable rows" in html and "cannot be used" in html and "plot-lengths" in html
    assert 'data-row="5"' in page.listed and "held out" in page.listed
    assert page.listed.count('<li class="data-row') == 5, "a page of five"


def test_tokens_of_held_out_rows_are_said_apart(page):
    html = page.check(MESSY)
    assert re.search(r"and [1-9][0-9]* held out", html)
    assert "held out" not in re.search('<dl class="stats".*?</dl>', page.check(MESSY.split("\n")[0]))[0]


def test_how_the_held_out_rows_are_chosen_is_said(page):
    assert "1 row, drawn with seed 42" in page.check(MESSY)
    assert "1 row, the last ones" in page.check(MESSY, shuffle_dataset=False)


def test_a_refusal_is_shown_and_forgets_the_rows(page):
    page.check(ROWS)
    page.backend.refuse = InputError(Sentence("No."), None, Sentence("Do <that>."))
    html = page.check(ROWS + ROWS)
    assert "Do &lt;that&gt;." in html and page.state.report is None
    assert "no-list" in page.listed


def test_a_setting_out_of_range_is_said_where_the_rows_are(page):
    assert "max_length" in page.check(ROWS, max_length=2)
    assert page.backend.asked == []


def test_an_edit_for_all_rows_of_a_kind_and_back(page):
    page.check(MESSY)
    page.press(page.rows.fix, do="drop", **page.kind("duplicate"))
    assert page.changes["edits"] == [{"do": "drop", "rows": [2, 3], "code": ""}]
    assert "1 change: 2 rows dropped" in page.check(MESSY)
    page.press(page.rows.fix, do="keep", **page.kind("private_data"))
    assert page.changes["edits"][1] == {"do": "keep", "rows": [4], "code": "private_data"}
    page.changes = page.rows.undo(page.changes, page.state)
    assert [edit["do"] for edit in page.changes["edits"]] == ["drop"]
    assert page.rows.undo_all(page.changes, page.state) == {}


@pytest.mark.parametrize(
    "given",
    [
        {"kind": 0, "code": "another", "do": "drop"},
        {"kind": 99, "code": "duplicate", "do": "drop"},
        {"kind": "0", "code": "duplicate", "do": "drop"},
        {"kind": 2, "code": "duplicate", "do": "format_disk"},
        {},
    ],
)
def test_what_the_browser_sends_is_not_trusted(page, given):
    page.check(MESSY)
    for handler in (page.rows.fix, page.rows.browser.fix_row):
        answer = handler({}, page.state, SimpleNamespace(_data=given))
        assert answer == gr.skip(), "a page that is not up to date changes nothing"


def test_edits_go_with_their_rows_and_that_is_said_once(page):
    page.check(MESSY)
    page.press(page.rows.fix, do="drop", **page.kind("duplicate"))
    assert "your change was taken back" in page.check(MESSY + ROWS)
    assert page.changes == {} and page.backend.asked[-2][4]["edits"] == []
    assert "taken back" not in page.check(MESSY + ROWS)


def test_going_to_a_row_shows_those_with_the_same_finding(page):
    page.check("".join(ROWS for _ in range(12)))
    pressed = SimpleNamespace(_data={**page.kind("duplicate"), "row": 9})
    page.see(page.rows.browser.go(None, page.state, pressed))
    assert 'data-goto="9"' in page.listed and 'data-row="9"' in page.listed and 'data-row="1"' not in page.listed
    assert "Only rows with this finding: Copies" in page.shown[page.rows.browser.only]
    page.see(page.rows.browser.show_all(None, page.state))
    assert 'data-row="1"' in page.listed and page.shown[page.rows.browser.only] == ""


def test_when_the_last_row_of_a_kind_is_mended_all_rows_are_shown_again(page):
    page.check(ROWS * 3)
    page.see(page.rows.browser.go(None, page.state, SimpleNamespace(_data={**page.kind("duplicate"), "row": 2})))
    page.press(page.rows.fix, do="keep", **page.kind("duplicate"))
    page.check(ROWS * 3)
    assert page.state.only == {} and 'data-row="1"' in page.listed


def test_search_and_pages(page):
    browser = page.rows.browser
    page.check("".join(f'{{"prompt": "word{number}", "completion": "b"}}\n' for number in range(12)))
    page.see(browser.forward(None, page.state))
    assert "Page 2 of 3" in page.shown[browser.pages] and 'data-row="6"' in page.listed
    page.see(browser.find(None, page.state, "word11"))
    assert 'data-row="12"' in page.listed and "(1 row)" in page.shown[browser.pages]
    page.see(browser.find(None, page.state, "nowhere"))
    assert "No row has these words." in page.listed


def test_an_older_page_is_not_drawn_over_a_newer_one(page):
    page.check(ROWS * 12)
    browser, backend = page.rows.browser, page.backend
    ask = backend.rows

    def overtaken(*given):
        backend.rows = ask
        page.see(browser.forward(None, page.state))
        return ask(*given)

    backend.rows = overtaken
    assert list(browser.forward(None, page.state).values()) == [gr.skip()]
    assert page.state.page == 3 and page.state.shown["page"] == 3


def test_a_row_is_edited_by_hand(page):
    browser = page.rows.browser
    page.check(MESSY)
    title, text, _ = browser.open_editor(None, page.state, SimpleNamespace(_data={"row": 1}))
    assert "Edit row 1" in title and json.loads(text) == json.loads(ROWS)
    kept, stays, problem = browser.save_row(None, page.changes, page.state, '{"prompt":\n')
    assert kept == stays == gr.skip() and "line 2" in problem
    assert "JSON object" in browser.save_row(None, page.changes, page.state, "[1]")[2]
    assert "no JSON" in browser.save_row(None, page.changes, page.state, "[" * 100_000)[2]
    changed, closed, _ = browser.save_row(None, page.changes, page.state, '{"prompt": "x", "completion": "y"}')
    edit = {"do": "replace", "rows": [1], "code": "", "data": {"prompt": "x", "completion": "y"}}
    assert changed["edits"] == [edit] and closed == ""


def test_a_row_that_cannot_be_read_is_edited_as_its_text(page):
    page.check('{"prompt": "half"\n')
    assert "As it came" in page.listed and "not JSON" in page.listed
    text = page.rows.browser.open_editor(None, page.state, SimpleNamespace(_data={"row": 1}))[1]
    assert text == '{"prompt": "half"'


def test_cleaned_rows_move_into_the_cache(page):
    page.check(ROWS)
    made = []
    clean = page.backend.clean
    page.backend.clean = lambda *given: made.append(clean(*given)) or made[0]
    path = Path(page.rows.browser.clean(page.state, None))
    assert path.name == "rows.jsonl" and "messages" in path.read_text()
    assert path != made[0] and not made[0].parent.exists()


def test_rows_of_no_known_shape_open_the_columns_once(page):
    page.check('{"q": 1, "a": 2}\n')
    panel, buttons = page.rows.columns.panel, page.rows.columns.buttons
    assert page.shown[panel]["open"] is True and 'data-insert="&#123;q}"' in page.shown[buttons]
    page.check('{"q": 1, "a": 2}\n')
    assert page.shown[panel] == gr.skip(), "whoever closed it keeps it closed"
    page.check('{"q": 1, "a": 2}\n', columns=("{q}", "a", ""))
    assert "columns as you mapped them" in page.html


def test_half_a_mapping_is_none():
    assert mapping_of("{q}", "", "s") == mapping_of(None, None, None) == {}
    assert mapping_of("{q}", "a", " ") == {"user": "{q}", "assistant": "a"}


def test_column_names_are_text():
    html = column_buttons([{"name": '<b>"{x}', "filled": 1, "sample": "<i>"}], "en")
    assert "<b>" not in html and "<i>" not in html and 'data-insert="&lt;b&gt;&quot;&#123;x}"' in html


def test_the_table_takes_only_what_it_can_give_back():
    single = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    assert as_line({"messages": single}) == ["", "q", "a"]
    assert as_line({"messages": [{"role": "system", "content": "s"}, *single]}) == ["s", "q", "a"]
    assert as_line({"messages": single * 2}) is None
    assert as_line({"messages": [single[0], {**single[1], "tool_calls": []}]}) is None
    assert as_line({"messages": [single[0], {"role": "assistant", "content": None}]}) is None
    assert as_line({"text": "x"}) is as_line({"messages": single, "tools": [{}]}) is None
    line = json.loads(as_jsonl([["", "q", "a"], ["", "", ""], ["", " ", None]]))
    assert line == {"messages": single}


def test_a_table_that_does_not_hold_all_rows_cannot_be_written(page):
    table = page.rows.source.table
    update, note = table.open(None, MESSY, None)
    assert update["interactive"] is False and "do not fit into the table: 2 of 6." in note
    update, note = table.open(None, ROWS, None)
    assert update["interactive"] is True and note == "" and update["value"]["data"][0] == ["", "a", "b"]
    assert table.open(None, ROWS, "/tmp/x.csv")[0]["interactive"] is False
    assert table.typed([["", "q", "a"]], ROWS, "/tmp/x.csv") == gr.skip()


def test_rows_of_the_hub_become_the_file(page):
    hub = page.rows.source.hub
    *told, last = hub.take(None, page.state, "owner/name", None, "", 4)
    assert any("Reading rows: 2 of 4." in update[hub.status] for update in told)
    assert Path(last[hub.file]).read_text().count("\n") == 4 and not Path(page.backend.hub_path).exists()
    assert last[hub.config]["choices"] == ["default", "other"] and "A note." in last[hub.status]
    *_, refused = hub.take(None, page.state, "nothing", None, None, 4)
    assert "is not the name" in refused[hub.status] and hub.file not in refused


def test_a_cancelled_fetch_changes_nothing(page):
    hub = page.rows.source.hub
    updates = hub.take(None, page.state, "owner/name", "", "", 4)
    next(updates)
    hub.stop_fetching(None, page.state)
    assert list(updates) == [{hub.status: gr.skip()}]


@pytest.mark.parametrize("how", ["cancelled", "closed"])
def test_a_fetch_that_says_nothing_ends_when_nobody_waits(page, how):
    hub = page.rows.source.hub
    updates = hub.take(None, page.state, "silent/rows", "", "", 4)
    assert "silent/rows" in next(updates)[hub.status]
    assert next(updates) == {hub.status: gr.skip()}, "it can be ended while nothing comes"
    if how == "cancelled":
        hub.stop_fetching(None, page.state)
    updates.close()
    assert page.backend.hub_cancelled.wait(60)


def test_an_older_check_stops_and_draws_nothing_more(page):
    begun, stopped = threading.Event(), threading.Event()
    ask = page.backend.check

    def slow(*given):
        begun.set()
        try:
            while True:
                given[-1]({"fraction": 0.5})
        except Superseded:
            stopped.set()
            raise

    page.backend.check = slow
    formed = [None for _ in FORMED]
    older = page.rows.check(None, 1, page.state, "m", ROWS, None, {}, {}, "", "", "", *formed)
    assert page.rows.progress in next(older)
    page.backend.check, page.number = ask, 1
    newer = threading.Thread(target=page.check, args=(ROWS * 2,))
    newer.start()
    newer.join(0.5)
    assert newer.is_alive(), "Gradio may not have sent what the older one drew last"
    assert list(older) == [{page.rows.progress: gr.skip()}] and stopped.wait(10)
    newer.join(10)
    assert page.state.report and page.state.asked.text == ROWS * 2 and page.state.drawn.is_set()
    late = page.rows.check(None, 1, page.state, "m", ROWS, None, {}, {}, "", "", "", *formed)
    assert list(late) == [], "one that arrives late is not begun"


def test_a_fault_in_the_work_is_not_swallowed():
    def broken(tell):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(followed(broken, lambda: True))
