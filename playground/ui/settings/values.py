"""Between what widgets hold and what `TrainSettings` takes: minutes for seconds, lines for a list."""

from __future__ import annotations

from typing import Any

from playground.core.settings import TrainSettings


def to_widget(name: str, value: Any) -> Any:
    """The value of a setting as its widget shows it."""
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
    defaults = TrainSettings()
    if settings.get("max_steps", defaults.max_steps) > 0:
        return "steps"
    return "time" if settings.get("time_budget_s", defaults.time_budget_s) > 0 else "epochs"


def completed(change: dict[str, Any]) -> dict[str, Any]:
    """`change` with the other half of what decides how long a run takes, where it names one half.

    {"max_steps": 100} -> {"time_budget_s": 0.0, "max_steps": 100}: so many steps, whatever time they take.
    """
    if "max_steps" in change and "time_budget_s" not in change:
        return {"time_budget_s": 0.0 if change["max_steps"] > 0 else TrainSettings.time_budget_s, **change}
    if "time_budget_s" in change and "max_steps" not in change:
        return {"max_steps": -1, **change}
    return change
