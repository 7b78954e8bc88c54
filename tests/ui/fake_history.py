"""A fake backend with a history: runs that can be renamed, deleted and resumed, and a base that can be looked at."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import gradio as gr

from playground.core.errors import InputError, NotFoundError
from playground.core.i18n import Sentence
from playground.runs.types import Baseline, RunStatus
from playground.ui.history.panel import History
from playground.ui.run.baseline_panel import BaselinePanel
from playground.ui.run.my_runs import Entry, OtherTabs
from playground.ui.run.start_from import StartFrom

from .fake_backend import FakeBackend
from .fake_runs import a_story

HOSTILE = '<img src=x onerror="window.hit=1">${window.hit=2}{{window.hit=3}}'
LONG = "A very long name that goes on and on " * 6
BASELINE: Baseline = {
    "rows": 6,
    "plain": {"loss": 2.79, "low": 2.41, "high": 3.2},
    "examples": {"loss": 1.9, "low": 1.6, "high": 2.25, "count": 3, "tokens": 140},
    "answers": [
        {
            "row": 12,
            "question": "How do I reset my password?",
            "expected": "Arr! Press the wee link below the box, matey.",
            "plain": "To reset your password, go to the settings page and choose “Reset password”. Then follow the",
            "with_examples": "Arr! Go to the settings, matey.",
            "ended": ["length", "stop"],
        },
        {
            "row": 31,
            "question": f"What is {HOSTILE}?",
            "expected": f"Treasure: {HOSTILE}",
            "plain": "",
            "with_examples": None,
            "ended": ["stop", ""],
        },
    ],
    "gap": Sentence("Each token is as hard for the base to guess as one out of {choices}.", choices=16),
    "code": "both",
    "verdict": Sentence("Examples help, and leave a gap: that is what tuning can close."),
    "notes": [],
}


def story(moment: str, run: str, **given: Any) -> RunStatus:
    """A run of that moment and id, higher in loss for some ids. `settings` are those that differ from the story's."""
    told: Any = a_story(moment, run=run)
    slower = 1 + sum(map(ord, run)) % 5 / 10
    told["metrics"] = [
        {**row, **{name: row[name] and round(row[name] * slower, 4) for name in ("loss", "eval_loss")}}
        for row in told["metrics"]
    ]
    told |= given | {"settings": told["settings"] | given.get("settings", {})}
    return told


def some_runs() -> dict[str, RunStatus]:
    """One of each kind, newest first."""
    runs = [
        story("midway", "live", created=1_790_030_000.0),
        story("well", "well", settings={"learning_rate": 5e-4, "r": 16}, title="Half the rate"),
        story("badly", "badly", settings={"num_train_epochs": 20.0, "packing": True, "start_from": "well"}),
        story("stopped", "stopped", title=HOSTILE),
        story("failed", "failed", metrics=[], settings={"learning_rate": 0.2}, step=0, steps=0),
        story("queued", "waits", title=LONG),
    ]
    return {run["run"]: run for run in runs}


def entries(backend: FakeHistory) -> list[Entry]:
    """What a browser that started all of them keeps."""
    runs = list(backend.stories)
    return [
        {"run": run, "number": len(runs) - place, "example": "pirate" if place % 2 else "", "file": ""}
        for place, run in enumerate(runs)
    ]


class FakeHistory(FakeBackend):
    """`hold` makes a look at the base wait after its first news until it is set; runs are told once `awake` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.stories = some_runs()
        self.found: Baseline = BASELINE
        self.hold: threading.Event | None = None
        self.stopped = threading.Event()
        self.awake = threading.Event()
        self.awake.set()

    def get(self, run: str) -> RunStatus:
        assert self.awake.wait(60)
        return super().get(run)

    def rename(self, run: str, title: str) -> dict[str, Any]:
        self._note("rename", run, title)
        self.stories[self.get(run)["run"]]["title"] = title
        return {}

    def delete(self, run: str) -> dict[str, Any]:
        self._note("delete", run)
        if self.get(run)["state"] in ("queued", "running"):
            raise InputError(Sentence("The run is still going."), None, Sentence("Stop it first."))
        del self.stories[run]
        return {}

    def resume(self, run: str) -> dict[str, Any]:
        self._note("resume", run)
        if not self.get(run)["can_resume"]:
            raise NotFoundError(Sentence("The run has no checkpoint."))
        self.stories[run].update({"state": "queued", "position": 1, "can_resume": False})
        return {"run": run, "state": "queued", "position": 1}

    def baseline(self, text: str, file: str, model: str, settings: dict[str, Any], tell: Any) -> Baseline:
        self._note("baseline", text, file, model, settings)
        tell({"fraction": 0.25, "line": Sentence("Scoring 6 rows.")})
        try:
            while self.hold is not None and not self.hold.wait(0.05):
                tell({"fraction": 0.5, "line": Sentence("Scoring 6 rows.")})
        except BaseException:
            self.stopped.set()
            raise
        return self.found


class FakePanel:
    """Stands for the run panel: the choice of the run that is watched, and the looks at it."""

    def __init__(self) -> None:
        with gr.Column(elem_id="run-panel"):
            self.chosen = gr.Dropdown([], value=None, label="My runs", info="watched", elem_id="my-runs")
            self.watched = gr.Textbox(label="Watched", info="by the panel", elem_id="watched")

    def refresh_after(self, event: Any) -> Any:
        return event.then(lambda run: run or "", self.chosen, self.watched, api_visibility="private", queue=False)


def build(backend: FakeHistory) -> SimpleNamespace:
    """A page of nothing but the history, the look at the base, and what they change."""
    with gr.Blocks(title="History", analytics_enabled=False) as page:
        runs = gr.BrowserState(entries(backend), storage_key="sft-test-runs", secret="secret")
        others = OtherTabs()
        with gr.Column(elem_classes="card"):
            text = gr.Textbox("a row", label="Rows", info="pasted", elem_id="text")
            baseline = BaselinePanel(backend)
            start = StartFrom()
            with gr.Row(elem_classes="actions"):
                gr.Button("Start training", variant="primary", elem_id="start")
            settings = gr.Textbox(label="Settings", info="of the form", elem_id="form")
        panel = FakePanel()
        history = History(backend)
        compared = gr.Dropdown([], value=None, label="Run", info="in Compare", allow_custom_value=True, elem_id="cmp")
        others.wire(runs)
        start.wire()
        baseline.wire([text], lambda text: (text, "", "org/model", {}))
        history.wire(page, runs, panel, compared, start)
        history.taken_over.success(lambda wanted: str(wanted), history.wanted, settings, api_visibility="private")
    parts = {
        "runs": runs,
        "baseline": baseline,
        "start": start,
        "panel": panel,
        "history": history,
        "compared": compared,
    }
    return SimpleNamespace(page=page, text=text, **parts)
