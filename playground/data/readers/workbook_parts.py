"""A look through the XML of a workbook before a library reads it: how many cells, how far apart, how much text.

Needed because little XML can mean much memory: two cells at the corners of a sheet span 17 thousand million, and a
shared text of a megabyte may be named by each of a thousand cells.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from xml.parsers import expat

from playground.core.settings import Limits
from playground.data.readers.archives import damaged
from playground.data.readers.bounds import expanded_limit, too_large
from playground.data.readers.number_formats import BUILT_IN, WITHOUT

_CELLS_A_ROW = 40
"""Cells that the limit of rows allows for: this many a row, and four times as many empty ones between them."""
_ELEMENTS_A_CELL = 5
_STYLES = "/styles.xml"
_PLACE = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")


@dataclass
class Cells:
    """What was seen in one part."""

    shared: list[int] = field(default_factory=list)
    """Places in the shared texts, one for each cell that names one."""
    texts: list[int] = field(default_factory=list)
    """Lengths of the shared texts, if this part is where they stand."""
    faulty: dict[int, list[str]] = field(default_factory=dict)
    """Row -> names of cells with an error, or with a formula and no value."""
    formats: dict[int, dict[int, str]] = field(default_factory=dict)
    """Row -> column -> its number format, for cells with one of their own. Both count from 1."""
    count: int = 0
    first: tuple[int, int] = (1 << 30, 1 << 30)
    last: tuple[int, int] = (0, 0)

    @property
    def area(self) -> int:
        """Cells of the rectangle around all of them."""
        height, width = (self.last[axis] - self.first[axis] + 1 for axis in (0, 1))
        return max(height, 0) * max(width, 0)


def look_through(parts: dict[str, bytes], limits: Limits) -> dict[str, Cells]:
    """What each part holds. Raises LimitError where calamine would need too much room, InputError for broken XML or for
    a document type, which no workbook has and which could define entities without end.
    """
    most = _CELLS_A_ROW * (limits.rows + 1)
    found: dict[str, Cells] = {}
    formats: dict[str, str] = {}
    for name, part in sorted(parts.items(), key=lambda named: not named[0].lower().endswith(_STYLES)):
        found[name] = _Look(most, limits, formats).through(part)
        if name.lower().endswith(_STYLES):
            formats = _number_formats(part)
    texts = max((cells.texts for cells in found.values()), key=len, default=[])
    for cells in found.values():
        size = sum(texts[place] for place in cells.shared if place < len(texts))
        if size > expanded_limit(limits) or cells.area > 4 * most:
            raise too_large(limits)
    return found


class _Look:
    """One pass over one part."""

    def __init__(self, most: int, limits: Limits, formats: dict[str, str]) -> None:
        self.most, self.limits, self.formats = most, limits, formats
        self.cells = Cells()
        self.elements = 0
        self.kind = self.place = self.words = ""
        self.has_formula = self.has_value = self.in_value = False
        self.row = self.column = self.text = 0

    def through(self, part: bytes) -> Cells:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            parser.Parse(part, True)
        except expat.ExpatError as problem:
            raise damaged(".xlsx", problem) from None
        return self.cells

    def _refuse_doctype(self, *_: object) -> None:
        raise damaged(".xlsx", ValueError("DOCTYPE"))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > _ELEMENTS_A_CELL * self.most + 100_000:
            raise too_large(self.limits)
        local = name.rpartition(" ")[2]
        if local == "c":
            self._start_cell(attributes)
        elif local == "row":
            number = attributes.get("r", "")
            self.row = int(number) if re.fullmatch("[0-9]{1,7}", number) else self.row + 1
            self.column = 0
        elif local == "si":
            self.text = 0
        elif local == "f":
            self.has_formula = True
        elif local in ("v", "t"):
            self.in_value, self.words = True, ""

    def _start_cell(self, attributes: dict[str, str]) -> None:
        cells = self.cells
        cells.count += 1
        self.kind, self.place = attributes.get("t", ""), attributes.get("r", "")
        self.has_formula = self.has_value = False
        match = _PLACE.fullmatch(self.place)
        self.column = _number_of(match[1]) if match else self.column + 1
        row = int(match[2]) if match else self.row
        cells.first = (min(cells.first[0], row), min(cells.first[1], self.column))
        cells.last = (max(cells.last[0], row), max(cells.last[1], self.column))
        if self.formats and (code := self.formats.get(attributes.get("s", "0"))) and self.kind in ("", "n"):
            cells.formats.setdefault(row, {})[self.column] = code
        if cells.count > self.most:
            raise too_large(self.limits)

    def _data(self, data: str) -> None:
        self.text += len(data)
        if self.in_value and len(self.words) < 32:
            self.words += data

    def _end(self, name: str) -> None:
        local = name.rpartition(" ")[2]
        if local in ("v", "t"):
            self.in_value = False
            self.has_value = self.has_value or bool(self.words) or local == "t"
            if local == "v" and self.kind == "s" and self.words.strip().isdecimal():
                self.cells.shared.append(int(self.words))
        elif local == "c":
            empty_formula = self.has_formula and not self.has_value and self.kind != "str"
            if self.kind == "e" or empty_formula:
                match = _PLACE.fullmatch(self.place)
                row = int(match[2]) if match else self.row
                self.cells.faulty.setdefault(row, []).append(self.place or f"#{self.column}")
        elif local == "si":
            self.cells.texts.append(self.text)


def _number_of(letters: str) -> int:
    """A column's number from 1: A is 1, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def sheet_parts(parts: dict[str, bytes]) -> dict[str, str]:
    """Sheet's name -> the part that it stands in, as the workbook and its relations say."""
    book = next((name for name in parts if name.lower() == "xl/workbook.xml"), "")
    path = PurePosixPath(book)
    relations = parts.get(str(path.parent / "_rels" / f"{path.name}.rels"), b"")
    targets = {
        attributes["Id"]: attributes["Target"]
        for attributes in _attributes_of(relations, "Relationship")
        if {"Id", "Target"} <= attributes.keys()
    }
    found = {}
    for attributes in _attributes_of(parts.get(book, b""), "sheet"):
        link = next((value for key, value in attributes.items() if key.rpartition(" ")[2] == "id"), "")
        target = targets.get(link, "")
        part = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{path.parent}/{target}")
        found[attributes.get("name", "")] = part
    return found


def _number_formats(styles: bytes) -> dict[str, str]:
    """A cell's style, as cells name it -> its number format, or the number of one that is built in; none of WITHOUT."""
    codes = {
        attributes.get("numFmtId", ""): attributes.get("formatCode", "")
        for attributes in _attributes_of(styles, "numFmt")
    }
    used = [attributes.get("numFmtId", "0") for attributes in _attributes_of(styles, "xf", "cellXfs")]
    named = {str(style): codes.get(number) or BUILT_IN.get(number, number) for style, number in enumerate(used)}
    return {style: code for style, code in named.items() if code not in WITHOUT}


def _attributes_of(part: bytes, element: str, inside: str = "") -> list[dict[str, str]]:
    """The attributes of each element of that name, `inside` another where that is given.

    `part` has been looked through: it is sound XML, or absent.
    """
    found: list[dict[str, str]] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    around: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if local == element and (not inside or inside in around):
            found.append(attributes)
        around.append(local)

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: around.pop()
    if part:
        parser.Parse(part, True)
    return found
