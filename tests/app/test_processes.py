"""What happens to runs and chats when processes die, the app goes away, or the disk is full.

With a tiny model that knows nothing, but for one test: it is the processes that are looked at.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from playground.examples import bundled
from tests.conftest import ROOT, App, free_port, wait_for

pytest_plugins = ["tests.tiny"]

LONG = {"max_steps": 100_000, "time_budget_s": 0, "held_out": 0, "general_ability": False, "probe_max_new_tokens": 0}


def workers(app: App, module: str) -> list[psutil.Process]:
    assert app.process is not None
    children = psutil.Process(app.process.pid).children(recursive=True)
    return [child for child in children if module in child.cmdline()]


def start(client: Client, **settings: object) -> str:
    return client.predict(text=bundled("pirate-voice").text(), settings={**LONG, **settings}, api_name="/train")["run"]


def state(client: Client, run: str) -> str:
    return client.predict(run, api_name="/run")["state"]


def wait_for_step(client: Client, run: str) -> None:
    wait_for(lambda: client.predict(run, api_name="/run")["step"] >= 1, 120, "a step")


def test_the_web_process_imports_neither_torch_nor_transformers() -> None:
    heavy = {"torch", "transformers", "trl", "peft", "datasets", "bitsandbytes"}
    program = "import sys, playground.ui.launch; print(*sys.modules)"
    finished = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(finished.stdout.split())
    assert "gradio" in imported
    assert not heavy & imported


def test_a_killed_train_process_fails_its_run_and_the_next_goes_on(tiny_app: App) -> None:
    client = Client(tiny_app.url, verbose=False)
    doomed, after = start(client), start(client, max_steps=1)
    wait_for_step(client, doomed)
    process = workers(tiny_app, "playground.workers.train")[0]
    process.kill()
    wait_for(lambda: state(client, doomed) == "failed", 30, "the run to be closed")
    assert "died before the run was finished" in client.predict(doomed, api_name="/run")["error"]
    wait_for(lambda: state(client, after) == "done", 120, "the next run")


def test_a_killed_chat_process_says_so_and_comes_back(tiny_app: App) -> None:
    client = Client(tiny_app.url, verbose=False)
    question = [{"role": "user", "content": "Tell me a very long story."}]
    before = client.predict(question, "", {"max_new_tokens": 8}, api_name="/reply")
    job = client.submit(question, "", {"max_new_tokens": 1000}, api_name="/reply")
    wait_for(lambda: job.outputs(), 60, "the answer to begin")
    workers(tiny_app, "playground.workers.chat")[0].kill()
    with pytest.raises(AppError, match="chat process died.*started again.*Ask again"):
        job.result(timeout=60)
    assert (
        client.predict(question, "", {"max_new_tokens": 8}, api_name="/reply")["base"]["text"] == before["base"]["text"]
    )


@pytest.mark.model
def test_people_who_ask_at_once_get_their_own_answers(app: App) -> None:
    """That each equals the answer of a solo run to the token is tested in fp32 (test_chat_engine.py)."""
    places = ("France", "Japan", "Italy", "Spain")
    client = Client(app.url, verbose=False)
    questions = [[{"role": "user", "content": f"What is the capital of {place}?"}] for place in places]
    jobs = [client.submit(question, "", {"max_new_tokens": 16}, api_name="/reply") for question in questions]
    for place, job in zip(places, jobs, strict=True):
        assert place in job.result(timeout=120)["base"]["text"]


def test_runs_survive_the_end_of_the_app(own_tiny_app: App) -> None:
    client = Client(own_tiny_app.start().url, verbose=False)
    running, waiting = start(client), start(client, max_steps=1)
    wait_for_step(client, running)
    own_tiny_app.stop()
    assert not [child for child in psutil.process_iter() if str(own_tiny_app.home) in " ".join(_words(child))]
    client = Client(own_tiny_app.start().url, verbose=False)
    ended = client.predict(running, api_name="/run")
    assert (ended["state"], ended["error"]) == ("stopped", None), "ended in order, its adapter saved"
    assert Path(client.predict(running, api_name="/export")).is_file()
    wait_for(lambda: state(client, waiting) == "done", 120, "the waiting run to be taken up again")


def test_a_run_goes_on_when_the_app_is_killed(own_tiny_app: App) -> None:
    client = Client(own_tiny_app.start().url, verbose=False)
    run = start(client)
    wait_for_step(client, run)
    own_tiny_app.stop(signal.SIGKILL)
    client = Client(own_tiny_app.start().url, verbose=False)
    status = client.predict(run, api_name="/run")
    assert status["state"] == "running"
    wait_for(lambda: client.predict(run, api_name="/run")["step"] > status["step"], 60, "another step")
    client.predict(run, api_name="/stop")
    wait_for(lambda: state(client, run) == "stopped", 60, "the run to stop")


def test_a_folder_on_the_command_line_is_the_model(tiny_app: App, tiny_folder: Path) -> None:
    client = Client(tiny_app.url, verbose=False)
    question = [{"role": "user", "content": "Hi"}]
    assert client.predict(question, tiny_folder.name, api_name="/preview")["tokens"]
    assert client.predict(question, "", {"max_new_tokens": 4}, api_name="/reply")["base"]["tokens"] > 0
    run = start(client, max_steps=1)
    wait_for(lambda: state(client, run) == "done", 120, "the run")
    card = Path(client.predict(run, "card", api_name="/export")).read_text()
    assert f"base_model: {tiny_folder.name}" in card
    assert str(tiny_folder) not in card


def test_a_folder_without_a_model_is_refused_in_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "app.py", "--home", str(tmp_path / "home"), "--model", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 1
    assert "lacks config.json. A model's folder holds" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_more_rows_than_the_limit_are_refused_with_the_limit(tiny_app: App) -> None:
    rows = '{"prompt": "a", "completion": "' + "b" * 1_000_000 + '"}\n'
    with pytest.raises(AppError, match="25.0 MB of rows arrived. The limit here is 20.0 MB"):
        Client(tiny_app.url, verbose=False).predict(text=rows * 25, api_name="/check_dataset")


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


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 200 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("making a small disk takes the right to mount one")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_nothing_else_is_lost(small_disk: Path, tiny_folder: Path) -> None:
    app = App(small_disk / "home", free_port(), ["--model", str(tiny_folder)]).start()
    try:
        client = Client(app.url, verbose=False)
        rows = bundled("pirate-voice").text()
        client.predict(text=rows, api_name="/check_dataset")
        filler = small_disk / "filler"
        with filler.open("wb") as file, pytest.raises(OSError):
            while True:
                os.write(file.fileno(), b"x" * 4096)
        with pytest.raises(AppError, match="The disk is full"):
            client.predict(text=rows, settings={"max_steps": 1}, api_name="/train")
        assert client.predict([{"role": "user", "content": "Hi"}], api_name="/preview")["tokens"]
        filler.unlink()
        run = client.predict(text=rows, settings={"max_steps": 1, "r": 64}, api_name="/train")["run"]
        wait_for(lambda: state(client, run) == "failed", 120, "the run to meet the full disk")
        assert "The disk is full" in client.predict(run, api_name="/run")["error"]
    finally:
        app.stop()
