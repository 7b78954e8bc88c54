"""What a run leaves on disk as it goes: adapters that can be talked to, and one checkpoint to go on from.

    adapters/step-40/    the adapter at each evaluation on the held-out rows
    adapter/             the one that is offered: that of the best evaluation, or the last where nothing is held out
    checkpoint/step-40/  the newest checkpoint of transformers' Trainer: adapter, optimiser, schedule, random numbers

After a power cut each is there whole or not.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from peft import PeftModel
from safetensors.torch import load_file

from playground.core.whole_files import publish

_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


def save_adapter(model: PeftModel, folder: Path, step: int) -> None:
    """Write adapters/step-N."""
    work = _empty(folder / "adapters.part")
    model.save_pretrained(str(work), safe_serialization=True)
    for path in work.iterdir():
        if path.name not in _ADAPTER:  # PEFT's empty model card.
            path.unlink()
    publish(work, folder / "adapters" / f"step-{step}")


def offer_adapter(folder: Path, step: int) -> None:
    """Make adapters/step-N the one in `folder`/adapter. Each file is replaced in one step: there is always one."""
    final = folder / "adapter"
    final.mkdir(exist_ok=True)
    for name in _ADAPTER:
        part = final / f"{name}.part"
        part.unlink(missing_ok=True)
        try:
            os.link(folder / "adapters" / f"step-{step}" / name, part)
        except OSError:  # A file system without links.
            shutil.copyfile(folder / "adapters" / f"step-{step}" / name, part)
        publish(part, final / name)


def load_adapter(model: PeftModel, folder: Path) -> None:
    """Put the weights of the adapter in `folder` into `model`, which has one of the same shape."""
    from peft import set_peft_model_state_dict  # noqa: PLC0415  Slow, and needed once.

    set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"))


def publish_checkpoint(work: Path, folder: Path, step: int) -> None:
    """Move what Trainer wrote below `work` to checkpoint/step-N; older ones go afterwards."""
    written = work / f"checkpoint-{step}"
    for name in ("training_args.bin", "README.md"):
        (written / name).unlink(missing_ok=True)
    publish(written, folder / "checkpoint" / f"step-{step}")
    shutil.rmtree(work, ignore_errors=True)
    for older in (folder / "checkpoint").iterdir():
        if older.name != f"step-{step}":
            shutil.rmtree(older, ignore_errors=True)


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint to go on from, or None."""
    found = [path for path in (folder / "checkpoint").glob("step-*") if (path / "trainer_state.json").is_file()]
    return max(found, key=step_of, default=None)


def step_of(path: Path) -> int:
    """The N of step-N."""
    return int(path.name.removeprefix("step-"))


def drop_after(folder: Path, step: int) -> None:
    """Remove adapters of steps beyond `step`: the run goes on from there and writes them anew."""
    for path in (folder / "adapters").glob("step-*"):
        if step_of(path) > step:
            shutil.rmtree(path, ignore_errors=True)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
