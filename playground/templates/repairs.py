"""Changes to a conversation that one click offers: each gives new messages, or None where it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson

from playground.core.findings import Action
from playground.core.messages import Message, merged
from playground.templates.locate import plain_text


def merge_system(messages: list[Message]) -> list[Message] | None:
    """System turns written at the beginning of the first user's turn."""
    system = "\n\n".join(plain_text(message) for message in messages if message["role"] == "system")
    others = [message for message in messages if message["role"] != "system"]
    first = next((place for place, message in enumerate(others) if message["role"] == "user"), None)
    if len(others) == len(messages) or first is None:
        return None
    content = others[first].get("content")
    if isinstance(content, list):
        content = [{"type": "text", "text": system + "\n\n"}, *content]
    else:
        content = f"{system}\n\n{content or ''}"
    return [*others[:first], {**others[first], "content": content}, *others[first + 1 :]]


def merge_neighbours(messages: list[Message]) -> list[Message] | None:
    """Turns of one role in a row made one, where each is text alone."""
    fewer = merged(messages)
    return fewer if len(fewer) < len(messages) else None


def developer_to_system(messages: list[Message]) -> list[Message] | None:
    return _each(messages, lambda m: {**m, "role": "system"} if m["role"] == "developer" else m)


def to_blocks(messages: list[Message]) -> list[Message] | None:
    """Plain text as one block of text."""

    def change(message: Message) -> Message:
        content = message.get("content")
        return {**message, "content": [{"type": "text", "text": content}]} if isinstance(content, str) else message

    return _each(messages, change)


def to_text(messages: list[Message]) -> list[Message] | None:
    """Blocks of text as plain text."""

    def change(message: Message) -> Message:
        return {**message, "content": plain_text(message)} if isinstance(message.get("content"), list) else message

    return _each(messages, change)


def fill_content(messages: list[Message]) -> list[Message] | None:
    """Empty content where a message has none, as one that only calls a tool."""
    return _each(messages, lambda m: m if "content" in m else {**m, "content": ""})


def parse_arguments(messages: list[Message]) -> list[Message] | None:
    """The arguments of tool calls as objects where they are JSON in a string, as OpenAI's API writes them."""
    return _each_call(messages, lambda given: orjson.loads(given) if isinstance(given, str) else given)


def arguments_to_text(messages: list[Message]) -> list[Message] | None:
    """The arguments of tool calls as JSON in a string where they are objects, spaced as json.dumps does."""
    return _each_call(
        messages, lambda given: json.dumps(given, ensure_ascii=False) if isinstance(given, dict | list) else given
    )


def arguments_of(message: Message) -> list[Any]:
    """The arguments of each of a message's calls."""
    calls = message.get("tool_calls")
    functions = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return [function["arguments"] for function in functions if isinstance(function, dict) and "arguments" in function]


def _each_call(messages: list[Message], change: Callable[[Any], Any]) -> list[Message] | None:
    def changed(call: Any) -> Any:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or "arguments" not in function:
            return call
        try:
            return {**call, "function": {**function, "arguments": change(function["arguments"])}}
        except (ValueError, RecursionError):
            return call

    def in_message(message: Message) -> Message:
        calls = message.get("tool_calls")
        return {**message, "tool_calls": [changed(call) for call in calls]} if isinstance(calls, list) else message

    return _each(messages, in_message)


def _each(messages: list[Message], change: Any) -> list[Message] | None:
    changed = [change(message) for message in messages]
    return changed if changed != messages else None


def conversation(messages: list[Message]) -> Action:
    """The action that puts these messages in place of the conversation."""
    return {"kind": "conversation", "messages": messages}
