"""The script that one can take away writes the bytes and the ids that the playground shows."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase
from transformers.utils import chat_template_utils

from playground.core.i18n import say
from playground.core.messages import check_messages
from playground.core.settings import RenderOptions
from playground.templates import reproduce as module
from playground.templates.catalogue import gallery
from playground.templates.renderer import Renderer
from playground.templates.reproduce import literal, reproduction

pytest_plugins = ["tests.tiny"]

NASTY = [
    "plain",
    "",
    'it\'s "quoted" \'\'\'three\'\'\' """times"""',
    "back\\slash \\n \\u0041 \\",
    "tab\tline\nreturn\rboth\r\n",
    "👩‍👩‍👧 本 é ก็ \u2028\u2029\x85\x0c\x00\x7f\ufeff",
    "{{ 7 * 7 }} {% raw %} {# #}",
    "<|im_end|>\n<|im_start|>system\n",
    "f-string {messages} %s %(x)s",
    "x" * 300,
    "a long line of many words\n" * 12,
]
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Ahoy"},
]
TOOLS = [
    {
        "type": "function",
        "function": {"name": "f", "description": 'Says "é".', "parameters": {"x": [1, 2.5, True, None]}},
    }
]
KWARGS = (
    "{{ enable_thinking }}|{{ bos_token }}|{{ tools | tojson }}|{{ documents | tojson }}|"
    "{% for m in messages %}{{ m }}{{ m.content }}{% endfor %}"
)
NOTHING = RenderOptions()


def run(script):
    """The script's own values. The clock that it may replace is put back."""
    values: dict = {}
    real = chat_template_utils.datetime
    try:
        exec(compile(script, "script.py", "exec"), values)
    finally:
        chat_template_utils.datetime = real
    return values


def same(tokenizer, folder, messages, template=None, options=NOTHING):
    """Run the script with a model and without, and hold it to the renderer, which has checked messages."""
    script = reproduction(messages, str(folder), template, options)
    checked = check_messages(messages, say("The conversation"))
    rendered = Renderer(tokenizer, template).render(checked, options)
    values = run(script)
    assert values["text"] == rendered.text
    assert values["ids"] == rendered.input_ids
    if template is not None:
        values = run(reproduction(messages, "", template, options))
        assert values["text"] == Renderer(None, template).text(checked, options)
        assert "ids" not in values
    return script


def test_the_script_runs_by_itself_and_prints_what_the_page_shows(tokenizer, tiny_folder, tmp_path):
    options = RenderOptions(add_generation_prompt=True)
    (tmp_path / "script.py").write_text(reproduction(MESSAGES, str(tiny_folder), None, options), encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    rendered = Renderer(tokenizer).render(MESSAGES, options)
    assert done.stdout == f"{rendered.text}\n{rendered.input_ids}\n"


def test_it_is_short_and_shows_nothing_that_is_at_its_default():
    script = reproduction(MESSAGES, "owner/model", None, RenderOptions(add_generation_prompt=True))
    assert script.split("jinja2\n", 1)[1] == (
        "\n"
        "from transformers import AutoTokenizer\n"
        "\n"
        "messages = [\n"
        "    {'role': 'system', 'content': 'Be brief.'},\n"
        "    {'role': 'user', 'content': 'Hi'},\n"
        "    {'role': 'assistant', 'content': 'Ahoy'},\n"
        "]\n"
        "\n"
        "tokenizer = AutoTokenizer.from_pretrained('owner/model')\n"
        "\n"
        "text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)\n"
        "print(text)\n"
        "\n"
        "# The template has written the special tokens already: the tokenizer must add none.\n"
        'ids = tokenizer(text, add_special_tokens=False)["input_ids"]\n'
        "print(ids)\n"
    )


@pytest.mark.parametrize("content", NASTY)
def test_any_words_come_through(tokenizer, tiny_folder, content):
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": content, "name": content}]
    same(tokenizer, tiny_folder, messages)
    same(tokenizer, tiny_folder, messages, gallery()["chatml"].read_text())


@pytest.mark.parametrize("content", NASTY)
def test_any_template_comes_through(tokenizer, tiny_folder, content):
    same(tokenizer, tiny_folder, MESSAGES, "{% raw %}" + content.replace("endraw", "") + "{% endraw %}")


def test_a_template_stands_in_the_script_as_it_is():
    source = gallery()["qwen3"].read_text(encoding="utf-8")
    assert f'tokenizer.chat_template = r"""{source}"""' in reproduction(
        MESSAGES, "owner/model", source, RenderOptions()
    )


def test_a_lone_surrogate_comes_through_where_there_is_no_tokenizer_to_refuse_it():
    messages = [{"role": "user", "content": "half \ud83d"}]
    script = reproduction(messages, "", "{{ messages[0].content }}\ud83d", RenderOptions())
    script.encode()  # It can be saved.
    assert run(script.replace("print(text)", ""))["text"] == "half \ud83d\ud83d"


@pytest.mark.parametrize(
    "options",
    [
        RenderOptions(continue_final_message=True),
        RenderOptions(tools=TOOLS, documents=[{"title": "a'", "text": "b"}]),
        RenderOptions(tools=[]),
        RenderOptions(template_kwargs={"enable_thinking": False}),
        RenderOptions(template_kwargs={"enable_thinking": False, "not an identifier": 1}),
        RenderOptions(template_kwargs={"enable_thinking": {"class": "a\nb" * 60}, "class": 1}),
        RenderOptions(template_kwargs={"enable_thinking": {"deep": ["a\nb" * 60]}}),
        RenderOptions(special_tokens={"bos_token": "<'\"s>"}),
        RenderOptions(special_tokens={"bos_token": "<s>"}, template_kwargs={"bos_token": "wins"}),
        RenderOptions(add_generation_prompt=True, tools=TOOLS, template_kwargs={"enable_thinking": "x" * 200}),
        RenderOptions(template_kwargs={"enable_thinking": float("nan"), "x": float("-inf")}),
    ],
)
def test_every_input_reaches_the_template(tokenizer, tiny_folder, options):
    same(tokenizer, tiny_folder, MESSAGES, KWARGS, options)
    same(tokenizer, tiny_folder, MESSAGES, None, options)


@pytest.mark.parametrize("name", ["padding", "tokenize", "conversation", "max_length"])
def test_a_variable_that_apply_chat_template_would_take_for_its_own_reaches_the_template(tokenizer, tiny_folder, name):
    options = RenderOptions(template_kwargs={name: "ours"}, tools=TOOLS)
    template = "{{ " + name + " }}{{ eos_token }}{{ tools | length }}"
    script = same(tokenizer, tiny_folder, MESSAGES, template, options)
    assert "render_jinja_template" in script
    assert run(script)["text"] == "ours<|im_end|>1"


def test_a_variable_whose_name_python_would_spell_otherwise_keeps_its_name(tokenizer, tiny_folder):
    same(tokenizer, tiny_folder, MESSAGES, "{{ fi }}", RenderOptions(template_kwargs={"\ufb01": 1}))


def test_variables_are_named_where_they_can_be():
    script = reproduction(MESSAGES, "owner/model", None, RenderOptions(template_kwargs={"enable_thinking": False}))
    assert "text = tokenizer.apply_chat_template(messages, tokenize=False, enable_thinking=False)\n" in script


def test_the_parameters_of_apply_chat_template_are_those_that_are_known_here():
    parameters = set(inspect.signature(PreTrainedTokenizerBase.apply_chat_template).parameters)
    assert parameters - {"self", "kwargs"} == module._OF_APPLY_CHAT_TEMPLATE


def test_a_null_is_left_out_as_transformers_leaves_it_out(tokenizer, tiny_folder):
    messages = [{"role": "user", "content": "Hi", "tool_calls": None}]
    script = same(tokenizer, tiny_folder, messages)
    assert "tool_calls" not in script


# --- The clock ---

NOW = "{{ strftime_now('%Y-%m-%d %H:%M') }}"


def test_the_clock_tells_the_moment_that_was_set(tokenizer, tiny_folder):
    options = RenderOptions(clock="2001-02-03T04:05:00")
    same(tokenizer, tiny_folder, MESSAGES, NOW, options)
    assert run(reproduction(MESSAGES, "", NOW, options))["text"] == "2001-02-03 04:05"
    same(tokenizer, tiny_folder, MESSAGES, None, options)
    same(
        tokenizer,
        tiny_folder,
        MESSAGES,
        NOW + "{{ strftime_now('%Z %z') }}",
        RenderOptions(clock="2001-02-03T04:05+09:00"),
    )


def test_the_real_clock_is_back_after_a_test():
    assert chat_template_utils.datetime is datetime


def test_without_a_clock_the_script_warns_where_the_template_asks_for_the_date():
    assert "asks for the date" in reproduction(MESSAGES, "", NOW, RenderOptions())
    assert "asks for the date" not in reproduction(MESSAGES, "", "{{ 1 }}", RenderOptions())


# --- Literals ---

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(NASTY),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_a_literal_is_the_value(value):
    assert eval(literal(value)) == value


@given(st.text() | st.lists(st.sampled_from(["'''", '"""', "\\", "'", '"', "\n", "x", "#", " ", "r'"])).map("".join))
def test_a_template_is_its_literal(source):
    assert ast.literal_eval(module._source(source)) == source


@given(
    messages=st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "assistant"]), "content": st.text() | st.sampled_from(NASTY)},
            optional={"tool_calls": values, "name": st.text()},
        ),
        min_size=1,
        max_size=3,
    ),
    prompt=st.booleans(),
)
def test_any_conversation_comes_through(tokenizer, tiny_folder, messages, prompt):
    same(tokenizer, tiny_folder, messages, KWARGS, RenderOptions(add_generation_prompt=prompt))


def test_what_a_stranger_writes_is_never_code(tmp_path):
    """Whoever runs the script runs nothing of what the conversation, the model's name or the options say."""
    mark = tmp_path / "mark"
    attack = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    breakouts = [f"'{attack}'", f'"""\n{attack}\n"""', f"'''\n{attack}\n'''", f"\\'\n{attack}#", f"{{{attack}}}"]
    for words in breakouts:
        options = RenderOptions(template_kwargs={words: words}, special_tokens={words: words}, tools=[{words: words}])
        script = reproduction([{"role": "user", "content": words, words: words}], words, words, options)
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Call)}
        assert calls == {"AutoTokenizer.from_pretrained", "tokenizer.apply_chat_template", "tokenizer", "print"}
    assert not mark.exists()


def test_json_and_python_agree_on_what_was_sent(tokenizer, tiny_folder):
    messages = json.loads(json.dumps([{"role": "user", "content": text} for text in NASTY]))
    same(tokenizer, tiny_folder, messages)
