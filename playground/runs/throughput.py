"""How fast this machine was with each model, kept from run to run.

One JSON file, {key: {time, step_s, token_s, ...}}, read by the app and written by train processes: a lock of its own
beside it, and replaced in one step, so that a reader sees the old file or the new one. It is worth no run: a file that
is broken counts as empty, and one that cannot be written stays as it is.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import orjson
from filelock import FileLock

from playground.core.settings import TrainSettings
from playground.core.whole_files import write_durably
from playground.models.types import Processor
from playground.runs.plan import Speed

ENTRIES = 200
"""Speeds remembered; the oldest go first."""
SAME = 0.2
"""A new speed that plans a run within this share of what the old one plans is the same speed, measured again."""
_TYPICAL = {"steps": 50, "eval_tokens": 20, "answers": 200}
"""A run to compare two speeds by: steps, tokens scored for each token of a step, decoding steps."""
_SIZES = (256, 2048)
"""Tokens of a step to compare two speeds at."""
_NAMES = [field.name for field in fields(Speed)]


def speed_key(model: str, quantization: str, device: Processor, settings: TrainSettings) -> str:
    """Everything that a speed depends on, beside the rows: one line."""
    modules = ",".join(sorted({name.strip() for name in settings.target_modules.split(",")}))
    parts = [
        model,
        f"{quantization} {device['dtype_bytes'] * 8} bit",
        f"{device['name']} x{device['cores']}",
        f"r={settings.r}",
        modules,
    ]
    parts += ["checkpointing"] * settings.gradient_checkpointing + ["packing"] * settings.packing
    return " | ".join(parts)


@dataclass(frozen=True)
class ThroughputCache:
    """Speeds by key, in a JSON file."""

    path: Path

    def get(self, key: str) -> Speed | None:
        """The speed that was learned for `key`."""
        entry = self._read().get(key)
        return Speed(*(float(entry[name]) for name in _NAMES)) if entry else None

    def update(self, key: str, speed: Speed) -> bool:
        """Remember `speed`, unless the old one is as good: then the same settings give the same plan again.

        Returns whether it was written.
        """
        if not _is_speed(asdict(speed)):
            return False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", mode=0o600):
                entries = self._read()
                old = self.get(key)
                if old and plans_alike(old, speed):
                    return False
                entries.pop(key, None)
                entries[key] = {"time": round(time.time(), 3), **asdict(speed)}
                newest = sorted(entries.items(), key=lambda item: item[1]["time"])[-ENTRIES:]
                write_durably(self.path, orjson.dumps(dict(newest), option=orjson.OPT_INDENT_2))
        except OSError:
            return False
        return True

    def _read(self) -> dict[str, dict[str, float]]:
        try:
            entries = orjson.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(entries, dict):
            return {}
        return {key: entry for key, entry in entries.items() if _is_entry(entry)}


def plans_alike(old: Speed, new: Speed) -> bool:
    """Whether a typical run lasts as long by both, with short rows and with long ones, to within SAME."""
    return all(abs(_run_s(new, size) - _run_s(old, size)) <= SAME * _run_s(old, size) for size in _SIZES)


def _run_s(speed: Speed, tokens: int) -> float:
    steps = _TYPICAL["steps"] * (speed.step_s + speed.token_s * tokens)
    evaluations = _TYPICAL["eval_tokens"] * tokens * speed.eval_token_s
    return steps + evaluations + _TYPICAL["answers"] * speed.answer_token_s + speed.load_s


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and _is_speed(entry) and isinstance(entry.get("time"), (int, float))


def _is_speed(entry: dict[str, float]) -> bool:
    values = [entry.get(name) for name in _NAMES]
    return all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
        for value in values
    )
