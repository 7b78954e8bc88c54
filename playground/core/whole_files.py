"""Files and folders that are there whole or not at all, for who reads them meanwhile and after a power cut."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Write beside `path`, and put that in its place once it is on the disk."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    publish(part, path)


def publish(work: Path, final: Path) -> None:
    """Give the file or folder `work` the name `final`, in place of what had it, once all of it is on the disk."""
    for path in [*work.rglob("*"), work]:
        _flush(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    if work.is_dir():
        shutil.rmtree(final, ignore_errors=True)  # Only files are replaced in one step.
    work.replace(final)
    _flush(final.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
