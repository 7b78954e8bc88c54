"""What happens to runs and chats when processes die, the app goes away, or the disk is full.

With a tiny model that knows nothing: it is the processes that are looked at. One app for all, started when it is not
there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from playground.data.examples import bundled
from playground.runs.store import RunStore
from tests.conftest import ROOT, App, wait_for

pytestmark = pytest.mark.app
pytest_plugins = ["tests.tiny"]

LONG = {"max_steps": 100_000, "time_budget_s": 0, "held_out": 0, "general_ability": False, "probe_max_new_tokens": 0}
LEFT_ON_THE_DISK = 150_000
"""Bytes: the rows of a run go there, its adapter does not."""


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on a disk of 64 MB, or on the disk that is there for whoever may not mount one."""
    folder = tmp_path_factory.mktemp("small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True)
    yield folder
    if folder.is_mount():
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def only_app(small_disk: Path, tiny_folder: Path) -> Iterator[App]:
    only = App(small_disk, ["--model", str(tiny_folder), "--mcp"])
    yield only
    if only.is_running():
        only.stop()


@pytest.fixture
def tiny_app(only_app: App) -> Iterator[App]:
    """Running, whatever the test before did to it; runs that a failed test left are stopped."""
    yield only_app if only_app.is_running() else only_app.start()
    for run in (only_app.home / "runs").iterdir():
        (run / "stop").touch()


@pytest.fixture
def client(tiny_app: App) -> Client:
    return Client(tiny_app.url, verbose=False)


def workers(app: App, module: str = "") -> list[psutil.Process]:
    """The living processes below the app's, all or those of one module."""
    assert app.process is not None
    found = []
    for child in psutil.Process(app.process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if not module or module in child.cmdline():
                found.append(child)
    return found


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def start(client: Client, **settings: object) -> dict[str, Any]:
    return client.predict(text=bundled("pirate-voice").text(), settings={**LONG, **settings}, api_name="/train")


def wait_for_state(client: Client, run: str, state: str) -> dict[str, Any]:
    wait_for(lambda: client.predict(run, api_name="/run")["state"] == state, 300, f"the run to be {state}")
    return client.predict(run, api_name="/run")


def wait_for_step(client: Client, run: str, step: int = 1) -> None:
    wait_for(lambda: client.predict(run, api_name="/run")["step"] >= step, 300, "a step")


def test_a_folder_without_a_model_is_refused_in_a_sentence_and_without_torch(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    command = [sys.executable, "-X", "importtime", "app.py", "--home", home, "--model", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 1
    assert "lacks config.json. A model's folder holds" in finished.stderr
    assert "Traceback" not in finished.stderr
    imported = {line.rpartition("|")[2].strip() for line in finished.stderr.splitlines()}
    assert {"gradio", "playground.server.backend"} <= imported
    assert not {"torch", "transformers", "trl", "peft", "datasets", "bitsandbytes"} & imported


def test_a_port_that_was_asked_for_is_taken_or_nothing_is(tmp_path: Path, tiny_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        command = [sys.executable, "app.py", "--home", str(tmp_path), "--model", str(tiny_folder), "--port", port]
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 1
    assert f"Cannot find empty port in range: {port}-{port}" in finished.stderr


def test_runs_wait_their_turn_and_one_whose_process_is_killed_fails_alone(
    tiny_app: App, client: Client, tiny_folder: Path
) -> None:
    doomed = start(client)["run"]
    left, last = start(client, max_steps=1), start(client, max_steps=1)
    assert last["position"] > left["position"] >= 1
    assert client.predict(left["run"], api_name="/stop")["state"] == "stopped"
    assert client.predict(last["run"], api_name="/run")["position"] == left["position"]
    wait_for_step(client, doomed)
    waiting = client.predict(last["run"], api_name="/run")
    assert waiting["state"] == "queued" and waiting["wait_s"] > 0
    [process] = workers(tiny_app, "playground.server.processes.train_process")
    process.kill()
    assert "died before the run was finished" in wait_for_state(client, doomed, "failed")["error"]
    wait_for_state(client, last["run"], "done")
    card = Path(client.predict(last["run"], "card", api_name="/export")).read_text()
    assert f"base_model: {tiny_folder.name}" in card
    assert str(tiny_folder) not in card


def test_a_killed_chat_process_says_so_and_comes_back(tiny_app: App, client: Client) -> None:
    question = [{"role": "user", "content": "Tell me a very long story."}]
    before = client.predict(question, "", {"max_new_tokens": 8}, api_name="/reply")
    [process] = workers(tiny_app, "playground.server.processes.chat_process")
    process.suspend()  # Or it might have answered by then.
    job = client.submit(question, "", {"max_new_tokens": 1000}, api_name="/reply")
    wait_for(lambda: job.outputs(), 120, "the question to be with it")
    process.kill()
    with pytest.raises(AppError, match="chat process died.*started again.*Ask again"):
        job.result(timeout=120)
    again = client.predict(question, "", {"max_new_tokens": 8}, api_name="/reply")
    assert again["base"]["text"] == before["base"]["text"]


def test_a_folder_on_the_command_line_is_the_model(client: Client, tiny_folder: Path) -> None:
    question = [{"role": "user", "content": "Hi"}]
    assert client.predict(question, tiny_folder.name, api_name="/preview")["tokens"]
    assert client.predict(question, "", {"max_new_tokens": 4}, api_name="/reply")["base"]["tokens"] > 0


def test_more_rows_than_the_limit_are_refused_with_the_limit(client: Client) -> None:
    rows = '{"prompt": "a", "completion": "' + "b" * 1_000_000 + '"}\n'
    with pytest.raises(AppError, match="25.0 MB of rows arrived. The limit here is 20.0 MB"):
        client.predict(text=rows * 25, api_name="/check_dataset")


def test_the_endpoints_are_mcp_tools(tiny_app: App) -> None:
    async def ask() -> tuple[set[str], str]:
        async with (
            streamable_http_client(f"{tiny_app.url}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            said = await session.call_tool("preview", {"conversation": [{"role": "user", "content": "Hi"}]})
            assert "would be trained" in (tools["preview"].description or "")
            return set(tools), said.content[0].text

    names, said = asyncio.run(ask())
    assert names == {"preview", "check_dataset", "train", "run", "stop", "reply", "export"}
    assert "<|im_start|>user" in said


def test_a_full_disk_is_said_and_nothing_else_is_lost(small_disk: Path, client: Client) -> None:
    if not small_disk.is_mount():
        pytest.skip("making a small disk takes the right to mount one")
    filler = small_disk / "filler"
    try:
        with filler.open("wb") as file, pytest.raises(OSError):
            while True:
                os.write(file.fileno(), b"x" * 4096)
        with pytest.raises(AppError, match="The disk is full"):
            start(client, max_steps=1)
        assert client.predict([{"role": "user", "content": "Hi"}], api_name="/preview")["tokens"]
        os.truncate(filler, filler.stat().st_size - LEFT_ON_THE_DISK)
        run = start(client, max_steps=1, r=64)["run"]
        assert "The disk is full" in wait_for_state(client, run, "failed")["error"]
    finally:
        filler.unlink()


def test_runs_survive_the_end_of_the_app_in_order_or_not(tiny_app: App, client: Client) -> None:
    orphan, next_one, waiting = (start(client)["run"] for _ in range(3))
    wait_for_step(client, orphan)
    tiny_app.stop(signal.SIGKILL)

    client = Client(tiny_app.start().url, verbose=False)
    status = client.predict(orphan, api_name="/run")
    assert status["state"] == "running", "its process outlives the app"
    wait_for_step(client, orphan, status["step"] + 1)
    client.predict(orphan, api_name="/stop")
    status = wait_for_state(client, orphan, "stopped")
    assert status["error"] is None and 1 <= status["step"] < LONG["max_steps"]
    assert Path(client.predict(orphan, api_name="/export")).stat().st_size > 0

    wait_for_step(client, next_one)
    children = workers(tiny_app)
    tiny_app.stop()
    wait_for(lambda: all(map(is_gone, children)), 120, "the app's processes to end with it")
    # What the next life of the app would find. That it takes up runs that wait has just been seen.
    store = RunStore(tiny_app.home / "runs")
    ended, left = (store.progress(store.open(run)) for run in (next_one, waiting))
    assert (ended.state, ended.error) == ("stopped", None), "ended in order"
    assert store.open(next_one).has_adapter()
    assert left.state == "queued"
