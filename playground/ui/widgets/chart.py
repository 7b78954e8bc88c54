"""Numbers of a curve before they are drawn: which points, how smoothed, and where they stand in a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from playground.runs.types import MetricName, Metrics

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


class Frame:
    """Turns values into positions: percent from the left and from the top."""

    def __init__(self, right: float, points: Sequence[Point], least_high: float = 0.0) -> None:
        """`right`: the last step of the axis. `least_high`: the top of the axis is not below it."""
        self.right = right
        values = [value for _, value in points]
        positive = [value for value in values if value > 0]
        highest = max([*values, least_high])
        self.is_log = bool(positive) and highest > LOG_FROM * median(positive)
        if self.is_log:
            self.low = 10.0 ** math.floor(math.log10(min(positive)))
            self.high = 10.0 ** math.ceil(math.log10(highest * 1.001))
        else:
            self.low, self.high = 0.0, max(highest * 1.06, least_high) or 1.0

    def x(self, step: float) -> float:
        return step / self.right * 100

    def y(self, value: float) -> float:
        if not self.is_log:
            return (self.high - value) / (self.high - self.low) * 100
        low, high = math.log10(self.low), math.log10(self.high)
        return (high - math.log10(max(value, self.low))) / (high - low) * 100

    def marks(self, wanted: int = 4) -> list[float]:
        """Values to write along the axis."""
        if not self.is_log:
            return ticks(self.low, self.high, wanted)
        low, high = round(math.log10(self.low)), round(math.log10(self.high))
        return [10.0**power for power in range(low, high + 1, max(1, math.ceil((high - low) / wanted)))]
