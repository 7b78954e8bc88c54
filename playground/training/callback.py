"""What happens beside the steps of a run: events, evaluations on held-out rows, probes, checkpoints, and its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import orjson
from datasets import Dataset
from transformers import TrainerCallback, TrainerControl, TrainerState
from trl import SFTConfig

from playground.core.errors import InputError
from playground.core.i18n import say
from playground.core.settings import TrainSettings
from playground.core.whole_files import write_durably
from playground.data.split import even_places
from playground.runs.memory import give_back_memory
from playground.runs.plan import Plan
from playground.training.checkpoints import offer_adapter, save_adapter
from playground.training.rows import Rows
from playground.training.scales import Scores, changes, figures, mean_loss
from playground.training.trainer import RunTrainer, Score

Emit = Callable[..., None]
"""emit(event, **values): tell one event, such as emit("step", step=3, loss=1.2)."""

_OVERRUN = 1.25
"""A run that takes this many times its budget is ended: the machine got busy after the plan was made."""


@dataclass(frozen=True)
class Probes:
    """Prompts that are answered at intervals, as tokens, and the tokens that end an answer."""

    prompts: list[list[int]] = field(default_factory=list)
    stop: list[int] = field(default_factory=list)


class RunCallback(TrainerCallback):  # type: ignore[misc]
    """Tells events, evaluates on the held-out rows, answers probes, saves, and ends the run when it is asked to."""

    def __init__(
        self,
        trainer: RunTrainer,
        rows: Rows,
        probes: Probes,
        settings: TrainSettings,
        plan: Plan,
        folder: Path,
        emit: Emit,
        is_asked_to_stop: Callable[[], bool],
        started: float | None = None,
    ) -> None:
        """`started`: when the run began, by time.monotonic()."""
        self.trainer, self.rows, self.probes, self.settings, self.plan = trainer, rows, probes, settings, plan
        self.folder, self.emit, self.is_asked_to_stop = folder, emit, is_asked_to_stop
        self.was_stopped = False
        self.best_step: int | None = None
        self.best_loss = math.inf
        self.before: Scores = {}
        self._eval_rows = self._sampled(rows.held_out, plan.eval_rows)
        self._evaluations_since_best = 0
        self._started = started or time.monotonic()
        self._step_started = time.monotonic()
        self._training_s = 0.0
        self._first_step = 0
        self._tokens_before = 0.0
        self._last_evaluation = -1
        self._last_answers = -1

    @staticmethod
    def _sampled(rows: Dataset, count: int) -> Dataset:
        return rows.select(even_places(len(rows), count)) if 0 < count < len(rows) else rows

    # --- Trainer's moments ---

    def on_train_begin(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._first_step = state.global_step
        self._tokens_before = float(state.num_input_tokens_seen or 0)

    def on_step_begin(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._step_started = time.monotonic()
        self.trainer.meter.padded_tokens = 0

    def on_substep_end(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.is_asked_to_stop():
            self.was_stopped = control.should_training_stop = True

    def on_step_end(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        seconds = time.monotonic() - self._step_started
        self._training_s += seconds
        self.trainer.meter.steps.append((self.trainer.meter.padded_tokens, seconds))
        budget = self.settings.time_budget_s
        if self.is_asked_to_stop():
            self.was_stopped = control.should_training_stop = True
        elif budget and time.monotonic() - self._started > budget * _OVERRUN and state.global_step < self.plan.steps:
            control.should_training_stop = True
            self.emit(
                "note",
                note=say(
                    "The machine was slower than planned: the run was ended after {steps} of {wanted} steps, "
                    "since its {seconds} seconds were over.",
                    steps=state.global_step,
                    wanted=self.plan.steps,
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
        self._tell_step(state.global_step, logs)
        # After the step is told, so that its point is on the curve while held-out rows are looked at. Without its
        # adapter the model is what it was before the first step: the first evaluation need not hold up the first point.
        if state.global_step == 1 and not self.before:
            with self._untrained():
                self.measure_before()
        every = self.plan.eval_steps or max(self.plan.steps // 8, 1)
        if state.global_step % every == 0 and not control.should_training_stop:
            self.evaluate(state.global_step)
            self.trainer.save_checkpoint(self.folder)
            patience = self.settings.early_stopping_patience
            if patience and self._evaluations_since_best >= patience:
                self._end_early(state.global_step, control)

    # --- What is done at them ---

    def measure_before(self) -> None:
        """Scores and answers of what the model is before the run changes it."""
        stop = self.probes.stop
        self.before["held_out"] = self.trainer.score(self._eval_rows, stop)
        loss = mean_loss(self.before["held_out"])
        if loss is not None:
            self.emit("eval", step=0, eval_loss=round(loss, 5))
        self.answer(0)
        self.before["train"] = self.trainer.score(self.rows.sample(), stop)
        self.before["general"] = self.trainer.score(self.rows.general, stop)
        self.emit("scales", before=figures(self.before), after=None, change=None)

    def measure_after(self) -> Scores:
        """The same scores again, of what the run has made of the model."""
        stop = self.probes.stop
        after: Scores = {
            "train": self.trainer.score(self.rows.sample(), stop),
            "held_out": self.trainer.score(self._eval_rows, stop),
            "general": self.trainer.score(self.rows.general, stop),
        }
        self.emit("scales", before=figures(self.before), after=figures(after), change=changes(self.before, after))
        return after

    def evaluate(self, step: int, *, is_last: bool = False) -> None:
        """Score the held-out rows, keep the adapter, and offer it where it is the best so far."""
        if self._last_evaluation == step:
            return
        self._last_evaluation = step
        loss = mean_loss(self.trainer.score(self._eval_rows)) if len(self._eval_rows) else None
        if loss is not None:
            self.emit("eval", step=step, eval_loss=round(loss, 5))
        save_adapter(self.trainer.model, self.folder, step)
        if loss is None or loss < self.best_loss:
            self.best_step, self.best_loss, self._evaluations_since_best = step, math.inf if loss is None else loss, 0
            offer_adapter(self.folder, step)
            self.emit("best", step=step)
        else:
            self._evaluations_since_best += 1
        self._remember()
        give_back_memory()
        if is_last or (self.plan.probe_steps and step % self.plan.probe_steps == 0):
            self.answer(step)

    def keep(self, step: int) -> None:
        """Save the adapter as it stands. It is offered where no evaluation has found a better one."""
        save_adapter(self.trainer.model, self.folder, step)
        if self.best_step is None or not len(self._eval_rows):
            self.best_step = step
            offer_adapter(self.folder, step)
            self.emit("best", step=step)
        self._remember()

    def _remember(self) -> None:
        """What a run that goes on from here must know beside Trainer's checkpoint: evaluations.json."""
        known = {
            "best_step": self.best_step,
            "best_loss": self.best_loss if math.isfinite(self.best_loss) else None,
            "evaluations_since_best": self._evaluations_since_best,
            "before": {name: [astuple(score) for score in scores] for name, scores in self.before.items()},
        }
        write_durably(self.folder / "evaluations.json", orjson.dumps(known))

    def recall(self) -> None:
        """Take up evaluations.json, where the run goes on from a checkpoint."""
        path = self.folder / "evaluations.json"
        if path.is_file():
            known = orjson.loads(path.read_bytes())
        else:  # A run that an earlier version began.
            known = orjson.loads((self.folder / "looks.json").read_bytes())
            known["evaluations_since_best"] = known["looks_since_best"]
        self.best_step, self._evaluations_since_best = known["best_step"], known["evaluations_since_best"]
        self.best_loss = math.inf if known["best_loss"] is None else known["best_loss"]
        self.before = {name: [Score(*score) for score in scores] for name, scores in known["before"].items()}

    def answer(self, step: int) -> None:
        """Answer the probes."""
        if not (self.probes.prompts and self.settings.probe_max_new_tokens) or self._last_answers == step:
            return
        self._last_answers = step
        said = self.trainer.answer(self.probes.prompts, self.probes.stop, self.settings.probe_max_new_tokens)
        self.emit("answers", step=step, answers=said)

    @contextmanager
    def _untrained(self) -> Iterator[None]:
        with self.trainer.model.disable_adapter():
            yield

    def _tell_step(self, step: int, logs: dict[str, Any]) -> None:
        loss, gradient = float(logs["loss"]), float(logs["grad_norm"])
        if not (math.isfinite(loss) and math.isfinite(gradient)):
            self.emit("not_finite", step=step)
            raise InputError(
                say("The loss stopped being a number at step {step}.", step=step),
                fix=say("The steps were too large. Lower the learning rate to a third and start again."),
            )
        tokens = int(float(logs.get("num_tokens", 0)))
        done = max(tokens - self._tokens_before, 0)
        self.emit(
            "step",
            step=step,
            loss=round(loss, 5),
            grad_norm=round(gradient, 5),
            learning_rate=float(logs["learning_rate"]),
            token_accuracy=round(float(logs.get("mean_token_accuracy", 0.0)), 4),
            tokens=tokens,
            tokens_per_s=round(done / max(self._training_s, 1e-9), 1),
            memory=self.trainer.meter.memory(),
            eta_s=round(self._time_left(step), 1),
        )

    def _end_early(self, step: int, control: TrainerControl) -> None:
        control.should_training_stop = True
        self.emit(
            "note",
            note=say(
                "The run was ended at step {step}: the last {evaluations} evaluations on the held-out rows were no "
                "better than that at step {best}.",
                step=step,
                evaluations=self._evaluations_since_best,
                best=self.best_step,
            ),
        )

    def _time_left(self, step: int) -> float:
        """Of the plan's own estimate where there is one, corrected by how fast the steps turned out."""
        steps_left = max(self.plan.steps - step, 0)
        each = self._training_s / max(step - self._first_step, 1)
        if self.plan.train_s and self.plan.seconds:
            aside = (self.plan.seconds - self.plan.train_s) * steps_left / max(self.plan.steps, 1)
        else:
            aside = 0.15 * each * steps_left
        return steps_left * each + aside
