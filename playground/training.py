"""One QLoRA run, by TRL's SFTTrainer, on rows that are already tokens and labels.

The trainer must not render, truncate or mask again: it gets `input_ids` and `labels` as the preview showed them, and
`max_length=None`. What is done here beside it is what SFTTrainer does not do: fit the number of steps to a time
budget, weigh the held-out rows by token, tell events as they happen, and end on request with an adapter.

Speed, on 2 CPU cores (SmolLM2-135M, NF4, rows of 20 to 200 tokens): SFTTrainer's defaults are 4 times slower than
with batches of like length and no gradient checkpointing, so both are set; the model fits without.

Does not know where rows come from, who asked, or how events are stored.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
)
from trl import SFTConfig, SFTTrainer

from playground.devices import Choice
from playground.errors import InputError
from playground.settings import TrainSettings
from playground.words import say

Emit = Callable[..., None]
"""emit(event, **values): tell one event, such as emit("step", step=3, loss=1.2)."""

LOOKS = 8
"""Looks at the held-out rows in a run, where the settings do not say."""
_LOOKING_SHARE = 0.15
"""Share of the time budget that looking at held-out rows may take, as long as there are a few looks at all."""
_FEWEST_LOOKS = 3
_MEASURED_STEPS = 3
_OVERRUN = 1.25
"""A run that takes this many times its budget is ended: the machine got busy after the plan was made."""


@dataclass(frozen=True)
class Rows:
    """A run's rows as tokens."""

    train: Dataset
    held_out: Dataset

    @classmethod
    def read(cls, path: Path) -> Rows:
        """From rendered.parquet."""
        table = pq.read_table(path).to_pydict()
        parts: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for held_out, ids, labels in zip(table["held_out"], table["input_ids"], table["labels"], strict=True):
            parts[held_out].append({"input_ids": ids, "labels": labels})
        return cls(Dataset.from_list(parts[False]), Dataset.from_list(parts[True]))

    def tokens_per_step(self, batch: int) -> float:
        """Mean number of real tokens in one step."""
        return batch * sum(len(row) for row in self.train["input_ids"]) / max(len(self.train), 1)


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    stopped: bool
    steps: int
    eval_loss_before: float | None
    eval_loss_after: float | None
    adapter_changed: bool


class RunTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer whose number of steps may still be lowered after the first few, with the schedule following.

    It also measures the loss of held-out rows by token, where Trainer averages over batches of unequal size.
    """

    planned_steps = 0

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        self.planned_steps = self.planned_steps or num_training_steps

        def factor(step: int) -> float:
            warmup = min(self.args.get_warmup_steps(self.planned_steps), max(self.planned_steps - 1, 0))
            if step < warmup:
                return (step + 1) / (warmup + 1)
            done = (step - warmup) / max(self.planned_steps - warmup, 1)
            return schedule_factor(str(self.args.lr_scheduler_type), min(done, 1.0))

        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, factor)
        return self.lr_scheduler

    def held_out_loss(self, dataset: Dataset) -> float:
        """Mean loss over the supervised tokens of `dataset`, in nats. Leaves the model in training mode."""
        total, count = 0.0, 0
        self.model.eval()
        try:
            with torch.no_grad():
                for batch in self._batches(dataset):
                    outputs = self.model(**batch, fused_lm_head=True, use_cache=False)
                    total -= float(outputs.log_probs.sum())
                    count += int(outputs.label_mask.sum())
        finally:
            self.model.train()
        return total / max(count, 1)

    def _batches(self, dataset: Dataset) -> Iterator[dict[str, torch.Tensor]]:
        rows = sorted(dataset, key=lambda row: len(row["input_ids"]))
        size = self.args.per_device_eval_batch_size
        for start in range(0, len(rows), size):
            yield self._prepare_inputs(self.data_collator(rows[start : start + size]))


def schedule_factor(name: str, done: float) -> float:
    """Share of the peak learning rate after `done` (0 to 1) of the steps that follow the warm-up."""
    name = name.rpartition(".")[2].lower()
    if name == "linear":
        return 1.0 - done
    if name == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    return 1.0


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    settings: TrainSettings,
    choice: Choice,
    folder: Path,
    emit: Emit,
    is_asked_to_stop: Callable[[], bool],
) -> Outcome:
    """Train an adapter and leave it in `folder`/adapter. Raises InputError when the loss is no longer a number."""
    trainer = build_trainer(model, tokenizer, rows, settings, choice, folder)
    return run_to_the_end(trainer, Watch(trainer, rows, settings, folder, emit, is_asked_to_stop), folder)


def run_to_the_end(trainer: RunTrainer, watch: Watch, folder: Path) -> Outcome:
    """Train, look at the held-out rows a last time, and leave the adapter in `folder`/adapter."""
    trainer.add_callback(watch)
    trainer.train()
    before, after = watch.first_eval, watch.look(trainer.state.global_step)
    save_adapter(trainer.model, folder)
    return Outcome(watch.was_stopped, trainer.state.global_step, before, after, _has_changed(trainer.model))


def build_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    settings: TrainSettings,
    choice: Choice,
    folder: Path,
) -> RunTrainer:
    """SFTTrainer with the run's settings and nothing switched on that nobody looks at."""
    config = SFTConfig(
        output_dir=str(folder / "trainer"),
        num_train_epochs=settings.num_train_epochs,
        max_steps=settings.max_steps,
        per_device_train_batch_size=settings.per_device_train_batch_size,
        per_device_eval_batch_size=settings.per_device_train_batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.lr_scheduler_type,
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        bf16=choice.dtype is torch.bfloat16,
        fp16=choice.dtype is torch.float16,
        use_cpu=choice.device == "cpu",
        # Rows come as tokens, cut and labelled; nothing may be done to them again.
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        # Batches of like length: on a CPU every padding token costs as much as a real one.
        train_sampling_strategy="group_by_length" if settings.shuffle_dataset else "sequential",
        gradient_checkpointing=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=choice.device == "cuda",
    )
    trainer = RunTrainer(
        model, args=config, train_dataset=rows.train, processing_class=tokenizer, peft_config=_lora(settings)
    )
    if choice.dtype is torch.float16:
        keep_master_weights(trainer.model)
    return trainer


def keep_master_weights(model: torch.nn.Module) -> None:
    """Trainable weights in fp32: the gradient scaler of fp16 refuses others, and TRL makes a quantised model's bf16."""
    for weights in model.parameters():
        if weights.requires_grad:
            weights.data = weights.data.float()


def _lora(settings: TrainSettings) -> LoraConfig:
    names = settings.target_modules
    modules = names if names == "all-linear" else [name.strip() for name in names.split(",")]
    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=modules,
        task_type="CAUSAL_LM",
    )


class Watch(TrainerCallback):  # type: ignore[misc]
    """Tells events, looks at the held-out rows, plans the steps, and ends the run when it is asked to."""

    def __init__(
        self,
        trainer: RunTrainer,
        rows: Rows,
        settings: TrainSettings,
        folder: Path,
        emit: Emit,
        is_asked_to_stop: Callable[[], bool],
    ) -> None:
        self.trainer, self.rows, self.settings = trainer, rows, settings
        self.folder, self.emit, self.is_asked_to_stop = folder, emit, is_asked_to_stop
        self.was_stopped = False
        self.first_eval: float | None = None
        self.tokens = 0
        self._started = self._step_started = time.monotonic()
        self._training_s = self._eval_s = 0.0
        self._eval_every = max(settings.eval_steps, 0)
        self._last_look: tuple[int, float | None] = (-1, None)

    def on_train_begin(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._started = time.monotonic()
        self._plan(state.max_steps)

    def on_step_begin(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._step_started = time.monotonic()

    def on_substep_end(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.is_asked_to_stop():
            self.was_stopped = control.should_training_stop = True

    def on_step_end(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._training_s += time.monotonic() - self._step_started
        if state.global_step == _MEASURED_STEPS:
            self._fit_to_budget(state)
        elapsed = time.monotonic() - self._started
        budget = self.settings.time_budget_s
        if self.is_asked_to_stop():
            self.was_stopped = control.should_training_stop = True
        elif state.global_step >= self.trainer.planned_steps:
            control.should_training_stop = True
        elif budget and elapsed > budget * _OVERRUN:
            control.should_training_stop = True
            self.emit(
                "note",
                note=say(
                    "The machine was slower than planned: the run was ended after {steps} of {wanted} steps, "
                    "since its {seconds} seconds were over.",
                    steps=state.global_step,
                    wanted=self.trainer.planned_steps,
                    seconds=f"{budget:g}",
                ),
            )

    def on_log(
        self,
        args: SFTConfig,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        loss, gradient = float(logs["loss"]), float(logs["grad_norm"])
        if not (math.isfinite(loss) and math.isfinite(gradient)):
            raise InputError(
                say("The loss stopped being a number at step {step}.", step=state.global_step),
                fix=say("The steps were too large. Lower the learning rate to a third and start again."),
            )
        tokens = int(float(logs.get("num_tokens", 0)))
        rate = tokens / max(self._training_s, 1e-9)
        self.emit(
            "step",
            step=state.global_step,
            loss=round(loss, 5),
            grad_norm=round(gradient, 5),
            learning_rate=float(logs["learning_rate"]),
            tokens=tokens,
            tokens_per_s=round(rate, 1),
            eta_s=round(self._time_left(state.global_step), 1),
        )
        # After the step is told, so that its point is on the curve while the held-out rows are looked at. Without its
        # adapter the model is what it was before the first step: the first look need not hold up the first point.
        if state.global_step == 1:
            with self.trainer.model.disable_adapter():
                self.first_eval = self.look(0)
        if self._eval_every and state.global_step % self._eval_every == 0 and not control.should_training_stop:
            self.look(state.global_step)
            save_adapter(self.trainer.model, self.folder)

    def look(self, step: int) -> float | None:
        """Loss on the held-out rows at `step`, told as an event; None without held-out rows."""
        if not len(self.rows.held_out):
            return None
        if self._last_look[0] == step:
            return self._last_look[1]
        start = time.monotonic()
        loss = self.trainer.held_out_loss(self.rows.held_out)
        self._eval_s = time.monotonic() - start
        self._last_look = (step, loss)
        self.emit("eval", step=step, eval_loss=round(loss, 5))
        return loss

    def _plan(self, steps: int, looks: int = LOOKS) -> None:
        self.trainer.planned_steps = steps
        if not self.settings.eval_steps:
            self._eval_every = max(math.ceil(steps / looks), 1)
        self.emit("plan", steps=steps)

    def _fit_to_budget(self, state: TrainerState) -> None:
        """Lower the number of steps to what fits, by the speed of the first few.

        By token, not by step: batches of like length begin with the longest.
        """
        budget = self.settings.time_budget_s
        rate = self.trainer._total_train_tokens / max(self._training_s, 1e-9)
        batch = self.settings.per_device_train_batch_size * self.settings.gradient_accumulation_steps
        step_s = self.rows.tokens_per_step(batch) / max(rate, 1e-9)
        if not budget:
            return
        # Long held-out rows are looked at less often, so that most of the time goes into training.
        looks = min(max(int(_LOOKING_SHARE * budget / max(self._eval_s, 1e-9)), _FEWEST_LOOKS), LOOKS)
        left = budget - (time.monotonic() - self._started) - looks * self._eval_s
        steps = state.global_step + max(int(left / step_s), 1)
        if steps >= self.trainer.planned_steps:
            self._plan(self.trainer.planned_steps, looks)
            return
        self.emit(
            "note",
            note=say(
                "{steps} of {wanted} steps fit into {seconds} seconds on this machine; the run was shortened to that.",
                steps=steps,
                wanted=self.trainer.planned_steps,
                seconds=f"{budget:g}",
            ),
        )
        self._plan(steps, looks)

    def _time_left(self, step: int) -> float:
        steps_left = max(self.trainer.planned_steps - step, 0)
        looks_left = steps_left / max(self._eval_every, 1)
        return steps_left * self._training_s / max(step, 1) + looks_left * self._eval_s


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write `folder`/adapter. Each file is replaced in one step, and there is an adapter from the first time on."""
    work, final = folder / "adapter.part", folder / "adapter"
    model.save_pretrained(str(work), safe_serialization=True)
    final.mkdir(exist_ok=True)
    for name in ("adapter_config.json", "adapter_model.safetensors"):  # PEFT's empty model card stays behind.
        (work / name).replace(final / name)
    shutil.rmtree(work)


def _has_changed(model: PeftModel) -> bool:
    """Whether any LoRA B matrix moved from zero, where all of them start; and every weight is finite."""
    moved = False
    for name, weights in model.named_parameters():
        if "lora_" in name:
            if not torch.isfinite(weights).all():
                return False
            moved = moved or ("lora_B" in name and bool(weights.count_nonzero()))
    return moved
