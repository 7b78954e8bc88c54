"""What a run takes: seconds by tokens, for the next plan, and memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import torch

from playground.planning import Speed, fit_speed

Measured = tuple[float, float]
"""(tokens or decoding steps, seconds)."""


@dataclass
class Meter:
    """Collects measurements as a run goes."""

    load_s: float = 0.0
    steps: list[Measured] = field(default_factory=list)
    looks: list[Measured] = field(default_factory=list)
    answers: list[Measured] = field(default_factory=list)
    padded_tokens: int = 0
    """Tokens of the step in hand, padding included."""
    peak: int = 0
    """Most memory seen, in bytes."""

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
        return fit_speed(self.steps, self.looks, self.answers, self.load_s, known=known, batches=batches)

    def memory(self) -> int:
        """Bytes that this process has used at most: on a GPU of its memory, otherwise of the machine's."""
        on_gpu = torch.cuda.is_available()
        now = torch.cuda.max_memory_reserved() if on_gpu else psutil.Process().memory_info().rss
        self.peak = max(self.peak, now)
        return self.peak
