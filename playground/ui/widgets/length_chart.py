"""How long the rows are, as inline SVG: a bar for each range of lengths, and a line where the maximum cuts.

What is cut off is told three times, never by colour alone: by a dashed line, by words above it and by hatched bars.
Positions are percentages, as in chart.py, so that the picture fills any width while its text keeps its size.
"""

from __future__ import annotations

from playground.core.i18n import say
from playground.data.types import LengthBin, Lengths
from playground.ui.widgets.chart import ticks
from playground.ui.widgets.markup import escape

_LEAST_BAR = 1.2
"""Height of a bar with one row among thousands, in percent: it is there, so it is seen."""
_HATCH = (
    '<defs><pattern id="cut-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="hatch-ground" width="6" height="6"/><line class="hatch-line" x1="0" x2="0" y1="0" y2="6"/>'
    "</pattern></defs>"
)


def length_plot(lengths: Lengths | None, max_length: int, cut_rows: int, language: str) -> str:
    """A figure of `dataset_report`'s lengths: {bins: [{start, end, rows}], median, p95, max}. "" without rows."""
    if not lengths or not lengths["bins"]:
        return ""
    bins = lengths["bins"]
    right = float(max(bins[-1]["end"], 1))
    # A maximum not far beyond the longest row is worth seeing; one far away would squeeze the bars.
    if right < max_length <= 1.3 * right:
        right = max_length * 1.02
    most = max(bar["rows"] for bar in bins)
    told = describe(lengths, max_length, cut_rows, language)
    title = escape(say("Length of the rows in tokens").to(language))
    return (
        f'<figure class="lengths"><figcaption><strong>{title}</strong> <span>{escape(told)}</span></figcaption>'
        f'<div class="lengths-plot"><svg role="img" aria-labelledby="lengths-title lengths-told" width="100%" '
        f'height="100%"><title id="lengths-title">{title}</title><desc id="lengths-told">{escape(told)}</desc>{_HATCH}'
        f"{_scale(right, most, language)}{_bars(bins, right, most, max_length, language)}"
        f"{_cut(right, max_length, language)}</svg></div></figure>"
    )


def describe(lengths: Lengths, max_length: int, cut_rows: int, language: str) -> str:
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
    if cut_rows == 1:
        said.append(say("1 row is longer than the maximum of {limit}.", limit=limit))
    elif cut_rows:
        said.append(say("{rows} rows are longer than the maximum of {limit}.", rows=f"{cut_rows:,}", limit=limit))
    else:
        said.append(say("None is longer than the maximum of {limit}.", limit=limit))
    return ("" if language == "ja" else " ").join(sentence.to(language) for sentence in said)


def _scale(right: float, most: int, language: str) -> str:
    parts = []
    for rows in ticks(0, most, 3):
        if rows == int(rows):
            y = 100 - 100 * rows / most
            parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.2f}%" y2="{y:.2f}%"/>')
            parts.append(f'<text class="tick" x="-8" y="{y:.2f}%" dy="0.32em" text-anchor="end">{rows:,.0f}</text>')
    for length in ticks(0, right, 5):
        x = 100 * length / right
        anchor = "end" if x > 97 else "middle"
        parts.append(f'<text class="tick" x="{x:.2f}%" y="100%" dy="1.4em" text-anchor="{anchor}">{length:,.0f}</text>')
    parts.append('<line class="axis" x1="0" x2="100%" y1="100%" y2="100%"/>')
    axis = escape(say("Number of rows").to(language))
    parts.append(f'<text class="axis-name" x="-38" y="0" dy="-0.9em">{axis}</text>')
    return "".join(parts)


def _bars(bins: list[LengthBin], right: float, most: int, max_length: int, language: str) -> str:
    drawn = []
    for bar in bins:
        if not bar["rows"]:
            continue
        left, end = 100 * (bar["start"] - 1) / right, 100 * bar["end"] / right
        height = max(100 * bar["rows"] / most, _LEAST_BAR)
        is_cut = bar["start"] > max_length
        gap = min((end - left) * 0.12, 0.4)
        span = {"start": f"{bar['start']:,}", "end": f"{bar['end']:,}", "rows": f"{bar['rows']:,}"}
        words = (
            say("{start} to {end} tokens: 1 row", **span)
            if bar["rows"] == 1
            else say("{start} to {end} tokens: {rows} rows", **span)
        )
        fill = ' fill="url(#cut-hatch)"' if is_cut else ""
        drawn.append(
            f'<rect class="length-bar{" is-cut" if is_cut else ""}"{fill} x="{left + gap / 2:.2f}%" '
            f'y="{100 - height:.2f}%" width="{max(end - left - gap, 0.2):.2f}%" height="{height:.2f}%">'
            f"<title>{escape(words.to(language))}</title></rect>"
        )
    return "".join(drawn)


def _cut(right: float, max_length: int, language: str) -> str:
    if max_length > right:
        return ""
    x = 100 * max_length / right
    # The words stand on the side that has room for them.
    side, shift = ("end", "-6") if x > 50 else ("start", "6")
    words = escape(say("maximum: {limit}", limit=f"{max_length:,}").to(language))
    return (
        f'<line class="cut-line" x1="{x:.2f}%" x2="{x:.2f}%" y1="-16" y2="100%"/>'
        f'<text class="cut-name" x="{x:.2f}%" y="0" dx="{shift}" dy="-0.5em" text-anchor="{side}">{words}</text>'
    )
