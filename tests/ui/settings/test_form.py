"""The form of settings and the view of an estimate. Handlers are called as Gradio calls them, without a server."""

import re
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.core.settings import TrainSettings
from playground.core.settings import file as settings_file
from playground.core.settings.presets import PRESETS
from playground.ui.finetune_tab import FinetuneTab
from playground.ui.rows.options import FORMED
from playground.ui.run.estimate import estimate_view, memory_view, no_estimate, plan_view
from playground.ui.settings.fields import completed, decided_by, from_widget, to_widget
from playground.ui.settings.file import loaded
from playground.ui.settings.form import SettingsForm
from playground.ui.settings.summary import plain
from tests.ui.fake_settings import GB, SettingsBackend, a_memory, a_plan, an_estimate

DEFAULTS = TrainSettings()
FROM_ELSEWHERE = {"chat_template", "chat_template_kwargs", "chat_template_clock", "mapping", "edits"}
HOSTILE = '<img src=x onerror="hit">${hit}'
ODD = {
    "time_budget_s": 200.0,
    "num_train_epochs": 2.5,
    "r": 4,
    "probe_prompts": ["Who?", "誰？"],
    "packing": True,
    "system_prompt": "Be kind.",
}


@pytest.fixture(scope="module")
def form():
    """One for all, as the app has it: a handler changes nothing of it."""
    with gr.Blocks():
        return SettingsForm()


@pytest.fixture(scope="module")
def tab():
    with gr.Blocks():
        return FinetuneTab(SettingsBackend(), gr.State({}))


@pytest.fixture
def finetune(tab):
    tab.backend.__init__()
    return tab


def is_skip(value):
    return isinstance(value, dict) and value.get("__type__") == "update" and len(value) == 1


def held(form, updates=()):
    """What the widgets hold after these updates."""
    values = [widget.value for widget in form.widgets]
    for place, update in enumerate(list(updates)[: len(values)]):
        values[place] = update.get("value", values[place])
    return values


def shown(form, updates):
    """Of the three numbers of how long, those that the updates show."""
    named = dict(zip(form.fields, updates, strict=False))
    return {name for name in ("time_budget_s", "num_train_epochs", "max_steps") if named[name].get("visible") is True}


def pressed(**data):
    return SimpleNamespace(_data=data)


# ---- values ------------------------------------------------------------------------------------------------------


def test_every_setting_has_a_widget_under_its_name(form):
    assert set(form.fields) == {field.name for field in fields(TrainSettings)} - FROM_ELSEWHERE
    assert {widget.elem_id for widget in form.widgets} == {f"setting-{name}" for name in form.fields}
    assert set(FORMED) <= set(form.fields)


def test_the_form_begins_at_the_defaults_and_at_the_first_preset(form):
    assert TrainSettings.from_dict(form.values(held(form))) == DEFAULTS
    assert form.preset.value == PRESETS[0].name and form.by.value == decided_by({}) == "time"
    assert "preset-changes" not in form.draw(None, form.preset.value, *held(form))


def test_every_explanation_is_a_sentence_of_its_own(form):
    said = [widget.info.key for widget in form.widgets]
    assert all(words.endswith(".") for words in said) and len(set(said)) == len(said)
    # Whatever can be raised, lowered or switched says what happens then.
    for name, widget in form.fields.items():
        if isinstance(widget, gr.Number | gr.Checkbox):
            assert re.search(r"igh|ower|ore|ff:|ff |nother|wice|instead|less|steadier|sooner", widget.info.key), name


def test_an_emptied_widget_means_the_default(form):
    assert form.values([None for _ in form.widgets]) == {}
    assert form.values(["" for _ in form.widgets]) == {}
    assert form.values([False if value is True else value for value in held(form)])["shuffle_dataset"] is False


@given(
    st.sampled_from(PRESETS),
    st.floats(0, 86_400).map(lambda seconds: round(seconds, 3)),
    st.integers(1, 256),
    st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=9), max_size=5),
)
def test_settings_come_back_from_the_widgets_as_they_were(form, preset, seconds, rank, prompts):
    settings = {**DEFAULTS.to_dict(), **preset.settings, "time_budget_s": seconds, "r": rank, "probe_prompts": prompts}
    made = form.values(held(form, form.updates(settings)))
    assert TrainSettings.from_dict(made) == TrainSettings.from_dict(settings)


def test_minutes_stand_for_seconds_and_lines_for_prompts():
    assert to_widget("time_budget_s", 200) == pytest.approx(3.3333, abs=1e-4)
    assert from_widget("time_budget_s", to_widget("time_budget_s", 200)) == 200.0
    assert from_widget("time_budget_s", to_widget("time_budget_s", 0.5)) == 0.5, "half a second is not no limit"
    assert from_widget("probe_prompts", " a \n\n b\n") == ["a", "b"]
    assert to_widget("probe_prompts", ["two\nlines", "b"]) == "two lines\nb"


# ---- setting them ------------------------------------------------------------------------------------------------


def test_updates_set_what_is_named_and_leave_the_rest(form):
    updates = form.updates({"r": 8, "learning_rate": 5e-4, "mapping": {"user": "q"}, "no_such": 1})
    assert len(updates) == len(form.apply_outputs)
    named = dict(zip(form.fields, updates, strict=False))
    assert named["r"]["value"] == 8 and named["learning_rate"]["value"] == 5e-4
    assert [name for name, update in named.items() if not is_skip(update)] == ["learning_rate", "r"]
    assert is_skip(updates[-1]) and is_skip(updates[-2]), "neither the preset nor how long has changed"


def test_a_file_or_a_run_that_is_a_preset_is_called_so(form):
    assert form.updates({**DEFAULTS.to_dict(), **PRESETS[2].settings, "seed": 7})[-1] == "facts"
    assert is_skip(form.updates({**DEFAULTS.to_dict(), "r": 17})[-1])


@pytest.mark.parametrize(
    ("change", "by", "visible"),
    [
        ({"max_steps": 50}, "steps", {"max_steps"}),
        ({"max_steps": 50, "time_budget_s": 60.0}, "steps", {"max_steps", "time_budget_s"}),
        ({"time_budget_s": 600.0}, "time", {"time_budget_s", "num_train_epochs"}),
        ({"time_budget_s": 0.0}, "epochs", {"num_train_epochs"}),
        ({"max_steps": -1}, "time", {"time_budget_s", "num_train_epochs"}),
    ],
)
def test_how_long_shows_the_numbers_that_count(form, change, by, visible):
    updates = form.updates(change)
    assert updates[-2] == by and shown(form, updates) == visible
    settings = TrainSettings.from_dict(form.values(held(form, updates)))
    assert {name: getattr(settings, name) for name in change} == change
    assert decided_by(settings.to_dict()) == by


def test_so_many_steps_are_no_longer_so_many_minutes():
    assert completed({"max_steps": 9}) == {"max_steps": 9, "time_budget_s": 0.0}
    assert completed({"time_budget_s": 9.0}) == {"time_budget_s": 9.0, "max_steps": -1}
    assert completed({"max_steps": 9, "time_budget_s": 5.0}) == {"max_steps": 9, "time_budget_s": 5.0}
    assert completed({"r": 9}) == {"r": 9}


@pytest.mark.parametrize(("by", "expected"), [("time", (300.0, -1)), ("epochs", (0.0, -1)), ("steps", (0.0, 30))])
def test_choosing_how_long_switches_the_others_off(form, by, expected):
    settings = form.values(held(form, form.turn(by, "style")))
    assert (settings["time_budget_s"], settings["max_steps"]) == expected
    assert settings["num_train_epochs"] == DEFAULTS.num_train_epochs


@pytest.mark.parametrize("preset", PRESETS, ids=[preset.name for preset in PRESETS])
def test_choosing_a_preset_sets_what_it_says_and_no_more(form, preset):
    settings = form.values(held(form, form.choose(preset.name)))
    assert TrainSettings.from_dict(settings) == TrainSettings.from_dict({**DEFAULTS.to_dict(), **preset.settings})


def test_a_button_may_only_set_what_has_a_widget(form):
    updates = form.take(pressed(change={"edits": [], "r": 8}))
    assert [name for name, update in zip(form.fields, updates, strict=False) if not is_skip(update)] == ["r"]
    assert all(map(is_skip, form.take(pressed())))


# ---- what was changed --------------------------------------------------------------------------------------------


def drawn(form, change, preset="quick"):
    return form.draw(None, preset, *held(form, form.updates(change)))


def test_a_preset_says_what_it_stands_for(form):
    for preset in PRESETS:
        said = drawn(form, preset.settings, preset.name)
        for name, value in preset.settings.items():
            if name != "max_steps":
                assert f"{name} = {plain(value)}" in said
        assert "preset-changes" not in said and "minutes at most" in said


def test_changes_are_said_with_a_way_back(form):
    said = drawn(form, {"learning_rate": 5e-4, "packing": True})
    assert "learning_rate 0.001 → 0.0005" in said and "packing false → true" in said
    assert said.count('data-event="back"') == 3 and "Back to the preset" in said
    assert drawn(form, {"r": 4}).count('data-event="back"') == 1


def test_words_of_a_person_are_no_html(form):
    said = drawn(form, {"system_prompt": HOSTILE, "target_modules": HOSTILE})
    assert "<img" not in said and "${" not in said


def test_the_way_back(form):
    one = form.back("style", pressed(names=["learning_rate"]))
    assert [name for name, update in zip(form.fields, one, strict=False) if not is_skip(update)] == ["learning_rate"]
    assert form.values(held(form, one))["learning_rate"] == 5e-4
    every = form.values(held(form, form.back("style", pressed(names=[]))))
    assert TrainSettings.from_dict(every) == TrainSettings.from_dict({**DEFAULTS.to_dict(), **PRESETS[1].settings})
    long = form.back("style", pressed(names=["max_steps"]))
    assert shown(form, long) == {"time_budget_s", "num_train_epochs"}
    assert form.values(held(form, long))["time_budget_s"] == 300, "how long goes back as a whole"


@pytest.mark.parametrize(
    ("value", "text"),
    [(5e-4, "0.0005"), (1e-5, "1e-05"), (8.0, "8"), (True, "true"), ("cosine", "cosine"), ("", '""'),
     ("q,v", '"q,v"'), (["a"], "[1]"), ([], "[]"), (4294967295, "4294967295"), ("x y " * 30, f'"{("x y " * 10)}…"')],
)  # fmt: skip
def test_values_are_short(value, text):
    assert plain(value) == text


# ---- files -------------------------------------------------------------------------------------------------------


def test_a_saved_file_holds_every_setting_of_the_form(finetune):
    form = finetune.settings
    form.file.form = form
    odd = {**ODD, "system_prompt": ""}  # An emptied widget is written too.
    path = Path(form.file.write(None, *held(form, form.updates(odd))))
    assert path.name == "sft-settings.json"
    saved = settings_file.loads(path.read_text(encoding="utf-8"))
    assert saved.keys() == form.fields.keys() - {"start_from"}
    assert TrainSettings.from_dict(saved) == TrainSettings.from_dict(odd)


def test_settings_that_a_run_would_refuse_are_not_saved(finetune):
    form = finetune.settings
    form.file.form = form
    with pytest.raises(gr.Error, match="The setting r is 0"):
        form.file.write(None, *held(form, form.updates({"r": 0})))


def test_loading_sets_every_widget(finetune, tmp_path):
    form = finetune.settings
    form.file.form = form
    path = tmp_path / "mine.json"
    path.write_text(settings_file.dumps({**ODD, "mapping": {"user": "q", "assistant": "a"}}), encoding="utf-8")
    said, *updates = form.file.read(str(path), None)
    assert "mine.json" in said and "mapping" in said
    assert not any(is_skip(update) for update in updates[: len(form.widgets)]), "what is not named goes to its default"
    assert TrainSettings.from_dict(form.values(held(form, updates))) == TrainSettings.from_dict(ODD)


@pytest.mark.parametrize("text", ['{"lr": 1}', "no", '{"r": 0}'])
def test_a_refused_file_changes_nothing(finetune, tmp_path, text):
    form = finetune.settings
    form.file.form = form
    path = tmp_path / "mine.json"
    path.write_text(text)
    said, *updates = form.file.read(str(path), None)
    assert "is-error" in said and len(updates) == len(form.apply_outputs) and all(map(is_skip, updates))


def test_only_a_file_with_more_than_settings_is_said_to_have_it():
    assert len(loaded("a.json", {"r": 8}, {"r"})) == 1
    assert "edits, mapping" in loaded("a.json", {"r": 8, "mapping": {}, "edits": []}, {"r"})[1]


# ---- the estimate ------------------------------------------------------------------------------------------------


def asked(finetune, pasted, file=None, change=None):
    given = held(finetune.settings, finetune.settings.updates(change or {}))
    return finetune.estimate(None, "org/model", "", pasted, file, {}, {}, "", "", "", *given)


def test_an_estimate_is_asked_for_what_a_run_would_get(finetune):
    rows = '{"prompt": "a", "completion": "b"}\n'
    asked(finetune, rows, change=ODD)
    given = held(finetune.settings, finetune.settings.updates(ODD))
    list(finetune.begin(None, "org/model", "", [], "", rows, None, {}, {}, "", "", "", *given))
    backend = finetune.backend
    assert backend.asked_last("estimate")[1:] == backend.asked_last("train")[1:]


def test_a_file_is_estimated_in_place_of_the_box(finetune):
    asked(finetune, "pasted", file="/tmp/rows.jsonl")
    assert finetune.backend.asked_last("estimate")[1:3] == ("", "/tmp/rows.jsonl")


def test_nothing_is_asked_without_rows(finetune):
    assert "as soon as there are rows" in asked(finetune, " \n") and not finetune.backend.asked


def test_a_refusal_stands_where_the_estimate_would(finetune):
    assert "The setting r is 0" in asked(finetune, '{"prompt": 1}', change={"r": 0})
    finetune.backend.refuse = InputError(Sentence("No <b>rows</b>."))
    assert "No &lt;b&gt;rows&lt;/b&gt;." in asked(finetune, "x")


def test_an_estimate_shows_its_figures():
    said = estimate_view(an_estimate(), "en")
    for words in (
        "64 steps in about",
        ">64<",
        ">8.0<",
        "2 min 50 s",
        "training 2 min 0 s",
        "evaluation 30 s",
        "the time",
    ):
        assert words in said
    for by, words in (("epochs", "the epochs"), ("steps", "the steps")):
        assert words in plan_view(a_plan(bound_by=by), True, "en")


def test_an_unknown_time_says_when_it_will_be_known():
    for view in (
        plan_view(a_plan(seconds=None, train_s=None, eval_s=None, other_s=None), False, "en"),
        plan_view(a_plan(), False, "en"),
    ):
        assert "measured when the run starts" in view and "min" not in view and ">64<" in view


def widths(view):
    return [float(width) for width in re.findall(r'<span style="width:([\d.]+)%', view)]


def test_memory_is_drawn_against_what_there_is():
    view = memory_view(a_memory(), "en")
    assert widths(view) == [6.25, 1.25, 2.5, 15.0] and "<i" not in view and "is-fitting" in view
    assert "Memory of 1.0 GB out of 4.0 GB: Weights 250 MB" in view and "<li><b></b>Adapter 50 MB</li>" in view


def test_too_much_memory_shows_where_it_ends_and_what_to_change():
    advice = [{"setting": "packing", "value": True, "message": Sentence("Pack <them>.")}]
    view = memory_view(a_memory(available=GB // 2, fits=False, advice=advice), "en")
    assert sum(widths(view)) == pytest.approx(100) and "left:50.00%" in view and "is-too-large" in view
    assert "Pack &lt;them&gt;." in view and "Set packing to true" in view
    assert "&quot;change&quot;:&#123;&quot;packing&quot;:true}" in view


@pytest.mark.parametrize("available", [None, 0])
def test_memory_of_an_unknown_machine(available):
    view = memory_view(a_memory(available=available, fits=None), "en")
    assert sum(widths(view)) == pytest.approx(100) and "is-unknown" in view and "out of" not in view


def test_parts_of_nothing_are_left_out():
    view = memory_view(a_memory(parts=[{"name": Sentence("Logits"), "bytes": 0}], total=0, available=None), "en")
    assert "Logits" not in view


def test_it_is_said_in_japanese():
    assert re.search("[ぁ-ん]", no_estimate("ja"))
