"""The decode loop against transformers' own `generate`, one conversation at a time, on a tiny random model."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from playground.chat.engine import Engine, Row
from playground.core.errors import InputError
from playground.core.settings import Sampling

pytest_plugins = ["tests.tiny"]

PROMPTS = [[5, 80, 12, 300], [9, 31, 222, 100, 3, 8, 77, 41, 256, 12, 90], [7], [350, 20, 61, 8, 44, 44]]


@pytest.fixture(scope="module")
def adapters(new_adapter):
    return [None, new_adapter(1, r=4), new_adapter(2, r=11, use_rslora=True, lora_alpha=6)]


@pytest.fixture(scope="module")
def solo(tiny_folder, single_thread) -> Callable[..., list[int]]:
    """solo(prompt, adapter, count): the tokens of transformers' generate, greedy, alone in its batch."""
    models = {}

    @lru_cache
    def tokens(prompt, adapter, count):
        if adapter not in models:
            model = AutoModelForCausalLM.from_pretrained(tiny_folder, local_files_only=True, dtype=torch.float32)
            models[adapter] = (PeftModel.from_pretrained(model, str(adapter)) if adapter else model).eval()
        with torch.inference_mode():
            ids = torch.tensor([list(prompt)])
            out = models[adapter].generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False
            )
        return out[0, len(prompt) :].tolist()

    return lambda prompt, adapter, count: tokens(tuple(prompt), adapter, count)


@pytest.fixture
def engine(model, tokenizer):
    return Engine(model, tokenizer, torch.float32)


def row(prompt, count=12, adapter=None, **sampling):
    return Row(list(prompt), Sampling(max_new_tokens=count, **sampling), adapter)


def finish(engine):
    while engine.rows:
        engine.step()


# --- Greedy ---


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_greedy_answer_equals_generate(engine, solo, adapters, prompt, which):
    asked = row(prompt, 24, adapters[which])
    engine.join([asked])
    finish(engine)
    assert asked.tokens == solo(prompt, adapters[which], 24)


def test_the_adapters_of_these_tests_do_change_the_answers(solo, adapters):
    assert len({tuple(solo(PROMPTS[0], adapter, 12)) for adapter in adapters}) == 3


def test_base_and_tuned_rows_of_unequal_prompts_share_a_batch(engine, solo, adapters):
    rows = [row(prompt, 10 + place, adapters[place % 3]) for place, prompt in enumerate(PROMPTS)]
    engine.join(rows)
    finish(engine)
    for place, asked in enumerate(rows):
        assert asked.tokens == solo(asked.prompt, adapters[place % 3], 10 + place)


def test_rows_that_join_and_leave_midway_change_nothing_for_anyone(engine, solo, adapters):
    """Short and long prompts join a running batch, long and short answers leave it, with every adapter."""
    rows = []
    for place in range(9):
        prompt, adapter = PROMPTS[place % 4], adapters[(place * 2) % 3]
        group = [row(prompt, 3 + (place * 7) % 17, adapter), row(prompt[::-1], 5 + place, None)]
        engine.join(group)
        rows += group
        for _ in range(place % 3):
            engine.step()
    finish(engine)
    for asked in rows:
        assert asked.tokens == solo(asked.prompt, asked.adapter, asked.sampling.max_new_tokens)


def test_an_answer_of_one_token_never_enters_the_batch(engine, solo):
    asked = row(PROMPTS[0], 1)
    engine.join([asked])
    assert (engine.rows, asked.ended) == ([], "length")
    assert asked.tokens == solo(PROMPTS[0], None, 1)
    later = row(PROMPTS[1], 4)
    engine.join([later])
    finish(engine)
    assert later.tokens == solo(PROMPTS[1], None, 4)


def test_a_step_without_rows_does_nothing(engine):
    engine.step()
    assert engine.rows == []


# --- Endings ---


def test_an_answer_that_reaches_its_length_says_so(engine):
    asked = row(PROMPTS[0], 5)
    engine.join([asked])
    finish(engine)
    assert (asked.ended, len(asked.tokens)) == ("length", 5)


def test_an_answer_that_the_model_ends_says_so_and_leaves_the_end_token_out_of_the_text(engine, solo, tokenizer):
    usual = solo(PROMPTS[0], None, 12)
    engine._ends = {usual[4]}  # As if the model's fifth token were an end token.
    asked = row(PROMPTS[0], 12)
    engine.join([asked])
    finish(engine)
    first = usual.index(usual[4])
    assert asked.ended == "stop"
    assert asked.tokens == usual[: first + 1]
    assert asked.text == tokenizer.decode(usual[:first], skip_special_tokens=True).rstrip("\ufffd")


def test_an_answer_also_ends_with_the_token_that_its_own_template_ends_turns_with(engine, solo):
    usual = solo(PROMPTS[0], None, 12)
    asked, other = row(PROMPTS[0], 12), row(PROMPTS[0], 12)
    asked.stop = frozenset({usual[4]})
    engine.join([asked, other])
    finish(engine)
    assert asked.tokens == usual[: usual.index(usual[4]) + 1]
    assert other.tokens == usual


def test_end_tokens_are_the_models_and_the_tokenizers(model, tokenizer):
    model.generation_config.eos_token_id = [7, 9]
    assert Engine(model, tokenizer, torch.float32)._ends == {7, 9, tokenizer.eos_token_id}
    model.generation_config.eos_token_id = None
    assert Engine(model, tokenizer, torch.float32)._ends == {tokenizer.eos_token_id}


def test_a_cancelled_row_ends_where_it_stands_and_the_others_go_on(engine, solo):
    rows = [row(prompt, 15) for prompt in PROMPTS]
    engine.join(rows)
    for _ in range(4):
        engine.step()
    engine.cancel([rows[1], rows[2]])
    assert engine.rows == [rows[0], rows[3]]
    finish(engine)
    assert [asked.ended for asked in rows] == ["length", "cancelled", "cancelled", "length"]
    for asked in rows:
        assert asked.tokens == solo(asked.prompt, None, 15)[: len(asked.tokens)]
    assert len(rows[1].tokens) == 5


def test_a_row_that_has_ended_cannot_be_cancelled(engine):
    asked = row(PROMPTS[0], 2)
    engine.join([asked])
    finish(engine)
    engine.cancel([asked])
    assert asked.ended == "length"


def test_after_an_error_the_engine_can_be_cleared_and_base_is_base(engine, model, solo, adapters, monkeypatch):
    tuned, base = row(PROMPTS[0], 20, adapters[1]), row(PROMPTS[0], 20)
    engine.join([tuned, base])
    engine.step()
    with monkeypatch.context() as broken:
        broken.setattr(model.lm_head, "forward", lambda _: (_ for _ in ()).throw(RuntimeError("out of luck")))
        with pytest.raises(RuntimeError, match="out of luck"):
            engine.step()
    engine.clear()
    assert (engine.rows, tuned.ended, base.ended) == ([], "cancelled", "cancelled")
    for adapter in (None, adapters[1]):
        again = row(PROMPTS[1], 10, adapter)
        engine.join([again])
        finish(engine)
        assert again.tokens == solo(PROMPTS[1], adapter, 10)


def test_an_adapter_that_does_not_fit_disturbs_no_row_in_hand(engine, solo, adapters, tmp_path):
    rows = [row(PROMPTS[0], 12, adapters[1]), row(PROMPTS[1], 12)]
    engine.join(rows)
    engine.step()
    with pytest.raises(InputError):
        engine.join([row(PROMPTS[2]), row(PROMPTS[2], adapter=tmp_path)])
    finish(engine)
    for asked in rows:
        assert asked.tokens == solo(asked.prompt, asked.adapter, 12)


# --- Drawing ---


def test_equal_seeds_draw_equally_and_others_do_not(engine):
    rows = [row(PROMPTS[0], 20, temperature=1.0, seed=seed) for seed in (3, 3, 4)]
    engine.join(rows)
    finish(engine)
    assert rows[0].tokens == rows[1].tokens != rows[2].tokens


def test_a_draw_does_not_depend_on_who_else_is_answered(engine):
    alone = row(PROMPTS[0], 15, temperature=1.3, top_p=0.9, seed=5)
    engine.join([alone])
    finish(engine)
    engine.join([row(PROMPTS[1], 30, temperature=1.0, seed=9)])
    engine.step()
    among = row(PROMPTS[0], 15, temperature=1.3, top_p=0.9, seed=5)
    engine.join([row(PROMPTS[3], 4, temperature=2.0), among])
    finish(engine)
    assert among.tokens == alone.tokens


def test_a_repetition_penalty_is_that_of_generate(engine, model, solo):
    prompt = PROMPTS[1]
    asked = [row(prompt, 20, repetition_penalty=penalty) for penalty in (1.0, 0.5)]
    engine.join(asked)
    finish(engine)
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        expected = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=20,
            do_sample=False,
            repetition_penalty=0.5,
        )[0, len(prompt) :].tolist()
    assert asked[1].tokens == expected
    assert asked[0].tokens == solo(prompt, None, 20) != expected


# --- Text ---


def scripted(monkeypatch, tokens):
    """Draw these tokens, one a step, whatever the model says."""
    left = iter(tokens)
    monkeypatch.setattr("playground.chat.engine.draw", lambda *_: next(left))


@pytest.mark.parametrize("words", ["鬱 says hi 🙂🙂!", "naïve — ok", "👩‍👩‍👧 and é and ก็", " spaced  out\n\n"])
def test_text_grows_by_whole_characters(engine, tokenizer, monkeypatch, words):
    tokens = tokenizer(words, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(tokens) == words
    scripted(monkeypatch, [*tokens, tokenizer.eos_token_id])
    asked = row(PROMPTS[0], 500)
    engine.join([asked])
    seen = [asked.text]
    while engine.rows:
        engine.step()
        seen.append(asked.text)
    assert all("\ufffd" not in text and words.startswith(text) for text in seen)
    assert (asked.text, asked.ended, asked.tokens[:-1]) == (words, "stop", tokens)


def test_an_answer_that_is_cut_within_a_character_leaves_it_out(engine, tokenizer, monkeypatch):
    tokens = tokenizer("ok 🙂", add_special_tokens=False)["input_ids"]
    scripted(monkeypatch, tokens)
    asked = row(PROMPTS[0], len(tokens) - 1)
    engine.join([asked])
    finish(engine)
    assert (asked.text, asked.ended) == ("ok ", "length")


def test_special_tokens_are_not_shown(engine, tokenizer, monkeypatch):
    scripted(monkeypatch, [*tokenizer("a<|endoftext|>b", add_special_tokens=False)["input_ids"], 2])
    asked = row(PROMPTS[0], 50)
    engine.join([asked])
    finish(engine)
    assert asked.text == "ab"


def test_speed_is_told_once_there_are_two_tokens(engine):
    asked = row(PROMPTS[0], 5)
    assert asked.tokens_per_s() == 0.0
    engine.join([asked])
    assert asked.tokens_per_s() == 0.0 and asked.first_s > 0
    finish(engine)
    assert asked.tokens_per_s() > 0
