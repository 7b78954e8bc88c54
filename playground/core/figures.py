"""Figures as they stand in sentences and on the page, the same in every language and everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import SupportsFloat

from playground.core.i18n import Sentence, say

NONE = "–"
_MINUS = "\N{MINUS SIGN}"


def fixed(value: float | None, places: int = 2) -> str:
    """1234.5 -> "1,234.50"; a dash for what is not known or not finite."""
    return NONE if value is None or not math.isfinite(value) else f"{value:,.{places}f}"


def signed(value: float | None, places: int = 2) -> str:
    """With its sign, and a true minus: "−0.81". What rounds to nothing has no sign."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:+.{places}f}"
    return text[1:] if float(text) == 0 else text.replace("-", _MINUS)


def rounded(value: SupportsFloat) -> str:
    """A loss or a gradient norm with as many digits as mean something: 12.3, 1.86, 0.046."""
    figure = float(value)
    if abs(figure) >= 1000:
        return f"{figure:.3g}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}" if abs(figure) >= 0.1 else f"{figure:.3f}"


def percent(part: float) -> str:
    """A share as a percentage: 0.413 -> 41 %."""
    return f"{100 * part:.0f}\u00a0%" if abs(part) >= 0.01 else f"{100 * part:.1f}\u00a0%"


def times(count: float) -> str:
    """How often: 0.4, 2.5, 16."""
    return f"{count:.0f}" if count >= 10 else f"{count:.1f}".removesuffix(".0")


def often(count: str) -> Sentence:
    """A figure as `times` or another gives it: once, 2.5 times."""
    return say("once") if count == "1" else say("{times} times", times=count)


def rows_said(count: int) -> Sentence:
    """1 row, 2,000 rows."""
    return say("1 row") if count == 1 else say("{rows} rows", rows=f"{count:,}")


def steps_said(count: int) -> Sentence:
    """1 step, 2,000 steps."""
    return say("1 step") if count == 1 else say("{count} steps", count=f"{count:,}")


def tokens_said(count: int) -> Sentence:
    """1 token, 2,000 tokens."""
    return say("1 token") if count == 1 else say("{tokens} tokens", tokens=f"{count:,}")


def listed(items: Iterable[object], most: int) -> str:
    """The first so many with commas between them, and an ellipsis for the others: A1, A2, …"""
    shown = [str(item) for item in items]
    return ", ".join(shown[:most]) + (", …" if len(shown) > most else "")


def size(count: float, places: int = 1) -> str:
    """Bytes: 850 MB, 2.1 GB."""
    return f"{count / 1e6:.0f} MB" if count < 995_000_000 else f"{count / 1e9:.{places}f} GB"


def parameters(count: int | str) -> str:
    """134515008 -> "135M"."""
    if isinstance(count, str):
        return count
    return f"{count / 1e9:.1f}B" if count >= 995e6 else f"{count / 1e6:.0f}M"


def elapsed(seconds: float) -> Sentence:
    """A time that was measured: 45 s, 3 min 20 s."""
    whole = max(0, round(seconds))
    if whole < 60:
        return say("{seconds} s", seconds=whole)
    return say("{minutes} min {seconds} s", minutes=whole // 60, seconds=whole % 60)


def expected(seconds: float) -> Sentence:
    """A time that is estimated, no more exact than that: 8 s, 1 min 40 s, 12 min, 2 h 10 min."""
    if seconds < 60:
        whole = max(round(seconds), 1) if seconds < 10 else 5 * round(seconds / 5)
        if whole < 60:
            return say("{seconds} s", seconds=whole)
        seconds = 60
    if seconds < 600:
        minutes, rest = divmod(5 * round(seconds / 5), 60)
        if minutes < 10:
            return say("{minutes} min {seconds} s", minutes=minutes, seconds=rest) if rest else _minutes(minutes)
    minutes = round(seconds / 60)
    if minutes < 60:
        return _minutes(minutes)
    hours, minutes = divmod(5 * round(minutes / 5), 60)
    if minutes:
        return say("{hours} h {minutes} min", hours=hours, minutes=minutes)
    return say("{hours} h", hours=hours)


def _minutes(minutes: int) -> Sentence:
    return say("{minutes} min", minutes=minutes)
