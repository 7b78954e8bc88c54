"""Which earlier run the next one goes on from: said in a line near Start, and taken back with a click."""

from __future__ import annotations

from typing import Any

import gradio as gr

from playground.core.i18n import say
from playground.runs.types import RunStatus
from playground.ui.widgets.buttons import button_for, pressable
from playground.ui.widgets.events import QUICK
from playground.ui.widgets.i18n import reader_language
from playground.ui.widgets.markup import escape, icon


class StartFrom:
    """Builds the line where it is called. `run` holds the id of the earlier run, "" for a new adapter."""

    def __init__(self) -> None:
        self.run = gr.State("")
        self.line = pressable("start-from", ["take_back"])

    def wire(self) -> None:
        self.line.take_back(self.taken_back, None, [self.run, self.line], **QUICK)

    def taken_back(self) -> tuple[str, str]:
        """A new adapter again: for [run, line], also once the next run has begun."""
        return "", ""

    def chosen(self, run: RunStatus, name: str, request: gr.Request | None) -> dict[Any, Any]:
        """Updates that make the next run go on from `run`, which this browser calls `name`."""
        return {self.run: run["run"], self.line: further_line(run, name, reader_language(request))}


def further_line(run: RunStatus, name: str, language: str) -> str:
    told = say(
        "The next run trains the adapter of “{name}” further, on {model} as before.", name=name, model=run["model"]
    )
    back = button_for("take_back", say("Begin a new adapter instead").to(language))
    return (
        f'<div class="start-from" role="status">{icon("info")}<span>{escape(told.to(language))}</span>'
        f'<span class="row-buttons">{back}</span></div>'
    )
