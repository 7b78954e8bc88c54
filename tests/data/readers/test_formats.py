"""Every format to rows: round trips of any rows, and what a person has to be told about each."""

from __future__ import annotations

import csv
import datetime
import decimal
import gzip
import io
import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.settings import Limits
from playground.data.readers import parse
from playground.data.source import Source
from tests.corpora import cases
from tests.data.readers.workbook import cell, rows_of, workbook

LIMITS = Limits()
MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]


def read(raw, name="", limits=LIMITS):
    return parse(Source(raw if isinstance(raw, bytes) else raw.encode(), name), limits)


def data(raw, name=""):
    return [record.data for record in read(raw, name).records]


def codes(found):
    return [(finding.code, finding.row) for finding in found.findings]


# --- Any rows, in any format ---

# XML 1.0 knows no other control characters, and "_x000D_" is an escape of its own there.
texts = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Cn"), blacklist_characters="_\ufeff")
    | st.sampled_from('\n\t",;|'),
    max_size=30,
)
tables = st.lists(
    st.fixed_dictionaries({"question": texts.filter(str.strip), "answer": texts, "メモ": texts}), min_size=1, max_size=6
)


def as_csv(rows, delimiter):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def as_parquet(rows):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def zipped(name, raw):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, raw)
    return out.getvalue()


@given(rows=tables)
def test_any_rows_come_back_equal_from_every_format(rows):
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    written = {
        "rows.jsonl": lines,
        "rows.json": json.dumps(rows).encode(),
        "rows.csv": as_csv(rows, ","),
        "rows.tsv": as_csv(rows, "\t"),
        "rows.parquet": as_parquet(rows),
        "rows.xlsx": workbook(rows_of([list(rows[0]), *([row[key] for key in rows[0]] for row in rows)])),
    }
    for name, raw in written.items():
        assert data(raw, name) == rows, name
        assert data(gzip.compress(raw), f"{name}.gz") == rows
        assert data(zipped(name, raw), "rows.zip") == rows
        assert read(raw, name).file_format == name.removeprefix("rows.")


@given(rows=st.lists(st.lists(texts, min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_messages_come_back_equal_from_parquet(rows):
    given_ = [
        {"messages": [{"role": "user", "content": text, **({"name": "x"} if text else {})} for text in row]}
        for row in rows
    ]
    assert data(as_parquet(given_), "rows.parquet") == given_


@given(raw=st.binary(max_size=80), name=st.sampled_from(["", "a.csv", "a.md", "a.xlsx", "a.parquet", "a.zip", "a.gz"]))
def test_no_bytes_at_all_give_anything_but_rows_findings_or_an_error_for_people(raw, name):
    for start in (b"", b"PAR1", b"PK\x03\x04", b"\x1f\x8b\x08", b"\xff\xfe"):
        try:
            found = read(start + raw, name)
        except PlaygroundError as problem:
            assert str(problem)
        else:
            assert found.records or found.broken


# --- JSON in its disguises ---


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(MESSAGES),
        json.dumps([MESSAGES]),
        json.dumps(MESSAGES) + "\n",
        json.dumps({"data": [{"messages": MESSAGES}], "version": 1}),
        json.dumps({"conversations": [MESSAGES]}),
        json.dumps({"rows": [{"row_idx": 0, "row": {"messages": MESSAGES}, "truncated_cells": []}], "features": []}),
        "```json\n" + json.dumps({"messages": MESSAGES}) + "\n```",
    ],
)
def test_messages_are_a_row_however_they_are_wrapped(text):
    assert data(text) == [{"messages": MESSAGES}]


def test_lists_of_messages_may_stand_one_a_line():
    assert data(f"{json.dumps(MESSAGES)}\n{json.dumps(MESSAGES)}") == [{"messages": MESSAGES}] * 2


def test_rows_that_end_in_a_comma_are_read_and_it_is_said_once():
    found = read('{"a": 1},\n{"a": 2},  \n{"a": 3}\n{"a": },')
    assert [record.data for record in found.records] == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert codes(found) == [("commas", None), ("not_json", 4)]


@pytest.mark.parametrize(
    "text",
    ["[1, 2", "[1", "[-1.5e3,\n2,", "[true, fal", "[ null , {", "[", "{", '{\n  prompt: "Hi",\n  answer: "Ahoy"\n'],
)
def test_text_that_begins_as_json_is_told_as_broken_json(text):
    try:
        found = read(text)
    except InputError as problem:
        assert "is not JSON" in str(problem)
    else:
        assert not found.records and {code for code, _ in codes(found)} == {"not_json"}


@pytest.mark.parametrize(
    "text",
    ["[1] A footnote.", "[1, 2] claim so.", "[2024] and [2025, 3]", "{name}, hello", "[Smith, 2024] says", "[x"],
)
def test_text_with_brackets_is_text(text):
    assert data(text) == [{"text": text}]


def test_a_row_with_a_list_of_objects_is_no_wrapper():
    for row in ({"conversations": [{"from": "human", "value": "Hi"}]}, {"prompt": "a", "data": [{"b": 1}]}):
        assert data(json.dumps(row)) == [row]


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 2}', '[{"b": 1}, {"a": {"b": 1, "b": 2}}]', '{"a":\n1,\n"a" :\n2}', '{"x":0}\n{"a":1,"a":2}'],
)
def test_keys_that_stand_twice_are_named(text):
    [finding] = read(text).findings
    assert finding.code == "duplicate_keys" and finding.severity == "warning"
    assert finding.row == (2 if "x" in text or text[0] == "[" else 1)


@pytest.mark.parametrize("text", ['{"a": "\\"a\\": \\"a\\":", "b": 1}', '{"a": {"c": 1}, "b": {"c": 1}}'])
def test_keys_that_stand_once_are_not(text):
    assert read(text).findings == []


def test_a_number_beyond_all_numbers_is_not_json():
    found = read('{"a": 1e400}\n{"a": 1}')
    assert codes(found) == [("not_json", 1)] and found.broken == {1: '{"a": 1e400}'}


# --- Tables ---


@pytest.mark.parametrize("path", cases("csv/csvs/*.csv"))
def test_the_csv_spectrum_gives_its_rows(path):
    written = (path.parents[1] / "json" / f"{path.stem}.json").read_text(encoding="utf-8")
    expected = json.loads(written.replace(r"\r\n", r"\n"))  # A line break in a cell is one character here.
    found = read(path.read_bytes(), path.name)
    rows = [record.data for record in found.records]
    if isinstance(expected, dict):  # One of them has a single row, with another telephone number than its CSV.
        expected = [{**expected, "Contact Phone Number": rows[0]["Contact Phone Number"]}]
    assert rows == expected and found.findings == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    text = f'question{delimiter}answer\r\n"a,b;c\nd"{delimiter}"x""y"\r\ne{delimiter}f\r\n'
    for name in ("", "rows.csv"):
        found = read("\ufeff" + text, name)
        assert [record.data["answer"] for record in found.records] == ['x"y', "f"]
        assert [record.row for record in found.records] == [2, 3]


def test_cells_too_few_are_absent_and_cells_too_many_cost_the_row():
    found = read("a,b\n1\n1,2,3\n1,2,\n", "rows.csv")
    assert [(record.row, record.data) for record in found.records] == [(2, {"a": "1"}), (4, {"a": "1", "b": "2"})]
    assert codes(found) == [("too_few_cells", 2), ("too_many_cells", 3)]
    assert found.broken == {3: "1,2,3"}


def test_a_quote_that_is_never_closed_is_named():
    found = read('a,b\n1,2\n"3,4\n5,6\n', "rows.csv")
    assert codes(found) == [("bad_row", 3)] and "never closed" in found.findings[0].message
    assert found.broken == {3: '"3,4\n5,6'}


def test_columns_get_names_of_their_own():
    found = read("a,a,\n1,2,3\n", "rows.csv")
    assert [list(record.data.values()) for record in found.records] == [["1", "2", "3"]]
    assert codes(found) == [("header", None)]


def test_a_long_field_and_a_table_without_rows():
    assert len(data("a,b\n" + "x" * 500_000 + ",y\n", "rows.csv")[0]["a"]) == 500_000
    with pytest.raises(InputError, match="no row below its header"):
        read("a,b\n", "rows.csv")
    with pytest.raises(LimitError, match="1000"):
        read("a," * 2000 + "\n", "rows.csv")


@pytest.mark.parametrize("text", ["Hello, world\nGoodbye, moon\nYes, no", "One, two.\n\nThree, four."])
def test_prose_with_commas_is_no_table(text):
    assert read(text).file_format == "text"


# --- Parquet ---


def test_what_json_does_not_have_becomes_text_and_what_is_missing_leaves():
    day = datetime.datetime(2026, 1, 31, 12)
    rows = [{"a": b"b\xff", "d": decimal.Decimal("1.50"), "t": day, "n": None, "l": [{"x": 1, "y": None}]}]
    assert data(as_parquet(rows)) == [{"a": "b\\xff", "d": "1.50", "t": "2026-01-31T12:00:00", "l": [{"x": 1}]}]


def test_a_parquet_file_that_expands_is_stopped():
    table = pa.table({"a": pa.array(["x" * 100_000]).take(pa.array([0] * 2_000))})
    out = io.BytesIO()
    pq.write_table(table, out)
    assert len(out.getvalue()) < 100_000
    with pytest.raises(LimitError, match=r"20\.0 MB"):
        read(out.getvalue(), limits=Limits(upload_bytes=2_000_000))
    with pytest.raises(LimitError, match="limit here is 300 rows"):
        read(out.getvalue(), limits=Limits(rows=300))


def test_a_damaged_parquet_file_is_a_sentence():
    raw = as_parquet([{"a": "x" * 50} for _ in range(500)])
    for damaged in (raw[: len(raw) // 2], raw[:-1], b"PAR1", raw[:4] + bytes(200) + raw[204:]):
        with pytest.raises(InputError, match="Parquet file cannot be read"):
            read(damaged)


# --- Workbooks ---


def test_a_workbook_is_read_as_it_is_shown():
    top = f'<row r="2">{cell("B2", "a")}{cell("C2", "b")}{cell("D2", "c")}</row>'
    row = '<row r="4"><c r="B4"><v>1</v></c><c r="C4" t="b"><v>1</v></c><c r="D4"><f>1+1</f><v>2.5</v></c></row>'
    bad = '<row r="5"><c r="B5" t="e"><v>#DIV/0!</v></c><c r="C5"><f>1+1</f></c><c r="D5"><v>3</v></c></row>'
    found = read(workbook("", top + row + bad), "rows.xlsx")
    assert [(record.row, record.data) for record in found.records] == [
        (4, {"a": "1", "b": "TRUE", "c": "2.5"}),
        (5, {"a": "", "b": "", "c": "3"}),
    ]
    assert codes(found) == [("first_sheet", None), ("cell_without_value", 5)]
    assert "B5, C5" in found.findings[1].message


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (workbook(cell("A1", "a").join(['<row r="1">', "</row>"]) + '<row r="9"><c r="XFD1048576"><v>1</v></c></row>'), LimitError),  # noqa: E501
        (workbook("", more={"xl/bomb.xml": b" " * 30_000_000}), LimitError),
        (workbook("".join('<row><c t="s"><v>0</v></c></row>' for _ in range(300)), shared=f"<si><t>{'x' * 100_000}</t></si>"), LimitError),  # noqa: E501
        (workbook(rows_of([["a"], ["b"]]), before='<!DOCTYPE a [<!ENTITY b "c">]>'), InputError),
        (workbook('<row r="1"><c r="A1"></row>'), InputError),
        (workbook(""), InputError),
        (workbook(rows_of([["a"]]))[:-40], InputError),
    ],
    ids=["corners", "bomb", "shared", "doctype", "broken", "empty", "cut"],
)  # fmt: skip
def test_hostile_workbooks_are_refused(raw, kind):
    with pytest.raises(kind):
        read(raw, "rows.xlsx", Limits(upload_bytes=2_000_000))


# --- Archives ---


def test_packed_files_that_expand_are_stopped():
    limits = Limits(upload_bytes=100_000)
    for raw in (gzip.compress(b" " * 2_000_000), zipped("a.jsonl", b" " * 2_000_000)):
        assert len(raw) < 10_000
        with pytest.raises(LimitError, match=r"1\.0 MB"):
            read(raw, limits=limits)


def test_a_zip_gives_its_first_file_with_rows_and_says_so():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("readme", "__MACOSX/a.jsonl", "../../b.csv", "c.jsonl"):
            archive.writestr(name, "a,b\n1,2\n")
    found = read(out.getvalue(), "x.zip")
    assert [record.data for record in found.records] == [{"a": "1", "b": "2"}]
    assert "This is b.csv, the first" in found.findings[0].message


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (zipped("a.png", b"x"), "holds no file of rows, only a.png"),
        (zipped("a.zip", b"x"), "holds another archive"),
        (gzip.compress(gzip.compress(b"{}")), "holds another archive"),
        (zipped("word/document.xml", b"x"), "Word document"),
        (gzip.compress(b'{"a": 1}' * 100)[:-9], "damaged"),
        (zipped("a.csv", b"a,b\n1,2\n")[:-9], "damaged"),
        (b"%PDF-1.7", "PDF"),
    ],
    ids=range(7),  # The bytes hold the time of day, and two processes have to collect the same tests.
)
def test_other_archives_are_explained(raw, words):
    with pytest.raises(InputError, match=words):
        read(raw)


def test_a_locked_zip_is_explained():
    raw = bytearray(zipped("a.csv", b"a,b\n1,2\n"))
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match="password"):
        read(bytes(raw))


# --- Names that lie ---


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.xlsx", "rows.md", "rows.zip", "rows", ""])
def test_content_decides_where_the_name_lies(name):
    for raw in (
        b'{"a": "1", "b": "2"}\n',
        as_parquet([{"a": "1", "b": "2"}]),
        workbook(rows_of([["a", "b"], ["1", "2"]])),
    ):
        assert data(raw, name) == [{"a": "1", "b": "2"}]


def test_a_name_that_lies_is_told():
    assert codes(read("question,answer\na,b\n", "rows.jsonl")) == [("other_format", None)]
    assert codes(read('{"a": 1}\n', "rows.csv")) == [("other_format", None)]
