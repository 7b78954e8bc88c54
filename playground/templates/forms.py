"""The form in which a template reads what may be written in several: found by rendering, never by a model's name.

    Forms(renderer, options).fit(messages)

    content          text; blocks of text where plain text does not come through
    absent content   left out; "" where a message without it is refused
    arguments        an object; JSON text where an object is refused or written as Python prints it
    ids of calls     as they are; made up where a template demands them, and nine letters long where it wants them so

Messages arrive in the normal form (data/schemas/normal_form.py). Each question is asked once, where it matters.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import Any

import orjson

from playground.core.errors import PlaygroundError
from playground.core.messages import Message
from playground.core.settings import RenderOptions
from playground.templates.doctor.prober import sentinel
from playground.templates.renderer import Renderer
from playground.templates.repairs import arguments_to_text, fill_content, to_blocks

_WORDS, _VALUE, _NAME, _KEY = (sentinel(9970 + number) for number in range(4))
_ID = "callA0001"
"""As Mistral's templates want ids: nine letters and digits."""
_NINE = re.compile(r"[A-Za-z0-9]{9}")
_ASKED: Message = {"role": "user", "content": _WORDS}
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": _NAME,
            "description": _NAME,
            "parameters": {"type": "object", "properties": {_KEY: {"type": "string", "description": _KEY}}},
        },
    }
]


class Forms:
    """What one template reads, with options that are the same for all its conversations."""

    def __init__(self, renderer: Renderer, options: RenderOptions) -> None:
        self._renderer = renderer
        self._options = replace(
            options, add_generation_prompt=False, continue_final_message=False, documents=None, tools=None
        )

    def fit(self, messages: list[Message]) -> list[Message]:
        """The messages as this template reads them; the same list where nothing has to change."""
        if self.wants_blocks:
            messages = to_blocks(messages) or messages
        if all("content" in message and "tool_calls" not in message for message in messages):
            return messages
        if any(message.get("tool_calls") for message in messages):
            if self._wants_text:
                messages = arguments_to_text(messages) or messages
            if self._needs_ids:
                messages = _with_ids(messages, nine=self._wants_nine)
        if self._wants_content:
            messages = fill_content(messages) or messages
        return messages

    @cached_property
    def wants_blocks(self) -> bool:
        """Whether words come through in blocks alone."""
        plain = self._text([_ASKED])
        if plain is not None and _WORDS in plain:
            return False
        return _WORDS in (self._text(to_blocks([_ASKED]) or []) or "")

    @cached_property
    def _wants_text(self) -> bool:
        written = self._calling({_KEY: _VALUE})
        if written is not None and _VALUE in written and f"{{'{_KEY}'" not in written:
            return False
        text = orjson.dumps({_KEY: _VALUE}).decode()
        return text in (self._calling(text) or "")

    @cached_property
    def _needs_ids(self) -> bool:
        return self._wants_nine or (self._with_id(None) is None and self._with_id(_ID) is not None)

    @cached_property
    def _wants_nine(self) -> bool:
        return self._with_id("call_A0001_A0001") is None and self._with_id(_ID) is not None

    @cached_property
    def _wants_content(self) -> bool:
        call: Message = {"role": "assistant", "tool_calls": [_call(_ID, self._arguments)]}
        return self._text([_ASKED, call]) is None and self._text([_ASKED, {**call, "content": ""}]) is not None

    @property
    def _arguments(self) -> Any:
        return orjson.dumps({_KEY: _VALUE}).decode() if self._wants_text else {_KEY: _VALUE}

    def _with_id(self, identity: str | None) -> str | None:
        call = {"role": "assistant", "content": "", "tool_calls": [_call(identity, self._arguments)]}
        result = {"role": "tool", "name": _NAME, "content": _VALUE, **({"tool_call_id": identity} if identity else {})}
        return self._text([_ASKED, call, result])

    def _calling(self, arguments: Any) -> str | None:
        return self._text([_ASKED, {"role": "assistant", "content": "", "tool_calls": [_call(_ID, arguments)]}])

    def _text(self, messages: list[Message]) -> str | None:
        """The text with the tools defined; without, where only so it is not refused."""
        for tools in (_TOOLS, None):
            try:
                return self._renderer.text(messages, replace(self._options, tools=tools))
            except PlaygroundError:
                continue
        return None


def _call(identity: str | None, arguments: Any) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": _NAME, "arguments": arguments}}
    return {"id": identity, **call} if identity else call


def _with_ids(messages: list[Message], *, nine: bool) -> list[Message]:
    """Each call with an id that the template takes, and each result with the id of its call, by order where none."""
    made: dict[Any, str] = {}
    waiting: list[str] = []
    changed: list[Message] = []
    for message in messages:
        if message["role"] == "tool":
            given = message.get("tool_call_id")
            identity = made.get(given) or (waiting[0] if waiting else _made(made, given, nine=nine))
            waiting = [other for other in waiting if other != identity]
            message = {**message, "tool_call_id": identity}
        elif isinstance(calls := message.get("tool_calls"), list):
            named = [{**call, "id": _made(made, call.get("id"), nine=nine)} for call in calls]
            waiting += [call["id"] for call in named]
            message = {**message, "tool_calls": named}
        changed.append(message)
    return changed if changed != messages else messages


def _made(made: dict[Any, str], given: Any, *, nine: bool) -> str:
    """The id to write for the one that was given."""
    fits = isinstance(given, str) and bool(_NINE.fullmatch(given) if nine else given)
    identity = given if fits else f"call{len(made):05d}"
    made[given if given is not None else len(made)] = identity
    return str(identity)
