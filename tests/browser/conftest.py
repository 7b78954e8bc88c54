"""Chromium in front of the launched app, as a person would sit there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from playground.ui.page import build_page, launch_options
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

# What another test's page left behind goes; a reload of the same page finds what it left itself.
_FORGET = "if (!sessionStorage.begun) { localStorage.clear(); sessionStorage.begun = 1; }"

# What is waited for may be a model, or a process that starts; this only bounds how long a broken test hangs.
PATIENCE_MS = 180_000
expect.set_options(timeout=PATIENCE_MS)

Visit = Callable[..., Page]
SameBrowser = Callable[..., BrowserContext]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium here: install it (Debian: apt-get install chromium) or name one in CHROMIUM")
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
            contexts[repr(kind)] = chromium.new_context(**kind)
            contexts[repr(kind)].add_init_script(_FORGET)
        return contexts[repr(kind)]

    yield context
    for kept in contexts.values():
        kept.close()


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


@contextmanager
def launched(backend: FakeBackend) -> Iterator[str]:
    """The address of the page in front of a backend that is not the real one."""
    page = build_page(backend, "secret")
    page.queue(default_concurrency_limit=None)
    _, address, _ = page.launch(**launch_options(), prevent_thread_lock=True, quiet=True)
    yield address
    page.close()


def picture(page: Page, name: str) -> None:
    """Keep what the person sees, whole page."""
    ARTIFACTS.mkdir(exist_ok=True)
    # Without animations transitions are at their end: a picture of one helps nobody.
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True, animations="disabled")


def fits_its_width(page: Page) -> bool:
    """Whether nothing makes the page scroll sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
