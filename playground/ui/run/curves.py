"""All curves of a run together: plots, the values at one step, and a table of the same figures.

curves.js keeps one copy of this on the page and puts in what changed, so that a step that somebody looks at, a
table that is open and the keyboard's place outlive each second's update.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from playground.core.i18n import Sentence, say
from playground.runs.types import Metrics
from playground.ui.run.curve_charts import Plot, drawn_plots, figure, last_step
from playground.ui.widgets.chart import SMOOTHING, series, smooth, spread
from playground.ui.widgets.markup import escape

SCRIPT = (Path(__file__).parent / "curves.js").read_text(encoding="utf-8")
STEPS_SHOWN = 160
"""Steps that can be pointed at; a long run has one of these in every few."""
TABLE_ROWS = 16
_CHECKED = ' checked=""'

Column = tuple[str, Sentence, str, dict[float, float]]
"""key, name, unit, value by step."""


def curve_group(metrics: Sequence[Metrics], steps: int, best: int | None, language: str) -> str:
    """Every plot of which there is anything, "" where there is nothing. `best`: the step whose adapter is offered."""
    plots = drawn_plots(metrics)
    if not plots:
        return ""
    columns = columns_of(metrics, plots)
    figures = "".join(figure(plot, metrics, steps, best, language) for plot in plots)
    return (
        f'<div class="curves" role="group" aria-label="{escape(say("Curves").to(language))}">'
        f"{_chooser(plots, language)}{_readout(metrics, steps, columns, language)}"
        f'<div class="plots">{figures}</div><p class="curves-note">{escape(smoothing_note(language))}</p>'
        f'<details class="curve-table"><summary>{escape(say("Values as a table").to(language))}</summary>'
        f'<div class="table-scroll" tabindex="0" data-part="table">{table(metrics, columns, language)}</div></details>'
        "</div>"
    )


def smoothing_note(language: str) -> str:
    return say(
        "Faint: each step's own value. Strong: exponential average of strength {strength}, with bias correction.",
        strength=f"{SMOOTHING:g}",
    ).to(language)


def columns_of(metrics: Sequence[Metrics], plots: Sequence[Plot]) -> list[Column]:
    """What is told of one step, in the order of the plots. What is measured now and then holds until the next time."""
    columns: list[Column] = []
    for plot in plots:
        for line in plot.lines:
            points = series(metrics, line.key, line.scale)
            if not points:
                continue
            values = dict(points)
            if line.kind == "held" or line.key == "memory":
                values = _held_on(values, [float(row["step"]) for row in metrics])
            columns.append((line.key, line.name, plot.unit, values))
            if line.key == "loss":
                columns.append(("smooth", say("Smoothed loss"), "", dict(smooth(points))))
    return columns


def _held_on(values: dict[float, float], steps: Sequence[float]) -> dict[float, float]:
    held: dict[float, float] = {}
    last = None
    for step in sorted(steps):
        last = values.get(step, last)
        if last is not None:
            held[step] = last
    return held


def _chooser(plots: Sequence[Plot], language: str) -> str:
    """Which plot a narrow screen shows; a wide one shows all of them."""
    if len(plots) < 2:
        return ""
    name = escape(say("Curve shown").to(language))
    choices = "".join(
        f'<label><input type="radio" name="curve-shown" value="{plot.name}"{"" if place else _CHECKED}/>'
        f"<span>{escape(plot.title.to(language))}</span></label>"
        for place, plot in enumerate(plots)
    )
    return f'<div class="curve-chooser" role="radiogroup" aria-label="{name}">{choices}</div>'


def _readout(metrics: Sequence[Metrics], steps: int, columns: Sequence[Column], language: str) -> str:
    """The values at one step: the latest, or the one that is pointed at. The slider is the keyboard's way to point."""
    every = sorted({float(row["step"]) for row in metrics})
    evaluations = {float(row["step"]) for row in metrics if row.get("eval_loss") is not None}
    picked = {every[place] for place in spread(len(every), STEPS_SHOWN)}
    picked |= set(sorted(evaluations)[-40:])
    shown = sorted(picked)
    data = {
        "right": last_step(metrics, steps),
        "steps": [int(step) for step in shown],
        "values": {key: [_short(values.get(step)) for step in shown] for key, _, _, values in columns},
    }
    cells = "".join(
        f'<div class="at-{key}" data-key="{key}"><dt>{escape(name.to(language))}</dt>'
        f'<dd data-unit="{escape(unit)}">{value_words(values.get(shown[-1]), unit)}</dd></div>'
        for key, name, unit, values in columns
    )
    at = escape(say("At step").to(language))
    return (
        f'<div class="readout" data-part="readout" data-points="{escape(orjson.dumps(data).decode())}">'
        f'<label class="at-step"><span>{at} <output>{int(shown[-1])}</output></span>'
        f'<input type="range" min="0" max="{len(shown) - 1}" value="{len(shown) - 1}" step="1"/></label>'
        f'<dl class="at-values">{cells}</dl></div>'
    )


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def value_words(value: float | None, unit: str) -> str:
    """As curves.js writes it."""
    if value is None:
        return "–"
    return f"{_short(value):.10g}".replace("e-0", "e-") + (f" {unit}" if unit else "")


def table(metrics: Sequence[Metrics], columns: Sequence[Column], language: str) -> str:
    """The evaluations on the held-out rows and the ends, or steps at even distances where nothing was held out."""
    every = sorted({float(row["step"]) for row in metrics})
    evaluations = sorted(step for step, _ in series(metrics, "eval_loss"))
    rows = sorted({*evaluations, every[0], every[-1]}) if evaluations else every
    rows = [rows[place] for place in spread(len(rows), TABLE_ROWS)]
    heads = "".join(
        f'<th scope="col">{escape(name.to(language))}{f" ({unit})" if unit else ""}</th>'
        for _, name, unit, _ in columns
    )
    body = "".join(f'<tr><th scope="row">{step:.0f}</th>{_cells(step, columns)}</tr>' for step in rows)
    step = escape(say("Step").to(language))
    head = f'<thead><tr><th scope="col">{step}</th>{heads}</tr></thead>'
    return f'<table class="figures">{head}<tbody>{body}</tbody></table>'


def _cells(step: float, columns: Sequence[Column]) -> str:
    return "".join(f"<td>{value_words(values.get(step), '')}</td>" for *_, values in columns)
