"""The editor as the server builds it; what it does in a browser is in tests/browser."""

import re

import gradio as gr
import pytest

from playground.core.i18n import LANGUAGES
from playground.ui.template import conversation_editor as module
from playground.ui.template.conversation_editor import conversation_editor

MESSAGES = [
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {}}}], "x": 1}
]


@pytest.fixture(scope="module")
def editor():
    return conversation_editor(MESSAGES, "conversation")


def keys(words, prefix=""):
    for key, value in words.items():
        yield from keys(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]


def test_its_value_is_the_list_of_messages_both_ways(editor):
    assert editor.postprocess(MESSAGES) == MESSAGES
    assert editor.preprocess(MESSAGES) == MESSAGES


def test_the_page_can_listen_to_what_is_typed_and_to_pasted_tools(editor):
    with gr.Blocks():
        other = conversation_editor(MESSAGES, "other")
        other.input(lambda messages: None, other)
        other.tools(lambda messages: None, other)


def test_both_languages_have_the_same_texts(editor):
    words = editor.props["words"]
    assert set(words) == set(LANGUAGES)
    assert list(keys(words["en"])) == list(keys(words["ja"]))


def test_the_script_uses_the_texts_that_there_are(editor):
    words = editor.props["words"]["en"]
    assert set(re.findall(r"\bwords\.(\w+)", module._SCRIPT)) == set(words)


def test_every_mistake_that_the_script_finds_has_a_sentence(editor):
    found = set(re.findall(r'(?:what: |stop\(|ended\(|\? |: )"(\w+)"', module._SCRIPT))
    mistakes = set(editor.props["words"]["en"]["mistakes"])
    assert mistakes <= found
    assert set(re.findall(r'(?:what: |stop\(|ended\()"(\w+)"', module._SCRIPT)) <= mistakes


def test_nothing_is_drawn_from_a_string_of_html():
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser", module._SCRIPT)
    assert "${" not in module._TEMPLATE and "{{" not in module._TEMPLATE
