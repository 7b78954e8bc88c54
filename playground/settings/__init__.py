"""Everything that a person or an operator can set, checked where it is made."""

from playground.settings.limits import Limits
from playground.settings.rendering import DatasetOptions, RenderOptions, TrainOn, Truncation
from playground.settings.sampling import Sampling
from playground.settings.training import Quantization, TrainSettings

__all__ = [
    "DatasetOptions",
    "Limits",
    "Quantization",
    "RenderOptions",
    "Sampling",
    "TrainOn",
    "TrainSettings",
    "Truncation",
]
