"""Which form of content, arguments and ids a template reads."""

from __future__ import annotations

import pytest

from playground.core.settings import RenderOptions
from playground.templates.catalogue import gallery
from playground.templates.forms import Forms
from playground.templates.renderer import Renderer
from tests.templates.doctor.cases import HEALTHY, LONGER, RULED, TALK, TURN, assistant, each, user

pytest_plugins = ["tests.tiny"]

ARGUMENTS = {"place": "京都", "days": 2}
OBJECT = {"type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
TEXT = {"type": "function", "function": {"name": "weather", "arguments": '{"place": "京都", "days": 2}'}}
RESULT = {"role": "tool", "content": "sunny"}


def fitted(tokenizer, template, messages):
    renderer = Renderer(tokenizer, gallery()[template].read_text() if template in gallery() else template)
    found = Forms(renderer, RenderOptions()).fit(messages)
    assert Forms(renderer, RenderOptions()).fit(found) == found
    renderer.text(found, RenderOptions())
    return found


@pytest.mark.parametrize("name", [name for name in gallery() if name not in ("idefics3", "smolvlm", "llava_next")])
def test_plain_conversations_stay_as_they_are(tokenizer, name):
    forms = Forms(Renderer(tokenizer, gallery()[name].read_text()), RenderOptions())
    if not forms.wants_blocks:
        assert all(forms.fit(messages) is messages for messages in (TALK, LONGER, RULED))


@pytest.mark.parametrize("name", ["idefics3", "smolvlm", "llava_next"])
def test_a_template_that_reads_blocks_gets_blocks(tokenizer, name):
    assert fitted(tokenizer, name, TALK) == [
        user([{"type": "text", "text": "Hi"}]),
        assistant([{"type": "text", "text": "Ahoy"}]),
    ]


@pytest.mark.parametrize(
    ("template", "call"),
    [
        ("qwen2_5", OBJECT),
        ("qwen3", OBJECT),
        ("llama3_1", OBJECT),
        ("deepseekv3", TEXT),
        ("{% for m in messages %}{{ m.content }}{{ m.tool_calls | tojson if m.tool_calls }}|{% endfor %}", OBJECT),
        (each("{% for c in m.tool_calls or [] %}{{ c.function.arguments }}{% endfor %}" + TURN), TEXT),
        (each("{% for c in m.tool_calls or [] %}{{ c.function.arguments | items | list }}{% endfor %}" + TURN), OBJECT),
        (HEALTHY, OBJECT),
    ],
)
def test_arguments_are_given_in_the_form_that_is_read(tokenizer, template, call):
    [_, message] = fitted(tokenizer, template, [user("Hi"), assistant("", tool_calls=[OBJECT])])
    assert [{"type": one["type"], "function": one["function"]} for one in message["tool_calls"]] == [call]


def test_a_call_without_content_gets_empty_content_only_where_it_has_to(tokenizer):
    silent = {"role": "assistant", "tool_calls": [OBJECT]}
    assert fitted(tokenizer, "qwen2_5", [user("Hi"), silent]) == [user("Hi"), silent]
    assert fitted(tokenizer, HEALTHY, [user("Hi"), silent]) == [user("Hi"), {**silent, "content": ""}]


@pytest.mark.parametrize("given", [None, "call_1234567890", "abcdefghi"])
def test_ids_are_made_as_a_template_wants_them_and_results_keep_to_their_calls(tokenizer, given):
    first, second = (
        {**OBJECT, **({"id": given + end if given != "abcdefghi" else given[:-1] + end} if given else {})}
        for end in "12"
    )
    results = [{**RESULT, **({"tool_call_id": call["id"]} if given else {})} for call in (first, second)]
    messages = [user("Hi"), assistant("", tool_calls=[first, second]), *results, assistant("Ahoy")]
    found = fitted(tokenizer, "mistral_v3", messages)
    ids = [call["id"] for call in found[1]["tool_calls"]]
    assert len(set(ids)) == 2 and all(len(one) == 9 and one.isalnum() for one in ids)
    assert [found[2]["tool_call_id"], found[3]["tool_call_id"]] == ids
    if given == "abcdefghi":
        assert found == messages
    assert fitted(tokenizer, "qwen2_5", messages) == messages
