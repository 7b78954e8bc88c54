"""Lists as Python and NumPy print them."""

from __future__ import annotations

import csv
import io
import json
import os
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.core.settings import Limits
from playground.data.readers import parse
from playground.data.schemas import to_conversation
from playground.data.schemas.python_lists import LONGEST, is_python_list, read_python_list
from playground.data.source import Record, Source

HI = [{"role": "user", "content": 'It\'s "me"'}, {"role": "assistant", "content": "Ahoy\n\t本"}]


def read(**data):
    return to_conversation(Record(3, data))


# Half surrogate pairs are no JSON, and NaN neither.
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(value=st.lists(values, max_size=4))
def test_any_list_that_python_prints_comes_back_equal(value):
    assert read_python_list(repr(value)) == value
    assert read_python_list(repr(tuple(value)).replace("(", "[", 1)[:-1] + "]") == value


@given(value=st.lists(st.dictionaries(st.text(max_size=5), values, min_size=1, max_size=3), min_size=1, max_size=4))
def test_any_list_of_objects_that_numpy_prints_comes_back_equal(value):
    array = np.empty(len(value), dtype=object)
    array[:] = value
    assert read_python_list(str(array)) == value
    nested = np.empty(1, dtype=object)
    nested[0] = array
    if len(value) > 1:
        assert read_python_list(str(nested)) == [value]


def test_arrays_within_arrays_and_escapes_of_every_kind():
    inner = [np.array([{"a": 1}], dtype=object), np.array([{"b": "x"}, {"c": 2}], dtype=object)]
    outer = np.empty(2, dtype=object)
    outer[:] = inner
    expected = [[{"a": 1}], [{"b": "x"}, {"c": 2}]]
    assert read_python_list(str(outer)) == read_python_list(str(inner)) == read_python_list(repr(inner)) == expected
    assert read_python_list(r"['\101\x42\u0043\U00000044\q\n\'']") == ["ABCD\\q\n'"]


@given(text=st.text(alphabet="[](){},:'\"\\ax0u1 \nNoneTrue-.e", max_size=60))
def test_other_text_is_a_list_or_none_and_never_an_error(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_python_list("[" + text)
    assert found is None or json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "['a'",
        "['a']]",
        "[{'a': 1]}",
        "[{'a' 'b'}]",
        "['a': 'b']",
        "['\\ud800']",
        "['\\U00110000']",
        "[{1: 2}]",
        "['a'] + ['b']",
        "['a' for x in y]",
        "[open('x')]",
        "[__import__('os').system('true')]",
        "[lambda: 1]",
        "['a' ... 'b']",
        "{'a': 1}",
        "'a'",
        "",
    ],
)
def test_what_is_no_list_is_none(text):
    assert read_python_list(text) is None


def test_nothing_is_evaluated(tmp_path):
    before = sorted(os.listdir(tmp_path))
    assert read_python_list(f"[open({str(tmp_path / 'x')!r}, 'w')]") is None
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("part", ["[", "'a',", "'a' ", "()", "array(", "[{'a':", "\\", "'", "((", "{'a':{"])
def test_hostile_lists_are_looked_through_once(part):
    text = "[" + part * (LONGEST // len(part) - 1)
    read_python_list(text)
    read_python_list(text[: LONGEST - 1] + "]")


def test_a_list_too_long_to_be_looked_at_is_refused_with_words():
    text = repr([{"role": "user", "content": "a" * LONGEST}])
    assert read_python_list(text) is None
    with pytest.raises(InputError, match="begins with"):
        read(messages=text)


def test_only_single_quotation_marks_say_that_python_printed_it():
    assert is_python_list(repr(HI)) and is_python_list(" [ 'a']") and is_python_list("[array([{'a': 1}])]")
    assert not is_python_list(json.dumps(HI)) and not is_python_list("it's [1]")


def test_a_cell_with_a_printed_list_is_a_conversation_and_the_reason_says_so():
    for text in (repr(HI), str(np.array(HI, dtype=object))):
        found = read(messages=text)
        assert (found.messages, found.shape) == (HI, "messages")
        assert "role and content" in found.reason and "as Python or NumPy prints it" in found.reason
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ahoy"}]
    found = read(conversations=repr(turns))
    assert found.shape == "sharegpt" and "as Python or NumPy prints it" in found.reason
    assert "Python" not in read(messages=json.dumps(HI)).reason and "Python" not in read(messages=HI).reason


def test_a_table_with_printed_lists_is_read_through():
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerows([["messages", "id"], [repr(HI), 1], [str(np.array(HI, dtype=object)), 2], [json.dumps(HI), 3]])
    parsed = parse(Source(table.getvalue().encode(), "a.csv"), Limits())
    assert [to_conversation(record).messages for record in parsed.records] == [HI] * 3


def test_sides_of_a_pair_may_be_printed_lists():
    found = read(prompt=repr(HI[:1]), completion=repr(HI[1:]))
    assert found.messages == HI
