"""Rows of a dataset on the Hub: the real process and the real `datasets`, against a fake Hub at the edge."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys

import httpx
import orjson
import psutil
import pytest
from datasets.exceptions import DatasetNotFoundError

from playground.core.errors import InputError, LimitError, PlaygroundError, WorkerError
from playground.core.i18n import Sentence
from playground.core.settings import Limits
from playground.server.processes import hub_client
from playground.server.processes.child import Child
from playground.server.processes.fetch_rows import describe
from playground.server.processes.hub_client import fetch_rows
from tests.conftest import ROOT, wait_for
from tests.fake_hub import QUESTIONS, REPOS, FakeHub, Repo, card, jsonl

PATIENCE_S = 100


@pytest.fixture(scope="module")
def fake():
    with FakeHub(dict(REPOS)) as fake:
        yield fake


@pytest.fixture
def hub(fake, tmp_path, monkeypatch):
    """The fake Hub as the one that the process asks, and a home of the test's own."""
    monkeypatch.setenv("HF_ENDPOINT", fake.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_owner")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    fake.asked.clear()
    fake.reached.clear()
    return fake


@pytest.fixture(scope="module")
def fork_server(fake, tmp_path_factory):
    """The socket of what forks processes that ask the fake Hub."""
    where = tmp_path_factory.mktemp("fork_server") / "socket"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-m", "tests.server.processes.rows_fork_server", str(where)]
    process = subprocess.Popen(command, cwd=ROOT, env={**environment, "HF_ENDPOINT": fake.url})
    wait_for(where.exists, PATIENCE_S, "the imports")
    yield where
    process.kill()
    process.wait()


@pytest.fixture
def forked(hub, fork_server, monkeypatch):
    """The Hub, for what a dataset holds: the processes are forked, not started."""

    def forked_child(_, *arguments, **options):
        return Child("tests.server.processes.rows_fork_server", str(fork_server), *arguments, **options)

    monkeypatch.setattr(hub_client, "Child", forked_child)
    return hub


@pytest.fixture
def fetch(tmp_path):
    """fetch(name, ...) -> (answer, rows): the rows are in a folder of the test's own."""
    folder = tmp_path / "rows"
    folder.mkdir()

    def run(name, config="", split="", count=500, limits=None, **options):
        options = {"seconds": PATIENCE_S, **options}
        answer = fetch_rows(name, config, split, count, folder, limits or Limits(), **options)
        return answer, [orjson.loads(line) for line in answer["path"].read_bytes().splitlines()]

    run.folder = folder
    return run


def notes(answer):
    assert all(isinstance(note, Sentence) for note in answer["notes"])
    return " ".join(answer["notes"])


# --- Rows ---


def test_the_first_rows_are_written_as_json_lines(hub, fetch):
    answer, rows = fetch("tiny/parquet", count=3)
    path = answer.pop("path")
    assert rows == QUESTIONS[:3]
    expected = {"name": "tiny/parquet", "config": "default", "split": "train", "rows": 3, "notes": []}
    assert answer == {**expected, "configs": ["default"], "splits": ["train"]}
    assert path.suffix == ".jsonl" and path.parent.parent == fetch.folder


def test_a_split_with_fewer_rows_says_so(forked, fetch):
    answer, rows = fetch("https://huggingface.co/datasets/tiny/parquet", count=400)
    assert rows == QUESTIONS
    assert "all rows of the split: 300" in notes(answer)


def test_the_split_is_train_unless_one_is_named(forked, fetch):
    answer, rows = fetch("tiny/splits")
    assert rows == [{"from": "train"}]
    assert (answer["split"], sorted(answer["splits"])) == ("train", ["test", "train", "validation"])
    assert "The split train is taken; there are also: " in notes(answer)
    answer, rows = fetch("tiny/splits", split="validation")
    assert rows == [{"from": "validation"}]
    assert "is taken" not in notes(answer)
    assert fetch("tiny/test-first")[1] == [{"from": "train"}]
    assert fetch("tiny/test-only")[1] == [{"from": "test"}]


def test_the_config_is_the_one_that_is_named(forked, fetch):
    answer, rows = fetch("tiny/two", "ja")
    assert rows == [{"a": "やあ"}]
    assert (answer["config"], answer["configs"]) == ("ja", ["en", "ja"])
    assert fetch("https://huggingface.co/datasets/tiny/two/viewer/en/train")[1] == [{"a": "Hi"}]


def test_the_usual_config_is_taken_where_none_is_named(forked, fetch):
    answer, rows = fetch("tiny/usual")
    assert (answer["config"], rows) == ("ja", [{"a": 2}])


def test_structs_dates_and_what_is_null(forked, fetch):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes", "tools": ["t"]}]
    assert fetch("tiny/talk")[1] == [{"messages": messages, "at": "2026-01-02T00:00:00"}]


@pytest.mark.parametrize(
    ("name", "expected"), [("tiny/csv", [{"a": 1, "b": "two"}]), ("tiny/text", [{"text": "one"}, {"text": "two"}])]
)
def test_other_formats(forked, fetch, name, expected):
    assert fetch(name)[1] == expected


def test_pictures_are_left_out_with_a_note(forked, fetch):
    answer, rows = fetch("tiny/pictures")
    assert rows == [{"text": "a dot", "json": {"a": [1, None]}}]
    assert "left out: image." in notes(answer)


def test_rows_before_a_broken_file_are_kept_with_a_note(forked, fetch):
    answer, rows = fetch("tiny/broken-later")
    assert rows == [{"a": 1}, {"a": 2}]
    assert "Taken: 2 rows. What stands behind cannot be read" in notes(answer)


def test_rows_end_at_the_limit_of_bytes_which_the_note_names(forked, fetch):
    size = len(jsonl(*QUESTIONS[:7]))
    answer, rows = fetch("tiny/parquet", limits=Limits(upload_bytes=size))
    assert rows == QUESTIONS[:7]
    assert f"Taken: 7 rows. More would pass the limit of {size / 1e6:.1f} MB" in notes(answer)
    with pytest.raises(LimitError, match="first row .* larger"):
        fetch("tiny/parquet", limits=Limits(upload_bytes=5))


def test_progress_is_told(forked, fetch):
    told = []
    fetch("tiny/parquet", count=10, on_progress=lambda line, fraction: told.append((str(line), fraction)))
    assert told[0] == ("Asking the Hugging Face Hub for tiny/parquet.", None)
    assert told[1] == ("Reading rows: 1 of 10.", 0.1)


# --- What strangers must not reach ---


def test_no_token_of_the_owner_is_used_and_nothing_is_left_behind(hub, fetch, tmp_path):
    answer, _ = fetch("tiny/two", "ja")
    assert hub.asked and not [asked for asked in hub.asked if "authorization" in {key.lower() for key in asked.headers}]
    assert not (tmp_path / "home").exists()
    assert list(fetch.folder.rglob("*")) == [answer["path"].parent, answer["path"]]


def test_an_operator_may_let_the_token_be_used(hub, fetch):
    fetch("tiny/csv", token=True)
    assert "Bearer hf_of_the_owner" in [asked.headers.get("authorization") for asked in hub.asked]


def test_a_folder_of_the_server_that_is_called_like_a_dataset_is_not_read(hub, fetch, tmp_path, monkeypatch):
    (tmp_path / "local" / "secret").mkdir(parents=True)
    (tmp_path / "local" / "secret" / "rows.jsonl").write_bytes(jsonl({"secret": 1}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no dataset local/secret"):
        fetch("local/secret")
    hub.repos["local/secret"] = Repo({"rows.jsonl": jsonl({"public": 1})})
    assert fetch("local/secret")[1] == [{"public": 1}]


def test_a_path_is_refused_before_anything_is_asked(hub, fetch, monkeypatch):
    monkeypatch.setattr(hub_client, "Child", lambda *_, **__: pytest.fail("a process was started"))
    for name in (str(fetch.folder), "../rows", "json", "./rows", "~/rows"):
        with pytest.raises(InputError, match="is not the name of a dataset"):
            fetch(name)
    with pytest.raises(InputError, match="from 1 to 50000"):
        fetch("tiny/parquet", count=0)
    assert not list(fetch.folder.iterdir())


@pytest.mark.parametrize("file", ["README.md", ".huggingface.yaml"])
def test_a_card_that_names_a_file_of_the_server_is_refused_unread(forked, fetch, tmp_path, file):
    secret = tmp_path / "secret.jsonl"
    secret.write_bytes(jsonl({"secret": 1}))
    content = card({"config_name": "default", "data_files": str(secret)})
    if file != "README.md":
        content = content.split(b"---\n")[1]
    forked.repos["tiny/hostile"] = Repo({file: content, "rows.jsonl": jsonl({"a": 1})})
    with pytest.raises(InputError, match="stand outside of it, at .*secret.jsonl"):
        fetch("tiny/hostile")


# --- What can be wrong ---


@pytest.mark.parametrize(
    ("name", "config", "split", "said"),
    [
        ("tiny/missing", "", "", "There is no dataset tiny/missing on the Hugging Face Hub, or it is private."),
        ("tiny/gated", "", "", "is gated.*https://huggingface.co/datasets/tiny/gated"),
        ("tiny/gated-no-card", "", "", "is gated.*https://huggingface.co/datasets/tiny/gated-no-card"),
        ("tiny/two", "", "", "several subsets.*Its subsets: en, ja. Choose"),
        ("tiny/two", "fr", "", "no subset fr. Its subsets: en, ja. Choose"),
        ("tiny/parquet", "fr", "", "no subset fr. Its subsets: default. Choose"),
        ("tiny/splits", "", "dev", "no split dev. Its splits: .*train"),
        ("tiny/script", "", "", "a program of its owner's"),
        ("tiny/nothing", "", "", "holds no rows"),
        ("tiny/no-rows", "", "", "holds no rows"),
        ("tiny/no-bytes", "", "", "holds no rows"),
        ("tiny/weights", "", "", "no files with rows of text"),
        ("tiny/image-files", "", "", "of the kind imagefolder"),
        ("tiny/only-pictures", "", "", "only pictures, sound or the like .image"),
        ("tiny/broken", "", "", "could not be read .*Parquet"),
        ("tiny/bad-card", "", "", "could not be read"),
    ],
)
def test_each_refusal_says_what_and_what_to_do(forked, fetch, name, config, split, said):
    with pytest.raises(InputError, match=said) as problem:
        fetch(name, config, split)
    assert problem.value.fix
    assert str(fetch.folder) not in str(problem.value)
    assert not list(fetch.folder.iterdir())


def test_a_row_that_would_fill_the_memory_is_refused(forked, fetch):
    with pytest.raises(LimitError, match="more memory than is allowed"):
        fetch("tiny/bomb", limits=Limits(sandbox_bytes=500_000_000))


@pytest.mark.parametrize(("status", "said"), [(503, "does not answer"), (429, "asked too often")])
def test_a_hub_in_trouble_is_told(forked, fetch, status, said):
    forked.repos["tiny/trouble"] = Repo({}, status=status)
    with pytest.raises(InputError, match=said):
        fetch("tiny/trouble")


def test_a_hub_that_is_not_there_is_told_after_one_look(hub, fetch, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{probe.getsockname()[1]}")
    with pytest.raises(InputError, match="tiny/parquet cannot be fetched: the Hugging Face Hub does not answer"):
        fetch("tiny/parquet")


@pytest.mark.parametrize(
    ("problem", "kind", "said"),
    [
        (OSError(errno.ENOSPC, "full"), LimitError, "The disk is full"),
        (MemoryError(), LimitError, "more memory than is allowed"),
        (httpx.ReadTimeout("slow"), InputError, "does not answer"),
        (ConnectionError("reset"), InputError, "does not answer"),
        (DatasetNotFoundError("Dataset 'a/b' is a gated dataset on the Hub."), InputError, "is gated"),
        (DatasetNotFoundError("Dataset 'a/b' doesn't exist"), InputError, "There is no dataset a/b"),
        (ImportError("zstandard"), InputError, "no files with rows of text"),
        (ValueError("odd thing\nat /home/x"), InputError, r"could not be read \(odd thing\)"),
    ],
)
def test_what_libraries_raise_is_said_in_words(problem, kind, said):
    with pytest.raises(kind, match=said):
        raise describe(problem, "a/b")


def test_a_process_that_dies_is_told(hub, fetch, monkeypatch):
    def dying(module, *arguments, **options):
        child = Child(module, *arguments, **options)
        psutil.Process(child.pid).kill()
        return child

    monkeypatch.setattr(hub_client, "Child", dying)
    with pytest.raises(WorkerError, match="ended unexpectedly .code -9"):
        fetch("tiny/parquet")


# --- Ending it ---


@pytest.fixture
def started(monkeypatch):
    """The processes that were started, in order."""
    children = []

    class Watched(Child):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            children.append(self)

    monkeypatch.setattr(hub_client, "Child", Watched)
    return children


ENDED_FROM_OUTSIDE = {-signal.SIGTERM, -signal.SIGKILL}
"""Exit codes: left alone, the process ends by its own alarm, much later and with another."""


def test_cancelling_ends_the_process_and_leaves_nothing(hub, fetch, started):
    with pytest.raises(PlaygroundError, match="Fetching tiny/stuck was cancelled"):
        fetch("tiny/stuck", is_cancelled=hub.reached.is_set)
    assert hub.reached.is_set()
    [child] = started
    assert not child.is_alive() and child.wait() in ENDED_FROM_OUTSIDE
    assert not list(fetch.folder.iterdir())


def late_once(reached, monkeypatch):
    """Time is up as soon as somebody waits for a stuck file."""
    monkeypatch.setattr(hub_client, "monotonic", lambda: 10.0**9 if reached.is_set() else 0.0)


def test_rows_that_came_in_time_are_kept_with_a_note(hub, fetch, started, monkeypatch):
    late_once(hub.reached, monkeypatch)
    answer, rows = fetch("tiny/slow", seconds=30)
    assert rows == [{"a": 1}, {"a": 2}]
    assert (answer["rows"], answer["split"], answer["configs"]) == (2, "train", ["default"])
    assert "Taken: 2 rows. More did not come within 30 seconds." in notes(answer)
    [child] = started
    assert not child.is_alive() and child.wait() in ENDED_FROM_OUTSIDE
    assert [path.name for path in answer["path"].parent.iterdir()] == ["rows.jsonl"]


def test_no_row_in_time_is_told(hub, fetch, started, monkeypatch):
    late_once(hub.reached, monkeypatch)
    with pytest.raises(LimitError, match="No row of tiny/stuck came within 30 seconds"):
        fetch("tiny/stuck", seconds=30)
    [child] = started
    assert not child.is_alive() and child.wait() in ENDED_FROM_OUTSIDE
    assert not list(fetch.folder.iterdir())


def test_a_row_that_is_cut_in_two_when_time_is_up_does_not_count(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'{"a": 1}\n{"a": ')
    rows, _ = hub_client._what_came({"name": "a/b", "seconds": 1}, tmp_path, {"notes": []})
    assert rows == 1
    assert (tmp_path / "rows.jsonl").read_bytes() == b'{"a": 1}\n'
