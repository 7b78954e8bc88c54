"""A child process that is spoken to in JSON, one object a line, over its standard input and output.

Plain pipes rather than `multiprocessing`: a child started that way imports the parent's main module, and ours is the
web app.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

import orjson

from playground.core.paths import ROOT

Message = Mapping[str, Any]


class Child:
    """`python -m MODULE ARGUMENTS` with a thread that hands on each message it prints.

    `on_message` gets every message, `on_end` the exit code once the process is gone; both on the reader's thread.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        on_message: Callable[[Message], None],
        on_end: Callable[[int], None],
        log: IO[bytes] | None = None,
        offline: bool = True,
        niceness: int = 0,
    ) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
        if offline:  # Only the fetch process asks the network; a library's look-up must not wait for a dead one.
            environment["HF_HUB_OFFLINE"] = "1"
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            # From the outside, so that the imports are nice as well.
            [*(["nice", "-n", str(niceness)] if niceness else []), sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log if log is not None else subprocess.DEVNULL,
            env=environment,
            # Its own group: Ctrl-C in the terminal reaches the app, which ends its children in order.
            start_new_session=True,
        )
        self._lock = threading.Lock()
        threading.Thread(target=self._read, args=(on_message, on_end), daemon=True, name=f"read {module}").start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, message: Message) -> bool:
        """Whether the message could be written; False when the child is gone."""
        assert self._process.stdin is not None
        with self._lock:
            try:
                self._process.stdin.write(orjson.dumps(message) + b"\n")
                self._process.stdin.flush()
            except (BrokenPipeError, ValueError, OSError):
                return False
        return True

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait()

    def terminate(self, patience_s: float = 5.0) -> None:
        """Ask it to end, and kill it when it does not within `patience_s` seconds."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, on_message: Callable[[Message], None], on_end: Callable[[int], None]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # A library printed something of its own.
            if isinstance(message, dict):
                try:
                    on_message(message)
                except Exception:  # The next message, and the end, must be told whatever happens to this one.
                    traceback.print_exc()
        on_end(self._process.wait())
