"""Answers from one model, base and tuned rows in one batch, people joining between steps.

A plain decode loop over a growing batch: whoever asks is prefilled and joins at the next step, whoever is finished
leaves; nobody waits for a stranger's whole answer. Each row draws with its own stream of random numbers, so that what
others ask changes nothing, and rows with equal seeds draw with equal numbers: base and tuned then differ by the model,
not by the dice.

Knows nothing of templates (prompts come as tokens), of processes, or of people. One thread owns an `Engine`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tokenizers.decoders import DecodeStream
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from playground.chat.adapters import BASE, AdapterBank
from playground.chat.sampling import draw
from playground.core.settings import Sampling


@dataclass(eq=False)
class Row:
    """One answer in the making."""

    prompt: list[int]
    sampling: Sampling
    adapter: Path | None = None
    """The adapter's folder; None for base."""
    stop: frozenset[int] = frozenset()
    """Tokens that end this answer beside the model's own: its prompt's template may end turns with another."""
    slot: int = BASE
    text: str = ""
    tokens: list[int] = field(default_factory=list)
    ended: str = ""
    """"" while it is being written, then stop (the model ended it), length or cancelled."""
    started: float = field(default_factory=time.monotonic)
    first_s: float = 0.0
    """Seconds from the asking to the first token."""
    last: float = 0.0
    _stream: DecodeStream | None = None
    _generator: torch.Generator | None = None
    _seen: Tensor | None = None

    def seen(self, vocabulary: int) -> Tensor | None:
        """bool [vocabulary]: the tokens so far, prompt and answer; None where nobody asks."""
        if self.sampling.repetition_penalty == 1:
            return None
        if self._seen is None:
            self._seen = torch.zeros(vocabulary, dtype=torch.bool)
            self._seen[self.prompt] = True
        self._seen[self.tokens[-1:]] = True
        return self._seen

    def tokens_per_s(self) -> float:
        """Tokens a second since the first one."""
        seconds = self.last - self.started - self.first_s
        return (len(self.tokens) - 1) / seconds if len(self.tokens) > 1 and seconds > 0 else 0.0


class Engine:
    """The model, its adapters, and the batch in hand."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dtype: torch.dtype) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.bank = AdapterBank(model, dtype)
        self.rows: list[Row] = []
        self.kept: frozenset[int] = frozenset()
        """Adapter slots that something beside `rows` uses (scoring.py): they are not given to others."""
        self._cache: DynamicCache | None = None
        self._mask: Tensor | None = None
        self._ends = _end_tokens(model, tokenizer)

    def join(self, rows: list[Row]) -> None:
        """Prefill `rows` and let them take part from the next step on. Their first token comes with the prefill.

        Raises InputError for an adapter that does not fit; the rows in hand go on as if nothing had been asked.
        """
        in_use = {row.slot for row in self.rows} | self.kept
        for row in rows:
            row.slot = self.bank.slot(row.adapter, in_use) if row.adapter else BASE
            in_use.add(row.slot)
            row._stream = DecodeStream(skip_special_tokens=True)
            row._generator = torch.Generator().manual_seed(row.sampling.seed)
        self.bank.use([row.slot for row in rows])
        ids, mask = _pad_left([row.prompt for row in rows], self.model.device)
        cache = DynamicCache(config=self.model.config)
        with torch.inference_mode():
            logits = self._forward(ids, mask, cache)
        self._accept(rows, logits)
        self._merge(rows, cache, mask)
        self._drop_ended()

    def step(self) -> None:
        """One token for each row in hand."""
        if not self.rows:
            return
        assert self._mask is not None and self._cache is not None
        ids = torch.tensor([[row.tokens[-1]] for row in self.rows], device=self.model.device)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.rows), 1)], dim=1)
        with torch.inference_mode():
            logits = self._forward(ids, self._mask, self._cache)
        self._accept(self.rows, logits)
        self._drop_ended()

    def cancel(self, rows: list[Row]) -> None:
        """End rows where they stand; their places are free at once."""
        for row in rows:
            if not row.ended:
                row.ended = "cancelled"
        self._drop_ended()

    def clear(self) -> None:
        """Forget every row, as after an error in the model."""
        for row in self.rows:
            row.ended = row.ended or "cancelled"
        self.rows, self._cache, self._mask = [], None, None

    def _forward(self, ids: Tensor, mask: Tensor, cache: DynamicCache) -> Tensor:
        """Logits [rows, vocabulary] for the token after the last. Padding is on the left."""
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        outputs = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return outputs.logits[:, -1].float().cpu()

    def _accept(self, rows: list[Row], logits: Tensor) -> None:
        now = time.monotonic()
        for row, scores in zip(rows, logits, strict=True):
            token = draw(scores, row.sampling, row._generator, row.seen(len(scores)))
            row.last = now
            if not row.tokens:
                row.first_s = now - row.started
            row.tokens.append(token)
            if token in self._ends or token in row.stop:
                row.ended = "stop"
            else:
                assert row._stream is not None
                row.text += row._stream.step(self.tokenizer.backend_tokenizer, token) or ""
                if len(row.tokens) >= row.sampling.max_new_tokens:
                    row.ended = "length"

    def _merge(self, rows: list[Row], cache: DynamicCache, mask: Tensor) -> None:
        """Put new rows below those in hand, padding the shorter side on the left."""
        if self.rows:
            assert self._mask is not None and self._cache is not None
            width = max(self._mask.shape[1], mask.shape[1])
            for old, new in zip(self._cache.layers, cache.layers, strict=True):
                old.keys = torch.cat([_widen(old.keys, width), _widen(new.keys, width)])
                old.values = torch.cat([_widen(old.values, width), _widen(new.values, width)])
            self._mask = torch.cat([_widen_mask(self._mask, width), _widen_mask(mask, width)])
        else:
            self._cache, self._mask = cache, mask
        self.rows = self.rows + rows
        self.bank.use([row.slot for row in self.rows])

    def _drop_ended(self) -> None:
        kept = [place for place, row in enumerate(self.rows) if not row.ended]
        if len(kept) == len(self.rows):
            return
        self.rows = [self.rows[place] for place in kept]
        if not kept:
            self._cache = self._mask = None
            return
        assert self._mask is not None and self._cache is not None
        chosen = torch.tensor(kept, device=self._mask.device)
        self._mask = self._mask[chosen]
        # Columns that are padding in every row that stays are of no more use.
        spare = int((self._mask.sum(dim=0) > 0).int().argmax())
        self._mask = self._mask[:, spare:]
        for layer in self._cache.layers:
            layer.keys = layer.keys[chosen][:, :, spare:].contiguous()
            layer.values = layer.values[chosen][:, :, spare:].contiguous()
        self.bank.use([row.slot for row in self.rows])


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Tokens that end an answer: the generation config's and the tokenizer's."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ends = set(configured if isinstance(configured, list) else [configured])
    return {token for token in ends | {tokenizer.eos_token_id} if token is not None}


def _pad_left(prompts: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and mask, [rows, longest], padded on the left."""
    width = max(len(prompt) for prompt in prompts)
    ids = [[0] * (width - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _widen(cached: Tensor, width: int) -> Tensor:
    """Keys or values [rows, heads, length, size] with zeros on the left up to `width`."""
    missing = width - cached.shape[2]
    return torch.nn.functional.pad(cached, (0, 0, missing, 0)) if missing else cached


def _widen_mask(mask: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(mask, (width - mask.shape[1], 0)) if width > mask.shape[1] else mask
