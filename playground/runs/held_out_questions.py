"""What base and tuned are asked when a run is tried in one go: its held-out rows, and the probes that are no such rows.

The run is read from its folder, as it was written before training. A held-out row's prompt is the row's own tokens up
to its last answer: the row is rendered once more, by the one renderer, with the template, its variables and the day of
the run, and cut where the last stretch begins that the model learns to write.

Runs in the sandbox (server/sandbox/jobs.py), since rendering runs the template.
try_table.py says what came of the answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import pyarrow.parquet as pq

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence, say
from playground.core.messages import Message
from playground.core.settings import Limits, RenderOptions, TrainSettings
from playground.data.few_shot import context_tokens, last_question
from playground.data.split import evenly
from playground.runs.store import RunFolder
from playground.runs.types import HeldOutQuestions, Question
from playground.templates.renderer import Renderer

MOST_QUESTIONS = 32
"""At most so many are asked, probes among them: two answers each are minutes on two slow cores."""
ROOM = (32, 256)
"""Shortest and longest room for an answer in tokens; between them half as much again as the expected one takes."""
_NOTHING_EXPECTED = 96
"""Room for the answer to a question of the person's own."""


def held_out_questions(
    run: RunFolder, renderer: Renderer, folder: str, limits: Limits, most: int = MOST_QUESTIONS
) -> HeldOutQuestions:
    """The questions. `folder` is the tokenizer's."""
    asking = _Asking(run, renderer, context_tokens(folder, limits) - ROOM[1])
    probes = list(asking.probes())[:most]
    rows = list(_held_out_rows(run))
    chosen = evenly(rows, most - len(probes))
    questions = [question for number, line in chosen if (question := asking.row(number, orjson.loads(line)))]
    return {
        "questions": [*questions, *probes],
        "held_out": len(rows),
        "too_long": asking.too_long,
        "unclear": asking.unclear,
        "stop": renderer.turn_end(asking.options),
        "notes": _notes(len(rows), len(chosen), asking),
    }


def _held_out_rows(run: RunFolder) -> Iterator[tuple[int, bytes]]:
    """(row, its line of rows.jsonl) of each held-out row."""
    table = pq.read_table(run.path / "rendered.parquet", columns=["row", "held_out"]).to_pydict()
    with open(run.path / "rows.jsonl", "rb") as lines:
        for number, held_out, line in zip(table["row"], table["held_out"], lines, strict=True):
            if held_out:
                yield number, line


class _Asking:
    """Makes prompts of a run's rows and probes, and counts what cannot be asked."""

    def __init__(self, run: RunFolder, renderer: Renderer, longest: int) -> None:
        """`longest`: most tokens of a prompt."""
        asked = run.settings()
        settings = TrainSettings.from_dict(asked["settings"])
        options = settings.dataset_options().render_options(None)
        # Where the template writes the day, the rows have that on which they were rendered.
        self.options: RenderOptions = replace(
            options, clock=options.clock or datetime.fromtimestamp(asked["created"]).isoformat()
        )
        self.system: list[Message] = (
            [{"role": "system", "content": settings.system_prompt}] if settings.system_prompt.strip() else []
        )
        self.run, self.renderer, self.longest = run, renderer, longest
        self.too_long = self.unclear = 0

    def row(self, number: int, row: dict[str, Any]) -> Question | None:
        """The question of one row, None where it cannot be asked."""
        messages: list[Message] = row.get("messages", [{"role": "assistant"}])  # Text alone asks nothing.
        place = max((place for place, message in enumerate(messages) if message["role"] == "assistant"), default=0)
        expected: Any = messages[place].get("content")
        has_question = any(message["role"] == "user" for message in messages[:place])
        prompt = self._prompt(messages, expected, row.get("tools")) if has_question else None
        if prompt is None:
            self.unclear += 1
            return None
        return self._question(prompt, messages[:place], expected, "held_out", number)

    def probes(self) -> Iterator[Question]:
        """The person's own prompts and everyday questions. Probes that are held-out rows are asked as such."""
        path = self.run.path / "probes.json"
        for probe in orjson.loads(path.read_bytes())["probes"] if path.is_file() else []:
            messages = [*self.system, {"role": "user", "content": probe["prompt"]}]
            question = None
            if probe["source"] != "held_out":
                question = self._question(probe["ids"], messages, probe["expected"], probe["source"])
            if question is not None:
                yield question

    def _question(
        self, prompt: list[int], messages: list[Message], expected: str, source: str, row: int | None = None
    ) -> Question | None:
        if len(prompt) > self.longest:
            self.too_long += 1
            return None
        return {
            "row": row,
            "prompt": prompt,
            "question": last_question(messages),
            "messages": messages,
            "expected": expected,
            "source": source,
            "room": self._room(expected),
        }

    def _prompt(self, messages: list[Message], expected: Any, tools: list[Any] | None) -> list[int] | None:
        """The row's tokens before its last answer, None where that is no text or the template does not show it."""
        if not isinstance(expected, str) or not expected.strip():
            return None
        try:
            rendered = self.renderer.render(messages, replace(self.options, tools=tools), "last", with_spans=False)
        except PlaygroundError:
            return None
        if 1 not in rendered.loss_mask:
            return None
        begin = rendered.loss_mask.index(1)
        # A template may leave the last answer out, and then what is learned last is an earlier one.
        is_there = expected.strip() in rendered.text[rendered.offsets[begin][0] :]
        return rendered.input_ids[:begin] if begin and is_there else None

    def _room(self, expected: str) -> int:
        if not expected.strip():
            return _NOTHING_EXPECTED
        [(ids, _)] = self.renderer.tokenize([expected])
        return min(max(len(ids) * 3 // 2, ROOM[0]), ROOM[1])


def _notes(held_out: int, chosen: int, asking: _Asking) -> list[Sentence]:
    notes = []
    if not held_out:
        notes.append(say("No rows were held out: only the probes are asked, and nothing can be told of new rows."))
    if 0 < chosen < held_out:
        notes.append(say("{count} of the {all} held-out rows were asked.", count=chosen, all=held_out))
    if asking.too_long:
        notes.append(say("Left out because the question is too long for the model: {count}.", count=asking.too_long))
    if asking.unclear:
        notes.append(
            say("Left out because the last answer cannot be told from its question: {count}.", count=asking.unclear)
        )
    return notes
