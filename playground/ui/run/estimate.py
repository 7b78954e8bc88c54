"""What a run will take, before it starts: how long, how much memory, what to change. Pure functions of
`RunService.estimate`'s answer.
"""

from __future__ import annotations

from playground.core.figures import elapsed
from playground.core.figures import size as of_bytes
from playground.core.i18n import Sentence, localise, say
from playground.runs.types import Advice, Estimate, MemoryEstimate, PlanDict
from playground.ui.widgets.buttons import button_for
from playground.ui.widgets.markup import escape, icon


def no_estimate(language: str) -> str:
    """Where there are no rows yet."""
    words = say("What a run takes is estimated here as soon as there are rows.").to(language)
    return f'<p class="estimate-none">{escape(words)}</p>'


def estimate_view(estimate: Estimate, language: str) -> str:
    plan, memory = estimate["plan"], estimate["memory"]
    line = localise(estimate["line"], language)
    return (
        f'<div class="estimate"><p class="estimate-line" role="status">{icon("queued")}<span>{escape(line)}</span></p>'
        f"{plan_view(plan, estimate['measured'], language)}"
        f"{memory_view(memory, language) if memory else ''}</div>"
    )


def plan_view(plan: PlanDict, measured: bool, language: str) -> str:
    """Steps, epochs and time as figures, and what ended the steps."""
    figures = [
        (say("Steps"), f"{plan['steps']:,}", ""),
        (say("Epochs"), f"{plan['epochs']:.1f}", ""),
        (say("Ends with"), bound(plan["bound_by"]).to(language), ""),
        (say("Time"), *_time(plan, measured, language)),
    ]
    cells = "".join(
        f"<div><dt>{escape(name.to(language))}</dt><dd>{escape(value)}{_note(note)}</dd></div>"
        for name, value, note in figures
    )
    return f'<dl class="estimate-figures">{cells}</dl>'


def bound(by: str) -> Sentence:
    return {"time": say("the time"), "epochs": say("the epochs"), "steps": say("the steps")}.get(by, say("the steps"))


def _note(words: str) -> str:
    return f"<small>{escape(words)}</small>" if words else ""


def _time(plan: PlanDict, measured: bool, language: str) -> tuple[str, str]:
    if plan["seconds"] is None or not measured:
        return "–", say("measured when the run starts").to(language)
    parts = []
    if plan["train_s"] is not None:
        parts.append(say("training {time}", time=elapsed(plan["train_s"]).to(language)))
    if plan["eval_s"]:
        parts.append(say("evaluation {time}", time=elapsed(plan["eval_s"]).to(language)))
    if plan["other_s"] is not None:
        parts.append(say("the rest {time}", time=elapsed(plan["other_s"]).to(language)))
    named = [part.to(language) for part in parts]
    return elapsed(plan["seconds"]).to(language), " · ".join(named)


def memory_view(memory: MemoryEstimate, language: str) -> str:
    """A bar of the parts, as long as what there is or, where that is less, what is needed."""
    total, available = memory["total"], memory["available"]
    scale = max(total, available or 0, 1)
    parts = [(localise(part["name"], language), part["bytes"]) for part in memory["parts"] if part["bytes"] > 0]
    said = localise(memory["line"], language)
    state = {True: "is-fitting", False: "is-too-large", None: "is-unknown"}[memory["fits"]]
    mark = icon({True: "done", False: "warning", None: "info"}[memory["fits"]])
    end = f'<i style="left:{100 * available / scale:.2f}%"></i>' if available and available < scale else ""
    return (
        f'<div class="memory {state}"><p class="memory-line">{mark}<span>{escape(said)}</span></p>'
        f'<div class="memory-bar" role="img" aria-label="{escape(_said(parts, total, available, language))}">'
        f"{_segments(parts, scale)}{end}</div>{_legend(parts)}{_advice(memory['advice'], language)}</div>"
    )


def _segments(parts: list[tuple[str, int]], scale: float) -> str:
    return "".join(
        f'<span style="width:{100 * size / scale:.2f}%" title="{escape(name)}: {of_bytes(size)}"></span>'
        for name, size in parts
    )


def _legend(parts: list[tuple[str, int]]) -> str:
    items = "".join(f"<li><b></b>{escape(name)} {escape(of_bytes(size))}</li>" for name, size in parts)
    return f'<ul class="memory-parts">{items}</ul>'


def _said(parts: list[tuple[str, int]], total: int, available: int | None, language: str) -> str:
    """The bar in words, for those who do not see it."""
    named = ", ".join(f"{name} {of_bytes(size)}" for name, size in parts)
    if not available:
        return say("Memory of {total}: {parts}", total=of_bytes(total), parts=named).to(language)
    return say(
        "Memory of {total} out of {available}: {parts}",
        total=of_bytes(total),
        available=of_bytes(available),
        parts=named,
    ).to(language)


def _advice(advice: list[Advice], language: str) -> str:
    items = "".join(
        f"<li><span>{escape(localise(item['message'], language))}</span>"
        f"{button_for('apply', _set(item, language), change={item['setting']: item['value']})}</li>"
        for item in advice
    )
    return f'<ul class="memory-advice">{items}</ul>' if items else ""


def _set(item: Advice, language: str) -> str:
    value = item["value"]
    shown = str(value).lower() if isinstance(value, bool) else value
    return say("Set {name} to {value}", name=item["setting"], value=shown).to(language)
