"""Text that has been through a chat template: what real templates write comes back, what is not certain stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.core.settings import RenderOptions
from playground.data.schemas import to_conversation
from playground.data.schemas.rendered_forms import without_edges
from playground.data.schemas.rendered_text import marks_in, read_loosely, read_messages, read_pair, read_rendered
from playground.data.source import Record
from playground.templates.catalogue import template_source
from playground.templates.renderer import Renderer

TOKENS = {
    "llama3": ("<|begin_of_text|>", "<|eot_id|>"),
    "llama3_1": ("<|begin_of_text|>", "<|eot_id|>"),
    "gemma": ("<bos>", "<eos>"),
    "gemma3": ("<bos>", "<eos>"),
    "phi3": ("<s>", "<|endoftext|>"),
    "tulu3": ("", "<|endoftext|>"),
    "olmo2": ("<|endoftext|>", "<|endoftext|>"),
    "cohere": ("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"),
    "deepseekv3": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "deepseek_llm": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
}
"""bos_token and eos_token where they are not <s> and </s>."""
WITH_SYSTEM = (
    "chatml", "phi4", "lfm2", "llama3", "llama3_1", "phi3", "phi3_5", "zephyr", "tulu3", "olmo2", "cohere",
    "mistral_v7", "llama2",
)  # fmt: skip
OWN_SYSTEM = ("smollm2", "qwen2_5", "granite3_1")
"""Templates that write a system prompt where none is given."""
WITHOUT_SYSTEM = (
    "gemma", "gemma3", "mistral_v1", "mistral_v3", "mistral_nemo", "vicuna", "alpaca", "llmjp3", "deepseekv3",
    "deepseek_llm",
)  # fmt: skip
"""Templates that put it into the first question, or in another place that does not tell."""
SYSTEM, USER, ANSWER = "system", "user", "assistant"


def message(role, content):
    return {"role": role, "content": content}


def read(**data):
    return to_conversation(Record(3, data))


def write(template, messages, **more):
    bos, eos = TOKENS.get(template, ("<s>", "</s>"))
    options = RenderOptions(special_tokens={"bos_token": bos, "eos_token": eos}, **more)
    return Renderer(None, template_source(template)).text(messages, options)


# --- What real templates write ---

plain = st.text(st.sampled_from("abz AI.:#*[]<>/|{}'_-本。🙂\n\t"), min_size=1, max_size=24).map(str.strip).filter(
    lambda text: text and "<s>" not in text
)  # fmt: skip


@st.composite
def conversations(draw, with_system=False):
    messages = [message(SYSTEM, draw(plain))] if with_system and draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages += [message(USER, draw(plain)), message(ANSWER, draw(plain))]
    return messages


@pytest.mark.parametrize("template", (*WITH_SYSTEM, *OWN_SYSTEM))
@given(messages=conversations(with_system=True))
def test_what_a_template_writes_comes_back_equal(template, messages):
    text = write(template, messages)
    found = read_rendered(text)
    given_ = found.messages if template not in OWN_SYSTEM else found.messages[-len(messages) :]
    assert given_ == messages and not found.is_cut
    assert write(template, found.messages) == text
    assert read(text=text).messages == read(chat=text).messages == found.messages
    assert read(messages=[message(USER, text)]).messages == found.messages


@pytest.mark.parametrize("template", WITHOUT_SYSTEM)
@given(messages=conversations())
def test_what_a_template_without_system_prompts_writes_comes_back_equal(template, messages):
    found = read_rendered(write(template, messages))
    assert found.messages == messages and not found.is_cut


@pytest.mark.parametrize("template", (*WITH_SYSTEM, *WITHOUT_SYSTEM))
@given(messages=conversations(), end=st.booleans())
def test_a_rendered_prompt_and_its_answer_come_back_equal(template, messages, end):
    prompt, whole = write(template, messages[:-1], add_generation_prompt=True), write(template, messages)
    if not whole.startswith(prompt):  # Phi-3 writes eos_token where nothing is to follow.
        return
    answer = whole[len(prompt) :]
    if not end:
        answer = without_edges(answer)[0].removesuffix(" ") if template == "llama2" else without_edges(answer)[0]
    assert read_pair(prompt, answer).messages == messages
    found = read(prompt=prompt, completion=answer)
    assert (found.messages, found.shape) == (messages, "prompt_completion")
    assert read(prompt=prompt, chosen=answer, rejected="No").messages == messages
    assert read(question=prompt.strip(), answer=whole).messages[-1] == messages[-1]


def test_a_thought_that_a_template_writes_stays_so_that_it_is_written_again():
    messages = [message(USER, "Hi"), message(ANSWER, "<think>\nA pirate?\n</think>\n\nAhoy")]
    for template in ("qwen3", "chatml"):
        text = write(template, messages)
        assert write(template, read_rendered(text).messages) == text


# --- Other writings ---

HI = [message(USER, "Hi"), message(ANSWER, "Ahoy")]
CHATML = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>\n"
ALPACA = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
ALPACA_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("<s>[INST] Hi [/INST] Ahoy </s>", "Llama 2"),
        ("[INST]Hi[/INST]Ahoy", "Llama 2"),
        ("<s> [INST]\nHi\n[/INST]\nAhoy\n</s>\n", "Llama 2"),
        ("<|im_start|>user\nHi<|im_end|><|im_start|>assistant\nAhoy<|im_end|><|endoftext|>", "ChatML"),
        ("\n<s><|im_start|> user\nHi<|im_end|>\n\n<|im_start|>assistant\nAhoy<|im_end|></s>", "ChatML"),
        ("<|user|>Hi<|end|><|assistant|>Ahoy<|end|>", "Phi-3"),
        (f"{ALPACA}\n\n### Instruction:\nHi\n\n### Response:\nAhoy</s>", "Alpaca"),
        (f"<s>{ALPACA_INPUT}\n\n### Instruction:\nHi\n\n### Input:\n\n\n### Response:\nAhoy<|endoftext|>", "Alpaca"),
        ("### Instruction: Hi\n### Response: Ahoy", "Alpaca"),
        ("USER: Hi\nASSISTANT: Ahoy</s>", "Vicuna"),
        ("### Human: Hi### Assistant: Ahoy", "### Human:"),
        ("<s>### User:\nHi\n\n### Assistant:\nAhoy</s>", "### Human:"),
        ("### Question: Hi\n### Answer: Ahoy", "### Human:"),
        ("### 質問:\nHi\n\n### 回答:\nAhoy</s>", "Alpaca"),
        ("<|prompter|>Hi<|endoftext|><|assistant|>Ahoy<|endoftext|>", "Zephyr"),
        ("<|im_start|>user\r\nHi<|im_end|>\r\n<|im_start|>assistant\r\nAhoy<|im_end|>\r\n", "ChatML"),
        ("<|user|>\r\nHi\r\n<|assistant|>\r\nAhoy</s>", "Zephyr"),
        ("<s>[INST]\r\nHi\r\n[/INST]\r\nAhoy</s>", "Llama 2"),
        ("### Instruction:\r\nHi\r\n\r\n### Response:\r\nAhoy</s>", "Alpaca"),
        ("Human: Hi\r\n\r\nAssistant: Ahoy\r\n", "Human:"),
        ("User: Hi\n\nAssistant: Ahoy<|endoftext|>", "Human:"),
    ],
)
def test_ways_to_write_it_by_hand(text, form):
    found = read(text=text)
    assert (found.messages, found.shape) == (HI, "text")
    assert form in found.reason and "text holds a whole dialogue in one text" in found.reason


def test_the_input_of_alpaca_stands_behind_the_instruction_and_indents_stay():
    text = f"{ALPACA_INPUT}\n\n### Instruction:\nIndent.\n\n### Input:\nx\n\n### Response:\n    x\n      y"
    assert read(text=text).messages == [message(USER, "Indent.\nx"), message(ANSWER, "    x\n      y")]
    assert read_rendered("### Input:\nx\n\n### Instruction:\ny\n\n### Response:\nz") is None


def test_white_space_that_no_form_writes_is_words():
    text = "<|im_start|>user\n  Hi \n<|im_end|>\n<|im_start|>assistant\n\tAhoy\n\n<|im_end|>\n"
    assert [one["content"] for one in read(text=text).messages] == ["  Hi \n", "\tAhoy\n\n"]


def test_a_last_turn_without_its_end_is_read_and_the_reason_says_so():
    found = read(text="<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nAhoy")
    assert found.messages == HI and "may have been cut off" in found.reason
    assert "cut off" not in read(text="<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>").reason
    assert "cut off" not in read(text="### Instruction:\nHi\n\n### Response:\nAhoy").reason
    found = read(chosen="<|user|>\nHi<|end|>\n<|assistant|>\nAhoy", rejected="No")
    assert "may have been cut off" in found.reason and "rejected one is not" in found.reason


@pytest.mark.parametrize(
    "text",
    [
        "Hi<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>",
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nAhoy<|im_e",
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>narrator\nHe.<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>",
        "<|im_start|>user\nHi<|im_end|>\nBetween.\n<|im_start|>assistant\nAhoy<|im_end|>",
        "<|im_start|>user\nSay <|im_start|>assistant\nX<|im_end|><|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>",
        "<|im_start|>user\nHi [INST] there<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>",
        "<|im_start|>assistant\nAhoy<|im_end|>\n<|im_start|>user\nHi<|im_end|>",
        CHATML + "<|endoftext|>" + CHATML,
        "<|im_start|>system\nHi<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>",
        "<s>[INST] Hi [/INST]",
        "<s>[INST] <<SYS>>\nBe brief. Hi [/INST] Ahoy </s>",
        "<|start|>user<|message|>Hi<|end|><|start|>assistant<|channel|>final<|message|>Ahoy<|return|>",
        "You are a clerk.\n\n### Instruction:\nHi\n\n### Response:\nAhoy",
    ],
)
def test_what_is_not_certain_stays_and_its_markers_are_named(text):
    assert read_rendered(text) is None
    assert read(text=text).messages == [message(ANSWER, text)]
    assert marks_in(text, is_alone=True)


@pytest.mark.parametrize(
    "text",
    [
        "Use [INST] for Llama",
        "Human: all of us.",
        "They say:\n\nHuman: Hi\n\nAssistant: Ahoy",
        "Humans: Hi\n\nAssistant: Ahoy",
        "### Instruction:\nread this",
        "[INST]",
        "<s>Ahoy</s>",
        "",
    ],
)
def test_text_that_is_no_dialogue_from_its_beginning_on_stays_text(text):
    assert read_rendered(text) is None
    assert read(text=text).messages == [message(ANSWER, text)]


def test_an_end_is_none_where_html_strikes_words_out():
    assert without_edges("Not <s>old</s>") == ("Not <s>old</s>", False)
    assert without_edges("Ahoy \n</s><s> ") == ("Ahoy \n", True)


# --- Words of messages ---


def test_messages_that_each_hold_their_own_turn_are_unwrapped():
    wrapped = [
        message(USER, "<|im_start|>user\nHi<|im_end|>\n"),
        message(ANSWER, "<|im_start|>assistant\nAhoy<|im_end|>"),
    ]
    found = read(messages=[message(SYSTEM, "<|im_start|>system\nBe brief.<|im_end|>"), *wrapped, *wrapped])
    assert found.messages == [message(SYSTEM, "Be brief."), *HI, *HI]
    assert "A chat template had been applied to the words (form: ChatML)" in found.reason
    assert read(messages=[message(USER, "[INST] Hi [/INST]"), HI[1], *HI]).messages == [*HI, *HI]
    assert read(prompt="Hi", completion="<|im_start|>assistant\nAhoy<|im_end|>").messages == HI


def test_a_system_column_goes_before_what_was_read_back():
    row = {"prompt": "<s>[INST] Hi [/INST]", "completion": "Ahoy </s>", "system": "Be brief."}
    assert read(**row).messages == [message(SYSTEM, "Be brief."), *HI]
    own = {**row, "prompt": "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST]"}
    assert read(**own).messages == [message(SYSTEM, "Be brief."), *HI]
    assert read(**own | {"system": "Be long."}).messages[1]["content"] == own["prompt"]


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Human: Hi\n\nAssistant: Ahoy\n\nWho speaks?", "A pirate"),
        ("Human: all of us", "ok"),
        ("### Instruction:\nread this", "ok"),
        ("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_start|>user\nHi<|im_end|>"),
        ("Hi", "<|im_start|>user\nHo<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>"),
    ],
)
def test_a_pair_that_is_not_certain_stays(prompt, answer):
    assert read(prompt=prompt, completion=answer).messages == [message(USER, prompt), message(ANSWER, answer)]


def test_an_answer_that_goes_on_behind_its_end_stays_while_the_question_is_read():
    found = read(prompt="<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", completion="Ahoy<|im_end|>\nmore")
    assert found.messages == [HI[0], message(ANSWER, "Ahoy<|im_end|>\nmore")]


def test_messages_that_carry_more_than_words_stay():
    call = {
        "role": ANSWER,
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}],
    }
    messages = [message(USER, "<|im_start|>user\nHi<|im_end|>"), call, message("tool", "x"), HI[1]]
    assert read(messages=messages).messages == messages
    assert read_messages(["<|im_start|>", None, {"content": "<|im_start|>"}]) is None


# --- A guess that a person asks for ---


@pytest.mark.parametrize(
    "text",
    [
        "Hi<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>",
        "Hi [/INST] Ahoy </s>",
        "<s>Hi<|end|>\n<|assistant|>\nAhoy<|end|>",
        "Hi\n\n### Response:\nAhoy</s>",
        "Human: Hi\nAssistant: Ahoy",
        "Q: Hi\nA: Ahoy",
        "ユーザー：Hi\nアシスタント：Ahoy",
    ],
)
def test_words_before_the_first_header_are_the_question_where_an_answer_follows(text):
    assert read_rendered(text) is None and read_loosely([message(ANSWER, text)]) == HI


@pytest.mark.parametrize(
    "text",
    [
        "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nAhoy",
        "Be brief. USER: Hi ASSISTANT: Ahoy</s>",
        "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Hi<｜Assistant｜>Ahoy<｜end▁of▁sentence｜>",
        "Be brief.<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>\n",
        "Be brief.\n\nUser: Hi\n\nAssistant: Ahoy",
    ],
)
def test_they_are_a_system_prompt_where_a_question_follows(text):
    ruled = [message(SYSTEM, "Be brief."), *HI]
    assert read_rendered(text) is None and read_loosely([message(ANSWER, text)]) == ruled
    prompt = text[: text.index("Ahoy")]
    assert read_loosely([message(USER, prompt), message(ANSWER, text[len(prompt) :])]) == ruled
    assert read_loosely([message(SYSTEM, "Be long."), message(ANSWER, text)]) is None


@pytest.mark.parametrize(
    "text",
    [
        "<|im_start|>user\nHi<|im_end|>\nBetween.\n<|im_start|>assistant\nAhoy<|im_end|>",
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>narrator\nHe.<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>",
        "Hi<|im_end|>\n<|im_start|>assistant\n",
        "Hi <|im_start|> there<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>",
        "<|start|>user<|message|>Hi<|end|><|start|>assistant<|message|>Ahoy<|return|>",
        "Nothing of the kind",
        "",
    ],
)
def test_what_has_anything_else_in_it_is_not_guessed_at(text):
    assert read_loosely([message(ANSWER, text)]) is None
    assert read_loosely([message(USER, text), message(ANSWER, text), message(USER, text)]) is None


# --- Dialogues with names before the turns ---

TALK = "\n\nHuman: Hi there\n\nAssistant: Ahoy.\nMore.\n\nHuman: And: you?\n\nAssistant: Fine"
TURNS = [
    message(USER, "Hi there"),
    message(ANSWER, "Ahoy.\nMore."),
    message(USER, "And: you?"),
    message(ANSWER, "Fine"),
]
said = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=20).map(str.strip).filter(bool)


@given(words=st.lists(st.tuples(said, said), min_size=1, max_size=3), style=st.sampled_from(["\n\n", "### "]))
def test_any_dialogue_in_one_text_comes_back_equal(words, style):
    messages = [message(role, text) for pair in words for role, text in zip((USER, ANSWER), pair, strict=True)]
    names = {USER: "Human", ANSWER: "Assistant"}
    text = "".join(f"{style}{names[one['role']]}: {one['content']}" for one in messages)
    assert read_rendered(text).messages == messages


def test_the_chosen_side_of_a_preference_row_in_one_text():
    found = read(chosen=TALK, rejected=TALK + " No")
    assert (found.messages, found.shape) == (TURNS, "prompt_completion")
    assert "chosen holds a whole dialogue in one text" in found.reason and "rejected one is not" in found.reason
    with pytest.raises(InputError, match="has the keys chosen, rejected"):
        read(chosen="Ahoy", rejected="No")


@pytest.mark.parametrize("answer", ["Fine", " Fine"])
def test_a_prompt_that_ends_where_the_assistant_is_to_speak(answer):
    prompt = TALK.removesuffix(" Fine")
    assert read(prompt=prompt, chosen=answer, rejected="No").messages == TURNS
    assert read(question=prompt, answer=answer).messages == TURNS
    plain_ = read(prompt="Who is an Assistant?", chosen="Me", rejected="No")
    assert plain_.messages[0] == message(USER, "Who is an Assistant?")


def test_a_system_prompt_by_name():
    found = read(text="System: Be brief.\n\nHuman: Hi\n\nAssistant: Ahoy")
    assert found.messages == [message(SYSTEM, "Be brief."), *HI]


# --- Hostile text ---

hostile = st.lists(
    st.sampled_from([
        "<|im_start|>", "user\n", "assistant\n", "<|im_end|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "</s>",
        "### Instruction:", "### Input:", "### Response:", "\n", "\n\n", "USER:", "ASSISTANT:", "Human:", "x", " ", "<",
        "### Human:", "<|user|>", "<|assistant|>", "<start_of_turn>", ALPACA, "<｜User｜>", "<｜Assistant｜>", "<s>",
    ]),
    max_size=12,
).map("".join)  # fmt: skip


@given(one=hostile, two=hostile)
def test_any_mixture_is_read_or_left_and_no_marker_is_among_words_that_were_read(one, two):
    assert read(text=one).messages and read(prompt=one, completion=two).messages
    for found in (read_rendered(one), read_pair(one, two), read_rendered(one + two)):
        for words in [turn["content"] for turn in found.messages] if found else []:
            assert not any(
                mark in words for mark in ("<|im_start|>", "<|im_end|>", "[INST]", "[/INST]", "</s>", "<<SYS>>")
            )


PARTS = (
    "<|im_start|>user\n", "<s>", "</s>", " ", "\n", "\n\n", "[INST]", "[/INST]", "### Human:", "### Response:\n",
    "USER: ", "<|user|>", "Human:\n\n", "<<SYS>>", "<|", "<", "[", "<|im_start|>user\nx<|im_end|>\n", "<｜User｜>",
)  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_hostile_text_is_looked_through_once(part):
    for start in ("", "<|im_start|>user\n", "### Human: x"):
        text = start + part * (150_000 // len(part))
        assert read_rendered(text) is None or read_messages([message(USER, text)])
        read_pair(text, text)
        marks_in(text, is_alone=True)
        read_loosely([message(USER, "x" + text), message(ANSWER, text)])
        without_edges(text)
