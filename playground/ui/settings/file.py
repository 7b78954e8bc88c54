"""Buttons that write the settings into a file and read them from one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence, say
from playground.core.settings import file as settings_file
from playground.ui.widgets.events import PAGE
from playground.ui.widgets.i18n import label, reader_language, told
from playground.ui.widgets.markup import callout, refusal

if TYPE_CHECKING:
    from playground.ui.settings.form import SettingsForm

_PRESS_LINK = "() => document.querySelector('#settings-link').click()"
_NAME = "sft-settings.json"


class SettingsFile:
    def __init__(self) -> None:
        with gr.Row(elem_classes="actions"):
            self.save = gr.Button(label("Save the settings"), size="sm", elem_id="save-settings")
            self.link = gr.DownloadButton(visible="hidden", elem_id="settings-link")
            # Any kind of file may be chosen: what is none of ours is refused here, in words that help.
            self.upload = gr.UploadButton(
                label("Load settings from a file"), size="sm", type="filepath", elem_id="load-settings"
            )
        self.said = gr.HTML("", js_on_load=None, apply_default_css=False, elem_id="settings-file")

    def wire(self, form: SettingsForm) -> None:
        self.form = form
        self.save.click(self.write, form.widgets, self.link, show_progress="hidden", **PAGE).success(
            None, None, None, js=_PRESS_LINK, **PAGE
        )
        form.set_by(
            self.upload.upload(
                self.read, self.upload, [self.said, *form.apply_outputs], queue=False, show_progress="hidden", **PAGE
            )
        )

    @told
    def write(self, request: gr.Request, *given: Any) -> str:
        """The file moves into Gradio's cache, which is cleared in time; the folder that it was made in goes."""
        settings = {**self.form.defaults(), **self.form.values(given)}
        folder = Path(tempfile.mkdtemp(prefix="sft-settings-"))
        try:
            path = folder / _NAME
            path.write_text(settings_file.dumps(settings), encoding="utf-8")
            return gr.processing_utils.save_file_to_cache(path, cache_dir=self.link.GRADIO_CACHE)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def read(self, path: str | None, request: gr.Request) -> list[Any]:
        """All widgets as the file says, or a refusal and nothing changed."""
        language = reader_language(request)
        if not path:
            return [gr.skip() for _ in range(1 + len(self.form.apply_outputs))]
        try:
            settings = settings_file.read(Path(path))
        except PlaygroundError as error:
            return [refusal(error, language), *(gr.skip() for _ in self.form.apply_outputs)]
        said = [line.to(language) for line in loaded(Path(path).name, settings, set(self.form.fields))]
        return [callout("info", *said), *self.form.updates({**self.form.defaults(), **settings})]


def loaded(name: str, settings: dict[str, Any], known: set[str]) -> list[Sentence]:
    """What is said of a file that was loaded. `known`: names that have a widget."""
    said = [say("The settings of {name} are set. What it does not name is at its default.", name=name)]
    others = sorted(set(settings) - known)
    if others:
        names = ", ".join(others)
        said.append(say("Left out, since they belong to its rows and template: {names}.", names=names))
    return said
