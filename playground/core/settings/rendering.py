"""What a chat template is given, and how rows become tokens."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import orjson

from playground.core.errors import InputError
from playground.core.i18n import say
from playground.core.settings.checks import build, check_choice, check_clock, check_number, refuse

TrainOn = Literal["assistant", "last", "all"]
Truncation = Literal["keep_start", "keep_end", "drop"]


@dataclass(frozen=True)
class RenderOptions:
    """Every input that a chat template reads, beside the messages."""

    add_generation_prompt: bool = False
    """End with the header of an assistant turn, as when the model is to answer."""
    continue_final_message: bool = False
    """Leave the last message open, so that the model goes on writing it."""
    tools: list[Any] | None = None
    """Tool definitions as JSON schemas."""
    documents: list[Any] | None = None
    """Documents for templates with retrieval: objects with title and text."""
    template_kwargs: dict[str, Any] | None = None
    """Any other variable that the template reads, such as enable_thinking."""
    special_tokens: dict[str, str] | None = None
    """bos_token, eos_token, ... given to the template in place of the tokenizer's own."""
    clock: str | None = None
    """ISO date and time that `strftime_now` tells; None is the real clock."""

    def __post_init__(self) -> None:
        for name in ("add_generation_prompt", "continue_final_message"):
            if not isinstance(getattr(self, name), bool):
                raise refuse(name, getattr(self, name), say("true or false"))
        if self.add_generation_prompt and self.continue_final_message:
            raise InputError(
                say("Both add_generation_prompt and continue_final_message are on."),
                say("One opens a new assistant turn, the other goes on with the last message."),
                say("Turn one of them off."),
            )
        for name in ("tools", "documents"):
            if getattr(self, name) is not None and not isinstance(getattr(self, name), list):
                raise refuse(name, getattr(self, name), say("a list"))
        for name in ("template_kwargs", "special_tokens"):
            if getattr(self, name) is not None and not isinstance(getattr(self, name), dict):
                raise refuse(name, getattr(self, name), say("a JSON object"))
        if self.clock is not None:
            check_clock("clock", self.clock)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        """Tools may be JSON text, as rows have them."""
        if isinstance(given, dict) and isinstance(given.get("tools"), str):
            with suppress(ValueError):
                given = {**given, "tools": orjson.loads(given["tools"] or "null")}
        return build(cls, given)


@dataclass(frozen=True)
class DatasetOptions:
    """How rows are read and turned into tokens. What has the same name in TrainSettings means the same."""

    max_length: int = 512
    """Tokens kept of one row."""
    truncation_mode: Truncation = "keep_start"
    """What is kept of a row that is longer: its first tokens, its last ones, or nothing."""
    train_on: TrainOn = "assistant"
    """Which tokens are supervised."""
    template: str = ""
    """"" for the model's own chat template, a catalogue name, or Jinja source."""
    template_kwargs: dict[str, Any] | None = None
    """Variables that the template reads, such as enable_thinking."""
    clock: str | None = None
    """ISO date and time that the template is told; None is the real clock."""
    system_prompt: str = ""
    """System message for rows that have none."""
    mapping: dict[str, str] = field(default_factory=dict)
    """Which columns are system, user and assistant, see data/schemas/mapping.py; {} where the shape is recognised."""
    edits: list[dict[str, Any]] = field(default_factory=list)
    """What is done to the rows after they are read, in order, see edits.py."""
    held_out: float = 0.1
    """Share of the rows kept out of training."""
    shuffle_dataset: bool = True
    """Whether held-out rows are drawn at random; otherwise they are the last ones."""
    seed: int = 42
    """Seed of that draw."""
    num_train_epochs: float = 8.0
    """Passes over the training rows, for how often each is seen."""
    max_steps: int = -1
    """Optimiser steps; -1 lets the epochs decide."""
    per_device_train_batch_size: int = 4
    """Rows in one batch, for the padding."""
    gradient_accumulation_steps: int = 1
    """Batches in one optimiser step."""

    def __post_init__(self) -> None:
        check_number("max_length", self.max_length, 8, 8192, whole=True)
        check_choice("truncation_mode", self.truncation_mode, ("keep_start", "keep_end", "drop"))
        check_choice("train_on", self.train_on, ("assistant", "last", "all"))
        for name in ("template", "system_prompt"):
            if not isinstance(getattr(self, name), str):
                raise refuse(name, getattr(self, name), say("text"))
        object.__setattr__(self, "mapping", self.mapping or {})  # None, as JSON has it, is no mapping.
        object.__setattr__(self, "edits", self.edits or [])
        if not isinstance(self.mapping, dict) or not all(
            isinstance(part, str) for item in self.mapping.items() for part in item
        ):
            raise refuse("mapping", self.mapping, say("a JSON object of texts"))
        if not isinstance(self.edits, list) or not all(isinstance(edit, dict) for edit in self.edits):
            raise refuse("edits", self.edits, say("a list of JSON objects"))
        check_number("held_out", self.held_out, 0, 0.5)
        if not isinstance(self.shuffle_dataset, bool):
            raise refuse("shuffle_dataset", self.shuffle_dataset, say("true or false"))
        check_number("seed", self.seed, 0, 2**32 - 1, whole=True)
        check_number("num_train_epochs", self.num_train_epochs, 0.01, 1000)
        check_number("max_steps", self.max_steps, -1, 100_000, whole=True)
        check_number("per_device_train_batch_size", self.per_device_train_batch_size, 1, 256, whole=True)
        check_number("gradient_accumulation_steps", self.gradient_accumulation_steps, 1, 256, whole=True)
        self.render_options(None)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        return build(cls, given)

    @property
    def rows_per_step(self) -> int:
        return self.per_device_train_batch_size * self.gradient_accumulation_steps

    def steps(self, rows: int) -> int:
        """Optimiser steps of a run over so many training rows, before a time budget shortens it."""
        if self.max_steps > 0:
            return self.max_steps
        return math.ceil(self._steps_of_a_pass(rows) * self.num_train_epochs)

    def seen(self, rows: int, steps: int | None = None) -> float:
        """How often a run of so many steps over so many training rows sees each of them on average.

        As transformers' Trainer counts: no step goes on into the next pass, so that the last one of a pass may have
        fewer rows than `rows_per_step`. `steps`: those of the settings where it is not said.
        """
        if not rows:
            return 0.0
        passes, rest = divmod(self.steps(rows) if steps is None else steps, self._steps_of_a_pass(rows))
        return passes + rest * self.rows_per_step / rows

    def _steps_of_a_pass(self, rows: int) -> int:
        return math.ceil(rows / self.rows_per_step)

    def render_options(self, tools: list[Any] | None) -> RenderOptions:
        """What the template is given for a row with these tools. Raises InputError for a value of the wrong kind."""
        return RenderOptions(tools=tools, template_kwargs=self.template_kwargs, clock=self.clock)
