"""Base and tuned on the same questions: which answer is nearer to the expected one, and what that says of the run.

Rows come from held_out_questions.py, with what both sides answered to them (types.Answered). The scores are those of
answer_scores.py, the intervals those of bootstrap.py. Everyday questions (source "general") are in the table and not in
the summary: they are no sample of what the run is for.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from playground.core.i18n import Sentence, say
from playground.runs.answer_scores import are_json, score_answer
from playground.runs.bootstrap import paired_change
from playground.runs.types import SIDES, Answered, AnswerScores, Compared, MeasureSummary, ScoreName, Side, TrySummary

CHANGES = ("better", "worse", "same")
DEAD_BAND = 2.0
"""Points of chrF by which answers have to differ to be better or worse: a word more or less in a long answer."""
FEWEST = 5
"""Rows below which nothing is claimed: there a single row decides."""


class Measure(NamedTuple):
    """One way to score an answer."""

    name: ScoreName
    title: Sentence
    unit: str
    """points (0 to 100), share (0 to 1) or ratio."""


MEASURES = (
    Measure("chrf", say("Nearness (chrF)"), "points"),
    Measure("exact", say("Exactly as expected"), "share"),
    Measure("valid_json", say("Valid JSON"), "share"),
    Measure("same_shape", say("JSON of the expected shape"), "share"),
    Measure("length_ratio", say("Length against the expected one"), "ratio"),
    Measure("ended", say("Ended by itself"), "share"),
)


def compare_answers(rows: Sequence[Answered]) -> list[Compared]:
    """The rows, each with its scores and how it changed; new dicts in the same order.

    Tuned is better than base where its answer alone has the shape of the expected JSON, and else where its chrF is
    higher by DEAD_BAND or more; worse the other way round. Answers are held to JSON where the expected ones of all rows
    but everyday questions are. Where nothing was expected, or a side did not come to an end (no answer yet,
    cancelled), nothing is compared: change is "", and the scores of such a side are None.
    """
    as_json = are_json(row["expected"] for row in rows if _counts(row))
    return [_compared(row, as_json) for row in rows]


def _counts(row: Answered) -> bool:
    return row["source"] != "general"


def _compared(row: Answered, as_json: bool) -> Compared:
    scores = {side: _scores(row, side, as_json) for side in SIDES}
    base, tuned = scores["base"], scores["tuned"]
    change = "" if base is None or tuned is None else _change(base, tuned)
    return {**row, "scores": scores, "change": change}


def _scores(row: Answered, side: Side, as_json: bool) -> AnswerScores | None:
    answer = row.get(side)
    if not answer or answer["ended"] not in ("stop", "length"):
        return None
    return score_answer(answer["text"], row["expected"], answer["ended"], as_json=as_json)


def _change(base: AnswerScores, tuned: AnswerScores) -> str:
    if base["chrf"] is None or tuned["chrf"] is None:
        return ""
    if base["same_shape"] != tuned["same_shape"]:
        return "better" if tuned["same_shape"] else "worse"
    gain = tuned["chrf"] - base["chrf"]
    if abs(gain) < DEAD_BAND:
        return "same"
    return "better" if gain > 0 else "worse"


# --- What it says ---


def summary(rows: Sequence[Compared]) -> TrySummary:
    """What compared rows say together. A measure that no row has is left out.

    The verdict rests on one measure, chosen without looking at which side it favours: the shape where JSON is
    expected and some row's shape changed, else chrF. It claims nothing where the interval holds 0 or is None.
    """
    compared = [row for row in rows if row["change"]]
    counted = [row for row in compared if _counts(row)]
    measures = [found for measure in MEASURES if (found := _measured(measure, counted))]
    changes = [row["change"] for row in counted]
    code, verdict = _verdict(len(counted), measures, any(_shape_changed(row) for row in counted))
    return {
        "rows": len(counted),
        "everyday": len(compared) - len(counted),
        "better": changes.count("better"),
        "worse": changes.count("worse"),
        "same": changes.count("same"),
        "measures": measures,
        "code": code,
        "verdict": verdict,
    }


def _measured(measure: Measure, rows: Sequence[Compared]) -> MeasureSummary | None:
    pairs = [[_score(row, side, measure.name) for side in SIDES] for row in rows]
    known = [(float(base), float(tuned)) for base, tuned in pairs if base is not None and tuned is not None]
    if not known:
        return None
    # Each row weighs as much as any other: one "token" a row makes the bootstrap's ratio a mean.
    base, tuned = ([(pair[side], 1) for pair in known] for side in (0, 1))
    change = paired_change(base, tuned)
    is_enough = len(known) >= FEWEST
    return {
        "name": measure.name,
        "title": measure.title,
        "unit": measure.unit,
        "rows": len(known),
        "base": sum(value for value, _ in base) / len(known),
        "tuned": sum(value for value, _ in tuned) / len(known),
        "change": change.mean,
        "low": change.low if is_enough else None,
        "high": change.high if is_enough else None,
    }


def _shape_changed(row: Compared) -> bool:
    return _score(row, "base", "same_shape") != _score(row, "tuned", "same_shape")


def _score(row: Compared, side: Side, name: ScoreName) -> float | bool | None:
    scores = row["scores"][side]
    return scores[name] if scores else None


def _verdict(rows: int, measures: list[MeasureSummary], by_shape: bool) -> tuple[str, Sentence]:
    if not rows:
        return "none", say("No row has an expected answer and an answer from both sides yet.")
    if rows < FEWEST:
        few = say(
            "{rows} of {fewest} rows that it takes to say anything: nothing is claimed.", rows=rows, fewest=FEWEST
        )
        return "few", few
    [found] = [measure for measure in measures if measure["name"] == ("same_shape" if by_shape else "chrf")]
    change, low, high = found["change"], found["low"], found["high"]
    code = "unclear"
    if low is not None and low > 0:
        code = "better"
    elif high is not None and high < 0:
        code = "worse"
    figures = {name: signed(value, found["unit"]) for name, value in (("change", change), ("low", low), ("high", high))}
    return code, (_shape_words if by_shape else _chrf_words)(code, rows, figures)


def _shape_words(code: str, rows: int, figures: dict[str, str]) -> Sentence:
    return {
        "better": say(
            "Over {rows} rows, tuned writes JSON of the expected shape more often than base: {change} (95 % interval "
            "{low} to {high}).",
            rows=rows,
            **figures,
        ),
        "worse": say(
            "Over {rows} rows, tuned writes JSON of the expected shape less often than base: {change} (95 % interval "
            "{low} to {high}).",
            rows=rows,
            **figures,
        ),
        "unclear": say(
            "Over {rows} rows, how often the JSON has the expected shape changed by {change}; with a 95 % interval "
            "from {low} to {high} that may be chance.",
            rows=rows,
            **figures,
        ),
    }[code]


def _chrf_words(code: str, rows: int, figures: dict[str, str]) -> Sentence:
    return {
        "better": say(
            "Over {rows} rows, tuned comes nearer to the expected answers than base: chrF {change} (95 % interval "
            "{low} to {high}).",
            rows=rows,
            **figures,
        ),
        "worse": say(
            "Over {rows} rows, tuned is further from the expected answers than base: chrF {change} (95 % interval "
            "{low} to {high}).",
            rows=rows,
            **figures,
        ),
        "unclear": say(
            "Over {rows} rows, chrF changed by {change}; with a 95 % interval from {low} to {high} that may be chance.",
            rows=rows,
            **figures,
        ),
    }[code]


def figure(value: float | None, unit: str) -> str:
    """A mean in its unit: "45.2", "80 %", "1.25 ×"; "–" where there is none."""
    if value is None:
        return "–"
    return {"points": f"{value:.1f}", "share": f"{value * 100:.0f} %", "ratio": f"{value:.2f} ×"}[unit]


def signed(value: float | None, unit: str) -> str:
    """A difference of means with its sign and a true minus; of shares in percentage points: "+40 pt". What rounds to
    nothing has no sign.
    """
    if value is None:
        return "–"
    words = figure(abs(value), unit).replace("%", "pt")
    sign = ("+" if value > 0 else "\N{MINUS SIGN}") if re.search("[1-9]", words) else ""
    return sign + words


# --- To take away ---

_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_FORMULA = re.compile("[\t\r\n]|[\\s\ufeff\u200b-\u200f\ufffd]*[=+\\-@＝＋－＠]")


def printable(text: str) -> str:
    """The text with U+FFFD for what no page, file or spreadsheet can hold: control characters, lone surrogates."""
    return _NO_TEXT.sub("\ufffd", text)


def to_csv(rows: Sequence[Compared]) -> bytes:
    """Compared rows for a spreadsheet: a line each, with both sides' scores beside the texts.

    UTF-8 with a BOM, without which Excel reads Japanese as something else; all texts quoted, so that no separator of
    any locale splits them; yes and no as 1 and 0. Two things are not as they were: what `printable` replaces, and
    an apostrophe before a text that a spreadsheet would take for a formula. Those begin with = + - @, half or full
    width and with blanks before them or not, or with a tab or a line break (OWASP, CSV Injection). `to_jsonl` has the
    texts as they came.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    names = ["row", "source", "question", "expected", *SIDES, "change"]
    writer.writerow([*names, *(f"{side}_{measure.name}" for measure in MEASURES for side in SIDES)])
    for row in rows:
        answers = [row.get(side) for side in SIDES]
        texts = [row["question"], row["expected"], *(answer["text"] if answer else "" for answer in answers)]
        writer.writerow(map(_cell, [row["row"], row["source"], *texts, row["change"], *_figures(row)]))
    return table.getvalue().encode("utf-8-sig")


def _figures(row: Compared) -> Iterator[float | int | None]:
    for measure in MEASURES:
        for side in SIDES:
            value = _score(row, side, measure.name)
            yield int(value) if isinstance(value, bool) else value


def _cell(value: Any) -> Any:
    """What stands in a cell of the CSV: numbers as they are, nothing as "", and texts that no spreadsheet computes."""
    if isinstance(value, int | float):
        return value
    text = printable("" if value is None else str(value))
    return f"'{text}" if _FORMULA.match(text) else text


def to_jsonl(rows: Sequence[Compared]) -> bytes:
    """Compared rows as JSON Lines, one object a row, everything as it came: UTF-8, and lone surrogates as \\ud800."""
    return b"".join(
        json.dumps(row, ensure_ascii=False).encode("utf-8", errors="backslashreplace") + b"\n" for row in rows
    )
