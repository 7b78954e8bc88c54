"""Settings of one run, under TRL's and PEFT's own names, so that what is learned here holds in a script elsewhere."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

from playground.core.i18n import say
from playground.core.settings.checks import build, check_choice, check_clock, check_number, refuse
from playground.core.settings.rendering import DatasetOptions, TrainOn, Truncation

Quantization = Literal["auto", "nf4", "fp4", "none"]
_PROBES = 5
_PROBE_CHARS = 2_000
_FLAGS = ("bnb_4bit_use_double_quant", "use_rslora", "packing", "gradient_checkpointing", "general_ability")
_NOT_ADAPTED = ("embed_tokens", "lm_head", "embed_in", "embed_out", "wte")
"""Embeddings and heads. The loss is computed from the head's own weights, past any adapter on it, which would then
"train" without learning anything; and compare serves adapters of linear layers alone."""
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one run. Names are those of TRL's SFTConfig and PEFT's LoraConfig where these have one."""

    num_train_epochs: float = DatasetOptions.num_train_epochs
    """Passes over the training rows. `max_steps`, where it is above 0, wins."""
    max_steps: int = DatasetOptions.max_steps
    """Optimiser steps; -1 lets the epochs decide."""
    per_device_train_batch_size: int = DatasetOptions.per_device_train_batch_size
    """Rows in one step."""
    gradient_accumulation_steps: int = DatasetOptions.gradient_accumulation_steps
    """Batches whose gradients are added up before one optimiser step."""
    learning_rate: float = 1e-3
    """Peak learning rate. High next to full fine-tuning, usual for a small LoRA and a short run."""
    lr_scheduler_type: str = "cosine"
    """Shape of the learning rate after warm-up: cosine, linear or constant_with_warmup."""
    warmup_steps: int = 3
    """Steps over which the learning rate rises from 0."""
    weight_decay: float = 0.0
    """AdamW weight decay."""
    max_grad_norm: float = 1.0
    """Gradients longer than this are scaled back to it."""
    max_length: int = DatasetOptions.max_length
    """Tokens kept of one row; the preview shows what is cut off."""
    truncation_mode: Truncation = "keep_start"
    """What is kept of a row that is longer: its first tokens, its last ones, or nothing (drop: the row is left out)."""
    seed: int = DatasetOptions.seed
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
    """nf4, fp4: 4-bit base weights (QLoRA). none: 16 or 32 bit. auto: nf4 where it runs."""
    bnb_4bit_use_double_quant: bool = True
    """Whether the constants of 4-bit weights are quantised too: 0.4 bits less for each weight."""
    use_rslora: bool = False
    """Whether the adapter's output is multiplied by lora_alpha / sqrt(r) instead (rsLoRA, arXiv:2312.03732)."""
    packing: bool = False
    """Whether several rows share one sequence of max_length tokens, each seeing itself alone."""
    gradient_checkpointing: bool = False
    """Whether activations are computed again in the backward pass instead of kept: less memory, a third slower."""
    time_budget_s: float = 180.0
    """Seconds from the start of the run to its result; the number of steps is planned to fit this machine. 0: no
    limit.
    """
    held_out: float = DatasetOptions.held_out
    """Share of the rows kept out of training, to watch what the model makes of rows that it never saw."""
    shuffle_dataset: bool = True
    """Whether held-out rows are drawn, and rows trained on, in a random order (by `seed`). Otherwise the last rows are
    held out and the others come in the order given.
    """
    eval_steps: int = 0
    """Steps between two evaluations on the held-out rows; 0: about eight of them in a run."""
    early_stopping_patience: int = 0
    """Evaluations on the held-out rows without a new best after which the run ends; 0: it never ends for that."""
    probe_prompts: list[str] = field(default_factory=list)
    """Questions that are answered before training and at intervals; [] takes two held-out ones and an everyday one."""
    probe_max_new_tokens: int = 40
    """Longest answer to a probe, in tokens; 0: no probes."""
    general_ability: bool = True
    """Whether everyday questions are scored before and after, to see what is forgotten."""
    start_from: str = ""
    """Id of an earlier run whose adapter is trained further; "" begins a new adapter."""
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
    """Which columns are system, user and assistant, see data/schemas/mapping.py; {} where the shape is recognised."""
    edits: list[dict[str, Any]] = field(default_factory=list)
    """What was done to the rows after they were read, in order, see edits.py."""

    def __post_init__(self) -> None:
        check_number("num_train_epochs", self.num_train_epochs, 0.01, 1000)
        check_number("max_steps", self.max_steps, -1, 100_000, whole=True)
        if self.max_steps == 0:
            raise refuse("max_steps", 0, say("-1 (let the epochs decide) or a whole number from 1 to 100000"))
        check_number("per_device_train_batch_size", self.per_device_train_batch_size, 1, 256, whole=True)
        check_number("gradient_accumulation_steps", self.gradient_accumulation_steps, 1, 256, whole=True)
        check_number("learning_rate", self.learning_rate, 1e-8, 1)
        check_choice("lr_scheduler_type", self.lr_scheduler_type, ("cosine", "linear", "constant_with_warmup"))
        check_number("warmup_steps", self.warmup_steps, 0, 10_000, whole=True)
        check_number("weight_decay", self.weight_decay, 0, 1)
        check_number("max_grad_norm", self.max_grad_norm, 0.01, 1000)
        check_number("max_length", self.max_length, 8, 8192, whole=True)
        check_number("seed", self.seed, 0, 2**32 - 1, whole=True)
        check_number("r", self.r, 1, 256, whole=True)
        check_number("lora_alpha", self.lora_alpha, 1, 1024, whole=True)
        check_number("lora_dropout", self.lora_dropout, 0, 0.9)
        names = self.target_modules.split(",") if isinstance(self.target_modules, str) else [""]
        if not all(name.strip().replace("_", "").replace("-", "").isalnum() for name in names):
            raise refuse("target_modules", self.target_modules, say("all-linear or module names separated by commas"))
        if unchanged := [name.strip() for name in names if name.strip() in _NOT_ADAPTED]:
            raise refuse(
                "target_modules",
                ", ".join(unchanged),
                say("all-linear or linear layers inside the model: its embeddings and its head stay as they are"),
            )
        check_choice("quantization", self.quantization, ("auto", "nf4", "fp4", "none"))
        for name in _FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise refuse(name, getattr(self, name), say("true or false"))
        check_number("time_budget_s", self.time_budget_s, 0, 86_400)
        check_number("held_out", self.held_out, 0, 0.5)
        check_number("eval_steps", self.eval_steps, 0, 100_000, whole=True)
        check_choice("train_on", self.train_on, ("assistant", "last", "all"))
        if not isinstance(self.chat_template, str):
            raise refuse("chat_template", self.chat_template, say("text"))
        if not isinstance(self.chat_template_kwargs, dict):
            raise refuse("chat_template_kwargs", self.chat_template_kwargs, say("a JSON object"))
        if self.chat_template_clock != "":
            check_clock("chat_template_clock", self.chat_template_clock)
        self._check_extras()
        self.dataset_options()

    def _check_extras(self) -> None:
        check_number("early_stopping_patience", self.early_stopping_patience, 0, 1000, whole=True)
        check_number("probe_max_new_tokens", self.probe_max_new_tokens, 0, 512, whole=True)
        object.__setattr__(self, "probe_prompts", self.probe_prompts or [])
        if not isinstance(self.probe_prompts, list) or not all(isinstance(text, str) for text in self.probe_prompts):
            raise refuse("probe_prompts", self.probe_prompts, say("a list of texts"))
        if len(self.probe_prompts) > _PROBES or max(map(len, self.probe_prompts), default=0) > _PROBE_CHARS:
            at_most = say("at most {count} texts of {length} characters", count=_PROBES, length=_PROBE_CHARS)
            raise refuse("probe_prompts", self.probe_prompts, at_most)
        if self.start_from != "" and not (isinstance(self.start_from, str) and _RUN_ID.fullmatch(self.start_from)):
            raise refuse("start_from", self.start_from, say("the id of a run"))

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        """Raises InputError for an unknown name (with the known ones) or a value out of range."""
        return build(cls, given)

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


_SHARED = {field.name for field in fields(TrainSettings)} & {field.name for field in fields(DatasetOptions)}


def dataset_options_of(given: dict[str, Any]) -> DatasetOptions:
    """The options in `given`, which may also be the settings of a run: its other settings are checked and passed over.

    Raises InputError as `from_dict` of both does.
    """
    known = {field.name for field in fields(DatasetOptions)}
    of_run = {name: value for name, value in given.items() if name not in known and name in _SETTINGS}
    own = {name: value for name, value in given.items() if name not in of_run}
    options = DatasetOptions.from_dict(own)
    if not of_run:
        return options
    named = TrainSettings.from_dict({**of_run, **{name: own[name] for name in own if name in _SETTINGS}})
    return replace(named.dataset_options(), **{name: getattr(options, name) for name in own})


_SETTINGS = {field.name for field in fields(TrainSettings)}
