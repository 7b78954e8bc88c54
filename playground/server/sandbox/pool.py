"""Processes that can be killed, for whatever comes from strangers: files, templates, conversations.

Jinja's sandbox stops attribute escapes, not time and memory; `"a" * 300_000_000` is folded while compiling. So every
job runs in a worker process with a deadline and a cap on memory: a job that goes too far costs its own worker, and
another is forked in milliseconds from a process that has the imports done and the tokenizer loaded (fork_server.py).

Others should not notice. Most jobs are done at once; one that is not goes on at a lower priority, and leaves its place
to the next one for one of the few places for slow jobs. Where those are taken and somebody waits, the job that has
taken most is stopped. Datasets, which may take a minute, have places of their own. A worker that was slow or met a
limit is not used again.

transformers keeps the state of a render on the compiled template, which is not thread-safe: one job at a time in each
worker.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import Any

import psutil

from playground.core.errors import LimitError, PlaygroundError, WorkerError
from playground.core.i18n import say
from playground.core.paths import ROOT
from playground.core.settings import Limits
from playground.server.sandbox.requests import Answer, Request

_MODULE = "playground.server.sandbox.fork_server"
_AT_ONCE_S = 0.15
"""Within this nearly every preview is done, even on a busy machine."""
_NICENESS = 10
"""Priority of a job that takes longer: the page, the quick jobs and the run that trains (5) come first."""
_SLOW_PLACES = 8
_LONG_PLACES = 4
_SHARE_OF_MEMORY = 8
"""A preview may take one part in so many of what a dataset may: there are more of them at once."""
_IDLE = 4
"""Most workers of a tokenizer that are kept without a job."""
_FORK_SERVERS = 5
"""Most that are kept: four tokenizers, and the one without."""


Tell = Callable[[Any], None]
"""tell(value): what a job says of how it comes on."""


@dataclass(eq=False)
class _Worker:
    """A process that does one job at a time, as its line's other end."""

    line: Connection
    pid: int = 0
    began: float = 0.0
    seconds: float = 0.0
    is_slow: bool = False
    is_stopped: bool = False
    has_ended: bool = False
    said: Any = None
    """What the job returned, or the PlaygroundError that it ended with."""
    templates: deque[int] = field(default_factory=lambda: deque(maxlen=32))
    """What it has worked with, as hashes: these are compiled and known to it."""

    def begins(self, seconds: float, memory: int, payload: bytes) -> bool:
        """Whether the job has begun; not so where the worker has died before, as when the kernel needs memory."""
        self.seconds, self.has_ended = seconds, False
        try:
            self.line.send((seconds, memory, payload))
            self.pid, self.began = self.line.recv()
        except (EOFError, OSError):
            self.line.close()
            return False
        return True

    def is_done(self, within: float, tell: Tell) -> bool:
        """Whether the job is done within so many seconds. From then on it yields to others. `tell` gets what it says
        meanwhile.
        """
        end = time.monotonic() + within
        while not self.has_ended and self.line.poll(max(end - time.monotonic(), 0)):
            try:
                is_last, said = pickle.loads(self.line.recv_bytes())
            except (EOFError, OSError):
                is_last, said = True, self._last_words()
            if is_last:
                self.has_ended, self.said = True, said
            else:
                tell(said)
        if self.has_ended:
            return True
        self.is_slow = True
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.pid, _NICENESS)
        return False

    def used_s(self) -> float:
        """Seconds of processor time that it has taken."""
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return times.user + times.system

    def stop(self) -> None:
        self.is_stopped = True
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def _last_words(self) -> PlaygroundError:
        if self.is_stopped:
            return LimitError(
                say("This took long while others were waiting, and was stopped."),
                fix=say("Try again in a moment, or shorten the input."),
            )
        if time.monotonic() >= self.began + self.seconds:
            return LimitError(
                say("This took longer than {seconds} seconds and was stopped.", seconds=f"{self.seconds:g}"),
                fix=say("Shorten the input, or look for an endless loop in the template."),
            )
        return _died()


def _died() -> WorkerError:
    return WorkerError(
        say("The process that worked on this died; a new one has taken its place."),
        fix=say("If it happens again with the same input, the input is too large or harmful."),
    )


class _ForkServer:
    """What forks the workers that share a tokenizer, and those of them that wait for a job."""

    def __init__(self, control: Connection) -> None:
        self.control = control
        self.idle: list[_Worker] = []
        self._is_loaded = False
        self._loading = threading.Lock()

    def wait(self) -> None:
        """Return when the tokenizer is loaded. Raises EOFError where that was the end of it."""
        with self._loading:
            if not self._is_loaded:
                self._is_loaded = self.control.recv()

    def fork(self, folder: str = "") -> Connection:
        """The line to a new worker, or to the fork server of `folder`; it can be written to before anybody is there.

        Raises OSError where this fork server has died.
        """
        ours, theirs = Pipe()
        with theirs:
            self.control.send(folder)
            send_handle(self.control, theirs.fileno(), None)
        return ours

    def take(self, template: int) -> _Worker:
        """A worker that knows the template; for a new one, which may be its last, the one used least lately."""
        known = next((worker for worker in reversed(self.idle) if template in worker.templates), None)
        if known is not None:
            self.idle.remove(known)
            return known
        worker = self.idle.pop(0) if self.idle else _Worker(self.fork())
        worker.templates.append(template)
        return worker

    def keep(self, worker: _Worker) -> None:
        if len(self.idle) < _IDLE:
            self.idle.append(worker)
        else:
            worker.line.close()

    def have_spare(self) -> None:
        """Fork one before anybody needs it."""
        if len(self.idle) < _IDLE:
            with suppress(OSError):
                self.idle.insert(0, _Worker(self.fork()))

    def close(self) -> None:
        """Have it and its idle workers end."""
        self.control.close()
        for worker in self.idle:
            worker.line.close()


class _Places:
    """So many at the same time; who came first goes in first."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        turn = threading.Event()
        with self._lock:
            if self._free:
                self._free -= 1
                return
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1

    def is_waited_for(self) -> bool:
        return bool(self._waiting)


class Sandbox:
    """Killable workers. `run` blocks the calling thread, never the others."""

    def __init__(self, limits: Limits, workers: int = 4) -> None:
        """`workers`: most jobs that are in their first moments at the same time."""
        self._limits = limits
        self._first = _Places(workers)
        self._long = _Places(_LONG_PLACES)
        self._slow: list[_Worker] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._fork_servers: dict[str, _ForkServer] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the first fork server. Its imports happen over there, so this returns at once."""
        with self._lock:
            self._open()

    def close(self) -> None:
        with self._lock:
            self._end()
            self._process = None

    def _open(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",  # "PyTorch was not found": see fork_server.py.
        }
        ours, theirs = Pipe()
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(descriptor), str(self._limits.sandbox_bytes)],
                stdin=subprocess.DEVNULL,
                pass_fds=[descriptor],
                env=environment,
                start_new_session=True,  # A process group of its own, which ends as a whole.
            )
        self._fork_servers = {"": _ForkServer(ours)}

    def _end(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for fork_server in self._fork_servers.values():
            fork_server.close()
        self._fork_servers = {}

    def run(self, request: Request[Answer], *, seconds: float, tell: Tell = lambda value: None) -> Answer:
        """What jobs.py, which this process never imports since it needs transformers, answers to the request.

        `seconds` count from when the tokenizer is loaded and a place is free. `tell` is called in this thread with what
        the job says meanwhile; where it raises, the job is stopped.

        Raises the job's own PlaygroundError; LimitError when it took more than `seconds` or too much memory;
        WorkerError when its process died otherwise.
        """
        try:
            payload = pickle.dumps(request)
        except RecursionError:
            raise LimitError(say("The input is nested too deeply."), fix=say("Flatten it and try again.")) from None
        folder, is_long = request.folder, request.is_long
        memory = self._limits.sandbox_bytes // (1 if is_long else _SHARE_OF_MEMORY)
        self._wait_for_tokenizer(folder)
        with self._long if is_long else self._first:
            worker = self._begin(request, seconds, memory, payload)
            self._look_after(worker, folder, tell, until=lambda: not is_long and self._steps_aside(worker))
        self._look_after(worker, folder, tell, until=lambda: False)
        answer: Answer | PlaygroundError = worker.said
        self._give_back(worker, folder, is_fit=not (worker.is_slow or isinstance(answer, LimitError | WorkerError)))
        if isinstance(answer, PlaygroundError):
            raise answer
        return answer

    def _look_after(self, worker: _Worker, folder: str, tell: Tell, until: Callable[[], bool]) -> None:
        """Return when the job is done, or when `until` says so of one that was not done at once."""
        try:
            while not worker.is_done(_AT_ONCE_S, tell) and not until():
                pass
        except BaseException:
            worker.stop()
            self._give_back(worker, folder, is_fit=False)
            raise

    def _steps_aside(self, worker: _Worker) -> bool:
        """Whether there is a place for another slow job, if need be that of the one that has had most."""
        with self._lock:
            if len(self._slow) >= _SLOW_PLACES:
                if not self._first.is_waited_for():
                    return False
                most = max(self._slow, key=_Worker.used_s)
                self._slow.remove(most)
                most.stop()
            self._slow.append(worker)
            return True

    def _wait_for_tokenizer(self, folder: str) -> None:
        """Before the job takes a place: loading may be long."""
        with self._lock:
            fork_server = self._fork_server(folder)
        try:
            fork_server.wait()
        except (EOFError, OSError):
            with self._lock:
                self._forget(fork_server)
            raise _died() from None

    def _begin(self, request: Request[Any], seconds: float, memory: int, payload: bytes) -> _Worker:
        for _ in range(_IDLE + 2):  # All that were idle may have died, and the fork server as well.
            with self._lock:
                fork_server = self._fork_server(request.folder)
                try:
                    worker = fork_server.take(hash(request.compiled))
                except OSError:
                    self._forget(fork_server)
                    continue
            if worker.begins(seconds, memory, payload):
                return worker
        raise _died()

    def _fork_server(self, folder: str) -> _ForkServer:
        """That of `folder`, a new one where there is none. The lock is held."""
        if self._process is None:
            raise WorkerError(say("The sandbox is not running."), fix=say("Start the app again."))
        if folder not in self._fork_servers:
            try:
                control = self._fork_servers[""].fork(folder)
            except OSError:  # The first one has died.
                self._end()
                self._open()
                control = self._fork_servers[""].fork(folder)
            self._fork_servers[folder] = _ForkServer(control)
        self._fork_servers[folder] = self._fork_servers.pop(folder)  # To the end of the dictionary: used last.
        if len(self._fork_servers) > _FORK_SERVERS:
            oldest = next(name for name in self._fork_servers if name)
            self._fork_servers.pop(oldest).close()
        return self._fork_servers[folder]

    def _forget(self, dead: _ForkServer) -> None:
        """Do without a fork server that has died; without the first one, anew. The lock is held."""
        for folder, fork_server in list(self._fork_servers.items()):
            if fork_server is dead and folder:
                self._fork_servers.pop(folder).close()
            elif fork_server is dead:
                self._end()
                self._open()

    def _give_back(self, worker: _Worker, folder: str, is_fit: bool) -> None:
        """Keep the worker for the next job, or have it end and another one forked before anybody needs it."""
        with self._lock:
            if worker in self._slow:
                self._slow.remove(worker)
            fork_server = self._fork_servers.get(folder)
            if fork_server is not None and is_fit:
                fork_server.keep(worker)
                return
            worker.line.close()
            if fork_server is not None:
                fork_server.have_spare()
