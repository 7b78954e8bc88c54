"""Two templates side by side: the difference of their texts, their tokens, and what a turn costs."""

from __future__ import annotations

import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError, LimitError
from playground.core.i18n import say
from playground.core.settings import RenderOptions
from playground.templates import compare as comparing
from playground.templates.catalogue import gallery
from playground.templates.compare import compare, text_diff, turn_cost
from playground.templates.renderer import Renderer

pytest_plugins = ["tests.tiny"]

NOTHING = RenderOptions()
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Ahoy"},
]


def template(name):
    return gallery()[name].read_text(encoding="utf-8")


# --- The difference of two texts ---


def told(before, after):
    """The difference in short: [-gone-], [+new+], the rest as it is."""
    marks = {"equal": "{}", "delete": "[-{}-]", "insert": "[+{}+]"}
    return "".join(marks[one["op"]].format(one["text"]) for one in text_diff(before, after))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", ""),
        ("same\ntext", "same\ntext", "same\ntext"),
        ("", "new", "[+new+]"),
        ("gone", "", "[-gone-]"),
        ("Hi there\n", "Hi you\n", "Hi [-there-][+you+]\n"),
        ("one\ntwo\nthree\n", "one\nthree\n", "one\n[-two\n-]three\n"),
        ("one\nthree\n", "one\ntwo\nthree\n", "one\n[+two\n+]three\n"),
        ("a\nold words here\nb\n", "a\nnew words here\nb\n", "a\n[-old-][+new+] words here\nb\n"),
        ("the old grey cat", "the new white cat", "the [-old grey-][+new white+] cat"),
        (
            "<|user|>\nHi</s>\n",
            "<|im_start|>user\nHi<|im_end|>\n",
            "<|[-user-][+im_start+]|>[+user+]\nHi<[-/s-][+|im_end|+]>\n",
        ),
        ("end", "end\n", "end[+\n+]"),
        ("本を読む🙂", "本を読む🙃", "本を読む[-🙂-][+🙃+]"),
    ],
)
def test_what_changed_is_told_by_lines_and_then_by_words(before, after, expected):
    assert told(before, after) == expected


def assert_is_the_difference(before, after):
    operations = text_diff(before, after)
    assert "".join(one["text"] for one in operations if one["op"] != "insert") == before
    assert "".join(one["text"] for one in operations if one["op"] != "delete") == after
    kinds = [one["op"] for one in operations]
    assert all(one["text"] for one in operations)
    assert all(kind != following for kind, following in zip(kinds, kinds[1:], strict=False))
    assert ("insert", "delete") not in zip(kinds, kinds[1:], strict=False)
    return operations


texts = st.text(max_size=60) | st.lists(
    st.sampled_from(["a", "b", "ab", " ", "  ", "\n", "\r\n", "<|im_end|>", "本", "é", "\u2028", "!"]), max_size=60
).map("".join)


@given(texts, texts)
def test_equal_and_gone_are_the_one_text_and_equal_and_new_the_other(before, after):
    assert_is_the_difference(before, after)


@given(texts, texts)
def test_it_holds_where_texts_are_too_long_for_difflib(before, after):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "_PAIRS", 3)
        assert_is_the_difference(before, after)
        patch.setattr(comparing, "_DEPTH", 1)
        assert_is_the_difference(before, after)
        patch.setattr(comparing, "_LONGEST", 20)
        assert_is_the_difference(before, after)


@given(texts)
def test_nothing_changes_from_a_text_to_itself(text):
    assert text_diff(text, text) == ([{"op": "equal", "text": text}] if text else [])


def test_a_small_change_in_a_long_line_is_found_where_it_is():
    """With no line breaks and few words, as difflib could not do it in any reasonable time."""
    words = random.Random(7).choices([f"w{number}" for number in range(60)], k=4000)
    changed = [*words]
    changed[1234] = "other"
    changed[3000:3002] = []
    operations = assert_is_the_difference(" ".join(words), " ".join(changed))
    changes = [one["text"].strip() for one in operations if one["op"] != "equal"]
    assert changes == [words[1234], "other", " ".join(words[3000:3002])]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (" " * 20_000, "x" + " " * 19_990 + "y"),
        ("ab " * 7_000, "ba " * 7_000),
        ("\n" * 20_000, "a" + "\n" * 19_000 + "b\n"),
        ("!?" * 10_000, "?!" * 10_000),
        ("word " * 100_000, "wort " * 100_000),
    ],
)
def test_a_text_that_is_hard_to_compare_is_compared_all_the_same(before, after):
    assert_is_the_difference(before, after)


# --- The cost of a turn ---


def test_the_cost_of_a_turn_is_what_stands_around_its_words(tokenizer):
    def count(text):
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    assert turn_cost(Renderer(tokenizer), NOTHING) == {
        "user": count("<|im_start|>user\n") + count("<|im_end|>\n"),
        "assistant": count("<|im_start|>assistant\n") + count("<|im_end|>\n"),
    }


def test_what_opens_a_conversation_is_no_part_of_a_turn(tokenizer):
    assert turn_cost(Renderer(tokenizer, template("smollm2")), NOTHING) == turn_cost(
        Renderer(tokenizer, template("chatml")), NOTHING
    )


def test_what_the_first_round_alone_has_is_no_part_of_a_turn(tokenizer):
    turn = "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    first = "{% if loop.index0 < 2 %}{{ 'first, ' }}{% endif %}"
    sources = (f"{{% for m in messages %}}{opening}{turn}{{% endfor %}}" for opening in ("", first))
    plain, opened = (turn_cost(Renderer(tokenizer, source), NOTHING) for source in sources)
    assert plain == opened


def test_what_only_the_last_answer_has_is_no_part_of_a_turn(tokenizer):
    """Qwen3 writes an empty block of thoughts into its last answer and takes it out when the next question comes."""
    qwen3, chatml = (Renderer(tokenizer, template(name)) for name in ("qwen3", "chatml"))
    assert "<think>" in qwen3.text(MESSAGES, NOTHING)
    assert turn_cost(qwen3, NOTHING) == turn_cost(chatml, NOTHING)


def test_a_dearer_template_costs_more(tokenizer):
    costs = {name: turn_cost(Renderer(tokenizer, template(name)), NOTHING) for name in ("phi4", "yi1_5", "llama3")}
    assert costs["llama3"]["user"] > costs["phi4"]["user"]
    assert costs["yi1_5"]["assistant"] < costs["phi4"]["assistant"], "its header comes with the question"


def test_the_options_of_the_page_change_nothing_in_the_measure(tokenizer):
    plain = turn_cost(Renderer(tokenizer), NOTHING)
    assert turn_cost(Renderer(tokenizer), RenderOptions(add_generation_prompt=True)) == plain
    assert turn_cost(Renderer(tokenizer), RenderOptions(continue_final_message=True)) == plain


def test_a_template_that_wants_content_blocks_is_given_them(tokenizer):
    assert turn_cost(Renderer(tokenizer, template("llava_next")), NOTHING) is not None


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('No.') }}",
        "no words at all",
        "{{ messages[-1].content }}",
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
        "{% for m in messages[:3] %}{{ m.content }}{% endfor %}",
    ],
)
def test_where_the_cost_cannot_be_told_it_is_not(tokenizer, source):
    assert turn_cost(Renderer(tokenizer, source), NOTHING) is None


def test_history_that_is_dropped_has_no_cost_to_tell(tokenizer):
    assert turn_cost(Renderer(tokenizer, template("broken_history_dropped")), NOTHING) is None


def test_without_a_tokenizer_nothing_is_counted():
    assert turn_cost(Renderer(None, template("chatml")), NOTHING) is None


@pytest.mark.parametrize("name", list(gallery()))
def test_every_template_has_a_cost_or_none(tokenizer, name):
    cost = turn_cost(Renderer(tokenizer, template(name)), NOTHING)
    assert cost is None or (set(cost) == {"user", "assistant"} and cost["user"] + cost["assistant"] > 0)


# --- Both sides ---


def test_both_sides_are_shown_with_their_counts_and_their_difference(tokenizer):
    own, zephyr = Renderer(tokenizer), Renderer(tokenizer, template("zephyr"))
    found = compare(MESSAGES, [("own", own), ("zephyr", zephyr)], NOTHING)
    for side, renderer in zip(found["sides"], (own, zephyr), strict=True):
        rendered = renderer.render(MESSAGES, NOTHING)
        assert side["text"] == rendered.text
        assert side["tokens"] == len(rendered.input_ids)
        assert side["trained"] == sum(rendered.loss_mask) > 0
        assert side["characters"] == len(rendered.text)
        assert side["turn_cost"] == turn_cost(renderer, NOTHING)
        assert side["error"] is None
    assert [side["label"] for side in found["sides"]] == ["own", "zephyr"]
    assert found["diff"] == text_diff(*(side["text"] for side in found["sides"]))


def test_a_side_that_refuses_says_so_and_the_other_is_shown(tokenizer):
    sides = [("own", Renderer(tokenizer)), ("gemma", Renderer(tokenizer, template("gemma")))]
    found = compare(MESSAGES, sides, NOTHING)
    own, gemma = found["sides"]
    assert own["text"].endswith("Ahoy<|im_end|>\n")
    assert isinstance(gemma["error"], InputError) and "System role not supported" in str(gemma["error"])
    assert (gemma["text"], gemma["tokens"], gemma["turn_cost"]) == ("", 0, None)
    assert found["diff"] == []
    assert str(pickle.loads(pickle.dumps(found))["sides"][1]["error"]) == str(gemma["error"])


def test_a_side_that_could_not_be_had_is_its_error(tokenizer):
    missing = LimitError(say("The model has no chat template of its own."))
    found = compare(MESSAGES, [("a", missing), ("own", Renderer(tokenizer))], NOTHING)
    assert found["sides"][0]["error"] is missing
    assert found["sides"][1]["tokens"] > 0
    assert found["diff"] == []


def test_without_a_tokenizer_there_is_text_alone():
    sides = [(name, Renderer(None, template(name))) for name in ("chatml", "phi4")]
    found = compare(MESSAGES, sides, NOTHING)
    assert [side["tokens"] for side in found["sides"]] == [0, 0]
    assert found["diff"]


def test_options_reach_both_sides(tokenizer):
    sides = [("a", Renderer(tokenizer)), ("b", Renderer(tokenizer, template("chatml")))]
    found = compare(MESSAGES, sides, RenderOptions(add_generation_prompt=True))
    assert all(side["text"].endswith("assistant\n") for side in found["sides"])
    assert [one["op"] for one in found["diff"]] == ["equal"]
