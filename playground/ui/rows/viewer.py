"""The rows one by one as HTML: as a conversation or as the tokens that would be trained, and what was found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from playground.core.figures import tokens_said
from playground.core.findings import FindingDict
from playground.core.i18n import localise, say
from playground.data.types import RowsPage, ShownRow
from playground.ui.rows.findings import row_findings
from playground.ui.rows.report import shape_word
from playground.ui.rows.state import Report, RowFinding, RowsState
from playground.ui.widgets.buttons import button_for
from playground.ui.widgets.markup import escape, icon, severity_word
from playground.ui.widgets.token_chips import chips, legend, role_class, role_word

PER_PAGE = 5
FOLDED = 600
"""Characters of a message that are shown at once; the rest unfolds."""
_RAW_SHOWN = 4_000


def rows_list(state: RowsState, language: str) -> str:
    """The page of rows at hand."""
    answer, report, view = state.shown, state.report, state.view
    if answer is None:
        return ""
    if not answer["rows"]:
        nothing = say("No row has these words.") if state.query else say("No row is left here.")
        return f'<p class="no-rows" role="status">{escape(nothing.to(language))}</p>'
    items = "".join(_row(row, report, view, state.goto, language) for row in answer["rows"])
    goto = f' data-goto="{state.goto}"' if state.goto else ""
    return f'{_legend(answer["rows"], view, language)}<ol class="data-rows" id="check-preview"{goto}>{items}</ol>'


def first_rows(rows: Sequence[ShownRow], view: str, language: str) -> str:
    """The first rows while the others are still worked on; nothing in them can be pressed yet."""
    if not rows:
        return ""
    items = "".join(_row(row, None, view, 0, language) for row in rows)
    return f'{_legend(rows, view, language)}<ol class="data-rows is-early" id="check-preview">{items}</ol>'


def pages_words(answer: RowsPage | None, language: str) -> str:
    if not answer or not answer["total"]:
        return ""
    said = say(
        "Page {page} of {pages} ({rows})",
        page=f"{answer['page']:,}",
        pages=f"{answer['pages']:,}",
        rows=say("1 row") if answer["total"] == 1 else say("{rows} rows", rows=f"{answer['total']:,}"),
    )
    return f'<p class="pages" role="status">{escape(said.to(language))}</p>'


def only_words(state: RowsState, language: str) -> str:
    """Says that not all rows are shown, and how to see them again."""
    if not state.only:
        return ""
    said = say("Only rows with this finding: {kind}", kind=localise(state.only["title"], language)).to(language)
    every = button_for("all_rows", say("Show all rows").to(language))
    return f'<p class="only-rows"><span>{escape(said)}</span>{every}</p>'


def _legend(rows: Sequence[ShownRow], view: str, language: str) -> str:
    if view != "tokens":
        return ""
    return legend([token for row in rows for token in row.get("tokens") or ()], language)


def _row(row: ShownRow, report: Report | None, view: str, goto: int, language: str) -> str:
    number = row["row"]
    usable = "tokens" in row
    found = report.on_row(number) if report else []
    refusal = row.get("finding")
    if refusal and not any(finding["code"] == refusal["code"] for finding in found):
        offered = refusal["edits"] or ["drop"]
        found = [
            {
                "code": refusal["code"],
                "severity": refusal["severity"],
                "message": refusal["message"],
                "fix": refusal["fix"],
                "edits": offered,
            },
            *found,
        ]
    lit = " is-lit" if number == goto else ""
    return (
        f'<li class="data-row{lit}{"" if usable else " is-unusable"}" data-row="{number}" tabindex="-1">'
        f"{_head(row, report, usable, found, language)}"
        f"{row_findings(found, number, language) if report else _reason(refusal, language)}"
        f"{_body(row, view, language)}</li>"
    )


def _head(row: ShownRow, report: Report | None, usable: bool, found: Sequence[RowFinding], language: str) -> str:
    number = row["row"]
    badges = []
    if report and number in report.held_out:
        badges.append(f'<span class="row-badge is-held">{escape(say("held out").to(language))}</span>')
    if not usable:
        badges.append(f'<span class="row-badge is-out">{escape(say("cannot be used").to(language))}</span>')
    if usable and row.get("shape"):
        badges.append(f'<span class="row-badge">{escape(shape_word(row["shape"], language))}</span>')
    counts = f'<span class="row-counts">{escape(_counts(row, language))}</span>' if usable else ""
    buttons = ""
    if report:
        edit = button_for(
            "edit", say("Edit").to(language), named=say("Edit row {row}", row=number).to(language), row=number
        )
        drop = button_for(
            "fix_row",
            say("Drop").to(language),
            named=say("Drop row {row}", row=number).to(language),
            row=number,
            code="",
            do="drop",
        )
        # A finding that is answered by dropping has the button already.
        offered = any("drop" in finding["edits"] for finding in found)
        buttons = f'<span class="row-buttons">{edit}{"" if offered else drop}</span>'
    title = escape(say("Row {row}", row=number).to(language))
    return f'<div class="row-head"><span class="row-number">{title}</span>{"".join(badges)}{counts}{buttons}</div>'


def _counts(row: ShownRow, language: str) -> str:
    given = {"tokens": f"{row['length']:,}", "trained": f"{row['trained']:,}"}
    cut = row["length"] - row["kept"]
    if cut:
        return say("{tokens} tokens, {trained} trained, {cut} cut off", **given, cut=f"{cut:,}").to(language)
    return say("{tokens} tokens, {trained} trained", **given).to(language)


def _reason(finding: FindingDict | None, language: str) -> str:
    if not finding:
        return ""
    severity = finding["severity"]
    return (
        f'<ul class="row-findings"><li class="is-{severity}">{icon(severity)}<div>'
        f"<strong>{escape(severity_word(severity, language))}</strong> "
        f'<span class="finding-message">{escape(localise(finding["message"], language))}</span></div></li></ul>'
    )


def _body(row: ShownRow, view: str, language: str) -> str:
    if view == "tokens" and "tokens" in row:
        before = row.get("left_out_before") or 0
        lead = ""
        if before:
            words = say("{tokens} before these, cut off", tokens=tokens_said(before)).to(language)
            lead = f'<p class="more">{escape(words)}</p>'
        return lead + chips(row["tokens"], language, left_out=(row.get("left_out") or 0) - before)
    if row.get("messages"):
        return f'<div class="said-list">{"".join(_message(message, language) for message in row["messages"])}</div>'
    raw = row["text"] if "text" in row else as_json(row.get("data"))
    title = escape(say("As it came").to(language))
    more = "…" if len(raw) > _RAW_SHOWN else ""
    return (
        f'<div class="raw-row"><span class="raw-title">{title}</span><pre>{escape(raw[:_RAW_SHOWN])}{more}</pre></div>'
    )


def as_json(data: Any) -> str:
    # Not orjson: whole numbers beyond 64 bits are data too.
    return json.dumps(data, ensure_ascii=False, indent=2, default=str)


def _message(message: dict[str, Any], language: str) -> str:
    role = str(message.get("role", ""))
    who = f'<span class="who {role_class(role)}">{escape(role_word(role, language))}</span>'
    content = message.get("content")
    parts = []
    if isinstance(content, str) and content:
        parts.append(_folded(content, language))
    elif content:
        parts.append(f"<pre>{escape(as_json(content))}</pre>")
    others = {key: value for key, value in message.items() if key not in ("role", "content") and value}
    if others:
        parts.append(f"<pre>{escape(as_json(others))}</pre>")
    if not parts:
        parts.append(f'<span class="no-words">{escape(say("no words").to(language))}</span>')
    return f'<div class="said {role_class(role)}">{who}<div class="said-words">{"".join(parts)}</div></div>'


def _folded(words: str, language: str) -> str:
    if len(words) <= FOLDED:
        return f'<p class="words">{escape(words)}</p>'
    rest = say("Show all {count} characters", count=f"{len(words):,}").to(language)
    return (
        f'<details class="folded"><summary><span class="words">{escape(words[: FOLDED // 2])}…</span>'
        f'<span class="unfold">{escape(rest)}</span></summary><p class="words">{escape(words)}</p></details>'
    )
