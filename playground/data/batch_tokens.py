"""Tokens in the trainer's batches, padding included, before there is a trainer: they are what a step's time goes by.

Follows transformers' group_by_length sampler and trl.pack_dataset, of which only the means count here; tests hold both
against the real ones.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from playground.core.settings import TrainSettings

Floats = NDArray[np.float64]
Lengths = NDArray[np.int64]

Order = Literal["given", "random", "grouped"]
"""Rows as they came, shuffled, or shuffled and then grouped by length, as a run does it."""

MEGABATCHES = 50
"""Batches that transformers' group_by_length sorts together, at most."""
PACKING_LOT = 1000
"""Rows that trl.pack_dataset packs together: the default batch_size of Dataset.map."""
_ROWS_DRAWN = 40_000
"""Rows shuffled to find the mean tokens of a step: small sets are shuffled many times, large ones once."""
_MOST_DRAWS = 32
_LOTS_PACKED = 4


def eval_tokens(lengths: Sequence[int] | Lengths, batch: int) -> int:
    """Tokens of one evaluation on rows of these lengths, in batches sorted by length, padding included."""
    rows = np.sort(np.asarray(lengths, dtype=np.int64))
    return int(_padded(rows, batch).sum())


def step_tokens(settings: TrainSettings, lengths: Sequence[int] | Lengths) -> Floats:
    """Mean tokens, padding included, of each step of an epoch, in order. At least one step.

    Rows in the order given where they are not shuffled; else in that of transformers' group_by_length, whose shuffles
    are averaged. Packed rows come without padding (TRL flattens a batch of packs into one sequence).
    """
    rows = np.minimum(np.asarray(lengths, dtype=np.int64), settings.max_length)
    batch, accumulation = settings.per_device_train_batch_size, settings.gradient_accumulation_steps
    if settings.packing:
        rows = packs(rows, settings.max_length)
    if not len(rows):
        return np.zeros(1)
    if not settings.shuffle_dataset:
        return _steps(rows, batch, accumulation, settings.packing)
    orders = _orders(rows, batch * accumulation, "grouped")
    return np.mean([_steps(order, batch, accumulation, settings.packing) for order in orders], axis=0)


def padding_share(lengths: Sequence[int] | Lengths, batch: int, accumulation: int, order: Order) -> float:
    """Share of padding among the tokens of an epoch's batches, on average over its shuffles; 0 without rows."""
    rows = np.asarray(lengths, dtype=np.int64)
    if not len(rows):
        return 0.0
    padded = np.mean([_padded(drawn, batch).sum() for drawn in _orders(rows, batch * accumulation, order)])
    return float(1 - rows.sum() / padded)


def _orders(rows: Lengths, per_step: int, order: Order) -> Iterator[Lengths]:
    """Some shuffles of the rows, always the same ones, in the order that they are trained on; or the order given."""
    if order == "given":
        yield rows
        return
    generator = np.random.default_rng(0)
    for _ in range(min(max(_ROWS_DRAWN // len(rows), 1), _MOST_DRAWS)):
        yield grouped(rows, per_step, generator) if order == "grouped" else generator.permutation(rows)


def grouped(lengths: Lengths, batch: int, generator: np.random.Generator) -> Lengths:
    """One shuffle of `lengths` as transformers' get_length_grouped_indices orders them.

    Shuffled, cut into lots of up to fifty batches, each sorted from long to short; the longest of all comes first.
    `batch` is the rows of a step: the trainer groups by step, not by batch.
    """
    lot = max(min(len(lengths) // (batch * 4), MEGABATCHES), 1) * batch
    rows = generator.permutation(lengths)
    whole = len(rows) // lot * lot
    rows[:whole] = -np.sort(-rows[:whole].reshape(-1, lot), axis=1).ravel()
    rows[whole:] = -np.sort(-rows[whole:])
    longest = int(np.argmax(rows[::lot])) * lot
    rows[0], rows[longest] = rows[longest], rows[0]
    return rows


def packs(lengths: Lengths, max_length: int) -> Lengths:
    """Tokens of each pack that trl.pack_dataset (bfd) makes of rows of these lengths, in no particular order.

    Of more than a few lots, some are packed and stand for all.
    """
    rows = np.minimum(lengths[lengths > 0], max_length)
    lots = [rows[start : start + PACKING_LOT] for start in range(0, len(rows), PACKING_LOT)]
    chosen = lots[:: max(len(lots) // _LOTS_PACKED, 1)] if len(lots) > _LOTS_PACKED else lots
    filled = np.array([pack for lot in chosen for pack in _best_fit_decreasing(lot.tolist(), max_length)], np.int64)
    if chosen is lots:
        return filled
    return np.resize(filled, max(round(len(filled) * float(rows.sum()) / float(filled.sum())), 1))


def _best_fit_decreasing(lengths: list[int], max_length: int) -> list[int]:
    """Longest first, each into the pack whose free space it fills best, else into a new one."""
    free: list[int] = []
    for length in sorted(lengths, reverse=True):
        place = bisect_left(free, length)
        insort(free, (free.pop(place) if place < len(free) else max_length) - length)
    return [max_length - space for space in free]


def _padded(rows: Lengths, batch: int) -> Floats:
    """Tokens of each batch of `rows` taken in order, all as long as the longest of the batch."""
    if not len(rows):
        return np.zeros(0)
    starts = np.arange(0, len(rows), batch)
    counts = np.minimum(batch, len(rows) - starts)
    return (np.maximum.reduceat(rows, starts) * counts).astype(np.float64)


def _steps(rows: Lengths, batch: int, accumulation: int, packing: bool) -> Floats:
    if packing:
        return np.add.reduceat(rows, np.arange(0, len(rows), batch * accumulation)).astype(np.float64)
    batches = _padded(rows, batch)
    return np.add.reduceat(batches, np.arange(0, len(batches), accumulation))
