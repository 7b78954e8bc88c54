"""What a browser keeps of its rows, so that a reload of the page brings them back: the text, what was done to its rows,
the columns that were named, and the settings that decide what is read.

The text is kept by the page itself and never makes the way through the server for it; the rest, which is small, comes
from the check that used it. An uploaded file cannot come back, so nothing of it is kept. What stands in a browser's
store is outside our hands: whatever has another shape is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.settings import TrainSettings
from playground.data.edits import check_edits
from playground.ui.rows.edits import Changes, Edit, source_mark

TEXT_KEY, REST_KEY = "sft-playground-rows", "sft-playground-rows-changes"
"""Where a browser keeps them. Other names would lose them."""
MOST_BYTES = 200_000
"""Bytes of text, and of the rest as JSON, that are kept: browsers keep about 5 MB for a whole site, and what is kept is
encrypted anew with each change.
"""
KEPT_SETTINGS = (
    "max_length", "truncation_mode", "train_on", "system_prompt", "held_out", "shuffle_dataset", "seed",
)  # fmt: skip
"""Those that decide what rows become. How long a run takes and the like belong to the run."""

# Before the rows are back there is nothing to keep: the first check of an empty box would forget them.
RESTORED = "() => { window.sftRowsRestored = true; }"
# An object, since Gradio writes no empty text into the store; the same one where nothing changed, since each new one is
# encrypted anew.
KEEP = f"""(pasted, kept) => {{
  if (!window.sftRowsRestored) return kept;
  const text = new Blob([pasted || ""]).size <= {MOST_BYTES} ? pasted || "" : "";
  return kept && kept.text === text ? kept : {{text}};
}}"""

Rest = dict[str, Any]
"""{source: mark of the text, edits: [...], columns: [user, assistant, system], settings: {name: value}}, each of them
only where there is something in it."""


class KeptRows:
    """Two places in the browser's store, {text} and `Rest`; made where the page is built. `secret` must outlive a
    restart.
    """

    def __init__(self, secret: str) -> None:
        self.text = gr.BrowserState({}, storage_key=TEXT_KEY, secret=secret)
        self.rest = gr.BrowserState({}, storage_key=REST_KEY, secret=secret)


@dataclass
class Restored:
    """What comes back after a reload."""

    text: str = ""
    changes: Changes = field(default_factory=dict)
    columns: tuple[str, str, str] = ("", "", "")
    settings: dict[str, Any] = field(default_factory=dict)


def is_kept(text: str | None, file: str | None) -> bool:
    """Whether a reload brings these rows back."""
    return not file and len((text or "").encode("utf-8", "surrogatepass")) <= MOST_BYTES


def rest_of(
    text: str | None,
    file: str | None,
    edits: Sequence[Edit],
    columns: Sequence[str | None],
    settings: dict[str, Any],
) -> Rest:
    """What is kept beside the text. Edits that are too many are not kept: half of them would be others."""
    defaults = {name: getattr(TrainSettings(), name) for name in KEPT_SETTINGS}
    changed = {name: settings[name] for name in KEPT_SETTINGS if settings.get(name, defaults[name]) != defaults[name]}
    rest: Rest = {"settings": changed} if changed else {}
    if not is_kept(text, file):
        return rest
    if edits and len(json.dumps(list(edits), ensure_ascii=False).encode("utf-8", "surrogatepass")) <= MOST_BYTES:
        rest |= {"source": source_mark(text, None), "edits": list(edits)}
    if any(columns):
        rest["columns"] = [column or "" for column in columns]
    return rest


def restored(kept: Any, rest: Any) -> Restored:
    """What is in the store, checked. Edits count for the text that they were made for, and for no other."""
    text = kept.get("text") if isinstance(kept, dict) else None
    rest = rest if isinstance(rest, dict) else {}
    back = Restored(settings=_settings(rest.get("settings")))
    if not isinstance(text, str) or not text.strip() or not is_kept(text, None):
        return back
    back.text = text
    columns = rest.get("columns")
    if isinstance(columns, list) and len(columns) == 3 and all(isinstance(column, str) for column in columns):
        back.columns = (columns[0], columns[1], columns[2])
    if rest.get("source") == source_mark(text, None):
        back.changes = _changes(rest["source"], rest.get("edits"))
    return back


def _changes(source: str, edits: Any) -> Changes:
    try:
        checked: list[Any] = [*check_edits(edits)]
    except PlaygroundError:
        return {}
    # As `with_edit` writes them: data only where there is some.
    return {"source": source, "edits": [{key: edit[key] for key in edit if edit[key] is not None} for edit in checked]}


def _settings(given: Any) -> dict[str, Any]:
    chosen = {name: given[name] for name in KEPT_SETTINGS if name in given} if isinstance(given, dict) else {}
    try:
        TrainSettings.from_dict(chosen)
    except PlaygroundError:
        return {}
    return chosen
