"""The history of a chat that somebody wants an answer to, as chat interfaces keep it, as messages.

    [["Hi", "Ahoy"], ["Who are you?", None]]                       ->  user, assistant, user
    {"role": "assistant", "metadata": {"title": "Thinking"}, ...}  ->  the reasoning_content of the answer behind it

Gradio's chats are meant: pairs, or messages with metadata and options; content as parts of text, as OpenAI has it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from playground.core.errors import InputError
from playground.core.i18n import say
from playground.core.messages import Message, check_messages
from playground.data.schemas.normal_form import normal_messages
from playground.data.schemas.turns import is_list_of_pairs, turns_of

_ABOUT = ("metadata", "options")
_WHERE = say("The conversation")


def as_history(conversation: Any) -> list[Message]:
    """Raises InputError for what is no conversation that ends with somebody who waits for an answer."""
    if isinstance(conversation, list):
        if is_list_of_pairs(conversation):
            conversation = [message for message in turns_of(conversation) if message["content"] is not None]
        conversation, _ = normal_messages(_without_thoughts(conversation), None, _WHERE)
    messages = check_messages(conversation, _WHERE)
    _check_order(messages)
    return messages


def _without_thoughts(conversation: list[Any]) -> list[Any]:
    """Messages with a title are what an assistant thought or did before the answer that follows."""
    said: list[Any] = []
    thoughts: list[str] = []
    for message in conversation:
        if not isinstance(message, dict):
            said.append(message)
            continue
        about, words = message.get("metadata"), message.get("content")
        if isinstance(about, dict) and about.get("title") and message.get("role") == "assistant":
            thoughts += [words] if isinstance(words, str) else []
            continue
        message = {key: value for key, value in message.items() if key not in _ABOUT}
        if thoughts and message.get("role") == "assistant":
            message.setdefault("reasoning_content", "\n\n".join(thoughts))
        thoughts = []
        said.append(message)
    return said


def _check_order(messages: list[Message]) -> None:
    roles = [message["role"] for message in messages]
    if sum(role in ("system", "developer") for role in roles) > 1:
        raise InputError(
            say("The conversation has more than one system message."),
            say("A chat has one at most, and it comes first."),
            say("Take one of them out, or write both as one."),
        )
    for place, (role, following) in enumerate(pairwise(roles), start=1):
        if role == following == "assistant":
            raise InputError(
                say("Messages {first} and {second} of the conversation are both answers.", first=place,
                    second=place + 1),
                say("In a chat each answer follows a question."),
                say("Write them as one, or add the question between them."),
            )  # fmt: skip
    if roles[-1] not in ("user", "tool"):
        raise InputError(
            say("The conversation ends with {role}.", role=roles[-1]),
            say("An answer is given to a question, or to what a tool said."),
            say("Put the question last."),
        )
