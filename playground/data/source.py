"""What a person gave, and the rows in it: the types between a file and everything that is made of it.

    Source(raw=b'{"prompt": "Hi", "completion": "Ahoy"}\\n', name="rows.jsonl")
        -> reading.parse ->  Parsed(records=[Record(row=1, data={"prompt": "Hi", "completion": "Ahoy"})], ...)

Only bytes are fetched here; what they hold is found out in `readers/`, in the sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playground.core.errors import InputError, LimitError
from playground.core.findings import Finding
from playground.core.i18n import say
from playground.core.settings import Limits

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".xlsx", ".txt", ".md")
PACKED = (".gz", ".zip")
"""Suffixes of packed files: one of SUFFIXES inside, or below ("rows.csv.gz")."""


@dataclass(frozen=True)
class Source:
    """What a person gave, untouched."""

    raw: bytes
    name: str
    """The file's name, "" for pasted text. Only its suffix is read, and only as a hint."""


@dataclass(frozen=True)
class Record:
    """One row as it came."""

    row: int
    """1-based, as a person finds it: the line of JSON Lines, the row that a spreadsheet shows (its header is 1), and
    elsewhere the place among the rows."""
    data: dict[str, Any]


@dataclass(frozen=True)
class Parsed:
    """Rows that could be read, and what is wrong with those that could not."""

    records: list[Record]
    findings: list[Finding]
    """About rows, in their order; before them, with row None, about the whole: the encoding, the sheet taken."""
    broken: dict[int, str] = field(default_factory=dict)
    """Row -> its text, shortened, for each row that cannot be read. records and broken together are all rows."""
    file_format: str = "jsonl"
    """jsonl, json, csv, tsv, parquet, xlsx, text or markdown."""
    encoding: str = "utf-8"
    """Python's name of it; "" where the format is binary."""


def read_source(text: str, file: str, limits: Limits) -> Source:
    """The pasted text or, where there is none, the uploaded file.

    Raises InputError when there is neither, both, or a file of another type; LimitError when there is too much.
    """
    if text.strip() and file:
        raise InputError(
            say("Both pasted text and a file arrived."),
            say("The rows come from one of them."),
            say("Clear the text or remove the file."),
        )
    if file:
        path = Path(file)
        if not is_taken(path.name):
            raise InputError(
                say("A file of the type {suffix} arrived.", suffix=path.suffix),
                say("Files with rows end in {suffixes}.", suffixes=", ".join((*SUFFIXES, *PACKED))),
                say("Save the rows as one of these and try again."),
            )
        _check_size(path.stat().st_size, limits)
        return Source(path.read_bytes(), path.name)
    if not text.strip():
        raise InputError(
            say("No rows arrived: the text is empty."),
            say("Rows are JSON objects, a table, or questions and answers."),
            say("Paste some rows, upload a file, or take one of the examples."),
        )
    raw = text.encode("utf-8", "surrogatepass")
    _check_size(len(raw), limits)
    return Source(raw, "")


def is_taken(name: str) -> bool:
    """Whether a file of this name may hold rows. Without a suffix, its content decides."""
    return Path(name.lower()).suffix in ("", *SUFFIXES, *PACKED)


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.upload_bytes:
        raise LimitError(
            say("{size} MB of rows arrived.", size=f"{size / 1e6:.1f}"),
            say("The limit here is {limit} MB.", limit=f"{limits.upload_bytes / 1e6:.1f}"),
            say("Take fewer rows; a few hundred are enough to see what tuning does."),
        )
