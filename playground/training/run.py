"""One run from its folder to its verdict.

    rendered.parquet, general.parquet, probes.json -> plan -> steps, evaluations, probes -> adapter/, report

Does not know who asked, or how events are stored.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from playground.core.figures import rows_said
from playground.core.i18n import say
from playground.core.settings import TrainSettings
from playground.core.whole_files import write_durably
from playground.models.devices import Choice
from playground.runs.plan import Plan, make_plan
from playground.runs.throughput import ThroughputCache
from playground.runs.verdict import Evidence
from playground.training.callback import Emit, Probes, RunCallback
from playground.training.checkpoints import drop_after, load_adapter, newest_checkpoint, step_of
from playground.training.measuring import measure, speed_key_here, work_of
from playground.training.meter import mapped_weights
from playground.training.rows import Rows
from playground.training.scales import changes, figures, share_that_ends
from playground.training.trainer import RunTrainer, build_trainer

_RENAMED = {"look_rows": "eval_rows", "look_s": "eval_s"}
"""Fields of a plan in the folder of a run that an earlier version began."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    stopped: bool
    steps: int
    best_step: int | None
    evidence: Evidence
    peak: int
    """Most memory used, in bytes."""


@dataclass
class Run:
    """Everything that one run is made of."""

    load_model: Callable[[], PreTrainedModel]
    tokenizer: PreTrainedTokenizerBase
    settings: TrainSettings
    choice: Choice
    folder: Path
    emit: Emit
    is_asked_to_stop: Callable[[], bool]
    model_name: str = ""
    throughput: ThroughputCache | None = None
    """Where speeds are remembered."""
    started: float = 0.0
    """By time.monotonic(); 0 is now."""

    def train(self) -> Outcome:
        """Train, or go on from the newest checkpoint, and leave the best adapter in adapter/.

        Memory that runs out is met once, by half the batch and twice the accumulation. Raises InputError when the loss
        is no number any more, torch.OutOfMemoryError or MemoryError when memory does not even do for that.
        """
        self.started = self.started or time.monotonic()
        rows, probes = Rows.read(self.folder), read_probes(self.folder)
        try:
            return self._attempt(rows, probes, self.settings)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as problem:
            if not is_out_of_memory(problem) or self.settings.per_device_train_batch_size == 1:
                raise
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        batch, accumulation = halved(self.settings)
        self.emit(
            "note",
            note=say(
                "Memory ran out. The run begins again with {rows} in a batch and {accumulation} batches in a step.",
                rows=rows_said(batch),
                accumulation=accumulation,
            ),
        )
        self.emit("restart", step=0)
        drop_after(self.folder, 0)
        smaller = replace(self.settings, per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation)
        return self._attempt(rows, probes, smaller, afresh=True)

    def _attempt(self, rows: Rows, probes: Probes, settings: TrainSettings, *, afresh: bool = False) -> Outcome:
        checkpoint = None if afresh else newest_checkpoint(self.folder)
        plan = self._kept_plan() if checkpoint else None
        # The plan of steps needs the speed, the speed a trainer, and the trainer takes the number of steps afterwards.
        trainer = self._trainer(rows, settings, plan or make_plan(settings, work_of(rows, settings, 0), None))
        plan = plan or self._plan(trainer, rows, probes, settings)
        trainer.args.max_steps = plan.steps
        watch = RunCallback(
            trainer, rows, probes, settings, plan, self.folder, self.emit, self.is_asked_to_stop, self.started
        )
        if checkpoint is not None:
            watch.recall()
            drop_after(self.folder, step_of(checkpoint))
            self.emit("restart", step=step_of(checkpoint))
        elif (self.folder / "start").is_dir():
            watch.measure_before()  # Without its adapter the model would be the base, not what the run begins with.
        trainer.add_callback(watch)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        return self._finish(trainer, watch, plan)

    def _trainer(self, rows: Rows, settings: TrainSettings, plan: Plan) -> RunTrainer:
        model = self.load_model()
        trainer = build_trainer(model, self.tokenizer, rows, settings, self.choice, self.folder, plan)
        trainer.meter.load_s = time.monotonic() - self.started
        trainer.meter.mapped = mapped_weights(model)
        return trainer

    def _plan(self, trainer: RunTrainer, rows: Rows, probes: Probes, settings: TrainSettings) -> Plan:
        """By the speed that this machine is known to have with this model, else by what a few batches take now."""
        key, known = self._speed_key(), None
        if self.throughput is not None:
            known = self.throughput.get(key)
        if known is None and (settings.time_budget_s or self.throughput is not None):
            self.emit("phase", phase=say("Measuring how fast this machine is with this model."))
            known = measure(trainer)
            if self.throughput is not None:
                self.throughput.update(key, known)
        self.emit("phase", phase=say("Training."))
        work = work_of(rows, settings, len(probes.prompts))
        plan = make_plan(settings, work, known)
        self.emit("plan", **plan.to_dict())
        write_durably(self.folder / "plan.json", orjson.dumps(plan.to_dict()))
        if plan.bound_by == "time":
            wanted = make_plan(replace(settings, time_budget_s=0), work, None).steps
            self.emit(
                "note",
                note=say(
                    "In {seconds} s this machine makes {steps} of {wanted} steps; the run is planned for that.",
                    seconds=f"{settings.time_budget_s:g}",
                    steps=plan.steps,
                    wanted=wanted,
                ),
            )
        return plan

    def _kept_plan(self) -> Plan | None:
        path = self.folder / "plan.json"
        if not path.is_file():
            return None
        kept = orjson.loads(path.read_bytes())
        plan = Plan(**{_RENAMED.get(name, name): value for name, value in kept.items()})
        self.emit("phase", phase=say("Training."))
        self.emit("plan", **plan.to_dict())
        return plan

    def _speed_key(self) -> str:
        return speed_key_here(self.model_name, self.choice, self.settings)

    def _finish(self, trainer: RunTrainer, watch: RunCallback, plan: Plan) -> Outcome:
        """Evaluate a last time, then measure the adapter that is offered."""
        step = trainer.state.global_step
        if watch.was_stopped:
            return self._keep(trainer, watch)
        self.emit("phase", phase=say("Measuring what was learned."))
        if step:
            watch.evaluate(step, is_last=True)
        if watch.best_step is not None and watch.best_step != step:
            load_adapter(trainer.model, self.folder / "adapters" / f"step-{watch.best_step}")
        self._remember_speed(trainer, plan)
        after = watch.measure_after()
        evidence = Evidence(
            finite=_is_finite(trainer.model),
            changed=_has_changed(trainer.model, self.folder),
            divergence=_divergence(trainer, watch.probes.prompts, watch.rows),
            change=changes(watch.before, after),
            before=figures(watch.before),
            after=figures(after),
            ends=share_that_ends([score for scores in (after["held_out"], after["train"]) for score in scores]),
            wants_general=self.settings.general_ability,
        )
        return Outcome(watch.was_stopped, step, watch.best_step, evidence, trainer.meter.memory())

    def _keep(self, trainer: RunTrainer, watch: RunCallback) -> Outcome:
        """Whoever stops a run waits for it: what it has is saved, and nothing is measured any more."""
        step = trainer.state.global_step
        if step:
            watch.keep(step)
            trainer.save_checkpoint(self.folder)
        changed = _has_changed(trainer.model, self.folder)
        evidence = Evidence(_is_finite(trainer.model), changed, None, before=figures(watch.before), stopped=True)
        return Outcome(True, step, watch.best_step, evidence, trainer.meter.memory())

    def _remember_speed(self, trainer: RunTrainer, plan: Plan) -> None:
        if self.throughput is None:
            return
        key = self._speed_key()
        if speed := trainer.meter.speed(plan.gradient_accumulation_steps, self.throughput.get(key)):
            self.throughput.update(key, speed)


def read_probes(folder: Path) -> Probes:
    """From probes.json; none where it is not there."""
    path = folder / "probes.json"
    if not path.is_file():
        return Probes()
    known: dict[str, Any] = orjson.loads(path.read_bytes())
    return Probes([probe["ids"] for probe in known["probes"]], known["stop"])


def halved(settings: TrainSettings) -> tuple[int, int]:
    """(rows in a batch, batches in a step) that need half the memory for as many rows in a step, or one more."""
    rows = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
    batch = max(settings.per_device_train_batch_size // 2, 1)
    return batch, -(-rows // batch)


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether memory ran out: torch says so on a CPU by a RuntimeError of its allocator."""
    return isinstance(problem, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(problem, RuntimeError) and "DefaultCPUAllocator" in str(problem)
    )


def _is_finite(model: PeftModel) -> bool:
    return all(bool(torch.isfinite(w).all()) for name, w in model.named_parameters() if "lora_" in name)


def _has_changed(model: PeftModel, folder: Path) -> bool:
    """Whether any LoRA B matrix is not what it began as: zero, or that of the adapter that was trained further."""
    start = folder / "start" / "adapter_model.safetensors"
    if not start.is_file():
        return any(bool(w.count_nonzero()) for name, w in model.named_parameters() if "lora_B" in name)
    from peft import get_peft_model_state_dict  # noqa: PLC0415  Needed only here.
    from safetensors.torch import load_file  # noqa: PLC0415

    began, now = load_file(start), get_peft_model_state_dict(model)
    return any(not torch.equal(began[name].float(), now[name].cpu().float()) for name in began)


def _divergence(trainer: RunTrainer, prompts: list[list[int]], rows: Rows) -> float | None:
    """Largest Kullback-Leibler divergence of the next token's distribution, tuned from base, over the run's prompts."""
    asked = prompts or [ids[: max(len(ids) // 2, 1)] for ids in rows.sample()["input_ids"][:3]]
    found = []
    for ids in asked:
        tuned = trainer.log_probabilities(ids)
        with trainer.model.disable_adapter():
            base = trainer.log_probabilities(ids)
        found.append(float((tuned.exp() * (tuned - base)).sum()))
    return max(found, default=None)
