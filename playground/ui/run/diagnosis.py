"""What the run's own numbers say in plain words, each with what to try and a button that sets it for the next run."""

from __future__ import annotations

import orjson

from playground.core.i18n import localise, say
from playground.runs.types import ReadingDict, RunStatus, Settings
from playground.ui.settings.fields import changes_in_words
from playground.ui.widgets.markup import escape, icon, severity_word

_RANKS = ("error", "warning", "info", "good")


def ranked(run: RunStatus) -> list[ReadingDict]:
    """Gravest first."""
    return sorted(run["readings"], key=lambda reading: _RANKS.index(reading["severity"]))


def readings_view(run: RunStatus, language: str, *, buttons: bool = True) -> str:
    """ "" where nothing can be said yet."""
    readings = ranked(run)
    if not readings:
        return ""
    items = "".join(_reading(reading, language, buttons) for reading in readings)
    title = escape(say("What the curves say").to(language))
    return f'<section class="readings"><h3>{title}</h3><ul class="reading-list">{items}</ul></section>'


def _reading(reading: ReadingDict, language: str, buttons: bool) -> str:
    severity = reading["severity"]
    word = say("Good").to(language) if severity == "good" else severity_word(severity, language)
    sign = icon("done" if severity == "good" else severity)
    lines = "".join(
        f'<span class="reading-{name}">{escape(localise(part, language))}</span>'
        for name, part in (("why", reading["why"]), ("advice", reading["advice"]))
    )
    return (
        f'<li class="reading is-{severity}" data-code="{escape(reading["code"])}">{sign}<div>'
        f'<span class="reading-message"><strong>{escape(word)}</strong> '
        f"{escape(localise(reading['message'], language))}</span>{lines}"
        f"{_change(reading, language, buttons)}</div></li>"
    )


def _change(reading: ReadingDict, language: str, buttons: bool) -> str:
    change = reading["change"]
    if not change:
        return ""
    words = escape(changes_in_words(change, language))
    if not buttons:
        return f'<span class="reading-change">{words}</span>'
    named = say("Set for the next run: {change}", change=changes_in_words(change, language)).to(language)
    # The page says which reading was pressed; what it changes, the server knows.
    given = escape(orjson.dumps({"code": reading["code"]}).decode())
    button = (
        f'<button type="button" class="row-button" data-event="want" data-given="{given}" aria-label="{escape(named)}">'
        f"{escape(say('Set for the next run').to(language))}</button>"
    )
    return f'<span class="reading-change"><span>{words}</span>{button}</span>'


def change_of(run: RunStatus, code: str) -> Settings:
    """What the button of the reading `code` sets; {} where there is no such reading."""
    found = next((reading for reading in run["readings"] if reading["code"] == code), None)
    return dict(found["change"]) if found else {}


def wanted_words(change: Settings, language: str) -> str:
    if not change:
        return ""
    said = say("Set above for the next run: {change}", change=changes_in_words(change, language))
    return f'<p class="wanted" role="status">{icon("done")}<span>{escape(said.to(language))}</span></p>'
