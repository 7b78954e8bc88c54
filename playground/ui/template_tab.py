"""Tab "Chat template": a conversation as the exact text and tokens that the model sees, while it is typed."""

from __future__ import annotations

from typing import Any

import gradio as gr
import orjson

from playground.backend import Backend
from playground.errors import PlaygroundError
from playground.ui.chips import chips, exact_text, legend, share
from playground.ui.choices import Choice, buttons, choices
from playground.ui.conversation_editor import conversation_editor
from playground.ui.events import LIVE, PAGE, QUICK
from playground.ui.header import Header
from playground.ui.heading import heading
from playground.ui.i18n import label, reader_language, warn
from playground.ui.markup import empty, escape, findings, refusal
from playground.words import Sentence, say

Messages = list[dict[str, Any]]


def starters() -> list[tuple[Sentence, Messages]]:
    """Conversations to start from: each shows something else about templates."""
    question = {"role": "user", "content": "What is a chat template?"}
    answer = {"role": "assistant", "content": "It turns a conversation into the one text that a model reads."}
    return [
        (say("Question and answer"), [question, answer]),
        (
            say("With a system prompt"),
            [
                {"role": "system", "content": "You are a poet. Answer only with a haiku."},
                {"role": "user", "content": "Why is the sky blue?"},
                {
                    "role": "assistant",
                    "content": "Sunlight meets the air\nand the blue rays scatter most\nhigh above our heads",
                },
            ],
        ),
        (
            say("Several turns"),
            [
                {"role": "user", "content": "Name a planet."},
                {"role": "assistant", "content": "Saturn."},
                {"role": "user", "content": "How many rings does it have?"},
                {"role": "assistant", "content": "Seven main rings, named after the first letters of the alphabet."},
            ],
        ),
        (
            say("In Japanese"),
            [
                {"role": "system", "content": "あなたは親切な司書です。"},
                {"role": "user", "content": "おすすめの本はありますか。"},
                {"role": "assistant", "content": "はい。「銀河鉄道の夜」はいかがでしょうか。"},
            ],
        ),
        (say("Only a question"), [question]),
    ]


class TemplateTab:
    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=320, elem_classes="card"):
                self._editor()
            with gr.Column(scale=7, min_width=320, elem_classes="card"):
                heading(
                    label("What the model sees"),
                    label("The template adds role marks and special tokens; each chip is one token."),
                )
                self.view = gr.HTML(
                    label("Working out the tokens."), elem_id="template-view", js_on_load=None, apply_default_css=False
                )
                with gr.Accordion(label("Exact text, with spaces and line ends visible"), open=True):
                    self.text = gr.HTML("", elem_id="exact-text", js_on_load=None, apply_default_css=False)

    def _editor(self) -> None:
        heading(label("Conversation"), label("Edit the turns: the tokens follow as you type."))
        self.starter = choices(label("Start from an example"), "template-examples", "pills")
        self.conversation = conversation_editor(starters()[0][1], "conversation")
        self.template = gr.Dropdown(
            [(label("The model's own"), ""), *((name, name) for name in self.backend.templates())],
            value="",
            label=label("Template"),
            info=label("Another template shows how other models write the same conversation."),
            elem_id="template",
            filterable=False,
        )
        self.prompt = gr.Checkbox(
            False,
            label=label("Generation prompt"),
            info=label("Ends with the opening of an assistant turn, as when the model is asked to answer."),
            elem_id="generation-prompt",
        )
        self.to_training = gr.Button(label("Fine-tune on this"), variant="primary", elem_id="fine-tune-on-this")
        gr.HTML(
            label("Adds this conversation as a row to your training data."),
            elem_classes="hint",
            js_on_load=None,
            apply_default_css=False,
        )

    def wire(self, page: gr.Blocks, header: Header) -> None:
        page.load(self.offer, None, self.starter, **QUICK)
        self.starter.select(self.start_from, None, self.conversation, **QUICK)
        gr.on(
            [
                page.load,
                self.conversation.input,
                self.template.input,
                self.prompt.input,
                header.model.input,
                header.ready.change,
            ],
            self.show,
            self._inputs(header),
            [self.view, self.text],
            show_progress_on=self.view,
            **LIVE,
        )

    def _inputs(self, header: Header) -> list[Any]:
        return [self.conversation, self.template, self.prompt, header.model]

    def hand_over(self, tabs: gr.Tabs, paste: gr.Textbox, file: gr.File) -> Any:
        """Let the button put the conversation into the training data; returns the event, to look at the rows after."""
        return self.to_training.click(
            self.as_row, [self.conversation, paste, file], [paste, file, tabs], show_progress="hidden", **PAGE
        )

    def offer(self, request: gr.Request) -> str:
        language = reader_language(request)
        return buttons([Choice(title.to(language)) for title, _ in starters()])

    def start_from(self, chosen: gr.SelectData) -> Messages:
        return starters()[int(chosen.index)][1]

    def show(
        self, messages: Messages | None, template: str, prompt: bool, model: str | None, request: gr.Request
    ) -> tuple[str, str]:
        language = reader_language(request)
        if not messages:
            return empty(say("Nothing to show yet"), say("Add a turn, or start from an example."), language), ""
        try:
            preview = self.backend.preview(
                messages, model or "", template or "", {"add_generation_prompt": bool(prompt)}
            )
        except PlaygroundError as error:
            return f'<div id="template-findings">{refusal(error, language)}</div>', ""
        return template_view(preview, language), exact_text(preview["text"])

    def as_row(self, messages: Messages | None, pasted: str, file: Any, request: gr.Request) -> tuple[Any, Any, Any]:
        language = reader_language(request)
        if not messages:
            warn(say("There is no turn to train on yet."), language)
            return gr.skip(), gr.skip(), gr.skip()
        before = (pasted or "").rstrip()
        if before.startswith("["):
            full = say(
                "Your rows are a JSON list, to which a line cannot be added. Clear the box first, or paste JSONL."
            )
            warn(full, language)
            return gr.skip(), gr.skip(), gr.Tabs(selected="finetune")
        row = orjson.dumps({"messages": messages}).decode()
        return f"{before}\n{row}" if before else row, None, gr.Tabs(selected="finetune")


def template_view(preview: dict[str, Any], language: str) -> str:
    """Counts, legend, chips and findings of one rendered conversation."""
    tokens = preview["tokens"]
    trained = sum(1 for token in tokens if token["trained"])
    masks = {
        "generation": say("The template itself marks what the assistant wrote; that is what is trained."),
        "prefix": say("What is trained was found by rendering the conversation with and without each answer."),
        "none": say("With this template it is not known which tokens are the assistant's: nothing is trained."),
    }
    why = masks.get(preview.get("mask", ""), "")
    note = f'<p class="mask-note">{escape(why.to(language))}</p>' if isinstance(why, Sentence) and tokens else ""
    return (
        f'<div id="template-counts">{share(trained, len(tokens), language)}</div>{legend(tokens, language)}'
        f'<div id="chips">{chips(tokens, language)}</div>{note}'
        f'<div id="template-findings">{findings(preview["findings"], language)}</div>'
    )
