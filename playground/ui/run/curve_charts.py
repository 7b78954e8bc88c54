"""The curves of a run, one plot for each thing that is measured; the report shows the same plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from playground.core.i18n import Sentence, say, sentences
from playground.runs.types import MetricName, Metrics
from playground.ui.widgets.chart import (
    Axis,
    Frame,
    Point,
    chart,
    dot,
    flag,
    foot,
    grid,
    polylines,
    series,
    smooth,
    spread,
    thin,
    whole,
)
from playground.ui.widgets.markup import escape


@dataclass(frozen=True)
class Line:
    """One line of a plot: raw values of `key`, times `scale`."""

    key: MetricName
    name: Sentence
    kind: str
    """train: raw faint, smoothed over it. held: a dot for each evaluation. plain: as it is."""
    scale: float = 1.0


@dataclass(frozen=True)
class Plot:
    name: str
    title: Sentence
    lines: tuple[Line, ...]
    unit: str = ""


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


Drawn = Sequence[tuple[Line, Sequence[Point]]]


def figure(plot: Plot, metrics: Sequence[Metrics], steps: int, best: int | None, language: str) -> str:
    """One plot with its title, its legend and a description in words. `best`: the step whose adapter is offered."""
    measured = ((line, series(metrics, line.key, line.scale)) for line in plot.lines)
    lines = [(line, points) for line, points in measured if points]
    frame = Frame(Axis(0.0, last_step(metrics, steps)), Axis.of([value for _, points in lines for _, value in points]))
    marked = _best_point(lines, best)
    unit = f" ({plot.unit})" if plot.unit else ""
    log = f" · {say('logarithmic').to(language)}" if frame.y.is_log else ""
    title = f"{plot.title.to(language)}{unit}{log}"
    drawn = [
        grid(frame, frame.y.marks()),
        foot(frame.x, whole(frame.x.marks(5)), "{:.0f}".format),
        polylines(frame, _lines(lines)),
        *_dots(frame, lines),
        _best(frame, marked, language),
    ]
    caption = f'<strong class="plot-title">{escape(title)}</strong>{_legend(lines, language)}'
    told = describe(plot, lines, marked, language)
    return chart(f"plot-{plot.name}", caption, told, "".join(drawn), plot.name)


def describe(plot: Plot, lines: Drawn, marked: Point | None, language: str) -> str:
    """The picture in a sentence or two, for those who do not see it."""
    unit = plot.unit and f" {plot.unit}"
    said: list[Sentence] = []
    for line, points in lines:
        (start, first), (end, last) = points[0], points[-1]
        said.append(
            say(
                "{name}: {first} at step {start}, {last} at step {end}.",
                name=line.name,
                first=f"{first:.4g}{unit}",
                start=f"{start:.0f}",
                last=f"{last:.4g}{unit}",
                end=f"{end:.0f}",
            )
        )
    if marked:
        said.append(
            say("Lowest held-out loss: {loss} at step {step}.", loss=f"{marked[1]:.4g}", step=f"{marked[0]:.0f}")
        )
    return sentences(said, language)


def _best_point(lines: Drawn, best: int | None) -> Point | None:
    """Where the adapter that is offered stands on the held-out line; a single evaluation is no best."""
    for line, points in lines:
        if line.kind == "held" and len(points) > 1:
            return next((point for point in points if point[0] == best), None)
    return None


def _legend(lines: Drawn, language: str) -> str:
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


def _lines(lines: Drawn) -> Iterator[tuple[str, Sequence[Point]]]:
    for line, points in lines:
        if line.kind == "train":
            smoothed = smooth(points)
            yield "line-raw", thin(points)
            yield "line-train", [smoothed[place] for place in spread(len(smoothed), 120)]
        else:
            yield f"line-{line.kind}", thin(points)


def _dots(frame: Frame, lines: Drawn) -> Iterator[str]:
    """A dot for each evaluation on the held-out rows, and one at the end of every other line."""
    for line, points in lines:
        is_held = line.kind == "held"
        shown = [points[place] for place in spread(len(points), 60)] if is_held else points[-1:]
        for point in shown:
            yield dot(frame, point, f"dot-{line.kind}", 3.5 if is_held else 3)


def _best(frame: Frame, marked: Point | None, language: str) -> str:
    if marked is None:
        return ""
    words = say("best: step {step}", step=f"{marked[0]:.0f}").to(language)
    return flag(frame.at(marked)[0], "is-best", words) + dot(frame, marked, "is-best", 7)
