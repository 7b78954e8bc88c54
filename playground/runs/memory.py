"""How much memory a training run takes, told before it starts by the model's shape, and what to change if it is much.

    weights      4-bit: half a byte for each weight of a linear layer and its share of the constants; embeddings, head
                 and norms in 16 or 32 bits
    adapter      r * (inputs + outputs) parameters for each linear layer that gets one
    gradients    of the adapter alone
    optimizer    AdamW's two moments for each of them, in the adapter's number format
    activations  what the backward pass needs of every layer; with gradient checkpointing the input of every layer and
                 all of one
    logits       those that stand in memory at once, on a CPU 64 positions (training/head.py), else a tile of TRL's
                 fused head; the whole of them never exists
    overhead     Python, torch and their threads, or the CUDA context

Attention scores are in none of them: PyTorch's kernels for GPU and CPU go over them in blocks.

Against what runs of two steps needed (`peak_needed`; SmolLM2-135M, r=16 all-linear, bf16, 2 CPU cores, torch 2.13):

    batch x length            1x128  4x128  8x128  1x512  4x512  8x512
    nf4         needed, MB     1055   1447   2021   1449   3183
                estimate        -3%    +2%    +3%    +2%    +3%
      with checkpointing               906                 1514   2744
                estimate              +18%                  +8%   -12%
    none        needed, MB     1157   1688   2278          3750
                estimate        +7%    +4%    +7%           +1%
      with checkpointing                            1234   2117
                estimate                             +4%    -9%

The same run needs up to 700 MB more or less, by what loading the model left behind and where the heap's
holes lie. On a GPU nothing was measured.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace

from playground.core.figures import size
from playground.core.i18n import Sentence, say
from playground.core.settings import TrainSettings
from playground.models.shape import ModelShape
from playground.runs.types import Advice, MemoryPart, Settings

__all__ = ["Memory", "ModelShape", "advise", "estimate", "fits", "memory_line", "peak_needed", "size"]

SAFE_SHARE = 0.9
"""Share of the available memory that a run may be estimated to take: estimates err, and others share the machine."""
_FOUR_BITS = 0.5
_CONSTANTS = 4 / 64
"""Bytes for each 4-bit weight: an fp32 constant for a block of 64 (Dettmers et al., QLoRA, 2023, section 3)."""
_DOUBLE_CONSTANTS = 1 / 64 + 4 / (64 * 256)
"""The same with double quantisation: 8 bits a constant, and an fp32 constant for 256 of those."""
_TILE_TOKENS = 4096
_TILE_VOCAB = 32_768
"""TRL's fused head multiplies this many positions by this many of the vocabulary at a time."""
_TILE_COPIES = 33
"""Bytes for each logit of a tile beside the tile where there is no Triton, on a CPU: in the backward torch makes eight
fp32 copies and a mask."""
PLACES_AT_ONCE = 64
"""Positions whose logits stand in memory at once with our own head: 13 MB in fp32 for a vocabulary of 49,152."""
_PLACE_COPIES = 4
"""Bytes for each logit of our own head beside two in the weights' format."""
_OVERHEAD = {"cpu": 700_000_000, "cuda": 600_000_000}
_WORKING = 1.15
"""What is kept for the backward, to what is there at most: gradients on their way, and blocks not yet given back."""
_HOLES = 0.4
"""What a CPU's heap holds beside that and cannot use, the holes between blocks that stay, to what all layers keep:
about as much with checkpointing as without. With MALLOC_MMAP_THRESHOLD_=1000000 there are none (4 x 512: 2323 MB, not
3244), and a run takes half as long again.
"""
_LIBRARIES = 150_000_000
"""What torch and its like map of their files."""
_MOST_ACCUMULATION = 256
"""Of gradient_accumulation_steps."""
_FEWEST_TOKENS = 64
_SMALL_RANK = 8
_WORTH_SAYING = 0.02
"""A change that frees less than this share of the total is not advised."""


@dataclass(frozen=True)
class Memory:
    """Bytes of a training run, by what they are for."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    overhead: int

    @property
    def total(self) -> int:
        return sum(bytes_ for _, bytes_ in self._named())

    def parts(self) -> list[MemoryPart]:
        return [{"name": name, "bytes": bytes_} for name, bytes_ in self._named()]

    def _named(self) -> list[tuple[Sentence, int]]:
        return [
            (say("weights of the model"), self.weights),
            (say("adapter"), self.adapter),
            (say("gradients"), self.gradients),
            (say("optimiser"), self.optimizer),
            (say("activations"), self.activations),
            (say("logits"), self.logits),
            (say("Python, PyTorch and their libraries"), self.overhead),
        ]


def estimate(
    shape: ModelShape,
    settings: TrainSettings,
    batch: int,
    longest: int,
    device: str,
    dtype_bytes: int,
    quantised: bool,
    *,
    fp16: bool = False,
) -> Memory:
    """Memory of training on batches of `batch` rows of `longest` tokens (of the longest row, as cut).

    `device`: cpu or cuda; `dtype_bytes`: 2 or 4, of what is not quantised; `fp16`: 2 bytes that are float16.
    """
    tokens = batch * (settings.max_length if settings.packing else min(longest, settings.max_length))
    # TRL makes a quantised model's adapter bf16, we take that back for fp16; PEFT makes any other's fp32.
    adapter_bytes = 2 if quantised and not fp16 else 4
    adapter = shape.lora_parameters(settings.r, settings.target_modules) * adapter_bytes
    return Memory(
        weights=_weights(shape, settings, dtype_bytes, quantised),
        adapter=adapter,
        gradients=adapter,
        optimizer=2 * adapter,
        activations=_activations(shape, settings, tokens, device, dtype_bytes, adapter_bytes != dtype_bytes),
        logits=_logits(shape, tokens, device, dtype_bytes),
        overhead=_OVERHEAD[device],
    )


def _weights(shape: ModelShape, settings: TrainSettings, dtype_bytes: int, quantised: bool) -> int:
    others = (shape.embedding_parameters + shape.others) * dtype_bytes
    if not quantised:
        return shape.linear_parameters * dtype_bytes + others
    constants = _DOUBLE_CONSTANTS if settings.bnb_4bit_use_double_quant else _CONSTANTS
    return round(shape.linear_parameters * (_FOUR_BITS + constants)) + others


def _activations(
    shape: ModelShape, settings: TrainSettings, tokens: int, device: str, dtype_bytes: int, casts: bool
) -> int:
    """`casts`: the adapter has another number format than its inputs, so that each layer keeps a copy of its own."""
    layer = _layer_bytes(shape, settings, dtype_bytes, casts)
    every_layer = layer * shape.layers
    kept = shape.layers * shape.hidden * dtype_bytes + layer if settings.gradient_checkpointing else every_layer
    return round(tokens * (_WORKING * kept + _HOLES * every_layer * (device == "cpu")))


def _layer_bytes(shape: ModelShape, settings: TrainSettings, dtype_bytes: int, casts: bool) -> float:
    """What a layer keeps of each token for the backward pass."""
    norms = shape.norms * 4 * shape.hidden  # In fp32.
    attention = 4 * dtype_bytes * shape.attention  # q, k and v with their heads repeated, and the output.
    mlp = 3 * dtype_bytes * shape.intermediate  # gate, its activation, up.
    inputs, ranks = {}, 0
    for place, linear in enumerate(shape.targeted(settings.target_modules)):
        kept = dtype_bytes * linear.inputs * linear.count
        inputs[place if casts else linear.reads] = kept
        ranks += dtype_bytes * settings.r * linear.count
    return norms + attention + mlp + (sum(inputs.values()) + ranks) / shape.layers


def _logits(shape: ModelShape, tokens: int, device: str, dtype_bytes: int) -> int:
    """Logits that stand in memory at once, and what the head adds for the backward pass.

    All positions count, though only supervised ones have logits: a bound.
    """
    if device == "cpu" and shape.plain_logits:
        places = min(tokens, PLACES_AT_ONCE) * shape.vocab * (_PLACE_COPIES + 2 * dtype_bytes)
        return places + tokens * shape.hidden * (4 + dtype_bytes)
    tile = min(tokens, _TILE_TOKENS) * min(shape.vocab, _TILE_VOCAB)
    hidden_gradient = tokens * shape.hidden * 4
    if device == "cuda":
        return tile * dtype_bytes + hidden_gradient
    head_slice = min(shape.vocab, _TILE_VOCAB) * shape.hidden * 4
    return tile * (dtype_bytes + _TILE_COPIES) + hidden_gradient + head_slice


def fits(memory: Memory, available: int | None) -> bool | None:
    """Whether the run fits into `available` bytes with something to spare; None where these are not known."""
    return None if available is None else memory.total <= SAFE_SHARE * available


def advise(
    shape: ModelShape,
    settings: TrainSettings,
    batch: int,
    longest: int,
    device: str,
    dtype_bytes: int,
    quantised: bool,
    available: int | None,
    *,
    fp16: bool = False,
) -> list[Advice]:
    """What to change where the run does not fit, what harms learning least first; [] where it does.

    Where all that is not enough, the last one says to take a smaller model.
    """

    def after(changed: TrainSettings) -> Memory:
        rows, four_bits = changed.per_device_train_batch_size, quantised or changed.quantization == "nf4"
        return estimate(shape, changed, rows, longest, device, dtype_bytes, four_bits, fp16=fp16)

    # What was not asked for in 16 bits and is, does not run in 4 bits here.
    can_quantise = not quantised and settings.quantization == "none"
    settings = replace(settings, per_device_train_batch_size=batch, quantization="auto")
    now, found = after(settings), list[Advice]()
    if fits(now, available) is not False:
        return []
    for way in (_batches, _checkpointing, _four_bits if can_quantise else _nothing, _lengths, _ranks):
        tried = [(changes, after(replace(settings, **changes))) for changes in way(settings, longest)]
        if not tried:
            continue
        changes, then = next((pair for pair in tried if fits(pair[1], available)), tried[-1])
        if then.total > now.total * (1 - _WORTH_SAYING):
            continue
        settings, now = replace(settings, **changes), then
        found.append(_advice(changes, settings, now.total))
        if fits(now, available):
            return found
    return [*found, _advice({}, settings, now.total)]


def _batches(settings: TrainSettings, longest: int) -> list[Settings]:
    """Smaller batches, more of them in a step: as many rows for each update as before."""
    batch, accumulation = settings.per_device_train_batch_size, settings.gradient_accumulation_steps
    return [
        {"per_device_train_batch_size": smaller, "gradient_accumulation_steps": accumulation * batch // smaller}
        for smaller in range(batch - 1, 0, -1)
        if batch % smaller == 0 and accumulation * batch // smaller <= _MOST_ACCUMULATION
    ]


def _checkpointing(settings: TrainSettings, longest: int) -> list[Settings]:
    return [] if settings.gradient_checkpointing else [{"gradient_checkpointing": True}]


def _four_bits(settings: TrainSettings, longest: int) -> list[Settings]:
    return [{"quantization": "nf4"}]


def _nothing(settings: TrainSettings, longest: int) -> list[Settings]:
    return []


def _lengths(settings: TrainSettings, longest: int) -> list[Settings]:
    now = settings.max_length if settings.packing else min(longest, settings.max_length)
    shorter = (now * eighths // 64 * 8 for eighths in (6, 4, 3, 2, 1))
    return [{"max_length": length} for length in shorter if _FEWEST_TOKENS <= length < now]


def _ranks(settings: TrainSettings, longest: int) -> list[Settings]:
    return [{"r": _SMALL_RANK}] if settings.r > _SMALL_RANK else []


def _advice(changes: Settings, settings: TrainSettings, total: int) -> Advice:
    name = next(iter(changes), "model")
    return {
        "setting": name,
        "value": changes.get(name, ""),
        "message": _message(name, settings, size(total)),
        "total": total,
        "changes": changes,
    }


def _message(name: str, settings: TrainSettings, total: str) -> Sentence:
    if name == "per_device_train_batch_size":
        return say(
            "Batches of {batch}, {accumulation} of them in a step, so that each update sees as many rows as before: "
            "{total}.",
            batch=settings.per_device_train_batch_size,
            accumulation=settings.gradient_accumulation_steps,
            total=total,
        )
    if name == "gradient_checkpointing":
        return say("Gradient checkpointing, which learns the same but slower by a third: {total}.", total=total)
    if name == "quantization":
        return say("Base weights in 4 bits (nf4): {total}.", total=total)
    if name == "max_length":
        length = settings.max_length
        return say("A maximum length of {length} tokens; longer rows are cut: {total}.", length=length, total=total)
    if name == "r":
        return say("An adapter of rank {r}: {total}.", r=settings.r, total=total)
    return say("A smaller model: this one takes {total} at the least.", total=total)


def memory_line(memory: Memory, available: int | None, device: str) -> Sentence:
    """The estimate in a line for people, against what the `device` (cpu or cuda) has free."""
    values = {"total": size(memory.total)}
    if available is None:
        return say("Training takes about {total} of memory.", **values)
    values["available"] = size(available)
    if fits(memory, available):
        if device == "cuda":
            return say("Training takes about {total} of the {available} that are free on the GPU.", **values)
        return say("Training takes about {total} of the {available} of memory that are free.", **values)
    if memory.total <= available:
        return say("Training takes about {total}, and {available} are free: it may run out of memory.", **values)
    return say("Training takes about {total}, but only {available} are free: it will not fit.", **values)


def peak_needed(status: str, mapped: int, before: int = 0) -> tuple[int, int]:
    """(bytes that a process needed at most, its largest resident size), by the text of its /proc/PID/status, to compare
    with Memory.total on a CPU.

    Its resident size less what it has mapped of files beside the libraries and `mapped` bytes of weights (those that
    are not quantised are read from their file in every step). That is above all the file of 16-bit weights that 4-bit
    ones were made from: it counts as resident, but the kernel takes it back when it needs the room, and on some
    machines without need. `before`: the largest size when this was last asked. Where it has not grown since, it was
    reached with other files in memory than now, and only the present size says anything.
    """
    bytes_ = {
        name: int(value.split()[0]) * 1024
        for name, _, value in (line.partition(":") for line in status.splitlines())
        if name in ("VmHWM", "VmRSS", "RssFile")
    }
    largest, spare = bytes_.get("VmHWM", 0), bytes_.get("RssFile", 0) - _LIBRARIES - mapped
    size_then = largest if largest > before else bytes_.get("VmRSS", 0)
    return size_then - max(spare, 0), largest


def give_back_memory() -> None:
    """Have the C library return to the system what its heap holds and nobody uses, where it is glibc.

    Batches of ever other lengths leave holes: in 48 steps what a process held grew from 1.3 to 1.7 GB, of which 0.9 GB
    were in use between steps. It takes the next step a tenth of a second to have the memory again.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
