"""Scores of one answer: by hand, in Japanese, and for texts that mean harm."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.runs.answer_scores import LONGEST, are_json, has_shape, is_json, score_answer

HOSTILE = [
    "<script>alert(1)</script>",
    "=HYPERLINK(1)",
    "a\r\nb\n\n",
    "nul\0here",
    "\ud800 half",
    "👩‍👩‍👧 😀",
    "\u202egnp.exe",
    "{" * 5_000,
    "[" * 900 + "]" * 900,
]


def test_chrf_by_hand():
    # One group of one character in common of two each, none of two: (1/2 + 0) / 2 for precision and for recall.
    assert score_answer("ab", "ax")["chrf"] == 25.0
    # Precision is a third, recall whole; beta is 2: 5pr / (4p + r).
    assert score_answer("猫です", "猫")["chrf"] == pytest.approx(100 * 5 / 3 / (4 / 3 + 1), abs=1e-3)
    assert score_answer("犬", "猫")["chrf"] == 0


def test_japanese_is_scored_by_its_characters():
    near = score_answer("返品は30日以内にお願いします。", "返品は30日以内にお願いいたします。")["chrf"]
    far = score_answer("送料は無料です。", "返品は30日以内にお願いいたします。")["chrf"]
    assert 60 < near < 100 and far < 20


@pytest.mark.parametrize(
    ("text", "expected", "exact"),
    [
        ("Yes.", "Yes.", True),
        (" \u3000Yes.\n", "Yes.", True),
        ("か\u3099", "が", True),
        ("yes.", "Yes.", False),
        ("Yes .", "Yes.", False),
        ("ｶﾞ", "ガ", False),  # NFC, not NFKC: half-width is another answer.
        ("", "Yes.", False),
    ],
)
def test_exact_is_all_but_coding_and_outer_whitespace(text, expected, exact):
    assert score_answer(text, expected)["exact"] is exact


def test_equal_texts_in_another_coding_have_all_of_chrf_and_the_same_length():
    scores = score_answer("か\u3099く\n", "がく")
    assert scores["chrf"] == 100 and scores["length_ratio"] == 1


def test_chrf_sees_no_whitespace_and_exact_does():
    scores = score_answer("two  words", "twowords")
    assert scores["chrf"] == 100 and scores["exact"] is False


def test_length_is_counted_in_characters():
    assert score_answer("ねこねこ ", "ねこ")["length_ratio"] == 2
    assert score_answer("", "ねこ")["length_ratio"] == 0


@pytest.mark.parametrize(("ended", "known"), [("stop", True), ("length", False), ("cancelled", None), ("", None)])
def test_how_it_ended(ended, known):
    assert score_answer("a", "b", ended)["ended"] is known
    assert score_answer("a", "", ended)["ended"] is known


def test_where_nothing_is_expected_nothing_is_scored_but_the_end():
    scores = score_answer("anything", " \n", "stop", as_json=True)
    assert scores.pop("ended") is True
    assert set(scores.values()) == {None} and len(scores) == 5


# --- JSON ---


@pytest.mark.parametrize("text", ['{"a": 1}', "[]", ' {"名": "猫"}\n'])
def test_what_is_json(text):
    assert is_json(text)


@pytest.mark.parametrize(
    "text", ["", "1", '"a"', "null", "{'a': 1}", '{"a": NaN}', '{"a": 1}}', "```json\n{}\n```", "Sure: {}", *HOSTILE]
)
def test_what_is_no_json(text):
    assert is_json(text) is (text == HOSTILE[-1])


def test_a_runs_answers_are_json_when_each_is():
    assert are_json(['{"a": 1}', "[]"])
    assert are_json(['{"a": 1}', " "])  # Where nothing is expected, nothing speaks against it.
    assert not are_json(['{"a": 1}', "Hello"])
    assert not are_json(["1", "2"])
    assert not are_json([]) and not are_json(["", " "])


@pytest.mark.parametrize(
    ("value", "expected", "same"),
    [
        ({"b": "y", "a": 1}, {"a": 2.5, "b": "x"}, True),
        ({"a": 1}, {"a": 1, "b": "x"}, False),
        ({"a": 1, "b": "x", "c": 0}, {"a": 1, "b": "x"}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": None}, {"a": "x"}, False),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, True),
        ({"a": {"c": 1}}, {"a": {"b": 2}}, False),
        ({"a": []}, {"a": ["x"]}, True),
        ({"a": [1]}, {"a": []}, True),
        ({"a": ["x", "y"]}, {"a": ["z"]}, True),
        ({"a": ["x", 1]}, {"a": ["z"]}, False),
        ({"a": ["x", 1]}, {"a": [2, "z"]}, True),
        ([{"a": 1}, {"a": 2}], [{"a": 3}], True),
        ([{"a": 1}, {"b": 2}], [{"a": 3}], False),
        ([], {}, False),
    ],
)
def test_a_shape_is_keys_and_kinds(value, expected, same):
    assert has_shape(value, expected) is same


def test_scores_of_json():
    expected = '{"kind": "late", "urgent": true}'
    for text, valid, same in (
        ('{"urgent": false, "kind": "lost"}', True, True),
        ('{"kind": "late"}', True, False),
        ("[1]", True, False),
        ("late, urgent", False, False),
    ):
        scores = score_answer(text, expected, as_json=True)
        assert (scores["valid_json"], scores["same_shape"]) == (valid, same), text
    plain = score_answer(expected, expected)
    assert plain["valid_json"] is None and plain["same_shape"] is None
    other = score_answer("Paris.", "Paris.", as_json=True)
    assert other["valid_json"] is None and other["same_shape"] is None and other["chrf"] == 100


def nested(depth, leaf):
    return '{"a":' * depth + leaf + "}" * depth


def test_json_as_deep_as_it_can_be_is_compared_as_far_as_is_looked():
    assert score_answer(nested(1000, "1"), nested(1000, "2"), as_json=True)["same_shape"] is True
    assert score_answer(nested(1000, "1"), nested(1000, '""'), as_json=True)["same_shape"] is True
    assert score_answer(nested(40, "1"), nested(40, '""'), as_json=True)["same_shape"] is False


# --- Any text ---


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_texts_like_others(text):
    same = score_answer(text, text, "stop", as_json=True)
    assert same["chrf"] == 100 and same["exact"] and same["length_ratio"] == 1
    assert score_answer("plain", text, "length", as_json=True)["exact"] is False
    json.dumps(same)


def test_chrf_looks_no_further_than_it_says():
    assert score_answer("a" * LONGEST + "b" * 9, "a" * LONGEST + "c" * 9)["chrf"] == 100


@given(st.text(max_size=40), st.text(max_size=40))
def test_scores_keep_within_their_bounds(text, expected):
    scores = score_answer(text, expected, as_json=True)
    if scores["chrf"] is None:
        assert not expected.strip()
    else:
        assert 0 <= scores["chrf"] <= 100 and scores["length_ratio"] >= 0
        assert not scores["exact"] or scores["chrf"] == 100
        assert not scores["same_shape"] or scores["valid_json"]
