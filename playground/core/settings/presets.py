"""Settings for what people most often want, each saying what it is for and what it costs.

Where the figures come from: adapters on all linear layers with alpha = 2 r, and learning rates some ten times those of
full fine-tuning, are what Biderman et al. (LoRA Learns Less and Forgets Less, arXiv:2405.09673) and QLoRA
(arXiv:2305.14314) ended with; a small rank is enough for a few hundred rows, and a larger one pays where the rows hold
facts. Passes are many because rows are few: 30 rows at 8 passes are 60 steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from playground.core.i18n import Sentence, say


@dataclass(frozen=True)
class Preset:
    """One choice. `settings` name the same few settings in each preset, so that one undoes the other."""

    name: str
    title: Sentence
    about: Sentence
    """What it is for and what it costs."""
    settings: dict[str, Any]
    """Names and values of `TrainSettings`."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


PRESETS = (
    Preset(
        "quick",
        say("Quick taste"),
        say(
            "A first result from any rows, in 3 minutes at most. Such a high learning rate shows a change soon, and "
            "may cost some of what the model could do before."
        ),
        {
            "time_budget_s": 180.0,
            "max_steps": -1,
            "num_train_epochs": 8.0,
            "learning_rate": 1e-3,
            "warmup_steps": 3,
            "weight_decay": 0.0,
            "r": 16,
            "lora_alpha": 32,
            "lora_dropout": 0.0,
            "held_out": 0.1,
            "early_stopping_patience": 0,
        },
    ),
    Preset(
        "style",
        say("Style"),
        say(
            "A voice, a format or a persona, in 5 minutes at most. The manner is the same in every row, so a small "
            "adapter and few passes are enough: it takes on the manner and less of the words."
        ),
        {
            "time_budget_s": 300.0,
            "max_steps": -1,
            "num_train_epochs": 4.0,
            "learning_rate": 5e-4,
            "warmup_steps": 3,
            "weight_decay": 0.0,
            "r": 8,
            "lora_alpha": 16,
            "lora_dropout": 0.05,
            "held_out": 0.1,
            "early_stopping_patience": 0,
        },
    ),
    Preset(
        "facts",
        say("Facts"),
        # The adapter that is offered is the best one by held-out loss, and that is best long before facts are known.
        say(
            "Names, numbers and rules that should come back as they stand, in 10 minutes at most. Many passes and a "
            "larger adapter, which learn by heart; no row is held out, since what is left out of training cannot be "
            "known. Ask about the facts in words of your own afterwards."
        ),
        {
            "time_budget_s": 600.0,
            "max_steps": -1,
            "num_train_epochs": 20.0,
            "learning_rate": 5e-4,
            "warmup_steps": 5,
            "weight_decay": 0.0,
            "r": 32,
            "lora_alpha": 64,
            "lora_dropout": 0.0,
            "held_out": 0.0,
            "early_stopping_patience": 0,
        },
    ),
    Preset(
        "careful",
        say("Careful"),
        say(
            "To keep what the model can do, and to know what it learned: smaller updates, a fifth of the rows held "
            "out, and an end once these no longer get better. 10 minutes at most; it wants a hundred rows or more."
        ),
        {
            "time_budget_s": 600.0,
            "max_steps": -1,
            "num_train_epochs": 10.0,
            "learning_rate": 2e-4,
            "warmup_steps": 10,
            "weight_decay": 0.01,
            "r": 16,
            "lora_alpha": 32,
            "lora_dropout": 0.05,
            "held_out": 0.2,
            "early_stopping_patience": 3,
        },
    ),
)


def preset(name: str | None) -> Preset:
    """The preset of that name; the first one for a name that there is none of."""
    return next((preset for preset in PRESETS if preset.name == name), PRESETS[0])


def matching(settings: dict[str, Any]) -> Preset | None:
    """The preset whose settings are all among `settings`, or None."""
    return next((preset for preset in PRESETS if preset.settings.items() <= settings.items()), None)


def changes(settings: dict[str, Any], reference: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """[(name, value in `reference`, value in `settings`)] where the two differ, in the order of `reference`."""
    return [(name, value, settings[name]) for name, value in reference.items() if settings.get(name, value) != value]
