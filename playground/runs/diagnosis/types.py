"""What is told about a run's curves, and what has to be known of the run to tell it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from playground.core.i18n import Sentence
from playground.core.settings import TrainSettings
from playground.runs.types import ReadingDict, Scale, Scales, Settings, bounds

Severity = Literal["error", "warning", "info", "good"]


@dataclass(frozen=True)
class Reading:
    """One thing that the curves say."""

    code: str
    severity: Severity
    message: Sentence
    """What is seen, with the numbers of this run."""
    why: Sentence
    """Why it matters."""
    advice: Sentence
    """What to try."""
    change: Settings = field(default_factory=dict)
    """Settings for the next run, by TrainSettings' names, that one button sets; {} where no setting would help."""
    step: int | None = None
    """The step that it is about."""

    def to_dict(self) -> ReadingDict:
        """The fields by name; sentences stay sentences, to be said in the reader's language."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "why": self.why,
            "advice": self.advice,
            "change": dict(self.change),
            "step": self.step,
        }


@dataclass(frozen=True)
class Context:
    """A run, as far as its curves do not tell it."""

    state: str = "running"
    """queued, running, done, stopped or failed."""
    planned_steps: int = 0
    """Steps that it was to take; 0 where that is not known yet."""
    rows: int = 0
    """Rows that it trains on; 0 where that is not known."""
    held_out_rows: int = 0
    rows_per_step: float = 4.0
    """Rows in one optimiser step on average, accumulation included; more than a batch with packing."""
    learning_rate: float = TrainSettings.learning_rate
    """Its peak, as set."""
    lr_scheduler_type: str = TrainSettings.lr_scheduler_type
    warmup_steps: int = TrainSettings.warmup_steps
    max_steps: int = TrainSettings.max_steps
    num_train_epochs: float = TrainSettings.num_train_epochs
    time_budget_s: float = 0.0
    held_out: float = TrainSettings.held_out
    r: int = TrainSettings.r
    lora_alpha: int = TrainSettings.lora_alpha
    max_grad_norm: float = TrainSettings.max_grad_norm
    cut_by_budget: bool = False
    """Whether fewer steps were planned, or made, than asked for because of the time."""
    scales: Scales = field(default_factory=Scales)
    not_finite_at: int | None = None
    """Step whose loss was no number, where that ended the run before its row was written."""

    @classmethod
    def of(cls, settings: TrainSettings, **known: Any) -> Self:
        """From a run's settings and whatever else is known of it, by the names of the fields."""
        rows_per_step: float = settings.dataset_options().rows_per_step
        if rows := known.get("rows", 0):
            rows_per_step = rows / math.ceil(rows / rows_per_step)  # The last step of a pass has what is left.
        return cls(**{**{name: getattr(settings, name) for name in _SHARED}, "rows_per_step": rows_per_step, **known})

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "stopped", "failed")

    def epochs(self, steps: float) -> float:
        """How often each row is seen in so many steps; 0 where the rows are not known."""
        return steps * self.rows_per_step / self.rows if self.rows > 0 else 0.0

    def mean(self, moment: Literal["before", "after"], scale: Scale) -> float | None:
        """Loss on a scale (train, held_out, general) before or after, in nats; None where it was not measured."""
        figures = self.scales.get(moment)
        figure = figures and figures.get(scale)
        return figure["loss"] if figure else None

    def interval(self, scale: Scale) -> tuple[float, float] | None:
        """95 % interval of the change on a scale, in nats; None where it was not measured."""
        changes = self.scales.get("change")
        return bounds(changes.get(scale)) if changes else None


_SHARED = (
    *("learning_rate", "lr_scheduler_type", "warmup_steps", "max_steps"),
    *("num_train_epochs", "time_budget_s", "held_out", "r", "lora_alpha", "max_grad_norm"),
)
"""Fields of Context that are TrainSettings' own."""
