"""The everyday questions: complete, short, in order, and nobody else's rows."""

from __future__ import annotations

import re
from collections import Counter

import orjson
import pytest

from playground.data.examples import BUNDLED
from playground.data.general_set import FOLDER, KINDS, LANGUAGES, MIXED, general_language, general_rows

JAPANESE = re.compile("[\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff]")


@pytest.fixture(params=LANGUAGES)
def rows(request):
    return general_rows(request.param)


def test_there_are_48_in_english_and_32_in_japanese():
    assert {language: len(general_rows(language)) for language in LANGUAGES} == {"en": 48, "ja": 32}


def test_each_row_is_a_question_and_an_answer_of_a_known_kind(rows):
    for row in rows:
        assert set(row) == {"id", "kind", "messages"} and row["kind"] in KINDS
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
        assert all(set(message) == {"role", "content"} for message in row["messages"])
        assert all(message["content"] == message["content"].strip() != "" for message in row["messages"])


def test_ids_and_questions_are_used_once_and_no_kind_is_missing(rows):
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["messages"][0]["content"] for row in rows}) == len(rows)
    kinds = Counter(row["kind"] for row in rows)
    assert set(kinds) == set(KINDS) and max(kinds.values()) <= len(rows) / 4


def test_answers_are_short():
    for row in general_rows("en"):
        assert 1 <= len(row["messages"][1]["content"].split()) <= 25
    for row in general_rows("ja"):
        assert len(row["messages"][1]["content"]) <= 50


def test_each_file_is_in_its_language():
    for row in general_rows("en"):
        assert all(message["content"].isascii() for message in row["messages"])
    for row in general_rows("ja"):
        assert (
            all(JAPANESE.search(message["content"]) for message in row["messages"]) or row["id"] == "ja-instruction-3"
        )


def test_no_question_stands_in_an_example_dataset(rows):
    """Else a run on it would be trained on what measures it."""
    taught = "\n".join(dataset.text() for dataset in BUNDLED).lower()
    for row in rows:
        question = orjson.dumps(row["messages"][0]["content"]).decode().lower()
        assert question not in taught, row["id"]


def test_whoever_changes_a_row_changes_only_their_own():
    general_rows("en")[0]["messages"][0]["content"] = "changed"
    assert general_rows("en")[0]["messages"][0]["content"] != "changed"


def test_a_mix_has_half_of_each_and_another_language_gets_english():
    mixed = Counter(row["id"].split("-")[0] for row in general_rows(MIXED))
    assert mixed == {"en": 24, "ja": 16}
    assert {row["kind"] for row in general_rows(MIXED)} == set(KINDS)
    assert general_rows("de") == general_rows("en")


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        ([], "en"),
        (["Hello."] * 9 + ["こんにちは。"], "en"),
        (["こんにちは。"] * 9 + ["OK"], "ja"),
        (["Hello.", "こんにちは。"], MIXED),
        (["Guten Tag."], "en"),
        (["你好,世界"], "en"),
        (["x" * 400 + "こんにちは"], "en"),
    ],
)
def test_the_language_is_that_of_most_answers(texts, language):
    assert general_language(iter(texts)) == language


def test_of_a_large_dataset_only_the_beginning_is_read():
    def endless():
        for _ in range(500):
            yield "はい。"
        raise AssertionError("read on")

    assert general_language(endless()) == "ja"


def test_the_readme_tells_the_counts():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for language in LANGUAGES:
        assert f"| `{language}.jsonl` | {len(general_rows(language))} |" in text
    assert all(f"`{kind}`" in text for kind in KINDS)
