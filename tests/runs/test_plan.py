"""Planning by time: what a run does and how long that takes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.settings import TrainSettings
from playground.data.split import even_places
from playground.runs import plan as planning
from playground.runs.plan import Plan, Speed, Work, fit_speed, make_plan, sentence

SPEED = Speed(step_s=0.4, token_s=0.004, eval_token_s=0.0013, answer_token_s=0.06, load_s=6.0)
SETTINGS = TrainSettings(shuffle_dataset=False)
ROWS = [100] * 80
WORK = Work(train=ROWS, held_out=[100] * 8, scored_tokens=1000, probes=3)

lengths = st.lists(st.integers(1, 600), min_size=1, max_size=300)
speeds = st.builds(
    Speed,
    step_s=st.floats(0, 3),
    token_s=st.floats(1e-6, 0.05),
    eval_token_s=st.floats(0, 0.02),
    answer_token_s=st.floats(0, 0.5),
    load_s=st.floats(0, 60),
)


def test_epochs_decide_where_there_is_time() -> None:
    plan = make_plan(replace(SETTINGS, time_budget_s=3600, num_train_epochs=2), WORK, SPEED)
    assert (plan.steps, plan.bound_by, plan.epochs) == (40, "epochs", 2.0)


def test_max_steps_wins_over_the_epochs() -> None:
    plan = make_plan(replace(SETTINGS, time_budget_s=0, max_steps=500), WORK, SPEED)
    assert (plan.steps, plan.bound_by, plan.epochs) == (500, "steps", 25.0)


@pytest.mark.parametrize(
    ("rows", "batch", "steps", "seen"),
    [(3, 512, 5, 5.0), (3, 4, 8, 8.0), (10, 4, 4, 1.4), (10, 4, 3, 1.0), (10, 4, 1, 0.4)],
)
def test_a_last_step_of_few_rows_counts_as_few_rows(rows: int, batch: int, steps: int, seen: float) -> None:
    asked = replace(SETTINGS, time_budget_s=0, max_steps=steps, per_device_train_batch_size=min(batch, 64),
                    gradient_accumulation_steps=max(batch // 64, 1))  # fmt: skip
    assert make_plan(asked, Work([10] * rows, []), None).epochs == seen
    packed = make_plan(replace(asked, packing=True), Work([10] * rows, []), None)
    assert packed.epochs == steps  # One pack has them all.


def test_half_an_epoch_is_rounded_up_to_a_whole_step() -> None:
    plan = make_plan(replace(SETTINGS, num_train_epochs=0.51), Work([10] * 8, []), None)
    assert plan.steps == 2  # 2 steps an epoch; 1.02 of them.


def test_seconds_are_the_sum_of_what_is_done() -> None:
    plan = make_plan(replace(SETTINGS, time_budget_s=0, max_steps=40), WORK, SPEED)
    assert plan.eval_steps == 5 and plan.probe_steps == 10
    train = 40 * (0.4 + 400 * 0.004)
    evaluations = 9 * 800 * 0.0013
    other = 6.0 + 2 * 1000 * 0.0013 + 5 * 40 * 0.06
    assert (plan.train_s, plan.eval_s, plan.other_s) == pytest.approx((train, evaluations, other), abs=0.01)
    assert plan.seconds == pytest.approx(train + evaluations + other, abs=0.02)


def test_each_batch_of_a_step_costs_its_share() -> None:
    base = replace(SETTINGS, time_budget_s=0, max_steps=10)
    halved = replace(base, per_device_train_batch_size=2, gradient_accumulation_steps=2)
    one, two = make_plan(base, WORK, SPEED), make_plan(halved, WORK, SPEED)
    assert two.train_s == pytest.approx((one.train_s or 0) + 10 * 0.4)
    assert (two.per_device_train_batch_size, two.gradient_accumulation_steps) == (2, 2)
    assert two.epochs == one.epochs


def test_time_cuts_the_steps_and_is_filled() -> None:
    plan = make_plan(replace(SETTINGS, time_budget_s=100), WORK, SPEED)
    assert plan.bound_by == "time" and plan.steps < 160
    assert plan.seconds is not None and 90 <= plan.seconds <= 100
    more = make_plan(replace(SETTINGS, time_budget_s=0, max_steps=plan.steps + 1), WORK, SPEED)
    assert plan.seconds <= 95
    assert more.seconds is not None and more.seconds > 92


def test_an_unknown_speed_cuts_nothing_and_estimates_nothing() -> None:
    plan = make_plan(replace(SETTINGS, time_budget_s=1), WORK, None)
    assert (plan.steps, plan.bound_by, plan.eval_steps) == (160, "epochs", 20)
    assert plan.seconds is plan.train_s is plan.eval_s is plan.other_s is None


def test_at_least_one_step_however_slow_the_machine() -> None:
    plan = make_plan(replace(SETTINGS, time_budget_s=5), WORK, replace(SPEED, load_s=100))
    assert (plan.steps, plan.bound_by) == (1, "time")
    assert plan.seconds is not None and plan.seconds > 100


def test_no_training_rows_is_still_a_plan() -> None:
    assert make_plan(SETTINGS, Work([], []), SPEED).steps >= 1


def test_nothing_held_out_is_never_looked_at() -> None:
    plan = make_plan(replace(SETTINGS, eval_steps=3), Work(ROWS, [], 0, 0), SPEED)
    assert (plan.eval_steps, plan.eval_rows, plan.eval_s, plan.probe_steps) == (0, 0, 0.0, 0)


def test_probes_need_no_held_out_rows() -> None:
    plan = make_plan(replace(SETTINGS, time_budget_s=0, max_steps=40), Work(ROWS, [], 0, 2), SPEED)
    assert (plan.eval_steps, plan.probe_steps) == (0, 10)


def test_no_probes_where_their_answers_have_no_length() -> None:
    plan = make_plan(replace(SETTINGS, probe_max_new_tokens=0, time_budget_s=0, max_steps=40), WORK, SPEED)
    assert plan.probe_steps == 0 and plan.other_s == pytest.approx(6 + 2.6)


def test_looks_that_were_set_are_kept_and_paid_for() -> None:
    plan = make_plan(replace(SETTINGS, eval_steps=2, time_budget_s=100), WORK, SPEED)
    assert plan.eval_steps == 2
    assert plan.eval_s == pytest.approx((1 + math.ceil(plan.steps / 2)) * 800 * 0.0013, abs=0.01)
    assert plan.seconds is not None and plan.seconds <= 95


def test_long_held_out_rows_are_looked_at_less_often() -> None:
    few = make_plan(replace(SETTINGS, time_budget_s=180), replace(WORK, held_out=[500] * 8), SPEED)
    assert few.eval_steps == math.ceil(few.steps / 4)
    fewest = make_plan(replace(SETTINGS, time_budget_s=180), replace(WORK, held_out=[512] * 10), SPEED)
    assert fewest.eval_steps == math.ceil(fewest.steps / 3)


def test_of_very_many_held_out_rows_some_are_looked_at() -> None:
    plan = make_plan(replace(SETTINGS, time_budget_s=180), replace(WORK, held_out=[100] * 5000), SPEED)
    assert plan.eval_rows == 51 and plan.steps > 10
    assert plan.eval_s is not None and plan.eval_s <= 0.16 * 180
    assert make_plan(replace(SETTINGS, time_budget_s=0), replace(WORK, held_out=[9] * 5000), SPEED).eval_rows == 5000


def test_slow_answers_are_given_less_often() -> None:
    slow = replace(SPEED, answer_token_s=0.2)
    plan = make_plan(replace(SETTINGS, time_budget_s=180), WORK, slow)
    assert plan.probe_steps >= plan.steps  # Before the first step and after the last.
    assert plan.probe_steps % plan.eval_steps == 0


@given(st.integers(1, 300), st.data())
def test_a_even_places_is_spread_and_without_doubles(rows: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, rows))
    places = even_places(rows, count)
    assert len(set(places)) == len(places) == count
    assert places == sorted(places) and places[0] == 0 and places[-1] < rows
    assert rows - places[-1] <= rows // count + 1


@given(
    lengths,
    st.lists(st.integers(1, 600), max_size=80),
    speeds,
    st.sampled_from([0.0, 20.0, 180.0, 3600.0]),
    st.integers(1, 16),
    st.integers(1, 4),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)
def test_every_plan_keeps_its_promises(
    train: list[int],
    held_out: list[int],
    speed: Speed,
    budget: float,
    batch: int,
    accumulation: int,
    probes: int,
    shuffled: bool,
    packing: bool,
) -> None:
    asked = TrainSettings(
        time_budget_s=budget,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        shuffle_dataset=shuffled,
        packing=packing,
        num_train_epochs=3,
    )
    work = Work(train, held_out, 300, probes)
    plan, free = make_plan(asked, work, speed), make_plan(asked, work, None)
    assert plan.seconds is not None and plan.train_s is not None
    assert plan.seconds == pytest.approx(plan.train_s + (plan.eval_s or 0) + (plan.other_s or 0), abs=0.05)
    assert 1 <= plan.steps <= free.steps
    assert plan.bound_by in ("time", "epochs")
    assert (plan.bound_by == "time") <= (budget > 0)
    if plan.bound_by == "time":
        assert plan.steps == 1 or plan.seconds <= budget
    else:
        assert plan.steps == free.steps
    assert (plan.eval_steps == 0) == (not held_out)
    if held_out:
        assert 1 + math.ceil(plan.steps / plan.eval_steps) <= 9
        assert 1 <= plan.eval_rows <= len(held_out)
    if probes and held_out:
        assert plan.probe_steps % plan.eval_steps == 0
    assert make_plan(asked, work, speed) == plan  # The same again.


@given(lengths, speeds, st.integers(60, 400))
def test_more_time_never_means_fewer_steps_by_much(train: list[int], speed: Speed, budget: int) -> None:
    work = Work(train, [50] * 10, 100, 1)
    less = make_plan(TrainSettings(time_budget_s=budget, max_steps=1000), work, speed)
    more = make_plan(TrainSettings(time_budget_s=budget * 2, max_steps=1000), work, speed)
    assert more.steps >= less.steps


def test_a_plan_is_made_of_plain_values() -> None:
    plan = make_plan(SETTINGS, Work(np.array(ROWS), np.array([5, 6])), SPEED).to_dict()
    assert set(plan) >= {"steps", "eval_steps", "epochs", "seconds", "bound_by", "train_s", "eval_s", "other_s"}
    assert {type(value) for value in plan.values()} <= {int, float, str}


# Speed


def _steps(step_s: float, token_s: float, tokens: list[int], noise: float, seed: int) -> list[tuple[float, float]]:
    generator = np.random.default_rng(seed)
    factors = np.exp(generator.normal(0, noise, len(tokens)))
    steps = [(float(size), (step_s + token_s * size) * factor) for size, factor in zip(tokens, factors, strict=True)]
    return [(steps[0][0], steps[0][1] * 4), *steps[1:]]


@given(
    st.floats(0.0, 2.0),
    st.floats(1e-4, 0.02),
    st.lists(st.integers(50, 2000), min_size=12, max_size=60).filter(lambda tokens: max(tokens[1:]) > 3 * min(tokens)),
    st.integers(0, 2**31),
)
def test_a_fit_finds_the_time_of_steps_under_noise(step_s: float, token_s: float, tokens: list[int], seed: int) -> None:
    fitted = fit_speed(_steps(step_s, token_s, tokens, 0.05, seed), [], [], 1.0)
    mean = sum(tokens[1:]) / len(tokens[1:])  # The first step is as slow as first steps are, and says nothing.
    true = step_s + token_s * mean
    assert fitted.step_s + fitted.token_s * mean == pytest.approx(true, rel=0.1)


def test_a_fit_is_exact_without_noise() -> None:
    fitted = fit_speed(_steps(0.5, 0.003, [100, 900, 300, 1200, 500, 700, 200], 0, 0), [], [], 7.0)
    assert fitted.step_s == pytest.approx(0.5, rel=0.15)
    assert fitted.token_s == pytest.approx(0.003, rel=0.03)
    assert fitted.load_s == 7.0


def test_the_two_parts_are_told_apart_under_noise() -> None:
    generator = np.random.default_rng(3)
    errors = []
    for seed in range(30):
        tokens = generator.integers(100, 1600, 40).tolist()
        fitted = fit_speed(_steps(0.5, 0.003, tokens, 0.05, seed), [], [], 0)
        errors.append((fitted.step_s / 0.5 - 1, fitted.token_s / 0.003 - 1))
    assert np.abs(np.mean(errors, axis=0)).max() < 0.1
    assert np.abs(errors).max(axis=0)[1] < 0.12


def test_a_hiccup_does_not_count() -> None:
    steps = _steps(0.5, 0.003, [100, 900, 300, 1200, 500, 700, 200, 800], 0.02, 1)
    steps[4] = (steps[4][0], 60.0)
    fitted = fit_speed(steps, [], [], 0)
    assert fitted.step_s + 600 * fitted.token_s == pytest.approx(2.3, rel=0.1)


def test_the_slow_first_step_does_not_count() -> None:
    fitted = fit_speed([(400, 30.0), (400, 2.0)], [], [], 0)
    assert fitted.step_s + 400 * fitted.token_s == pytest.approx(2.0, rel=1e-3)


@given(st.integers(1, 4000), st.floats(0.01, 100), st.integers(1, 10))
def test_steps_of_one_size_plan_steps_of_that_size(tokens: int, seconds: float, count: int) -> None:
    fitted = fit_speed([(tokens, seconds)] * count, [], [], 0)
    assert fitted.step_s + tokens * fitted.token_s == pytest.approx(seconds, rel=0.01)
    assert fitted.step_s > 0 and fitted.token_s > 0


def test_steps_of_one_size_are_shared_out_as_before() -> None:
    known = Speed(step_s=3.0, token_s=0.001, eval_token_s=0.5, answer_token_s=0.25, load_s=9)
    fitted = fit_speed([(1000, 8.0)] * 3, [], [], 1.0, known=known)
    assert (fitted.step_s, fitted.token_s) == pytest.approx((6.0, 0.002), rel=0.01)
    assert (fitted.eval_token_s, fitted.answer_token_s, fitted.load_s) == (0.5, 0.25, 1.0)


@given(st.lists(st.tuples(st.integers(1, 4000), st.floats(1e-3, 100)), min_size=1, max_size=30))
def test_no_measurement_makes_time_run_backwards(steps: list[tuple[float, float]]) -> None:
    fitted = fit_speed(steps, [], [], 0)
    for value in (fitted.step_s, fitted.token_s, fitted.eval_token_s, fitted.answer_token_s):
        assert value >= 0 and math.isfinite(value)
    assert fitted.step_s + fitted.token_s > 0


def test_longer_steps_that_were_faster_cost_nothing_for_a_token() -> None:
    fitted = fit_speed([(100, 9), (100, 2.0), (200, 1.9), (400, 1.7), (800, 1.2)], [], [], 0)
    assert fitted.token_s == 0 and 1.2 < fitted.step_s < 2.0


def test_looks_and_answers_by_their_median() -> None:
    evaluations, answers = [(1000, 9.0), (1000, 2.0), (500, 1.0)], [(40, 4.0), (0, 1.0), (20, 2.0)]
    fitted = fit_speed([(400, 2.0)], evaluations, answers, 0)
    assert (fitted.eval_token_s, fitted.answer_token_s) == pytest.approx((0.002, 0.1))


def test_what_was_not_measured_is_guessed_from_the_steps() -> None:
    fitted = fit_speed([(400, 2.0)], [], [], 0)
    assert fitted.eval_token_s == pytest.approx(fitted.token_s / 3)
    assert 0 < fitted.answer_token_s < 1


def test_a_step_of_several_batches_is_shared_among_them() -> None:
    steps = _steps(1.0, 0.002, [100, 900, 300, 1200, 500, 700], 0, 0)
    one, two = fit_speed(steps, [], [], 0), fit_speed(steps, [], [], 0, batches=2)
    assert two.step_s == pytest.approx(one.step_s / 2) and two.token_s == pytest.approx(one.token_s)


def test_nothing_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="no step"):
        fit_speed([], [(1, 1)], [], 1)


def test_a_plan_by_a_fitted_speed_comes_true() -> None:
    """A run on a made-up machine with noise: the plan made from its first half is right for its second."""
    generator = np.random.default_rng(5)
    train = generator.integers(20, 400, 400)
    tokens = planning.step_tokens(TrainSettings(), train)
    run = [(size, (0.3 + 0.004 * size) * float(np.exp(generator.normal(0, 0.1)))) for size in tokens]
    speed = fit_speed(run[:50], [(800, 1.0)], [], 0)
    plan = make_plan(TrainSettings(time_budget_s=0, max_steps=100), Work(train, []), speed)
    assert plan.train_s == pytest.approx(sum(seconds for _, seconds in run), rel=0.05)


# Words


def _plan(**values: Any) -> Plan:
    return replace(make_plan(SETTINGS, WORK, SPEED), **values)


@pytest.mark.parametrize(
    ("plan", "budget", "measured", "said"),
    [
        (_plan(steps=48, epochs=8.0, seconds=99.0, bound_by="epochs"), 180, True,
         "48 steps (8 epochs) in about 1 min 40 s on this machine."),
        (_plan(steps=1, epochs=1.0, seconds=7.6, bound_by="steps"), 0, True,
         "1 step (1 epoch) in about 8 s on this machine."),
        (_plan(steps=30, epochs=0.42, seconds=170.0, bound_by="time"), 180, True,
         "30 steps (0.42 epochs) in about 2 min 50 s on this machine: as many as fit into 3 min."),
        (_plan(steps=1, epochs=0.001, seconds=200.0, bound_by="time"), 5, True,
         "Not even one step fits into 5 s on this machine: 1 step (under 0.1 epochs) in about 3 min 20 s."),
        (_plan(steps=48, epochs=12.4, seconds=None), 180, False,
         "48 steps (12 epochs), or as many as fit into 3 min: how fast this machine is with this model is measured "
         "when the run starts."),
        (_plan(steps=48, epochs=8.0, seconds=None), 0, False,
         "48 steps (8 epochs). How fast this machine is with this model is measured when the run starts."),
        (_plan(steps=48, epochs=8.0, seconds=50.0), 0, False,
         "48 steps (8 epochs). How fast this machine is with this model is measured when the run starts."),
    ],
)  # fmt: skip
def test_the_estimate_in_a_line(plan: Plan, budget: float, measured: bool, said: str) -> None:
    assert sentence(plan, replace(SETTINGS, time_budget_s=budget), measured) == said
