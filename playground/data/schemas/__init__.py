"""From records to conversations: which shape a row has, and its messages.

    {"質問": "こんにちは", "回答": "はい"}
        ->  messages [{"role": "user", "content": "こんにちは"}, {"role": "assistant", "content": "はい"}]
            shape question_answer: "It has the question in 質問 and the answer in 回答."

Each row is recognised by itself, so a dataset may mix shapes. A mapping (mapping.py) goes before what is recognised.
Words are never changed but for their line breaks, which all become \\n; only an arrangement becomes another. What a
chat template has written around them already is such an arrangement (rendered_text.py). What is not known: the meaning
of columns. Where several could be the question, the reason names them, and a mapping decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from playground.core.errors import InputError
from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.messages import Conversation, Message, check_messages, json_kind
from playground.data.schemas import column_names
from playground.data.schemas.mapping import MissingColumn, as_text, check_mapping, columns_of, mapped_messages
from playground.data.schemas.marks import check_marks, mark_columns
from playground.data.schemas.normal_form import normal_messages, normal_tools
from playground.data.schemas.python_lists import is_python_list
from playground.data.schemas.recognition import Read, Shape, history_column, plans, read_back, with_history
from playground.data.schemas.rendered_text import read_messages
from playground.data.source import Record
from playground.data.types import Column

__all__ = ["Shape", "check_mapping", "columns", "raw_messages", "to_conversation"]

_TWO_COLUMNS = ("alpaca", "prompt_completion", "question_answer", "mapped")
"""Shapes of a question and an answer: what was said before may stand in a column of its own."""
_BEFORE_A_LIST = ("[", " ", "\n", "\t", "\r")
_MAPPED = Shape("mapped", say("Its columns are arranged by the mapping that you chose."))
_COLUMNS_SHOWN = 40
_SAMPLE = 80


def to_conversation(
    record: Record,
    mapping: dict[str, str] | None = None,
    fix: Callable[[list[Any]], list[Any]] | None = None,
    *,
    heeds_marks: bool = True,
) -> Conversation:
    """The record's messages in their normal form, mended by `fix` and then checked.

    `heeds_marks` False takes a row although it says of itself that it is bad.
    Raises InputError that names the row, what was found and what was expected; MarkedBad for a row that is bad.
    """
    where = say("Row {row}", row=record.row)
    raw, tools, shape, used = raw_messages(record.data, mapping, where)
    if heeds_marks:
        check_marks(record.data, shape.name, where)
    told = list(_printed(record, used, raw)) if shape.name in _TWO_COLUMNS else []
    if isinstance(raw, list):
        raw, marks = normal_messages(raw, tools, where, record.row)
        told += marks
    messages: list[Message] = check_messages(fix(raw) if fix else raw, where)
    if not any(message["role"] == "assistant" for message in messages):
        raise InputError(
            say("{where} has no assistant message.", where=where),
            say("The assistant's words are what is learned."),
            say("Add the answer that the model should give."),
        )
    unused = _unused(tuple(record.data), used)
    return Conversation(record.row, messages, tools, shape.name, shape.reason, tuple(told), unused)


def _printed(record: Record, used: frozenset[str], messages: list[Any]) -> Iterator[Finding]:
    """A finding for each column whose list or object stands as JSON, or as Python prints it, where words are meant."""
    for column, value in record.data.items():
        if isinstance(value, str):
            if value[:1] not in _BEFORE_A_LIST or not is_python_list(value):
                continue
            text = value
        elif isinstance(value, list | dict):
            text = as_text(value, say("The row"))
        else:
            continue
        if column not in used:
            continue
        if any(isinstance(message, dict) and text in str(message.get("content")) for message in messages):
            yield Finding(
                "printed_value",
                "warning",
                say("Row {row}: {column} is {kind}, and its words are those that a program prints: {text}",
                    row=record.row, column=column, kind=json_kind(value), text=text[:60]),
                say("Write the words that are meant, or choose another column."),
                record.row,
                say("The model reads or learns brackets and quotation marks that nobody would write."),
                edits=["drop", "keep"],
            )  # fmt: skip


@lru_cache(maxsize=4096)
def _unused(keys: tuple[str, ...], used: frozenset[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if key not in used)


class Recognised(NamedTuple):
    """A row as it was recognised."""

    messages: list[Any]
    """Nobody has checked their roles."""
    tools: list[Any] | None
    shape: Shape
    used: frozenset[str]
    """The columns that were read."""


def raw_messages(
    data: dict[str, Any], mapping: dict[str, str] | None = None, where: Sentence | None = None
) -> Recognised:
    """What a row is, before its messages are put into their normal form.

    `where` opens each error ("Row 3"). A row without the mapped columns is read by its own shape, where it has one.
    Raises InputError with the keys that were found and what to do.
    """
    where = where or say("The row")
    read: Read | None = None
    used: frozenset[str] = frozenset()
    missing: MissingColumn | None = None
    if mapping:
        try:
            read = mapped_messages(data, mapping, where), _MAPPED
            used = columns_of(mapping, tuple(data))
        except MissingColumn as problem:
            missing = problem
    try:
        if read is None and (found := _recognised(data, where)) is not None:
            read, used = found
    except InputError:
        if missing is None:
            raise
    if read is None:
        raise InputError(missing.arrived, missing.expected, missing.fix) if missing else _unknown(data, where)
    messages, shape = read
    keys = tuple(data)
    takes_history = shape.name in _TWO_COLUMNS
    history = history_column(keys)
    if history is not None and history not in used and takes_history and isinstance(messages, list):
        messages = with_history(messages, data, history, where)
    # What a text held was read back already; what is rendered within is left for the linter to tell of.
    if shape.name != "text" and (reading := read_messages(messages)):
        messages, shape = reading.messages, read_back(shape, reading.form, reading.is_cut)
    return Recognised(messages, _tools(data, where), shape, _all_used(keys, used, takes_history))


def _unknown(data: dict[str, Any], where: Sentence) -> InputError:
    keys = ", ".join(str(key)[:40] for key in list(data)[:8]) or say("none")
    alone = say("Write a question and an answer for each row, in two columns, or its messages.")
    return InputError(
        say("{where} has the keys {keys}.", where=where, keys=keys),
        say("It needs messages, or a question and an answer, or text."),
        say("Choose which column is the question and which the answer.") if len(data) > 1 else alone,
    )


@lru_cache(maxsize=4096)
def _all_used(keys: tuple[str, ...], used: frozenset[str], takes_history: bool) -> frozenset[str]:
    """The columns that were read as words, and those that are read beside them."""
    marks = mark_columns(keys)
    by_place = marks.by_place if not takes_history else None
    history = history_column(keys) if takes_history else None
    verdicts = [column for column, _ in marks.verdicts]
    return used | {"tools", "functions", *marks.learned, *verdicts, *filter(None, (by_place, history))}


def _recognised(data: dict[str, Any], where: Sentence) -> tuple[Read, frozenset[str]] | None:
    """What the filled columns say; where they say nothing, what all columns say: the error then names the empty one."""
    # Rows of several shapes in one table have the columns of all of them, and null (or, in CSV, nothing) in most.
    filled = tuple(
        [key for key, value in data.items() if value is not None and (value != "" or key not in column_names.TURNS)]
    )
    for keys in (filled, tuple(data)) if len(filled) < len(data) else (filled,):
        for plan in plans(keys):
            read = plan.read(data, where)
            if read is not None:
                return read, plan.columns
    return None


def _tools(data: dict[str, Any], where: Sentence) -> list[Any] | None:
    given = data.get("tools") or data.get("functions")
    return normal_tools(given, where) if given else None


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
