"""What the server remembers of one page's rows: what was asked last, what was answered, and where the reader is."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypedDict

from playground.core.findings import Severity
from playground.core.i18n import Sentence
from playground.data.types import DatasetReport, FindingKind, RowsPage


@dataclass(frozen=True)
class Asked:
    """The source and the options of the check that the page shows, for whatever else is asked about the same rows."""

    text: str
    file: str
    model: str
    options: dict[str, Any]
    mark: str
    """`rows_edits.source_mark` of the source."""

    def arguments(self) -> tuple[str, str, str, dict[str, Any]]:
        return self.text, self.file, self.model, self.options


class RowFinding(TypedDict):
    """What was found in one row."""

    code: str
    severity: Severity
    message: Sentence | None
    """None where only its kind is known."""
    fix: Sentence | None
    edits: list[str]


@dataclass
class Report:
    """`DatasetService.check`'s answer, with a row's findings at hand."""

    given: DatasetReport

    @cached_property
    def held_out(self) -> frozenset[int]:
        return frozenset(self.given["split"]["held_out_rows"])

    @cached_property
    def _kinds(self) -> list[tuple[FindingKind, frozenset[int], dict[str, frozenset[int]]]]:
        return [
            (kind, frozenset(kind["rows"]), {edit["do"]: frozenset(edit["rows"]) for edit in kind["edits"]})
            for kind in self.given["codes"]
        ]

    @cached_property
    def _messages(self) -> dict[tuple[int, str], Sentence]:
        """Only the first few hundred findings come with words of their own."""
        return {
            (finding["row"], finding["code"]): finding["message"]
            for finding in self.given["findings"]
            if finding["row"] is not None
        }

    def kind(self, place: Any, code: Any) -> FindingKind | None:
        """The kind of finding at that place, if it is still the one that the page meant."""
        kinds = self.given["codes"]
        if isinstance(place, int) and 0 <= place < len(kinds) and kinds[place]["code"] == code:
            return kinds[place]
        return None

    def on_row(self, row: int) -> list[RowFinding]:
        return [
            {
                "code": kind["code"],
                "severity": kind["severity"],
                "message": self._messages.get((row, kind["code"])),
                "fix": kind["fix"],
                "edits": [do for do, numbers in edits.items() if row in numbers],
            }
            for kind, rows, edits in self._kinds
            if row in rows
        ]


@dataclass
class RowsState:
    """Lives in a gr.State and is changed in place: a handler that still works sees at once that a newer one came."""

    newest: int = 0
    """Number of the newest check that was asked for."""
    drawn: threading.Event | None = None
    """Set once all that the newest check drew has left for the page."""
    asked: Asked | None = None
    report: Report | None = None
    shown: RowsPage | None = None
    """The page of rows that is at hand."""
    looked: int = 0
    """Pages of rows asked for so far."""
    view: str = "tokens"
    """How rows are shown: "tokens" or "conversation"."""
    page: int = 1
    query: str = ""
    only: dict[str, Any] = field(default_factory=dict)
    """{kind: what the rows have in common, rows: [...]} while only some rows are shown."""
    goto: int = 0
    """Row to bring into view."""
    editing: int = 0
    """Row whose JSON is open."""
    taken_back: int = 0
    """Changes that no longer count because the rows became other ones; the next report says so."""
    asked_columns_for: str = ""
    """Mark of the rows for which the columns were opened without being asked for."""
    kept: dict[str, Any] | None = None
    """`rows_kept.Rest` as the browser was last given it."""
    fetching: int = 0
    """Number of the newest fetch from the Hub."""

    def turn_to(self, asked: Asked) -> None:
        """Other rows begin at their first page."""
        if self.asked is None or self.asked.mark != asked.mark:
            self.page, self.only, self.goto, self.editing = 1, {}, 0, 0
        self.asked = asked

    def refresh_only(self) -> None:
        """After a change fewer rows have the finding; where none is left, all rows are shown again."""
        if not self.only or self.report is None:
            return
        rows = {row for kind in self.report.given["codes"] if kind["code"] == self.only["code"] for row in kind["rows"]}
        self.only = {**self.only, "rows": sorted(rows)} if rows else {}
