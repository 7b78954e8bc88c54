"""The history of a chat that somebody wants an answer to, as chat interfaces keep it, as messages.

    [["Hi", "Ahoy"], ["Who are you?", None]]                       ->  user, assistant, user
    {"role": "assistant", "metadata": {"title": "Thinking"}, ...}  ->  the reasoning_content of the answer behind it

Gradio's chats are meant: pairs, or messages with metadata and options; content as parts of text, as OpenAI has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from playground.core.errors import InputError
from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.messages import Message, check_messages
from playground.data.schemas.normal_form import normal_messages, normal_tools
from playground.data.schemas.turns import is_list_of_pairs, turns_of
from playground.templates.repairs import conversation as conversation_action
from playground.templates.repairs import merge_neighbours

_ABOUT = ("metadata", "options")
_WHERE = say("The conversation")
_ONE_OR_A_QUESTION = say("Write them as one, or add the question between them.")


def as_history(conversation: Any) -> list[Message]:
    """Raises InputError for what is no conversation that ends with somebody who waits for an answer."""
    if isinstance(conversation, list):
        conversation, _ = normal_messages(_without_thoughts(from_pairs(conversation)), None, _WHERE)
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
        if message.get("role") == "assistant" and _is_thought(message):
            thoughts += [message["content"]] if isinstance(message.get("content"), str) else []
            continue
        message = {key: value for key, value in message.items() if key not in _ABOUT}
        if thoughts and message.get("role") == "assistant":
            message.setdefault("reasoning_content", "\n\n".join(thoughts))
        thoughts = []
        said.append(message)
    return said


def from_pairs(conversation: list[Any]) -> list[Any]:
    """Messages where the conversation is pairs, the last of which may wait for its answer; else what it is."""
    if not is_list_of_pairs(conversation):
        return conversation
    return [message for message in turns_of(conversation) if message["content"] is not None]


def told_of(conversation: list[Message], tools: list[Any] | None) -> Iterator[Finding]:
    """What a preview, which renders a conversation as it is given, has to say of it as a history."""
    yield from _thoughts_told(conversation)
    if said := _both_answers(conversation):
        yield _told("role_order", said, _ONE_OR_A_QUESTION, merge_neighbours(conversation))
    silent = [place for place, message in enumerate(conversation, start=1) if _is_silent(message)]
    if silent:
        said = say("Message {number} says nothing.", number=", ".join(map(str, silent[:6])))
        yield _told("empty_message", said, say("Write its words, or take it out."), None)
    if tools and (normal := _normal_or_none(tools)) is not None and normal != tools:
        yield Finding(
            "tools_padded",
            "warning",
            say("The tool definitions are not in the usual form: without type and function, or filled up with nulls."),
            say("Give them as {example}.", example='{"type": "function", "function": {…}}'),
            why=say("The template writes them as they are; rows are put into the usual form before."),
            action={"kind": "options", "options": {"tools": normal}},
        )


def _thoughts_told(conversation: list[Message]) -> Iterator[Finding]:
    thoughts = [place for place, message in enumerate(conversation, start=1) if _is_thought(message)]
    if thoughts:
        said = say("Message {number} has a title in its metadata: it is a thought, not an answer.",
                   number=", ".join(map(str, thoughts[:6])))  # fmt: skip
        fix = say("Give it to the answer behind it as reasoning_content.")
        yield _told("thought_as_answer", said, fix, _without_thoughts(conversation))


def _both_answers(messages: list[Message]) -> Sentence | None:
    """What is said of the first answer that follows another; None where a question stands before each."""
    for place, (before, message) in enumerate(pairwise(messages), start=1):
        if before["role"] == message["role"] == "assistant" and not _is_thought(before):
            return say("Messages {first} and {second} of the conversation are both answers.", first=place,
                       second=place + 1)  # fmt: skip
    return None


def _told(code: str, said: Sentence, fix: Sentence, messages: list[Message] | None) -> Finding:
    why = say("The model takes every assistant's message for an answer to what stands before it.")
    return Finding(code, "warning", said, fix, why=why, action=conversation_action(messages) if messages else None)


def _is_thought(message: Message) -> bool:
    about = message.get("metadata")
    return message["role"] == "assistant" and isinstance(about, dict) and bool(about.get("title"))


def _is_silent(message: Message) -> bool:
    said = any(
        message.get(key) for key in ("tool_calls", "function_call", "reasoning_content", "thinking", "reasoning")
    )
    return message["role"] in ("user", "assistant") and message.get("content") is None and not said


def _normal_or_none(tools: list[Any]) -> list[Any] | None:
    try:
        return normal_tools(tools, _WHERE)
    except InputError:
        return None


def _check_order(messages: list[Message]) -> None:
    roles = [message["role"] for message in messages]
    if sum(role in ("system", "developer") for role in roles) > 1:
        raise InputError(
            say("The conversation has more than one system message."),
            say("A chat has one at most, and it comes first."),
            say("Take one of them out, or write both as one."),
        )
    if said := _both_answers(messages):
        raise InputError(said, say("In a chat each answer follows a question."), _ONE_OR_A_QUESTION)
    if roles[-1] not in ("user", "tool"):
        raise InputError(
            say("The conversation ends with {role}.", role=roles[-1]),
            say("An answer is given to a question, or to what a tool said."),
            say("Put the question last."),
        )
