"""What a preset is for, which settings it stands for, and what was changed since, as HTML."""

from __future__ import annotations

from typing import Any

from playground.core.i18n import say
from playground.core.settings.presets import Preset, changes
from playground.ui.widgets.buttons import button_for
from playground.ui.widgets.markup import escape, icon

_LONGEST = 40


def summary(preset: Preset, settings: dict[str, Any], reference: dict[str, Any], language: str) -> str:
    """`settings`: all that the form holds; `reference`: the same as they are with the preset and nothing changed."""
    chips = "".join(f"<li>{_pair(name, value)}</li>" for name, value in preset.settings.items() if value != -1)
    name = escape(say("What this preset stands for").to(language))
    return (
        f'<p class="preset-about">{escape(preset.about.to(language))}</p>'
        f'<ul class="preset-values" aria-label="{name}">{chips}</ul>{_changed(settings, reference, language)}'
    )


def _pair(name: str, value: Any) -> str:
    return f"<code>{escape(name)} = {escape(plain(value))}</code>"


def _changed(settings: dict[str, Any], reference: dict[str, Any], language: str) -> str:
    changed = changes(settings, reference)
    if not changed:
        return ""
    items = "".join(_change(*change, language) for change in changed)
    back = button_for("back", say("Back to the preset").to(language), names=[])
    return (
        f'<div class="preset-changes" id="preset-changes" role="status">{icon("info")}<div>'
        f"<strong>{escape(say('Changed from the preset:').to(language))}</strong>"
        f"<ul>{items}</ul>{back if len(changed) > 1 else ''}</div></div>"
    )


def _change(name: str, before: Any, now: Any, language: str) -> str:
    named = say("Set {name} back to {value}", name=name, value=plain(before)).to(language)
    undo = button_for("back", say("Undo").to(language), named=named, names=[name])
    return f"<li><code>{escape(name)} {escape(plain(before))} → {escape(plain(now))}</code>{undo}</li>"


def plain(value: Any) -> str:
    """A setting's value in few characters, as it stands in a settings file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:g}" if abs(value) < 1e6 else f"{value}"
    if isinstance(value, list):
        return f"[{len(value)}]" if value else "[]"
    text = str(value)
    return f'"{text if len(text) <= _LONGEST else text[:_LONGEST] + "…"}"' if not text.isidentifier() else text
