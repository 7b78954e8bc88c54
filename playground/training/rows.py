"""A run's rows as tokens, and the orders in which batches take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from datasets import Dataset
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices

from playground.data.run_inputs import SAMPLED
from playground.data.split import even_places


@dataclass(frozen=True)
class Rows:
    """The rows of one run: input_ids and labels of each."""

    train: Dataset
    held_out: Dataset
    general: Dataset
    """The general-ability set; empty where it is not asked for, or where the template refuses it."""

    @classmethod
    def read(cls, folder: Path) -> Rows:
        """From rendered.parquet, and general.parquet where it is there."""
        table = pq.read_table(folder / "rendered.parquet").to_pydict()
        parts: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for held_out, ids, labels in zip(table["held_out"], table["input_ids"], table["labels"], strict=True):
            parts[held_out].append({"input_ids": ids, "labels": labels})
        path = folder / "general.parquet"
        general = pq.read_table(path).to_pylist() if path.is_file() else []
        return cls(Dataset.from_list(parts[False]), Dataset.from_list(parts[True]), Dataset.from_list(general))

    def sample(self) -> Dataset:
        """Some of the training rows, evenly spread, the same each time."""
        return self.train.select(even_places(len(self.train), SAMPLED))


def lengths(rows: Dataset) -> list[int]:
    """Tokens of each row."""
    return [len(ids) for ids in rows["input_ids"]] if len(rows) else []


class EpochSampler(LengthGroupedSampler):  # type: ignore[misc]
    """Batches of like length, in an order that the seed and the number of the epoch alone decide.

    transformers' own sampler draws from the global random stream: what else draws from it, dropout or a run that was
    stopped and goes on, would change the order of the rows.
    """

    def __init__(self, batch_size: int, lengths: list[int], seed: int) -> None:
        super().__init__(batch_size, lengths=lengths)
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return iter(get_length_grouped_indices(self.lengths, self.batch_size, generator=generator))
