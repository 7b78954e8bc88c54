"""The fake backend with an estimate: half a second a step, a gigabyte of memory, and advice where ranks are large, or
larger than 8 for rows that say "huge".
"""

from __future__ import annotations

import threading
from typing import Any

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.core.settings import TrainSettings

from .fake_backend import FakeBackend

GB = 1_000_000_000


def a_plan(**given: Any) -> dict[str, Any]:
    plan = {
        "steps": 64,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "eval_steps": 8,
        "epochs": 8.0,
        "seconds": 170.0,
        "bound_by": "time",
        "train_s": 120.0,
        "eval_s": 30.0,
        "other_s": 20.0,
    }
    return {**plan, **given}


def a_memory(**given: Any) -> dict[str, Any]:
    memory = {
        "parts": [
            {"name": Sentence("Weights"), "bytes": GB // 4},
            {"name": Sentence("Adapter"), "bytes": GB // 20},
            {"name": Sentence("Optimiser"), "bytes": GB // 10},
            {"name": Sentence("Activations"), "bytes": 6 * GB // 10},
        ],
        "total": GB,
        "available": 4 * GB,
        "fits": True,
        "advice": [],
        "line": Sentence("It needs about 1.0 GB of the 4.0 GB that are free."),
    }
    return {**memory, **given}


def an_estimate(**given: Any) -> dict[str, Any]:
    line = Sentence("64 steps in about 2 min 50 s: each row is seen 8 times.")
    return {"plan": a_plan(), "measured": True, "line": line, "memory": a_memory(), **given}


class SettingsBackend(FakeBackend):
    """`slow` holds the estimate of a run of `slow` steps until `release` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()
        self.slow = 0
        self.answered: list[int] = []
        """Steps of the runs whose estimate was given, in that order."""

    def estimate(
        self, text: str = "", file: str = "", model: str = "", settings: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        self._note("estimate", text, file, model, settings)
        checked = TrainSettings.from_dict(settings or {})
        if self.slow and checked.max_steps == self.slow:
            assert self.release.wait(60)
        if '"prompt"' not in text and not file:
            raise InputError(Sentence("There are no rows to train on."))
        steps = checked.max_steps if checked.max_steps > 0 else round(8 * checked.num_train_epochs)
        by = "steps" if checked.max_steps > 0 else "time" if checked.time_budget_s else "epochs"
        plan = a_plan(steps=steps, bound_by=by, epochs=steps / 8, seconds=steps / 2)
        advice = [{"setting": "r", "value": 8, "message": Sentence("A smaller rank takes less.")}]
        memory = a_memory()
        if checked.r > (8 if "huge" in text else 64):
            line = Sentence("It needs about 5.0 GB, and 4.0 GB are free.")
            memory = a_memory(total=5 * GB, fits=False, advice=advice, line=line)
        self.answered.append(steps)
        return an_estimate(plan=plan, memory=memory, line=Sentence("{steps} steps.", steps=steps))

    def asked_last(self, name: str) -> tuple[Any, ...]:
        """The newest call of that name: (name, text, file, model, settings)."""
        return next(call for call in reversed(self.asked) if call[0] == name)
