"""The curves of a run as numbers to reckon with: what was measured, its level, its noise, its trend.

Losses of single batches differ a lot, and a step may be missing, repeated (a resumed run) or not finite. So: medians
for levels, differences of neighbours for the noise, and Theil and Sen's slope (the median of all slopes) for trends,
which a few odd batches cannot move. Nothing here knows what a reading is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BINS = 40
"""Trends are taken of at most so many means: all pairs of 2,000 steps would take 100 times as long."""
_MAD = 1.4826
"""Median absolute deviation -> standard deviation, for a normal distribution."""


@dataclass(frozen=True)
class Trend:
    """How far a stretch of losses fell from its beginning to its end, in nats, and the standard error of that."""

    fall: float
    error: float

    def is_down(self, by: float, sure: float) -> bool:
        """Whether it fell by more than `by` and by more than `sure` standard errors."""
        return self.fall > by and self.fall > sure * self.error


@dataclass(frozen=True)
class Curves:
    """What was measured and is finite, in the order of steps."""

    steps: Floats
    losses: Floats
    rates: Floats
    """Learning rate of each step; NaN where not measured."""
    norms: Floats
    """Gradient norm of each step; NaN where not measured."""
    eval_steps: Floats
    evaluations: Floats
    """Held-out losses."""
    not_finite_at: int | None
    """First step whose training or held-out loss was NaN or infinite."""

    @classmethod
    def of(cls, metrics: Sequence[Mapping[str, Any]]) -> Curves:
        """From the rows of RunService.get. Of a step that was told twice (a resumed run), the later values hold."""
        merged: dict[int, dict[str, float]] = {}
        for row in metrics:
            step = _finite(row.get("step"))
            if step is None or step < 0:
                continue
            told = merged.setdefault(int(step), {})
            for name in _NAMES:
                number = _number(row.get(name))
                if number is not None:
                    told[name] = number
        rows = sorted(merged.items())
        finite = math.isfinite
        broken = [s for s, told in rows if not (finite(told.get("loss", 0.0)) and finite(told.get("eval_loss", 0.0)))]
        trained = [(step, row) for step, row in rows if math.isfinite(row.get("loss", math.nan))]
        evaluated = [(step, row) for step, row in rows if math.isfinite(row.get("eval_loss", math.nan))]
        return cls(
            steps=np.array([step for step, _ in trained], dtype=float),
            losses=np.array([row["loss"] for _, row in trained], dtype=float),
            rates=np.array([row.get("learning_rate", math.nan) for _, row in trained], dtype=float),
            norms=np.array([row.get("grad_norm", math.nan) for _, row in trained], dtype=float),
            eval_steps=np.array([step for step, _ in evaluated], dtype=float),
            evaluations=np.array([row["eval_loss"] for _, row in evaluated], dtype=float),
            not_finite_at=broken[0] if broken else None,
        )

    @property
    def count(self) -> int:
        """Steps with a loss."""
        return len(self.losses)

    @property
    def last_step(self) -> int:
        return int(max(self.steps[-1:].sum(), self.eval_steps[-1:].sum()))

    @property
    def has_first_evaluation(self) -> bool:
        """Whether the held-out rows were looked at before the first step."""
        return len(self.evaluations) > 0 and self.eval_steps[0] == 0

    @property
    def start(self) -> float:
        """Training loss at the start, in nats. One odd batch, or a loss that exploded at once, does not move it."""
        known = [float(self.losses[0]), float(np.median(self.losses[:3]))]
        if self.has_first_evaluation:
            return float(np.median([*known, float(self.evaluations[0])]))
        return min(known)

    @property
    def early(self) -> float:
        """Median training loss of the first steps."""
        return float(np.median(self.losses[: window(self.count)]))

    @property
    def end(self) -> float:
        """Median training loss of the latest steps."""
        return float(np.median(self.losses[-window(self.count) :]))

    @property
    def fallen(self) -> float:
        """Share of the loss at the start that is gone: of the held-out loss where it was looked at twice."""
        if len(self.evaluations) > 1:
            return share(float(self.evaluations[0] - self.evaluations[-1]), float(self.evaluations[0]))
        return share(max(self.start, self.early) - self.end, max(self.start, self.early))

    def trend(self, first: int = 0, last: int | None = None) -> Trend:
        """Trend of the training loss from its place `first` on, up to but not with its place `last`."""
        losses = self.losses[first:last]
        if len(losses) < 3:
            return Trend(0.0, math.inf)
        spread = max(noise(losses), 1e-12)
        return Trend(
            -slope(self.steps[first:last], losses) * span(self.steps[first:last]), spread * math.sqrt(12 / len(losses))
        )

    def place(self, step: float) -> int:
        """Place of the first step after `step`."""
        return int(np.searchsorted(self.steps, step, side="right"))


_NAMES = ("loss", "eval_loss", "learning_rate", "grad_norm")


def window(count: int) -> int:
    """Steps at either end of a curve that give its level there."""
    return min(max(count // 8, 3), 10)


def noise(values: Floats) -> float:
    """Standard deviation of single values around a smooth curve, from the differences of neighbours."""
    if len(values) < 2:
        return 0.0
    return float(np.median(np.abs(np.diff(values)))) * _MAD / math.sqrt(2)


def slope(steps: Floats, values: Floats) -> float:
    """Theil and Sen's slope a step, of means of neighbours where there are many."""
    if len(values) > _BINS:
        edges = np.linspace(0, len(values), _BINS + 1).astype(int)[:-1]
        sizes = np.diff(np.append(edges, len(values)))
        steps, values = np.add.reduceat(steps, edges) / sizes, np.add.reduceat(values, edges) / sizes
    left, right = np.triu_indices(len(values), 1)
    return float(np.median((values[right] - values[left]) / (steps[right] - steps[left])))


def span(steps: Floats) -> float:
    return float(steps[-1] - steps[0])


def share(part: float, whole: float) -> float:
    """`part` of `whole`; 0 of nothing."""
    return part / whole if whole > 0 else 0.0


def _number(value: Any) -> float | None:
    """As a float, which may be NaN or infinite; None for what is no number."""
    if value is None or type(value) is float:  # Nearly all are, and there are thousands.
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _finite(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and math.isfinite(number) else None
