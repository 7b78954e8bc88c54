"""Edits of rows: what each mends, what it leaves alone, and that nothing that was given changes."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.core.messages import merged
from playground.data import edits as module
from playground.data.edits import (
    KINDS,
    Edits,
    check_edits,
    trimmed,
    with_masks,
    with_roles,
    without_control_tokens,
    without_empty,
)
from playground.data.json_repair import Budget
from playground.data.lint.control import ControlTokens
from playground.data.source import Record

TOKENS = ("<|im_start|>", "<|im_end|>", "</s>")
CALLS = [{"type": "function", "function": {"name": "weather", "arguments": {"to": "ann@acme.co"}}}]
CALL = {"role": "assistant", "content": "", "tool_calls": CALLS}

MASKED = [{"type": "function", "function": {"name": "weather", "arguments": {"to": "[email]"}}}]
MASKED_CALL = {**CALL, "tool_calls": MASKED}


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def system(content):
    return message("system", content)


def user(content):
    return message("user", content)


def assistant(content, **more):
    return message("assistant", content, **more)


def edit(do, *rows, **more):
    return {"do": do, "rows": list(rows or [1]), **more}


def blocks(*texts):
    return [{"type": "text", "text": text} for text in texts]


# --- Each edit ---


@pytest.mark.parametrize(
    ("mend", "before", "after"),
    [
        (trimmed, [user(" Hi\n"), assistant("\u3000Ahoy ")], [user("Hi"), assistant("Ahoy")]),
        (trimmed, [user("  if x:\n    y  \n\n  z ")], [user("if x:\n    y  \n\n  z")]),
        (trimmed, [assistant("a", reasoning_content=" b ", id=" ")], [assistant("a", reasoning_content="b", id=" ")]),
        (trimmed, [user(blocks(" a ", " b "))], [user(blocks("a ", " b"))]),
        (trimmed, [CALL, "text", user(None)], [CALL, "text", user(None)]),
        (merged, [user("a"), user("b"), assistant("c")], [user("a\n\nb"), assistant("c")]),
        (merged, [user("a"), user(" "), user("b")], [user("a\n\nb")]),
        (merged, [assistant("a"), CALL, CALL, assistant("b")], [assistant("a"), CALL, CALL, assistant("b")]),
        (merged, [message("tool", "a"), message("tool", "b")], [message("tool", "a"), message("tool", "b")]),
        (merged, [user("a"), user(blocks("b")), "x", "x"], [user("a"), user(blocks("b")), "x", "x"]),
        (merged, [user("a"), message("user", "b", name="Ann")], [user("a"), message("user", "b", name="Ann")]),
        (merged, [system("a"), system("b"), user("c")], [system("a\n\nb"), user("c")]),
        (with_roles, [message("Human", "a"), message("gpt", "b")], [user("a"), assistant("b")]),
        (with_roles, [message("ユーザー", "a"), message("ｱｼｽﾀﾝﾄ", "b")], [user("a"), assistant("b")]),
        (with_roles, [{"from": "human", "value": "a"}, {"from": "bot", "value": "b"}], [user("a"), assistant("b")]),
        (with_roles, [{"content": "a"}, {"role": None, "content": "b"}], [user("a"), assistant("b")]),
        (with_roles, [system("s"), {"content": "a"}, assistant("b")], [system("s"), user("a"), assistant("b")]),
        (with_roles, [user("a"), message("", "b"), user("c")], [user("a"), assistant("b"), user("c")]),
        (with_roles, [assistant("a"), {"content": "b"}], [assistant("a"), user("b")]),
        (with_roles, [user("a"), user("b"), {"content": "c"}], [user("a"), user("b"), {"content": "c"}]),
        (with_roles, [user("a"), CALL, message("tool", "b"), {"content": "c"}], None),
        (with_roles, [message("narrator", "a"), {"content": "b"}, "x"], None),
        (with_roles, [message(3, "a"), assistant("b")], None),
        (with_masks, [user("Ask ann@acme.co"), CALL], [user("Ask [email]"), MASKED_CALL]),
        (with_masks, [user(blocks("090-1234-5678")), "x"], [user(blocks("[phone]")), "x"]),
        (without_empty, [user("a"), assistant(" "), user("b"), assistant("c")], [user("b"), assistant("c")]),
        (without_empty, [system("s"), user("a"), user("b"), assistant("")], [system("s")]),
        (without_empty, [user(""), assistant("a"), system("\n")], [assistant("a")]),
        (without_empty, [user("a"), CALL, message("tool", ""), assistant("b")], None),
        (without_empty, [user("a"), assistant("", reasoning_content="because")], None),
        (without_empty, [user(blocks("")), assistant(blocks("a"))], [assistant(blocks("a"))]),
    ],
)  # fmt: skip
def test_an_edit_mends_what_it_is_for_and_nothing_else(mend, before, after):
    given_ = copy.deepcopy(before)
    assert mend(before) == (before if after is None else after)
    assert before == given_


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a<|im_end|>b", "ab"),
        ("<|im_start|>user Hi<|im_end|>\nHo", "user Hi\nHo"),
        ("<|im_<|im_end|>end|>", ""),
        ("a < b | c </ s>", "a < b | c </ s>"),
    ],
)
def test_control_tokens_are_taken_out(before, after):
    messages = [user(before), assistant(blocks(before), tool_calls=CALLS), "x"]
    assert without_control_tokens(messages, ControlTokens(TOKENS)) == [
        user(after),
        assistant(blocks(after), tool_calls=CALLS),
        "x",
    ]
    assert (
        without_control_tokens(messages, ControlTokens([]))
        == messages
        == without_control_tokens(messages, ControlTokens(["", " "]))
    )


def test_the_name_of_a_role_goes_with_the_tokens_around_it():
    text = "Where?<|im_end|>\n<|im_start|>assistant\nThere.<|im_end|>\n"
    before = [user(text), assistant(text)]
    after = without_control_tokens(before, ControlTokens(TOKENS))
    assert after == [user("Where?\nThere.\n"), assistant("Where?\nThere.")]
    assert without_control_tokens([user("<start_of_turn>user\nHi")], ControlTokens(TOKENS)) == [
        user("<start_of_turn>user\nHi")
    ]


def test_words_that_look_rendered_are_read_back_or_stay():
    edits = Edits([{"do": "read_back", "rows": [1]}])
    text = "Where?<|im_end|>\n<|im_start|>assistant\nThere.<|im_end|>\n"
    assert edits.messages(1, [assistant(text)]) == [user("Where?"), assistant("There.")]
    assert edits.messages(1, [user(text), "x"]) == [user(text), "x"]
    assert edits.messages(2, [assistant(text)]) == [assistant(text)]


@pytest.mark.parametrize("words", ["There. </s>", "<s>There.</s>", "There.<|eot_id|><end_of_turn>\n"])
def test_an_end_behind_an_answer_goes_whoever_knows_it(words):
    after = without_control_tokens([user(words), assistant(words)], ControlTokens(["<|im_end|>"]))
    assert after == [user(words), assistant("There.")]


def test_control_tokens_nested_without_end_are_gone_too():
    text = "</" * 5_000 + "</s>" + "s>" * 5_000
    assert "</s>" not in without_control_tokens([user(f"{text} b")], ControlTokens(TOKENS))[0]["content"]


def test_only_what_the_linter_calls_a_control_token_is_taken_out():
    """Plain words are added tokens of some tokenizers, and <think> is meant where an assistant writes it."""
    known = ControlTokens(["the", "<think>", "</think>"])
    messages = [user("the <think>"), assistant("<think>the sum</think>4")]
    assert without_control_tokens(messages, known) == [user("the "), messages[1]]


anything = st.recursive(
    st.none() | st.integers() | st.sampled_from(["", " a ", "user", "</s>", "gpt", "ann@acme.co"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["role", "content", "text", "from", "value", "tool_calls"]), inner, max_size=4
        )
    ),
    max_leaves=16,
)


@given(messages=st.lists(anything, max_size=5), do=st.sampled_from(KINDS))
def test_no_edit_fails_on_what_is_no_message_or_changes_what_was_given(messages, do):
    before = copy.deepcopy(messages)
    more = {"data": {"a": 1}} if do == "replace" else {"code": "x"}
    found = Edits([edit(do, **more)], TOKENS).messages(1, messages)
    assert isinstance(found, list)
    assert messages == before


@given(messages=st.lists(anything, max_size=5), do=st.sampled_from(["trim", "merge", "roles", "remove_control_tokens"]))
def test_doing_it_twice_does_no_more(messages, do):
    once = Edits([edit(do)], TOKENS).messages(1, messages)
    assert Edits([edit(do), edit(do)], TOKENS).messages(1, messages) == once


# --- Edits of a dataset ---


def test_edits_apply_in_order_and_to_their_rows_alone():
    messages = [user("a"), user(" "), assistant(" b ")]
    edits = Edits([edit("merge", 2, 5), edit("trim", 5)])
    assert edits.messages(5, messages) == [user("a"), assistant("b")]
    assert edits.messages(2, messages) == [user("a"), assistant(" b ")]
    assert edits.messages(3, messages) is messages
    assert [edits.touches(row) for row in (2, 3, 5)] == [True, False, True]


def test_the_order_of_edits_matters():
    messages = [message("human", "a"), user("b"), assistant("c")]
    assert len(Edits([edit("roles"), edit("merge")]).messages(1, messages)) == 2
    assert len(Edits([edit("merge"), edit("roles")]).messages(1, messages)) == 3


def test_dropped_rows_leave():
    edits = Edits([edit("drop", 2, 4), edit("replace", 2, data={"text": "x"}), edit("repair_json", 4)])
    assert edits.dropped == {2, 4}
    assert edits.record(Record(2, {"a": 1})) is None
    assert edits.broken(4, "{'a': 1}") is None
    untouched = Record(3, {"a": 1})
    assert edits.record(untouched) is untouched


def test_the_last_replacement_counts_and_edits_before_it_are_over():
    edits = Edits([edit("replace", data={"a": 1}), edit("trim"), edit("replace", data={"a": 2}), edit("merge")])
    assert edits.record(Record(1, {"a": 0})) == Record(1, {"a": 2})
    assert edits.messages(1, [user(" a "), user(" b ")]) == [user(" a \n\n b ")]


def test_keep_silences_one_finding_on_its_rows():
    edits = Edits([edit("keep", 3, code="duplicate")])
    assert edits.kept(3, "duplicate")
    assert not edits.kept(3, "empty_answer") and not edits.kept(4, "duplicate")
    assert edits.record(Record(3, {"a": 1})) == Record(3, {"a": 1})
    assert not Edits([edit("drop", 3, code="duplicate")]).kept(3, "duplicate")


def test_a_broken_row_is_repaired_or_replaced():
    text = "{'prompt': 'Hi', 'completion': 'Ahoy'"
    assert Edits([edit("repair_json", 4)]).broken(4, text) == Record(4, {"prompt": "Hi", "completion": "Ahoy"})
    assert Edits([edit("repair_json", 4), edit("replace", 4, data={"a": 1})]).broken(4, text) == Record(4, {"a": 1})
    assert Edits([edit("replace", 4, data={"a": 1})]).broken(4, "hello") == Record(4, {"a": 1})
    assert Edits([edit("trim", 4)]).broken(4, text) is None
    assert Edits([]).broken(4, text) is None


def test_a_repair_that_fails_is_told():
    with pytest.raises(InputError, match="Row 4 cannot be repaired.*as one JSON object"):
        Edits([edit("repair_json", 4)]).broken(4, "hello")
    with pytest.raises(InputError, match="Row 4 cannot be repaired"):
        Edits([edit("repair_json", 4)], budget=Budget(10)).broken(4, "{'prompt': 'Hi', 'completion': 'Ahoy'}")


# --- What is refused ---


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"do": "drop"}, "The edits are no list."),
        (["drop"], "Edit 1 is no object."),
        ([edit("drop"), edit("fix")], "Edit 2 does 'fix'. Known edits: drop, keep, trim"),
        ([{"rows": [1]}], "Edit 1 does None."),
        ([{"do": ["drop"], "rows": [1]}], "Edit 1 does ['drop']"),
        ([{"do": "drop"}], "Edit 1 has the rows None."),
        ([{"do": "drop", "rows": []}], "Edit 1 has the rows []."),
        ([edit("drop", 0)], "the rows [0]"),
        ([edit("drop", True)], "the rows [True]"),
        ([edit("drop", 1.0)], "whole numbers from 1"),
        ([edit("drop", "3")], "the rows ['3']"),
        ([edit("keep")], "keep needs one"),
        ([edit("keep", code=3)], "has the code 3"),
        ([edit("keep", code="x" * 61)], "has the code"),
        ([edit("replace")], "Only replace has data"),
        ([edit("replace", data=[1])], "Only replace has data"),
        ([edit("trim", data={"a": 1})], "Only replace has data"),
        ([edit("trim", row=3)], "Edit 1 has the keys row. Known keys: do, rows, code, data."),
        ([edit("trim")] * 1_001, "1001 edits arrived. The limit here is 1000 edits."),
    ],
)
def test_edits_that_are_none_are_refused(given_, words):
    with pytest.raises(InputError) as problem:
        check_edits(given_)
    assert words in str(problem.value)


def test_edits_come_back_with_every_key():
    assert check_edits([{"do": "trim", "rows": [1, 2]}]) == [{"do": "trim", "rows": [1, 2], "code": "", "data": None}]
    assert check_edits(None) == [] == check_edits([])
    every = [edit(do, code="x", data={"a": 1} if do == "replace" else None) for do in KINDS]
    assert check_edits(check_edits(every)) == every


def test_every_kind_is_told_of():
    assert all(f"{do}" in (module.__doc__ or "") for do in KINDS)
