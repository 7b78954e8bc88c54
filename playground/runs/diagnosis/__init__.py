"""What the curves of a run say, in plain language, from the run's own numbers: while it runs and afterwards.

    metrics, Context -> Curves -> what each sign finds -> at most three readings that go together, gravest first

Signs are looked for in the order of how much they explain. A run that diverges is not also overfitting, and one that
overfits is not going well: of what speaks about the course of the curves, the first that is found stands, beside what
speaks about the rows. Early on it is said that it is too early, and nothing else but an alarm.

Lines are drawn in `thresholds`, and held against recorded runs in tests/curves. Knows neither torch nor where numbers
come from; the verdict over a finished adapter is another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from playground.runs.diagnosis import divergence, overfitting
from playground.runs.diagnosis import progress as learning
from playground.runs.diagnosis.series import Curves
from playground.runs.diagnosis.thresholds import MOST_READINGS
from playground.runs.diagnosis.types import Context, Reading

__all__ = ["Context", "Reading", "read"]

_GRAVITY = {"error": 0, "warning": 1, "info": 2, "good": 3}


def read(metrics: Sequence[Mapping[str, Any]], context: Context) -> list[Reading]:
    """Readings of a run's rows of numbers, at most three, gravest first; [] for a run that has not begun.

    `metrics` are those of RunService.get, a row a step, None where nothing was measured. About 4 ms for 2,000 steps.
    """
    curves = Curves.of(metrics)
    broken = divergence.not_finite(curves, context)
    if broken is not None:
        return [broken]
    if not curves.count:
        return [learning.unclear(curves)] if context.state == "running" else []
    ran_away = divergence.diverging(curves, context)
    if ran_away is not None:
        return [ran_away]
    course = _course(curves, context)
    is_by_heart = any(reading.code in ("overfitting", "memorising") for reading in course)
    rows = [overfitting.too_few_rows(curves, context, is_by_heart), overfitting.no_held_out(curves, context)]
    found = [*course, *(reading for reading in rows if reading is not None)]
    if any(reading.severity == "warning" for reading in found):
        found = [reading for reading in found if reading.severity != "good"]
    return sorted(found, key=lambda reading: _GRAVITY[reading.severity])[:MOST_READINGS]


def _course(curves: Curves, context: Context) -> list[Reading]:
    """What is said about the course of the curves, at least one reading, none of which denies another."""
    early = learning.too_early(curves, context)
    if early is not None:
        return [early]
    shaky = divergence.unstable(curves, context)
    if shaky is not None:
        return [shaky]
    forgot = overfitting.forgetting(curves, context)
    by_rote = [overfitting.overfitting(curves, context), overfitting.memorising(curves, context)]
    found = [reading for reading in (forgot, *by_rote) if reading is not None]
    if found:
        return found
    for sign in (learning.too_low, learning.nothing_learned, learning.plateau):
        seen = sign(curves, context)
        if seen is not None:
            return [seen]
    progress = [learning.still_falling(curves, context), learning.going_well(curves, context)]
    found = [reading for reading in progress if reading is not None]
    if found:
        return found
    return [learning.little_learned(curves, context) if context.is_over else learning.unclear(curves)]
