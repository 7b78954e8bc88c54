"""How answers are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from playground.core.i18n import say
from playground.core.settings.checks import build, check_number, refuse


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn. Base and tuned draw with the same random numbers."""

    max_new_tokens: int = 128
    """Longest answer, in tokens."""
    temperature: float = 0.0
    """0: always the likeliest token (greedy). Higher: more variety."""
    top_p: float = 1.0
    """Draw only from the likeliest tokens that together hold this share of the probability."""
    top_k: int = 0
    """Draw only from so many of the likeliest tokens; 0 sets no limit."""
    repetition_penalty: float = 1.0
    """Above 1, tokens that stand in the prompt or in the answer become less likely; 1 leaves them as they are."""
    seed: int = 0
    """Equal seeds give equal draws."""
    system: str = ""
    """System prompt put before the conversation; "" adds none."""

    def __post_init__(self) -> None:
        check_number("max_new_tokens", self.max_new_tokens, 1, 4096, whole=True)
        check_number("temperature", self.temperature, 0, 5)
        check_number("top_p", self.top_p, 0.01, 1)
        check_number("top_k", self.top_k, 0, 1_000_000, whole=True)
        check_number("repetition_penalty", self.repetition_penalty, 0.1, 10)
        check_number("seed", self.seed, 0, 2**32 - 1, whole=True)
        if not isinstance(self.system, str):
            raise refuse("system", self.system, say("text"))

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        return build(cls, given)
