"""Draws against transformers' own logits processors, and against the probabilities that they must follow."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from playground.chat.sampling import draw, filtered
from playground.core.settings import Sampling

VOCABULARY = 50


def transformers_filters(scores: torch.Tensor, sampling: Sampling, ids: list[int]) -> torch.Tensor:
    """What `generate` makes of these logits after the tokens `ids`."""
    steps = LogitsProcessorList()
    if sampling.repetition_penalty != 1:
        steps.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature:
        steps.append(TemperatureLogitsWarper(sampling.temperature))
        if sampling.top_k:
            steps.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            steps.append(TopPLogitsWarper(sampling.top_p))
    done: torch.Tensor = steps(torch.tensor([ids]), scores[None])[0]
    return done


def marked(ids: list[int]) -> torch.Tensor:
    seen = torch.zeros(VOCABULARY, dtype=torch.bool)
    seen[ids] = True
    return seen


@given(
    seed=st.integers(0, 2**31),
    ids=st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=20),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    top_k=st.sampled_from([0, 1, 3, 20, 49, 50, 1000]),
    top_p=st.sampled_from([0.01, 0.3, 0.9, 0.99, 1.0]),
    penalty=st.sampled_from([0.7, 1.0, 1.2, 3.0]),
)
def test_the_filters_are_those_of_generate(
    seed: int, ids: list[int], temperature: float, top_k: int, top_p: float, penalty: float
) -> None:
    scores = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 4
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=penalty)
    ours = filtered(scores, sampling, marked(ids))
    torch.testing.assert_close(ours, transformers_filters(scores, sampling, ids))


def test_the_logits_that_came_stay_as_they_are() -> None:
    scores = torch.randn(VOCABULARY)
    before = scores.clone()
    filtered(scores, Sampling(temperature=0.5, top_k=3, top_p=0.5, repetition_penalty=2.0), marked([1, 2]))
    assert torch.equal(scores, before)


def test_temperature_zero_takes_the_likeliest_whatever_the_seed() -> None:
    scores = torch.tensor([0.1, 3.0, 2.9])
    assert {draw(scores, Sampling(seed=seed), torch.Generator().manual_seed(seed)) for seed in range(20)} == {1}
    punished = Sampling(repetition_penalty=1.1)
    assert draw(scores, punished, None, torch.tensor([False, True, False])) == 2


def test_draws_follow_the_probabilities() -> None:
    scores = torch.tensor([0.0, 1.0, 2.0, -1.0])
    dice = torch.Generator().manual_seed(0)
    for temperature in (1.0, 2.0):
        sampling = Sampling(temperature=temperature)
        counts = torch.bincount(torch.tensor([draw(scores, sampling, dice) for _ in range(4000)]), minlength=4)
        torch.testing.assert_close(counts / 4000, (scores / temperature).softmax(-1), atol=0.03, rtol=0)


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"top_p": 0.4}, {0}),
        ({"top_p": 0.79}, {0, 1}),
        ({"top_p": 0.81}, {0, 1, 2}),
        ({"top_p": 1.0}, {0, 1, 2, 3}),
        ({"top_k": 1}, {0}),
        ({"top_k": 2}, {0, 1}),
        ({"top_k": 0}, {0, 1, 2, 3}),
        ({"top_k": 3, "top_p": 0.6}, {0, 1}),
    ],
)
def test_only_the_likeliest_are_drawn(given: dict[str, float], allowed: set[int]) -> None:
    scores = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    dice = torch.Generator().manual_seed(0)
    sampling = Sampling(temperature=1.0, **given)  # type: ignore[arg-type]
    assert {draw(scores, sampling, dice) for _ in range(400)} == allowed


def test_a_filter_on_one_side_keeps_the_dice_of_both_in_step() -> None:
    dice = [torch.Generator().manual_seed(7) for _ in range(2)]
    scores = torch.randn(VOCABULARY)
    for sampling, own in zip((Sampling(temperature=1.0), Sampling(temperature=0.4, top_k=5)), dice, strict=True):
        draw(scores, sampling, own)
    assert torch.equal(torch.rand(4, generator=dice[0]), torch.rand(4, generator=dice[1]))
