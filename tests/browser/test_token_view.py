"""The three linked views in a real browser, without a model or a tokenizer: nearly all of it on a bare page."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.ui.page import launch_options
from playground.ui.template.token_view import empty_data, refusal_data, token_view, view_data
from playground.ui.widgets.i18n import reader_language
from tests.browser.bare import BarePages, give, told
from tests.browser.conftest import LOCALES, SameBrowser, fits_its_width, picture, see

pytestmark = pytest.mark.browser

HOSTILE = (
    '<img src=x onerror="window.hit=1">${window.hit=2}{{window.hit=3}} <img/src=x/onerror="window.hit=4">'
    "<b>\\n\\u0041 `\t\u00a0\u3000\u202ecba\u200b</pre>"
)
HOSTILE_TALK = [("user", HOSTILE), (HOSTILE, "x"), ("assistant", HOSTILE)]
ACTION = {"kind": "options", "options": {"add_generation_prompt": False}}


def rendered(conversation: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    """A preview as the backend gives one, of a plain template and a tokenizer of words and of bytes outside ASCII."""
    text, tokens, spans = "", [], []
    for message, (role, content) in enumerate(conversation):
        opening, whole = len(text), f"<|{role}|>\n{content}<|end|>\n"
        for found in re.finditer(r"<\|\w+\|>|\n| ?[!-~]+?(?=<\||[ \n]|[^!-~]|$)| |[^\x00-\x7f]|[\x00-\x1f]", whole):
            start, end = opening + found.start(), opening + found.end()
            special = found[0].startswith("<|")
            own = role == "assistant" and found.start() > len(f"<|{role}|>") and end < opening + len(whole)
            token = {"role": role, "message": message, "trained": own, "special": special, "start": start, "end": end}
            parts = [found[0]] if found[0].isascii() else [f"{byte:02X}" for byte in found[0].encode()]
            tokens += [{**token, "id": sum(part.encode()), "text": part} for part in parts]
        text += whole
        spans.append({"start": opening, "end": len(text), "role": role, "message": message})
    return {"text": text, "tokens": tokens, "spans": spans, "mask": "prefix", "findings": [], **more}


def finding(severity: str, text: str, words: str, **more: Any) -> dict[str, Any]:
    start = text.index(words)
    told = {"code": "c", "severity": severity, "message": Sentence(f"About {words}."), "row": None}
    fix, why = Sentence("Turn it off."), Sentence("It would be learned.")
    return {**told, "fix": fix, "why": why, "evidence": [[start, start + len(words)]], "action": None, **more}


TALK = [
    ("system", "You answer with a haiku."),
    ("user", "Why is the sky blue?  "),
    ("assistant", "Sunlight meets the air\nand the blue rays scatter most\nhigh above our heads"),
    ("user", "👩 ここ 🎉 after"),
    ("assistant", "はい。"),
]
LONG = [(("user", "assistant")[turn % 2], f"turn {turn} " + "word and another\n" * 12) for turn in range(60)]


def case(wanted: str | list[tuple[str, str]], language: str = "en") -> dict[str, Any]:
    """What the views are given: a case by its name, or a conversation."""
    if wanted == "refused":
        problem = InputError(Sentence("The template refuses it."), fix=Sentence("Change the order."))
        return refusal_data(problem, language, [finding("error", "abc", "abc", action=ACTION)])
    if wanted == "empty":
        return empty_data(Sentence("Nothing yet"), Sentence("Add a turn."), language)
    talk = {"talk": TALK, "found": TALK, "long": LONG}[wanted] if isinstance(wanted, str) else wanted
    given = rendered(talk)
    if wanted == "found":
        text = given["text"]
        given["findings"] = [finding("warning", text, "rays sc"), finding("error", text, "はい", action=ACTION)]
    return view_data(given, language, [{"role": role} for role, _ in talk])


Look = Callable[..., Page]


@pytest.fixture
def look(bare: BarePages) -> Iterator[Look]:
    """look(**kind): the views of TALK on a bare page, below a turn of the editor."""

    def put(**kind: Any) -> Page:
        turn = '<p class="turn" data-message="2">A turn of the editor.</p>'
        page = bare.put(token_view(), turn, locale="en-US", **kind)
        give(page, case("talk"))
        return page

    with bare.without_errors():
        yield put


def show(page: Page, wanted: str | list[tuple[str, str]]) -> None:
    give(page, case(wanted))
    page.mouse.move(0, 0)


def lit(page: Page, where: str) -> list[str]:
    """The text of what is lit in one of the views, without whole messages."""
    return page.eval_on_selector_all(f"{where} :is(.k, .a).lit", "found => found.map(one => one.textContent)")


def lit_messages(page: Page) -> list[list[str]]:
    """The messages that are lit, in each of the views."""
    read = "found => [...new Set(found.map(one => one.dataset.message))]"
    return [page.eval_on_selector_all(f"{view} [data-message].lit", read) for view in VIEWS]


VIEWS = ("#lab-text", "#lab-chips", "#lab-table")
LIT = re.compile(r"\blit\b")


def chip(page: Page, text: str) -> Any:
    return page.locator("#lab-chips .k").filter(has_text=re.compile(f"^{text}$")).first


def comes_into_sight(page: Page, pane: str, node: str) -> None:
    page.wait_for_function(
        """([pane, node]) => {
          const [outer, inner] = [pane, node].map((one) => document.querySelector(one).getBoundingClientRect());
          return inner.top >= outer.top - 1 && inner.top < outer.bottom;
        }""",
        arg=[pane, node],
    )


def test_pointing_at_a_token_lights_it_and_its_message_everywhere(look: Look) -> None:
    page = look()
    chip(page, " rays").hover()
    assert (lit(page, "#lab-text"), lit(page, "#lab-chips")) == ([" rays"], [" rays"])
    assert lit_messages(page) == [["2"]] * 3
    start = rendered(TALK)["text"].index(" rays")
    expect(page.locator(".view-status")).to_contain_text(
        f"“·rays” · assistant · trained · characters {start + 1} to {start + 5}"
    )
    assert "trained" in chip(page, " rays").get_attribute("title")
    expect(page.locator(".turn.lit")).to_have_count(1)
    chip(page, " sky").hover()
    expect(page.locator(".turn.lit")).to_have_count(0)
    page.hover(".turn")
    assert lit(page, "#lab-text") == [] and lit_messages(page) == [["2"]] * 3
    page.mouse.move(0, 0)
    assert lit_messages(page) == [[]] * 3


def test_pointing_at_a_character_lights_all_tokens_that_are_parts_of_it(look: Look) -> None:
    page = look()
    page.locator("#lab-text .a", has_text="👩").hover()
    assert lit(page, "#lab-chips") == ["F0", "9F", "91", "A9"]
    # Beyond characters that JavaScript counts twice, text and tokens still meet.
    chip(page, " after").hover()
    assert lit(page, "#lab-text") == [" after"]
    chip(page, "93").hover()
    assert lit(page, "#lab-text") == ["こ"]
    expect(page.locator(".view-status")).to_contain_text("bytes 93, part of こ")


def test_a_row_of_the_table_lights_the_whole_message_and_brings_it_into_sight(look: Look) -> None:
    page = look()
    show(page, "long")
    page.evaluate("scrollTo(0, 1e6)")
    page.locator("#lab-table tbody tr").nth(0).hover()
    assert lit_messages(page) == [["0"]] * 3
    page.evaluate("document.addEventListener('pointerover', () => { window.over = true; }, { once: true })")
    page.get_by_role("button", name="Message 46").focus()  # The pointer rests on the table, which scrolls under it.
    page.wait_for_function("window.over")
    assert lit_messages(page) == [["45"]] * 3
    for pane in ("#lab-text", "#lab-chips"):
        comes_into_sight(page, pane, f'{pane} [data-message="45"]')
    expect(page.locator(".view-status")).to_have_text("Message 46")


def test_the_keyboard_goes_from_token_to_token_pins_and_clears(look: Look) -> None:
    page = look()
    expect(page.locator("#lab-chips [tabindex]")).to_have_count(1)
    page.locator("#lab-chips [tabindex='0']").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert lit(page, "#lab-text") == [" answer"]
    page.keyboard.press("ArrowLeft")
    assert lit(page, "#lab-text") == ["You"]
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.textContent") == "<|system|>"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.token") in {"2", "3", "4"}
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert lit(page, "#lab-text") == ["<|end|>"]
    page.keyboard.press("Enter")
    expect(page.locator("#lab-chips .pinned")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Tab")
    assert lit(page, "#lab-text") == ["<|end|>"], "pinned is lit without the focus too"
    page.keyboard.press("Escape")
    assert lit(page, "#lab-text") == [] and lit(page, "#lab-chips") == []


def test_a_tap_lights_and_a_tap_elsewhere_clears(look: Look) -> None:
    page = look(viewport={"width": 390, "height": 900}, has_touch=True, is_mobile=True)
    sky, blue = chip(page, " sky"), page.locator("#lab-text .a", has_text="blue?")
    sky.tap()
    expect(sky).to_have_class(LIT)
    assert (lit(page, "#lab-text"), lit_messages(page)) == ([" sky"], [["1"]] * 3)
    blue.tap()
    expect(blue).to_have_class(LIT)
    assert lit(page, "#lab-chips") == [" blue?"]
    page.locator("#template-counts").tap()
    expect(blue).not_to_have_class(LIT)
    assert lit(page, "#lab-chips") == [] and lit_messages(page) == [[]] * 3
    sky.tap()
    expect(sky).to_have_class(LIT)
    sky.tap()
    expect(sky).not_to_have_class(LIT)
    assert lit(page, "#lab-text") == []


def test_what_is_copied_is_the_text_and_not_its_marks(look: Look) -> None:
    page = look()
    talk = [("user", HOSTILE + "  \n\n👩 x"), ("assistant", "one\ntwo")]
    show(page, talk)
    text = rendered(talk)["text"]
    page.click(".copy-text")
    expect(page.locator(".copy-text")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.evaluate("navigator.clipboard.writeText('')")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#lab-text'))")
    page.keyboard.press("Control+c")
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.evaluate(
        """() => {
          const found = [...document.querySelectorAll("#lab-text .a")], range = document.createRange();
          range.setStartBefore(found.find((one) => one.textContent === "👩"));
          range.setEnd(found.find((one) => one.textContent === "one").firstChild, 2);
          getSelection().removeAllRanges();
          getSelection().addRange(range);
        }"""
    )
    page.keyboard.press("Control+c")
    assert page.evaluate("navigator.clipboard.readText()") == "👩 x<|end|>\n<|assistant|>\non"


def test_hostile_text_stays_text(look: Look) -> None:
    page = look()
    show(page, HOSTILE_TALK)
    hostile_text_stays_text(page)


def hostile_text_stays_text(page: Page) -> None:
    assert page.locator("#lab-text").evaluate("box => box.textContent").count(HOSTILE) == 3
    assert page.locator("#lab-table .who").nth(1).evaluate("tag => tag.textContent") == HOSTILE
    assert page.locator(".token-view img").count() == 0
    assert page.evaluate("window.hit") is None


def test_evidence_is_marked_and_shown(look: Look) -> None:
    page = look()
    show(page, "found")
    marked = page.eval_on_selector_all("#lab-text .ev-warning", "found => found.map(one => one.textContent).join('')")
    assert marked == "rays sc"
    assert page.locator("#lab-text .ev-error").all_inner_texts() == ["は", "い"]
    expect(page.locator(".finding strong")).to_have_text(["Error", "Warning"])
    expect(page.locator(".finding").first).to_contain_text("It would be learned.")
    expect(page.locator(".findings-jump")).to_have_text("Findings11")
    page.locator(".show-evidence").last.click()
    assert "".join(lit(page, "#lab-text")) == " rays scatter", "the tokens that the evidence touches"
    assert lit_messages(page) == [["2"]] * 3
    for pane in ("#lab-text", "#lab-chips"):
        comes_into_sight(page, pane, f"{pane} .pinned")


def test_a_fix_is_told_with_its_action(look: Look) -> None:
    page = look()
    show(page, "found")
    expect(page.locator(".apply-fix")).to_have_count(1)
    page.click(".apply-fix")
    assert [one[:2] for one in told(page)] == [("fix", {"action": ACTION})]


def test_a_refusal_keeps_the_place_and_a_good_answer_takes_it_away(look: Look) -> None:
    page = look()
    show(page, "long")
    page.evaluate("document.querySelector('#lab-chips').scrollTop = 900")
    show(page, "refused")
    expect(page.locator("#template-findings")).to_contain_text("The template refuses it.")
    expect(page.locator("#template-findings .apply-fix")).to_be_visible()
    expect(page.locator(".view-notice")).to_have_text("Below: what the template wrote before this.")
    expect(page.locator("#lab-text")).to_be_visible()
    show(page, "long")
    expect(page.locator("#template-findings")).not_to_contain_text("refuses")
    assert page.evaluate("document.querySelector('#lab-chips').scrollTop") == 900
    show(page, "empty")
    expect(page.locator(".view-notice")).to_contain_text("Add a turn.")
    expect(page.locator("#lab-text")).to_be_hidden()
    show(page, "talk")
    expect(page.locator("#lab-text")).to_be_visible()


def expected_chips(given: dict[str, Any]) -> list[list[str]]:
    shown = [token["text"].replace("\n", "") for token in given["tokens"]]
    return [
        [str(place), str(token["id"]), text]
        for place, (token, text) in enumerate(zip(given["tokens"], shown, strict=True))
    ]


def drawn(page: Page) -> dict[str, Any]:
    """What stands in text and chips. It travels as one text, since thousands of small pieces are slow."""
    read = """() => {
      const all = (where, of) => [...document.querySelectorAll(where)].map(of);
      return JSON.stringify({
        text: document.querySelector("#lab-text").textContent,
        blocks: all("#lab-text .lines", (one) => one.textContent),
        chips: all("#lab-chips .k", (one) => [one.dataset.token, one.dataset.id, one.textContent]),
        tokens_of_text: all("#lab-text .a", (one) => one.dataset.token.split(" ")).flat(),
        messages: all("#lab-chips .who", () => 1).length,
      });
    }"""
    return json.loads(page.evaluate(read))


def edited(blocks: list[str], draw: random.Random, talk: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The conversation with one edit: letters, lines, much text, a turn, or the line end at which a block ends."""
    place = draw.randrange(len(talk))
    role, content = talk[place]
    start = draw.randrange(len(content) + 1)
    end = start + draw.choice([0, 1, 5, 150, 400])
    new = draw.choice(["x", "\n", " new words\n", "森👩", "w " * 260])
    if draw.random() < 0.3:
        new = ""
        at = len("".join(blocks[: draw.randrange(len(blocks)) + 1])) - 1
        for number, span in enumerate(rendered(talk)["spans"]):
            begin = span["start"] + len(f"<|{span['role']}|>\n")
            if begin <= at < begin + len(talk[number][1]):
                place, (role, content), start, end = number, talk[number], at - begin, at - begin + 1
    turn = (role, content[:start] + new + content[end:])
    more = [("user", "put in")] if draw.random() < 0.15 or turn[1] == content else []
    return [*talk[:place], *more, turn, *talk[place + 1 :]]


def test_after_many_edits_the_views_are_as_if_drawn_at_once(look: Look) -> None:
    page = look()
    draw, talk = random.Random(7), LONG[:14]
    show(page, talk)
    stands = drawn(page)
    for _ in range(25):
        talk = edited(stands["blocks"], draw, talk)
        show(page, talk)
        given, stands = rendered(talk), drawn(page)
        assert stands["text"] == given["text"]
        assert stands["chips"] == expected_chips(given)
        assert stands["messages"] == len(talk)
        # A block of the text ends with a line, or the text would break where it does not.
        assert {block[-1] for block in stands["blocks"]} == {"\n"}
        assert stands["tokens_of_text"] == [row[0] for row in stands["chips"]]


@pytest.mark.parametrize("tokens", [500, 8000])
def test_an_edit_of_a_long_conversation_draws_only_what_changed(look: Look, tokens: int) -> None:
    page = look()
    content = "word and another of the long ones\n" * 10
    talk = [(("user", "assistant")[turn % 2], content) for turn in range(round(tokens / 84))]
    show(page, talk)
    first = page.evaluate("performance.getEntriesByName('token-view').at(-1).duration")
    count, last = page.locator("#lab-chips .k").count(), page.locator("#lab-chips .k", has_text="<|end|>").last
    last.click()
    page.evaluate("document.querySelectorAll('#lab-chips .k, #lab-text .a').forEach((node) => { node.old = true; })")
    middle = len(talk) // 2
    talk[middle] = (talk[middle][0], content[:102] + "zebra " + content[102:])
    show(page, talk)
    again = page.evaluate("performance.getEntriesByName('token-view').at(-1).duration")
    fresh = page.evaluate(
        "[...document.querySelectorAll('#lab-chips .k, #lab-text .a')].filter((node) => !node.old).length"
    )
    print(
        f"{count} tokens: drawn in {first:.0f} ms, after an edit in {again:.0f} ms ({fresh} of {2 * count} pieces new)"
    )
    assert drawn(page)["chips"] == expected_chips(rendered(talk))
    assert 0 < fresh < 10
    assert "pinned" in last.get_attribute("class"), "it follows its token to its new place"


# Inside Gradio


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with gr.Blocks() as page:
        button, got = gr.Button("hostile", elem_id="hostile"), gr.Textbox(elem_id="got")
        view = token_view()

        def draw(request: gr.Request) -> dict[str, Any]:
            return case("found", reader_language(request))

        def fix(chosen: gr.EventData) -> str:
            return json.dumps(chosen.action)

        page.load(draw, None, view)
        button.click(lambda: case(HOSTILE_TALK), None, view)
        view.fix(fix, None, got)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    yield url
    page.close()


@pytest.fixture
def look_in_gradio(same_browser: SameBrowser, address: str) -> Iterator[Look]:
    """look_in_gradio(language): the views as the server has drawn them for a reader of that language."""
    pages: list[Page] = []
    errors: list[str] = []

    def open_page(language: str) -> Page:
        page = same_browser(locale=LOCALES[language]).new_page()
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto(address)
        expect(page.locator(".apply-fix")).to_be_visible()
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not errors


def test_gradio_carries_what_is_drawn_and_a_fix_with_its_action(look_in_gradio: Look) -> None:
    page = look_in_gradio("en")
    page.click(".apply-fix")
    expect(page.locator("#got textarea")).to_have_value(json.dumps(ACTION))
    page.click("#hostile")
    expect(page.locator(".apply-fix")).to_have_count(0)
    hostile_text_stays_text(page)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_views_fit_and_show_ids(look_in_gradio: Look, language: str) -> None:
    page = look_in_gradio(language)
    rays = chip(page, " rays")
    number = "node => getComputedStyle(node, '::after').content"
    for width, scheme in itertools.product((1280, 390), ("light", "dark")):
        see(page, width, scheme)
        page.check(".show-ids")
        assert rays.evaluate(number).strip('"').isdigit()
        rays.click()
        assert fits_its_width(page)
        picture(page, f"views-{language}-{width}-{scheme}")
        page.uncheck(".show-ids")
        assert rays.evaluate(number) == "none"
        assert "".join(lit(page, "#lab-text")) == " rays", "the view's own buttons leave lit what is lit"
        page.keyboard.press("Escape")
