"""What a person types as a dataset's name, and what examples become: pure, no network."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import orjson
import pytest
from datasets import Audio, ClassLabel, Features, Image, List, Sequence, Value

from playground.core.errors import InputError
from playground.core.settings import Limits
from playground.data import hub
from playground.data.hub import HubName, check_count, media_columns, parse_name, path_outside, to_row

PAGE = "https://huggingface.co/datasets/owner/some-name_1.0"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("owner/name", HubName("owner/name")),
        ("  owner/name \n", HubName("owner/name")),
        ("rajpurkar/squad_v2", HubName("rajpurkar/squad_v2")),
        ("HuggingFaceH4/no_robots", HubName("HuggingFaceH4/no_robots")),
        ("a/b", HubName("a/b")),
        (PAGE, HubName("owner/some-name_1.0")),
        (f"{PAGE}/", HubName("owner/some-name_1.0")),
        (f"{PAGE}/tree/main/data", HubName("owner/some-name_1.0")),
        (f"{PAGE}?row=3#top", HubName("owner/some-name_1.0")),
        (f"{PAGE}/viewer", HubName("owner/some-name_1.0")),
        (f"{PAGE}/viewer/20231101.ja", HubName("owner/some-name_1.0", "20231101.ja")),
        (f"{PAGE}/viewer/en/test?row=3", HubName("owner/some-name_1.0", "en", "test")),
        (f"{PAGE}/viewer/with%20space/test", HubName("owner/some-name_1.0", "with space", "test")),
        ("huggingface.co/datasets/owner/name", HubName("owner/name")),
        ("HTTP://WWW.HuggingFace.co/datasets/owner/name", HubName("owner/name")),
        ("hf.co/datasets/owner/name", HubName("owner/name")),
    ],
)
def test_names_and_addresses(typed, expected):
    assert parse_name(typed) == expected


def test_what_is_chosen_wins_over_the_address():
    assert parse_name(f"{PAGE}/viewer/en/test", "ja") == HubName("owner/some-name_1.0", "ja", "")
    assert parse_name(f"{PAGE}/viewer/en/test", "en") == HubName("owner/some-name_1.0", "en", "test")
    assert parse_name(f"{PAGE}/viewer/en/test", "", "train") == HubName("owner/some-name_1.0", "en", "train")


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "",
            "squad",
            "json",
            "owner/",
            "/name",
            "owner/name/more",
            "/etc/passwd",
            "/etc",
            "../name",
            "owner/..",
            "./x",
        ),
        *(
            "~/x",
            "~root/x",
            "C:/x",
            "C:\\x",
            "a\\b",
            "owner/na..me",
            "owner/na--me",
            "owner/.hidden",
            "owner/name.",
            "a b/c",
        ),
        *(
            "owner/name\nmore/x",
            "owner/naïve",
            "file:///etc/passwd",
            "hf://datasets/a/b",
            "datasets/name",
            "buckets/name",
        ),
        *("https://example.com/datasets/a/b", "https://huggingface.co/owner/name", "owner/name@main", "owner/name\0"),
        *(
            "https://huggingface.co/datasets/../../etc",
            "https://huggingface.co/datasets/%2e%2e/%2e%2e",
            "x" * 97 + "/y",
        ),
        *("https://huggingface.co/datasets/a/%2fetc", "https://huggingface.co.example.com/datasets/a/b", "owner/-x"),
    ],
)
def test_what_is_no_name_is_refused(typed):
    with pytest.raises(InputError, match="is not the name of a dataset.*owner/name"):
        parse_name(typed)


@pytest.mark.parametrize("config", ["../x", "a/b", "a\\b", "a..b", ".x", "-x", "x\n", "x\0", "x" * 300, "a:b", "*"])
def test_what_is_no_config_is_refused(config):
    with pytest.raises(InputError, match="cannot be the name of a subset"):
        parse_name("owner/name", config.replace("\n", "\n."))


@pytest.mark.parametrize("split", ["train[:10]", "train+test", "../x", "a/b", "a b", "train.", ".x"])
def test_what_is_no_split_is_refused(split):
    with pytest.raises(InputError, match="cannot be the name of a split"):
        parse_name("owner/name", "", split)


@pytest.mark.parametrize("count", [0, -1, 50_001, True, "5", 1.5, None, 10**30])
def test_a_count_beyond_the_limit_is_refused_with_the_limit(count):
    with pytest.raises(InputError, match="from 1 to 50000"):
        check_count(count, Limits())


def test_a_count_within_the_limit_is_taken():
    assert check_count(1, Limits()) == 1
    assert check_count(7, Limits(rows=7)) == 7


# --- Rows ---


def test_examples_become_json():
    example = {
        "text": "a\u2028b鬱",
        "number": 3,
        "share": 0.5,
        "yes": True,
        "none": None,
        "not_a_number": float("nan"),
        "endless": float("-inf"),
        "huge": 2**70,
        "price": Decimal("1.10"),
        "at": datetime(2026, 1, 2, 3, 4, 5),
        "on": date(2026, 1, 2),
        "for": timedelta(seconds=61),
        "raw": "ü".encode(),
        "binary": b"\xff\x00",
        "half": "a\ud800b",
        "empty": [],
        1: "key",
    }
    assert orjson.loads(orjson.dumps(to_row(example))) == {
        **{"text": "a\u2028b鬱", "number": 3, "share": 0.5, "yes": True, "huge": str(2**70), "price": "1.10"},
        **{"at": "2026-01-02T03:04:05", "on": "2026-01-02", "for": "0:01:01", "raw": "ü", "binary": "/wA="},
        **{"half": "a?b", "empty": [], "1": "key"},
    }


def test_keys_that_hold_nothing_leave_at_every_depth_and_places_in_lists_stay():
    message = {"role": "user", "content": "Hi", "tool_calls": None, "meta": {"a": None}}
    assert to_row({"messages": [message, None]}) == {"messages": [{"role": "user", "content": "Hi", "meta": {}}, None]}


@pytest.mark.parametrize("keys", [("role", "content"), ("from", "value")])
def test_turns_held_as_columns_become_a_list_of_turns(keys):
    who, what = keys
    example = {"talk": {who: ["user", "assistant"], what: ["Hi", "Hello"], "weight": [None, 1]}}
    assert to_row(example) == {"talk": [{who: "user", what: "Hi"}, {who: "assistant", what: "Hello", "weight": 1}]}


@pytest.mark.parametrize(
    "value",
    [
        {"text": ["a", "b"], "answer_start": [1, 2]},
        {"role": ["a"], "content": ["b", "c"]},
        {"role": "user", "content": ["b"]},
        {"role": ["a"]},
    ],
)
def test_other_structs_of_lists_stay_as_they_are(value):
    assert to_row({"x": value}) == {"x": value}


def test_media_is_found_at_every_depth():
    features = Features(
        {
            "text": Value("string"),
            "label": ClassLabel(names=["a", "b"]),
            "raw": Value("binary"),
            "messages": List({"role": Value("string")}),
            "picture": Image(),
            "sounds": List(Audio()),
            "deep": {"a": List({"b": Image()})},
            "old": Sequence({"p": Image(), "t": Value("string")}),
        }
    )
    assert media_columns(features) == ["picture", "sounds", "deep", "old"]
    assert media_columns(None) == []


# --- Cards that lead out of their repository ---


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "~/x.jsonl",
        "http://10.0.0.1/x.json",
        "zip://a::http://b/x.zip",
        "../other/x",
        "data/../../x",
        "\\x",
    ],
)
def test_paths_that_lead_out_are_found_wherever_they_stand(path):
    inside = "data/*.parquet"
    for data_files in (
        path,
        [inside, path],
        {"train": path},
        [{"split": "train", "path": [inside, path]}],
        {"features": path},
    ):
        assert path_outside([{"config_name": "a", "data_files": inside}, {"data_files": data_files}]) == path
    assert path_outside([{"config_name": "a", "data_dir": path}]) == path


@pytest.mark.parametrize(
    "configs", [None, 3, "x", [], [3], [{}], [{"data_files": "a/**"}], [{"data_files": "a..b.csv"}]]
)
def test_what_stays_inside_is_let_through(configs):
    assert path_outside(configs) is None


def test_a_card_that_refers_to_itself_ends():
    endless: list = ["x"]
    endless.append(endless)
    assert path_outside([{"data_files": endless}]) is None


def test_long_lists_of_subsets_are_shortened():
    said = str(hub.needs_config("a/b", [f"c{number}" for number in range(300)]))
    assert "c19 …" in said and "c20" not in said
