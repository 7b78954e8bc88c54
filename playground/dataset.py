"""From records to supervised tokens: what would be trained, row by row, and what is in the way.

    parse -> to_conversation -> render -> cut to max_length

`prepare` does it for a whole dataset. The preview shows its rows, and a run trains on its rows: there is no second way.
Runs in the sandbox, since rendering runs the template.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from playground.conversations import Conversation, to_conversation
from playground.errors import InputError, PlaygroundError
from playground.findings import Finding, finding_of
from playground.pieces import pieces
from playground.records import Parsed, Record
from playground.rendering import Rendered, Renderer
from playground.settings import DatasetOptions
from playground.words import say

_FINDINGS_SHOWN = 200
_PREVIEW_TOKENS = 600


@dataclass(frozen=True)
class Example:
    """One usable row: its record, its tokens, and its tokens before the cut."""

    record: Record
    shape: str
    whole: Rendered
    rendered: Rendered


@dataclass
class Prepared:
    """A dataset that is ready to be trained on, with what was found on the way."""

    rows: int
    """Rows that arrived, readable or not."""
    options: DatasetOptions
    examples: list[Example] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def truncated(self) -> int:
        """Rows with tokens beyond the maximum length."""
        return sum(len(example.whole.input_ids) > len(example.rendered.input_ids) for example in self.examples)

    @property
    def trained_tokens(self) -> int:
        """Supervised tokens in one pass over all usable rows."""
        return sum(sum(example.rendered.loss_mask) for example in self.examples)


def prepare(parsed: Parsed, renderer: Renderer, options: DatasetOptions) -> Prepared:
    """Render every row. A row that cannot be used becomes a finding, and the others stay."""
    prepared = Prepared(len(parsed.records) + len(parsed.findings), options, findings=list(parsed.findings))
    for record in parsed.records:
        try:
            prepared.examples.append(_to_example(record, renderer, options, prepared.findings))
        except PlaygroundError as problem:
            prepared.findings.append(finding_of(problem, "unusable", record.row))
    prepared.findings.sort(key=lambda finding: finding.row or 0)
    return prepared


def _to_example(record: Record, renderer: Renderer, options: DatasetOptions, findings: list[Finding]) -> Example:
    conversation = to_conversation(record)
    whole = _render(conversation, renderer, options, with_spans=False)
    if whole.mask_source == "none":
        raise InputError(
            say("Row {row}: where the assistant's words stand cannot be told with this template.", row=record.row),
            say("The template rewrites earlier turns when more follow."),
            say("Train on all tokens, or choose another template."),
        )
    rendered = whole.cut(options.max_length)
    # The first token is never predicted, so its label teaches nothing.
    if not any(rendered.loss_mask[1:]):
        raise InputError(
            say(
                "Row {row} has no supervised token within {max_length} tokens.",
                row=record.row,
                max_length=options.max_length,
            ),
            say("Something of the assistant's answer has to be left after the cut."),
            say("Shorten the question, or raise the maximum length to {length}.", length=len(whole.input_ids)),
        )
    if len(whole.input_ids) > len(rendered.input_ids):
        findings.append(
            Finding(
                "truncated",
                "warning",
                say(
                    "Row {row} has {length} tokens; {cut} beyond the maximum length are cut off.",
                    row=record.row,
                    length=len(whole.input_ids),
                    cut=len(whole.input_ids) - len(rendered.input_ids),
                ),
                say("The model will not learn where this answer ends. Raise the maximum length or shorten the row."),
                record.row,
            )
        )
    if any(message["role"] == "assistant" and _is_blank(message) for message in conversation.messages):
        findings.append(
            Finding(
                "empty_answer",
                "warning",
                say("Row {row} has an empty answer: the model learns to say nothing.", row=record.row),
                say("Write the answer, or remove the row."),
                record.row,
            )
        )
    return Example(record, conversation.shape, whole, rendered)


def _render(conversation: Conversation, renderer: Renderer, options: DatasetOptions, with_spans: bool) -> Rendered:
    asked = options.render_options(conversation.tools)
    return renderer.render(conversation.messages, asked, options.train_on, with_spans=with_spans)


def _is_blank(message: dict[str, Any]) -> bool:
    content = message.get("content")
    return isinstance(content, str) and not content.strip() and not message.get("tool_calls")


def held_out_places(count: int, share: float, seed: int) -> list[int]:
    """Places of the rows kept out of training: `share` of `count`, at least 1 where share is above 0, never all.

    Sorted; the same for the same count, share and seed on every machine.
    """
    if share <= 0 or count < 2:
        return []
    held_out = min(max(round(count * share), 1), count - 1)
    return sorted(random.Random(seed).sample(range(count), held_out))


def require_trainable(prepared: Prepared) -> None:
    """Raises InputError unless at least two rows can be used: one to learn from, one to check against."""
    if len(prepared.examples) >= 2:
        return
    first = next((finding.message for finding in prepared.findings if finding.severity == "error"), None)
    raise InputError(
        say("{count} of {rows} rows can be used.", count=len(prepared.examples), rows=prepared.rows),
        say("Training needs at least two."),
        say("The first problem: {problem}", problem=first) if first else say("Add more rows."),
    )


def summary(prepared: Prepared) -> dict[str, Any]:
    """The counts that the page and /check_dataset show."""
    shapes = Counter(example.shape for example in prepared.examples)
    shown = prepared.findings[:_FINDINGS_SHOWN]
    return {
        "format": next(iter(shapes)) if len(shapes) == 1 else ("mixed" if shapes else "unknown"),
        "rows": prepared.rows,
        "usable_rows": len(prepared.examples),
        "tokens": sum(len(example.rendered.input_ids) for example in prepared.examples),
        "trained_tokens": prepared.trained_tokens,
        "truncated_rows": prepared.truncated,
        "findings": [finding.to_dict() for finding in shown],
        "findings_left_out": len(prepared.findings) - len(shown),
    }


def preview_rows(prepared: Prepared, renderer: Renderer, count: int = 3) -> list[dict[str, Any]]:
    """The first usable rows as chips: {row, tokens: [... cut], left_out}, long rows shortened to be shown."""
    shown = []
    for example in prepared.examples[:count]:
        assert renderer.tokenizer is not None
        kept = len(example.rendered.input_ids)
        whole = _render(to_conversation(example.record), renderer, prepared.options, with_spans=True)
        chips = pieces(whole.cut(_PREVIEW_TOKENS), renderer.tokenizer)
        for place, chip in enumerate(chips):
            chip["cut"] = place >= kept
            chip["trained"] = chip["trained"] and place < kept
        shown.append({"row": example.record.row, "tokens": chips, "left_out": len(whole.input_ids) - len(chips)})
    return shown
