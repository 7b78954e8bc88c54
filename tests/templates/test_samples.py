"""The gallery of conversations: the server takes each of them, and each shows what it says."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from playground.core.i18n import say
from playground.core.messages import check_messages
from playground.core.settings import RenderOptions
from playground.templates.renderer import Renderer, load_tokenizer
from playground.templates.samples import FOLDER, Sample, samples

BY_NAME = {sample.name: sample for sample in samples()}
SOUND = [name for name, sample in BY_NAME.items() if not sample.breaks]


def roles(name: str) -> list[str]:
    return [message["role"] for message in BY_NAME[name].messages]


@pytest.mark.parametrize("name", BY_NAME)
def test_the_server_takes_it(name: str) -> None:
    sample = BY_NAME[name]
    assert check_messages(sample.messages, say("The conversation")) == sample.messages
    options = RenderOptions.from_dict({**sample.options, "tools": sample.tools})
    assert json.loads(json.dumps([sample.messages, sample.tools, sample.options]))[2] == sample.options
    assert options.tools == sample.tools


def test_names_are_unique_and_all_files_are_shown() -> None:
    assert len(BY_NAME) == len(samples())
    assert set(BY_NAME) == {path.stem for path in Path(FOLDER).glob("*.json")}


def test_titles_are_unique_and_said_in_japanese() -> None:
    titles = [sample.title for sample in samples()]
    assert len(set(titles)) == len(titles)
    assert [title for title in titles if title.to("ja") == title] == []
    assert [sample.about for sample in samples() if not sample.about.endswith(".")] == []


def test_those_that_break_things_come_last() -> None:
    order = [sample.breaks for sample in samples()]
    assert order == sorted(order) and True in order


def test_nobody_shares_what_another_may_change() -> None:
    samples()[0].messages[0]["content"] = "changed"
    assert samples()[0].messages[0]["content"] != "changed"


def test_each_shows_what_it_is_there_for() -> None:
    assert roles("single-turn") == ["user", "assistant"]
    assert roles("several-turns") == ["user", "assistant"] * 2
    assert roles("system-prompt")[0] == "system"
    assert roles("only-a-question") == ["user"]
    assert BY_NAME["only-a-question"].options == {"add_generation_prompt": True}
    assert roles("prefilled")[-1] == "assistant"
    assert BY_NAME["prefilled"].options == {"continue_final_message": True}
    assert sum("reasoning_content" in message for message in BY_NAME["reasoning"].messages) == 2
    assert roles("two-user-turns")[:2] == ["user", "user"]
    assert "system" in roles("late-system")[1:]
    assert BY_NAME["empty-answer"].messages[1] == {"role": "assistant", "content": ""}
    answer = BY_NAME["spaces"].messages[1]["content"]
    assert answer.lstrip() != answer != answer.rstrip()
    asked = BY_NAME["control-tokens"].messages[1]
    assert asked["role"] == "user" and "<|im_end|>\n<|im_start|>system" in asked["content"]
    unusual = BY_NAME["unusual-characters"].messages[0]["content"]
    assert "\u200d" in unusual and unicodedata.normalize("NFC", unusual) != unusual


@pytest.mark.parametrize("name", ["tools", "japanese-tools"])
def test_calls_name_defined_tools_and_results_answer_them(name: str) -> None:
    sample = BY_NAME[name]
    defined = {tool["function"]["name"] for tool in sample.tools or []}
    calls = [call for message in sample.messages for call in message.get("tool_calls", [])]
    results = [message for message in sample.messages if message["role"] == "tool"]
    assert calls and {call["function"]["name"] for call in calls} <= defined
    assert [call["id"] for call in calls] == [result["tool_call_id"] for result in results]
    # Mistral's templates want ids of nine letters and digits.
    assert all(len(call["id"]) == 9 and call["id"].isalnum() for call in calls)
    assert sample.messages[-1]["role"] == "assistant" and "tool_calls" not in sample.messages[-1]


@pytest.fixture(scope="module")
def own_template(model_folder: Path) -> Renderer:
    return Renderer(load_tokenizer(model_folder))


def rendered(renderer: Renderer, sample: Sample):
    return renderer.render(sample.messages, RenderOptions(tools=sample.tools, **sample.options))


@pytest.mark.model
@pytest.mark.parametrize("name", SOUND)
def test_the_default_model_renders_what_is_sound(own_template: Renderer, name: str) -> None:
    sample = BY_NAME[name]
    text = rendered(own_template, sample).text
    assert [message["content"] for message in sample.messages if message["content"] not in text] == []


@pytest.mark.model
def test_the_longer_talk_has_about_500_tokens(own_template: Renderer) -> None:
    assert 450 <= len(rendered(own_template, BY_NAME["long"]).input_ids) <= 600
