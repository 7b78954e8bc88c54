"""Third step of fine-tuning: a run as it goes. The page only looks; the run lives on the server and needs no page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import say
from playground.runs.types import RunStatus, Settings
from playground.server.backend import Backend
from playground.ui.run.curves import SCRIPT as CURVES_SCRIPT
from playground.ui.run.curves import curve_group
from playground.ui.run.diagnosis import change_of, readings_view, wanted_words
from playground.ui.run.my_runs import ACTIVE, known, remembered, run_choices
from playground.ui.run.probes import SCRIPT as PROBES_SCRIPT
from playground.ui.run.probes import probes_mark, probes_view
from playground.ui.run.report_page import report_html
from playground.ui.run.scales import scales_view
from playground.ui.run.status import about, curve_mark, figures, no_run, outcome, state_line
from playground.ui.widgets.buttons import pressable
from playground.ui.widgets.elements import heading, html
from playground.ui.widgets.events import PAGE, QUEUED, QUICK
from playground.ui.widgets.i18n import label, reader_language, told
from playground.ui.widgets.markup import empty, escape, refusal

POLL_S = 1.0
"""Seconds between two refreshes of a run that is queued or running."""

# The file is made when asked for; the browser then presses the hidden link, so that one click is enough.
_PRESS = "() => setTimeout(() => document.querySelector('#{link}').click(), 100)"

View = tuple[str, Callable[[RunStatus, str], Any], Callable[[RunStatus, str], str]]
"""A part of the panel: its name, what changes when it does, and how it is drawn, each from (run, language)."""


def _curves(run: RunStatus, language: str) -> str:
    return curve_group(run["metrics"], run["steps"], run["best_step"], language)


# A part without a mark of its own is drawn to see whether it changed: each of these takes a fraction of a millisecond.
VIEWS: tuple[View, ...] = (
    ("state", state_line, state_line),
    ("figures", figures, figures),
    ("curve", lambda run, _: curve_mark(run), _curves),
    ("outcome", outcome, outcome),
    ("about", about, about),
    ("scales", scales_view, scales_view),
    ("readings", readings_view, readings_view),
    ("probes", lambda run, _: [run["run"], *probes_mark(run)], probes_view),
)


def _kept(elem_id: str, root: str, script: str) -> gr.HTML:
    """HTML of the server's that a script puts in, part by part."""
    template = f'<div class="{root}"></div>'
    return gr.HTML("", html_template=template, js_on_load=script, elem_id=elem_id, apply_default_css=False)


class RunPanel:
    """Owns the choice among this browser's runs; its value is the run that is watched.

    `wanted` holds the settings of the reading whose button was pressed last, and `wanting` is that press: whoever owns
    the form goes on from there with `panel.wanting.then(handler, [panel.wanted, ...], ...)`.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.seen = gr.State({})
        """What this page was last sent, so that a second without news costs a few bytes."""
        self.wanted = gr.State({})
        self.timer = gr.Timer(POLL_S, active=False)
        with gr.Column(elem_classes="card", elem_id="run-panel"):
            heading(
                label("Run"), label("It goes on if you close or reload this page; this browser finds it again."), "3"
            )
            self._choice()
            self.state, self.figures = html("run-state"), html("run-figures")
            with gr.Row(elem_classes="actions"):
                self._actions()
            self.outcome = html("run-outcome")
            self._log()
            self.scales = html("run-scales")
            self.curve = _kept("curve", "curves-root", CURVES_SCRIPT)
            self.readings = pressable("run-readings", ["want"])
            self.wanted_note = html("wanted-note")
            self.probes = _kept("run-probes", "probes-root", PROBES_SCRIPT)
            self.facts = html("run-facts")
            self.link = gr.DownloadButton(label("Download the adapter"), elem_id="adapter-file", visible="hidden")
            self.report_link = gr.DownloadButton(label("Download the report"), elem_id="report-file", visible="hidden")
        self.views = dict(
            zip(
                (name for name, *_ in VIEWS),
                (
                    self.state,
                    self.figures,
                    self.curve,
                    self.outcome,
                    self.facts,
                    self.scales,
                    self.readings,
                    self.probes,
                ),
                strict=True,
            )
        )

    def _choice(self) -> None:
        self.chosen = gr.Dropdown(
            [],
            value=None,
            label=label("My runs"),
            info=label("Runs that were started in this browser, newest first."),
            elem_id="my-runs",
            filterable=False,
            visible=False,
        )

    def _actions(self) -> None:
        def button(words: Any, elem_id: str, variant: str = "secondary") -> gr.Button:
            return gr.Button(words, variant=variant, elem_id=elem_id, visible=False)

        self.stop = button(label("Stop and keep the adapter"), "stop", "stop")
        self.compare = button(label("Compare this run"), "compare-this-run", "primary")
        self.resume = button(label("Resume"), "resume")
        self.download = button(label("Download the adapter"), "download")
        self.report = button(label("Download the report"), "download-report")

    def _log(self) -> None:
        with gr.Accordion(label("Log"), open=False, visible=False, elem_id="run-log") as self.log_box:
            self.log = html("run-log-text")

    @property
    def buttons(self) -> list[gr.Button]:
        return [self.stop, self.compare, self.resume, self.download, self.report]

    def wire(self, runs: gr.BrowserState, compared: gr.Dropdown) -> None:
        self._refreshing = {
            "inputs": [self.chosen, self.seen, runs],
            "outputs": [
                *self.views.values(),
                self.timer,
                self.seen,
                *self.buttons,
                self.chosen,
                compared,
                self.log_box,
                self.log,
                self.wanted_note,
            ],
        }
        self._compared = compared
        self.timer.tick(self.refresh, **self._refreshing, trigger_mode="once", **QUICK)
        self.chosen.input(self.refresh_all, **self._refreshing, **QUICK)
        self.stop.click(self.ask_to_stop, self.chosen, self.stop, **QUICK)
        self.refresh_after(self.resume.click(self.ask_to_resume, self.chosen, self.resume, **QUICK))
        self.log_box.expand(self.read_log, self.chosen, self.log, **QUICK)
        self.wanting = self.readings.want(
            self.want, [self.chosen, self.wanted], [self.wanted, self.wanted_note], **QUEUED
        )
        self._offer(self.download, self.make_adapter, self.link)
        self._offer(self.report, self.make_report, self.report_link)

    def _offer(self, button: gr.Button, make: Callable[..., Any], link: gr.DownloadButton) -> None:
        button.click(make, self.chosen, link, show_progress="minimal", show_progress_on=button, **PAGE).success(
            None, None, None, js=_PRESS.replace("{link}", link.elem_id), **PAGE
        )

    def refresh_after(self, event: Any) -> Any:
        """Show the chosen run once `event` is through."""
        return event.then(self.refresh_all, **self._refreshing, **QUICK)

    def refresh_all(self, run: str | None, seen: dict[str, Any], stored: Any, request: gr.Request) -> dict[Any, Any]:
        return self.refresh(run, {}, stored, request)

    def refresh(self, run: str | None, seen: dict[str, Any], stored: Any, request: gr.Request) -> dict[Any, Any]:
        """Everything about the chosen run that changed since `seen`."""
        language = reader_language(request)
        if not run:
            return self._nothing(no_run(language))
        try:
            now = self.backend.runs.get(run)
        except PlaygroundError as error:
            return self._nothing(refusal(error, language))
        news: dict[str, Any] = {"run": run, "turn": [now["state"], now["has_adapter"], now["can_resume"]]}
        updates: dict[Any, Any] = {}
        for name, mark, draw in VIEWS:
            news[name] = mark(now, language)
            if news[name] != seen.get(name):
                updates[self.views[name]] = news[name] if mark is draw else draw(now, language)
        if run != seen.get("run"):
            updates |= {self.log: "", self.wanted_note: "", self.log_box: gr.update(visible=True, open=False)}
        if [run, news["turn"]] != [seen.get("run"), seen.get("turn")]:
            updates[self.timer] = gr.Timer(active=now["state"] in ACTIVE)
            updates |= self._buttons(now) | self._choices(now, stored, language)
        return {**updates, self.seen: news}

    def _nothing(self, said: str) -> dict[Any, Any]:
        """Only what is said in place of a state."""
        hidden = {button: gr.update(visible=False) for button in self.buttons}
        emptied = {view: "" for view in (*self.views.values(), self.log, self.wanted_note)}
        closed = {self.log_box: gr.update(visible=False, open=False)}
        return {**emptied, **hidden, **closed, self.state: said, self.timer: gr.Timer(active=False), self.seen: {}}

    def _buttons(self, now: RunStatus) -> dict[Any, Any]:
        # An unfinished run has an adapter after its first evaluation on the held-out rows: it can be talked to already.
        goes, has_adapter = now["state"] in ACTIVE, now["has_adapter"]
        return {
            self.stop: gr.update(visible=goes, interactive=True),
            self.compare: gr.update(visible=has_adapter),
            self.resume: gr.update(visible=bool(now["can_resume"]) and not goes, interactive=True),
            self.download: gr.update(visible=has_adapter and not goes),
            self.report: gr.update(visible=not goes),
        }

    def _choices(self, now: RunStatus, stored: Any, language: str) -> dict[Any, Any]:
        """The names of all runs say their state and change with it. A run that just ended is the one to compare."""
        offered = self.offered(stored, language)
        ended = now["has_adapter"] and now["state"] not in ACTIVE
        compared = gr.update(choices=offered, value=now["run"]) if ended else gr.update(choices=offered)
        chosen = gr.update(choices=offered, value=now["run"], visible=bool(offered))
        return {self.chosen: chosen, self._compared: compared}

    def offered(self, stored: Any, language: str) -> list[tuple[str, str]]:
        titles = {example["name"]: example["title"] for example in self.backend.datasets.examples()}
        return run_choices(known(self.backend, remembered(stored)), titles, language)

    def find_again(self, stored: Any, request: gr.Request) -> tuple[Any, Any, Any]:
        """On load: the newest run of this browser is chosen, and shown if it still goes."""
        offered = self.offered(stored, reader_language(request))
        if not offered:
            return gr.skip(), gr.skip(), gr.skip()
        newest = offered[0][1]
        going = self.backend.runs.get(newest)["state"] in ACTIVE
        return (
            gr.update(choices=offered, value=newest, visible=True),
            gr.update(choices=offered),
            gr.Tabs(selected="finetune") if going else gr.skip(),
        )

    # ---- what can be pressed -----------------------------------------------------------------------------------

    @told
    def ask_to_stop(self, run: str | None, request: gr.Request) -> Any:
        if run:
            self.backend.runs.stop(run)
        # The step in hand still ends; until the state turns there is nothing more to press.
        return gr.update(interactive=False)

    @told
    def ask_to_resume(self, run: str | None, request: gr.Request) -> Any:
        if run:
            self.backend.runs.resume(run)
        return gr.update(interactive=False)

    @told
    def make_adapter(self, run: str | None, request: gr.Request) -> Any:
        return str(self.backend.runs.export(run or "", "adapter"))

    @told
    def make_report(self, run: str | None, request: gr.Request) -> Any:
        report, language = self.backend.runs.report(run or ""), reader_language(request)
        page = report.folder / f"report-{language}.html"
        page.write_text(report_html(report.run, report.rows, language), encoding="utf-8")
        return str(page)

    def read_log(self, run: str | None, request: gr.Request) -> str:
        """Only when somebody opens it: nobody else needs these 20,000 characters."""
        language = reader_language(request)
        if not run:
            return ""
        try:
            text = self.backend.runs.log(run)
        except PlaygroundError as error:
            return refusal(error, language)
        if not text.strip():
            return empty(say("The log is empty"), say("The train process has not printed anything."), language)
        name = escape(say("Log of the run").to(language))
        return f'<pre class="log-text" tabindex="0" role="region" aria-label="{name}">{escape(text)}</pre>'

    def want(self, run: str | None, wanted: Settings, request: gr.Request, pressed: gr.EventData) -> Any:
        """The settings of the reading that was pressed. What a reading sets is the server's to say."""
        try:
            change = change_of(self.backend.runs.get(run or ""), str(pressed._data.get("code")))
        except PlaygroundError:
            change = {}
        return change or wanted, wanted_words(change, reader_language(request))
