"""What a person can do with runs beside training them, on folders that runs have left."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from playground.core.errors import InputError, NotFoundError
from playground.core.settings import TrainSettings
from playground.runs.plan import Speed, Work, make_plan
from playground.runs.store import SPEEDS, RunFolder
from playground.runs.throughput import ThroughputCache, speed_key
from playground.server.backend import Backend
from playground.server.sandbox.requests import MeasureRows
from tests.training.runs import few_rows

pytest_plugins = ["tests.tiny"]

DEVICE = {"kind": "cpu", "name": "a CPU", "total": 8e9, "free": 6e9, "dtype_bytes": 4, "quantised": True, "cores": 2}


@pytest.fixture
def backend(tiny_folder: Path, tmp_path: Path) -> Any:
    """A backend that was never started: it has its sandbox, and no model is loaded or trained."""
    found = Backend(tmp_path / "home", local_models={"tiny": str(tiny_folder)})
    found._sandbox.start()
    yield found
    found._sandbox.close()


def a_run(backend: Backend, state: str = "done", **settings: Any) -> RunFolder:
    def fill(folder: Path) -> dict[str, Any]:
        (folder / "rows.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi <b>"}]}\n')
        counts = {"usable_rows": 20, "held_out_rows": 2, "trained_tokens": 300, "train_rows": 18}
        asked = TrainSettings(**settings).to_dict()
        return {"settings": asked, "model": "tiny", "model_folder": "", "counts": counts, "created": 1.0}

    folder = backend._store.create(fill)
    if state != "queued":
        folder.append("state", state="running", pid=1)
        folder.append("plan", **make_plan(TrainSettings(max_steps=4), Work([50] * 18, [50] * 2), None).to_dict())
        for step in range(1, 5):
            folder.append("step", step=step, loss=3.0 / step, grad_norm=1.0, learning_rate=1e-3, memory=10**9)
        folder.append("best", step=4)
        folder.append("state", state=state, verdict={})
    return folder


def checkpoint(folder: RunFolder) -> None:
    (folder.path / "checkpoint" / "step-3").mkdir(parents=True)
    (folder.path / "checkpoint" / "step-3" / "trainer_state.json").write_text("{}")


def test_a_run_tells_all_that_its_folder_holds(backend: Backend) -> None:
    now = backend.runs.get(a_run(backend).id)
    assert (now["state"], now["steps"], now["best_step"], now["memory"]["peak"]) == ("done", 4, 4, 10**9)
    assert now["plan"]["bound_by"] == "steps"
    assert now["readings"] and {"code", "severity", "message", "why", "advice", "change", "step"} == set(
        now["readings"][0]
    )
    assert now["title"] == "" and not now["can_resume"] and now["started"] <= now["ended"]


def test_a_name_is_kept_and_can_be_taken_away(backend: Backend) -> None:
    run = a_run(backend).id
    backend.runs.rename(run, "  My   <first> run ")
    assert backend.runs.get(run)["title"] == "My <first> run"
    backend.runs.rename(run, "")
    assert backend.runs.get(run)["title"] == ""
    with pytest.raises(InputError, match="81 characters"):
        backend.runs.rename(run, "x" * 81)


def test_a_run_that_goes_cannot_be_deleted_and_one_that_ended_is_gone(backend: Backend) -> None:
    going = a_run(backend, "queued")
    with pytest.raises(InputError, match="still going.*Stop it first"):
        backend.runs.delete(going.id)
    assert going.path.is_dir()
    ended = a_run(backend)
    backend.runs.delete(ended.id)
    assert not ended.path.exists()
    with pytest.raises(NotFoundError):
        backend.runs.get(ended.id)
    assert [folder.id for folder in backend._store.all()] == [going.id]


@pytest.mark.parametrize("run", ["../../etc", "", "A" * 22])
def test_no_other_string_reaches_a_folder(run: str, backend: Backend) -> None:
    for call in (backend.runs.get, backend.runs.log, backend.runs.delete, backend.runs.resume, backend.runs.report):
        with pytest.raises(NotFoundError):
            call(run)  # type: ignore[operator]


def test_only_a_run_with_a_checkpoint_goes_on(backend: Backend) -> None:
    for state in ("done", "stopped", "failed"):
        with pytest.raises(InputError, match="cannot go on"):
            backend.runs.resume(a_run(backend, state).id)
    stopped = a_run(backend, "stopped")
    checkpoint(stopped)
    stopped.ask_to_stop()
    assert backend.runs.get(stopped.id)["can_resume"]
    assert backend.runs.resume(stopped.id) == {"run": stopped.id, "state": "queued", "position": 1}
    assert not stopped.is_asked_to_stop()
    now = backend.runs.get(stopped.id)
    assert now["state"] == "queued" and now["verdict"] == {} and not now["can_resume"]
    with pytest.raises(InputError, match="cannot go on"):
        backend.runs.resume(stopped.id)


def test_what_comes_again_is_shown_once(backend: Backend) -> None:
    folder = a_run(backend, "stopped")
    folder.append("restart", step=2)
    for step in (3, 4, 5):
        folder.append("step", step=step, loss=0.5, grad_norm=1.0, learning_rate=1e-3)
    metrics = backend.runs.get(folder.id)["metrics"]
    assert [row["step"] for row in metrics] == [1, 2, 3, 4, 5]
    assert [row["loss"] for row in metrics][2:] == [0.5, 0.5, 0.5]


def test_the_end_of_the_log_is_shown(backend: Backend) -> None:
    folder = a_run(backend, "failed")
    assert backend.runs.log(folder.id) == ""
    (folder.path / "log.txt").write_bytes(b"x" * 30_000 + b"\xff the end")
    said = backend.runs.log(folder.id)
    assert said.endswith("the end") and len(said) <= 20_000


def test_a_report_has_the_run_its_rows_and_where_it_lies(backend: Backend) -> None:
    folder = a_run(backend)
    report = backend.runs.report(folder.id)
    assert report.folder == folder.path and report.run["run"] == folder.id
    lines = (folder.path / "rows.jsonl").read_bytes()
    assert report.rows["fingerprint"] == hashlib.sha256(lines).hexdigest()
    assert report.rows["train_rows"] == len(lines.splitlines()) - report.run["held_out_rows"]
    assert "Hi <b>" in str(report.rows["samples"])


def test_an_estimate_says_steps_before_the_speed_is_known_and_time_afterwards(backend: Backend) -> None:
    asked = {"num_train_epochs": 2, "held_out": 0.25}
    first = backend.runs.estimate(few_rows(8), model="tiny", settings=asked)
    assert not first["measured"] and first["plan"]["seconds"] is None
    assert first["plan"]["steps"] == 4 and first["memory"] is None
    backend._chat.device = DEVICE
    key = speed_key("tiny", "nf4", DEVICE, TrainSettings())
    ThroughputCache(backend.home / SPEEDS).update(key, Speed(1.0, 0.0, 0.0, 0.0, 2.0))
    then = backend.runs.estimate(few_rows(8), model="tiny", settings=asked)
    assert then["measured"] and then["plan"]["seconds"] == pytest.approx(6.0)
    assert then["memory"]["fits"] and then["memory"]["total"] == sum(part["bytes"] for part in then["memory"]["parts"])
    slower = backend.runs.estimate(few_rows(8), model="tiny", settings={**asked, "time_budget_s": 5})
    assert slower["plan"]["steps"] < 4 and slower["plan"]["bound_by"] == "time"


def test_rows_are_rendered_once_for_settings_that_do_not_change_them(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    run = backend._sandbox.run
    monkeypatch.setattr(backend._sandbox, "run", lambda job, **more: (asked.append(type(job)), run(job, **more))[1])
    for settings in ({}, {"learning_rate": 1e-4}, {"num_train_epochs": 3}, {"r": 8}, {"max_length": 600}):
        backend.runs.estimate(few_rows(8), model="tiny", settings=settings)
    assert asked == [MeasureRows, MeasureRows]


def test_an_adapter_is_trained_further_on_its_own_model_alone(backend: Backend) -> None:
    for earlier, said in ((a_run(backend).id, "cannot be trained further"), ("A" * 22, "no such run")):
        with pytest.raises((InputError, NotFoundError), match=said):
            backend.runs.train(few_rows(8), settings={"start_from": earlier})
    with pytest.raises(InputError, match="the id of a run"):
        backend.runs.train(few_rows(8), settings={"start_from": "../x"})
