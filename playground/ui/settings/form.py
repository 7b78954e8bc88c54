"""The settings of a run as widgets: a preset and how long in plain sight, the rest behind "Advanced".

Every field of `TrainSettings` has its widget here, but for those that `options.rows_settings` adds: the template,
the mapping of columns and the edits. Values travel under TRL's and PEFT's names. What decides how long a run takes is
no setting of its own: it follows from the three numbers, of which those that do not count are hidden and switched off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from playground.core.settings import presets
from playground.ui.settings.fields import (
    DEFAULTS,
    DURATION,
    GROUPS,
    Field,
    completed,
    decided_by,
    from_widget,
    to_widget,
)
from playground.ui.settings.file import SettingsFile
from playground.ui.settings.summary import summary
from playground.ui.widgets.buttons import pressable
from playground.ui.widgets.debounce import SETTINGS_CHANGED, SETTINGS_SET, settings_debounce
from playground.ui.widgets.events import LIVE, PAGE, QUICK
from playground.ui.widgets.i18n import label, reader_language

_FIRST_STEPS = 30
"""Steps to begin with where somebody chooses by steps."""


class SettingsForm:
    """Builds the widgets where it is called; `values` turns what they hold into `settings` for the backend.

    For others that set them: `updates(settings)` goes to `apply_outputs`, followed by `set_by(event)`; or, for an event
    of a `pressable` whose buttons carry `change={name: value}`, all of it is `take_from(listener)`.
    """

    def __init__(self) -> None:
        self.fields: dict[str, gr.components.Component] = {}
        self.changed = settings_debounce("settings-changed")
        self.preset = gr.Radio(
            [(I18nData(preset.title.template), preset.name) for preset in presets.PRESETS],
            value=presets.PRESETS[0].name,
            label=label("Preset"),
            info=label("A choice sets the widgets below; all of them can be changed afterwards."),
            elem_id="preset",
            elem_classes="pick",
        )
        self.summary = pressable("preset-view", ["back"])
        self.by = gr.Radio(
            [(label("By time"), "time"), (label("By epochs"), "epochs"), (label("By steps"), "steps")],
            value="time",
            label=label("How long"),
            info=label("By time, as many steps are planned as this machine can do in it."),
            elem_id="choose-by",
            elem_classes="pick",
        )
        with gr.Row(elem_classes="settings-row", elem_id="duration"):
            self._add(DURATION)
        with gr.Accordion(label("Advanced"), open=False, elem_id="advanced"):
            self.file = SettingsFile()
            self._advanced()

    def _advanced(self) -> None:
        for name, title, rows in GROUPS:
            with gr.Accordion(
                I18nData(title.template), open=False, elem_id=f"settings-{name}", elem_classes="settings-group"
            ):
                for row in rows:
                    with gr.Row(elem_classes="settings-row"):
                        self._add(row)

    def _add(self, fields: Sequence[Field]) -> None:
        for field in fields:
            self.fields[field.name] = _widget(field)

    @property
    def widgets(self) -> list[gr.components.Component]:
        return list(self.fields.values())

    @property
    def apply_outputs(self) -> list[gr.components.Component]:
        """What `updates` is for, in its order."""
        return [*self.widgets, self.by, self.preset]

    # ---- values ------------------------------------------------------------------------------------------------

    def values(self, given: Sequence[Any]) -> dict[str, Any]:
        """`settings` from the widgets' values, in their order. An emptied widget means the default."""
        return {name: from_widget(name, value) for name, value in self.chosen(list(self.fields), given).items()}

    @staticmethod
    def chosen(names: Sequence[str], given: Sequence[Any]) -> dict[str, Any]:
        """The values by name, without those of emptied widgets."""
        return {name: value for name, value in zip(names, given, strict=True) if value not in (None, "")}

    def defaults(self) -> dict[str, Any]:
        return {name: getattr(DEFAULTS, name) for name in self.fields}

    def with_preset(self, name: str | None) -> dict[str, Any]:
        """All settings of the form as they are with a preset and nothing changed."""
        return {**self.defaults(), **presets.preset(name).settings}

    def updates(self, settings: dict[str, Any]) -> list[Any]:
        """Updates for `apply_outputs` that set what `settings` name (`TrainSettings`' values) and leave the rest.

        Names without a widget are passed over. Where "how long" is changed, the numbers that then count are shown.
        """
        change = completed(settings)
        made = {name: {"value": to_widget(name, value)} for name, value in change.items()}
        by: Any = gr.skip()
        if "max_steps" in change:
            by = decided_by(change)
            for name, more in _shown(by, change).items():
                made[name] = {**made.get(name, {}), **more}
        same = presets.matching(settings)
        return [
            *(gr.update(**made[name]) if name in made else gr.skip() for name in self.fields),
            by,
            same.name if same else gr.skip(),
        ]

    # ---- events ------------------------------------------------------------------------------------------------

    def wire(self) -> None:
        changes = [widget.change for widget in self.widgets]
        gr.on(changes, None, None, None, js=SETTINGS_CHANGED, **PAGE)
        self.changed.input(self.draw, [self.preset, *self.widgets], self.summary, **{**LIVE, "show_progress": "hidden"})
        given = {"outputs": self.apply_outputs, **QUICK}
        self.set_by(self.preset.input(self.choose, self.preset, **given))
        self.set_by(self.by.input(self.turn, [self.by, self.preset], **given))
        self.set_by(self.summary.back(self.back, self.preset, **given))
        self.file.wire(self)

    def set_by(self, event: Any) -> Any:
        """Have the page look at its rows and its estimate again once `event` has set widgets."""
        return event.then(None, None, None, js=SETTINGS_SET, **PAGE)

    def take_from(self, listener: Any) -> Any:
        """Set what a button carries as `change`, see `buttons.button_for`; `listener`: its event."""
        return self.set_by(listener(self.take, None, self.apply_outputs, **QUICK))

    def take(self, pressed: gr.EventData) -> list[Any]:
        return self.updates(pressed._data.get("change") or {})

    def draw(self, request: gr.Request, preset: str | None, *given: Any) -> str:
        """What the preset stands for and what was changed since."""
        settings = {**self.defaults(), **self.values(given)}
        return summary(presets.preset(preset), settings, self.with_preset(preset), reader_language(request))

    def choose(self, preset: str | None) -> list[Any]:
        return self.updates(presets.preset(preset).settings)

    def turn(self, by: str, preset: str | None) -> list[Any]:
        """How long was chosen anew: by time begins with the preset's."""
        budget = presets.preset(preset).settings["time_budget_s"]
        return self.updates(
            {
                "time_budget_s": budget if by == "time" else 0.0,
                "max_steps": _FIRST_STEPS if by == "steps" else -1,
            }
        )

    def back(self, preset: str | None, pressed: gr.EventData) -> list[Any]:
        """Undo the change of the settings named, or of all where none are."""
        reference = self.with_preset(preset)
        names = set(pressed._data.get("names") or reference)
        together = {field.name for field in DURATION}
        if names & together:
            names |= together
        return self.updates({name: value for name, value in reference.items() if name in names})


def _widget(field: Field) -> gr.components.Component:
    """At its default, where it is called."""
    value = to_widget(field.name, getattr(DEFAULTS, field.name))
    given: dict[str, Any] = {
        "label": I18nData((field.widget_title or field.title).template),
        "info": I18nData(field.hint.template) if field.hint else None,
        "min_width": 150,
        "visible": field.visible,
        "elem_id": f"setting-{field.name}",
    }
    if field.kind == "flag":
        return gr.Checkbox(value, **given)
    if field.kind == "choice":
        choices = [(I18nData(words.template), choice) for words, choice in field.choices]
        return gr.Dropdown(choices, value=value, filterable=False, **given)
    if field.kind == "text":
        return gr.Textbox(value or "", lines=field.lines[0], max_lines=field.lines[1], **given)
    return gr.Number(value, precision=0 if field.kind == "whole" else None, step=field.step, **given)


def _shown(by: str, change: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Which of the three numbers are drawn: those that count. A time limit on a number of steps counts too."""
    epochs = label("Epochs at most") if by == "time" else label("Epochs")
    has_budget = change.get("time_budget_s", 0) > 0
    return {
        "time_budget_s": {"visible": True if by == "time" or has_budget else "hidden"},
        "num_train_epochs": {"visible": "hidden" if by == "steps" else True, "label": epochs},
        "max_steps": {"visible": True if by == "steps" else "hidden"},
    }
