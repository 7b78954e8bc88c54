"""The catalogue of models, and what may be a model's name."""

from __future__ import annotations

import re

import pytest

from playground.core.errors import ModelError
from playground.models.catalogue import CATALOGUE, DEFAULT, entry, model_name


def test_nothing_asked_for_is_the_default_or_the_first_local_model():
    assert model_name("", {}) == DEFAULT
    assert model_name("", {"mine": "/models/mine", "other": "/models/other"}) == "mine"


def test_names_of_the_catalogue_and_of_the_command_line_are_taken():
    for model in CATALOGUE:
        assert model_name(model.name, {}) == model.name
        assert entry(model.name) is model
    assert model_name("mine", {"mine": "/models/mine"}) == "mine"
    assert model_name("someone/some-model.v2_x", {}) == "someone/some-model.v2_x"
    assert entry("someone/some-model") is None


@pytest.mark.parametrize(
    "given",
    [
        "/etc",
        "/models/mine",
        "./mine",
        "../mine",
        "..",
        ".",
        "a/..",
        "../a",
        "a/../b",
        "a/b/c",
        "a//b",
        "~/mine",
        "mine",
        "a\\b",
        "file:///etc",
        "https://hf.co/a/b",
        "a/b\n",
        "\na/b",
        "a/b c",
        "a/b\x00",
        "-a/b",
        "a/.b",
        "a" * 97 + "/b",
        "a/" + "b" * 97,
    ],
)
def test_a_path_or_anything_else_is_no_model(given):
    with pytest.raises(ModelError, match="owner/name"):
        model_name(given, {"local": "/models/local"})


def test_the_folder_behind_a_local_name_is_no_name():
    with pytest.raises(ModelError):
        model_name("/models/mine", {"mine": "/models/mine"})


def test_a_very_long_name_is_not_repeated_whole():
    with pytest.raises(ModelError) as problem:
        model_name("x" * 10_000, {})
    assert len(str(problem.value)) < 400


def test_the_catalogue_is_sound():
    assert entry(DEFAULT) is not None and not entry(DEFAULT).gated
    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)
    for model in CATALOGUE:
        assert re.fullmatch(r"[\d.]+[MB]", model.parameters)
        assert model.download > 100_000_000
        assert model.family and model.licence
