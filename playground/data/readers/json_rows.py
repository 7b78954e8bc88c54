"""JSON to records: JSON Lines, an array of objects, one object, several over several lines, messages alone, or rows
inside a wrapping object.

    [{"role": "user", ...}, {"role": "assistant", ...}]     ->  one row {"messages": [...]}
    {"data": [{"prompt": ...}, ...], "version": 1}          ->  the rows under data

orjson does the parsing: it refuses what is not JSON (NaN, 1e400, trailing commas, lone surrogates) and bounds nesting,
where pyarrow and pandas crash or guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from playground.core.errors import InputError
from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.settings import Limits
from playground.data.readers.bounds import Rows, excerpt, note
from playground.data.readers.concatenated_json import is_in_pieces, pieces
from playground.data.readers.message_rows import conversation_column
from playground.data.schemas.python_lists import is_python_list, read_python_list
from playground.data.source import Parsed

WRAPPERS = ("train", "data", "rows", "examples", "dataset", "items", "records", "conversations")
"""Keys under which files keep their rows, first choice first."""
_ROW_KEYS = {"messages", "prompt", "completion", "instruction", "output", "question", "answer", "text", "input"}
_PAIRS_BYTES = 2_000_000
"""Text longer than this, in one piece, is not read a second time to name its repeated keys."""
_FENCE = re.compile(r"\s*```[a-z]*[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL)


def without_fence(text: str) -> str:
    """The text inside a Markdown code fence around all of it, its lines where they were; other text as it is."""
    if text.lstrip()[:3] != "```" or text.count("```") != 2:
        return text
    match = _FENCE.fullmatch(text)
    return "\n" * text.count("\n", 0, match.start(1)) + match[1] if match else text


def read_json(text: str, limits: Limits) -> Parsed:
    """Records of JSON text. Characters that could not be decoded are lone surrogates, which cost their own row.

    Raises InputError for a broken array and for no row at all; LimitError for too many rows.
    """
    text = text.removeprefix("\ufeff")
    whole = text.strip()
    rows = Rows(limits)
    if whole.startswith("["):
        values = _loads(whole)
        if isinstance(values, Sentence):
            return _lines_of_lists(text, whole, values, rows)
        return _read_array(values, whole, rows)
    if whole.startswith("{"):
        # A single object over several lines is JSON as an editor shows it; JSON Lines fails here at its second row.
        single = _loads(whole)
        if not isinstance(single, Sentence):
            return _read_object(single, whole, text, rows)
        if is_in_pieces(whole):
            return _read_pieces(whole, rows)
    return _read_lines(text, rows)


def _loads(text: str) -> Any:
    """The value, or a Sentence that says why there is none (a parsed value is never a Sentence)."""
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as problem:
        if not _is_whole(text):
            return say("not UTF-8")
        return say("not JSON ({detail})", detail=str(problem).split(": line")[0])


def _is_whole(text: str) -> bool:
    """Whether no character of it stands for a byte that could not be decoded."""
    return re.search("[\udc80-\udcff]", text) is None


def _lines_of_lists(text: str, whole: str, problem: Sentence, rows: Rows) -> Parsed:
    """JSON Lines whose lines are lists of messages; or lists one after another; or a broken array, which is refused."""
    first = whole.split("\n", 1)[0]
    if first != whole and not isinstance(_loads(first), Sentence):
        return _read_lines(text, rows)
    if is_in_pieces(whole):
        return _read_pieces(whole, rows)
    if is_python_list(whole) and (values := read_python_list(whole)) is not None:
        rows.findings.append(_from_python())
        return _read_array(values, whole, rows)
    raise InputError(
        say("The text starts with [ but is {problem}.", problem=problem),
        say("A JSON array of objects, or one JSON object a line."),
        say("Check for a missing comma, quote or bracket."),
    )


def _read_array(values: list[Any], whole: str, rows: Rows) -> Parsed:
    one = (_are_messages(values) or _are_turns(values)) and conversation_column(values) is None
    if one:
        rows.findings.append(note("one_conversation", say("The list of messages is read as one row.")))
        rows.add(1, _as_row(values))
    else:
        for row, value in enumerate(values, start=1):
            rows.add(row, _as_row(value), _written(value))
    for place, names in _repeated_in(whole, values).items():
        rows.findings.append(_repeated_keys(1 if one else place, names))
    return rows.parsed("json")


def _read_object(single: dict[str, Any], whole: str, text: str, rows: Rows) -> Parsed:
    key = _wrapper(single)
    if key:
        others = ", ".join(str(name)[:40] for name in single if name != key)
        message = say("The rows are those under {key}.", key=key)
        if others:
            message = say("The rows are those under {key}; left out: {others}.", key=key, others=others[:200])
        rows.findings.append(note("unwrapped", message))
        for row, value in enumerate(single[key], start=1):
            # The Hub's rows API puts each row into an object beside its number.
            inner = value["row"] if isinstance(value, dict) and {"row", "row_idx"} <= value.keys() else value
            rows.add(row, _as_row(inner), _written(inner))
        return rows.parsed("json")
    in_one_line = "\n" not in whole
    # Its number is that of its line, if it is JSON Lines with one line.
    row = text[: len(text) - len(text.lstrip())].count("\n") + 1 if in_one_line else 1
    rows.add(row, single)
    names = _repeated_in(whole, single)
    rows.findings.extend(_repeated_keys(row, found) for found in names.values())
    return rows.parsed("jsonl" if in_one_line else "json")


def _wrapper(single: dict[str, Any]) -> str:
    """The key under which a file keeps its rows; "" where the object is itself a row."""
    if single.keys() & _ROW_KEYS:
        return ""
    for key in WRAPPERS:
        values = single.get(key)
        if not isinstance(values, list) or not values:
            continue
        if all(isinstance(value, dict) for value in values) and not _are_messages(values) and not _are_turns(values):
            return key
        if all(isinstance(value, list) and (_are_messages(value) or _are_turns(value)) for value in values):
            return key
    return ""


def _are_messages(value: Any) -> bool:
    """Whether a list is one conversation: objects with content, or calls, and a role on one of them at least."""
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        return False
    said = all(item.keys() & {"content", "tool_calls", "reasoning_content"} for item in value)
    return said and any(isinstance(item.get("role"), str) for item in value) and not _has_row_keys(value)


def _has_row_keys(values: list[dict[str, Any]]) -> bool:
    return any(item.keys() & {"messages", "prompt", "completion", "question", "answer"} for item in values)


def _are_turns(value: Any) -> bool:
    """Whether a list is one conversation as ShareGPT writes it."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and {"from", "value"} <= item.keys() for item in value)
    )


def _as_row(value: Any) -> Any:
    """A conversation that stands alone gets the key that rows have; everything else stays."""
    if _are_messages(value):
        return {"messages": value}
    if _are_turns(value):
        return {"conversations": value}
    return value


def _written(value: Any) -> str:
    """A value that is no row, as JSON; "" for a row, whose text nobody asks for, and for what is nested too deeply."""
    if isinstance(value, dict):
        return ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""


def _read_lines(text: str, rows: Rows) -> Parsed:
    has_commas = is_python = False
    # Not splitlines(): U+2028 and friends are ordinary characters inside a JSON string.
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        value = _loads(line)
        if isinstance(value, Sentence) and not isinstance(inner := _loads(line.rstrip().removesuffix(",")), Sentence):
            value, has_commas = inner, True  # What stood inside an array.
        if isinstance(value, Sentence) and (found := _read_python(line)) is not None:
            value, is_python = found, True
        if isinstance(value, Sentence):
            rows.refuse(row, line, _not_json(row, value, line))
            continue
        rows.add(row, value if isinstance(value, dict) else _as_row(value), line)
        for names in _repeated_in(line, value).values():
            rows.findings.append(_repeated_keys(row, names))
    if has_commas:
        rows.findings.append(note("commas", say("There are rows that end in a comma, which was left out.")))
    if is_python:
        rows.findings.append(_from_python())
    return rows.parsed("jsonl")


def _read_python(line: str) -> Any:
    """The object that a line holds as Python prints it, None where it holds none."""
    listed = f"[{line.rstrip().removesuffix(',')}]"
    values = read_python_list(listed) if is_python_list(listed) else None
    return values[0] if values and len(values) == 1 else None


def _from_python() -> Finding:
    message = say("This is not JSON but what Python prints, with single quotation marks. It was read as such.")
    return note("python", message, say("Save rows with json.dumps, so that other tools can read them too."))


def _read_pieces(whole: str, rows: Rows) -> Parsed:
    """Values over several lines each: objects are rows, a list is one conversation or a list of rows."""
    rows.findings.append(note("read_as", say("Read as JSON values one after another: each object is a row.")))
    row = 0
    for piece, _ in pieces(whole):
        value = _loads(piece)
        is_broken = isinstance(value, Sentence)
        listed = value if isinstance(value, list) and not (_are_messages(value) or _are_turns(value)) else [value]
        for inner in listed:
            row += 1
            if is_broken:
                rows.refuse(row, piece, _not_json(row, inner, piece))
            else:
                rows.add(row, _as_row(inner), _written(inner))
        for names in _repeated_in(piece, value).values() if isinstance(value, dict) else ():
            rows.findings.append(_repeated_keys(row, names))
    return rows.parsed("json")


def _not_json(row: int, problem: Sentence, line: str) -> Finding:
    return Finding(
        "not_json",
        "error",
        say("Row {row} is {problem}. It reads: {excerpt}", row=row, problem=problem, excerpt=excerpt(line)),
        say("Write the row as one JSON object on one line, or remove it."),
        row,
        say("The row is left out; the others are trained on."),
    )


def _repeated_keys(row: int, names: list[str]) -> Finding:
    shown = ", ".join(dict.fromkeys(name[:40] for name in names[:8]))
    return Finding(
        "duplicate_keys",
        "warning",
        say("Row {row} has the same key more than once: {names}.", row=row, names=shown),
        say("Keep one of them."),
        row,
        say("Only the last value is read; what stood before it is not learned."),
    )


def _repeated_in(text: str, value: Any) -> dict[int, list[str]]:
    """Keys that stand twice in one object, by place of the row from 1 (1 where the value is itself a row).

    The text is only read again where it has more keys than the value: a key is a quote and a colon, also once the value
    is written out anew.
    """
    if not isinstance(value, (dict, list)) or len(text) > _PAIRS_BYTES:
        return {}
    try:
        anew = orjson.dumps(value).decode()
        if _colons(text) <= _colons(anew):
            return {}
        paired = json.loads(text, object_pairs_hook=_Pairs)
        items = paired if isinstance(value, list) else [paired]
        found = ((row, list(_repeated(item))) for row, item in enumerate(items, start=1))
        return {row: names for row, names in found if names}
    except (ValueError, TypeError, RecursionError):
        return {}


def _colons(text: str) -> int:
    return text.count('":') + text.count('" :')


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, none of them lost."""


def _repeated(value: Any) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            if key in seen:
                yield key
            seen.add(key)
            yield from _repeated(item)
    elif isinstance(value, list):
        for item in value:
            yield from _repeated(item)
