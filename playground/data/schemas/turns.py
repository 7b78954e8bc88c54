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

_PAIRS = (
    ("input", "output"), ("question", "answer"), ("instruction", "output"), ("instruction", "response"),
    ("prompt", "response"), ("prompt", "completion"), ("query", "response"), ("user", "assistant"),
    ("human", "assistant"), ("human", "gpt"), ("user", "bot"), ("q", "a"), ("質問", "回答"), ("入力", "出力"),
)  # fmt: skip
"""Keys under which a turn holds a question and its answer, folded."""


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


def are_messages(value: Any) -> bool:
    """Whether each of a list is an object that says whose turn it is."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and ("role" in item or "from" in item) for item in value)
    )


def pair_keys(turns: list[Any]) -> tuple[str, str] | None:
    """The keys of question and answer where each turn is such a pair, as Capybara has them (input, output)."""
    first = turns[0] if turns and isinstance(turns[0], dict) else {}
    if "role" in first or "from" in first:
        return None
    names = {fold(key): key for key in first}
    keys = next(((names[q], names[a]) for q, a in _PAIRS if q in names and a in names), None)
    if keys is None or not all(isinstance(turn, dict) and turn.keys() >= set(keys) for turn in turns):
        return None
    return keys


def is_list_of_pairs(turns: list[Any]) -> bool:
    """[[question, answer], ...], as Gradio's chats once were and LLaMA-Factory's history is."""
    return bool(turns) and all(
        isinstance(turn, list) and len(turn) == 2 and all(isinstance(words, str | None) for words in turn)
        for turn in turns
    )


def turns_of(turns: list[Any]) -> list[Any]:
    """Each turn as a message. Texts take turns, the user first. What is no turn stays, to be refused by name."""
    if turns and all(isinstance(turn, str) for turn in turns):
        return [{"role": "assistant" if place % 2 else "user", "content": turn} for place, turn in enumerate(turns)]
    if is_list_of_pairs(turns):
        return [message for question, answer in turns for message in _pair(question, answer, {})]
    if keys := pair_keys(turns):
        return [
            message
            for turn in turns
            for message in _pair(turn[keys[0]], turn[keys[1]], {k: v for k, v in turn.items() if k not in keys})
        ]
    return [_message(turn) if isinstance(turn, dict) else turn for turn in turns]


def _pair(question: Any, answer: Any, more: dict[str, Any]) -> list[dict[str, Any]]:
    """What stands beside a pair is about its answer."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer, **more}]


def _message(turn: dict[str, Any]) -> dict[str, Any]:
    role_key = "role" if "role" in turn else "from"
    if role_key not in turn:
        return turn
    content_key = "content" if "content" in turn or "value" not in turn else "value"
    role = turn[role_key]
    more = {key: value for key, value in turn.items() if key not in (role_key, content_key)}
    known = ROLES.get(fold(role), role) if isinstance(role, str) else role
    said = {"content": turn[content_key]} if content_key in turn else {}
    return {"role": known, **said, **more}
