"""What a model runs on, in figures: for estimates of memory and time.

The memory of a CPU is what this process may use: a container's limit counts where it has one (cgroup 2 and 1).
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import psutil
import torch

from playground import devices
from playground.core.settings import Quantization

_CGROUPS = Path("/sys/fs/cgroup")
_FILES = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def device_facts(quantization: Quantization) -> dict[str, Any]:
    """{kind: cpu|cuda, name, total, free (bytes), dtype_bytes, quantised, cores} of a run with this `quantization`.

    `dtype_bytes` is that of what is not quantised while training, which on a CPU may be 2 where answers are computed
    in 4. `free` is as of now, with what this process itself holds taken off.
    """
    choice = devices.choose(quantization)
    if choice.device == "cuda":
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
    else:
        free, total = memory_of_this_machine()
        name = processor_name()
    return {
        "kind": choice.device,
        "name": name,
        "total": total,
        "free": free,
        "dtype_bytes": choice.dtype.itemsize,
        "quantised": choice.quantization != "none",
        "cores": torch.get_num_threads(),
    }


def memory_of_this_machine(cgroups: Path = _CGROUPS) -> tuple[int, int]:
    """Bytes that are free and bytes in all."""
    memory = psutil.virtual_memory()
    free, total = int(memory.available), int(memory.total)
    for limit_file, used_file in _FILES:
        limit, used = _number(cgroups / limit_file), _number(cgroups / used_file)
        if limit is not None and used is not None and limit < total:
            reclaimable = _inactive_files((cgroups / limit_file).with_name("memory.stat"))
            return min(max(limit - used + reclaimable, 0), free), limit
    return free, total


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """As the maker calls it, else the architecture."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(filter(None, names), "") or platform.processor() or platform.machine()


def _number(path: Path) -> int | None:
    """What stands in the file; None where there is none, or "max"."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _inactive_files(path: Path) -> int:
    """Bytes of the page cache that are given up when somebody needs them."""
    try:
        lines = dict(line.split() for line in path.read_text().splitlines())
        return int(lines.get("total_inactive_file", lines.get("inactive_file", 0)))
    except (OSError, ValueError):
        return 0
