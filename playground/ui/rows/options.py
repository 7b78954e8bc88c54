"""What a check of the rows and a run on them have in common, made in one place: they can never disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from playground.core.settings import DatasetOptions, TrainSettings
from playground.ui.rows.columns import mapping_of
from playground.ui.rows.edits import Changes, edits_for, source_mark
from playground.ui.run_template import template_settings

FORMED = [
    field.name
    for field in fields(TrainSettings)
    if field.name in {option.name for option in fields(DatasetOptions)} - {"mapping", "edits"}
]
"""Settings with a widget in the form that the check of the rows reads too."""


def rows_settings(
    pasted: str | None,
    file: str | None,
    template: dict[str, Any] | None,
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
