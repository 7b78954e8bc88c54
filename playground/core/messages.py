"""Conversations: messages with checked roles. What a row is made of becomes messages in data/schemas/.

Messages stay plain dicts, as chat templates read them; whatever else they carry (tool_calls, reasoning_content, name)
is kept. Errors name the row, the message, what was found and what was expected (the habit of torchtune's
`validate_messages`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from playground.core.errors import InputError
from playground.core.i18n import Sentence, say

if TYPE_CHECKING:
    from playground.core.findings import Finding

ROLES = ("system", "user", "assistant", "tool", "developer")
Message = dict[str, Any]


@dataclass(frozen=True)
class Conversation:
    """One row as messages."""

    row: int
    messages: list[Message]
    tools: list[Any] | None
    shape: str
    """How the row was written: messages, sharegpt, alpaca, prompt_completion, question_answer or text; mapped where a
    mapping chose the columns."""
    reason: Sentence | None = None
    """Why it was taken for that shape."""
    findings: tuple[Finding, ...] = ()
    """What is to be told of the way in which it was read."""
    unused: tuple[str, ...] = ()
    """Columns of its row that were not read."""

    @property
    def plain_text(self) -> str | None:
        """The words of a row that is text and no conversation: it is learned as it stands, without a template."""
        is_text = self.shape == "text" and len(self.messages) == 1
        return str(self.messages[0].get("content") or "") if is_text else None


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
    return [_check_message(message, where, number, to_show) for number, message in enumerate(messages, start=1)]


def _check_message(message: Any, row: Sentence, number: int, to_show: bool) -> Message:
    # Tens of thousands of messages are all right: only a refusal has to say where it is.
    role = message.get("role") if isinstance(message, dict) else None
    if role not in ROLES and not (to_show and isinstance(role, str) and role):
        raise _refuse_message(message, say("{where}, message {number}", where=row, number=number))
    content = message.get("content")
    if not isinstance(content, str) and not (to_show and isinstance(content, list | dict | None)):
        _check_content(message, say("{where}, message {number}", where=row, number=number))
    return {key: value for key, value in message.items() if value is not None}


def _refuse_message(message: Any, where: Sentence) -> InputError:
    if not isinstance(message, dict):
        return InputError(
            say("{where} is {kind}.", where=where, kind=json_kind(message)),
            say("A message is an object with a role and content."),
        )
    if message.get("role") is None:
        return InputError(
            say("{where} has no role.", where=where),
            say("The role is one of {roles}.", roles=", ".join(ROLES)),
            say("Add the role."),
        )
    return InputError(
        say("{where} has the role {role}.", where=where, role=repr(message["role"])[:40]),
        say("The role is one of {roles}.", roles=", ".join(ROLES)),
        say("Correct the role."),
    )


def _check_content(message: Message, where: Sentence) -> None:
    content = message.get("content")
    if content is None and (message.get("tool_calls") or message.get("reasoning_content")):
        return  # An assistant that only calls a tool says nothing.
    blocks_of_text = isinstance(content, list) and all(
        isinstance(block, dict) and isinstance(block.get("text"), str) for block in content
    )
    if not blocks_of_text or not content:
        raise InputError(
            say("{where}: content is {kind}.", where=where, kind=json_kind(content)),
            say("It must be text."),
            say("Write the words of the message as content."),
        )


def json_kind(value: object) -> Sentence:
    """What a JSON value is, in words."""
    if value is None:
        return say("null")
    if isinstance(value, bool):
        return say("true or false")
    if isinstance(value, (int, float)):
        return say("a number")
    if isinstance(value, str):
        return say("text")
    if isinstance(value, list):
        return say("a list")
    return say("an object")


def merged(messages: list[Any]) -> list[Any]:
    """Neighbours of the same role become one, joined by a blank line.

    Two answers of tools stay two, and so does a message with calls or blocks: joined they would mean something else.
    """
    result: list[Any] = []
    for role, neighbours in groupby(messages, key=lambda message: message["role"] if is_plain(message) else None):
        group = list(neighbours)
        if role is None or len(group) == 1:
            result += group
        else:
            parts = [message["content"] for message in group if message["content"].strip()]
            result.append({**group[0], "content": "\n\n".join(parts)})
    return result


def is_read_only(message: Message) -> bool:
    """Whether an answer is to be read and not learned, as its weight of 0 says in OpenAI's rows."""
    return message.get("weight") == 0 and message["role"] == "assistant"


def is_plain(message: Any) -> bool:
    """Whether the message is a role and text, and nothing that gets lost when it is joined to another."""
    return (
        isinstance(message, dict)
        and message.get("role") in ("system", "developer", "user", "assistant")
        and isinstance(message.get("content"), str)
        and all(value in (None, [], "") for key, value in message.items() if key not in ("role", "content"))
    )
