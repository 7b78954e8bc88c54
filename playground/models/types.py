"""What is told of models and machines, as it crosses to the page and to plans."""

from __future__ import annotations

from typing import Literal, TypedDict

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence


class Processor(TypedDict):
    """What a speed depends on."""

    name: str
    dtype_bytes: int
    """Of what is not quantised while training, which on a CPU may be 2 where answers are computed in 4."""
    cores: int


class DeviceFacts(Processor):
    """What a run has to do with."""

    kind: Literal["cpu", "cuda"]
    total: int
    free: int
    """Bytes as of now, with what the asking process holds taken off."""
    quantised: bool


class CatalogueEntry(TypedDict):
    """A model that is offered."""

    name: str
    """Hub id, or the name of a folder on this machine."""
    family: str
    parameters: str
    """As people say it: 135M, 1.7B."""
    download: int
    """Bytes."""
    licence: str
    gated: bool
    default: bool


LoadingState = Literal["waiting", "fetching", "loading", "ready", "failed"]


class ModelStatus(TypedDict):
    """Where the weights of a model are."""

    name: str
    state: LoadingState
    fraction: float | None
    """0 to 1."""
    line: Sentence
    """What happens now, or when ready what was chosen (device, dtype, 4-bit or not) and why."""
    error: PlaygroundError | None
