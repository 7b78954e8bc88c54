"""The rows of the fine-tuning tab in a real browser: bringing them, mapping, correcting, looking through them. The
backend behind it is the fake one, which answers at once, or as late as a test wants.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import KeptPages, comes_true, fits_its_width, launched, let_it_come_to_rest
from tests.ui.fake_backend import FakeBackend

pytestmark = pytest.mark.browser

Rows = Callable[..., Page]
ROW = '{"prompt": "Hello", "completion": "Ahoy"}\n'
MESSY = (
    ROW * 3
    + '{"prompt": " blanks ", "completion": "mail jack@pearl.example.org"}\n{"prompt": "half", "completion": "h"\n'
    + "".join(f'{{"prompt": "Question {number}", "completion": "Answer {number}"}}\n' for number in range(6, 13))
)
HOSTILE = '<img src=x onerror="window.hit=1">${window.hit=2}{{window.hit=3}}'


class HeldBackend(FakeBackend):
    """Holds a check of rows with the word "slow" after its first news until `release` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.release, self.stopped = threading.Event(), threading.Event()

    def check(self, text: str = "", *given: Any) -> dict[str, Any]:
        tell = given[-1]
        report = super().check(text, *given)
        if "slow" in text:
            try:
                while not self.release.wait(0.05):
                    tell({"fraction": 0.5})
            except Exception:
                self.stopped.set()
                raise
        return report


@pytest.fixture(scope="module")
def backend() -> HeldBackend:
    return HeldBackend()


@pytest.fixture(scope="module")
def url(backend: HeldBackend) -> Iterator[str]:
    with launched(backend) as address:
        yield address


@pytest.fixture
def rows(kept_pages: KeptPages, url: str, backend: HeldBackend) -> Rows:
    """rows(text, language, width): the tab with these rows pasted and nothing else."""
    backend.__init__()

    def open_page(text: str = "", language: str = "en", width: int = 1280) -> Page:
        page, is_new = kept_pages.show(url, language, width)
        if is_new:
            page.click("#tab-finetune-button")
        else:
            begin_anew(page)
        expect(page.locator("#check .empty")).to_be_visible()
        if text:
            page.fill("#paste textarea", text)
            # The first rows are drawn before; who presses a button of theirs may miss it as they are drawn anew.
            expect(page.locator("#rows-pages")).not_to_be_empty()
        return page

    return open_page


def begin_anew(page: Page) -> None:
    """Take away what the test before brought, whatever it was."""
    page.locator("#rows-source").get_by_role("tab").first.click()
    if page.locator("#rows-changes").is_visible():
        page.locator("#rows-changes button").last.click()
        expect(page.locator("#rows-changes")).to_have_count(0)
    if page.locator("#map-user textarea").is_visible():
        for box in page.locator("#columns-panel textarea").all():
            box.fill("")
        page.locator("#columns-panel > button").click()
    if page.locator("#paste textarea").is_disabled():
        page.locator("#upload button[aria-label]").first.click()
    expect(page.locator("#paste textarea")).to_be_enabled()
    page.fill("#paste textarea", "")
    # By script, since both are hidden while there are no rows.
    page.locator("#rows-search :is(input, textarea)").evaluate(
        "box => { box.value = ''; box.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.locator("#rows-view input").first.dispatch_event("click")


def kind(page: Page, code: str) -> Locator:
    """The finding of that kind."""
    return page.locator(f'#check-findings .finding[data-code="{code}"]')


def row(page: Page, number: int) -> Locator:
    return page.locator(f'#check-preview > li[data-row="{number}"]')


def source(page: Page, name: str) -> None:
    page.locator("#rows-source").get_by_role("tab", name=name).click()


def checked(backend: HeldBackend) -> tuple[Any, ...]:
    """The newest check: (name, text, file, model, options)."""
    return next(call for call in reversed(backend.asked) if call[0] == "check_dataset")


def test_pasted_rows_show_what_they_are_and_what_is_wrong(rows: Rows) -> None:
    page = rows(MESSY)
    expect(page.locator("#check-counts")).to_contain_text("Usable rows11")
    expect(page.locator("#check-shapes")).to_contain_text("prompt and completion")
    expect(page.locator("#check-facts")).to_contain_text("drawn with seed 42")
    expect(page.locator("#check .plot-lengths svg")).to_be_visible()
    expect(page.locator("#check-findings .finding").first).to_contain_text("Not readable")
    expect(page.locator("#check-preview .k.t").first).to_be_visible()
    expect(page.locator("#rows-pages")).to_contain_text("Page 1 of 3 (12 rows)")


def test_a_file_and_back_to_what_was_pasted(rows: Rows, tmp_path: Path) -> None:
    page = rows(ROW)
    picked = tmp_path / "mine.jsonl"
    picked.write_text(MESSY)
    page.set_input_files("#upload input[type=file]", picked)
    expect(page.locator("#check .source")).to_contain_text("mine.jsonl")
    expect(page.locator("#paste textarea")).to_be_disabled()
    page.locator("#upload").get_by_label("Remove").or_(page.locator('#upload button[aria-label*="lear"]')).first.click()
    expect(page.locator("#check-counts")).to_contain_text("Usable rows1")
    expect(page.locator("#paste textarea")).to_have_value(ROW)


def test_the_table_shows_the_pasted_rows_and_writes_them(rows: Rows) -> None:
    page = rows(ROW)
    source(page, "Table")
    cell = page.locator("#rows-table").get_by_text("Ahoy", exact=True).last
    cell.dblclick()
    page.keyboard.press("Control+A")
    page.keyboard.type("Arr!")
    page.keyboard.press("Enter")
    expect(page.locator("#check-preview")).to_contain_text("Arr!")
    source(page, "Paste or upload")
    line = json.loads(page.locator("#paste textarea").input_value())
    assert line == {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Arr!"}]}


def test_a_hub_dataset_becomes_the_file(rows: Rows, backend: HeldBackend) -> None:
    page = rows()
    source(page, "Hub dataset")
    page.fill("#hub-name input, #hub-name textarea", "owner/name")
    page.fill("#hub-count input", "4")
    page.click("#hub-fetch")
    expect(page.locator("#hub-status")).to_contain_text("Fetched: 4 rows of owner/name")
    expect(page.locator("#check .source")).to_contain_text("owner-name.jsonl")
    page.click("#hub-split input")
    expect(page.locator("#hub-split").get_by_role("option", name="test")).to_be_visible()


def test_columns_are_mapped_and_the_result_shows_at_once(rows: Rows, backend: HeldBackend) -> None:
    page = rows('{"word": "Hello", "meaning": "Hi"}\n{"word": "Ahoy", "meaning": "Hey"}\n')
    expect(page.locator("#map-user textarea")).to_be_visible()
    question = page.locator("#map-user textarea")
    question.press_sequentially("What is ")
    page.locator("#map-columns button", has_text="word").click()
    expect(question).to_have_value("What is {word}")
    expect(question).to_be_focused()
    page.keyboard.type("?")
    page.click("#map-assistant textarea")
    page.locator("#map-columns button", has_text="meaning").click()
    expect(page.locator("#check-shapes")).to_contain_text("columns as you mapped them")
    expect(row(page, 1)).to_contain_text("Hello?")
    assert checked(backend)[4]["mapping"] == {"user": "What is {word}?", "assistant": "{meaning}"}
    page.click("#map-clear")
    expect(page.locator("#check-findings")).to_contain_text("Not usable")


def test_fixes_are_counted_and_taken_back(rows: Rows, backend: HeldBackend) -> None:
    page = rows(MESSY)
    kind(page, "duplicate").get_by_role("button", name="Drop 2 rows").click()
    expect(page.locator("#rows-changes")).to_contain_text("1 change: 2 rows dropped")
    expect(kind(page, "duplicate")).to_have_count(0)
    kind(page, "not_json").get_by_role("button", name="Repair").click()
    expect(page.locator("#rows-changes")).to_contain_text("2 changes: 2 rows dropped, 1 row repaired")
    expect(page.locator("#check-counts")).to_contain_text("Usable rows10")
    page.locator("#rows-changes").get_by_role("button", name="Undo the last change").click()
    expect(kind(page, "not_json")).to_be_visible()
    kind(page, "private_data").get_by_role("button", name="Mask").click()
    expect(row(page, 4)).to_contain_text("[email]")
    page.locator("#rows-changes").get_by_role("button", name="Undo all").click()
    expect(page.locator("#rows-changes")).to_have_count(0)
    expect(row(page, 4)).to_contain_text("jack@pearl")
    assert checked(backend)[4]["edits"] == [] and page.locator("#paste textarea").input_value() == MESSY


def test_other_rows_take_the_changes_with_them(rows: Rows, backend: HeldBackend) -> None:
    page = rows(MESSY)
    kind(page, "duplicate").get_by_role("button", name="Drop 2 rows").click()
    expect(page.locator("#rows-changes")).to_be_visible()
    page.fill("#paste textarea", ROW + MESSY)
    expect(page.locator("#check")).to_contain_text("your change was taken back")
    expect(page.locator("#rows-changes")).to_have_count(0)
    assert checked(backend)[4]["edits"] == []


def test_a_finding_leads_to_its_row_and_one_row_is_corrected(rows: Rows) -> None:
    page = rows(ROW * 12)
    kind(page, "duplicate").get_by_role("button", name="Go to row 9").click()
    expect(row(page, 9)).to_be_focused()
    expect(row(page, 9)).to_be_in_viewport()
    expect(page.locator("#rows-only")).to_contain_text("Copies")
    row(page, 9).get_by_role("button", name="Keep anyway").click()
    expect(page.locator("#rows-changes")).to_contain_text("1 row kept as it is")
    expect(row(page, 9)).to_have_count(0)
    page.locator("#rows-only button").click()
    expect(row(page, 1)).to_be_visible()


def test_a_row_is_edited_by_hand(rows: Rows) -> None:
    page = rows(MESSY)
    row(page, 2).get_by_role("button", name="Edit row 2").click()
    box = page.locator("#row-json textarea")
    expect(box).to_be_focused()
    box.fill('{"prompt": ')
    page.click("#row-save")
    expect(page.locator("#row-problem")).to_contain_text("This is no JSON")
    box.fill('{"prompt": "Hello", "completion": "Shiver me timbers"}')
    page.click("#row-save")
    expect(row(page, 2)).to_contain_text("timbers")
    expect(page.locator("#row-json")).to_be_hidden()
    expect(page.locator("#rows-changes")).to_contain_text("1 row edited by hand")


def test_search_pages_and_two_views(rows: Rows) -> None:
    page = rows(MESSY)
    page.click("#rows-next")
    expect(page.locator("#rows-pages")).to_contain_text("Page 2 of 3")
    expect(row(page, 6)).to_be_visible()
    page.locator("#rows-search").get_by_role("textbox").fill("Question 11")
    expect(page.locator("#rows-pages")).to_contain_text("(1 row)")
    expect(row(page, 11)).to_be_visible()
    page.locator("#rows-view").get_by_text("Conversation").click()
    expect(row(page, 11).locator(".said.r-assistant")).to_contain_text("Answer 11")
    expect(page.locator("#check-preview .k")).to_have_count(0)


def test_cleaned_rows_are_taken_away(rows: Rows) -> None:
    page = rows(MESSY)
    kind(page, "duplicate").get_by_role("button", name="Drop 2 rows").click()
    expect(page.locator("#rows-changes")).to_be_visible()
    with page.expect_download() as download:
        page.click("#download-rows")
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 9 and "messages" in json.loads(lines[0])


def test_the_first_rows_come_before_the_rest_and_typing_on_stops_the_work(rows: Rows, backend: HeldBackend) -> None:
    page = rows()
    page.fill("#paste textarea", ROW + '{"prompt": "slow", "completion": "one"}\n')
    expect(page.locator("#rows-progress")).to_contain_text("50 %")
    expect(row(page, 1)).to_be_visible()
    assert page.locator("#check-counts").count() == 0
    page.fill("#paste textarea", ROW.replace("Ahoy", "quick"))
    expect(page.locator("#check-counts")).to_contain_text("Usable rows1")
    assert backend.stopped.wait(60)
    backend.release.set()
    page.fill("#paste textarea", ROW.replace("Ahoy", "last"))  # Whatever came of the older one would come before this.
    expect(page.locator("#check-preview")).to_contain_text("last")
    expect(page.locator("#rows-progress .waiting-rows")).to_have_count(0)


def test_by_keyboard_alone(rows: Rows) -> None:
    page = rows(MESSY)
    kind(page, "duplicate").get_by_role("button", name="Go to row 2").focus()
    page.keyboard.press("Enter")
    expect(row(page, 2)).to_be_focused()
    kind(page, "duplicate").get_by_role("button", name="Drop 2 rows").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#rows-changes")).to_be_visible()
    assert comes_true(page, "document.activeElement.closest('#check') !== null"), "the button went, the place stays"
    page.locator("#rows-changes button").first.focus()
    page.keyboard.press("Space")
    expect(page.locator("#rows-changes")).to_have_count(0)
    page.locator("#rows-view input").last.focus()
    page.keyboard.press("Space")
    expect(page.locator("#check-preview .said").first).to_be_visible()


def test_hostile_rows_stay_text(rows: Rows) -> None:
    page = rows(json.dumps({"prompt": HOSTILE, "completion": HOSTILE}) + "\n" + json.dumps({HOSTILE: HOSTILE}) + "\n")
    page.locator("#rows-view").get_by_text("Conversation").click()
    expect(row(page, 1).locator(".said").first).to_contain_text("onerror")
    expect(row(page, 2)).to_contain_text("onerror")
    assert page.evaluate("window.hit") is None


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_phone_has_room_for_all_of_it(rows: Rows, language: str) -> None:
    page = rows(MESSY.replace("Hello", "Hello" * 60), language, 390)
    page.locator("#columns-panel button").first.click()
    page.locator("#rows-list").get_by_role("button", name=re.compile("Edit row 2|2 行目を編集")).click()
    expect(page.locator("#row-json textarea")).to_be_visible()
    assert fits_its_width(page)
    page.locator("#rows-source").get_by_role("tab").nth(2).click()
    expect(page.locator("#rows-table table").first).to_be_visible()
    assert fits_its_width(page)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_arrow_of_a_drawer_is_whole_on_a_narrow_screen(rows: Rows, language: str) -> None:
    """Gradio turns it: what is seen is the turned box."""
    page = rows("", language, 390)
    for _ in range(2):
        let_it_come_to_rest(page)
        panel, arrow = (page.locator(f"#columns-panel > button{part}").bounding_box() for part in ("", " .icon"))
        assert panel and arrow
        assert panel["x"] <= arrow["x"] and arrow["x"] + arrow["width"] <= panel["x"] + panel["width"]
        assert panel["y"] <= arrow["y"] and arrow["y"] + arrow["height"] <= panel["y"] + panel["height"]
        if not page.locator("#map-user textarea").is_visible():
            page.locator("#columns-panel > button").click()
            expect(page.locator("#map-user textarea")).to_be_visible()
