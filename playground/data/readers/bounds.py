"""What every reader has to keep to: how much may be unpacked, how many rows there may be, how rows are handed on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from playground.core.errors import InputError, LimitError
from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.messages import json_kind
from playground.core.settings import Limits
from playground.data.source import Parsed, Record

EXPANSION = 10
"""What is packed may grow to this many times the upload limit."""
_BROKEN_CHARS = 20_000
_EXCERPT = 60


def expanded_limit(limits: Limits) -> int:
    """Bytes that a packed file may hold once it is unpacked."""
    return EXPANSION * limits.upload_bytes


def too_large(limits: Limits) -> LimitError:
    """The error for a packed file that holds more than `expanded_limit`."""
    return LimitError(
        say("The file holds more than it seems: unpacked, it passes {limit} MB.", limit=_megabytes(limits)),
        say("The limit here is {limit} MB.", limit=_megabytes(limits)),
        say("Take fewer rows; a few hundred are enough to see what tuning does."),
    )


def _megabytes(limits: Limits) -> str:
    return f"{expanded_limit(limits) / 1e6:.1f}"


def excerpt(text: str) -> str:
    """The beginning of a row, to be quoted in a sentence."""
    short = text.strip()
    return "".join(
        character if character.isprintable() else "\ufffd" for character in short[:_EXCERPT].replace("\n", " ")
    ) + ("…" if len(short) > _EXCERPT else "")


def note(code: str, message: Sentence, fix: Sentence | None = None) -> Finding:
    """An info about the whole."""
    return Finding(code, "info", message, fix)


@dataclass
class Rows:
    """Rows as a reader finds them, with the limit of rows kept at every step."""

    limits: Limits
    records: list[Record] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)

    def add(self, row: int, value: Any, text: str = "") -> None:
        """Keep the row, or say that it is no object. `text`: how it was written, for the repair of what is none."""
        if isinstance(value, dict):
            self._count()
            self.records.append(Record(row, value))
            return
        self.refuse(
            row,
            text,
            Finding(
                "not_an_object",
                "error",
                say("Row {row} is {kind}; a row is a JSON object.", row=row, kind=json_kind(value)),
                say("Write it as an object such as {example}.", example='{"prompt": "…", "completion": "…"}'),
                row,
            ),
        )

    def refuse(self, row: int, text: str, finding: Finding) -> None:
        """Keep what was written in a row that cannot be read, and why it cannot."""
        self._count()
        # Half a surrogate pair, which also stands for a byte that is not UTF-8, cannot leave the process.
        self.broken[row] = re.sub("[\ud800-\udfff]", "\ufffd", text[:_BROKEN_CHARS])
        self.findings.append(finding)

    def _count(self) -> None:
        if len(self.records) + len(self.broken) >= self.limits.rows:
            raise LimitError(
                say("More than {limit} rows arrived.", limit=self.limits.rows),
                say("The limit here is {limit} rows.", limit=self.limits.rows),
                say("Take fewer rows; a few hundred are enough to see what tuning does."),
            )

    def parsed(self, file_format: str, encoding: str = "") -> Parsed:
        """Raises InputError where there is no row at all."""
        if not self.records and not self.broken:
            raise InputError(
                say("No rows arrived: there is nothing in it but a frame."),
                say("Rows are JSON objects, a table, or questions and answers."),
                say("Paste some rows, upload a file, or take one of the examples."),
            )
        findings = sorted(self.findings, key=lambda finding: finding.row or 0)
        return Parsed(self.records, findings, self.broken, file_format, encoding)
