"""Losses of answers that are given (teacher forcing), a slice at a time between the steps of those being written.

The loss of a row is transformers' own: the token at each place predicts the label after it, -100 counts nowhere, and
the first label is never predicted. Rows of like length share a batch, padded on the right, where a causal model does
not look; a row too long for one slice goes through in several, with a cache. Adapters are those of the answers
(adapters.py), each row with its own.

The thread that owns the `Engine` owns this too. Whatever happens here, the engine's rows go on as they were.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from transformers import DynamicCache

from playground.chat.adapters import BASE
from playground.chat.engine import Engine
from playground.core.errors import InputError, LimitError
from playground.core.i18n import say

MOST_TOKENS = 65_536
"""Most tokens that one request may have scored: a minute or two of two slow cores, in which another base must wait."""
LONGEST = 16_384
"""Most tokens of one row."""
_IGNORED = -100
_AT_ONCE = 128
"""Places whose logits are turned into probabilities at once: 75 MB in fp32 for a vocabulary of 150,000."""


@dataclass(eq=False)
class ScoreRow:
    """One row, and its score as it comes."""

    ids: list[int]
    labels: list[int]
    """One a token; -100 where nothing is scored."""
    adapter: Path | None = None
    """The adapter's folder; None for base."""
    slot: int = BASE
    log_probs: list[float] = field(default_factory=list)
    """Of each supervised token in its order, in nats."""

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.labels):
            raise ValueError(f"{len(self.ids)} tokens have {len(self.labels)} labels")
        self.places = [place for place, label in enumerate(self.labels[1:]) if label != _IGNORED]
        """The tokens whose prediction counts."""
        self.length = self.places[-1] + 1 if self.places else 0
        """Tokens that have to be read: none after the last that counts."""

    @property
    def nll(self) -> float:
        """Negative log-likelihood of the supervised tokens in nats."""
        return -sum(self.log_probs)

    @property
    def tokens(self) -> int:
        """Supervised tokens, the first of the row excepted."""
        return len(self.places)


class Scoring:
    """Rows being scored with an engine's model."""

    def __init__(self, engine: Engine, rows: list[ScoreRow]) -> None:
        """Raises LimitError for rows that are too long, InputError for tokens that the model does not have."""
        _check(engine, rows)
        self.rows = rows
        self.total = sum(row.length for row in rows)
        """Tokens to be read."""
        self.done = 0
        """Tokens that have been."""
        self._engine = engine
        self._left = deque(sorted((row for row in rows if row.length), key=lambda row: row.length))
        self._batch: list[ScoreRow] = []
        self._at = 0
        self._cache: DynamicCache | None = None

    def is_done(self) -> bool:
        return not self._batch and not self._left

    def advance(self, tokens: int) -> int:
        """Read about so many tokens, padding included; how many they were.

        Raises InputError for an adapter that does not fit, and what the model raises; the batch in hand then begins
        again with the next call.
        """
        if self.is_done():
            return 0
        bank = self._engine.bank
        try:
            self._batch = self._batch or self._next_batch(tokens)
            bank.use([row.slot for row in self._batch])
            read = self._read(max(tokens // len(self._batch), 1))
        except BaseException:
            self._begin_again()
            raise
        finally:
            bank.use([row.slot for row in self._engine.rows])
        if self._at >= self._batch[-1].length:
            self.close()
        return read

    def close(self) -> None:
        """Give back what the batch in hand keeps."""
        self._batch, self._at, self._cache = [], 0, None
        self._engine.kept = frozenset()

    def _begin_again(self) -> None:
        for row in self._batch:
            row.log_probs.clear()
            self.done -= min(row.length, self._at)
        self._left.extendleft(reversed(self._batch))
        self.close()

    def _next_batch(self, tokens: int) -> list[ScoreRow]:
        """The shortest rows left, as many as fit into so many tokens; at least one."""
        batch = [self._left.popleft()]
        while self._left and (len(batch) + 1) * self._left[0].length <= tokens:
            batch.append(self._left.popleft())
        self._batch = batch
        in_use = {row.slot for row in self._engine.rows}
        for row in batch:
            row.slot = self._engine.bank.slot(row.adapter, in_use) if row.adapter else BASE
            in_use.add(row.slot)
        self._engine.kept = frozenset(row.slot for row in batch)
        return batch

    def _read(self, width: int) -> int:
        """Read the next `width` tokens of each row of the batch."""
        start = self._at
        end = min(start + width, self._batch[-1].length)
        ids = [row.ids[start : min(end, row.length)] for row in self._batch]
        padded = torch.tensor([part + [0] * (end - start - len(part)) for part in ids])
        # Rows share the places whose logits are worked out: few rows have others between.
        places = sorted({place for row in self._batch for place in row.places if start <= place < end})
        with torch.inference_mode():
            logits = self._logits(padded, start, [place - start for place in places])
            self._keep(logits, places)
        self._at = end
        self.done += sum(len(part) for part in ids)
        return padded.numel()

    def _logits(self, ids: Tensor, start: int, places: list[int]) -> Tensor:
        """Logits [rows, places, vocabulary] of the tokens `ids` [rows, length], which begin at place `start`."""
        model = self._engine.model
        end = start + ids.shape[1]
        if self._cache is None and end < self._batch[-1].length:
            self._cache = DynamicCache(config=model.config)
        outputs = model(
            input_ids=ids.to(model.device),
            position_ids=torch.arange(start, end, device=model.device).expand(len(ids), -1),
            past_key_values=self._cache,
            use_cache=self._cache is not None,
            logits_to_keep=torch.tensor(places, device=model.device) if places else 1,
        )
        logits: Tensor = outputs.logits
        return logits

    def _keep(self, logits: Tensor, places: list[int]) -> None:
        """Write down the log-probabilities of the labels that follow `places`."""
        columns = {place: column for column, place in enumerate(places)}
        wanted = [
            (number, columns[place], row.labels[place + 1])
            for number, row in enumerate(self._batch)
            for place in row.places
            if place in columns
        ]
        for first in range(0, len(wanted), _AT_ONCE):
            rows, cut, labels = torch.tensor(wanted[first : first + _AT_ONCE], device=logits.device).T
            scores = logits[rows, cut].float()
            found = scores.gather(1, labels[:, None])[:, 0] - scores.logsumexp(dim=1)
            for number, value in zip(rows.tolist(), found.tolist(), strict=True):
                self._batch[number].log_probs.append(value)


def _check(engine: Engine, rows: list[ScoreRow]) -> None:
    most = min(getattr(engine.model.config, "max_position_embeddings", None) or LONGEST, LONGEST)
    longest = max((row.length for row in rows), default=0)
    if longest > most:
        raise LimitError(
            say("A row to be scored has {count} tokens.", count=longest),
            say("The limit here is {limit}.", limit=most),
            say("Shorten it."),
        )
    total = sum(row.length for row in rows)
    if total > MOST_TOKENS:
        raise LimitError(
            say("The rows to be scored have {count} tokens in all.", count=total),
            say("The limit here is {limit}.", limit=MOST_TOKENS),
            say("Have fewer rows scored at once."),
        )
    known = engine.model.get_input_embeddings().num_embeddings
    used = (
        token for row in rows if row.places for token in (*row.ids, *(row.labels[place + 1] for place in row.places))
    )
    if any(not 0 <= token < known for token in used):
        raise InputError(
            say("The rows to be scored have tokens that this model does not have."),
            fix=say("Choose the model that the rows were prepared for."),
        )
