"""How fast this machine is with a model, measured on a few batches of its own rows before there is a plan."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from playground.device_facts import processor_name
from playground.devices import Choice
from playground.planning import Speed, Work, make_plan
from playground.settings import TrainSettings
from playground.speed_book import SpeedBook, key_of
from playground.training.rows import Rows, lengths
from playground.training.trainer import RunTrainer, build_trainer

_SIZES = (256, 64)
"""Tokens of the rows that are made up where there are none yet."""
_BATCHES = 4
"""Batches that are tried: the first warms up, the others are of different sizes."""


def measure(trainer: RunTrainer, known: Speed | None = None) -> Speed:
    """Seconds by tokens, from a few batches forward and backward. Weights and random numbers stay as they were."""
    rows, size = trainer.train_dataset, trainer.args.per_device_train_batch_size
    order = sorted(range(len(rows)), key=lambda place: -len(rows[place]["input_ids"]))
    starts = [0, 0, len(order) // 2, max(len(order) - size, 0)][:_BATCHES]
    with torch.random.fork_rng():
        trainer.model.train()
        for start in starts:
            chosen = [rows[place] for place in order[start : start + size]]
            batch = trainer._prepare_inputs(trainer.data_collator(chosen))
            with trainer.meter.timing(trainer.meter.steps, batch["input_ids"].numel()):
                with trainer.accelerator.autocast():
                    outputs = trainer.model(**batch, fused_lm_head=True, use_cache=False)
                    (-outputs.log_probs.sum()).backward()
                trainer.model.zero_grad(set_to_none=True)
    speed = trainer.meter.speed(1, known)
    assert speed is not None
    trainer.meter.steps.clear()
    return speed


def work_of(rows: Rows, settings: TrainSettings, probes: int) -> Work:
    """What the run's plan is made by."""
    scored = sum(lengths(rows.sample())) + sum(lengths(rows.general))
    return Work(lengths(rows.train), lengths(rows.held_out), scored, probes if settings.probe_max_new_tokens else 0)


def speed_key_here(model: str, choice: Choice, settings: TrainSettings) -> str:
    """Under which this machine's speed with `model` is remembered."""
    name = torch.cuda.get_device_name() if choice.device == "cuda" else processor_name()
    device = {"dtype_bytes": choice.dtype.itemsize, "name": name, "cores": torch.get_num_threads()}
    return key_of(model, choice.quantization, device, settings)


def measure_model(
    load_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    choice: Choice,
    model: str,
    book: SpeedBook,
) -> None:
    """Find out and remember how fast this machine is with a model and the usual settings, unless it is known.

    There are no rows yet: tokens are drawn at random, which costs as much.
    """
    settings = TrainSettings()
    key = speed_key_here(model, choice, settings)
    if book.get(key) is not None:
        return
    started = time.monotonic()
    dice = torch.Generator().manual_seed(0)
    drawn = [torch.randint(10, 100, (size,), generator=dice).tolist() for size in _SIZES for _ in range(4)]
    rows = Dataset.from_list([{"input_ids": ids, "labels": ids} for ids in drawn])
    nothing = Dataset.from_list([])
    with tempfile.TemporaryDirectory() as folder:
        parts = Rows(rows, nothing, nothing)
        plan = make_plan(settings, work_of(parts, settings, 0), None)
        trainer = build_trainer(load_model(), tokenizer, parts, settings, choice, Path(folder), plan)
        trainer.meter.load_s = time.monotonic() - started
        trainer.score(rows.select(range(4, 8)))
        trainer.answer([drawn[-1]] * 3, [], 4)
        book.learn(key, measure(trainer))
    del trainer
    gc.collect()
