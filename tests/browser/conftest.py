"""Chromium in front of the launched app, as a person would sit there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from playground.ui.page import build_page, launch_options
from tests.browser.bare import BarePages, bare_pages
from tests.conftest import App
from tests.ui.fake_backend import FakeBackend

ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCALES = {"en": "en-US", "ja": "ja-JP"}
PATIENCE_MS = 120_000
"""What is waited for may be a model, or a process that starts; this only bounds how long a broken test hangs."""
REPORT = pytest.StashKey[pytest.TestReport]()
expect.set_options(timeout=PATIENCE_MS)

# What another test's page left behind goes; a reload of the same page finds what it left itself.
_FORGET = "if (!sessionStorage.begun) { localStorage.clear(); sessionStorage.begun = 1; }"

Visit = Callable[..., Page]
SameBrowser = Callable[..., BrowserContext]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    # The shell is the browser without its own windows: a page takes a quarter less processor time.
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(
            "no Chromium here: install it (Debian: apt-get install chromium-headless-shell) or name one in CHROMIUM"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def same_browser(chromium: Browser) -> Iterator[SameBrowser]:
    """same_browser(**kind): the context of that kind, the same for all tests, which has the scripts loaded.

    For pages that keep nothing in the browser. Whoever opens a page in it closes that page.
    """
    contexts: dict[str, BrowserContext] = {}

    def context(**kind: object) -> BrowserContext:
        if repr(kind) not in contexts:
            contexts[repr(kind)] = chromium.new_context(**{"reduced_motion": "reduce", **kind})
            contexts[repr(kind)].add_init_script(_FORGET)
        return contexts[repr(kind)]

    yield context
    for kept in contexts.values():
        kept.close()


def see(page: Page, width: int, scheme: str) -> None:
    """Look at a page of Gradio's at that width and in that scheme, which Gradio keeps as a class."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    is_so = "([width, dark]) => innerWidth === width && document.body.classList.contains('dark') === dark"
    page.wait_for_function(is_so, arg=[width, scheme == "dark"])


@dataclass
class KeptPages:
    """Pages that outlive a test, one for each language: loading one costs seconds of processor time, a test much less.

    Whoever takes one puts what a test needs into it. A test that failed closes them, so that none inherits its page.
    """

    browser: Browser
    pages: dict[str, Page] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def show(
        self, url: str, language: str = "en", width: int = 1280, scheme: str = "light", ready: str = "#lab-chips .k"
    ) -> tuple[Page, bool]:
        """The page at that size and scheme, and whether it has just been loaded: until `ready` is there."""
        is_new = language not in self.pages
        if is_new:
            context = self.browser.new_context(
                locale=LOCALES[language], timezone_id="Asia/Tokyo", has_touch=True, reduced_motion="reduce"
            )
            context.set_default_timeout(PATIENCE_MS)
            context.on("weberror", lambda error: self.errors.append(str(error.error)))
            page = self.pages[language] = context.new_page()
            page.goto(url)
            page.wait_for_selector(ready)
        see(self.pages[language], width, scheme)
        return self.pages[language], is_new

    def close(self) -> None:
        for page in self.pages.values():
            page.context.close()
        self.pages.clear()


@pytest.fixture(scope="module")
def pages_of_module(chromium: Browser) -> Iterator[KeptPages]:
    pages = KeptPages(chromium)
    yield pages
    pages.close()


@pytest.fixture
def kept_pages(pages_of_module: KeptPages, request: pytest.FixtureRequest) -> Iterator[KeptPages]:
    """The module's pages. An error on one of them fails the test."""
    pages_of_module.errors.clear()
    yield pages_of_module
    report = request.node.stash.get(REPORT, None)
    if pages_of_module.errors or report is None or not report.passed:
        pages_of_module.close()
    assert not pages_of_module.errors


@pytest.fixture(scope="module")
def bare(chromium: Browser) -> Iterator[BarePages]:
    with bare_pages(chromium) as pages:
        yield pages


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets fixtures know how the test went."""
    report = yield
    if report.when == "call":
        item.stash[REPORT] = report
    return report


@pytest.fixture
def visit(same_browser: SameBrowser, app: App) -> Iterator[Visit]:
    """visit(language, width, scheme, link): a page as a new person sees it, whose errors fail the test.

    Pages of one test in two languages or schemes are two people; those of one share what the browser keeps.
    """
    pages: list[Page] = []
    errors: list[str] = []

    def open_page(language: str = "en", width: int = 1280, scheme: str = "light", link: str = "") -> Page:
        page = same_browser(locale=LOCALES[language], color_scheme=scheme).new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(link or app.url)
        page.wait_for_selector("#lab-chips .k")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not errors


@pytest.fixture
def stay(kept_pages: KeptPages, app: App) -> Visit:
    """stay(language, width, scheme): the module's page in front of the app, as the test before has left it."""
    return lambda *how: kept_pages.show(app.url, *how)[0]


@contextmanager
def launched(backend: FakeBackend) -> Iterator[str]:
    """The address of the page in front of a backend that is not the real one."""
    page = build_page(backend, "secret")
    page.queue(default_concurrency_limit=None)
    _, address, _ = page.launch(**launch_options(), prevent_thread_lock=True, quiet=True)
    yield address
    page.close()


def picture(page: Page, name: str) -> None:
    """Keep what the person sees; the whole page for `make pictures`, since that takes seconds."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page="WHOLE_PAGES" in os.environ, animations="disabled")


def comes_true(page: Page, script: str, given: object = None) -> bool:
    """Whether the page comes to where `script` holds: what it shows on the way there counts for nothing."""
    try:
        page.wait_for_function(script, arg=given, timeout=15_000)
    except PlaywrightTimeout:
        return False
    return True


def let_it_come_to_rest(page: Page) -> None:
    """Wait until nothing moves any more but what never stops."""
    page.evaluate("""() => Promise.all(document.getAnimations()
        .filter((each) => each.effect.getComputedTiming().endTime < Infinity)
        .map((each) => each.finished.catch(() => {})))""")


def fits_its_width(page: Page) -> bool:
    """Whether nothing makes the page scroll sideways."""
    return comes_true(page, "document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def stand_in_order(page: Page, *selectors: str) -> bool:
    """Whether each is above the next."""
    tops = "(all) => all.map((each) => document.querySelector(each).getBoundingClientRect().top)"
    return comes_true(page, f"(all) => ({tops})(all).every((top, n, tops) => !n || tops[n - 1] < top)", selectors)
