"""A run's own template: from its rows to its chat prompts, by the jobs of the sandbox called in this process."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pyarrow.parquet as pq
import pytest

from playground.core.errors import InputError, LimitError
from playground.core.settings import Limits, RenderOptions, TrainSettings
from playground.data.source import Source
from playground.runs.store import RunFolder
from playground.server.sandbox import requests as ask
from playground.server.sandbox.jobs import do
from playground.server.sandbox.requests import RenderPreview, RenderPrompt, WriteRows
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
    do(WriteRows(str(tiny_folder), ROWS, settings, Limits(), str(tmp_path)))
    options = RenderOptions(template_kwargs={"year": 2001}, clock="2001-01-01T07:00")
    rendered = Renderer(tokenizer, template_source(template)).render(MESSAGES, options)
    table = pq.read_table(tmp_path / "rendered.parquet").to_pydict()
    assert table["input_ids"] == [rendered.input_ids] * 3
    assert table["labels"] == [rendered.labels()] * 3
    assert rendered.input_ids != Renderer(tokenizer).render(MESSAGES, RenderOptions()).input_ids
    assert RunFolder(tmp_path).template() == template_source(template)


def test_a_run_in_the_models_own_template_writes_none(tiny_folder, tmp_path):
    do(WriteRows(str(tiny_folder), ROWS, TrainSettings(), Limits(), str(tmp_path)))
    assert RunFolder(tmp_path).template() == ""


def test_a_chat_prompt_is_how_the_training_rows_began_and_ends_where_their_turns_end(tiny_folder, tokenizer):
    options = RenderOptions(template_kwargs={"year": 2001}, clock="2001-01-01T07:00")
    prompt = do(RenderPrompt(str(tiny_folder), HOUSE, Limits(), MESSAGES[:1], options))
    assert tokenizer.decode(prompt["ids"]) == "2001<|im_start|>user: Hi<|endoftext|><|im_start|>assistant: 07"
    assert prompt["stop"] == [tokenizer.convert_tokens_to_ids("<|endoftext|>")]
    bare = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    assert do(RenderPrompt(str(tiny_folder), bare, Limits(), MESSAGES[:1], RenderOptions()))["stop"] == []


def test_a_chat_prompt_is_made_of_the_words_whatever_form_the_history_has(tiny_folder):
    def ids(messages):
        return do(RenderPrompt(str(tiny_folder), "", Limits(), messages, RenderOptions()))["ids"]

    plain = [*MESSAGES, {"role": "user", "content": "Bye"}]
    in_parts = [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in plain]
    assert ids(in_parts) == ids([["Hi", MESSAGES[1]["content"]], ["Bye", None]]) == ids(plain)


def test_a_chat_that_the_template_refuses_is_told_why_and_what_to_do(tiny_folder):
    picky = "{% if messages[0].role == 'system' %}{{ raise_exception('No.') }}{% endif %}" + HOUSE
    asked = [{"role": "system", "content": "Be brief."}, *MESSAGES[:1]]
    with pytest.raises(
        InputError, match="refuses a conversation with a system turn. Write the system prompt at"
    ) as told:
        do(RenderPrompt(str(tiny_folder), picky, Limits(), asked, RenderOptions(template_kwargs={"year": 1})))
    assert "No." not in str(told.value)


def test_a_preview_that_can_mark_nothing_says_so(tiny_folder):
    blind = "{{ messages | length }}{% for m in messages %}{{ m.content | length }}{% endfor %}"
    shown = do(RenderPreview(str(tiny_folder), blind, Limits(), MESSAGES, RenderOptions()))
    assert shown["mask"] == "none"
    [finding] = [finding for finding in shown["findings"] if finding["code"] == "nothing_trained"]
    assert "cannot be told with this template" in finding["message"]


def test_more_tokens_than_a_page_can_hold_are_refused_with_the_limit(tiny_folder):
    with pytest.raises(LimitError, match="The limit here is 10"):
        do(RenderPreview(str(tiny_folder), "", Limits(preview_tokens=10), MESSAGES, RenderOptions()))


@pytest.mark.parametrize("folder", [True, False])
def test_half_a_character_is_refused_before_it_breaks_anything(tiny_folder, folder):
    with pytest.raises(InputError, match="half of a character"):
        do(RenderPreview(str(tiny_folder) if folder else "", r"{{ '\ud800' }}", Limits(), MESSAGES, RenderOptions()))


def test_loops_nested_deeper_than_python_allows_are_the_templates_fault(tiny_folder):
    deep = "{% for a in messages %}" * 60 + "{% endfor %}" * 60
    with pytest.raises(InputError, match="template"):
        do(RenderPreview(str(tiny_folder), deep, Limits(), MESSAGES, RenderOptions()))


def concrete(kind: type[ask.Request]) -> list[type[ask.Request]]:
    kinds = [other for below in kind.__subclasses__() for other in concrete(below)]
    return kinds or [kind]


@pytest.mark.parametrize("request_type", concrete(ask.Request))
def test_every_request_has_a_job_that_answers_as_it_says(request_type):
    """What singledispatch cannot have mypy check."""
    job = do.dispatch(request_type)
    assert job is not do.dispatch(object)
    base = request_type.__orig_bases__[0]
    [answer] = get_args(base)
    assert get_type_hints(job)["return"] == answer
