"""Sheets as people make them in an office: titles, merged cells, blank rows, numbers as they are shown."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError, LimitError
from playground.core.settings import Limits
from playground.data.readers import parse
from playground.data.readers.number_formats import plain, shown
from playground.data.source import Source
from tests.data.readers.workbook import cell, rows_of, styles_of, workbook


def read(raw, name="rows.xlsx", limits=None):
    return parse(Source(raw if isinstance(raw, bytes) else raw.encode(), name), limits or Limits())


def rows(found):
    return [(record.row, *record.data.values()) for record in found.records]


def told(found):
    return [(finding.severity, finding.code) for finding in found.findings]


def sheet(table, kind):
    """A table as a file of that kind; rows may be of any length."""
    if kind == "xlsx":
        return workbook(rows_of(table)), "rows.xlsx"
    delimiter = {"csv": ",", "semicolons": ";", "tsv": "\t"}[kind]
    quoted = ['"' + '","'.join(text.replace('"', '""') for text in row) + '"' if row else "" for row in table]
    return "\ufeff" + "\r\n".join(quoted).replace(
        '","', f'"{delimiter}"'
    ), f"rows.{kind if kind != 'semicolons' else 'csv'}"


KINDS = ["xlsx", "csv", "semicolons", "tsv"]
BODY = [["Shops", "How many?", "14"], ["Fee", "Is there one?", "No, none, never."]]


# --- Which row is the header ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "above",
    [
        [["Customer questions, spring", "", ""], ["", "", ""]],
        [["FAQ"], [], ["", "as of 3 May"], []],
        [["よくある質問", "", ""]],
    ],
)
def test_a_title_is_no_header(kind, above):
    found = read(*sheet([*above, ["Topic", "Question", "Answer"], *BODY], kind))
    first = len(above) + 2
    assert rows(found) == [(first, *BODY[0]), (first + 1, *BODY[1])]
    assert list(found.records[0].data) == ["Topic", "Question", "Answer"]
    assert told(found) == [("info", "header_below")] and f"Row {first - 1} is the header" in found.findings[0].message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("above", "header"),
    [
        ([["Prices", "", "May"]], ["Topic", "Question", "Answer"]),  # Two cells may be names.
        ([["FAQ", "", ""]], ["Thema", "Frage", "Antwort"]),  # Names that nobody here knows.
    ],
)
def test_what_seems_to_be_the_header_is_named_where_it_is_not_certain(kind, above, header):
    found = read(*sheet([*above, header, *BODY], kind))
    assert ("warning", "header_below") in told(found)
    finding = next(finding for finding in found.findings if finding.code == "header_below")
    assert "Row 2 seems to be the header" in finding.message and "row 1 is taken" in finding.message
    assert [row[0] for row in rows(found)] == [2, 3, 4]


@pytest.mark.parametrize("kind", KINDS)
def test_a_title_above_a_single_column_is_named(kind):
    found = read(*sheet([["Poems of spring"], ["text"], ["Roses are red"]], kind))
    assert (
        told(found) == [("warning", "header_below")]
        and "Row 2 seems to be the header (text)" in found.findings[0].message
    )


@pytest.mark.parametrize(
    "table",
    [
        [["question", "answer"], ["answer", "question"]],
        [["", "text"], ["0", "Hello"], ["1", "Ahoy"]],  # pandas writes its index without a name.
        [["a", "b"], ["1", "2"]],
        [["Poem"], ["Roses are red"], ["Violets are blue"]],
        [["text"], ["question"], ["answer"]],
    ],
)
def test_a_first_row_of_names_is_the_header(table):
    for kind in KINDS:
        found = read(*sheet(table, kind))
        assert "header_below" not in [code for _, code in told(found)]
        assert [row[0] for row in rows(found)] == list(range(2, len(table) + 1))


def test_a_pasted_sheet_with_a_title_is_a_table():
    found = read("FAQ\t\n\t\nQuestion\tAnswer\nHow many?\t14\n", "")
    assert (found.file_format, rows(found)) == ("tsv", [(4, "How many?", "14")])


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_in_the_middle_is_no_row(kind):
    header = ["Topic", "Question", "Answer"]
    found = read(*sheet([header, BODY[0], header, BODY[1], [], header], kind))
    assert rows(found) == [(2, *BODY[0]), (4, *BODY[1])]
    assert told(found) == [("info", "header_repeated")] and "3, 6" in found.findings[0].message
    assert rows(read(*sheet([["text"], ["text"]], kind))) == [(2, "text")]  # A word may be a row.


# --- Merged cells and blank rows ---


def test_merged_cells_belong_to_each_of_their_rows():
    table = [
        ["Topic", "Question", "Answer"],
        ["Returns", "How?", "Pack it."],
        ["", "", "Call us."],
        ["", "", ""],
        ["Fee", "Much?", ""],
    ]
    found = read(workbook(rows_of(table), merged=["A2:A4", "B2:B3", "B5:C5", "A1:C1"]))
    assert rows(found) == [
        (2, "Returns", "How?", "Pack it."),
        (3, "Returns", "How?", "Call us."),
        (5, "Fee", "Much?", ""),
    ]
    assert told(found) == [("info", "merged_cells")] and "A2:A4, B2:B3" in found.findings[0].message


def test_an_answer_for_two_questions_in_a_sheet_that_begins_at_b3():
    top = f'<row r="3">{cell("B3", "Question")}{cell("C3", "Answer")}</row>'
    body = f'<row r="4">{cell("B4", "Ship?")}{cell("C4", "Yes.")}</row><row r="5">{cell("B5", "Send?")}</row>'
    found = read(workbook(top + body, merged=["C4:C5"]))
    assert rows(found) == [(4, "Ship?", "Yes."), (5, "Send?", "Yes.")] and "C4:C5" in found.findings[0].message


def test_names_that_are_merged_over_two_rows_are_no_row():
    table = [["Question", "Answer", "Notes"], ["", "", ""], ["", "", "draft"], ["Ship?", "Yes.", ""]]
    found = read(workbook(rows_of(table), merged=["A1:A3", "B1:B2"]))
    assert rows(found) == [(3, "", "", "draft"), (4, "Ship?", "Yes.", "")] and told(found) == []


def test_merged_cells_that_would_fill_the_memory_are_refused():
    table = [["Question", "Answer"], ["x" * 100_000, "a"], *([["", "b"]] * 300)]
    with pytest.raises(LimitError, match=r"20\.0 MB"):
        read(workbook(rows_of(table), merged=["A2:A1048576", "A1:XFD1048576"]), limits=Limits(upload_bytes=2_000_000))


@given(groups=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=6), column=st.integers(0, 2))
def test_each_row_of_a_merged_cell_has_its_text_and_no_other_row_has(groups, column):
    """groups: (rows that are merged to one, whether there is a text in it)."""
    table, merged, expected = [["q", "a", "notes"]], [], []
    for number, (size, has_text) in enumerate(groups):
        first, name = len(table) + 1, "ABC"[column]
        merged += [f"{name}{first}:{name}{first + size - 1}"] if size > 1 else []
        for place in range(size):
            own = [f"{number}.{place}.{other}" for other in range(3)]
            table.append([*own[:column], f"text {number}" if has_text and not place else "", *own[column + 1 :]])
            expected.append((len(table), *own[:column], f"text {number}" if has_text else "", *own[column + 1 :]))
    assert rows(read(workbook(rows_of(table), merged=merged))) == expected


@given(areas=st.lists(st.from_regex(r"\A[A-Z]{1,3}[0-9]{1,7}(:[A-Z]{1,3}[0-9]{1,7})?\Z"), max_size=5))
def test_no_merged_area_breaks_anything(areas):
    try:
        found = read(workbook(rows_of([["q", "a"], ["x", "y"], ["", "z"]]), merged=areas))
    except (InputError, LimitError):
        return
    assert [row[0] for row in rows(found)] == [2, 3] and found.records[0].data == {"q": "x", "a": "y"}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_words_are_no_rows(kind):
    table = [["question", "answer"], ["a", "1"], ["", ""], [" ", "\t"], [], ["b", "2"]]
    assert rows(read(*sheet(table, kind))) == [(2, "a", "1"), (6, "b", "2")]
    with pytest.raises(InputError, match="no row below its header"):
        read(*sheet([["question", "answer"], ["", " "]], kind))


def test_a_row_of_a_markdown_table_without_words_is_none():
    found = read("| question | answer |\n|---|---|\n| a | 1 |\n|  |  |\n| b | 2 |\n", "")
    assert rows(found) == [(1, "a", "1"), (3, "b", "2")]


# --- Cells ---


@pytest.mark.parametrize("kind", KINDS)
def test_words_stay_as_they_are_written(kind):
    words = ["007", "1.50", "None", "TRUE", "50%", "1e5", " x", "NULL"]
    assert [row[2] for row in rows(read(*sheet([["q", "a"], *(["x", word] for word in words)], kind)))] == words


@pytest.mark.parametrize("kind", KINDS)
def test_line_breaks_in_cells_are_one_character(kind):
    found = read(*sheet([["q", "a"], ["one\r\ntwo", "three\rfour\nfive"]], kind))
    assert rows(found) == [(2, "one\ntwo", "three\nfour\nfive")]


def test_a_second_byte_order_mark_is_no_part_of_a_name():
    assert list(read("\ufeff\ufeffquestion;answer\na;b\n", "rows.csv").records[0].data) == ["question", "answer"]


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<v>14</v>", "14"),
        ("<v>14.0</v>", "14"),
        ("<v>0.5</v>", "0.5"),
        ("<v>0.30000000000000004</v>", "0.3"),
        ("<v>-3</v>", "-3"),
    ],
)
def test_a_number_is_written_as_a_sheet_shows_it(xml, text):
    found = read(workbook(rows_of([["q", "a"]]) + f'<row r="2">{cell("A2", "x")}<c r="B2">{xml}</c></row>'))
    assert rows(found) == [(2, "x", text)]


def test_number_formats_are_followed_where_they_are_the_same_everywhere():
    formats = ["10", "00000", "#,##0.00", "14", 'yyyy"年"m"月"d"日"', "[h]:mm:ss", "[$-409]dd/mm/yyyy;@", "9"]
    values = ["0.125", "7", "1234.5", "45000", "45000", "1.1", "45000", ""]
    head = [chr(65 + place) for place in range(len(formats))]
    cells = "".join(f'<c r="{name}2" s="{style}"><v>{value}</v></c>' if value else f'<c r="{name}2" s="{style}"/>'
                    for style, (name, value) in enumerate(zip(head, values, strict=True), start=1))  # fmt: skip
    found = read(workbook(rows_of([head]) + f'<row r="2">{cells}</row>', styles=styles_of(*formats)))
    assert rows(found) == [
        (2, "12.50%", "00007", "1234.5", "2023-03-15", "2023年3月15日", "26:24:00", "15/03/2023", "")
    ]
    assert told(found) == [("info", "number_format")]
    assert "C2 (1234.5), D2 (2023-03-15), F2 (26:24:00)." in found.findings[0].message


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (0.5, "0%", "50%"),
        (-0.005, "0.0%", "-0.5%"),
        (14.5, "0", "15"),
        (2.675, "0.00", "2.68"),
        (-7.0, "000", "-007"),
        (1234.5, "#,##0", None),
        (0.5, "# ?/?", None),
        (1e20, "0", None),
        (datetime.date(2026, 5, 3), "d.m.yy", "3.5.26"),
        (datetime.datetime(2026, 5, 3), "yyyy-mm-dd", "2026-05-03"),
        (datetime.date(2026, 5, 3), r"yyyy\-mm\-dd", "2026-05-03"),
        (datetime.date(2026, 5, 3), "dddd, mmmm dd, yyyy", None),
        (datetime.date(2026, 5, 3), "mmm yy", None),
        (datetime.datetime(2026, 5, 3, 10), "dd.mm.yyyy", None),
        (datetime.time(10), "h:mm", None),
    ],
)
def test_a_format_gives_what_is_shown_or_nothing(value, code, text):
    assert shown(value, code) == text


formats = st.text(max_size=12) | st.from_regex(r"\A0{1,4}(\.0{1,4})?%?\Z")


@given(st.floats(-1e300, 1e300), formats)
def test_no_number_and_no_format_is_too_much(value, code):
    text = shown(value, code)
    assert text is None or abs(float(text.rstrip("%")) / (100 if text.endswith("%") else 1) - value) <= 0.5
    assert abs(float(plain(value)) - value) <= 1e-14 * abs(value)
