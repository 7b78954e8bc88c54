"""The settings of a run as widgets: four in plain sight, the rest behind "Advanced".

Every field of `TrainSettings` has its widget here, but for those that `rows_options.rows_settings` adds: the template,
the mapping of columns and the edits. Values travel under TRL's and PEFT's names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from playground.settings import TrainSettings
from playground.ui.i18n import label

_DEFAULTS = TrainSettings()


class SettingsForm:
    """Builds the widgets where it is called; `values` turns what they hold into `settings` for the backend."""

    def __init__(self) -> None:
        self.fields: dict[str, gr.components.Component] = {}
        with gr.Row(elem_classes="settings-row"):
            self._main()
        with (
            gr.Accordion(label("Advanced"), open=False, elem_id="advanced"),
            gr.Row(elem_classes="settings-row"),
        ):
            self._data()
            self._optimiser()
            self._adapter()
            self._system_prompt()

    @property
    def widgets(self) -> list[gr.components.Component]:
        return list(self.fields.values())

    def values(self, given: list[Any] | tuple[Any, ...]) -> dict[str, Any]:
        """`settings` from the widgets' values, in their order. An emptied widget means the default."""
        settings = self.chosen(list(self.fields), given)
        if "time_budget_s" in settings:
            settings["time_budget_s"] = settings["time_budget_s"] * 60
        return settings

    @staticmethod
    def chosen(names: Sequence[str], given: Sequence[Any]) -> dict[str, Any]:
        """The values by name, without those of emptied widgets."""
        return {name: value for name, value in zip(names, given, strict=True) if value not in (None, "")}

    def _main(self) -> None:
        self._number(
            "time_budget_s",
            label("Time budget (minutes)"),
            label("Training is planned to end within it. 0: no limit."),
            step=1,
            value=_DEFAULTS.time_budget_s / 60,
        )
        self._number(
            "learning_rate",
            label("Learning rate"),
            label("Size of each update. Too high and the loss jumps, too low and nothing is learnt."),
            step=0.0001,
        )
        self._number(
            "num_train_epochs",
            label("Epochs"),
            label("How often every row is seen, if the time budget allows."),
            step=1,
        )
        self._number("r", label("Rank"), label("LoRA rank: room in the adapter for what is learnt."), whole=True)

    def _data(self) -> None:
        self._choice(
            "train_on",
            label("Train on"),
            label("Which tokens are supervised."),
            [
                (label("All assistant turns"), "assistant"),
                (label("The last assistant turn"), "last"),
                (label("All tokens"), "all"),
            ],
        )
        self._number(
            "max_length",
            label("Longest row (tokens)"),
            label("What stands after is cut off; the preview shows it."),
            whole=True,
        )
        self._choice(
            "truncation_mode",
            label("Longer rows"),
            label("What is left of a row that is too long."),
            [
                (label("Keep the start"), "keep_start"),
                (label("Keep the end"), "keep_end"),
                (label("Leave the row out"), "drop"),
            ],
        )
        self._number(
            "held_out",
            label("Held-out share"),
            label("Rows kept out of training, to see what the model makes of new ones."),
            step=0.05,
        )
        self._flag("shuffle_dataset", label("Shuffle the rows"), label("Otherwise the last rows are held out."))
        self._number("eval_steps", label("Steps between evaluations"), label("0: about eight in a run."), whole=True)
        self._number("seed", label("Seed"), label("Equal seeds give equal runs on one machine."), whole=True)

    def _system_prompt(self) -> None:
        self.fields["system_prompt"] = gr.Textbox(
            _DEFAULTS.system_prompt,
            label=label("System prompt"),
            info=label("Put in front of rows that have none of their own."),
            lines=1,
            max_lines=6,
            elem_id="setting-system_prompt",
        )

    def _optimiser(self) -> None:
        self._number("max_steps", label("Largest number of steps"), label("-1: the epochs decide."), whole=True)
        self._number(
            "per_device_train_batch_size", label("Rows in a step"), label("More is steadier, and slower."), whole=True
        )
        self._number(
            "gradient_accumulation_steps",
            label("Gradient accumulation"),
            label("Batches added up before one update."),
            whole=True,
        )
        self._choice(
            "lr_scheduler_type",
            label("Learning rate schedule"),
            label("How the rate goes on after warm-up."),
            [(label("Cosine"), "cosine"), (label("Linear"), "linear"), (label("Constant"), "constant")],
        )
        self._number(
            "warmup_steps", label("Warm-up steps"), label("Steps over which the rate rises from 0."), whole=True
        )
        self._number("weight_decay", label("Weight decay"), label("Pulls the weights towards 0."), step=0.01)
        self._number(
            "max_grad_norm", label("Largest gradient"), label("Longer gradients are scaled back to it."), step=0.1
        )

    def _adapter(self) -> None:
        self._number(
            "lora_alpha", label("LoRA alpha"), label("Scale: the adapter counts alpha / rank times."), whole=True
        )
        self._number("lora_dropout", label("LoRA dropout"), label("Share of its inputs dropped."), step=0.05)
        self.fields["target_modules"] = gr.Textbox(
            _DEFAULTS.target_modules,
            label=label("Target modules"),
            info=label("all-linear, or names such as q_proj,v_proj."),
            elem_id="setting-target_modules",
            max_lines=1,
        )
        self._choice(
            "quantization",
            label("Base weights"),
            label("4-bit saves memory (QLoRA)."),
            [(label("Automatic"), "auto"), (label("4-bit (NF4)"), "nf4"), (label("16 or 32 bit"), "none")],
        )

    def _number(
        self,
        name: str,
        title: I18nData,
        info: I18nData,
        *,
        step: float = 1,
        whole: bool = False,
        value: float | None = None,
    ) -> None:
        # No bounds here: TrainSettings knows them, and its refusal names the setting and what it may be.
        self.fields[name] = gr.Number(
            getattr(_DEFAULTS, name) if value is None else value,
            label=title,
            info=info,
            precision=0 if whole else None,
            step=step,
            min_width=150,
            elem_id=f"setting-{name}",
        )

    def _flag(self, name: str, title: I18nData, info: I18nData) -> None:
        self.fields[name] = gr.Checkbox(
            getattr(_DEFAULTS, name), label=title, info=info, min_width=150, elem_id=f"setting-{name}"
        )

    def _choice(self, name: str, title: I18nData, info: I18nData, choices: list[tuple[I18nData, str]]) -> None:
        self.fields[name] = gr.Dropdown(
            choices,
            value=getattr(_DEFAULTS, name),
            label=title,
            info=info,
            filterable=False,
            min_width=150,
            elem_id=f"setting-{name}",
        )
