"""The smallest workbooks: a zip of a few lines of XML, so that hostile ones can be written as well."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def cell(place: str, text: str) -> str:
    text = escape(text).replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;")
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def rows_of(table: list[list[str]]) -> str:
    lines = []
    for number, cells in enumerate(table, start=1):
        inside = "".join(cell(f"{chr(65 + place)}{number}", text) for place, text in enumerate(cells))
        lines.append(f'<row r="{number}">{inside}</row>')
    return "".join(lines)


def styles_of(*codes: str) -> bytes:
    """A part of styles: style 1 has the first of these number formats, style 2 the second, ...; 9 is built in."""
    own = {code: code if code.isdecimal() and len(code) < 3 else str(164 + place) for place, code in enumerate(codes)}
    formats = "".join(
        f"<numFmt numFmtId={quoteattr(own[code])} formatCode={quoteattr(code)}/>" for code in codes if own[code] != code
    )
    used = "".join(f'<xf numFmtId="{own[code]}"/>' for code in codes)
    inside = f'<numFmts>{formats}</numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs>'
    return f'<styleSheet xmlns="{_MAIN}">{inside}<cellXfs><xf numFmtId="0"/>{used}</cellXfs></styleSheet>'.encode()


def workbook(
    *sheets: str,
    shared: str = "",
    before: str = "",
    merged: Sequence[str] = (),
    styles: bytes = b"",
    more: dict[str, bytes] | None = None,
) -> bytes:
    """A workbook of sheets given as their rows in XML."""
    areas = "".join(f'<mergeCell ref="{area}"/>' for area in merged)
    merges = f"<mergeCells>{areas}</mergeCells>" if merged else ""
    more = {**(more or {}), **({"xl/styles.xml": styles} if styles else {})}
    names = range(1, len(sheets) + 1)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        listed = "".join(f'<sheet name="S{name}" sheetId="{name}" r:id="rId{name}"/>' for name in names)
        book = f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>{listed}</sheets></workbook>'
        types = "http://schemas.openxmlformats.org/package/2006/content-types"
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{types}"/>')
        office = f'<Relationship Id="rId1" Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/>'
        archive.writestr("_rels/.rels", f'<Relationships xmlns="{_PACKAGE}">{office}</Relationships>')
        archive.writestr("xl/workbook.xml", book)
        links = "".join(
            f'<Relationship Id="rId{name}" Type="{_LINKS}/worksheet" Target="worksheets/sheet{name}.xml"/>'
            for name in names
        )
        links += f'<Relationship Id="shared" Type="{_LINKS}/sharedStrings" Target="sharedStrings.xml"/>'
        links += f'<Relationship Id="styles" Type="{_LINKS}/styles" Target="styles.xml"/>' if styles else ""
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_PACKAGE}">{links}</Relationships>')
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{_MAIN}">{shared}</sst>')
        for name, rows in zip(names, sheets, strict=True):
            sheet = f'{before}<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData>{merges}</worksheet>'
            archive.writestr(f"xl/worksheets/sheet{name}.xml", sheet)
        for name, part in more.items():
            archive.writestr(name, part)
    return packed.getvalue()
