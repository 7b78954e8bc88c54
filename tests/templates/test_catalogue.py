"""The chat templates that can be chosen by name: which there are, in what order, and what our own write."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.utils.chat_template_utils import render_jinja_template

from playground.core.errors import NotFoundError
from playground.templates.catalogue import OWN, gallery, template_source, training_twin
from tests.corpora import TEMPLATES, needed


@pytest.fixture
def own_folder(monkeypatch, tmp_path):
    """An empty folder in place of this project's templates."""

    def forget():
        gallery.cache_clear()

    monkeypatch.setattr("playground.templates.catalogue.OWN", tmp_path)
    forget()
    yield tmp_path
    monkeypatch.undo()
    forget()


def test_the_gallery_has_the_well_known_templates_of_the_installed_trl():
    assert {"llama3", "gemma3", "phi3", "qwen2_5", "qwen3"} <= set(gallery())
    assert all(path.suffix == ".jinja" and path.is_file() for path in gallery().values())


def test_the_gallery_has_the_families_that_trl_lacks():
    assert {"chatml", "smollm2", "zephyr", "mistral_v1", "mistral_v3", "llama2", "vicuna", "alpaca"} <= set(gallery())
    assert gallery()["zephyr"].parent == OWN


def test_names_are_in_the_order_that_people_count_in(own_folder):
    for name in ("aya12", "aya3", "aya3_training", "aya3_instruct", "aya3_5", "aya"):
        (own_folder / f"{name}.jinja").write_text("x")
    names = [name for name in gallery() if name.startswith("aya")]
    assert names == ["aya", "aya3", "aya3_training", "aya3_instruct", "aya3_5", "aya12"]


def test_templates_with_a_fault_are_named_so_and_come_last():
    faulty = [name for name in gallery() if name.startswith("broken_")]
    assert len(faulty) == 7
    assert list(gallery())[-len(faulty) :] == faulty


def test_a_file_of_this_project_wins_over_one_of_the_same_name(own_folder):
    (own_folder / "llama3.jinja").write_text("ours")
    (own_folder / "house_style.jinja").write_text("{{ 1 }}")
    assert template_source("llama3") == "ours"
    assert template_source("house_style") == "{{ 1 }}"
    assert "qwen3" in gallery()


def test_nothing_means_the_models_own():
    assert template_source("") is None


def test_a_name_gives_the_source_of_its_file():
    assert template_source("qwen3") == gallery()["qwen3"].read_text(encoding="utf-8")


@pytest.mark.parametrize("source", ["{{ messages }}", "one line\nanother", "x" * 80])
def test_what_cannot_be_a_name_is_taken_as_source(source):
    assert template_source(source) == source


@pytest.mark.parametrize("name", ["no_such_template", "../../etc/passwd", "/etc/passwd", "qwen3.jinja", "bos_twice"])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    with pytest.raises(NotFoundError, match="Known names: .*qwen3"):
        template_source(name)


def test_every_file_is_in_the_table_and_the_table_names_no_other():
    table = (OWN / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE))
    assert named == {name for name, path in gallery().items() if OWN in path.parents}


# --- Training twins ---


@pytest.mark.parametrize("base", ["qwen3", "llama3", "gemma3", "chatml"])
def test_the_twin_is_found_by_the_source_and_not_by_a_name(base):
    source = gallery()[base].read_text(encoding="utf-8")
    assert training_twin(source) == f"{base}_training"
    assert training_twin(f"\n {source}\n\n") == f"{base}_training"
    assert re.search(r"\{%-? *generation *-?%\}", template_source(f"{base}_training"))


@pytest.mark.parametrize("source", ["", "qwen3", "{{ messages }}"])
def test_a_template_without_a_twin_has_none(source):
    assert training_twin(source) == ""


def test_one_changed_character_is_another_template():
    assert training_twin(gallery()["qwen3"].read_text(encoding="utf-8").replace("assistant", "assistent", 1)) == ""


def test_a_template_that_has_marks_needs_no_twin():
    assert training_twin(gallery()["qwen3_training"].read_text(encoding="utf-8")) == ""


# --- What our own write ---


def system(content):
    return {"role": "system", "content": content}


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


def rendered(template, messages, bos_token="<s>", eos_token="</s>", **inputs):
    source = gallery()[template].read_text(encoding="utf-8")
    [text], _ = render_jinja_template(
        [messages], chat_template=source, bos_token=bos_token, eos_token=eos_token, **inputs
    )
    return text


ALONE = [user("Hi"), assistant(" Ahoy "), user("And then?")]
WITH_SYSTEM = [system("Be brief."), *ALONE]
WHOLE = [system("Be brief."), user("Hi"), assistant("Ahoy")]
SMOLLM = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. "
)
ALPACA = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
LLMJP = "以下は、タスクを説明する指示です。要求を適切に満たす応答を書きなさい。"

PROMPTS = {
    "alpaca": (
        f"<s>{ALPACA}### Instruction:\nHi\n\n### Response: Ahoy </s>\n\n### Instruction:\nAnd then?\n\n### Response:",
        "<s>Be brief.\n\n### Instruction:\nHi\n\n### Response:Ahoy</s>",
    ),
    "chatml": (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n Ahoy <|im_end|>\n"
        "<|im_start|>user\nAnd then?<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nAhoy<|im_end|>\n",
    ),
    "deepseek_llm": (
        "<s>User: Hi\n\nAssistant:  Ahoy </s>User: And then?\n\nAssistant:",
        "<s>Be brief.\n\nUser: Hi\n\nAssistant: Ahoy</s>",
    ),
    "exaone3_5": (
        "[|system|][|endofturn|]\n[|user|]Hi\n[|assistant|] Ahoy [|endofturn|]\n[|user|]And then?\n[|assistant|]",
        "[|system|]Be brief.[|endofturn|]\n[|user|]Hi\n[|assistant|]Ahoy[|endofturn|]\n",
    ),
    "falcon": (
        "\n\nUser: Hi\n\nAssistant: Ahoy\n\nUser: And then?\n\nAssistant:",
        "Be brief.\n\nUser: Hi\n\nAssistant: Ahoy",
    ),
    "llama2": (
        "<s>[INST] Hi [/INST] Ahoy </s><s>[INST] And then? [/INST]",
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Ahoy </s>",
    ),
    "llmjp3": (
        "<s>\n\n### 指示:\nHi\n\n### 応答:\n Ahoy </s>\n\n### 指示:\nAnd then?\n\n### 応答:\n",
        f"<s>{LLMJP}\n\n### 指示:\nHi\n\n### 応答:\nAhoy</s>",
    ),
    "mistral_nemo": (
        "<s>[INST]Hi[/INST] Ahoy </s>[INST]And then?[/INST]",
        "<s>[INST]Hi[/INST]Ahoy</s>",
    ),
    "mistral_v1": (
        "<s> [INST] Hi [/INST]  Ahoy </s> [INST] And then? [/INST]",
        "<s> [INST] Be brief.\n\nHi [/INST] Ahoy</s>",
    ),
    "mistral_v3": (
        "<s>[INST] Hi[/INST] Ahoy</s>[INST] And then?[/INST]",
        "<s>[INST] Hi[/INST] Ahoy</s>",
    ),
    "mistral_v7": (
        "<s>[INST] Hi[/INST]  Ahoy </s>[INST] And then?[/INST]",
        "<s>[SYSTEM_PROMPT] Be brief.[/SYSTEM_PROMPT][INST] Hi[/INST] Ahoy</s>",
    ),
    "olmo2": (
        "<s><|user|>\nHi\n<|assistant|>\n Ahoy </s>\n<|user|>\nAnd then?\n<|assistant|>\n",
        "<s><|system|>\nBe brief.\n<|user|>\nHi\n<|assistant|>\nAhoy</s>",
    ),
    "openchat": (
        "<s>GPT4 Correct User: Hi<|end_of_turn|>GPT4 Correct Assistant:  Ahoy <|end_of_turn|>"
        "GPT4 Correct User: And then?<|end_of_turn|>GPT4 Correct Assistant:",
        "<s>GPT4 Correct System: Be brief.<|end_of_turn|>GPT4 Correct User: Hi<|end_of_turn|>"
        "GPT4 Correct Assistant: Ahoy<|end_of_turn|>",
    ),
    "phi4": (
        "<|im_start|>user<|im_sep|>Hi<|im_end|><|im_start|>assistant<|im_sep|> Ahoy <|im_end|>"
        "<|im_start|>user<|im_sep|>And then?<|im_end|><|im_start|>assistant<|im_sep|>",
        "<|im_start|>system<|im_sep|>Be brief.<|im_end|><|im_start|>user<|im_sep|>Hi<|im_end|>"
        "<|im_start|>assistant<|im_sep|>Ahoy<|im_end|>",
    ),
    "smollm2": (
        f"{SMOLLM}<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n Ahoy <|im_end|>\n"
        "<|im_start|>user\nAnd then?<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nAhoy<|im_end|>\n",
    ),
    "tulu3": (
        "<|user|>\nHi\n<|assistant|>\n Ahoy </s>\n<|user|>\nAnd then?\n<|assistant|>\n",
        "<|system|>\nBe brief.\n<|user|>\nHi\n<|assistant|>\nAhoy</s>",
    ),
    "vicuna": (
        f"<s>{VICUNA}USER: Hi ASSISTANT:  Ahoy </s>USER: And then? ASSISTANT:",
        "<s>Be brief. USER: Hi ASSISTANT: Ahoy</s>",
    ),
    "yi1_5": (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n Ahoy <|im_end|>\n"
        "<|im_start|>user\nAnd then?<|im_end|>\n<|im_start|>assistant\n",
        "Be brief.<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>\n",
    ),
    "zephyr": (
        "<|user|>\nHi</s>\n<|assistant|>\n Ahoy </s>\n<|user|>\nAnd then?</s>\n<|assistant|>\n",
        "<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\nAhoy</s>\n",
    ),
}
"""For each: the prompt for a third turn without a system prompt, and a whole row with one."""
ELSEWHERE = {"granite3_1", "chatml_training"}


def test_every_template_of_ours_is_held_to_a_text():
    ours = {name for name, path in gallery().items() if path.parent == OWN}
    assert set(PROMPTS) == ours - ELSEWHERE


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_and_a_row_are_written_as_the_family_writes_them(name):
    prompt, row = PROMPTS[name]
    assert rendered(name, ALONE, add_generation_prompt=True) == prompt
    assert rendered(name, WHOLE) == row


def test_mistral_puts_the_system_prompt_into_the_last_question_and_no_other():
    text = rendered("mistral_v3", WITH_SYSTEM)
    assert text == "<s>[INST] Hi[/INST] Ahoy</s>[INST] Be brief.\n\nAnd then?[/INST]"
    assert rendered("mistral_nemo", WITH_SYSTEM).endswith("[INST]Be brief.\n\nAnd then?[/INST]")


TOOLS = [
    {"type": "function", "function": {"name": "sum", "description": "Adds.", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "now", "description": "日時", "return": {"type": "string"}}},
]
CALLS = [
    user("2+2?"),
    {
        "role": "assistant",
        "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "sum", "arguments": {"of": [2]}}}],
    },
    {"role": "tool", "tool_call_id": "abcdefghi", "content": "4"},
    assistant("Four."),
]


def test_mistral_writes_tools_calls_and_results():
    assert rendered("mistral_v3", CALLS, tools=TOOLS) == (
        '<s>[AVAILABLE_TOOLS] [{"type": "function", "function": {"name": "sum", "description": "Adds.", '
        '"parameters": {"type": "object"}}}, {"type": "function", "function": {"name": "now", "description": "日時"}}]'
        "[/AVAILABLE_TOOLS][INST] 2+2?[/INST]"
        '[TOOL_CALLS] [{"name": "sum", "arguments": {"of": [2]}, "id": "abcdefghi"}]</s>'
        '[TOOL_RESULTS] {"content": 4, "call_id": "abcdefghi"}[/TOOL_RESULTS] Four.</s>'
    )
    assert rendered("mistral_nemo", CALLS[:3]) == (
        '<s>[INST]2+2?[/INST][TOOL_CALLS][{"name": "sum", "arguments": {"of": [2]}, "id": "abcdefghi"}]</s>'
        '[TOOL_RESULTS]{"content": 4, "call_id": "abcdefghi"}[/TOOL_RESULTS]'
    )


def test_mistral_wants_ids_of_nine_characters():
    call = {**CALLS[1], "tool_calls": [{**CALLS[1]["tool_calls"][0], "id": "short"}]}
    with pytest.raises(Exception, match="length 9"):
        rendered("mistral_v3", [CALLS[0], call])


@pytest.mark.parametrize("name", ["alpaca", "falcon", "llama2", "mistral_nemo", "mistral_v1", "mistral_v3", "vicuna"])
def test_templates_that_demand_alternation_refuse_two_questions_in_a_row(name):
    with pytest.raises(Exception, match="roles must alternate"):
        rendered(name, [user("Hi"), user("Hello?")])


def test_granite_tells_the_date_only_where_no_system_prompt_is_given():
    told = rendered("granite3_1", [user("Hi")], add_generation_prompt=True)
    head, rest = told.split(".\nToday's Date: ")
    assert head == "<|start_of_role|>system<|end_of_role|>Knowledge Cutoff Date: April 2024"
    assert re.fullmatch(
        r"\w+ \d\d, \d{4}\.\nYou are Granite, developed by IBM\. You are a helpful AI assistant\.<\|end_of_text\|>\n"
        r"<\|start_of_role\|>user<\|end_of_role\|>Hi<\|end_of_text\|>\n<\|start_of_role\|>assistant<\|end_of_role\|>",
        rest,
    )
    assert rendered("granite3_1", WHOLE) == (
        "<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>Ahoy<|end_of_text|>\n"
    )


def test_granite_writes_tools_documents_and_controls():
    documents = [{"title": "a", "text": "One."}, {"title": "b", "text": "Two."}]
    text = rendered(
        "granite3_1",
        [system("Be brief."), user("Hi")],
        tools=[{"name": "f"}],
        documents=documents,
        controls={"length": "short"},
        add_generation_prompt=True,
    )
    assert text == (
        "<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n"
        '<|start_of_role|>tools<|end_of_role|>[\n    {\n        "name": "f"\n    }\n]<|end_of_text|>\n'
        "<|start_of_role|>documents<|end_of_role|>Document 0\nOne.\n\nDocument 1\nTwo.<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n"
        '<|start_of_role|>assistant {"length": "short"}<|end_of_role|>'
    )
    own = rendered("granite3_1", [user("Hi")], documents=documents, controls={"citations": True})
    assert "Granite, developed by IBM. Write the response to the user's input by strictly" in own
    assert "In your response, use the symbols <co> and </co>" in own


conversations = st.tuples(
    st.none() | st.text(max_size=8).map(system),
    st.lists(st.tuples(st.text(max_size=8).map(user), st.text(max_size=8).map(assistant)), min_size=1, max_size=3),
    st.booleans(),
).map(lambda parts: [m for m in [parts[0]] if m] + [m for pair in parts[1] for m in pair][: None if parts[2] else -1])


@given(messages=conversations, prompt=st.booleans())
def test_chatml_with_marks_writes_what_chatml_writes(messages, prompt):
    plain = rendered("chatml", messages, add_generation_prompt=prompt)
    assert rendered("chatml_training", messages, add_generation_prompt=prompt) == plain


def test_chatml_marks_the_answer_and_its_end():
    source = gallery()["chatml_training"].read_text()
    [text], [marked] = render_jinja_template([ALONE], chat_template=source, return_assistant_tokens_mask=True)
    assert [text[start:end] for start, end in marked] == [" Ahoy <|im_end|>\n"]


# --- Against what was published, where it is on this machine ---

PUBLISHED = {
    "mistral_v3": "mistral-7b-instruct-v0.3",
    "smollm2": "smollm2-1.7b-instruct",
    "zephyr": "zephyr-7b-beta",
}


def published(name):
    return json.loads(needed(TEMPLATES / PUBLISHED[name] / "tokenizer_config.json").read_bytes())


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_bytes_that_the_published_template_wrote_come_out_of_ours(name):
    config = published(name)
    special = {token: config.get(token) or "" for token in ("bos_token", "eos_token")}
    cases = sorted((TEMPLATES / PUBLISHED[name] / "cases").glob("*.json"))
    assert cases
    for path in cases:
        inputs = json.loads(path.read_bytes())["input"]
        expected = (TEMPLATES / PUBLISHED[name] / "expected" / f"{path.stem}.txt").read_bytes().decode()
        assert rendered(name, inputs.pop("messages"), **special, **inputs) == expected, path.name


@pytest.mark.parametrize("name", PUBLISHED)
@given(messages=conversations, prompt=st.booleans(), tools=st.sampled_from([None, TOOLS, TOOLS[:1]]))
def test_ours_and_the_published_one_agree_on_any_words(name, messages, prompt, tools):
    source = published(name)["chat_template"]
    inputs = {"add_generation_prompt": prompt, "tools": tools}
    [text], _ = render_jinja_template([messages], chat_template=source, bos_token="<s>", eos_token="</s>", **inputs)
    assert rendered(name, messages, **inputs) == text


# --- Those with a fault ---

FAULTS = {
    "broken_bos_twice": lambda plain, faulty: faulty == "<s><s>" + plain,
    "broken_date_inside": lambda plain, faulty: re.search(r"Today is \d\d \w+ \d{4}\.", faulty) and plain in faulty,
    "broken_generation_prompt": lambda plain, faulty: faulty == plain.removesuffix("\n") + ":",
    "broken_history_dropped": lambda plain, faulty: "Hi" not in faulty and "Be brief." in faulty,
    "broken_no_turn_end": lambda plain, faulty: faulty == plain.replace(" Ahoy <|im_end|>", " Ahoy "),
    "broken_system_dropped": lambda plain, faulty: "Be brief." not in faulty and plain.endswith(faulty),
    "broken_trims_content": lambda plain, faulty: faulty == plain.replace(" Ahoy ", "Ahoy"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_the_one_that_its_name_says_and_no_other(name):
    plain = rendered("chatml", WITH_SYSTEM, add_generation_prompt=True)
    faulty = rendered(name, WITH_SYSTEM, add_generation_prompt=True)
    assert faulty != plain
    assert FAULTS[name](plain, faulty)


def test_every_fault_is_looked_at():
    assert set(FAULTS) == {name for name in gallery() if name.startswith("broken_")}
