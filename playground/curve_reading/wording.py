"""How numbers stand in the sentences."""

from __future__ import annotations

from typing import SupportsFloat


def number(value: SupportsFloat) -> str:
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
