"""Third step of fine-tuning: a run as it goes. The page only looks; the run lives on the server and needs no page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from playground.backend import Backend
from playground.errors import PlaygroundError
from playground.ui.curves import loss_curve
from playground.ui.events import PAGE, QUICK
from playground.ui.heading import heading
from playground.ui.i18n import label, reader_language, told
from playground.ui.markup import refusal
from playground.ui.own_runs import ACTIVE, known, remembered, run_choices
from playground.ui.run_view import curve_mark, facts, figures, no_run, outcome, state_line

POLL_S = 1.0
"""Seconds between two looks at a run that is queued or running."""

# The adapter is made when asked for; the browser then presses the hidden link, so that one click is enough.
_PRESS_LINK = "() => setTimeout(() => document.querySelector('#adapter-file').click(), 100)"


def html(elem_id: str) -> gr.HTML:
    return gr.HTML("", elem_id=elem_id, js_on_load=None, apply_default_css=False)


class RunPanel:
    """Owns the choice among this browser's runs; its value is the run that is watched."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.seen = gr.State({})
        """What this page was last sent, so that a second without news costs a few bytes."""
        self.timer = gr.Timer(POLL_S, active=False)
        with gr.Column(elem_classes="card", elem_id="run-panel"):
            heading(
                label("Run"), label("It goes on if you close or reload this page; this browser finds it again."), "3"
            )
            self.chosen = gr.Dropdown(
                [],
                value=None,
                label=label("My runs"),
                info=label("Runs that were started in this browser, newest first."),
                elem_id="my-runs",
                filterable=False,
                visible=False,
            )
            self.state = html("run-state")
            self.figures = html("run-figures")
            self.curve = html("curve")
            self.outcome = html("run-outcome")
            self.facts = html("run-facts")
            with gr.Row(elem_classes="actions"):
                self._actions()
            self.link = gr.DownloadButton(label("Download the adapter"), elem_id="adapter-file", visible="hidden")

    def _actions(self) -> None:
        self.stop = gr.Button(label("Stop and keep the adapter"), variant="stop", elem_id="stop", visible=False)
        self.compare = gr.Button(
            label("Compare this run"), variant="primary", elem_id="compare-this-run", visible=False
        )
        self.download = gr.Button(label("Download the adapter"), elem_id="download", visible=False)

    def wire(self, runs: gr.BrowserState, compared: gr.Dropdown) -> None:
        self._looks = {
            "inputs": [self.chosen, self.seen, runs],
            "outputs": [
                self.state,
                self.figures,
                self.curve,
                self.outcome,
                self.facts,
                self.timer,
                self.seen,
                self.stop,
                self.compare,
                self.download,
                self.chosen,
                compared,
            ],
        }
        self.timer.tick(self.look, **self._looks, trigger_mode="once", **QUICK)
        self.chosen.input(self.look_anew, **self._looks, **QUICK)
        self.stop.click(self.ask_to_stop, self.chosen, self.stop, **QUICK)
        self.download.click(
            self.make_adapter, self.chosen, self.link, show_progress="minimal", show_progress_on=self.download, **PAGE
        ).success(None, None, None, js=_PRESS_LINK, **PAGE)

    def look_after(self, event: Any) -> Any:
        """Show the chosen run once `event` is through."""
        return event.then(self.look_anew, **self._looks, **QUICK)

    def look_anew(self, run: str | None, seen: dict[str, Any], stored: Any, request: gr.Request) -> tuple[Any, ...]:
        return self.look(run, {}, stored, request)

    def look(self, run: str | None, seen: dict[str, Any], stored: Any, request: gr.Request) -> tuple[Any, ...]:
        """Everything about the chosen run that changed since `seen`."""
        language = reader_language(request)
        same = gr.skip()
        if not run:
            return no_run(language), "", "", "", "", gr.Timer(active=False), {}, *_hidden(3), same, same
        try:
            now = self.backend.run(run)
        except PlaygroundError as error:
            return refusal(error, language), "", "", "", "", gr.Timer(active=False), {}, *_hidden(3), same, same
        news = {
            "state": [run, now["state"], now["has_adapter"]],
            "curve": curve_mark(now),
            "outcome": outcome(now, language),
        }
        turned = news["state"] != seen.get("state")
        return (
            state_line(now, language),
            figures(now, language),
            loss_curve(now["metrics"], now["steps"], language) if news["curve"] != seen.get("curve") else same,
            news["outcome"] if news["outcome"] != seen.get("outcome") else same,
            facts(now, language) if turned else same,
            gr.Timer(active=now["state"] in ACTIVE) if turned else same,
            news,
            *(self._buttons(now) if turned else (same, same, same)),
            *(self._choices(now, stored, language) if turned else (same, same)),
        )

    def _buttons(self, now: dict[str, Any]) -> tuple[Any, Any, Any]:
        # An unfinished run has an adapter after its first look at the held-out rows: it can be talked to already.
        return (
            gr.update(visible=now["state"] in ACTIVE, interactive=True),
            gr.update(visible=now["has_adapter"]),
            gr.update(visible=now["has_adapter"] and now["state"] not in ACTIVE),
        )

    def _choices(self, now: dict[str, Any], stored: Any, language: str) -> tuple[Any, Any]:
        """The names of all runs say their state and change with it. A run that just ended is the one to compare."""
        offered = self.offered(stored, language)
        ended = now["has_adapter"] and now["state"] not in ACTIVE
        compared = gr.update(choices=offered, value=now["run"]) if ended else gr.update(choices=offered)
        return gr.update(choices=offered, value=now["run"], visible=bool(offered)), compared

    def offered(self, stored: Any, language: str) -> list[tuple[str, str]]:
        titles = {example["name"]: example["title"] for example in self.backend.examples()}
        return run_choices(known(self.backend, remembered(stored)), titles, language)

    def find_again(self, stored: Any, request: gr.Request) -> tuple[Any, Any, Any]:
        """On load: the newest run of this browser is chosen, and shown if it still goes."""
        offered = self.offered(stored, reader_language(request))
        if not offered:
            return gr.skip(), gr.skip(), gr.skip()
        newest = offered[0][1]
        going = self.backend.run(newest)["state"] in ACTIVE
        return (
            gr.update(choices=offered, value=newest, visible=True),
            gr.update(choices=offered),
            gr.Tabs(selected="finetune") if going else gr.skip(),
        )

    @told
    def ask_to_stop(self, run: str | None, request: gr.Request) -> Any:
        if run:
            self.backend.stop(run)
        # The step in hand still ends; until the state turns there is nothing more to press.
        return gr.update(interactive=False)

    @told
    def make_adapter(self, run: str | None, request: gr.Request) -> Any:
        return str(self.backend.export(run or "", "adapter"))


def _hidden(count: int) -> tuple[Any, ...]:
    return tuple(gr.update(visible=False) for _ in range(count))
