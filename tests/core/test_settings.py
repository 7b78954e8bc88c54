"""Everything that can be set: each bound, and the words of each refusal."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.core.settings import DatasetOptions, RenderOptions, Sampling, TrainSettings, dataset_options_of

NUMBERS = {
    # name: (lowest, highest, just below, just above)
    "num_train_epochs": (0.01, 1000, 0.009, 1000.1),
    "max_steps": (-1, 100_000, -2, 100_001),
    "per_device_train_batch_size": (1, 256, 0, 257),
    "gradient_accumulation_steps": (1, 256, 0, 257),
    "learning_rate": (1e-8, 1, 0, 1.01),
    "warmup_steps": (0, 10_000, -1, 10_001),
    "weight_decay": (0, 1, -0.1, 1.1),
    "max_grad_norm": (0.01, 1000, 0, 1001),
    "max_length": (8, 8192, 7, 8193),
    "seed": (0, 2**32 - 1, -1, 2**32),
    "r": (1, 256, 0, 257),
    "lora_alpha": (1, 1024, 0, 1025),
    "lora_dropout": (0, 0.9, -0.1, 0.91),
    "time_budget_s": (0, 86_400, -1, 86_401),
    "held_out": (0, 0.5, -0.01, 0.51),
    "eval_steps": (0, 100_000, -1, 100_001),
    "early_stopping_patience": (0, 1000, -1, 1001),
    "probe_max_new_tokens": (0, 512, -1, 513),
}
WORDS = {
    "lr_scheduler_type": ("cosine", "linear", "constant_with_warmup"),
    "quantization": ("auto", "nf4", "fp4", "none"),
    "train_on": ("assistant", "last", "all"),
    "truncation_mode": ("keep_start", "keep_end", "drop"),
}
TEMPLATE = {"chat_template", "chat_template_kwargs", "chat_template_clock"}
ROWS = {"system_prompt", "shuffle_dataset", "mapping", "edits"}
FLAGS = ("bnb_4bit_use_double_quant", "use_rslora", "packing", "gradient_checkpointing", "general_ability")
OTHERS = {"target_modules", "probe_prompts", "start_from"}
SAMPLING = {
    "max_new_tokens": (1, 4096, 0, 4097),
    "temperature": (0, 5, -0.1, 5.1),
    "top_p": (0.01, 1, 0.009, 1.01),
    "top_k": (0, 1_000_000, -1, 1_000_001),
    "repetition_penalty": (0.1, 10, 0.09, 10.1),
    "seed": (0, 2**32 - 1, -1, 2**32),
}
NO_NUMBERS = ["8", None, True, [], {}, float("nan"), float("inf")]


def refused(cls, **given):
    with pytest.raises(InputError) as problem:
        cls.from_dict(given)
    return str(problem.value)


def test_every_training_setting_is_looked_at_here():
    looked_at = set(NUMBERS) | set(WORDS) | set(FLAGS) | OTHERS | TEMPLATE | ROWS
    assert looked_at == {field.name for field in fields(TrainSettings)}
    assert set(SAMPLING) | {"system"} == {field.name for field in fields(Sampling)}


@pytest.mark.parametrize(
    ("cls", "name", "bounds"),
    [(TrainSettings, *item) for item in NUMBERS.items()] + [(Sampling, *item) for item in SAMPLING.items()],
)
def test_a_number_is_taken_up_to_its_bounds_and_refused_beyond_by_name(cls, name, bounds):
    low, high, below, above = bounds
    for right in (low, high):
        assert getattr(cls.from_dict({name: right}), name) == right
    for wrong in (below, above):
        said = refused(cls, **{name: wrong})
        assert name in said and repr(wrong) in said
        assert f"{low:g}" in said or name == "max_steps"
    for wrong in NO_NUMBERS:
        assert name in refused(cls, **{name: wrong})


@pytest.mark.parametrize("name", [name for name, bounds in NUMBERS.items() if isinstance(bounds[3], int)])
def test_a_whole_number_takes_no_fraction(name):
    if name in ("max_grad_norm", "time_budget_s"):
        assert getattr(TrainSettings.from_dict({name: 1.5}), name) == 1.5
    else:
        assert "whole number" in refused(TrainSettings, **{name: 8.5})


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_is_true_or_false_and_nothing_else(name):
    for right in (True, False):
        assert getattr(TrainSettings.from_dict({name: right}), name) is right
    for wrong in (1, 0, "true", None):
        assert "true or false" in refused(TrainSettings, **{name: wrong})


def test_probes_are_a_few_short_texts():
    assert TrainSettings.from_dict({"probe_prompts": ["Hi"] * 5}).probe_prompts == ["Hi"] * 5
    assert TrainSettings.from_dict({"probe_prompts": None}).probe_prompts == []
    for wrong in (["Hi"] * 6, ["x" * 2001]):
        assert "at most 5 texts of 2000 characters" in refused(TrainSettings, probe_prompts=wrong)
    for wrong in ("Hi", [1], {"a": "b"}):
        assert "a list of texts" in refused(TrainSettings, probe_prompts=wrong)


def test_an_earlier_run_is_named_by_its_id_alone():
    assert TrainSettings.from_dict({"start_from": "A" * 22}).start_from == "A" * 22
    for wrong in ("../../etc", "A" * 21, "A" * 22 + "\n", 7, None):
        assert "the id of a run" in refused(TrainSettings, start_from=wrong)


def test_no_steps_at_all_are_refused():
    assert "-1" in refused(TrainSettings, max_steps=0)


@pytest.mark.parametrize(("name", "choices"), WORDS.items())
def test_a_choice_is_refused_with_what_there_is_to_choose_from(name, choices):
    for choice in choices:
        assert getattr(TrainSettings.from_dict({name: choice}), name) == choice
    for wrong in ("other", "", None, 1, [choices[0]]):
        assert ", ".join(choices) in refused(TrainSettings, **{name: wrong})


def test_target_modules_are_names_separated_by_commas():
    for right in ("all-linear", "q_proj", "q_proj,v_proj", "q_proj, v_proj"):
        assert TrainSettings.from_dict({"target_modules": right}).target_modules == right
    for wrong in ("", "q_proj,", "a b", ".*", "../x", None, ["q_proj"], 1):
        assert "target_modules" in refused(TrainSettings, target_modules=wrong)
    for unchanged in ("lm_head", "q_proj, lm_head", "embed_tokens"):
        assert "stay as they are" in refused(TrainSettings, target_modules=unchanged)


@pytest.mark.parametrize("cls", [TrainSettings, RenderOptions, DatasetOptions, Sampling])
def test_an_unknown_name_is_refused_with_all_the_known_ones(cls):
    said = refused(cls, learning_rat=1, max_seq_length=2)
    assert "learning_rat" in said and "max_seq_length" in said
    assert all(field.name in said for field in fields(cls))


@pytest.mark.parametrize("cls", [TrainSettings, RenderOptions, DatasetOptions, Sampling])
@pytest.mark.parametrize("given", [None, [], "settings", 3])
def test_settings_that_are_no_object_are_refused(cls, given):
    with pytest.raises(InputError, match="JSON object"):
        cls.from_dict(given)


def test_defaults_are_allowed_and_come_back_from_their_own_dictionary():
    assert TrainSettings.from_dict({}) == TrainSettings()
    assert TrainSettings.from_dict(TrainSettings(r=8).to_dict()) == TrainSettings(r=8)
    assert DatasetOptions().max_length == TrainSettings().max_length


def test_settings_cannot_be_changed_after_they_were_checked():
    with pytest.raises(FrozenInstanceError):
        TrainSettings().r = 0


def test_render_options_check_each_value():
    for name in ("add_generation_prompt", "continue_final_message"):
        assert name in refused(RenderOptions, **{name: 1})
    for name in ("tools", "documents"):
        assert "a list" in refused(RenderOptions, **{name: {}})
    for name in ("template_kwargs", "special_tokens"):
        assert "a JSON object" in refused(RenderOptions, **{name: []})
    for clock in ("today", "", 5, "2026-13-01"):
        assert "clock" in refused(RenderOptions, clock=clock)
    assert RenderOptions.from_dict({"clock": "2026-01-31"}).clock == "2026-01-31"


def test_a_generation_prompt_and_a_continued_message_exclude_each_other():
    said = refused(RenderOptions, add_generation_prompt=True, continue_final_message=True)
    assert "add_generation_prompt" in said and "continue_final_message" in said


def test_dataset_options_check_each_value():
    assert "max_length" in refused(DatasetOptions, max_length=7)
    assert "train_on" in refused(DatasetOptions, train_on="user")
    assert "template" in refused(DatasetOptions, template=None)
    assert "system_prompt" in refused(DatasetOptions, system_prompt=None)
    assert "truncation_mode" in refused(DatasetOptions, truncation_mode="keep_middle")
    for wrong in ({"user": 1}, ["user"], "user"):
        assert "mapping" in refused(DatasetOptions, mapping=wrong)
    for wrong in ({"do": "drop"}, ["drop"], "drop"):
        assert "edits" in refused(DatasetOptions, edits=wrong)
    assert "shuffle_dataset" in refused(DatasetOptions, shuffle_dataset="yes")
    assert DatasetOptions.from_dict({"mapping": None, "edits": None}) == DatasetOptions()


def test_a_run_reads_its_rows_with_the_options_of_the_same_name():
    given = {
        "max_length": 99,
        "truncation_mode": "keep_end",
        "train_on": "last",
        "system_prompt": "Be brief.",
        "mapping": {"user": "q", "assistant": "a"},
        "edits": [{"do": "drop", "rows": [1]}],
        "held_out": 0.25,
        "shuffle_dataset": False,
        "seed": 3,
        "num_train_epochs": 2.0,
        "max_steps": 7,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 3,
    }
    assert set(given) == {field.name for field in fields(DatasetOptions)} - {"template", "template_kwargs", "clock"}
    options = TrainSettings.from_dict(given).dataset_options()
    assert {name: getattr(options, name) for name in given} == given


@pytest.mark.parametrize("name", ["mapping", "edits", "system_prompt", "shuffle_dataset"])
def test_what_is_no_way_to_read_rows_is_refused_in_a_runs_settings_too(name):
    assert name in refused(TrainSettings, **{name: 3})


def test_the_steps_of_a_run_are_those_asked_for_or_what_the_epochs_come_to():
    assert DatasetOptions(max_steps=5, num_train_epochs=100).steps(1000) == 5
    assert DatasetOptions(num_train_epochs=2, per_device_train_batch_size=4).steps(9) == 6
    assert (
        DatasetOptions(num_train_epochs=0.5, per_device_train_batch_size=2, gradient_accumulation_steps=2).steps(16)
        == 2
    )


def rows_trained(rows: int, batch: int, accumulation: int, steps: int) -> int:
    """Rows that transformers' Trainer trains on in so many steps, one by one as its loop goes."""
    trained = made = 0
    while True:
        batches = [min(batch, rows - start) for start in range(0, rows, batch)]
        for number, size in enumerate(batches, start=1):
            trained += size
            made += number % accumulation == 0 or number == len(batches)
            if made == steps:
                return trained


@given(rows=st.integers(1, 40), batch=st.integers(1, 12), accumulation=st.integers(1, 6), steps=st.integers(1, 30))
@example(rows=3, batch=64, accumulation=8, steps=5)  # Five times, not 5 x 512 / 3.
@example(rows=3, batch=4, accumulation=1, steps=8)
def test_rows_are_seen_as_often_as_the_trainer_takes_them(rows, batch, accumulation, steps):
    options = DatasetOptions(
        max_steps=steps, per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation
    )
    taken = rows_trained(rows, batch, accumulation, steps)
    assert options.seen(rows) * rows == pytest.approx(taken)
    passes = DatasetOptions(
        num_train_epochs=steps, per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation
    )
    assert passes.seen(rows) == steps
    assert passes.seen(rows, steps) == options.seen(rows)


def test_a_system_prompt_is_text():
    assert "system" in refused(Sampling, system=None)


def test_a_long_wrong_value_is_not_repeated_whole():
    assert len(refused(TrainSettings, train_on="x" * 10_000)) < 400


def test_the_template_of_a_run_is_checked_and_reaches_its_rows():
    assert "chat_template" in refused(TrainSettings, chat_template=3)
    assert "a JSON object" in refused(TrainSettings, chat_template_kwargs=[])
    assert "chat_template_clock" in refused(TrainSettings, chat_template_clock="noon")
    given = {"chat_template": "qwen3", "chat_template_kwargs": {"enable_thinking": False}}
    options = TrainSettings.from_dict(
        {**given, "chat_template_clock": "2026-01-31", "max_length": 99}
    ).dataset_options()
    assert (options.template, options.max_length, options.train_on) == ("qwen3", 99, "assistant")
    rendered = options.render_options([{"type": "function"}])
    assert rendered.template_kwargs == {"enable_thinking": False}
    assert rendered.clock == "2026-01-31"
    assert rendered.tools == [{"type": "function"}]
    assert TrainSettings().dataset_options().render_options(None) == RenderOptions(template_kwargs={})


def test_the_settings_of_a_run_are_options_of_its_rows():
    given = {"max_length": 64, "packing": True, "warmup_steps": 5, "chat_template": "qwen3", "held_out": 0.2}
    assert dataset_options_of(given) == TrainSettings.from_dict(given).dataset_options()
    assert dataset_options_of({**given, "template": "llama3"}).template == "llama3"
    assert dataset_options_of({"max_length": 64}) == DatasetOptions(max_length=64)
    for wrong in ({"packing": 3}, {"learning_rate": -1}, {"nothing": 1}, {"packing": True, "nothing": 1}):
        with pytest.raises(InputError):
            dataset_options_of(wrong)
