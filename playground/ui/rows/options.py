"""What a check of the rows and a run on them have in common, made in one place: they can never disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import gradio as gr

from playground.core.i18n import say
from playground.core.settings import DatasetOptions, TrainSettings
from playground.ui.rows.columns import mapping_of
from playground.ui.rows.edits import Changes, edits_for, source_mark
from playground.ui.template.source import ForTraining
from playground.ui.widgets.events import QUEUED, QUICK
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.markup import escape

FORMED = [
    field.name
    for field in fields(TrainSettings)
    if field.name in {option.name for option in fields(DatasetOptions)} - {"mapping", "edits"}
]
"""Settings with a widget in the form that the check of the rows reads too."""


def rows_settings(
    pasted: str | None,
    file: str | None,
    template: ForTraining | None,
    changes: Changes | None,
    columns: Sequence[str | None],
) -> dict[str, Any]:
    """The settings of a run that do not stand in the form: template, mapping and edits. `columns`: `Columns.boxes`."""
    edits = edits_for(changes, source_mark(pasted, file))
    mapping = mapping_of(*columns)
    return {
        **template_settings(template),
        **({"mapping": mapping} if mapping else {}),
        **({"edits": edits} if edits else {}),
    }


def check_options(settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` of a run -> the options of a check that sees the same rows. Raises InputError where a run would."""
    return asdict(TrainSettings.from_dict(settings).dataset_options())


class RunTemplate:
    """One line and a way back. `chosen` is the template tab's state."""

    def __init__(self, chosen: gr.State) -> None:
        self.chosen = chosen
        with gr.Row(elem_classes="actions", visible=False, elem_id="run-template") as self.row:
            self.line = gr.HTML("", js_on_load=None, apply_default_css=False)
            self.own = gr.Button(label("Use the model's own template"), size="sm", elem_id="own-template")

    def wire(self) -> None:
        self.chosen.change(self.tell, self.chosen, [self.row, self.line], **QUICK)
        self.own.click(lambda: None, None, self.chosen, **QUEUED)

    def tell(self, chosen: ForTraining | None, request: gr.Request) -> tuple[Any, Any]:
        settings = template_settings(chosen)
        if chosen is None or not settings:
            return gr.update(visible=False), ""
        said = say("The rows are rendered with the template from the template tab: {name}.", name=chosen["name"])
        return gr.update(visible=True), f'<p class="source">{escape(said.to(reader_language(request)))}</p>'


def template_settings(chosen: ForTraining | None) -> dict[str, Any]:
    """What of `chosen` goes into a run's settings; {} for the model's own template as it is."""
    return {name: value for name, value in (chosen or {}).items() if value and name != "name"}
