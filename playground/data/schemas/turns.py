"""From a list of turns, as ShareGPT and others write it, to messages with role and content.

    [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ahoy"}]
        ->  [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]

Roles that are not known stay as they are: the checks behind it name them.
"""

from __future__ import annotations

from typing import Any

import orjson

from playground.core.errors import InputError
from playground.core.i18n import Sentence, say
from playground.data.schemas.column_names import ROLES, fold
from playground.data.schemas.python_lists import read_python_list


def decoded(value: Any, where: Sentence, column: str) -> Any:
    """The list that a text cell holds, as JSON or as Python prints it (all that CSV has is text); any other value as it
    is.

    Raises InputError where the text begins like a list and is none.
    """
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return orjson.loads(value)
    except (ValueError, RecursionError):
        found = read_python_list(value)
        if found is not None:
            return found
        raise InputError(
            say("{where}: {column} begins with [ but is not JSON.", where=where, column=column),
            say("It must be a list of messages, each with a role and content."),
            say("Write the list as JSON, with straight double quotation marks."),
        ) from None


def is_from_value(turns: list[Any]) -> bool:
    """Whether the turns are written with from and value (the first object that has either decides)."""
    first = next((turn for turn in turns if isinstance(turn, dict)), {})
    return "from" in first and "role" not in first


def from_sharegpt(turns: list[Any]) -> list[Any]:
    """Each turn as a message. Texts take turns, the user first. What is no turn stays, to be refused by name."""
    if turns and all(isinstance(turn, str) for turn in turns):
        return [{"role": "assistant" if place % 2 else "user", "content": turn} for place, turn in enumerate(turns)]
    return [_message(turn) if isinstance(turn, dict) else turn for turn in turns]


def _message(turn: dict[str, Any]) -> dict[str, Any]:
    role_key = "role" if "role" in turn else "from"
    if role_key not in turn:
        return turn
    content_key = "content" if "content" in turn or "value" not in turn else "value"
    role, content = turn[role_key], turn.get(content_key)
    more = {key: value for key, value in turn.items() if key not in (role_key, content_key)}
    if not isinstance(role, str):
        return {"role": role, "content": content, **more}
    if fold(role) == "functioncall" and (calls := _calls(content)):
        return {"role": "assistant", "tool_calls": calls, **more}
    known = "assistant" if fold(role) == "functioncall" else ROLES.get(fold(role), role)
    return {"role": known, "content": content, **more}


def _calls(content: Any) -> list[dict[str, Any]]:
    """The tool calls that a function_call turn holds as JSON, as OpenAI's messages have them; [] where it holds none.

    '{"name": "weather", "arguments": {}}' -> [{"type": "function", "function": {"name": "weather", "arguments": {}}}]
    """
    if isinstance(content, str):
        try:
            content = orjson.loads(content)
        except (ValueError, RecursionError):
            return []
    calls = content if isinstance(content, list) else [content]
    if not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in calls):
        return []
    return [
        {"type": "function", "function": {"name": call["name"], "arguments": call.get("arguments", {})}}
        for call in calls
    ]
