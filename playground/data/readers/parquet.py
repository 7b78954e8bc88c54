"""Parquet to records, a few rows at a time.

What the footer says of sizes and rows is not believed: rows are counted as they come, bytes before they become Python
objects. Text columns stay dictionaries in Arrow, so that one long value named a million times is one value until then.
"""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from playground.core.errors import InputError
from playground.core.findings import Finding
from playground.core.i18n import say
from playground.core.settings import Limits
from playground.data.readers.bounds import Rows, expanded_limit, too_large
from playground.data.readers.tables import column_names
from playground.data.source import Parsed

_BATCH_ROWS = 256
_UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError, KeyError, TypeError)


def read_parquet(raw: bytes, limits: Limits) -> Parsed:
    """Rows by place from 1. Keys without a value are left out, also in lists of objects; what JSON does not have
    (dates, decimals, bytes) becomes text.

    Raises InputError for a damaged file or no rows, LimitError for too many rows or bytes.
    """
    rows = Rows(limits)
    try:
        file = pq.ParquetFile(pa.BufferReader(raw), **_options(raw))
        names = column_names([str(name) for name in file.schema_arrow.names], rows)
        _read(file, names, rows)
    except MemoryError:
        raise too_large(limits) from None
    except _UNREADABLE as problem:
        raise InputError(
            say("The Parquet file cannot be read ({detail}).", detail=_detail(problem)),
            say("It is damaged, cut off, or of a kind that is not known here."),
            say("Write it again, or upload it once more."),
        ) from None
    return rows.parsed("parquet")


def _options(raw: bytes) -> dict[str, Any]:
    """Which columns to keep as dictionaries: all that hold text or bytes."""
    schema = pq.ParquetFile(pa.BufferReader(raw)).schema
    texts = [schema.column(place) for place in range(len(schema))]
    return {"read_dictionary": [column.path for column in texts if column.physical_type == "BYTE_ARRAY"]}


def _detail(problem: Exception) -> str:
    return (str(problem).strip().split("\n")[0] or type(problem).__name__)[:160]


def _read(file: Any, names: list[str], rows: Rows) -> None:
    size, row = 0, 0
    for batch in file.iter_batches(batch_size=min(_BATCH_ROWS, rows.limits.rows + 1), use_threads=False):
        size += sum(_size(column) for column in batch.columns)
        if size > expanded_limit(rows.limits):
            raise too_large(rows.limits)
        if not batch.num_columns:
            raise ValueError("no columns")
        for values in _values(batch):
            row += 1
            if isinstance(values, UnicodeDecodeError):
                rows.refuse(row, "", _not_text(row))
                continue
            named = zip(names, values, strict=True)
            rows.add(row, {name: _as_json(value) for name, value in named if value is not None})


def _size(array: Any) -> int:
    """Bytes of an array once every value stands for itself, as it will in Python."""
    if pa.types.is_dictionary(array.type):
        lengths = pc.fill_null(pc.binary_length(array.dictionary), 0)
        return 8 * len(array) + (pc.sum(lengths.take(array.indices)).as_py() or 0)
    if pa.types.is_struct(array.type):
        return sum(_size(array.field(place)) for place in range(array.type.num_fields))
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return 8 * len(array) + _size(array.flatten())
    return int(array.nbytes)


def _values(batch: Any) -> list[Any]:
    """The rows as lists of values; a row with text that is not UTF-8 is the UnicodeDecodeError."""
    try:
        columns = [column.to_pylist() for column in batch.columns]
        return [list(values) for values in zip(*columns, strict=True)]
    except UnicodeDecodeError:
        return [_row(batch, place) for place in range(len(batch))]


def _row(batch: Any, place: int) -> Any:
    try:
        return [column[place].as_py() for column in batch.columns]
    except UnicodeDecodeError as problem:
        return problem


def _not_text(row: int) -> Finding:
    return Finding(
        "bad_row",
        "error",
        say("Row {row} has text that is not UTF-8.", row=row),
        say("Write its text again as UTF-8, or remove it."),
        row,
        say("The row is left out; the others are trained on."),
    )


def _as_json(value: Any) -> Any:
    """A value as JSON could hold it; objects without the keys whose value is null."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 100 else str(value)
    return str(value)
