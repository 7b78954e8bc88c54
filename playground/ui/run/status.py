"""How a run stands, as HTML: state, progress, figures, outcome, facts. Pure functions of the backend's answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from playground.core.figures import elapsed, fixed, parameters, size
from playground.core.i18n import localise, say
from playground.runs.types import MetricName, Metrics, RunStatus
from playground.ui.run.my_runs import ACTIVE, state_word
from playground.ui.run.plan import planned
from playground.ui.run.verdict import verdict_view
from playground.ui.widgets.markup import bar, empty, escape, icon, refusal, stat

_MARKS = {"queued": "queued", "running": "running", "done": "done", "stopped": "stopped", "failed": "error"}


def no_run(language: str) -> str:
    return empty(
        say("No run yet"),
        say("Choose rows above and press Start training. The loss appears here while the model learns."),
        language,
    )


def state_line(run: RunStatus, language: str) -> str:
    """State, what happens now, and how far it is. The words are a live region; the bar is not, it moves each second."""
    state = run["state"]
    said = _ended(run, language) if state not in ACTIVE else localise(run["phase"], language)
    if state == "queued":
        said = _queue(run, language)
    return (
        f'<div class="run-state is-{escape(state)}" role="status">{icon(_MARKS.get(state, "running"))}'
        f"<p><strong>{escape(state_word(state).to(language))}</strong> {escape(said or '')}</p></div>"
        f"{_progress(run, language) if state in ACTIVE else ''}"
    )


def _ended(run: RunStatus, language: str) -> str:
    """The phase is what happened last; what counts after the end is whether there is something to use."""
    if not run["has_adapter"]:
        return say("There is no adapter.").to(language)
    if run["state"] == "done":
        return say("The adapter is ready.").to(language)
    return say("The adapter was kept as it stood.").to(language)


def _queue(run: RunStatus, language: str) -> str:
    if not run["position"]:
        return say("It starts now.").to(language)
    place = say("Place {position} in the queue.", position=run["position"]).to(language)
    if run["wait_s"] is None:
        return place
    wait = say("Starts in about {time}.", time=elapsed(run["wait_s"]).to(language)).to(language)
    return f"{place} {wait}"


def _progress(run: RunStatus, language: str) -> str:
    is_known = run["state"] != "queued" and run["step"] and run["steps"]
    return bar(run["step"] / run["steps"] if is_known else None, say("Progress of the run").to(language))


def figures(run: RunStatus, language: str) -> str:
    """Step, losses, speed, memory, time left. A figure that is not known yet shows a dash, so that nothing jumps."""
    metrics = run["metrics"]
    left = elapsed(run["eta_s"]).to(language) if run["eta_s"] is not None else "–"
    memory = latest(metrics, "memory")
    cells = [
        stat(say("Step"), f"{run['step']} / {run['steps']}" if run["steps"] else "–", "", language),
        stat(say("Training loss"), fixed(latest(metrics, "loss"), 3), "", language),
        stat(say("Held-out loss"), fixed(latest(metrics, "eval_loss"), 3), "", language),
        stat(say("Tokens per second"), fixed(latest(metrics, "tokens_per_s"), 0), "", language),
        stat(say("Memory"), "–" if memory is None else size(memory, 2), "", language),
    ]
    if run["state"] in ACTIVE:
        cells.append(stat(say("Time left"), left, "", language))
    return f'<dl class="stats">{"".join(cells)}</dl>'


def latest(metrics: Sequence[Metrics], name: MetricName) -> float | None:
    return next((value for row in reversed(metrics) if (value := row[name]) is not None), None)


def outcome(run: RunStatus, language: str) -> str:
    """What came of it: the error first, then the verdict."""
    error = f'<div class="run-failure">{refusal(run["error"], language)}</div>' if run["error"] else ""
    return f"{error}{verdict_view(run, language)}"


def about(run: RunStatus, language: str) -> str:
    """What was trained on what, what was planned and what it took, memory, and what the run noted."""
    notes = "".join(f"<li>{escape(localise(note, language))}</li>" for note in run["notes"])
    listed = f'<ul class="run-notes">{notes}</ul>' if notes else ""
    return f"{facts(run, language)}{planned(run, language)}{listed}"


def facts(run: RunStatus, language: str) -> str:
    """What was trained on what, in one line."""
    settings = run["settings"]
    rows = say("{rows} rows, {held_out} of them held out", rows=run["rows"], held_out=run["held_out_rows"])
    trained = run["trained_tokens"]
    tokens = (
        say("1 trained token") if trained == 1 else say("{tokens} trained tokens", tokens=parameters_or_count(trained))
    )
    rate = say("learning rate {rate}", rate=f"{settings['learning_rate']:g}")
    rank = say("rank {rank}", rank=settings["r"])
    said = [run["model"], *(words.to(language) for words in (rows, tokens, rate, rank))]
    if template := settings.get("chat_template"):
        name = say("edited") if "{" in template else template
        said.append(say("chat template {name}", name=name).to(language))
    return f'<p class="run-facts">{escape(" · ".join(said))}</p>'


def parameters_or_count(count: int) -> str:
    return f"{count:,}" if count < 1_000_000 else parameters(count)


def curve_mark(run: RunStatus) -> list[Any]:
    """Changes when the curves do; spares sending them again each second."""
    metrics = run["metrics"]
    names: tuple[MetricName, ...] = ("loss", "eval_loss", "token_accuracy", "memory")
    tail = [latest(metrics, name) for name in names]
    return [run["run"], len(metrics), run["steps"], run["best_step"], *tail]
