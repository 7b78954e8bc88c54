"""Histories of chats as interfaces keep them, and what is no history."""

from __future__ import annotations

import pytest

from playground.core.errors import InputError
from playground.data.schemas.histories import as_history, told_of

HI = {"role": "user", "content": "Hi"}
AHOY = {"role": "assistant", "content": "Ahoy"}
BYE = {"role": "user", "content": "Bye"}


def gradio(message, **more):
    return {**message, "metadata": None, "options": None, **more}


@pytest.mark.parametrize(
    "history",
    [
        [HI, AHOY, BYE],
        [["Hi", "Ahoy"], ["Bye", None]],
        [gradio(one) for one in (HI, AHOY, BYE)],
        [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in (HI, AHOY, BYE)],
        [{**one, "content": list(one["content"])} for one in (HI, AHOY, BYE)],
    ],
)
def test_every_way_of_keeping_a_history_is_one_conversation(history):
    assert as_history(history) == [HI, AHOY, BYE]


def test_a_message_with_a_title_is_a_thought_of_the_answer_behind_it():
    thought = gradio({"role": "assistant", "content": "Pirates say Ahoy."}, metadata={"title": "Thinking"})
    assert as_history([HI, thought, gradio(AHOY), BYE]) == [
        HI,
        {**AHOY, "reasoning_content": "Pirates say Ahoy."},
        BYE,
    ]
    assert as_history([HI, AHOY, BYE, thought][:3] + [thought, BYE]) == [HI, AHOY, BYE, BYE]


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([HI, AHOY, AHOY, BYE], "Messages 2 and 3 of the conversation are both answers"),
        ([HI, AHOY], "ends with assistant"),
        ([{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, HI], "more than one system message"),
        ([HI, AHOY, {"role": "user", "content": {"path": "x.png"}}], "message 3: content is an object"),
        ([{"role": "user", "content": [{"type": "image", "url": "x"}]}], "a part of the type image"),
        ([{"role": "user", "content": None}], "message 1: content is null"),
        ("Hi", "messages is text"),
        ([], "no messages"),
    ],
)
def test_what_is_no_history_is_refused_with_what_is_wrong(history, words):
    with pytest.raises(InputError) as problem:
        as_history(history)
    assert words in str(problem.value)


# --- What a preview says of a history ---

THOUGHT = {"role": "assistant", "content": "Pirates say Ahoy.", "metadata": {"title": "Thinking"}}
FLAT = [{"name": "tide", "parameters": {"type": "object", "properties": {"port": {"type": "string", "enum": None}}}}]
PORT = {"type": "object", "properties": {"port": {"type": "string"}}}
USUAL = [{"type": "function", "function": {"name": "tide", "parameters": PORT}}]


@pytest.mark.parametrize(
    ("messages", "code", "mended"),
    [
        ([HI, AHOY, {**AHOY, "content": "Hello"}], "role_order", [HI, {**AHOY, "content": "Ahoy\n\nHello"}]),
        ([HI, THOUGHT, AHOY], "thought_as_answer", [HI, {**AHOY, "reasoning_content": "Pirates say Ahoy."}]),
        ([HI, {"role": "assistant"}, BYE], "empty_message", None),
    ],
)
def test_what_is_odd_in_a_history_is_told_with_what_mends_it(messages, code, mended):
    [finding] = told_of(messages, None)
    assert (finding.code, finding.severity) == (code, "warning")
    assert (finding.action or {}).get("messages") == mended
    if mended:
        assert list(told_of(mended, None)) == []


def test_definitions_in_another_form_are_told_with_the_usual_one():
    [finding] = told_of([HI], FLAT)
    assert (finding.code, finding.action) == ("tools_padded", {"kind": "options", "options": {"tools": USUAL}})
    assert list(told_of([HI], USUAL)) == list(told_of([HI], [])) == []


def test_a_history_as_it_should_be_is_not_accused():
    assert (
        list(told_of([HI, AHOY, BYE, {"role": "assistant", "tool_calls": [{"function": {"name": "x"}}]}], None)) == []
    )
