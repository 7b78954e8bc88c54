"""One run trains at a time; the others wait their turn, each knowing its place.

A warm train process stands by with its imports done, so that a run starts in the time of loading the model.
What a run does stands in its folder; this only decides who is next, and notices when a process is gone.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil

from playground.core.errors import LimitError, WorkerError
from playground.core.i18n import say
from playground.core.settings import Limits
from playground.runs.store import FINISHED, RunFolder, RunStore
from playground.server.processes.child import Child

_MODULE = "playground.server.processes.train_process"
_REST_S = 20.0
"""Seconds between the end of a run and the start of the next warm process, unless somebody waits for one."""
_START_S = 15.0
"""Seconds from a run's turn to its first step, for estimates of the wait."""


class RunQueue:
    """First come, first served."""

    def __init__(self, store: RunStore, limits: Limits, log: Path) -> None:
        self.store = store
        self._limits = limits
        self._log = log
        self._changed = threading.Condition()
        self._waiting: list[RunFolder] = []
        self._current: RunFolder | None = None
        self._orphans: list[RunFolder] = []
        """Runs that outlived the app that started them. The queue waits for them."""
        self._spare: Child | None = None
        self._running: Child | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._work, daemon=True, name="run queue")

    def start(self) -> None:
        """Take up what an earlier life of the app left behind, then serve the queue."""
        for folder in self.store.all():
            progress = self.store.progress(folder)
            if progress.state == "queued":
                self._waiting.append(folder)
            elif progress.state == "running":
                if progress.pid is not None and _is_train_process(progress.pid):
                    self._orphans.append(folder)
                else:
                    _fail(folder)
        self._thread.start()

    def warm_up(self) -> None:
        """Have a train process stand by. Called once other processes have done their imports."""
        with self._changed:
            if self._spare is None and self._running is None and not self._closing:
                self._spare = self._spawn()

    def check_room(self) -> None:
        """Raises LimitError when no more runs may wait."""
        with self._changed:
            if len(self._waiting) >= self._limits.runs_waiting:
                raise LimitError(
                    say("{count} runs are waiting already.", count=len(self._waiting)),
                    say("No more than that may wait here."),
                    say("Try again in a few minutes."),
                )

    def submit(self, folder: RunFolder) -> None:
        with self._changed:
            self._waiting.append(folder)
            self._changed.notify_all()

    def resume(self, folder: RunFolder) -> None:
        """Let a run that has ended go on: it waits its turn like any other."""
        (folder.path / "stop").unlink(missing_ok=True)
        folder.append("state", state="queued")
        self.submit(folder)

    def position(self, folder: RunFolder) -> tuple[int, float]:
        """(runs that come before this one and itself, seconds until its turn); (0, 0.0) when it does not wait."""
        with self._changed:
            place = next((i for i, waiting in enumerate(self._waiting) if waiting.id == folder.id), None)
            if place is None:
                return 0, 0.0
            ahead = self._waiting[:place]
            current = self._current
        wait = 0.0 if current is None else self._time_left(current)
        return place + 1, wait + sum(self._time_left(other) for other in ahead)

    def stop(self, folder: RunFolder) -> None:
        """End the run: at once while it waits, after the step in hand while it trains."""
        with self._changed:
            waiting = next((other for other in self._waiting if other.id == folder.id), None)
            if waiting is not None:
                self._waiting.remove(waiting)
                folder.append("state", state="stopped")
                return
        if self.store.progress(folder).state not in FINISHED:
            folder.ask_to_stop()

    def close(self) -> None:
        """End the train processes. A run in hand finishes its step and saves its adapter."""
        with self._changed:
            self._closing = True
            children = [child for child in (self._spare, self._running) if child is not None]
            self._changed.notify_all()
        for child in children:
            child.terminate(patience_s=20.0 if child is self._running else 0.5)

    def _time_left(self, folder: RunFolder) -> float:
        progress = self.store.progress(folder)
        if progress.eta_s is not None:
            return progress.eta_s
        budget = float(folder.settings()["settings"]["time_budget_s"]) or 600.0
        return budget + _START_S

    def _spawn(self) -> Child:
        with open(self._log, "ab") as log:
            # The page, previews and chat come first.
            return Child(_MODULE, on_message=lambda _: None, on_end=lambda _: None, log=log, niceness=5)

    def _work(self) -> None:
        for orphan in self._orphans:
            self._current = orphan
            self._wait_for_orphan(orphan)
        self._current = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                self._current = folder = self._waiting.pop(0)
                child, self._spare = self._spare, None
                if child is None or not child.is_alive():
                    child = self._spawn()
                self._running = child
            self._train(folder, child)
            with self._changed:
                self._running = self._current = None
                # Whoever trained now compares: the spare's imports would take the cores from the answers.
                if not self._changed.wait_for(lambda: self._waiting or self._closing, _REST_S):
                    self._spare = self._spawn()

    def _train(self, folder: RunFolder, child: Child) -> None:
        child.send({"folder": str(folder.path)})
        child.wait()
        if self.store.progress(folder).state not in FINISHED:
            _fail(folder)

    def _wait_for_orphan(self, folder: RunFolder) -> None:
        pid = self.store.progress(folder).pid
        while pid is not None and _is_train_process(pid) and not self._closing:
            time.sleep(0.5)
        if not self._closing and self.store.progress(folder).state not in FINISHED:
            _fail(folder)


def _is_train_process(pid: int) -> bool:
    """Whether that process still trains; its number may belong to another one by now."""
    try:
        process = psutil.Process(pid)
        return _MODULE in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _fail(folder: RunFolder) -> None:
    """Close the events of a run whose process is gone without a word."""
    again = say("Start the run again; if it dies again, take shorter rows or a smaller batch: memory may have run out.")
    further = say("Press Resume: it goes on from its last checkpoint. If it dies again, memory may have run out.")
    problem = WorkerError(
        say("The train process died before the run was finished."), fix=further if folder.has_checkpoint() else again
    )
    folder.append("state", state="failed", problem=problem.pack())
