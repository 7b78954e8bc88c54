"""`make bench`: whether a run takes what was said before it started, and how long people wait for it.

Each run is that of a person who presses Start on the page: the bundled rows, the default model, through the backend and
its processes, one after the other. Before the first one nobody knows how fast this machine is. Beside the estimates of
time and memory: seconds from Start to the first point on the curve, and from Stop to the end. Nothing is asserted. The
figures go to tests/artifacts/bench-training.json too.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from playground.core.errors import PlaygroundError
from playground.core.settings import Limits
from playground.data.examples import bundled
from playground.server.backend import Backend
from tests.bench.preview import ARTIFACTS, settle

Example = tuple[str, dict[str, Any]]
RUNS: list[Example] = [
    ("persona-mochi", {}),
    ("persona-mochi", {}),
    ("pirate-voice", {"time_budget_s": 60}),
    ("json-tickets", {"time_budget_s": 60, "max_length": 256}),
    ("pirate-voice", {"time_budget_s": 0, "num_train_epochs": 1}),
    ("kokyaku-annai", {"time_budget_s": 0, "max_steps": 20, "gradient_accumulation_steps": 2}),
    ("pirate-voice", {"time_budget_s": 60, "quantization": "none"}),
    ("pirate-voice", {"time_budget_s": 60, "quantization": "none"}),
]
STOPPED: Example = ("pirate-voice", {})
_POLL_S = 0.25


def follow(backend: Backend, example: Example, stop_at: int = 0) -> dict[str, Any]:
    """Start a run and wait for its end. `stop_at`: the step at which Stop is pressed."""
    name, settings = example
    text = bundled(name).text()
    before = backend.runs.estimate(text, settings=settings)
    pressed = time.perf_counter()
    run = backend.runs.train(text, settings=settings)["run"]
    first = stopped = None
    while True:
        time.sleep(_POLL_S)
        state, now = backend.runs.get(run), time.perf_counter()
        if first is None and state["step"]:
            first = now - pressed
        if stop_at and stopped is None and state["step"] >= stop_at:
            backend.runs.stop(run)
            stopped = now
        if state["state"] in ("done", "stopped", "failed"):
            break
    if state["state"] == "failed":
        raise state["error"] or PlaygroundError("the run failed")
    told, plan = before["plan"]["seconds"], state["plan"]["seconds"]
    took, memory = state["ended"] - state["started"], state["memory"]
    return {
        "rows": name,
        "settings": settings,
        "steps": state["step"],
        "first point, s": first,
        "told before, s": told,
        "planned, s": plan,
        "took, s": took,
        "time, estimate to truth": (told or plan) / took,
        "memory, estimate to truth": memory["estimated"] / memory["peak"],
        "stop, s": now - stopped if stopped else None,
        "verdict": state["verdict"]["code"],
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        backend = Backend(Path(home), Limits())
        backend.start()
        try:
            settle(backend)
            found = []
            print(f"{'rows':16}{'steps':>6}{'first, s':>10}{'told, s':>9}{'plan, s':>9}{'took, s':>9}", end="")
            print(f"{'time':>7}{'memory':>8}")
            for example in RUNS:
                row = follow(backend, example)
                found.append(row)
                told = f"{row['told before, s']:.0f}" if row["told before, s"] else "-"
                print(
                    f"{row['rows']:16}{row['steps']:6}{row['first point, s']:10.1f}{told:>9}{row['planned, s']:9.0f}"
                    f"{row['took, s']:9.0f}{row['time, estimate to truth'] - 1:+7.0%}"
                    f"{row['memory, estimate to truth'] - 1:+8.0%}  {row['verdict']}  {row['settings']}",
                    flush=True,
                )
                settle(backend)
            stopped = follow(backend, STOPPED, stop_at=5)
            found.append(stopped)
            print(f"Stop at step 5: the run had ended after {stopped['stop, s']:.1f} s, at step {stopped['steps']}.")
        finally:
            backend.close()
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "bench-training.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
