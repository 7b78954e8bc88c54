"""From text or a file to records: one row as it came, with its number.

    '{"prompt": "Hi", "completion": "Ahoy"}\\n'  ->  [Record(row=1, data={"prompt": "Hi", "completion": "Ahoy"})]

Reads JSON Lines, a JSON array of objects, or one JSON object. orjson does the parsing: it refuses what is not JSON
(NaN, trailing commas, broken UTF-8) and bounds nesting, where pyarrow and pandas crash or guess.
A row that cannot be read becomes a finding and costs no other row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from playground.errors import InputError, LimitError
from playground.findings import Finding
from playground.settings import Limits
from playground.words import Sentence, say

SUFFIXES = (".jsonl", ".json")
_EXCERPT = 60


@dataclass(frozen=True)
class Record:
    """One row as it came."""

    row: int
    """1-based: the line number in JSON Lines, the place in a JSON array."""
    data: dict[str, Any]


@dataclass(frozen=True)
class Parsed:
    """Rows that could be read, and what is wrong with those that could not."""

    records: list[Record]
    findings: list[Finding]


def read_bytes(text: str, file: str, limits: Limits) -> bytes:
    """The bytes of the pasted text or, where there is none, of the uploaded file.

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
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(
                say("A file of the type {suffix} arrived.", suffix=path.suffix or say("unknown")),
                say("Files with rows end in {suffixes}.", suffixes=", ".join(SUFFIXES)),
                say("Save the rows as JSON Lines, one JSON object a line, and try again."),
            )
        _check_size(path.stat().st_size, limits)
        return path.read_bytes()
    if not text.strip():
        raise InputError(
            say("No rows arrived: the text is empty."),
            say("Rows are JSON objects, one a line."),
            say("Paste some rows, upload a .jsonl file, or take one of the examples."),
        )
    raw = text.encode("utf-8", "surrogatepass")
    _check_size(len(raw), limits)
    return raw


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.upload_bytes:
        raise LimitError(
            say("{size} MB of rows arrived.", size=f"{size / 1e6:.1f}"),
            say("The limit here is {limit} MB.", limit=f"{limits.upload_bytes / 1e6:.1f}"),
            say("Take fewer rows; a few hundred are enough to see what tuning does."),
        )


def parse_records(raw: bytes, limits: Limits) -> Parsed:
    """Records of JSON Lines, of a JSON array, or of one JSON object.

    Raises InputError when the bytes are no UTF-8 or hold no row at all; LimitError when there are too many rows.
    """
    if b"\x00" in raw[:4096] or raw.startswith((b"PK\x03\x04", b"PAR1", b"\x1f\x8b")):
        raise InputError(
            say("The file is not text."),
            say("Rows are JSON objects, one a line, in a UTF-8 text file."),
            say("Export the rows as JSON Lines and try again."),
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise InputError(
            say("Byte {place} of the file is not UTF-8.", place=problem.start + 1),
            say("Rows are JSON objects, one a line, in a UTF-8 text file."),
            say("Save the file again with the encoding UTF-8."),
        ) from None
    whole = text.strip()
    if whole.startswith("["):
        return _parse_array(whole, limits)
    if whole.startswith("{") and "\n" in whole:
        # A single object over several lines is JSON as an editor shows it; JSON Lines fails here at its second row.
        single = _loads(whole)
        if not isinstance(single, Sentence):
            return _collect([(1, single)], [], limits)
    return _parse_lines(text, limits)


def _loads(text: str) -> Any:
    """The value, or a Sentence that says why there is none (a parsed value is never a Sentence)."""
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as problem:
        detail = str(problem).split(": line")[0]
        return say("not JSON ({detail})", detail=detail)


def _parse_array(text: str, limits: Limits) -> Parsed:
    values = _loads(text)
    if isinstance(values, Sentence):
        raise InputError(
            say("The text starts with [ but is {problem}.", problem=values),
            say("A JSON array of objects, or one JSON object a line."),
            say("Check for a missing comma, quote or bracket."),
        )
    return _collect(list(enumerate(values, start=1)), [], limits)


def _parse_lines(text: str, limits: Limits) -> Parsed:
    values: list[tuple[int, Any]] = []
    findings: list[Finding] = []
    # Not splitlines(): U+2028 and friends are ordinary characters inside a JSON string.
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        value = _loads(line)
        if isinstance(value, Sentence):
            excerpt = line.strip()[:_EXCERPT] + ("…" if len(line.strip()) > _EXCERPT else "")
            findings.append(
                Finding(
                    "not_json",
                    "error",
                    say("Row {row} is {problem}. It reads: {excerpt}", row=row, problem=value, excerpt=excerpt),
                    say("Write the row as one JSON object on one line, or remove it."),
                    row,
                )
            )
        else:
            values.append((row, value))
    return _collect(values, findings, limits)


def _collect(values: list[tuple[int, Any]], findings: list[Finding], limits: Limits) -> Parsed:
    count = len(values) + len(findings)
    if count > limits.rows:
        raise LimitError(
            say("{count} rows arrived.", count=count),
            say("The limit here is {limit} rows.", limit=limits.rows),
            say("Take fewer rows; a few hundred are enough to see what tuning does."),
        )
    if not count:
        raise InputError(
            say("No rows arrived: the text holds no JSON object."),
            say("Rows are JSON objects, one a line."),
            say("Paste some rows, upload a .jsonl file, or take one of the examples."),
        )
    records = []
    for row, value in values:
        if isinstance(value, dict):
            records.append(Record(row, value))
            continue
        findings.append(
            Finding(
                "not_an_object",
                "error",
                say("Row {row} is {kind}; a row is a JSON object.", row=row, kind=json_kind(value)),
                say("Write it as an object such as {example}.", example='{"prompt": "…", "completion": "…"}'),
                row,
            )
        )
    return Parsed(records, sorted(findings, key=lambda finding: finding.row or 0))


def json_kind(value: object) -> Sentence:
    """What a JSON value is, in words."""
    if value is None:
        return say("null")
    if isinstance(value, bool):
        return say("true or false")
    if isinstance(value, (int, float)):
        return say("a number")
    if isinstance(value, str):
        return say("text")
    if isinstance(value, list):
        return say("a list")
    return say("an object")
