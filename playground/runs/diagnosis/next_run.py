"""Settings for the next run, reckoned from this one's and kept within TrainSettings' ranges."""

from __future__ import annotations

import math

from playground.runs.diagnosis.thresholds import USUAL_LEARNING_RATES
from playground.runs.diagnosis.types import Context
from playground.runs.types import Settings

_LEAST_RATE, _MOST_RATE = 1e-8, 1.0
_MOST_EPOCHS, _LEAST_EPOCHS = 1000.0, 0.01
_MOST_STEPS = 100_000
_MOST_SECONDS = 86_400.0
_MOST_HELD_OUT = 0.5
_MOST_RANK = 64
"""Beyond it a larger adapter is seldom what was missing."""
_WARMUP_SHARE = 0.1
"""Share of a run's steps for warm-up, as most recipes have it."""


def calmer(context: Context, by: float) -> Settings:
    """The learning rate divided by `by`, and a warm-up of a tenth of the steps where it was shorter."""
    change = _rate(context, context.learning_rate / by)
    warmup = min(math.ceil(_WARMUP_SHARE * context.planned_steps), 100)
    return {**change, "warmup_steps": warmup} if warmup > context.warmup_steps else change


def much_calmer(context: Context) -> Settings:
    """A tenth of the learning rate, and no more than is usual."""
    return calmer(context, max(10.0, context.learning_rate / USUAL_LEARNING_RATES[1]))


def bolder(context: Context, by: float) -> Settings:
    """The learning rate times `by`, at least what is usual and never raised beyond that."""
    low, high = USUAL_LEARNING_RATES
    wanted = min(max(by * context.learning_rate, low), high)
    return _rate(context, wanted) if wanted > context.learning_rate else {}


def shorter_warmup(context: Context) -> Settings:
    """A warm-up of a tenth of the steps."""
    steps = int(_WARMUP_SHARE * context.planned_steps)
    return {"warmup_steps": steps} if steps < context.warmup_steps else {}


def fewer(context: Context, steps: float) -> Settings:
    """So many steps as decide the run's length: as steps, where it was set by steps, else as epochs."""
    epochs = context.epochs(steps)
    if context.max_steps > 0 or epochs <= 0:
        wanted = min(max(round(steps), 1), _MOST_STEPS)
        return {"max_steps": wanted} if wanted < context.max_steps or context.max_steps < 1 else {}
    rounded = max(round(epochs, 1 if epochs >= 1 else 2), _LEAST_EPOCHS)
    return {"num_train_epochs": rounded} if rounded < context.num_train_epochs else {}


def more(context: Context) -> Settings:
    """Twice as much of what ended the run: its time, its steps or its epochs."""
    if context.cut_by_budget and context.time_budget_s > 0:
        return _raised("time_budget_s", context.time_budget_s, min(2 * context.time_budget_s, _MOST_SECONDS))
    if context.max_steps > 0:
        return _raised("max_steps", context.max_steps, min(2 * context.max_steps, _MOST_STEPS))
    return _raised("num_train_epochs", context.num_train_epochs, min(2 * context.num_train_epochs, _MOST_EPOCHS))


def larger_adapter(context: Context) -> Settings:
    """Twice the rank, with alpha at twice that, which leaves the adapter's scale at 2."""
    rank = 2 * context.r
    return {"r": rank, "lora_alpha": 2 * rank} if rank <= _MOST_RANK else {}


def some_held_out(context: Context) -> Settings:
    """A tenth of the rows, two at least; {} where that would be more than half of them."""
    wanted = max(0.1, math.ceil(200 / context.rows) / 100) if context.rows > 0 else 0.1
    return {"held_out": wanted} if wanted <= _MOST_HELD_OUT else {}


def _rate(context: Context, wanted: float) -> Settings:
    rate = float(f"{min(max(wanted, _LEAST_RATE), _MOST_RATE):.2g}")
    return {"learning_rate": rate} if rate != context.learning_rate else {}


def _raised(name: str, now: float, then: float) -> Settings:
    return {name: then} if then > now else {}
