"""What a chat template reads beside the conversation, found from its source."""

from __future__ import annotations

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from playground.core.errors import InputError
from playground.templates.catalogue import gallery
from playground.templates.inputs import TemplateInputs, Variable, inputs_of


def of(name):
    return inputs_of(gallery()[name].read_text(encoding="utf-8"))


def only(source):
    [variable] = inputs_of(source).variables
    return variable


# --- Templates that people have ---


def test_qwen3_thinks_unless_it_is_told_not_to():
    assert of("qwen3") == TemplateInputs(
        variables=[Variable("enable_thinking", "boolean", True, [])],
        special_tokens=[],
        clock=False,
        tools=True,
        documents=False,
    )


def test_gptoss_reads_its_identity_its_effort_and_builtin_tools():
    assert of("gptoss").variables == [
        Variable("model_identity", "text", "You are ChatGPT, a large language model trained by OpenAI.", []),
        Variable("reasoning_effort", "text", "medium", []),
        Variable("builtin_tools", "json", None, []),
    ]
    assert of("gptoss").clock


def test_qwen3_8_offers_the_efforts_that_it_knows():
    assert Variable("reasoning_effort", "text", "xhigh", ["xhigh", "medium", "low"]) in of("qwen3_8").variables


def test_llama_3_1_has_a_date_of_its_own_and_3_2_asks_the_clock():
    assert of("llama3_1").variables == [
        Variable("custom_tools", "json", None, []),
        Variable("tools_in_user_message", "boolean", True, []),
        Variable("date_string", "text", "26 Jul 2024", []),
        Variable("builtin_tools", "json", None, []),
    ]
    assert not of("llama3_1").clock
    assert Variable("date_string", "text", None, []) in of("llama3_2").variables
    assert of("llama3_2").clock
    assert of("llama3_2").tools


def test_granite_reads_documents_controls_and_the_clock():
    found = of("granite3_1")
    assert found.variables == [Variable("controls", "json", None, [])]
    assert (found.clock, found.tools, found.documents) == (True, True, True)


def test_templates_tell_which_special_tokens_they_read():
    assert of("mistral_v3").special_tokens == ["bos_token", "eos_token"]
    assert of("zephyr").special_tokens == ["eos_token"]
    assert of("qwen3").special_tokens == []


def test_a_template_that_only_reads_the_conversation_asks_for_nothing():
    assert of("chatml") == TemplateInputs([], [], False, False, False)


@pytest.mark.parametrize("name", list(gallery()))
def test_a_booleans_default_writes_what_leaving_it_out_writes(name):
    """In every template of the gallery, on a conversation with a bit of everything."""
    source = gallery()[name].read_text(encoding="utf-8")
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Ahoy", "reasoning_content": "They greet."},
        {"role": "user", "content": "And then?"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "description": "", "parameters": {"properties": {}}}}]

    def text(**given):
        try:
            return render_jinja_template([messages], tools, None, source, add_generation_prompt=True, **given)[0][0]
        except Exception:
            return None

    for variable in inputs_of(source).variables:
        if variable.kind == "boolean":
            assert variable.default is not None
        if variable.default is not None:
            assert text(**{variable.name: variable.default}) == text()


# --- Kinds ---


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("{% if x %}a{% endif %}", "boolean"),
        ("{% if not x %}a{% endif %}", "boolean"),
        ("{{ 'a' if x else 'b' }}", "boolean"),
        ("{% if x is true %}a{% endif %}", "boolean"),
        ("{% if x == false %}a{% endif %}", "boolean"),
        ("{% if x is defined %}a{% endif %}", "boolean"),
        ("{{ x }}", "text"),
        ("{{ 'Today: ' + x }}", "text"),
        ("{{ 'Today: ' ~ x }}", "text"),
        ("{% if x %}{{ x }}{% endif %}", "text"),
        ("{{ x | trim }}", "text"),
        ("{{ x.upper() }}", "text"),
        ("{% if x is string %}a{% endif %}", "text"),
        ("{% for item in x %}{{ item }}{% endfor %}", "json"),
        ("{% if x %}{% for item in x %}{{ item }}{% endfor %}{% endif %}", "json"),
        ("{{ x | tojson }}", "json"),
        ("{{ x | length }}", "json"),
        ("{{ x.name }}", "json"),
        ("{{ x['name'] }}", "json"),
        ("{{ x.get('name') }}", "json"),
        ("{% if 'python' in x %}a{% endif %}", "json"),
        ("{% if x > 3 %}a{% endif %}", "json"),
        ("{% if x is defined %}{% set tools = x %}{% endif %}", "json"),
    ],
)
def test_the_kind_is_read_from_the_use(source, kind):
    assert only(source).kind == kind


@pytest.mark.parametrize(
    ("source", "kind", "default"),
    [
        ("{{ x | default('low') }}", "text", "low"),
        ("{% if x | default(true) %}a{% endif %}", "boolean", True),
        ("{% set x = x | default(false) %}", "boolean", False),
        ("{{ x | default([]) | length }}", "json", []),
        ("{{ x | default(3) }}", "json", 3),
        ("{{ x if x is defined else 'low' }}", "text", "low"),
        ("{% set y = x if x is defined and x else 'low' %}", "text", "low"),
        ("{% if x is not defined %}{% set x = 'low' %}{% endif %}{{ x }}", "text", "low"),
        ("{% if not x is defined %}{% set x = true %}{% endif %}{% if x %}a{% endif %}", "boolean", True),
        ("{% if x is undefined %}{% set x = messages[0].role %}{% endif %}{{ x }}", "text", None),
        ("{% if x is not defined or x %}{% set x = 'low' %}{% endif %}{{ x }}", "text", None),
        ("{% if x >= true %}a{% endif %}", "boolean", None),
        ("{% if x is defined %}{% set x = 'never' %}{% endif %}{{ x }}", "text", None),
        ("{% if x %}a{% endif %}", "boolean", False),
        ("{% if x is defined and x is false %}a{% endif %}", "boolean", True),
        ("{% if x is defined and not x %}a{% endif %}", "boolean", True),
        ("{% if x is defined and not x and messages %}a{% endif %}", "boolean", True),
        ("{% if x is undefined or x is true %}a{% endif %}", "boolean", True),
        ("{% if x is defined and x %}a{% endif %}", "boolean", False),
        ("{% if x is defined and x == true %}a{% endif %}", "boolean", False),
        ("{% if x is false %}a{% endif %}{% if x %}b{% endif %}", "boolean", None),
        ("{{ x }}", "text", None),
    ],
)
def test_the_default_is_what_holds_when_it_is_left_out(source, kind, default):
    variable = only(source)
    assert (variable.kind, variable.default) == (kind, default)
    assert type(variable.default) is type(default)


@pytest.mark.parametrize(
    "source",
    [
        "{% if x == 'low' %}a{% elif x == 'high' %}b{% endif %}",
        "{% if x in ['low', 'high'] %}a{% endif %}",
        "{% if x not in ('low', 'high') %}{{ raise_exception('No.') }}{% endif %}",
        "{% set y = x | default('low') %}{% if y == 'low' %}a{% elif y != 'high' %}b{% endif %}",
    ],
)
def test_texts_that_it_is_compared_with_are_choices(source):
    assert only(source).kind == "text"
    assert only(source).choices == ["low", "high"]


# --- What is nobody's to give ---


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages | length }}{{ add_generation_prompt }}{{ bos_token }}{{ raise_exception('x') }}",
        "{% for m in messages %}{{ loop.index }}{{ m.role }}{% endfor %}",
        "{% set x = 1 %}{{ x }}",
        "{% if messages %}{% set x = 1 %}{% endif %}{{ x }}",
        "{% for m in messages %}{% set x = m %}{% endfor %}{% if x is defined %}a{% endif %}",
        "{% macro f(x) %}{{ x }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1) }}",
        "{% macro f() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ f() }}",
        "{% macro f() %}{{ x }}{% endmacro %}{% if messages %}{% set x = 1 %}{% endif %}{{ f() }}",
        "{% set x %}text{% endset %}{{ x }}",
        "{% set ns = namespace(x=1) %}{% set ns.x = 2 %}{{ ns.x }}",
        "{% generation %}{{ range(3) | list }}{{ dict(a=1) }}{% endgeneration %}",
        "{{ strftime_now('%Y') }}{{ tools }}{{ documents }}",
    ],
)
def test_what_the_template_sets_or_the_renderer_gives_is_not_asked_for(source):
    assert inputs_of(source).variables == []


def test_a_name_that_is_read_before_it_is_set_is_asked_for():
    assert [variable.name for variable in inputs_of("{% set x = x or y %}{{ x }}").variables] == ["x", "y"]


def test_variables_come_in_the_order_of_the_source():
    assert [one.name for one in inputs_of("{{ zebra }}{% if apple %}{{ mango }}{% endif %}").variables] == [
        "zebra",
        "apple",
        "mango",
    ]


def test_what_macros_read_comes_last():
    assert [one.name for one in of("qwen3_5_think").variables] == ["enable_thinking", "add_vision_id"]


def test_a_variable_is_a_dict_for_the_page():
    [variable] = inputs_of("{{ x | default('low') }}").variables
    assert variable.to_dict() == {"name": "x", "kind": "text", "default": "low", "choices": []}


# --- Templates that do not compile ---


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% for m in messages %}\n{{ m.role }}\n", "Line 2: Unexpected end of template"),
        ("fine\n\n{{ messages[0 }}", r"Line 3: unexpected '}'"),
        ("a\n{% if x %}\n{% endfor %}", "Line 3: Encountered unknown tag 'endfor'"),
        ("{{ 1 | no_such_filter }}", "Line 1: No filter named 'no_such_filter'."),
        ("\n{% no_such_tag %}", "Line 2: Encountered unknown tag 'no_such_tag'"),
        ("\n\n{{ 'open }}", "Line 3: unexpected char"),
    ],
)
def test_a_mistake_is_told_with_its_line(source, said):
    with pytest.raises(InputError, match=f"^{said}"):
        inputs_of(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in b %}" * 30 + "{% endfor %}" * 30,
        "{% break %}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{% if a %}" * 400 + "{% endif %}" * 400,
        "{{ a" + " + 1" * 3000 + " }}",
    ],
)
def test_what_python_cannot_compile_is_an_error_for_people(source):
    with pytest.raises(InputError, match="compile|Line"):
        inputs_of(source)


def test_a_line_of_the_code_that_jinja_made_is_not_told_as_one_of_the_template():
    with pytest.raises(InputError, match="^The template does not compile: 'break' outside loop. Correct"):
        inputs_of("{% break %}")
