"""The settings of a run as a file: one JSON object under TRL's and PEFT's names.

    {"learning_rate": 0.0005, "r": 8}  ->  the same, checked

A file is read whole and checked whole before anything is done with it. What it does not name is at its default.
"""

from __future__ import annotations

import codecs
import difflib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.figures import listed
from playground.core.i18n import Sentence, say
from playground.core.messages import json_kind
from playground.core.settings import TrainSettings

LARGEST_BYTES = 1_000_000
"""Settings are a few hundred bytes; a chat template or a list of edits in them can be long."""
PRIVATE = ("start_from",)
"""Not written: a run's id is the right to see it, and files are handed on."""
_NAMES = [field.name for field in fields(TrainSettings)]


def dumps(settings: dict[str, Any]) -> str:
    """`settings` as text for a file, in the order of TrainSettings. Raises InputError for what a run would refuse."""
    TrainSettings.from_dict(settings)
    written = {name: settings[name] for name in _NAMES if name in settings and name not in PRIVATE}
    return json.dumps(written, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def loads(text: str) -> dict[str, Any]:
    """The settings that the text of a file names. Raises InputError, or LimitError for one too large."""
    if len(text) > LARGEST_BYTES:
        raise _too_large(len(text))
    given = _object(text)
    _check_names(given)
    _check_written(given)
    try:
        TrainSettings.from_dict(given)
    except PlaygroundError as error:
        raise InputError(error.arrived, error.expected, say("Correct it in the file and load it again.")) from None
    return given


def read(path: Path) -> dict[str, Any]:
    """`loads` of a file's bytes: UTF-8, or UTF-16 with its mark as Windows' editors write it."""
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise _too_large(size)
    return loads(_decoded(path.read_bytes()))


def _decoded(raw: bytes) -> str:
    name, encoding = "UTF-8", "utf-8-sig"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = encoding = "UTF-16"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as problem:
        raise InputError(
            say("Byte {place} of the file is not {encoding}.", place=problem.start + 1, encoding=name),
            say("A settings file is JSON in UTF-8."),
            say("Save the file again with the encoding UTF-8."),
        ) from None


def _too_large(size: int) -> LimitError:
    return LimitError(
        say("A file of {size} kB arrived.", size=f"{size / 1000:,.0f}"),
        say("A settings file has {limit} kB at most.", limit=f"{LARGEST_BYTES / 1000:,.0f}"),
        say("Choose the file that “Save the settings” wrote. Rows go in above."),
    )


def _object(text: str) -> dict[str, Any]:
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise _refused(say("The file is empty."))
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        line, column = problem.lineno, problem.colno
        where = say("The file is not JSON: line {line}, character {column}.", line=line, column=column)
        raise InputError(where, _expected(), say("Look there for a missing comma, quote or bracket.")) from None
    if not isinstance(given, dict):
        raise _refused(say("The file's JSON is {kind}.", kind=json_kind(given)))
    return given


def _expected() -> Sentence:
    return say("A settings file is one JSON object of names and values, such as {example}.", example='{"r": 16}')


def _refused(arrived: Sentence) -> InputError:
    return InputError(arrived, _expected(), say("Choose the file that “Save the settings” wrote. Rows go in above."))


def _check_names(given: dict[str, Any]) -> None:
    unknown = [name for name in given if name not in _NAMES]
    if not unknown:
        return
    shown = listed((name[:40] for name in unknown), 5)
    near = difflib.get_close_matches(unknown[0][:40].lower(), _NAMES, n=1, cutoff=0.75)
    fix = say("Did you mean {name}?", name=near[0]) if near else say("Correct the name or leave it out.")
    raise InputError(
        say("The file has settings that are not known here: {names}.", names=shown),
        say("Known settings: {names}.", names=", ".join(_NAMES)),
        fix,
    )


def _check_written(given: dict[str, Any]) -> None:
    """JSON's null is no value of any setting, and a number is no switch, whatever Python thinks of 1 and True."""
    defaults = TrainSettings()
    for name, value in given.items():
        is_switch = isinstance(getattr(defaults, name), bool)
        if value is None or (is_switch and not isinstance(value, bool)):
            raise InputError(
                say("The setting {name} is {value}.", name=name, value=orjson.dumps(value).decode()[:80]),
                say(
                    "It must be {expected}.",
                    expected=say("true or false") if is_switch else say("something other than null"),
                ),
                say("Correct it in the file and load it again."),
            )
