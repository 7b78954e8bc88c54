"""What a model runs on: device, number format and 4-bit or not, each with the reason, in figures, and loading it so.

The memory of a CPU is what this process may use: a container's limit counts where it has one (cgroup 2 and 1).

Imports torch: only the chat and train processes use it.
"""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import psutil
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from playground.core.errors import ModelError
from playground.core.i18n import Sentence, say
from playground.core.settings import Quantization
from playground.models.types import DeviceFacts

_CGROUPS = Path("/sys/fs/cgroup")
_FILES = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
_PROBE_SIZE = 512
_BF16_WORTH_IT = 0.8
"""bf16 is used where its matrix product takes at most fp32's time over this. Real units give 2 and more, emulation
gives 0.1 and less, so the exact value decides nothing."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the sentence that says why."""

    device: Literal["cpu", "cuda"]
    """cpu or cuda."""
    dtype: torch.dtype
    """Number format of the weights that are not quantised, and of the computation."""
    quantization: str
    """nf4, fp4 or none."""
    line: Sentence
    """For people: the choice with its reasons."""
    double_quant: bool = True
    """Whether the constants of 4-bit weights are quantised too."""


def choose(quantization: Quantization = "auto", *, to_answer: bool = False, double_quant: bool = True) -> Choice:
    """Pick device, dtype and quantisation for this machine, to train on or `to_answer` with.

    Raises ModelError when 4-bit is demanded where it does not run.
    """
    device, dtype, where = _device_and_dtype()
    problem = _why_not_4bit()
    if quantization in ("nf4", "fp4") and problem:
        raise ModelError(
            say("4-bit weights were asked for, but {problem}.", problem=problem),
            fix=say("Set quantization to none or auto."),
        )
    if quantization == "none":
        how, kind = say("weights not quantised, as asked"), "none"
    elif problem:
        how, kind = say("weights not quantised, because {problem}", problem=problem), "none"
    else:
        kind = "fp4" if quantization == "fp4" else "nf4"
        how = say("base weights in 4 bits ({kind}), which is what QLoRA trains on", kind=kind.upper())
    if to_answer and device == "cpu" and kind != "none":
        # Rounds less than bf16 at the same speed (58 against 60 tokens/s for a pair). It makes an answer depend less on
        # who else is in the batch, not never: bitsandbytes' fused 4-bit kernel rounds to bf16 inside.
        dtype = torch.float32
        where = say("Runs on {cores} CPU cores in float32", cores=_cores())
    return Choice(device, dtype, kind, say("{where}; {how}.", where=where, how=how), double_quant)


def _cores() -> int:
    return torch.get_num_threads()


def _device_and_dtype() -> tuple[Literal["cpu", "cuda"], torch.dtype, Sentence]:
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "cuda", torch.bfloat16, say("Runs on the GPU {name} in bfloat16", name=name)
        return "cuda", torch.float16, say("Runs on the GPU {name} in float16, as it has no bfloat16 units", name=name)
    cores = _cores()
    ratio = _bf16_speed()
    if ratio >= _BF16_WORTH_IT:
        line = say(
            "Runs on {cores} CPU cores in bfloat16, measured {ratio} times as fast as float32 here",
            cores=cores,
            ratio=f"{ratio:.1f}",
        )
        return "cpu", torch.bfloat16, line
    line = say("Runs on {cores} CPU cores in float32, as bfloat16 is slow on this CPU", cores=cores)
    return "cpu", torch.float32, line


@lru_cache
def _bf16_speed() -> float:
    """How many times as fast a matrix product is in bf16 as in fp32 on this CPU: the best of three each."""
    best = {}
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(_PROBE_SIZE, _PROBE_SIZE, dtype=dtype)
        times = []
        for _ in range(4):  # The first warms up.
            start = time.perf_counter()
            matrix @ matrix
            times.append(time.perf_counter() - start)
        best[dtype] = min(times[1:])
    return best[torch.float32] / best[torch.bfloat16]


def _why_not_4bit() -> Sentence | None:
    """None where bitsandbytes can quantise here, else the reason."""
    if find_spec("bitsandbytes") is None:
        return say("bitsandbytes is not installed")
    try:
        import bitsandbytes as bnb  # noqa: PLC0415  Its import can fail on a machine that it has no library for.

        bnb.functional.quantize_4bit(torch.ones(64, 64), quant_type="nf4")
    except Exception as problem:
        return say("bitsandbytes does not run here ({detail})", detail=str(problem).strip().split("\n")[0][:120])
    return None


def load(folder: Path, choice: Choice, *, to_train: bool) -> PreTrainedModel:
    """The model in `folder` as `choice` says, in eval mode.

    Raises ModelError when it does not fit into memory or is no causal language model.
    """
    arguments: dict[str, Any] = {"dtype": choice.dtype, "local_files_only": True, "trust_remote_code": False}
    if choice.quantization != "none":
        arguments["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=choice.quantization,
            bnb_4bit_use_double_quant=choice.double_quant,
            bnb_4bit_compute_dtype=choice.dtype,
        )
    if choice.device == "cuda":
        arguments["device_map"] = {"": 0}
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **arguments)
    except (torch.OutOfMemoryError, MemoryError):
        raise ModelError(
            say("The model does not fit into the memory of this machine."), fix=say("Choose a smaller model.")
        ) from None
    except (OSError, ValueError, KeyError, RuntimeError) as problem:
        raise ModelError(
            say("The model cannot be loaded ({detail}).", detail=str(problem).strip().split("\n")[0][:200]),
            fix=say("Choose a text model that transformers knows without code of its own."),
        ) from None
    if to_train:
        keep_gradients(model)
    return model.eval()


def keep_gradients(model: torch.nn.Module) -> None:
    """Stop bitsandbytes from repacking 4-bit weights for CPUs with AVX512-BF16.

    It repacks on the first forward without gradients, and every backward after that silently gives none.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]


def device_facts(quantization: Quantization) -> DeviceFacts:
    """Of a run with this `quantization`."""
    choice = choose(quantization)
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
