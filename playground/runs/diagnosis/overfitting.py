"""Rows learned by heart: held-out loss that turned, a training loss near nothing, few rows, and what was forgotten."""

from __future__ import annotations

import numpy as np

from playground.core.figures import often, rounded, times
from playground.core.i18n import say
from playground.runs.diagnosis import next_run
from playground.runs.diagnosis.series import Curves, window
from playground.runs.diagnosis.thresholds import (
    FALLING,
    FELL_SHARE,
    FEW_ROWS,
    FORGOTTEN,
    GAP_SHARE,
    KNOWN_START,
    MEMORISING_EPOCHS,
    NEAR_ZERO,
    SHARP_TURN_SHARE,
    TURN_SHARE,
    VERY_FEW_ROWS,
    ZERO_HELD_OUT,
)
from playground.runs.diagnosis.types import Context, Reading


def is_down_since(curves: Curves, step: float) -> bool:
    """Whether the training loss is lower now than around `step`, or next to nothing."""
    place = curves.place(step)
    if curves.count - place < 3:
        return False
    if curves.end < NEAR_ZERO:
        return True
    width = window(curves.count)
    around = float(np.median(curves.losses[max(place - width, 0) : place + width]))
    if curves.end < (1 - FELL_SHARE) * around:
        return True
    return curves.trend(place).is_down(0.0, FALLING)


def turned_at(curves: Curves) -> int | None:
    """Index of the best evaluation, where later ones are worse by more than evaluations differ; None without a turn."""
    evaluations = curves.evaluations
    if len(evaluations) < 2:
        return None
    best = int(evaluations.argmin())
    lowest = max(float(evaluations[best]), 1e-9)
    after = evaluations[best + 1 :]
    if not len(after) or after[-1] < (1 + TURN_SHARE) * lowest:
        return None
    twice = len(after) > 1 and after[-2] > (1 + TURN_SHARE) * lowest
    return best if twice or after[-1] > (1 + SHARP_TURN_SHARE) * lowest else None


def overfitting(curves: Curves, context: Context) -> Reading | None:
    """Held-out loss turned while the training loss goes on falling."""
    best = turned_at(curves)
    if best is None or not curves.count:
        return None
    step = int(curves.eval_steps[best])
    if not is_down_since(curves, step):
        return None
    evaluations = curves.evaluations
    if step == 0:
        return Reading(
            "overfitting",
            "warning",
            say(
                "The loss on held-out rows only rose, from {start} to {now}, while the training loss fell to {train}.",
                start=rounded(evaluations[0]),
                now=rounded(evaluations[-1]),
                train=rounded(curves.end),
            ),
            say("What the model learns of these rows is of no use for rows that it never saw."),
            say(
                "Look whether an answer can be told from its question at all; add rows that share what is to be "
                "learned; take smaller steps."
            ),
            next_run.calmer(context, 3),
            step,
        )
    return Reading(
        "overfitting",
        "warning",
        say(
            "The loss on held-out rows was lowest at step {step} ({best}) and is {now} now, while the training loss "
            "fell on to {train}.",
            step=step,
            best=rounded(evaluations[best]),
            now=rounded(evaluations[-1]),
            train=rounded(curves.end),
        ),
        say("Since then the model learns these very rows, and answers questions that it never saw worse."),
        say("End the next run about there, or add more and more varied rows. The best adapter so far is kept."),
        next_run.fewer(context, step),
        step,
    )


def memorising(curves: Curves, context: Context) -> Reading | None:
    """Rows seen several times are known by heart, and others are not."""
    epochs = context.epochs(curves.last_step)
    if curves.count < 3 or (context.rows > 0 and epochs < MEMORISING_EPOCHS):
        return None
    train = context.mean("after", "train")
    train = curves.end if train is None else train
    start = max(curves.start, curves.early)
    held_out = _held_out_now(curves, context)
    near_zero = train < NEAR_ZERO and start > KNOWN_START and (held_out is None or held_out > ZERO_HELD_OUT)
    first_evaluation = float(curves.evaluations[0]) if len(curves.evaluations) else start
    apart = held_out is not None and held_out - train > GAP_SHARE * max(first_evaluation, train) and train < start
    if not near_zero and not apart:
        return None
    if held_out is None:
        message = say(
            "The training loss is next to nothing: {train}, from {start}.", train=rounded(train), start=rounded(start)
        )
    else:
        message = say(
            "The training loss is {train}, that on held-out rows {held_out}.",
            train=rounded(train),
            held_out=rounded(held_out),
        )
    half = next_run.fewer(context, _first_near(curves, max(train, KNOWN_START)))
    return Reading(
        "memorising",
        "warning",
        message,
        say("The model knows these rows by heart: it will repeat their words rather than answer other questions."),
        say("Show each row fewer times, or bring more rows that say it in other words."),
        half if turned_at(curves) is None else {},
        _step_near(curves, train),
    )


def _held_out_now(curves: Curves, context: Context) -> float | None:
    after = context.mean("after", "held_out")
    if after is not None:
        return after
    return float(curves.evaluations[-1]) if len(curves.evaluations) > 1 else None


def _first_near(curves: Curves, level: float) -> int:
    """Step at which the median of three losses first was at `level`; half of the steps where it never was."""
    middle = np.median(np.lib.stride_tricks.sliding_window_view(curves.losses, 3), axis=1)
    near = np.flatnonzero(middle <= max(level, 1e-9))
    return int(curves.steps[near[0] + 2]) if len(near) and near[0] + 3 < curves.count else max(curves.last_step // 2, 1)


def _step_near(curves: Curves, train: float) -> int | None:
    return _first_near(curves, NEAR_ZERO) if train < NEAR_ZERO else None


def too_few_rows(curves: Curves, context: Context, is_by_heart: bool) -> Reading | None:
    """So few rows that a run can hardly do anything but learn them by heart; or few, and it did."""
    if not 0 < context.rows < (FEW_ROWS if is_by_heart else VERY_FEW_ROWS):
        return None
    epochs = context.epochs(max(curves.last_step, 0 if context.is_over else context.planned_steps))
    return Reading(
        "too_few_rows",
        "warning" if context.rows < VERY_FEW_ROWS else "info",
        say(
            "Rows to train on: {rows}. The run sees each about {times}.", rows=context.rows, times=often(times(epochs))
        ),
        say("From so few rows a model learns their words sooner than what they have in common."),
        say("Write more rows: from about 50 that differ in their words, what they share begins to stand out."),
    )


def no_held_out(curves: Curves, context: Context) -> Reading | None:
    """Nothing can be said of rows that the model does not train on."""
    if context.held_out_rows > 0 or len(curves.evaluations) or not curves.count:
        return None
    return Reading(
        "no_held_out",
        "info",
        say("No rows are held out."),
        say("Whether the model learns something for other questions, or only these rows by heart, cannot be told."),
        say("Hold out some of the rows in the next run; they are looked at and never trained on."),
        next_run.some_held_out(context),
    )


def forgetting(curves: Curves, context: Context) -> Reading | None:
    """The bundled everyday questions got harder, beyond noise."""
    interval, before, after = (
        context.interval("general"),
        context.mean("before", "general"),
        context.mean("after", "general"),
    )
    if interval is None or before is None or after is None or interval[0] <= 0 or after - before < FORGOTTEN:
        return None
    return Reading(
        "forgetting",
        "warning",
        say(
            "The loss on the bundled everyday questions rose from {before} to {after}.",
            before=rounded(before),
            after=rounded(after),
        ),
        say("The adapter costs some of what the model could do before: everyday answers get worse."),
        say("Take smaller steps or fewer of them, or mix everyday rows in with yours."),
        next_run.calmer(context, 3),
    )
