"""What was done to the rows: a list of edits that belongs to one source, in words, and with a way back.

Edits name rows by number, so they mean nothing for other rows: the list carries the mark of its source and counts only
as long as that is what is in the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from playground.core.i18n import Sentence, say

Edit = dict[str, Any]
Changes = dict[str, Any]
"""{source: mark of the rows that the edits are for, edits: [...]}; {} for none."""


def source_mark(text: str | None, file: str | None) -> str:
    """Tells one source from another. An uploaded file's path holds a hash of what is in it."""
    if file:
        return f"file {file}"
    return blake2b((text or "").encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def edits_for(changes: Changes | None, mark: str) -> list[Edit]:
    return list(changes["edits"]) if changes and changes.get("source") == mark else []


def with_edit(changes: Changes | None, mark: str, do: str, rows: Sequence[int], **more: Any) -> Changes:
    edit = {"do": do, "rows": sorted(set(rows)), "code": "", **more}
    return {"source": mark, "edits": [*edits_for(changes, mark), edit]}


def without_last(changes: Changes | None) -> Changes:
    return {**changes, "edits": changes["edits"][:-1]} if changes and changes.get("edits") else {}


def edit_word(do: str) -> Sentence:
    """What a button for one row says."""
    words = {
        "drop": say("Drop"),
        "keep": say("Keep anyway"),
        "trim": say("Trim"),
        "merge": say("Merge"),
        "roles": say("Correct the roles"),
        "repair_json": say("Repair"),
        "remove_control_tokens": say("Remove the tokens"),
        "read_back": say("Read back into messages"),
        "mask": say("Mask"),
        "drop_empty": say("Remove empty messages"),
        "merge_system": say("Put the system prompt into the question"),
        "developer_to_system": say("Call the developer system"),
    }
    return words[do]


KNOWN = (
    "drop", "keep", "trim", "merge", "roles", "repair_json", "remove_control_tokens", "read_back", "mask", "drop_empty",
    "merge_system", "developer_to_system",
)  # fmt: skip
"""Edits that a button may ask for."""


def button_words(do: str, rows: int, of: int, language: str) -> str:
    """What a button says that edits `rows` of the `of` rows with a finding."""
    if do == "drop":
        return (say("Drop 1 row") if rows == 1 else say("Drop {count} rows", count=f"{rows:,}")).to(language)
    word = edit_word(do)
    if rows == of:
        return word.to(language)
    return say("{what} ({rows} of {count})", what=word, rows=f"{rows:,}", count=f"{of:,}").to(language)


def summary(edits: Sequence[Edit], language: str) -> str:
    """ "3 changes: 4 rows dropped, 2 trimmed". "" for none."""
    if not edits:
        return ""
    rows: dict[str, set[int]] = {}
    for edit in edits:
        rows.setdefault(edit["do"], set()).update(edit["rows"])
    done = [_done(do, len(numbers)).to(language) for do, numbers in rows.items()]
    joined = ("、" if language == "ja" else ", ").join(done)
    if len(edits) == 1:
        return say("1 change: {what}", what=joined).to(language)
    return say("{count} changes: {what}", count=len(edits), what=joined).to(language)


def _done(do: str, rows: int) -> Sentence:
    if rows == 1:
        words = {
            "drop": say("1 row dropped"),
            "keep": say("1 row kept as it is"),
            "trim": say("1 row trimmed"),
            "merge": say("1 row with messages merged"),
            "roles": say("1 row with its roles corrected"),
            "repair_json": say("1 row repaired"),
            "remove_control_tokens": say("1 row freed of control tokens"),
            "read_back": say("1 row read back into messages"),
            "mask": say("1 row masked"),
            "drop_empty": say("1 row freed of empty messages"),
            "merge_system": say("1 row with its system prompt in the question"),
            "developer_to_system": say("1 row with a system prompt in place of the developer's"),
            "replace": say("1 row edited by hand"),
        }
        return words[do]
    given = {"rows": f"{rows:,}"}
    several = {
        "drop": say("{rows} rows dropped", **given),
        "keep": say("{rows} rows kept as they are", **given),
        "trim": say("{rows} rows trimmed", **given),
        "merge": say("{rows} rows with messages merged", **given),
        "roles": say("{rows} rows with their roles corrected", **given),
        "repair_json": say("{rows} rows repaired", **given),
        "remove_control_tokens": say("{rows} rows freed of control tokens", **given),
        "read_back": say("{rows} rows read back into messages", **given),
        "mask": say("{rows} rows masked", **given),
        "drop_empty": say("{rows} rows freed of empty messages", **given),
        "merge_system": say("{rows} rows with their system prompt in the question", **given),
        "developer_to_system": say("{rows} rows with a system prompt in place of the developer's", **given),
        "replace": say("{rows} rows edited by hand", **given),
    }
    return several[do]
