"""JSON values one after another, each over several lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError, PlaygroundError
from playground.core.settings import Limits
from playground.data.readers import parse
from playground.data.readers.concatenated_json import is_in_pieces, pieces
from playground.data.source import Source

HI = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]
ROWS = [{"prompt": 'a { "', "completion": "}\n{"}, {"prompt": "c", "tags": [{"x": 1}, {"y": [1, 2]}]}, {"text": "e"}]


def read(text, name=""):
    return parse(Source(text.encode(), name), Limits())


def data(found):
    return [record.data for record in found.records]


def pretty(rows, indent=2, between="\n"):
    return between.join(json.dumps(row, indent=indent, ensure_ascii=False) for row in rows)


# --- Any objects ---

texts = st.lists(st.sampled_from(["{", "}", "[", "]", '"', "\\", "\n", ",", ":", "a", "本", " "]), max_size=6).map(
    "".join
)
values = st.recursive(
    st.none() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.lists(st.dictionaries(texts, values, min_size=1, max_size=3), min_size=2, max_size=5)


@given(rows=objects, indent=st.sampled_from([0, 1, 4, "\t"]), between=st.sampled_from(["\n", ",\n", "\n\n", " ", ", "]))
def test_any_objects_one_after_another_come_back_equal(rows, indent, between):
    found = read(pretty(rows, indent, between))
    assert data(found) == rows and not found.broken
    assert [record.row for record in found.records] == list(range(1, len(rows) + 1))
    assert "one after another" in found.findings[0].message and found.file_format == "json"


@given(rows=objects, at=st.integers(0, 1_000), what=st.sampled_from(["", "{", "}", '"', "[", ",", "x"]))
def test_a_row_broken_anywhere_costs_one_neighbour_at_most(rows, at, what):
    """The next row begins at a brace in the first column, whatever is wrong before it."""
    broken = json.dumps({"a": [{"b": 1}], "c": "d"}, indent=2)
    at = at % len(broken)
    found = read("\n".join([pretty(rows), broken[:at] + what + broken[at + 1 :], pretty(rows)]))
    kept = data(found)
    assert kept[: len(rows)] == rows
    assert kept[-(len(rows) - 1) :] == rows[1:]


# --- Which text is in pieces ---


@pytest.mark.parametrize("between", ["\n", "\n\n", ",\n"])
def test_lists_one_after_another_are_conversations_or_lists_of_rows(between):
    assert data(read(pretty([HI, HI], 2, between))) == [{"messages": HI}] * 2
    assert data(read(pretty([ROWS, ROWS[:1]], 2, between))) == [*ROWS, ROWS[0]]


def test_lines_and_objects_over_several_lines_may_be_mixed():
    assert data(read(f"{json.dumps(ROWS[0])}\n{pretty(ROWS[1:])}\n{json.dumps(ROWS[0])}")) == [*ROWS, ROWS[0]]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}\n{"b": \n{"c": 2}',
        '{"a": 1}\n{"b": 2}}\n{"c": 2}',
        '{"a": "x\ny"}\n{"c": 2}',
        '{"a": {"b": 1}\n{"c": 2}',
        '{"a": 1} {"b": 2}',
        '{"a": 1}\n\n{"b": [}\n',
    ],
)
def test_lines_stay_lines_so_that_a_broken_one_costs_itself_alone(text):
    assert not is_in_pieces(text)
    assert {record.row for record in read(text, "a.jsonl").records} <= {1, 2, 3}


def test_what_is_broken_is_named_by_its_place_and_can_be_repaired():
    text = pretty(ROWS).replace('"c",', '"c"')
    found = read(text)
    assert data(found) == [ROWS[0], ROWS[2]]
    assert found.broken[2].startswith('{\n  "prompt": "c"\n') and found.broken[2].endswith("}")
    [finding] = [finding for finding in found.findings if finding.row is not None]
    assert (finding.code, finding.row) == ("not_json", 2) and "Row 2 is not JSON" in finding.message


@pytest.mark.parametrize("stray", ["}", "]", "}}", "{"])
def test_a_bracket_too_many_between_two_rows_costs_neither(stray):
    found = read(f"{pretty(ROWS[:1])}\n{stray}\n\n{pretty(ROWS[1:])}")
    assert data(found) == ROWS
    assert {text for text in found.broken.values()} == {stray[0]}


def test_keys_that_stand_twice_are_named_with_their_row():
    found = read(pretty(ROWS) + '\n{\n"a": 1,\n"a": 2\n}')
    assert [(finding.code, finding.row) for finding in found.findings if finding.row] == [("duplicate_keys", 4)]


def test_a_list_that_never_ends_is_refused_as_before():
    with pytest.raises(InputError, match=r"starts with \[ but is not JSON"):
        read(json.dumps(ROWS, indent=2)[:-1])


def test_a_first_value_longer_than_the_sample_is_found(monkeypatch):
    monkeypatch.setattr("playground.data.readers.concatenated_json._SAMPLE", 50)
    long = {"prompt": "a", "completion": ["x"] * 100}
    assert is_in_pieces(pretty([long, long]))
    assert not is_in_pieces('{"a": 1}\n' * 20 + pretty([long]))


# --- Hostile text ---


@pytest.mark.parametrize(
    "part", ["{", "[", "[\n", "{\n", '{"a\n', '{"a":\n1}\n', "{}\n{\n", '{"', '{\n"\\', '{"a":{},', "}\n{", '"\n{']
)
def test_hostile_text_is_looked_through_once_and_no_longer(part):
    text = "{" + part * (100_000 // len(part))
    assert sum(1 for _ in pieces(text)) <= len(text)
    try:
        found = read(text)
    except PlaygroundError as problem:
        assert str(problem)
    else:
        assert found.records or found.broken


def test_too_many_brackets_within_each_other_cost_their_line_alone():
    text = "{\n" + "[" * 50_000 + "\n}\n" + pretty(ROWS)
    assert data(read(pretty(ROWS) + "\n" + text)) == ROWS * 2
