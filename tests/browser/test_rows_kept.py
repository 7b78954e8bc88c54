"""A reload of the page brings pasted rows back, with what was done to them. The backend is the fake one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOCALES, SameBrowser, launched
from tests.browser.test_rows import MESSY, ROW, kind, row
from tests.ui.fake_backend import FakeBackend

pytestmark = pytest.mark.browser

TEXT, REST = "sft-playground-rows", "sft-playground-rows-changes"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with launched(FakeBackend()) as address:
        yield address


@pytest.fixture
def page(same_browser: SameBrowser, url: str) -> Iterator[Page]:
    """The tab in a browser that keeps nothing yet. An error on the page fails the test."""
    errors: list[str] = []
    page = same_browser(locale=LOCALES["en"], viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    to_rows(page)
    page.wait_for_selector("#check .empty")
    yield page
    page.close()
    assert not errors


def to_rows(page: Page) -> None:
    page.wait_for_selector("#lab-chips .k")
    page.get_by_role("tab").nth(1).click()


def paste(page: Page, text: str) -> None:
    page.fill("#paste textarea", text)
    page.wait_for_selector("#rows-list .row-button")


def reload(page: Page) -> None:
    page.reload()
    to_rows(page)
    page.wait_for_function("window.sftRowsRestored")


def stored(page: Page, key: str) -> int:
    return int(page.evaluate("(key) => (localStorage.getItem(key) || '').length", key))


def wait_until_stored(page: Page, key: str, more_than: int) -> None:
    script = "([key, least]) => (localStorage.getItem(key) || '').length > least"
    page.wait_for_function(script, arg=[key, more_than])


def test_pasted_rows_and_what_was_done_to_them_come_back(page: Page) -> None:
    paste(page, MESSY)
    before = stored(page, REST)
    kind(page, "duplicate").get_by_role("button", name="Drop 2 rows").click()
    expect(page.locator("#check-findings")).to_contain_text("1 change: 2 rows dropped")
    wait_until_stored(page, TEXT, 500)
    wait_until_stored(page, REST, before)
    reload(page)
    expect(page.locator("#check-findings")).to_contain_text("1 change: 2 rows dropped")
    expect(page.locator("#paste textarea")).to_have_value(MESSY)
    expect(row(page, 2)).to_have_count(0)
    page.locator("#rows-changes").get_by_role("button", name="Undo the last change").click()
    expect(row(page, 2)).to_have_count(1)
    reload(page)
    expect(row(page, 2)).to_have_count(1)
    expect(page.locator("#check-findings")).not_to_contain_text("change:")


def test_columns_and_the_settings_of_the_rows_come_back(page: Page) -> None:
    paste(page, '{"q": "Hi", "a": "Ahoy"}\n' * 3)
    if not page.locator("#map-user textarea").is_visible():
        page.locator("#columns-panel > button").click()
    before = stored(page, REST)
    page.fill("#map-user textarea", "{q}!")
    page.fill("#map-assistant textarea", "{a}")
    wait_until_stored(page, REST, before)
    page.wait_for_timeout(400)
    reload(page)
    expect(page.locator("#map-user textarea")).to_have_value("{q}!")
    expect(page.locator("#map-assistant textarea")).to_have_value("{a}")


def test_an_emptied_box_stays_empty(page: Page) -> None:
    paste(page, ROW * 9)
    wait_until_stored(page, TEXT, 300)
    page.fill("#paste textarea", "")
    page.wait_for_selector("#check .empty")
    page.wait_for_function("(key) => localStorage.getItem(key).length < 100", arg=TEXT)
    reload(page)
    page.wait_for_timeout(500)
    expect(page.locator("#check .empty")).to_be_visible()
    expect(page.locator("#paste textarea")).to_have_value("")


def test_an_uploaded_file_is_forgotten_and_nothing_wrong_is_shown(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(MESSY)
    page.set_input_files("#upload input[type=file]", path)
    page.wait_for_selector("#rows-list .row-button")
    kind(page, "duplicate").get_by_role("button", name="Drop 2 rows").click()
    expect(page.locator("#check-findings")).to_contain_text("A reload of the page forgets the file")
    reload(page)
    page.wait_for_timeout(500)
    expect(page.locator("#check .empty")).to_be_visible()
    paste(page, MESSY)
    expect(page.locator("#check-findings")).not_to_contain_text("change")


def test_rows_that_are_too_large_are_said_to_be_forgotten(page: Page) -> None:
    page.fill("#paste textarea", ROW * 3 + '{"prompt": "half", "completion": "' + "本" * 70_000)
    expect(page.locator("#check-findings")).to_contain_text("forgets rows of more than 200 kB")
    reload(page)
    page.wait_for_timeout(500)
    expect(page.locator("#check .empty")).to_be_visible()


def test_what_somebody_else_wrote_into_the_store_breaks_nothing(page: Page) -> None:
    page.evaluate("(keys) => keys.forEach((key) => localStorage.setItem(key, 'x{'))", [TEXT, REST])
    reload(page)
    paste(page, MESSY)
    expect(page.locator("#check-counts")).to_contain_text("Usable rows11")
