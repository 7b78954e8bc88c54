"""What a run takes: seconds by tokens, for the next plan, and memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch
from torch import nn

from playground.runs.memory import peak_needed
from playground.runs.plan import Speed, fit_speed

Measured = tuple[float, float]
"""(tokens or decoding steps, seconds)."""


def mapped_weights(model: nn.Module) -> int:
    """Bytes of weights that are read from their file in every step: those that are neither quantised nor trained."""
    return sum(w.nbytes for w in model.parameters() if w.is_floating_point() and not w.requires_grad)


@dataclass
class Meter:
    """Collects measurements as a run goes."""

    load_s: float = 0.0
    steps: list[Measured] = field(default_factory=list)
    evaluations: list[Measured] = field(default_factory=list)
    answers: list[Measured] = field(default_factory=list)
    padded_tokens: int = 0
    """Tokens of the step in hand, padding included."""
    peak: int = 0
    """Most memory seen, in bytes."""
    mapped: int = 0
    """`mapped_weights` of the model."""
    _largest: int = 0
    """The largest resident size so far, in bytes."""

    @contextmanager
    def timing(self, kind: list[Measured], count: float) -> Iterator[None]:
        """Add (`count`, seconds of the block) to `kind`."""
        started = time.monotonic()
        yield
        kind.append((count, time.monotonic() - started))

    def speed(self, batches: int, known: Speed | None) -> Speed | None:
        """What was measured; None without a step. `batches`: batches in a step."""
        if not self.steps:
            return None
        return fit_speed(self.steps, self.evaluations, self.answers, self.load_s, known=known, batches=batches)

    def memory(self) -> int:
        """Bytes that this process has used at most: on a GPU of its memory, otherwise of the machine's."""
        self.peak = max(self.peak, self._used())
        return self.peak

    def _used(self) -> int:
        if torch.cuda.is_available():
            return int(torch.cuda.max_memory_reserved())
        status = Path("/proc/self/status")
        if status.is_file():
            needed, self._largest = peak_needed(status.read_text(), self.mapped, self._largest)
            return needed
        return int(psutil.Process().memory_info().rss)
