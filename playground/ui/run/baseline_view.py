"""What the base already does, as HTML: its losses on one scale, its answers beside the expected ones, what it means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

from playground.core.i18n import Sentence, localise, say
from playground.runs.types import Baseline, BaselineAnswer, Loss
from playground.ui.widgets.chart import Axis, foot, rail
from playground.ui.widgets.markup import callout, escape, icon, progress

_MARKS = {"known": "done", "examples": "info", "both": "done", "tuning": "done", "untried": "info", "broken": "error"}
_TEXT = 1_500
"""Characters shown of a question or an answer; what is longer scrolls past anybody's patience."""


def baseline_view(found: Baseline, language: str) -> str:
    """`found`: what `RunService.baseline` gives."""
    rows = say("1 held-out row was looked at.") if found["rows"] == 1 else None
    looked = rows or say("{rows} held-out rows were looked at.", rows=f"{found['rows']:,}")
    notes = [localise(note, language) for note in found["notes"]]
    return (
        f'<div class="baseline" id="baseline-result">{_verdict(found, language)}{_scale(found, language)}'
        f"{callout('info', *notes) if notes else ''}{_answers(found['answers'], language)}"
        f'<p class="baseline-rows">{escape(looked.to(language))}</p></div>'
    )


def _verdict(found: Baseline, language: str) -> str:
    mark = _MARKS[found["code"]]
    gap = localise(found["gap"], language)
    return (
        f'<div class="baseline-verdict is-{mark}">{icon(mark)}<div><p class="baseline-words">'
        f"{escape(localise(found['verdict'], language))}</p><p>{escape(gap)}</p></div></div>"
    )


# ---- the scale -------------------------------------------------------------------------------------------------


def _scale(found: Baseline, language: str) -> str:
    """A line for each way of asking, from 0 (each token known) to what is highest. "" where nothing is a number."""
    lines: list[tuple[Sentence, Loss]] = [(say("Question alone"), found["plain"])]
    examples = found["examples"]
    if examples:
        count = examples["count"]
        name = say("With 1 row as an example") if count == 1 else say("With {count} rows as examples", count=count)
        lines.append((name, examples))
    sound = [(name, part) for name, part in lines if _finite(part["loss"])]
    if not sound:
        return ""
    axis = Axis(0.0, 1.1 * max(value for _, part in sound for value in _ends(part)) or 1.0)
    body = "".join(_line(name, part, axis, language) for name, part in sound)
    reason = "" if examples else _no_examples(language)
    title = say("Loss on the expected answers (nats a token)").to(language)
    better = say("Less is better; the bar is the range that is likely (95 %).").to(language)
    return (
        f'<figure class="plot plot-baseline"><figcaption><strong class="plot-title">{escape(title)}</strong> '
        f'<span>{escape(better)}</span></figcaption>{body}<div class="plot-area"><svg width="100%" height="100%" '
        f'aria-hidden="true">{foot(axis, axis.marks(5), "{:g}".format)}</svg></div>{reason}</figure>'
    )


def _finite(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _ends(part: Loss) -> list[float]:
    return [value for value in (part["loss"], part["low"], part["high"]) if _finite(value)]


def _line(name: Sentence, part: Loss, axis: Axis, language: str) -> str:
    loss, ends = part["loss"] or 0.0, _ends(part)
    span = f" ({part['low']:.2f} – {part['high']:.2f})" if len(ends) == 3 else ""
    return (
        f'<div class="baseline-line"><span class="baseline-name">{escape(name.to(language))}</span>'
        f'<span class="baseline-figure"><strong>{loss:.2f}</strong>{escape(span)}</span>'
        f"{rail(axis, ends if span else (), [('to', loss)])}</div>"
    )


def _no_examples(language: str) -> str:
    why = say("Rows as examples in the prompt could not be tried: too few, or too long.")
    return f'<p class="baseline-reason">{icon("info")}<span>{escape(why.to(language))}</span></p>'


# ---- answers ---------------------------------------------------------------------------------------------------


def _answers(answers: Sequence[BaselineAnswer], language: str) -> str:
    if not answers:
        return ""
    title = say("What it answers").to(language)
    cards = "".join(_answer(answer, language) for answer in answers)
    return f'<section class="baseline-answers"><h3>{escape(title)}</h3>{cards}</section>'


def _answer(answer: BaselineAnswer, language: str) -> str:
    ended = answer["ended"]
    sides = [_side(say("Expected").to(language), answer["expected"], "", "is-expected", language)]
    sides.append(_side(say("The base").to(language), answer["plain"], ended[0], "", language))
    if answer["with_examples"] is not None:
        name = say("The base, with examples").to(language)
        sides.append(_side(name, answer["with_examples"], ended[1], "", language))
    number = say("Row {row}", row=answer["row"]).to(language)
    return (
        f'<article class="baseline-answer"><p class="baseline-question"><span class="row-number">{escape(number)}'
        f'</span><span class="baseline-text">{escape(_cut(answer["question"]))}</span></p>'
        f'<div class="baseline-sides">{"".join(sides)}</div></article>'
    )


def _side(name: str, text: str, ended: str, style: str, language: str) -> str:
    words = escape(_cut(text)) if text.strip() else f"<em>{escape(say('nothing').to(language))}</em>"
    cut = (
        f' <span class="baseline-cut">{escape(say("(cut off here)").to(language))}</span>' if ended == "length" else ""
    )
    return (
        f'<div class="baseline-side {style}"><span class="baseline-side-name">{escape(name)}</span>'
        f'<p class="baseline-text">{words}{cut}</p></div>'
    )


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else text[:_TEXT] + "…"


def baseline_progress(fraction: float | None, line: str, language: str) -> str:
    """How far it is. `fraction` None: it has only begun."""
    return progress(line, fraction, say("Progress of the baseline check").to(language))
