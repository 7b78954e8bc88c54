"""The loss curve as inline SVG.

Positions are percentages and only the lines live in a stretched inner drawing, so that the picture fills any width
while its text keeps its size. Colours come from the style sheet, so light and dark need nothing here. No script.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from playground.ui.markup import escape
from playground.words import Sentence, say

POINTS = 240
"""Points drawn of one line; more cannot be told apart and would travel again each second."""

Point = tuple[float, float]


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about `wanted` of them: steps of 1, 2 or 5 times a power of ten."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    rough = (high - low) / max(1, wanted - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def thin(points: Sequence[Point], limit: int = POINTS) -> list[Point]:
    """At most about `limit` points: the lowest and highest of each stretch, so that spikes stay visible."""
    if len(points) <= limit:
        return list(points)
    size = math.ceil(len(points) / (limit // 2))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept.extend(sorted(ends))
    return kept


def series(metrics: Sequence[dict[str, Any]], name: str) -> list[Point]:
    """(step, value) of each row that has a finite value of that name."""
    return [
        (float(row["step"]), float(row[name]))
        for row in metrics
        if row.get(name) is not None and math.isfinite(row[name])
    ]


def loss_curve(metrics: Sequence[dict[str, Any]], steps: int, language: str) -> str:
    """Train and held-out loss by step. `steps` is the planned end, so that the picture does not shift as it fills."""
    train, held_out = thin(series(metrics, "loss")), series(metrics, "eval_loss")
    if not train and not held_out:
        return ""
    right = max([float(steps), 1.0] + [step for step, _ in train + held_out])
    values = [value for _, value in train + held_out]
    low, high = 0.0, max(values) * 1.06 or 1.0
    frame = _Frame(right, low, high)
    told = escape(describe(train, held_out, language))
    return (
        f'<figure class="curve"><figcaption>{_legend(bool(train), bool(held_out), language)}</figcaption>'
        f'<div class="curve-plot"><svg role="img" aria-label="{told}" width="100%" height="100%">'
        f"{_grid(frame, language)}{_lines(frame, train, held_out)}{_marks(frame, train, held_out, language)}"
        "</svg></div></figure>"
    )


class _Frame:
    """Turns values into positions."""

    def __init__(self, right: float, low: float, high: float) -> None:
        self.right, self.low, self.high = right, low, high

    def x(self, step: float) -> float:
        return step / self.right * 100

    def y(self, value: float) -> float:
        return (self.high - value) / (self.high - self.low) * 100


def describe(train: Sequence[Point], held_out: Sequence[Point], language: str) -> str:
    """The picture in a sentence or two, for those who do not see it."""
    said: list[Sentence] = []
    if train:
        figures = _ends(train)
        said.append(say("Training loss: {first} at step {start}, {last} at step {end}.", **figures))
    if held_out:
        figures = _ends(held_out)
        said.append(say("Held-out loss: {first} at step {start}, {last} at step {end}.", **figures))
    return " ".join(sentence.to(language) for sentence in said)


def _ends(points: Sequence[Point]) -> dict[str, str]:
    (start, first), (end, last) = points[0], points[-1]
    return {"first": f"{first:.2f}", "start": f"{start:.0f}", "last": f"{last:.2f}", "end": f"{end:.0f}"}


def _legend(has_train: bool, has_held_out: bool, language: str) -> str:
    entries = []
    if has_train:
        entries.append(f'<span class="key key-train">{escape(say("Training loss").to(language))}</span>')
    if has_held_out:
        entries.append(f'<span class="key key-held">{escape(say("Held-out loss").to(language))}</span>')
    return "".join(entries)


def _grid(frame: _Frame, language: str) -> str:
    parts = []
    for value in ticks(frame.low, frame.high):
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.2f}%" y2="{y:.2f}%"/>')
        parts.append(f'<text class="tick" x="-8" y="{y:.2f}%" dy="0.32em" text-anchor="end">{value:g}</text>')
    for step in ticks(0, frame.right, 6):
        if step == int(step):
            x = frame.x(step)
            parts.append(f'<line class="grid-tick" x1="{x:.2f}%" x2="{x:.2f}%" y1="100%" y2="100%"/>')
            parts.append(f'<text class="tick" x="{x:.2f}%" y="100%" dy="1.5em" text-anchor="middle">{step:g}</text>')
    axis = escape(say("Step").to(language))
    parts.append('<line class="axis" x1="0" x2="100%" y1="100%" y2="100%"/>')
    parts.append(f'<text class="axis-name" x="100%" y="100%" dy="2.9em" text-anchor="end">{axis}</text>')
    return "".join(parts)


def _lines(frame: _Frame, train: Sequence[Point], held_out: Sequence[Point]) -> str:
    drawn = []
    for points, name in ((train, "train"), (held_out, "held")):
        if len(points) > 1:
            path = " ".join(f"{frame.x(step) * 10:.1f},{frame.y(value) * 10:.1f}" for step, value in points)
            drawn.append(f'<polyline class="line line-{name}" points="{path}" vector-effect="non-scaling-stroke"/>')
    return (
        '<svg x="0" y="0" width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none">'
        f"{''.join(drawn)}</svg>"
    )


def _marks(frame: _Frame, train: Sequence[Point], held_out: Sequence[Point], language: str) -> str:
    """Held-out dots, the latest training dot, and an invisible target over each training point that names it."""
    parts = []
    width = 100 / max(1, len(train))
    for step, value in train:
        words = say("Step {step}: training loss {loss}", step=f"{step:.0f}", loss=f"{value:.3f}").to(language)
        left = min(max(frame.x(step) - width / 2, 0), 100 - width)
        parts.append(
            f'<rect class="target" x="{left:.2f}%" y="0" width="{width:.2f}%" height="100%">'
            f"<title>{escape(words)}</title></rect>"
        )
    if train:
        step, value = train[-1]
        parts.append(f'<circle class="dot-train" cx="{frame.x(step):.2f}%" cy="{frame.y(value):.2f}%" r="3.5"/>')
    for step, value in held_out:
        words = say("Step {step}: held-out loss {loss}", step=f"{step:.0f}", loss=f"{value:.3f}").to(language)
        parts.append(
            f'<rect class="dot-held" x="{frame.x(step):.2f}%" y="{frame.y(value):.2f}%" width="9" height="9">'
            f"<title>{escape(words)}</title></rect>"
        )
    return "".join(parts)
