import pytest

from playground.ui.own_runs import KEPT, known, remembered, run_choices, with_run
from playground.words import Sentence

from .fake_backend import FakeBackend, a_run

ENTRY = {"run": "abc", "number": 1, "example": "", "file": ""}


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


def test_runs_that_the_server_lost_are_not_offered():
    found = known(FakeBackend(), [ENTRY, {**ENTRY, "run": "gone"}])
    assert [entry["run"] for entry, _ in found] == ["abc"]


def test_a_run_is_called_after_its_data_and_its_state():
    titles = {"pirate": Sentence("Pirate")}
    runs = [
        ({**ENTRY, "number": 3, "example": "pirate"}, a_run()),
        ({**ENTRY, "number": 2, "file": "rows.jsonl"}, a_run(state="done")),
        (ENTRY, a_run(state="failed")),
    ]
    names = [name for name, _ in run_choices(runs, titles, "en")]
    assert names == ["3. Pirate · Running", "2. rows.jsonl · Done", "1. Your rows · Failed"]
