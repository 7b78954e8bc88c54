"""First step of fine-tuning: rows come in, and what would be trained on them is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from playground.backend import Backend
from playground.errors import PlaygroundError
from playground.settings import TrainSettings
from playground.ui.chips import chips, legend
from playground.ui.choices import Choice, buttons, choices
from playground.ui.events import LIVE, PAGE, QUICK
from playground.ui.header import Header
from playground.ui.heading import heading
from playground.ui.i18n import label, reader_language, told
from playground.ui.markup import empty, escape, findings, refusal, stat
from playground.ui.run_template import RunTemplate, template_settings
from playground.words import localise, say


class RowsPanel:
    """The paste box, the upload and the examples; and on the other side the backend's opinion of them."""

    def __init__(self, backend: Backend, template: gr.State) -> None:
        self.backend = backend
        self.example = gr.State("")
        """Name of the example that was put into the box; a run is called after it while the box is unchanged."""
        with gr.Column(elem_classes="card"):
            heading(label("Rows"), label("Choose an example, paste your own conversations, or upload a file."), "1")
            self.cards = choices(label("Examples"), "examples", "cards")
            self.template = RunTemplate(template)
            with gr.Row(equal_height=False):
                with gr.Column(scale=5, min_width=300):
                    self._inputs()
                with gr.Column(scale=7, min_width=300):
                    self.view = gr.HTML("", elem_id="check", js_on_load=None, apply_default_css=False)

    def _inputs(self) -> None:
        self.paste = gr.Textbox(
            label=label("Training data (JSONL or JSON)"),
            info=label("One conversation a line, with messages, or with prompt and completion."),
            placeholder='{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}',
            lines=9,
            max_lines=16,
            elem_id="paste",
        )
        self.file = gr.File(
            label=label("Or upload a file (.jsonl, .json)"),
            file_types=[".jsonl", ".json"],
            type="filepath",
            height=120,
            elem_id="upload",
        )

    def wire(self, page: gr.Blocks, header: Header, max_length: Any, train_on: Any) -> None:
        page.load(self.offer, None, self.cards, **QUICK)
        self.cards.select(
            self.take_example, None, [self.paste, self.file, self.example], show_progress="hidden", **PAGE
        )
        self.file.change(self.lock_box, self.file, self.paste, **QUICK)
        self.template.wire()
        gr.on(
            [
                page.load,
                self.paste.change,
                self.file.change,
                max_length.change,
                train_on.change,
                self.template.chosen.change,
                header.model.input,
                header.ready.change,
            ],
            self.check,
            [self.paste, self.file, header.model, max_length, train_on, self.template.chosen],
            self.view,
            **LIVE,
        )

    def offer(self, request: gr.Request) -> str:
        language = reader_language(request)
        return buttons(
            [
                Choice(
                    localise(example["title"], language),
                    localise(example["teaches"], language),
                    say("{rows} rows", rows=example["rows"]).to(language),
                )
                for example in self.backend.examples()
            ]
        )

    @told
    def take_example(self, chosen: gr.SelectData, request: gr.Request) -> tuple[str, None, str]:
        name = self.backend.examples()[int(chosen.index)]["name"]
        return self.backend.example_text(name), None, name

    def lock_box(self, file: str | None) -> Any:
        # With both there would be two sets of rows; the box keeps its text for when the file is removed.
        return gr.update(interactive=not file)

    def check(
        self,
        pasted: str,
        file: str | None,
        model: str | None,
        max_length: float | None,
        train_on: str | None,
        template: dict[str, Any] | None,
        request: gr.Request,
    ) -> str:
        language = reader_language(request)
        if not (pasted or "").strip() and not file:
            return nothing_pasted(language)
        settings = template_settings(template)
        options = {
            "max_length": int(max_length) if max_length else TrainSettings.max_length,
            "train_on": train_on or TrainSettings.train_on,
            "template": settings.get("chat_template", ""),
            "template_kwargs": settings.get("chat_template_kwargs"),
            "clock": settings.get("chat_template_clock"),
        }
        try:
            report = self.backend.check_dataset("" if file else pasted, file or "", model or "", options)
        except PlaygroundError as error:
            return f'<div id="check-findings">{refusal(error, language)}</div>'
        return check_view(report, Path(file).name if file else "", language)

    def source(self, pasted: str, file: str | None, example: str) -> tuple[str, str]:
        """(example, file) names for a run's title: the example only while the box still holds it."""
        if file:
            return "", Path(file).name
        try:
            same = bool(example) and self.backend.example_text(example).strip() == (pasted or "").strip()
        except PlaygroundError:
            same = False
        return (example if same else ""), ""


def nothing_pasted(language: str) -> str:
    return empty(
        say("No rows yet"),
        say("Press one of the examples, or paste a few dozen conversations. What would be trained appears here."),
        language,
    )


def check_view(report: dict[str, Any], file: str, language: str) -> str:
    """Counts, findings and the first rows as they will be trained."""
    trained, tokens = report["trained_tokens"], report["tokens"]
    percent = f"{100 * trained / tokens:.0f} %" if tokens else ""
    unusable = report["rows"] - report["usable_rows"]
    note = say("{rows} cannot be used", rows=unusable).to(language) if unusable else ""
    cells = [
        stat(say("Usable rows"), f"{report['usable_rows']:,}", note, language),
        stat(say("Tokens"), f"{tokens:,}", "", language),
        stat(say("Trained tokens"), f"{trained:,}", percent, language),
        stat(say("Rows cut off"), f"{report['truncated_rows']:,}", "", language),
    ]
    named = say("File: {name}", name=file).to(language) if file else ""
    source = f'<p class="source">{escape(named)}</p>' if named else ""
    return (
        f'{source}<dl class="stats" id="check-counts">{"".join(cells)}</dl>'
        f'<div id="check-findings">{_findings(report, language)}</div>{_preview(report["preview"], language)}'
    )


def _findings(report: dict[str, Any], language: str) -> str:
    left_out = report.get("findings_left_out") or 0
    more = say("and {count} more findings like these", count=f"{left_out:,}").to(language) if left_out else ""
    return findings(report["findings"], language) + (f'<p class="more">{escape(more)}</p>' if more else "")


def _preview(rows: list[dict[str, Any]], language: str) -> str:
    if not rows:
        return ""
    title = escape(say("The first rows, as they will be trained").to(language))
    shown = "".join(
        f'<li><span class="row-number">{escape(say("Row {row}", row=row["row"]).to(language))}</span>'
        f"{chips(row['tokens'], language, left_out=row.get('left_out') or 0)}</li>"
        for row in rows
    )
    tokens = [token for row in rows for token in row["tokens"]]
    return f'<h3>{title}</h3>{legend(tokens, language)}<ol class="row-preview" id="check-preview">{shown}</ol>'
