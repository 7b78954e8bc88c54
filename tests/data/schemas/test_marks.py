"""What rows say of themselves: which answers are to be learned, and which rows are bad."""

from __future__ import annotations

import pytest

from playground.core.errors import InputError
from playground.data.schemas import to_conversation
from playground.data.schemas.marks import LEARNED, MarkedBad, says_yes
from playground.data.source import Record

HI = {"role": "user", "content": "Hi"}
SLIP = {"role": "assistant", "content": "Go away."}
AHOY = {"role": "assistant", "content": "Ahoy"}


def read(heeds_marks=True, **data):
    return to_conversation(Record(3, data), heeds_marks=heeds_marks)


def weights(found):
    return [message.get("weight") for message in found.messages]


@pytest.mark.parametrize("key", LEARNED)
@pytest.mark.parametrize("no", [0, False, "0", "false", 0.0])
def test_an_answer_whose_mark_says_no_has_the_weight_0(key, no):
    found = read(messages=[HI, {**SLIP, key: no}, HI, {**AHOY, key: 1}])
    assert weights(found) == [None, 0, None, None]
    assert [message.keys() & set(LEARNED) - {"weight"} for message in found.messages] == [set()] * 4
    assert found.findings == ()


@pytest.mark.parametrize(
    ("messages", "key"),
    [
        ([HI, {**AHOY, "weight": 0.5}], "weight"),
        ([{**HI, "train": True}, AHOY], "train"),
        ([HI, {**AHOY, "loss": "?"}], "loss"),
    ],
)
def test_a_mark_that_cannot_be_followed_is_told(messages, key):
    found = read(messages=messages)
    assert weights(found) == [None, None]
    [finding] = found.findings
    assert (finding.code, finding.severity, finding.row) == ("weight_ignored", "warning", 3)
    assert key in finding.message


@pytest.mark.parametrize("column", ["loss_mask", "train_mask", "weights"])
@pytest.mark.parametrize("mask", [[0, 0, 0, 1], [False, True], "[0, 1]", [1, 0, 1, 1]])
def test_a_list_beside_the_turns_says_it_by_place(column, mask):
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Go away."}]
    found = read(conversations=[*turns, *turns], system="Be brief.", **{column: mask})
    assert weights(found) == [None, None, 0, None, None]
    assert weights(read(messages=[HI, SLIP, HI, AHOY], **{column: mask})) == [None, 0, None, None]


@pytest.mark.parametrize("mask", [[1], [0, 1, 0], [0, 0, 0, "often"]])
def test_a_list_of_another_length_is_refused(mask):
    with pytest.raises(InputError, match="list of what is to be learned has"):
        read(messages=[HI, SLIP, HI, AHOY], loss_mask=mask)


@pytest.mark.parametrize(
    "mark",
    [
        {"label": False}, {"label": "False"}, {"label": "bad"}, {"is_good": 0}, {"Is Good": "no"}, {"correct": "false"},
        {"feedback": "👎"}, {"thumbs_up": False}, {"is_bad": True}, {"flagged": 1}, {"合否": "不合格"}, {"正誤": "×"},
        {"weight": 0}, {"train": False}, {"loss": False}, {"loss_mask": 0},
    ],
)  # fmt: skip
def test_a_row_that_is_marked_as_bad_is_left_out_unless_it_is_asked_for(mark):
    for row in ({"messages": [HI, AHOY]}, {"prompt": "Hi", "completion": "Ahoy"}, {"質問": "Hi", "回答": "Ahoy"}):
        with pytest.raises(MarkedBad, match=next(iter(mark))):
            read(**row, **mark)
        assert read(heeds_marks=False, **row, **mark).messages == [HI, AHOY]


@pytest.mark.parametrize(
    "mark",
    [
        {"label": True}, {"label": 0}, {"label": "3"}, {"is_good": "yes"}, {"feedback": "I do not know"}, {"loss": 0.0},
        {"is_bad": False}, {"rejected": "No."}, {"label": None}, {"is_good": ""}, {"correct": "Paris"},
    ],
)  # fmt: skip
def test_other_values_are_no_such_mark(mark):
    assert read(prompt="Hi", completion="Ahoy", **mark).messages == [HI, AHOY]


def test_the_label_of_a_text_is_its_class():
    assert read(text="Ahoy", label=False).messages == [AHOY]


@pytest.mark.parametrize(
    ("value", "says"), [(2, None), (None, None), ([], None), ({}, None), ("yes", True), ("ｎｏ", False)]
)
def test_what_a_value_says(value, says):
    assert says_yes(value) is says
