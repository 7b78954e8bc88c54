"""Chosen runs beside each other: what each one's checks found, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from playground.core.i18n import Sentence, localise, say
from playground.core.settings import TrainSettings
from playground.runs.types import Check, RunStatus, Settings
from playground.ui.history.overlay import Line, overlay, swatch
from playground.ui.history.table import icon_for, verdict_word
from playground.ui.run.verdict import check_name, state_name
from playground.ui.settings.fields import value_in_words
from playground.ui.widgets.markup import callout, escape, icon, refusal

_CHECKS = ("finite", "changed", "logits", "held_out", "general", "stops")


@dataclass(frozen=True)
class Side:
    """One run in a comparison."""

    name: str
    slot: int
    run: RunStatus


def comparable(sides: Sequence[Side]) -> Sentence | None:
    """Why the losses of these runs do not compare as they stand, or None."""
    if len({side.run["model"] for side in sides}) > 1:
        return say(
            "These runs have different base models. Their losses count different tokens, so compare how far each one "
            "fell, not where it stands."
        )
    read_alike = {_mark([_whole(side.run).get(name) for name in _ROWS]) for side in sides}
    counts = {(side.run["rows"], side.run["held_out_rows"]) for side in sides}
    if len(counts) > 1 or len(read_alike) > 1:
        return say(
            "These runs had different rows, or held out different ones, so compare how far each loss fell, not where "
            "it stands."
        )
    return None


_ROWS = (
    "held_out", "seed", "shuffle_dataset", "train_on", "max_length", "truncation_mode", "chat_template",
    "chat_template_kwargs", "system_prompt", "mapping", "edits",
)  # fmt: skip
"""Settings that decide which tokens the held-out loss is a mean of."""


def _mark(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _whole(run: RunStatus) -> Settings:
    """All settings of a run. One that is older than a setting ran as its default does."""
    return {**TrainSettings().to_dict(), **run["settings"]}


def differences(settings: Sequence[Settings]) -> tuple[list[str], list[str]]:
    """Names of the settings in which some differ, and of those that all have in common, each in their usual order."""
    names = list(dict.fromkeys(name for given in settings for name in given))
    apart = [name for name in names if len({_mark(given.get(name)) for given in settings}) > 1]
    return apart, [name for name in names if name not in apart]


def settings_sides(sides: Sequence[Side], names: dict[str, str], language: str) -> str:
    """The settings that differ, a column for each run; those in common behind a click. One run stands beside the
    defaults, and what differs from the first column is marked. `names`: what this browser calls its runs, by id.
    """
    columns = [(_head(side), side.name, _whole(side.run)) for side in sides]
    if len(sides) == 1:
        usual = say("Default").to(language)
        columns.insert(0, (f"<span>{escape(usual)}</span>", usual, TrainSettings().to_dict()))
    apart, same = differences([settings for _, _, settings in columns])
    body = "".join(_setting_row(name, columns, names, language) for name in apart)
    if len(sides) == 1:
        title, none = say("Settings that are not the defaults"), say("All settings are the defaults.")
    else:
        title, none = say("Settings that differ"), say("These runs have the same settings.")
    table = _table(say("Setting").to(language), [head for head, _, _ in columns], body, "is-settings")
    shown = table if apart else f'<p class="no-rows">{escape(none.to(language))}</p>'
    return (
        f'<section class="sides"><h3>{escape(title.to(language))}</h3>{shown}'
        f"{_in_common(same, columns, language)}</section>"
    )


def _setting_row(name: str, columns: Sequence[tuple[str, str, Settings]], names: dict[str, str], language: str) -> str:
    values = [value_in_words(name, settings.get(name), language, names) for _, _, settings in columns]
    first = _mark(columns[0][2].get(name))
    cells = "".join(
        f'<td role="cell" data-label="{escape(column)}"'
        f'{" class=is-other" if _mark(settings.get(name)) != first else ""}><div class="setting-value">{escape(value)}'
        "</div></td>"
        for (_, column, settings), value in zip(columns, values, strict=True)
    )
    return f'<tr role="row"><th role="rowheader" scope="row"><code>{escape(name)}</code></th>{cells}</tr>'


def _in_common(same: Sequence[str], columns: Sequence[tuple[str, str, Settings]], language: str) -> str:
    if not same:
        return ""
    title = say("{count} settings are the same", count=len(same)).to(language)
    items = "".join(
        f"<div><dt><code>{escape(name)}</code></dt>"
        f"<dd>{escape(value_in_words(name, columns[0][2].get(name), language))}</dd></div>"
        for name in same
    )
    return f'<details class="in-common"><summary>{escape(title)}</summary><dl>{items}</dl></details>'


def _head(side: Side) -> str:
    return f"{swatch(side.slot)}<span>{escape(side.name)}</span>"


def verdict_sides(sides: Sequence[Side], language: str) -> str:
    """What each run came to: its error or verdict, and its checks, one row for a check."""
    heads = [_head(side) for side in sides]
    rows = [_row(say("Verdict").to(language), [_outcome(side.run, language) for side in sides], sides)]
    checks = [{check["code"]: check for check in side.run["verdict"].get("checks", [])} for side in sides]
    for code in dict.fromkeys([*_CHECKS, *(code for found in checks for code in found)]):
        if any(code in found for found in checks):
            cells = [_check(found.get(code), language) for found in checks]
            rows.append(_row(localise(check_name(code) or code, language), cells, sides))
    title = escape(say("Verdicts").to(language))
    return f'<section class="sides"><h3>{title}</h3>{_table(say("Check").to(language), heads, "".join(rows))}</section>'


def _outcome(run: RunStatus, language: str) -> str:
    """An error goes first: it says why there is no verdict."""
    if run["error"]:
        return refusal(run["error"], language)
    verdict = run["verdict"]
    if not verdict:
        return '<span class="none-yet">–</span>'
    word = verdict_word(verdict["code"])
    named = f"<strong>{escape(word.to(language))}</strong> " if word else ""
    return (
        f'<div class="check-cell is-{icon_for(verdict["code"])}">{icon(icon_for(verdict["code"]))}'
        f"<div>{named}{escape(localise(verdict['message'], language))}</div></div>"
    )


_CHECK_ICONS = {"passed": "done", "failed": "error", "unknown": "info"}


def _check(check: Check | None, language: str) -> str:
    if check is None:
        return '<span class="none-yet">–</span>'
    mark = _CHECK_ICONS.get(check["state"], "info")
    word = state_name(check["state"]).to(language)
    fix = localise(check["fix"], language)
    more = f'<span class="check-fix">{escape(fix)}</span>' if fix and check["state"] != "passed" else ""
    return (
        f'<div class="check-cell is-{mark}">{icon(mark)}<div><strong>{escape(word)}</strong> '
        f"{escape(localise(check['message'], language))}{more}</div></div>"
    )


def _row(name: str, cells: Sequence[str], sides: Sequence[Side]) -> str:
    made = "".join(
        f'<td role="cell" data-label="{escape(side.name)}">{cell}</td>' for side, cell in zip(sides, cells, strict=True)
    )
    return f'<tr role="row"><th role="rowheader" scope="row">{escape(name)}</th>{made}</tr>'


def _table(corner: str, heads: Sequence[str], body: str, style: str = "") -> str:
    columns = "".join(
        f'<th role="columnheader" scope="col"><span class="side-name">{head}</span></th>' for head in heads
    )
    return (
        f'<table class="sides-table {style}" role="table"><thead><tr role="row">'
        f'<th role="columnheader" scope="col">{escape(corner)}</th>{columns}</tr></thead><tbody>{body}</tbody></table>'
    )


def curves(sides: Sequence[Side], axis: str, language: str) -> str:
    """Their losses in one picture, by "step" or "share"; "" where none has a value yet."""
    lines = [
        Line(side.name, side.slot, side.run["metrics"], side.run["steps"], side.run["best_step"]) for side in sides
    ]
    return overlay(lines, axis, language)


def note(sides: Sequence[Side], chosen: int, language: str) -> str:
    """What must be known before the runs are compared."""
    told = []
    if chosen > len(sides):
        told.append(
            say("{count} runs are chosen; {drawn} of them are shown side by side.", count=chosen, drawn=len(sides))
        )
    unequal = comparable(sides) if len(sides) > 1 else None
    told += [unequal] if unequal else []
    return callout("info", *(sentence.to(language) for sentence in told)) if told else ""


def question(sides: Sequence[Side], count: int, language: str) -> str:
    """Asked once more before `count` runs are deleted."""
    if count == 1 and sides:
        asked = say("Delete “{name}” for good?", name=sides[0].name)
    else:
        asked = say("Delete {count} runs for good?", count=count)
    lost = say("Adapter, rows, curves and report go too, and nothing brings them back.")
    return callout("warning", asked.to(language), lost.to(language))
