"""From text or a file to records: what is read, what becomes a finding, and what is refused with which words."""

from __future__ import annotations

import json
import string

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.settings import Limits
from playground.data.readers import parse
from playground.data.source import SUFFIXES, Source, read_source
from tests.corpora import CORPORA, cases, needed

LIMITS = Limits()
# Public cases that may stand beside the checkout; the project must pass without them.
ROW = '{"prompt": "Hi", "completion": "Ahoy"}'
ROW_DATA = {"prompt": "Hi", "completion": "Ahoy"}


def parse_records(raw, limits):
    return parse(Source(raw, "rows.jsonl"), limits)


def parsed(text, limits=LIMITS):
    return parse_records(text if isinstance(text, bytes) else text.encode(), limits)


def data(text):
    found = parsed(text)
    assert found.findings == []
    return [record.data for record in found.records]


# --- What is read ---


@pytest.mark.parametrize(
    "text",
    [
        f"{ROW}\n{ROW}",
        f"{ROW}\n{ROW}\n",
        f"{ROW}\r\n{ROW}\r\n",
        f"\n\n{ROW}\n   \n\t\n{ROW}\n\n",
        f"\ufeff{ROW}\n{ROW}",
        f"[{ROW}, {ROW}]",
        f"\ufeff  [\n  {ROW},\n  {ROW}\n]\n\n",
        f"[{ROW},\r\n{ROW}]",
    ],
)
def test_lines_and_arrays_give_the_same_rows(text):
    assert data(text) == [ROW_DATA, ROW_DATA]


def test_one_object_over_several_lines_is_one_row():
    assert data(json.dumps(ROW_DATA, indent=2)) == [ROW_DATA]
    assert data("{\r\n" + ROW[1:]) == [ROW_DATA]


def test_one_object_on_one_line_is_one_row():
    assert data(ROW) == [ROW_DATA]


def test_rows_are_numbered_by_line_and_in_an_array_by_place():
    assert [record.row for record in parsed(f"\n{ROW}\n\n{ROW}").records] == [2, 4]
    assert [record.row for record in parsed(f"[{ROW},\n\n\n{ROW}]").records] == [1, 2]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_characters_that_python_takes_for_line_ends_stay_inside_strings(character):
    row = {"prompt": f"a{character}b"}
    if character < " ":
        assert data(json.dumps(row) + "\n" + ROW)[0] == row  # JSON wants these escaped.
    else:
        assert data(json.dumps(row, ensure_ascii=False) + "\n" + ROW) == [row, ROW_DATA]


@pytest.mark.parametrize("space", ["\u3000", "\u00a0"])
def test_a_line_of_wide_spaces_is_blank(space):
    assert data(f"{ROW}\n{space}\n{ROW}") == [ROW_DATA, ROW_DATA]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
objects = st.lists(st.dictionaries(st.text(max_size=8), json_values, max_size=4), min_size=1, max_size=5)


@given(rows=objects, pretty=st.booleans(), ascii_only=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_any_objects_come_back_equal_from_lines_and_from_an_array(rows, pretty, ascii_only, end):
    lines = end.join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
    array = json.dumps(rows, ensure_ascii=ascii_only, indent=2 if pretty else None)
    assert data(lines) == rows
    assert data(array) == rows
    if len(rows) == 1:
        assert data(json.dumps(rows[0], indent=2)) == rows


@given(raw=st.binary(max_size=60) | st.text(alphabet='{}[]",:\\ntrue0 \n', max_size=40).map(str.encode))
def test_no_bytes_at_all_give_anything_but_rows_findings_or_an_error_for_people(raw):
    try:
        found = parse_records(raw, LIMITS)
    except PlaygroundError as problem:
        assert str(problem)
    else:
        assert found.records or found.findings
        assert all(isinstance(record.data, dict) for record in found.records)


# --- What becomes a finding ---


@pytest.mark.parametrize("bad", ['{"prompt": "Hi",}', "{prompt: 1}", "{'a': 1", '{"a": NaN}', '{"a": "b"', "hello"])
def test_a_bad_row_is_named_and_costs_no_other_row(bad):
    found = parsed(f"{ROW}\n{bad}\n\n{ROW}")
    assert [record.row for record in found.records] == [1, 4]
    [finding] = found.findings
    assert (finding.code, finding.severity, finding.row) == ("not_json", "error", 2)
    assert "Row 2" in finding.message and bad in finding.message


@pytest.mark.parametrize(
    ("value", "kind"),
    [("null", "null"), ("true", "true or false"), ("12", "a number"), ('"text"', "text"), ("[1]", "a list")],
)
def test_a_value_that_is_no_object_is_named_with_its_kind(value, kind):
    for text, row in ((f"{ROW}\n{value}", 2), (f"[{ROW}, {value}]", 2)):
        found = parsed(text)
        assert [record.data for record in found.records] == [ROW_DATA]
        [finding] = found.findings
        assert (finding.code, finding.row) == ("not_an_object", row)
        assert f"Row 2 is {kind};" in finding.message


@pytest.mark.parametrize("text", ["null", "true", "12", '"text"', "[null]", "[[]]"])
def test_the_file_that_kills_pyarrow_is_a_finding(text):
    found = parsed(text)
    assert found.records == []
    assert [finding.code for finding in found.findings] == ["not_an_object"]


def test_findings_stand_in_the_order_of_rows_whatever_is_wrong_with_them():
    found = parsed(f"null\nbroken\n{ROW}\n3")
    assert [finding.row for finding in found.findings] == [1, 2, 4]


def test_a_long_bad_row_is_quoted_by_its_beginning():
    [finding] = parsed(ROW + "\n" + "x" * 10_000).findings
    assert "x…" in finding.message
    assert len(finding.message) < 300


def test_a_lone_surrogate_costs_its_own_row_only():
    found = parsed('{"prompt": "\\ud800"}\n' + ROW)
    assert [record.data for record in found.records] == [ROW_DATA]
    assert [finding.row for finding in found.findings] == [1]


def test_nesting_without_end_costs_its_own_row_only():
    found = parsed('{"a":' * 100_000 + "1" + "}" * 100_000 + "\n" + ROW)
    assert [record.data for record in found.records] == [ROW_DATA]
    assert [finding.row for finding in found.findings] == [1]


# --- What is refused ---


@pytest.mark.parametrize("text", ["", " \n\t\r\n ", "\ufeff", "[]", " [ ] "])
def test_an_input_without_rows_says_what_rows_are(text):
    with pytest.raises(InputError, match="No rows arrived"):
        parsed(text)


def test_a_broken_array_is_refused_with_the_reason():
    with pytest.raises(InputError, match=r"starts with \[ but is not JSON \(.+\)\. .*comma"):
        parsed(f"[{ROW} {ROW}]")


def test_a_byte_that_is_no_utf8_costs_its_own_row_only():
    raw = '{"prompt": "日本語の質問"}\n'.encode()
    found = parsed(raw + b'{"prompt": "\xe6"}\n' + raw)
    assert [record.row for record in found.records] == [1, 3]
    [finding] = found.findings
    assert (finding.code, finding.row) == ("not_json", 2)
    assert "Row 2 is not UTF-8" in finding.message
    assert found.broken == {2: '{"prompt": "\ufffd"}'}


def test_zeros_are_not_text():
    with pytest.raises(InputError, match="not text"):
        parsed(b"\x00" * 50)


def test_too_many_rows_are_refused_with_the_limit():
    with pytest.raises(LimitError, match="More than 3 rows arrived.*limit here is 3 rows"):
        parsed("\n".join([ROW] * 3 + ["broken"]), Limits(rows=3))
    with pytest.raises(LimitError, match="limit here is 3 rows"):
        parsed(f"[{','.join([ROW] * 4)}]", Limits(rows=3))
    assert len(parsed("\n".join([ROW] * 3), Limits(rows=3)).records) == 3


# --- Where the bytes come from ---


def test_pasted_text_is_read_as_utf8():
    assert read_source("日本", "", LIMITS) == Source("日本".encode(), "")


@pytest.mark.parametrize(
    "name", ["rows.jsonl", "ROWS.JSON", "rows.csv", "rows.tsv.gz", "a.zip", "rows.parquet", "r.xlsx", "a.md", "rows"]
)
def test_an_uploaded_file_is_read_as_it_is(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(ROW.encode())
    assert read_source("  \n", str(path), LIMITS) == Source(ROW.encode(), name)


@pytest.mark.parametrize("name", ["rows.pdf", "rows.jsonl.exe", "rows.gzip"])
def test_a_file_of_another_type_is_refused_with_the_types_that_are_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(ROW.encode())
    with pytest.raises(InputError) as refused:
        read_source("", str(path), LIMITS)
    assert all(suffix in str(refused.value) for suffix in (*SUFFIXES, ".gz", ".zip", path.suffix))


def test_text_and_file_together_or_neither_are_refused(tmp_path):
    with pytest.raises(InputError, match="Both"):
        read_source(ROW, str(tmp_path / "rows.jsonl"), LIMITS)
    with pytest.raises(InputError, match="empty"):
        read_source(" \n", "", LIMITS)


def test_too_many_bytes_are_refused_with_the_limit_before_they_are_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b" " * 2_000_001)
    for text, file in (("x" * 2_000_001, ""), ("", str(path))):
        with pytest.raises(LimitError, match=r"2\.0 MB of rows.*2\.0 MB"):
            read_source(text, file, Limits(upload_bytes=2_000_000))


def test_pasted_text_with_a_lone_surrogate_costs_its_own_row_only():
    found = parse(read_source('{"prompt": "\ud800"}\n' + ROW, "", LIMITS), LIMITS)
    assert [finding.row for finding in found.findings] == [1] and "not UTF-8" in found.findings[0].message
    assert [record.data for record in found.records] == [ROW_DATA]


# --- Files that others have written to break parsers ---


@pytest.mark.parametrize("path", cases("json/test_parsing/y_*.json"))
def test_valid_json_whose_top_is_an_object_or_an_array_of_objects_is_read(path):
    raw = path.read_bytes()
    value = orjson.loads(raw)
    rows = value if isinstance(value, list) else [value]
    try:
        found = parse_records(raw, LIMITS)
    except InputError:
        assert rows == []
        return
    assert [record.data for record in found.records] == [row for row in rows if isinstance(row, dict)]
    unread = [finding for finding in found.findings if finding.code != "duplicate_keys"]
    assert len(unread) == len([row for row in rows if not isinstance(row, dict)])


@pytest.mark.parametrize("path", cases("json/test_parsing/n_*.json"))
def test_invalid_json_is_refused_or_found(path):
    raw = path.read_bytes()
    try:
        found = parse_records(raw, LIMITS)
    except PlaygroundError:
        return
    assert found.findings


@pytest.mark.parametrize("path", cases("json/test_parsing/i_*.json"))
def test_json_that_may_be_taken_either_way_crashes_nothing(path):
    raw = path.read_bytes()
    try:
        parse_records(raw, LIMITS)
    except PlaygroundError as problem:
        assert str(problem)


def test_naughty_strings_survive_as_contents():
    strings = json.loads(needed(CORPORA / "text" / "blns.json").read_text(encoding="utf-8"))
    rows = [{"prompt": words, "completion": words} for words in strings]
    for ascii_only in (True, False):
        assert data("\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)) == rows


def test_every_printable_character_survives():
    row = {string.printable: string.printable, "emoji": "🙂👩‍👩‍👧", "rtl": "\u202eabc", "combining": "e\u0301"}
    assert data(json.dumps(row, ensure_ascii=False)) == [row]
