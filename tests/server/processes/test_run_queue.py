"""Who trains next, and what becomes of runs whose process or whose app is gone.

A stand-in takes the place of the train process: a program of a few lines that writes events as ours does, and does
what the run's settings tell it to.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from playground.core.errors import LimitError, WorkerError
from playground.core.settings import Limits
from playground.runs.store import FINISHED, RunStore
from playground.server.processes import run_queue
from playground.server.processes.child import ROOT
from playground.server.processes.run_queue import RunQueue

PATIENCE_S = 120
STAND_IN = '''
"""A stand-in for playground.server.processes.train_process."""
import json, os, signal, sys, time
from pathlib import Path
from playground.runs.store import RunFolder

asked_to_end = []
signal.signal(signal.SIGTERM, lambda *_: asked_to_end.append(1))
print('{"ready": true}', flush=True)
try:
    line = sys.stdin.readline()
except InterruptedError:
    line = ""
if line.strip():
    folder = RunFolder(Path(json.loads(line)["folder"]))
    act = folder.settings()["settings"]["act"]
    folder.append("state", state="running", pid=os.getpid())
    folder.append("step", step=1, loss=1.0, eta_s=50.0)
    while act == "wait" and not (folder.path / "go").exists():
        if asked_to_end or folder.is_asked_to_stop():
            folder.append("state", state="stopped")
            sys.exit(0)
        time.sleep(0.02)
    if act == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "leave":
        sys.exit(0)
    folder.append("state", state="done", verdict={"code": "learned"})
'''


@pytest.fixture
def store(tmp_path, monkeypatch):
    (tmp_path / "stand_in_train.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    monkeypatch.setattr(run_queue, "_MODULE", "stand_in_train")
    return RunStore(tmp_path / "runs")


@pytest.fixture
def open_queue(store, tmp_path):
    """open_queue() -> a queue over the store, as one life of the app has it."""
    queues = []

    def begin(limits=None):
        queues.append(RunQueue(store, limits or Limits(), tmp_path / "log.txt"))
        queues[-1].start()
        return queues[-1]

    yield begin
    for queue in queues:
        queue.close()


def new_run(store, act="finish", budget=60.0):
    return store.create(lambda _: {"settings": {"act": act, "time_budget_s": budget}})


def eventually(question):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if question():
            return True
        time.sleep(0.01)
    return False


def reaches(store, run, *states):
    return eventually(lambda: store.progress(run).state in states)


def go(run):
    (run.path / "go").touch()


def started(run):
    """When the stand-in began with the run."""
    store = RunStore(run.path.parent)
    return store.progress(run).started


def test_runs_train_one_after_another_in_the_order_they_came(store, open_queue):
    queue = open_queue()
    runs = [new_run(store, "wait"), new_run(store), new_run(store, "wait"), new_run(store)]
    for run in runs:
        queue.submit(run)
    assert reaches(store, runs[0], "running")
    assert [store.progress(run).state for run in runs[1:]] == ["queued"] * 3
    go(runs[0])
    assert reaches(store, runs[2], "running")
    assert store.progress(runs[1]).state == "done"
    assert store.progress(runs[3]).state == "queued"
    go(runs[2])
    assert reaches(store, runs[3], *FINISHED)
    assert [store.progress(run).state for run in runs] == ["done"] * 4
    assert [started(run) for run in runs] == sorted(started(run) for run in runs)


def test_each_waiting_run_knows_its_place_and_how_long_it_waits(store, open_queue):
    queue = open_queue()
    runs = [new_run(store, "wait"), new_run(store, budget=100.0), new_run(store, budget=0), new_run(store)]
    for run in runs:
        queue.submit(run)
    assert eventually(lambda: store.progress(runs[0]).eta_s == 50.0)
    assert [queue.position(run)[0] for run in runs] == [0, 1, 2, 3]
    start = run_queue._START_S
    waits = [queue.position(run)[1] for run in runs]
    assert waits == [0.0, 50.0, 50.0 + 100.0 + start, 50.0 + 100.0 + start + 600.0 + start]
    assert queue.position(new_run(store)) == (0, 0.0)  # Never submitted.
    go(runs[0])
    assert reaches(store, runs[3], "done")
    assert queue.position(runs[3]) == (0, 0.0)


def test_a_waiting_run_that_is_stopped_never_trains(store, open_queue):
    queue = open_queue()
    runs = [new_run(store, "wait"), new_run(store), new_run(store)]
    for run in runs:
        queue.submit(run)
    assert reaches(store, runs[0], "running")
    queue.stop(runs[1])
    assert store.progress(runs[1]).state == "stopped"
    assert queue.position(runs[2])[0] == 1
    go(runs[0])
    assert reaches(store, runs[2], "done")
    assert store.progress(runs[1]).state == "stopped"
    assert started(runs[1]) is None


def test_a_training_run_that_is_stopped_ends_itself_and_the_next_one_trains(store, open_queue):
    queue = open_queue()
    runs = [new_run(store, "wait"), new_run(store)]
    for run in runs:
        queue.submit(run)
    assert reaches(store, runs[0], "running")
    queue.stop(runs[0])
    assert reaches(store, runs[0], "stopped")
    assert reaches(store, runs[1], "done")


def test_stopping_a_finished_run_changes_nothing(store, open_queue):
    queue = open_queue()
    run = new_run(store)
    queue.submit(run)
    assert reaches(store, run, "done")
    queue.stop(run)
    assert store.progress(run).state == "done"
    assert not run.is_asked_to_stop()


@pytest.mark.parametrize("act", ["die", "leave"])
def test_a_run_whose_process_is_gone_without_a_word_has_failed_and_the_queue_goes_on(store, open_queue, act):
    queue = open_queue()
    runs = [new_run(store, act), new_run(store)]
    for run in runs:
        queue.submit(run)
    assert reaches(store, runs[1], "done")
    progress = store.progress(runs[0])
    assert progress.state == "failed"
    assert isinstance(progress.error, WorkerError)
    assert "died before the run was finished" in str(progress.error) and "Start the run again" in str(progress.error)


def test_a_train_process_that_is_killed_from_outside_costs_its_run_only(store, open_queue):
    queue = open_queue()
    runs = [new_run(store, "wait"), new_run(store)]
    for run in runs:
        queue.submit(run)
    assert reaches(store, runs[0], "running")
    os.kill(store.progress(runs[0]).pid, signal.SIGKILL)
    assert reaches(store, runs[0], "failed")
    assert reaches(store, runs[1], "done")


def test_a_warm_process_takes_the_next_run(store, open_queue, monkeypatch):
    monkeypatch.setattr(run_queue, "_REST_S", 0.1)
    queue = open_queue()
    queue.warm_up()
    spare = queue._spare.pid
    queue.warm_up()
    assert queue._spare.pid == spare
    run = new_run(store)
    queue.submit(run)
    assert reaches(store, run, "done")
    assert store.progress(run).pid == spare
    assert eventually(lambda: queue._spare is not None and queue._spare.pid != spare)


def test_a_warm_process_that_died_is_replaced_when_a_run_comes(store, open_queue):
    queue = open_queue()
    queue.warm_up()
    spare = queue._spare.pid
    os.kill(spare, signal.SIGKILL)
    assert eventually(lambda: not queue._spare.is_alive())
    run = new_run(store)
    queue.submit(run)
    assert reaches(store, run, "done")
    assert store.progress(run).pid != spare


def test_no_more_runs_may_wait_than_the_limit_says(store, open_queue):
    queue = open_queue(Limits(runs_waiting=2))
    runs = [new_run(store, "wait"), new_run(store), new_run(store)]
    queue.submit(runs[0])
    assert reaches(store, runs[0], "running")
    for run in runs[1:]:
        queue.check_room()
        queue.submit(run)
    with pytest.raises(LimitError, match="2 runs are waiting already"):
        queue.check_room()
    queue.stop(runs[2])
    queue.check_room()


# --- Another life of the app ---


def test_waiting_runs_are_taken_up_again_in_their_order(store, open_queue):
    runs = [new_run(store) for _ in range(3)]
    for place, run in enumerate(runs):
        os.utime(run.path / "settings.json", (1000 + place, 1000 + place))
    open_queue()
    assert reaches(store, runs[2], "done")
    assert [store.progress(run).state for run in runs] == ["done"] * 3
    assert [started(run) for run in runs] == sorted(started(run) for run in runs)


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("pid", ["dead", "another", "none"])
def test_a_running_run_whose_process_is_gone_has_failed(store, open_queue, pid):
    run, waiting = new_run(store), new_run(store)
    pids = {"dead": {"pid": dead_pid()}, "another": {"pid": os.getpid()}, "none": {}}
    run.append("state", state="running", **pids[pid])
    open_queue()
    assert store.progress(run).state == "failed"
    assert isinstance(store.progress(run).error, WorkerError)
    assert reaches(store, waiting, "done")


def train_without_an_app(store, run):
    orphan = subprocess.Popen(
        [sys.executable, "-m", "stand_in_train"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    orphan.stdin.write(b'{"folder": "%s"}\n' % os.fsencode(run.path))
    orphan.stdin.close()
    assert reaches(store, run, "running")
    return orphan


def test_a_run_that_outlived_its_app_is_waited_for(store, open_queue):
    run, waiting = new_run(store, "wait"), new_run(store)
    orphan = train_without_an_app(store, run)
    queue = open_queue()
    assert queue.position(waiting) == (1, 50.0)
    assert store.progress(run).state == "running"
    go(run)
    orphan.wait()
    assert reaches(store, run, "done")
    assert reaches(store, waiting, "done")


def test_an_orphan_that_is_killed_has_failed_and_the_queue_goes_on(store, open_queue):
    run, waiting = new_run(store, "wait"), new_run(store)
    orphan = train_without_an_app(store, run)
    open_queue()
    orphan.kill()
    orphan.wait()
    assert reaches(store, waiting, "done")
    assert store.progress(run).state == "failed"


def test_finished_runs_stay_as_they_are(store, open_queue):
    runs = {state: new_run(store) for state in FINISHED}
    for state, run in runs.items():
        run.append("state", state=state)
    marker = new_run(store)
    open_queue()
    assert reaches(store, marker, "done")
    assert {state: store.progress(run).state for state, run in runs.items()} == {state: state for state in FINISHED}


def test_a_broken_run_folder_does_not_keep_the_app_from_starting(store, open_queue):
    (store.root / ("A" * 22)).mkdir()
    run = new_run(store)
    open_queue()
    assert reaches(store, run, "done")


def test_closing_lets_the_run_in_hand_save_itself_and_starts_no_other(store, open_queue):
    queue = open_queue()
    runs = [new_run(store, "wait"), new_run(store)]
    for run in runs:
        queue.submit(run)
    assert reaches(store, runs[0], "running")
    pid = store.progress(runs[0]).pid
    queue.close()
    assert store.progress(runs[0]).state == "stopped"
    assert not psutil.pid_exists(pid)
    queue._thread.join(PATIENCE_S)
    assert not queue._thread.is_alive()
    assert store.progress(runs[1]).state == "queued"
    open_queue()
    assert reaches(store, runs[1], "done")


def test_closing_ends_the_warm_process(store, open_queue):
    queue = open_queue()
    queue.warm_up()
    spare = queue._spare
    queue.close()
    assert not spare.is_alive()
    queue.warm_up()
    assert not queue._spare.is_alive()
