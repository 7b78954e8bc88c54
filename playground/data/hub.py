"""Rows of a dataset on the Hugging Face Hub: what a person types, what a row becomes, and what can be wrong.

    "https://huggingface.co/datasets/owner/name/viewer/config/train"  ->  HubName("owner/name", "config", "train")

Pure: asks no network and imports no library of the Hub's. The asking is done in server/processes/fetch_rows.py.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import unquote

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.figures import rows_said
from playground.core.i18n import Sentence, say
from playground.core.settings import Limits

DEFAULT_ROWS = 500
"""Rows that are taken unless a person says how many."""

# Stricter than the Hub: a word with a letter or digit at both ends can be no path ("..", "/etc", "~", "C:").
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_WORD}/{_WORD}")
_CONFIG = re.compile(r"\w[\w .,+=@()-]{0,199}")
_SPLIT = re.compile(r"\w{1,100}(?:\.\w{1,100}){0,5}")
_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/([^?#]*)[?#]?.*", re.IGNORECASE)
_MEDIA = {"Image", "Audio", "Video", "Pdf", "Nifti", "Mesh", "BioSequence", "BioStructure"}
_TURN_KEYS = ({"role", "content"}, {"from", "value"})
_LISTED = 20
_INTEGERS = range(-(2**63), 2**64)


@dataclass(frozen=True)
class HubName:
    """Which rows of which dataset; config and split are "" where nobody named them."""

    name: str
    config: str = ""
    split: str = ""


def parse_name(typed: str, config: str = "", split: str = "") -> HubName:
    """The dataset that `typed` names: owner/name, or the address of its page or of its viewer.

    `config` and `split`, where given, win over those of the address. Raises InputError for anything else: no string
    from a person becomes a path.
    """
    name = typed.strip()
    address = _ADDRESS.fullmatch(name)
    if address:
        parts = [unquote(part) for part in address[1].split("/") if part]
        name = "/".join(parts[:2])
        if parts[2:3] == ["viewer"]:
            shown_config, shown_split, *_ = [*parts[3:], "", ""]
            # A split belongs to its config: another config does not keep it.
            split = split.strip() or (shown_split if config.strip() in ("", shown_config) else "")
            config = config.strip() or shown_config
    # The Hub forbids the doubled signs too, and its library takes some of them for paths.
    if not _NAME.fullmatch(name) or ".." in name or "--" in name or name.split("/")[0] in ("datasets", "buckets"):
        raise InputError(
            say("“{name}” is not the name of a dataset on the Hugging Face Hub.", name=typed.strip()[:120]),
            say("It is owner/name, or the address of the dataset's page."),
            say("Copy the name from the top of the dataset's page, such as {example}.", example="rajpurkar/squad"),
        )
    return HubName(
        name, _check_part(say("subset"), config.strip(), _CONFIG), _check_part(say("split"), split.strip(), _SPLIT)
    )


def _check_part(kind: Sentence, value: str, pattern: re.Pattern[str]) -> str:
    if value and (not pattern.fullmatch(value) or ".." in value):
        raise InputError(
            say("“{value}” cannot be the name of a {kind}.", value=value[:80], kind=kind),
            say("Such names are words of letters, digits, _, - and dots."),
            say("Copy it from the dataset's page, or leave it empty."),
        )
    return value


def check_count(count: object, limits: Limits) -> int:
    """How many rows are wanted. Raises InputError unless it is a whole number from 1 to the limit."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= limits.rows:
        raise InputError(
            say("{count} rows are asked for.", count=str(count)[:40]),
            say("It must be {expected}.", expected=say("a whole number from {low} to {high}", low=1, high=limits.rows)),
            say("Take fewer rows; a few hundred are enough to see what tuning does."),
        )
    return count


# --- What rows become ---


def to_row(example: Mapping[str, Any]) -> dict[str, Any]:
    """An example as `datasets` gives it -> what JSON can say, without the keys that hold nothing.

    {"messages": {"role": ["user"], "content": ["Hi"]}, "id": None} -> {"messages": [{"role": "user", "content": "Hi"}]}
    """
    return _plain({key: _turns(value) for key, value in example.items()})


def _turns(value: Any) -> Any:
    """A list of turns, where older datasets (`Sequence` of a struct) hold the turns' fields as columns."""
    if not isinstance(value, dict) or not any(keys <= value.keys() for keys in _TURN_KEYS):
        return value
    if not all(isinstance(column, list) for column in value.values()):
        return value
    if len({len(column) for column in value.values()}) != 1:
        return value
    return [dict(zip(value, turn, strict=True)) for turn in zip(*value.values(), strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        items = ((str(key), _plain(item)) for key, item in value.items())
        return {key: item for key, item in items if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # Half a surrogate pair is no character.
    if isinstance(value, bytes):
        return _text_of(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and value in _INTEGERS):
        return value if value == value and value not in (float("inf"), -float("inf")) else None
    if hasattr(value, "tolist") and not isinstance(value, timedelta):
        return _plain(value.tolist())
    return str(value)


def _text_of(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode("ascii")


def media_columns(features: Mapping[str, Any] | None) -> list[str]:
    """Columns with pictures, sound or other files in them, at any depth. `features`: those of `datasets`, or None."""
    return [column for column, feature in (features or {}).items() if _holds_media(feature)]


def _holds_media(feature: Any) -> bool:
    if isinstance(feature, dict):
        return any(_holds_media(inner) for inner in feature.values())
    if isinstance(feature, (list, tuple)):
        return any(_holds_media(inner) for inner in feature)
    return type(feature).__name__ in _MEDIA or (hasattr(feature, "feature") and _holds_media(feature.feature))


def path_outside(configs: Any) -> str | None:
    """The first path in a dataset card's `configs` that leads out of its repository, or None.

    `datasets` looks such paths up, on this machine's disk or in its network, before it refuses them.
    """
    entries = [entry for entry in configs if isinstance(entry, dict)] if isinstance(configs, list) else []
    waiting = [entry.get(key) for entry in entries for key in ("data_files", "data_dir")]
    seen = set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:  # YAML's anchors make a small card endless.
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and _leads_out(value):
            return value
    return None


def _leads_out(path: str) -> bool:
    return path.startswith(("/", "~", "\\")) or "://" in path or "::" in path or ".." in re.split(r"[/\\]", path)


# --- What can be wrong ---


def hub_is_silent(name: str) -> PlaygroundError:
    return InputError(
        say("{name} cannot be fetched: the Hugging Face Hub does not answer.", name=name),
        fix=say("Check the network, or download the rows elsewhere and upload them as a file."),
    )


def hub_is_busy(name: str) -> PlaygroundError:
    return InputError(
        say("{name} cannot be fetched now: the Hugging Face Hub has been asked too often from here.", name=name),
        fix=say("Try again in a minute."),
    )


def no_such_dataset(name: str) -> PlaygroundError:
    return InputError(
        say("There is no dataset {name} on the Hugging Face Hub, or it is private.", name=name),
        say("Only datasets that everybody may read can be fetched here."),
        say("Check the spelling (owner/name), or download the rows yourself and upload them as a file."),
    )


def is_gated(name: str) -> PlaygroundError:
    return InputError(
        say("{name} is gated: its owner wants to know who reads it.", name=name),
        say("Only datasets that everybody may read can be fetched here."),
        say(
            "Ask for access at {page}, download the rows there, and upload them as a file.",
            page=f"https://huggingface.co/datasets/{name}",
        ),
    )


def needs_config(name: str, configs: Iterable[str]) -> PlaygroundError:
    return InputError(
        say("{name} has several subsets and none of them is its usual one.", name=name),
        say("Its subsets: {names}.", names=_listed(configs)),
        say("Choose one of them."),
    )


def no_such_config(name: str, config: str, configs: Iterable[str]) -> PlaygroundError:
    return InputError(
        say("{name} has no subset {config}.", name=name, config=config),
        say("Its subsets: {names}.", names=_listed(configs)),
        say("Choose one of them."),
    )


def no_such_split(name: str, split: str, splits: Iterable[str]) -> PlaygroundError:
    return InputError(
        say("{name} has no split {split}.", name=name, split=split),
        say("Its splits: {names}.", names=_listed(splits)),
        say("Choose one of them."),
    )


def _listed(names: Iterable[str]) -> str:
    given = list(names)
    return ", ".join(given[:_LISTED]) + (" …" if len(given) > _LISTED else "")


def is_empty(name: str) -> PlaygroundError:
    return InputError(
        say("{name} holds no rows.", name=name),
        fix=say("Look at its page on the Hub, or choose another subset or split."),
    )


def is_a_script(name: str) -> PlaygroundError:
    return InputError(
        say("{name} is made by a program of its owner's, and such programs are never run here.", name=name),
        say("A dataset holds its rows in files: Parquet, JSON, CSV or text."),
        say("Look for a copy of it in Parquet on the Hub, or upload the rows as a file."),
    )


def is_unsupported(name: str, kind: str = "") -> PlaygroundError:
    """`kind`: what the reader of its files is called, such as imagefolder; "" where no reader knows them."""
    return InputError(
        say("The files of {name} are of the kind {kind}: they hold no rows of text.", name=name, kind=kind)
        if kind
        else say("{name} holds no files with rows of text.", name=name),
        say("A dataset holds its rows in files: Parquet, JSON, CSV or text."),
        say("Choose another dataset, or another subset of this one."),
    )


def only_media(name: str, columns: Iterable[str]) -> PlaygroundError:
    return InputError(
        say("{name} holds only pictures, sound or the like ({columns}).", name=name, columns=_listed(columns)),
        say("Rows of text are wanted here."),
        say("Choose another dataset, or another subset of this one."),
    )


def leads_outside(name: str, path: str) -> PlaygroundError:
    return InputError(
        say("{name} says that its rows stand outside of it, at {path}.", name=name, path=path[:120]),
        say("Only files inside the dataset's own repository are read."),
        say("Choose another dataset."),
    )


def is_unreadable(name: str, detail: str) -> PlaygroundError:
    return InputError(
        say("The rows of {name} could not be read ({detail}).", name=name, detail=detail),
        fix=say("Look at the dataset's page on the Hub: where its viewer fails too, its files are damaged."),
    )


def takes_memory(name: str) -> PlaygroundError:
    return LimitError(
        say("The rows of {name} take more memory than is allowed here.", name=name),
        fix=say("Choose another subset, or upload some of the rows as a file."),
    )


def row_too_large(name: str, limit_bytes: int) -> PlaygroundError:
    return LimitError(
        say("The first row of {name} is larger than what is allowed here.", name=name),
        say("The limit here is {limit} MB.", limit=f"{limit_bytes / 1e6:.1f}"),
        say("Choose another dataset, or another subset of this one."),
    )


def nothing_in_time(name: str, seconds: float) -> PlaygroundError:
    return LimitError(
        say("No row of {name} came within {seconds} seconds.", name=name, seconds=f"{seconds:g}"),
        fix=say("Try again later, or download the rows elsewhere and upload them as a file."),
    )


# --- What is said of the rows that came ---


def note_media(columns: Iterable[str]) -> Sentence:
    return say("Columns with pictures, sound or the like are left out: {columns}.", columns=_listed(columns))


def note_split(split: str, others: Iterable[str]) -> Sentence:
    return say("The split {split} is taken; there are also: {names}.", split=split, names=_listed(others))


def note_all(rows: int) -> Sentence:
    return say("These are all rows of the split: {rows}.", rows=rows)


def note_bytes(rows: int, limit_bytes: int) -> Sentence:
    return say(
        "Taken: {rows}. More would pass the limit of {limit} MB.",
        rows=rows_said(rows),
        limit=f"{limit_bytes / 1e6:.1f}",
    )


def note_time(rows: int, seconds: float) -> Sentence:
    return say(
        "Taken: {rows}. More did not come within {seconds} seconds.", rows=rows_said(rows), seconds=f"{seconds:g}"
    )


def note_broken(rows: int, detail: str) -> Sentence:
    return say("Taken: {rows}. What stands behind cannot be read ({detail}).", rows=rows_said(rows), detail=detail)
