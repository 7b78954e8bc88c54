"""What the sandbox does, each job a function of plain values. Imported there before any job arrives.

Tokenizers are loaded from folders that `weights.py` has put there, never from a name that a person typed.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache, singledispatch
from pathlib import Path
from typing import Any

from playground.runs.types import HeldOutQuestions

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # Workers are forked; the tokenizers' threads would not survive it.

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AddedToken

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.i18n import pack, say
from playground.core.messages import Message, check_messages
from playground.core.settings import Limits, RenderOptions
from playground.data.dataset import Prepared, as_row, prepare, require_trainable, supervise
from playground.data.few_shot import baseline_prompts
from playground.data.pages import page
from playground.data.readers import parse
from playground.data.report import chips, counts_of, full_report, losses
from playground.data.run_inputs import lengths, write_extras
from playground.data.schemas.histories import as_history, told_of
from playground.data.source import Parsed
from playground.data.types import BaselinePrompts, CheckNews, DatasetReport, RowLengths, RowsPage, WrittenRows
from playground.runs.held_out_questions import held_out_questions
from playground.runs.store import TEMPLATE, RunFolder
from playground.server.sandbox import requests as ask
from playground.templates.catalogue import gallery, template_source, training_twin
from playground.templates.compare import compare
from playground.templates.doctor import TemplateFacts, diagnose, examine, explain_refusal
from playground.templates.files import read_template_file
from playground.templates.forms import Forms
from playground.templates.inputs import inputs_of
from playground.templates.rendered import TemplateRefusal
from playground.templates.renderer import Renderer, load_tokenizer
from playground.templates.reproduce import reproduction
from playground.templates.token_chips import token_chips
from playground.templates.types import ChatPrompt, Comparison, Preview, TemplateDescription, TemplateFile

_tokenizer = lru_cache(maxsize=4)(load_tokenizer)
_PREVIEW_ROWS = 3


def tell(news: CheckNews) -> None:
    """Say how a job comes on; the worker process puts its line to the app in place of this (fork_server.py)."""


def _renderer(folder: str, template: str, limits: Limits) -> Renderer:
    if len(template) > limits.template_chars:
        raise InputError(
            say("The template has {count} characters.", count=len(template)),
            say("The limit here is {limit}.", limit=limits.template_chars),
            say("Shorten it."),
        )
    return Renderer(_tokenizer(folder) if folder else None, template_source(template), limits.output_chars)


def _rows(request: ask.OfRows[Any] | ask.OfRun[Any]) -> tuple[Parsed, Renderer]:
    renderer = _renderer(request.folder, request.options.template, request.limits)
    return parse(request.source, request.limits), renderer


def _messages(conversation: Any) -> list[Message]:
    return check_messages(conversation, say("The conversation"), to_show=True)


@singledispatch
def do(request: ask.Request[Any]) -> Any:
    """What the request asks for."""
    raise TypeError(type(request))


@do.register
def _warm_up(request: ask.WarmUp) -> None:
    if request.folder:
        _tokenizer(request.folder)
        with suppress(PlaygroundError):
            _preview(
                ask.RenderPreview(request.folder, "", Limits(), [{"role": "user", "content": "Hi"}], RenderOptions())
            )


@do.register
def _preview(request: ask.RenderPreview) -> Preview:
    """A refusal carries the doctor's findings on it (PlaygroundError.findings)."""
    options, limits = request.options, request.limits
    messages = _messages(request.conversation)
    renderer = _renderer(request.folder, request.template, request.limits)
    try:
        rendered = renderer.render(messages, options)
    except PlaygroundError as refusal:
        found = explain_refusal(renderer, messages, options, refusal)
        refusal.findings = [finding.to_dict() for finding in found]
        raise
    if len(rendered.input_ids) > limits.preview_tokens:
        raise LimitError(
            say("The conversation has {count} tokens.", count=len(rendered.input_ids)),
            say("The limit here is {limit}.", limit=limits.preview_tokens),
            say("Shorten it."),
        )
    facts = _facts(request.folder, request.template, json.dumps(asdict(options)), limits)
    if facts.unasked:
        _facts.cache_clear()  # One slow moment should not be remembered.
    found = diagnose(renderer, messages, options, rendered, _stop_ids(request.folder), facts=facts)
    found = sorted([*told_of(messages, options.tools), *found], key=lambda finding: finding.severity != "error")
    return {
        "text": rendered.text,
        "tokens": token_chips(rendered, renderer.tokenizer) if renderer.tokenizer is not None else [],
        "mask": rendered.mask_source,
        "spans": [span.to_dict() for span in rendered.spans],
        "findings": [finding.to_dict() for finding in found],
    }


@lru_cache(maxsize=64)
def _facts(folder: str, template: str, options: str, limits: Limits) -> TemplateFacts:
    """What holds for every conversation with this template: asked once, not with each key that is pressed."""
    return examine(_renderer(folder, template, limits), RenderOptions.from_dict(json.loads(options)))


@lru_cache(maxsize=4)
def _stop_ids(folder: str) -> set[int] | None:
    """The tokens at which the model's generation config ends an answer, None where it names none."""
    path = Path(folder) / "generation_config.json"
    if not folder or not path.is_file():
        return None
    ends = orjson.loads(path.read_bytes()).get("eos_token_id")
    return set(ends if isinstance(ends, list) else [ends]) if ends is not None else None


@do.register
def _describe(request: ask.DescribeTemplate) -> TemplateDescription:
    renderer = _renderer(request.folder, request.template, request.limits)
    source = renderer.template(RenderOptions())
    tokens = renderer.tokenizer.special_tokens_map if renderer.tokenizer is not None else {}
    reads = inputs_of(source)
    return {
        "source": source,
        "name": request.template if request.template in gallery() else "",
        "variables": [variable.to_dict() for variable in reads.variables],
        "clock": reads.clock,
        "tools": reads.tools,
        "documents": reads.documents,
        "special_tokens": {name: str(token) for name, token in tokens.items() if isinstance(token, (str, AddedToken))},
        "training_twin": training_twin(source),
    }


@do.register
def _read_file(request: ask.ReadTemplateFile) -> TemplateFile:
    return read_template_file(request.raw, request.name, request.limits)


@do.register
def _compare(request: ask.CompareTemplates) -> Comparison:
    messages = _messages(request.conversation)
    renderers: list[tuple[str, Renderer | PlaygroundError]] = []
    for label, folder, template in request.sides:
        try:
            side = folder if isinstance(folder, PlaygroundError) else _renderer(folder, template, request.limits)
        except PlaygroundError as problem:
            side = problem
        renderers.append((label, side))
    return compare(messages, renderers, request.options)


@do.register
def _script(request: ask.WriteScript) -> str:
    messages = _messages(request.conversation)
    return reproduction(messages, request.model, template_source(request.template), request.options)


@do.register
def _prompt(request: ask.RenderPrompt) -> ChatPrompt:
    renderer = _renderer(request.folder, request.template, request.limits)
    messages = Forms(renderer, request.options).fit(as_history(request.conversation))
    try:
        ids = renderer.prompt_ids(messages, request.options)
    except TemplateRefusal as refusal:
        asked = replace(request.options, add_generation_prompt=True)
        found = explain_refusal(renderer, messages, asked, refusal)
        if not found:
            raise
        raise InputError(found[0].message, fix=found[0].fix) from None
    if len(ids) > request.limits.prompt_tokens:
        raise InputError(
            say("The conversation has {count} tokens.", count=len(ids)),
            say("The limit here is {limit}.", limit=request.limits.prompt_tokens),
            say("Shorten it or start a new one."),
        )
    return {"ids": ids, "stop": renderer.turn_end(request.options)}


@do.register
def _check(request: ask.CheckRows) -> DatasetReport:
    options = request.options
    parsed, renderer = _rows(request)
    first = page(parsed, renderer, options, per_page=_PREVIEW_ROWS)
    usable = [row for row in first["rows"] if row.pop("finding") is None and row.pop("data") is not None]
    tell({"fraction": 0.0, "rows": first["total"], "preview": usable})
    prepared = prepare(parsed, renderer, options, lambda fraction: tell({"fraction": fraction}))
    preview = [chips(example, renderer, options) for example in prepared.examples[:_PREVIEW_ROWS]]
    return full_report(parsed, prepared, preview)


@do.register
def _page(request: ask.PageOfRows) -> RowsPage:
    parsed, renderer = _rows(request)
    return page(parsed, renderer, request.options, request.number, request.per_page, request.query, request.rows)


@do.register
def _clean(request: ask.CleanRows) -> int:
    prepared = supervise(*_rows(request), request.options)
    _write_rows(prepared, Path(request.destination))
    return len(prepared.examples)


def _trainable(request: ask.OfRun[Any]) -> tuple[Prepared, Renderer]:
    """A run's rows. Raises InputError when fewer than two can be used."""
    parsed, renderer = _rows(request)
    prepared = supervise(parsed, renderer, request.options)
    require_trainable(prepared)
    return prepared, renderer


@do.register
def _measure(request: ask.MeasureRows) -> RowLengths:
    return lengths(*_trainable(request), request.settings)


@do.register
def _write(request: ask.WriteRows) -> WrittenRows:
    """rows.jsonl (as conversations) and rendered.parquet (row, held_out, input_ids, labels)."""
    prepared, renderer = _trainable(request)
    destination, examples = Path(request.destination), prepared.examples
    extras = write_extras(prepared, renderer, request.settings, destination)
    if template := template_source(prepared.options.template):
        # As it is today: the gallery's may be another one after an update.
        (destination / TEMPLATE).write_text(template, encoding="utf-8")
    _write_rows(prepared, destination / "rows.jsonl")
    table = pa.table(
        {
            "row": [example.row for example in examples],
            "held_out": [index in prepared.held_out for index in range(len(examples))],
            "input_ids": pa.array([example.kept_ids for example in examples], pa.list_(pa.int32())),
            "labels": pa.array([example.labels for example in examples], pa.list_(pa.int32())),
        }
    )
    pq.write_table(table, destination / "rendered.parquet")
    held_out = len(prepared.held_out)
    return {
        **counts_of(prepared),
        **extras,
        "held_out_rows": held_out,
        "train_rows": len(examples) - held_out,
        "losses": pack(losses(prepared)),
    }


@do.register
def _baseline(request: ask.AskBaseline) -> BaselinePrompts:
    parsed, renderer = _rows(request)
    prepared = supervise(parsed, renderer, request.options, lambda fraction: tell({"fraction": fraction}))
    return baseline_prompts(prepared, renderer, request.folder, request.limits)


@do.register
def _held_out(request: ask.AskHeldOut) -> HeldOutQuestions:
    run = RunFolder(Path(request.run))
    return held_out_questions(
        run, _renderer(request.folder, run.template(), request.limits), request.folder, request.limits
    )


def _write_rows(prepared: Prepared, path: Path) -> None:
    with open(path, "wb") as rows:
        rows.writelines(orjson.dumps(as_row(example.conversation)) + b"\n" for example in prepared.examples)
