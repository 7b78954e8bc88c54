"""What was planned and what it took: steps and time, memory estimated and used."""

from __future__ import annotations

from playground.core.figures import elapsed, rows_said, size, steps_said
from playground.core.i18n import Sentence, say
from playground.runs.types import PlanDict, RunStatus, UsedMemory
from playground.ui.widgets.markup import escape


def planned(run: RunStatus, language: str) -> str:
    """ "" while no plan was made."""
    lines = plan_lines(run)
    if not lines:
        return ""
    rows = "".join(
        f"<div><dt>{escape(name.to(language))}</dt><dd>{escape(said.to(language))}</dd></div>" for name, said in lines
    )
    return f'<dl class="run-plan">{rows}</dl>{_memory_bar(run["memory"])}'


def plan_lines(run: RunStatus) -> list[tuple[Sentence, Sentence]]:
    """(name, what is said of it)."""
    lines = []
    if plan := run["plan"]:
        lines.append((say("Plan"), _plan(plan, run["rows"] - run["held_out_rows"])))
    if took := seconds_taken(run):
        lines.append((say("Time"), _time(took, plan.get("seconds"), run["state"])))
    memory = run["memory"]
    if memory.get("peak"):
        lines.append((say("Memory"), memory_words(memory)))
    if run["ended"] is not None and (offered := _offered(run)):
        lines.append((say("Adapter offered"), offered))
    return lines


def _offered(run: RunStatus) -> Sentence | None:
    if not run["has_adapter"]:
        return say("none: nothing was saved")
    if run["best_step"] is None:
        return None
    if run["held_out_rows"]:
        return say("that of step {step}, where the held-out loss was lowest", step=run["best_step"])
    return say("that of step {step}, the last; nothing was held out", step=run["best_step"])


def _plan(plan: PlanDict, train_rows: int) -> Sentence:
    reasons = {
        "time": say("as the time budget allows"),
        "epochs": say("as the epochs ask"),
        "steps": say("as was asked for"),
    }
    return say(
        "{steps} of {rows}, each row seen {times} times; {reason}",
        steps=steps_said(plan["steps"]),
        rows=rows_said(min(plan["per_device_train_batch_size"] * plan["gradient_accumulation_steps"], train_rows)),
        times=f"{plan['epochs']:.1f}",
        reason=reasons[plan["bound_by"]],
    )


def seconds_taken(run: RunStatus) -> float | None:
    """From the start of an ended run to its result."""
    started, ended = run["started"], run["ended"]
    return None if started is None or ended is None else max(ended - started, 0.0)


def _time(took: float, estimate: float | None, state: str) -> Sentence:
    if not estimate:
        return elapsed(took)
    if state != "done":
        return say("{took}; {estimate} were estimated for all of it", took=elapsed(took), estimate=elapsed(estimate))
    percent = round(100 * (took - estimate) / estimate)
    if percent > 0:
        return say(
            "{took}, {percent} % more than the {estimate} estimated",
            took=elapsed(took),
            percent=percent,
            estimate=elapsed(estimate),
        )
    if percent < 0:
        return say(
            "{took}, {percent} % less than the {estimate} estimated",
            took=elapsed(took),
            percent=-percent,
            estimate=elapsed(estimate),
        )
    return say("{took}, as estimated", took=elapsed(took))


def memory_words(memory: UsedMemory) -> Sentence:
    estimated, available = memory["estimated"], memory["available"]
    figures = {"used": size(memory["peak"] or 0, 2)}
    if estimated and available:
        return say(
            "{used} used at the most; {estimated} were estimated, {available} there",
            **figures,
            estimated=size(estimated, 2),
            available=size(available, 2),
        )
    if estimated:
        return say("{used} used at the most; {estimated} were estimated", **figures, estimated=size(estimated, 2))
    return say("{used} used at the most", **figures)


def _memory_bar(memory: UsedMemory) -> str:
    """Used, with a mark at the estimate, of what there is; the words above say the same."""
    used, estimated, available = memory.get("peak"), memory.get("estimated"), memory.get("available")
    if not (used and available):
        return ""
    share, mark = 100 * min(used / available, 1), 100 * min((estimated or 0) / available, 1)
    line = f'<i style="left:{mark:.1f}%"></i>' if estimated else ""
    return f'<div class="used-bar" aria-hidden="true"><span style="width:{share:.1f}%"></span>{line}</div>'
