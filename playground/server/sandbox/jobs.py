"""What the sandbox does, each job a function of plain values. Imported there before any job arrives.

Tokenizers are loaded from folders that `weights.py` has put there, never from a name that a person typed.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # Workers are forked; the tokenizers' threads would not survive it.

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AddedToken

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.i18n import say
from playground.core.messages import check_messages
from playground.core.settings import DatasetOptions, Limits, RenderOptions, TrainSettings
from playground.data.dataset import Prepared, as_row, prepare, require_trainable
from playground.data.few_shot import need_prompts as prompts_of
from playground.data.pages import page
from playground.data.readers import parse
from playground.data.report import chips, full_report, summary
from playground.data.run_inputs import lengths, write_extras
from playground.data.source import Source
from playground.runs.held_out_questions import held_out_questions as questions_of
from playground.runs.store import TEMPLATE, RunFolder
from playground.templates.catalogue import gallery, template_source, training_twin
from playground.templates.compare import compare
from playground.templates.doctor import TemplateFacts, diagnose, examine, explain_refusal
from playground.templates.files import read_template_file
from playground.templates.inputs import inputs_of
from playground.templates.renderer import Renderer, load_tokenizer
from playground.templates.reproduce import reproduction as write_script
from playground.templates.token_chips import pieces

_tokenizer = lru_cache(maxsize=4)(load_tokenizer)
_PREVIEW_ROWS = 3


def tell(value: Any) -> None:
    """Say how a job comes on; the worker process puts its line to the app in place of this (fork_server.py)."""


def _renderer(folder: str, template: str, limits: Limits) -> Renderer:
    if len(template) > limits.template_chars:
        raise InputError(
            say("The template has {count} characters.", count=len(template)),
            say("The limit here is {limit}.", limit=limits.template_chars),
            say("Shorten it."),
        )
    return Renderer(_tokenizer(folder) if folder else None, template_source(template), limits.output_chars)


def warm_up(folder: str) -> None:
    """Load the tokenizer in `folder` and look at its own template before anybody waits for it; "" has only the imports
    done.
    """
    if folder:
        _tokenizer(folder)
        with suppress(PlaygroundError):
            preview(folder, [{"role": "user", "content": "Hi"}], "", RenderOptions(), Limits())


def preview(folder: str, conversation: Any, template: str, options: RenderOptions, limits: Limits) -> dict[str, Any]:
    """/preview: render one conversation and say what there is to know about it. `folder` "" renders text alone.

    A refusal carries the doctor's findings on it (PlaygroundError.findings).
    """
    messages = check_messages(conversation, say("The conversation"), to_show=True)
    renderer = _renderer(folder, template, limits)
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
    facts = _facts(folder, template, json.dumps(asdict(options)), limits)
    if facts.unasked:
        _facts.cache_clear()  # One slow moment should not be remembered.
    found = diagnose(renderer, messages, options, rendered, _stop_ids(folder), facts=facts)
    return {
        "text": rendered.text,
        "tokens": pieces(rendered, renderer.tokenizer) if renderer.tokenizer is not None else [],
        "mask": rendered.mask_source,
        "spans": [asdict(span) for span in rendered.spans],
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


def template(folder: str, chosen: str, limits: Limits) -> dict[str, Any]:
    """A template's source and everything that it reads. `folder` "": no tokenizer, so no special tokens."""
    renderer = _renderer(folder, chosen, limits)
    source = renderer.template(RenderOptions())
    tokens = renderer.tokenizer.special_tokens_map if renderer.tokenizer is not None else {}
    return {
        **inputs_of(source).to_dict(),
        "source": source,
        "name": chosen if chosen in gallery() else "",
        "special_tokens": {name: str(token) for name, token in tokens.items() if isinstance(token, (str, AddedToken))},
        "training_twin": training_twin(source),
    }


def template_file(folder: str, raw: bytes, name: str, limits: Limits) -> dict[str, Any]:
    """The template in an uploaded file. `folder` is "": no tokenizer is needed."""
    return read_template_file(raw, name, limits)


def compare_templates(
    folder: str,
    conversation: Any,
    sides: list[tuple[str, str | PlaygroundError, str]],
    options: RenderOptions,
    limits: Limits,
) -> dict[str, Any]:
    """Two templates or models on one conversation. `sides`: (label, tokenizer's folder or why there is none, template).

    `folder`, that of the first side, is only loaded beforehand.
    """
    messages = check_messages(conversation, say("The conversation"), to_show=True)
    renderers: list[tuple[str, Renderer | PlaygroundError]] = []
    for label, place, template in sides:
        try:
            side = place if isinstance(place, PlaygroundError) else _renderer(place, template, limits)
        except PlaygroundError as problem:
            side = problem
        renderers.append((label, side))
    return compare(messages, renderers, options)


def reproduction(
    folder: str, conversation: Any, model: str, template: str, options: RenderOptions, limits: Limits
) -> str:
    """A script that renders the same with plain transformers. `model` "": there is no tokenizer."""
    messages = check_messages(conversation, say("The conversation"), to_show=True)
    return write_script(messages, model, template_source(template), options)


def chat_prompt(
    folder: str, messages: Any, template: str, options: RenderOptions, limits: Limits
) -> dict[str, list[int]]:
    """The prompt of a chat turn, by the same renderer as the training rows: {ids, stop: tokens that end an answer}."""
    checked = check_messages(messages, say("The conversation"))
    renderer = _renderer(folder, template, limits)
    rendered = renderer.render(checked, replace(options, add_generation_prompt=True), with_spans=False)
    if len(rendered.input_ids) > limits.prompt_tokens:
        raise InputError(
            say("The conversation has {count} tokens.", count=len(rendered.input_ids)),
            say("The limit here is {limit}.", limit=limits.prompt_tokens),
            say("Shorten it or start a new one."),
        )
    return {"ids": rendered.input_ids, "stop": renderer.turn_end(options)}


def check_dataset(folder: str, source: Source, options: DatasetOptions, limits: Limits) -> dict[str, Any]:
    """/check_dataset: what would be trained, and the first rows as chips.

    Tells {"fraction": 0 to 1} while it works and, before that, {"preview": the first rows}.
    """
    renderer = _renderer(folder, options.template, limits)
    parsed = parse(source, limits)
    first = page(parsed, renderer, options, per_page=_PREVIEW_ROWS)
    usable = [row for row in first["rows"] if row.pop("finding") is None and row.pop("data") is not None]
    tell({"fraction": 0.0, "rows": first["total"], "preview": usable})
    prepared = prepare(parsed, renderer, options, lambda fraction: tell({"fraction": fraction}))
    preview = [chips(example, renderer, options) for example in prepared.examples[:_PREVIEW_ROWS]]
    return {**full_report(parsed, prepared), "preview": preview}


def dataset_rows(
    folder: str,
    source: Source,
    options: DatasetOptions,
    limits: Limits,
    number: int,
    per_page: int,
    query: str,
    rows: list[int] | None,
) -> dict[str, Any]:
    """One page of the rows, see data/pages.py."""
    renderer = _renderer(folder, options.template, limits)
    return page(parse(source, limits), renderer, options, number, per_page, query, rows)


def clean_rows(folder: str, source: Source, options: DatasetOptions, destination: str, limits: Limits) -> int:
    """Write the usable rows, edits done, as JSON Lines to `destination`; how many there are."""
    prepared = prepare(parse(source, limits), _renderer(folder, options.template, limits), options)
    _write_rows(prepared, Path(destination))
    return len(prepared.examples)


def row_lengths(folder: str, source: Source, settings: TrainSettings, limits: Limits) -> dict[str, Any]:
    """What a run's plan is made by, see data/run_inputs.py. Raises InputError when fewer than two rows can be used."""
    options = settings.dataset_options()
    renderer = _renderer(folder, options.template, limits)
    prepared = prepare(parse(source, limits), renderer, options)
    require_trainable(prepared)
    return lengths(prepared, renderer, settings)


def write_rows(
    folder: str, source: Source, settings: TrainSettings, destination: str, limits: Limits
) -> dict[str, Any]:
    """Write a run's rows.jsonl (as conversations) and rendered.parquet (row, held_out, input_ids, labels).

    Returns the summary with the counts of both parts. Raises InputError when fewer than two rows can be used.
    """
    options = settings.dataset_options()
    renderer = _renderer(folder, options.template, limits)
    prepared = prepare(parse(source, limits), renderer, options)
    require_trainable(prepared)
    examples = prepared.examples
    extras = write_extras(prepared, renderer, settings, Path(destination))
    if template := template_source(options.template):
        # As it is today: the gallery's may be another one after an update.
        (Path(destination) / TEMPLATE).write_text(template, encoding="utf-8")
    _write_rows(prepared, Path(destination) / "rows.jsonl")
    table = pa.table(
        {
            "row": [example.row for example in examples],
            "held_out": [place in prepared.held_out for place in range(len(examples))],
            "input_ids": pa.array([example.kept_ids for example in examples], pa.list_(pa.int32())),
            "labels": pa.array([example.labels for example in examples], pa.list_(pa.int32())),
        }
    )
    pq.write_table(table, Path(destination) / "rendered.parquet")
    held_out = len(prepared.held_out)
    return {**summary(prepared), **extras, "held_out_rows": held_out, "train_rows": len(examples) - held_out}


def need_prompts(folder: str, source: Source, settings: TrainSettings, limits: Limits) -> dict[str, Any]:
    """What "Is it needed?" asks the base, see few_shot.py. Tells {"fraction": 0 to 1}."""
    options = settings.dataset_options()
    renderer = _renderer(folder, options.template, limits)
    prepared = prepare(parse(source, limits), renderer, options, lambda fraction: tell({"fraction": fraction}))
    return prompts_of(prepared, renderer, folder, limits)


def held_out_questions(folder: str, run: str, limits: Limits) -> dict[str, Any]:
    """What base and tuned are asked in one go, see held_out_questions.py. `run`: the run's folder, by the app."""
    place = RunFolder(Path(run))
    return questions_of(place, _renderer(folder, place.template(), limits), folder, limits)


def _write_rows(prepared: Prepared, path: Path) -> None:
    with open(path, "wb") as rows:
        rows.writelines(orjson.dumps(as_row(example.conversation)) + b"\n" for example in prepared.examples)
