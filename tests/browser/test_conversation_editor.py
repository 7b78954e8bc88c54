"""The conversation editor in a real browser: nearly all of it on a bare page, the rest inside Gradio."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from playground.ui.page import launch_options
from playground.ui.template.conversation_editor import conversation_editor
from tests.browser.bare import BarePages, give, told
from tests.browser.conftest import LOCALES, SameBrowser, fits_its_width, picture, see
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
HOSTILE = '<img src=x onerror="window.hit=1">${window.hit=2}{{window.hit=3}}$&$1{number}{field}'
HOSTILE_MESSAGE = {
    **{"role": HOSTILE, "content": HOSTILE, "name": HOSTILE, HOSTILE: HOSTILE},
    "tool_calls": [{"type": "function", "function": {"name": HOSTILE, "arguments": {HOSTILE: HOSTILE}}}],
}
PAUSE_MS = 150
"""How long the editor waits after the last key."""

Open = Callable[..., Page]


@pytest.fixture
def open_editor(bare: BarePages) -> Iterator[Open]:
    """open_editor(messages, language): an editor of these messages on a bare page whose clock stands still."""

    def put(messages: list[Any] = START, language: str = "en") -> Page:
        return bare.put(conversation_editor(messages, "conversation"), clock=True, locale=LOCALES[language])

    with bare.without_errors():
        yield put


def turns(page: Page) -> Any:
    return page.locator("#conversation .turn")


def text(page: Page, place: int) -> Any:
    return turns(page).nth(place).locator(".turn-text")


def texts(page: Page) -> list[str]:
    return [area.input_value() for area in page.locator("#conversation .turn-text").all()]


def press(page: Page, place: int, button: str) -> None:
    turns(page).nth(place).locator(f".{button}").click()


def heard(page: Page) -> list[Any]:
    return [messages for event, _, messages in told(page) if event == "input"]


def hears(page: Page, messages: list[Any]) -> None:
    """Once the editor has waited, the last thing that the server would hear is `messages`."""
    page.clock.run_for(PAUSE_MS)
    assert heard(page)[-1:] == [messages]


def show_json(page: Page) -> Any:
    page.click("#conversation .view-json")
    return page.locator("#conversation textarea.json")


# Turns


def test_what_is_typed_is_heard_once_and_without_a_redraw(open_editor: Open) -> None:
    page = open_editor()
    page.evaluate("""() => {
        window.redrawn = 0;
        new MutationObserver((changes) => { window.redrawn += changes.length; })
            .observe(document.querySelector("#conversation .turns"), { childList: true, subtree: true });
    }""")
    for key in " there":
        page.clock.run_for(PAUSE_MS - 1)
        text(page, 0).press_sequentially(key)
    page.clock.run_for(PAUSE_MS - 1)
    assert heard(page) == []
    page.clock.run_for(1)
    assert heard(page) == [[{"role": "user", "content": "Hello there"}, ANSWER]]
    assert page.evaluate("window.redrawn") == 0
    expect(text(page, 0)).to_be_focused()


def test_a_role_is_changed(open_editor: Open) -> None:
    page = open_editor()
    first = turns(page).nth(0)
    colour = "turn => getComputedStyle(turn).getPropertyValue('--turn-ink')"
    inks = [first.evaluate(colour)]
    expect(first.locator(".show-more")).to_be_hidden()
    first.locator("select").select_option(label="tool")
    hears(page, [{"role": "tool", "content": "Hello"}, ANSWER])
    expect(first.locator(".show-more")).to_be_visible()
    inks.append(first.evaluate(colour))
    first.locator("select").select_option(label="developer")
    hears(page, [{"role": "developer", "content": "Hello"}, ANSWER])
    inks.append(first.evaluate(colour))
    assert len(set(inks)) == 3
    first.locator("select").select_option(label="user")
    assert first.evaluate(colour) == inks[0]


def test_turns_are_added_removed_and_brought_back(open_editor: Open) -> None:
    page = open_editor([USER, ANSWER, {"role": "user", "content": "Bye", "kept": 1}])
    page.click("#conversation .add-turn")
    expect(text(page, 3)).to_be_focused()
    page.keyboard.type("Farewell")
    everything = [USER, ANSWER, {"role": "user", "content": "Bye", "kept": 1}]
    hears(page, [*everything, {"role": "assistant", "content": "Farewell"}])
    press(page, 3, "remove-turn")
    expect(turns(page).nth(2).locator(".remove-turn")).to_be_focused()
    press(page, 0, "remove-turn")
    hears(page, everything[1:])
    expect(page.locator(".editor-status")).to_contain_text("Turn 1 is removed.")
    page.click(".undo-remove")
    hears(page, everything)
    for _ in range(3):
        press(page, 0, "remove-turn")
    hears(page, [])
    expect(page.locator(".no-turns")).to_be_visible()
    expect(page.locator(".add-turn")).to_be_focused()


def test_a_turn_is_duplicated_with_all_that_it_carries(open_editor: Open) -> None:
    page = open_editor([CALLS, ANSWER])
    press(page, 0, "duplicate-turn")
    hears(page, [CALLS, CALLS, ANSWER])
    expect(text(page, 1)).to_be_focused()
    page.keyboard.type("x")
    hears(page, [CALLS, {**CALLS, "content": "x"}, ANSWER])


def test_buttons_move_a_turn_and_keep_the_focus(open_editor: Open) -> None:
    page = open_editor([USER, ANSWER, {"role": "user", "content": "Bye"}])
    press(page, 0, "move-down")
    hears(page, [ANSWER, USER, {"role": "user", "content": "Bye"}])
    expect(turns(page).nth(1).locator(".move-down")).to_be_focused()
    page.keyboard.press("Enter")
    hears(page, [ANSWER, {"role": "user", "content": "Bye"}, USER])
    page.keyboard.press("Enter")  # There is no further place.
    expect(turns(page).nth(2).locator(".move-down")).to_be_focused()
    assert turns(page).nth(2).get_attribute("data-message") == "2"
    assert turns(page).nth(2).locator(".turn-text").get_attribute("aria-label") == "Turn 3: text"
    press(page, 2, "move-up")
    hears(page, [ANSWER, USER, {"role": "user", "content": "Bye"}])


def test_keys_move_a_turn_under_its_caret(open_editor: Open) -> None:
    page = open_editor([USER, ANSWER])
    text(page, 1).focus()
    text(page, 1).evaluate("area => area.setSelectionRange(2, 3)")
    page.keyboard.press("Alt+ArrowUp")
    hears(page, [ANSWER, USER])
    expect(text(page, 0)).to_be_focused()
    assert text(page, 0).evaluate("area => [area.selectionStart, area.selectionEnd]") == [2, 3]
    page.keyboard.press("Alt+ArrowDown")
    hears(page, [USER, ANSWER])
    expect(text(page, 1)).to_be_focused()


def test_ctrl_enter_goes_on_with_who_speaks_next(open_editor: Open) -> None:
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
    hears(page, [USER, calls, *added])
    expect(text(page, 5)).to_be_focused()
    text(page, 0).focus()
    page.keyboard.press("Control+Enter")
    hears(page, [USER, {"role": "assistant", "content": ""}, calls, *added])


# Japanese input


def test_nothing_is_told_or_moved_inside_a_composition(open_editor: Open) -> None:
    page = open_editor([{"role": "user", "content": ""}, ANSWER])
    text(page, 0).focus()
    typing = page.context.new_cdp_session(page)
    for part in ("に", "にほ", "にほん"):
        typing.send("Input.imeSetComposition", {"text": part, "selectionStart": len(part), "selectionEnd": len(part)})
    page.clock.run_for(10 * PAUSE_MS)
    assert heard(page) == []
    assert text(page, 0).input_value() == "にほん"
    typing.send("Input.insertText", {"text": "日本"})
    hears(page, [{"role": "user", "content": "日本"}, ANSWER])
    assert len(heard(page)) == 1
    assert text(page, 0).evaluate("area => area.selectionStart") == 2


def test_the_box_of_json_waits_for_the_composition_too(open_editor: Open) -> None:
    page = open_editor()
    box = show_json(page)
    box.evaluate("""box => {
        box.dispatchEvent(new CompositionEvent("compositionstart", { bubbles: true }));
        box.value = '[{"role": "user", "content": "か"}]';
        box.dispatchEvent(new InputEvent("input", { bubbles: true, isComposing: true }));
    }""")
    page.clock.run_for(10 * PAUSE_MS)
    assert heard(page) == []
    box.evaluate('box => box.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true }))')
    hears(page, [{"role": "user", "content": "か"}])


# What a message carries beside role and text


def test_what_is_not_edited_is_kept(open_editor: Open) -> None:
    page = open_editor(EVERYTHING)
    text(page, 0).fill("Be long.")
    hears(page, [{"role": "developer", "content": "Be long."}, *EVERYTHING[1:]])
    blocks = turns(page).nth(1)
    expect(blocks.locator(".turn-text")).to_have_value("One, two.")
    expect(blocks.locator(".turn-note")).to_have_text("The content is a list of 2 blocks. Editing makes it one text.")
    expect(turns(page).nth(4).locator(".part-title")).to_have_text(["also: weight", "also: thinking", "also: extra"])
    assert turns(page).nth(5).locator("option:checked").inner_text() == "ipython"


def test_edited_blocks_become_one_text(open_editor: Open) -> None:
    page = open_editor([EVERYTHING[1]])
    text(page, 0).press_sequentially("!")
    hears(page, [{"role": "user", "content": "One, two.!", "name": "Ann"}])
    expect(page.locator(".turn-note")).to_be_hidden()


def test_calls_are_edited(open_editor: Open) -> None:
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
    hears(page, [{**CALLS, "tool_calls": edited}])
    calls.nth(0).locator(".part-json").fill('{"place": }')
    expect(calls.nth(0).locator(".problem")).to_contain_text(
        "Line 1, column 11: Something that is no JSON value stands here."
    )
    page.clock.run_for(PAUSE_MS)
    assert heard(page)[-1][0]["tool_calls"] == edited
    assert calls.nth(0).locator(".part-json").input_value() == '{"place": }'
    for _ in range(3):
        calls.nth(0).locator(".remove-part").click()
    hears(page, [{"role": "assistant", "content": None, "reasoning_content": "Two places, two calls."}])


def test_nothing_is_left_with_neither_words_nor_a_call(open_editor: Open) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": CALLS["tool_calls"][:1]}
    thought = {"role": "assistant", "content": None, "reasoning_content": "Hm."}
    page = open_editor([{**call, "reasoning_content": "Hm."}, thought, thought])
    turns(page).nth(0).locator(".part-reasoning_content .remove-part").click()
    hears(page, [call, thought, thought])
    turns(page).nth(0).locator(".part-call .remove-part").click()
    turns(page).nth(1).locator(".part-reasoning_content .remove-part").click()
    turns(page).nth(2).locator(".part-text").fill("")
    nothing = {"role": "assistant", "content": ""}
    hears(page, [nothing, nothing, {**nothing, "reasoning_content": ""}])


def test_more_offers_what_the_role_can_have(open_editor: Open) -> None:
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
    hears(page, [USER, {**ANSWER, "reasoning_content": "Why not?"}, {"role": "tool", "content": "19"}])
    press(page, 1, "show-more")
    page.click("text=+ Tool call")
    page.keyboard.type("weather")
    call = {"type": "function", "function": {"name": "weather", "arguments": {}}}
    answer = {**ANSWER, "reasoning_content": "Why not?", "tool_calls": [call]}
    hears(page, [USER, answer, {"role": "tool", "content": "19"}])
    for part, typed in (("Name", "weather"), ("Tool call id", "c1")):
        press(page, 2, "show-more")
        page.click(f"text=+ {part}")
        page.keyboard.type(typed)
    hears(page, [USER, answer, {"role": "tool", "content": "19", "name": "weather", "tool_call_id": "c1"}])
    expect(turns(page).nth(2).locator(".show-more")).to_be_hidden()
    turns(page).nth(1).locator(".part-reasoning_content .remove-part").click()
    hears(page, [USER, {**ANSWER, "tool_calls": [call]}, heard(page)[-1][2]])


def test_unknown_keys_are_edited_as_json_or_removed(open_editor: Open) -> None:
    page = open_editor([{**USER, "weight": 1, "meta": {"a": 1}}])
    page.locator(".part-other .part-json").nth(1).fill('{"a": [true]}')
    hears(page, [{**USER, "weight": 1, "meta": {"a": [True]}}])
    page.locator(".part-other .remove-part").nth(0).click()
    hears(page, [{**USER, "meta": {"a": [True]}}])


# JSON


def test_json_follows_the_turns_and_the_turns_follow_json(open_editor: Open) -> None:
    page = open_editor(EVERYTHING)
    text(page, 0).fill("Be kind.")  # At once, before the pause is over.
    box = show_json(page)
    changed = [{"role": "developer", "content": "Be kind."}, *EVERYTHING[1:]]
    assert json.loads(box.input_value()) == changed
    hears(page, changed)
    box.fill('[{"role": "user", "content": "From JSON", "k": 1}]')
    hears(page, [{"role": "user", "content": "From JSON", "k": 1}])
    page.click(".view-turns")
    expect(turns(page)).to_have_count(1)
    assert texts(page) == ["From JSON"]
    show_json(page)
    assert box.input_value() == '[{"role": "user", "content": "From JSON", "k": 1}]', "as it was written"
    give(page, EVERYTHING)
    hears(page, EVERYTHING)
    assert json.loads(box.input_value()) == EVERYTHING


def test_broken_json_says_where_and_destroys_nothing(open_editor: Open) -> None:
    page = open_editor()
    box = show_json(page)
    broken = '[\n  {"role": "user", "content": "日本 🙂", }\n]'
    box.fill(broken)
    page.clock.run_for(PAUSE_MS)
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
    page.clock.run_for(10 * PAUSE_MS)
    assert heard(page) == []
    text(page, 0).fill("Hi")
    hears(page, [{"role": "user", "content": "Hi"}, ANSWER])
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
def test_json_is_taken_in_the_forms_in_which_it_is_found(open_editor: Open, given: str) -> None:
    page = open_editor()
    show_json(page).fill(given)
    hears(page, [USER, ANSWER, USER])


def test_one_message_alone_is_a_conversation(open_editor: Open) -> None:
    page = open_editor()
    show_json(page).fill(json.dumps(CALLS))
    hears(page, [CALLS])


def test_tools_of_a_pasted_row_are_handed_on_once(open_editor: Open) -> None:
    page = open_editor()
    tools = [{"type": "function", "function": {"name": "weather"}}]
    box = show_json(page)
    box.fill(json.dumps({"messages": [USER], "tools": tools}))
    hears(page, [USER])
    box.fill(json.dumps({"messages": [ANSWER], "tools": tools}))
    hears(page, [ANSWER])
    assert [data for event, data, _ in told(page) if event == "tools"] == [{"tools": tools}]


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


def test_mistakes_are_named_in_plain_words(open_editor: Open) -> None:
    page = open_editor()
    box = show_json(page)
    for given, sentence in MISTAKES.items():
        box.fill("[]")
        page.clock.run_for(PAUSE_MS)
        expect(page.locator(".json-problem")).to_be_hidden()
        box.fill(given)
        page.clock.run_for(PAUSE_MS)
        expect(page.locator(".json-sentence")).to_contain_text(sentence)
    assert [messages for messages in heard(page) if messages] == []


def test_mistakes_are_told_in_japanese_as_well(open_editor: Open) -> None:
    page = open_editor(language="ja")
    show_json(page).fill("[1,]")
    page.clock.run_for(PAUSE_MS)
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


def test_turns_that_stay_the_same_keep_their_caret(open_editor: Open) -> None:
    page = open_editor([USER, ANSWER])
    text(page, 0).focus()
    text(page, 0).evaluate("area => area.setSelectionRange(3, 3)")
    given = [USER, {"role": "assistant", "content": "Set by the server"}]
    give(page, given)
    assert heard(page) == [given], "as if it had been typed"
    assert texts(page) == ["Hello", "Set by the server"]
    expect(text(page, 0)).to_be_focused()
    assert text(page, 0).evaluate("area => area.selectionStart") == 3


def test_hostile_text_stays_text(open_editor: Open) -> None:
    page = open_editor([HOSTILE_MESSAGE, USER])
    expect(turns(page).nth(0).locator(".part-title").last).to_have_text(f"also: {HOSTILE}")
    text(page, 1).fill("x")
    hears(page, [HOSTILE_MESSAGE, {"role": "user", "content": "x"}])
    show_json(page).fill(HOSTILE)
    page.clock.run_for(PAUSE_MS)
    expect(page.locator(".json-problem")).to_be_visible()
    assert page.evaluate("window.hit") is None
    assert page.locator("#conversation img").count() == 0


# Size


def test_200_turns(open_editor: Open) -> None:
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
    hears(page, [*many[:100], {**many[100], "content": many[100]["content"] + "abc"}, *many[101:]])
    assert page.evaluate("window.touched") == 0, "typing in one turn costs the others nothing"
    spent = page.evaluate("""() => {
        const now = () => new Event("").timeStamp;  // The page's clocks stand still.
        const began = now();
        document.querySelectorAll("#conversation .turn")[100].querySelector(".move-up").click();
        document.body.getBoundingClientRect();
        return now() - began;
    }""")
    print(f"200 turns: {spent:.0f} ms to move one")


# Inside Gradio


@pytest.fixture(scope="module")
def server() -> Iterator[SimpleNamespace]:
    """A page with an editor and a button that sets its value to `given`. The server writes down what it hears."""
    seen = SimpleNamespace(given=[], heard=[], tools=[])
    with gr.Blocks() as page, gr.Column(elem_classes="card"):
        conversation = conversation_editor(START, "conversation")
        button = gr.Button("give", elem_id="give")

        def hear_tools(event: gr.EventData) -> None:
            seen.tools.append(event._data["tools"])

        conversation.input(lambda messages: seen.heard.append(messages), conversation, None, trigger_mode="multiple")
        conversation.tools(hear_tools, None, None)
        button.click(lambda: seen.given, None, conversation)
    _, seen.url, _ = page.launch(**launch_options(), prevent_thread_lock=True, quiet=True)
    yield seen
    page.close()


@pytest.fixture
def open_in_gradio(same_browser: SameBrowser, server: SimpleNamespace) -> Iterator[Open]:
    """open_in_gradio(given, language): a page whose editor the server has set to `given`."""
    pages, errors = [], []

    def open_page(given: list[Any], language: str = "en") -> Page:
        page = same_browser(locale=LOCALES[language]).new_page()
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url)
        expect(turns(page)).to_have_count(len(START))
        server.given = given
        page.click("#give")
        expect(turns(page)).to_have_count(len(given))
        return page

    yield open_page
    for page in pages:
        page.close()
    assert errors == []


def test_gradio_carries_values_and_tools_both_ways(open_in_gradio: Open, server: SimpleNamespace) -> None:
    given = [HOSTILE_MESSAGE, USER, ANSWER]
    page = open_in_gradio(given)
    wait_for(lambda: server.heard[-1:] == [given], 60, "the server to hear what it has set")
    assert texts(page) == [HOSTILE, "Hello", "Ahoy"]
    text(page, 1).fill("Hi")
    typed = [given[0], {"role": "user", "content": "Hi"}, ANSWER]
    wait_for(lambda: server.heard[-1:] == [typed], 60, "the server to hear it")
    tools = [{"type": "function", "function": {"name": "weather"}}]
    show_json(page).fill(json.dumps({"messages": START, "tools": tools}))
    wait_for(lambda: server.heard[-1:] == [START] and server.tools == [tools], 60, "the server to hear of the tools")
    assert page.evaluate("window.hit") is None
    assert page.locator("#conversation img").count() == 0


@pytest.mark.parametrize("language", ["en", "ja"])
def test_it_fits_and_a_thumb_can_use_it(open_in_gradio: Open, language: str) -> None:
    page = open_in_gradio(EVERYTHING, language)
    sizes = [(1280, "light"), (390, "dark")]
    press(page, 2, "show-more")
    for width, scheme in sizes:
        see(page, width, scheme)
        picture(page, f"editor-{language}-{width}-{scheme}")
        assert fits_its_width(page)
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
    for width, scheme in sizes:
        see(page, width, scheme)
        picture(page, f"editor-json-{language}-{width}-{scheme}")
        assert fits_its_width(page)
