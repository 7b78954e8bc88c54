"""`make bench`: what a training run takes of the machine's memory, beside what was estimated before it started.

Each case is two steps in a process of its own, as the train process takes them, on rows that are all as long as is kept
and supervised but for a short question: the most that a batch of this size can need. The figures stand in
playground/runs/memory.py and tests/runs/test_memory.py. On a CPU.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playground.core.settings import TrainSettings
from playground.models import devices
from playground.models.catalogue import DEFAULT
from playground.models.shape import ModelShape
from playground.models.weights import fetch
from playground.runs.memory import estimate
from playground.training.meter import mapped_weights
from tests.training.runs import a_trainer

ARTIFACTS = Path(__file__).parents[1] / "artifacts"

CASES = [
    # batch, length, quantised, checkpointing
    (1, 128, True, False),
    (4, 128, True, False),
    (8, 128, True, False),
    (1, 512, True, False),
    (4, 512, True, False),
    (4, 128, True, True),
    (4, 512, True, True),
    (8, 512, True, True),
    (1, 128, False, False),
    (4, 128, False, False),
    (8, 128, False, False),
    (4, 512, False, False),
    (1, 512, False, True),
    (4, 512, False, True),
]


def settings_of(batch: int, length: int, quantised: bool, checkpointing: bool) -> TrainSettings:
    return TrainSettings(
        max_steps=2,
        time_budget_s=0,
        held_out=0,
        per_device_train_batch_size=batch,
        max_length=length,
        quantization="nf4" if quantised else "none",
        gradient_checkpointing=checkpointing,
    )


def rows(count: int, length: int) -> str:
    turns = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "one two three " * length}]
    return "\n".join(json.dumps({"messages": turns}) for _ in range(count))


def needed(model: Path, settings: TrainSettings) -> int:
    """Bytes at most, of this process."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = a_trainer(Path(folder), model, settings, rows(settings.per_device_train_batch_size * 2, 600))
        trainer.train()
        trainer.meter.mapped = mapped_weights(trainer.model)
        return trainer.meter.memory()


def default_model() -> Path:
    return fetch(DEFAULT, lambda line, fraction: None)


def main() -> None:
    model = default_model()
    shape = ModelShape.from_config(json.loads((model / "config.json").read_text()))
    found: list[dict[str, Any]] = []
    for case in CASES:
        settings = settings_of(*case)
        told = estimate(shape, settings, case[0], case[1], "cpu", devices.choose("auto").dtype.itemsize, case[2])
        run = [sys.executable, "-m", "tests.bench.memory", json.dumps(case)]
        took = int(subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()[-1])
        found.append({"case": case, "needed": took, "estimate": told.total})
        print(
            f"{case[0]} x {case[1]} {'nf4 ' if case[2] else 'none'} {'checkpointing' if case[3] else '':13} "
            f"needed {took / 1e6:6.0f} MB  estimate {told.total / took - 1:+.0%}",
            flush=True,
        )
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "bench-memory.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(needed(default_model(), settings_of(*json.loads(sys.argv[1]))))
    else:
        main()
