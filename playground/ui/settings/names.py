"""Names and values of training settings in words, for what is set for the next run and for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playground.core.figures import elapsed
from playground.core.i18n import Sentence, say
from playground.ui.widgets.markup import escape

_LONG = 400


def _names() -> dict[str, Sentence]:
    return {
        "time_budget_s": say("Time budget"),
        "num_train_epochs": say("Epochs"),
        "max_steps": say("Largest number of steps"),
        "per_device_train_batch_size": say("Rows in a step"),
        "gradient_accumulation_steps": say("Gradient accumulation"),
        "learning_rate": say("Learning rate"),
        "lr_scheduler_type": say("Learning rate schedule"),
        "warmup_steps": say("Warm-up steps"),
        "weight_decay": say("Weight decay"),
        "max_grad_norm": say("Largest gradient"),
        "max_length": say("Longest row (tokens)"),
        "truncation_mode": say("Longer rows"),
        "packing": say("Packing"),
        "train_on": say("Train on"),
        "seed": say("Seed"),
        "r": say("Rank"),
        "lora_alpha": say("LoRA alpha"),
        "lora_dropout": say("LoRA dropout"),
        "use_rslora": say("Use rsLoRA"),
        "target_modules": say("Target modules"),
        "quantization": say("Base weights"),
        "bnb_4bit_use_double_quant": say("Double quantisation"),
        "gradient_checkpointing": say("Gradient checkpointing"),
        "held_out": say("Held-out share"),
        "shuffle_dataset": say("Shuffle the rows"),
        "eval_steps": say("Steps between evaluations"),
        "early_stopping_patience": say("Early stopping"),
        "probe_prompts": say("Probe questions"),
        "probe_max_new_tokens": say("Longest probe answer"),
        "general_ability": say("Everyday questions"),
        "start_from": say("Trained further from"),
        "chat_template": say("Chat template"),
        "chat_template_kwargs": say("Template variables"),
        "chat_template_clock": say("Template clock"),
        "system_prompt": say("System prompt"),
        "mapping": say("Columns"),
        "edits": say("Changes to the rows"),
    }


def setting_value(name: str, value: Any, language: str) -> str:
    """As a person would say it; long text is cut."""
    if isinstance(value, bool):
        return (say("yes") if value else say("no")).to(language)
    if name == "time_budget_s":
        return elapsed(value).to(language) if value else say("no limit").to(language)
    if name == "edits":
        return say("{count} changes", count=len(value)).to(language) if value else say("none").to(language)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return " / ".join(map(str, value))[:_LONG] or "–"
    text = ", ".join(f"{key}: {one}" for key, one in value.items()) if isinstance(value, Mapping) else str(value)
    return (text[:_LONG] + "…" if len(text) > _LONG else text) or "–"


def changes_in_words(change: Mapping[str, Any], language: str) -> str:
    """Such as: Learning rate: 0.0003, Rank: 8."""
    colon, comma = ("：", "、") if language == "ja" else (": ", ", ")
    return comma.join(
        f"{name_in(name, language)}{colon}{setting_value(name, value, language)}" for name, value in change.items()
    )


def name_in(name: str, language: str) -> str:
    """`name` itself where there are no words for it: it is TRL's or PEFT's then."""
    found = _names().get(name)
    return found.to(language) if found else name


def settings_table(settings: Mapping[str, Any], defaults: Mapping[str, Any], language: str) -> str:
    """Every setting with its name in words, its name in TRL and PEFT, and its value; changed ones are marked."""
    heads = "".join(
        f'<th scope="col">{escape(head.to(language))}</th>' for head in (say("Setting"), say("Name"), say("Value"))
    )
    changed = escape(say("changed").to(language))
    rows = []
    for name, value in settings.items():
        mark = f' <span class="is-changed">{changed}</span>' if name in defaults and value != defaults[name] else ""
        rows.append(
            f'<tr><th scope="row">{escape(name_in(name, language))}</th><td><code>{escape(name)}</code></td>'
            f"<td>{escape(setting_value(name, value, language))}{mark}</td></tr>"
        )
    return f'<table class="figures settings"><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
