"""Whose template: the model's own, one by name, a file's, or one edited here; and how far it is from where it began.

What a person does arrives as values of widgets, or as a wish of another part of the page (a fix, an undo, a link, a
file). `follow` turns them into the next `TemplateState`, which is all that this tab remembers about templates.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import gradio as gr
import orjson

from playground.core.errors import PlaygroundError
from playground.core.i18n import LANGUAGES, localise, say
from playground.server.backend import Backend
from playground.templates.types import TemplateDescription, TemplateFile
from playground.ui.widgets.i18n import label

RENEW = "() => { setTimeout(() => { const box = document.activeElement; if (box.select) box.select(); }, 100); }"
"""For `focus` of a long list: what is typed takes the place of the name that stands there. Late, for the mouse is up
only then.
"""
EDITED = "::edited"
FILE = "::file"
_DIFF_SCRIPT = (Path(__file__).parent / "template_diff.js").read_text(encoding="utf-8")


@dataclass(frozen=True, eq=False)
class TemplateState:
    """The template at hand. Sources have \\n as line end, because the box in the browser knows no other."""

    base: str | None = None
    """Where it came from: "" (the model's own), a name, or FILE; None before the first description."""
    model: str = ""
    original: str = ""
    source: str = ""
    stash: tuple[str, str] | None = None
    """(base, source) of the last edits, kept when another template is chosen."""
    file: TemplateFile | None = None
    """What was opened last."""
    facts: TemplateDescription | None = None
    """Of the newest source that compiled."""
    error: PlaygroundError | None = None
    """Why the newest source could not be read."""
    wish: int = 0
    """Stamp of the last wish that was fulfilled."""

    @property
    def is_edited(self) -> bool:
        return self.source != self.original

    @property
    def chosen(self) -> str | None:
        """What the chooser shows."""
        return EDITED if self.is_edited else self.base

    @property
    def template(self) -> str:
        """What the backend is to render with: "", a name, or source."""
        return as_source(self.source) if self.is_edited else self.unedited

    @property
    def unedited(self) -> str:
        """The same before any edit. A file's text goes as it came, \\r included."""
        return self.file["source"] if self.base == FILE and self.file else self.base or ""


def as_source(text: str) -> str:
    """Text that the backend takes for Jinja source, not for a name: Jinja drops one line end at the end."""
    return text if "{" in text or "\n" in text else text + "\n"


def unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


class Wish(TypedDict):
    """Another part of the page asks for a template as if it had been chosen."""

    stamp: int
    template: str
    source: str | None
    """As if it had been edited into that."""
    file: TemplateFile | None


class ForTraining(TypedDict):
    """The template in use under the names of `TrainSettings`, and what to call it."""

    chat_template: str
    chat_template_kwargs: dict[str, Any]
    chat_template_clock: str
    name: str


def wish(template: str, source: str | None = None, file: TemplateFile | None = None) -> Wish:
    return {"stamp": time.time_ns(), "template": template, "source": source, "file": file}


class TemplateSource:
    """The chooser, and the panel with the source beneath it."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.state = gr.State(TemplateState())
        self.wish = gr.State(None)

    def choose(self) -> None:
        self.template = gr.Dropdown(
            self.choices(TemplateState(), "en"),
            value="",
            label=label("Template"),
            info=label("How the conversation becomes one text. Other templates show how other models write it."),
            elem_id="template",
            filterable=True,
        )

    def panel(self) -> None:
        """Right above the views, so that what an edit does is in sight."""
        with gr.Accordion(label("Edit its source, or open a file"), open=False, elem_id="source-panel"):
            self.source = gr.Code(
                "",
                language="jinja2",
                label=label("Template source (Jinja)"),
                show_label=False,
                interactive=True,
                wrap_lines=True,
                lines=8,
                max_lines=16,
                elem_id="template-source",
                buttons=["copy", "download"],
            )
            # gr.Code strips what the server puts in, and a template's blanks are output. A class of its own would have
            # Gradio write a .pyi file beside it.
            self.source.postprocess = lambda value: value
            with gr.Row(elem_classes="actions"):
                self.original = gr.Button(
                    label("Back to the original"), size="md", interactive=False, elem_id="template-original"
                )
                self.upload = gr.UploadButton(
                    label("Open a file"),
                    size="md",
                    file_types=[".jinja", ".jinja2", ".j2", ".json", ".txt"],
                    type="filepath",
                    elem_id="template-file",
                )
            gr.HTML(
                label("A .jinja file, or a model's tokenizer_config.json."),
                elem_classes="hint",
                js_on_load=None,
                apply_default_css=False,
            )
            self.diff = gr.HTML(
                value={"original": "", "source": ""},
                html_template='<div class="source-diff"></div>',
                js_on_load=f"const WORDS = {_diff_words()};\n{_DIFF_SCRIPT}",
                elem_id="template-diff",
                apply_default_css=False,
            )

    def choices(self, state: TemplateState, language: str) -> list[tuple[Any, str]]:
        """What can be chosen now. What was edited or opened here stays in the list, so choosing loses nothing."""
        offered: list[tuple[Any, str]] = [(label("The model's own"), "")]
        if state.is_edited or state.stash:
            offered.append((label("Edited here"), EDITED))
        if state.file:
            offered.append((say("File: {name}", name=state.file["name"]).to(language), FILE))
        return [*offered, *((name, name) for name in self.backend.templates.names())]

    def follow(self, state: TemplateState, chosen: str, box: str, model: str, wished: Wish | None) -> TemplateState:
        """The state after what was done last: wished, chosen, another model, typed, or nothing of these."""
        source = unix(box)
        if wished and wished["stamp"] != state.wish:
            kept = replace(state, wish=wished["stamp"], file=wished["file"] or state.file, model=model)
            return self._open(_stashed(kept, source), wished["template"], wished["source"])
        if chosen != state.chosen:
            kept = replace(_stashed(state, source), model=model)
            if chosen == EDITED and state.stash:
                return self._open(replace(kept, stash=None), *state.stash)
            return self._open(kept, chosen)
        if model != state.model:
            return self._open(replace(state, model=model), state.base or "", source if state.is_edited else None)
        if source != state.source:
            return self._describe(replace(state, source=source))
        if state.error:  # It may have passed: a model that was still on its way.
            return self._describe(state) if state.is_edited else self._open(state, state.base or "")
        return state

    def _open(self, state: TemplateState, base: str, source: str | None = None) -> TemplateState:
        try:
            facts = self.backend.templates.template(state.model, replace(state, base=base).unedited)
        except PlaygroundError as error:
            # A model without a template of its own: whatever is written into the box is an edit of nothing.
            return replace(state, base=base, original="", source=unix(source or ""), error=error)
        original = unix(facts["source"])
        opened = replace(state, base=base, original=original, source=original, facts=facts, error=None)
        if source is None or unix(source) == original:
            return opened
        return self._describe(replace(opened, source=unix(source)))

    def _describe(self, state: TemplateState) -> TemplateState:
        """With what the source reads; while it does not compile, what it read before."""
        try:
            return replace(state, facts=self.backend.templates.template(state.model, state.template), error=None)
        except PlaygroundError as error:
            return replace(state, error=error)

    def shown(self, before: TemplateState, state: TemplateState, box: str, language: str) -> dict[Any, Any]:
        """Updates of the widgets. The box is left alone while it is typed into."""
        changes: dict[Any, Any] = {self.state: state}
        if (state.chosen, state.stash, state.file) != (before.chosen, before.stash, before.file):
            changes[self.template] = gr.update(choices=self.choices(state, language), value=state.chosen)
        if state.is_edited != before.is_edited:
            changes[self.original] = gr.update(interactive=state.is_edited)
        if state.source != unix(box):
            changes[self.source] = state.source
        if (state.original, state.source) != (before.original, before.source):
            changes[self.diff] = {"original": state.original, "source": state.source}
        return changes


def _stashed(state: TemplateState, source: str) -> TemplateState:
    """Edits are put by before another template takes their place in the box."""
    if state.base is None or not state.is_edited:
        return state
    return replace(state, stash=(state.base, source))


def name_of(state: TemplateState, language: str) -> str:
    """What to call the template in a sentence or a table."""
    if state.is_edited:
        return say("Edited here").to(language)
    if state.base == FILE and state.file:
        return state.file["name"]
    return state.base or say("The model's own").to(language)


def for_training(state: TemplateState, options: dict[str, Any], language: str) -> ForTraining:
    return {
        "chat_template": state.template,
        # Both are variables that the template reads, and a run has one place for them.
        "chat_template_kwargs": {**(options.get("special_tokens") or {}), **(options.get("template_kwargs") or {})},
        "chat_template_clock": options.get("clock") or "",
        "name": name_of(state, language),
    }


def _diff_words() -> str:
    """JSON, language -> what the script says."""
    said = {
        "same": say("This is the original, unchanged."),
        "changed": say("Lines added: {added}, removed: {removed}", added="{added}", removed="{removed}"),
        "unchanged": say("Unchanged lines: {count}", count="{count}"),
        "title": say("Changes from the original"),
        "added": say("added"),
        "removed": say("removed"),
    }
    return orjson.dumps({language: localise(said, language) for language in LANGUAGES}).decode()
