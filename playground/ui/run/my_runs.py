"""The runs that this browser started. The browser keeps their ids; nobody else is told them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypedDict

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence, say
from playground.runs.types import RunStatus
from playground.server.backend import Backend
from playground.ui.widgets.events import QUICK

KEPT = 20
"""Runs remembered by one browser, newest first."""

ACTIVE = ("queued", "running")


class Entry(TypedDict):
    """What a browser keeps of a run: its id, its number from 1 on, and what it was trained on, or ""."""

    run: str
    number: int
    example: str
    file: str


def state_word(state: str) -> Sentence:
    words = {
        "queued": say("Queued"),
        "running": say("Running"),
        "done": say("Done"),
        "stopped": say("Stopped"),
        "failed": say("Failed"),
    }
    return words.get(state, words["queued"])


def remembered(stored: Any) -> list[Entry]:
    """The entries in a browser's store, which is outside our hands: whatever has another shape is left out."""
    entries: list[Any] = stored if isinstance(stored, list) else []
    kept: list[Entry] = [
        {
            "run": entry["run"],
            "number": entry["number"] if isinstance(entry.get("number"), int) else 0,
            "example": str(entry.get("example") or ""),
            "file": str(entry.get("file") or ""),
        }
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("run"), str)
    ]
    return kept[:KEPT]


def with_run(entries: list[Entry], run: str, example: str, file: str) -> list[Entry]:
    number = 1 + max((entry["number"] for entry in entries), default=0)
    newest: Entry = {"run": run, "number": number, "example": example, "file": file}
    return [newest, *entries][:KEPT]


def without(entries: list[Entry], runs: Collection[str]) -> list[Entry]:
    """The entries without those runs. The others keep their numbers: a run is called by it."""
    return [entry for entry in entries if entry["run"] not in runs]


def known(backend: Backend, entries: list[Entry]) -> list[tuple[Entry, RunStatus]]:
    """Each entry whose run the backend still has, with how it stands."""
    found = []
    for entry in entries:
        try:
            found.append((entry, backend.runs.get(entry["run"])))
        except PlaygroundError:
            continue
    return found


def title(entry: Entry, run: RunStatus, titles: Mapping[str, Sentence], language: str) -> str:
    """What the run is called: the name that a person gave it, or what it was trained on, as the person would say.

    `titles` are those of the examples.
    """
    if run["title"]:
        return run["title"]
    if entry["example"] in titles:
        return titles[entry["example"]].to(language)
    return entry["file"] or say("Your rows").to(language)


def numbered(entry: Entry, run: RunStatus, titles: Mapping[str, Sentence], language: str) -> str:
    """Number and name: "3. Pirate". Names may be equal, numbers of one browser are not."""
    return f"{entry['number']}. {title(entry, run, titles, language)}"


def example_titles(backend: Backend) -> dict[str, Sentence]:
    return {example["name"]: example["title"] for example in backend.datasets.examples()}


def run_choices(
    runs: list[tuple[Entry, RunStatus]], titles: Mapping[str, Sentence], language: str
) -> list[tuple[str, str]]:
    """(name, id) for a dropdown, newest first."""
    return [
        (f"{numbered(entry, run, titles, language)} · {state_word(run['state']).to(language)}", entry["run"])
        for entry, run in runs
    ]


_SCRIPT = """
const others = new BroadcastChannel("sft-playground-runs");
let written = null;
others.onmessage = ({ data }) => {
  if (data.entries) trigger("told", { entries: written = data.entries });
  else if (written) others.postMessage({ entries: written });
};
document.addEventListener("sft-runs", (event) => others.postMessage({ entries: written = event.detail }));
others.postMessage({ asks: true });
"""
TELL_OTHERS = "(entries) => { document.dispatchEvent(new CustomEvent('sft-runs', { detail: entries })); }"
"""Follows whatever has written the list, with the list. Not its every change: a tab that opens has only read it, and
that may have been before another one wrote."""


class OtherTabs:
    """Two tabs of one browser keep one list of runs. Draws nothing; stands outside the page's tabs, listening.

    Gradio reads a gr.BrowserState when a page is opened and never again: a tab that was open all along would write its
    old list over what another one has added. So each tab tells the others what it has written, and one that opens asks
    for it: what was written between its reading and its listening would be lost.
    """

    def __init__(self) -> None:
        self.ear = gr.HTML("", html_template="", js_on_load=_SCRIPT, elem_id="other-tabs", apply_default_css=False)

    def wire(self, runs: gr.BrowserState) -> None:
        self.ear.told(self.take_over, runs, runs, **QUICK)

    def take_over(self, stored: Any, heard: gr.EventData) -> Any:
        """The other tab's list, which had this one's runs in it. An equal one is left, or both would go on forever."""
        entries = remembered(heard._data.get("entries"))
        return gr.skip() if entries == remembered(stored) else entries
