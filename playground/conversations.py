"""From records to conversations: messages with checked roles.

    {"prompt": "Hi", "completion": "Ahoy"}
        ->  messages [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]

Messages stay plain dicts, as chat templates read them; whatever else they carry (tool_calls, reasoning_content, name)
is kept. Errors name the row, the message, what was found and what was expected (the habit of torchtune's
`validate_messages`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playground.errors import InputError
from playground.records import Record, json_kind
from playground.words import Sentence, say

ROLES = ("system", "user", "assistant", "tool", "developer")
Message = dict[str, Any]


@dataclass(frozen=True)
class Conversation:
    """One row as messages."""

    row: int
    messages: list[Message]
    tools: list[Any] | None
    shape: str
    """The format that the row was written in: messages or prompt_completion."""


def to_conversation(record: Record) -> Conversation:
    """The record's messages. Raises InputError that names the row, what was found and what was expected."""
    data = record.data
    where = say("Row {row}", row=record.row)
    if "messages" in data:
        messages = check_messages(data["messages"], where)
        shape = "messages"
    elif "prompt" in data and "completion" in data:
        messages = check_messages(
            [*_as_messages(data, "prompt", where), *_as_messages(data, "completion", where)], where
        )
        shape = "prompt_completion"
    else:
        keys = ", ".join(str(key) for key in list(data)[:8]) or say("none")
        raise InputError(
            say("{where} has the keys {keys}.", where=where, keys=keys),
            say("It needs messages, or prompt and completion."),
            say("Rename the keys: the question to prompt, the answer to completion."),
        )
    if not any(message["role"] == "assistant" for message in messages):
        raise InputError(
            say("{where} has no assistant message.", where=where),
            say("The assistant's words are what is learnt."),
            say("Add the answer that the model should give."),
        )
    tools = data.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise InputError(
            say("{where}: tools is {kind}.", where=where, kind=json_kind(tools)),
            say("It must be a list of tool definitions."),
        )
    return Conversation(record.row, messages, tools or None, shape)


def _as_messages(data: dict[str, Any], side: str, where: Sentence) -> list[Any]:
    """The prompt or completion as messages: text becomes one message, a list is taken as messages."""
    value = data[side]
    if isinstance(value, str):
        return [{"role": "user" if side == "prompt" else "assistant", "content": value}]
    if isinstance(value, list):
        return value
    raise InputError(
        say("{where}: the {side} is {kind}.", where=where, side=side, kind=json_kind(value)),
        say("prompt and completion are text, or lists of messages."),
    )


def check_messages(messages: Any, where: Sentence, *, to_show: bool = False) -> list[Message]:
    """The messages, checked one by one. `where` opens each error ("Row 3", "The conversation").

    `to_show`: only a template is going to read them, which may know other roles (ipython, function) and other content
    (images, none at all); whether it does, it says itself.
    Keys whose value is null are left out, as transformers' `apply_chat_template` does.
    """
    if not isinstance(messages, list):
        raise InputError(
            say("{where}: messages is {kind}.", where=where, kind=json_kind(messages)),
            say("It must be a list of messages, each with a role and content."),
        )
    if not messages:
        raise InputError(
            say("{where} has no messages.", where=where), say("It needs at least a question and an answer.")
        )
    return [
        _check_message(message, say("{where}, message {number}", where=where, number=number), to_show)
        for number, message in enumerate(messages, start=1)
    ]


def _check_message(message: Any, where: Sentence, to_show: bool) -> Message:
    if not isinstance(message, dict):
        raise InputError(
            say("{where} is {kind}.", where=where, kind=json_kind(message)),
            say("A message is an object with a role and content."),
        )
    role = message.get("role")
    if role is None:
        raise InputError(
            say("{where} has no role.", where=where),
            say("The role is one of {roles}.", roles=", ".join(ROLES)),
            say("Add the role."),
        )
    if role not in ROLES and not (to_show and isinstance(role, str) and role):
        raise InputError(
            say("{where} has the role {role}.", where=where, role=repr(role)[:40]),
            say("The role is one of {roles}.", roles=", ".join(ROLES)),
            say("Correct the role."),
        )
    if not (to_show and isinstance(message.get("content"), str | list | dict | None)):
        _check_content(message, where)
    return {key: value for key, value in message.items() if value is not None}


def _check_content(message: Message, where: Sentence) -> None:
    content = message.get("content")
    if content is None and (message.get("tool_calls") or message.get("reasoning_content")):
        return  # An assistant that only calls a tool says nothing.
    if isinstance(content, str):
        return
    blocks_of_text = isinstance(content, list) and all(
        isinstance(block, dict) and isinstance(block.get("text"), str) for block in content
    )
    if not blocks_of_text or not content:
        raise InputError(
            say("{where}: content is {kind}.", where=where, kind=json_kind(content)),
            say("It must be text."),
            say("Write the words of the message as content."),
        )
