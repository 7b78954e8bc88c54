"""The template tab in a real browser: editing, inputs, fixes, comparing, links. The backend behind it is the fake one,
which renders with Jinja and answers at once, or as late as a test wants.
"""

from __future__ import annotations

import base64
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Locator, Page, expect

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from tests.browser.conftest import KeptPages, fits_its_width, launched, stand_in_order
from tests.conftest import wait_for
from tests.ui.fake_backend import FakeBackend, a_finding

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=2</script>${window.hit=3}{# {{window.hit=4}} #}'
Lab = Callable[..., Page]


class HeldBackend(FakeBackend):
    """Holds back its answer to a conversation with the word `held` until `release` is set; counts who asks at once."""

    def __init__(self) -> None:
        super().__init__()
        self.held = "slow"
        self.arrived, self.release = threading.Event(), threading.Event()
        self.asking, self.most_asking = 0, 0

    def preview(self, conversation: list[dict[str, Any]], *given: Any) -> dict[str, Any]:
        self.asking += 1
        self.most_asking = max(self.most_asking, self.asking)
        if self.held in orjson.dumps(conversation).decode():
            self.arrived.set()
            assert self.release.wait(60)
        threading.Event().wait(0.05)  # Long enough for a second one to come in, where two are sent.
        self.asking -= 1
        return super().preview(conversation, *given)


@pytest.fixture(scope="module")
def backend() -> HeldBackend:
    return HeldBackend()


@pytest.fixture(scope="module")
def url(backend: HeldBackend) -> Iterator[str]:
    with launched(backend) as address:
        yield address


@pytest.fixture
def lab(kept_pages: KeptPages, url: str, backend: HeldBackend) -> Lab:
    """lab(language, width): the tab with the first example in the model's own template, panels and folds closed."""
    backend.__init__()

    def open_page(language: str = "en", width: int = 1280) -> Page:
        page, is_new = kept_pages.show(url, language, width)
        if not is_new:
            begin_anew(page)
        return page

    return open_page


def begin_anew(page: Page) -> None:
    """What another example has set is gone with it; so are the inputs that a test has set."""
    page.click("#tab-template-button")
    opened = page.locator(":is(#source-panel, #breakers-panel, #compare-panel) > button.open")
    opened.evaluate_all("buttons => buttons.forEach((button) => button.click())")
    expect(opened).to_have_count(0)
    if page.locator("#template input").input_value() != "The model's own":
        choose(page, "#template", "The model's own")
    for example, tokens in ((1, 10), (0, 14)):
        page.locator("#template-examples button").nth(example).click()
        expect(page.locator("#template-counts")).to_contain_text(f"{tokens} tokens")
    page.evaluate("document.querySelectorAll('#lab details').forEach((fold) => { fold.open = false; })")


def text(page: Page) -> Locator:
    return page.locator("#lab-text")


def source(page: Page) -> Locator:
    """The open editor of the template's source."""
    if not page.locator("#source-panel > button.open").count():
        page.click("#source-panel > button")
    return page.locator("#template-source .cm-content")


def add(page: Page, jinja: str) -> None:
    """Type at the end of the source, as it is: the editor would close a bracket by itself."""
    source(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text(jinja)


def choose(page: Page, dropdown: str, option: str) -> None:
    page.click(f"{dropdown} input")
    page.locator(dropdown).get_by_role("option", name=option, exact=True).click()


def switch(page: Page, variable: str, value: str) -> None:
    page.check(f'#variable-{variable} input[value="{value}"]')


def say_first(page: Page, words: str) -> None:
    page.locator("#conversation .turn-text").first.fill(words)


def last_options(backend: HeldBackend) -> dict[str, Any]:
    """The inputs of the newest preview that was asked for."""
    return next(call[4] for call in reversed(backend.asked) if call[0] == "preview")


def follow_link(page: Page, fragment: str) -> None:
    """As one does who pastes it into the address of a page that is open."""
    page.locator("#share .link-out").evaluate("told => told.replaceChildren()")
    page.evaluate("fragment => { location.hash = fragment; }", fragment)


def test_an_older_answer_never_overwrites_a_newer_one(lab: Lab, backend: HeldBackend) -> None:
    page = lab()
    say_first(page, "slow")
    assert backend.arrived.wait(60)
    page.evaluate("document.addEventListener('sft-template-changed', () => { window.looked = true; }, { once: true })")
    say_first(page, "quick")
    page.wait_for_function("window.looked")
    page.click("#copy-link")
    expect(page.locator(".link-box")).to_be_visible()  # Asked for later, answered: so was the quick one, if it may be.
    backend.release.set()
    expect(text(page)).to_contain_text("quick")
    assert backend.most_asking == 1, "two at once could overtake each other"


def test_widgets_set_together_are_asked_about_once(lab: Lab, backend: HeldBackend) -> None:
    page = lab()
    backend.asked.clear()
    page.locator("#template-examples button").nth(1).click()
    expect(page.locator("#template-counts")).to_contain_text("10 tokens")
    page.locator("#template-examples button").nth(0).click()
    expect(page.locator("#template-counts")).to_contain_text("14 tokens")
    asked = [call[4] for call in backend.asked if call[0] == "preview"]
    assert backend.most_asking == 1, "two at once could overtake each other"
    assert [bool(options) for options in asked] == [True, False]


def test_text_tokens_and_difference_follow_an_edit_of_the_source(lab: Lab) -> None:
    page = lab()
    add(page, "{{ 'the end' }}")
    expect(text(page)).to_contain_text("the end")
    expect(page.locator("#lab-chips .k").last).to_contain_text("end")
    expect(page.locator("#template input")).to_have_value("Edited here")
    page.click("#template-diff summary")
    expect(page.locator(".diff-line.is-added")).to_contain_text("the end")
    expect(page.locator(".diff-line.is-added .sign")).to_have_text("+")
    expect(page.locator(".diff-line.is-removed .sign")).to_have_text("\u2212")
    page.click("#template-original")
    expect(text(page)).not_to_contain_text("the end")
    expect(page.locator("#template input")).to_have_value("The model's own")
    choose(page, "#template", "Edited here")
    expect(text(page)).to_contain_text("the end")


def test_every_key_counts_while_answers_are_on_their_way(lab: Lab) -> None:
    page = lab()
    source(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("abcdefghijklmnopqrstuvwxyz", delay=30)
    expect(text(page)).to_contain_text("abcdefghijklmnopqrstuvwxyz")
    expect(source(page)).to_contain_text("abcdefghijklmnopqrstuvwxyz")


def test_jinja_that_is_wrong_names_its_line_and_nothing_is_lost(lab: Lab) -> None:
    page = lab()
    before = text(page).inner_text()
    add(page, "\n{% if %}")
    expect(page.locator("#template-view")).to_contain_text("Line 5")
    expect(text(page), "the last good view stays").to_have_text(before, use_inner_text=True)
    for _ in range(len("\n{% if %}")):
        page.keyboard.press("Backspace")
    expect(page.locator("#template-view")).not_to_contain_text("Line 5")


def test_a_template_asks_for_its_own_inputs(lab: Lab) -> None:
    page = lab()
    expect(page.locator("#variable-enable_thinking")).to_have_count(0)
    choose(page, "#template", "zephyr")
    switch(page, "enable_thinking", "true")
    expect(text(page)).to_contain_text("<think>")
    add(page, "{{ place }}")
    page.fill("#variable-place input", "Kyoto")
    expect(text(page)).to_contain_text("Kyoto")
    expect(text(page)).to_contain_text("<think>")
    switch(page, "enable_thinking", "undefined")
    expect(text(page)).not_to_contain_text("<think>")
    choose(page, "#template", "chatml")
    expect(page.locator("#variable-place")).to_have_count(0)
    choose(page, "#template", "Edited here")
    expect(page.locator("#variable-place input")).to_have_value("Kyoto")


def test_the_two_ways_to_end_a_text_exclude_each_other(lab: Lab, backend: HeldBackend) -> None:
    page = lab()
    page.check("#generation-prompt input")
    expect(text(page)).to_contain_text(re.compile(r"assistant\s*$"))
    page.check("#continue-final input")
    expect(page.locator("#generation-prompt input")).not_to_be_checked()
    expect(text(page)).not_to_contain_text(re.compile(r"assistant\s*$"))
    assert last_options(backend) == {"continue_final_message": True}


def test_json_that_is_wrong_keeps_its_text_and_says_so(lab: Lab, backend: HeldBackend) -> None:
    page = lab()
    add(page, "{{ tools }}")
    page.locator(".input-fold > summary").first.click()
    page.locator(".insert-example").first.click()
    expect(text(page)).to_contain_text("get_weather")
    page.fill("#tools textarea", '[\n  {"type": ')
    expect(page.locator("#tools-problem")).to_contain_text("no JSON yet")
    page.fill("#tools textarea", "{}")
    expect(page.locator("#tools-problem")).to_contain_text("list")
    say_first(page, "Later")
    expect(text(page)).to_contain_text("Later")
    expect(text(page)).to_contain_text("get_weather")
    expect(page.locator("#tools textarea")).to_have_value("{}")
    page.fill("#tools textarea", "")
    expect(text(page)).not_to_contain_text("get_weather")
    expect(page.locator("#tools-problem")).to_be_hidden()


def test_clock_and_special_tokens_reach_the_template(lab: Lab, backend: HeldBackend) -> None:
    page = lab()
    choose(page, "#template", "zephyr")
    expect(text(page)).to_contain_text("</s>")
    page.locator(".input-fold > summary").last.click()
    page.fill("#special-eos_token input", "<END>")
    expect(text(page)).to_contain_text("<END>")
    page.fill("#clock input", "2024-07-26T12:00:00")
    expect(page.locator(".input-badge").last).to_have_text("set")
    wait_for(lambda: last_options(backend).get("clock", "").startswith("2024-07-26T12:00"), 60, "the clock to be sent")


def test_samples_bring_their_messages_tools_and_inputs(lab: Lab, backend: HeldBackend) -> None:
    page = lab()
    page.locator("#template-examples button").nth(1).click()
    expect(page.locator("#generation-prompt input")).to_be_checked()
    expect(page.locator("#tools textarea")).to_have_value(re.compile("look"))
    expect(page.locator("#conversation .turn-text")).to_have_count(1)
    page.click("#breakers-panel > button")
    page.locator("#template-breakers button").first.click()
    expect(page.locator("#generation-prompt input")).not_to_be_checked()
    expect(page.locator("#tools textarea")).to_have_value("")


def test_a_fix_is_one_click_and_so_is_its_undo(lab: Lab, backend: HeldBackend) -> None:
    backend.findings = [a_finding()]
    page = lab()
    say_first(page, "Before")
    expect(text(page)).to_contain_text("Before")
    page.locator(".apply-fix").first.click()
    expect(text(page)).to_contain_text("Fixed")
    expect(page.locator("#conversation .turn-text")).to_have_count(1)
    page.click("#undo-fix")
    expect(text(page)).to_contain_text("Before")
    expect(page.locator("#undo-fix")).to_be_hidden()


def test_a_file_brings_its_template_and_tokens(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "mine.jinja"
    path.write_text("{{ messages[0].content }} of mine {{ eos_token }}")
    page = lab()
    source(page)
    page.set_input_files("#source-panel input[type=file]", path)
    expect(text(page)).to_contain_text("of mine <END>")
    expect(page.locator("#template input")).to_have_value("File: mine.jinja")
    choose(page, "#template", "zephyr")
    expect(text(page)).to_contain_text("</s>")


def test_two_templates_side_by_side(lab: Lab, kept_pages: KeptPages, backend: HeldBackend) -> None:
    kept_pages.close()  # A panel that was open until now may be worked for a moment longer.
    page = lab()
    assert not any(call[0] == "compare_templates" for call in backend.asked)
    page.click("#compare-panel > button")
    expect(page.locator("#compare-view")).to_contain_text("Both sides write the same text.")
    choose(page, "#compare-with", "zephyr")
    expect(page.locator("#compare-view ins")).to_have_count(2)
    expect(page.locator("#compare-view tbody tr")).to_have_count(5)
    say_first(page, "Another")
    expect(page.locator("#compare-view .text-diff")).to_contain_text("Another")


def test_a_link_opens_the_same_view(lab: Lab, url: str, backend: HeldBackend) -> None:
    """Also where the answer about what a page begins with comes after all that the link has brought."""
    one = lab()
    choose(one, "#template", "zephyr")
    expect(one.locator("#variable-enable_thinking")).to_be_visible()
    switch(one, "enable_thinking", "true")
    say_first(one, "こんにちは 🏴‍☠️")
    add(one, "{{ 'edited' }}")
    expect(text(one)).to_contain_text("<think>")
    expect(text(one)).to_contain_text("edited")
    one.click("#copy-link")
    link = one.locator(".link-box").input_value()
    backend.held = "Hi there"
    backend.asked.clear()
    with one.context.new_page() as other:
        other.goto(url + link[link.index("#") :])
        expect(other.locator("#conversation .turn-text").first).to_have_value("こんにちは 🏴‍☠️")
        backend.release.set()
        expect(text(other)).to_have_text(text(one).inner_text(), use_inner_text=True)
        expect(other.locator("#template input")).to_have_value("Edited here")
        say_first(other, "later")
        expect(text(other)).to_contain_text("later")
    asked = [call for call in backend.asked if call[0] == "preview" and "edited" in call[3]]
    assert all(call[4] == {"template_kwargs": {"enable_thinking": True}} for call in asked), "and shows nothing else"


def fragment(state: bytes) -> str:
    packed = zlib.compress(state, 9, wbits=-15)
    return "#lab=" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def test_a_link_that_is_no_link_says_so_and_changes_nothing(lab: Lab) -> None:
    page = lab()
    for given, said in (
        ("#lab=%%%", "damaged"),
        (fragment(b'{"messages": []}')[:-3], "damaged"),
        (fragment(b"[1]"), "damaged"),
        (fragment(b'{"messages": "' + b"a" * 40_000_000 + b'"}'), "more than can be opened"),
    ):
        follow_link(page, given)
        expect(page.locator("#share")).to_contain_text(said)
    page.check("#generation-prompt input")
    expect(text(page)).to_contain_text(re.compile(r"Hi there.*Arr matey.*assistant\s*$", re.DOTALL))


def test_a_link_that_would_be_too_long_is_not_made(lab: Lab) -> None:
    page = lab()
    numbers = "".join(chr(0x4E00 + (place * 7919) % 20000) for place in range(20_000))  # Hardly to be compressed.
    say_first(page, numbers)
    expect(page.locator("#template-counts")).not_to_contain_text("14 tokens")
    page.click("#copy-link")
    expect(page.locator("#share")).to_contain_text("Shorten the conversation")
    expect(page.locator(".link-box")).to_have_count(0)


def test_python_appears_and_follows(lab: Lab) -> None:
    page = lab()
    page.click("#copy-python")
    expect(page.locator("#python .cm-content")).to_contain_text("Hi there")
    say_first(page, "Something else")
    expect(page.locator("#python .cm-content")).to_contain_text("Something else")


def test_the_conversation_goes_on_to_training_with_its_tools(lab: Lab) -> None:
    page = lab()
    page.locator("#template-examples button").nth(1).click()
    expect(page.locator("#generation-prompt input")).to_be_checked()
    page.click("#fine-tune-on-this")
    expect(page.locator("#paste textarea")).to_have_value(re.compile('"tools"'))


def test_a_template_and_a_link_of_a_strangers_stay_text(lab: Lab, backend: HeldBackend) -> None:
    state = {"messages": [{"role": "user", "content": HOSTILE}], "source": HOSTILE, "model": HOSTILE}
    page = lab()
    follow_link(page, fragment(orjson.dumps(state)))
    expect(text(page)).to_contain_text("onerror")
    source(page)
    page.click("#template-diff summary")
    expect(page.locator(".diff-line.is-added")).to_contain_text("onerror")
    page.click("#compare-panel > button")
    expect(page.locator("#compare-view .text-diff")).to_contain_text("onerror")
    page.click("#copy-python")
    expect(page.locator("#python .cm-content")).to_contain_text("onerror")
    backend.refuse = InputError(Sentence(HOSTILE))
    say_first(page, "again")
    expect(page.locator("#template-view")).to_contain_text("Below:")
    assert page.evaluate("window.hit") is None


def test_everything_can_be_done_from_the_keyboard(lab: Lab) -> None:
    page = lab()
    choose(page, "#template", "zephyr")
    page.locator("#source-panel > button").press("Enter")
    expect(page.locator("#template-source")).to_be_visible()
    page.locator("#variable-enable_thinking input").first.focus()
    page.keyboard.press("ArrowRight")
    expect(text(page)).to_contain_text("<think>")
    page.locator("#generation-prompt input").press("Space")
    expect(page.locator("#generation-prompt input")).to_be_checked()
    page.locator(".input-fold > summary").first.press("Enter")
    expect(page.locator("#tools textarea")).to_be_visible()
    page.locator("#compare-panel > button").press("Enter")
    expect(page.locator("#compare-with")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_phone_shows_conversation_view_inputs_in_this_order(lab: Lab, language: str) -> None:
    page = lab(language, 390)
    source(page)
    page.click("#compare-panel > button")
    for fold in page.locator(".input-fold > summary").all():
        fold.click()
    page.wait_for_selector(".side-table")
    assert fits_its_width(page)
    assert stand_in_order(page, *(f"#lab-{part}" for part in ("conversation", "view", "inputs", "compare")))
    size = page.locator("#special-bos_token input").evaluate("node => parseFloat(getComputedStyle(node).fontSize)")
    assert size >= 16, "below that, phones zoom into the field"
