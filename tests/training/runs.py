"""Runs in this process, as the train process does them, with everything kept that a test may want to see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from playground import training
from playground.core.settings import Limits, TrainSettings
from playground.data.examples import bundled
from playground.data.source import Source
from playground.models import devices
from playground.runs.plan import make_plan
from playground.server.sandbox.jobs import do
from playground.server.sandbox.requests import WriteRows
from playground.templates.renderer import load_tokenizer
from playground.training.measuring import work_of


@dataclass
class Run:
    """What one run left behind."""

    folder: Path
    settings: TrainSettings
    events: list[tuple[str, dict[str, Any]]]
    batches: list[dict[str, list[list[int]]]]
    outcome: training.Outcome
    base_before: str
    base_after: str

    def values(self, event: str, name: str) -> list[Any]:
        return [values[name] for kind, values in self.events if kind == event]


def digest(model: torch.nn.Module) -> str:
    """A checksum of every weight that is not an adapter's."""
    total = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if "lora_" not in name:
            total.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


@dataclass
class WatchedRun(training.Run):
    """A run whose trainer is kept, with the batches that it got."""

    trainers: list[training.RunTrainer] = field(default_factory=list)
    batches: list[dict[str, list[list[int]]]] = field(default_factory=list)
    base: list[str] = field(default_factory=list)

    def _trainer(self, *args: Any) -> training.RunTrainer:
        trainer = super()._trainer(*args)
        self.trainers.append(trainer)
        self.base.append(digest(trainer.model))
        compute_loss = trainer.compute_loss

        def spy(model: Any, inputs: dict[str, torch.Tensor], *args: Any, **kwargs: Any) -> Any:
            self.batches.append(
                {name: inputs[name].tolist() for name in ("input_ids", "labels", "attention_mask") if name in inputs}
            )
            return compute_loss(model, inputs, *args, **kwargs)

        trainer.compute_loss = spy
        return trainer


def write(folder: Path, model_folder: Path, settings: TrainSettings, text: str) -> None:
    """A run's folder as the sandbox makes it."""
    do(WriteRows(str(model_folder), Source(text.encode(), ""), settings, Limits(), str(folder)))


def start(
    folder: Path,
    model_folder: Path,
    settings: TrainSettings,
    stop_after: int | None = None,
    on_event: Callable[[str, dict[str, Any]], None] = lambda event, values: None,
    **given: Any,
) -> Run:
    """A run, or its going on, as the train process does it, but in this process."""
    choice = devices.choose(settings.quantization)
    events: list[tuple[str, dict[str, Any]]] = []

    def emit(event: str, **values: Any) -> None:
        events.append((event, values))
        on_event(event, values)

    def enough() -> bool:
        return stop_after is not None and len([1 for kind, _ in events if kind == "step"]) >= stop_after

    run = WatchedRun(
        lambda: devices.load(model_folder, choice, to_train=True),
        load_tokenizer(model_folder),
        settings,
        choice,
        folder,
        emit,
        enough,
        **given,
    )
    outcome = run.train()
    return Run(folder, settings, events, run.batches, outcome, run.base[-1], digest(run.trainers[-1].model))


def train(folder: Path, model_folder: Path, settings: TrainSettings, text: str, stop_after: int | None = None) -> Run:
    write(folder, model_folder, settings, text)
    return start(folder, model_folder, settings, stop_after)


def few_rows(count: int, example: str = "pirate-voice") -> str:
    return "".join(bundled(example).text().splitlines(keepends=True)[:count])


def a_trainer(folder: Path, model_folder: Path, settings: TrainSettings, text: str) -> training.RunTrainer:
    write(folder, model_folder, settings, text)
    rows, choice = training.Rows.read(folder), devices.choose(settings.quantization)
    model = devices.load(model_folder, choice, to_train=True)
    plan = make_plan(settings, work_of(rows, settings, 0), None)
    return training.build_trainer(model, load_tokenizer(model_folder), rows, settings, choice, folder, plan)
