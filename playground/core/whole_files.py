"""Files that others read while they are written: a reader finds the old one or the new one, never half of one."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, *, flush: bool = False) -> None:
    """Write beside `path` and put that in its place. `flush`: it is on the disk before the old one is gone."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        if flush:
            file.flush()
            os.fsync(file.fileno())
    part.replace(path)
