"""What may be said of a run in the end: six checks of its own numbers, one more where the template did not write all
that the rows have, and a sentence. "Success" is not the default.

Pure: numbers in, sentences out. The thresholds are named; what they were chosen by stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playground.core.i18n import Sentence, say
from playground.runs.types import Changes, Check, CheckState, Figures, Scale, Verdict

KEPT = 0.1
"""Nats per token that the loss on everyday questions may rise and count as kept: right tokens 10 % less likely."""
FORGOT = 0.5
"""Nats per token from which general ability counts as forgotten, not worn: right tokens 40 % less likely."""
LOGITS_MOVED = 1e-3
"""Kullback-Leibler divergence in nats, base against tuned, on the run's own prompts, below which answers stay the same.
A LoRA that learned a voice gives 0.1 and more; rounding in bf16 gives about 1e-5."""
ENDS = 0.8
"""Share of rows whose end the model must find likeliest to count as having learned to stop."""


@dataclass(frozen=True)
class Evidence:
    """What was measured."""

    finite: bool
    """Whether every weight of the adapter is a finite number."""
    changed: bool
    """Whether any of them moved."""
    divergence: float | None
    """Largest Kullback-Leibler divergence, in nats, of tuned from base on the run's prompts."""
    change: Changes = field(default_factory=dict)
    before: Figures = field(default_factory=dict)
    after: Figures = field(default_factory=dict)
    ends: float | None = None
    """scales.share_that_ends, after."""
    wants_general: bool = True
    losses: tuple[Sentence, ...] = ()
    """What of the rows is not learned because of the template."""
    stopped: bool = False
    """Whether somebody stopped the run: it then ends at once, and nothing is measured after training."""


def judge(found: Evidence) -> Verdict:
    if found.stopped:
        return _judge_stopped(found)
    checks = [_finite(found), _changed(found), _logits(found), _held_out(found), _general(found), _stops(found)]
    checks += _rows(found)
    states = {check["code"]: check["state"] for check in checks}
    code = _code(states, found)
    return {"code": code, "message": _message(code, found), "checks": checks}


def _judge_stopped(found: Evidence) -> Verdict:
    unmeasured = say("The run was stopped before this was measured.")
    resume = say("Resume the run and let it end, or compare its answers yourself.")
    checks = [_finite(found), _changed(found)]
    checks += [_check(code, None, unmeasured, resume) for code in ("logits", "held_out", "general", "stops")]
    checks += _rows(found)
    if not found.finite:
        code = "broken"
    elif not found.changed:
        code = "nothing_learned"
    else:
        message = say("The run was stopped: its adapter was kept, and what it learned was not measured.")
        return {"code": "unchecked", "message": message, "checks": checks}
    return {"code": code, "message": _message(code, found), "checks": checks}


def _code(states: Mapping[str, str], found: Evidence) -> str:
    if states["finite"] == "failed":
        return "broken"
    if "failed" in (states["changed"], states["logits"]):
        return "nothing_learned"
    if states["held_out"] == "failed":
        return "not_better"
    if states["general"] == "failed" and (_mean(found, "general") or 0.0) >= FORGOT:
        return "forgot"
    if states["held_out"] == "unknown":
        return "unchecked"
    return "partly" if "failed" in states.values() else "learned"


def _check(code: str, passed: bool | None, message: Sentence, fix: Sentence | None = None) -> Check:
    fix = None if passed else fix
    state: CheckState = "unknown" if passed is None else "passed" if passed else "failed"
    return {"code": code, "state": state, "message": message, "fix": fix}


def _finite(found: Evidence) -> Check:
    if found.finite:
        return _check("finite", True, say("Every weight of the adapter is a finite number."))
    message = say("The adapter holds weights that are no numbers: it can only give nonsense.")
    return _check("finite", False, message, say("Lower the learning rate to a third and start again."))


def _changed(found: Evidence) -> Check:
    if found.changed:
        return _check("changed", True, say("The adapter's weights moved."))
    message = say("The adapter's weights did not move.")
    return _check("changed", False, message, say("Train for more steps, or raise the learning rate."))


def _logits(found: Evidence) -> Check:
    if found.divergence is None:
        return _check("logits", None, say("Whether the model answers differently was not measured."))
    figure = {"divergence": f"{found.divergence:.2g}"}
    if found.divergence >= LOGITS_MOVED:
        message = say(
            "The tuned model expects other next words than the base (divergence {divergence} nats).", **figure
        )
        return _check("logits", True, message)
    message = say("The tuned model expects the same next words as the base (divergence {divergence} nats).", **figure)
    return _check("logits", False, message, say("Train for more steps, or raise the learning rate."))


def _held_out(found: Evidence) -> Check:
    change = found.change.get("held_out")
    before, after = found.before.get("held_out"), found.after.get("held_out")
    if change is None or before is None or after is None:
        message = say("No rows were held out: whether it learned more than its training rows is unknown.")
        return _check("held_out", None, message, say("Hold out a tenth of the rows."))
    figures: dict[str, Any] = {
        "before": f"{before['loss']:.2f}",
        "after": f"{after['loss']:.2f}",
        "rows": before["rows"],
    }
    low, high = change["low"], change["high"]
    if low is None or high is None:
        message = say(
            "The loss on held-out rows went from {before} to {after}, but {rows} row says nothing about others.",
            **figures,
        )
        return _check("held_out", None, message, say("Hold out more rows."))
    figures |= {"low": f"{low:+.2f}", "high": f"{high:+.2f}"}
    if high < 0:
        message = say(
            "The loss on {rows} held-out rows fell from {before} to {after}; by chance in the rows the change could be "
            "from {low} to {high}, so it is real.",
            **figures,
        )
        return _check("held_out", True, message)
    if low > 0:
        message = say(
            "The loss on {rows} held-out rows rose from {before} to {after} (change from {low} to {high}).", **figures
        )
        return _check(
            "held_out", False, message, say("Train for fewer steps, at a lower learning rate, or on more rows.")
        )
    message = say(
        "The loss on {rows} held-out rows went from {before} to {after}; the change (from {low} to {high}) may "
        "be chance.",
        **figures,
    )
    return _check("held_out", False, message, say("Train for more steps, on more rows, or hold out more of them."))


def _general(found: Evidence) -> Check:
    change = _mean(found, "general")
    if change is None:
        message = (
            say("The everyday questions could not be scored with this chat template.")
            if found.wants_general
            else say("General ability was not measured: it was switched off.")
        )
        return _check("general", None, message)
    figures = {"change": f"{change:+.2f}"}
    if change <= KEPT:
        return _check(
            "general",
            True,
            say("The loss on everyday questions changed by {change}: general ability was kept.", **figures),
        )
    advice = say("Lower the learning rate, train for fewer steps, or mix everyday questions into the rows.")
    if change < FORGOT:
        message = say("The loss on everyday questions rose by {change}: general ability suffered.", **figures)
    else:
        message = say(
            "The loss on everyday questions rose by {change}: much of the general ability is gone.", **figures
        )
    return _check("general", False, message, advice)


def _stops(found: Evidence) -> Check:
    if found.ends is None:
        return _check("stops", None, say("No scored row ends with the token that ends a turn."))
    figures = {"share": f"{found.ends:.0%}"}
    if found.ends >= ENDS:
        return _check("stops", True, say("Answers end where they should in {share} of the scored rows.", **figures))
    message = say("Answers end where they should in only {share} of the scored rows: it may run on.", **figures)
    fix = say("See in the preview that the token that ends a turn is trained and not cut off; then train longer.")
    return _check("stops", False, message, fix)


def _rows(found: Evidence) -> list[Check]:
    """Only where something is missing: what the rows tab told before the run."""
    if not found.losses:
        return []
    fix = say("See in the rows what is learned of them, and train with a template that writes all of it.")
    message = say("The template does not write all that the rows have. {told}", told=found.losses[0])
    return [_check("rows", False, message, fix)]


def _mean(found: Evidence, name: Scale) -> float | None:
    change = found.change.get(name)
    return change["mean"] if change else None


def _message(code: str, found: Evidence) -> Sentence:
    if code == "broken":
        return say("The run broke: its weights are no numbers. The adapter must not be used.")
    if code == "nothing_learned":
        return say("Nothing was learned: tuned answers are those of the base.")
    if code == "not_better":
        return say("It changed, but rows that it never saw show no gain: what it learned does not carry over.")
    if code == "forgot":
        return say("It learned its rows and forgot much else: everyday questions are answered worse than before.")
    if code == "unchecked":
        return say("The model changed. Whether for the better was not measured: too few rows were held out.")
    if code == "partly":
        return say("It learned something that carries over, but not all is well: see the checks that failed.")
    return say("It learned something that carries over to rows that it never saw, and kept what it could before.")
