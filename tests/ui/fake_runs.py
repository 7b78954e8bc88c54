"""Runs at several moments, as `RunService.get` describes them, with curves as real runs have them."""

from __future__ import annotations

import math
import random
from typing import Any

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.core.settings import TrainSettings
from playground.runs.types import (
    Answer,
    Changes,
    Check,
    CheckState,
    Figure,
    Figures,
    Metrics,
    PlanDict,
    Probe,
    ProbeRound,
    ReadingDict,
    RunStatus,
    Scales,
)

PROBES: list[Probe] = [
    {"prompt": "Who are you?", "expected": "Arr, I be Captain Mochi, matey!", "source": "yours"},
    {"prompt": "How do I reset my password?", "expected": "Arr! Press the wee link, matey.", "source": "held_out"},
    {"prompt": "What is the capital of Japan?", "expected": "", "source": "general"},
]
_ANSWERS = [
    ("I am a helpful assistant.", "I'm sorry, but I can't help with that, as I", "The capital of Japan is Tokyo."),
    ("I am a helpful pirate, matey.", "Arr, I'm sorry, but I can't help", "The capital of Japan be Tokyo."),
    ("Arr, I be Captain Mochi, matey!", "Arr! Press the wee link, matey.", "Arr, the capital of Japan be Tokyo!"),
]


def curve(last: int, steps: int = 48, *, bad: bool = False, every: int = 6) -> list[Metrics]:
    """One row a step. `bad`: training loss goes on falling while held-out loss turns."""
    chance = random.Random(7)
    rows: list[Metrics] = []
    for step in range(last + 1):
        done = step / steps
        loss = 0.35 + 2.4 * math.exp(-5 * done) + chance.gauss(0, 0.14)
        held = 0.9 + 1.9 * math.exp(-5 * done) + (1.6 * max(0, done - 0.35) if bad else 0)
        row: Metrics = {
            "step": step,
            "loss": round(max(loss, 0.02), 4) if step else None,
            "eval_loss": round(held, 4) if step % every == 0 else None,
            "learning_rate": 1e-3 * min(step / 3, 0.5 * (1 + math.cos(math.pi * done))) if step else None,
            "grad_norm": round(0.4 + 2 * math.exp(-4 * done) + abs(chance.gauss(0, 0.2)), 3) if step else None,
            "token_accuracy": round(min(0.97, 0.45 + 0.5 * (1 - math.exp(-5 * done))), 4) if step else None,
            "tokens": 640 * step if step else None,
            "tokens_per_s": round(210 + chance.gauss(0, 6), 1) if step else None,
            "memory": 1_620_000_000 + 2_000_000 * step if step else None,
        }
        rows.append(row)
    return rows


def rounds(*steps: int) -> list[ProbeRound]:
    """Answers that turn from the base's to what was trained."""
    found: list[ProbeRound] = []
    for place, step in enumerate(steps):
        kind = min(2, place * 3 // max(len(steps), 1))
        ended: list[Answer] = [
            {"text": text, "ended": "length" if text.endswith(("I", "help")) else "stop"} for text in _ANSWERS[kind]
        ]
        found.append({"step": step, "answers": ended})
    return found


def scale(loss: float, rows: int) -> Figure:
    return {"loss": loss, "rows": rows, "tokens": rows * 31}


def scales(forgotten: float = 0.04, held_out: float = -1.2) -> Scales:
    before: Figures = {"train": scale(2.81, 40), "held_out": scale(2.79, 6), "general": scale(1.62, 60)}
    after: Figures = {
        "train": scale(0.42, 40),
        "held_out": scale(2.79 + held_out, 6),
        "general": scale(round(1.62 + forgotten, 3), 60),
    }
    change: Changes = {
        "train": {"mean": -2.39, "low": -2.6, "high": -2.2},
        "held_out": {"mean": held_out, "low": held_out - 0.3, "high": held_out + 0.3},
        "general": {"mean": forgotten, "low": forgotten - 0.05, "high": forgotten + 0.06},
    }
    return {"before": before, "after": after, "change": change}


def checks(**states: CheckState) -> list[Check]:
    """All six checks passed, but for those named otherwise."""
    messages = {
        "finite": "All weights of the adapter are numbers.",
        "changed": "224 of 224 matrices moved from zero.",
        "logits": "Tuned answers differ from base answers.",
        "held_out": "The loss on held-out rows fell by 1.20 (0.90 to 1.50).",
        "general": "Everyday questions lost 0.04 nats a token.",
        "stops": "3 of 3 answers end by themselves.",
    }
    return [
        {
            "code": code,
            "state": states.get(code, "passed"),
            "message": Sentence(message),
            "fix": None if states.get(code, "passed") == "passed" else Sentence("Train for fewer steps on more rows."),
        }
        for code, message in messages.items()
    ]


def reading(code: str, severity: str, message: str, **change: Any) -> ReadingDict:
    return {
        "code": code,
        "severity": severity,
        "message": Sentence(message),
        "why": Sentence("The figures of this run show it."),
        "advice": Sentence("Try it once more."),
        "change": change,
        "step": None,
    }


PLAN: PlanDict = {
    "steps": 48,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "eval_steps": 6,
    "epochs": 8.0,
    "seconds": 170.0,
    "bound_by": "time",
}


def a_story(moment: str, **given: Any) -> RunStatus:
    """A run at `moment`: queued, first, midway, well, badly, failed or stopped."""
    midway: RunStatus = {
        "run": "abc",
        "state": "running",
        "position": 0,
        "wait_s": None,
        "step": 25,
        "steps": 48,
        "eta_s": 82.0,
        "metrics": curve(25),
        "phase": Sentence("Training."),
        "notes": [Sentence("On the CPU in 32 bit: it has no bf16 units."), Sentence("4-bit (NF4) base weights.")],
        "verdict": {},
        "error": None,
        "settings": {**TrainSettings().to_dict(), "r": 8},
        "model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "rows": 66,
        "held_out_rows": 6,
        "trained_tokens": 4321,
        "has_adapter": True,
        "created": 1_790_000_000.0,
        "plan": PLAN,
        "probes": PROBES,
        "answers": rounds(0, 12, 24),
        "scales": {"before": scales()["before"], "after": None, "change": None},
        "readings": [reading("falling", "good", "The loss is still falling.")],
        "memory": {"peak": 1_670_000_000, "estimated": 1_900_000_000, "available": 4_100_000_000, "device": "cpu"},
        "best_step": 24,
        "can_resume": False,
        "title": "",
        "start_from": "",
        "started": 1_790_000_010.0,
        "ended": None,
    }
    told: Any = _MOMENTS[moment]() | given
    return {**midway, **told}


def _queued() -> dict[str, Any]:
    return {
        "state": "queued", "position": 2, "wait_s": 140, "step": 0, "steps": 0, "eta_s": None, "metrics": [],
        "notes": [], "has_adapter": False, "plan": {}, "probes": [], "answers": [], "scales": {}, "readings": [],
        "memory": {}, "best_step": None, "started": None,
    }  # fmt: skip


def _first() -> dict[str, Any]:
    return {**_queued(), "state": "running", "position": 0, "metrics": curve(0), "probes": PROBES,
            "answers": rounds(0), "plan": PLAN, "steps": 48, "started": 1_790_000_010.0}  # fmt: skip


def _ended() -> dict[str, Any]:
    return {
        "state": "done", "step": 48, "eta_s": None, "metrics": curve(48), "answers": rounds(*range(0, 49, 6)),
        "scales": scales(), "best_step": 48, "ended": 1_790_000_188.0,
    }  # fmt: skip


def _well() -> dict[str, Any]:
    message = "The loss on rows that it never saw fell from 2.79 to 1.59: it learned something that carries over."
    return {**_ended(), "verdict": {"code": "learned", "message": Sentence(message), "checks": checks()}}


def _badly() -> dict[str, Any]:
    message = "It learned its rows by heart and forgot how to answer everyday questions."
    return {
        **_ended(),
        "metrics": curve(48, bad=True),
        "best_step": 18,
        "scales": scales(0.62, 0.15),
        "verdict": {
            "code": "forgot",
            "message": Sentence(message),
            "checks": checks(held_out="unknown", general="failed", stops="failed"),
        },
        "readings": [
            reading("good", "info", "The last quarter changed little."),
            reading("overfitting", "warning", "Held-out loss turned at step 18.", num_train_epochs=3.0),
            reading("rate_high", "error", "The learning rate is too high.", learning_rate=0.0003, r=4),
        ],
    }


def _failed() -> dict[str, Any]:
    error = InputError(
        Sentence("The loss stopped being a number at step 13."),
        fix=Sentence("The steps were too large. Lower the learning rate to a third and start again."),
    )
    return {
        "state": "failed", "step": 13, "eta_s": None, "metrics": curve(12), "error": error, "has_adapter": False,
        "answers": rounds(0, 6), "best_step": None, "ended": 1_790_000_060.0,
    }  # fmt: skip


def _stopped() -> dict[str, Any]:
    message = "It was stopped early; what it learned so far carries over."
    some = {"code": "partly", "message": Sentence(message), "checks": checks(general="unknown", stops="unknown")}
    return {"state": "stopped", "eta_s": None, "can_resume": True, "verdict": some, "ended": 1_790_000_100.0}


_MOMENTS = {
    "queued": _queued,
    "first": _first,
    "midway": dict,
    "well": _well,
    "badly": _badly,
    "failed": _failed,
    "stopped": _stopped,
}
