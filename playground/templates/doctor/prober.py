"""Asking a template what it does: conversations of sentinel words go in, and the text that comes out tells.

The idea is that of TRL's `supports_tool_calling`: never look at a model's name, look at what is written. Every question
is a render, and a template may be slow, so questions stop when a budget of time is spent.
"""

from __future__ import annotations

import re
from dataclasses import replace
from time import monotonic
from typing import Any

from playground.core.errors import PlaygroundError
from playground.core.messages import Message
from playground.core.settings import RenderOptions
from playground.templates.renderer import Renderer

BUDGET_S = 0.4
_TAG = re.compile(r"<[^<>\s]{1,60}>|\[[^\[\]\s]{1,40}\]")
"""What control tokens look like, for templates whose tokens the tokenizer at hand may not know."""


class OutOfTime(Exception):
    """The budget is spent: the question was not asked."""


class Budget:
    """Seconds that the questions may take together. A render that would not fit is not begun."""

    def __init__(self, seconds: float = BUDGET_S, slowest: float = 0.0) -> None:
        """`slowest`: what a render is known to take at worst, in seconds."""
        self.until = monotonic() + seconds
        self.slowest = slowest
        self.renders = 0

    def begin(self) -> float:
        """The moment. Raises OutOfTime where one more render may not fit."""
        now = monotonic()
        if now + self.slowest > self.until:
            raise OutOfTime
        self.renders += 1
        return now

    def end(self, begun: float) -> None:
        self.slowest = max(self.slowest, monotonic() - begun)


class Asker:
    """Renders variations of a conversation within the budget."""

    def __init__(self, renderer: Renderer, options: RenderOptions, budget: Budget) -> None:
        self.renderer = renderer
        self.options = options
        self.budget = budget

    def text(self, messages: list[Message], **changes: Any) -> str | None:
        """The text with some options changed, None where the template refuses. Raises OutOfTime."""
        begun = self.budget.begin()
        try:
            return self.renderer.text(messages, replace(self.options, **changes))
        except PlaygroundError:
            return None
        finally:
            self.budget.end(begun)

    def closed(self, messages: list[Message]) -> str | None:
        """The text of a conversation that nobody is about to go on with."""
        return self.text(messages, add_generation_prompt=False, continue_final_message=False)

    def with_template(self, source: str) -> Asker:
        """The same options and budget for another template."""
        return Asker(Renderer(self.renderer.tokenizer, source, self.renderer.output_chars), self.options, self.budget)


SENTINELS = re.compile(r"Zqx\d{4}Kv")


def sentinel(number: int) -> str:
    """A word that no template writes by itself; none begins another."""
    return f"Zqx{number:04d}Kv"


def common(one: str, other: str) -> int:
    """How many characters both begin with."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    low, high = 0, shorter
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def parting(one: str, other: str) -> int:
    """Where `other` parts from `one`, moved back to the start of a tag that both have only the first half of."""
    place = common(one, other)
    for tag in _TAG.finditer(other, max(place - 60, 0), place + 60):
        if tag.start() < place < tag.end():
            return tag.start()
    return place


def without_tags(text: str) -> str:
    return _TAG.sub(" ", text)


def shown(text: str, limit: int = 60) -> str:
    """Text for a sentence: line breaks as \\n, the middle left out where it is long."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return text if len(text) <= limit else text[: limit // 2] + " … " + text[-limit // 2 :]
