"""Base and tuned on the same questions, as HTML: what it says, the mean scores, the answers row by row."""

from __future__ import annotations

from collections.abc import Sequence

from playground.core.errors import InputError
from playground.core.figures import rows_said
from playground.core.i18n import Sentence, localise, say
from playground.runs.try_table import CHANGES, DEAD_BAND, figure, printable, signed
from playground.runs.types import SIDES, AnswerScores, Compared, MeasureSummary, Side, TrySummary
from playground.ui.run.probes import source_words
from playground.ui.widgets.markup import empty, escape, icon

FILTERS = ("all", *CHANGES)
_SIGNS = {"better": "done", "worse": "warning", "same": "info", "unclear": "info", "few": "info", "none": "info"}
_TEXT = 1_500
"""Characters shown of a text; the files to download have all of it."""


def filter_choices(rows: Sequence[Compared], language: str) -> list[tuple[str, str]]:
    """(words, value) of each filter, with how many rows it leaves."""
    names = {"all": say("All rows"), "better": say("Better"), "worse": say("Worse"), "same": say("Same")}
    return [(f"{names[show].to(language)} ({len(_shown(rows, show))})", show) for show in FILTERS]


def _shown(rows: Sequence[Compared], show: str) -> list[Compared]:
    return [row for row in rows if show in ("all", row["change"])]


def try_view(rows: Sequence[Compared], found: TrySummary, language: str, show: str = "all") -> str:
    """`rows` as try_table.compare_answers gives them, `found` its summary of all of them, `show` one of FILTERS.

    Raises InputError for another filter.
    """
    if show not in FILTERS:
        raise InputError(
            say("There is no filter {name}.", name=repr(show)[:40]),
            say("It is one of {names}.", names=", ".join(FILTERS)),
            say("Choose one of these."),
        )
    chosen = _shown(rows, show)
    told = say("{count} of {rows}", count=len(chosen), rows=rows_said(len(rows)))
    return (
        f'<div class="try">{_verdict(found, language)}{_measures(found["measures"], language)}'
        f'{_notes(found, language)}<p class="try-count" role="status">{escape(told.to(language))}</p>'
        f"{_answers(chosen, language)}</div>"
    )


# ---- what it says ----------------------------------------------------------------------------------------------


def _verdict(found: TrySummary, language: str) -> str:
    code = found["code"]
    words = escape(localise(found["verdict"], language))
    counts = say(
        "Better: {better}, worse: {worse}, same: {same}.",
        **{"better": found["better"], "worse": found["worse"], "same": found["same"]},
    ).to(language)
    return (
        f'<div class="try-verdict is-{code}">{icon(_SIGNS[code])}<div><p class="try-words">{words}</p>'
        f"<p>{escape(counts)}</p></div></div>"
    )


def _measures(measures: Sequence[MeasureSummary], language: str) -> str:
    if not measures:
        return ""
    heads = [say("Score").to(language), *_side_names(language), say("Change").to(language)]
    columns = "".join(f'<th role="columnheader" scope="col">{escape(head)}</th>' for head in heads)
    rows = "".join(_measure(measure, heads[1:], language) for measure in measures)
    name = escape(say("Mean scores").to(language))
    return (
        f'<table class="try-measures" role="table" aria-label="{name}"><thead><tr role="row">{columns}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _side_names(language: str) -> list[str]:
    return [side.to(language) for side in (say("Base: before training"), say("Tuned: after training"))]


def _measure(measure: MeasureSummary, heads: Sequence[str], language: str) -> str:
    unit = measure["unit"]
    low, high = measure["low"], measure["high"]
    reach = say("{low} to {high}", low=signed(low, unit), high=signed(high, unit)).to(language)
    span = f'<span class="try-span">{escape(reach)}</span>' if low is not None else ""
    cells = [escape(figure(measure[side], unit)) for side in SIDES]
    cells.append(f"<span>{escape(signed(measure['change'], unit))}{span}</span>")
    made = "".join(
        f'<td role="cell" data-label="{escape(head)}">{cell}</td>' for head, cell in zip(heads, cells, strict=True)
    )
    title = escape(localise(measure["title"], language))
    return f'<tr role="row"><th role="rowheader" scope="row">{title}</th>{made}</tr>'


def _notes(found: TrySummary, language: str) -> str:
    notes = [
        say(
            "chrF counts the groups of characters that an answer shares with the expected one: 0 is none, 100 the "
            "same. A row is better or worse from {points} points on; where JSON is expected, its shape counts first.",
            points=f"{DEAD_BAND:g}",
        )
    ]
    if any(measure["low"] is not None for measure in found["measures"]):
        notes.append(say("Below each change stands its 95 % interval: where it holds 0, the change may be chance."))
    if found["everyday"]:
        notes.append(
            say("Everyday questions are listed below and not counted above: {count}.", count=found["everyday"])
        )
    said = (" " if language != "ja" else "").join(note.to(language) for note in notes)
    return f'<p class="try-notes">{escape(said)}</p>'


# ---- the answers -----------------------------------------------------------------------------------------------


def _answers(rows: Sequence[Compared], language: str) -> str:
    if not rows:
        return empty(say("No such rows"), say("Choose another filter to see the others."), language)
    heads = [say("Question").to(language), say("Expected answer").to(language), *_side_names(language)]
    columns = "".join(f'<th role="columnheader" scope="col">{escape(head)}</th>' for head in heads)
    name = escape(say("Answers of base and tuned, row by row").to(language))
    return (
        f'<table class="try-table" role="table" aria-label="{name}"><thead><tr role="row">{columns}</tr></thead>'
        f"<tbody>{''.join(_row(row, heads[1:], language) for row in rows)}</tbody></table>"
    )


def _row(row: Compared, heads: Sequence[str], language: str) -> str:
    expected = row["expected"]
    cells = [_text(expected) if expected.strip() else f"<em>{escape(say('none').to(language))}</em>"]
    cells += [_answer(row, side, language) for side in SIDES]
    styles = ("expected", "base", "tuned")
    made = "".join(
        f'<td role="cell" class="is-{style}" data-label="{escape(head)}">{cell}</td>'
        for style, head, cell in zip(styles, heads, cells, strict=True)
    )
    asked = _about(row, language) + _text(row["question"])
    return f'<tr role="row"><th role="rowheader" scope="row">{asked}</th>{made}</tr>'


def _about(row: Compared, language: str) -> str:
    """Which row it is, and what became of it."""
    number = say("Row {row}", row=row["row"]) if row["row"] is not None else source_words(row["source"])
    words = {"better": say("Tuned is better"), "worse": say("Tuned is worse"), "same": say("About the same")}
    change = row["change"]
    mark = (
        f'<span class="try-change is-{change}">{icon(_SIGNS[change])}{escape(words[change].to(language))}</span>'
        if change
        else ""
    )
    return f'<span class="try-about"><span class="row-number">{escape(number.to(language))}</span>{mark}</span>'


def _answer(row: Compared, side: Side, language: str) -> str:
    answer = row.get(side)
    if not answer:
        return f"<em>{escape(say('Not answered.').to(language))}</em>"
    text = answer["text"]
    shown = _text(text) if text.strip() else f"<em>{escape(say('The answer is empty.').to(language))}</em>"
    said = (" · ").join(words.to(language) for words in _facts(row["scores"][side], answer["ended"]))
    return f'{shown}<span class="try-scores">{escape(said)}</span>'


def _facts(scores: AnswerScores | None, ended: str) -> list[Sentence]:
    """One answer's scores in words; only how it ended where there are none."""
    facts = []
    if scores and scores["chrf"] is not None:
        facts.append(
            say("exactly as expected") if scores["exact"] else say("chrF {score}", score=f"{scores['chrf']:.1f}")
        )
        if scores["valid_json"] is not None:
            good = say("JSON of the expected shape") if scores["same_shape"] else say("JSON of another shape")
            facts.append(good if scores["valid_json"] else say("no valid JSON"))
        facts.append(say("{ratio} × as long", ratio=f"{scores['length_ratio']:.2f}"))
    ends = {
        "stop": say("ended by itself"),
        "length": say("ran on and was cut"),
        "cancelled": say("stopped"),
    }
    return [*facts, ends.get(ended, say("not finished"))]


def _text(text: str) -> str:
    shown = printable(text[:_TEXT]) + ("…" if len(text) > _TEXT else "")
    return f'<span class="try-text">{escape(shown)}</span>'
