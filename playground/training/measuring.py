"""How fast this machine is with a model, measured on a few batches of its own rows before there is a plan."""

from __future__ import annotations

import torch

from playground.core.settings import TrainSettings
from playground.models.devices import Choice, processor_name
from playground.models.types import Processor
from playground.runs.plan import Speed, Work
from playground.runs.throughput import speed_key
from playground.training.rows import Rows, lengths
from playground.training.trainer import RunTrainer


def measure(trainer: RunTrainer) -> Speed:
    """Seconds by tokens, from a few batches forward and backward. Weights and random numbers stay as they were."""
    rows, size = trainer.train_dataset, trainer.args.per_device_train_batch_size
    order = sorted(range(len(rows)), key=lambda place: -len(rows[place]["input_ids"]))
    middle = max(min(len(order) // 2, len(order) - size), 0)
    starts = [max(len(order) - size, 0), middle]  # The shortest rows warm up.
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
    speed = trainer.meter.speed(1, None)
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
    device: Processor = {"dtype_bytes": choice.dtype.itemsize, "name": name, "cores": torch.get_num_threads()}
    return speed_key(model, choice.quantization, device, settings)
