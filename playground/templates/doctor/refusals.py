"""Why a template refuses a conversation: which change makes it render."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playground.core.errors import LimitError, PlaygroundError
from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.messages import Message
from playground.core.settings import RenderOptions
from playground.templates.doctor.prober import Asker, Budget, OutOfTime
from playground.templates.renderer import Renderer
from playground.templates.repairs import (
    arguments_to_text,
    conversation,
    developer_to_system,
    fill_content,
    merge_neighbours,
    merge_system,
    parse_arguments,
    to_blocks,
    to_text,
)


@dataclass(frozen=True)
class _Repair:
    """A change that may make a template take the conversation, and what it means where it does."""

    code: str
    change: Callable[[list[Message]], list[Message] | None]
    said: Sentence
    why: Sentence
    fix: Sentence


_SHAPE = say("Rows and chats of this shape fail with this template.")
_REPAIRS = (
    _Repair(
        "role_refused",
        developer_to_system,
        say("The template does not know the role developer."),
        _SHAPE,
        say("Call it system."),
    ),
    _Repair(
        "system_refused",
        merge_system,
        say("The template refuses a conversation with a system turn."),
        say("Rows and chats with a system prompt fail with this template."),
        say("Write the system prompt at the beginning of the first user's turn."),
    ),
    _Repair(
        "alternation_demanded",
        merge_neighbours,
        say("The template demands that user and assistant take turns."),
        say("Rows in which user and assistant do not take turns fail with this template."),
        say("Merge neighbouring turns of one role into one."),
    ),
    _Repair(
        "blocks_wanted",
        to_blocks,
        say("The template takes content only as a list of blocks."),
        _SHAPE,
        say("Write each content as one block of text."),
    ),
    _Repair(
        "text_wanted",
        to_text,
        say("The template takes content only as plain text, not as blocks."),
        _SHAPE,
        say("Write the blocks of each message as one text."),
    ),
    _Repair(
        "content_missing",
        fill_content,
        say("The template refuses a message without content."),
        _SHAPE,
        say("Give such messages empty content."),
    ),
    _Repair(
        "arguments_as_text",
        parse_arguments,
        say("The template takes the arguments of a tool call only as an object, not as JSON in a string."),
        _SHAPE,
        say("Write the arguments as an object."),
    ),
    _Repair(
        "arguments_as_object",
        arguments_to_text,
        say("The template takes the arguments of a tool call only as JSON in a string, not as an object."),
        _SHAPE,
        say("Write the arguments as text."),
    ),
)


def explain_refusal(
    renderer: Renderer,
    messages: list[Message],
    options: RenderOptions,
    error: PlaygroundError,
    budget: Budget | None = None,
) -> list[Finding]:
    """What of the conversation the template refuses, each with the change that makes it render.

    An empty list where that cannot be told: a template that is no valid Jinja, or too slow to be asked.
    """
    if isinstance(error, LimitError):
        return []
    asker = Asker(renderer, options, budget or Budget())
    try:
        return (
            _of_options(asker, messages)
            or _of_messages(asker, messages)
            or _of_one_message(asker, _apply(_in_place(), messages))
        )
    except OutOfTime:
        return []


def _of_options(asker: Asker, messages: list[Message]) -> list[Finding]:
    """An option that alone stands in the way."""
    if asker.options.continue_final_message and asker.closed(messages) is not None:
        return [
            Finding(
                "continue_refused",
                "error",
                say("The last message cannot be continued: its words are not in the text as they are."),
                fix=say("Close the last message, or choose another template."),
                why=say("The answer to go on with would not be the one that was written."),
                action={"kind": "options", "options": {"continue_final_message": False}},
            )
        ]
    if asker.options.tools and asker.text(messages, tools=None) is not None:
        return [
            Finding(
                "tools_refused",
                "error",
                say("The template refuses these tool definitions; without them it takes the conversation."),
                fix=say("Write them as JSON schemas, each with type and function, or leave them out."),
                why=say("Rows and chats with these tools fail with this template."),
                action={"kind": "options", "options": {"tools": None}},
            )
        ]
    return []


def _of_messages(asker: Asker, messages: list[Message]) -> list[Finding]:
    """The change that makes the conversation render: one if one is enough, else as few as are needed together."""
    usable = [repair for repair in _REPAIRS if repair.change(messages) is not None]
    for repair in usable:
        changed = _apply([repair], messages)
        if _renders(asker, changed):
            return [_finding(repair, changed)]
    usable = [repair for repair in _REPAIRS if _apply([repair], _apply(usable, messages, but=repair)) != messages]
    if not _renders(asker, _apply(usable, messages)):
        return []
    needed = usable
    for repair in usable:
        fewer = [other for other in needed if other is not repair]
        if fewer and _renders(asker, _apply(fewer, messages)):
            needed = fewer
    return [_finding(repair, _apply(needed, messages)) for repair in needed]


def _renders(asker: Asker, messages: list[Message]) -> bool:
    """Whether the template takes the conversation, and takes its blocks for blocks: one that prints them reads none."""
    text = asker.text(messages)
    blocks = [message["content"] for message in messages if isinstance(message.get("content"), list)]
    return text is not None and not any(str(content) in text for content in blocks)


def _in_place() -> list[_Repair]:
    """The repairs that change no message's place: what they mend is not what is looked for."""
    return [
        repair for repair in _REPAIRS if repair.code in ("content_missing", "arguments_as_text", "arguments_as_object")
    ]


def _apply(repairs: list[_Repair], messages: list[Message], but: _Repair | None = None) -> list[Message]:
    for repair in repairs:
        if but is None or repair.code != but.code:
            messages = repair.change(messages) or messages
    return messages


def _finding(repair: _Repair, changed: list[Message]) -> Finding:
    return Finding(repair.code, "error", repair.said, repair.fix, why=repair.why, action=conversation(changed))


def _of_one_message(asker: Asker, messages: list[Message]) -> list[Finding]:
    """A role that is refused, or the message at which the template stops."""
    for role in ("tool", "developer", "system"):
        others = [message for message in messages if message["role"] != role]
        if others and len(others) < len(messages) and asker.text(others) is not None:
            return [
                Finding(
                    "role_refused",
                    "error",
                    say("The template does not know the role {role}.", role=role),
                    say("Choose a template that knows it, or give the words to another role."),
                    why=_SHAPE,
                )
            ]
    for count in range(len(messages) - 1, 0, -1):
        if asker.closed(messages[:count]) is not None:
            return [_stopped_at(messages, count)]
    opening = next((place for place, message in enumerate(messages) if message["role"] == "user"), 0)
    if opening and asker.text(messages[opening:]) is not None:
        return [
            Finding(
                "alternation_demanded",
                "error",
                say("The template demands that a conversation begins with the user."),
                say("Put the user's words first."),
                why=say("Rows in which user and assistant do not take turns fail with this template."),
            )
        ]
    return []


def _stopped_at(messages: list[Message], count: int) -> Finding:
    return Finding(
        "message_refused",
        "error",
        say("The template takes the conversation up to message {number} and refuses the next one, of the role {role}.",
            number=count, role=messages[count]["role"]),
        say("Change or remove message {number}.", number=count + 1),
        why=_SHAPE,
    )  # fmt: skip
