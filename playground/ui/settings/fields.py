"""Every setting of a run: what it is called, what raising and lowering it does, how it is set, and its value in words.

No bounds here: TrainSettings knows them, and its refusal names the setting and what it may be. DoRA is not offered:
Compare serves all adapters of a model in one batch as stacked LoRA matrices, and DoRA's magnitudes are no such matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from playground.core.figures import NONE, elapsed
from playground.core.i18n import Sentence, say
from playground.core.settings import TrainSettings
from playground.ui.rows.edits import summary as edits_in_words
from playground.ui.widgets.markup import escape

DEFAULTS = TrainSettings()
_LONGEST = 600
"""Characters shown of one value: a template can be a book."""


@dataclass(frozen=True)
class Field:
    """One setting."""

    name: str
    """TRL's, PEFT's or bitsandbytes' own name, where they have the setting."""
    title: Sentence
    hint: Sentence | None = None
    """What happens when it is raised or lowered; None for what the form does not set."""
    kind: Literal["whole", "number", "flag", "choice", "text"] = "whole"
    step: float = 1
    choices: tuple[tuple[Sentence, str], ...] = ()
    """(in words, value)"""
    lines: tuple[int, int] = (1, 1)
    """Lines of a text: at first, at most."""
    widget_title: Sentence | None = None
    """Where the widget has a name of its own: it shows another unit."""
    visible: bool | Literal["hidden"] = True


DURATION = (
    Field(
        "time_budget_s",
        say("Time budget"),
        say("From Start to a result. More time sees the rows more often; 0 is no limit."),
        "number",
        widget_title=say("Minutes"),
    ),
    Field(
        "num_train_epochs",
        say("Epochs"),
        say("How often every row is seen, if there is time. Higher learns more by heart."),
        "number",
        widget_title=say("Epochs at most"),
    ),
    Field(
        "max_steps",
        say("Steps"),
        say("Updates of the adapter. Higher trains longer; -1 lets the epochs decide."),
        visible="hidden",
    ),
)
"""The three numbers of which the form shows those that count."""

_TRAINED = (
    Field(
        "train_on",
        say("Train on"),
        say("Which tokens are supervised. All tokens also teaches the model to write questions."),
        "choice",
        choices=(
            (say("All assistant turns"), "assistant"),
            (say("The last assistant turn"), "last"),
            (say("All tokens"), "all"),
        ),
    ),
    Field(
        "max_length",
        say("Longest row (tokens)"),
        say("What stands after is cut off. Higher keeps more, and takes more time and memory."),
    ),
    Field(
        "truncation_mode",
        say("Longer rows"),
        say("What is left of a row that is too long."),
        "choice",
        choices=(
            (say("Keep the start"), "keep_start"),
            (say("Keep the end"), "keep_end"),
            (say("Leave the row out"), "drop"),
        ),
    ),
    Field(
        "shuffle_dataset",
        say("Shuffle the rows"),
        say("Off: rows come in the order given, and the last ones are held out."),
        "flag",
    ),
    Field("seed", say("Seed"), say("Equal seeds give equal runs on one machine; another shows how much is chance.")),
)
_SYSTEM = (
    Field(
        "system_prompt",
        say("System prompt"),
        say("Put in front of rows that have none of their own. Ask with the same one afterwards."),
        "text",
        lines=(1, 6),
    ),
)
_BATCHES = (
    Field(
        "per_device_train_batch_size",
        say("Rows in a batch"),
        say("Higher is steadier and makes fewer updates in an epoch; it takes more memory."),
    ),
    Field(
        "gradient_accumulation_steps",
        say("Gradient accumulation"),
        say("Batches added up before one update: steadier, like a larger batch, without its memory."),
    ),
    Field(
        "early_stopping_patience",
        say("Early stopping"),
        say("Ends after so many evaluations without a better held-out loss. Lower ends sooner; 0 never."),
    ),
)
_OPTIMISER = (
    Field(
        "learning_rate",
        say("Learning rate"),
        say("Size of each update. Too high and the loss jumps, too low and nothing is learned."),
        "number",
        step=0.0001,
    ),
    Field(
        "lr_scheduler_type",
        say("Learning rate schedule"),
        say("How the rate goes on after warm-up. Falling rates settle; a constant one stays restless."),
        "choice",
        choices=(
            (say("Cosine"), "cosine"),
            (say("Linear"), "linear"),
            (say("Constant"), "constant_with_warmup"),
        ),
    ),
    Field(
        "warmup_steps",
        say("Warm-up steps"),
        say("Steps over which the rate rises from 0. More is a gentler start, and less time at full rate."),
    ),
    Field(
        "weight_decay",
        say("Weight decay"),
        say("Pulls the weights towards 0. Higher holds the adapter back; rarely needed in short runs."),
        "number",
        step=0.01,
    ),
    Field(
        "max_grad_norm",
        say("Largest gradient"),
        say("Longer gradients are scaled back to it. Lower tames spikes, and may slow learning."),
        "number",
        step=0.1,
    ),
)
_ADAPTER = (
    Field(
        "r", say("Rank"), say("LoRA rank: room for what is learned. Higher holds more facts, and takes more memory.")
    ),
    Field(
        "lora_alpha",
        say("LoRA alpha"),
        say("The adapter counts alpha / rank times. Higher acts like a higher learning rate; twice the rank is usual."),
    ),
    Field(
        "lora_dropout",
        say("LoRA dropout"),
        say("Share of its inputs dropped while training. Higher learns less by heart, and more slowly."),
        "number",
        step=0.05,
    ),
    Field(
        "target_modules",
        say("Target modules"),
        say("all-linear, or names such as q_proj,v_proj. Fewer modules learn less and take less memory."),
        "text",
    ),
    Field(
        "use_rslora",
        say("rsLoRA"),
        say("Counts alpha / √rank times instead: large ranks then learn as strongly as small ones."),
        "flag",
    ),
    Field(
        "start_from",
        say("Train further"),
        say("Id of an earlier run whose adapter is trained on. Empty: a new adapter."),
        "text",
    ),
)
_MEMORY = (
    Field(
        "quantization",
        say("Base weights"),
        say("4-bit (QLoRA) takes a quarter of the memory of 16 bit, and is a little less exact."),
        "choice",
        choices=(
            (say("Automatic"), "auto"),
            (say("4-bit (NF4)"), "nf4"),
            (say("4-bit (FP4)"), "fp4"),
            (say("16 or 32 bit"), "none"),
        ),
    ),
    Field(
        "bnb_4bit_use_double_quant",
        say("Double quantisation"),
        say("Also quantises the constants of 4-bit weights: about 8 % less memory for them, hardly slower."),
        "flag",
    ),
    Field(
        "gradient_checkpointing",
        say("Gradient checkpointing"),
        say("Computes activations twice instead of keeping them: much less memory, about a third slower."),
        "flag",
    ),
    Field(
        "packing",
        say("Packing"),
        say("Puts several short rows into one sequence: less padding, so faster; fewer updates in an epoch."),
        "flag",
    ),
)
_EVALUATION = (
    Field(
        "held_out",
        say("Held-out share"),
        say("Rows kept out of training to measure new ones. Higher measures better, and leaves less to learn from."),
        "number",
        step=0.05,
    ),
    Field(
        "eval_steps",
        say("Steps between evaluations"),
        say("Lower gives a finer curve and takes time from training. 0: about eight in a run."),
    ),
    Field(
        "general_ability",
        say("Measure what is forgotten"),
        say("Scores everyday questions before and after. Off saves a little time, and nothing is known of it."),
        "flag",
    ),
    Field(
        "probe_max_new_tokens",
        say("Length of probe answers"),
        say("Tokens of each answer during the run. Higher shows more, and takes time; 0: no probes."),
    ),
)
_PROBES = (
    Field(
        "probe_prompts",
        say("Probe prompts"),
        say("One a line, 5 at most: answered before training and during it. Empty: three are chosen."),
        "text",
        lines=(3, 6),
    ),
)

GROUPS: tuple[tuple[str, Sentence, tuple[tuple[Field, ...], ...]], ...] = (
    ("trained", say("What is trained"), (_TRAINED, _SYSTEM)),
    ("steps", say("Batches and stopping"), (_BATCHES,)),
    ("optimiser", say("Optimiser"), (_OPTIMISER,)),
    ("adapter", say("Adapter"), (_ADAPTER,)),
    ("memory", say("Memory"), (_MEMORY,)),
    ("evaluation", say("Evaluation and probes"), (_EVALUATION, _PROBES)),
)
"""(name, title, rows of fields) of what stands behind "Advanced"."""

_ELSEWHERE = (
    Field("chat_template", say("Chat template")),
    Field("chat_template_kwargs", say("Template variables")),
    Field("chat_template_clock", say("Template clock")),
    Field("mapping", say("Columns")),
    Field("edits", say("Changes to the rows")),
)
"""Set by the template tab and by the card of the rows."""

_ADVANCED = (field for _, _, rows in GROUPS for row in rows for field in row)
FIELDS = {field.name: field for field in (*DURATION, *_ADVANCED, *_ELSEWHERE)}


# --- What widgets hold ---


def to_widget(name: str, value: Any) -> Any:
    """The value of a setting as its widget shows it: minutes for seconds, lines for a list."""
    if name == "time_budget_s":
        return round(value / 60, 6)
    if name == "probe_prompts":
        # One a line: a line break inside a prompt would make two of it.
        return "\n".join(" ".join(prompt.splitlines()) for prompt in value)
    return value


def from_widget(name: str, shown: Any) -> Any:
    """The setting that a widget's value stands for. The inverse of `to_widget`, down to a millisecond."""
    if name == "time_budget_s":
        return round(shown * 60, 3)
    if name == "probe_prompts":
        return [line.strip() for line in shown.splitlines() if line.strip()]
    return shown


def decided_by(settings: dict[str, Any]) -> str:
    """ "time", "epochs" or "steps", for settings that may leave names out."""
    if settings.get("max_steps", DEFAULTS.max_steps) > 0:
        return "steps"
    return "time" if settings.get("time_budget_s", DEFAULTS.time_budget_s) > 0 else "epochs"


def completed(change: dict[str, Any]) -> dict[str, Any]:
    """`change` with the other half of what decides how long a run takes, where it names one half.

    {"max_steps": 100} -> {"time_budget_s": 0.0, "max_steps": 100}: so many steps, whatever time they take.
    """
    if "max_steps" in change and "time_budget_s" not in change:
        return {"time_budget_s": 0.0 if change["max_steps"] > 0 else DEFAULTS.time_budget_s, **change}
    if "time_budget_s" in change and "max_steps" not in change:
        return {"max_steps": -1, **change}
    return change


# --- In words ---


def name_in_words(name: str, language: str) -> str:
    """`name` itself where there are no words for it: it is of another version then."""
    return FIELDS[name].title.to(language) if name in FIELDS else name


def value_in_words(name: str, value: Any, language: str, runs: Mapping[str, str] | None = None) -> str:
    """As a person would say it; long text is cut. `runs`: what this browser calls its runs, by id."""
    if name == "time_budget_s" and not value:
        return say("no limit").to(language)
    if value is None or value in ("", [], {}):
        return NONE
    if name == "start_from":
        # An id is the right to a run, so it is not for a picture of the page that is shown around.
        return (runs or {}).get(str(value)) or say("an earlier run").to(language)
    if name == "time_budget_s":
        return elapsed(value).to(language)
    if name == "edits":
        return edits_in_words(value, language)
    if isinstance(value, bool):
        return (say("on") if value else say("off")).to(language)
    choices = {choice: words for words, choice in FIELDS[name].choices} if name in FIELDS else {}
    if isinstance(value, str) and value in choices:
        return choices[value].to(language)
    return _cut(_plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return " / ".join(map(str, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {one}" for key, one in value.items())
    return str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def changes_in_words(change: Mapping[str, Any], language: str) -> str:
    """Such as: Learning rate: 0.0003, Rank: 8."""
    colon, comma = ("：", "、") if language == "ja" else (": ", ", ")
    return comma.join(
        f"{name_in_words(name, language)}{colon}{value_in_words(name, value, language)}"
        for name, value in change.items()
    )


def settings_table(settings: Mapping[str, Any], language: str) -> str:
    """Every setting with its name in words, its name in TRL and PEFT, and its value; what is no default is marked."""
    heads = "".join(
        f'<th scope="col">{escape(head.to(language))}</th>' for head in (say("Setting"), say("Name"), say("Value"))
    )
    changed = escape(say("changed").to(language))
    defaults = DEFAULTS.to_dict()
    rows = []
    for name, value in settings.items():
        mark = f' <span class="is-changed">{changed}</span>' if name in defaults and value != defaults[name] else ""
        rows.append(
            f'<tr><th scope="row">{escape(name_in_words(name, language))}</th><td><code>{escape(name)}</code></td>'
            f"<td>{escape(value_in_words(name, value, language))}{mark}</td></tr>"
        )
    return f'<table class="figures settings"><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
