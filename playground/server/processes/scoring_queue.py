"""The chat process's scorings: one after the other, in slices between the steps of the answers.

A slice takes as many tokens as fit into `_SLICE_S`, measured as it goes, and after each the answers have as much time
to themselves: who waits for a token waits for one slice at most, and answers are at worst half as fast as alone.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from playground.chat.engine import Engine
from playground.chat.scoring import ScoreRow, Scoring
from playground.core.errors import LimitError, PlaygroundError, WorkerError
from playground.core.i18n import say
from playground.server.processes.types import PackedScore, RefusedNews, ScoreOrder, ScoresNews

_SLICE_S = 0.15
"""With a step of the answers beside it, nobody waits for a quarter of a second."""
_FEWEST, _MOST = 64, 4096
"""Tokens of a slice. Of fewer, unpacking 4-bit weights takes more time than the rest: 16 take half as long as 64."""
_FEWEST_IN_NEED = 8
"""Tokens of a slice where memory is short."""
_UPDATE_S = 0.1
"""Seconds between two messages about one request."""


@dataclass(eq=False)
class _Request:
    id: str
    scoring: Scoring
    each: bool
    told: float = 0.0


class ScoringQueue:
    """What is to be scored with the model in hand. `tell` sends the messages of the chat process."""

    def __init__(self, tell: Callable[[ScoresNews | RefusedNews], None]) -> None:
        self._tell = tell
        self._requests: deque[_Request] = deque()
        self._slice, self._most = _FEWEST, _MOST
        self._rest_until = 0.0

    def is_empty(self) -> bool:
        return not self._requests

    def add(self, engine: Engine, order: ScoreOrder) -> None:
        """Take an order; where it cannot be done, tell why."""
        try:
            rows = [
                ScoreRow(row["ids"], row["labels"], Path(row["adapter"]) if row["adapter"] else None)
                for row in order["rows"]
            ]
            scoring = Scoring(engine, rows)
        except Exception as problem:
            self._refuse(order["id"], problem)
            return
        self._requests.append(_Request(order["id"], scoring, order["each"]))
        if scoring.is_done():  # There is nothing to be scored.
            self._tell_of(self._requests.pop())

    def cancel(self, request_id: str) -> None:
        for request in [request for request in self._requests if request.id == request_id]:
            self._drop(request)

    def step(self, beside_answers: bool) -> None:
        """One slice, where there is something to score and the answers, if any are written, have had their time."""
        begin = time.monotonic()
        if not self._requests or (beside_answers and begin < self._rest_until):
            return
        request = self._requests[0]
        try:
            read = request.scoring.advance(self._slice)
        except Exception as problem:  # Whatever it is, the answers go on: only this request ends.
            if not self._can_shrink(problem):
                self._drop(request)
                self._refuse(request.id, problem)
            return
        now = time.monotonic()
        self._fit_slice(read, now - begin)
        self._rest_until = now + (now - begin)
        if request.scoring.is_done():
            self._drop(request)
            self._tell_of(request)
        elif now - request.told >= _UPDATE_S:
            self._tell_of(request)

    def _can_shrink(self, problem: Exception) -> bool:
        """Whether to try again with smaller slices, the batch in hand from its beginning."""
        if not isinstance(problem, (MemoryError, torch.OutOfMemoryError)) or self._slice <= _FEWEST_IN_NEED:
            return False
        self._slice = self._most = max(self._slice // 4, _FEWEST_IN_NEED)
        return True

    def _fit_slice(self, read: int, seconds: float) -> None:
        """Make slices as long as they may take. What was much less than a slice says little about its speed."""
        if 2 * read >= self._slice:
            fitting = read * _SLICE_S / max(seconds, 1e-6)
            self._slice = int(min(max(fitting, _FEWEST), self._slice * 2, self._most))

    def _drop(self, request: _Request) -> None:
        self._requests.remove(request)
        request.scoring.close()

    def _refuse(self, request_id: str, problem: Exception) -> None:
        if isinstance(problem, PlaygroundError):
            error = problem
        elif isinstance(problem, (MemoryError, torch.OutOfMemoryError)):
            error = LimitError(
                say("Scoring needed more memory than there is."), fix=say("Shorten the rows, or wait and try again.")
            )
        else:
            error = WorkerError(
                say("The model failed while scoring ({kind}).", kind=type(problem).__name__), fix=say("Try again.")
            )
        self._tell({"event": "refused", "id": request_id, **error.pack()})

    def _tell_of(self, request: _Request) -> None:
        request.told = time.monotonic()
        scoring = request.scoring
        rows = _scores(scoring, request.each) if scoring.is_done() else None
        self._tell({"event": "scores", "id": request.id, "done": scoring.done, "total": scoring.total, "rows": rows})


def _scores(scoring: Scoring, each: bool) -> list[PackedScore]:
    """JSON has no NaN: a loss that is no number is null."""
    scores: list[PackedScore] = []
    for row in scoring.rows:
        nll = row.nll
        score: PackedScore = {"nll": nll if math.isfinite(nll) else None, "tokens": row.tokens}
        if each:
            score["log_probs"] = row.log_probs
        scores.append(score)
    return scores
