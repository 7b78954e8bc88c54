"""Conversations to start from: each shows something else about chat templates, some by breaking them.

    assets/conversations/tools.json  ->  Sample("tools", title, about, messages, tools, options={}, breaks=False)

A file holds {"messages"} and, where the sample needs them, {"tools"} and {"options"}: fields of RenderOptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from playground.core.i18n import Sentence, say
from playground.core.messages import Message
from playground.core.paths import ASSETS

FOLDER = ASSETS / "conversations"


@dataclass(frozen=True)
class Sample:
    """One conversation of the gallery."""

    name: str
    """The file's name without .json."""
    title: Sentence
    about: Sentence
    """What it shows, in one sentence."""
    messages: list[Message]
    tools: list[Any] | None
    """Tool definitions as JSON schemas."""
    options: dict[str, Any]
    """Fields of RenderOptions that belong to it, such as continue_final_message."""
    breaks: bool
    """Whether it is there to bring out what a template does badly."""


def samples() -> list[Sample]:
    """Every sample, those that break things last. Read anew at each call: nobody shares what another may change."""
    sound = [_read(*named, breaks=False) for named in _sound()]
    return sound + [_read(*named, breaks=True) for named in _breaking()]


def _read(name: str, title: Sentence, about: Sentence, *, breaks: bool) -> Sample:
    data = orjson.loads((FOLDER / f"{name}.json").read_bytes())
    return Sample(name, title, about, data["messages"], data.get("tools"), data.get("options", {}), breaks)


def _sound() -> list[tuple[str, Sentence, Sentence]]:
    """(name, title, about) of the samples that a good template renders without loss."""
    return [
        ("single-turn", say("Question and answer"), say("The smallest conversation that can be trained on.")),
        ("several-turns", say("Several turns"), say("Each answer is trained, or only the last: the mask shows which.")),
        ("system-prompt", say("With a system prompt"), say("Some templates have no place for it, or move it.")),
        ("only-a-question", say("Only a question"), say("Ends with the generation prompt, as when a model is asked.")),
        ("prefilled", say("A prefilled answer"), say("The last answer stays open, and the model goes on from there.")),
        ("tools", say("Tools"), say("A tool's definition, two calls, their results and the answer.")),
        ("reasoning", say("Reasoning"), say("Many templates drop the reasoning of every answer but the last.")),
        ("japanese", say("In Japanese"), say("Characters that take several tokens each.")),
        ("japanese-tools", say("Tools, in Japanese"), say("Whether Japanese in JSON stays readable or is escaped.")),
        ("long", say("A longer talk"), say("About 500 tokens over nine turns.")),
    ]


def _breaking() -> list[tuple[str, Sentence, Sentence]]:
    """(name, title, about) of those that bring out what templates do badly."""
    return [
        (
            "control-tokens",
            say("Control tokens in a user's text"),
            say("A user writes what looks like the end of the turn and a new system prompt."),
        ),
        ("two-user-turns", say("Two user turns in a row"), say("Some templates refuse it, others merge the turns.")),
        ("late-system", say("A system turn in the middle"), say("Often refused, dropped or moved to the beginning.")),
        ("spaces", say("Spaces around the words"), say("Whether a template trims what you train on.")),
        ("empty-answer", say("An empty answer"), say("Only the end of the turn is left to train on.")),
        (
            "unusual-characters",
            say("Emoji and combining marks"),
            say("One character on the screen may be many code points and more tokens."),
        ),
    ]
