"""Many LoRA adapters on one model, each row of a batch with its own.

Each adapted layer keeps the matrices of all adapters in hand stacked in one tensor, slot 0 being zeros: the base. A
batch names a slot for each row; its matrices are gathered once and used until the batch changes. The idea is Punica's
and S-LoRA's; PEFT's `adapter_names` gives the same answers, loops over the adapters in every layer, and leaves its
hooks behind when a call fails.

    y = base(x) + B[slot] @ (A[slot] @ x)        the scale is folded into B

Serves plain LoRA and rsLoRA on linear layers. Not thread-safe: one thread owns the model.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from playground.core.errors import InputError
from playground.core.i18n import say

_PREFIX = "base_model.model."
_NOT_SERVED = ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "lora_bias", "trainable_token_indices")
"""Settings of a LoRA that change more than two matrices a layer, or their scale from layer to layer."""
BASE = 0
"""The slot that adds nothing."""


class LoraSlots(nn.Module):
    """The stacked matrices of one linear layer. `a` is [slots, rank, in], `b` is [slots, out, rank]."""

    def __init__(self, layer: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        device = layer.weight.device
        self.sizes = (layer.in_features, layer.out_features)
        self.a = torch.zeros(1, 1, layer.in_features, dtype=dtype, device=device)
        self.b = torch.zeros(1, layer.out_features, 1, dtype=dtype, device=device)
        self.rows: tuple[Tensor, Tensor] | None = None
        """A [batch, in, rank] and B [batch, rank, out] of the batch in hand; None when every row is base."""

    def put(self, slot: int, pair: tuple[Tensor, Tensor] | None, scale: float) -> None:
        """Set a slot's matrices, A [rank, in] and B [out, rank]; None for a layer that the adapter leaves alone."""
        rank = max(self.a.shape[1], pair[0].shape[0] if pair else 1)
        slots = max(self.a.shape[0], slot + 1)
        self.a = _grow(self.a, (slots, rank, self.sizes[0]))
        self.b = _grow(self.b, (slots, self.sizes[1], rank))
        self.a[slot].zero_()
        self.b[slot].zero_()
        if pair:
            a, b = pair
            self.a[slot, : a.shape[0]] = a.to(self.a)
            self.b[slot, :, : b.shape[1]] = b.to(self.b) * scale

    def gather(self, slots: Tensor | None) -> None:
        """Lay out the matrices for a batch whose row i uses slot `slots[i]`."""
        self.rows = None if slots is None else (self.a[slots].mT.contiguous(), self.b[slots].mT.contiguous())

    def add_to(self, x: Tensor, y: Tensor) -> Tensor:
        """`y` plus what the adapters say to `x` [batch, length, in]. Rows with slot 0 stay as they are, to the bit."""
        if self.rows is None:
            return y
        a, b = self.rows
        return y + torch.bmm(torch.bmm(x.to(a.dtype), a), b).to(y.dtype)


def _grow(tensor: Tensor, shape: tuple[int, int, int]) -> Tensor:
    if tensor.shape == shape:
        return tensor
    grown = tensor.new_zeros(shape)
    grown[tuple(slice(size) for size in tensor.shape)] = tensor
    return grown


class AdapterBank:
    """The adapters in hand, the least recently used making room for the next."""

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype, capacity: int = 16) -> None:
        self.capacity = capacity
        self._slots: OrderedDict[str, int] = OrderedDict()
        self._layers: dict[str, LoraSlots] = {}
        self._dtype = dtype
        head = model.get_output_embeddings()
        self._modules = {
            name: module
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and module is not head
        }

    def slot(self, folder: Path, in_use: set[int]) -> int:
        """The slot of the adapter in `folder`, loading it if it is not in hand.

        Slots `in_use` are not given to others. Raises InputError for an adapter that does not fit this model.
        """
        weights_file = folder / "adapter_model.safetensors"
        # A run still under way writes its adapter anew now and then.
        key = f"{folder}@{weights_file.stat().st_mtime_ns if weights_file.is_file() else 0}"
        if key in self._slots:
            self._slots.move_to_end(key)
            return self._slots[key]
        config, weights = _read(folder)
        slot = self._free_slot(in_use)
        self._fill(slot, config, weights)
        self._slots[key] = slot
        return slot

    def use(self, slots: list[int]) -> None:
        """From now on row i of a batch uses `slots[i]`."""
        chosen = None
        if any(slot != BASE for slot in slots):
            device = next(iter(self._layers.values())).a.device
            chosen = torch.tensor(slots, device=device)
        for layer in self._layers.values():
            layer.gather(chosen)

    def _free_slot(self, in_use: set[int]) -> int:
        taken = set(self._slots.values())
        if len(taken) < self.capacity:
            return next(slot for slot in range(1, self.capacity + 1) if slot not in taken)
        for key, slot in self._slots.items():
            if slot not in in_use:
                del self._slots[key]
                return slot
        raise InputError(
            say("{count} adapters are answering at once.", count=len(taken)),
            fix=say("Try again in a few seconds."),
        )

    def _fill(self, slot: int, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        pairs = _pairs(weights)
        scale = config["lora_alpha"] / (math.sqrt(config["r"]) if config.get("use_rslora") else config["r"])
        for name, (a, b) in pairs.items():
            module = self._modules.get(name)
            wanted = None if module is None else (module.in_features, module.out_features)
            if wanted != (a.shape[-1], b.shape[0]):
                raise InputError(
                    say("The adapter does not fit this model (layer {name}).", name=name),
                    say("An adapter works on the base that it was trained on."),
                    say("Choose the base model that the run was made with."),
                )
        for name in pairs.keys() | self._layers.keys():
            if name not in self._layers:
                self._layers[name] = self._attach(self._modules[name])
            self._layers[name].put(slot, pairs.get(name), scale)

    def _attach(self, module: nn.Linear) -> LoraSlots:
        slots = LoraSlots(module, self._dtype)
        module.register_forward_hook(lambda _, inputs, output: slots.add_to(inputs[0], output))
        return slots


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """adapter_config.json and the safetensors of `folder`. Raises InputError for a kind of adapter not served."""
    try:
        config = json.loads((folder / "adapter_config.json").read_bytes())
        weights = load_file(folder / "adapter_model.safetensors")
    except (OSError, ValueError, SafetensorError) as problem:
        raise InputError(
            say("The adapter cannot be read ({kind}).", kind=type(problem).__name__),
            fix=say("Start a new run with the same rows."),
        ) from None
    if config.get("peft_type") != "LORA" or any(config.get(extra) for extra in _NOT_SERVED):
        raise InputError(
            say("The adapter is of a kind that cannot be compared here."),
            say("Plain LoRA and rsLoRA can be compared."),
        )
    return config, weights


def _pairs(weights: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Layer name -> (A, B). Raises InputError unless the weights are such pairs and nothing else."""
    pairs = {}
    for name, a in weights.items():
        layer = name.removesuffix(".lora_A.weight")
        b = weights.get(f"{layer}.lora_B.weight")
        if layer != name and b is not None and a.ndim == b.ndim == 2 and a.shape[0] == b.shape[1]:
            pairs[layer.removeprefix(_PREFIX)] = (a, b)
    if not pairs or 2 * len(pairs) != len(weights):
        raise InputError(
            say("The adapter's weights are not pairs of LoRA matrices on linear layers."),
            say("Plain LoRA and rsLoRA can be compared."),
        )
    return pairs
