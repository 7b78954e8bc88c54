"""Why a template refuses rows, in words about the row and with the edits that mend it.

Never the sentence of Python or Jinja; what a template's author wrote into it (`raise_exception`) is quoted where
nothing better is known. Rows of the same order of roles that are refused alike are explained once.
"""

from __future__ import annotations

from dataclasses import replace

from playground.core.errors import PlaygroundError
from playground.core.findings import Finding, finding_of
from playground.core.i18n import say
from playground.core.messages import Conversation
from playground.core.settings import DatasetOptions
from playground.templates.doctor import explain_refusal
from playground.templates.doctor.rows import shape_of
from playground.templates.rendered import TemplateRefusal
from playground.templates.renderer import Renderer

_EDITS = {"alternation_demanded": "merge", "system_refused": "merge_system", "role_refused": "developer_to_system"}
"""Which edit of a row makes the change that a finding of the doctor offers."""
_ASKED = 64


class Explanations:
    """Of the refusals of one template."""

    def __init__(self, renderer: Renderer, options: DatasetOptions) -> None:
        self._renderer, self._options = renderer, options
        self._known: dict[tuple[object, ...], list[Finding]] = {}

    def of(self, conversation: Conversation, refusal: PlaygroundError) -> Finding:
        """The finding on the row; `refusal` is what rendering it raised."""
        row = conversation.row
        if not isinstance(refusal, TemplateRefusal):
            return replace(finding_of(refusal, "refused", row), edits=["drop"])
        key = (shape_of(conversation.messages, conversation.tools), str(refusal))
        if key not in self._known and len(self._known) < _ASKED:
            asked = self._options.render_options(conversation.tools)
            self._known[key] = explain_refusal(self._renderer, conversation.messages, asked, refusal)
        found = self._known.get(key)
        if found:
            edits = [_EDITS[one.code] for one in found if one.action and one.code in _EDITS]
            return Finding(
                found[0].code,
                "error",
                say("Row {row}: {told}", row=row, told=found[0].message),
                found[0].fix,
                row,
                edits=[*edits, "drop"],
            )
        said = say("The chat template refuses row {row}.", row=row)
        if refusal.said:
            said = say("The chat template refuses row {row}: “{text}”", row=row, text=refusal.said)
        return Finding("refused", "error", said, refusal.fix, row, edits=["drop"])
