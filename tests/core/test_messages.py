"""Messages with checked roles: what is kept, and what each refusal names."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.core.i18n import say
from playground.core.messages import ROLES, check_messages
from playground.data.schemas import to_conversation
from playground.data.source import Record

USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Ahoy"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "weather", "arguments": {}}}]}


def conversation(**data):
    return to_conversation(Record(7, data))


def refused(**data):
    with pytest.raises(InputError) as problem:
        conversation(**data)
    assert "Row 7" in str(problem.value)
    return str(problem.value)


def test_prompt_and_completion_become_a_question_and_an_answer():
    found = conversation(prompt="Hi", completion="Ahoy")
    assert found.messages == [USER, ANSWER]
    assert (found.row, found.shape, found.tools) == (7, "prompt_completion", None)


def test_prompt_and_completion_may_be_lists_of_messages():
    found = conversation(prompt=[{"role": "system", "content": "Be brief."}, USER], completion=[ANSWER])
    assert [message["role"] for message in found.messages] == ["system", "user", "assistant"]
    assert conversation(prompt=[USER], completion="Ahoy").messages == [USER, ANSWER]


def test_messages_are_kept_with_whatever_else_they_carry():
    answer = {**ANSWER, "reasoning_content": "because", "name": "Mochi"}
    found = conversation(messages=[USER, answer], tools=[{"type": "function"}])
    assert found.messages == [USER, answer]
    assert (found.shape, found.tools) == ("messages", [{"type": "function"}])


def test_keys_that_are_null_are_left_out_and_the_record_stays_as_it_was():
    data = {"messages": [USER, CALL, {"role": "tool", "content": "Sunny.", "name": None}, ANSWER]}
    before = copy.deepcopy(data)
    messages = to_conversation(Record(1, data)).messages
    assert "content" not in messages[1] and "name" not in messages[2]
    assert data == before


def test_content_may_be_blocks_of_text():
    blocks = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    assert conversation(messages=[blocks, ANSWER]).messages == [{"role": "user", "content": "Hi"}, ANSWER]


def test_messages_win_over_a_prompt_beside_them():
    assert conversation(messages=[USER, ANSWER], prompt="x", completion="y").shape == "messages"


@pytest.mark.parametrize("tools", [[], None, {}])
def test_no_tools_are_no_tools(tools):
    assert conversation(messages=[USER, ANSWER], tools=tools).tools is None


@pytest.mark.parametrize("tools", ["weather", {"a": 1}, 3])
def test_tools_that_are_no_list_are_refused(tools):
    assert "tools" in refused(messages=[USER, ANSWER], tools=tools)


def test_other_columns_are_refused_with_their_names():
    said = refused(title="Hi", body="Ahoy")
    assert "has the keys title, body" in said and "which column is the question" in said
    assert "keys none" in refused()


def test_a_row_without_an_answer_is_refused():
    assert "no assistant message" in refused(messages=[USER])


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "no messages"),
        (None, "messages is null"),
        ("Hi", "messages is text"),
        ({"role": "user"}, "messages is an object"),
        ([USER, "Hi"], "message 2 is text"),
        ([USER, None], "message 2 is null"),
        ([{"content": "Hi"}], "message 1 has no role"),
        ([USER, {"role": None, "content": "Hi"}], "message 2 has no role"),
        ([{"role": "human", "content": "Hi"}], "message 1 has the role 'human'"),
        ([{"role": ["user"], "content": "Hi"}], "message 1 has the role"),
        ([{"role": "user"}], "message 1: content is null"),
        ([{"role": "user", "content": 3}], "message 1: content is a number"),
        ([{"role": "user", "content": True}], "message 1: content is true or false"),
        ([{"role": "user", "content": [{"type": "image"}]}], "message 1: content has a part of the type image"),
        ([{"role": "user", "content": {"image": "x"}}], "message 1: content is an object"),
    ],
)
def test_a_wrong_message_is_named_with_what_was_found(messages, words):
    assert words in refused(messages=messages)


@pytest.mark.parametrize("side", ["prompt", "completion"])
@pytest.mark.parametrize("value", [None, 3, {}])
def test_a_prompt_or_completion_that_is_no_text_is_named(side, value):
    said = refused(**{"prompt": "Hi", "completion": "Ahoy", side: value})
    assert f"the {side} is" in said and "prompt and completion are text" in said


def test_the_known_roles_are_told():
    assert ", ".join(ROLES) in refused(messages=[{"role": "bot", "content": ""}])


def test_every_role_is_taken_and_an_empty_content_is_content():
    messages = [{"role": role, "content": ""} for role in ROLES]
    assert check_messages(messages, say("The conversation")) == messages


@pytest.mark.parametrize(
    "message",
    [
        {"role": "ipython", "content": "42"},
        {"role": "user"},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Hi"}]},
        {"role": "tool", "content": {"temperature": 21}},
    ],
)
def test_a_template_may_be_shown_what_no_row_may_hold(message):
    assert check_messages([USER, message], say("The conversation"), to_show=True) == [USER, message]
    with pytest.raises(InputError):
        check_messages([USER, message], say("The conversation"))


@pytest.mark.parametrize(
    "message", [{"content": "Hi"}, {"role": ""}, {"role": ["user"]}, {"role": "user", "content": 3}]
)
def test_what_no_template_can_read_is_refused_everywhere(message):
    with pytest.raises(InputError, match="message 2"):
        check_messages([USER, message], say("The conversation"), to_show=True)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "text", "tool_calls", "name"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(data=st.dictionaries(st.sampled_from(["messages", "prompt", "completion", "tools"]), anything))
def test_any_row_is_a_conversation_or_an_error_for_people(data):
    try:
        found = to_conversation(Record(1, data))
    except InputError as problem:
        assert "Row 1" in str(problem)
    else:
        assert any(message["role"] == "assistant" for message in found.messages)
