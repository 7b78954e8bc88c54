"""The widgets of a run's settings, group by group, each with a sentence on what happens if it is raised or lowered.

No bounds here: TrainSettings knows them, and its refusal names the setting and what it may be. DoRA is not offered:
Compare serves all adapters of a model in one batch as stacked LoRA matrices, and DoRA's magnitudes are no such matrix.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from playground.core.settings import TrainSettings
from playground.ui.widgets.i18n import label

DEFAULTS = TrainSettings()
Fields = dict[str, gr.components.Component]


class FieldMaker:
    """Adds widgets to `fields` where it is called, each under its setting's name and at its default."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def number(
        self,
        name: str,
        title: I18nData,
        info: I18nData,
        *,
        step: float = 1,
        whole: bool = True,
        value: float | None = None,
        visible: Any = True,
    ) -> None:
        self.fields[name] = gr.Number(
            getattr(DEFAULTS, name) if value is None else value,
            label=title,
            info=info,
            precision=0 if whole else None,
            step=step,
            min_width=150,
            visible=visible,
            elem_id=f"setting-{name}",
        )

    def flag(self, name: str, title: I18nData, info: I18nData) -> None:
        self.fields[name] = gr.Checkbox(
            getattr(DEFAULTS, name), label=title, info=info, min_width=150, elem_id=f"setting-{name}"
        )

    def choice(self, name: str, title: I18nData, info: I18nData, choices: list[tuple[I18nData, str]]) -> None:
        self.fields[name] = gr.Dropdown(
            choices,
            value=getattr(DEFAULTS, name),
            label=title,
            info=info,
            filterable=False,
            min_width=150,
            elem_id=f"setting-{name}",
        )

    def text(self, name: str, title: I18nData, info: I18nData, lines: int = 1, most: int = 1) -> None:
        self.fields[name] = gr.Textbox(
            getattr(DEFAULTS, name) or "",
            label=title,
            info=info,
            lines=lines,
            max_lines=most,
            min_width=150,
            elem_id=f"setting-{name}",
        )


def duration(make: FieldMaker) -> None:
    """The three numbers of which `settings_duration` shows those that count."""
    make.number(
        "time_budget_s",
        label("Minutes"),
        label("From Start to a result. More time sees the rows more often; 0 is no limit."),
        whole=False,
        value=DEFAULTS.time_budget_s / 60,
    )
    make.number(
        "num_train_epochs",
        label("Epochs at most"),
        label("How often every row is seen, if there is time. Higher learns more by heart."),
        whole=False,
    )
    make.number(
        "max_steps",
        label("Steps"),
        label("Updates of the adapter. Higher trains longer; -1 lets the epochs decide."),
        visible="hidden",
    )


def trained(make: FieldMaker) -> None:
    make.choice(
        "train_on",
        label("Train on"),
        label("Which tokens are supervised. All tokens also teaches the model to write questions."),
        [
            (label("All assistant turns"), "assistant"),
            (label("The last assistant turn"), "last"),
            (label("All tokens"), "all"),
        ],
    )
    make.number(
        "max_length",
        label("Longest row (tokens)"),
        label("What stands after is cut off. Higher keeps more, and takes more time and memory."),
    )
    make.choice(
        "truncation_mode",
        label("Longer rows"),
        label("What is left of a row that is too long."),
        [
            (label("Keep the start"), "keep_start"),
            (label("Keep the end"), "keep_end"),
            (label("Leave the row out"), "drop"),
        ],
    )
    make.flag(
        "shuffle_dataset",
        label("Shuffle the rows"),
        label("Off: rows come in the order given, and the last ones are held out."),
    )
    make.number(
        "seed",
        label("Seed"),
        label("Equal seeds give equal runs on one machine; another shows how much is chance."),
    )


def system_prompt(make: FieldMaker) -> None:
    make.text(
        "system_prompt",
        label("System prompt"),
        label("Put in front of rows that have none of their own. Ask with the same one afterwards."),
        most=6,
    )


def steps(make: FieldMaker) -> None:
    make.number(
        "per_device_train_batch_size",
        label("Rows in a batch"),
        label("Higher is steadier and makes fewer updates in an epoch; it takes more memory."),
    )
    make.number(
        "gradient_accumulation_steps",
        label("Gradient accumulation"),
        label("Batches added up before one update: steadier, like a larger batch, without its memory."),
    )
    make.number(
        "early_stopping_patience",
        label("Early stopping"),
        label("Ends after so many evaluations without a better held-out loss. Lower ends sooner; 0 never."),
    )


def optimiser(make: FieldMaker) -> None:
    make.number(
        "learning_rate",
        label("Learning rate"),
        label("Size of each update. Too high and the loss jumps, too low and nothing is learnt."),
        step=0.0001,
        whole=False,
    )
    make.choice(
        "lr_scheduler_type",
        label("Learning rate schedule"),
        label("How the rate goes on after warm-up. Falling rates settle; a constant one stays restless."),
        [
            (label("Cosine"), "cosine"),
            (label("Linear"), "linear"),
            (label("Constant"), "constant_with_warmup"),
        ],
    )
    make.number(
        "warmup_steps",
        label("Warm-up steps"),
        label("Steps over which the rate rises from 0. More is a gentler start, and less time at full rate."),
    )
    make.number(
        "weight_decay",
        label("Weight decay"),
        label("Pulls the weights towards 0. Higher holds the adapter back; rarely needed in short runs."),
        step=0.01,
        whole=False,
    )
    make.number(
        "max_grad_norm",
        label("Largest gradient"),
        label("Longer gradients are scaled back to it. Lower tames spikes, and may slow learning."),
        step=0.1,
        whole=False,
    )


def adapter(make: FieldMaker) -> None:
    make.number(
        "r",
        label("Rank"),
        label("LoRA rank: room for what is learnt. Higher holds more facts, and takes more memory."),
    )
    make.number(
        "lora_alpha",
        label("LoRA alpha"),
        label(
            "The adapter counts alpha / rank times. Higher acts like a higher learning rate; twice the rank is usual."
        ),
    )
    make.number(
        "lora_dropout",
        label("LoRA dropout"),
        label("Share of its inputs dropped while training. Higher learns less by heart, and more slowly."),
        step=0.05,
        whole=False,
    )
    make.text(
        "target_modules",
        label("Target modules"),
        label("all-linear, or names such as q_proj,v_proj. Fewer modules learn less and take less memory."),
    )
    make.flag(
        "use_rslora",
        label("rsLoRA"),
        label("Counts alpha / √rank times instead: large ranks then learn as strongly as small ones."),
    )
    make.text(
        "start_from",
        label("Train further"),
        label("Id of an earlier run whose adapter is trained on. Empty: a new adapter."),
    )


def memory(make: FieldMaker) -> None:
    make.choice(
        "quantization",
        label("Base weights"),
        label("4-bit (QLoRA) takes a quarter of the memory of 16 bit, and is a little less exact."),
        [
            (label("Automatic"), "auto"),
            (label("4-bit (NF4)"), "nf4"),
            (label("4-bit (FP4)"), "fp4"),
            (label("16 or 32 bit"), "none"),
        ],
    )
    make.flag(
        "bnb_4bit_use_double_quant",
        label("Double quantisation"),
        label("Also quantises the constants of 4-bit weights: about 8 % less memory for them, hardly slower."),
    )
    make.flag(
        "gradient_checkpointing",
        label("Gradient checkpointing"),
        label("Computes activations twice instead of keeping them: much less memory, about a third slower."),
    )
    make.flag(
        "packing",
        label("Packing"),
        label("Puts several short rows into one sequence: less padding, so faster; fewer updates in an epoch."),
    )


def evaluation(make: FieldMaker) -> None:
    make.number(
        "held_out",
        label("Held-out share"),
        label("Rows kept out of training to measure new ones. Higher measures better, and leaves less to learn from."),
        step=0.05,
        whole=False,
    )
    make.number(
        "eval_steps",
        label("Steps between evaluations"),
        label("Lower gives a finer curve and takes time from training. 0: about eight in a run."),
    )
    make.flag(
        "general_ability",
        label("Measure what is forgotten"),
        label("Scores everyday questions before and after. Off saves a little time, and nothing is known of it."),
    )
    make.number(
        "probe_max_new_tokens",
        label("Length of probe answers"),
        label("Tokens of each answer during the run. Higher shows more, and takes time; 0: no probes."),
    )


def probes(make: FieldMaker) -> None:
    make.text(
        "probe_prompts",
        label("Probe prompts"),
        label("One a line, 5 at most: answered before training and during it. Empty: three are chosen."),
        lines=3,
        most=6,
    )
