"""A run is a folder. Whoever knows its name may see it; nobody can guess it.

    settings.json      what was asked for, the model, counts
    rows.jsonl         the conversations that are trained on
    rendered.parquet   row, held_out, input_ids, labels
    chat_template.jinja  where it is not the model's own
    events.jsonl       append only, one JSON object a line
    adapter/           safetensors
    general.parquet    everyday questions as tokens, to see what is forgotten
    probes.json        prompts that are answered as the run goes
    start/             the adapter that is trained further, where it is one
    adapters/          the adapter at each evaluation; adapter/ is the best of them
    checkpoint/        what a stopped run goes on from
    plan.json, evaluations.json   what a run that goes on must know of its earlier part
    report.json        what came of it
    title.txt          a name that a person gave it
    log.txt            what the train process printed
    stop               there when somebody asked the run to stop

The train process writes events, everyone else reads them. Reading forgives a last line that a crash cut short.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import orjson

from playground.core.errors import NotFoundError, PlaygroundError, disk_is_full, unpack_error
from playground.core.i18n import Sentence, pack, say, unpack
from playground.core.whole_files import write_durably
from playground.runs.types import (
    METRICS,
    Event,
    FiguresEvent,
    Metrics,
    PlanDict,
    Probe,
    ProbeRound,
    Report,
    RunRecord,
    Scales,
    State,
    StateEvent,
    Verdict,
)

TEMPLATE = "chat_template.jinja"
SPEEDS = "speeds.json"
"""Beside the folder of all runs: how fast this machine was with which model."""
FINISHED = ("done", "stopped", "failed")
_ID = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass
class RunFolder:
    """One run's folder, and how to read and write what is in it."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    def has_adapter(self) -> bool:
        return (self.adapter / "adapter_model.safetensors").is_file()

    def settings(self) -> RunRecord:
        return orjson.loads((self.path / "settings.json").read_bytes())

    def title(self) -> str:
        """The name that a person gave the run, or ""."""
        path = self.path / "title.txt"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def rename(self, title: str) -> None:
        """Give the run a name; "" takes it away."""
        write_durably(self.path / "title.txt", title.encode())

    def has_checkpoint(self) -> bool:
        """Whether a stopped or failed run can go on."""
        return any((self.path / "checkpoint").glob("step-*/trainer_state.json"))

    def log(self, most: int = 20_000) -> str:
        """The last `most` bytes of what the train process printed."""
        try:
            with open(self.path / "log.txt", "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - most, 0))
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def probes(self) -> list[Probe]:
        path = self.path / "probes.json"
        known = orjson.loads(path.read_bytes())["probes"] if path.is_file() else []
        return [Probe(prompt=each["prompt"], expected=each["expected"], source=each["source"]) for each in known]

    def template(self) -> str:
        """The Jinja source that the rows were rendered with, "" for the model's own."""
        path = self.path / TEMPLATE
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def append(self, event: str, **values: Any) -> None:
        """Add one event, in a single write. A reader sees all of it or none, or after a crash its beginning."""
        line = orjson.dumps({"time": round(time.time(), 3), "event": event, **pack(values)}) + b"\n"
        descriptor = os.open(self.path / "events.jsonl", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # The app and the train process both write: neither may look at the other's half-written line.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # A crash cut the last event short: it must not take this one with it.
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)

    def ask_to_stop(self) -> None:
        (self.path / "stop").touch()

    def is_asked_to_stop(self) -> bool:
        return (self.path / "stop").exists()

    def write_report(self, report: Report) -> None:
        """report.json, all of it or none."""
        write_durably(self.path / "report.json", orjson.dumps(pack(report), option=orjson.OPT_INDENT_2))

    def report(self) -> Report | None:
        """report.json, or None while there is none."""
        path = self.path / "report.json"
        return unpack(orjson.loads(path.read_bytes())) if path.is_file() else None


@dataclass
class Progress:
    """What a run's events say so far. `update` reads only what has been added since."""

    state: State = "queued"
    phase: Sentence = field(default_factory=lambda: say("Waiting for its turn."))
    step: int = 0
    steps: int = 0
    eta_s: float | None = None
    metrics: list[Metrics] = field(default_factory=list)
    notes: list[Sentence] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    plan: PlanDict = field(default_factory=PlanDict)
    answers: list[ProbeRound] = field(default_factory=list)
    scales: Scales = field(default_factory=Scales)
    best_step: int | None = None
    peak: int | None = None
    """Most memory used so far, in bytes."""
    ended: float | None = None
    not_finite_at: int | None = None
    """Step at which the loss was no number any more."""
    error: PlaygroundError | None = None
    started: float | None = None
    pid: int | None = None
    _offset: int = 0

    def update(self, folder: RunFolder) -> Progress:
        try:
            with open(folder.path / "events.jsonl", "rb") as file:
                file.seek(self._offset)
                added = file.read()
        except FileNotFoundError:
            return self
        whole, _, _ = added.rpartition(b"\n")  # What stands after the last newline is still being written.
        if whole:
            self._offset += len(whole) + 1
            for line in whole.split(b"\n"):
                try:
                    event = unpack(orjson.loads(line))
                except orjson.JSONDecodeError:
                    continue  # A crash cut this line short; the events around it are sound.
                self._apply(event)
        return self

    def _apply(self, event: Event) -> None:
        if event["event"] == "state":
            self._enter(event)
        elif event["event"] == "phase":
            self.phase = event["phase"]
        elif event["event"] == "plan":
            self.steps = event["steps"]
            self.plan = cast(PlanDict, {name: value for name, value in event.items() if name not in ("event", "time")})
        elif event["event"] == "answers":
            self.answers.append({"step": event["step"], "answers": event["answers"]})
        elif event["event"] == "scales":
            self.scales = {"before": event["before"], "after": event["after"], "change": event["change"]}
        elif event["event"] == "not_finite":
            self.not_finite_at = event["step"]
        elif event["event"] == "best":
            self.best_step = event["step"]
        elif event["event"] == "restart":
            self._forget_after(event["step"])
        elif event["event"] == "note":
            self.notes.append(event["note"])
        elif event["event"] == "step" or event["event"] == "eval":
            self.step = max(self.step, event["step"])
            self.eta_s = event.get("eta_s", self.eta_s)
            self.peak = event.get("memory", self.peak)
            self._merge(event)

    def _enter(self, event: StateEvent) -> None:
        self.state = event["state"]
        self.pid = event.get("pid", self.pid)
        if self.state in ("queued", "running"):  # Also one that goes on after its end.
            self.verdict, self.error, self.ended, self.not_finite_at = {}, None, None, None
        if self.state == "running":
            self.started = event["time"]
        if self.state in FINISHED:
            self.phase = _ENDS[self.state]
            self.eta_s, self.ended = None, event["time"]
            self.peak = event.get("peak", self.peak)
            self.verdict = event.get("verdict", {})
            self.error = unpack_error(event["problem"]) if event.get("problem") else None

    def _forget_after(self, step: int) -> None:
        """The run goes on from `step`: what came after it will come again."""
        self.step = step
        self.metrics = [row for row in self.metrics if row["step"] <= step]
        self.answers = [answer for answer in self.answers if answer["step"] <= step]
        if self.best_step is not None and self.best_step > step:
            self.best_step = None
        if not step:
            self.metrics, self.answers, self.scales, self.best_step = [], [], {}, None

    def _merge(self, event: FiguresEvent) -> None:
        """One row a step, with training and held-out figures side by side."""
        if not self.metrics or self.metrics[-1]["step"] != event["step"]:
            self.metrics.append(cast(Metrics, {"step": event["step"], **dict.fromkeys(METRICS)}))
        measured = {name: event[name] for name in METRICS if event.get(name) is not None}
        self.metrics[-1].update(cast(Metrics, measured))


_ENDS = {"done": say("Finished."), "stopped": say("Stopped."), "failed": say("Failed.")}


class RunStore:
    """All runs of this installation, below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._progress: dict[str, Progress] = {}
        self._lock = threading.Lock()

    def create(self, fill: Callable[[Path], RunRecord]) -> RunFolder:
        """A new run. `fill` writes its files into the folder it is given and returns the settings.

        The folder gets its name in one step at the end: a run exists whole or not at all. Raises LimitError when the
        disk is full, and whatever `fill` raises.
        """
        work = None
        try:
            work = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
            settings = fill(work)
            (work / "settings.json").write_bytes(orjson.dumps(settings, option=orjson.OPT_INDENT_2))
            RunFolder(work).append("state", state="queued")
            return RunFolder(work.rename(self.root / secrets.token_urlsafe(16)))
        except BaseException as problem:
            if work is not None:
                shutil.rmtree(work, ignore_errors=True)
            raise (disk_is_full(problem) or problem) from None

    def open(self, run: str) -> RunFolder:
        """Raises NotFoundError unless `run` is the id of a run: no other string ever becomes part of a path."""
        if isinstance(run, str) and _ID.fullmatch(run):
            folder = RunFolder(self.root / run)
            if (folder.path / "settings.json").is_file():
                return folder
        raise NotFoundError(
            say("There is no such run."),
            say("A run is named by the id that it got when it was started."),
            say("Check the id; a run may also have been deleted."),
        )

    def progress(self, folder: RunFolder) -> Progress:
        """How the run stands now, as a copy; cheap to call again and again, from any thread."""
        with self._lock:
            progress = self._progress.setdefault(folder.id, Progress()).update(folder)
            return replace(
                progress,
                metrics=[row.copy() for row in progress.metrics],
                notes=list(progress.notes),
                answers=list(progress.answers),
            )

    def delete(self, folder: RunFolder) -> None:
        """Remove a run. Its name goes in one step; whoever reads it at this moment finds it whole or not at all."""
        work = Path(tempfile.mkdtemp(prefix=".gone-", dir=self.root))
        folder.path.rename(work / "run")
        with self._lock:
            self._progress.pop(folder.id, None)
        shutil.rmtree(work, ignore_errors=True)

    def all(self) -> list[RunFolder]:
        """Every run, oldest first."""
        settings = [path for path in self.root.glob("*/settings.json") if _ID.fullmatch(path.parent.name)]
        return [RunFolder(path.parent) for path in sorted(settings, key=lambda path: path.stat().st_mtime)]
