"""Rows that are almost JSON: what is read, what is refused, and where hostile text is stopped."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.data.json_repair import LONGEST, Budget, repair


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{'prompt': 'Hi', 'completion': 'Ahoy'}", {"prompt": "Hi", "completion": "Ahoy"}),
        ('{"prompt": "Hi", "completion": "Ahoy",}', {"prompt": "Hi", "completion": "Ahoy"}),
        ('{"prompt": "Hi", "completion": "Aho', {"prompt": "Hi", "completion": "Aho"}),
        ('{"prompt": "one\ntwo", "completion": "Ahoy"}', {"prompt": "one\ntwo", "completion": "Ahoy"}),
        ('{"a": "he said "hi" to me", "b": "x"}', {"a": 'he said "hi" to me', "b": "x"}),
        ("{“質問”：“こんにちは”、“回答”：“はい”}", {"質問": "こんにちは", "回答": "はい"}),
        ('{"a": NaN}', {"a": None}),
        ('{"a": 1, "b": None, "c": True}', {"a": 1, "b": None, "c": True}),
        ('Here it is: {"a": "b"', {"a": "b"}),
    ],
)
def test_usual_slips_are_mended(text, meant):
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(text)
    assert repair(text) == meant


@pytest.mark.parametrize(
    "text", ["", "hello", "[1, 2", "3", "null", "{}", '{"a": 1}{"b": 2}', '{"a": "\\ud800"', "{" * LONGEST + "{"]
)
def test_what_is_no_object_is_not_repaired(text):
    assert repair(text) is None


@pytest.mark.parametrize(
    "piece", ["{", '{"', "{'", '{a:"[', "[{", '{"a":[', '{"a" "b" ', '["a{', "({", '`1.{"a":{a:{}(']
)
def test_hostile_text_costs_no_more_than_its_length_allows(piece):
    budget = Budget(10**7)
    text = (piece * LONGEST)[:LONGEST]
    repair(text, budget)
    assert 10**7 - budget.looks <= 12 * LONGEST


def test_hostile_text_is_given_up():
    budget = Budget(10**7)
    assert repair('{"' * (LONGEST // 2), budget) is None
    assert 10**7 - budget.looks > 10 * LONGEST, "it would have gone on"


def test_rows_share_a_budget():
    shared = Budget(2_000)
    results = [repair("{'prompt': 'Hi', 'completion': 'Ahoy'}", shared) for _ in range(100)]
    assert results[0] == {"prompt": "Hi", "completion": "Ahoy"}
    assert results[-1] is None


def test_honest_text_takes_a_few_looks_a_character():
    text = json.dumps({"messages": [{"role": "user", "content": 'word, "quoted": {x} ' * 400}] * 2})[:-1]
    budget = Budget(10**7)
    assert repair(text, budget) is not None
    assert 10**7 - budget.looks < 5 * len(text)


@given(
    st.lists(st.sampled_from(['{"', "'", '"', ":", ",", "}", "[", "]", "a", "\\", "(", "\n", "1.", "“"]), max_size=60)
)
def test_any_text_is_an_object_of_plain_values_or_nothing(pieces):
    found = repair("{" + "".join(pieces))
    assert found is None or orjson.loads(orjson.dumps(found)) == found
