"""What the checks have to say about rows, conversations and templates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence
from playground.core.messages import Message

Severity = Literal["error", "warning", "info"]


class Action(TypedDict, total=False):
    """What one click would change: beside its kind, what goes by the same name."""

    kind: Literal["conversation", "options", "template"]
    messages: list[Message]
    options: dict[str, Any]
    template: str


class FindingDict(TypedDict):
    """Finding, as it crosses to the page and the API; sentences are said there, in the reader's language."""

    row: int | None
    code: str
    severity: Severity
    message: Sentence
    fix: Sentence | None
    why: Sentence | None
    evidence: list[list[int]]
    action: Action | None
    edits: list[str]


@dataclass(frozen=True)
class Finding:
    """One observation: an error makes a row unusable, a warning wants a look, an info explains."""

    code: str
    severity: Severity
    message: Sentence
    fix: Sentence | None = None
    row: int | None = None
    """Number of the row as the person gave it, from 1; None where the finding is about the whole."""
    why: Sentence | None = None
    """What it does to a run or an answer, in one sentence."""
    evidence: list[tuple[int, int]] = field(default_factory=list)
    """Where it can be seen: stretches of characters of the rendered text."""
    action: Action | None = None
    """None where a person has to decide."""
    edits: list[str] = field(default_factory=list)
    """Edits of the row that answer it, each with one click: see edits.py. "keep" is to leave the row as it is."""

    def to_dict(self) -> FindingDict:
        return {
            "row": self.row,
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "fix": self.fix,
            "why": self.why,
            "evidence": [list(stretch) for stretch in self.evidence],
            "action": self.action,
            "edits": list(self.edits),
        }


def finding_of(error: PlaygroundError, code: str, row: int | None = None) -> Finding:
    """A refused row as a finding: the run can go on without it."""
    said = [part for part in (error.arrived, error.expected) if part]
    message = said[0] if len(said) == 1 else Sentence("{arrived} {expected}", arrived=said[0], expected=said[1])
    return Finding(code, "error", message, error.fix, row)
