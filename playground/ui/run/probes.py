"""The probe prompts and what the model answered, round by round: one at a time on the page, all in the report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from playground.core.i18n import Sentence, say
from playground.runs.types import Probe, ProbeRound, RunStatus
from playground.ui.widgets.chart import spread
from playground.ui.widgets.markup import escape, icon

SCRIPT = (Path(__file__).parent / "probes.js").read_text(encoding="utf-8")
ROUNDS_SHOWN = 20
CHARACTERS = 16_000
"""Characters of all answers together that are sent; many rounds of many probes get shorter answers."""
_FOLDED = 280
_HIDDEN = ' hidden=""'
# Words where they are set apart by blanks, single characters where they are not.
_PIECES = re.compile(r"[A-Za-z0-9À-ɏ'’-]+|\s+|.", re.DOTALL)


def rounds_shown(run: RunStatus, limit: int = ROUNDS_SHOWN) -> list[ProbeRound]:
    """The rounds in order, at even distances where there are many; the first and the last are always there."""
    rounds = sorted(run["answers"], key=lambda moment: moment["step"])
    return [rounds[place] for place in spread(len(rounds), limit)]


def probes_mark(run: RunStatus) -> list[Any]:
    """Changes when the answers do."""
    rounds = run["answers"]
    return [len(run["probes"]), len(rounds), rounds[-1]["step"] if rounds else None]


def probes_view(run: RunStatus, language: str) -> str:
    """ "" while nothing was answered."""
    probes, rounds = run["probes"], rounds_shown(run)
    if not probes or not rounds:
        return ""
    most = max(160, CHARACTERS // (len(rounds) * len(probes)))
    items = "".join(_probe(place, probe, rounds, most, language) for place, probe in enumerate(probes))
    hint = say("The same questions, answered before training and again and again: move the slider to see what changed.")
    return (
        f'<section class="probes"><h3>{escape(say("Probes").to(language))}</h3>'
        f'<p class="run-hint">{escape(hint.to(language))}</p>{_slider(rounds, language)}'
        f'<ol class="probe-list">{items}</ol></section>'
    )


def _slider(rounds: Sequence[ProbeRound], language: str) -> str:
    names = "".join(
        f"<span>{escape(round_name(moment, place, len(rounds)).to(language))}</span>"
        for place, moment in enumerate(rounds)
    )
    steps = " ".join(str(moment["step"]) for moment in rounds)
    last = len(rounds) - 1
    return (
        f'<label class="probe-round"><span>{escape(say("Answers after").to(language))} '
        f"<output>{escape(round_name(rounds[-1], last, len(rounds)).to(language))}</output></span>"
        f'<input type="range" min="0" max="{last}" value="{last}" step="1" data-steps="{steps}"/></label>'
        f'<span class="probe-rounds" hidden="">{names}</span>'
    )


def round_name(moment: ProbeRound, place: int, count: int) -> Sentence:
    if moment["step"] == 0:
        return say("step 0, before training ({place} of {count})", place=place + 1, count=count)
    return say("step {step} ({place} of {count})", step=moment["step"], place=place + 1, count=count)


def source_words(source: str) -> Sentence:
    words = {
        "yours": say("your question"),
        "held_out": say("a held-out row"),
        "general": say("an everyday question"),
    }
    return words.get(source, words["yours"])


def _probe(place: int, probe: Probe, rounds: Sequence[ProbeRound], most: int, language: str) -> str:
    texts = [_text(moment, place) for moment in rounds]
    answers = "".join(
        f'<div class="probe-answer" data-round="{number}"{"" if number == len(rounds) - 1 else _HIDDEN}>'
        f"{answer_words(moment, place, texts[number - 1] if number else None, most, language)}</div>"
        for number, moment in enumerate(rounds)
    )
    expected = ""
    if probe["expected"]:
        expected = (
            f'<div class="probe-side is-expected"><span class="probe-name">'
            f"{escape(say('Expected answer').to(language))}</span>{_folded(probe['expected'], language)}</div>"
        )
    said = escape(say("Answer").to(language))
    source = escape(source_words(probe["source"]).to(language))
    return (
        f'<li class="probe"><div class="probe-prompt"><span class="probe-source">{source}</span>'
        f"{_folded(probe['prompt'], language)}</div>"
        f'<div class="probe-sides{" has-expected" if expected else ""}"><div class="probe-side">'
        f'<span class="probe-name">{said}</span><div class="probe-answers">{answers}</div></div>{expected}</div></li>'
    )


def _text(moment: ProbeRound, place: int) -> str:
    return moment["answers"][place]["text"] if place < len(moment["answers"]) else ""


def answer_words(moment: ProbeRound, place: int, before: str | None, most: int, language: str) -> str:
    """One answer: what is new since the round before is marked, and how it ended is said."""
    if place >= len(moment["answers"]):
        return f'<p class="probe-text is-empty">{escape(say("Not answered at this step.").to(language))}</p>'
    answer = moment["answers"][place]
    text = answer["text"]
    shown = marked_change(before[:most] if before is not None else None, text[:most]) + (
        "…" if len(text) > most else ""
    )
    if not text.strip():
        shown = f'<span class="is-empty">{escape(say("The answer is empty.").to(language))}</span>'
    ended = answer["ended"] == "stop"
    words = say("ended by itself") if ended else say("cut off at the longest answer")
    kind = "is-ended" if ended else "is-cut"
    same = ""
    if before is not None and before == text:
        same = f" · {escape(say('as at the step before').to(language))}"
    return (
        f'<p class="probe-text">{shown}</p>'
        f'<p class="probe-end {kind}">{icon("done" if ended else "warning")} '
        f"{escape(words.to(language))}{same}</p>"
    )


def marked_change(before: str | None, text: str) -> str:
    """`text` escaped, what was not in `before` in <ins>. Nothing is marked where there is no round before."""
    if before is None or before == text:
        return escape(text)
    old, new = _PIECES.findall(before), _PIECES.findall(text)
    parts = []
    for kind, _, _, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        words = escape("".join(new[start:end]))
        parts.append(words if kind == "equal" or not words.strip() else f"<ins>{words}</ins>")
    return "".join(parts)


def _folded(text: str, language: str) -> str:
    if len(text) <= _FOLDED:
        return f'<p class="probe-text">{escape(text)}</p>'
    rest = say("Show all {count} characters", count=f"{len(text):,}").to(language)
    return (
        f'<details class="probe-fold"><summary>{escape(text[: _FOLDED // 2])}… '
        f'<span class="unfold">{escape(rest)}</span></summary><p class="probe-text">{escape(text)}</p></details>'
    )
