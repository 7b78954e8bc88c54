"""Column mapping: messages made of a row's columns by templates that a person wrote.

    {"user": "Translate: {text}", "assistant": "target"} with {"text": "Hi", "target": "Ahoy"}
        ->  [{"role": "user", "content": "Translate: Hi"}, {"role": "assistant", "content": "Ahoy"}]

A template that is exactly a column's name means that column. {{ and }} are braces. A parser of its own and not
`str.format`, which would let a template reach into attributes of values.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from playground.core.errors import InputError
from playground.core.i18n import Sentence, say

PARTS = ("system", "user", "assistant")
_LONGEST = 20_000

Piece = tuple[bool, str]
"""(True, a column's name) or (False, words)."""


class MissingColumn(InputError):
    """A row has no value in a column that the mapping needs."""


def check_mapping(mapping: Any, columns: Collection[str] = ()) -> dict[str, str]:
    """The mapping without empty parts. {} is no mapping.

    `columns`: those of the dataset, where they are known; a template may then name no other.
    Raises InputError for an unknown key, a missing question or answer, a template that cannot be read.
    """
    if mapping is None or mapping == {}:
        return {}
    if not isinstance(mapping, dict) or not all(isinstance(template, str) for template in mapping.values()):
        raise InputError(
            say("The mapping is no object of texts."),
            say("It says which column is the question and which the answer: {example}.", example=_EXAMPLE),
        )
    unknown = [str(key)[:40] for key in mapping if key not in PARTS]
    if unknown:
        raise InputError(
            say("The mapping has the keys {keys}.", keys=", ".join(unknown[:8])),
            say("Known keys: {names}.", names=", ".join(PARTS)),
        )
    given: dict[str, str] = {part: mapping[part] for part in PARTS if mapping.get(part, "").strip()}
    if not given:
        return {}
    for part, template in given.items():
        if len(template) > _LONGEST:
            raise InputError(
                say("The template for {part} has {length} characters.", part=part, length=len(template)),
                say("The limit here is {limit} characters.", limit=_LONGEST),
            )
        if template not in columns:
            _check_columns(template, columns)
    for part in ("user", "assistant"):
        if part not in given:
            raise InputError(
                say("The mapping names no column for {part}.", part=part),
                say("It says which column is the question and which the answer: {example}.", example=_EXAMPLE),
                say("Choose which column is the question and which the answer."),
            )
    return given


_EXAMPLE = '{"user": "question", "assistant": "answer"}'


def _check_columns(template: str, columns: Collection[str]) -> None:
    unknown = [name for is_column, name in pieces_of(template) if is_column and columns and name not in columns]
    if unknown:
        raise _no_column(say("The dataset"), unknown[0], columns)


def _no_column(where: Sentence, column: str, columns: Collection[str]) -> MissingColumn:
    known = ", ".join(str(name)[:40] for name in list(columns)[:20]) or say("none")
    return MissingColumn(
        say("{where} has no column {column}.", where=where, column=repr(column[:40])),
        say("It has the columns {names}.", names=known),
        say("Choose which column is the question and which the answer."),
    )


@lru_cache(maxsize=256)
def pieces_of(template: str) -> tuple[Piece, ...]:
    """The template cut into words and columns. Raises InputError for a brace without its partner."""
    pieces: list[Piece] = []
    words = ""
    place = 0
    while place < len(template):
        letter = template[place]
        if template[place : place + 2] in ("{{", "}}"):
            words += letter
            place += 2
        elif letter == "{" and (end := template.find("}", place)) > place + 1:
            pieces += [(False, words), (True, template[place + 1 : end])]
            words = ""
            place = end + 1
        elif letter in "{}":
            raise InputError(
                say("The template {text} has a brace without a column in it.", text=repr(template[:60])),
                say("A column stands in braces, such as {example}; a brace itself is written twice.", example="{text}"),
            )
        else:
            words += letter
            place += 1
    return tuple(piece for piece in [*pieces, (False, words)] if piece[1])


def columns_of(mapping: dict[str, str], columns: Collection[str]) -> frozenset[str]:
    """The columns that the mapping reads."""
    read = [[template] if template in columns else [name for is_column, name in pieces_of(template) if is_column]
            for template in mapping.values()]  # fmt: skip
    return frozenset(name for names in read for name in names)


def mapped_messages(data: dict[str, Any], mapping: dict[str, str], where: Sentence) -> list[Any]:
    """The row's messages by the mapping. Raises MissingColumn where it has no value for the question or the answer."""
    messages = []
    for part in PARTS:
        template = mapping.get(part, "")
        if not template.strip():
            continue
        try:
            words = _filled(template, part, data, where)
        except MissingColumn:
            if part == "system":
                continue  # A row may do without.
            raise
        if words.strip() or part != "system":
            messages.append({"role": part, "content": words})
    return messages


def _filled(template: str, part: str, data: dict[str, Any], where: Sentence) -> str:
    if template in data:
        return _value(data, template, where)
    pieces = pieces_of(template)
    if part != "system" and not any(is_column for is_column, _ in pieces):
        raise _no_column(where, template, data)  # Always the same question or answer: a misspelt column.
    return "".join(_value(data, name, where) if is_column else name for is_column, name in pieces)


def _value(data: dict[str, Any], column: str, where: Sentence) -> str:
    if column not in data:
        raise _no_column(where, column, data)
    return words_in(data, column, where)


def words_in(data: dict[str, Any], column: str, where: Sentence) -> str:
    """What stands in a column that the row has, as text. Raises MissingColumn where that is nothing."""
    value = data[column]
    if value is None:
        raise MissingColumn(
            say("{where} has nothing in the column {column}.", where=where, column=repr(column[:40])),
            say("The question and the answer are both needed."),
            say("Fill it in, or remove the row."),
        )
    return as_text(value, where)


def as_text(value: Any, where: Sentence) -> str:
    """Text as it is, any other value the way JSON shows it."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        raise InputError(say("{where} holds a value that cannot be shown as text.", where=where)) from None
