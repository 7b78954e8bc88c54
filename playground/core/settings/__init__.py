"""Everything that a person or an operator can set, checked where it is made."""

from playground.core.settings.limits import Limits
from playground.core.settings.rendering import DatasetOptions, RenderOptions, TrainOn, Truncation
from playground.core.settings.sampling import Sampling
from playground.core.settings.training import Quantization, TrainSettings, dataset_options_of

__all__ = [
    "DatasetOptions",
    "Limits",
    "Quantization",
    "RenderOptions",
    "Sampling",
    "TrainOn",
    "TrainSettings",
    "dataset_options_of",
    "Truncation",
]
