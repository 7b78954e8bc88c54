"""What a source is, and the reader for it.

Content is asked first: magic bytes, then whether the text looks like JSON, a table or a conversation. The suffix
decides between those only where both are possible, so that rows in a file with the wrong suffix, or none, are read all
the same.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePath

import orjson

from playground.core.errors import InputError
from playground.core.findings import Finding
from playground.core.i18n import say
from playground.core.settings import Limits
from playground.data.readers import json_rows, plain_text, tables
from playground.data.readers.archives import is_workbook, unpack
from playground.data.readers.bounds import note
from playground.data.readers.encodings import Decoded, decode
from playground.data.readers.message_rows import join_messages
from playground.data.readers.parquet import read_parquet
from playground.data.readers.workbooks import read_workbook
from playground.data.source import SUFFIXES, Parsed, Source

_LINES_LOOKED_AT = 50
_LITERALS = re.compile(r"\[\s*(?:-?\d[\d.eE+-]{0,30}|true|false|null)\s*(?:,|\Z)|[\[{]\s*\Z")
"""A list that begins with a number or the like, and another behind it; or a bracket and nothing else."""
_UNQUOTED_KEY = re.compile(r"\{\s*[A-Za-z_]\w{0,40}\s*:\s*[\"'\[{]")
_NAMES = {
    "json": "JSON",
    "jsonl": "JSON Lines",
    "csv": "CSV",
    "tsv": "TSV",
    "parquet": "Parquet",
    "xlsx": "Excel",
    "text": "text",
    "markdown": "Markdown",
}
_OF_SUFFIX = {".txt": "text", ".md": "markdown"}


def parse(source: Source, limits: Limits) -> Parsed:
    """The rows of a source, whatever its format.

    Raises InputError for what cannot be read as a whole or holds no row, LimitError for too many rows or for what grows
    past the limit when it is unpacked.
    """
    inner, findings = unpack(source, limits)
    parsed = join_messages(_read(inner, limits))
    return replace(parsed, findings=[*findings, *_mismatch(inner.name, parsed), *parsed.findings])


def _read(source: Source, limits: Limits) -> Parsed:
    raw = source.raw
    if raw.startswith(b"PAR1"):
        return read_parquet(raw, limits)
    if is_workbook(raw):
        return read_workbook(raw, limits)
    _refuse_binary(raw)
    decoded = decode(raw)
    suffix = PurePath(source.name.lower()).suffix
    parsed = _read_text(decoded, suffix, limits)
    return replace(parsed, findings=[*decoded.findings, *parsed.findings], encoding=decoded.encoding)


def _read_text(decoded: Decoded, suffix: str, limits: Limits) -> Parsed:
    text = json_rows.without_fence(decoded.text)
    if looks_like_json(text):
        return json_rows.read_json(text, limits)
    if suffix in (".csv", ".tsv"):
        whole = _without_nul(decoded)
        delimiter = tables.delimiter_of(whole, "\t" if suffix == ".tsv" else ",")
        return tables.read_table(whole, delimiter, limits)
    delimiter = tables.evident_delimiter(text) if suffix != ".md" else ""
    is_told = bool(delimiter) or plain_text.has_speakers(text)
    if suffix in (".json", ".jsonl") and not is_told:
        return json_rows.read_json(text, limits)
    whole = _without_nul(decoded)
    if delimiter:
        return tables.read_table(whole, delimiter, limits)
    return plain_text.read_plain_text(whole, limits)


def looks_like_json(text: str) -> bool:
    """Whether text is JSON or meant as such: a value as a whole, or lines most of which are objects.

    "[1] A footnote", "[1, 2] claim so" and "{name}, hello" are not; `{"a": 1`, `{'a': 1}` and "[1, 2" are, broken.
    """
    start = text[:200].lstrip()
    rest = start[1:].lstrip()
    if _is_broken_off(start, text):
        return True
    if start.startswith("{") and rest[:1] in ('"', "'", "}"):
        return True
    if start.startswith("[") and rest[:1] in ("{", "[", '"', "]"):
        return True
    lines = [line.strip() for line in text[:200_000].split("\n", _LINES_LOOKED_AT)[:_LINES_LOOKED_AT]]
    lines = [line for line in lines if line]
    if sum(line.startswith(("{", "[{")) and line.endswith(("}", "}]")) for line in lines) * 2 > len(lines):
        return True
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def _is_broken_off(start: str, text: str) -> bool:
    """Whether text is a bracket that never closes, with nothing but numbers and the like behind it; or an object whose
    keys have no quotation marks.
    """
    if _UNQUOTED_KEY.match(start):
        return True
    return _LITERALS.match(start) is not None and "]" not in text


def _without_nul(decoded: Decoded) -> str:
    """The text. Raises InputError for a NUL in it: outside JSON nothing tells which row it spoils."""
    text = decoded.require_whole()
    place = text.find("\x00")
    if place >= 0:
        raise InputError(
            say("Character {place} of the text is NUL.", place=place + 1),
            say("It belongs to no text."),
            say("Remove it, or export the rows as JSON Lines and try again."),
        )
    return text


def _refuse_binary(raw: bytes) -> None:
    """Raises InputError for well-known formats that hold no rows to read here."""
    kinds = {
        b"%PDF": say("This is a PDF."),
        b"\xd0\xcf\x11\xe0": say("This is an old Excel file, or one with a password."),
        b"PARE": say("This is an encrypted Parquet file."),
        b"PK": say("This is a damaged .zip or .xlsx file."),
        b"7z\xbc\xaf": say("This is a 7z archive."),
        b"BZh": say("This is a bzip2 archive."),
        b"\x28\xb5\x2f\xfd": say("This is a Zstandard archive."),
        b"ARROW1": say("This is an Arrow file."),
        b"\x89PNG": say("This is a picture."),
        b"\xff\xd8\xff": say("This is a picture."),
    }
    for magic, arrived in kinds.items():
        if raw.startswith(magic) and (magic != b"PK" or raw[2:4] in (b"\x03\x04", b"\x05\x06", b"\x07\x08")):
            raise InputError(
                arrived,
                say("Files with rows end in {suffixes}.", suffixes=", ".join(SUFFIXES)),
                say("Save the rows as one of these and try again."),
            )


def _mismatch(name: str, parsed: Parsed) -> list[Finding]:
    """An info where the content is not what the suffix says."""
    suffix = PurePath(name.lower()).suffix
    named = _OF_SUFFIX.get(suffix, suffix[1:])
    kinds = {"json": "json", "jsonl": "json", "csv": "table", "tsv": "table", "text": "plain", "markdown": "plain"}
    found = parsed.file_format
    same = kinds.get(named, named) == kinds.get(found, found)
    if same or suffix not in SUFFIXES or named == "text":
        return []
    message = say("The file is named {suffix}, but holds {kind}: read as that.", suffix=suffix, kind=_NAMES[found])
    return [note("other_format", message)]
