"""Excel workbooks to records: the first sheet that has rows, its first row the header unless a title stands above.

calamine reads the cells (formulas as the values that Excel kept for them). Before it sees the workbook, every part is
unpacked under the limit and looked through: a workbook is a zip, its parts state sizes that need not be true, and
calamine makes room for the whole rectangle between the first cell and the last.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from itertools import chain, islice

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from playground.core.errors import InputError
from playground.core.figures import listed
from playground.core.findings import Finding
from playground.core.i18n import say
from playground.core.settings import Limits
from playground.data.readers.archives import damaged, read_bounded
from playground.data.readers.bounds import Rows, expanded_limit, note, too_large
from playground.data.readers.header_rows import SEARCHED, header_of, of_repeats
from playground.data.readers.merged_cells import Merged, place_of
from playground.data.readers.number_formats import plain, shown
from playground.data.readers.tables import column_names, no_rows_below
from playground.data.readers.workbook_parts import Cells, look_through, sheet_parts
from playground.data.source import Parsed

_PARTS = (".xml", ".rels")
_SHOWN = 8


def read_workbook(raw: bytes, limits: Limits) -> Parsed:
    """Rows as the spreadsheet numbers them, every value as text: 1.0 is "1", 0.5 as 0% is "50%", an empty cell is "".

    Raises InputError for a damaged or locked workbook and one without rows, LimitError for what is too large.
    """
    parts = _unpack(raw, limits)
    cells = look_through(parts, limits)
    rows = Rows(limits)
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(_pack(parts))) as workbook:
            name, sheet = _first_sheet(workbook, rows)
            seen = cells.get(sheet_parts(parts).get(name, ""), Cells())
            header = _read_sheet(sheet, seen, rows)
    except PasswordError:
        raise InputError(
            say("The workbook is locked with a password."),
            say("It has to be open to be read."),
            say("Save it without a password and upload it again."),
        ) from None
    except CalamineError as problem:
        raise damaged(".xlsx", problem) from None
    if not rows.records:
        raise no_rows_below(header)
    _tell_of_cells(seen, rows)
    return rows.parsed("xlsx")


def _unpack(raw: bytes, limits: Limits) -> dict[str, bytes]:
    """The workbook's XML parts by name; pictures and the like are left out, unread."""
    parts: dict[str, bytes] = {}
    left = expanded_limit(limits)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            infos = [info for info in archive.infolist() if info.filename.lower().endswith(_PARTS)]
            if sum(info.file_size for info in infos) > left:
                raise too_large(limits)
            for info in infos:
                with archive.open(info) as stream:
                    parts[info.filename] = read_bounded(stream, left, limits)
                left -= len(parts[info.filename])
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError) as problem:
        raise damaged(".xlsx", problem) from None
    except zipfile.zlib.error as problem:  # type: ignore[attr-defined]
        raise damaged(".xlsx", problem) from None
    return parts


def _pack(parts: dict[str, bytes]) -> bytes:
    """A workbook of these parts and nothing else, whose stated sizes are true."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return packed.getvalue()


def _first_sheet(workbook: CalamineWorkbook, rows: Rows) -> tuple[str, CalamineSheet]:
    names = workbook.sheet_names
    if not names:
        raise no_rows_below([])
    chosen, sheet = names[0], None
    for place, name in enumerate(names):
        candidate = workbook.get_sheet_by_index(place)
        if sheet is None or candidate.height > 1:
            chosen, sheet = name, candidate
        if candidate.height > 1:
            break
    assert sheet is not None
    if len(names) > 1:
        others = ", ".join(name[:40] for name in names if name != chosen)
        message = say("The workbook has {count} sheets. This is {name}; left out: {others}.",
                      count=len(names), name=chosen[:40], others=others[:200])  # fmt: skip
        rows.findings.append(note("first_sheet", message, say("For another sheet, save it as a file of its own.")))
    return chosen, sheet


def _read_sheet(sheet: CalamineSheet, cells: Cells, rows: Rows) -> list[str]:
    """Fill `rows`; the header, [] where the sheet is empty."""
    unformatted: list[str] = []
    own = _own_rows(sheet, cells, unformatted)
    first = list(islice(own, SEARCHED))
    if not first:
        return []
    ranges, left = sheet.merged_cell_ranges or [], sheet.start[1] if sheet.start else 0
    above = Merged(ranges, left, rows.limits)  # Names may be merged with what stands above them.
    head = [(number, above.filled(number, texts)) for number, texts in first]
    place, told = header_of(head)
    names, repeated = head[place][1], []
    header = column_names(names, rows)
    merged = Merged(ranges, left, rows.limits)  # Rows are not merged with the header.
    for number, texts in chain(first[place + 1 :], own):
        if texts == names and len(names) > 1:
            repeated.append(number)
        else:
            rows.add(number, dict(zip(header, merged.filled(number, texts), strict=False)))
    rows.findings += [*([told] if told else []), *of_repeats(repeated), *merged.told()]
    if unformatted:
        cut = listed(unformatted, _SHOWN)
        message = say("Some cells are read without their number format: {cells}.", cells=cut)
        rows.findings.append(note("number_format", message))
    return header


def _own_rows(sheet: CalamineSheet, cells: Cells, unformatted: list[str]) -> Iterator[tuple[int, list[str]]]:
    """(number, texts) of the rows that have any words of their own. `unformatted`: cells read without their format."""
    left = sheet.start[1] + 1 if sheet.start else 1
    # Rows come from the top of the sheet, columns from the first that has a cell.
    for number, values in enumerate(sheet.iter_rows(), start=1):
        texts = [plain(value) for value in values]
        if not any(map(str.strip, texts)):
            continue
        for column, code in cells.formats.get(number, {}).items():
            place = column - left
            if not 0 <= place < len(texts) or isinstance(values[place], str):
                continue  # Empty, though it has a format.
            text = shown(values[place], code)
            if text is None:
                unformatted.append(f"{place_of(number, column)} ({texts[place]})")
            else:
                texts[place] = text
        yield number, texts


def _tell_of_cells(cells: Cells, rows: Rows) -> None:
    """Findings on cells that have nothing to read: errors, and formulas whose value was never kept."""
    usable = {record.row for record in rows.records}
    for number, places in islice(cells.faulty.items(), rows.limits.rows):
        if number not in usable:
            continue
        shown = ", ".join(places[:8])
        finding = Finding(
            "cell_without_value",
            "warning",
            say("Row {row} has cells with an error, or a formula without a value: {cells}.", row=number, cells=shown),
            say("Open the workbook in a spreadsheet program, put them right and save it."),
            number,
            say("The cells are read as empty."),
        )
        rows.findings.append(finding)
