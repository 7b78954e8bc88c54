"""A backend that answers at once, for tests of the page's own pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playground.errors import InputError, NotFoundError
from playground.words import Sentence

TOKENS = [
    {"id": 1, "text": "<|im_start|>", "role": "template", "trained": False, "special": True, "message": None},
    {"id": 2, "text": "user", "role": "template", "trained": False, "special": False, "message": None},
    {"id": 198, "text": "\n", "role": "template", "trained": False, "special": False, "message": None},
    {"id": 3, "text": " Hi", "role": "user", "trained": False, "special": False, "message": 0},
    {"id": 4, "text": "Arr", "role": "assistant", "trained": True, "special": False, "message": 1},
    {"id": 5, "text": "<|im_end|>", "role": "assistant", "trained": True, "special": True, "message": 1},
]


def a_run(**given: Any) -> dict[str, Any]:
    """A run as `Backend.run` describes it, halfway through."""
    metrics = [
        {"step": 0, "loss": None, "eval_loss": 3.0, "tokens_per_s": None},
        {"step": 1, "loss": 2.5, "eval_loss": None, "tokens_per_s": 200.0},
        {"step": 2, "loss": 2.0, "eval_loss": 2.2, "tokens_per_s": 210.0},
    ]
    run = {
        "run": "abc",
        "state": "running",
        "position": 0,
        "wait_s": None,
        "step": 2,
        "steps": 4,
        "eta_s": 65.0,
        "metrics": metrics,
        "phase": Sentence("Training."),
        "notes": [],
        "verdict": {},
        "error": None,
        "settings": {"learning_rate": 1e-3, "r": 16},
        "model": "org/model",
        "rows": 20,
        "held_out_rows": 2,
        "trained_tokens": 1234,
        "has_adapter": True,
    }
    return {**run, **given}


def answer(text: str = "", ended: str = "") -> dict[str, Any]:
    return {"text": text, "tokens": len(text), "tokens_per_s": 20.0, "first_s": 0.1, "ended": ended}


class FakeBackend:
    """Keeps what it was asked in `asked`; `refuse` makes the next call fail."""

    def __init__(self) -> None:
        self.runs = {"abc": a_run()}
        self.asked: list[tuple[Any, ...]] = []
        self.refuse: InputError | None = None
        self.closed = 0

    def models(self) -> list[dict[str, Any]]:
        facts = {"family": "f", "parameters": 134_515_008, "download": 269_000_000, "licence": "Apache-2.0"}
        return [{"name": "org/model", **facts, "gated": False, "default": True}]

    def model_status(self, model: str = "") -> dict[str, Any]:
        return {"name": model, "state": "ready", "fraction": None, "line": Sentence("On the CPU."), "error": None}

    def fetch_model(self, model: str = "") -> None:
        self.asked.append(("fetch_model", model))

    def templates(self) -> list[str]:
        return ["chatml"]

    def examples(self) -> list[dict[str, Any]]:
        words = {"title": Sentence("Pirate"), "teaches": Sentence("A voice."), "language": "en"}
        return [{"name": "pirate", **words, "rows": 1, "ask": ["Why?"], "system": "Be a pirate."}]

    def example_text(self, name: str) -> str:
        return '{"prompt": "a", "completion": "b"}\n'

    def preview(self, *given: Any) -> dict[str, Any]:
        self._note("preview", *given)
        return {"text": "Hi\n", "tokens": TOKENS, "mask": "prefix", "findings": []}

    def check_dataset(self, *given: Any) -> dict[str, Any]:
        self._note("check_dataset", *given)
        counts = {"rows": 3, "usable_rows": 2, "tokens": 10, "trained_tokens": 4, "truncated_rows": 0}
        rows = [{"row": 1, "left_out": 0, "tokens": TOKENS}]
        return {"format": "messages", **counts, "findings_left_out": 0, "findings": [], "preview": rows}

    def train(self, *given: Any) -> dict[str, Any]:
        self._note("train", *given)
        return {"run": "abc", "state": "queued", "position": 1}

    def run(self, run: str) -> dict[str, Any]:
        if run not in self.runs:
            raise NotFoundError(Sentence("There is no run {run}.", run=run))
        return self.runs[run]

    def stop(self, run: str) -> dict[str, Any]:
        return {"state": "running"}

    def reply(self, *given: Any) -> Iterator[dict[str, Any]]:
        self._note("reply", *given)
        try:
            for text in ("A", "An"):
                yield {"base": answer(text), "tuned": answer(text), "waiting": None}
            yield {"base": answer("Ans", "stop"), "tuned": answer("Ans", "length"), "waiting": None}
        finally:
            self.closed += 1

    def export(self, run: str, kind: str = "adapter") -> str:
        return f"/tmp/{run}-{kind}"

    def _note(self, *given: Any) -> None:
        self.asked.append(given)
        if self.refuse:
            raise self.refuse
