"""Charts as inline SVG, drawn here: first the numbers (which points, how smoothed, where they stand), then the shapes.

Positions are percentages and only lines live in a stretched inner drawing, so that a chart fills any width while its
text keeps its size. Colours come from the style sheet, so light and dark need nothing here. No script: the report and
paper show the same charts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median

from playground.runs.types import MetricName, Metrics
from playground.ui.widgets.markup import escape

POINTS = 160
"""Points drawn of one line; more cannot be told apart and would travel again each second."""
SMOOTHING = 0.8
"""Weight of what came before in a smoothed point: about the last five steps count."""
LOG_FROM = 20.0
"""Where the highest value is this many times the median, a linear scale would show one spike and nothing else."""

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
    # Digits after the point as the step needs them: a learning rate is all digits after the point.
    places = max(0, 1 - math.floor(math.log10(step)))
    return [round(number * step, places) for number in range(first, last + 1)]


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


def spread(count: int, limit: int) -> list[int]:
    """At most `limit` places among `count`, evenly, the first and the last with them: spread(9, 3) -> [0, 4, 8]."""
    if count <= limit:
        return list(range(count))
    if limit < 2:
        return [count - 1][:limit]
    return sorted({round(place * (count - 1) / (limit - 1)) for place in range(limit)})


def series(metrics: Sequence[Metrics], name: MetricName, scale: float = 1.0) -> list[Point]:
    """(step, value * scale) of each row that has a finite value of that name."""
    return [
        (float(row["step"]), value * scale)
        for row in metrics
        if (value := row.get(name)) is not None and math.isfinite(value)
    ]


def smooth(points: Sequence[Point], strength: float = SMOOTHING) -> list[Point]:
    """Exponential moving average with the bias correction of Adam (arXiv:1412.6980, section 3): the first point stays
    where it is, where an average that begins at zero would start too low.
    """
    smoothed, average, weight = [], 0.0, 1.0
    for step, value in points:
        average = strength * average + (1 - strength) * value
        weight *= strength
        smoothed.append((step, average / (1 - weight)))
    return smoothed


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`; on a logarithmic one both are above 0."""

    low: float
    high: float
    is_log: bool = False

    @classmethod
    def of(cls, values: Sequence[float]) -> Axis:
        """From 0 to a little above the highest; logarithmic where one spike would flatten the rest (`LOG_FROM`)."""
        highest, positive = max(values), [value for value in values if value > 0]
        if positive and highest > LOG_FROM * median(positive):
            ends = math.floor(math.log10(min(positive))), math.ceil(math.log10(highest * 1.001))
            return cls(10.0 ** ends[0], 10.0 ** ends[1], is_log=True)
        return cls(0.0, highest * 1.06 or 1.0)

    def percent(self, value: float) -> float:
        """How far along the axis it stands, in percent; above 100 where it lies beyond."""
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, low))
        return (value - low) / (high - low) * 100

    def marks(self, wanted: int = 4) -> list[float]:
        """Values to write along the axis."""
        if not self.is_log:
            return ticks(self.low, self.high, wanted)
        low, high = round(math.log10(self.low)), round(math.log10(self.high))
        return [10.0**power for power in range(low, high + 1, max(1, math.ceil((high - low) / wanted)))]


@dataclass(frozen=True)
class Frame:
    """The two axes of a chart."""

    x: Axis
    y: Axis

    def at(self, point: Point) -> Point:
        """Percent from the left and from the top."""
        return self.x.percent(point[0]), 100 - self.y.percent(point[1])


# ---- drawing -----------------------------------------------------------------------------------------------------


def chart(style: str, caption: str, told: str, drawn: str, name: str = "") -> str:
    """A figure. `caption` and `drawn` are HTML; `told` says the picture in words, for those who do not see it. `name`
    marks the parts that curves.js keeps up to date.
    """
    head, area = (f' data-part="{part}-{name}"' if name else "" for part in ("head", "area"))
    return (
        f'<figure class="plot {style}"><figcaption{head}>{caption}</figcaption><div class="plot-area"{area}>'
        f'<svg role="img" aria-label="{escape(told)}" width="100%" height="100%">{drawn}</svg></div></figure>'
    )


def tick_words(value: float) -> str:
    """Short enough to stand left of a plot: 1200 -> 1.2k, 0.0004 -> 4e-4."""
    if value and abs(value) < 0.01:
        mantissa, _, power = f"{value:.1e}".partition("e")
        return f"{float(mantissa):g}e{int(power)}"
    if abs(value) >= 1000:
        return f"{value / 1000:g}k" if abs(value) < 1e6 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:g}"


def grid(frame: Frame, up: Sequence[float], write: Callable[[float], str] = tick_words) -> str:
    """A line for each value of `up`, with the value on its left."""
    parts = []
    for value in up:
        y = f"{100 - frame.y.percent(value):.1f}%"
        parts.append(
            f'<line class="grid" x2="100%" y1="{y}" y2="{y}"/><text class="tick" x="-8" y="{y}" dy="0.32em" '
            f'text-anchor="end">{write(value)}</text>'
        )
    return "".join(parts)


def foot(axis: Axis, along: Sequence[float], *writes: Callable[[float], str]) -> str:
    """The line at the bottom, and each value of `along` under it, as each of `writes` has it, a line each."""
    parts = ['<line class="axis" x2="100%" y1="100%" y2="100%"/>']
    for (line, write), value in product(enumerate(writes), along):
        x = axis.percent(value)
        anchor = "start" if x < 1 else "end" if x > 96 else "middle"
        parts.append(
            f'<text class="tick" x="{x:.1f}%" y="100%" dy="{1.4 + 1.3 * line:g}em" text-anchor="{anchor}">'
            f"{write(value)}</text>"
        )
    return "".join(parts)


def whole(along: Sequence[float]) -> list[float]:
    """Those that are whole numbers: there is no half a step and no half a row."""
    return [value for value in along if value == int(value)]


def polylines(frame: Frame, lines: Iterable[tuple[str, Sequence[Point]]]) -> str:
    """(style, points) each. They alone live in a stretched drawing; what leaves the frame is clipped."""
    drawn = []
    for style, points in lines:
        if len(points) > 1:
            path = " ".join(f"{x * 10:.4g},{y * 10:.4g}" for x, y in map(frame.at, points))
            drawn.append(f'<polyline class="line {style}" points="{path}" vector-effect="non-scaling-stroke"/>')
    return (
        '<svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none">'
        + "".join(drawn)
        + "</svg>"
    )


def dot(frame: Frame, point: Point, style: str, radius: float, said: str = "") -> str:
    """`said` is shown under the pointer."""
    x, y = frame.at(point)
    title = f"<title>{escape(said)}</title>" if said else ""
    return f'<circle class="dot {style}" cx="{x:.2f}%" cy="{y:.2f}%" r="{radius:g}">{title}</circle>'


def flag(x: float, style: str, words: str, *, is_above: bool = False) -> str:
    """A line from top to bottom at `x` percent, its words on the side that has room for them, inside or above."""
    side, shift = ("end", -6) if x > 60 else ("start", 6)
    top, down = (-16, -0.5) if is_above else (-4, 0.6)
    return (
        f'<line class="flag {style}" x1="{x:.2f}%" x2="{x:.2f}%" y1="{top}" y2="100%"/>'
        f'<text class="flag-name {style}" x="{x:.2f}%" y="0" dx="{shift}" dy="{down}em" text-anchor="{side}">'
        f"{escape(words)}</text>"
    )


def rail(axis: Axis, ends: Sequence[float], dots: Sequence[tuple[str, float]]) -> str:
    """One line from `low` to `high` of the axis: a bar between `ends` (none where there are none) and (style, value)
    dots. The words beside it say the same.
    """
    places = [axis.percent(value) for value in ends]
    bar = ""
    if places:
        width = max(places) - min(places)
        bar = f'<rect class="rail-bar" x="{min(places):.2f}%" y="7" width="{width:.2f}%" height="4"/>'
    drawn = "".join(
        f'<circle class="rail-{style}" cx="{axis.percent(value):.2f}%" cy="9" r="6"/>' for style, value in dots
    )
    return (
        '<svg class="rail" width="100%" height="18" aria-hidden="true">'
        f'<line class="rail-line" x2="100%" y1="9" y2="9"/>{bar}{drawn}</svg>'
    )
