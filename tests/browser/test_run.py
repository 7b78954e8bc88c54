"""The run's panel in a real browser, in front of a backend that answers at once: what a script does and what fits."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import KeptPages, fits_its_width, launched, picture, stand_in_order
from tests.ui.fake_backend import FakeBackend
from tests.ui.fake_runs import a_story, curve, rounds

pytestmark = pytest.mark.browser
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture(scope="module")
def address(backend: FakeBackend) -> Iterator[str]:
    with launched(backend) as url:
        yield url


Watch = Callable[..., Page]


@pytest.fixture
def watch(kept_pages: KeptPages, address: str, backend: FakeBackend) -> Watch:
    """watch(moment, language, width, scheme): a page that has just begun a run of its own and sees it at `moment`."""

    def open_run(moment: str, language: str = "en", width: int = 1280, scheme: str = "light") -> Page:
        page, is_new = kept_pages.show(address, language, width, scheme)
        if is_new:
            page.click("#tab-finetune-button")
            page.fill("#paste textarea", '{"prompt": "a", "completion": "b"}')
            page.wait_for_selector("#check-counts")
        backend.next_run = f"run {next(NUMBERS)}"
        backend.stories[backend.next_run] = a_story(moment, run=backend.next_run, title=backend.next_run)
        page.click("#start")
        expect(page.locator("#my-runs input")).to_have_value(re.compile(backend.next_run + r"\b"))
        page.wait_for_selector(".run-state")
        return page

    return open_run


def goes_on(backend: FakeBackend, **news: Any) -> None:
    """The run that is watched comes so far."""
    run = backend.next_run
    backend.stories[run] = a_story("midway", run=run, title=run, **news)


def value(page: Page, name: str) -> str:
    return page.locator(f".at-{name} dd").inner_text()


def point_at(page: Page, plot: str, share: float) -> None:
    box = page.locator(f".plot-{plot} .plot-area > svg").bounding_box()
    page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


def test_pointing_shows_all_values_of_a_step_and_leaving_the_newest(watch, backend) -> None:
    page = watch("midway")
    expect(page.locator(".at-step output")).to_have_text("25")
    page.locator(".plot-rate").scroll_into_view_if_needed()
    point_at(page, "rate", 12 / 48)
    expect(page.locator(".at-step output")).to_have_text("12")
    assert float(value(page, "loss")) == pytest.approx(curve(25)[12]["loss"], rel=1e-3)
    expect(page.locator(".plot-loss .at-line")).to_be_visible()
    page.mouse.move(5, 5)
    expect(page.locator(".at-step output")).to_have_text("25")
    expect(page.locator(".plot-loss .at-line")).to_be_hidden()


def test_the_keyboard_walks_through_the_steps_while_the_run_goes_on(watch, backend) -> None:
    page = watch("midway")
    slider = page.locator(".at-step input")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".at-step output")).to_have_text("20")
    assert "Training loss" in slider.get_attribute("aria-valuetext")
    page.locator(".curve-table summary").click()
    slider.focus()
    goes_on(backend, metrics=curve(30), step=30)
    expect(page.locator("#run-figures")).to_contain_text("30 / 48")
    expect(page.locator(".curve-table tbody tr").last).to_contain_text("30")
    expect(page.locator(".at-step output")).to_have_text("20")
    assert page.evaluate("document.activeElement.type") == "range"
    page.keyboard.press("Escape")
    expect(page.locator(".at-step output")).to_have_text("30")


def test_a_run_that_was_started_shows_in_another_tab(watch, backend) -> None:
    first = watch("midway")
    second = first.context.new_page()
    second.goto(first.url)
    second.click("#tab-finetune-button")
    expect(second.locator("#run-history")).to_contain_text(backend.next_run)
    watch("midway")
    expect(second.locator("#run-history")).to_contain_text(backend.next_run)
    second.close()


def test_a_value_stands_under_its_name_when_more_is_measured_later(watch, backend) -> None:
    page = watch("midway")
    goes_on(backend, metrics=[{**row, "eval_loss": None} for row in curve(5)], step=5)
    expect(page.locator(".at-step output")).to_have_text("5")
    expect(page.locator(".at-eval_loss")).to_have_count(0)
    rows = curve(31)  # No plot more, a value more in one of them.
    goes_on(backend, metrics=rows, step=31)
    expect(page.locator(".at-step output")).to_have_text("31")
    expect(page.locator(".at-values > div")).to_have_count(8)
    point_at(page, "loss", 30 / 48)
    expect(page.locator(".at-step output")).to_have_text("30")
    for name in ("loss", "eval_loss", "learning_rate", "tokens_per_s"):
        assert float(value(page, name)) == pytest.approx(rows[30][name], rel=1e-3), name
    assert float(value(page, "token_accuracy").split()[0]) == pytest.approx(100 * rows[30]["token_accuracy"], rel=1e-3)


def test_a_tap_holds_a_step_and_a_narrow_screen_shows_one_plot(watch, backend) -> None:
    page = watch("midway", width=390)
    shown = page.locator(".curves .plot:visible")
    expect(shown).to_have_count(1)
    page.locator(".curve-chooser label", has_text="Learning rate").click()
    expect(page.locator(".plot-rate")).to_be_visible()
    expect(shown).to_have_count(1)
    area = page.locator(".plot-rate .plot-area > svg")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 4, box["y"] + 30)
    expect(page.locator(".at-step output")).to_have_text("12")
    goes_on(backend, metrics=curve(31), step=31)
    expect(page.locator("#run-figures")).to_contain_text("31 / 48")
    expect(page.locator(".plot-rate")).to_be_visible()
    expect(page.locator(".at-step output")).to_have_text("12")


def test_the_slider_goes_through_the_answers_and_stays_while_others_come(watch, backend) -> None:
    page = watch("midway")
    first = page.locator(".probe").first
    expect(first.locator(".probe-answer:visible")).to_contain_text("Captain Mochi")
    slider = page.locator(".probe-round input")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(".probe-round output")).to_have_text("step 0, before training (1 of 3)")
    expect(first.locator(".probe-answer:visible")).to_contain_text("I am a helpful assistant.")
    goes_on(backend, answers=rounds(0, 12, 24, 26))
    expect(page.locator(".probe-round output")).to_have_text("step 0, before training (1 of 4)")
    assert page.evaluate("document.activeElement.dataset.steps") == "0 12 24 26"
    page.keyboard.press("End")
    expect(page.locator(".probe-round output")).to_have_text("step 26 (4 of 4)")


def test_the_log_opens_with_one_click_and_the_report_comes_with_one(watch, tmp_path: Path) -> None:
    page = watch("failed")
    assert stand_in_order(page, "#run-outcome", "#run-log", "#curve")
    page.click("#run-log button")
    expect(page.locator(".log-text")).to_contain_text("Traceback <most> recent call last")
    with page.expect_download() as download:
        page.click("#download-report")
    download.value.save_as(tmp_path / "report.html")
    assert "The loss stopped being a number" in (tmp_path / "report.html").read_text(encoding="utf-8")
    with page.context.new_page() as report:
        report.goto((tmp_path / "report.html").as_uri())
        expect(report.locator("h1")).to_be_visible()


def test_a_reading_is_set_for_the_next_run(watch) -> None:
    page = watch("badly")
    page.locator(".reading", has_text="too high").get_by_role("button").click()
    expect(page.locator("#wanted-note")).to_contain_text("Learning rate: 0.0003, Rank: 4")


def test_a_stopped_run_goes_on(watch) -> None:
    page = watch("stopped")
    page.click("#resume")
    expect(page.locator(".run-state")).to_have_class(re.compile("is-queued"))
    expect(page.locator("#resume")).to_be_hidden()


@pytest.mark.parametrize(
    ("moment", "language", "width", "scheme"),
    [
        ("queued", "ja", 1280, "light"),
        ("first", "en", 390, "dark"),
        ("midway", "ja", 1280, "dark"),
        ("well", "en", 1280, "dark"),
        ("well", "ja", 390, "light"),
        ("badly", "en", 1280, "light"),
        ("badly", "ja", 390, "dark"),
        ("failed", "ja", 390, "light"),
        ("stopped", "en", 390, "light"),
    ],
)
def test_every_moment_fits(watch, moment: str, language: str, width: int, scheme: str) -> None:
    page = watch(moment, language, width, scheme)
    for table in page.locator(".curve-table:not([open]) > summary").all():
        table.click()  # It is wider than a phone.
    assert fits_its_width(page)
    picture(page, f"run-{moment}-{language}-{width}-{scheme}")
