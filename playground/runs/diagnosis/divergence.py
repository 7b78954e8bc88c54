"""A learning rate too high: a loss that is no number, one that ran away, one that jumps."""

from __future__ import annotations

import math

import numpy as np

from playground.core.figures import rounded
from playground.core.i18n import Sentence, say
from playground.runs.diagnosis import next_run
from playground.runs.diagnosis.overfitting import is_down_since
from playground.runs.diagnosis.series import Curves, Floats, noise, window
from playground.runs.diagnosis.thresholds import (
    BATCH_NOISE,
    CALM_STEPS,
    DIVERGED_HELD_OUT,
    DIVERGED_SHARE,
    EXPLODED,
    GRADIENT_GROWTH,
    LOW_LEARNING_RATE,
    NEW_LOW_SHARE,
    SPIKE_EVERY,
    SPIKE_HEIGHT,
    SPIKE_SHARE,
    SPIKE_SURE,
    SPIKES,
    SURE,
    TURN_SHARE,
)
from playground.runs.diagnosis.types import Context, Reading

_BEFORE = 9
"""Steps before a step that it is held against."""


def not_finite(curves: Curves, context: Context) -> Reading | None:
    """The loss was NaN or infinite: nothing that came after it means anything."""
    steps = [step for step in (curves.not_finite_at, context.not_finite_at) if step is not None]
    if not steps:
        return None
    advice = say("Start again with a lower learning rate: {rate} was too high.", rate=f"{context.learning_rate:g}")
    if context.learning_rate < LOW_LEARNING_RATE:
        advice = say(
            "{rate} is a low learning rate already: look at the rows around that step too, and at the precision that "
            "the model runs in.",
            rate=f"{context.learning_rate:g}",
        )
    return Reading(
        "not_finite",
        "error",
        say("The loss stopped being a number at step {step}.", step=min(steps)),
        say(
            "The steps were so large that the weights ran off the scale. An adapter from after that step is of no use."
        ),
        advice,
        next_run.much_calmer(context),
        min(steps),
    )


def diverging(curves: Curves, context: Context) -> Reading | None:
    """The loss is far above where it began."""
    if curves.count < 3:
        return None
    evaluations = curves.evaluations
    start, end = curves.start, curves.end
    if _has_run_away(curves):
        message = say(
            "The training loss went up from {start} to {end} in {steps} steps.",
            start=rounded(start),
            end=rounded(end),
            steps=curves.last_step,
        )
    elif (
        len(evaluations) > 1
        and evaluations[-1] > (1 + DIVERGED_HELD_OUT) * evaluations[0]
        and end > (1 - DIVERGED_HELD_OUT) * start
    ):
        message = say(
            "The loss on held-out rows went up from {start} to {end}, and the training loss does not fall either.",
            start=rounded(evaluations[0]),
            end=rounded(evaluations[-1]),
        )
    else:
        return None
    return Reading(
        "diverging",
        "error",
        message,
        say("Each step overshoots and undoes more than it teaches: the model loses what it could do before."),
        say("Stop the run, and lower the learning rate of {rate}.", rate=f"{context.learning_rate:g}")
        if not context.is_over
        else say("Lower the learning rate of {rate} and start again.", rate=f"{context.learning_rate:g}"),
        next_run.much_calmer(context),
        _first_above(curves, start),
    )


def _has_run_away(curves: Curves) -> bool:
    """Whether the level is above the first one by more than the noise, in logarithms: batches differ by a share."""
    before = curves.start if curves.has_first_evaluation else curves.early
    if min(before, curves.start, curves.end) <= 0:
        return False
    width = window(curves.count)
    # The one that exploded at once has no calm steps at its start to be held against.
    peak = float(np.median(np.lib.stride_tricks.sliding_window_view(curves.losses, width), axis=1).max())
    if peak > EXPLODED * curves.start and curves.end > (1 + DIVERGED_SHARE) * curves.start:
        return True
    spread = max(noise(np.log(np.maximum(curves.losses, 1e-3 * before))), BATCH_NOISE)
    # A median has a standard error 1.25 times a mean's; without an evaluation at the start, there is one at either end.
    error = 1.25 * spread * math.sqrt((1 if curves.has_first_evaluation else 2) / width)
    return math.log(curves.end / before) > max(math.log1p(DIVERGED_SHARE), SURE * error)


def _first_above(curves: Curves, level: float) -> int | None:
    """First step after the last one at which the loss was still at or below `level`."""
    below = np.flatnonzero(curves.losses <= level)
    place = int(below[-1]) + 1 if len(below) else 0
    return int(curves.steps[place]) if place < curves.count else None


def unstable(curves: Curves, context: Context) -> Reading | None:
    """Single steps jump, or gradients grow while the loss does not fall, or held-out loss rises with it."""
    if curves.count <= CALM_STEPS:
        return None
    seen, step = _jumps(curves)
    if seen is None:
        seen, step = _growing_gradients(curves, context)
    if seen is None:
        seen, step = _rising_together(curves)
    if seen is None:
        return None
    return Reading(
        "unstable",
        "warning",
        seen,
        say("The steps are so large that some of them undo what others taught, and it may get worse from here."),
        say(
            "Lower the learning rate of {rate} to a third, and let it rise over a few more steps.",
            rate=f"{context.learning_rate:g}",
        ),
        next_run.calmer(context, 3),
        step,
    )


_Seen = tuple[Sentence | None, int | None]


def _jumps(curves: Curves) -> _Seen:
    places = spikes(curves.losses, SPIKE_HEIGHT * curves.start)
    if len(places) < max(SPIKES, curves.count / SPIKE_EVERY):
        return None, None
    worst = max(places, key=lambda place: float(curves.losses[place]))
    return say(
        "The loss jumped {count} times, at step {step} to {loss}.",
        count=len(places),
        step=int(curves.steps[worst]),
        loss=rounded(curves.losses[worst]),
    ), int(curves.steps[places[0]])


def spikes(losses: Floats, height: float) -> list[int]:
    """Places of losses far above the nine before them; of a row of such places the first."""
    if len(losses) <= CALM_STEPS:
        return []
    found: list[int] = []
    logs = np.log(np.maximum(losses, 1e-6))
    limit = max(math.log1p(SPIKE_SHARE), SPIKE_SURE * noise(logs))
    padded = np.concatenate([np.full(_BEFORE, np.nan), losses])
    before = np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, _BEFORE)[CALM_STEPS:-1], axis=1)
    usual = np.log(np.maximum(before, 1e-6))
    above = (logs[CALM_STEPS:] - usual > limit) & (losses[CALM_STEPS:] - before > height)
    for place in np.flatnonzero(above) + CALM_STEPS:
        if not found or place > found[-1] + 1:
            found.append(int(place))
    return found


def _growing_gradients(curves: Curves, context: Context) -> _Seen:
    known = np.isfinite(curves.norms)
    norms = curves.norms[known]
    if len(norms) < 2 * CALM_STEPS:
        return None, None
    first, now = float(np.median(norms[:CALM_STEPS])), float(np.median(norms[-CALM_STEPS:]))
    # Small ones may grow: the half of a LoRA that starts at zero has them grow, and nothing is clipped.
    if now < max(GRADIENT_GROWTH * first, context.max_grad_norm) or _is_at_a_new_low(curves):
        return None, None
    return say(
        "Gradients grew from {first} to {now} while the loss does not fall any more.",
        first=rounded(first),
        now=rounded(now),
    ), int(curves.steps[known][np.flatnonzero(norms > GRADIENT_GROWTH * first)[0]])


def _is_at_a_new_low(curves: Curves) -> bool:
    """Whether the loss is clearly below all that it was before the latest steps."""
    before = curves.losses[: -2 * CALM_STEPS]
    width = window(len(before))
    if len(before) < width:
        return curves.end < (1 - NEW_LOW_SHARE) * curves.early
    lowest = np.median(np.lib.stride_tricks.sliding_window_view(before, width), axis=1).min()
    return curves.end < (1 - NEW_LOW_SHARE) * float(lowest)


def _rising_together(curves: Curves) -> _Seen:
    evaluations = curves.evaluations
    if (
        len(evaluations) < 3
        or evaluations[-1] < (1 + 2 * TURN_SHARE) * evaluations.min()
        or evaluations[-2] < (1 + TURN_SHARE) * evaluations.min()
    ):
        return None, None
    best = float(curves.eval_steps[int(evaluations.argmin())])
    if is_down_since(curves, best):
        return None, None
    return say(
        "Held-out loss rose from {best} to {now} since step {step}, and the training loss does not fall either.",
        best=rounded(evaluations.min()),
        now=rounded(evaluations[-1]),
        step=int(best),
    ), int(best)
