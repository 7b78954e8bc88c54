"""Settings in words: their names, their values, what was changed."""

from __future__ import annotations

import pytest

from playground.core.settings import TrainSettings
from playground.ui.settings.fields import FIELDS, changes_in_words, settings_table, value_in_words


def test_every_setting_has_its_field_and_no_other() -> None:
    assert FIELDS.keys() == TrainSettings().to_dict().keys()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("packing", True, "on"),
        ("packing", False, "off"),
        ("learning_rate", 5e-4, "0.0005"),
        ("seed", 42, "42"),
        ("time_budget_s", 0, "no limit"),
        ("time_budget_s", 300, "5 min 0 s"),
        ("train_on", "last", "The last assistant turn"),
        ("probe_prompts", ["Who?", "What?"], "Who? / What?"),
        ("mapping", {"user": "q"}, "user: q"),
        ("system_prompt", "", "–"),
        ("edits", [], "–"),
        ("edits", [{"do": "drop", "rows": [1, 2]}], "1 change: 2 rows dropped"),
        ("start_from", "well", "5. Mine"),
        ("start_from", "secret-id", "an earlier run"),
        ("chat_template", "x" * 700, "x" * 600 + "…"),
        ("unheard_of", 3, "3"),
    ],
)
def test_values_as_a_person_reads_them(name: str, value: object, said: str) -> None:
    assert value_in_words(name, value, "en", {"well": "5. Mine"}) == said


def test_changes_are_named_and_valued_in_words() -> None:
    change = {"learning_rate": 3e-4, "time_budget_s": 300, "packing": True, "unheard_of": "x"}
    assert changes_in_words(change, "en") == (
        "Learning rate: 0.0003, Time budget: 5 min 0 s, Packing: on, unheard_of: x"
    )
    assert changes_in_words({"learning_rate": 3e-4, "r": 8}, "ja") == "学習率：0.0003、ランク：8"


def test_settings_that_differ_from_the_defaults_are_marked() -> None:
    html = settings_table({"r": 8, "seed": 42, "system_prompt": "<i>"}, "en")
    assert html.count("is-changed") == 2 and "&lt;i&gt;" in html
