"""Tab "Chat template": a conversation as the exact text and tokens that the model sees, while anything of it is edited.

One listener (`show`) follows every widget, so that an older answer can never overwrite a newer one. Parts of the page
that set several things at once (a fix, a link, a file) put values into the widgets and a wish into `source.wish`; the
same listener then does the rest.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import gradio as gr
import orjson

from playground.core.errors import PlaygroundError
from playground.core.i18n import localise, say
from playground.server.backend import Backend
from playground.templates.samples import Sample
from playground.ui.template.compare import TemplateCompare
from playground.ui.template.controls import asked, merged, template_inputs
from playground.ui.template.conversation_editor import conversation_editor
from playground.ui.template.share_link import link_to, share_link, state_of
from playground.ui.template.source import (
    FILE,
    RENEW,
    TemplateSource,
    TemplateState,
    Wish,
    for_training,
    name_of,
    wish,
)
from playground.ui.template.token_view import empty_data, refusal_data, token_view, view_data
from playground.ui.widgets.debounce import TEMPLATE_CHANGED, template_debounce
from playground.ui.widgets.elements import Choice, buttons, choices, heading
from playground.ui.widgets.events import LIVE, PAGE, QUEUED, QUICK
from playground.ui.widgets.header import Header
from playground.ui.widgets.i18n import label, reader_language, told, warn

Messages = list[dict[str, Any]]
Options = dict[str, Any]

# The clipboard is closed to pages without https; the code is on the page then.
_COPY = "(code) => { if (code && navigator.clipboard) navigator.clipboard.writeText(code).catch(() => {}); }"


class TemplateTab:
    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.source = TemplateSource(backend)
        self.shown = gr.State({})
        """What was last rendered: {messages, model, template, original, options, label}; {} where nothing could be."""
        self.before_fix = gr.State({})
        self.python_open = gr.State(False)
        self.template_for_training = gr.State(None)
        """ForTraining, what `hand_over` hands on."""
        self.changed = template_debounce("template-changed")
        with gr.Column(elem_id="lab"):
            with gr.Column(elem_classes="card", elem_id="lab-conversation", min_width=280):
                self._conversation()
            with gr.Column(elem_classes="card", elem_id="lab-view", min_width=280):
                self._view()
            with gr.Column(elem_classes="card", elem_id="lab-inputs", min_width=280):
                heading(label("Inputs of the template"), label("Everything else that a template can read."))
                self.inputs = template_inputs("template-inputs")
            with gr.Column(elem_classes="card", elem_id="lab-compare", min_width=280):
                self.compare = TemplateCompare(backend)

    def _conversation(self) -> None:
        heading(label("Conversation"), label("Edit the turns: the tokens follow as you type."))
        self.samples = choices(label("Start from an example"), "template-examples", "pills")
        with gr.Accordion(label("Examples that break things on purpose"), open=False, elem_id="breakers-panel"):
            self.breakers = choices(label("Examples that break things on purpose"), "template-breakers", "pills")
        self.conversation = conversation_editor(self._samples(False)[0].messages, "conversation")

    def _view(self) -> None:
        heading(
            label("What the model sees"),
            label("The template adds role marks and special tokens; each chip is one token."),
        )
        self.source.choose()
        self.source.panel()
        self.undo = gr.Button(label("Undo the last fix"), size="sm", visible=False, elem_id="undo-fix")
        self.view = token_view("template-view")
        with gr.Row(elem_classes="actions"):
            self.to_training = gr.Button(label("Fine-tune on this"), variant="primary", elem_id="fine-tune-on-this")
            self.copy_python = gr.Button(label("Copy Python"), elem_id="copy-python")
            self.copy_link = gr.Button(label("Copy link"), elem_id="copy-link")
        gr.HTML(
            label(
                "To fine-tune on this, the conversation becomes a row of your training data; template and variables "
                "go along."
            ),
            elem_classes="hint",
            js_on_load=None,
            apply_default_css=False,
        )
        self.link = share_link("share")
        with gr.Accordion(
            label("Python that renders the same"), open=True, visible=False, elem_id="python-panel"
        ) as self.python_panel:
            self.python = gr.Code(
                "",
                language="python",
                show_label=False,
                interactive=False,
                max_lines=18,
                buttons=["copy"],
                elem_id="python",
            )

    def wire(self, page: gr.Blocks, header: Header) -> None:
        source = self.source
        page.load(self.offer, None, [self.samples, self.breakers], **QUICK)
        for group, breaks in ((self.samples, False), (self.breakers, True)):
            group.select(self._starter(breaks), None, [self.conversation, self.inputs], **QUICK)
        self.conversation.tools(self.take_tools, self.inputs, self.inputs, **QUICK)
        source.original.click(self.to_original, source.state, source.wish, **QUEUED)
        source.upload.upload(self.read_file, [source.upload, self.inputs], [source.wish, self.inputs], **QUEUED)
        triggers = [
            self.conversation.input,
            source.template.input,
            source.source.input,
            source.wish.change,
            self.inputs.input,
            header.model.input,
            header.ready.change,
        ]
        gr.on(triggers, None, js=TEMPLATE_CHANGED, **PAGE)
        source.template.focus(None, js=RENEW, **PAGE)
        self.changed.input(self.show, self._read(header), self._written(), show_progress_on=self.view, **LIVE)
        self.compare.wire(self.shown)
        self._wire_fixes()
        self._wire_copies(header)

    def _read(self, header: Header) -> list[Any]:
        source = self.source
        return [
            self.conversation, source.template, source.source, self.inputs, header.model, source.wish, source.state,
            self.shown, self.compare.open, self.python_open, self.compare.news,
        ]  # fmt: skip

    def _written(self) -> list[Any]:
        source = self.source
        return [
            self.view, source.template, source.source, source.original, source.diff, self.inputs,
            source.state, self.shown, self.compare.news,
        ]  # fmt: skip

    def _wire_fixes(self) -> None:
        source = self.source
        setters = [self.conversation, self.inputs, source.wish, self.before_fix, self.undo]
        self.view.fix(self.apply_fix, [self.conversation, self.inputs, source.state], setters, **QUEUED)
        self.undo.click(self.undo_fix, self.before_fix, setters, **QUEUED)

    def _wire_copies(self, header: Header) -> None:
        source, compare = self.source, self.compare
        self.copy_python.click(
            self.write_python, self.shown, [self.python, self.python_panel, self.python_open], **QUICK
        ).then(None, self.python, None, js=_COPY, **PAGE)
        gr.on([compare.news.change], self.renew_python, [self.python_open, self.shown], self.python, **LIVE)
        self.copy_link.click(
            self.make_link, [self.conversation, self.inputs, header.model, source.state], self.link, **QUICK
        )
        opened = [self.conversation, self.inputs, source.wish, header.model, header.timer]
        self.link.input(self.open_link, self.link, opened, **QUEUED)

    def hand_over(self, tabs: gr.Tabs, paste: gr.Textbox, file: gr.File) -> Any:
        """Let the button put the conversation into the training data; returns the event, to look at the rows after.

        The event also sets `template_for_training`, which the settings of a run take their template from.
        """
        return self.to_training.click(
            self.as_row,
            [self.conversation, self.inputs, self.source.state, paste, file],
            [paste, file, tabs, self.template_for_training],
            show_progress="hidden",
            **PAGE,
        )

    # ---- the one listener --------------------------------------------------------------------------------------

    def show(
        self,
        messages: Messages | None,
        chosen: str | None,
        box: str | None,
        options: Options | None,
        model: str | None,
        wished: Wish | None,
        state: TemplateState,
        shown: dict[str, Any],
        comparing: bool,
        python: bool,
        news: int,
        request: gr.Request,
    ) -> dict[Any, Any]:
        """Everything that follows from what stands in the widgets now. What stays as it was is left out."""
        language = reader_language(request)
        before, state = state, self.source.follow(state, chosen or "", box or "", model or "", wished)
        changes = self.source.shown(before, state, box or "", language)
        options, update = self._follow_inputs(before, state, options or {})
        if update:
            changes[self.inputs] = update
        now = {
            "messages": messages, "model": state.model, "template": state.template, "original": state.unedited,
            "options": options, "label": name_of(state, language),
        }  # fmt: skip
        if now == shown and not state.error:
            return changes
        changes |= self._rendered(now, state, language)
        if comparing or python:
            changes[self.compare.news] = news + 1
        return changes

    def _follow_inputs(self, before: TemplateState, state: TemplateState, options: Options) -> tuple[Options, Any]:
        """The form's options, and its update: other controls, and a file's special tokens gone with the file."""
        update: dict[str, Any] = {}
        if state.facts is not None and state.facts is not before.facts:
            new, old = asked(state.facts), asked(before.facts)
            update = {"asked": new} if new != old else {}
        left_file = before.base == FILE and state.base != FILE
        if left_file and before.file and options.get("special_tokens") == before.file["special_tokens"]:
            options = merged(options, {"special_tokens": None})
            update["value"] = options
        return options, gr.update(**update) if update else None

    def _rendered(self, now: dict[str, Any], state: TemplateState, language: str) -> dict[Any, Any]:
        messages = now["messages"]
        try:
            if state.error:
                raise state.error
            if not messages:
                nothing = empty_data(say("Nothing to show yet"), say("Add a turn, or start from an example."), language)
                return {self.view: nothing, self.shown: {}}
            preview = self.backend.templates.preview(messages, now["model"], now["template"], now["options"])
        except PlaygroundError as error:
            return {self.view: refusal_data(error, language, error.findings), self.shown: {}}
        return {self.view: view_data(preview, language, messages), self.shown: now}

    # ---- examples, files, tools --------------------------------------------------------------------------------

    def _samples(self, breaks: bool) -> list[Sample]:
        return [sample for sample in self.backend.templates.samples() if sample.breaks == breaks]

    def offer(self, request: gr.Request) -> tuple[str, str]:
        language = reader_language(request)

        def group(breaks: bool) -> str:
            found = self._samples(breaks)
            return buttons([Choice(localise(sample.title, language)) for sample in found])

        return group(False), group(True)

    def _starter(self, breaks: bool) -> Any:
        def start_from(chosen: gr.SelectData) -> tuple[Messages, Options]:
            return self.start_from(int(chosen.index), breaks)

        return start_from

    def start_from(self, index: int, breaks: bool) -> tuple[Messages, Options]:
        """Messages and inputs of a sample, its tools among them; what other samples had set is gone."""
        sample = self._samples(breaks)[index]
        return sample.messages, merged(sample.options, {"tools": sample.tools})

    def take_tools(self, options: Options | None, pasted: gr.EventData) -> Options:
        """Tools that came with a pasted row: they are an input of the template, not a message."""
        tools = pasted._data.get("tools")
        return merged(options or {}, {"tools": tools if isinstance(tools, list) else None})

    def to_original(self, state: TemplateState) -> Any:
        return wish(state.base or "")

    @told
    def read_file(self, upload: str, options: Options | None, request: gr.Request) -> tuple[Any, Any]:
        """A template's file brings the special tokens that it was written for."""
        found = self.backend.templates.read_file(upload)
        tokens = found["special_tokens"]
        if found["note"]:
            warn(found["note"], reader_language(request))
        return wish(FILE, file=found), merged(options or {}, {"special_tokens": tokens}) if tokens else gr.skip()

    # ---- fixes -------------------------------------------------------------------------------------------------

    def apply_fix(
        self, messages: Messages | None, options: Options | None, state: TemplateState, chosen: gr.EventData
    ) -> tuple[Any, Any, Any, Any, Any]:
        """Do what a finding offers. It comes back from the browser, so it is checked like anything typed."""
        given = chosen._data.get("action")
        action = orjson.loads(given) if isinstance(given, str) else given or {}
        put: list[Any] = [gr.skip(), gr.skip(), gr.skip()]
        before: dict[str, Any] = {}
        if action.get("kind") == "conversation" and isinstance(action.get("messages"), list):
            put[0], before = action["messages"], {"messages": messages or []}
        elif action.get("kind") == "options" and isinstance(action.get("options"), dict):
            put[1], before = merged(options or {}, action["options"]), {"options": options or {}}
        elif action.get("kind") == "template" and isinstance(action.get("template"), str):
            put[2] = self._wish_of(action["template"], state)
            before = {"template": state.base or "", "source": state.source if state.is_edited else None}
        if not before:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip(), gr.skip()
        return *put, before, gr.update(visible=True)

    def _wish_of(self, template: str, state: TemplateState) -> Wish:
        """A name is chosen; source is an edit of what is there, so that the difference from it can be seen."""
        if not template or template in self.backend.templates.names():
            return wish(template)
        return wish(state.base or "", template)

    def undo_fix(self, before: dict[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Give back what the fix took the place of; what was edited elsewhere meanwhile stays."""
        template = wish(before["template"], before["source"]) if "template" in before else gr.skip()
        messages, options = before.get("messages", gr.skip()), before.get("options", gr.skip())
        return messages, options, template, {}, gr.update(visible=False)

    # ---- Python, links, training -------------------------------------------------------------------------------

    @told
    def write_python(self, shown: dict[str, Any], request: gr.Request) -> tuple[Any, Any, bool]:
        language = reader_language(request)
        if not shown:
            warn(say("There is nothing to reproduce yet: nothing could be rendered."), language)
            return gr.skip(), gr.skip(), False
        return self._python(shown), gr.update(visible=True, open=True), True

    def renew_python(self, is_open: bool, shown: dict[str, Any]) -> Any:
        """While the code is on the page it stays true."""
        if not is_open or not shown:
            return gr.skip()
        try:
            return self._python(shown)
        except PlaygroundError:
            return gr.skip()  # The button says why.

    def _python(self, shown: dict[str, Any]) -> str:
        return self.backend.templates.reproduce(shown["messages"], shown["model"], shown["template"], shown["options"])

    def make_link(
        self, messages: Messages | None, options: Options | None, model: str | None, state: TemplateState
    ) -> Any:
        is_own = state.is_edited or state.base == FILE
        return link_to(
            {
                "messages": messages or [],
                "options": options or {},
                "model": model or "",
                "template": "" if state.base == FILE else state.base or "",
                "source": state.source if is_own else None,
            }
        )

    @told
    def open_link(self, link: dict[str, Any] | None, request: gr.Request) -> tuple[Any, Any, Any, Any, Any]:
        """What a link holds was written by anybody: what is not offered here is left out, and said."""
        opened, language = state_of(link), reader_language(request)
        template, model = opened["template"], opened["model"]
        if template and template not in self.backend.templates.names():
            warn(say("The link's template {name} is not offered here.", name=template[:80]), language)
            template = ""
        if model and model not in [entry["name"] for entry in self.backend.models.catalogue()]:
            warn(say("The link's model {name} is not offered here.", name=model[:80]), language)
            model = ""
        if model:
            with suppress(PlaygroundError):  # It shows in the model's line.
                self.backend.models.fetch(model)
        shown = (model, gr.Timer(active=True)) if model else (gr.skip(), gr.skip())
        return opened["messages"], opened["options"], wish(template, opened["source"]), *shown

    def as_row(
        self,
        messages: Messages | None,
        options: Options | None,
        state: TemplateState,
        pasted: str,
        file: Any,
        request: gr.Request,
    ) -> tuple[Any, Any, Any, Any]:
        language = reader_language(request)
        if not messages:
            warn(say("There is no turn to train on yet."), language)
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        before = (pasted or "").rstrip()
        if before.startswith("["):
            full = say(
                "Your rows are a JSON list, to which a line cannot be added. Clear the box first, or paste JSONL."
            )
            warn(full, language)
            return gr.skip(), gr.skip(), gr.Tabs(selected="finetune"), gr.skip()
        tools = (options or {}).get("tools")
        row = orjson.dumps({"messages": messages, **({"tools": tools} if tools else {})}).decode()
        handed = for_training(state, options or {}, language)
        return f"{before}\n{row}" if before else row, None, gr.Tabs(selected="finetune"), handed
