"""A cell's number or date in the number format of its sheet, where the format says all of it.

    shown(0.5, "0%")               ->  "50%"
    shown(7.0, "00000")            ->  "00007"
    shown(date(2026, 5, 3), "dd.mm.yyyy")  ->  "03.05.2026"
    shown(1234.5, "#,##0.00")      ->  None: the marks between the digits are those of the reader's country

None is no error: `plain` then writes the value without its format.
"""

from __future__ import annotations

import datetime
import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

BUILT_IN = {"1": "0", "2": "0.00", "9": "0%", "10": "0.00%"}
"""Formats that a workbook names by number alone, those of them that are the same in every country."""
WITHOUT = frozenset(("0", "49", "General", "@"))
"""No format of its own, and that of text, by number and by code."""
_DIGITS = re.compile(r"(0{1,15})(?:\.(0{1,15}))?(%?)")
_LOCALE = re.compile(r"\A\[\$[^\]]{0,20}\]|;@\Z")
_DATE_PIECE = re.compile(r"""y+|m+|d+|[-./ ]|\\(.)|"([^"]{0,20})"|([年月日])""", re.IGNORECASE)


def shown(value: Any, code: str) -> str | None:
    """The value as a sheet with this format shows it, None where that cannot be told."""
    if isinstance(value, float):
        return _number(value, code)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    return _date(value, code) if type(value) is datetime.date else None


def plain(value: Any) -> str:
    """Any cell as text without a format: 14.0 is "14", a date is ISO, a line break is \\n."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n") if "\r" in value else value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        # As many digits as a spreadsheet keeps, so that 0.1 + 0.2 is 0.3.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime.timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if isinstance(value, datetime.datetime):
        value = (value + datetime.timedelta(milliseconds=500)).replace(microsecond=0)
        return (value.date() if value.time() == datetime.time() else value).isoformat()
    if isinstance(value, datetime.time):
        return value.isoformat("seconds")
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def _number(value: float, code: str) -> str | None:
    match = _DIGITS.fullmatch(code)
    if not match or abs(value) >= 1e15:
        return None
    whole, decimals, percent = match.groups()
    exact = Decimal(f"{value:.15g}") * (100 if percent else 1)
    rounded = exact.quantize(Decimal(1).scaleb(-len(decimals or "")), ROUND_HALF_UP)
    sign = "-" if rounded < 0 else ""
    digits = f"{abs(rounded):f}"
    return f"{sign}{'0' * (len(whole) - len(digits.partition('.')[0]))}{digits}{percent}"


def _date(value: datetime.date, code: str) -> str | None:
    written = {"yyyy": f"{value.year:04}", "yy": f"{value.year % 100:02}", "mm": f"{value.month:02}",
               "m": str(value.month), "dd": f"{value.day:02}", "d": str(value.day)}  # fmt: skip
    pieces = _date_pieces(code)
    if not pieces or any(not is_literal and words not in written for is_literal, words in pieces):
        return None
    return "".join(words if is_literal else written[words] for is_literal, words in pieces)


@lru_cache(maxsize=256)
def _date_pieces(code: str) -> tuple[tuple[bool, str], ...]:
    """(whether it is written as it stands, what) of each piece of a format of year, month and day, else ()."""
    code = _LOCALE.sub("", code[:200])
    pieces, end = [], 0
    for match in _DATE_PIECE.finditer(code):
        if match.start() != end:
            return ()
        end = match.end()
        literal = match[1] or match[2] or match[3] or (match[0] if match[0] in "-./ " else None)
        pieces.append((literal is not None, literal if literal is not None else match[0].lower()))
    letters = {words for is_literal, words in pieces if not is_literal}
    whole = any("y" in words for words in letters) and any("m" in words for words in letters)
    return tuple(pieces) if whole and end == len(code) else ()
