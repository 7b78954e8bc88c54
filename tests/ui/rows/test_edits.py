"""Edits as a list that belongs to one source, and what a check and a run have in common."""

from dataclasses import fields

import gradio as gr
import pytest

from playground.core.errors import InputError
from playground.core.settings import DatasetOptions, TrainSettings
from playground.ui.finetune_tab import FinetuneTab
from playground.ui.rows import options as rows_options
from playground.ui.rows.edits import KNOWN, edits_for, source_mark, summary, with_edit, without_last
from playground.ui.rows.state import RowsState
from tests.ui.fake_backend import FakeBackend

TEMPLATE = {
    "chat_template": "zephyr",
    "chat_template_kwargs": {"year": 2001},
    "chat_template_clock": "2026-01-31T12:00:00",
    "name": "zephyr",
}
ODD = {
    "max_length": 99,
    "truncation_mode": "keep_end",
    "seed": 7,
    "held_out": 0.25,
    "shuffle_dataset": False,
    "train_on": "last",
    "system_prompt": "Be brief.",
    "num_train_epochs": 3.5,
    "max_steps": 11,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 5,
}
"""A value that is no default for every setting of the form that the check reads."""


def test_edits_mean_nothing_for_other_rows():
    mark = source_mark("a", None)
    changes = with_edit({}, mark, "drop", [3, 1, 3])
    assert edits_for(changes, mark) == [{"do": "drop", "rows": [1, 3], "code": ""}]
    assert edits_for(changes, source_mark("b", None)) == edits_for(None, mark) == []
    assert with_edit(changes, source_mark("b", None), "trim", [1])["edits"][0]["do"] == "trim"


def test_undo_takes_the_last_back_and_leaves_the_list_as_it_was():
    mark = source_mark("", "/tmp/x.csv")
    first = with_edit({}, mark, "drop", [1])
    second = with_edit(first, mark, "keep", [2], code="duplicate")
    assert without_last(second) == first and len(second["edits"]) == 2
    assert without_last(without_last(first)) == {}


def test_the_changes_so_far_in_words():
    edits = [{"do": "drop", "rows": [1, 2]}, {"do": "drop", "rows": [2, 3, 4]}, {"do": "trim", "rows": [5]}]
    assert summary(edits, "en") == "3 changes: 4 rows dropped, 1 row trimmed"
    assert summary(edits[:1], "en") == "1 change: 2 rows dropped"
    assert summary([], "en") == ""
    for do in (*KNOWN, "replace"):
        assert summary([{"do": do, "rows": [1]}], "en") and summary([{"do": do, "rows": [1, 2]}], "en")


def test_every_option_of_a_check_comes_from_the_form_or_from_the_panel():
    added = {"template", "template_kwargs", "clock", "mapping", "edits"}
    assert set(rows_options.FORMED) == {field.name for field in fields(DatasetOptions)} - added == set(ODD)
    assert all(value != getattr(TrainSettings(), name) for name, value in ODD.items())


def asked_of_both(pasted, changes, columns):
    """(options of the check, settings of the run) after the same page: every widget at a value of its own."""
    backend = FakeBackend()
    with gr.Blocks():
        finetune = FinetuneTab(backend, gr.State({}))
    form = finetune.settings
    given = [ODD.get(name, widget.value) for name, widget in form.fields.items()]
    formed = [ODD[name] for name in rows_options.FORMED]
    rows = (pasted, None, TEMPLATE, changes, *columns)
    list(finetune.rows.check(None, 1, RowsState(), "org/model", *rows, *formed))
    list(finetune.begin(None, "org/model", "", [], "", *rows, *given))
    return next(call[4] for call in backend.asked if call[0] == "check_dataset"), backend.asked[-1][4]


def test_a_check_and_a_run_see_the_same_rows():
    pasted = '{"q": "a", "a": "b"}\n{"q": "c", "a": "d"}\n'
    changes = with_edit({}, source_mark(pasted, None), "keep", [1], code="duplicate")
    options, settings = asked_of_both(pasted, changes, ("{q}", "a", "Be kind."))
    assert TrainSettings.from_dict(settings).dataset_options() == DatasetOptions.from_dict(options)
    assert options["edits"] == changes["edits"]
    assert options["mapping"] == {"user": "{q}", "assistant": "a", "system": "Be kind."}
    assert (options["template"], options["clock"]) == ("zephyr", "2026-01-31T12:00:00")
    assert {name: options[name] for name in ODD} == ODD


def test_neither_takes_edits_of_other_rows_or_half_a_mapping():
    changes = with_edit({}, source_mark("other", None), "drop", [1])
    options, settings = asked_of_both('{"prompt": "a", "completion": "b"}\n', changes, ("{q}", " ", ""))
    assert options["edits"] == [] == TrainSettings.from_dict(settings).edits
    assert options["mapping"] == {} == TrainSettings.from_dict(settings).mapping


def test_a_setting_that_a_run_would_refuse_is_refused_by_the_check():
    with pytest.raises(InputError, match="max_length"):
        rows_options.check_options({"max_length": 3})
