"""The family of errors for people: what they say, in which language, and how they travel."""

from __future__ import annotations

import pickle

import orjson
import pytest

from playground.core import errors
from playground.core.errors import InputError, LimitError, ModelError, NotFoundError, PlaygroundError, WorkerError
from playground.core.findings import Finding, finding_of
from playground.core.i18n import pack, say, unpack

FAMILY = [PlaygroundError, InputError, ModelError, LimitError, NotFoundError, WorkerError]


@pytest.fixture
def japanese(monkeypatch):
    entries = {"Row {row} is empty.": "行{row}は空です。", "Write something.": "何か書いてください。", "null": "ヌル"}
    monkeypatch.setattr("playground.core.i18n.catalogue", lambda language: entries if language == "ja" else {})


def test_an_error_reads_as_its_sentences_one_after_another():
    error = InputError(say("Row {row} is empty.", row=3), say("It needs words."), say("Write something."))
    assert str(error) == "Row 3 is empty. It needs words. Write something."


def test_parts_that_are_missing_leave_no_gap():
    assert str(InputError(say("Row 3 is empty."), fix=say("Write something."))) == "Row 3 is empty. Write something."
    assert str(InputError(say("Row 3 is empty."))) == "Row 3 is empty."


def test_an_error_can_be_said_in_japanese_without_spaces_between_sentences(japanese):
    error = InputError(say("Row {row} is empty.", row=3), fix=say("Write something."))
    assert error.to("ja") == "行3は空です。何か書いてください。"
    assert error.to("en") == str(error) == "Row 3 is empty. Write something."


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_survives_json_and_pickle(japanese, kind):
    error = kind(say("Row {row} is empty.", row=3), None, say("Write something."))
    packed = orjson.loads(orjson.dumps(error.pack()))
    for back in (errors.unpack_error(packed), pickle.loads(pickle.dumps(error))):
        assert type(back) is kind
        assert str(back) == str(error)
        assert back.to("ja") == error.to("ja")
        assert back.expected is None


def test_every_kind_of_error_is_a_playground_error():
    assert all(issubclass(kind, PlaygroundError) for kind in FAMILY)
    assert set(errors._FAMILY.values()) == {PlaygroundError, *PlaygroundError.__subclasses__()}


def test_an_error_of_a_kind_that_is_no_longer_known_still_says_what_it_said():
    packed = {**InputError(say("Row 3 is empty.")).pack(), "error": "OlderError"}
    assert str(errors.unpack_error(packed)) == "Row 3 is empty."


def test_an_error_with_a_sentence_inside_a_sentence_is_said_whole_in_japanese(japanese):
    error = InputError(say("Row {row} is empty.", row=say("null")))
    assert errors.unpack_error(error.pack()).to("ja") == "行ヌルは空です。"


def test_a_refused_row_becomes_a_finding_with_the_same_words(japanese):
    finding = finding_of(InputError(say("Row {row} is empty.", row=3), say("null"), say("Write something.")), "x", 3)
    assert (finding.code, finding.severity, finding.row) == ("x", "error", 3)
    assert finding.message == "Row 3 is empty. null"
    assert finding.fix == "Write something."
    assert finding_of(InputError(say("null")), "x").message.to("ja") == "ヌル"


def test_a_finding_goes_out_with_the_keys_of_the_contract():
    shown = Finding("code", "warning", say("Row {row} is empty.", row=3), say("Write something."), 3).to_dict()
    assert shown == {
        "row": 3,
        "code": "code",
        "severity": "warning",
        "message": "Row 3 is empty.",
        "fix": "Write something.",
        "why": None,
        "evidence": [],
        "action": None,
        "edits": [],
    }
    assert unpack(pack(shown)) == shown
