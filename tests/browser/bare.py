"""A bare page with a small stand-in for Gradio's gr.HTML: what a component's own script does, seen in milliseconds.

That Gradio does its part (values and events travel, its styles leave all in place) is for tests inside Gradio.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from playwright.sync_api import Browser, Page

from playground.ui.page import launch_options

_ADDRESS = "https://bare.test/"  # Answered here. By https, since other pages have no clipboard.
# As Gradio's own component runs `js_on_load`. `told` is what it triggered, each with the value at that moment.
_STAND_IN = """({ body, script, props }) => {
    document.body.innerHTML = body;
    const element = document.querySelector("#bare"), watching = {};
    const copy = (value) => JSON.parse(JSON.stringify(value ?? null));
    window.told = [];
    window.give = (value) => {
        if (JSON.stringify(value) === JSON.stringify(props.value)) return;
        props.value = value;
        watching.value?.();
    };
    const trigger = (name, data = {}) => { told.push([name, copy(data), copy(props.value)]); };
    const watch = (name, callback) => { watching[name] = callback; };
    new Function("element", "trigger", "props", "watch", script)(element, trigger, props, watch);
}"""


@functools.cache
def _document() -> str:
    served = launch_options()
    return f"<!doctype html><head>{served['head']}<style>{served['css']}</style></head><body></body>"


def _body(component: gr.HTML) -> str:
    template, classes = component.html_template, " ".join(component.elem_classes)
    assert "${" not in template and "{{" not in template, "only Gradio fills in templates"
    inside = f'<div id="bare" class="{classes}">{template}</div>'
    return f'<div class="gradio-container"><div id="{component.elem_id}" class="{classes}">{inside}</div></div>'


class BarePages:
    """A page for each kind of browser context, on which components come one after the other."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.pages: dict[str, Page] = {}
        self._errors: list[str] = []

    def put(self, component: gr.HTML, beside: str = "", clock: bool = False, **kind: Any) -> Page:
        """A fresh document with `component` below the markup `beside`. With `clock`, its time stands still until the
        test moves it, and its script's timings (`performance`) are not kept."""
        page = self.pages.get(repr((clock, kind))) or self._open(clock, kind)
        self.pages[repr((clock, kind))] = page
        page.mouse.move(0, 0)
        page.goto(_ADDRESS)
        props = {**component.props, "value": component.value}
        page.evaluate(_STAND_IN, {"body": beside + _body(component), "script": component.js_on_load, "props": props})
        return page

    def _open(self, clock: bool, kind: dict[str, Any]) -> Page:
        context = self._browser.new_context(**kind)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.route(f"{_ADDRESS}**", lambda route: route.fulfill(body=_document(), content_type="text/html"))
        page = context.new_page()
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("console", lambda line: self._errors.append(line.text) if line.type == "error" else None)
        if clock:
            page.clock.install(time=0)
            page.clock.pause_at(1000)
        return page

    @contextmanager
    def without_errors(self) -> Iterator[BarePages]:
        """Errors on the pages meanwhile are a failure."""
        self._errors.clear()
        yield self
        for page in self.pages.values():
            page.evaluate("0")  # With its answer, all that was reported before has come.
        assert self._errors == []


@contextmanager
def bare_pages(browser: Browser) -> Iterator[BarePages]:
    bare = BarePages(browser)
    yield bare
    for page in bare.pages.values():
        page.context.close()


def told(page: Page) -> list[tuple[str, Any, Any]]:
    """(event, its data, the component's value then) of each that was triggered."""
    return [tuple(one) for one in page.evaluate("told")]


def give(page: Page, value: Any) -> None:
    """The server sets the component's value."""
    page.evaluate("value => give(value)", value)
