"""Figures as they stand on the page."""

from __future__ import annotations


def parameters(count: int | str) -> str:
    """134515008 -> "135M"."""
    if isinstance(count, str):
        return count
    return f"{count / 1e9:.1f}B" if count >= 995e6 else f"{count / 1e6:.0f}M"


def megabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
