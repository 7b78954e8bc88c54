"""From records to supervised tokens: what would be trained, row by row, and what is in the way.

    records -> edits -> conversations -> tokens and mask -> cut -> findings

`prepare` does it for a whole dataset. The preview shows its rows, and a run trains on its rows: there is no second way.
Runs in the sandbox, since rendering runs the template.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from playground.core.errors import InputError, PlaygroundError
from playground.core.figures import rows_said
from playground.core.findings import Finding
from playground.core.i18n import say
from playground.core.messages import Conversation, Message
from playground.core.settings import DatasetOptions
from playground.data.cut import LEFT_OUT, kept_part, nothing_left, too_long
from playground.data.lint import LintFacts, LintRow, digest_of, lint
from playground.data.row_reader import RowReader
from playground.data.schemas import Shape
from playground.data.source import Parsed, Record
from playground.data.split import held_out_places
from playground.data.tokenize import Ids, Mask, TokenRow, render_rows
from playground.data.unused import not_used, weights_overridden
from playground.templates.renderer import Renderer

Report = Callable[[float], None]
"""report(fraction): how much of the work is done, 0 to 1."""

_RENDERING_SHARE = 0.7
"""Part of the time that rendering takes, the linter having the rest."""
_SHAPES_TRIED = 100


@dataclass(frozen=True, slots=True)
class Example:
    """One usable row: its conversation, its tokens, and which of them are kept."""

    conversation: Conversation
    input_ids: Ids
    """All tokens, before the cut."""
    loss_mask: Mask
    kept: slice
    """The tokens that are left after the cut."""
    findings: list[Finding]
    """What the template does to it."""

    @property
    def row(self) -> int:
        return self.conversation.row

    @property
    def length(self) -> int:
        """Tokens before the cut."""
        return len(self.input_ids)

    @property
    def kept_ids(self) -> Ids:
        return self.input_ids[self.kept]

    @property
    def labels(self) -> Ids:
        """`kept_ids` with -100 where nothing is learned: what the trainer gets."""
        return np.where(self.loss_mask[self.kept] == 1, self.kept_ids, np.int32(-100))

    @property
    def trained(self) -> int:
        """Supervised tokens that are left after the cut."""
        return int(self.loss_mask[self.kept].sum())


@dataclass
class Prepared:
    """A dataset that is ready to be trained on, with what was found on the way."""

    rows: int
    """Rows that arrived, readable or not."""
    options: DatasetOptions
    examples: list[Example] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    dropped: int = 0
    """Rows that the person took out."""
    held_out: set[int] = field(default_factory=set)
    """Places in `examples` that are kept out of training."""
    lengths: list[int] = field(default_factory=list)
    """Tokens before the cut of each row that can be rendered, also of those that the maximum length leaves out."""
    about_all: list[Finding] = field(default_factory=list)
    """Those of the findings that say what the template does to all rows."""
    seen: Shape | None = None
    """What the first row was recognised as, where none can be used."""

    @property
    def truncated(self) -> int:
        """Rows with tokens beyond the maximum length."""
        return sum(len(example.kept_ids) < example.length for example in self.examples)

    @property
    def trained_tokens(self) -> int:
        """Supervised tokens in one pass over the training rows."""
        return sum(example.trained for place, example in enumerate(self.examples) if place not in self.held_out)

    @property
    def held_out_tokens(self) -> int:
        """Supervised tokens of the rows that are kept out of training: they are scored."""
        return sum(self.examples[place].trained for place in self.held_out)


def prepare(
    parsed: Parsed, renderer: Renderer, options: DatasetOptions, report: Report = lambda fraction: None
) -> Prepared:
    """Render every row, and look for what is wrong with them. A row that cannot be used becomes a finding, and the
    others stay.
    """
    return _prepare(parsed, renderer, options, report, with_lint=True)


def supervise(
    parsed: Parsed, renderer: Renderer, options: DatasetOptions, report: Report = lambda fraction: None
) -> Prepared:
    """The same rows, for who needs them alone: findings are only those of rows that cannot be used."""
    return _prepare(parsed, renderer, options, report, with_lint=False)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """The collector of cycles looks through all rows again and again, a sixth of the time, and there are none in them.

    It still runs now and then, since a template's macros may make some.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@_rare_collections()
def _prepare(
    parsed: Parsed, renderer: Renderer, options: DatasetOptions, report: Report, *, with_lint: bool
) -> Prepared:
    share = _RENDERING_SHARE if with_lint else 1.0
    prepared = Prepared(len(parsed.records) + len(parsed.broken), options)
    reader = RowReader(parsed, renderer, options)
    refused: list[tuple[Record, PlaygroundError]] = []
    examples = _examples(prepared, reader, renderer, refused, lambda part: report(part * share))
    for found in examples:
        if isinstance(found, Finding):
            prepared.findings.append(found)
        else:
            prepared.examples.append(found)
            prepared.findings += found.findings
    prepared.about_all += reader.doctor.about_all()
    prepared.findings += prepared.about_all
    prepared.dropped = len(reader.edits.dropped & {*(record.row for record in parsed.records), *parsed.broken})
    unread = [finding for finding in parsed.findings if finding.row is None or finding.row not in reader.readable]
    prepared.findings += [reader.with_repairs(finding) for finding in unread]
    prepared.findings += reader.refusals(refused)
    prepared.findings += [finding for example in prepared.examples for finding in example.conversation.findings]
    if not prepared.examples:
        prepared.seen = next(filter(None, map(reader.shape, parsed.records[:_SHAPES_TRIED])), None)
    conversations = [example.conversation for example in prepared.examples]
    prepared.findings += weights_overridden(conversations, options.train_on)
    if with_lint:
        prepared.findings += not_used(conversations, parsed, renderer.template(options.render_options(None)))
    digests = [digest_of(example.conversation.messages) for example in prepared.examples]
    prepared.held_out = _held_out(prepared.examples, digests, parsed, options)
    if with_lint:
        prepared.findings += reader.told
        prepared.findings += _lint(prepared, digests, reader, lambda part: report(share + part * (1 - share)))
    prepared.findings = [
        finding
        for finding in prepared.findings
        if finding.row is None or not reader.edits.kept(finding.row, finding.code)
    ]
    prepared.findings.sort(key=lambda finding: finding.row or 0)
    return prepared


def _examples(
    prepared: Prepared,
    reader: RowReader,
    renderer: Renderer,
    refused: list[tuple[Record, PlaygroundError]],
    report: Report,
) -> Iterator[Example | Finding]:
    """The usable rows, with findings among them for what the template or the maximum length makes of the others.

    The lengths of both are kept in `prepared`.
    """
    total = max(len(reader.parsed.records) + len(reader.parsed.broken), 1)
    read: list[Conversation] = []

    def conversations() -> Iterator[Conversation]:
        for record in reader.records():
            try:
                found = reader.conversation(record)
            except PlaygroundError as problem:
                refused.append((record, problem))
                continue
            read.append(found)
            yield found

    for place, tokens in enumerate(render_rows(conversations(), renderer, prepared.options, reader.doctor)):
        if place % 256 == 0:
            report((place + len(refused)) / total)
        if isinstance(tokens, TokenRow):
            prepared.lengths.append(len(tokens.input_ids))
        yield example_of(read[place], tokens, reader)


def example_of(conversation: Conversation, tokens: TokenRow | PlaygroundError, reader: RowReader) -> Example | Finding:
    """The row cut to the maximum length or, where nothing is left to learn, the finding that says so; one of them."""
    options = reader.options
    if isinstance(tokens, PlaygroundError):
        return reader.refused_by_template(conversation, tokens)
    length = len(tokens.input_ids)
    if length > options.max_length and options.truncation_mode == "drop":
        return too_long(conversation.row, length, options.max_length)
    kept = kept_part(length, options)
    example = Example(conversation, tokens.input_ids, tokens.loss_mask, kept, tokens.findings)
    # The first token is never predicted, so its label teaches nothing.
    learned = example.kept_ids[1:][example.loss_mask[kept][1:] == 1]
    is_end_alone = kept.start and reader.doctor.silent_ids.issuperset(learned.tolist())
    if not len(learned) or is_end_alone:
        return nothing_left(conversation, tokens.loss_mask, options)
    return example


def _held_out(examples: list[Example], digests: list[bytes], parsed: Parsed, options: DatasetOptions) -> set[int]:
    """Places of the examples that are kept out of training: see split.py."""
    arrived: dict[int, Any] = {**parsed.broken, **{record.row: record.data for record in parsed.records}}
    given = [digest_of(arrived.pop(example.row)) for example in examples]
    return set(
        held_out_places(
            given,
            digests,
            options.held_out,
            options.seed,
            shuffle=options.shuffle_dataset,
            left_out=[digest_of(data) for data in arrived.values()],
        )
    )


def _lint(prepared: Prepared, digests: list[bytes], reader: RowReader, report: Report) -> list[Finding]:
    rows = []
    for place, example in enumerate(prepared.examples):
        trained = example.trained
        rows.append(
            LintRow(
                example.row,
                example.conversation.messages,
                example.length,
                len(example.kept_ids),
                trained,
                bool(trained < example.loss_mask.sum()),
                place in prepared.held_out,
                digests[place],
            )
        )
    options = prepared.options
    training = len(rows) - len(prepared.held_out)
    facts = LintFacts(
        max_length=options.max_length,
        control_tokens=tuple(reader.control_tokens),
        rows_per_step=options.rows_per_step,
        steps=options.max_steps if options.max_steps > 0 else None,
        epochs=options.seen(training),
        keeps_end=options.truncation_mode == "keep_end",
    )
    return lint(rows, facts, report)


def require_trainable(prepared: Prepared) -> None:
    """Raises InputError unless at least two rows can be used: one to learn from, one to check against."""
    if len(prepared.examples) >= 2:
        return
    first = next((told for told in prepared.findings if told.severity == "error" or told.why == LEFT_OUT), None)
    raise InputError(
        say("{count} of {rows} can be used.", count=len(prepared.examples), rows=rows_said(prepared.rows)),
        say("Training needs at least two."),
        say("The first problem: {problem} {fix}", problem=first.message, fix=first.fix or say("Drop the row."))
        if first
        else say("Add more rows."),
    )


def as_row(conversation: Conversation) -> dict[str, Any]:
    """The conversation as a row of a JSON Lines file that comes back the same: {messages, tools}, or {text}."""
    if conversation.plain_text is not None:
        return {"text": conversation.plain_text}
    messages: list[Message] = conversation.messages
    return {"messages": messages, **({"tools": conversation.tools} if conversation.tools else {})}
