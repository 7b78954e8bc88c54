"""Everything that a person or an operator can set, checked where it is made.

Training settings use TRL's and PEFT's own names, so that what is learnt here holds in a script elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, Self, TypeVar

from playground.errors import InputError
from playground.words import Sentence, say

TrainOn = Literal["assistant", "last", "all"]
Truncation = Literal["keep_start", "keep_end", "drop"]
Quantization = Literal["auto", "nf4", "none"]
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What one installation allows. The message that refuses something names the limit."""

    upload_bytes: int = 20_000_000
    """Largest pasted text or uploaded file, in bytes."""
    rows: int = 50_000
    """Most rows in a dataset."""
    conversation_chars: int = 200_000
    """Longest conversation for a preview, in characters of JSON."""
    template_chars: int = 200_000
    """Longest chat template, in characters."""
    output_chars: int = 2_000_000
    """Longest rendered text, in characters."""
    preview_tokens: int = 50_000
    """Longest conversation for a preview, in tokens."""
    preview_s: float = 1.8
    """Seconds that one template preview may take in the sandbox: with what surrounds it, two."""
    dataset_s: float = 60.0
    """Seconds that one dataset may take in the sandbox to be read, rendered and counted."""
    sandbox_bytes: int = 2_000_000_000
    """Memory that one sandbox job may take on top of what its process started with, in bytes."""
    prompt_tokens: int = 4_096
    """Longest chat prompt, in tokens."""
    new_tokens: int = 1_024
    """Longest chat answer, in tokens."""
    runs_waiting: int = 20
    """Most runs in the queue."""


def _refuse(name: str, value: object, expected: Sentence) -> InputError:
    return InputError(
        say("The setting {name} is {value}.", name=name, value=repr(value)[:80]),
        say("It must be {expected}.", expected=expected),
        say("Change it and try again."),
    )


def _check_number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    right_type = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not right_type or not low <= value <= high:  # type: ignore[operator]
        bounds = {"low": f"{low:g}", "high": f"{high:g}"}
        if whole:
            raise _refuse(name, value, say("a whole number from {low} to {high}", **bounds))
        raise _refuse(name, value, say("a number from {low} to {high}", **bounds))


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise _refuse(name, value, say("one of {choices}", choices=", ".join(str(choice) for choice in choices)))


def _from_dict(cls: type[T], given: dict[str, Any]) -> T:
    """Build a settings object, refusing keys that it does not know with the list of those that it does."""
    if not isinstance(given, dict):
        raise InputError(
            say("The settings arrived as {kind}.", kind=type(given).__name__),
            say("They must be a JSON object of names and values."),
        )
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InputError(
            say("There is no setting {names}.", names=", ".join(unknown)),
            say("Known settings: {names}.", names=", ".join(known)),
            say("Correct the name or leave it out."),
        )
    return cls(**given)


def _check_clock(name: str, value: str) -> None:
    try:
        datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise _refuse(name, value, say("an ISO date and time such as 2026-01-31T12:00:00")) from None


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one run. Names are those of TRL's SFTConfig and PEFT's LoraConfig where these have one."""

    num_train_epochs: float = 8.0
    """Passes over the training rows. `max_steps`, where it is above 0, wins."""
    max_steps: int = -1
    """Optimiser steps; -1 lets the epochs decide."""
    per_device_train_batch_size: int = 4
    """Rows in one step."""
    gradient_accumulation_steps: int = 1
    """Batches whose gradients are added up before one optimiser step."""
    learning_rate: float = 1e-3
    """Peak learning rate. High next to full fine-tuning, usual for a small LoRA and a short run."""
    lr_scheduler_type: str = "cosine"
    """Shape of the learning rate after warm-up: cosine, linear or constant."""
    warmup_steps: int = 3
    """Steps over which the learning rate rises from 0."""
    weight_decay: float = 0.0
    """AdamW weight decay."""
    max_grad_norm: float = 1.0
    """Gradients longer than this are scaled back to it."""
    max_length: int = 512
    """Tokens kept of one row; the preview shows what is cut off."""
    truncation_mode: Truncation = "keep_start"
    """What is kept of a row that is longer: its first tokens, its last ones, or nothing (drop: the row is left out)."""
    seed: int = 42
    """Seed of the split, of the adapter's first weights and of the order of rows."""
    r: int = 16
    """LoRA rank."""
    lora_alpha: int = 32
    """LoRA scale: the adapter's output is multiplied by lora_alpha / r."""
    lora_dropout: float = 0.0
    """Share of the adapter's inputs that are dropped while training."""
    target_modules: str = "all-linear"
    """Modules that get an adapter: all-linear, or names separated by commas (q_proj,v_proj)."""
    quantization: Quantization = "auto"
    """nf4: 4-bit base weights (QLoRA). none: 16 or 32 bit. auto: nf4 where it runs."""
    time_budget_s: float = 180.0
    """Seconds of training to plan for; the number of steps is cut to fit this machine. 0: no limit."""
    held_out: float = 0.1
    """Share of the rows kept out of training, to watch what the model makes of rows that it never saw."""
    shuffle_dataset: bool = True
    """Whether held-out rows are drawn, and rows trained on, in a random order (by `seed`). Otherwise the last rows are
    held out and the others come in the order given.
    """
    eval_steps: int = 0
    """Steps between two looks at the held-out rows; 0: about eight looks in a run."""
    train_on: TrainOn = "assistant"
    """Which tokens are supervised: the assistant's turns, its last turn only, or all tokens."""
    chat_template: str = ""
    """"" for the model's own, a catalogue name, or Jinja source. Rows and chat prompts are rendered with it."""
    chat_template_kwargs: dict[str, Any] = field(default_factory=dict)
    """Variables that the template reads, such as enable_thinking."""
    chat_template_clock: str = ""
    """ISO date and time that the template is told; "" is the time of rendering."""
    system_prompt: str = ""
    """System message for rows that have none; "" adds none."""
    mapping: dict[str, str] = field(default_factory=dict)
    """Which columns are system, user and assistant, see shapes/mapping.py; {} where the rows' shape is recognised."""
    edits: list[dict[str, Any]] = field(default_factory=list)
    """What was done to the rows after they were read, in order, see edits.py."""

    def __post_init__(self) -> None:
        _check_number("num_train_epochs", self.num_train_epochs, 0.01, 1000)
        _check_number("max_steps", self.max_steps, -1, 100_000, whole=True)
        if self.max_steps == 0:
            raise _refuse("max_steps", 0, say("-1 (let the epochs decide) or a whole number from 1 to 100000"))
        _check_number("per_device_train_batch_size", self.per_device_train_batch_size, 1, 256, whole=True)
        _check_number("gradient_accumulation_steps", self.gradient_accumulation_steps, 1, 256, whole=True)
        _check_number("learning_rate", self.learning_rate, 1e-8, 1)
        _check_choice("lr_scheduler_type", self.lr_scheduler_type, ("cosine", "linear", "constant"))
        _check_number("warmup_steps", self.warmup_steps, 0, 10_000, whole=True)
        _check_number("weight_decay", self.weight_decay, 0, 1)
        _check_number("max_grad_norm", self.max_grad_norm, 0.01, 1000)
        _check_number("max_length", self.max_length, 8, 8192, whole=True)
        _check_number("seed", self.seed, 0, 2**32 - 1, whole=True)
        _check_number("r", self.r, 1, 256, whole=True)
        _check_number("lora_alpha", self.lora_alpha, 1, 1024, whole=True)
        _check_number("lora_dropout", self.lora_dropout, 0, 0.9)
        names = self.target_modules.split(",") if isinstance(self.target_modules, str) else [""]
        if not all(name.strip().replace("_", "").replace("-", "").isalnum() for name in names):
            raise _refuse("target_modules", self.target_modules, say("all-linear or module names separated by commas"))
        _check_choice("quantization", self.quantization, ("auto", "nf4", "none"))
        _check_number("time_budget_s", self.time_budget_s, 0, 86_400)
        _check_number("held_out", self.held_out, 0, 0.5)
        _check_number("eval_steps", self.eval_steps, 0, 100_000, whole=True)
        _check_choice("train_on", self.train_on, ("assistant", "last", "all"))
        if not isinstance(self.chat_template, str):
            raise _refuse("chat_template", self.chat_template, say("text"))
        if not isinstance(self.chat_template_kwargs, dict):
            raise _refuse("chat_template_kwargs", self.chat_template_kwargs, say("a JSON object"))
        if self.chat_template_clock != "":
            _check_clock("chat_template_clock", self.chat_template_clock)
        self.dataset_options()

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        """Raises InputError for an unknown name (with the known ones) or a value out of range."""
        return _from_dict(cls, given)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def dataset_options(self) -> DatasetOptions:
        """How the rows of a run with these settings are read, rendered and shared out."""
        same = {name: getattr(self, name) for name in _SHARED}
        return DatasetOptions(
            **same,
            template=self.chat_template,
            template_kwargs=self.chat_template_kwargs,
            clock=self.chat_template_clock or None,
        )


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
                raise _refuse(name, getattr(self, name), say("true or false"))
        if self.add_generation_prompt and self.continue_final_message:
            raise InputError(
                say("Both add_generation_prompt and continue_final_message are on."),
                say("One opens a new assistant turn, the other goes on with the last message."),
                say("Turn one of them off."),
            )
        for name in ("tools", "documents"):
            if getattr(self, name) is not None and not isinstance(getattr(self, name), list):
                raise _refuse(name, getattr(self, name), say("a list"))
        for name in ("template_kwargs", "special_tokens"):
            if getattr(self, name) is not None and not isinstance(getattr(self, name), dict):
                raise _refuse(name, getattr(self, name), say("a JSON object"))
        if self.clock is not None:
            _check_clock("clock", self.clock)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        return _from_dict(cls, given)


@dataclass(frozen=True)
class DatasetOptions:
    """How rows are read and turned into tokens. What has the same name in TrainSettings means the same."""

    max_length: int = TrainSettings.max_length
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
    """Which columns are system, user and assistant, see shapes/mapping.py; {} where the shape is recognised."""
    edits: list[dict[str, Any]] = field(default_factory=list)
    """What is done to the rows after they are read, in order, see edits.py."""
    held_out: float = TrainSettings.held_out
    """Share of the rows kept out of training."""
    shuffle_dataset: bool = True
    """Whether held-out rows are drawn at random; otherwise they are the last ones."""
    seed: int = TrainSettings.seed
    """Seed of that draw."""
    num_train_epochs: float = TrainSettings.num_train_epochs
    """Passes over the training rows, for how often each is seen."""
    max_steps: int = TrainSettings.max_steps
    """Optimiser steps; -1 lets the epochs decide."""
    per_device_train_batch_size: int = TrainSettings.per_device_train_batch_size
    """Rows in one batch, for the padding."""
    gradient_accumulation_steps: int = TrainSettings.gradient_accumulation_steps
    """Batches in one optimiser step."""

    def __post_init__(self) -> None:
        _check_number("max_length", self.max_length, 8, 8192, whole=True)
        _check_choice("truncation_mode", self.truncation_mode, ("keep_start", "keep_end", "drop"))
        _check_choice("train_on", self.train_on, ("assistant", "last", "all"))
        for name in ("template", "system_prompt"):
            if not isinstance(getattr(self, name), str):
                raise _refuse(name, getattr(self, name), say("text"))
        object.__setattr__(self, "mapping", self.mapping or {})  # None, as JSON has it, is no mapping.
        object.__setattr__(self, "edits", self.edits or [])
        if not isinstance(self.mapping, dict) or not all(
            isinstance(part, str) for item in self.mapping.items() for part in item
        ):
            raise _refuse("mapping", self.mapping, say("a JSON object of texts"))
        if not isinstance(self.edits, list) or not all(isinstance(edit, dict) for edit in self.edits):
            raise _refuse("edits", self.edits, say("a list of JSON objects"))
        _check_number("held_out", self.held_out, 0, 0.5)
        if not isinstance(self.shuffle_dataset, bool):
            raise _refuse("shuffle_dataset", self.shuffle_dataset, say("true or false"))
        _check_number("seed", self.seed, 0, 2**32 - 1, whole=True)
        _check_number("num_train_epochs", self.num_train_epochs, 0.01, 1000)
        _check_number("max_steps", self.max_steps, -1, 100_000, whole=True)
        _check_number("per_device_train_batch_size", self.per_device_train_batch_size, 1, 256, whole=True)
        _check_number("gradient_accumulation_steps", self.gradient_accumulation_steps, 1, 256, whole=True)
        self.render_options(None)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        return _from_dict(cls, given)

    @property
    def rows_per_step(self) -> int:
        return self.per_device_train_batch_size * self.gradient_accumulation_steps

    def steps(self, rows: int) -> int:
        """Optimiser steps of a run over so many training rows, before a time budget shortens it."""
        if self.max_steps > 0:
            return self.max_steps
        return math.ceil(math.ceil(rows / self.rows_per_step) * self.num_train_epochs)

    def seen(self, rows: int) -> float:
        """How often a run over so many training rows sees each of them."""
        return self.steps(rows) * self.rows_per_step / max(rows, 1)

    def render_options(self, tools: list[Any] | None) -> RenderOptions:
        """What the template is given for a row with these tools. Raises InputError for a value of the wrong kind."""
        return RenderOptions(tools=tools, template_kwargs=self.template_kwargs, clock=self.clock)


_SHARED = {field.name for field in fields(TrainSettings)} & {field.name for field in fields(DatasetOptions)}


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn. Base and tuned draw with the same random numbers."""

    max_new_tokens: int = 128
    """Longest answer, in tokens."""
    temperature: float = 0.0
    """0: always the likeliest token (greedy). Higher: more variety."""
    top_p: float = 1.0
    """Draw only from the likeliest tokens that together hold this share of the probability."""
    seed: int = 0
    """Equal seeds give equal draws."""
    system: str = ""
    """System prompt put before the conversation; "" adds none."""

    def __post_init__(self) -> None:
        _check_number("max_new_tokens", self.max_new_tokens, 1, 4096, whole=True)
        _check_number("temperature", self.temperature, 0, 5)
        _check_number("top_p", self.top_p, 0.01, 1)
        _check_number("seed", self.seed, 0, 2**32 - 1, whole=True)
        if not isinstance(self.system, str):
            raise _refuse("system", self.system, say("text"))

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        return _from_dict(cls, given)
