"""The next token from logits: filters in the order and with the meaning of transformers' `generate`, then one draw.

Drawn by the Gumbel-max trick (Gumbel, 1954; Maddison et al., A* Sampling, 2014): the likeliest token after adding noise
to every logit. Two rows with equal noise and equal logits draw the same token, and where their logits are alike they
mostly do: what differs between base and tuned is then the model, not the dice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from playground.core.settings import Sampling

_NEVER = float("-inf")


def draw(scores: Tensor, sampling: Sampling, generator: torch.Generator | None, seen: Tensor | None = None) -> int:
    """The next token from logits [vocabulary] in fp32; temperature 0 takes the likeliest.

    `seen`: bool [vocabulary], the tokens of the prompt and of the answer so far, for the repetition penalty. As many
    random numbers are taken from `generator` for each token, whatever is filtered: rows with equal seeds stay in step.
    """
    scores = filtered(scores, sampling, seen)
    if sampling.temperature == 0:
        return int(scores.argmax())
    uniform = torch.rand(scores.shape, generator=generator, dtype=torch.float64)
    return int((scores - (-uniform.clamp(min=1e-300).log()).log()).argmax())


def filtered(scores: Tensor, sampling: Sampling, seen: Tensor | None = None) -> Tensor:
    """Logits [vocabulary] after repetition penalty, temperature, top-k and top-p; -inf where nothing is drawn."""
    if sampling.repetition_penalty != 1 and seen is not None:
        # Keskar et al., CTRL, 2019, section 4.1, for either sign of a logit.
        penalty = sampling.repetition_penalty
        scores = torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)
    if sampling.temperature == 0:
        return scores
    scores = scores / sampling.temperature
    if 0 < sampling.top_k < len(scores):
        scores = scores.masked_fill(scores < scores.topk(sampling.top_k).values[-1], _NEVER)
    if sampling.top_p < 1:
        ranked, order = scores.sort(descending=True)
        shares = ranked.softmax(dim=-1)
        # A token stays where those before it hold less than top_p: the likeliest always does.
        beyond = shares.cumsum(dim=-1) - shares >= sampling.top_p
        scores = scores.index_fill(0, order[beyond], _NEVER)
    return scores
