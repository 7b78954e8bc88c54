"""The conversation editor in a real browser, in front of a page that only writes down what it hears."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from playground.ui.conversation_editor import conversation_editor
from playground.ui.page import launch_options
from tests.browser.conftest import LOCALES, SameBrowser, fits_its_width, picture
from tests.conftest import wait_for

pytestmark = pytest.mark.browser

USER = {"role": "user", "content": "Hello"}
ANSWER = {"role": "assistant", "content": "Ahoy"}
START = [USER, ANSWER]
CALLS = {
    "role": "assistant",
    "content": None,
    "reasoning_content": "Two places, two calls.",
    "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": {"place": "Lyon"}}},
        {"type": "function", "function": {"name": "weather", "arguments": '{"place": "京都"}'}},
        {"name": "older", "arguments": {"deep": [1, {"a": None}]}},
    ],
}
EVERYTHING = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "One, "}, {"type": "text", "text": "two."}], "name": "Ann"},
    CALLS,
    {"role": "tool", "name": "weather", "tool_call_id": "call_1", "content": "19"},
    {"role": "assistant", "content": "Fine.\r\nReally.", "weight": 0.5, "thinking": "hm", "extra": {"a": [1, "ü"]}},
    {"role": "ipython", "content": "1"},
]
PAUSE_MS = 700
"""Several times as long as the editor waits after the last key, to see that nothing comes."""


@dataclass
class Editor:
    """The page with the editor, and what its server heard."""

    url: str
    given: dict[str, Any]
    heard: list[Any] = field(default_factory=list)
    tools: list[Any] = field(default_factory=list)


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    heard = Editor("", {"messages": []})
    with gr.Blocks() as page, gr.Column(elem_classes="card"):
        conversation = conversation_editor(START, "conversation")
        give = gr.Button("give", elem_id="give")
        count = gr.Textbox(elem_id="count")

        def hear(messages: Any) -> str:
            heard.heard.append(messages)
            return str(len(heard.heard))

        def hear_tools(event: gr.EventData) -> None:
            heard.tools.append(event._data["tools"])

        conversation.input(hear, conversation, count, show_progress="hidden", trigger_mode="multiple")
        conversation.tools(hear_tools, None, None, show_progress="hidden")
        give.click(lambda: heard.given["messages"], None, conversation, show_progress="hidden")
    _, url, _ = page.launch(**launch_options(), prevent_thread_lock=True, quiet=True)
    heard.url = url
    yield heard
    page.close()


Open = Callable[..., Page]


@pytest.fixture
def open_editor(same_browser: SameBrowser, editor: Editor) -> Iterator[Open]:
    """open_editor(messages, language, width, scheme): a fresh page whose editor the server has set to `messages`."""
    pages, errors = [], []

    def open_page(
        messages: list[Any] | None = None, language: str = "en", width: int = 1280, scheme: str = "light"
    ) -> Page:
        context = same_browser(
            locale=LOCALES[language],
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            has_touch=width < 600,
        )
        page = context.new_page()
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(editor.url)
        expect(turns(page)).to_have_count(2)
        if messages not in (None, START):
            editor.given["messages"] = messages
            told = len(editor.heard)
            page.click("#give")
            wait_for(lambda: len(editor.heard) > told, 20, "the page to say what it was given")
            expect(turns(page)).to_have_count(len(messages))
        editor.heard.clear()
        editor.tools.clear()
        return page

    yield open_page
    for page in pages:
        page.close()
    assert errors == []


def turns(page: Page) -> Any:
    return page.locator("#conversation .turn")


def text(page: Page, place: int) -> Any:
    return turns(page).nth(place).locator(".turn-text")


def texts(page: Page) -> list[str]:
    return [area.input_value() for area in page.locator("#conversation .turn-text").all()]


def press(page: Page, place: int, button: str) -> None:
    turns(page).nth(place).locator(f".{button}").click()


def hears(editor: Editor, messages: list[Any]) -> None:
    """Wait until the last thing that the server heard is `messages`."""
    try:
        wait_for(lambda: editor.heard and editor.heard[-1] == messages, 10, "the server to hear it")
    except AssertionError:
        assert editor.heard[-1:] == [messages]


def show_json(page: Page) -> Any:
    page.click("#conversation .view-json")
    return page.locator("#conversation textarea.json")


# Turns


def test_what_is_typed_is_heard_once_and_without_a_redraw(open_editor: Open, editor: Editor) -> None:
    page = open_editor()
    page.evaluate("""() => {
        window.redrawn = 0;
        new MutationObserver((changes) => { window.redrawn += changes.length; })
            .observe(document.querySelector("#conversation .turns"), { childList: true, subtree: true });
    }""")
    text(page, 0).press_sequentially(" there", delay=10)
    hears(editor, [{"role": "user", "content": "Hello there"}, ANSWER])
    assert len(editor.heard) == 1
    assert page.evaluate("window.redrawn") == 0
    expect(text(page, 0)).to_be_focused()


def test_a_role_is_changed(open_editor: Open, editor: Editor) -> None:
    page = open_editor()
    first = turns(page).nth(0)
    expect(first.locator(".show-more")).to_be_hidden()
    first.locator("select").select_option(label="tool")
    hears(editor, [{"role": "tool", "content": "Hello"}, ANSWER])
    expect(first.locator(".show-more")).to_be_visible()
    colour = "turn => getComputedStyle(turn).getPropertyValue('--turn-ink')"
    ink = first.evaluate(colour)
    first.locator("select").select_option(label="developer")
    hears(editor, [{"role": "developer", "content": "Hello"}, ANSWER])
    assert ink and first.evaluate(colour) not in ("", ink)


def test_turns_are_added_removed_and_brought_back(open_editor: Open, editor: Editor) -> None:
    page = open_editor([USER, ANSWER, {"role": "user", "content": "Bye", "kept": 1}])
    page.click("#conversation .add-turn")
    expect(text(page, 3)).to_be_focused()
    page.keyboard.type("Farewell")
    everything = [USER, ANSWER, {"role": "user", "content": "Bye", "kept": 1}]
    hears(editor, [*everything, {"role": "assistant", "content": "Farewell"}])
    press(page, 3, "remove-turn")
    expect(turns(page).nth(2).locator(".remove-turn")).to_be_focused()
    press(page, 0, "remove-turn")
    hears(editor, everything[1:])
    expect(page.locator(".editor-status")).to_contain_text("Turn 1 is removed.")
    page.click(".undo-remove")
    hears(editor, everything)
    for _ in range(3):
        press(page, 0, "remove-turn")
    hears(editor, [])
    expect(page.locator(".no-turns")).to_be_visible()
    expect(page.locator(".add-turn")).to_be_focused()


def test_a_turn_is_duplicated_with_all_that_it_carries(open_editor: Open, editor: Editor) -> None:
    page = open_editor([CALLS, ANSWER])
    press(page, 0, "duplicate-turn")
    hears(editor, [CALLS, CALLS, ANSWER])
    expect(text(page, 1)).to_be_focused()
    page.keyboard.type("x")
    hears(editor, [CALLS, {**CALLS, "content": "x"}, ANSWER])


def test_buttons_move_a_turn_and_keep_the_focus(open_editor: Open, editor: Editor) -> None:
    page = open_editor([USER, ANSWER, {"role": "user", "content": "Bye"}])
    press(page, 0, "move-down")
    hears(editor, [ANSWER, USER, {"role": "user", "content": "Bye"}])
    expect(turns(page).nth(1).locator(".move-down")).to_be_focused()
    page.keyboard.press("Enter")
    hears(editor, [ANSWER, {"role": "user", "content": "Bye"}, USER])
    page.keyboard.press("Enter")  # There is no further place.
    expect(turns(page).nth(2).locator(".move-down")).to_be_focused()
    assert turns(page).nth(2).get_attribute("data-message") == "2"
    assert turns(page).nth(2).locator(".turn-text").get_attribute("aria-label") == "Turn 3: text"
    press(page, 2, "move-up")
    hears(editor, [ANSWER, USER, {"role": "user", "content": "Bye"}])


def test_keys_move_a_turn_under_its_caret(open_editor: Open, editor: Editor) -> None:
    page = open_editor([USER, ANSWER])
    text(page, 1).focus()
    text(page, 1).evaluate("area => area.setSelectionRange(2, 3)")
    page.keyboard.press("Alt+ArrowUp")
    hears(editor, [ANSWER, USER])
    expect(text(page, 0)).to_be_focused()
    assert text(page, 0).evaluate("area => [area.selectionStart, area.selectionEnd]") == [2, 3]
    page.keyboard.press("Alt+ArrowDown")
    hears(editor, [USER, ANSWER])
    expect(text(page, 1)).to_be_focused()


def test_ctrl_enter_goes_on_with_who_speaks_next(open_editor: Open, editor: Editor) -> None:
    calls = {**CALLS, "tool_calls": CALLS["tool_calls"][:2]}
    page = open_editor([USER, calls])
    text(page, 1).focus()
    for _ in range(4):
        page.keyboard.press("Control+Enter")
    added = [
        {"role": "tool", "name": "weather", "tool_call_id": "call_1", "content": ""},
        {"role": "tool", "name": "weather", "content": ""},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": ""},
    ]
    hears(editor, [USER, calls, *added])
    expect(text(page, 5)).to_be_focused()
    text(page, 0).focus()
    page.keyboard.press("Control+Enter")
    hears(editor, [USER, {"role": "assistant", "content": ""}, calls, *added])


# Japanese input


def test_nothing_is_told_or_moved_inside_a_composition(open_editor: Open, editor: Editor) -> None:
    page = open_editor([{"role": "user", "content": ""}, ANSWER])
    text(page, 0).focus()
    typing = page.context.new_cdp_session(page)
    for part in ("に", "にほ", "にほん"):
        typing.send("Input.imeSetComposition", {"text": part, "selectionStart": len(part), "selectionEnd": len(part)})
    page.wait_for_timeout(PAUSE_MS)
    assert editor.heard == []
    assert text(page, 0).input_value() == "にほん"
    typing.send("Input.insertText", {"text": "日本"})
    hears(editor, [{"role": "user", "content": "日本"}, ANSWER])
    assert len(editor.heard) == 1
    assert text(page, 0).evaluate("area => area.selectionStart") == 2


def test_the_box_of_json_waits_for_the_composition_too(open_editor: Open, editor: Editor) -> None:
    page = open_editor()
    box = show_json(page)
    box.evaluate("""box => {
        box.dispatchEvent(new CompositionEvent("compositionstart", { bubbles: true }));
        box.value = '[{"role": "user", "content": "か"}]';
        box.dispatchEvent(new InputEvent("input", { bubbles: true, isComposing: true }));
    }""")
    page.wait_for_timeout(PAUSE_MS)
    assert editor.heard == []
    box.evaluate('box => box.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true }))')
    hears(editor, [{"role": "user", "content": "か"}])


# What a message carries beside role and text


def test_what_is_not_edited_is_kept(open_editor: Open, editor: Editor) -> None:
    page = open_editor(EVERYTHING)
    text(page, 0).fill("Be long.")
    hears(editor, [{"role": "developer", "content": "Be long."}, *EVERYTHING[1:]])
    blocks = turns(page).nth(1)
    expect(blocks.locator(".turn-text")).to_have_value("One, two.")
    expect(blocks.locator(".turn-note")).to_have_text("The content is a list of 2 blocks. Editing makes it one text.")
    expect(turns(page).nth(4).locator(".part-title")).to_have_text(["also: weight", "also: thinking", "also: extra"])
    assert turns(page).nth(5).locator("option:checked").inner_text() == "ipython"


def test_edited_blocks_become_one_text(open_editor: Open, editor: Editor) -> None:
    page = open_editor([EVERYTHING[1]])
    text(page, 0).press_sequentially("!")
    hears(editor, [{"role": "user", "content": "One, two.!", "name": "Ann"}])
    expect(page.locator(".turn-note")).to_be_hidden()


def test_calls_are_edited(open_editor: Open, editor: Editor) -> None:
    page = open_editor([CALLS])
    calls = page.locator(".part-call")
    calls.nth(0).locator(".call-name").fill("climate")
    calls.nth(0).locator(".part-json").fill('{"place": "Porto", "days": [1, 2]}')
    calls.nth(1).locator(".part-json").fill('{"place": "大阪"}')
    calls.nth(1).locator(".call-id").fill("b")
    calls.nth(2).locator(".call-name").fill("oldest")
    climate = {"name": "climate", "arguments": {"place": "Porto", "days": [1, 2]}}
    edited = [
        {"id": "call_1", "type": "function", "function": climate},
        {"type": "function", "function": {"name": "weather", "arguments": '{"place": "大阪"}'}, "id": "b"},
        {"name": "oldest", "arguments": {"deep": [1, {"a": None}]}},
    ]
    hears(editor, [{**CALLS, "tool_calls": edited}])
    calls.nth(0).locator(".part-json").fill('{"place": }')
    expect(calls.nth(0).locator(".problem")).to_contain_text(
        "Line 1, column 11: Something that is no JSON value stands here."
    )
    page.wait_for_timeout(PAUSE_MS)
    assert editor.heard[-1][0]["tool_calls"] == edited
    assert calls.nth(0).locator(".part-json").input_value() == '{"place": }'
    for _ in range(3):
        calls.nth(0).locator(".remove-part").click()
    hears(editor, [{"role": "assistant", "content": None, "reasoning_content": "Two places, two calls."}])


def test_nothing_is_left_with_neither_words_nor_a_call(open_editor: Open, editor: Editor) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": CALLS["tool_calls"][:1]}
    thought = {"role": "assistant", "content": None, "reasoning_content": "Hm."}
    page = open_editor([{**call, "reasoning_content": "Hm."}, thought, thought])
    turns(page).nth(0).locator(".part-reasoning_content .remove-part").click()
    hears(editor, [call, thought, thought])
    turns(page).nth(0).locator(".part-call .remove-part").click()
    turns(page).nth(1).locator(".part-reasoning_content .remove-part").click()
    turns(page).nth(2).locator(".part-text").fill("")
    nothing = {"role": "assistant", "content": ""}
    hears(editor, [nothing, nothing, {**nothing, "reasoning_content": ""}])


def test_more_offers_what_the_role_can_have(open_editor: Open, editor: Editor) -> None:
    page = open_editor([USER, ANSWER, {"role": "tool", "content": "19"}])
    expect(turns(page).nth(0).locator(".show-more")).to_be_hidden()
    press(page, 1, "show-more")
    expect(turns(page).nth(1).locator(".add-part")).to_have_text(["+ Reasoning", "+ Tool call"])
    expect(turns(page).nth(1).locator(".add-part").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(turns(page).nth(1).locator(".show-more")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.type("Why not?")
    hears(editor, [USER, {**ANSWER, "reasoning_content": "Why not?"}, {"role": "tool", "content": "19"}])
    press(page, 1, "show-more")
    page.click("text=+ Tool call")
    page.keyboard.type("weather")
    call = {"type": "function", "function": {"name": "weather", "arguments": {}}}
    answer = {**ANSWER, "reasoning_content": "Why not?", "tool_calls": [call]}
    hears(editor, [USER, answer, {"role": "tool", "content": "19"}])
    for part, typed in (("Name", "weather"), ("Tool call id", "c1")):
        press(page, 2, "show-more")
        page.click(f"text=+ {part}")
        page.keyboard.type(typed)
    hears(editor, [USER, answer, {"role": "tool", "content": "19", "name": "weather", "tool_call_id": "c1"}])
    expect(turns(page).nth(2).locator(".show-more")).to_be_hidden()
    turns(page).nth(1).locator(".part-reasoning_content .remove-part").click()
    hears(editor, [USER, {**ANSWER, "tool_calls": [call]}, editor.heard[-1][2]])


def test_unknown_keys_are_edited_as_json_or_removed(open_editor: Open, editor: Editor) -> None:
    page = open_editor([{**USER, "weight": 1, "meta": {"a": 1}}])
    page.locator(".part-other .part-json").nth(1).fill('{"a": [true]}')
    hears(editor, [{**USER, "weight": 1, "meta": {"a": [True]}}])
    page.locator(".part-other .remove-part").nth(0).click()
    hears(editor, [{**USER, "meta": {"a": [True]}}])


# JSON


def test_json_follows_the_turns_and_the_turns_follow_json(open_editor: Open, editor: Editor) -> None:
    page = open_editor(EVERYTHING)
    text(page, 0).fill("Be kind.")  # At once, before the pause is over.
    box = show_json(page)
    changed = [{"role": "developer", "content": "Be kind."}, *EVERYTHING[1:]]
    assert json.loads(box.input_value()) == changed
    hears(editor, changed)
    box.fill('[{"role": "user", "content": "From JSON", "k": 1}]')
    hears(editor, [{"role": "user", "content": "From JSON", "k": 1}])
    page.click(".view-turns")
    expect(turns(page)).to_have_count(1)
    assert texts(page) == ["From JSON"]
    show_json(page)
    assert box.input_value() == '[{"role": "user", "content": "From JSON", "k": 1}]', "as it was written"
    page.click("#give")
    hears(editor, EVERYTHING)
    assert json.loads(box.input_value()) == EVERYTHING


def test_broken_json_says_where_and_destroys_nothing(open_editor: Open, editor: Editor) -> None:
    page = open_editor()
    box = show_json(page)
    broken = '[\n  {"role": "user", "content": "日本 🙂", }\n]'
    box.fill(broken)
    column = broken.split("\n")[1].rindex(",") + 1  # Characters, of which 🙂 is one.
    expect(page.locator(".json-sentence")).to_have_text(f"Line 2, column {column}: This comma is one too many.")
    assert box.get_attribute("aria-invalid") == "true"
    page.click(".go-to-mistake")
    assert box.evaluate("box => box.value.slice(box.selectionStart, box.selectionEnd)") == ","
    page.click(".view-turns")
    assert texts(page) == ["Hello", "Ahoy"]
    expect(page.locator(".json-waits")).to_be_visible()
    show_json(page)
    assert box.input_value() == broken
    page.click(".view-turns")
    assert editor.heard == []
    text(page, 0).fill("Hi")
    hears(editor, [{"role": "user", "content": "Hi"}, ANSWER])
    expect(page.locator(".json-waits")).to_be_hidden()
    show_json(page)
    assert json.loads(box.input_value())[0]["content"] == "Hi"
    expect(page.locator(".json-problem")).to_be_hidden()


@pytest.mark.parametrize(
    "given",
    [
        json.dumps([USER, ANSWER, USER]),
        json.dumps({"messages": [USER, ANSWER, USER], "source": "elsewhere"}, indent=2),
        json.dumps({"messages": [USER, ANSWER, USER]}) + "\n",
    ],
)
def test_json_is_taken_in_the_forms_in_which_it_is_found(open_editor: Open, editor: Editor, given: str) -> None:
    show_json(open_editor()).fill(given)
    hears(editor, [USER, ANSWER, USER])


def test_one_message_alone_is_a_conversation(open_editor: Open, editor: Editor) -> None:
    show_json(open_editor()).fill(json.dumps(CALLS))
    hears(editor, [CALLS])


def test_tools_of_a_pasted_row_are_handed_on_once(open_editor: Open, editor: Editor) -> None:
    page = open_editor()
    tools = [{"type": "function", "function": {"name": "weather"}}]
    box = show_json(page)
    box.fill(json.dumps({"messages": [USER], "tools": tools}))
    hears(editor, [USER])
    wait_for(lambda: editor.tools, 10, "the tools")
    box.fill(json.dumps({"messages": [ANSWER], "tools": tools}))
    hears(editor, [ANSWER])
    assert editor.tools == [tools]


MISTAKES = {
    "": "There is nothing here.",
    "{}": "This is JSON, but no conversation",
    '"text"': "This is JSON, but no conversation",
    '[{"role": "user", "content": ""}, "x"]': "Message 2 is no object",
    '[{"role": "user"': "Line 1, column 17: The text ends before",
    '[{"role": "user" "content": 1}]': "Line 1, column 18: A comma or a closing bracket is missing",
    '[{"role" "user"}]': "Line 1, column 10: A colon must follow",
    "[{'role': 'user'}]": "Line 1, column 3: JSON puts texts and names in straight double",
    '[{"role": “user”}]': "Line 1, column 11: JSON puts texts and names in straight double",
    "[{role: 1}]": "Line 1, column 3: A name in double quotation marks",
    '[{"a": None}]': "Line 1, column 8: JSON writes true, false and null",
    '[{"a": True}]': "Line 1, column 8: JSON writes true, false and null",
    '[\n\n{"a": 01}]': "Line 3, column 7: Something that is no JSON value",
    '[{"a": 1},]': "Line 1, column 10: This comma is one too many.",
    '[{"a": "one\ntwo"}]': "Line 1, column 8: The text that begins here does not end on its line.",
    '[{"a": "one\ttwo"}]': "Line 1, column 12: A tab inside a text",
    '[{"a": "C:\\dir"}]': "Line 1, column 11: After a backslash",
    '[{"a": "\\u12"}]': "Line 1, column 9: After a backslash",
    '[{"a": 1}] x': "Line 1, column 12: The JSON is complete before this",
    '{"messages": []}\n{"messages": []}': "Line 2, column 1: A second row begins here.",
    "[" * 300: "Line 1, column 201: The brackets are nested too deeply.",
}


def test_mistakes_are_named_in_plain_words(open_editor: Open, editor: Editor) -> None:
    page = open_editor()
    box = show_json(page)
    for given, sentence in MISTAKES.items():
        box.fill("[]")
        expect(page.locator(".json-problem")).to_be_hidden()
        box.fill(given)
        expect(page.locator(".json-sentence")).to_contain_text(sentence)
    assert [heard for heard in editor.heard if heard] == []


def test_mistakes_are_told_in_japanese_as_well(open_editor: Open) -> None:
    page = open_editor(language="ja")
    show_json(page).fill("[1,]")
    expect(page.locator(".json-sentence")).to_contain_text("1 行目")


def test_tabs_answer_to_arrow_keys(open_editor: Open) -> None:
    page = open_editor()
    page.locator(".view-turns").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".view-json")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="JSON")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tabpanel", name="Turns")).to_be_visible()


# The page sets the value


def test_turns_that_stay_the_same_keep_their_caret(open_editor: Open, editor: Editor) -> None:
    page = open_editor([USER, ANSWER])
    text(page, 0).focus()
    text(page, 0).evaluate("area => area.setSelectionRange(3, 3)")
    editor.given["messages"] = [USER, {"role": "assistant", "content": "Set by the server"}]
    page.locator("#give").dispatch_event("click")
    hears(editor, editor.given["messages"])
    assert texts(page) == ["Hello", "Set by the server"]
    expect(text(page, 0)).to_be_focused()
    assert text(page, 0).evaluate("area => area.selectionStart") == 3


def test_hostile_text_stays_text(open_editor: Open, editor: Editor) -> None:
    hostile = '<img src=x onerror="window.hit=1">${window.hit=2}{{window.hit=3}}$&$1{number}{field}'
    call = {"type": "function", "function": {"name": hostile, "arguments": {hostile: hostile}}}
    message = {"role": hostile, "content": hostile, "name": hostile, hostile: hostile, "tool_calls": [call]}
    page = open_editor([message, USER])
    expect(turns(page).nth(0).locator(".part-title").last).to_have_text(f"also: {hostile}")
    text(page, 1).fill("x")
    hears(editor, [message, {"role": "user", "content": "x"}])
    show_json(page).fill(hostile)
    expect(page.locator(".json-problem")).to_be_visible()
    assert page.evaluate("window.hit") is None
    assert page.locator("#conversation img").count() == 0


# Size


def test_200_turns(open_editor: Open, editor: Editor) -> None:
    many = [{"role": ("user", "assistant")[n % 2], "content": f"Turn {n}. " + "Some words. " * 20} for n in range(200)]
    page = open_editor(many)
    page.evaluate("""() => {
        const typedIn = document.querySelectorAll("#conversation .turn")[100];
        window.touched = 0;
        new MutationObserver((changes) => {
            window.touched += changes.filter((change) => !typedIn.contains(change.target)).length;
        }).observe(typedIn.parentNode, { childList: true, subtree: true, attributes: true });
    }""")
    text(page, 100).press_sequentially("abc")
    hears(editor, [*many[:100], {**many[100], "content": many[100]["content"] + "abc"}, *many[101:]])
    assert page.evaluate("window.touched") == 0, "typing in one turn costs the others nothing"
    spent = page.evaluate("""() => {
        const began = performance.now();
        document.querySelectorAll("#conversation .turn")[100].querySelector(".move-up").click();
        document.body.getBoundingClientRect();
        return performance.now() - began;
    }""")
    print(f"200 turns: {spent:.0f} ms to move one")


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_fits_and_a_thumb_can_use_it(open_editor: Open, language: str, width: int, scheme: str) -> None:
    page = open_editor(EVERYTHING, language, width, scheme)
    press(page, 2, "show-more")
    picture(page, f"editor-{language}-{width}-{scheme}")
    assert fits_its_width(page)
    if width == 390:
        small = """() => [...document.querySelectorAll("#conversation button")]
            .filter((button) => button.offsetParent)
            .map((button) => [button.className, button.offsetWidth, button.offsetHeight])
            .filter(([name, width, height]) => width < 40 || height < 40)"""
        assert page.evaluate(small) == []
    fields = "#conversation :is(textarea, input, select, .turn-button):visible"
    names = [field.get_attribute("aria-label") for field in page.locator(fields).all()]
    assert None not in names
    assert ("ターン 1" in names[0]) == (language == "ja")
    show_json(page).fill('[{"role": "user", "content": "' + "long" * 100 + '"},]')
    expect(page.locator(".json-problem")).to_be_visible()
    picture(page, f"editor-json-{language}-{width}-{scheme}")
    assert fits_its_width(page)
