from __future__ import annotations

import pytest

from playground.core.errors import InputError, LimitError
from playground.core.i18n import say
from playground.core.settings import RenderOptions
from playground.templates.catalogue import gallery
from playground.templates.doctor import Budget, explain_refusal
from playground.templates.renderer import Renderer
from playground.templates.repairs import merge_neighbours
from tests.templates.doctor.cases import HEALTHY, PLENTY, RULED, TALK, TOOLS, TURN, assistant, each, system, user
from tests.templates.doctor.test_findings import ALTERNATES, REFUSES_SYSTEM

CALL = {"type": "function", "function": {"name": "weather", "arguments": '{"place": "Kyoto"}'}}
READS_ARGUMENTS = each(
    "{% for call in m.tool_calls or [] %}{% for key, value in call.function.arguments | items %}{{ key }}"
    "{% endfor %}{% endfor %}" + TURN
)
BLOCKS = HEALTHY.replace("m.content", "m.content[0]['text']")
SHOUTS = HEALTHY.replace("m.content", "m.content | upper")
KNOWS = each("{% if m.role not in ('user', 'assistant', 'system') %}{{ raise_exception('Role?') }}{% endif %}" + TURN)
NO_TOOLS = "{% if tools %}{{ raise_exception('No tools.') }}{% endif %}" + HEALTHY
FIRST_USER = "{% if messages[0].role != 'user' %}{{ raise_exception('User first.') }}{% endif %}" + HEALTHY
NO_LAST = "{% if messages[-1].role != 'user' %}{{ raise_exception('User last.') }}{% endif %}" + HEALTHY

REFUSED = {
    "system": (REFUSES_SYSTEM, RULED, {}, ["system_refused"], "conversation"),
    "gemma": (gallery()["gemma"].read_text(), RULED, {}, ["system_refused"], "conversation"),
    "neighbours": (ALTERNATES, [user("Hi"), *TALK], {}, ["alternation_demanded"], "conversation"),
    "both": (
        gallery()["gemma"].read_text(),
        [system("Be brief."), user("Hi"), user("you"), assistant("Ahoy")],
        {},
        ["system_refused", "alternation_demanded"],
        "conversation",
    ),
    "blocks": (BLOCKS, TALK, {}, ["blocks_wanted"], "conversation"),
    "text": (HEALTHY, [user([{"type": "text", "text": "Hi"}]), assistant("Ahoy")], {}, ["text_wanted"], "conversation"),
    "no content": (
        HEALTHY,
        [user("Hi"), {"role": "assistant", "tool_calls": [CALL]}],
        {},
        ["content_missing"],
        "conversation",
    ),
    "arguments": (
        READS_ARGUMENTS,
        [user("Hi"), assistant("", tool_calls=[CALL])],
        {},
        ["arguments_as_text"],
        "conversation",
    ),
    "arguments as an object": (
        each("{% for c in m.tool_calls or [] %}{{ '>' + c.function.arguments }}{% endfor %}" + TURN),
        [user("Hi"), assistant("", tool_calls=[{"function": {"name": "weather", "arguments": {"place": "京都"}}}])],
        {},
        ["arguments_as_object"],
        "conversation",
    ),
    "blocks that would be printed are none": (
        HEALTHY.replace("+ m.content", "~ m.content ~ (raise_exception('No.') if 'y' in m.content else '')"),
        TALK,
        {},
        ["message_refused"],
        None,
    ),
    "developer": (KNOWS, [{"role": "developer", "content": "Be brief."}, *TALK], {}, ["role_refused"], "conversation"),
    "tool": (KNOWS, [*TALK, {"role": "tool", "content": "sunny"}], {}, ["role_refused"], None),
    "tools": (NO_TOOLS, TALK, {"tools": TOOLS}, ["tools_refused"], "options"),
    "continued": (SHOUTS, TALK, {"continue_final_message": True}, ["continue_refused"], "options"),
    "assistant first": (FIRST_USER, [assistant("Ahoy"), user("Hi")], {}, ["alternation_demanded"], None),
    "assistant last": (NO_LAST, TALK, {}, ["message_refused"], None),
}


def refused(template, messages, options):
    renderer = Renderer(None, template)
    with pytest.raises(InputError) as caught:
        renderer.text(messages, options)
    return renderer, caught.value


@pytest.mark.parametrize("case", REFUSED)
def test_what_was_refused_is_said_and_mended(case):
    template, messages, given, codes, action = REFUSED[case]
    options = RenderOptions(**given)
    renderer, error = refused(template, messages, options)
    findings = explain_refusal(renderer, messages, options, error, Budget(PLENTY))
    assert [finding.code for finding in findings] == codes
    for finding in findings:
        assert finding.severity == "error" and finding.why and finding.fix and finding.evidence == []
        assert (finding.action or {}).get("kind") == action
        if action == "conversation":
            assert renderer.text(finding.action["messages"], options)
        if action == "options":
            assert renderer.text(messages, RenderOptions(**{**given, **finding.action["options"]}))


def test_a_merged_conversation_keeps_every_word():
    messages = [system("Be brief."), user("Hi"), user("you"), assistant("Ahoy"), assistant("there")]
    template = gallery()["gemma"].read_text()
    renderer, error = refused(template, messages, RenderOptions())
    merged = explain_refusal(renderer, messages, RenderOptions(), error, Budget(PLENTY))[0].action["messages"]
    assert merged == [user("Be brief.\n\nHi\n\nyou"), assistant("Ahoy\n\nthere")]


def test_results_and_calls_of_tools_are_never_merged():
    result = {"role": "tool", "content": "sunny"}
    calls = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    assert merge_neighbours([user("a"), user("b"), calls, calls, result, result]) == [
        user("a\n\nb"), calls, calls, result, result,
    ]  # fmt: skip
    assert merge_neighbours([result, result]) is None
    assert (
        merge_neighbours([user([{"type": "image"}]), user("b")]) is None
    )  # Joined as text, the picture would be lost.


@pytest.mark.parametrize("template", ["{% for %}", "{{ raise_exception('Never.') }}"])
def test_a_template_that_renders_nothing_is_not_explained_away(template):
    renderer, error = refused(template, RULED, RenderOptions())
    assert explain_refusal(renderer, RULED, RenderOptions(), error, Budget(PLENTY)) == []


def test_no_time_and_no_refusal_give_no_findings():
    renderer, error = refused(REFUSES_SYSTEM, RULED, RenderOptions())
    assert explain_refusal(renderer, RULED, RenderOptions(), error, Budget(0.0)) == []
    assert explain_refusal(renderer, RULED, RenderOptions(), LimitError(say("Long.")), Budget(PLENTY)) == []
