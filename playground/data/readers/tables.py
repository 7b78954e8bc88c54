"""Tables as text (CSV, TSV and their kin) to records; and names for columns, which spreadsheets need too.

    'question;answer\\n"Hi";"Aho; y"\\n'  ->  [Record(2, {"question": "Hi", "answer": "Aho; y"})]

The delimiter is the one by which rows come out equally long, quotes respected: csv.Sniffer takes letters and spaces for
delimiters where words happen to repeat. Every value is text, as it stands.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, count, islice

from playground.core.errors import InputError, LimitError
from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.settings import Limits
from playground.data.readers.bounds import Rows, excerpt, note
from playground.data.readers.header_rows import SEARCHED, header_of, of_repeats, without_title
from playground.data.source import Parsed

DELIMITERS = (",", "\t", ";", "|")
USUAL_NAMES = frozenset(
    (
        "prompt", "completion", "question", "answer", "instruction", "input", "output", "response", "text", "system",
        "user", "assistant", "context", "id", "label", "category", "messages", "role", "content", "query", "reply",
        "target", "source", "title", "human", "bot", "chosen", "rejected", "q", "a", "質問", "回答", "答え", "問い",
        "問", "答", "入力", "出力", "指示", "応答", "返答", "文脈", "カテゴリ", "システム", "ユーザー", "アシスタント",
        "プロンプト", "本文",
    )
)  # fmt: skip
"""Names that columns of training data have, in lower case: a first line of them is a header."""
_SAMPLE_CHARS = 200_000
_SAMPLE_ROWS = 100
_NAME_CHARS = 40
_MOST_COLUMNS = 1_000
_DECLARED = re.compile(r"sep=(.)\r?\n")
"""How Excel states the delimiter."""


def delimiter_of(text: str, usual: str) -> str:
    """The delimiter of text that is a table; `usual` where no other makes rows equally long."""
    declared = _DECLARED.match(text)
    if declared:
        return declared[1]
    scores = {delimiter: _evenness(_sample(text, delimiter)) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: (scores[delimiter], delimiter == usual))
    return best if scores[best] > scores[usual] else usual


def evident_delimiter(text: str) -> str:
    """The delimiter where text of unknown kind is plainly a table, else "": prose has commas, too.

    Plainly: at least two rows, all as long as the header, whose names are short and distinct; and usual names among
    them or no space behind the delimiters.
    """
    for delimiter in DELIMITERS:
        rows = without_title(_sample(text, delimiter))
        if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
            continue
        names = [cell.strip().lower() for cell in rows[0]]
        if not all(names) or len(set(names)) < len(names) or max(map(len, names)) > _NAME_CHARS:
            continue
        if sum(name in USUAL_NAMES for name in names) * 2 >= len(names) or delimiter == "\t":
            return delimiter
        cells = [cell for row in rows for cell in row[1:]]
        spaced = _is_spaced(text, delimiter) or any(cell.startswith(" ") for cell in cells)
        ends = any(re.search(r"[.!?。！？:：]$", name) for name in names)
        if len(rows) >= 3 and not spaced and not ends:
            return delimiter
    return ""


def _sample(text: str, delimiter: str) -> list[list[str]]:
    """The first rows, [] where quotes are broken in them. Blank lines are left out."""
    part = text[:_SAMPLE_CHARS]
    csv.field_size_limit(max(_SAMPLE_CHARS, csv.field_size_limit()))
    lines = io.StringIO(part, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=_is_spaced(part, delimiter))
    try:
        rows = [row for row in islice(reader, _SAMPLE_ROWS) if row]
    except csv.Error:
        return []
    if len(part) < len(text) and len(rows) < _SAMPLE_ROWS:
        rows = rows[:-1]  # Cut in its middle.
    return rows


def _is_spaced(text: str, delimiter: str) -> bool:
    """Whether each name in the header has a space before it, as hands type ("a, b"): quotes behind such a space are
    meant as quotes.
    """
    names = text.split("\n", 1)[0].rstrip("\r").split(delimiter)
    return len(names) > 1 and delimiter != "\t" and all(re.match(r" [^\s\"]", name) for name in names[1:])


class _Lines:
    """The lines of a text, with those that were taken since somebody asked."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self._taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._taken.append(line)
            yield line

    def taken(self) -> str:
        """The lines since the last call, without the last line end."""
        taken, self._taken = self._taken, []
        return "".join(taken).rstrip("\r\n")


def _evenness(rows: list[list[str]]) -> tuple[float, int]:
    """Share of rows as long as the header, and that length; (0, 0) for a single column."""
    rows = without_title(rows)
    if not rows or len(rows[0]) < 2:
        return 0.0, 0
    return sum(len(row) == len(rows[0]) for row in rows) / len(rows), len(rows[0])


def read_table(text: str, delimiter: str, limits: Limits) -> Parsed:
    """Rows below a header. Row numbers are those of a spreadsheet: the header is 1 where no title stands above it, a
    quoted newline begins no row, and a row without any words is none.

    A row with fewer cells lacks the last keys; one with more is refused, since which cells belong to which column is
    open. Line breaks in cells are \\n. Raises InputError for no row below the header, LimitError for too many.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    csv.field_size_limit(max(len(text) + 1, csv.field_size_limit()))
    rows = Rows(limits)
    header: list[str] = []
    written = _numbered(text, delimiter)
    first = list(islice(written, SEARCHED))
    filled = [(number, cells) for number, cells, problem, _ in first if not problem]
    place, told = header_of(filled) if filled else (0, None)
    rows.findings += [told] if told else []
    below, names = filled[place] if filled else (1, [])
    repeated: list[int] = []
    for number, cells, problem, line in chain(first, written):
        if problem:
            rows.refuse(number, line, _bad_quotes(number, problem))
        elif header and cells == names and len(names) > 1:
            repeated.append(number)
        elif header:
            _add(number, cells, header, rows, line)
        elif number == below:
            header = column_names([cell.removeprefix("\ufeff") for cell in cells], rows)
    if not rows.records and not rows.broken:
        raise no_rows_below(header)
    rows.findings += of_repeats(repeated)
    return rows.parsed("tsv" if delimiter == "\t" else "csv")


def _numbered(text: str, delimiter: str) -> Iterator[tuple[int, list[str], str, str]]:
    """(row from 1, its cells, what csv says against it, how it is written) of each row that has words in it."""
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=_is_spaced(text, delimiter))
    for number in count(1):
        problem, cells = "", []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = str(error)
        line = lines.taken()
        if not (number == 1 and _DECLARED.match(text)) and (problem or any(map(str.strip, cells))):
            yield number, cells, problem, line


def _add(number: int, cells: list[str], header: list[str], rows: Rows, written: str) -> None:
    if len(cells) > len(header) and not any(cells[len(header) :]):
        cells = cells[: len(header)]
    if len(cells) > len(header):
        finding = Finding(
            "too_many_cells",
            "error",
            say(
                "Row {row} has {count} cells; the header has {columns}. It reads: {excerpt}",
                row=number,
                count=len(cells),
                columns=len(header),
                excerpt=excerpt(written),
            ),
            say("Put cells that hold a delimiter into double quotes."),
            number,
            say("The row is left out; the others are trained on."),
        )
        rows.refuse(number, written, finding)
        return
    rows.add(number, dict(zip(header, cells, strict=False)))
    if len(cells) < len(header):
        missing = ", ".join(header[len(cells) :][:8])
        finding = Finding(
            "too_few_cells",
            "warning",
            say("Row {row} ends early: it has no {names}.", row=number, names=missing),
            say("Add the cells that are missing."),
            number,
            say("What is missing cannot be learned; without its answer the row cannot be used."),
        )
        rows.findings.append(finding)


def _bad_quotes(row: int, problem: str) -> Finding:
    never_closed = "unexpected end" in problem
    return Finding(
        "bad_row",
        "error",
        say("Row {row} opens a double quote that is never closed.", row=row)
        if never_closed
        else say("Row {row} has a double quote in the middle of a quoted cell.", row=row),
        say("Write a double quote inside a quoted cell twice."),
        row,
        say("All rows behind it are taken for a part of it and left out.")
        if never_closed
        else say("The row is left out; the others are trained on."),
    )


def column_names(cells: list[str], rows: Rows) -> list[str]:
    """Distinct names for columns: those of the header; a number for what is empty or stands there already."""
    if len(cells) > _MOST_COLUMNS:
        raise LimitError(
            say("The header has {count} columns.", count=len(cells)),
            say("The limit here is {limit}.", limit=_MOST_COLUMNS),
            say("Keep the columns that hold questions and answers."),
        )
    given = Counter(cells)
    taken = set(cells)
    seen: set[str] = set()
    names, changed = [], []
    for place, cell in enumerate(cells, start=1):
        name = cell
        if not cell.strip() or cell in seen:
            base = cell if cell.strip() else "column"
            number = place
            while (name := f"{base}_{number}") in taken or name in seen:
                number += 1
            changed.append(name)
        seen.add(name)
        names.append(name)
    if changed and len(cells) > 1:
        message: Sentence = say("Columns without a name of their own are called {names}.", names=", ".join(changed[:8]))
        doublets = [name for name, count in given.items() if count > 1 and name.strip()]
        if doublets:
            message = say(
                "The header has {names} more than once. The later columns are called {new}.",
                names=", ".join(name[:40] for name in doublets[:8]),
                new=", ".join(name[:40] for name in changed[:8]),
            )
        rows.findings.append(note("header", message, say("Give each column a name of its own.")))
    return names


def no_rows_below(header: list[str]) -> InputError:
    """The error for a table that has a header only, or nothing."""
    return InputError(
        say("The table has no row below its header.") if header else say("The table is empty."),
        say("The first row names the columns: {names}.", names=", ".join(name[:40] for name in header[:8]) or "–"),
        say("Add rows below it."),
    )
