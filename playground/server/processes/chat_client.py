"""The web process's side of the chat process: asks, hands on answers, starts it again when it dies."""

from __future__ import annotations

import math
import queue
import secrets
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from playground.core.errors import PlaygroundError, WorkerError, unpack_error
from playground.core.i18n import Sentence, say, unpack
from playground.server.processes.child import Child, Message

_HEARTBEAT_S = 1.0


class ChatClient:
    """One chat process, started by the first `load`, `reply` or `score`."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._answers: dict[str, queue.Queue[Message]] = {}
        self._closing = False
        self.state = "waiting"
        """waiting, loading, ready or failed."""
        self.base: dict[str, Any] | None = None
        self.line: Sentence | None = None
        self.device: dict[str, Any] = {}
        """What the model runs on, for estimates, see models/devices.py; {} until one has been loaded."""
        self.error: PlaygroundError | None = None

    def load(self, base: dict[str, Any]) -> None:
        """Have the model loaded before anybody asks: {folder, quantization}."""
        self._send({"op": "load", "base": base})

    def reply(self, base: dict[str, Any], rows: list[dict[str, Any]]) -> Generator[Message, None, None]:
        """Ask; yield {"rows": [...]} as they grow, the last with every row ended, and {"rows": None} each second in
        which nothing came, so that whoever listens can stop listening. Closing the iterator cancels.

        Raises the PlaygroundError that the request met, WorkerError when the process died meanwhile.
        """
        asked = {"op": "reply", "base": base, "rows": rows}
        with closing(self._ask(asked, lambda message: all(row["ended"] for row in message["rows"]))) as answers:
            for message in answers:
                yield message or {"rows": None}

    def score(
        self, base: dict[str, Any], rows: list[dict[str, Any]], each: bool = False
    ) -> Generator[Message, None, None]:
        """Have the labels of rows of tokens scored: [{ids, labels (-100 where nothing is), adapter: folder or None}].

        Yields {"done", "total": tokens read and in all, "rows": None} as it goes and at least each second, and at last
        with rows: [{nll (nats, NaN where the model's numbers are none), tokens (supervised), log_probs (with `each`:
        of each of them)}]. Closing the iterator cancels. Raises as `reply` does.
        """
        asked = {"op": "score", "base": base, "rows": rows, "each": each}
        last: Message = {"done": 0, "total": 0, "rows": None}
        with closing(self._ask(asked, lambda message: message["rows"] is not None)) as answers:
            for message in answers:
                last = {name: message[name] for name in last} if message else last
                for row in last["rows"] or []:
                    row["nll"] = math.nan if row["nll"] is None else row["nll"]
                yield last

    def _ask(self, asked: Message, is_last: Callable[[Message], bool]) -> Generator[Message | None, None, None]:
        """Messages that answer, until the last; None for each second of silence. Closing it cancels."""
        request = secrets.token_hex(8)
        answers: queue.Queue[Message] = queue.Queue()
        with self._lock:
            self._answers[request] = answers
        ended = False
        try:
            self._send({**asked, "id": request})
            while not ended:
                message = _latest(answers)
                if message is not None and message["event"] == "refused":
                    ended = True
                    raise unpack_error(message)
                ended = message is not None and is_last(message)
                yield message
        finally:
            with self._lock:
                self._answers.pop(request, None)
            if not ended:
                self._send({"op": "cancel", "id": request}, start=False)

    def close(self) -> None:
        self._closing = True
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.terminate()

    def _send(self, message: Message, *, start: bool = True) -> None:
        with self._lock:
            if self._child is None or not self._child.is_alive():
                if not start or self._closing:
                    return
                with open(self._log, "ab") as log:
                    self._child = Child(
                        "playground.server.processes.chat_process", on_message=self._hear, on_end=self._end, log=log
                    )
            self._child.send(message)

    def _hear(self, message: Message) -> None:
        if "id" in message:
            with self._lock:
                answers = self._answers.get(message["id"])
            if answers is not None:
                answers.put(message)
            return
        self.state = message["event"]
        self.base = message["base"]
        self.line = unpack(message.get("line"))
        self.device = message.get("device", self.device)
        self.error = unpack_error(message) if message["event"] == "failed" else None

    def _end(self, code: int) -> None:
        """The process is gone: tell everyone who waits, and start it again with the model that it had."""
        with self._lock:
            waiting = list(self._answers.values())
        if self._closing:
            return
        self.state = "waiting"
        problem = WorkerError(
            say("The chat process died (code {code}) and has been started again.", code=code), fix=say("Ask again.")
        )
        for answers in waiting:
            answers.put({"event": "refused", **problem.pack()})
        if self.base is not None and self.line is not None:
            # Only a process that had its model is started again: one that dies while loading would do so forever.
            base, self.line = self.base, None
            self.load(base)


def _latest(answers: queue.Queue[Message]) -> Message | None:
    """The newest message, or None after a second of silence: who reads slowly skips what is out of date."""
    try:
        message = answers.get(timeout=_HEARTBEAT_S)
    except queue.Empty:
        return None
    while message["event"] != "refused":
        try:
            message = answers.get_nowait()
        except queue.Empty:
            break
    return message
