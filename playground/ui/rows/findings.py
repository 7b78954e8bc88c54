"""What was found in the rows, one item a kind: what it is, what it does to a run, which rows, what a click does."""

from __future__ import annotations

from collections.abc import Sequence

from playground.core.figures import rows_said
from playground.core.i18n import Sentence, localise, say, sentences
from playground.data.types import DatasetReport, FindingKind
from playground.ui.rows.edits import KNOWN, Edit, button_words, edit_word, summary
from playground.ui.rows.state import RowFinding
from playground.ui.widgets.buttons import button_for
from playground.ui.widgets.markup import escape, icon, severity_word

NUMBERS_SHOWN = 12
"""Row numbers as buttons in one finding; a dataset with one fault a row would fill the page."""


def kind_title(code: str) -> Sentence | None:
    """A finding's kind in a few words; None for one without a name of its own."""
    words = {
        "not_json": say("Not readable"),
        "not_an_object": say("No row"),
        "bad_row": say("Not readable"),
        "unusable": say("Not usable"),
        "refused": say("Refused by the chat template"),
        "too_long": say("Too long"),
        "no_supervised_token": say("Nothing left to learn"),
        "answer_cut": say("Answer cut off"),
        "question_cut": say("Question cut off"),
        "marked_bad": say("Marked as bad"),
        "nothing_to_learn": say("Nothing to learn in it"),
        "nothing_said": say("Nothing said"),
        "tools_ignored": say("Tools not in the text"),
        "content_dropped": say("Words not in the text"),
        "role_dropped": say("Words not in the text"),
        "system_dropped": say("System prompt not in the text"),
        "content_rewritten": say("Words changed by the template"),
        "reasoning_stripped": say("Thoughts not in the text"),
        "reasoning_ignored": say("Thoughts not in the text"),
        "turn_end_missing": say("No end of the turn"),
        "history_rewritten": say("Earlier turns rewritten"),
        "depends_on_date": say("Today's date in the text"),
        "columns_not_used": say("Columns not used"),
        "keys_not_used": say("Keys not used"),
        "grades_not_used": say("Grades not used"),
        "weight_ignored": say("Weights not followed"),
        "weights_overridden": say("Weights not followed"),
        "printed_value": say("A printed list or object"),
        "call_as_words": say("A call that is no JSON"),
        "empty_answer": say("Empty answer"),
        "empty_question": say("Empty question"),
        "missing_value": say("A word for an empty cell"),
        "header_below": say("Header further down"),
        "outer_whitespace": say("Blanks around the words"),
        "duplicate": say("Copies"),
        "near_duplicate": say("Nearly copies"),
        "near_duplicate_limits": say("Search for copies"),
        "held_out_in_training": say("Held out and trained on"),
        "contradiction": say("Contradicting answers"),
        "control_tokens": say("Control tokens in the words"),
        "dominating_row": say("One long row"),
        "other_language": say("Another language"),
        "private_data": say("Personal data or secrets"),
        "role_order": say("Order of the roles"),
        "repeated_answer": say("The same answer again and again"),
        "seen_often": say("Rows seen often"),
        "too_few_rows": say("Few rows"),
        "small_step": say("Fewer rows than a step asks for"),
        "duplicate_keys": say("A key twice"),
        "cell_without_value": say("Formula without a value"),
        "too_few_cells": say("Cells missing"),
        "too_many_cells": say("Too many cells"),
    }
    return words.get(code)


def changes_bar(edits: Sequence[Edit], language: str) -> str:
    """What was changed so far and the way back. "" while nothing was."""
    if not edits:
        return ""
    undo = button_for("undo", say("Undo").to(language), named=say("Undo the last change").to(language))
    every = button_for("undo_all", say("Undo all").to(language)) if len(edits) > 1 else ""
    return (
        f'<div class="changes-bar" id="rows-changes" role="status">{icon("done")}'
        f'<span class="changes-words">{escape(summary(edits, language))}</span>'
        f'<span class="row-buttons">{undo}{every}</span></div>'
    )


def kinds_list(report: DatasetReport, language: str) -> str:
    """All kinds of findings, gravest first."""
    kinds = report["codes"]
    if not kinds:
        nothing = say("Nothing to find fault with.") if report["usable_rows"] else None
        return f'<p class="faultless">{icon("done")}<span>{escape(nothing.to(language))}</span></p>' if nothing else ""
    return f'<ul class="findings">{"".join(_kind(place, kind, language) for place, kind in enumerate(kinds))}</ul>'


def _kind(place: int, kind: FindingKind, language: str) -> str:
    severity = kind["severity"]
    title = kind_title(kind["code"])
    named = f'<strong class="finding-title">{escape(title.to(language))}</strong>' if title else ""
    count = rows_said(len(kind["rows"])).to(language) if kind["rows"] else ""
    told = sentences((kind["why"], kind["fix"]), language)
    more = f'<span class="finding-more">{escape(told)}</span>' if told else ""
    counted = f'<span class="finding-rows">{escape(count)}</span>' if count else ""
    acts = _numbers(place, kind, language) + _edits(place, kind, language)
    return (
        f'<li class="finding is-{severity}" data-code="{escape(kind["code"])}">{icon(severity)}<div>'
        f'<span class="finding-head"><strong>{escape(severity_word(severity, language))}</strong>'
        f"{named}{counted}</span>"
        f'<span class="finding-message">{escape(localise(kind["message"], language))}</span>{more}'
        f'{f"""<div class="finding-acts">{acts}</div>""" if acts else ""}</div></li>'
    )


def _numbers(place: int, kind: FindingKind, language: str) -> str:
    """The rows as buttons that open the viewer there."""
    rows = kind["rows"]
    if not rows:
        return ""
    buttons = [
        button_for(
            "go",
            str(row),
            "is-number",
            say("Go to row {row}", row=row).to(language),
            kind=place,
            code=kind["code"],
            row=row,
        )
        for row in rows[:NUMBERS_SHOWN]
    ]
    if len(rows) > NUMBERS_SHOWN:
        more = say("and {count} more", count=f"{len(rows) - NUMBERS_SHOWN:,}").to(language)
        buttons.append(button_for("go", more, "is-number", kind=place, code=kind["code"], row=rows[NUMBERS_SHOWN]))
    lead = escape(say("Go to row").to(language))
    return f'<span class="finding-numbers"><span class="numbers-lead">{lead}</span>{"".join(buttons)}</span>'


def _edits(place: int, kind: FindingKind, language: str) -> str:
    buttons = [
        button_for(
            "fix",
            button_words(edit["do"], len(edit["rows"]), len(kind["rows"]), language),
            kind=place,
            code=kind["code"],
            do=edit["do"],
        )
        for edit in kind["edits"]
        if edit["do"] in KNOWN
    ]
    return f'<span class="row-buttons">{"".join(buttons)}</span>' if buttons else ""


def row_findings(found: Sequence[RowFinding], row: int, language: str) -> str:
    """The findings of one row, each with its edits for that row alone."""
    items = "".join(_of_row(finding, row, language) for finding in found)
    return f'<ul class="row-findings">{items}</ul>' if items else ""


def _of_row(finding: RowFinding, row: int, language: str) -> str:
    severity = finding["severity"]
    words = finding["message"] or kind_title(finding["code"]) or say("Finding")
    fix = f' <span class="finding-fix">{escape(localise(finding["fix"], language))}</span>' if finding["fix"] else ""
    buttons = "".join(
        button_for("fix_row", edit_word(do).to(language), row=row, code=finding["code"], do=do)
        for do in finding["edits"]
        if do in KNOWN
    )
    return (
        f'<li class="is-{severity}">{icon(severity)}<div><strong>{escape(severity_word(severity, language))}</strong> '
        f'<span class="finding-message">{escape(localise(words, language))}</span>{fix}'
        f'<span class="row-buttons">{buttons}</span></div></li>'
    )
