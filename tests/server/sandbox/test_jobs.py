"""A run's own template: from its rows to its chat prompts, by the jobs of the sandbox called in this process."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from playground.core.errors import InputError, LimitError
from playground.core.settings import Limits, RenderOptions, TrainSettings
from playground.data.source import Source
from playground.runs.store import RunFolder
from playground.server.sandbox import jobs
from playground.templates.catalogue import template_source
from playground.templates.renderer import Renderer

pytest_plugins = ["tests.tiny"]

ROWS = Source(b'{"prompt": "Hi", "completion": "Ahoy"}\n' * 3, "")
MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]
HOUSE = "{{ year }}{% for m in messages %}<|im_start|>{{ m.role }}: {{ m.content }}<|endoftext|>{% endfor %}"
HOUSE += "{% if add_generation_prompt %}<|im_start|>assistant: {% endif %}{{ strftime_now('%H') }}"


@pytest.mark.parametrize("template", ["qwen3", HOUSE])
def test_rows_are_written_in_the_template_that_the_run_asked_for(tiny_folder, tokenizer, tmp_path, template):
    settings = TrainSettings(
        chat_template=template, chat_template_kwargs={"year": 2001}, chat_template_clock="2001-01-01T07:00"
    )
    jobs.write_rows(str(tiny_folder), ROWS, settings, str(tmp_path), Limits())
    options = RenderOptions(template_kwargs={"year": 2001}, clock="2001-01-01T07:00")
    rendered = Renderer(tokenizer, template_source(template)).render(MESSAGES, options)
    table = pq.read_table(tmp_path / "rendered.parquet").to_pydict()
    assert table["input_ids"] == [rendered.input_ids] * 3
    assert table["labels"] == [rendered.labels()] * 3
    assert rendered.input_ids != Renderer(tokenizer).render(MESSAGES, RenderOptions()).input_ids
    assert RunFolder(tmp_path).template() == template_source(template)


def test_a_run_in_the_models_own_template_writes_none(tiny_folder, tmp_path):
    jobs.write_rows(str(tiny_folder), ROWS, TrainSettings(), str(tmp_path), Limits())
    assert RunFolder(tmp_path).template() == ""


def test_a_chat_prompt_is_how_the_training_rows_began_and_ends_where_their_turns_end(tiny_folder, tokenizer):
    options = RenderOptions(template_kwargs={"year": 2001}, clock="2001-01-01T07:00")
    prompt = jobs.chat_prompt(str(tiny_folder), MESSAGES[:1], HOUSE, options, Limits())
    assert tokenizer.decode(prompt["ids"]) == "2001<|im_start|>user: Hi<|endoftext|><|im_start|>assistant: 07"
    assert prompt["stop"] == [tokenizer.convert_tokens_to_ids("<|endoftext|>")]
    bare = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    assert jobs.chat_prompt(str(tiny_folder), MESSAGES[:1], bare, RenderOptions(), Limits())["stop"] == []


def test_a_preview_that_can_mark_nothing_says_so(tiny_folder):
    blind = "{{ messages | length }}{% for m in messages %}{{ m.content | length }}{% endfor %}"
    shown = jobs.preview(str(tiny_folder), MESSAGES, blind, RenderOptions(), Limits())
    assert shown["mask"] == "none"
    [finding] = [finding for finding in shown["findings"] if finding["code"] == "nothing_trained"]
    assert "cannot be told with this template" in finding["message"]


def test_more_tokens_than_a_page_can_hold_are_refused_with_the_limit(tiny_folder):
    with pytest.raises(LimitError, match="The limit here is 10"):
        jobs.preview(str(tiny_folder), MESSAGES, "", RenderOptions(), Limits(preview_tokens=10))


@pytest.mark.parametrize("folder", [True, False])
def test_half_a_character_is_refused_before_it_breaks_anything(tiny_folder, folder):
    with pytest.raises(InputError, match="half of a character"):
        jobs.preview(str(tiny_folder) if folder else "", MESSAGES, r"{{ '\ud800' }}", RenderOptions(), Limits())


def test_loops_nested_deeper_than_python_allows_are_the_templates_fault(tiny_folder):
    deep = "{% for a in messages %}" * 60 + "{% endfor %}" * 60
    with pytest.raises(InputError, match="template"):
        jobs.preview(str(tiny_folder), MESSAGES, deep, RenderOptions(), Limits())
