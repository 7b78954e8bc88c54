"""The runs that this browser started. The browser keeps their ids; nobody else is told them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence, say
from playground.server.backend import Backend

KEPT = 20
"""Runs remembered by one browser, newest first."""

ACTIVE = ("queued", "running")

Entry = dict[str, Any]
"""{run: id, number: 1.., example: name or "", file: name or ""}"""


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
    entries = stored if isinstance(stored, list) else []
    return [
        {
            "run": entry["run"],
            "number": entry["number"] if isinstance(entry.get("number"), int) else 0,
            "example": str(entry.get("example") or ""),
            "file": str(entry.get("file") or ""),
        }
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("run"), str)
    ][:KEPT]


def with_run(entries: list[Entry], run: str, example: str, file: str) -> list[Entry]:
    number = 1 + max((entry["number"] for entry in entries), default=0)
    return [{"run": run, "number": number, "example": example, "file": file}, *entries][:KEPT]


def without(entries: list[Entry], runs: Collection[str]) -> list[Entry]:
    """The entries without those runs. The others keep their numbers: a run is called by it."""
    return [entry for entry in entries if entry["run"] not in runs]


def known(backend: Backend, entries: list[Entry]) -> list[tuple[Entry, dict[str, Any]]]:
    """Each entry whose run the backend still has, with how it stands."""
    found = []
    for entry in entries:
        try:
            found.append((entry, backend.run(entry["run"])))
        except PlaygroundError:
            continue
    return found


def title(entry: Entry, run: dict[str, Any], titles: dict[str, Sentence], language: str) -> str:
    """What the run is called: the name that a person gave it, or what it was trained on, as the person would say.

    `titles` are those of the examples.
    """
    if run.get("title"):
        return str(run["title"])
    if entry["example"] in titles:
        return titles[entry["example"]].to(language)
    return entry["file"] or say("Your rows").to(language)


def numbered(entry: Entry, run: dict[str, Any], titles: dict[str, Sentence], language: str) -> str:
    """Number and name: "3. Pirate". Names may be equal, numbers of one browser are not."""
    return f"{entry['number']}. {title(entry, run, titles, language)}"


def example_titles(backend: Backend) -> dict[str, Sentence]:
    return {example["name"]: example["title"] for example in backend.examples()}


def run_choices(
    runs: list[tuple[Entry, dict[str, Any]]], titles: dict[str, Sentence], language: str
) -> list[tuple[str, str]]:
    """(name, id) for a dropdown, newest first."""
    return [
        (f"{numbered(entry, run, titles, language)} · {state_word(run['state']).to(language)}", entry["run"])
        for entry, run in runs
    ]
