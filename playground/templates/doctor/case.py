"""One conversation on the doctor's table: what was asked, what was rendered, and where its words stand."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from playground.core.messages import Message
from playground.core.settings import RenderOptions
from playground.templates.doctor.facts import TemplateFacts
from playground.templates.doctor.prober import Asker
from playground.templates.locate import Slot
from playground.templates.rendered import Rendered


@dataclass(frozen=True)
class Case:
    asker: Asker
    messages: list[Message]
    options: RenderOptions
    rendered: Rendered
    facts: TemplateFacts
    stop_ids: set[int] | None
    """The ids that `generation_config` ends an answer on; None where they are not known."""
    slots: list[Slot]

    @property
    def text(self) -> str:
        return self.rendered.text

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, or None."""
        return self.asker.renderer.tokenizer

    def has_role(self, role: str) -> bool:
        return any(message["role"] == role for message in self.messages)

    def trained(self, start: int, end: int) -> list[bool]:
        """For each token that stands for some of these characters, whether it is trained."""
        return [bool(self.rendered.loss_mask[place]) for place in self.tokens(start, end)]

    def tokens(self, start: int, end: int) -> list[int]:
        """Places of the tokens that stand for some of these characters."""
        first = bisect_left(self._ends, start + 1)
        return [place for place in range(first, bisect_left(self._starts, end)) if self._ends[place] > start]

    def next_words(self, position: int) -> int:
        """Where the next words that somebody wrote begin, from a character on; else the end of the text."""
        place = bisect_left(self._words, position)
        return self._words[place] if place < len(self._words) else len(self.text)

    @cached_property
    def _words(self) -> list[int]:
        return sorted(slot.place[0] for slot in self.slots if slot.place is not None)

    @cached_property
    def _starts(self) -> list[int]:
        return [start for start, _ in self.rendered.offsets]

    @cached_property
    def _ends(self) -> list[int]:
        return [end for _, end in self.rendered.offsets]

    def answers(self) -> list[Slot]:
        """What the assistant says, where it was found in the text; turns that end in a tool call left out."""
        return [
            slot
            for slot in self.slots
            if slot.place is not None
            and slot.field == "content"
            and self.messages[slot.message]["role"] == "assistant"
            and not self.messages[slot.message].get("tool_calls")
        ]

    def token_text(self, index: int) -> str:
        """The token as it is written."""
        if index in self.facts.control:
            return self.facts.control[index][0]
        return str(self.tokenizer.decode([index]))
