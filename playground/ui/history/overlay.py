"""Loss curves of several runs in one picture: held-out first, then training (smoothed).

Each run has a colour and a dash pattern of its own, from the style sheet (c0, c1, ...), so that neither light, dark
nor a reader's eyes decide whether two can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from playground.core.i18n import Sentence, say, sentences
from playground.runs.types import Metrics
from playground.ui.widgets.chart import (
    Axis,
    Frame,
    Point,
    chart,
    dot,
    foot,
    grid,
    polylines,
    series,
    smooth,
    thin,
    whole,
)
from playground.ui.widgets.markup import escape

DRAWN = 6
"""Runs in one picture; there are as many colours with dash patterns."""
_TARGETS = 40
"""Points of a training line that say their value under the pointer; all of them would weigh more than the page."""
_WILD = 20.0
"""A run that rises above so many times the median of all values flew away, and would press the others flat."""
_TALLEST = 1.5
"""Where others did not, nothing above so many times their highest value is drawn."""


@dataclass(frozen=True)
class Line:
    """One run in the picture."""

    name: str
    slot: int
    """Place of its colour, 0 to DRAWN - 1."""
    metrics: Sequence[Metrics]
    steps: int
    """Planned steps: all of the run on the axis that shows its share."""
    best_step: int | None = None


def overlay(lines: Sequence[Line], axis: str, language: str) -> str:
    """Both pictures under one legend. `axis`: "step" or "share" (percent of the planned steps). "" without values."""
    held_out = [(line, _along(series(line.metrics, "eval_loss"), line, axis)) for line in lines]
    train = [(line, _along(series(line.metrics, "loss"), line, axis)) for line in lines]
    right = _right([points for _, points in [*held_out, *train]], axis)
    pictures = [
        _held_out(held_out, right, axis, language),
        _training(train, right, axis, language),
    ]
    if not any(pictures):
        return ""
    return f'<div class="overlay">{_legend(lines, language)}{"".join(pictures)}</div>'


def _along(points: Sequence[Point], line: Line, axis: str) -> list[Point]:
    """The points with x in steps, or in percent of the planned steps (of those done, where no plan is known)."""
    if axis != "share" or not points:
        return list(points)
    whole = max(float(line.steps), *(float(row["step"]) for row in line.metrics), 1.0)
    return [(100 * step / whole, value) for step, value in points]


def _right(lines: Sequence[Sequence[Point]], axis: str) -> float:
    return 100.0 if axis == "share" else max([1.0, *(step for points in lines for step, _ in points)])


def _legend(lines: Sequence[Line], language: str) -> str:
    items = "".join(
        f'<li class="run-key c{line.slot}">{swatch(line.slot)}<span>{escape(line.name)}</span></li>' for line in lines
    )
    return f'<ul class="run-keys" aria-label="{escape(say("Runs in the picture").to(language))}">{items}</ul>'


def swatch(slot: int) -> str:
    """A piece of the run's line."""
    return (
        f'<svg class="swatch c{slot}" viewBox="0 0 30 8" width="30" height="8" aria-hidden="true">'
        '<line class="run-line" x1="1" x2="29" y1="4" y2="4"/></svg>'
    )


Drawn = Sequence[tuple[Line, list[Point]]]


def _frame(drawn: Drawn, right: float) -> tuple[Frame, bool]:
    """The frame around all values but those of a run that flew away, and whether some stand above it."""
    lines = [[value for _, value in points] for _, points in drawn if points]
    values = [value for line in lines for value in line]
    middle = median(values)
    calm = [max(line) for line in lines if max(line) <= _WILD * middle]
    top = min(max(values), _TALLEST * max(calm)) if calm and max(calm) > 0 else max(values)
    low = min(values)
    room = 0.08 * (top - low) or 0.1 * abs(top) or 0.1
    axis = Axis(max(0.0, low - room) if low >= 0 else low - room, top + room)
    return Frame(Axis(0.0, right), axis), max(values) > axis.high


def _held_out(drawn: Drawn, right: float, axis: str, language: str) -> str:
    note = say("The ringed point is the step whose adapter is offered.")
    return _picture(say("Held-out loss"), note, drawn, right, axis, _dots, language)


def _dots(line: Line, points: Sequence[Point], frame: Frame, language: str) -> Iterator[str]:
    for (step, _), point in zip(series(line.metrics, "eval_loss"), points, strict=True):
        is_best = line.best_step is not None and step == line.best_step
        style = f"run-dot c{line.slot}{' is-best' if is_best else ''}"
        said = say(
            "{name}, step {step}: held-out loss {loss}", name=line.name, step=f"{step:.0f}", loss=f"{point[1]:.3f}"
        )
        if point[1] <= frame.y.high:
            yield dot(frame, point, style, 6 if is_best else 3.5, said.to(language))


def _training(drawn: Drawn, right: float, axis: str, language: str) -> str:
    smoothed = [(line, smooth(points)) for line, points in drawn]
    note = say("Smoothed: each point leans on those before it.")
    return _picture(say("Training loss"), note, smoothed, right, axis, _targets, language)


def _targets(line: Line, points: Sequence[Point], frame: Frame, language: str) -> Iterator[str]:
    """Invisible spots along a line that name it and its value."""
    every = max(1, -(-len(points) // _TARGETS))
    for (step, _), point in list(zip(series(line.metrics, "loss"), points, strict=True))[::every]:
        said = say(
            "{name}, step {step}: training loss {loss}", name=line.name, step=f"{step:.0f}", loss=f"{point[1]:.3f}"
        )
        if point[1] <= frame.y.high:
            yield dot(frame, point, f"run-target c{line.slot}", 8, said.to(language))


def _picture(
    title: Sentence, note: Sentence, drawn: Drawn, right: float, axis: str, marks: Callable[..., Iterator[str]],
    language: str,
) -> str:  # fmt: skip
    """ "" where no line has a point. `marks`: what stands along a line, from (line, points, frame, language)."""
    if not any(points for _, points in drawn):
        return ""
    frame, is_cut = _frame(drawn, right)
    notes = [note, *([say("Values above {value} are not drawn.", value=f"{frame.y.high:.2g}")] if is_cut else [])]
    told = [
        say("{name}: from {first} to {last}.", name=line.name, first=f"{points[0][1]:.2f}", last=f"{points[-1][1]:.2f}")
        for line, points in drawn
        if points
    ]
    name, sign = (say("Share of the planned steps"), " %") if axis == "share" else (say("Step"), "")
    shapes = [
        grid(frame, frame.y.marks(5)),
        foot(frame.x, whole(frame.x.marks(6)), lambda mark: f"{mark:g}{sign}"),
        f'<text class="axis-name" x="100%" y="100%" dy="2.9em" text-anchor="end">{escape(name.to(language))}</text>',
        polylines(frame, ((f"run-line c{line.slot}", thin(points)) for line, points in drawn)),
        *(mark for line, points in drawn for mark in marks(line, points, frame, language)),
    ]
    said = "".join(f'<span class="plot-note">{escape(text.to(language))}</span>' for text in notes)
    caption = f'<strong class="plot-title">{escape(title.to(language))}</strong>{said}'
    return chart("run-curves", caption, f"{title.to(language)}: {sentences(told, language)}", "".join(shapes))
