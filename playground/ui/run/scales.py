"""Three scales before and after: what was learned, what carries over to new rows, what was forgotten."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from playground.core.figures import fixed, rows_said, signed, tokens_said
from playground.core.i18n import Sentence, say, sentences
from playground.runs.types import SCALES, Change, RunStatus, Scale, bounds
from playground.ui.widgets.chart import Axis, chart, foot, rail, ticks
from playground.ui.widgets.markup import escape, icon

_GAUGE = Axis(-0.25, 1.25)
"""In nats per token; what lies beyond is drawn at the end, with its number beside it."""
_ACTIVE = ("queued", "running")


def scales_view(run: RunStatus, language: str) -> str:
    """The scales and the gauge of an ended run; "" while it goes, and where nothing was measured at all."""
    scales = run["scales"]
    if run["state"] in _ACTIVE or not scales.get("before"):
        return ""
    hint = say("Loss in nats per token, before and after training: lower is better.")
    return (
        f'<section class="scales"><h3>{escape(say("Three scales").to(language))}</h3>'
        f'<p class="run-hint">{escape(hint.to(language))}</p>'
        f'<div class="scale-list">{"".join(_scale(name, run, language) for name in SCALES)}'
        f"</div>{gauge(run, language)}</section>"
    )


def _words(name: Scale) -> tuple[Sentence, Sentence]:
    words = {
        "train": (say("Learned"), say("Rows it was trained on")),
        "held_out": (say("Generalised"), say("Held-out rows: it never saw them")),
        "general": (say("Forgotten"), say("Everyday questions: nothing to do with the rows")),
    }
    return words[name]


def _scale(name: Scale, run: RunStatus, language: str) -> str:
    title, about = (escape(words.to(language)) for words in _words(name))
    head = f'<h4>{title}</h4><p class="scale-about">{about}</p>'
    before, after, change = scale_of(run, name)
    if before is None or after is None:
        figures = ""
        if before is not None:
            figures = f'<p class="scale-figures"><span class="scale-before">{before:.3f}</span></p>'
        why = escape(why_missing(name, before).to(language))
        reason = f'<p class="scale-why">{icon("info")}<span>{why}</span></p>'
        return f'<article class="scale is-missing">{head}{figures}{reason}</article>'
    kind, said = judged(name, change)
    return (
        f'<article class="scale is-{kind}">{head}<p class="scale-figures"><span class="scale-before">'
        f'{before:.3f}</span> <span class="scale-arrow" aria-hidden="true">→</span>'
        f'<span class="sr-only">{escape(say("then").to(language))}</span> '
        f'<strong class="scale-after">{after:.3f}</strong></p>{_dumbbell(before, after)}'
        f'<p class="scale-said">{icon(_SIGNS[kind])}<span>{escape(said.to(language))}</span></p>'
        f'<p class="scale-small">{escape(sentences(_small(name, run, change), language))}</p></article>'
    )


_SIGNS = {"better": "done", "worse": "warning", "same": "info", "unknown": "info"}


def scale_of(run: RunStatus, name: Scale) -> tuple[float | None, float | None, Change | None]:
    """(loss before, loss after, change) of one scale, each None where it was not measured or is no number.

    A change may have no bounds: a single row says nothing about others.
    """
    scales = run["scales"]
    before, after = ((figures or {}).get(name) for figures in (scales.get("before"), scales.get("after")))
    change = (scales.get("change") or {}).get(name)
    first, last = (figure["loss"] if figure else None for figure in (before, after))
    return first, last, change if change and change["mean"] is not None else None


def why_missing(name: Scale, before: float | None) -> Sentence:
    if before is not None:
        return say("Not measured afterwards: the run ended before that.")
    if name == "held_out":
        return say("No rows were held out, so nothing says what it makes of new ones. Hold out a tenth next time.")
    if name == "general":
        return say("Everyday questions were not scored: the setting is off, or the run was cut short.")
    return say("Not measured: the run ended before that.")


def judged(name: Scale, change: Change | None) -> tuple[str, Sentence]:
    """What the interval allows to be said: better, worse or the same."""
    if change is None:
        return "unknown", say("Whether that is more than chance was not measured.")
    if not (span := bounds(change)):
        return "unknown", say("Whether that is more than chance cannot be told from a single row.")
    low, high = span
    if high < 0:
        words = {
            "train": say("It fits its rows better."),
            "held_out": say("What it learned carries over to new rows."),
            "general": say("Nothing was forgotten; it even got better."),
        }
        return "better", words[name]
    if low > 0:
        words = {
            "train": say("It fits its own rows worse than before."),
            "held_out": say("It got worse at new rows: at best it learned its rows by heart."),
            "general": say("It got worse at everyday questions: something was forgotten."),
        }
        return "worse", words[name]
    words = {
        "train": say("No change beyond chance."),
        "held_out": say("No change beyond chance: nothing shows that it learned something that carries over."),
        "general": say("No change beyond chance: nothing shows that it forgot anything."),
    }
    return ("better" if name == "general" else "same"), words[name]


def _small(name: Scale, run: RunStatus, change: Change | None) -> Iterator[Sentence]:
    """How far it moved, and what it was measured on."""
    if change and (span := bounds(change)):
        mean, low, high = (signed(value, 3) for value in (change["mean"], *span))
        yield say("Change {mean}; 95 % interval {low} to {high}.", mean=mean, low=low, high=high)
    elif change:
        yield say("Change {mean}.", mean=signed(change["mean"], 3))
    if figure := (run["scales"].get("after") or {}).get(name):
        yield say("Measured on {rows}, {tokens}.", rows=rows_said(figure["rows"]), tokens=tokens_said(figure["tokens"]))


def _dumbbell(before: float, after: float) -> str:
    """From before to after on an axis that begins at 0. The figures above say the same in words."""
    axis = Axis(0.0, max(before, after, 1e-9) * 1.1)
    return rail(axis, (before, after), (("from", before), ("to", after)))


def gauge(run: RunStatus, language: str) -> str:
    """How far everyday questions moved, with what the number means. "" where it was not measured."""
    before, after, change = scale_of(run, "general")
    if before is None or after is None:
        return ""
    moved = after - before if change is None or change["mean"] is None else change["mean"]
    told = gauge_words(moved, language)
    title = say("Gauge of forgetting").to(language)
    meaning = say(
        "The loss is in nats per token. Where it rises by d, a token of the right answer has become exp(d) times as "
        "unlikely: 0.1 is 1.1 times, 0.7 is twice, 1.1 is three times."
    )
    caption = f'<strong class="plot-title">{escape(title)}</strong> <span>{escape(told)}</span>'
    picture = chart("plot-gauge", caption, told, _gauge_scale(language) + _needle(moved, change))
    return f'<div class="gauge">{picture}<p class="scale-small">{escape(meaning.to(language))}</p></div>'


def gauge_words(moved: float, language: str) -> str:
    """The change of the loss on everyday questions as a change of probability."""
    factor, change = math.exp(min(abs(moved), 20)), signed(moved, 3)
    if abs(moved) < 0.005:
        return say("Unchanged: a token of a right answer is as likely as before ({change}).", change=change).to(
            language
        )
    times = f"{factor:.2f}" if factor < 10 else f"{factor:.0f}"
    if moved > 0:
        return say(
            "A token of a right answer is {times} times as unlikely as before ({change}).", times=times, change=change
        ).to(language)
    return say(
        "A token of a right answer is {times} times as likely as before ({change}).", times=times, change=change
    ).to(language)


def _at(value: float) -> float:
    return min(max(_GAUGE.percent(value), 0.0), 100.0)


def _gauge_scale(language: str) -> str:
    zero, marks = _GAUGE.percent(0), ticks(0, _GAUGE.high - 0.01, 4)
    kept, lost = (escape(words.to(language)) for words in (say("kept"), say("forgotten")))
    return (
        f'<rect class="gauge-kept" width="{zero:.1f}%" height="100%"/><defs><linearGradient id="gauge-lost">'
        '<stop class="lost-none" offset="0"/><stop class="lost-all" offset="1"/></linearGradient></defs>'
        f'<rect fill="url(#gauge-lost)" x="{zero:.1f}%" width="{100 - zero:.1f}%" height="100%"/>'
        f"{foot(_GAUGE, marks, '{:g}'.format, lambda value: f'×{math.exp(value):.2g}')}"
        f'<text class="tick" x="0" y="100%" dy="1.4em">{kept}</text>'
        f'<text class="tick" x="100%" y="100%" dy="1.4em" text-anchor="end">{lost}</text>'
    )


def _needle(moved: float, change: Change | None) -> str:
    whisker = ""
    if span := bounds(change):
        low, high = map(_at, span)
        whisker = f'<line class="gauge-whisker" x1="{low:.1f}%" x2="{high:.1f}%" y1="50%" y2="50%"/>'
    x = f"{_at(moved):.1f}%"
    return f'{whisker}<line class="gauge-needle" x1="{x}" x2="{x}" y1="-8" y2="18"/>'


def scales_table(run: RunStatus, language: str) -> str:
    """The same figures as a table, for the report."""
    heads: Sequence[Sentence] = (say("Scale"), say("Before"), say("After"), say("Change"), say("95 % interval"))
    rows = []
    for name in SCALES:
        before, after, change = scale_of(run, name)
        cells = [
            fixed(before, 3),
            fixed(after, 3),
            signed(change["mean"], 3) if change else "–",
            say("{low} to {high}", low=signed(span[0], 3), high=signed(span[1], 3)).to(language)
            if (span := bounds(change))
            else "–",
        ]
        title = escape(_words(name)[1].to(language))
        rows.append(f'<tr><th scope="row">{title}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>')
    head = "".join(f'<th scope="col">{escape(words.to(language))}</th>' for words in heads)
    return f'<table class="figures"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
