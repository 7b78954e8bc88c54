"""The presets: what they stand for holds in a run, and one undoes the other."""

import pytest

from playground.core.i18n import Sentence
from playground.core.settings import TrainSettings
from playground.core.settings.presets import PRESETS, changes, matching, preset

NAMES = [each.name for each in PRESETS]
FIGURES = {
    each.name: TrainSettings.from_dict(each.settings)  # A run takes them as they are.
    for each in PRESETS
}


def test_the_four_are_there_and_the_page_begins_with_a_quick_taste():
    assert NAMES == ["quick", "style", "facts", "careful"]
    defaults = TrainSettings().to_dict()
    assert PRESETS[0].settings == {name: defaults[name] for name in PRESETS[0].settings}


@pytest.mark.parametrize("each", PRESETS, ids=NAMES)
def test_each_names_the_same_settings_so_that_one_undoes_the_other(each):
    assert list(each.settings) == list(PRESETS[0].settings)
    # A widget gives back what it was given: a whole number must not stand where a fraction may.
    assert {name: type(value) for name, value in each.settings.items()} == {
        name: type(getattr(TrainSettings(), name)) for name in each.settings
    }


@pytest.mark.parametrize("each", PRESETS, ids=NAMES)
def test_each_says_what_it_is_for_and_what_it_costs(each):
    minutes = each.settings["time_budget_s"] / 60
    assert isinstance(each.title, Sentence) and isinstance(each.about, Sentence)
    assert f"{minutes:.0f} minutes at most" in each.about
    assert each.settings["max_steps"] == -1, "all of them are chosen by time"


@pytest.mark.parametrize("each", PRESETS, ids=NAMES)
def test_alpha_goes_with_the_rank(each):
    assert each.settings["lora_alpha"] == 2 * each.settings["r"]


def test_they_differ_as_their_names_say():
    quick, style, facts, careful = (FIGURES[name] for name in NAMES)
    assert style.r < quick.r < facts.r
    assert style.num_train_epochs < careful.num_train_epochs < facts.num_train_epochs
    assert facts.lora_dropout == 0 < careful.lora_dropout
    assert careful.learning_rate < min(quick.learning_rate, style.learning_rate, facts.learning_rate)
    assert careful.held_out > quick.held_out > facts.held_out == 0
    assert careful.early_stopping_patience > 0 == quick.early_stopping_patience == facts.early_stopping_patience
    assert careful.warmup_steps > quick.warmup_steps


def test_a_preset_is_found_by_its_name_or_by_its_settings():
    assert [preset(name).name for name in NAMES] == NAMES
    assert preset("gone").name == preset(None).name == "quick"
    for each in PRESETS:
        found = matching({**TrainSettings().to_dict(), **each.settings, "seed": 7})
        assert found is not None and found.name == each.name
    assert matching({**PRESETS[1].settings, "r": 9}) is None
    assert matching({"r": 8}) is None


def test_changes_name_what_differs_in_the_order_of_the_reference():
    reference = {"r": 8, "seed": 42, "learning_rate": 1e-3}
    assert changes({"learning_rate": 5e-4, "r": 8}, reference) == [("learning_rate", 1e-3, 5e-4)]
    assert changes({"learning_rate": 5e-4, "r": 9, "other": 1}, reference) == [
        ("r", 8, 9),
        ("learning_rate", 1e-3, 5e-4),
    ]
    assert changes(reference, reference) == []


def test_what_is_handed_out_is_json():
    given = PRESETS[1].to_dict()
    assert set(given) == {"name", "title", "about", "settings"}
    assert given["title"].to("en") == "Style"
    given["settings"]["r"] = 1
    assert PRESETS[1].settings["r"] == 8, "and it is a copy"
