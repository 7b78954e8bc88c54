"""From records to conversations: which shape a row has, and its messages.

    {"質問": "こんにちは", "回答": "はい"}
        ->  messages [{"role": "user", "content": "こんにちは"}, {"role": "assistant", "content": "はい"}]
            shape question_answer: "It has the question in 質問 and the answer in 回答."

Each row is recognised by itself, so a dataset may mix shapes. A mapping (mapping.py) goes before what is recognised.
Words are never changed; only an arrangement becomes another. What a chat template has written around them already is
such an arrangement (rendered_text.py). What is not known: the meaning of columns. Where several could be the question,
the reason names them, and a mapping decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from playground.core.errors import InputError
from playground.core.i18n import Sentence, say
from playground.core.messages import Conversation, Message, check_messages, json_kind
from playground.data.schemas import column_names
from playground.data.schemas.mapping import MissingColumn, as_text, check_mapping, mapped_messages
from playground.data.schemas.recognition import Read, Shape, plans, read_back
from playground.data.schemas.rendered_text import read_messages
from playground.data.schemas.turns import decoded
from playground.data.source import Record
from playground.data.types import Column

__all__ = ["Shape", "check_mapping", "columns", "raw_messages", "to_conversation"]

_MAPPED = Shape("mapped", say("Its columns are arranged by the mapping that you chose."))
_COLUMNS_SHOWN = 40
_SAMPLE = 80


def to_conversation(
    record: Record, mapping: dict[str, str] | None = None, fix: Callable[[list[Any]], list[Any]] | None = None
) -> Conversation:
    """The record's messages, mended by `fix` and then checked.

    Raises InputError that names the row, what was found and what was expected.
    """
    where = say("Row {row}", row=record.row)
    raw, tools, shape = raw_messages(record.data, mapping, where)
    messages: list[Message] = check_messages(fix(raw) if fix else raw, where)
    if not any(message["role"] == "assistant" for message in messages):
        raise InputError(
            say("{where} has no assistant message.", where=where),
            say("The assistant's words are what is learned."),
            say("Add the answer that the model should give."),
        )
    return Conversation(record.row, messages, tools, shape.name, shape.reason)


def raw_messages(
    data: dict[str, Any], mapping: dict[str, str] | None = None, where: Sentence | None = None
) -> tuple[list[Any], list[Any] | None, Shape]:
    """(messages whose roles nobody has checked, tools, shape) of one row. `where` opens each error ("Row 3").

    A row without the mapped columns is read by its own shape, where it has one.
    Raises InputError with the keys that were found and what to do.
    """
    where = where or say("The row")
    read: Read | None = None
    missing: MissingColumn | None = None
    if mapping:
        try:
            read = mapped_messages(data, mapping, where), _MAPPED
        except MissingColumn as problem:
            missing = problem
    try:
        read = read or _recognised(data, where)
    except InputError:
        if missing is None:
            raise
    if read is None:
        if missing is not None:
            raise InputError(missing.arrived, missing.expected, missing.fix)
        keys = ", ".join(str(key)[:40] for key in list(data)[:8]) or say("none")
        raise InputError(
            say("{where} has the keys {keys}.", where=where, keys=keys),
            say("It needs messages, or a question and an answer, or text."),
            say("Choose which column is the question and which the answer."),
        )
    messages, shape = read
    # What a text held was read back already; what is rendered within is left for the linter to tell of.
    if shape.name != "text" and (found := read_messages(messages)):
        messages, shape = found.messages, read_back(shape, found.form, found.is_cut)
    return messages, _tools(data, where), shape


def _recognised(data: dict[str, Any], where: Sentence) -> Read | None:
    """What the filled columns say; where they say nothing, what all columns say: the error then names the empty one."""
    # Rows of several shapes in one table have the columns of all of them, and null (or, in CSV, nothing) in most.
    filled = tuple(
        [key for key, value in data.items() if value is not None and (value != "" or key not in column_names.TURNS)]
    )
    for keys in (filled, tuple(data)) if len(filled) < len(data) else (filled,):
        for plan in plans(keys):
            read = plan(data, where)
            if read is not None:
                return read
    return None


def _tools(data: dict[str, Any], where: Sentence) -> list[Any] | None:
    tools = decoded(data.get("tools"), where, "tools")
    if tools is None or tools == "":
        return None
    if not isinstance(tools, list):
        raise InputError(
            say("{where}: tools is {kind}.", where=where, kind=json_kind(tools)),
            say("It must be a list of tool definitions."),
        )
    return tools or None


def columns(records: Iterable[Record]) -> list[Column]:
    """In order of appearance."""
    filled: dict[str, int] = {}
    samples: dict[str, Any] = {}
    for record in records:
        for key, value in record.data.items():
            if value is None or value == "":
                filled.setdefault(key, 0)
                continue
            filled[key] = filled.get(key, 0) + 1
            samples.setdefault(key, value)
    return [
        {"name": key, "filled": count, "sample": _sample(samples.get(key, ""))}
        for key, count in list(filled.items())[:_COLUMNS_SHOWN]
    ]


def _sample(value: Any) -> str:
    text = value[: _SAMPLE + 1] if isinstance(value, str) else as_text(value, say("The row"))
    text = " ".join(text.split())
    return text[:_SAMPLE] + ("…" if len(text) > _SAMPLE else "")
