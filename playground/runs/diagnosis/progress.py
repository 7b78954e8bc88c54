"""Whether anything is learned, how fast, and whether there is more to come."""

from __future__ import annotations

import math

import numpy as np

from playground.core.figures import percent, rounded, steps_said
from playground.core.i18n import say
from playground.runs.diagnosis import next_run
from playground.runs.diagnosis.series import Curves, noise, share
from playground.runs.diagnosis.thresholds import (
    ACTIVE_SHARE,
    EARLY_STEPS,
    FALLING,
    FLAT_HELD_OUT,
    FLAT_SHARE,
    JUDGED_SHARE,
    JUDGED_STEPS,
    LEARNED_SHARE,
    LOW_LEARNING_RATE,
    NEAR_NOTHING_SHARE,
    NEAR_ZERO,
    PLATEAU_STEPS,
    SLOW_SHARE,
    STILL_SHARE,
    USUAL_LEARNING_RATES,
    WEAK_SCALE,
)
from playground.runs.diagnosis.types import Context, Reading


def too_early(curves: Curves, context: Context) -> Reading | None:
    """A run that has only begun, or that ended before there was anything to read."""
    if curves.count >= EARLY_STEPS:
        return None
    if not context.is_over:
        return unclear(curves)
    return Reading(
        "too_early",
        "info",
        say("The run ended after step {step}.", step=curves.last_step),
        say("Losses of single batches differ so much that fewer than {steps} steps say nothing.", steps=EARLY_STEPS),
        say("Give the next run more steps."),
        next_run.more(context) if context.state == "done" else {},
    )


def unclear(curves: Curves) -> Reading:
    """Nothing to be said of a run that goes on."""
    message = say("Too early to say, after step {step}.", step=curves.last_step)
    if curves.count > 2:
        message = say(
            "Too early to say, after step {step}: the losses of single batches differ by some {noise}.",
            step=curves.last_step,
            noise=percent(share(noise(curves.losses), curves.end)),
        )
    return Reading(
        "too_early",
        "info",
        message,
        say("Each point is the loss of a few rows only, and hard rows and easy ones take turns."),
        say("Wait for more steps."),
    )


def too_low(curves: Curves, context: Context) -> Reading | None:
    """The loss hardly moves, and the learning rate is why."""
    if not _can_be_judged(curves, context) or _is_learning(curves, SLOW_SHARE):
        return None
    reached = _reached(curves, context)
    if reached >= LOW_LEARNING_RATE:
        return None
    is_warming = context.learning_rate >= LOW_LEARNING_RATE
    seen = say(
        "The {scale} went from {start} to {now} in {steps} steps, with a learning rate of {rate} at most.",
        **_levels(curves),
        steps=curves.last_step,
        rate=f"{reached:.2g}",
    )
    why = say("Steps so small teach next to nothing in the time that the run has.")
    if is_warming:
        advice = say(
            "Warm-up takes up most of the run: shorten it from {steps}.", steps=steps_said(context.warmup_steps)
        )
        return Reading("too_low", "warning", seen, why, advice, next_run.shorter_warmup(context))
    advice = say("Raise the learning rate: adapters usually want {low} to {high}.", **_usual())
    return Reading("too_low", "warning", seen, why, advice, next_run.bolder(context, 10))


def nothing_learned(curves: Curves, context: Context) -> Reading | None:
    """The loss is where it was, although the learning rate would allow for more."""
    if not _can_be_judged(curves, context) or _is_learning(curves, NEAR_NOTHING_SHARE):
        return None
    message = say(
        "After {steps} steps the {scale} is {now}; it was {start}.", steps=curves.last_step, **_levels(curves)
    )
    if curves.early < NEAR_ZERO:
        return Reading(
            "nothing_learned",
            "info",
            message,
            say("Nearly every token was right from the start: the model answers so without training."),
            say(
                "Look at what the model answers without an adapter: if that is what you want, nothing is to be trained."
            ),
        )
    why = say("The difference is within what chance does: nothing that carries over to other rows was learned.")
    scale = context.lora_alpha / max(context.r, 1)
    if scale < WEAK_SCALE:
        advice = say(
            "Raise lora_alpha: what the adapter adds is multiplied by lora_alpha / r, and that is only {scale}.",
            scale=f"{scale:.2g}",
        )
        return Reading("nothing_learned", "warning", message, why, advice, {"lora_alpha": min(2 * context.r, 1024)})
    advice = say(
        "Look whether the trained part of the rows is what you mean it to be; then try a higher learning rate."
    )
    if context.learning_rate >= USUAL_LEARNING_RATES[1]:
        advice = say("Look whether the trained part of the rows is what you mean it to be; then try a larger adapter.")
    change = next_run.bolder(context, 3) or next_run.larger_adapter(context)
    return Reading("nothing_learned", "warning", message, why, advice, change)


def little_learned(curves: Curves, context: Context) -> Reading:
    """It fell by a few per cent: an ended run about which nothing else was to be said."""
    return Reading(
        "little_learned",
        "info",
        say("After {steps} steps the {scale} is {now}; it was {start}.", steps=curves.last_step, **_levels(curves)),
        say("That is a small change: answers may not differ visibly from those without an adapter."),
        say("Give the next run more steps or a higher learning rate."),
        next_run.bolder(context, 3) or next_run.more(context),
    )


def plateau(curves: Curves, context: Context) -> Reading | None:
    """The loss fell and then stood still while the learning rate would have let it fall."""
    first, last = _active(curves, context)
    middle = max((first + last) // 2, first)
    if last - middle < PLATEAU_STEPS or curves.end < NEAR_ZERO:
        return None
    start, trend = max(curves.start, curves.early), curves.trend(middle, last)
    level = float(np.median(curves.losses[middle:last]))
    if start - level < LEARNED_SHARE * start or trend.fall + 2 * trend.error > FLAT_SHARE * start:
        return None
    step = int(curves.steps[middle])
    if _held_out_fall_since(curves, step) > FLAT_HELD_OUT or trend.fall < -FLAT_SHARE * start:
        return None
    is_constant = context.lr_scheduler_type not in ("cosine", "linear")
    return Reading(
        "plateau",
        "info",
        say("The training loss has stood at about {level} since step {step}.", level=rounded(level), step=step)
        if not context.is_over
        else say("The training loss stood at about {level} from step {step} on.", level=rounded(level), step=step),
        say("More steps of the same kind cost time and change little: what these rows can teach so has been learned."),
        say("Let the learning rate fall towards the end: a constant one keeps the loss from settling lower.")
        if is_constant
        else say("End the next run about there; for a lower loss, try a larger adapter or clearer rows."),
        {"lr_scheduler_type": "cosine"} if is_constant else next_run.fewer(context, step),
        step,
    )


def still_falling(curves: Curves, context: Context) -> Reading | None:
    """An ended run that had more to learn."""
    if context.state not in ("done", "stopped") or curves.count < EARLY_STEPS or curves.end < NEAR_ZERO:
        return None
    first, last = _active(curves, context)
    middle = (first + last) // 2
    start = max(curves.start, curves.early)
    if len(curves.evaluations) > 2:
        fell = _held_out_fall_since(curves, float(curves.steps[middle])) > STILL_SHARE
    else:
        fell = curves.trend(middle, last).is_down(STILL_SHARE * start, FALLING)
    if not fell:
        return None
    was_stopped = context.state == "stopped"
    return Reading(
        "still_falling",
        "info",
        say("The {scale} was still falling when the run ended, at {now}.", **_levels(curves, "scale", "now")),
        say("There was more to be learned from these rows than the run had steps for."),
        say("Resume the run, or let the next one go on to its end.")
        if was_stopped
        else say("Give the next run more of them: about twice as many."),
        {} if was_stopped else next_run.more(context),
    )


def going_well(curves: Curves, context: Context) -> Reading | None:
    """The loss falls, on held-out rows too where there are any."""
    interval = context.interval("held_out")
    if not _is_learning(curves, LEARNED_SHARE) or (interval is not None and interval[1] >= 0):
        return None
    levels = _levels(curves)
    part = percent(curves.fallen)
    if len(curves.evaluations) > 1:
        message = say(
            "The loss on held-out rows went down by {part}, from {start} to {now}.",
            part=part,
            start=levels["start"],
            now=levels["now"],
        )
        why = say("The model never trains on these rows: what it learns is of use for other questions too.")
    else:
        message = say(
            "The training loss went down by {part}, from {start} to {now}.",
            part=part,
            start=levels["start"],
            now=levels["now"],
        )
        why = say("The model learns these rows. Whether that is of use for other questions, held-out rows would tell.")
    advice = say("Let it run.") if not context.is_over else say("Compare its answers with those of the base model.")
    return Reading("going_well", "good", message, why, advice)


def _can_be_judged(curves: Curves, context: Context) -> bool:
    enough = max(JUDGED_STEPS, math.ceil(JUDGED_SHARE * context.planned_steps))
    if context.state in ("done", "failed"):
        return curves.count >= EARLY_STEPS
    return context.planned_steps > 0 and curves.count >= enough  # One that was stopped early may not have got there.


def _is_learning(curves: Curves, least: float) -> bool:
    """Whether the loss fell by this share of itself, on held-out rows where they were looked at twice."""
    if curves.fallen < least:
        return False
    return len(curves.evaluations) > 1 or curves.trend().is_down(0.0, FALLING)


def _held_out_fall_since(curves: Curves, step: float) -> float:
    """Share of the first held-out loss by which it fell since the evaluation at or before `step`; 0 where unknown."""
    place = max(int(np.searchsorted(curves.eval_steps, step, side="right")) - 1, 0)
    if len(curves.evaluations) - place < 2:
        return 0.0
    return share(float(curves.evaluations[place] - curves.evaluations[-1]), float(curves.evaluations[0]))


def _reached(curves: Curves, context: Context) -> float:
    """Highest learning rate that was really used."""
    known = curves.rates[np.isfinite(curves.rates)]
    return float(known.max()) if len(known) else context.learning_rate


def _active(curves: Curves, context: Context) -> tuple[int, int]:
    """Places from and up to which the learning rate was high enough for the loss to fall."""
    peak = _reached(curves, context)
    high = np.flatnonzero(~(curves.rates < 0.9 * peak))
    able = np.flatnonzero(~(curves.rates < ACTIVE_SHARE * peak))
    return (int(high[0]), int(able[-1]) + 1) if len(high) and len(able) else (0, curves.count)


def _levels(curves: Curves, *names: str) -> dict[str, object]:
    """The loss that tells most, at the start and now, for a sentence."""
    if len(curves.evaluations) > 1:
        scale, start, now = say("loss on held-out rows"), float(curves.evaluations[0]), float(curves.evaluations[-1])
    else:
        scale, start, now = say("training loss"), max(curves.start, curves.early), curves.end
    levels: dict[str, object] = {"scale": scale, "start": rounded(start), "now": rounded(now)}
    return {name: levels[name] for name in names or levels}


def _usual() -> dict[str, str]:
    low, high = USUAL_LEARNING_RATES
    return {"low": f"{low:g}", "high": f"{high:g}"}
