"""The one renderer against transformers itself: text, ids, masks, spans and chips, over the whole gallery."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers, processors
from transformers.utils.chat_template_utils import render_jinja_template

from playground.core.errors import InputError, LimitError
from playground.core.settings import RenderOptions
from playground.templates.catalogue import gallery
from playground.templates.rendered import Rendered
from playground.templates.renderer import Renderer
from playground.templates.token_chips import token_chips
from tests.corpora import cases, template_of

pytest_plugins = ["tests.tiny"]

CLOCK = "2026-01-31T12:00:00"
NOTHING = RenderOptions()


def system(content):
    return {"role": "system", "content": content}


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


CONVERSATIONS = {
    "one turn": [user("Hi"), assistant("Ahoy")],
    "two turns": [user("Hi"), assistant("Ahoy"), user("Bye now"), assistant("Farewell 🙂")],
    "system prompt": [system("Be brief."), user("Hi"), assistant("Ahoy 本")],
    "spaces": [user(" Hi "), assistant("  Ahoy\n ")],
    "unanswered": [user("Hi"), assistant("Ahoy"), user("And then?")],
}
WANTS_CONTENT_BLOCKS = {"llava_next", "llava_next_training"}
DROPS_PLAIN_TEXT = {"idefics3", "idefics3_training", "smolvlm", "smolvlm_training"}
"""Templates that want content blocks as well, but render plain text as nothing instead of refusing it."""
PLAIN = sorted(set(gallery()) - WANTS_CONTENT_BLOCKS)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather.",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
        },
    }
]

AWKWARD = [
    "<|im_end|>",
    "<|im_start|>assistant\n",
    "<|endoftext|>",
    "\n",
    "\n\n",
    "   ",
    "🙂",
    "👩‍👩‍👧",
    "本",
    "é",
    "ก็",
    "\u2028",
]
contents = st.lists(st.sampled_from(AWKWARD) | st.text(max_size=6), max_size=5).map("".join)


@st.composite
def conversations(draw):
    """A system prompt or none, then user and assistant in turn."""
    messages = [system(draw(contents))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages += [user(draw(contents)), assistant(draw(contents))]
    return messages if draw(st.booleans()) else messages[:-1]


def by_overlap(rendered, intervals):
    """A mask worked out the slow way: a token is trained when it shares a character with an interval."""
    return [int(any(start < until and end > since for since, until in intervals)) for start, end in rendered.offsets]


def trained_runs(rendered, tokenizer):
    """The text of each unbroken run of trained tokens."""
    runs, run = [], []
    for token, trained in zip([*rendered.input_ids, -1], [*rendered.loss_mask, 0], strict=True):
        if trained:
            run.append(token)
        elif run:
            runs.append(tokenizer.decode(run))
            run = []
    return runs


def assert_same_as_transformers(tokenizer, template, messages, rendered, **options):
    arguments = {"chat_template": template, **options}
    assert rendered.text == tokenizer.apply_chat_template(messages, tokenize=False, **arguments)
    assert rendered.input_ids == tokenizer.apply_chat_template(messages, tokenize=True, **arguments)["input_ids"]


# --- Text and ids ---


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("case", CONVERSATIONS)
def test_text_and_ids_are_those_of_apply_chat_template(tokenizer, name, case):
    template, messages = gallery()[name].read_text(encoding="utf-8"), CONVERSATIONS[case]
    try:
        rendered = Renderer(tokenizer, template).render(messages, NOTHING)
    except InputError:
        with pytest.raises(Exception, match="."):  # Refused by us, so refused by transformers.
            tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
        return
    assert_same_as_transformers(tokenizer, template, messages, rendered)


@pytest.mark.parametrize("name", PLAIN)
def test_a_prompt_has_the_tokens_of_the_render_and_takes_one_render(tokenizer, name, monkeypatch):
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Ahoy"},
        {"role": "user", "content": "?"},
    ]
    renderer = Renderer(tokenizer, gallery()[name].read_text(encoding="utf-8"))
    rendered = renderer.render(messages, RenderOptions(add_generation_prompt=True), with_spans=False)
    renders = []
    write = renderer._render
    monkeypatch.setattr(renderer, "_render", lambda *given: (renders.append(given), write(*given))[1])
    assert renderer.prompt_ids(messages, NOTHING) == rendered.input_ids and len(renders) == 1


def test_nearly_every_template_of_the_gallery_renders_a_plain_conversation(tokenizer):
    refusals = []
    for name in gallery():
        try:
            Renderer(tokenizer, gallery()[name].read_text()).render(CONVERSATIONS["one turn"], NOTHING)
        except InputError:
            refusals.append(name)
    assert len(gallery()) > 40
    assert set(refusals) == WANTS_CONTENT_BLOCKS


@given(name=st.sampled_from(PLAIN), messages=conversations(), prompt=st.booleans())
def test_text_and_ids_hold_for_any_words_in_any_template(tokenizer, name, messages, prompt):
    template = gallery()[name].read_text(encoding="utf-8")
    before = copy.deepcopy(messages)
    try:
        rendered = Renderer(tokenizer, template).render(messages, RenderOptions(add_generation_prompt=prompt))
    except InputError:
        return
    finally:
        assert messages == before
    assert_same_as_transformers(tokenizer, template, messages, rendered, add_generation_prompt=prompt)
    assert len(rendered.input_ids) == len(rendered.loss_mask) == len(rendered.offsets)
    assert_spans_cover(rendered)


@pytest.mark.parametrize("name", ["qwen2_5", "qwen3", "llama3_1", "lfm2", "glm4moe", "gptoss"])
def test_tools_and_further_variables_reach_the_template(tokenizer, name):
    template = gallery()[name].read_text(encoding="utf-8")
    messages = CONVERSATIONS["unanswered"]
    options = RenderOptions(
        add_generation_prompt=True,
        tools=TOOLS,
        template_kwargs={"enable_thinking": False},
        special_tokens={"bos_token": "<|endoftext|>"},
    )
    rendered = Renderer(tokenizer, template).render(messages, options)
    assert "weather" in rendered.text
    extra = {"enable_thinking": False, "bos_token": "<|endoftext|>"}
    assert_same_as_transformers(
        tokenizer, template, messages, rendered, add_generation_prompt=True, tools=TOOLS, **extra
    )


@pytest.mark.parametrize("name", sorted(WANTS_CONTENT_BLOCKS | DROPS_PLAIN_TEXT))
def test_content_blocks_reach_the_templates_that_want_them(tokenizer, name):
    template = gallery()[name].read_text()
    messages = [user([{"type": "text", "text": "Hi"}]), assistant([{"type": "text", "text": "Ahoy 🙂"}])]
    rendered = Renderer(tokenizer, template).render(messages, NOTHING)
    assert_same_as_transformers(tokenizer, template, messages, rendered)
    assert any("Ahoy 🙂" in run for run in trained_runs(rendered, tokenizer))


def test_the_own_template_may_be_one_of_several_as_for_apply_chat_template(tokenizer):
    several = copy.deepcopy(tokenizer)
    several.chat_template = {"default": tokenizer.chat_template, "other": "never"}
    rendered = Renderer(several).render(CONVERSATIONS["one turn"], NOTHING)
    assert rendered.text == several.apply_chat_template(CONVERSATIONS["one turn"], tokenize=False)


def test_a_conversation_with_tools_uses_the_template_that_the_model_has_for_tools(tokenizer):
    several = copy.deepcopy(tokenizer)
    several.chat_template = {"default": "plain", "tool_use": "{{ tools | length }} tools"}
    expected = several.apply_chat_template(CONVERSATIONS["one turn"], tools=TOOLS, tokenize=False)
    assert Renderer(several).text(CONVERSATIONS["one turn"], RenderOptions(tools=TOOLS)) == expected


def test_a_tokenizer_that_adds_tokens_of_its_own_adds_none_to_a_rendered_conversation(tokenizer):
    """As Llama's adds a beginning of its own, which the template has written already."""
    adding = copy.deepcopy(tokenizer)
    begin = ("<|endoftext|>", tokenizer.convert_tokens_to_ids("<|endoftext|>"))
    adding.backend_tokenizer.post_processor = processors.TemplateProcessing(f"{begin[0]} $A", special_tokens=[begin])
    assert adding("Hi")["input_ids"][0] == begin[1]
    messages = CONVERSATIONS["one turn"]
    rendered = Renderer(adding).render(messages, NOTHING)
    assert begin[1] not in rendered.input_ids
    assert_same_as_transformers(adding, None, messages, rendered)


def test_a_message_can_be_continued(tokenizer):
    messages = CONVERSATIONS["one turn"]
    rendered = Renderer(tokenizer).render(messages, RenderOptions(continue_final_message=True))
    assert rendered.text.endswith("assistant\nAhoy")
    assert_same_as_transformers(tokenizer, None, messages, rendered, continue_final_message=True)


@pytest.mark.parametrize("model", cases("chat_templates/*"))
def test_the_bytes_that_transformers_rendered_elsewhere_come_out_here(model):
    template, special = template_of(model)
    conversations_of = sorted((model / "cases").glob("*.json"))
    assert conversations_of
    for path in conversations_of:
        given_ = json.loads(path.read_bytes())["input"]
        messages = given_.pop("messages")
        prompt = given_.pop("add_generation_prompt", False)
        options = RenderOptions(prompt, tools=given_.pop("tools", None), special_tokens=special, template_kwargs=given_)
        expected = (model / "expected" / f"{path.stem}.txt").read_bytes().decode()
        assert Renderer(None, template).text(messages, options) == expected, path.name


# --- Masks ---

TWINS = sorted(name for name in PLAIN if f"{name}_training" in gallery())


def marked_by_trl(tokenizer, name, messages):
    """The text of TRL's training template, and what its markers mark, neighbouring stretches joined."""
    [text], [marked] = render_jinja_template(
        [messages],
        chat_template=gallery()[f"{name}_training"].read_text(),
        return_assistant_tokens_mask=True,
        **tokenizer.special_tokens_map,
    )
    joined: list[tuple[int, int]] = []
    for start, end in marked:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return text, joined


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("case", CONVERSATIONS)
def test_the_mask_is_trls_own_wherever_trl_has_one_for_the_same_text(tokenizer, name, case):
    messages = CONVERSATIONS[case]
    try:
        ours = Renderer(tokenizer, gallery()[name].read_text()).render(messages, NOTHING)
    except InputError:
        with pytest.raises(Exception, match="."):
            marked_by_trl(tokenizer, name, messages)
        return
    text, marked = marked_by_trl(tokenizer, name, messages)
    if text != ours.text:
        assert ours.mask_source in ("sentinels", "prefix")
        return
    assert ours.mask_source == "training_template"
    assert ours.loss_mask == by_overlap(ours, marked)


@pytest.mark.parametrize("name", ["qwen3", "qwen3_training", "llama3", "mistral_v3", "gemma3", "llama3_training"])
def test_an_answer_of_the_weight_0_is_read_and_not_learned_whatever_finds_the_mask(tokenizer, name):
    messages = CONVERSATIONS["two turns"]
    renderer = Renderer(tokenizer, gallery()[name].read_text())
    both = renderer.render(messages, NOTHING)
    for place in (1, 3):
        silenced = [{**one, "weight": 0} if number == place else one for number, one in enumerate(messages)]
        found = renderer.render(silenced, NOTHING)
        assert (found.text, found.mask_source) == (both.text, both.mask_source)
        assert trained_runs(found, tokenizer) == [trained_runs(both, tokenizer)[0 if place == 3 else 1]]


@pytest.mark.parametrize("name", ["qwen3_5_think", "qwen3_5_nothink", "qwen3_6", "qwen2_5", "qwen3"])
def test_what_the_generation_prompt_writes_is_trained_in_all_rows_or_in_none(tokenizer, name):
    """TRL's twin writes a conversation of two turns otherwise, where the template drops earlier thoughts."""
    renderer = Renderer(tokenizer, gallery()[name].read_text())
    began = set()
    for case in ("one turn", "two turns", "system prompt"):
        messages = CONVERSATIONS[case]
        found = renderer.supervise(messages, NOTHING)
        prompt = renderer.text(messages[:-1], replace(NOTHING, add_generation_prompt=True))
        assert found.text.startswith(prompt)
        began.add(found.text[found.learned[-1][0] : len(prompt)])
    assert len(began) == 1


@pytest.mark.parametrize(
    "name", sorted({name for name in PLAIN if name.endswith("_training")} - DROPS_PLAIN_TEXT | {"lfm2_2_5"})
)
def test_a_marked_template_is_trained_where_it_is_marked(tokenizer, name):
    template, messages = gallery()[name].read_text(), CONVERSATIONS["two turns"]
    rendered = Renderer(tokenizer, template).render(messages, NOTHING)
    [text], [marked] = render_jinja_template(
        [messages], chat_template=template, return_assistant_tokens_mask=True, **tokenizer.special_tokens_map
    )
    assert (rendered.text, rendered.mask_source) == (text, "generation")
    assert rendered.loss_mask == by_overlap(rendered, marked)
    for words in ("Ahoy", "Farewell 🙂"):
        assert any(words in run for run in trained_runs(rendered, tokenizer))
    assert not any("Bye now" in run for run in trained_runs(rendered, tokenizer))


@pytest.mark.parametrize("case", ["one turn", "two turns", "system prompt", "unanswered"])
def test_trained_tokens_decode_to_the_answers_with_their_turn_ends(tokenizer, case):
    messages = CONVERSATIONS[case]
    rendered = Renderer(tokenizer).render(messages, NOTHING)
    answers = [message["content"] + "<|im_end|>\n" for message in messages if message["role"] == "assistant"]
    assert rendered.mask_source == "sentinels"
    assert trained_runs(rendered, tokenizer) == answers


@given(messages=conversations())
def test_the_mask_of_chatml_is_right_for_any_words(tokenizer, messages):
    """Against ChatML put together by hand, control tokens inside the words included."""
    default = tokenizer.apply_chat_template([user("")], tokenize=False).removesuffix("<|im_start|>user\n<|im_end|>\n")
    text, answers = "" if messages[0]["role"] == "system" else default, []
    for message in messages:
        text += f"<|im_start|>{message['role']}\n"
        start = len(text)
        text += f"{message['content']}<|im_end|>\n"
        if message["role"] == "assistant":
            answers.append((start, len(text)))
    rendered = Renderer(tokenizer).render(messages, NOTHING)
    assert rendered.text == text
    assert rendered.loss_mask == by_overlap(rendered, answers)
    labels = [token if trained else -100 for token, trained in zip(rendered.input_ids, rendered.loss_mask, strict=True)]
    assert rendered.labels() == labels


def test_train_on_last_keeps_the_last_answer_and_all_keeps_everything(tokenizer):
    renderer, messages = Renderer(tokenizer), CONVERSATIONS["two turns"]
    last = renderer.render(messages, NOTHING, "last")
    assert trained_runs(last, tokenizer) == ["Farewell 🙂<|im_end|>\n"]
    everything = renderer.render(messages, NOTHING, "all")
    assert everything.mask_source == "all"
    assert everything.loss_mask == [1] * len(everything.input_ids)
    assert everything.labels() == everything.input_ids == last.input_ids


def test_a_span_that_ends_with_the_first_token_marks_that_token_alone(tokenizer):
    """transformers#47325 marks the whole rest here."""
    template = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}|rest of the turn{% endfor %}"
    rendered = Renderer(tokenizer, template).render([assistant("<|im_end|>")], NOTHING)
    assert rendered.loss_mask == [1] + [0] * (len(rendered.input_ids) - 1)
    assert len(rendered.input_ids) > 2


def test_a_span_that_ends_on_characters_without_a_token_marks_no_more_than_itself(tokenizer):
    """The other half of transformers#47325, with a tokenizer that drops spaces."""
    from_words = copy.deepcopy(tokenizer)
    from_words.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    template = "{% for m in messages %}Q {% generation %}{{ m.content }}   {% endgeneration %}rest of it{% endfor %}"
    rendered = Renderer(from_words, template).render([assistant("Ahoy")], NOTHING)
    shown = [rendered.text[start:end] for start, end in rendered.offsets]
    assert "".join(shown) == "QAhoyrestofit"
    assert "".join(word for word, trained in zip(shown, rendered.loss_mask, strict=True) if trained) == "Ahoy"


def test_an_empty_marked_span_trains_nothing(tokenizer):
    template = (
        "{% for m in messages %}{{ '<|im_start|>\n' }}{% generation %}{{ m.content }}{% endgeneration %}{{ '\n' }}"
        "{{ '<|im_end|>' }}{% endfor %}"
    )
    rendered = Renderer(tokenizer, template).render([assistant("")], NOTHING)
    assert [rendered.text[start:end] for start, end in rendered.offsets] == ["<|im_start|>", "\n\n", "<|im_end|>"]
    assert rendered.loss_mask == [0, 0, 0]


def test_a_template_whose_words_cannot_be_found_again_is_not_guessed_at(tokenizer):
    template = (
        "{{ messages | length }}: {% for m in messages %}{{ m.role }} {{ m.content | length }} "
        "{{ m.content | reverse }}\n{% endfor %}"
    )
    rendered = Renderer(tokenizer, template).render(CONVERSATIONS["two turns"], NOTHING)
    assert rendered.mask_source == "none"
    assert not any(rendered.loss_mask)


def test_without_an_answer_nothing_is_trained(tokenizer):
    rendered = Renderer(tokenizer).render([user("Hi")], RenderOptions(add_generation_prompt=True))
    assert not any(rendered.loss_mask)
    assert rendered.text.endswith("<|im_start|>assistant\n")


# --- Spans and chips ---


def assert_spans_cover(rendered: Rendered):
    edge = 0
    for span in rendered.spans:
        assert span.start == edge < span.end
        edge = span.end
    assert edge == len(rendered.text)


def test_each_span_is_the_message_that_wrote_it_and_the_default_system_prompt_is_the_templates(tokenizer):
    messages = CONVERSATIONS["two turns"]
    rendered = Renderer(tokenizer).render(messages, NOTHING)
    assert_spans_cover(rendered)
    assert [(span.role, span.message) for span in rendered.spans] == [
        ("template", None),
        ("user", 0),
        ("assistant", 1),
        ("user", 2),
        ("assistant", 3),
    ]
    for span in rendered.spans:
        written = rendered.text[span.start : span.end]
        if span.message is None:
            assert written.startswith("<|im_start|>system\n") and written.endswith("nothing.<|im_end|>\n")
        else:
            message = messages[span.message]
            assert written == f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"


def test_a_given_system_prompt_is_the_systems_and_a_generation_prompt_the_assistants(tokenizer):
    messages = [system("Be brief."), user("Hi")]
    rendered = Renderer(tokenizer).render(messages, RenderOptions(add_generation_prompt=True))
    assert_spans_cover(rendered)
    assert [(span.role, span.message) for span in rendered.spans] == [("system", 0), ("user", 1), ("assistant", None)]


@pytest.mark.parametrize("name", PLAIN)
def test_spans_cover_every_template_without_overlap(tokenizer, name):
    for messages in CONVERSATIONS.values():
        try:
            assert_spans_cover(Renderer(tokenizer, gallery()[name].read_text()).render(messages, NOTHING))
        except InputError:
            continue


def bytes_of(chips, rendered):
    """The text put together again from what the chips show."""
    whole = b""
    for chip, (start, end) in zip(chips, rendered.offsets, strict=True):
        whole += chip["text"].encode() if chip["text"] == rendered.text[start:end] else bytes.fromhex(chip["text"])
    return whole


def test_chips_are_the_tokens_and_a_part_of_a_character_shows_its_bytes(tokenizer):
    rendered = Renderer(tokenizer).render([user("naïve 🙂"), assistant("鬱")], NOTHING)
    chips = token_chips(rendered, tokenizer)
    assert [chip["id"] for chip in chips] == rendered.input_ids
    assert [chip["trained"] for chip in chips] == [bool(kept) for kept in rendered.loss_mask]
    assert bytes_of(chips, rendered) == rendered.text.encode()
    assert [chip["text"] for chip in chips if chip["message"] == 1][-5:] == ["E9", "AC", "B1", "<|im_end|>", "\n"]
    assert {chip["text"] for chip in chips if chip["special"]} == {"<|im_start|>", "<|im_end|>"}
    assert {chip["role"] for chip in chips} == {"template", "user", "assistant"}


@given(messages=conversations())
def test_chips_lose_nothing_of_any_text(tokenizer, messages):
    rendered = Renderer(tokenizer).render(messages, NOTHING)
    chips = token_chips(rendered, tokenizer)
    assert [chip["id"] for chip in chips] == rendered.input_ids
    assert bytes_of(chips, rendered) == rendered.text.encode()


def test_without_a_tokenizer_there_is_text_alone(tokenizer):
    messages = CONVERSATIONS["one turn"]
    rendered = Renderer(None, tokenizer.chat_template).render(messages, NOTHING)
    assert rendered.text == tokenizer.apply_chat_template(messages, tokenize=False)
    assert (rendered.input_ids, rendered.loss_mask, rendered.offsets) == ([], [], [])


# --- The clock ---

NOW = "{{ strftime_now('%Y-%m-%d %H:%M') }}"


def real_now(tokenizer):
    before = datetime.now().strftime("%Y-%m-%d %H:%M")
    told = Renderer(tokenizer, NOW).text([user("Hi")], NOTHING)
    return told in (before, datetime.now().strftime("%Y-%m-%d %H:%M"))


def test_the_clock_can_be_pinned_and_goes_on_afterwards(tokenizer):
    renderer = Renderer(tokenizer, NOW)
    assert renderer.text([user("Hi")], RenderOptions(clock="2001-02-03T04:05:00")) == "2001-02-03 04:05"
    assert real_now(tokenizer)
    assert renderer.render([user("Hi")], RenderOptions(clock="1999-12-31T23:59:00")).text == "1999-12-31 23:59"
    assert real_now(tokenizer)


def test_a_refusal_does_not_leave_the_clock_pinned(tokenizer):
    template = NOW + "{% if messages[0].content == 'no' %}{{ raise_exception('No.') }}{% endif %}"
    renderer = Renderer(tokenizer, template)
    with pytest.raises(InputError):
        renderer.text([user("no")], RenderOptions(clock="2001-02-03T04:05:00"))
    assert not renderer.text([user("yes")], NOTHING).startswith("2001")


# --- Refusals ---


def test_a_refused_conversation_is_told_in_the_templates_own_words(tokenizer):
    template = gallery()["gemma"].read_text()
    with pytest.raises(InputError, match="System role not supported"):
        Renderer(tokenizer, template).render(CONVERSATIONS["system prompt"], NOTHING)


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}",
        "{{ undefined_name.attribute }}",
        "{{ 1 / 0 }}",
        "{{ messages[99].content }}",
        "{{ messages + 1 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ range(10 ** 9) | list }}",
        "{{ '%d' % 'x' }}",
        "{{ {}['x'].y }}",
        "{% include 'other' %}",
    ],
)
def test_a_broken_template_is_an_error_for_people(tokenizer, template):
    with pytest.raises(InputError, match="template"):
        Renderer(tokenizer, template).render(CONVERSATIONS["one turn"], NOTHING)


def test_a_template_that_fails_in_a_rarer_way_is_an_error_for_people(tokenizer):
    template = "{{ 'a'.encode('no such codec') }}"
    with pytest.raises(InputError, match="template"):
        Renderer(tokenizer, template).render(CONVERSATIONS["one turn"], NOTHING)


def test_a_conversation_nested_too_deeply_is_an_error_for_people(tokenizer):
    deep: list = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises((InputError, LimitError)):
        Renderer(tokenizer).render([user("Hi"), {**assistant("Ahoy"), "tool_calls": deep}], NOTHING)


def test_a_text_longer_than_the_limit_is_refused_with_the_limit(tokenizer):
    with pytest.raises(LimitError, match="1000"):
        Renderer(tokenizer, "{{ 'a' * 1001 }}", output_chars=1000).text([user("Hi")], NOTHING)


def test_a_model_without_a_template_says_so(tokenizer):
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    for nothing in (bare, None):
        with pytest.raises(InputError, match="no chat template of its own"):
            Renderer(nothing)
