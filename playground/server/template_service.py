"""What renders: conversations, templates and what can be said about them, all in the sandbox.

Values in and out are JSON-like, text for people is `Sentence`s, a refusal is a `PlaygroundError`; see backend.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.i18n import say
from playground.core.settings import Limits, RenderOptions
from playground.server.model_service import ModelService
from playground.server.sandbox.pool import Sandbox
from playground.server.sandbox.requests import (
    CompareTemplates,
    DescribeTemplate,
    ReadTemplateFile,
    RenderPreview,
    WriteScript,
)
from playground.templates.catalogue import gallery
from playground.templates.samples import Sample, samples
from playground.templates.types import Comparison, Preview, TemplateDescription, TemplateFile


class TemplateService:
    """What a person can do with chat templates."""

    def __init__(self, models: ModelService, sandbox: Sandbox, limits: Limits) -> None:
        self._models, self._sandbox, self._limits = models, sandbox, limits

    def names(self) -> list[str]:
        """Catalogue names of chat templates."""
        return list(gallery())

    def preview(
        self,
        conversation: list[dict[str, Any]],
        model: str = "",
        template: str = "",
        options: dict[str, Any] | None = None,
    ) -> Preview:
        """Render one conversation; an error has findings too.

        `options` are settings.RenderOptions' fields. model "" with a template given renders the text alone; with no
        template either, the default model is meant.
        """
        checked = RenderOptions.from_dict(options or {})
        folder = self._rendering_folder(conversation, model, template)
        request = RenderPreview(folder, template, self._limits, conversation, checked)
        return self._sandbox.run(request, seconds=self._limits.preview_s)

    def _rendering_folder(self, conversation: Any, model: str, template: Any) -> str:
        """The tokenizer's folder, "" for text alone. Raises for what cannot be rendered before anything is sent."""
        size = len(json.dumps(conversation, default=str))
        if size > self._limits.conversation_chars:
            raise LimitError(
                say("The conversation has {size} characters.", size=size),
                say("The limit here is {limit}.", limit=self._limits.conversation_chars),
                say("Shorten it."),
            )
        if not isinstance(template, str):
            raise InputError(say("The template is not text."), say("It is a name from the list, or Jinja source."))
        return "" if template and not model else self._models.tokenizer(model)

    def template(self, model: str = "", template: str = "") -> TemplateDescription:
        """A chat template and everything that it reads. Raises InputError for Jinja that does not compile, naming the
        line.
        """
        folder = self._rendering_folder([], model, template)
        return self._sandbox.run(DescribeTemplate(folder, template, self._limits), seconds=self._limits.preview_s)

    def read_file(self, path: str) -> TemplateFile:
        """The template in a .jinja file or a tokenizer_config.json."""
        size = Path(path).stat().st_size
        if size > self._limits.upload_bytes:
            raise LimitError(
                say("The file has {size} MB.", size=f"{size / 1e6:.1f}"),
                say("The limit here is {limit} MB.", limit=f"{self._limits.upload_bytes / 1e6:.1f}"),
                say("A chat template is a few kilobytes: take it out of the file."),
            )
        request = ReadTemplateFile("", Path(path).read_bytes(), Path(path).name, self._limits)
        return self._sandbox.run(request, seconds=self._limits.preview_s)

    def compare(
        self, conversation: list[dict[str, Any]], sides: list[dict[str, str]], options: dict[str, Any] | None = None
    ) -> Comparison:
        """Two templates or models on one conversation. `sides` are two of {model, template}."""
        checked = RenderOptions.from_dict(options or {})
        asked = [self._side(conversation, side["model"], side["template"]) for side in sides]
        first = next((folder for _, folder, _ in asked if isinstance(folder, str)), "")
        # Another model's tokenizer may have to be loaded on the way.
        seconds = 3 * self._limits.preview_s
        return self._sandbox.run(CompareTemplates(first, conversation, asked, checked, self._limits), seconds=seconds)

    def _side(self, conversation: Any, model: str, template: str) -> tuple[str, str | PlaygroundError, str]:
        label = template if template in gallery() else model
        try:
            return label, self._rendering_folder(conversation, model, template), template
        except PlaygroundError as problem:
            return label, problem, template

    def reproduce(
        self,
        conversation: list[dict[str, Any]],
        model: str = "",
        template: str = "",
        options: dict[str, Any] | None = None,
    ) -> str:
        """A Python script that renders the same with plain transformers."""
        checked = RenderOptions.from_dict(options or {})
        folder = self._rendering_folder(conversation, model, template)
        name = "" if template and not model else self._models.name(model)
        request = WriteScript(folder, template, self._limits, conversation, checked, name)
        return self._sandbox.run(request, seconds=self._limits.preview_s)

    def samples(self) -> list[Sample]:
        """Conversations to start from."""
        return samples()
