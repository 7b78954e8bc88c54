"""The models to choose from. Where their weights come from is in weights.py, what they run on in devices.py.

Sizes are of the 16-bit weights that the Hub serves. Any other Hub id works as well; a local folder only when it is
given on the command line, since a name typed on a page must never become a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from playground.core.errors import ModelError
from playground.core.i18n import say
from playground.models.types import CatalogueEntry

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True)
class Model:
    """One model of the catalogue."""

    name: str
    """Its id on the Hugging Face Hub."""
    family: str
    parameters: str
    """As people say it: 135M, 1.7B."""
    download: int
    """Bytes of weights to fetch."""
    licence: str
    gated: bool = False
    """Whether its licence has to be accepted on the Hub before it can be fetched."""

    def entry(self, *, default: bool) -> CatalogueEntry:
        """As it is offered. `default`: whether it is the one to begin with."""
        return {
            "name": self.name,
            "family": self.family,
            "parameters": self.parameters,
            "download": self.download,
            "licence": self.licence,
            "gated": self.gated,
            "default": default,
        }


DEFAULT = "HuggingFaceTB/SmolLM2-135M-Instruct"

CATALOGUE = (
    Model(DEFAULT, "SmolLM2", "135M", 269_000_000, "Apache-2.0"),
    Model("HuggingFaceTB/SmolLM2-360M-Instruct", "SmolLM2", "360M", 724_000_000, "Apache-2.0"),
    Model("HuggingFaceTB/SmolLM2-1.7B-Instruct", "SmolLM2", "1.7B", 3_420_000_000, "Apache-2.0"),
    Model("HuggingFaceTB/SmolLM3-3B", "SmolLM3", "3B", 6_150_000_000, "Apache-2.0"),
    Model("Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5", "0.5B", 988_000_000, "Apache-2.0"),
    Model("Qwen/Qwen2.5-1.5B-Instruct", "Qwen2.5", "1.5B", 3_090_000_000, "Apache-2.0"),
    Model("Qwen/Qwen3-0.6B", "Qwen3", "0.6B", 1_500_000_000, "Apache-2.0"),
    Model("Qwen/Qwen3-1.7B", "Qwen3", "1.7B", 4_060_000_000, "Apache-2.0"),
    Model("google/gemma-3-270m-it", "Gemma 3", "270M", 536_000_000, "Gemma", gated=True),
    Model("google/gemma-3-1b-it", "Gemma 3", "1B", 2_000_000_000, "Gemma", gated=True),
    Model("meta-llama/Llama-3.2-1B-Instruct", "Llama 3.2", "1B", 2_470_000_000, "Llama 3.2", gated=True),
    Model("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "TinyLlama", "1.1B", 2_200_000_000, "Apache-2.0"),
    Model("LiquidAI/LFM2-350M", "LFM2", "350M", 709_000_000, "LFM Open 1.0"),
)


def model_name(given: str, local: dict[str, str]) -> str:
    """The name to use for what was asked: "" is the default; names in `local` (from the command line) are folders.

    Raises ModelError for anything that is no Hub id: no string from a page becomes a path.
    """
    if not given:
        return next(iter(local), DEFAULT)
    if given in local or _HUB_ID.fullmatch(given):
        return given
    raise ModelError(
        say("There is no model named {name}.", name=repr(given)[:80]),
        say("A model is chosen from the list or named as owner/name, as on the Hugging Face Hub."),
        say("Local folders are given on the command line, with --model."),
    )


def entry(name: str) -> Model | None:
    """The catalogue's entry, or None for a model that is not in it."""
    return next((model for model in CATALOGUE if model.name == name), None)
