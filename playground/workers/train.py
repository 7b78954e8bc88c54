"""`python -m playground.workers.train`: a warm train process for one run.

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
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
import torch

from playground import devices, training
from playground.errors import InputError, LimitError, PlaygroundError, WorkerError, disk_is_full
from playground.rendering import load_tokenizer
from playground.runs import RunFolder
from playground.settings import TrainSettings
from playground.words import say

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
    asked = folder.settings()
    settings = TrainSettings.from_dict(asked["settings"])
    folder.append("state", state="running", pid=os.getpid())
    folder.append("phase", phase=say("Loading the model."))
    choice = devices.choose(settings.quantization)
    folder.append("note", note=choice.line)
    model = devices.load(Path(asked["model_folder"]), choice, to_train=True)
    # An adapter is published with the name of its base, not with this machine's path to it.
    model.config._name_or_path = model.name_or_path = asked["model"]
    rows = training.Rows.read(folder.path / "rendered.parquet")
    folder.append("phase", phase=say("Training."))
    gc.collect()
    outcome = training.train(
        model,
        load_tokenizer(Path(asked["model_folder"])),
        rows,
        settings,
        choice,
        folder.path,
        folder.append,
        lambda: _terminated or folder.is_asked_to_stop(),
    )
    verdict = judge(outcome)
    folder.write_report(
        {
            "verdict": verdict,
            "steps": outcome.steps,
            "eval_loss_before": outcome.eval_loss_before,
            "eval_loss_after": outcome.eval_loss_after,
            "choice": choice.line,
            "quantization": choice.quantization,
            "dtype": str(choice.dtype).removeprefix("torch."),
            "versions": _versions(),
        }
    )
    folder.append("state", state="stopped" if outcome.stopped else "done", verdict=verdict)


def judge(outcome: training.Outcome) -> dict[str, Any]:
    """{code, message}: what the run's own numbers allow to be said, and no more."""
    before, after = outcome.eval_loss_before, outcome.eval_loss_after
    if not outcome.adapter_changed:
        message = say("The adapter did not change, so tuned answers equal base answers. Train for more steps.")
        return {"code": "nothing_learned", "message": message}
    if before is None or after is None:
        message = say(
            "The adapter changed. No rows were held out: whether it learned more than its training rows is unknown."
        )
        return {"code": "unchecked", "message": message}
    figures = {"before": f"{before:.2f}", "after": f"{after:.2f}"}
    if figures["before"] == figures["after"]:
        message = say("The loss on rows that it never saw stayed at {after}. Train for more steps.", **figures)
        return {"code": "not_better", "message": message}
    if after < before:
        message = say(
            "The loss on rows that it never saw fell from {before} to {after}: it learned something that carries over.",
            **figures,
        )
        return {"code": "learned", "message": message}
    message = say(
        "The loss on rows that it never saw rose from {before} to {after}: at best it learned its rows by heart. "
        "Train for fewer steps, at a lower learning rate, or on more rows.",
        **figures,
    )
    return {"code": "not_better", "message": message}


def _versions() -> dict[str, str]:
    packages = ("torch", "transformers", "trl", "peft", "datasets", "bitsandbytes")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _explain(problem: Exception) -> PlaygroundError:
    """What went wrong, for people."""
    if isinstance(problem, (torch.OutOfMemoryError, MemoryError)):
        return LimitError(
            say("The run needed more memory than there is."),
            fix=say("Halve per_device_train_batch_size and double gradient_accumulation_steps, or lower max_length."),
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
