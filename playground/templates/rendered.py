"""What rendering a conversation gives: its text, what of it is learned, and both as tokens."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np

from playground.core.errors import InputError
from playground.templates.locate import Interval
from playground.templates.masking import Turn
from playground.templates.spans import Span

MaskSource = Literal["generation", "training_template", "sentinels", "prefix", "all", "none"]


class TemplateRefusal(InputError):
    """The template does not render a conversation."""

    said = ""
    """What the template's author has it say, "" where it is Python or Jinja that gives up."""

    def quoting(self, said: str) -> TemplateRefusal:
        self.said = said
        return self


@dataclass(frozen=True)
class Rendered:
    """A conversation as the model sees it. The lists `input_ids`, `loss_mask` and `offsets` have one entry a token."""

    text: str
    spans: list[Span]
    mask_source: MaskSource
    input_ids: list[int]
    loss_mask: list[int]
    """1 where the token is supervised."""
    offsets: list[Interval]
    """The characters of `text` that each token stands for."""

    def labels(self) -> list[int]:
        """`input_ids` with -100 where nothing is learned: what the trainer gets."""
        return [token if kept else -100 for token, kept in zip(self.input_ids, self.loss_mask, strict=True)]


@dataclass(frozen=True)
class Supervised:
    """A conversation as text, with what of it is learned."""

    text: str
    mask_source: MaskSource
    learned: list[Interval]
    """Stretches of characters, sorted."""
    turns: list[Turn | None]
    """One entry a message where it was asked for or needed, else empty."""


def supervised_tokens(offsets: list[Interval], learned: list[Interval]) -> np.ndarray[Any, np.dtype[np.int8]]:
    """1 for each token that stands for at least one learned character, shape (tokens,). `learned` is sorted.

    A token across the edge of a stretch counts, as it does for transformers: its loss cannot be split.
    """
    learned = [interval for interval in learned if interval[0] < interval[1]]
    if not offsets or not learned:
        return np.zeros(len(offsets), dtype=np.int8)
    # From one iterator: numpy takes three times as long to look into a list of pairs.
    tokens = np.fromiter(chain.from_iterable(offsets), np.int32, 2 * len(offsets)).reshape(-1, 2)
    stretches = np.array(learned)
    # The last stretch that begins before the token ends is the only one that can reach into it.
    before_its_end = np.maximum(tokens[:, 1] - 1, tokens[:, 0])
    place = np.searchsorted(stretches[:, 0], before_its_end, side="right") - 1
    return ((place >= 0) & (stretches[place, 1] > tokens[:, 0])).astype(np.int8)
