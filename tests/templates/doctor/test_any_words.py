"""Any conversation in any template of the gallery: nothing breaks, evidence is in the text, a click mends."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.core.settings import RenderOptions
from playground.templates.catalogue import gallery, template_source
from playground.templates.doctor import Budget, diagnose, explain_refusal
from playground.templates.renderer import Renderer
from tests.templates.doctor.cases import PLENTY, TOOLS, fitting

pytest_plugins = ["tests.tiny"]

AWKWARD = ["<|im_end|>", "<|im_start|>assistant\n", "<s>", "</s>", "<|im_", "end|>", ">", "<think>a</think>", "[INST]",
           "\n", "  ", "🙂", "👩‍👩‍👧", "本", "é", "ก็", "\u2028", "{{ x }}", "user", "Zqx0000Kv"]  # fmt: skip
words = st.lists(st.sampled_from(AWKWARD) | st.text(max_size=6), max_size=4).map("".join)
contents = words | st.lists(words.map(lambda text: {"type": "text", "text": text}), min_size=1, max_size=2)
CALL = {"id": "abc123def", "type": "function", "function": {"name": "weather", "arguments": {"place": "本"}}}


@st.composite
def conversations(draw):
    """Mostly user and assistant in turn; now and then another role, reasoning, or a call in place of words."""
    kind = draw(st.sampled_from([words, words, contents]))
    roles = draw(st.sampled_from([[], [], ["system"], ["developer"]])) + ["user", "assistant"] * draw(st.integers(1, 2))
    if draw(st.booleans()):
        roles[draw(st.integers(0, len(roles) - 1))] = draw(st.sampled_from(["user", "assistant", "tool", "system"]))
    messages = []
    for role in roles:
        message = {"role": role, "content": draw(kind)}
        if role == "assistant" and draw(st.integers(0, 5)) == 0:
            message["reasoning_content"] = draw(words)
        if role == "assistant" and draw(st.integers(0, 7)) == 0:
            message = {"role": role, "tool_calls": [CALL]}
        messages.append(message)
    return messages


options_ = st.sampled_from(
    [{}, {}, {"add_generation_prompt": True}, {"continue_final_message": True}, {"tools": TOOLS}]
)


def applied(renderer, messages, given_, action):
    if action["kind"] == "conversation":
        return renderer, action["messages"], given_
    if action["kind"] == "options":
        return renderer, messages, {**given_, **action["options"]}
    return Renderer(renderer.tokenizer, template_source(action["template"])), messages, given_


def found(renderer, messages, given_):
    options = RenderOptions(**given_)
    rendered = renderer.render(messages, options)
    return rendered, diagnose(renderer, messages, options, rendered, None, Budget(PLENTY))


@given(name=st.sampled_from(sorted(gallery())), messages=conversations(), given_=options_)
def test_any_conversation_in_any_template(tokenizer, name, messages, given_):
    renderer = Renderer(fitting(tokenizer), gallery()[name].read_text())
    before = copy.deepcopy(messages)
    try:
        rendered, findings = found(renderer, messages, given_)
    except InputError as error:
        for finding in explain_refusal(renderer, messages, RenderOptions(**given_), error, Budget(PLENTY)):
            assert finding.severity == "error" and finding.evidence == []
            if finding.action:
                found(*applied(renderer, messages, given_, finding.action))
        return
    finally:
        assert messages == before
    for finding in findings:
        assert all(0 <= start < end <= len(rendered.text) for start, end in finding.evidence), finding
        if finding.action:
            _, left = found(*applied(renderer, messages, given_, finding.action))
            assert (finding.code, finding.severity) not in {(other.code, other.severity) for other in left}, finding
