"""The file of speeds: what it keeps, and what it survives."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.settings import TrainSettings
from playground.runs import throughput
from playground.runs.plan import Speed
from playground.runs.throughput import ThroughputCache, plans_alike, speed_key

SPEED = Speed(step_s=0.4, token_s=0.004, eval_token_s=0.0013, answer_token_s=0.06, load_s=6.0)
TWICE = Speed(*(2 * value for value in asdict(SPEED).values()))
KEY = "model | nf4"


@pytest.fixture
def cache(tmp_path: Path) -> ThroughputCache:
    return ThroughputCache(tmp_path / "home" / "speeds.json")


def test_a_speed_is_kept(cache: ThroughputCache) -> None:
    assert cache.get(KEY) is None
    assert cache.update(KEY, SPEED)
    assert ThroughputCache(cache.path).get(KEY) == SPEED
    assert cache.get("another") is None


def test_the_same_speed_measured_again_changes_nothing(cache: ThroughputCache) -> None:
    cache.update(KEY, SPEED)
    before = cache.path.read_bytes()
    again = Speed(*(1.15 * value for value in asdict(SPEED).values()))
    assert not cache.update(KEY, again)
    assert cache.path.read_bytes() == before


def test_another_speed_takes_its_place(cache: ThroughputCache) -> None:
    cache.update(KEY, SPEED)
    assert cache.update(KEY, TWICE)
    assert cache.get(KEY) == TWICE
    assert cache.update(KEY, SPEED)
    assert cache.get(KEY) == SPEED


def test_short_and_long_rows_both_count() -> None:
    by_step, by_token = replace(SPEED, step_s=1.424, token_s=0.0), replace(SPEED, step_s=0.0, token_s=0.0055625)
    assert not plans_alike(SPEED, by_step)
    assert not plans_alike(SPEED, by_token)
    assert not plans_alike(SPEED, replace(SPEED, step_s=8.592, token_s=0.0))  # The same with long rows.
    assert plans_alike(SPEED, replace(SPEED, step_s=0.45))


@pytest.mark.parametrize(
    "broken",
    [
        b"", b"{", b"null", b"[1, 2]", b'"x"', b"\xff\xfe", b'{"model | nf4": 3}', b'{"model | nf4": {"step_s": 1}}',
        json.dumps({KEY: {"time": 1, **asdict(SPEED), "step_s": -1}}).encode(),
        json.dumps({KEY: {"time": 1, **asdict(SPEED), "token_s": "fast"}}).encode(),
        json.dumps({KEY: {"time": 1, **asdict(SPEED), "load_s": True}}).encode(),
        json.dumps({KEY: {"time": "today", **asdict(SPEED)}}).encode(),
    ],
)  # fmt: skip
def test_a_broken_file_counts_as_empty_and_is_replaced(cache: ThroughputCache, broken: bytes) -> None:
    cache.path.parent.mkdir()
    cache.path.write_bytes(broken)
    assert cache.get(KEY) is None
    assert cache.update(KEY, SPEED)
    assert cache.get(KEY) == SPEED


def test_one_broken_entry_takes_no_other_with_it(cache: ThroughputCache) -> None:
    cache.path.parent.mkdir()
    cache.path.write_text(json.dumps({"bad": 3, KEY: {"time": 1, **asdict(SPEED)}}))
    assert cache.get(KEY) == SPEED
    cache.update("new", SPEED)
    assert cache.get(KEY) == SPEED


@given(st.binary(max_size=200))
def test_no_bytes_in_the_file_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("cache") / "speeds.json"
    path.write_bytes(content)
    assert ThroughputCache(path).get(KEY) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
def test_what_is_no_speed_is_not_learnt(cache: ThroughputCache, value: float) -> None:
    assert not cache.update(KEY, replace(SPEED, token_s=value))
    assert not cache.path.exists()


def test_the_oldest_go_first(cache: ThroughputCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "ENTRIES", 3)
    now = iter(range(100, 200))
    monkeypatch.setattr(throughput.time, "time", lambda: next(now))
    for name in ("a", "b", "c"):
        cache.update(name, SPEED)
    cache.update("a", TWICE)  # Now the newest.
    cache.update("d", SPEED)
    assert [cache.get(name) is not None for name in "abcd"] == [True, False, True, True]


def test_a_disk_that_takes_nothing_leaves_the_old_file(cache: ThroughputCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.update(KEY, SPEED)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert not cache.update(KEY, TWICE)
    assert cache.get(KEY) == SPEED


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = ThroughputCache(tmp_path / "file" / "speeds.json")
    assert not cache.update(KEY, SPEED)
    assert cache.get(KEY) is None


def test_the_lock_is_for_its_owner_alone(cache: ThroughputCache) -> None:
    cache.update(KEY, SPEED)
    assert stat.S_IMODE(os.stat(f"{cache.path}.lock").st_mode) == 0o600
    assert sorted(path.name for path in cache.path.parent.iterdir()) == ["speeds.json", "speeds.json.lock"]


def _learn_many(path: Path, process: int) -> None:
    for number in range(20):
        assert ThroughputCache(path).update(f"{process}-{number}", SPEED)


def test_processes_lose_none_of_each_others_speeds(cache: ThroughputCache) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_learn_many, args=(cache.path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert all(cache.get(f"{process}-{number}") for process in range(4) for number in range(20))


def test_a_key_tells_apart_what_changes_the_speed() -> None:
    device = {"dtype_bytes": 2, "name": "a CPU", "cores": 2}
    usual = {"model": "m", "quantization": "nf4", "device": device, "settings": TrainSettings()}
    others: list[dict[str, object]] = [
        {"model": "n"},
        {"quantization": "none"},
        *({"device": {**device, **other}} for other in ({"dtype_bytes": 4}, {"name": "a GPU"}, {"cores": 4})),
        *(
            {"settings": replace(TrainSettings(), **other)}  # type: ignore[arg-type]
            for other in ({"r": 8}, {"target_modules": "q_proj"}, {"gradient_checkpointing": True}, {"packing": True})
        ),
    ]
    keys = {speed_key(**{**usual, **other}) for other in [{}, *others]}  # type: ignore[arg-type]
    assert len(keys) == 10


def test_what_changes_no_speed_makes_no_other_key() -> None:
    device = {"dtype_bytes": 2, "name": "a CPU", "cores": 2}
    some = TrainSettings(target_modules="q_proj, v_proj")
    same = replace(some, target_modules="v_proj,q_proj", learning_rate=1e-5, max_steps=7)
    assert speed_key("m", "nf4", device, some) == speed_key("m", "nf4", device, same)
