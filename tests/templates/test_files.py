"""A chat template out of a file that somebody has."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.settings import Limits
from playground.templates.files import read_template_file
from tests.corpora import cases

LIMITS = Limits()
SOURCE = "{% for m in messages %}{{ m.content }}{% endfor %}本🙂\n"


def read(content, name="tokenizer_config.json", limits=LIMITS):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_template_file(raw, name, limits)


# --- What can be read ---


@pytest.mark.parametrize("name", ["a.jinja", "chat_template.jinja", "a.j2", "a.jinja2", "a.txt", "A.JINJA"])
def test_a_file_of_jinja_is_the_template_to_the_last_byte(name):
    assert read(SOURCE.encode(), name) == {"source": SOURCE, "name": name, "special_tokens": {}, "note": None}


def test_a_byte_order_mark_is_no_part_of_the_template():
    assert read(b"\xef\xbb\xbf" + SOURCE.encode(), "a.jinja")["source"] == SOURCE
    assert read(b"\xef\xbb\xbf" + json.dumps({"chat_template": SOURCE}).encode())["source"] == SOURCE


def test_a_tokenizer_config_gives_the_template_and_its_special_tokens():
    config = {
        "chat_template": SOURCE,
        "bos_token": "<s>",
        "eos_token": {"__type": "AddedToken", "content": "</s>", "lstrip": False},
        "pad_token": None,
        "add_bos_token": True,
        "model_max_length": 4096,
    }
    found = read(config)
    assert found["source"] == SOURCE
    assert found["special_tokens"] == {"bos_token": "<s>", "eos_token": "</s>"}
    assert found["note"] is None


def test_of_several_templates_the_default_is_taken_and_the_others_are_named():
    several = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": SOURCE}]
    found = read({"chat_template": several})
    assert found["source"] == SOURCE
    assert found["note"] == "The file has 2 templates. This is the one named default; left out: tool_use."


def test_without_a_default_the_first_is_taken():
    several = [{"name": "rag", "template": "one"}, {"name": "tool_use", "template": "two"}]
    found = read({"chat_template": several})
    assert found["source"] == "one"
    assert "named rag" in found["note"]


def test_one_named_template_needs_no_note_and_an_object_of_them_is_as_good_as_a_list():
    assert read({"chat_template": [{"name": "default", "template": SOURCE}]})["note"] is None
    found = read({"chat_template": {"default": SOURCE, "rag": "other"}}, "chat_template.json")
    assert (found["source"], found["name"]) == (SOURCE, "chat_template.json")
    assert "left out: rag" in found["note"]


def test_a_path_is_told_by_its_last_part():
    assert read(SOURCE.encode(), "C:/uploads/12/a.jinja")["name"] == "a.jinja"


@pytest.mark.parametrize("path", cases("chat_templates/*/*.j*"))
def test_files_that_models_have_can_be_read(path):
    if path.name == "meta.json" or "chat_template" not in path.read_text() + path.name:
        with pytest.raises(InputError, match="has no chat_template"):
            read(path.read_bytes(), path.name)
        return
    found = read(path.read_bytes(), path.name)
    assert "messages" in found["source"]
    if path.suffix == ".json":
        assert found["special_tokens"]["eos_token"] == json.loads(path.read_bytes())["eos_token"]


# --- What cannot ---


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"x", "model.gguf", "A file of the type .gguf arrived."),
        (b"x", "Makefile", "A file of the type unknown arrived."),
        (b"", "a.jinja", "The chat template in the file a.jinja is empty."),
        (b" \n ", "a.txt", "is empty"),
        ("{{ 'é' }}".encode("latin-1"), "a.jinja", "Byte 5 of the file is not UTF-8."),
        ("{{ x }}".encode("utf-16"), "a.jinja", "Byte 1 of the file is not UTF-8."),
        (b"\x00\x01\x02", "a.jinja", "The file is not text."),
        (b"{% for m in messages %}", "a.json", "The file is not JSON: .*let its name end in .jinja"),
        (b"", "a.json", "The file is not JSON"),
        (b"[" * 5000, "a.json", "The file is not JSON"),
        ([1, 2], "a.json", "The file's JSON is a list."),
        ("text", "a.json", "The file's JSON is text."),
        ({}, "config.json", "The file has no chat_template.*chat_template.jinja: take that one"),
        ({"chat_template": None}, "a.json", "The file has no chat_template."),
        ({"chat_template": ""}, "a.json", "is empty"),
        ({"chat_template": 3}, "a.json", "The file's chat_template is a number."),
        ({"chat_template": []}, "a.json", "The file's chat_template is a list."),
        ({"chat_template": {}}, "a.json", "The file's chat_template is an object."),
        ({"chat_template": ["x"]}, "a.json", "The file's chat_template is a list."),
        ({"chat_template": [{"name": "default"}]}, "a.json", "a list of objects that each have a name and a template"),
        ({"chat_template": [{"name": 1, "template": "x"}]}, "a.json", "The file's chat_template is a list."),
        ({"chat_template": [{"name": "default", "template": ["x"]}]}, "a.json", "The file's chat_template is a list."),
        ({"chat_template": {"default": None}}, "a.json", "The file's chat_template is an object."),
        ({"chat_template": "x", "bos_token": 1}, "a.json", "The file's bos_token is a number."),
        ({"chat_template": "x", "bos_token": {"content": 1}}, "a.json", "The file's bos_token is an object."),
        ({"chat_template": "x", "eos_token": {}}, "a.json", "The file's eos_token is an object."),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(content, name, said):
    with pytest.raises(InputError, match=said):
        read(content, name)


def test_a_template_or_a_file_over_the_limit_is_refused_with_the_limit():
    with pytest.raises(LimitError, match="has 11 characters. The limit here is 10"):
        read(b"x" * 11, "a.jinja", Limits(template_chars=10))
    with pytest.raises(LimitError, match="The limit here is 1.0 MB"):
        read(b"x" * 1_000_001, "a.jinja", Limits(upload_bytes=1_000_000))


anything = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5), st.lists, max_leaves=6)
configs = st.dictionaries(
    st.sampled_from(["chat_template", "bos_token", "eos_token", "name"]),
    anything | st.lists(st.fixed_dictionaries({"name": anything, "template": anything}), max_size=3),
)


@given(st.binary(max_size=60) | configs, st.sampled_from(["a.jinja", "a.json", "a.txt", "a"]))
def test_any_file_gives_a_template_or_a_sentence(content, name):
    try:
        found = read(content, name)
    except PlaygroundError as problem:
        assert str(problem)
        return
    assert isinstance(found["source"], str) and found["source"].strip()
    assert all(isinstance(token, str) for token in found["special_tokens"].values())
