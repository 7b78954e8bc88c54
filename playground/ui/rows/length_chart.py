"""How long the rows are: a bar for each range of lengths, and a line where the maximum cuts.

What is cut off is told three times, never by colour alone: by a dashed line, by words above it and by hatched bars.
"""

from __future__ import annotations

from collections.abc import Iterator

from playground.core.i18n import say, sentences
from playground.data.types import Lengths
from playground.ui.widgets.chart import Axis, Frame, chart, flag, foot, grid, whole
from playground.ui.widgets.markup import escape

_LEAST_BAR = 1.2
"""Height of a bar with one row among thousands, in percent: it is there, so it is seen."""
_HATCH = (
    '<defs><pattern id="cut-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="hatch-ground" width="6" height="6"/><line class="hatch-line" x1="0" x2="0" y1="0" y2="6"/>'
    "</pattern></defs>"
)


def length_plot(lengths: Lengths | None, max_length: int, language: str) -> str:
    """The figure. "" without rows."""
    if not lengths or not lengths["bins"]:
        return ""
    right = float(max(lengths["bins"][-1]["end"], 1))
    # A maximum not far beyond the longest row is worth seeing; one far away would squeeze the bars.
    if right < max_length <= 1.3 * right:
        right = max_length * 1.02
    frame = Frame(Axis(0.0, right), Axis(0.0, max(bar["rows"] for bar in lengths["bins"])))
    told = describe(lengths, max_length, language)
    title = say("Length of the rows in tokens").to(language)
    shapes = [
        _HATCH,
        grid(frame, whole(frame.y.marks(3)), "{:,.0f}".format),
        foot(frame.x, frame.x.marks(5), "{:,.0f}".format),
        f'<text class="axis-name" x="-38" y="0" dy="-0.9em">{escape(say("Number of rows").to(language))}</text>',
        *_bars(lengths, frame, max_length, language),
    ]
    if max_length <= right:
        words = say("maximum: {limit}", limit=f"{max_length:,}").to(language)
        shapes.append(flag(frame.x.percent(max_length), "is-cut", words, is_above=True))
    caption = f'<strong class="plot-title">{escape(title)}</strong> <span>{escape(told)}</span>'
    return chart("plot-lengths", caption, f"{title}: {told}", "".join(shapes))


def describe(lengths: Lengths, max_length: int, language: str) -> str:
    """The picture in words, for everybody."""
    said = [
        say(
            "Half of the rows have at most {median} tokens, 95 % at most {p95}; the longest has {longest}.",
            median=f"{lengths['median']:,}",
            p95=f"{lengths['p95']:,}",
            longest=f"{lengths['max']:,}",
        )
    ]
    limit = f"{max_length:,}"
    over = lengths["over"]
    if over == 1:
        said.append(say("1 row is longer than the maximum of {limit}.", limit=limit))
    elif over:
        said.append(say("{rows} rows are longer than the maximum of {limit}.", rows=f"{over:,}", limit=limit))
    else:
        said.append(say("None is longer than the maximum of {limit}.", limit=limit))
    return sentences(said, language)


def _bars(lengths: Lengths, frame: Frame, max_length: int, language: str) -> Iterator[str]:
    for bar in lengths["bins"]:
        if not bar["rows"]:
            continue
        left, end = frame.x.percent(bar["start"] - 1), frame.x.percent(bar["end"])
        height = max(frame.y.percent(bar["rows"]), _LEAST_BAR)
        gap = min((end - left) * 0.12, 0.4)
        span = {"start": f"{bar['start']:,}", "end": f"{bar['end']:,}", "rows": f"{bar['rows']:,}"}
        words = (
            say("{start} to {end} tokens: 1 row", **span)
            if bar["rows"] == 1
            else say("{start} to {end} tokens: {rows} rows", **span)
        )
        cut = ' is-cut" fill="url(#cut-hatch)' if bar["start"] > max_length else ""
        yield (
            f'<rect class="length-bar{cut}" x="{left + gap / 2:.2f}%" y="{100 - height:.2f}%" '
            f'width="{max(end - left - gap, 0.2):.2f}%" height="{height:.2f}%">'
            f"<title>{escape(words.to(language))}</title></rect>"
        )
