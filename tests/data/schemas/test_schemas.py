"""Shapes of rows: written by small writers here, they come back equal; what each reason and each refusal says."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.data.schemas import check_mapping, columns, to_conversation
from playground.data.schemas.column_names import fold
from playground.data.schemas.mapping import MissingColumn
from playground.data.source import Record

AWKWARD = [
    "<|im_end|>",
    "</s>",
    "{x}",
    "{{",
    "🙂",
    "👩‍👩‍👧",
    "本",
    "é",
    "ก็",
    "\u2028",
    "\n",
    "\n\n",
    "  ",
    "[",
    '[{"role"',
    "：",
]
given_words = st.lists(st.sampled_from([*AWKWARD, "\r\n", "\r"]) | st.text(max_size=8), min_size=1, max_size=5).map(
    "".join
)


def with_plain_breaks(text):
    return text.replace("\r\n", "\n").replace("\r", "\n")


words = given_words.map(with_plain_breaks)
said = words.filter(lambda text: text.strip())
SYSTEM, USER, ANSWER = "system", "user", "assistant"


def message(role, content):
    return {"role": role, "content": content}


def question_and_answer(question="Hi", answer="Ahoy"):
    return [message(USER, question), message(ANSWER, answer)]


def read(**data):
    return to_conversation(Record(3, data))


def refused(mapping=None, **data):
    with pytest.raises(InputError) as problem:
        to_conversation(Record(3, data), mapping)
    assert "Row 3" in str(problem.value)
    return str(problem.value)


# --- Any conversation, written in any shape, comes back equal ---


@st.composite
def conversations(draw, turns=4):
    """system? and then user and assistant by turns."""
    messages = [message(SYSTEM, draw(said))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, turns))):
        messages += question_and_answer(draw(words), draw(words))
    return messages


FROM = {SYSTEM: "system", USER: "human", ANSWER: "gpt"}


def as_sharegpt(messages):
    return [{"from": FROM[one["role"]], "value": one["content"]} for one in messages]


def apart(messages):
    """(the system prompt or None, pairs of question and answer)"""
    system = messages[0]["content"] if messages[0]["role"] == SYSTEM else None
    turns = [one["content"] for one in messages if one["role"] != SYSTEM]
    return system, list(zip(turns[::2], turns[1::2], strict=True))


def as_alpaca(messages):
    system, pairs = apart(messages)
    row = {"instruction": pairs[-1][0], "input": "", "output": pairs[-1][1]}
    row |= {"system": system} if system is not None else {}
    return row | ({"history": [list(pair) for pair in pairs[:-1]]} if len(pairs) > 1 else {})


def with_history_as(messages, write):
    system, pairs = apart(messages)
    return {"system": system, "question": pairs[-1][0], "answer": pairs[-1][1], "history": write(pairs[:-1])}


WRITERS = {
    "messages": lambda m: {"messages": m},
    "messages as text, in CSV": lambda m: {"messages": json.dumps(m), "id": "3"},
    "messages in a table of several shapes": lambda m: {
        "messages": m,
        "prompt": None,
        "completion": None,
        "text": None,
    },
    "sharegpt": lambda m: {"conversations": as_sharegpt(m)},
    "sharegpt as text": lambda m: {"id": "1", "Conversation": json.dumps(as_sharegpt(m), ensure_ascii=False)},
    "sharegpt with role and content": lambda m: {"dialogue": m, "source": "web"},
    "sharegpt in Japanese": lambda m: {"会話": as_sharegpt(m)},
    "sharegpt with its system prompt apart": lambda m: {
        "system": apart(m)[0],
        "conversations": as_sharegpt([one for one in m if one["role"] != SYSTEM]),
    },
    "messages as Python prints them": lambda m: {"messages": repr(m)},
    "messages as NumPy prints them": lambda m: {"messages": str(np.array(m, dtype=object)), "id": "3"},
    "sharegpt as Python prints it": lambda m: {"conversations": repr(as_sharegpt(m))},
    "from and value in messages": lambda m: {"messages": as_sharegpt(m)},
    "pairs of input and output": lambda m: {
        "system": apart(m)[0],
        "conversation": [{"input": question, "output": answer} for question, answer in apart(m)[1]],
    },
    "pairs in lists": lambda m: {"system": apart(m)[0], "chat": [list(pair) for pair in apart(m)[1]]},
    "texts under data": lambda m: {
        "system": apart(m)[0],
        "data": [one["content"] for one in m if one["role"] != SYSTEM],
    },
    "history beside a question": lambda m: with_history_as(m, lambda pairs: [list(pair) for pair in pairs]),
    "history as messages": lambda m: with_history_as(
        m, lambda pairs: [one for pair in pairs for one in question_and_answer(*pair)]
    ),
    "history as texts": lambda m: with_history_as(m, lambda pairs: [text for pair in pairs for text in pair]),
    "parts of text": lambda m: {
        "messages": [{**one, "content": [{"type": "text", "text": part} for part in one["content"]]} for one in m]
    },
    "parts, as Gemini has them": lambda m: {
        "contents": [{"role": FROM[one["role"]], "parts": [{"text": one["content"]}]} for one in m]
    },
    "alpaca": as_alpaca,
    "alpaca in a table": lambda m: {"input": None, "history": None, "messages": "", **as_alpaca(m)},
    "prompt and completion": lambda m: {"prompt": m[:-1], "completion": m[-1:]},
    "prompt and completion as texts": lambda m: {"prompt": json.dumps(m[:-1]), "completion": m[-1]["content"]},
    "a preference pair": lambda m: {"prompt": m[:-1], "chosen": m[-1:], "rejected": [message(ANSWER, "no")]},
    "a preference pair with whole conversations": lambda m: {"prompt": "…", "chosen": m, "rejected": m[:-1]},
}
ONE_TURN = {
    "prompt and completion": ("prompt", "completion", "system"),
    "prompt and response": ("Prompt", "response", "System Prompt"),
    "question and answer": ("question", "answer", "system"),
    "capitals": ("QUESTION", "Answer", "SYSTEM"),
    "input and output": ("input", "output", "system_message"),
    "user and assistant": ("user", "assistant", "system"),
    "Dolly": ("instruction", "response", "system"),
    "質問": ("質問", "回答", "システム"),
    "問い": ("問い", "答え", "システム"),
    "half-width": ("ﾌﾟﾛﾝﾌﾟﾄ", "応答", "ｼｽﾃﾑ"),
    "full-width": ("Ｕｓｅｒ　Ｉｎｐｕｔ", "Ａｎｓｗｅｒ", "ｓｙｓｔｅｍ"),
    "指示": ("指示：", " 出力 ", "システムプロンプト"),
}


@pytest.mark.parametrize("writer", WRITERS)
@given(messages=conversations())
def test_any_conversation_comes_back_equal(writer, messages):
    row = WRITERS[writer](copy.deepcopy(messages))
    before = copy.deepcopy(row)
    assert read(**row).messages == messages
    assert row == before


@pytest.mark.parametrize("names", ONE_TURN.values(), ids=ONE_TURN)
@given(messages=conversations(turns=1))
def test_any_single_turn_comes_back_equal_from_columns(names, messages):
    system, [(question, answer)] = apart(messages)
    row = {names[0]: question, names[1]: answer, "id": 3}
    assert read(**(row if system is None else row | {names[2]: system})).messages == messages


@given(question=given_words, answer=given_words)
def test_any_break_of_a_line_is_read_as_one(question, answer):
    plain = question_and_answer(with_plain_breaks(question), with_plain_breaks(answer))
    given_messages = question_and_answer(question, answer)
    for row in ({"messages": given_messages}, {"prompt": question, "completion": answer}):
        assert read(**row).messages == plain
    assert read(conversations=as_sharegpt(given_messages)).messages == plain


@given(text=words)
def test_any_text_comes_back_equal(text):
    found = read(text=text, meta={"source": "web"})
    assert (found.messages, found.shape) == ([message(ANSWER, text)], "text")


@given(messages=conversations(turns=1))
def test_any_single_turn_comes_back_equal_through_a_mapping(messages):
    system, [(question, answer)] = apart(messages)
    mapping = check_mapping({"system": "{rule}", "user": "title", "assistant": "{body}"})
    row = {"title": question, "body": answer, "rule": system, "text": "other"}
    found = to_conversation(Record(1, row), mapping)
    assert (found.messages, found.shape) == (messages, "mapped")


# --- What is recognised, and why ---


@pytest.mark.parametrize(
    ("row", "shape", "reason"),
    [
        ({"messages": question_and_answer()}, "messages", "messages with role and content"),
        (
            {"conversations": as_sharegpt(question_and_answer())},
            "sharegpt",
            "It has conversations with from and value, as ShareGPT has.",
        ),
        ({"dialog": ["Hi", "Ahoy"]}, "sharegpt", "a list of texts"),
        ({"instruction": "Hi", "output": "Ahoy"}, "alpaca", "instruction, output, as Alpaca has"),
        ({"指示": "Hi", "入力": "", "出力": "Ahoy"}, "alpaca", "指示, 入力, 出力, as Alpaca has"),
        ({"prompt": "Hi", "completion": "Ahoy"}, "prompt_completion", "the question in prompt and the answer in comp"),
        ({"prompt": "Hi", "chosen": "Ahoy", "rejected": "No"}, "prompt_completion", "the answer in chosen is learned"),
        ({"質問": "Hi", "回答": "Ahoy"}, "question_answer", "the question in 質問 and the answer in 回答"),
        ({"text": "Ahoy"}, "text", "text alone"),
    ],
)
def test_the_shape_is_told_with_a_reason(row, shape, reason):
    found = read(**row)
    assert found.shape == shape
    assert reason in found.reason
    assert found.messages[-1] == message(ANSWER, "Ahoy")


@pytest.mark.parametrize(
    ("row", "question", "answer", "others"),
    [
        ({"answer": "a", "question": "q", "response": "r"}, "q", "a", "response"),
        ({"query": "q", "question": "p", "response": "a"}, "q", "a", "question"),
        ({"input": "q", "user": "p", "assistant": "a", "output": "b"}, "p", "a", "input, output"),
        ({"問い": "q", "質問": "p", "答え": "a"}, "p", "a", "問い"),
    ],
)
def test_where_several_columns_could_be_meant_the_reason_names_them(row, question, answer, others):
    found = read(**row)
    assert [one["content"] for one in found.messages] == [question, answer]
    assert f"{others} could be meant as well" in found.reason


def test_the_best_known_shape_goes_first():
    row = {"text": "t", "question": "q", "answer": "a", "instruction": "i", "output": "o", "prompt": "p"}
    assert read(**row, completion="c", messages=question_and_answer()).shape == "messages"
    assert read(**row, completion="c").messages == question_and_answer("p", "c")
    assert read(**row).messages == question_and_answer("i", "o")
    assert read(text="t", question="q", answer="a").messages == question_and_answer("q", "a")


def test_a_column_that_only_sounds_like_a_conversation_is_passed_over():
    assert read(conversation="no. 7", question="Hi", answer="Ahoy").shape == "question_answer"
    assert read(messages="see below", prompt="Hi", completion="Ahoy").messages == question_and_answer()


def test_the_input_of_alpaca_stands_behind_the_instruction():
    assert read(instruction="Translate.", input="Hi", output="Ahoy").messages == question_and_answer(
        "Translate.\nHi", "Ahoy"
    )
    found = read(instruction="Translate.", input="Hi", response="Ahoy")
    assert (found.shape, found.messages[0]["content"]) == ("alpaca", "Translate.\nHi")


@pytest.mark.parametrize("column", ["context", "文脈", "コンテキスト"])
def test_a_context_stands_before_the_question(column):
    found = read(**{"question": "Who?", column: "Mochi is a robot.", "answer": "Mochi"})
    assert found.messages == question_and_answer("Mochi is a robot.\n\nWho?", "Mochi")
    assert f"{column} stands before the question" in found.reason


def test_numbers_and_lists_become_the_text_that_json_shows_and_lists_are_told():
    found = read(question=["2", "plus", "本"], answer=4)
    assert found.messages == question_and_answer('["2", "plus", "本"]', "4")
    [finding] = found.findings
    assert (finding.code, finding.severity, finding.row) == ("printed_value", "warning", 3)
    assert "question is a list" in finding.message
    assert read(question="Which?", answer={"text": ["x"], "start": [0]}).findings[0].code == "printed_value"
    assert read(question="Which?", answer="['x', 'y']").findings[0].code == "printed_value"
    assert read(question="As JSON?", answer='["x", "y"]').findings == ()
    assert read(question="True?", answer=True).messages[1]["content"] == "true"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("human", "user"),
        ("User", "user"),
        ("gpt", "assistant"),
        ("chatgpt", "assistant"),
        ("observation", "tool"),
        ("tool", "tool"),
        ("ユーザー", "user"),
        ("ｱｼｽﾀﾝﾄ", "assistant"),
    ],
)
def test_sharegpt_names_become_roles(name, role):
    turns = [{"from": "human", "value": "a"}, {"from": name, "value": "b", "name": "n"}, {"from": "gpt", "value": "c"}]
    assert read(conversations=turns).messages[1] == {"role": role, "content": "b", "name": "n"}


def test_a_function_call_becomes_a_tool_call_with_its_words_unchanged():
    call = {"name": "weather", "arguments": {"place": "本"}}
    turns = [
        {"from": "human", "value": "Weather?"},
        {"from": "function_call", "value": json.dumps(call)},
        {"from": "observation", "value": "Sunny."},
        {"from": "gpt", "value": "It is sunny."},
    ]
    found = read(conversations=turns, tools='[{"name": "weather"}]')
    assert found.findings == ()
    assert [one["role"] for one in found.messages] == ["user", "assistant", "tool", "assistant"]
    assert found.messages[1]["tool_calls"] == [{"type": "function", "function": call}]
    assert found.tools == [{"type": "function", "function": {"name": "weather"}}]
    turns[1]["value"] = "weather(本)"
    found = read(conversations=turns)
    assert found.messages[1] == message(ANSWER, "weather(本)")
    assert [(finding.code, finding.severity, finding.row) for finding in found.findings] == [
        ("call_as_words", "warning", 3)
    ]


def test_messages_of_openai_keep_all_but_the_writing_of_arguments():
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "本"}'}}
    messages = [
        message(USER, "Hi"),
        {"role": ANSWER, "tool_calls": [call]},
        message("tool", "Sunny."),
        *question_and_answer(),
    ]
    call_read = {**call, "function": {"name": "weather", "arguments": {"place": "本"}}}
    messages_read = [messages[0], {**messages[1], "tool_calls": [call_read]}, *messages[2:]]
    assert read(messages=messages).messages == messages_read
    assert read(messages=messages_read).messages == messages_read


def test_a_preference_row_of_llama_factory_is_learnt_from_its_chosen_side():
    row = {"conversations": [{"from": "human", "value": "Hi"}], "chosen": {"from": "gpt", "value": "Ahoy"}}
    assert read(**row, rejected={"from": "gpt", "value": "No"}).messages == question_and_answer()


def test_a_system_column_does_not_double_the_system_prompt():
    messages = [message(SYSTEM, "Be brief."), *question_and_answer()]
    assert read(prompt=messages[:-1], completion="Ahoy", system="Be long.").messages == messages
    assert read(conversations=as_sharegpt(messages), system="Be long.").messages == messages


def test_rows_of_several_shapes_stand_side_by_side():
    table = [
        {"messages": question_and_answer(), "質問": None, "text": None},
        {"messages": None, "質問": "q", "回答": "a"},
    ]
    assert [read(**row).shape for row in table] == ["messages", "question_answer"]


# --- Refusals ---


@pytest.mark.parametrize(
    ("row", "words_"),
    [
        ({"title": "Hi", "body": "Ahoy"}, "has the keys title, body. It needs messages, or a question"),
        ({}, "has the keys none"),
        ({"question": "Hi"}, "has the keys question"),
        ({"question": "Hi", "answer": None}, "nothing in the column 'answer'"),
        ({"question": None, "answer": "Ahoy"}, "nothing in the column 'question'"),
        ({"text": None}, "nothing in the column 'text'"),
        ({"messages": "[{'role': 'user'"}, "messages begins with [ but is not JSON"),
        ({"conversations": [{"from": "gpt", "value": None}]}, "message 1: content is null"),
        ({"conversations": [{"from": "narrator", "value": "x"}]}, "message 1 has the role 'narrator'"),
        ({"conversations": []}, "has no messages"),
        ({"conversations": "Hi"}, "has the keys conversations"),
        ({"instruction": "Hi", "output": "Ahoy", "history": "Hi"}, "history is text"),
        ({"instruction": "Hi", "output": "Ahoy", "history": [["Hi"]]}, "history is a list"),
        ({"question": "a", "answer": "b", "tools": 3}, "tools is a number"),
        ({"chosen": "Ahoy", "rejected": "No"}, "has the keys chosen, rejected"),
    ],
)
def test_what_cannot_be_read_is_named(row, words_):
    assert words_ in refused(**row)


def test_the_fix_is_to_choose_columns():
    assert refused(title="Hi", body="Ahoy").endswith("Choose which column is the question and which the answer.")
    assert "in two columns, or its messages" in refused(title="Hi")


# --- Mapping ---


def test_a_prompt_may_be_built_from_several_columns():
    mapping = check_mapping({"system": "Be brief.", "user": "{{{a}}} in {b c}: {a}", "assistant": "d"})
    found = to_conversation(Record(1, {"a": "x", "b c": 2, "d": "y"}), mapping)
    assert [one["content"] for one in found.messages] == ["Be brief.", "{x} in 2: x", "y"]


def test_values_are_never_templates_and_templates_reach_no_attributes():
    mapping = {"user": "{a}", "assistant": "{a.__class__}"}
    assert "no column 'a.__class__'" in refused(mapping, a="{b}")
    assert to_conversation(Record(1, {"a": "{b}", "b": "y"}), {"user": "{a}", "assistant": "b"}).messages == (
        question_and_answer("{b}", "y")
    )


def test_a_column_may_be_named_like_a_template():
    assert to_conversation(Record(1, {"{q}": "x", "}": "y"}), {"user": "{q}", "assistant": "}"}).messages == (
        question_and_answer("x", "y")
    )


def test_a_mapping_goes_before_what_would_be_recognised():
    row = {"messages": question_and_answer("no", "no"), "q1": "Hi", "a1": "Ahoy"}
    found = to_conversation(Record(1, row), {"user": "q1", "assistant": "a1"})
    assert (found.messages, found.shape) == (question_and_answer(), "mapped")


@pytest.mark.parametrize("empty", [{}, {"q1": None, "a1": None}])
def test_a_row_without_the_mapped_columns_is_read_by_its_own_shape(empty):
    mapping = {"user": "q1", "assistant": "{a1}"}
    found = to_conversation(Record(1, {**empty, "messages": question_and_answer()}), mapping)
    assert (found.messages, found.shape) == (question_and_answer(), "messages")
    assert ("nothing in the column 'q1'" if empty else "no column 'q1'") in refused(mapping, **empty, b="x")


def test_a_missing_column_is_told_with_those_that_there_are():
    said_ = refused({"user": "q1", "assistant": "{a1}"}, q1="x", a2="y")
    assert "no column 'a1'" in said_ and "It has the columns q1, a2." in said_


@pytest.mark.parametrize("system", [None, "", "  "])
def test_a_row_may_do_without_a_system_prompt(system):
    row = {"rule": system, "q": "Hi", "a": "Ahoy"}
    for template in ("rule", "{rule}"):
        found = to_conversation(Record(1, row), {"system": template, "user": "q", "assistant": "a"})
        assert found.messages == question_and_answer()


@pytest.mark.parametrize(
    ("mapping", "words_"),
    [
        ({"user": "q"}, "names no column for assistant"),
        ({"assistant": "q", "user": " "}, "names no column for user"),
        ({"user": "q", "assistant": "a", "tool": "t"}, "has the keys tool. Known keys: system, user, assistant."),
        ({"user": "q", "assistant": 3}, "no object of texts"),
        (["user"], "no object of texts"),
        ({"user": "{q", "assistant": "a"}, "'{q' has a brace without a column"),
        ({"user": "q}", "assistant": "a"}, "has a brace without a column"),
        ({"user": "{}", "assistant": "a"}, "has a brace without a column"),
        ({"user": "x" * 20_001, "assistant": "a"}, "20001 characters"),
    ],
)
def test_a_mapping_that_is_none_is_refused(mapping, words_):
    with pytest.raises(InputError) as problem:
        check_mapping(mapping)
    assert words_ in str(problem.value)


def test_a_mapping_is_held_against_the_columns_that_there_are():
    mapping = {"user": "Say {q}", "assistant": "a"}
    assert check_mapping(mapping, ["q", "a"]) == mapping
    with pytest.raises(InputError, match="no column 'q'.*columns a, b"):
        check_mapping(mapping, ["a", "b"])


@pytest.mark.parametrize("nothing", [None, {}, {"user": "", "system": ""}])
def test_no_mapping_is_no_mapping(nothing):
    assert check_mapping(nothing) == {}


# --- Around it ---


def test_fix_mends_before_the_roles_are_checked():
    row = Record(1, {"messages": [message("人間", "Hi"), message("robot", "Ahoy")]})

    def fix(messages):
        return [{**one, "role": role} for one, role in zip(messages, (USER, ANSWER), strict=True)]

    assert to_conversation(row, None, fix).messages == question_and_answer()
    assert row.data["messages"][0]["role"] == "人間"


def test_columns_are_counted_in_order_of_appearance():
    rows = [Record(1, {"b": "x\n y", "a": None}), Record(2, {"a": [1], "c": "", "b": "z" * 100})]
    assert columns(rows) == [
        {"name": "b", "filled": 2, "sample": "x y"},
        {"name": "a", "filled": 1, "sample": "[1]"},
        {"name": "c", "filled": 0, "sample": ""},
    ]
    assert columns([Record(1, {"b": "z" * 100})])[0]["sample"] == "z" * 80 + "…"
    assert len(columns([Record(1, {str(number): 1 for number in range(99)})])) == 40


def test_names_are_folded():
    assert fold("Ｕｓｅｒ　Ｉｎｐｕｔ：") == fold("user_input") == "userinput"
    assert fold("ｼｽﾃﾑ") == "システム"


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just("[1]"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "text", "tool_calls"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
NAMES = ["messages", "conversations", "dialog", "prompt", "completion", "instruction", "input", "output", "history"]
NAMES += ["system", "chosen", "rejected", "question", "answer", "context", "text", "tools", "質問", "回答"]


@given(data=st.dictionaries(st.sampled_from(NAMES), anything, max_size=6), mapped=st.booleans())
def test_any_row_is_a_conversation_or_an_error_for_people(data, mapped):
    try:
        found = to_conversation(Record(1, data), {"user": "{question}", "assistant": "answer"} if mapped else None)
    except InputError as problem:
        assert "Row 1" in str(problem)
        assert type(problem) in (InputError, MissingColumn)
    else:
        assert any(one["role"] == ANSWER for one in found.messages)
        assert found.reason
