"""Edits of rows that a person chose: what was given is never changed, the edits are applied again each time.

    {"do": "trim", "rows": [3, 7], "code": "", "data": null}

drop: the row leaves. keep: nothing changes, findings of that code no longer stand on the row. replace: the row's data
is this. repair_json: a row that could not be read is read with json_repair. The others mend messages, before they are
checked: trim, merge, roles, remove_control_tokens, read_back, mask, drop_empty; and what templates demand:
merge_system (the system prompt is written into the first question), developer_to_system. Undo takes the last edit off
the list.

Each function that mends takes messages and gives new ones; what it does not know it leaves for the checks to name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypedDict

from playground.core.errors import InputError
from playground.core.i18n import Sentence, say
from playground.core.messages import merged
from playground.data.json_repair import Budget, repair
from playground.data.lint.control import ControlTokens
from playground.data.lint.pii import masked
from playground.data.schemas.column_names import ROLES as USUAL_ROLES
from playground.data.schemas.column_names import fold
from playground.data.schemas.rendered_forms import without_edges, without_headers, without_starts
from playground.data.schemas.rendered_text import read_loosely
from playground.data.source import Record
from playground.templates.repairs import developer_to_system, merge_system

KINDS = (
    "drop",
    "keep",
    "trim",
    "merge",
    "roles",
    "repair_json",
    "remove_control_tokens",
    "read_back",
    "mask",
    "drop_empty",
    "merge_system",
    "developer_to_system",
    "replace",
)
MOST_EDITS = 1_000
_LONGEST_CODE = 60
_PASSES = 20

Messages = list[Any]


class Edit(TypedDict):
    """One choice of a person."""

    do: str
    """One of KINDS."""
    rows: list[int]
    """Numbers of the rows as given, from 1."""
    code: str
    """The finding that it answers; "" for none."""
    data: dict[str, Any] | None
    """The row's new data, for replace alone."""


def check_edits(value: Any) -> list[Edit]:
    """The edits, each with all four keys. Raises InputError that names the edit, what was found and what is known."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError(say("The edits are no list."), say("Each is an object such as {example}.", example=_EXAMPLE))
    if len(value) > MOST_EDITS:
        raise InputError(
            say("{count} edits arrived.", count=len(value)),
            say("The limit here is {limit} edits.", limit=MOST_EDITS),
            say("Download the cleaned rows and go on with those."),
        )
    return [_check_edit(edit, number) for number, edit in enumerate(value, start=1)]


_EXAMPLE = '{"do": "drop", "rows": [3]}'


def _check_edit(edit: Any, number: int) -> Edit:
    where = say("Edit {number}", number=number)
    if not isinstance(edit, dict):
        raise InputError(say("{where} is no object.", where=where), _expected())
    unknown = sorted(str(key)[:40] for key in edit if key not in Edit.__annotations__)
    if unknown:
        raise InputError(
            say("{where} has the keys {keys}.", where=where, keys=", ".join(unknown[:8])),
            say("Known keys: {names}.", names=", ".join(Edit.__annotations__)),
        )
    if edit.get("do") not in KINDS:
        raise InputError(
            say("{where} does {kind}.", where=where, kind=repr(edit.get("do"))[:40]),
            say("Known edits: {names}.", names=", ".join(KINDS)),
        )
    rows = edit.get("rows")
    if not isinstance(rows, list) or not rows or not all(type(row) is int and row > 0 for row in rows):
        raise InputError(
            say("{where} has the rows {rows}.", where=where, rows=repr(rows)[:40]),
            say("They are whole numbers from 1, in a list."),
        )
    code, data = edit.get("code") or "", edit.get("data")
    if not isinstance(code, str) or len(code) > _LONGEST_CODE or (edit["do"] == "keep" and not code):
        raise InputError(
            say("{where} has the code {code}.", where=where, code=repr(code)[:40]),
            say("It is the code of a finding, and keep needs one."),
        )
    if (edit["do"] == "replace") != isinstance(data, dict) or not isinstance(data, dict | None):
        raise InputError(
            say("{where} has data that cannot be used.", where=where),
            say("Only replace has data: the row's new columns, as an object."),
        )
    return {"do": edit["do"], "rows": list(rows), "code": code, "data": data}


def _expected() -> Sentence:
    return say("Each is an object such as {example}.", example=_EXAMPLE)


class Edits:
    """The edits of a dataset, by row and in order."""

    def __init__(self, edits: Sequence[Any], control_tokens: Sequence[str] = (), budget: Budget | None = None) -> None:
        """`control_tokens`: those of the tokenizer. `budget`: what repairs may still cost, where others share it.

        Raises InputError.
        """
        self._by_row: dict[int, list[Edit]] = {}
        self._control_tokens = ControlTokens(control_tokens)
        self._budget = budget or Budget()
        for edit in check_edits(list(edits)):
            for row in dict.fromkeys(edit["rows"]):
                self._by_row.setdefault(row, []).append(edit)

    @property
    def dropped(self) -> set[int]:
        """Rows that leave."""
        return {row for row, edits in self._by_row.items() if any(edit["do"] == "drop" for edit in edits)}

    def touches(self, row: int) -> bool:
        """Whether any edit names the row."""
        return row in self._by_row

    def kept(self, row: int, code: str) -> bool:
        """Whether findings of this code no longer stand on the row."""
        return any(edit["do"] == "keep" and edit["code"] == code for edit in self._by_row.get(row, ()))

    def record(self, record: Record) -> Record | None:
        """The record, or the last that replaced it; None where it was dropped."""
        edits = self._by_row.get(record.row)
        if edits is None:
            return record
        if any(edit["do"] == "drop" for edit in edits):
            return None
        replaced = [edit["data"] for edit in edits if edit["data"] is not None]
        return Record(record.row, replaced[-1]) if replaced else record

    def broken(self, row: int, text: str) -> Record | None:
        """A record of a row that could not be read; None where it was dropped or no edit mends it.

        Raises InputError where a repair was asked for and none was found.
        """
        edits = self._by_row.get(row, ())
        if any(edit["do"] == "drop" for edit in edits):
            return None
        data: dict[str, Any] | None = None
        for edit in edits:
            if edit["do"] == "replace":
                data = edit["data"]
            elif edit["do"] == "repair_json" and data is None:
                data = repair(text, self._budget)
                if data is None:
                    raise InputError(
                        say("Row {row} cannot be repaired.", row=row),
                        say("No JSON object can be made out in it."),
                        say("Write the row as one JSON object on one line, or remove it."),
                    )
        return None if data is None else Record(row, data)

    def messages(self, row: int, messages: Messages) -> Messages:
        """The row's messages with its edits applied, in order. What is no list of messages stays as it is.

        Edits before a replace are over: the new data was written by somebody who saw what they did.
        """
        edits = self._by_row.get(row)
        if not edits or not isinstance(messages, list):
            return messages
        last = max((place for place, edit in enumerate(edits) if edit["do"] == "replace"), default=-1)
        for edit in edits[last + 1 :]:
            messages = self._mend(edit["do"], messages)
        return messages

    def _mend(self, do: str, messages: Messages) -> Messages:
        if do == "remove_control_tokens":
            return without_control_tokens(messages, self._control_tokens)
        if do == "mask":
            return with_masks(messages)
        mend = _MENDS.get(do)
        return mend(messages) or messages if mend else messages


# --- Each edit as a function of its own ---


def _with_words(message: Any, change: Callable[[str], str]) -> Any:
    """The message with `change` applied to its words: content as text, blocks of text, reasoning_content."""
    if not isinstance(message, dict):
        return message
    changed = dict(message)
    for key in ("content", "reasoning_content"):
        value = changed.get(key)
        if isinstance(value, str):
            changed[key] = change(value)
        elif isinstance(value, list):
            changed[key] = [
                {**block, "text": change(block["text"])}
                if isinstance(block, dict) and isinstance(block.get("text"), str)
                else block
                for block in value
            ]
    return changed


def trimmed(messages: Messages) -> Messages:
    """Whitespace around each message goes; inside it stays, for code and poems need it.

    In content blocks the first block's left edge and the last block's right edge are the message's.
    """
    return [_trim(message) for message in messages]


def _trim(message: Any) -> Any:
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return _with_words(message, str.strip)
    blocks = list(message["content"])
    for place, strip in ((0, str.lstrip), (-1, str.rstrip)):
        if blocks and isinstance(blocks[place], dict) and isinstance(blocks[place].get("text"), str):
            blocks[place] = {**blocks[place], "text": strip(blocks[place]["text"])}
    return {**message, "content": blocks}


def with_roles(messages: Messages) -> Messages:
    """Usual names of roles become the standard ones; a missing role is filled in by turns where only one way fits.

    {"role": "ユーザー"} -> user. No role at all, then assistant: user. from and value are read as role and content.
    With tools in between, or where the roles that are there do not take turns, nothing is filled in.
    """
    named = [_named(message) for message in messages]
    roles = [message.get("role") if isinstance(message, dict) else "?" for message in named]
    roles = [role or None if isinstance(role, str | None) else "?" for role in roles]
    first = next((place for place, role in enumerate(roles) if role not in ("system", "developer")), len(roles))
    spoken = roles[first:]
    turns = [place % 2 == (role == "assistant") for place, role in enumerate(spoken) if role is not None]
    if None not in spoken or any(role not in (None, "user", "assistant") for role in spoken) or len(set(turns)) > 1:
        return named
    user_begins = not turns or turns[0]  # With no role at all, the user begins.
    filled = ["user" if (place % 2 == 0) == user_begins else "assistant" for place in range(len(spoken))]
    return named[:first] + [{**message, "role": role} for message, role in zip(named[first:], filled, strict=True)]


def _named(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    changed = dict(message)
    for usual, standard in (("from", "role"), ("value", "content")):
        if changed.get(standard) is None and usual in changed:
            changed = {standard if key == usual else key: item for key, item in changed.items() if key != standard}
    role = changed.get("role")
    if isinstance(role, str):
        changed["role"] = USUAL_ROLES.get(fold(role), role)
    return changed


def without_control_tokens(messages: Messages, known: ControlTokens) -> Messages:
    """The words without what the linter calls a control token, taken out until none is left: <<eos>eos> hides one.

    Of a turn's header the role's name goes as well, and of an answer whatever end it has.
    """

    def change(text: str, by_assistant: bool) -> str:
        text = without_headers(text, lambda header: known.among(header, by_assistant))
        bare, is_ended = without_edges(text) if by_assistant else (text, False)
        text = without_starts(bare).rstrip() if is_ended else text
        for _ in range(_PASSES):
            if not (tokens := known.among(text, by_assistant)):
                return text
            for token in sorted(tokens, key=len, reverse=True):
                text = text.replace(token, "")
        for token in known.among(text, by_assistant):
            text = text.replace(token[0], "")  # Nested on purpose: without its first letter no token is left.
        return text

    return [_with_words(message, partial(change, by_assistant=_is_answer(message))) for message in messages]


def _is_answer(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"


def with_masks(messages: Messages) -> Messages:
    """Personal data and secrets become [email], [phone], …, in words and in the arguments of calls."""
    return [_with_masked_calls(_with_words(message, masked)) for message in messages]


def _with_masked_calls(message: Any) -> Any:
    if not isinstance(message, dict) or not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": _masked_value(message["tool_calls"], 0)}


def _masked_value(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return masked(value)
    if depth > 20:
        return value
    if isinstance(value, list):
        return [_masked_value(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {key: _masked_value(item, depth + 1) for key, item in value.items()}
    return value


def without_empty(messages: Messages) -> Messages:
    """Messages without words, calls or reasoning leave; an empty answer takes the question along that it answered."""
    result: Messages = []
    for message in messages:
        if not _is_empty(message):
            result.append(message)
        elif message.get("role") == "assistant":
            while result and isinstance(result[-1], dict) and result[-1].get("role") == "user":
                result.pop()
    return result


def _is_empty(message: Any) -> bool:
    if not isinstance(message, dict) or message.get("tool_calls") or message.get("role") == "tool":
        return False
    if isinstance(message.get("reasoning_content"), str) and message["reasoning_content"].strip():
        return False
    content = message.get("content")
    if isinstance(content, list):
        return all(isinstance(block, dict) and not str(block.get("text") or "").strip() for block in content)
    return content is None or (isinstance(content, str) and not content.strip())


def _for_templates(repair: Callable[[Messages], Messages | None]) -> Callable[[Messages], Messages | None]:
    """A repair of the doctor's, which knows only messages that were checked."""

    def mend(messages: Messages) -> Messages | None:
        return repair(messages) if all(isinstance(one, dict) and "role" in one for one in messages) else None

    return mend


_MENDS: dict[str, Callable[[Messages], Messages | None]] = {
    "trim": trimmed,
    "merge": merged,
    "roles": with_roles,
    "read_back": read_loosely,
    "drop_empty": without_empty,
    "merge_system": _for_templates(merge_system),
    "developer_to_system": _for_templates(developer_to_system),
}
