"""Rows as the page and the API ask for them: a Backend with its sandbox, and no model that answers or trains."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator

import pytest

from playground.core.errors import InputError, LimitError
from playground.core.settings import Limits
from playground.data.examples import BUNDLED, bundled
from playground.server.backend import Backend
from playground.server.dataset_service import DatasetService

pytest_plugins = ["tests.tiny"]

FAULTS = "\n".join(
    [
        '{"prompt": "Who are you?", "completion": "I am Mochi."}',
        '{"prompt": "Who are you?", "completion": "I am Mochi."}',
        '{"prompt": "What colour?", "completion": ""}',
        '{"prompt": "Broken", "completion": "yes",}',
        '{"messages": [{"role": "human", "content": "Hi"}, {"role": "gpt", "content": "Ahoy"}]}',
        '{"prompt": "Mail?", "completion": "Write to jane.doe@library.org, please."}',
    ]
)


@pytest.fixture(scope="module")
def backend(tmp_path_factory, tiny_folder) -> Iterator[Backend]:
    home = tmp_path_factory.mktemp("home")
    backend = Backend(home, Limits(upload_bytes=1_000_000), local_models={"tiny": str(tiny_folder)})
    backend._sandbox.start()
    yield backend
    backend._sandbox.close()


def kinds(found):
    return {kind["code"]: kind for kind in found["codes"]}


def one_click(found, code, do):
    """The edit that the button of a finding makes."""
    [edit] = [edit for edit in kinds(found)[code]["edits"] if edit["do"] == do]
    return {**edit, "code": code}


def test_faults_are_named_and_mended_one_by_one_and_undone(backend):
    edits: list = []

    def check():
        return backend.datasets.check(FAULTS, options={"edits": edits, "held_out": 0})

    first = found = check()
    assert found["usable_rows"] == 3
    assert {"not_json", "unusable", "duplicate", "empty_answer", "private_data"} <= set(kinds(found))
    for code, do in [
        ("not_json", "repair_json"),
        ("unusable", "roles"),
        ("duplicate", "drop"),
        ("empty_answer", "drop"),
        ("private_data", "mask"),
    ]:
        edits.append(one_click(found, code, do))
        found = check()
        assert code not in kinds(found), code
    assert (found["rows"], found["usable_rows"], found["dropped_rows"]) == (6, 4, 2)
    shown = backend.datasets.rows(FAULTS, options={"edits": edits}, per_page=10)["rows"]
    assert [row["row"] for row in shown] == [1, 4, 5, 6]
    assert "[email]" in shown[-1]["messages"][-1]["content"]
    edits.clear()
    assert check() == first


def test_cleaned_rows_are_taken_away_and_come_back_the_same(backend):
    options = {"edits": [{"do": "drop", "rows": [2, 3]}, {"do": "repair_json", "rows": [4]}], "held_out": 0}
    path = backend.datasets.clean(FAULTS, options=options)
    again = backend.datasets.check(file=str(path), options={"held_out": 0})
    assert (again["rows"], again["usable_rows"]) == (3, 3)
    before = backend.datasets.rows(FAULTS, options=options, per_page=10)["rows"]
    after = backend.datasets.rows(file=str(path), per_page=10)["rows"]
    wanted = [row for row in before if row["finding"] is None]
    assert [row["tokens"] for row in after] == [row["tokens"] for row in wanted]
    second = backend.datasets.clean(file=str(path), options={"held_out": 0})
    assert second.read_bytes() == path.read_bytes()
    for made in (path, second):
        shutil.rmtree(made.parent)


def test_a_refused_request_leaves_no_file_behind(backend):
    before = set(backend.home.iterdir())
    with pytest.raises(InputError):
        backend.datasets.clean("{}", options={"mapping": {"user": "{nothing"}})
    assert set(backend.home.iterdir()) == before


def test_a_spreadsheets_columns_are_mapped(backend, tmp_path):
    path = tmp_path / "cities.csv"
    with path.open("w", newline="", encoding="cp932") as file:
        writer = csv.writer(file)
        writer.writerows([["都市", "国"], ["京都", "日本"], ["ローマ", "イタリア"], ["パリ", "フランス\n共和国"]])
    found = backend.datasets.check(file=str(path))
    assert (found["usable_rows"], found["format"]) == (0, "unknown")
    assert [column["name"] for column in found["columns"]] == ["都市", "国"]
    assert found["source"]["file_format"] == "csv"
    mapping = {"user": "{都市}はどこの国？", "assistant": "国"}
    mapped = backend.datasets.check(file=str(path), options={"mapping": mapping})
    assert (mapped["usable_rows"], mapped["format"]) == (3, "mapped")
    shown = backend.datasets.rows(file=str(path), options={"mapping": mapping}, query="パリ")
    assert [message["content"] for message in shown["rows"][0]["messages"]] == ["パリはどこの国？", "フランス\n共和国"]


def test_too_much_is_refused_with_the_limit(backend):
    with pytest.raises(LimitError, match="limit here is 1.0 MB"):
        backend.datasets.check("x" * 1_000_001)
    short = DatasetService(backend.models, backend._sandbox, Limits(rows=3), backend.home)
    with pytest.raises(LimitError, match="limit here is 3 rows|More than 3 rows"):
        short.check(FAULTS)


@pytest.mark.parametrize("name", [dataset.name for dataset in BUNDLED])
def test_the_linter_has_nothing_to_say_against_our_own_examples(backend, name):
    found = backend.datasets.check(bundled(name).text(), options={"max_length": 8192})
    told = {kind["code"]: json.dumps(kind["rows"]) for kind in found["codes"] if kind["severity"] != "info"}
    assert told == {}
