"""From records to conversations: what a person did to the rows, and what is told of those that are none.

record -> edits of the row -> shape and normal form -> edits of its messages -> checks -> the template's form
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from heapq import merge
from operator import itemgetter

from playground.core.errors import InputError, PlaygroundError
from playground.core.findings import Finding, finding_of
from playground.core.messages import Conversation
from playground.core.settings import DatasetOptions
from playground.data.cut import LEFT_OUT, empty_row
from playground.data.edits import Edits, check_edits
from playground.data.explanations import Explanations
from playground.data.json_repair import Budget
from playground.data.lint.questions import missing_part
from playground.data.lint.rows import is_wordless
from playground.data.schemas import Shape, check_mapping, raw_messages, to_conversation
from playground.data.schemas.marks import MarkedBad
from playground.data.source import Parsed, Record
from playground.templates.doctor.rows import NothingSaid, RowDoctor
from playground.templates.forms import Forms
from playground.templates.renderer import Renderer

Rows = Iterator[tuple[int, Record | str]]
"""(row, its record or, where it cannot be read, its text)."""

_REPAIRS_TRIED = 1000
"""Refused rows for which the repairs are tried."""
_REPAIRS = ("roles", "merge", "drop_empty")
MARKED_BAD = "marked_bad"
"""The finding on a row that says of itself that it is bad; to keep it is to use the row."""


class RowReader:
    """From records to conversations: the person's edits, the mapping of columns, the system prompt."""

    def __init__(self, parsed: Parsed, renderer: Renderer, options: DatasetOptions) -> None:
        """Raises InputError for edits or a mapping that are none."""
        self.parsed, self.options = parsed, options
        asked = options.render_options(None)
        self.doctor, self._forms = RowDoctor(renderer, asked), Forms(renderer, asked)
        self._explanations = Explanations(renderer, options)
        self.control_tokens = renderer.control_tokens
        self.budget = Budget()  # One for all repairs of a reading.
        self.edits = Edits(check_edits(options.edits), self.control_tokens, self.budget)
        self.mapping = check_mapping(options.mapping) if options.mapping else None
        self.readable: set[int] = set()
        """Broken rows that an edit has made readable or taken out."""
        self.told: list[Finding] = []
        """What is wrong with cells that cannot be told apart once they are messages."""

    def records(self) -> Iterator[Record]:
        """The rows after the edits of whole rows, in their order."""
        broken: Rows = ((row, text) for row, text in sorted(self.parsed.broken.items()) if self.edits.touches(row))
        read: Rows = ((record.row, record) for record in self.parsed.records)
        for row, found in merge(read, broken, key=itemgetter(0)):
            edited = self.edits.record(found) if isinstance(found, Record) else self._mended(row, found)
            if edited is not None:
                yield edited

    def _mended(self, row: int, text: str) -> Record | None:
        if row in self.edits.dropped:
            self.readable.add(row)
            return None
        edited = _repaired(self.edits, row, text)
        if edited is not None:
            self.readable.add(row)
        return edited

    def conversation(self, record: Record) -> Conversation:
        """Raises InputError that names the row, what was found and what was expected."""
        found = to_conversation(
            record,
            self.mapping,
            lambda messages: self.edits.messages(record.row, messages),
            heeds_marks=not self.edits.kept(record.row, MARKED_BAD),
        )
        if told := missing_part(record, found, self.mapping):
            self.told.append(told)
        messages, prompt = found.messages, self.options.system_prompt
        if prompt.strip() and messages[0]["role"] not in ("system", "developer"):
            messages = [{"role": "system", "content": prompt}, *messages]
        fitted = self._forms.fit(messages)
        return found if fitted is found.messages else replace(found, messages=fitted)

    def refused_by_template(self, conversation: Conversation, refusal: PlaygroundError) -> Finding:
        """The finding on a row that the template refuses, or of which it writes no words."""
        if isinstance(refusal, NothingSaid):
            answers = [message for message in conversation.messages if message["role"] == "assistant"]
            if all(map(is_wordless, answers)):
                return empty_row(conversation.row)
            return replace(finding_of(refusal, "nothing_said", conversation.row), edits=["drop"], why=LEFT_OUT)
        return replace(self._explanations.of(conversation, refusal), why=LEFT_OUT)

    def shape(self, record: Record) -> Shape | None:
        """What the row is recognised as, be it usable or not."""
        try:
            return raw_messages(record.data, self.mapping).shape
        except PlaygroundError:
            return None

    def refusals(self, refused: list[tuple[Record, PlaygroundError]]) -> Iterator[Finding]:
        """A finding for each row that could not be used, with the edits that would make it usable."""
        for number, (record, problem) in enumerate(refused):
            if isinstance(problem, MarkedBad):
                marked = finding_of(problem, MARKED_BAD, record.row)
                yield replace(marked, severity="warning", edits=["keep", "drop"], why=LEFT_OUT)
                continue
            tried = [name for name in _REPAIRS if number < _REPAIRS_TRIED and self._repairs(record, name)]
            yield replace(finding_of(problem, "unusable", record.row), edits=[*tried, "drop"], why=LEFT_OUT)

    def with_repairs(self, finding: Finding) -> Finding:
        """The finding on a row that could not be read, with the repair where there is one."""
        if finding.row is None or finding.severity != "error":
            return finding
        text = self.parsed.broken.get(finding.row)
        trial = Edits([{"do": "repair_json", "rows": [finding.row], "code": ""}], self.control_tokens, self.budget)
        mends = text is not None and _repaired(trial, finding.row, text) is not None
        return replace(finding, edits=[*(["repair_json"] if mends else []), "drop"], why=finding.why or LEFT_OUT)

    def _repairs(self, record: Record, name: str) -> bool:
        trial = Edits([{"do": name, "rows": [record.row], "code": ""}], self.control_tokens)
        try:
            to_conversation(
                record,
                self.mapping,
                lambda messages: trial.messages(record.row, self.edits.messages(record.row, messages)),
            )
        except PlaygroundError:
            return False
        return True


def _repaired(edits: Edits, row: int, text: str) -> Record | None:
    """The record that the edits make of a row that cannot be read, None where they make none."""
    try:
        return edits.broken(row, text)
    except InputError:
        return None
