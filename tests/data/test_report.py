"""What is said of a dataset: lengths, padding, the split, kinds of findings, rows as they are shown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.findings import Finding
from playground.core.i18n import say
from playground.core.settings import DatasetOptions, Limits
from playground.data.dataset import prepare
from playground.data.pages import page
from playground.data.readers import parse
from playground.data.report import _lengths, by_code, chips, full_report
from playground.data.source import Source
from playground.templates.renderer import Renderer
from tests.data.test_batch_tokens import sampled

pytest_plugins = ["tests.tiny"]

np = pytest.importorskip("numpy")


def row(prompt="Hi", completion="Ahoy"):
    return {"prompt": prompt, "completion": completion}


def read(*rows):
    text = "\n".join(item if isinstance(item, str) else json.dumps(item) for item in rows)
    return parse(Source(text.encode(), ""), Limits())


@pytest.fixture
def renderer(tokenizer):
    return Renderer(tokenizer)


def report_of(renderer, *rows, **options):
    parsed = read(*rows)
    return full_report(parsed, prepare(parsed, renderer, DatasetOptions(**options)), [])


# --- Lengths ---


@given(lengths=st.lists(st.integers(1, 20_000), min_size=1, max_size=60), limit=st.integers(8, 8192))
def test_every_row_is_in_one_bin_and_the_maximum_is_an_edge(lengths, limit):
    found = _lengths(np.array(lengths, dtype=np.int32), limit)
    bins = found["bins"]
    assert sum(part["rows"] for part in bins) == len(lengths)
    for part in bins:
        assert part["rows"] == sum(part["start"] <= length <= part["end"] for length in lengths)
    assert [part["start"] for part in bins[1:]] == [part["end"] + 1 for part in bins[:-1]]
    if max(lengths) > limit:
        assert limit in {part["end"] for part in bins}
    assert len(bins) <= 100
    assert found["max"] == max(lengths) and found["over"] == sum(length > limit for length in lengths)


def test_the_middle_and_the_long_end_are_told():
    lengths = [*range(1, 100), 1000]
    found = _lengths(np.array(lengths, dtype=np.int32), 8192)
    assert (found["median"], found["p95"], found["max"]) == (50, 95, 1000)


def test_a_row_of_each_length_stands_in_the_bin_that_names_it():
    found = _lengths(np.array([1, 2, 3], dtype=np.int32), 512)["bins"]
    assert [(part["start"], part["end"], part["rows"]) for part in found] == [(1, 1, 1), (2, 2, 1), (3, 3, 1)]


def test_without_rows_there_are_no_lengths():
    assert _lengths(np.array([], dtype=np.int32), 512) is None


@pytest.mark.parametrize("mode", ["keep_start", "keep_end", "drop"])
def test_rows_that_the_maximum_leaves_out_are_among_the_lengths(renderer, mode):
    rows = [row("Tell me a long story about books. " * 10), row(), row("Who?")]
    whole = report_of(renderer, *rows, max_length=2000)["lengths"]
    found = report_of(renderer, *rows, max_length=100, truncation_mode=mode)["lengths"]
    assert found["over"] == 1 and whole["over"] == 0 and found["max"] == whole["max"] > 100
    assert sum(part["rows"] for part in found["bins"]) == 3


# --- Padding and the split ---


def test_batches_of_like_length_waste_less(renderer):
    rows = [row(str(n), "Ahoy " * (1 + 30 * (n % 2))) for n in range(40)]
    found = report_of(renderer, *rows)["padding"]
    assert found["batch"] == 4
    assert 0 <= found["grouped"] < found["shuffled"] < 1
    given_order = report_of(renderer, *rows, shuffle_dataset=False)["padding"]
    assert given_order["grouped"] > found["grouped"]


def test_padding_counts_what_a_run_is_given(renderer):
    """Training rows alone, as they are cut, in batches of the size that was chosen."""
    short, long = row("Hi", "Ahoy"), row("Hi", "Ahoy " * 60)
    one = report_of(renderer, *[short] * 9, long, held_out=0.1, shuffle_dataset=False)["padding"]
    assert one == {"batch": 4, "shuffled": 0, "grouped": 0}
    cut = report_of(renderer, *[short, long] * 5, held_out=0, max_length=40, per_device_train_batch_size=2)
    assert cut["lengths"]["max"] > 40 and cut["padding"] == {"batch": 2, "shuffled": 0, "grouped": 0}


def test_padding_in_the_given_order_is_that_of_neighbours(renderer):
    rows = [row(str(n), "Ahoy " * (1 + 30 * (n >= 8))) for n in range(16)]
    given_order = report_of(renderer, *rows, held_out=0, shuffle_dataset=False)["padding"]
    assert given_order["grouped"] < 0.1 < given_order["shuffled"]
    # The sampler sorts within a quarter of the batches: of so few rows each batch is a lot of its own.
    found = report_of(renderer, *rows, held_out=0)["padding"]
    assert found["grouped"] == pytest.approx(found["shuffled"], abs=0.03)


def test_padding_is_that_of_the_trainers_batches(renderer):
    rows = [row(str(n), "Ahoy " * (1 + 3 * (n % 7))) for n in range(60)]
    prepared = prepare(read(*rows), renderer, DatasetOptions(held_out=0))
    lengths = [len(example.kept_ids) for example in prepared.examples]
    found = report_of(renderer, *rows, held_out=0, gradient_accumulation_steps=2)["padding"]["grouped"]
    padded = [sum(batch) for batch in (sampled(lengths, 4, 2, seed) for seed in range(30))]
    assert found == pytest.approx(1 - sum(lengths) / np.mean(padded), abs=0.01)


def test_the_split_names_its_rows_and_each_row_is_seen_so_often(renderer):
    found = report_of(renderer, *[row(str(n), str(n)) for n in range(20)], max_steps=9)
    assert found["split"]["train"] == 18
    assert found["split"]["held_out_rows"] == [14, 20]  # As a run draws them with this seed, on every machine.
    assert found["split"]["seed"] == 42
    assert found["epochs"] == {
        "steps": 9,
        "seen": 1.89,
    }  # A pass of five batches, the last one of two rows, and four more batches.
    more = report_of(renderer, *[row(str(n), str(n)) for n in range(22)])  # 20 to train on, five batches.
    assert more["epochs"] == {"steps": 40, "seen": 8.0}
    last = report_of(renderer, *[row(str(n), str(n)) for n in range(20)], shuffle_dataset=False)["split"]
    assert (last["held_out_rows"], last["seed"]) == ([19, 20], None)  # Nothing was drawn.


# --- Shapes and findings ---


def test_shapes_columns_and_source_are_told(renderer):
    found = report_of(renderer, row(), {"question": "Q", "answer": "A"}, row())
    assert [(shape["shape"], shape["rows"]) for shape in found["shapes"]] == [
        ("prompt_completion", 2),
        ("question_answer", 1),
    ]
    assert all(shape["reason"] for shape in found["shapes"])
    assert {column["name"] for column in found["columns"]} == {"prompt", "completion", "question", "answer"}
    assert found["source"] == {"file_format": "jsonl", "encoding": "utf-8"}
    assert found["format"] == "mixed"
    two = report_of(
        renderer, {"question": "Q", "answer": "A"}, {"query": "Q", "response": "A"}, {"問い": "Q", "答え": "A"}
    )
    assert [shape["reason"] for shape in two["shapes"]] == ["It has the question in question and the answer in answer."]


def test_what_was_chosen_is_told_back(renderer):
    mapping = {"user": "{a}", "assistant": "{b}"}
    parsed = parse(Source("a,b\nÜber,Wort\nx,y\n".encode("cp1252"), "a.csv"), Limits())
    found = full_report(parsed, prepare(parsed, renderer, DatasetOptions(mapping=mapping, max_length=77)), [])
    assert (found["mapping"], found["max_length"]) == (mapping, 77)
    assert found["source"]["file_format"] == "csv" and found["source"]["encoding"] == parsed.encoding != "utf-8"


def test_tokens_are_those_that_are_left_after_the_cut(renderer):
    found = report_of(renderer, row("Hi", "Ahoy " * 60), row(), max_length=50)
    parsed = read(row("Hi", "Ahoy " * 60), row())
    examples = prepare(parsed, renderer, DatasetOptions(max_length=50)).examples
    assert found["tokens"] == 50 + examples[1].length
    assert (found["truncated_rows"], found["rows"], found["usable_rows"]) == (1, 2, 2)


def test_what_stands_on_the_whole_is_another_kind_than_what_stands_on_rows():
    whole = Finding("tools_ignored", "warning", say("The tool definitions ({count}) are not in the text.", count=1))
    of_row = replace(whole, message=say("Row {row}: {told}", row=2, told=whole.message), row=2, edits=["drop"])
    kinds = by_code([whole, of_row, replace(of_row, row=3)])
    assert [(kind["count"], kind["rows"], len(kind["edits"])) for kind in kinds] == [(1, [], 0), (2, [2, 3], 1)]


def test_a_row_that_says_that_it_is_bad_is_one_finding_on_its_page(renderer):
    source = Source(b'{"prompt": "Hi", "completion": "Go away", "label": false}', "")
    [row] = page(parse(source, Limits()), renderer, DatasetOptions())["rows"]
    assert (row["finding"]["code"], row["finding"]["edits"]) == ("marked_bad", ["keep", "drop"])


def test_findings_of_a_kind_stand_together_gravest_first_with_the_rows_that_an_edit_helps():
    found = [
        Finding("a", "info", say("Row {row} is empty.", row=1), None, 1, edits=["drop"]),
        Finding("b", "error", say("Row {row} is empty.", row=2), None, 2, edits=["roles", "drop"]),
        Finding("b", "error", say("Row {row} is empty.", row=3), None, 3, edits=["drop"]),
        Finding("c", "warning", say("Row {row} is empty.", row=0), None, None),
    ]
    kinds = by_code(found)
    assert [(kind["code"], kind["count"], kind["rows"]) for kind in kinds] == [
        ("b", 2, [2, 3]),
        ("c", 1, []),
        ("a", 1, [1]),
    ]
    assert kinds[0]["edits"] == [{"do": "roles", "rows": [2]}, {"do": "drop", "rows": [2, 3]}]


# --- Rows as they are shown ---


@pytest.mark.parametrize("mode", ["keep_start", "keep_end"])
@pytest.mark.parametrize("train_on", ["assistant", "all"])
def test_what_is_shown_as_trained_is_what_is_trained(renderer, mode, train_on):
    options = DatasetOptions(max_length=60, truncation_mode=mode, train_on=train_on)
    parsed = read(row(completion="Ahoy " * 40), row())
    for example in prepare(parsed, renderer, options).examples:
        shown = chips(example, renderer, options)
        kept = [chip for chip in shown["tokens"] if not chip["cut"]]
        assert [chip["id"] for chip in kept] == example.kept_ids.tolist()
        assert [chip["id"] if chip["trained"] else -100 for chip in kept] == example.labels.tolist()
        assert len(shown["tokens"]) == example.length
        assert not any(chip["trained"] for chip in shown["tokens"] if chip["cut"])
        assert (shown["length"], shown["kept"], shown["trained"]) == (example.length, len(kept), example.trained)


@pytest.mark.parametrize("mode", ["keep_start", "keep_end"])
def test_a_very_long_row_is_shown_where_it_is_kept(renderer, mode):
    options = DatasetOptions(max_length=200, truncation_mode=mode)
    [example] = prepare(read(row(completion="Ahoy " * 2000)), renderer, options).examples
    shown = chips(example, renderer, options)
    assert len(shown["tokens"]) == 600
    assert shown["left_out"] == example.length - 600
    assert shown["left_out_before"] == (example.length - 600 if mode == "keep_end" else 0)
    assert [chip["id"] for chip in shown["tokens"] if not chip["cut"]] == example.kept_ids.tolist()


def test_the_colours_are_the_labels_and_not_worked_out_again(renderer):
    options = DatasetOptions()
    [example] = prepare(read(row()), renderer, options).examples
    other = replace(example, loss_mask=1 - example.loss_mask)
    shown = [chip["trained"] for chip in chips(other, renderer, options)["tokens"]]
    assert shown == [bool(mask) for mask in other.loss_mask] != [bool(mask) for mask in example.loss_mask]


# --- Pages ---

MIXED = (row("apple", "red"), '{"BROKEN"', row("banana", "yellow"), {"what": "?"}, row("CHERRY", 'dark\n"red"'))


def numbers(found):
    return [shown["row"] for shown in found["rows"]]


def test_pages_go_through_all_rows_in_order_the_unusable_with_their_reason(renderer):
    parsed, options = read(*MIXED), DatasetOptions()
    first = page(parsed, renderer, options, 1, 2)
    assert (first["page"], first["pages"], first["total"], numbers(first)) == (1, 3, 5, [1, 2])
    assert first["rows"][0]["messages"][0]["content"] == "apple" and first["rows"][0]["finding"] is None
    assert first["rows"][1]["text"] == '{"BROKEN"' and first["rows"][1]["finding"]["code"] == "not_json"
    second = page(parsed, renderer, options, 2, 2)
    assert numbers(second) == [3, 4]
    assert second["rows"][1]["data"] == {"what": "?"} and second["rows"][1]["finding"]["code"] == "unusable"
    assert numbers(page(parsed, renderer, options, 99, 2)) == [5]
    assert numbers(page(parsed, renderer, options, -1, 2)) == [1, 2]


def test_more_findings_than_can_be_shown_are_counted(renderer):
    told = report_of(renderer, *['{"BROKEN"'] * 203)
    assert len(told["findings"]) == 200 and told["findings_left_out"] >= 3


def test_a_row_that_teaches_nothing_keeps_all_that_came_with_it(renderer):
    """Or an edit by hand would lose its tools."""
    asked = {**row("Hi", "Ahoy"), "tools": [{"type": "function", "function": {"name": "f"}}]}
    [shown] = page(read(asked), renderer, DatasetOptions(max_length=8, truncation_mode="drop"))["rows"]
    assert shown["finding"]["code"] == "too_long" and shown["data"] == asked


@pytest.mark.parametrize(("query", "expected"), [("RED", [1, 5]), ("cherry", [5]), ("broken", [2]), (" red\n", [1, 5]), ("?", [4]), ("redassistant", []), ('"red"', [5]), ("", [1, 2, 3, 4, 5]), ("no such", [])])  # fmt: skip  # noqa: E501
def test_rows_are_found_by_their_words(renderer, query, expected):
    found = page(read(*MIXED), renderer, DatasetOptions(), 1, 10, query)
    assert numbers(found) == expected
    assert found["total"] == len(expected)


def test_where_nothing_is_found_there_is_one_empty_page(renderer):
    found = page(read(*MIXED), renderer, DatasetOptions(), 3, 2, "no such")
    assert (found["page"], found["pages"], found["total"], found["rows"]) == (1, 1, 0, [])


def test_the_names_of_tools_are_found(renderer):
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    assert numbers(page(read({**row(), "tools": tools}, row()), renderer, DatasetOptions(), query="LOOK_UP")) == [1]


def test_each_broken_row_has_its_own_reason_and_the_repair_that_helps(renderer):
    half = '{"prompt": "Who?", "completion": "Mochi"'
    parsed = read(row(), "null", half, "[" + "x" * 5_000)
    [_, first, second, last] = page(parsed, renderer, DatasetOptions())["rows"]
    assert (first["finding"]["code"], second["finding"]["code"]) == ("not_an_object", "not_json")
    assert (first["finding"]["edits"], second["finding"]["edits"]) == (["drop"], ["repair_json", "drop"])
    assert len(last["text"]) == 2_000
    mended = page(parsed, renderer, DatasetOptions(edits=[{"do": "repair_json", "rows": [3]}]))
    assert numbers(mended) == [1, 2, 3, 4] and mended["rows"][2]["messages"][1]["content"] == "Mochi"


def test_what_an_edit_took_out_of_a_row_is_not_found_any_more(renderer):
    parsed = read(row("mail", "to jane.doe@library.org"))
    masked = DatasetOptions(edits=[{"do": "mask", "rows": [1]}])
    assert numbers(page(parsed, renderer, masked, query="jane")) == []
    assert numbers(page(parsed, renderer, masked, query="[email]")) == [1]


def test_only_the_rows_asked_for(renderer):
    assert numbers(page(read(*MIXED), renderer, DatasetOptions(), 1, 10, "red", [5, 2])) == [5]
    assert numbers(page(read(*MIXED), renderer, DatasetOptions(), 1, 10, "", [99])) == []


def test_a_page_shows_rows_as_the_run_has_them(renderer):
    options = DatasetOptions(max_length=40, truncation_mode="keep_end", edits=[{"do": "drop", "rows": [1]}])
    parsed = read(row(), row("q", "Ahoy " * 30))
    [example] = prepare(parsed, renderer, options).examples
    [shown] = page(parsed, renderer, options)["rows"]
    assert {key: value for key, value in shown.items() if key not in ("finding", "data")} == chips(
        example, renderer, options
    )
