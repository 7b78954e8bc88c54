"""Messages of other tools in one form: calls, results, parts, definitions."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.core.i18n import say
from playground.data.schemas import to_conversation
from playground.data.schemas.normal_form import normal_tools
from playground.data.source import Record

ASKED = {"role": "user", "content": "When is high tide?"}
ANSWERED = {"role": "assistant", "content": "At two."}
ARGUMENTS = {"port": "Husum", "days": 2}
TIDE = {"type": "function", "function": {"name": "tide", "arguments": ARGUMENTS}}
CALLED = {"role": "assistant", "tool_calls": [TIDE]}
RESULT = {"role": "tool", "content": "14:05"}


def read(messages, **more):
    row = {"messages": messages, **more}
    before = copy.deepcopy(row)
    found = to_conversation(Record(3, row))
    assert row == before
    return found


def refused(messages):
    with pytest.raises(InputError) as problem:
        read(messages)
    return str(problem.value)


FLAT = {"name": "tide", "arguments": ARGUMENTS}


@pytest.mark.parametrize(
    "calling",
    [
        [{"role": "assistant", "content": None, "tool_calls": [TIDE]}],
        [{"role": "assistant", "tool_calls": json.dumps([TIDE])}],
        [{"role": "assistant", "tool_calls": TIDE}],
        [{"role": "assistant", "tool_calls": [FLAT]}],
        [{"role": "assistant", "tool_calls": [{"function": {**FLAT, "arguments": json.dumps(ARGUMENTS)}}]}],
        [{"role": "assistant", "tool_calls": [{"function": {**FLAT, "arguments": repr(ARGUMENTS)}}]}],
        [{"role": "assistant", "tool_calls": [{"name": "tide", "parameters": ARGUMENTS}]}],
        [{"role": "assistant", "function_call": {**FLAT, "arguments": json.dumps(ARGUMENTS)}}],
        [{"role": "assistant", "content": None, "function_call": json.dumps(FLAT)}],
        [{"role": "tool_call", "content": json.dumps(FLAT)}],
        [{"role": "function_call", "content": json.dumps([FLAT])}],
        [{"role": "tool_calls", "content": [FLAT]}],
    ],
)
def test_every_way_of_writing_a_call_is_one_call(calling):
    found = read([ASKED, *calling, RESULT, ANSWERED])
    said = [{key: value for key, value in message.items() if value != ""} for message in found.messages]
    assert said == [ASKED, CALLED, RESULT, ANSWERED]
    assert found.findings == ()


@pytest.mark.parametrize("role", ["function", "tool_response", "observation", "function_response"])
def test_every_name_of_a_result_is_the_tool(role):
    found = read([ASKED, CALLED, {"role": role, "name": "tide", "content": "14:05"}, ANSWERED])
    assert found.messages[2] == {"role": "tool", "name": "tide", "content": "14:05"}


def test_calls_that_follow_an_answer_are_part_of_it():
    other = {"name": "moon", "arguments": {}}
    turns = [{"role": "tool_call", "content": json.dumps(call)} for call in (FLAT, other)]
    found = read([ASKED, {"role": "assistant", "content": "Let me see."}, *turns, RESULT, RESULT, ANSWERED])
    assert [message["role"] for message in found.messages] == ["user", "assistant", "tool", "tool", "assistant"]
    called = found.messages[1]
    assert (called["content"], [call["function"]["name"] for call in called["tool_calls"]]) == (
        "Let me see.",
        ["tide", "moon"],
    )


@pytest.mark.parametrize("arguments", ["null", "", None, "{}"])
def test_no_arguments_are_an_empty_object(arguments):
    call = {"type": "function", "function": {"name": "tide", "arguments": arguments}}
    found = read([ASKED, {"role": "assistant", "tool_calls": [call]}])
    assert found.messages[1]["tool_calls"][0]["function"]["arguments"] == {}


def test_arguments_that_are_no_json_stay_text():
    call = {"type": "function", "function": {"name": "tide", "arguments": "port=Husum"}}
    found = read([ASKED, {"role": "assistant", "tool_calls": [call]}])
    assert found.messages[1]["tool_calls"] == [call]


def test_a_call_without_a_name_is_refused():
    said = refused([ASKED, {"role": "assistant", "tool_calls": [{"function": {"arguments": {}}}]}])
    assert said.startswith("Row 3, message 2: a tool call has no name.")


def test_a_call_that_is_no_json_is_learned_as_words_and_told():
    found = read([ASKED, {"role": "tool_call", "content": "tide(Husum)"}])
    assert found.messages[1] == {"role": "assistant", "content": "tide(Husum)"}
    assert [finding.code for finding in found.findings] == ["call_as_words"]


# --- Parts ---


def test_results_and_calls_of_anthropic_are_messages_of_their_own():
    use = {"type": "tool_use", "id": "1", "name": "tide", "input": ARGUMENTS}
    result = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "14:05"}]}
    found = read(
        [
            ASKED,
            {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, use]},
            {"role": "user", "content": [result, {"type": "text", "text": "Well?"}]},
            ANSWERED,
        ]
    )
    assert found.messages[1] == {"role": "assistant", "content": "Let me see.", "tool_calls": [{"id": "1", **TIDE}]}
    assert found.messages[2] == {"role": "tool", "content": "14:05", "tool_call_id": "1"}
    assert found.messages[3] == {"role": "user", "content": "Well?"}


@pytest.mark.parametrize(
    "parts",
    [
        ["Hi ", "there"],
        [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there", "image_url": None}],
        [{"type": "input_text", "text": "Hi there"}],
        [{"text": "Hi there"}],
        {"type": "text", "text": "Hi there"},
        {"content_type": "text", "parts": ["Hi there"]},
    ],
)
def test_parts_of_text_are_joined_as_they_are(parts):
    assert read([{"role": "user", "content": parts}, ANSWERED]).messages[0] == {"role": "user", "content": "Hi there"}


def test_a_part_that_thinks_is_reasoning():
    parts = [{"type": "thinking", "thinking": "Tides…"}, {"type": "text", "text": "At two."}]
    found = read([ASKED, {"role": "assistant", "content": parts}])
    assert found.messages[1] == {**ANSWERED, "reasoning_content": "Tides…"}


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "video"])
def test_a_part_that_is_no_text_is_refused(kind):
    said = refused([{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": kind, kind: "x"}]}, ANSWERED])
    assert f"message 1: content has a part of the type {kind}." in said


# --- Definitions ---

CITY = {"type": "string", "description": "A city"}


def definition(properties, name="tide"):
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}}


def tools(value):
    return normal_tools(value, say("The row"))


@pytest.mark.parametrize(
    "written",
    [
        [definition({"city": CITY})],
        json.dumps([definition({"city": CITY})]),
        repr([definition({"city": CITY})]),
        [json.dumps(definition({"city": CITY}))],
        definition({"city": CITY}),
        [definition({"city": CITY})["function"]],
        json.dumps(definition({"city": CITY})["function"]),
    ],
)
def test_every_way_of_writing_definitions_is_one_list(written):
    assert tools(written) == [definition({"city": CITY})]
    assert read([ASKED, ANSWERED], tools=written).tools == [definition({"city": CITY})]
    assert read([ASKED, ANSWERED], functions=written).tools == [definition({"city": CITY})]


def test_what_arrow_pads_a_definition_with_goes():
    padded = [
        definition({"city": {**CITY, "enum": None, "default": None}, "days": None}),
        definition(
            {"city": None, "days": {"type": "integer", "description": None, "enum": [1, 2], "default": 1}}, "moon"
        ),
    ]
    other = definition({"city": {**CITY, "default": None}, "days": {"type": "integer", "default": 1, "enum": None}})
    assert tools([*padded, other]) == [
        definition({"city": {**CITY, "default": None}}),
        definition({"days": {"type": "integer", "enum": [1, 2], "default": 1}}, "moon"),
        definition({"city": CITY, "days": {"type": "integer", "default": 1}}),
    ]


def test_a_default_of_null_that_was_meant_stays():
    for meant in (
        {"city": CITY, "unit": {"type": ["string", "null"], "default": None, "enum": ["m", None]}},
        {"city": {**CITY, "default": None}, "unit": {"type": "string", "default": None}},
    ):
        assert tools([definition(meant)]) == [definition(meant)]
    mixed = {"city": {**CITY, "title": None}, "unit": {"type": "string", "default": None}}
    assert tools([definition(mixed)]) == [definition({"city": CITY, "unit": {"type": "string", "default": None}})]


def test_arguments_lose_the_nulls_that_the_definition_does_not_allow():
    given_ = {"city": "Husum", "days": None, "unit": None, "port": None}
    properties = {"city": CITY, "days": {"type": "integer"}, "unit": {"type": ["string", "null"]}}
    call = {"type": "function", "function": {"name": "tide", "arguments": given_}}
    found = read([ASKED, {"role": "assistant", "tool_calls": [call]}], tools=[definition(properties)])
    assert found.messages[1]["tool_calls"][0]["function"]["arguments"] == {"city": "Husum", "unit": None}
    alone = read([ASKED, {"role": "assistant", "tool_calls": [call]}])
    assert alone.messages[1]["tool_calls"][0]["function"]["arguments"] == given_


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(value=json_values, key=st.sampled_from(["content", "tool_calls", "function_call", "parts", "role", "weight"]))
def test_whatever_stands_in_a_message_it_is_read_or_refused_by_name(value, key):
    row = {"messages": [ASKED, {**ANSWERED, key: value}, ANSWERED], "tools": value}
    try:
        to_conversation(Record(3, row))
    except InputError as problem:
        assert "Row 3" in str(problem)


@given(arguments=st.dictionaries(st.text(min_size=1, max_size=6), json_values, max_size=3))
def test_any_arguments_come_back_equal_from_text_and_object(arguments):
    for written in (arguments, json.dumps(arguments)):
        call = {"type": "function", "function": {"name": "tide", "arguments": written}}
        found = read([ASKED, {"role": "assistant", "tool_calls": [call]}])
        assert found.messages[1]["tool_calls"][0]["function"]["arguments"] == arguments
