"""The curves of a run as inline SVG, one plot for each thing that is measured.

Positions are percentages and only the lines live in a stretched inner drawing, so that a plot fills any width while its
text keeps its size. Colours come from the style sheet, so light and dark need nothing here. No script: the report shows
the same plots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playground.core.i18n import Sentence, say
from playground.runs.types import MetricName, Metrics
from playground.ui.widgets.chart import Frame, Point, series, smooth, spread, thin, ticks
from playground.ui.widgets.markup import escape


@dataclass(frozen=True)
class Line:
    """One line of a plot: raw values of `key`, times `scale`."""

    key: MetricName
    name: Sentence
    kind: str
    """train: raw faint, smoothed over it. held: a dot for each look. plain: as it is."""
    scale: float = 1.0


@dataclass(frozen=True)
class Plot:
    name: str
    title: Sentence
    lines: tuple[Line, ...]
    unit: str = ""
    least_high: float = 0.0


def all_plots() -> list[Plot]:
    """The one that counts most comes first."""
    loss = (Line("loss", say("Training loss"), "train"), Line("eval_loss", say("Held-out loss"), "held"))
    accuracy, gradient = say("Token accuracy"), say("Gradient norm")
    speed, memory, rate = say("Tokens per second"), say("Memory"), say("Learning rate")
    return [
        Plot("loss", say("Loss"), loss),
        Plot("accuracy", accuracy, (Line("token_accuracy", accuracy, "train", 100),), "%"),
        Plot("rate", rate, (Line("learning_rate", rate, "plain"),)),
        Plot("gradient", gradient, (Line("grad_norm", gradient, "train"),)),
        Plot("speed", speed, (Line("tokens_per_s", speed, "plain"),)),
        Plot("memory", memory, (Line("memory", memory, "plain", 1e-9),), "GB"),
    ]


def drawn_plots(metrics: Sequence[Metrics]) -> list[Plot]:
    """Those of which anything was measured."""
    return [plot for plot in all_plots() if any(series(metrics, line.key) for line in plot.lines)]


def last_step(metrics: Sequence[Metrics], steps: int) -> float:
    """The right end of every plot: the planned end, so that nothing shifts as a run goes on."""
    return float(max([steps, 1, *(row["step"] for row in metrics)]))


def figure(plot: Plot, metrics: Sequence[Metrics], steps: int, best: int | None, language: str) -> str:
    """One plot with its title, its legend and a description in words."""
    lines = [(line, series(metrics, line.key, line.scale)) for line in plot.lines]
    lines = [(line, points) for line, points in lines if points]
    frame = Frame(last_step(metrics, steps), [point for _, points in lines for point in points], plot.least_high)
    marked = _best_point(lines, best)
    told = escape(describe(plot, lines, marked, language))
    unit = f" ({plot.unit})" if plot.unit else ""
    log = f" · {say('logarithmic').to(language)}" if frame.is_log else ""
    title = f"{plot.title.to(language)}{unit}{log}"
    return (
        f'<figure class="plot plot-{plot.name}"><figcaption data-part="head-{plot.name}">'
        f'<strong class="plot-title">{escape(title)}</strong>{_legend(lines, language)}</figcaption>'
        f'<div class="plot-area" data-part="area-{plot.name}"><svg role="img" aria-label="{told}" width="100%" '
        f'height="100%">{_grid(frame, language)}{_lines(frame, lines)}{_marks(frame, lines)}'
        f"{_best(frame, marked, language)}</svg></div></figure>"
    )


def describe(plot: Plot, lines: Sequence[tuple[Line, Sequence[Point]]], marked: Point | None, language: str) -> str:
    """The picture in a sentence or two, for those who do not see it."""
    said: list[Sentence] = []
    for line, points in lines:
        (start, first), (end, last) = points[0], points[-1]
        said.append(
            say(
                "{name}: {first} at step {start}, {last} at step {end}.",
                name=line.name,
                first=f"{first:.4g}{plot.unit and ' ' + plot.unit}",
                start=f"{start:.0f}",
                last=f"{last:.4g}{plot.unit and ' ' + plot.unit}",
                end=f"{end:.0f}",
            )
        )
    if marked:
        said.append(
            say("Lowest held-out loss: {loss} at step {step}.", loss=f"{marked[1]:.4g}", step=f"{marked[0]:.0f}")
        )
    # Japanese sentences follow each other without a space.
    return ("" if language == "ja" else " ").join(sentence.to(language) for sentence in said)


def _best_point(lines: Sequence[tuple[Line, Sequence[Point]]], best: int | None) -> Point | None:
    """Where the adapter that is offered stands on the held-out line; a single look is no best."""
    for line, points in lines:
        if line.kind == "held" and len(points) > 1:
            return next((point for point in points if point[0] == best), None)
    return None


def _legend(lines: Sequence[tuple[Line, Sequence[Point]]], language: str) -> str:
    if len(lines) < 2 and all(line.kind == "plain" for line, _ in lines):
        return ""
    keys = []
    for line, points in lines:
        if line.kind == "held":
            keys.append(("held", line.name))
        elif line.kind == "train" and len(points) > 1:
            keys += [("raw", say("raw")), ("train", say("smoothed"))]
        elif len(lines) > 1:
            keys.append(("train", line.name))
    items = (f'<span class="plot-key key-{kind}">{escape(name.to(language))}</span>' for kind, name in keys)
    return f'<span class="plot-legend">{"".join(items)}</span>'


def _grid(frame: Frame, language: str) -> str:
    parts = []
    for value in frame.marks():
        y = f"{frame.y(value):.1f}%"
        parts.append(
            f'<line class="grid" x2="100%" y1="{y}" y2="{y}"/>'
            f'<text class="tick" x="-8" y="{y}" dy="0.32em" text-anchor="end">{tick_words(value)}</text>'
        )
    for step in ticks(0, frame.right, 5):
        if step == int(step):
            anchor = "end" if frame.x(step) > 96 else "middle"
            parts.append(
                f'<text class="tick" x="{frame.x(step):.1f}%" y="100%" dy="1.4em" text-anchor="{anchor}">'
                f"{step:.0f}</text>"
            )
    parts.append('<line class="axis" x2="100%" y1="100%" y2="100%"/>')
    return "".join(parts)


def tick_words(value: float) -> str:
    """Short enough to stand left of a plot: 1200 -> 1.2k, 0.0004 -> 4e-4."""
    if value and abs(value) < 0.01:
        mantissa, _, power = f"{value:.1e}".partition("e")
        return f"{float(mantissa):g}e{int(power)}"
    if abs(value) >= 1000:
        return f"{value / 1000:g}k" if abs(value) < 1e6 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:g}"


def _lines(frame: Frame, lines: Sequence[tuple[Line, Sequence[Point]]]) -> str:
    drawn = []
    for line, points in lines:
        if len(points) < 2:
            continue
        if line.kind == "train":
            smoothed = smooth(points)
            picked = [smoothed[place] for place in spread(len(smoothed), 120)]
            drawn += [_polyline(frame, thin(points), "raw"), _polyline(frame, picked, "train")]
        else:
            drawn.append(_polyline(frame, thin(points), line.kind))
    return (
        '<svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none">'
        + "".join(drawn)
        + "</svg>"
    )


def _polyline(frame: Frame, points: Sequence[Point], kind: str) -> str:
    path = " ".join(f"{frame.x(step) * 10:.4g},{frame.y(value) * 10:.4g}" for step, value in points)
    return f'<polyline class="line line-{kind}" points="{path}" vector-effect="non-scaling-stroke"/>'


def _marks(frame: Frame, lines: Sequence[tuple[Line, Sequence[Point]]]) -> str:
    """A dot for each look at the held-out rows, and for a line that is a single point so far."""
    parts = []
    for line, points in lines:
        shown = [points[place] for place in spread(len(points), 60)] if line.kind == "held" else points[-1:]
        size = 3.5 if line.kind == "held" else 3
        parts += [
            f'<circle class="dot dot-{line.kind}" cx="{frame.x(step):.2f}%" cy="{frame.y(value):.2f}%" r="{size}"/>'
            for step, value in shown
        ]
    return "".join(parts)


def _best(frame: Frame, marked: Point | None, language: str) -> str:
    if marked is None:
        return ""
    x, y = frame.x(marked[0]), frame.y(marked[1])
    # The words stand on the side that has room for them.
    side, shift = ("end", -6) if x > 60 else ("start", 6)
    words = escape(say("best: step {step}", step=f"{marked[0]:.0f}").to(language))
    return (
        f'<line class="best-line" x1="{x:.2f}%" x2="{x:.2f}%" y1="-4" y2="100%"/>'
        f'<circle class="best-ring" cx="{x:.2f}%" cy="{y:.2f}%" r="7"/>'
        f'<text class="best-name" x="{x:.2f}%" y="0" dx="{shift}" dy="0.6em" text-anchor="{side}">{words}</text>'
    )
