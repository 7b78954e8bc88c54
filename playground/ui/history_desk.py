"""What the server remembers of one page's history: which runs are chosen, and what the page was last sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from playground.ui.history.overlay import DRAWN


@dataclass
class Desk:
    """Lives in a gr.State and is changed in place, so that a look that still works sees the newest choice."""

    slots: dict[str, int] = field(default_factory=dict)
    """The chosen runs, each with the place of its colour, which it keeps while it is chosen."""
    number: int = 0
    """Number of the newest choice."""
    asking: bool = False
    """Whether the page asks if the chosen runs are to be deleted."""
    named: str = ""
    """The run whose name stands in the box; typing in it must not be written over."""
    sent: dict[int, int] = field(default_factory=dict)
    """Hashes of what the page was last sent, so that a look without news costs a few bytes."""


def with_choice(slots: dict[str, int], wanted: Sequence[str]) -> dict[str, int]:
    """The wanted runs with the places of their colours: those that had one keep it, others get the lowest free.

    {"a": 0, "b": 1}, ["b", "c"] -> {"b": 1, "c": 0}. Beyond DRAWN there is no colour, so such a place is not kept.
    """
    kept = {run: slot for run, slot in slots.items() if run in wanted and slot < DRAWN}
    for run in dict.fromkeys(wanted):
        if run not in kept:
            taken = set(kept.values())
            kept[run] = next(slot for slot in range(len(kept) + 1) if slot not in taken)
    return kept
