"""What the sandbox does, each job a function of plain values. Imported there before any job arrives.

Tokenizers are loaded from folders that `weights.py` has put there, never from a name that a person typed.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # Workers are forked; the tokenizers' threads would not survive it.

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from playground.conversations import check_messages
from playground.dataset import held_out_places, prepare, preview_rows, require_trainable, summary
from playground.errors import InputError
from playground.findings import Finding
from playground.records import parse_records
from playground.rendering import Renderer, load_tokenizer, pieces
from playground.settings import DatasetOptions, Limits, RenderOptions, TrainSettings
from playground.templates import template_source
from playground.words import say

_tokenizer = lru_cache(maxsize=4)(load_tokenizer)


def _renderer(folder: str, template: str, limits: Limits) -> Renderer:
    if len(template) > limits.template_chars:
        raise InputError(
            say("The template has {count} characters.", count=len(template)),
            say("The limit here is {limit}.", limit=limits.template_chars),
            say("Shorten it."),
        )
    return Renderer(_tokenizer(folder) if folder else None, template_source(template), limits.output_chars)


def warm_up(folder: str) -> None:
    """Load the tokenizer in `folder` before anybody waits for it; "" has only the imports done."""
    if folder:
        _tokenizer(folder)


def preview(folder: str, conversation: Any, template: str, options: RenderOptions, limits: Limits) -> dict[str, Any]:
    """/preview: render one conversation. `folder` "" renders text alone."""
    messages = check_messages(conversation, say("The conversation"))
    renderer = _renderer(folder, template, limits)
    findings: list[dict[str, Any]] = []
    if renderer.tokenizer is None:
        return {"text": renderer.text(messages, options), "tokens": [], "mask": "none", "findings": findings}
    rendered = renderer.render(messages, options)
    if rendered.mask_source == "none":
        findings.append(
            Finding(
                "no_mask",
                "warning",
                say(
                    "Where the assistant's words stand cannot be told with this template: nothing is marked as trained."
                ),
                say("Train on all tokens, or choose another template."),
            ).to_dict()
        )
    return {
        "text": rendered.text,
        "tokens": pieces(rendered, renderer.tokenizer),
        "mask": rendered.mask_source,
        "findings": findings,
    }


def prompt_ids(folder: str, messages: Any, template: str, limits: Limits) -> list[int]:
    """The prompt of a chat turn, by the same renderer as the training rows."""
    checked = check_messages(messages, say("The conversation"))
    rendered = _renderer(folder, template, limits).render(checked, RenderOptions(add_generation_prompt=True))
    if len(rendered.input_ids) > limits.prompt_tokens:
        raise InputError(
            say("The conversation has {count} tokens.", count=len(rendered.input_ids)),
            say("The limit here is {limit}.", limit=limits.prompt_tokens),
            say("Shorten it or start a new one."),
        )
    return rendered.input_ids


def check_dataset(folder: str, raw: bytes, options: DatasetOptions, limits: Limits) -> dict[str, Any]:
    """/check_dataset: what would be trained, and the first rows as chips."""
    renderer = _renderer(folder, options.template, limits)
    prepared = prepare(parse_records(raw, limits), renderer, options)
    return {**summary(prepared), "preview": preview_rows(prepared, renderer)}


def write_rows(folder: str, raw: bytes, settings: TrainSettings, destination: str, limits: Limits) -> dict[str, Any]:
    """Write a run's rows.jsonl (as given) and rendered.parquet (row, held_out, input_ids, labels).

    Returns the summary with the counts of both parts. Raises InputError when fewer than two rows can be used.
    """
    options = DatasetOptions(max_length=settings.max_length, train_on=settings.train_on)
    prepared = prepare(parse_records(raw, limits), _renderer(folder, "", limits), options)
    require_trainable(prepared)
    examples = prepared.examples
    held_out = set(held_out_places(len(examples), settings.held_out, settings.seed))
    with open(Path(destination) / "rows.jsonl", "wb") as rows:
        rows.writelines(orjson.dumps(example.record.data) + b"\n" for example in examples)
    table = pa.table(
        {
            "row": [example.record.row for example in examples],
            "held_out": [place in held_out for place in range(len(examples))],
            "input_ids": pa.array([example.rendered.input_ids for example in examples], pa.list_(pa.int32())),
            "labels": pa.array([example.rendered.labels() for example in examples], pa.list_(pa.int32())),
        }
    )
    pq.write_table(table, Path(destination) / "rendered.parquet")
    return {**summary(prepared), "held_out_rows": len(held_out), "train_rows": len(examples) - len(held_out)}
