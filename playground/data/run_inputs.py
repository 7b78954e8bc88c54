"""What a run needs beside its own rows, rendered by the same renderer: probe prompts and the general-ability set.

    probes.json      {probes: [{prompt, expected, source, ids}], stop: tokens that end an answer}
    general.parquet  input_ids, labels

Renders templates: called in the sandbox.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from playground.core.errors import PlaygroundError
from playground.core.i18n import say
from playground.core.messages import Message, check_messages
from playground.core.settings import RenderOptions, TrainSettings
from playground.data.dataset import Prepared
from playground.data.general_set import general_language, general_rows
from playground.data.split import evenly
from playground.data.types import Extras, RowLengths
from playground.templates.renderer import Renderer

SAMPLED = 24
"""Training rows that are scored before and after: enough to see what was learned of them, few enough to cost little."""
_HELD_OUT_PROBES = 2
_EVERYDAY_KINDS = ("fact", "instruction", "politeness")
"""Of everyday questions the first of each of these kinds is asked, as many as there is room for."""
_PROBES = 3
_PROMPT_TOKENS = 1024
"""A probe's prompt that is longer is not asked: its answers would take more time than the training."""


def write_extras(prepared: Prepared, renderer: Renderer, settings: TrainSettings, folder: Path) -> Extras:
    """Write probes.json and general.parquet."""
    language = general_language(_answers(prepared))
    options = settings.dataset_options().render_options(None)
    probes = _probes(prepared, renderer, settings, language) if settings.probe_max_new_tokens else []
    asked = {"probes": probes, "stop": renderer.turn_end(options)}
    (folder / "probes.json").write_bytes(orjson.dumps(asked))
    general = _general(renderer, options, language) if settings.general_ability else []
    if general:
        kind = pa.list_(pa.int32())
        table = {name: pa.array([row[name] for row in general], kind) for name in ("input_ids", "labels")}
        pq.write_table(pa.table(table), folder / "general.parquet")
    return {
        "probes": len(probes),
        "general_rows": len(general),
        "general_tokens": sum(len(row["input_ids"]) for row in general),
    }


def lengths(prepared: Prepared, renderer: Renderer, settings: TrainSettings) -> RowLengths:
    """What a plan is made by, of rows that nobody trains on yet."""
    tokens = [len(example.kept_ids) for example in prepared.examples]
    train = [count for place, count in enumerate(tokens) if place not in prepared.held_out]
    options = settings.dataset_options().render_options(None)
    general = _general(renderer, options, general_language(_answers(prepared))) if settings.general_ability else []
    scored = sum(evenly(train, SAMPLED))
    return {
        "train": train,
        "held_out": [tokens[place] for place in sorted(prepared.held_out)],
        "scored_tokens": scored + sum(len(row["input_ids"]) for row in general),
        "probes": (len(settings.probe_prompts) or _PROBES) if settings.probe_max_new_tokens else 0,
    }


def _answers(prepared: Prepared) -> list[str]:
    found = []
    for example in prepared.examples:
        said = [message["content"] for message in example.conversation.messages if message["role"] == "assistant"]
        found += [content for content in said if isinstance(content, str)]
    return found


def _general(renderer: Renderer, options: RenderOptions, language: str) -> list[dict[str, list[int]]]:
    """The everyday questions as tokens and labels; [] where the template refuses them."""
    rows = []
    for row in general_rows(language):
        try:
            messages = check_messages(row["messages"], say("An everyday question"))
            rendered = renderer.render(messages, options, with_spans=False)
        except PlaygroundError:
            continue
        labels = rendered.labels()
        if any(label != -100 for label in labels):
            rows.append({"input_ids": rendered.input_ids, "labels": labels})
    return rows


def _probes(prepared: Prepared, renderer: Renderer, settings: TrainSettings, language: str) -> list[dict[str, Any]]:
    """The person's own prompts; else two held-out questions and everyday ones up to three."""
    wanted: list[tuple[list[Message], Any, str, str]] = []
    if settings.probe_prompts:
        wanted = [(_asked(prompt, settings), None, prompt, "yours") for prompt in settings.probe_prompts]
    else:
        wanted = _held_out_probes(prepared)
        everyday = {row["kind"]: row for row in reversed(general_rows(language))}
        for kind in _EVERYDAY_KINDS[: _PROBES - len(wanted)]:
            question, answer = (message["content"] for message in everyday[kind]["messages"])
            wanted.append((_asked(question, settings), answer, question, "general"))
    probes = []
    for messages, expected, prompt, source in wanted:
        ids = _prompt_ids(messages, renderer, settings)
        if ids and len(ids) <= _PROMPT_TOKENS:
            probes.append({"prompt": prompt, "expected": expected or "", "source": source, "ids": ids})
    return probes


def _asked(question: str, settings: TrainSettings) -> list[Message]:
    system = [{"role": "system", "content": settings.system_prompt}] if settings.system_prompt.strip() else []
    return check_messages([*system, {"role": "user", "content": question}], say("A probe"))


def _held_out_probes(prepared: Prepared) -> list[tuple[list[Message], Any, str, str]]:
    """The first held-out conversations that end with a question and its answer, up to that answer."""
    found: list[tuple[list[Message], Any, str, str]] = []
    for place in sorted(prepared.held_out):
        messages = prepared.examples[place].conversation.messages
        last, before = messages[-1], messages[-2:-1]
        if last["role"] != "assistant" or not before or before[0]["role"] != "user" or len(found) >= _HELD_OUT_PROBES:
            continue
        question, answer = before[0]["content"], last["content"]
        if isinstance(question, str) and isinstance(answer, str) and question not in [probe[2] for probe in found]:
            found.append((messages[:-1], answer, question, "held_out"))
    return found


def _prompt_ids(messages: list[Message], renderer: Renderer, settings: TrainSettings) -> list[int]:
    """[] where the template refuses the prompt."""
    try:
        return renderer.prompt_ids(messages, settings.dataset_options().render_options(None))
    except PlaygroundError:
        return []
