"""A run's report as one HTML file: what was trained on what, what came of it, and how to do it again.

It needs nothing but a browser: style and pictures are in it, it holds no script and asks no server. Everything that a
person or a model wrote is escaped. Imports no Gradio, so that the backend can write it.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import orjson

from playground.core.i18n import Sentence, localise, say
from playground.core.messages import Message
from playground.core.paths import ASSETS
from playground.runs.types import SCALES, Probe, ProbeRound, ReportRows, RunStatus
from playground.ui.run.curve_charts import drawn_plots, figure
from playground.ui.run.curves import columns_of, smoothing_note, table
from playground.ui.run.diagnosis import readings_view
from playground.ui.run.glossary import glossary
from playground.ui.run.plan import plan_lines
from playground.ui.run.probes import answer_words, rounds_shown, source_words
from playground.ui.run.scales import gauge, scale_of, scales_table, why_missing
from playground.ui.run.verdict import verdict_view
from playground.ui.settings.fields import settings_table, value_in_words
from playground.ui.widgets.markup import escape, refusal

_HERE = Path(__file__).resolve().parent
_STYLES = (_HERE / "report_page.css", ASSETS / "styles" / "run.css")
_ANSWER = 600
_ROUNDS = 6
_ROW = 700
_SOURCE = 4_000
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def report_html(run: RunStatus, rows: ReportRows, language: str) -> str:
    """The whole file."""
    title = say("Report of a training run").to(language)
    name = run["title"] or run["model"]
    parts = [
        _summary(run, language),
        _result(run, language),
        _scales(run, language),
        _curves(run, language),
        readings_view(run, language, buttons=False),
        _probes(run, language),
        _samples(rows, language),
        _machine(run, language),
        _settings(run, language),
        _again(run, rows, language),
        _glossary(language),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        '<meta name="color-scheme" content="light dark"/>'
        f"<title>{escape(f'{title}: {name}')}</title><style>{_style()}</style></head>"
        f'<body><main class="report"><header class="report-head"><p class="report-kind">{escape(title)}</p>'
        f"<h1>{escape(name)}</h1></header>{''.join(parts)}"
        f'<footer class="report-foot">{escape(say("Made with SFT Playground.").to(language))}</footer>'
        "</main></body></html>\n"
    )


def _style() -> str:
    css = "\n".join(_COMMENT.sub("", path.read_text(encoding="utf-8")) for path in _STYLES)
    return "\n".join(line.strip() for line in css.splitlines() if line.strip())


def _section(title: Sentence, body: str, language: str, name: str) -> str:
    """ "" where there is no body."""
    if not body:
        return ""
    return f'<section class="report-{name}"><h2>{escape(title.to(language))}</h2>{body}</section>'


def _pairs(pairs: list[tuple[Sentence, Any]], language: str) -> str:
    rows = "".join(
        f"<div><dt>{escape(name.to(language))}</dt><dd>{escape(localise(said, language))}</dd></div>"
        for name, said in pairs
        if said not in (None, "")
    )
    return f'<dl class="report-pairs">{rows}</dl>' if rows else ""


# ---- what was trained, and what came of it ---------------------------------------------------------------------


def _summary(run: RunStatus, language: str) -> str:
    counts = say("{rows} rows, {held_out} of them held out", rows=run["rows"], held_out=run["held_out_rows"])
    begun = run["started"] or run["created"]
    pairs = [
        (say("Model"), run["model"]),
        (say("Number of rows"), counts),
        (say("Supervised tokens"), f"{run['trained_tokens']:,}"),
        (say("Trained further from"), run["start_from"]),
        (say("How it ended"), _end(run)),
        (say("Date"), f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime(begun))} UTC"),
        *plan_lines(run),
    ]
    return _section(say("What was trained"), _pairs(pairs, language), language, "summary")


def _end(run: RunStatus) -> Sentence:
    steps = {"step": f"{run['step']:,}", "steps": f"{run['steps']:,}"}
    ends = {
        "done": say("finished after step {step} of {steps}", **steps),
        "stopped": say("stopped by hand after step {step} of {steps}", **steps),
        "failed": say("failed after step {step} of {steps}", **steps),
    }
    return ends.get(run["state"], say("not finished when this was written: step {step} of {steps}", **steps))


def _result(run: RunStatus, language: str) -> str:
    error = refusal(run["error"], language) if run["error"] else ""
    verdict = verdict_view(run, language)
    if not verdict and not error:
        verdict = (
            f'<p class="absent">{escape(say("There is no verdict: the run has not come to its end.").to(language))}</p>'
        )
    return f"{error}{verdict}"


def _scales(run: RunStatus, language: str) -> str:
    measured = {name: scale_of(run, name) for name in SCALES}
    missing = "".join(
        f"<li>{escape(_scale_name(name).to(language))}: {escape(why_missing(name, before).to(language))}</li>"
        for name, (before, after, _) in measured.items()
        if before is None or after is None
    )
    listed = f'<ul class="absent">{missing}</ul>' if missing else ""
    shown = scales_table(run, language) if any(before is not None for before, _, _ in measured.values()) else ""
    note = ""
    if shown:
        words = say(
            "Loss in nats per token: lower is better. A change counts where its whole interval lies on one side of 0."
        )
        note = f'<p class="run-hint">{escape(words.to(language))}</p>'
    return _section(say("Three scales"), f"{note}{shown}{listed}{gauge(run, language)}", language, "scales")


def _scale_name(name: str) -> Sentence:
    return {"train": say("Training rows"), "held_out": say("Held-out rows")}.get(name, say("Everyday questions"))


def _curves(run: RunStatus, language: str) -> str:
    metrics = run["metrics"]
    plots = drawn_plots(metrics)
    if not plots:
        body = f'<p class="absent">{escape(say("No step was measured.").to(language))}</p>'
        return _section(say("Curves"), body, language, "curves")
    figures = "".join(figure(plot, metrics, run["steps"], run["best_step"], language) for plot in plots)
    body = (
        f'<div class="plots">{figures}</div><p class="curves-note">{escape(smoothing_note(language))}</p>'
        f'<div class="table-scroll">{table(metrics, columns_of(metrics, plots), language)}</div>'
    )
    return _section(say("Curves"), body, language, "curves")


# ---- what it says, and on what ---------------------------------------------------------------------------------


def _probes(run: RunStatus, language: str) -> str:
    probes, rounds = run["probes"], rounds_shown(run, _ROUNDS)
    if not probes or not rounds:
        return ""
    items = "".join(_probe(place, probe, rounds, language) for place, probe in enumerate(probes))
    marked = say("What is new since the answer above it is underlined.")
    return _section(
        say("Answers over time"), f'<p class="run-hint">{escape(marked.to(language))}</p>{items}', language, "probes"
    )


def _probe(place: int, probe: Probe, rounds: list[ProbeRound], language: str) -> str:
    texts = [moment["answers"][place]["text"] if place < len(moment["answers"]) else "" for moment in rounds]
    rows = "".join(
        f'<tr><th scope="row">{moment["step"]}</th><td>'
        f"{answer_words(moment, place, texts[number - 1] if number else None, _ANSWER, language)}</td></tr>"
        for number, moment in enumerate(rounds)
    )
    if probe["expected"]:
        words = escape(say("Expected answer").to(language))
        rows += f'<tr class="is-expected"><th scope="row">{words}</th><td>{_cut(probe["expected"], _ANSWER)}</td></tr>'
    heads = "".join(f'<th scope="col">{escape(word.to(language))}</th>' for word in (say("Step"), say("Answer")))
    source = escape(source_words(probe["source"]).to(language))
    return (
        f'<h3 class="report-prompt"><span class="probe-source">{source}</span> {_cut(probe["prompt"], _ANSWER)}</h3>'
        f'<table class="figures answers"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _cut(text: str, most: int) -> str:
    return escape(text[:most]) + ("…" if len(text) > most else "")


def _samples(rows: ReportRows, language: str) -> str:
    items = "".join(f"<li>{''.join(_turn(turn) for turn in sample)}</li>" for sample in rows["samples"])
    return _section(
        say("Some of the rows"), f'<ol class="report-samples">{items}</ol>' if items else "", language, "rows"
    )


def _turn(turn: Message) -> str:
    content = turn.get("content")
    text = content if isinstance(content, str) else orjson.dumps(content, default=str).decode()
    return f"<p><strong>{escape(turn.get('role', ''))}</strong> {_cut(text, _ROW)}</p>"


# ---- how ------------------------------------------------------------------------------------------------------


def _machine(run: RunStatus, language: str) -> str:
    pairs = [
        (say("Device"), run.get("device") or run["memory"].get("device")),
        (say("Number format"), run.get("dtype")),
        (say("Base weights"), run.get("quantization")),
        (say("Versions"), ", ".join(f"{name} {number}" for name, number in run.get("versions", {}).items())),
    ]
    notes = "".join(f"<li>{escape(localise(note, language))}</li>" for note in run["notes"])
    listed = f'<ul class="run-notes">{notes}</ul>' if notes else ""
    return _section(say("What it ran on, and why"), _pairs(pairs, language) + listed, language, "machine")


def _settings(run: RunStatus, language: str) -> str:
    shown = settings_table(run["settings"], language)
    return _section(say("Settings"), f'<div class="table-scroll">{shown}</div>', language, "settings")


def _again(run: RunStatus, rows: ReportRows, language: str) -> str:
    settings = run["settings"]
    said = say(
        "Load the settings below from a file on the fine-tuning page, give the same rows and press Start training. The "
        "same seed, rows, machine and versions give the same losses; on another machine they differ a little."
    )
    pairs = [
        (say("Seed"), value_in_words("seed", settings["seed"], language)),
        (say("Fingerprint of the rows (SHA-256)"), rows["fingerprint"]),
        (say("Run"), run["run"]),
    ]
    source = orjson.dumps(settings, default=str, option=orjson.OPT_INDENT_2).decode()
    listed = f'<pre class="report-json">{_cut(source, _SOURCE)}</pre>'
    body = f"<p>{escape(said.to(language))}</p>{_pairs(pairs, language)}{listed}"
    return _section(say("How to do it again"), body, language, "again")


def _glossary(language: str) -> str:
    terms = "".join(
        f"<div><dt>{escape(term.to(language))}</dt><dd>{escape(meaning.to(language))}</dd></div>"
        for term, meaning in glossary()
    )
    return _section(say("Terms"), f'<dl class="report-terms">{terms}</dl>', language, "terms")
