"""The chat templates that can be chosen by name."""

from __future__ import annotations

import pytest

from playground.errors import NotFoundError
from playground.templates import gallery, template_source


def test_the_gallery_has_the_well_known_templates_of_the_installed_trl():
    assert {"llama3", "gemma3", "phi3", "qwen2_5", "qwen3"} <= set(gallery())
    assert all(path.suffix == ".jinja" and path.is_file() for path in gallery().values())


def test_a_file_of_this_project_wins_over_one_of_the_same_name(monkeypatch, tmp_path):
    (tmp_path / "llama3.jinja").write_text("ours")
    (tmp_path / "house_style.jinja").write_text("{{ 1 }}")
    monkeypatch.setattr("playground.templates.OWN", tmp_path)
    gallery.cache_clear()
    try:
        assert template_source("llama3") == "ours"
        assert template_source("house_style") == "{{ 1 }}"
        assert "qwen3" in gallery()
    finally:
        monkeypatch.undo()
        gallery.cache_clear()


def test_nothing_means_the_models_own():
    assert template_source("") is None


def test_a_name_gives_the_source_of_its_file():
    assert template_source("qwen3") == gallery()["qwen3"].read_text(encoding="utf-8")


@pytest.mark.parametrize("source", ["{{ messages }}", "one line\nanother", "x" * 80])
def test_what_cannot_be_a_name_is_taken_as_source(source):
    assert template_source(source) == source


@pytest.mark.parametrize("name", ["no_such_template", "../../etc/passwd", "/etc/passwd", "qwen3.jinja"])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    with pytest.raises(NotFoundError, match="Known names: .*qwen3"):
        template_source(name)
