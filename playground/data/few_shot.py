"""What "Is it needed?" asks the base: held-out rows as they are, and behind a few training rows as examples.

The examples come before the question as turns of the same conversation, as a person would put them into a prompt. The
same tokens are scored with and without them: the answers that a run would be trained on, cut as a run cuts them.

Runs in the sandbox (server/sandbox/jobs.py), since rendering runs the template.
server/need.py asks the model and says what it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import orjson

from playground.core.errors import InputError, PlaygroundError
from playground.core.figures import rows_said
from playground.core.i18n import Sentence, say
from playground.core.messages import Conversation, Message
from playground.core.settings import DatasetOptions, Limits
from playground.data.cut import kept_part
from playground.data.dataset import Prepared, require_trainable
from playground.data.split import evenly
from playground.data.tokenize import render_row
from playground.data.types import AskedRow, BaselinePrompts, BaselineRow, ScoredRow
from playground.templates.renderer import Renderer

MOST_ROWS, WITHOUT_HELD_OUT = 16, 8
"""Rows that are scored: of the held-out ones, and of all where none is held out."""
MOST_ANSWERS = 4
MOST_EXAMPLES = 4
EXAMPLE_TOKENS = 1_000
"""Most tokens that examples may add to a prompt: on two slow cores a thousand take about two seconds a row."""
ALL_TOKENS = 24_000
"""Most tokens that are scored in all."""
ANSWER_TOKENS = (24, 96)
"""Shortest and longest room for an answer; between them half as much again as the expected one takes."""
_TRIED = 40
"""Training rows that are tried as examples."""


def baseline_prompts(prepared: Prepared, renderer: Renderer, folder: str, limits: Limits) -> BaselinePrompts:
    """The prompts, in the order of the rows. Raises InputError where no row can be scored."""
    require_trainable(prepared)
    chosen, notes = _chosen(prepared)
    asking = _Asking(prepared, renderer, context_tokens(folder, limits), chosen)
    rows = list(asking.rows(chosen))
    if not rows:
        raise InputError(
            say("None of the rows can be scored as they are."),
            say("Their answers have to be told from their questions, and have to fit into what the model can read."),
            say("Choose another template, or lower the maximum length."),
        )
    if left_out := len(chosen) - len(rows):
        notes.append(
            say(
                "{rows} left out: too long to be scored here, or the answer cannot be told from the rest.",
                rows=rows_said(left_out),
            )
        )
    scored_with = sum(row["examples"] is not None for row in rows)
    if asking.problem is not None and scored_with < len(rows):
        notes.append(asking.problem)
    return {
        "rows": rows,
        "examples": asking.most_used,
        "stop": renderer.turn_end(prepared.options.render_options(None)),
        "notes": notes,
    }


def _chosen(prepared: Prepared) -> tuple[list[Conversation], list[Sentence]]:
    """The rows to ask, and what is to be known about the choice."""
    rows = [example.conversation for example in prepared.examples]
    held_out = [rows[place] for place in sorted(prepared.held_out)]
    if held_out:
        chosen = evenly(held_out, MOST_ROWS)
        if len(chosen) == len(held_out):
            return chosen, []
        return chosen, [say("{count} of the {all} held-out rows were asked.", count=len(chosen), all=len(held_out))]
    # At least one is left to be an example.
    chosen = rows[: min(WITHOUT_HELD_OUT, len(rows) - 1)]
    note = say(
        "No rows are held out: the first {count} were asked, which a run would be trained on.", count=len(chosen)
    )
    return chosen, [note]


def context_tokens(folder: str, limits: Limits) -> int:
    """Most tokens of a row: what is allowed here, and what the model can read."""
    path = Path(folder) / "config.json"
    config = orjson.loads(path.read_bytes()) if path.is_file() else {}
    longest = config.get("max_position_embeddings") or config.get("text_config", {}).get("max_position_embeddings")
    return min(limits.prompt_tokens, longest or limits.prompt_tokens)


class _Asking:
    """Renders rows with and without examples."""

    def __init__(self, prepared: Prepared, renderer: Renderer, context: int, chosen: list[Conversation]) -> None:
        self.options: DatasetOptions = prepared.options
        self.renderer = renderer
        self.context = context
        self.problem: Sentence | None = None
        """Why a row could not be given examples."""
        self.most_used = 0
        asked = {conversation.row for conversation in chosen}
        self.train = [
            example.conversation
            for place, example in enumerate(prepared.examples)
            if place not in prepared.held_out and example.row not in asked
        ]
        self._examples: dict[bytes, list[list[Message]]] = {}

    def rows(self, chosen: list[Conversation]) -> Iterator[BaselineRow]:
        tokens = 0
        to_answer = {conversation.row for conversation in evenly(chosen, MOST_ANSWERS)}
        for conversation in chosen:
            plain = self._plain(conversation)
            if plain is None:
                continue
            # Text that is no conversation has no turns that examples could stand before.
            is_text = conversation.plain_text is not None
            examples = [] if is_text else self._fitting_examples(conversation, len(plain["ids"]))
            behind = self._behind(conversation, plain, examples) if examples else None
            tokens += len(plain["ids"]) + (len(behind["ids"]) if behind else 0)
            if tokens > ALL_TOKENS:
                return
            self.most_used = max(self.most_used, len(examples) if behind else 0)
            asked = self._asked(conversation, examples if behind else []) if conversation.row in to_answer else None
            yield {
                "row": conversation.row,
                "plain": plain,
                "examples": behind,
                "asked": asked,
            }

    def _plain(self, conversation: Conversation) -> ScoredRow | None:
        """The row as a run has it, None where its answers cannot be told from the rest or it is too long."""
        ids, supervised = self._tokens(conversation)
        kept = kept_part(len(ids), self.options)
        labels = [token if counts else -100 for token, counts in zip(ids[kept], supervised[kept], strict=True)]
        if all(label == -100 for label in labels[1:]) or len(labels) > self.context:
            return None
        return {"ids": ids[kept], "labels": [-100, *labels[1:]]}

    def _behind(self, conversation: Conversation, plain: ScoredRow, examples: list[list[Message]]) -> ScoredRow | None:
        """The row behind examples, with the same tokens scored; None where that cannot be."""
        try:
            ids, supervised = self._tokens(
                replace(conversation, messages=_with_examples(conversation.messages, examples))
            )
            alone, counts = self._tokens(conversation)
        except PlaygroundError as refusal:
            self.problem = say("Rows cannot be given as examples in the prompt. {problem}", problem=refusal.arrived)
            return None
        places = [place for place, kept in enumerate(supervised) if kept]
        own = [place for place, kept in enumerate(counts) if kept]
        places = places[len(places) - len(own) :]
        if [ids[place] for place in places] != [alone[place] for place in own] or len(ids) > self.context:
            self.problem = say(
                "Some rows were not given examples: they would be too long, or the template would write their answers "
                "otherwise."
            )
            return None
        # What a run would cut off is not scored here either, nor is the first token, which nothing predicts.
        begin = len(alone) - len(plain["ids"]) if self.options.truncation_mode == "keep_end" else 0
        labels = [-100] * len(ids)
        for place, there in zip(places, own, strict=True):
            if 0 < there - begin < len(plain["ids"]):
                labels[place] = ids[place]
        return {"ids": ids, "labels": labels}

    def _tokens(self, conversation: Conversation) -> tuple[list[int], list[int]]:
        """Token ids, and for each whether it is part of an answer that is trained on."""
        learned: Literal["last", "assistant"] = "last" if self.options.train_on == "last" else "assistant"
        rendered = render_row(conversation, self.renderer, replace(self.options, train_on=learned), with_spans=False)
        return rendered.input_ids, rendered.loss_mask

    def _fitting_examples(self, conversation: Conversation, length: int) -> list[list[Message]]:
        """Training rows with the row's own system prompt and tools, as many as fit before it."""
        room = min(EXAMPLE_TOKENS, self.context - length)
        key = orjson.dumps([_system(conversation.messages), conversation.tools, room if room < EXAMPLE_TOKENS else 0])
        if key not in self._examples:
            self._examples[key] = list(self._choose(conversation, room))
            if not self._examples[key]:
                self.problem = say("No training rows are short enough, and alike enough, to be examples in the prompt.")
        return self._examples[key]

    def _choose(self, conversation: Conversation, room: int) -> Iterator[list[Message]]:
        system = _system(conversation.messages)
        fitting = [row for row in self.train if _is_example(row, system, conversation.tools)]
        found = 0
        # First from all over the dataset, then the others in their order.
        for row in _once([*evenly(fitting, MOST_EXAMPLES), *fitting[:_TRIED]]):
            cost = len(self._tokens(row)[0])
            if found < MOST_EXAMPLES and cost <= room:
                found, room = found + 1, room - cost
                yield row.messages[len(system) :]

    def _asked(self, conversation: Conversation, examples: list[list[Message]]) -> AskedRow | None:
        """The prompts for the last answer, None where they are none or too long."""
        messages = conversation.messages
        place = max(number for number, message in enumerate(messages) if message["role"] == "assistant")
        expected = messages[place].get("content")
        if not isinstance(expected, str) or not any(message["role"] == "user" for message in messages[:place]):
            return None
        options = self.options.render_options(conversation.tools)
        before = [messages[:place], _with_examples(messages[:place], examples)]
        try:
            plain, behind = (self.renderer.prompt_ids(some, options) for some in before)
        except PlaygroundError:
            return None
        if max(len(plain), len(behind)) > self.context - ANSWER_TOKENS[1]:
            return None
        [(ids, _)] = self.renderer.tokenize([expected])
        return {
            "question": last_question(messages[:place]),
            "expected": expected,
            "plain": plain,
            "examples": behind if examples else None,
            "room": min(max(len(ids) * 3 // 2, ANSWER_TOKENS[0]), ANSWER_TOKENS[1]),
        }


def _system(messages: list[Message]) -> list[Message]:
    """What a conversation begins with before anybody speaks."""
    return messages[:1] if messages[0]["role"] in ("system", "developer") else []


def _is_example(row: Conversation, system: list[Message], tools: list[Any] | None) -> bool:
    messages = row.messages
    return (
        messages[-1]["role"] == "assistant"
        and _system(messages) == system
        and (row.tools or None) == (tools or None)
        and row.plain_text is None
    )


def _with_examples(messages: list[Message], examples: list[list[Message]]) -> list[Message]:
    system = _system(messages)
    return [*system, *(message for example in examples for message in example), *messages[len(system) :]]


def last_question(messages: list[Message]) -> str:
    """The text of the last user message, which has to be there."""
    content = next(message for message in reversed(messages) if message["role"] == "user").get("content")
    if isinstance(content, list):
        return "\n".join(block.get("text", "") for block in content if isinstance(block, dict))
    return str(content or "")


def _once(rows: Iterable[Conversation]) -> Iterator[Conversation]:
    seen: set[int] = set()
    for row in rows:
        if row.row not in seen:
            seen.add(row.row)
            yield row
