"""`python -m playground.server.processes.train_process`: a warm train process for one run.

It imports torch, transformers, TRL and PEFT, says {"ready": true}, and waits for one line with what to do:

    {"folder": the run's folder}

Then it trains, and ends. All that anybody needs to know stands in the run's folder: when the app goes away the run goes
on, and when this process is killed what it had saved is there. SIGTERM is a request to stop, as the file `stop` is.
"""

from __future__ import annotations

import gc
import os
import platform
import signal
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import orjson
from transformers import PreTrainedModel

from playground import training
from playground.core.errors import InputError, LimitError, PlaygroundError, WorkerError, disk_is_full
from playground.core.i18n import say, unpack
from playground.core.settings import TrainSettings
from playground.models import devices
from playground.runs.store import SPEEDS, RunFolder
from playground.runs.throughput import ThroughputCache
from playground.runs.types import Figures
from playground.templates.renderer import load_tokenizer

_terminated = False


def main() -> None:
    signal.signal(signal.SIGTERM, _on_sigterm)
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line.strip():
        return
    folder = RunFolder(Path(orjson.loads(line)["folder"]))
    with open(folder.path / "log.txt", "ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        _run(folder)
    except PlaygroundError as problem:
        folder.append("state", state="failed", problem=problem.pack())
    except Exception as problem:
        folder.append("state", state="failed", problem=_explain(problem).pack())
        raise


def _on_sigterm(_: int, __: FrameType | None) -> None:
    global _terminated  # noqa: PLW0603  A signal handler has nowhere else to put its news.
    _terminated = True


def _run(folder: RunFolder) -> None:
    started = time.monotonic()
    asked = folder.settings()
    settings = TrainSettings.from_dict(asked["settings"])
    folder.append("state", state="running", pid=os.getpid())
    folder.append("phase", phase=say("Loading the model."))
    choice = devices.choose(settings.quantization, double_quant=settings.bnb_4bit_use_double_quant)
    folder.append("note", note=choice.line)
    outcome = training.Run(
        lambda: _load(Path(asked["model_folder"]), asked["model"], choice),
        load_tokenizer(Path(asked["model_folder"])),
        settings,
        choice,
        folder.path,
        folder.append,
        lambda: _terminated or folder.is_asked_to_stop(),
        asked["model"],
        ThroughputCache(folder.path.parent.parent / SPEEDS),
        started,
    ).train()
    losses = tuple(unpack(asked["counts"].get("losses", [])))
    verdict = training.judge(replace(outcome.evidence, losses=losses))
    folder.write_report(
        {
            "verdict": verdict,
            "steps": outcome.steps,
            "best_step": outcome.best_step,
            "eval_loss_before": _held_out(outcome.evidence.before),
            "eval_loss_after": _held_out(outcome.evidence.after),
            "choice": choice.line,
            "device": choice.device,
            "quantization": choice.quantization,
            "dtype": str(choice.dtype).removeprefix("torch."),
            "peak": outcome.peak,
            "seconds": round(time.monotonic() - started, 1),
            "versions": _versions(),
        }
    )
    folder.append("state", state="stopped" if outcome.stopped else "done", verdict=verdict, peak=outcome.peak)


def _held_out(figures: Figures) -> float | None:
    found = figures.get("held_out")
    return found["loss"] if found else None


def _load(folder: Path, name: str, choice: devices.Choice) -> PreTrainedModel:
    gc.collect()
    model = devices.load(folder, choice, to_train=True)
    # An adapter is published with the name of its base, not with this machine's path to it.
    model.config._name_or_path = model.name_or_path = name
    return model


def _versions() -> dict[str, str]:
    packages = ("torch", "transformers", "trl", "peft", "datasets", "bitsandbytes")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _explain(problem: Exception) -> PlaygroundError:
    """What went wrong, for people."""
    if training.is_out_of_memory(problem):
        return LimitError(
            say("The run needed more memory than there is, also with half the batch."),
            fix=say("Lower max_length, turn gradient_checkpointing on, or choose a smaller model."),
        )
    if full := disk_is_full(problem):
        return full
    if isinstance(problem, ValueError) and "arget modules" in str(problem):
        return InputError(
            say("The model has no modules of the names in target_modules."),
            fix=say("Use all-linear, or names such as q_proj,v_proj."),
        )
    return WorkerError(
        say("The run failed: {kind}.", kind=type(problem).__name__),
        fix=say("Whoever runs this app finds more in the log of the run."),
    )


if __name__ == "__main__":
    main()
