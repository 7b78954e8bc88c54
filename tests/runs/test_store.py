"""A run is a folder: its name, its events, and what reading forgives."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from playground.core.errors import InputError, NotFoundError
from playground.core.i18n import Sentence, say
from playground.runs.store import Progress, RunFolder, RunStore


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


def fill(work):
    (work / "rows.jsonl").write_text("{}\n")
    return {"settings": {"r": 4}}


@pytest.fixture
def run(store):
    return store.create(fill)


# --- Names ---


def test_a_new_run_has_its_files_and_waits_for_its_turn(store, run):
    assert run.settings() == {"settings": {"r": 4}}
    assert (run.path / "rows.jsonl").read_text() == "{}\n"
    progress = store.progress(run)
    assert (progress.state, progress.phase, progress.error) == ("queued", "Waiting for its turn.", None)
    assert store.open(run.id).path == run.path


def test_ids_cannot_be_guessed(store):
    ids = [store.create(fill).id for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(len(run) == 22 for run in ids)  # 16 random bytes.
    for place in (0, 10, 20):
        assert len({run[place] for run in ids}) > 10


def test_ids_come_from_the_systems_secrets(store, monkeypatch):
    monkeypatch.setattr("secrets.token_urlsafe", lambda size: "A" * 21 + str(size % 10))
    assert store.create(fill).id == "A" * 21 + "6"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../runs", "/etc/passwd", "A" * 22, "A" * 21 + "/", "A" * 21 + "\n", "a" * 23, None, 5, []]
)
def test_no_other_string_opens_a_run(store, run, name):
    with pytest.raises(NotFoundError, match="no such run"):
        store.open(name)


def test_an_id_with_anything_before_or_behind_it_opens_nothing(store, run):
    beside = (f"{run.id}/", f"{run.id}/.", f"{run.id}/../{run.id}", f"./{run.id}", f"../runs/{run.id}", str(run.path))
    for name in (run.id + "\n", " " + run.id, run.id.swapcase(), run.id[:-1], *beside):
        with pytest.raises(NotFoundError):
            store.open(name)


def test_a_folder_without_settings_is_no_run(store, run):
    (run.path / "settings.json").unlink()
    with pytest.raises(NotFoundError):
        store.open(run.id)


def test_other_people_on_the_machine_cannot_look_into_the_runs(store, run):
    assert store.root.stat().st_mode & 0o077 == 0
    assert (run.path / "events.jsonl").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("problem", [InputError(say("No.")), KeyboardInterrupt(), ValueError("broken")])
def test_a_run_that_could_not_be_filled_leaves_nothing_behind(store, problem):
    def half(work):
        (work / "rows.jsonl").write_text("{}\n")
        raise problem

    with pytest.raises(type(problem)):
        store.create(half)
    assert list(store.root.iterdir()) == []
    assert store.all() == []


def test_settings_that_are_no_json_leave_nothing_behind(store):
    with pytest.raises(TypeError):
        store.create(lambda work: {"settings": object()})
    assert list(store.root.iterdir()) == []


def test_a_run_that_is_being_filled_is_not_among_the_runs(store):
    seen = []

    def look(work):
        seen.append(store.all())
        return fill(work)

    run = store.create(look)
    assert seen == [[]]
    assert [folder.id for folder in store.all()] == [run.id]


def test_runs_are_told_oldest_first(store):
    runs = [store.create(fill) for _ in range(4)]
    for place, run in enumerate(runs):
        os.utime(run.path / "settings.json", (1000 - place, 1000 - place))
    assert [folder.id for folder in store.all()] == [run.id for run in reversed(runs)]


def test_a_run_deleted_while_others_are_told_costs_nothing(store):
    runs = [store.create(fill) for _ in range(2)]
    (runs[0].path / "settings.json").unlink()
    assert runs[1].id in [folder.id for folder in store.all()]


# --- Events ---


def test_progress_follows_the_events(store, run):
    run.append("state", state="running", pid=123)
    run.append("phase", phase=say("Training."))
    run.append("plan", steps=20)
    run.append("note", note=say("{count} CPU cores", count=2))
    run.append("step", step=1, loss=2.5, eta_s=9.0, learning_rate=0.1)
    run.append("eval", step=0, eval_loss=3.0)
    run.append("step", step=2, loss=2.0, eta_s=8.0)
    run.append("eval", step=2, eval_loss=2.2)
    progress = store.progress(run)
    assert (progress.state, progress.pid, progress.steps, progress.step, progress.eta_s) == ("running", 123, 20, 2, 8.0)
    assert progress.phase == "Training." and isinstance(progress.phase, Sentence)
    assert progress.notes == ["2 CPU cores"] and progress.notes[0].values == {"count": 2}
    assert progress.metrics[-1]["step"] == 2
    assert (progress.metrics[-1]["loss"], progress.metrics[-1]["eval_loss"]) == (2.0, 2.2)
    assert progress.metrics[0]["learning_rate"] == 0.1 and progress.metrics[0]["grad_norm"] is None


def test_a_failed_run_tells_its_error_in_every_language(store, run):
    run.append("state", state="running", pid=1)
    run.append("state", state="failed", problem=InputError(say("Row {row} is bad.", row=2)).pack())
    progress = store.progress(run)
    assert (progress.state, progress.eta_s) == ("failed", None)
    assert isinstance(progress.error, InputError)
    assert progress.error.arrived.template == "Row {row} is bad."


def test_a_finished_run_has_its_verdict(store, run):
    run.append("state", state="done", verdict={"code": "learned", "message": say("It learned.")})
    progress = store.progress(run)
    assert progress.verdict["code"] == "learned" and isinstance(progress.verdict["message"], Sentence)


def test_a_line_that_a_crash_cut_short_is_forgiven(store, run):
    run.append("plan", steps=20)
    with open(run.path / "events.jsonl", "ab") as events:
        events.write(b'{"time": 1, "event": "step", "st')
    assert store.progress(run).steps == 20
    with open(run.path / "events.jsonl", "ab") as events:
        events.write(b"\n")
    run.append("state", state="failed", problem=InputError(say("Dead.")).pack())
    assert store.progress(run).state == "failed"


def test_an_event_after_a_torn_line_is_not_lost(store, run):
    """The process died within a write; then the queue closes the run's events."""
    run.append("state", state="running", pid=1)
    with open(run.path / "events.jsonl", "ab") as events:
        events.write(b'{"time": 1, "event": "step", "st')
    run.append("state", state="failed", problem=InputError(say("Dead.")).pack())
    assert store.progress(run).state == "failed"


def test_a_line_that_is_still_being_written_is_read_once_it_is_whole(store, run):
    line = orjson.dumps({"time": 1, "event": "plan", "steps": 30}) + b"\n"
    for place in range(len(line)):
        with open(run.path / "events.jsonl", "ab") as events:
            events.write(line[place : place + 1])
        assert store.progress(run).steps == (30 if place == len(line) - 1 else 0)


def test_events_are_read_once(store, run):
    for step in range(1, 4):
        run.append("step", step=step, loss=1.0)
        run.append("note", note=say("Noted."))
        progress = store.progress(run)
    assert [row["step"] for row in progress.metrics] == [1, 2, 3]
    assert len(progress.notes) == 3
    assert len(RunStore(store.root).progress(run).notes) == 3  # And again by another life of the app.


def test_what_a_reader_gets_is_its_own(store, run):
    run.append("step", step=1, loss=1.0)
    store.progress(run).metrics[0]["loss"] = 99
    store.progress(run).notes.append("mine")
    assert store.progress(run).metrics[0]["loss"] == 1.0
    assert store.progress(run).notes == []


def _append_many(path, writer, count):
    for place in range(count):
        RunFolder(path).append("note", note=f"{writer}:{place}", filling="x" * 2000)


def test_events_of_several_processes_and_threads_stay_whole(run):
    processes = [
        multiprocessing.get_context("fork").Process(target=_append_many, args=(run.path, f"p{place}", 100))
        for place in range(2)
    ]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda place: _append_many(run.path, f"t{place}", 100), range(4)))
    for process in processes:
        process.join()
    notes = Progress().update(run).notes
    assert len(notes) == 600 == len(set(notes))
    lines = (run.path / "events.jsonl").read_bytes().splitlines()
    assert all(orjson.loads(line)["event"] in ("note", "state") for line in lines)


def test_many_readers_while_one_writes_see_every_event_once(store, run):
    stop = threading.Event()
    seen = []

    def read():
        while not stop.is_set():
            seen.append(len(store.progress(run).notes))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for place in range(200):
        run.append("note", note=str(place))
    stop.set()
    for reader in readers:
        reader.join()
    assert store.progress(run).notes == [str(place) for place in range(200)]


# --- Reports and stopping ---


def test_a_report_comes_back_with_its_sentences(run):
    assert run.report() is None
    run.write_report({"verdict": {"message": say("From {before}.", before="2.0")}, "steps": 3})
    assert run.report() == {"verdict": {"message": "From 2.0."}, "steps": 3}
    assert isinstance(run.report()["verdict"]["message"], Sentence)
    assert [path.name for path in run.path.glob("report*")] == ["report.json"]


def test_a_run_can_be_asked_to_stop_twice(run):
    assert not run.is_asked_to_stop()
    run.ask_to_stop()
    run.ask_to_stop()
    assert run.is_asked_to_stop()


def test_a_run_without_events_yet_waits(store, run):
    (run.path / "events.jsonl").unlink()
    assert store.progress(run).state == "queued"


def test_events_carry_the_time(run):
    before = time.time()
    run.append("note", note="x")
    event = orjson.loads((run.path / "events.jsonl").read_bytes().splitlines()[-1])
    assert before - 0.01 <= event["time"] <= time.time() + 0.01
