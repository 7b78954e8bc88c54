"""How answers are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from playground.settings.checks import build, check_number, refuse
from playground.words import say


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn. Base and tuned draw with the same random numbers."""

    max_new_tokens: int = 128
    """Longest answer, in tokens."""
    temperature: float = 0.0
    """0: always the likeliest token (greedy). Higher: more variety."""
    top_p: float = 1.0
    """Draw only from the likeliest tokens that together hold this share of the probability."""
    seed: int = 0
    """Equal seeds give equal draws."""
    system: str = ""
    """System prompt put before the conversation; "" adds none."""

    def __post_init__(self) -> None:
        check_number("max_new_tokens", self.max_new_tokens, 1, 4096, whole=True)
        check_number("temperature", self.temperature, 0, 5)
        check_number("top_p", self.top_p, 0.01, 1)
        check_number("seed", self.seed, 0, 2**32 - 1, whole=True)
        if not isinstance(self.system, str):
            raise refuse("system", self.system, say("text"))

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        return build(cls, given)
