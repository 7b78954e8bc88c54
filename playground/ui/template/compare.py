"""One conversation through two templates or two models, side by side; worked out only while somebody looks."""

from __future__ import annotations

from typing import Any, Literal

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence, say
from playground.server.backend import Backend
from playground.templates.types import Comparison, DiffPart, Side
from playground.ui.template.source import RENEW
from playground.ui.widgets.events import LIVE, PAGE, QUEUED
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.markup import callout, empty, escape, refusal
from playground.ui.widgets.token_chips import visible

SAME = "::same"
ORIGINAL = "::original"
CONTEXT = 60
"""Characters of equal text shown on each side of a difference."""


class TemplateCompare:
    """The accordion. What is compared with is the tab's `shown`: the conversation as it was last rendered."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.open = gr.State(False)
        self.news = gr.State(0)
        """Changes after each render while the accordion is open."""
        with gr.Accordion(
            label("Side by side with another template or model"), open=False, elem_id="compare-panel"
        ) as self.panel:
            with gr.Row(elem_classes="compare-choice"):
                self.template = gr.Dropdown(
                    [
                        (label("The same template"), SAME),
                        (label("The template before it was edited"), ORIGINAL),
                        (label("The model's own"), ""),
                        *((name, name) for name in backend.templates.names()),
                    ],
                    value=self._another(),
                    label=label("Template on the other side"),
                    info=label("The same conversation and inputs, written by another template."),
                    elem_id="compare-with",
                    filterable=True,
                    min_width=220,
                )
                self.model = gr.Dropdown(
                    [
                        (label("The same model"), SAME),
                        *((one["name"], one["name"]) for one in backend.models.catalogue()),
                    ],
                    value=SAME,
                    label=label("Model on the other side"),
                    info=label("Another model cuts the same text into other tokens."),
                    elem_id="compare-with-model",
                    filterable=False,
                    min_width=220,
                )
            self.view = gr.HTML("", elem_id="compare-view", js_on_load=None, apply_default_css=False)

    def _another(self) -> str:
        names = self.backend.templates.names()
        return "chatml" if "chatml" in names else names[0] if names else SAME

    def wire(self, shown: gr.State) -> None:
        self.template.focus(None, js=RENEW, **PAGE)
        self.panel.expand(lambda: True, None, self.open, **QUEUED)
        self.panel.collapse(lambda: False, None, self.open, **QUEUED)
        gr.on(
            [self.open.change, self.news.change, self.template.input, self.model.input],
            self.compare,
            [self.open, shown, self.template, self.model],
            self.view,
            **LIVE,
        )

    def compare(self, is_open: bool, shown: dict[str, Any], template: str, model: str, request: gr.Request) -> Any:
        """`shown` is {messages, model, template, original, options, label}, {} before anything was rendered."""
        if not is_open:
            return gr.skip()
        language = reader_language(request)
        if not shown:
            return empty(say("Nothing to compare yet"), say("Both sides need a conversation that renders."), language)
        other = {
            "model": shown["model"] if model == SAME else model,
            "template": {SAME: shown["template"], ORIGINAL: shown["original"]}.get(template, template),
        }
        one = {"model": shown["model"], "template": shown["template"]}
        if one == other:
            same = say("Both sides are the same. Choose another template or another model.")
            return callout("info", same.to(language))
        try:
            found = self.backend.templates.compare(shown["messages"], [one, other], shown["options"])
        except PlaygroundError as error:
            return refusal(error, language)
        named = {SAME: shown["label"], ORIGINAL: say("Before the edits").to(language)}
        names = [shown["label"], named.get(template, template or say("The model's own").to(language))]
        if one["model"] != other["model"]:
            names = [f"{name} · {side['model']}" for name, side in zip(names, (one, other), strict=True)]
        return comparison(found, names, language)


def comparison(found: Comparison, names: list[str], language: str) -> str:
    """Figures of both sides as a table, and what differs in their texts. `names`: what to call each side."""
    sides = found["sides"]
    heads = [say("This template"), say("The other side")]
    figures: list[tuple[Sentence, list[int | None]]] = [
        (say("Tokens"), [side["tokens"] for side in sides]),
        (say("Trained tokens"), [side["trained"] for side in sides]),
        (say("Characters"), [side["characters"] for side in sides]),
        (say("Tokens around a user turn"), [_cost(side, "user") for side in sides]),
        (say("Tokens around an assistant turn"), [_cost(side, "assistant") for side in sides]),
    ]
    titles = "".join(
        f'<th scope="col"><span class="side-name">{escape(head.to(language))}</span>'
        f'<span class="side-label">{escape(name)}</span></th>'
        for head, name in zip(heads, names, strict=True)
    )
    rows = "".join(_row(name.to(language), values) for name, values in figures)
    errors = "".join(refusal(side["error"], language) for side in sides if side["error"])
    table = (
        f'<table class="side-table"><thead><tr><td></td>{titles}<th scope="col">'
        f"{escape(say('Difference').to(language))}</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    return f'{errors}<div class="side-figures">{table}</div>{_difference(found["diff"], language)}'


def _cost(side: Side, role: Literal["user", "assistant"]) -> int | None:
    return side["turn_cost"][role] if side["turn_cost"] else None


def _row(name: str, values: list[int | None]) -> str:
    cells = "".join(f"<td>{'–' if value is None else f'{value:,}'}</td>" for value in values)
    first, second = values
    gap = "–" if first is None or second is None else f"{second - first:+,}".replace("-", "\u2212").replace("+0", "0")
    return f'<tr><th scope="row">{escape(name)}</th>{cells}<td class="side-gap">{gap}</td></tr>'


def _difference(diff: list[DiffPart], language: str) -> str:
    """The two texts as one: what only one side has carries a sign and a line, so that colour is not needed."""
    if not diff:
        return ""
    if all(part["op"] == "equal" for part in diff):
        return f'<p class="hint">{escape(say("Both sides write the same text.").to(language))}</p>'
    title = escape(say("What differs in the text").to(language))
    here, there = say("only in this template").to(language), say("only on the other side").to(language)
    key = (
        f'<p class="hint"><del><span class="sign">\u2212</span>{escape(here)}</del> '
        f'<ins><span class="sign">+</span>{escape(there)}</ins></p>'
    )
    parts = "".join(_part(part, place, len(diff)) for place, part in enumerate(diff))
    return f'<h3>{title}</h3>{key}<pre class="exact text-diff">{parts}</pre>'


def _part(part: DiffPart, place: int, count: int) -> str:
    text = part["text"]
    if part["op"] == "delete":
        return f'<del><span class="sign">\u2212</span>{visible(text)}</del>'
    if part["op"] == "insert":
        return f'<ins><span class="sign">+</span>{visible(text)}</ins>'
    if len(text) <= 3 * CONTEXT:
        return visible(text)
    before = "" if place == 0 else visible(text[:CONTEXT])
    after = "" if place == count - 1 else visible(text[-CONTEXT:])
    return f'{before}<span class="diff-gap">…</span>{after}'
