"""Tokens of the trainer's batches, against transformers' sampler and TRL's packing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl import pack_dataset

from playground.core.settings import TrainSettings
from playground.data.batch_tokens import Floats, eval_tokens, grouped, packs, padding_share, step_tokens

CHAT = np.random.default_rng(7).lognormal(4.6, 0.6, 5000).astype(int).clip(10, 500)
"""Lengths as rows of chat have them: most short, a few long."""


def sampled(lengths: list[int], batch: int, accumulation: int, seed: int) -> Floats:
    """Tokens of each step of an epoch, batch by batch, as transformers 5.23's own sampler orders the rows."""
    generator = torch.Generator().manual_seed(seed)
    order = get_length_grouped_indices(lengths, batch * accumulation, generator=generator)
    batches = [order[start : start + batch] for start in range(0, len(order), batch)]
    tokens = [len(places) * max(lengths[place] for place in places) for places in batches]
    return np.array([sum(tokens[start : start + accumulation]) for start in range(0, len(tokens), accumulation)])


@pytest.mark.parametrize(
    ("rows", "batch", "accumulation"), [(37, 4, 1), (200, 4, 1), (200, 2, 4), (1500, 8, 2), (9, 16, 1)]
)
def test_an_epoch_has_the_tokens_that_the_real_sampler_gives(rows: int, batch: int, accumulation: int) -> None:
    lengths = CHAT[:rows].tolist()
    real = np.mean([sampled(lengths, batch, accumulation, seed) for seed in range(20)], axis=0)
    asked = TrainSettings(per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation)
    ours = step_tokens(asked, lengths)
    assert len(ours) == len(real)
    assert ours.sum() == pytest.approx(real.sum(), rel=0.02)
    # The first steps count most: a run cut short by its budget has no others.
    first = max(len(real) // 5, 1)
    assert ours[:first].sum() == pytest.approx(real[:first].sum(), rel=0.04)
    assert np.abs(ours - real).mean() <= 0.06 * real.mean()


def test_padding_is_what_a_batch_is_filled_up_with() -> None:
    assert padding_share([10, 10, 10], 2, 1, "given") == 0
    assert padding_share([10, 5, 5, 10], 2, 1, "given") == pytest.approx(10 / 40)
    assert padding_share([10, 5, 5, 10], 2, 1, "random") == pytest.approx(1 - 30 / 37, abs=0.05)
    assert padding_share([], 4, 1, "grouped") == 0


def test_one_draw_stands_for_large_sets() -> None:
    lengths = np.tile(CHAT, 10)
    real = sampled(lengths.tolist(), 8, 1, 0)
    ours = step_tokens(TrainSettings(per_device_train_batch_size=8), lengths)
    assert ours.sum() == pytest.approx(real.sum(), rel=0.01)
    assert ours[:50].sum() == pytest.approx(real[:50].sum(), rel=0.1)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=400), st.integers(1, 16), st.integers(0, 99))
def test_a_shuffle_has_the_form_of_the_real_one(lengths: list[int], batch: int, seed: int) -> None:
    ours = grouped(np.array(lengths), batch, np.random.default_rng(seed))
    assert sorted(ours.tolist()) == sorted(lengths)
    assert ours[0] == max(lengths)
    lot = max(min(len(lengths) // (batch * 4), 50), 1) * batch
    for start in range(0, len(ours), lot):
        # But for the row that changed places with the longest.
        assert (np.diff(ours[start : start + lot][1:]) <= 0).all()


@given(st.lists(st.integers(1, 900), min_size=1, max_size=200), st.integers(1, 9), st.integers(1, 5))
def test_in_the_order_given(lengths: list[int], batch: int, accumulation: int) -> None:
    asked = TrainSettings(
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        shuffle_dataset=False,
        max_length=512,
    )
    cut = [min(length, 512) for length in lengths]
    batches = [cut[start : start + batch] for start in range(0, len(cut), batch)]
    tokens = [max(rows) * len(rows) for rows in batches]
    wanted = [sum(tokens[start : start + accumulation]) for start in range(0, len(tokens), accumulation)]
    assert step_tokens(asked, lengths).tolist() == wanted


@given(st.lists(st.integers(1, 300), min_size=1, max_size=120), st.sampled_from([64, 200]))
def test_packs_are_those_of_trl(lengths: list[int], max_length: int) -> None:
    rows = Dataset.from_dict({"input_ids": [[1] * length for length in lengths]})
    real = pack_dataset(rows, max_length, "bfd")
    assert sorted(packs(np.array(lengths), max_length)) == sorted(len(ids) for ids in real["input_ids"])


def test_many_packs_are_counted_by_a_part() -> None:
    lengths = np.concatenate([CHAT] * 2)
    rows = Dataset.from_dict({"input_ids": [[1] * length for length in lengths]})
    real = pack_dataset(rows, 512, "bfd")
    ours = packs(lengths, 512)
    assert len(ours) == pytest.approx(len(real), rel=0.01)
    assert ours.sum() == pytest.approx(lengths.sum(), rel=0.01)


def test_packed_rows_are_not_padded() -> None:
    asked = TrainSettings(packing=True, max_length=512, per_device_train_batch_size=2, gradient_accumulation_steps=2)
    ours = step_tokens(asked, CHAT[:600])
    assert ours.sum() == CHAT[:600].sum()
    assert len(ours) == -(-len(packs(CHAT[:600], 512)) // 4)


def test_rows_without_tokens_are_in_no_pack() -> None:
    assert packs(np.array([0, 5, 0]), 64).tolist() == [5]


def test_nothing_to_train_on_is_one_empty_step() -> None:
    assert step_tokens(TrainSettings(), []).tolist() == [0.0]
    assert step_tokens(TrainSettings(packing=True), [0, 0]).tolist() == [0.0]


def test_a_look_goes_through_the_rows_by_length() -> None:
    assert eval_tokens([9, 1, 2, 8, 5], 2) == 2 * 2 + 8 * 2 + 9
    assert eval_tokens([], 4) == 0
