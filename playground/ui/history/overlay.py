"""Loss curves of several runs in one picture, as inline SVG: held-out above, training (smoothed) below.

Drawn as chart.py draws one run: positions are percentages, only the lines live in a stretched inner drawing. Each run
has a colour and a dash pattern of its own, from the style sheet (c0, c1, ...), so that neither light, dark nor a
reader's eyes decide whether two can be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from playground.core.i18n import say
from playground.runs.types import Metrics
from playground.ui.widgets.chart import Point, series, smooth, thin, ticks
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


@dataclass(frozen=True)
class _Frame:
    """Turns values into positions, in percent."""

    right: float
    low: float
    high: float

    def x(self, step: float) -> float:
        return step / self.right * 100

    def y(self, value: float) -> float:
        return (self.high - value) / (self.high - self.low) * 100


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


def _frame(drawn: Drawn, right: float) -> tuple[_Frame, bool]:
    """The frame around all values but those of a run that flew away, and whether some stand above it."""
    lines = [[value for _, value in points] for _, points in drawn if points]
    values = [value for line in lines for value in line]
    middle = median(values)
    calm = [max(line) for line in lines if max(line) <= _WILD * middle]
    top = min(max(values), _TALLEST * max(calm)) if calm and max(calm) > 0 else max(values)
    low = min(values)
    room = 0.08 * (top - low) or 0.1 * abs(top) or 0.1
    return _Frame(right, max(0.0, low - room) if low >= 0 else low - room, top + room), max(values) > top + room


def _held_out(drawn: Drawn, right: float, axis: str, language: str) -> str:
    if not any(points for _, points in drawn):
        return ""
    frame, is_cut = _frame(drawn, right)
    marks = "".join(_dots(line, points, frame, language) for line, points in drawn)
    title = say("Held-out loss").to(language)
    note = say("The ringed point is the step whose adapter is offered.").to(language)
    return _picture(title, note, drawn, frame, marks, is_cut, axis, language)


def _dots(line: Line, points: Sequence[Point], frame: _Frame, language: str) -> str:
    steps = [step for step, _ in series(line.metrics, "eval_loss")]
    made = []
    for step, (x, value) in zip(steps, points, strict=True):
        if value > frame.high:
            continue
        words = say(
            "{name}, step {step}: held-out loss {loss}", name=line.name, step=f"{step:.0f}", loss=f"{value:.3f}"
        )
        is_best = line.best_step is not None and step == line.best_step
        made.append(
            f'<circle class="run-dot c{line.slot}{" is-best" if is_best else ""}" cx="{frame.x(x):.2f}%" '
            f'cy="{frame.y(value):.2f}%" r="{6 if is_best else 3.5}"><title>{escape(words)}</title></circle>'
        )
    return "".join(made)


def _training(drawn: Drawn, right: float, axis: str, language: str) -> str:
    if not any(points for _, points in drawn):
        return ""
    calm = [(line, smooth(points)) for line, points in drawn]
    frame, is_cut = _frame(calm, right)
    marks = "".join(_targets(line, points, frame, language) for line, points in calm)
    title = say("Training loss").to(language)
    note = say("Smoothed: each point leans on those before it.").to(language)
    return _picture(title, note, calm, frame, marks, is_cut, axis, language)


def _targets(line: Line, points: Sequence[Point], frame: _Frame, language: str) -> str:
    """Invisible spots along a line that name it and its value."""
    steps = [step for step, _ in series(line.metrics, "loss")]
    every = max(1, -(-len(points) // _TARGETS))
    made = []
    for step, (x, value) in list(zip(steps, points, strict=True))[::every]:
        if value > frame.high:
            continue
        words = say(
            "{name}, step {step}: training loss {loss}", name=line.name, step=f"{step:.0f}", loss=f"{value:.3f}"
        )
        made.append(
            f'<circle class="run-target c{line.slot}" cx="{frame.x(x):.2f}%" cy="{frame.y(value):.2f}%" r="8">'
            f"<title>{escape(words)}</title></circle>"
        )
    return "".join(made)


def _picture(
    title: str, note: str, drawn: Drawn, frame: _Frame, marks: str, is_cut: bool, axis: str, language: str
) -> str:
    cut = say("Values above {value} are not drawn.", value=f"{frame.high:.2g}").to(language) if is_cut else ""
    notes = "".join(f'<span class="curve-note">{escape(text)}</span>' for text in (note, cut) if text)
    return (
        f'<figure class="curve run-curves"><figcaption><strong>{escape(title)}</strong>{notes}</figcaption>'
        f'<div class="curve-plot"><svg role="img" aria-label="{escape(_told(title, drawn, language))}" '
        f'width="100%" height="100%">{_grid(frame, axis, language)}{_lines(drawn, frame)}{marks}</svg></div></figure>'
    )


def _told(title: str, drawn: Drawn, language: str) -> str:
    """The picture in words: where each line begins and ends."""
    parts = [
        say("{name}: from {first} to {last}.", name=line.name, first=f"{points[0][1]:.2f}", last=f"{points[-1][1]:.2f}")
        for line, points in drawn
        if points
    ]
    return f"{title}. " + " ".join(part.to(language) for part in parts)


def _lines(drawn: Drawn, frame: _Frame) -> str:
    made = []
    for line, points in drawn:
        if len(points) > 1:
            path = " ".join(f"{frame.x(x) * 10:.1f},{frame.y(value) * 10:.1f}" for x, value in thin(points))
            made.append(f'<polyline class="run-line c{line.slot}" points="{path}" vector-effect="non-scaling-stroke"/>')
    return (
        '<svg class="clipped" x="0" y="0" width="100%" height="100%" viewBox="0 0 1000 1000" '
        f'preserveAspectRatio="none">{"".join(made)}</svg>'
    )


def _grid(frame: _Frame, axis: str, language: str) -> str:
    parts = []
    for value in ticks(frame.low, frame.high):
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.2f}%" y2="{y:.2f}%"/>')
        parts.append(f'<text class="tick" x="-8" y="{y:.2f}%" dy="0.32em" text-anchor="end">{value:g}</text>')
    for mark in ticks(0, frame.right, 6):
        if mark == int(mark):
            x = frame.x(mark)
            said = f"{mark:g} %" if axis == "share" else f"{mark:g}"
            parts.append(f'<line class="grid-tick" x1="{x:.2f}%" x2="{x:.2f}%" y1="100%" y2="100%"/>')
            parts.append(f'<text class="tick" x="{x:.2f}%" y="100%" dy="1.5em" text-anchor="middle">{said}</text>')
    name = say("Share of the planned steps") if axis == "share" else say("Step")
    parts.append('<line class="axis" x1="0" x2="100%" y1="100%" y2="100%"/>')
    parts.append(
        f'<text class="axis-name" x="100%" y="100%" dy="2.9em" text-anchor="end">{escape(name.to(language))}</text>'
    )
    return "".join(parts)
