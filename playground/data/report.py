"""What the page and /check_dataset say of a dataset: counts, lengths, padding, the split, and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from playground.core.figures import rows_said
from playground.core.findings import Finding, Severity
from playground.core.i18n import Sentence, say
from playground.core.settings import DatasetOptions
from playground.data.batch_tokens import Order, padding_share
from playground.data.dataset import Example, Prepared
from playground.data.schemas import columns
from playground.data.source import Parsed
from playground.data.tokenize import Ids, render_row
from playground.data.types import DatasetReport, FindingKind, Lengths, Padding, RowChip, RowCounts, ShownRow
from playground.templates.rendered import Rendered
from playground.templates.renderer import Renderer
from playground.templates.token_chips import token_chips

_FINDINGS_SHOWN = 200
_PREVIEW_TOKENS = 600
_BINS = 24
_LASTING = ("turn_end_missing", "turn_end_untrained", "tools_ignored")
"""Findings on all rows that a run's verdict repeats."""
_ORDER = {"error": 0, "warning": 1, "info": 2}


def counts_of(prepared: Prepared) -> RowCounts:
    shapes = {example.conversation.shape for example in prepared.examples}
    if prepared.seen:
        shapes = {prepared.seen.name}
    return {
        "format": next(iter(shapes)) if len(shapes) == 1 else ("mixed" if shapes else "unknown"),
        "rows": prepared.rows,
        "usable_rows": len(prepared.examples),
        "dropped_rows": prepared.dropped,
        "tokens": sum(len(example.kept_ids) for example in prepared.examples),
        "trained_tokens": prepared.trained_tokens,
        "held_out_tokens": prepared.held_out_tokens,
        "truncated_rows": prepared.truncated,
    }


def full_report(parsed: Parsed, prepared: Prepared, preview: list[ShownRow]) -> DatasetReport:
    options = prepared.options
    reasons = {example.conversation.shape: example.conversation.reason for example in reversed(prepared.examples)}
    counts = Counter(example.conversation.shape for example in prepared.examples)
    if prepared.seen:
        reasons, counts = {prepared.seen.name: prepared.seen.reason}, Counter({prepared.seen.name: 0})
    lengths = np.array(prepared.lengths, dtype=np.int32)
    shown = prepared.findings[:_FINDINGS_SHOWN]
    training = [example for place, example in enumerate(prepared.examples) if place not in prepared.held_out]
    return {
        **counts_of(prepared),
        "findings": [finding.to_dict() for finding in shown],
        "findings_left_out": len(prepared.findings) - len(shown),
        "source": {"file_format": parsed.file_format, "encoding": parsed.encoding},
        "shapes": [{"shape": shape, "rows": rows, "reason": reasons[shape]} for shape, rows in counts.most_common()],
        "columns": columns(parsed.records),
        "mapping": options.mapping,
        "max_length": options.max_length,
        "lengths": _lengths(lengths, options.max_length),
        "padding": _padding([len(example.kept_ids) for example in training], options),
        "split": {
            "train": len(training),
            "held_out": len(prepared.held_out),
            "seed": options.seed if options.shuffle_dataset else None,
            "held_out_rows": [prepared.examples[place].row for place in sorted(prepared.held_out)],
        },
        "epochs": {
            "steps": options.steps(len(training)) if training else 0,
            "seen": round(options.seen(len(training)), 2),
        },
        "codes": by_code(prepared.findings),
        "preview": preview,
    }


def by_code(findings: Iterable[Finding]) -> list[FindingKind]:
    """The findings together that are of one kind, gravest first, each with all rows that it stands on.

    What stands on the whole is another kind than what stands on rows.
    """
    kinds: dict[tuple[str, Severity, bool], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.code, finding.severity, finding.row is None), []).append(finding)
    return [
        {
            "code": code,
            "severity": severity,
            "count": len(same),
            "rows": _rows(same),
            "message": same[0].message,
            "why": same[0].why,
            "fix": same[0].fix,
            "edits": [
                {
                    "do": name,
                    "rows": [finding.row for finding in same if finding.row is not None and name in finding.edits],
                }
                for name in dict.fromkeys(name for finding in same for name in finding.edits)
            ],
        }
        for (code, severity, _), same in sorted(kinds.items(), key=lambda item: _ORDER[item[0][1]])
    ]


def losses(prepared: Prepared) -> list[Sentence]:
    """What a run on these rows does not learn because of the template: a sentence for each kind."""
    of_rows = [finding for example in prepared.examples for finding in example.findings]
    lasting = [finding for finding in prepared.about_all if finding.code in _LASTING]
    return [
        say("{rows}. The first: {told}", rows=rows_said(kind["count"]), told=kind["message"])
        if kind["rows"]
        else kind["message"]
        for kind in by_code([*of_rows, *lasting])
    ]


def _rows(findings: Iterable[Finding]) -> list[int]:
    return [finding.row for finding in findings if finding.row is not None]


def _lengths(lengths: Ids, max_length: int) -> Lengths | None:
    """How many rows have how many tokens. The maximum length is an edge between two bins: the cut can be seen."""
    if not len(lengths):
        return None
    longest = int(lengths.max())
    width = max(-(-longest // _BINS), 1)
    if longest > max_length:
        # So wide that the maximum falls on an edge.
        width = max(max_length // max(round(max_length / width), 1), 1)
    edges = np.arange(0, longest + width, width)
    if longest > max_length:
        edges = np.unique(np.append(edges, max_length))
    if len(edges) > 4 * _BINS:  # One row is very much longer than the maximum.
        edges = np.unique(np.append(np.linspace(0, longest, _BINS + 1).astype(int), max_length))
    rows, _ = np.histogram(lengths, bins=[*edges[:-1] + 1, edges[-1] + 1])
    return {
        "bins": [
            {"start": int(start) + 1, "end": int(end), "rows": int(count)}
            for start, end, count in zip(edges[:-1], edges[1:], rows, strict=True)
        ],
        "median": int(np.median(lengths)),
        "p95": int(np.percentile(lengths, 95)),
        "max": longest,
        "over": int((lengths > max_length).sum()),
    }


def _padding(lengths: list[int], options: DatasetOptions) -> Padding:
    """Share of padding in the batches of one pass: drawn at random, and as a run draws them."""
    batch, accumulation = options.per_device_train_batch_size, options.gradient_accumulation_steps
    used: Order = "grouped" if options.shuffle_dataset else "given"
    return {
        "batch": batch,
        "shuffled": round(padding_share(lengths, batch, accumulation, "random"), 4),
        "grouped": round(padding_share(lengths, batch, accumulation, used), 4),
    }


def chips(example: Example, renderer: Renderer, options: DatasetOptions) -> ShownRow:
    """A row as it is shown.

    The colours are the mask that is trained on, not one worked out again; the render only says whose words they are.
    """
    assert renderer.tokenizer is not None
    whole = render_row(example.conversation, renderer, options)
    first, end, _ = example.kept.indices(example.length)
    # What is kept has to be seen: of a long row its end, where the end is kept.
    start = max(min(first, example.length - _PREVIEW_TOKENS), 0)
    shown = _window(whole, example, start, start + _PREVIEW_TOKENS)
    tokens: list[RowChip] = [
        {**chip, "cut": not first <= index < end, "trained": chip["trained"] and first <= index < end}
        for index, chip in enumerate(token_chips(shown, renderer.tokenizer), start=start)
    ]
    return {
        "row": example.row,
        "shape": example.conversation.shape,
        "messages": example.conversation.messages,
        "tokens": tokens,
        "left_out": example.length - len(tokens),
        "left_out_before": start,
        "length": example.length,
        "kept": len(example.kept_ids),
        "trained": example.trained,
    }


def _window(whole: Rendered, example: Example, start: int, end: int) -> Rendered:
    """Some of the row's tokens with the mask of the example."""
    return Rendered(
        whole.text,
        whole.spans,
        whole.mask_source,
        whole.input_ids[start:end],
        example.loss_mask[start:end].tolist(),
        whole.offsets[start:end],
    )
