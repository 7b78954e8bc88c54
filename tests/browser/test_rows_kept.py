"""A reload of the page brings pasted rows back, with what was done to them. The backend is the fake one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import KeptPages, comes_true, launched
from tests.browser.test_rows import MESSY, ROW, begin_anew, kind, row
from tests.ui.fake_backend import FakeBackend

pytestmark = pytest.mark.browser

TEXT, REST = "sft-playground-rows", "sft-playground-rows-changes"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with launched(FakeBackend()) as address:
        yield address


@pytest.fixture
def page(kept_pages: KeptPages, url: str) -> Page:
    """The tab without rows, in a browser that knows how to keep some."""
    page, is_new = kept_pages.show(url)
    if is_new:
        to_rows(page)
    else:
        begin_anew(page)
    expect(page.locator("#check .empty")).to_be_visible()
    assert is_forgotten(page, TEXT) and is_forgotten(page, REST)
    return page


def to_rows(page: Page) -> None:
    page.wait_for_selector("#lab-chips .k")
    page.click("#tab-finetune-button")
    page.wait_for_function("window.sftRowsRestored")


def paste(page: Page, text: str) -> None:
    page.fill("#paste textarea", text)
    page.wait_for_selector("#rows-list .row-button")


def reload(page: Page) -> None:
    page.reload()
    to_rows(page)


def is_kept(page: Page, key: str, least: int = 100) -> bool:
    """Whether the page comes to where the browser keeps so much there. It is encrypted, and written anew now and then
    with nothing new in it, so only its length tells what it may hold: nothing is 44 characters.
    """
    return comes_true(page, "([key, least]) => (localStorage.getItem(key) || '').length >= least", [key, least])


def is_forgotten(page: Page, key: str) -> bool:
    return comes_true(page, "(key) => (localStorage.getItem(key) || '').length < 100", key)


def nothing_came_back(page: Page) -> None:
    expect(page.locator("#check .empty")).to_be_visible()
    expect(page.locator("#paste textarea")).to_have_value("")


def test_pasted_rows_and_what_was_done_to_them_come_back(page: Page) -> None:
    paste(page, MESSY)
    assert is_kept(page, TEXT)
    kind(page, "duplicate").get_by_role("button", name="Drop 2 rows").click()
    expect(page.locator("#check-findings")).to_contain_text("1 change: 2 rows dropped")
    assert is_kept(page, REST)
    reload(page)
    expect(page.locator("#check-findings")).to_contain_text("1 change: 2 rows dropped")
    expect(page.locator("#paste textarea")).to_have_value(MESSY)
    expect(row(page, 2)).to_have_count(0)
    page.locator("#rows-changes").get_by_role("button", name="Undo the last change").click()
    expect(row(page, 2)).to_have_count(1)
    assert is_forgotten(page, REST)
    reload(page)
    expect(row(page, 2)).to_have_count(1)
    expect(page.locator("#check-findings")).not_to_contain_text("change:")


def test_columns_and_the_settings_of_the_rows_come_back(page: Page) -> None:
    paste(page, '{"q": "Hi", "a": "Ahoy"}\n' * 3)
    if not page.locator("#map-user textarea").is_visible():
        page.locator("#columns-panel > button").click()
    user, assistant = "{q}, if I may ask you that" + "!" * 50, "{a}, and that is all I say" + "." * 50
    page.fill("#map-user textarea", user)
    page.fill("#map-assistant textarea", assistant)
    assert is_kept(page, REST, least=200), "both of them"
    reload(page)
    expect(page.locator("#map-user textarea")).to_have_value(user)
    expect(page.locator("#map-assistant textarea")).to_have_value(assistant)
    for box in ("user", "assistant"):
        page.fill(f"#map-{box} textarea", "")
    assert is_forgotten(page, REST)


def test_what_cannot_come_back_leaves_the_box_empty(page: Page, tmp_path: Path) -> None:
    """An emptied box, a file, rows that are too large, and what somebody else wrote into the store."""
    paste(page, ROW * 9)
    assert is_kept(page, TEXT)
    page.fill("#paste textarea", "")
    assert is_forgotten(page, TEXT)
    reload(page)
    nothing_came_back(page)

    path = tmp_path / "rows.jsonl"
    path.write_text(MESSY)
    page.set_input_files("#upload input[type=file]", path)
    page.wait_for_selector("#rows-list .row-button")
    kind(page, "duplicate").get_by_role("button", name="Drop 2 rows").click()
    expect(page.locator("#check-findings")).to_contain_text("A reload of the page forgets the file")
    reload(page)
    nothing_came_back(page)
    paste(page, MESSY)
    expect(page.locator("#check-counts")).to_be_visible()
    expect(page.locator("#rows-changes")).to_have_count(0)
    assert is_kept(page, TEXT)

    page.fill("#paste textarea", ROW * 3 + '{"prompt": "half", "completion": "' + "本" * 70_000)
    expect(page.locator("#check-findings")).to_contain_text("forgets rows of more than 200 kB")
    assert is_forgotten(page, TEXT)
    reload(page)
    nothing_came_back(page)

    page.evaluate("(keys) => keys.forEach((key) => localStorage.setItem(key, 'x{'))", [TEXT, REST])
    reload(page)
    paste(page, MESSY)
    expect(page.locator("#check-counts")).to_contain_text("Usable rows11")
