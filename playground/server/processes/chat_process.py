"""`python -m playground.server.processes.chat_process`: the process that owns the model that answers.

Orders come in, news go out, one JSON object a line: types.py has them.

The main thread owns the model; another reads the orders. Scores are worked out in slices between the steps of answers
(scoring_queue.py).
"""

from __future__ import annotations

import gc
import os
import queue
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import torch

from playground.chat.engine import Engine, Row
from playground.core.errors import LimitError, PlaygroundError, WorkerError
from playground.core.i18n import pack, say
from playground.core.settings import Sampling
from playground.models import devices
from playground.models.devices import device_facts
from playground.server.processes.scoring_queue import ScoringQueue
from playground.server.processes.types import Answer, Base, ChatNews, ChatOrder, ScoreOrder
from playground.templates.renderer import load_tokenizer

_MOST_ROWS = 64
_MOST_TOKENS = 32_768
"""Most tokens, padding included, that the batch may come to hold in its cache: 1.5 GB for SmolLM2-135M in fp32."""
_UPDATE_S = 0.1
"""Seconds between two updates of one answer: a browser gains nothing from more, and each costs a millisecond."""


@dataclass
class Request:
    """One question and the rows that answer it, or rows to be scored; neither where only the model is wanted."""

    id: str
    base: Base
    rows: list[Row]
    told: float = field(default=0.0)
    score: ScoreOrder | None = None

    def is_ended(self) -> bool:
        return all(row.ended for row in self.rows)


class ChatProcess:
    """Takes orders, keeps the engine going, and tells what comes of it."""

    def __init__(self) -> None:
        self._orders: queue.Queue[ChatOrder | None] = queue.Queue()
        self._waiting: deque[Request] = deque()
        self._active: list[Request] = []
        self._scorings = ScoringQueue(self._tell)
        self._engine: Engine | None = None
        self._base: Base | None = None
        # The protocol has standard output for itself: what a library prints goes to the log.
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    def run(self) -> None:
        threading.Thread(target=self._listen, daemon=True, name="orders").start()
        while self._take_orders():
            self._admit()
            if self._active:
                self._step()
            self._scorings.step(beside_answers=bool(self._active))

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            self._orders.put(orjson.loads(line))
        self._orders.put(None)

    def _take_orders(self) -> bool:
        """Carry out what has been ordered; wait for an order when there is nothing else to do. False at the end."""
        idle = not self._active and not self._waiting and self._scorings.is_empty()
        while True:
            try:
                order = self._orders.get(block=idle)
            except queue.Empty:
                return True
            if order is None:
                return False
            idle = False
            self._obey(order)

    def _obey(self, order: ChatOrder) -> None:
        if order["op"] == "load":
            self._waiting.append(Request("", order["base"], []))
        elif order["op"] == "cancel":
            self._cancel(order["id"])
        elif order["op"] == "score":
            self._waiting.append(Request(order["id"], order["base"], [], score=order))
        else:
            rows = [
                Row(
                    row["prompt"],
                    Sampling.from_dict(row["sampling"]),
                    Path(row["adapter"]) if row["adapter"] else None,
                    frozenset(row["stop"]),
                )
                for row in order["rows"]
            ]
            self._waiting.append(Request(order["id"], order["base"], rows))

    def _cancel(self, request_id: str) -> None:
        self._scorings.cancel(request_id)
        for request in [*self._active, *self._waiting]:
            if request.id == request_id:
                for row in request.rows:
                    row.ended = row.ended or "cancelled"
                if request in self._waiting:
                    self._waiting.remove(request)
                    if request.rows:
                        self._tell_rows(request)
        if self._engine is not None:
            self._engine.cancel([])
        self._retire()

    def _admit(self) -> None:
        """Let waiting requests join, in order. Another base model waits until the batch is empty."""
        while self._waiting:
            request = self._waiting[0]
            if request.base != self._base:
                if self._active or not self._scorings.is_empty():
                    return
                self._load(request.base)
            if self._engine is None:
                continue  # It could not be loaded: whoever waited for it has been told.
            if not self._has_room(request):
                return
            self._waiting.popleft()
            if request.score is not None:
                self._scorings.add(self._engine, request.score)
            elif request.rows:
                self._join(request)

    def _has_room(self, request: Request) -> bool:
        """Whether the request can join the batch in hand. An empty batch takes any request: each is small enough."""
        assert self._engine is not None
        rows = [*self._engine.rows, *request.rows]
        longest = max((len(row.prompt) + row.sampling.max_new_tokens for row in rows), default=0)
        return not self._engine.rows or (len(rows) <= _MOST_ROWS and len(rows) * longest <= _MOST_TOKENS)

    def _load(self, base: Base) -> None:
        self._engine, self._base = None, None
        gc.collect()
        self._tell({"event": "loading", "base": base})
        try:
            choice = devices.choose(base["quantization"], to_answer=True, double_quant=base.get("double_quant", True))
            model = devices.load(Path(base["folder"]), choice, to_train=False)
            self._engine = Engine(model, load_tokenizer(Path(base["folder"])), choice.dtype)
            self._base = base
            facts = device_facts(base["quantization"])
            self._tell({"event": "ready", "base": base, "line": pack(choice.line), "device": facts})
        except PlaygroundError as problem:
            self._tell({"event": "failed", "base": base, **problem.pack()})
            for request in [request for request in self._waiting if request.base == base]:
                self._waiting.remove(request)
                if request.id:
                    self._tell({"event": "refused", "id": request.id, **problem.pack()})

    def _join(self, request: Request) -> None:
        assert self._engine is not None
        try:
            self._engine.join(request.rows)
        except PlaygroundError as problem:
            self._tell({"event": "refused", "id": request.id, **problem.pack()})
            self._engine.bank.use([row.slot for row in self._engine.rows])
            return
        except (RuntimeError, MemoryError, torch.OutOfMemoryError) as problem:
            self._break_down(problem, [request])
            return
        self._active.append(request)
        self._tell_rows(request)
        self._retire()

    def _step(self) -> None:
        assert self._engine is not None
        try:
            self._engine.step()
        except (RuntimeError, MemoryError, torch.OutOfMemoryError) as problem:
            self._break_down(problem, [])
            return
        now = time.monotonic()
        for request in self._active:
            if request.is_ended() or now - request.told >= _UPDATE_S:
                self._tell_rows(request)
        self._retire()

    def _break_down(self, problem: BaseException, joining: list[Request]) -> None:
        """The model failed in the middle of a batch: every answer in it ends with the reason, the next starts clean."""
        assert self._engine is not None
        self._engine.clear()
        if isinstance(problem, (MemoryError, torch.OutOfMemoryError)):
            error: PlaygroundError = LimitError(
                say("Answering needed more memory than there is."),
                fix=say("Ask for shorter answers, or wait until fewer people ask at once."),
            )
        else:
            error = WorkerError(
                say("The model failed while answering ({kind}).", kind=type(problem).__name__), fix=say("Ask again.")
            )
        for request in [*self._active, *joining]:
            self._tell({"event": "refused", "id": request.id, **error.pack()})
        self._active = []

    def _retire(self) -> None:
        self._active = [request for request in self._active if not request.is_ended()]

    def _tell_rows(self, request: Request) -> None:
        request.told = time.monotonic()
        rows: list[Answer] = [
            {
                "text": row.text,
                "tokens": len(row.tokens),
                "tokens_per_s": round(row.tokens_per_s(), 1),
                "first_s": round(row.first_s, 3),
                "ended": row.ended,
            }
            for row in request.rows
        ]
        self._tell({"event": "rows", "id": request.id, "rows": rows})

    def _tell(self, message: ChatNews) -> None:
        self._out.write(orjson.dumps(message) + b"\n")
        self._out.flush()


if __name__ == "__main__":
    ChatProcess().run()
