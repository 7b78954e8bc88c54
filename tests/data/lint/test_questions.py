"""Questions that ask nothing, and words for an empty cell in them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.settings import DatasetOptions, Limits
from playground.data.dataset import prepare
from playground.data.edits import without_empty
from playground.data.readers import parse
from playground.data.source import Source
from playground.templates.renderer import Renderer
from tests.data.lint.rows import assistant, found, named, qa, row, system, user

pytest_plugins = ["tests.tiny"]


def told(tokenizer, raw, name="rows.csv", **options):
    parsed = parse(Source(raw.encode(), name), Limits())
    prepared = prepare(parsed, Renderer(tokenizer), DatasetOptions(held_out=0, **options))
    return [(finding.row, str(finding.message)) for finding in prepared.findings if finding.code == "missing_value"]


# --- Nothing is asked ---


@pytest.mark.parametrize("blank", ["", " \n\t", "\u3000", "\u200b \ufeff", [], [{"type": "text", "text": " "}], [""]])
def test_an_empty_question_is_named_in_any_turn(blank):
    later = [user("q"), assistant("a"), user(blank), assistant("b")]
    (finding,) = found([row(5, *later)], "empty_question")
    assert finding.severity == "warning" and "Row 5" in finding.message and "message 3" in finding.message
    assert finding.edits == ["drop", "keep"]
    assert named(
        [row(1, user(blank), assistant("b")), row(2, system("s"), user(blank), assistant("b"))], "empty_question"
    ) == [1, 2]


@pytest.mark.parametrize(
    "messages",
    [
        [user("a"), user(" "), assistant("b")],
        [user(""), user("a"), assistant("b")],
        [user("a"), assistant("b"), user("c"), user(""), assistant("d")],
    ],
)
def test_an_empty_question_beside_another_one_can_go(messages):
    (finding,) = found([row(1, *messages)], "empty_question")
    assert finding.edits[0] == "drop_empty"
    assert not found([row(1, *without_empty(messages))], "empty_question")
    assert not found([row(1, *without_empty(messages))], "role_order")


@pytest.mark.parametrize("asked", ["?", ".", [{"type": "image", "url": "x"}], [{"type": "text", "text": "a"}]])
def test_whatever_asks_is_no_empty_question(asked):
    assert not found([qa(1, asked, "b")], "empty_question")
    assert not found([row(1, assistant("Plain text to go on with."))], "empty_question")


# --- Words for an empty cell ---


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "NULL", "<NA>", "#N/A", " null "])
def test_a_question_or_a_system_prompt_that_is_a_word_for_nothing_is_named(word):
    rows = [qa(1, word, "a"), row(2, system(word), user("q"), assistant("a")), row(3, user("q"), assistant("a"))]
    findings = found(rows, "missing_value")
    assert [(finding.row, finding.severity) for finding in findings] == [(1, "warning"), (2, "warning")]
    assert f"the word {word.strip()}." in findings[0].message


@pytest.mark.parametrize("words", ["None of these", "no", "zero", "Ana", "nan?", "Nina"])
def test_other_words_are_questions(words):
    assert not found([qa(1, words, "a")], "missing_value")


def test_none_may_be_a_reply_and_an_answer():
    rows = [
        row(1, user("a"), assistant("Any allergies?"), user("None"), assistant("Good.")),
        qa(2, "Is there a fee?", "None"),
    ]
    assert not found(rows, "missing_value") and not found(rows, "empty_answer")
    assert named([qa(1, "q", "nan"), qa(2, "q", "<NA>"), qa(3, "q", "NULL")], "empty_answer") == [1, 2, 3]


@pytest.mark.parametrize(
    ("header", "cells", "column"),
    [
        ("Instruction;Input;Output", "Name a river.;nan;Elbe", "Input"),
        ("instruction;input;output", "NULL;Elbe;A river.", "instruction"),
        ("指示;入力;出力", "川の名前は？;None;エルベ川", "入力"),
        ("context;question;answer", "<NA>;Who?;Mochi", "context"),
    ],
)
def test_a_word_for_nothing_inside_a_question_is_named_by_its_column(tokenizer, header, cells, column):
    ((row_told, message),) = told(tokenizer, f"{header}\na;b;c\n{cells}\n")
    assert row_told == 3 and f"{column} holds only the word" in message


def test_a_mapped_column_that_is_a_word_for_nothing_is_named(tokenizer):
    rows = "word,extra,target\nbanana,nan,Ahoy\nnan,x,Nothing\n"
    mapping = {"user": "Translate: {word}", "assistant": "target"}
    assert told(tokenizer, rows, mapping=mapping) == [(3, "Row 3: word holds only the word nan.")]


def test_columns_that_are_not_read_may_say_anything(tokenizer):
    assert told(tokenizer, "question,answer,notes\nIs nan a number?,No.,nan\nHi,Ahoy,None\n") == []
    messages = [user("Is nan a number?"), assistant("No.")]
    assert told(tokenizer, json.dumps({"messages": messages, "input": "nan"}), "rows.jsonl") == []


def test_an_input_without_an_instruction_is_the_question(tokenizer):
    parsed = parse(Source(b"instruction,input,output\n,Hi,Ahoy\n", "rows.csv"), Limits())
    (example,) = prepare(parsed, Renderer(tokenizer), DatasetOptions(held_out=0)).examples
    assert example.conversation.messages[0]["content"] == "Hi"


cells = st.sampled_from(["nan", "None", "Name a river.", "banana", "", "x\ny"])


@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
def test_every_row_with_a_word_for_nothing_is_named_and_no_other(tokenizer, rows):
    text = "\n".join(json.dumps({"instruction": one, "input": two, "output": "x"}) for one, two in rows)
    expected = [number for number, pair in enumerate(rows, start=1) if {"nan", "None"} & set(pair)]
    assert [number for number, _ in told(tokenizer, text, "rows.jsonl")] == expected
