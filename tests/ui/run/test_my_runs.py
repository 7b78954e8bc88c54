import pytest

from playground.core.i18n import Sentence
from playground.ui.run.my_runs import KEPT, example_titles, known, remembered, run_choices, title, with_run, without
from tests.ui.fake_backend import FakeBackend, a_run

ENTRY = {"run": "abc", "number": 1, "example": "", "file": ""}
TITLES = {"pirate": Sentence("Pirate")}


@pytest.mark.parametrize("stored", [None, "x", 3, {}, [None, 1, {"run": 5}, {"number": 1}]])
def test_a_store_of_another_shape_is_an_empty_one(stored):
    assert remembered(stored) == []


def test_an_entry_gets_the_fields_that_it_lacks():
    assert remembered([{"run": "abc", "number": "x"}]) == [{**ENTRY, "number": 0}]


def test_runs_are_numbered_on_and_kept_newest_first():
    entries = [ENTRY]
    for _ in range(30):
        entries = with_run(entries, "new", "", "")
    assert len(entries) == KEPT
    assert [entry["number"] for entry in entries[:2]] == [31, 30]


def test_a_forgotten_run_leaves_the_numbers_of_the_others_alone():
    entries = with_run(with_run([ENTRY], "b", "", ""), "c", "", "")
    left = without(entries, ["b", "unknown"])
    assert [(entry["run"], entry["number"]) for entry in left] == [("c", 3), ("abc", 1)]
    assert with_run(left, "d", "", "")[0]["number"] == 4
    assert len(entries) == 3


def test_runs_that_the_server_lost_are_not_offered():
    found = known(FakeBackend(), [ENTRY, {**ENTRY, "run": "gone"}])
    assert [entry["run"] for entry, _ in found] == ["abc"]


def test_a_run_is_called_after_its_data_and_its_state():
    runs = [
        ({**ENTRY, "number": 3, "example": "pirate"}, a_run()),
        ({**ENTRY, "number": 2, "file": "rows.jsonl"}, a_run(state="done")),
        (ENTRY, a_run(state="failed")),
    ]
    names = [name for name, _ in run_choices(runs, TITLES, "en")]
    assert names == ["3. Pirate · Running", "2. rows.jsonl · Done", "1. Your rows · Failed"]


@pytest.mark.parametrize("entry", [{"example": "pirate"}, {"file": "rows.jsonl"}, {}])
def test_the_name_that_a_person_gave_goes_before_what_it_was_trained_on(entry):
    assert title({**ENTRY, **entry}, a_run(title="Half the rate"), TITLES, "en") == "Half the rate"
    assert title({**ENTRY, **entry}, a_run(title=""), TITLES, "en") != ""
    named = [({**ENTRY, **entry}, a_run(title="Half the rate"))]
    assert run_choices(named, TITLES, "en") == [("1. Half the rate · Running", "abc")]


def test_a_name_is_no_template():
    assert title(ENTRY, a_run(title="{state} ${x}"), {}, "ja") == "{state} ${x}"


def test_examples_go_by_their_titles():
    assert example_titles(FakeBackend()) == {"pirate": "Pirate"}
