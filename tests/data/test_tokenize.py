"""Many rows at once are the rows one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError, PlaygroundError
from playground.core.messages import Conversation
from playground.core.settings import DatasetOptions
from playground.data import tokenize
from playground.data.tokenize import render_rows
from playground.templates.catalogue import gallery
from playground.templates.renderer import Renderer
from tests.templates.test_renderer import PLAIN, conversations

pytest_plugins = ["tests.tiny"]


def rows_of(lists, tools=None):
    return [Conversation(number, messages, tools, "messages") for number, messages in enumerate(lists, start=1)]


def one_by_one(conversation, renderer, options):
    """(ids, mask), or the refusal's words."""
    asked = options.render_options(conversation.tools)
    try:
        found = renderer.render(conversation.messages, asked, options.train_on, with_spans=False)
    except PlaygroundError as problem:
        return str(problem)
    return (found.input_ids, found.loss_mask) if found.mask_source != "none" else None


def compare(lists, renderer, options, tools=None):
    rows = rows_of(lists, tools)
    for row, found in zip(rows, render_rows(rows, renderer, options), strict=True):
        expected = one_by_one(row, renderer, options)
        if expected is None:
            assert f"Row {row.row}" in str(found) and "cannot be told" in str(found)
        elif isinstance(expected, str):
            assert str(found) == expected
        else:
            assert (found.input_ids.tolist(), found.loss_mask.tolist()) == expected


@given(
    name=st.sampled_from(sorted(PLAIN)),
    lists=st.lists(conversations(), min_size=2, max_size=6),
    train_on=st.sampled_from(["assistant", "last", "all"]),
)
def test_rows_are_rendered_as_they_are_one_by_one(tokenizer, name, lists, train_on):
    # With a comment more nobody's markers are known for the template: what it writes is worked out and remembered.
    source = gallery()[name].read_text(encoding="utf-8") + "{# edited #}"
    compare(lists, Renderer(tokenizer, source), DatasetOptions(train_on=train_on))


def test_what_stands_around_the_words_is_worked_out_once_for_all_rows(tokenizer, monkeypatch):
    renders = []
    real = Renderer._render
    monkeypatch.setattr(
        Renderer, "_render", lambda self, *given, **more: renders.append(1) or real(self, *given, **more)
    )

    def count(rows):
        renders.clear()
        lists = [
            [{"role": "user", "content": f"question {place}"}, {"role": "assistant", "content": f"answer {place}"}]
            for place in range(rows)
        ]
        assert len(list(render_rows(rows_of(lists), Renderer(tokenizer), DatasetOptions()))) == rows
        return len(renders)

    # The text of each row; everything else only once.
    assert count(50) - count(10) == 40


def test_words_that_do_not_fit_into_what_is_known_are_looked_for(tokenizer):
    """A template that writes an answer otherwise than the rows before it, at the same roles."""
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{{ '[' ~ m.content ~ ']' if 'x' in m.content else m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    answers = ["a", "b", "xx", "c", " d ", "", "e", "x"]
    lists = [[{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}] for answer in answers]
    compare(lists, Renderer(tokenizer, template), DatasetOptions())


def test_rows_come_in_their_order_whatever_the_size_of_a_lot(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenize, "_LOT", 3)
    lists = [
        [{"role": "user", "content": "?"}, {"role": "assistant", "content": "x" * place}] for place in range(1, 12)
    ]
    compare(lists, Renderer(tokenizer), DatasetOptions())


def test_a_refused_row_stands_in_its_place(tokenizer):
    template = "{% for m in messages %}{% if 'no' in m.content %}{{ raise_exception('Never.') }}{% endif %}{{ m.content }}\n{% endfor %}"  # noqa: E501
    lists = [
        [{"role": "user", "content": words}, {"role": "assistant", "content": "Ahoy"}] for words in ("a", "no", "b")
    ]
    found = list(render_rows(rows_of(lists), Renderer(tokenizer, template), DatasetOptions()))
    assert [isinstance(row, InputError) for row in found] == [False, True, False]
    compare(lists, Renderer(tokenizer, template), DatasetOptions())


def test_rows_with_calls_are_each_worked_out_by_themselves(tokenizer):
    call = {"type": "function", "function": {"name": "look", "arguments": {"place": "shelf"}}}
    lists = [
        [
            {"role": "user", "content": f"Where is {thing}?"},
            {"role": "assistant", "content": "", "tool_calls": [call] * number},
            {"role": "tool", "content": "There."},
            {"role": "assistant", "content": "There."},
        ]
        for number, thing in enumerate(("it", "she", "the ball"), start=1)
    ]
    for name in ("qwen2_5", "qwen3", "llama3_1"):
        compare(
            lists, Renderer(tokenizer, gallery()[name].read_text() + "{# edited #}"), DatasetOptions(), tools=[call]
        )


def test_a_row_whose_answer_cannot_be_told_is_named_by_its_number(tokenizer):
    template = "{{ messages | length }}{% for m in messages %}{{ m.content | length }}\n{% endfor %}"
    lists = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "Ahoy"}]] * 2
    found = list(render_rows(rows_of(lists), Renderer(tokenizer, template), DatasetOptions()))
    assert [str(refusal).split(":")[0] for refusal in found] == ["Row 1", "Row 2"]


def test_no_rows_are_no_rows(tokenizer):
    assert list(render_rows([], Renderer(tokenizer), DatasetOptions())) == []


@pytest.mark.parametrize("count", [256, 257, 512])
def test_full_lots_lose_no_row(tokenizer, count):
    lists = [[{"role": "user", "content": str(n)}, {"role": "assistant", "content": str(-n)}] for n in range(count)]
    assert len(list(render_rows(rows_of(lists), Renderer(tokenizer), DatasetOptions()))) == count
