"""The backend's opinion of the rows as HTML: what they are, how many, how long, and what a run makes of them."""

from __future__ import annotations

from collections.abc import Sequence

from playground.core.figures import often, rows_said, steps_said
from playground.core.i18n import localise, say
from playground.data.types import DatasetReport, Padding, Split
from playground.ui.rows.edits import Edit
from playground.ui.rows.findings import changes_bar, kinds_list
from playground.ui.rows.length_chart import length_plot
from playground.ui.rows.persistence import MOST_BYTES
from playground.ui.widgets.markup import callout, empty, escape, stat

_FORMATS = {
    "jsonl": "JSON Lines", "json": "JSON", "csv": "CSV", "tsv": "TSV", "parquet": "Parquet", "xlsx": "Excel",
    "markdown": "Markdown",
}  # fmt: skip


def nothing_given(language: str) -> str:
    return empty(
        say("No rows yet"),
        say("Press one of the examples, or bring rows of your own. What would be trained appears here."),
        language,
    )


def shape_word(shape: str, language: str) -> str:
    words = {
        "messages": say("messages"),
        "sharegpt": say("ShareGPT conversations"),
        "alpaca": say("Alpaca instructions"),
        "prompt_completion": say("prompt and completion"),
        "question_answer": say("question and answer"),
        "text": say("plain text"),
        "mapped": say("columns as you mapped them"),
    }
    return words[shape].to(language) if shape in words else shape


def report_view(
    report: DatasetReport,
    file: str,
    edits: Sequence[Edit],
    taken_back: int,
    language: str,
    *,
    forgets: bool = False,
) -> str:
    """`taken_back`: changes that belonged to other rows and no longer count, to be said. `forgets`: a reload loses the
    rows.
    """
    notice = ""
    if taken_back == 1:
        notice = callout("info", say("The rows are other ones now, so your change was taken back.").to(language))
    elif taken_back:
        told = say("The rows are other ones now, so your {count} changes were taken back.", count=taken_back)
        notice = callout("info", told.to(language))
    return (
        f"{notice}{_source(report, file, language)}{_counts(report, language)}{_facts(report, language)}"
        f"{length_plot(report['lengths'], report['max_length'], language)}"
        f'<div id="check-findings">{changes_bar(edits, language)}{_forgets(forgets, file, edits, language)}'
        f"{kinds_list(report, language)}</div>"
    )


def _forgets(forgets: bool, file: str, edits: Sequence[Edit], language: str) -> str:
    """What is lost with a reload, said where there is work in it: a file alone is chosen again."""
    if not forgets or (file and not edits):
        return ""
    told = (
        say("A reload of the page forgets the file and what you changed: download the cleaned rows to keep them.")
        if file
        else say(
            "A reload of the page forgets rows of more than {limit} kB: download the cleaned rows to keep them.",
            limit=MOST_BYTES // 1000,
        )
    )
    return f'<p class="hint forgets">{escape(told.to(language))}</p>'


def _source(report: DatasetReport, file: str, language: str) -> str:
    """Which file, how it was read, and which shapes its rows have, each with the reason."""
    source = report["source"]
    kind = _FORMATS.get(source["file_format"], "") or say("Text").to(language)
    encoding = source["encoding"].upper().replace("_", "-") if source["encoding"] else ""
    named = say("File: {name}", name=file).to(language) if file else ""
    line = " · ".join(part for part in (named, kind, encoding) if part)
    shapes = "".join(
        f"<li><strong>{escape(shape_word(shape['shape'], language))}</strong>"
        f'<span class="shape-rows">{escape(rows_said(shape["rows"]).to(language))}</span> '
        f'<span class="shape-reason">{escape(localise(shape["reason"], language))}</span></li>'
        for shape in report["shapes"]
    )
    listed = f'<ul class="shapes" id="check-shapes">{shapes}</ul>' if shapes else ""
    return f'<p class="source">{escape(line)}</p>{listed}'


def _counts(report: DatasetReport, language: str) -> str:
    trained, tokens = report["trained_tokens"], report["tokens"]
    share = 100 * trained / tokens if tokens else 0.0
    dropped = report["dropped_rows"]
    unusable = report["rows"] - report["usable_rows"] - dropped
    notes = []
    if unusable > 0:
        notes.append(say("{rows} cannot be used", rows=f"{unusable:,}").to(language))
    if dropped:
        notes.append(say("{rows} dropped", rows=f"{dropped:,}").to(language))
    held_out = report["held_out_tokens"]
    parts = [f"{share:.0f} %"] if tokens else []
    parts += [say("and {count} held out", count=f"{held_out:,}").to(language)] if held_out else []
    cells = [
        stat(say("Usable rows"), f"{report['usable_rows']:,}", " · ".join(notes), language),
        stat(say("Tokens"), f"{tokens:,}", "", language),
        stat(say("Trained tokens"), f"{trained:,}", " · ".join(parts), language),
        stat(say("Rows cut off"), f"{report['truncated_rows']:,}", "", language),
    ]
    told = say(
        "{tokens} tokens, {trained} of them trained ({percent} %)",
        tokens=f"{tokens:,}",
        trained=f"{trained:,}",
        percent=f"{share:.0f}",
    ).to(language)
    bar = (
        f'<span class="share-bar" role="img" aria-label="{escape(told)}">'
        f'<span style="width:{share:.1f}%"></span></span>'
        if tokens
        else ""
    )
    return f'<dl class="stats" id="check-counts">{"".join(cells)}</dl>{bar}'


def _facts(report: DatasetReport, language: str) -> str:
    """How a run shares the rows out: held out, seen how often, padded how much."""
    if not report["usable_rows"]:
        return ""
    split, epochs, padding = report["split"], report["epochs"], report["padding"]
    rows = [
        (say("Held out"), _held_out(split, language)),
        (
            say("Each row is seen"),
            say("{times} in {steps}", times=often(f"{epochs['seen']:g}"), steps=steps_said(epochs["steps"])).to(
                language
            ),
        ),
        (say("Padding"), _padding(padding, language)),
    ]
    return (
        '<dl class="row-facts" id="check-facts">'
        + "".join(f"<div><dt>{escape(name.to(language))}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
        + "</dl>"
    )


def _held_out(split: Split, language: str) -> str:
    if not split["held_out"]:
        return say("none").to(language)
    rows = rows_said(split["held_out"])
    if split["seed"] is None:
        return say("{rows}, the last ones", rows=rows).to(language)
    return say("{rows}, drawn with seed {seed}", rows=rows, seed=split["seed"]).to(language)


def _padding(padding: Padding, language: str) -> str:
    used = say(
        "{percent} % of a batch of {batch}", percent=f"{100 * padding['grouped']:.0f}", batch=padding["batch"]
    ).to(language)
    if padding["shuffled"] - padding["grouped"] < 0.005:
        return used
    other = say("{percent} % if rows of any length came together", percent=f"{100 * padding['shuffled']:.0f}")
    return ("、" if language == "ja" else "; ").join((used, other.to(language)))
