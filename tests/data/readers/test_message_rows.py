"""One message a row, in any format: conversations come back equal, whatever tells them apart."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import LimitError
from playground.core.settings import Limits
from playground.data.readers import parse
from playground.data.schemas import to_conversation
from playground.data.source import Source

HI = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]
WHO = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Mochi"}]
SYSTEM = {"role": "system", "content": "Be brief."}


def read(text, name="", limits=None):
    return parse(Source(text.encode(), name), limits or Limits())


def lines(messages, end="\n"):
    return end.join(json.dumps(message, ensure_ascii=False) for message in messages)


def conversations_in(found):
    return [record.data["messages"] for record in found.records]


def note_of(found):
    return next(finding for finding in found.findings if finding.code == "read_as")


# --- Any conversations, however they are told apart ---

words = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn"), blacklist_characters="\ufeff"), max_size=20)


@st.composite
def talks(draw, with_system=False):
    said = [{"role": "system", "content": draw(words)}] if with_system else []
    for _ in range(draw(st.integers(1, 3))):
        said += [{"role": "user", "content": draw(words)}, {"role": "assistant", "content": draw(words)}]
    return said


@given(given_=st.lists(talks(), min_size=2, max_size=4), end=st.sampled_from(["\n", "\r\n"]))
def test_a_blank_line_divides_any_conversations(given_, end):
    found = read((end + end).join(lines(talk, end) for talk in given_))
    assert conversations_in(found) == given_
    assert "a blank line ends a conversation" in note_of(found).message


@given(given_=st.lists(talks(with_system=True), min_size=1, max_size=4))
def test_a_system_prompt_begins_any_conversation(given_):
    found = read(lines(message for talk in given_ for message in talk))
    assert conversations_in(found) == given_
    assert "a system prompt begins a conversation" in note_of(found).message


@given(given_=st.lists(talks(), min_size=1, max_size=4), data=st.data())
def test_a_column_says_which_conversation_a_message_is_from_in_any_format(given_, data):
    rows = [{**message, "conversation_id": f"c{place}"} for place, talk in enumerate(given_) for message in talk]
    # As logs have them: mixed, each conversation in its order.
    waiting, mixed = [[row for row in rows if row["conversation_id"] == f"c{n}"] for n in range(len(given_))], []
    while any(waiting):
        mixed.append(data.draw(st.sampled_from([talk for talk in waiting if talk])).pop(0))
    first = list(dict.fromkeys(row["conversation_id"] for row in mixed))
    expected = [given_[int(name[1:])] for name in first]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, ["role", "content", "conversation_id"], quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(mixed)
    for text, name in ((lines(mixed), ""), (json.dumps(mixed), "a.json"), (table.getvalue(), "a.csv")):
        found = read(text, name)
        assert conversations_in(found) == expected, name
        assert "the same conversation_id are one conversation" in note_of(found).message


@given(given_=st.lists(talks(), min_size=1, max_size=5))
def test_with_nothing_else_a_question_behind_an_answer_begins_a_row(given_):
    messages = [message for talk in given_ for message in talk]
    found = read(lines(messages))
    assert conversations_in(found) == [messages[place : place + 2] for place in range(0, len(messages), 2)]
    assert "blank line between two" in note_of(found).fix


# --- What a message may look like ---


@pytest.mark.parametrize(
    "rows",
    [
        [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ahoy"}],
        [{"speaker": "User", "text": "Hi"}, {"speaker": "AI", "text": "Ahoy"}],
        [{"役割": "ユーザー", "内容": "Hi"}, {"役割": "アシスタント", "内容": "Ahoy"}],
        [{"role": "prompter", "text": "Hi", "lang": "en"}, {"role": "assistant", "text": "Ahoy", "lang": "en"}],
        [{"Role": "USER", "Content": "Hi"}, {"Role": "Assistant", "Content": "Ahoy"}],
    ],
)
def test_messages_under_other_names_are_messages(rows):
    assert conversations_in(read(lines(rows))) == [HI]


def test_calls_stay_and_tools_stand_with_the_row():
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    messages = [
        HI[0],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "3", "tool_call_id": "x", "name": "f"},
        HI[1],
    ]
    [record] = read(lines([{**messages[0], "tools": [tool], "tag": "a"}, *messages[1:]])).records
    assert record.data == {"messages": messages, "tools": [tool]}
    assert to_conversation(record).tools == [tool]


def test_a_row_has_the_number_of_its_first_message():
    found = read("\n" + lines(HI) + "\n\n\n" + lines(WHO))
    assert [(record.row, record.data["messages"]) for record in found.records] == [(2, HI), (6, WHO)]


def test_a_column_that_is_another_for_each_message_divides_nothing():
    rows = [{**message, "id": place} for place, message in enumerate([*HI, *WHO])]
    assert conversations_in(read(lines(rows))) == [HI, WHO]


@pytest.mark.parametrize(
    "rows",
    [
        [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}],
        [{"role": "teacher", "content": "a"}, {"role": "pupil", "content": "b"}],
        [{"prompt": "a", "completion": "b", "role": "user"}, {"prompt": "a", "completion": "b", "role": "assistant"}],
        [{"role": "user", "content": "a"}],
        [{"messages": HI}, {"messages": WHO}],
        [*HI, {"role": "note", "content": "b"}, {"role": "user"}],
        [{**HI[0], "role": None}, HI[1], HI[1]],
    ],
)
def test_other_rows_stay_as_they_are(rows):
    assert [record.data for record in read(lines(rows)).records] == rows


def test_a_row_of_another_kind_among_messages_stays_by_itself():
    other = {"prompt": "a", "completion": "b"}
    found = read(lines([*HI * 5, other, *HI[:1], *HI[1:]]))
    assert [record.data for record in found.records] == [{"messages": HI}] * 5 + [other, {"messages": HI}]


def test_a_row_of_another_kind_within_a_conversation_is_no_message_of_it():
    other = {"prompt": "a", "completion": "b"}
    found = read(lines([*[SYSTEM, *HI] * 4, other, SYSTEM, *WHO]))
    assert [record.data for record in found.records] == [
        *[{"messages": [SYSTEM, *HI]}] * 4,
        other,
        {"messages": [SYSTEM, *WHO]},
    ]


# --- Messages that cannot be read ---

BROKEN = '{"role": "assistant", "content": '


def test_a_conversation_with_a_broken_message_is_left_out_as_a_whole_and_no_other():
    text = "\n\n".join([lines(HI), f"{lines(WHO)}\n{BROKEN}\n{lines(HI)}", lines(WHO)])
    found = read(text)
    assert conversations_in(found) == [HI, WHO]
    assert list(found.broken) == [4] and found.broken[4].split("\n")[2] == BROKEN
    [finding] = [finding for finding in found.findings if finding.row is not None]
    assert (finding.code, finding.row) == ("not_json", 4) and "Row 6 is not JSON" in finding.message
    assert "begins in row 4 is left out" in finding.why


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([lines(HI), lines(WHO[:1]), BROKEN, lines(HI)], [3]),  # The answer is broken.
        ([lines(HI), BROKEN, lines(WHO[1:]), lines(HI)], [3]),  # The question is.
        ([BROKEN, lines(HI), lines(HI)], [1]),
        ([lines(HI), lines(HI), BROKEN], [5]),
    ],
)
def test_a_broken_message_costs_its_own_pair_alone(rows, left):
    found = read("\n".join(rows))
    assert conversations_in(found) == [HI, HI]
    assert list(found.broken) == left
    assert {finding.row for finding in found.findings if finding.severity == "error"} == set(left)


def test_a_broken_message_goes_with_the_conversation_before_it_where_a_column_tells_them_apart():
    one, two = ([{**message, "conversation_id": name} for message in HI] for name in "ab")
    found = read(f"{lines(one)}\n{BROKEN}\n{lines(two)}")
    assert conversations_in(found) == [HI] and list(found.broken) == [1]


def test_many_messages_take_time_that_grows_with_their_number_alone():
    def seconds(count):
        text = lines([{**message, "id": n % 9} for n in range(count) for message in HI])
        begun = time.process_time()
        assert len(read(text).records) == 9
        return time.process_time() - begun

    print(f"5,000 messages {seconds(2_500):.2f} s, 50,000 {seconds(25_000):.2f} s")


# --- Trees of replies ---

TREE = [
    {"message_id": "a", "parent_id": None, "text": "What is a fjord?", "role": "prompter", "lang": "en"},
    {"message_id": "b", "parent_id": "a", "text": "No idea.", "role": "assistant", "lang": "en"},
    {"message_id": "c", "parent_id": "a", "text": "An arm of the sea.", "role": "assistant", "lang": "en"},
    {"message_id": "x", "parent_id": None, "text": "Hi", "role": "prompter", "lang": "en"},
    {"message_id": "d", "parent_id": "c", "text": "Name one.", "role": "prompter", "lang": "en"},
    {"message_id": "e", "parent_id": "d", "text": "The Sognefjord.", "role": "assistant", "lang": "en"},
    {"message_id": "f", "parent_id": "c", "text": "Where?", "role": "prompter", "lang": "en"},
    {"message_id": "y", "parent_id": "x", "text": "Ahoy", "role": "assistant", "lang": "en"},
]


def words_of_paths(found):
    return {record.row: [one["content"] for one in record.data["messages"]] for record in found.records}


def test_each_path_of_a_tree_of_replies_is_a_conversation():
    found = read(lines(TREE))
    fjord, sea = "What is a fjord?", "An arm of the sea."
    assert words_of_paths(found) == {
        2: [fjord, "No idea."],
        6: [fjord, sea, "Name one.", "The Sognefjord."],
        8: ["Hi", "Ahoy"],
    }
    assert "replies to in parent_id: each path of a tree" in note_of(found).message
    assert any("Not used: lang." in finding.message for finding in found.findings)
    backwards = read(lines(TREE[::-1]))
    assert sorted(words_of_paths(backwards).values()) == sorted(words_of_paths(found).values())


def test_of_ranked_replies_the_best_are_taken():
    ranks = {"b": 1, "c": 0, "e": 0}
    found = read(lines([{**row, "rank": ranks.get(row["message_id"])} for row in TREE]))
    assert list(words_of_paths(found)) == [6, 8]
    assert "the best rank" in note_of(found).message


def test_replies_in_a_circle_are_not_lost():
    circle = [{**TREE[1], "message_id": "p", "parent_id": "q"}, {**TREE[1], "message_id": "q", "parent_id": "p"}]
    assert list(words_of_paths(read(lines([*TREE, *circle])))) == [2, 6, 8, 9, 10]


def test_a_deep_tree_with_many_branches_is_refused_before_it_fills_the_memory():
    rows = [{"id": 0, "parent_id": None, "role": "user", "content": "Hi"}]
    for number in range(1, 3000):
        role = "assistant" if number % 2 else "user"
        before = 0 if number == 1 else f"{number - 1}a"
        rows += [{"id": f"{number}{side}", "parent_id": before, "role": role, "content": "x"} for side in "ab"]
    with pytest.raises(LimitError, match="more than 1000000 messages"):
        read(lines(rows), limits=Limits(rows=10_000))


def test_marks_of_single_messages_are_kept():
    found = read(lines([HI[0], {**HI[1], "weight": 0}, HI[0], HI[1]]))
    assert [to_conversation(record).messages[1].get("weight") for record in found.records] == [0, None]
