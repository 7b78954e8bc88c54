"""The web process's side of the chat process: asks, hands on answers, starts it again when it dies."""

from __future__ import annotations

import math
import queue
import secrets
import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import cast

from playground.core.errors import PlaygroundError, WorkerError, unpack_error
from playground.core.i18n import Sentence, say, unpack
from playground.models.types import DeviceFacts
from playground.server.processes.child import Child, Message
from playground.server.processes.types import (
    Answer,
    AnswerNews,
    Base,
    ChatNews,
    ChatOrder,
    LabelledRow,
    PackedScore,
    Question,
    ReplyOrder,
    RowScore,
    RowsNews,
    ScoreOrder,
    ScoresNews,
    ScoresSoFar,
)

_HEARTBEAT_S = 1.0


class ChatClient:
    """One chat process, started by the first `load`, `reply` or `score`."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._answers: dict[str, queue.Queue[AnswerNews]] = {}
        self._closing = False
        self.state = "waiting"
        """waiting, loading, ready or failed."""
        self.base: Base | None = None
        self.line: Sentence | None = None
        self.device: DeviceFacts | None = None
        """What the model runs on, for estimates; None until one has been loaded."""
        self.error: PlaygroundError | None = None

    def load(self, base: Base) -> None:
        """Have the model loaded before anybody asks."""
        self._send({"op": "load", "base": base})

    def reply(self, base: Base, rows: list[Question]) -> Generator[list[Answer] | None, None, None]:
        """Ask; yield the answers as they grow, the last time with every one ended, and None each second in which
        nothing came, so that whoever listens can stop listening. Closing the iterator cancels.

        Raises the PlaygroundError that the request met, WorkerError when the process died meanwhile.
        """
        request = secrets.token_hex(8)
        with closing(self._ask({"op": "reply", "id": request, "base": base, "rows": rows})) as answers:
            for news in answers:
                yield news["rows"] if news is not None and news["event"] == "rows" else None

    def score(self, base: Base, rows: list[LabelledRow], each: bool = False) -> Generator[ScoresSoFar, None, None]:
        """Have the labels of rows of tokens scored; with `each` also the probability of each token.

        Yields how far it is as it goes and at least each second, and the scores at last; a loss is NaN where the
        model's numbers are none. Closing the iterator cancels. Raises as `reply` does.
        """
        request = secrets.token_hex(8)
        last: ScoresSoFar = {"done": 0, "total": 0, "rows": None}
        order: ScoreOrder = {"op": "score", "id": request, "base": base, "rows": rows, "each": each}
        with closing(self._ask(order)) as answers:
            for news in answers:
                if news is not None and news["event"] == "scores":
                    scores = None if news["rows"] is None else list(map(_unpacked, news["rows"]))
                    last = {"done": news["done"], "total": news["total"], "rows": scores}
                yield last

    def _ask(self, order: ReplyOrder | ScoreOrder) -> Generator[RowsNews | ScoresNews | None, None, None]:
        """What answers, until the last; None for each second of silence. Closing it cancels."""
        request = order["id"]
        answers: queue.Queue[AnswerNews] = queue.Queue()
        with self._lock:
            self._answers[request] = answers
        ended = False
        try:
            self._send(order)
            while not ended:
                news = _latest(answers)
                if news is not None and news["event"] == "refused":
                    ended = True
                    raise unpack_error(news)
                ended = news is not None and _is_last(news)
                yield news
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

    def _send(self, message: ChatOrder, *, start: bool = True) -> None:
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
        news = cast(ChatNews, message)
        if news["event"] == "rows" or news["event"] == "scores" or news["event"] == "refused":
            with self._lock:
                answers = self._answers.get(news["id"])
            if answers is not None:
                answers.put(news)
            return
        self.state = news["event"]
        self.base = news["base"]
        self.line = unpack(news["line"]) if news["event"] == "ready" else None
        self.device = news["device"] if news["event"] == "ready" else self.device
        self.error = unpack_error(news) if news["event"] == "failed" else None

    def _end(self, code: int) -> None:
        """The process is gone: tell everyone who waits, and start it again with the model that it had."""
        with self._lock:
            waiting = list(self._answers.items())
        if self._closing:
            return
        self.state = "waiting"
        problem = WorkerError(
            say("The chat process died (code {code}) and has been started again.", code=code), fix=say("Ask again.")
        )
        for request, answers in waiting:
            answers.put({"event": "refused", "id": request, **problem.pack()})
        if self.base is not None and self.line is not None:
            # Only a process that had its model is started again: one that dies while loading would do so forever.
            base, self.line = self.base, None
            self.load(base)


def _unpacked(row: PackedScore) -> RowScore:
    return cast(RowScore, {**row, "nll": math.nan if row["nll"] is None else row["nll"]})


def _is_last(news: RowsNews | ScoresNews) -> bool:
    return news["rows"] is not None if news["event"] == "scores" else all(row["ended"] for row in news["rows"])


def _latest(answers: queue.Queue[AnswerNews]) -> AnswerNews | None:
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
