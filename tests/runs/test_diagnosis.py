"""What the curves say: recorded runs of the real model, curves made by hand, and whatever Hypothesis comes up with."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.i18n import Sentence, pack, unpack
from playground.core.settings import TrainSettings
from playground.runs.diagnosis import Context, Reading, read
from playground.runs.diagnosis.series import Curves, slope
from playground.runs.diagnosis.thresholds import MOST_READINGS, NEAR_ZERO

RECORDED = sorted(path.stem for path in (Path(__file__).parent / "curves").glob("*.json"))
GOOD = [name for name in RECORDED if name.startswith("good-")]
GRAVITY = ["error", "warning", "info", "good"]
COURSE = {
    *("not_finite", "diverging", "unstable", "too_low", "nothing_learned", "little_learned"),
    *("plateau", "still_falling", "going_well", "too_early", "overfitting", "memorising", "forgetting"),
}
"""Codes about the course of the curves."""
TOGETHER = [{"still_falling", "going_well"}, {"overfitting", "memorising", "forgetting"}]
"""Those of them that may stand side by side; all others stand alone."""


@dataclass(frozen=True)
class Recorded:
    """One file of tests/curves."""

    metrics: list[dict[str, Any]]
    settings: TrainSettings
    known: dict[str, Any]
    from_step: dict[str, int]
    """"a|b" -> step from which on a reading a or b must be there, however far the run has come."""
    at_end: list[str]
    """Codes of the ended run, in order."""

    @classmethod
    @cache
    def of(cls, name: str) -> Recorded:
        told = json.loads((Path(__file__).parent / "curves" / f"{name}.json").read_text(encoding="utf-8"))
        known = {name: told[name] for name in ("planned_steps", "rows", "held_out_rows", "state")}
        return cls(told["metrics"], TrainSettings(**told["settings"]), known, told["from_step"], told["at_end"])

    def context(self, **known: Any) -> Context:
        return Context.of(self.settings, **{**self.known, **known})

    @cached_property
    def live(self) -> list[tuple[int, list[Reading]]]:
        """(step, what was read then) of each step, as the run goes on."""
        context = self.context(state="running")
        return [(row["step"], read(self.metrics[: i + 1], context)) for i, row in enumerate(self.metrics)]


def codes(readings: list[Reading]) -> list[str]:
    return [reading.code for reading in readings]


# Recorded runs


@pytest.mark.parametrize("name", RECORDED)
def test_an_ended_run_gets_the_readings_that_its_file_names(name: str) -> None:
    run = Recorded.of(name)
    found = read(run.metrics, run.context())
    print(f"\n{name:18}" + "".join(f"\n    {r.severity:8}{r.code:16}{r.message} {r.advice} {r.change}" for r in found))
    assert codes(found) == run.at_end


@pytest.mark.parametrize("name", RECORDED)
def test_readings_come_by_the_step_that_its_file_names_and_stay(name: str) -> None:
    run = Recorded.of(name)
    assert run.from_step
    for wanted, step in run.from_step.items():
        for now, readings in run.live:
            if now >= step:
                assert set(wanted.split("|")) & set(codes(readings)), f"{wanted} is missing at step {now}"


@pytest.mark.parametrize("name", ["too-low", "slow", "nothing-learned"])
def test_a_run_is_not_given_up_before_half_of_its_steps(name: str) -> None:
    for step, readings in Recorded.of(name).live:
        assert step >= 15 or codes(readings) == ["too_early"], f"step {step}: {codes(readings)}"


@pytest.mark.parametrize("name", GOOD)
def test_no_alarm_is_raised_at_any_step_of_a_good_run(name: str) -> None:
    for step, readings in Recorded.of(name).live:
        assert {reading.severity for reading in readings} <= {"info", "good"}, f"step {step}: {codes(readings)}"


@pytest.mark.parametrize("name", [name for name in RECORDED if name not in ("diverging", "spiking")])
def test_only_runs_with_too_high_a_learning_rate_are_said_to_have_one(name: str) -> None:
    for step, readings in Recorded.of(name).live:
        assert not {"diverging", "unstable", "not_finite"} & set(codes(readings)), f"step {step}"


@pytest.mark.parametrize("name", RECORDED)
def test_at_every_step_the_readings_go_together(name: str) -> None:
    for _, readings in Recorded.of(name).live:
        check(readings, Recorded.of(name).settings)


def test_every_reading_is_that_of_some_recorded_or_made_run() -> None:
    recorded = {code for name in RECORDED for _, readings in Recorded.of(name).live for code in codes(readings)}
    recorded |= {code for name in RECORDED for code in Recorded.of(name).at_end}
    made = {"not_finite", "little_learned", "forgetting"}
    assert recorded | made == COURSE | {"too_few_rows", "no_held_out"}


@pytest.mark.parametrize("name", ["good-persona", "diverging", "too-low", "nothing-learned", "spiking"])
@pytest.mark.parametrize("factor", [0.4, 3.0])
def test_another_scale_of_losses_gives_the_same_readings(name: str, factor: float) -> None:
    run = Recorded.of(name)
    scaled = [
        {
            key: value * factor if key in ("loss", "eval_loss") and value is not None else value
            for key, value in row.items()
        }
        for row in run.metrics
    ]
    assert codes(read(scaled, run.context())) == run.at_end


@pytest.mark.parametrize("name", RECORDED)
def test_the_order_of_rows_and_rows_told_twice_do_not_matter(name: str) -> None:
    run = Recorded.of(name)
    shuffled = [*run.metrics, *run.metrics[3:9]]
    random.Random(0).shuffle(shuffled)
    assert read(shuffled, run.context()) == read(run.metrics, run.context())


@pytest.mark.parametrize("name", ["diverging", "spiking"])
def test_a_learning_rate_too_high_is_told_without_held_out_rows_too(name: str) -> None:
    run = Recorded.of(name)
    unseen = [{**row, "eval_loss": None} for row in run.metrics]
    assert {"diverging", "unstable"} & set(codes(read(unseen, run.context())))


@pytest.mark.parametrize("name", RECORDED)
def test_a_few_missing_steps_change_no_reading(name: str) -> None:
    run = Recorded.of(name)
    kept = [row for row in run.metrics if row["eval_loss"] is not None or row["step"] % 9 != 4]
    assert codes(read(kept, run.context())) == run.at_end


def test_two_thousand_steps_are_read_in_milliseconds() -> None:
    context = Context(state="running", planned_steps=3000, rows=4000, held_out_rows=40)
    metrics = curve(
        2000, lambda step: 1 + 2 * math.exp(-step / 200), evaluations=lambda step: 1.2 + 2 * math.exp(-step / 200)
    )
    times = []
    for _ in range(20):
        begin = time.process_time()
        read(metrics, context)
        times.append(time.process_time() - begin)
    print(f"\n2,000 steps are read in {min(times) * 1000:.1f} ms")


# Curves made by hand


def curve(
    steps: int,
    loss: Callable[[int], float],
    evaluations: Callable[[int], float] | None = None,
    spread: float = 0.2,
    every: int | None = None,
    rate: Callable[[int], float] = lambda step: 1e-3,
    norm: Callable[[int], float] = lambda step: 1.5,
) -> list[dict[str, Any]]:
    """Rows as RunService.get has them; losses vary by `spread`, the same way each time."""
    noise = random.Random(1)
    rows: list[dict[str, Any]] = [{"step": step, "loss": None, "eval_loss": None} for step in range(steps + 1)]
    for step in range(1, steps + 1):
        rows[step] |= {"loss": loss(step) * math.exp(noise.gauss(0, spread)), "learning_rate": rate(step)}
        rows[step]["grad_norm"] = norm(step)
    if evaluations is not None:
        for step in {*range(0, steps + 1, every or max(steps // 8, 1)), steps}:
            rows[step]["eval_loss"] = evaluations(step)
    return rows


DONE = Context(state="done", planned_steps=100, rows=200, held_out_rows=20, num_train_epochs=2)


def falling(step: int) -> float:
    return 1 + 2 * math.exp(-step / 15)


def test_a_run_that_has_not_begun() -> None:
    assert read([], Context(state="queued")) == []
    assert codes(read([], Context(state="running"))) == ["too_early"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["loss", "eval_loss"])
def test_a_loss_that_is_no_number_is_all_that_is_said(bad: float, name: str) -> None:
    metrics = curve(30, falling, falling)
    metrics[24][name] = bad
    (found,) = read(metrics, replace(DONE, state="failed"))
    assert (found.code, found.severity, found.step) == ("not_finite", "error", 24)
    assert found.change["learning_rate"] == pytest.approx(1e-4)


def test_a_run_that_failed_before_the_row_was_written_says_so_too() -> None:
    (found,) = read(curve(12, falling), replace(DONE, state="failed", not_finite_at=13))
    assert (found.code, found.step) == ("not_finite", 13)


def test_a_gradient_norm_that_is_infinite_is_what_fp16_does_at_first() -> None:
    metrics = curve(100, falling, falling)
    metrics[1]["grad_norm"] = math.inf
    metrics[2]["grad_norm"] = math.nan
    assert codes(read(metrics, DONE)) == ["going_well"]


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_of_a_few_steps_nothing_is_said(steps: int) -> None:
    metrics = curve(steps, lambda step: 3.0, spread=0.3)
    (found,) = read(metrics, replace(DONE, max_steps=steps, planned_steps=steps))
    assert (found.code, found.change) == ("too_early", {"max_steps": 2 * steps})
    assert codes(read(metrics, replace(DONE, state="running"))) == ["too_early"]


def test_divergence_is_told_even_of_a_few_steps() -> None:
    losses = [3.0, 3.2, 9.0, 11.0, 12.0, 14.0]
    metrics = [{"step": i + 1, "loss": loss} for i, loss in enumerate(losses)]
    assert codes(read(metrics, replace(DONE, state="running"))) == ["diverging"]


def test_small_batches_that_vary_much_do_not_diverge() -> None:
    for seed in range(200):
        noise = random.Random(seed)
        for steps in (4, 8, 12, 30):
            rows = [
                {"step": i + 1, "loss": 3 * math.exp(noise.gauss(0, 0.3)), "learning_rate": 1e-3} for i in range(steps)
            ]
            assert "diverging" not in codes(read(rows, replace(DONE, state="running", held_out_rows=0))), seed


def test_a_long_run_that_climbs_slowly_diverges() -> None:
    climbing = curve(200, lambda step: 2 + step / 50, spread=0.1)
    assert codes(read(climbing, replace(DONE, planned_steps=200))) == ["diverging"]


def test_spikes_are_counted_and_one_odd_batch_is_none() -> None:
    metrics = curve(60, falling, falling, spread=0.08)
    metrics[40]["loss"] = 5.0
    assert "unstable" not in codes(read(metrics, DONE))
    metrics[50]["loss"] = 6.0
    (found,) = read(metrics, DONE)
    assert (found.code, found.step) == ("unstable", 40)
    assert "2 times, at step 50 to 6.00" in found.message
    assert found.change == {"learning_rate": 0.00033, "warmup_steps": 10}


def test_spikes_of_a_loss_near_nothing_are_none() -> None:
    metrics = curve(60, lambda step: 3 * math.exp(-step / 5) + 0.01, falling, spread=0.05)
    for step in (40, 45, 50, 55):
        metrics[step]["loss"] = 0.2
    assert "unstable" not in codes(read(metrics, DONE))


def test_growing_gradients_alarm_unless_the_loss_goes_on_falling() -> None:
    grow: Callable[[int], float] = lambda step: 1 + step / 5  # noqa: E731
    flat = curve(60, lambda step: 3.0, spread=0.1, norm=grow)
    assert codes(read(flat, replace(DONE, planned_steps=60))) == ["unstable"]
    down = curve(
        60, lambda step: 3 * math.exp(-step / 30), lambda step: 3 * math.exp(-step / 30), spread=0.1, norm=grow
    )
    assert "unstable" not in codes(read(down, replace(DONE, planned_steps=60)))
    small = curve(60, lambda step: 3.0, spread=0.1, norm=lambda step: 0.01 + step / 1000)
    assert "unstable" not in codes(read(small, replace(DONE, planned_steps=60)))


def test_held_out_loss_that_turns_while_training_falls_is_overfitting() -> None:
    turning = lambda step: 2 + abs(step - 48) / 50  # noqa: E731
    metrics = curve(96, lambda step: 3 * math.exp(-step / 40), turning, every=12)
    (found, *_) = read(metrics, replace(DONE, planned_steps=96))
    assert (found.code, found.step) == ("overfitting", 48)
    assert found.change == {"num_train_epochs": pytest.approx(48 * 4 / 200, abs=0.05)}
    (found, *_) = read(metrics, replace(DONE, planned_steps=96, max_steps=96))
    assert found.change == {"max_steps": 48}


def test_held_out_loss_that_turns_with_training_is_no_overfitting() -> None:
    bowl = lambda step: 2 + abs(step - 48) / 50  # noqa: E731
    found = codes(read(curve(96, bowl, bowl, spread=0.1, every=12), replace(DONE, planned_steps=96)))
    assert found == ["unstable"]


def test_a_held_out_loss_that_wobbles_has_not_turned() -> None:
    evaluations = {0: 3.0, 10: 2.2, 20: 1.9, 30: 1.85, 40: 1.88, 50: 1.86, 60: 1.88}
    metrics = curve(60, lambda step: 3 * math.exp(-step / 60), lambda step: evaluations[step], every=10)
    assert "overfitting" not in codes(read(metrics, replace(DONE, planned_steps=60)))


def test_one_look_that_is_a_little_worse_has_not_turned() -> None:
    evaluations = {0: 3.0, 10: 2.2, 20: 1.9, 30: 2.0}
    metrics = curve(30, lambda step: 3 * math.exp(-step / 30), lambda step: evaluations[step], every=10)
    assert "overfitting" not in codes(read(metrics, replace(DONE, planned_steps=30)))


def test_held_out_loss_that_only_rises_wants_other_rows() -> None:
    metrics = curve(60, lambda step: 3 * math.exp(-step / 20), lambda step: 3 + step / 60)
    (found, *_) = read(metrics, replace(DONE, planned_steps=60, rows=100))
    assert (found.code, found.step) == ("overfitting", 0)
    assert found.change == {"learning_rate": 0.00033, "warmup_steps": 6}


@pytest.mark.parametrize(
    ("rows", "batch", "steps", "times"), [(3, 512, 5, 5), (3, 4, 8, 8), (10, 4, 6, 2), (0, 4, 6, 0)]
)
def test_a_row_is_seen_once_a_pass_however_many_a_step_asks_for(rows: int, batch: int, steps: int, times: int) -> None:
    settings = TrainSettings(per_device_train_batch_size=4, gradient_accumulation_steps=batch // 4)
    assert Context.of(settings, rows=rows).epochs(steps) == pytest.approx(times)


def test_rows_seen_once_are_not_known_by_heart() -> None:
    easy = curve(60, lambda step: 0.05 + 3 * math.exp(-step / 3))
    once = replace(DONE, planned_steps=60, rows=240, held_out_rows=10)
    assert "memorising" not in codes(read(easy, once))
    assert "memorising" in codes(read(easy, replace(once, rows=24)))


def test_easy_rows_are_not_memorised_where_held_out_rows_are_easy_too() -> None:
    easy: Callable[[int], float] = lambda step: 0.05 + 3 * math.exp(-step / 3)  # noqa: E731
    assert codes(read(curve(60, easy, easy), replace(DONE, planned_steps=60, rows=80))) == ["going_well"]


def test_the_scales_tell_of_memorising_what_noisy_batches_do_not() -> None:
    metrics = curve(60, falling, lambda step: 1.5 + 2 * math.exp(-step / 15))
    context = replace(DONE, planned_steps=60, rows=60)
    assert "memorising" not in codes(read(metrics, context))
    apart = curve(60, falling, lambda step: 1.9 + 1.6 * math.exp(-step / 15))
    assert "memorising" not in codes(read(apart, context)), "a quarter of the first held-out loss is a usual gap"
    scales = {"after": {"train": {"loss": 0.3}, "held_out": {"loss": 2.4}}, "change": None}
    assert codes(read(metrics, replace(context, scales=scales))) == ["memorising"]


def test_what_the_scales_call_chance_is_not_going_well() -> None:
    metrics = curve(60, falling, lambda step: 3 - step / 300)
    context = replace(DONE, planned_steps=60)
    assert "going_well" in codes(read(metrics, context))
    change = {"held_out": {"mean": -0.2, "low": -0.5, "high": 0.1}}
    found = codes(read(metrics, replace(context, scales={"change": change})))
    assert not {"going_well"} & set(found)


def test_forgetting_is_told_and_not_called_good() -> None:
    scales = {
        "before": {"general": {"loss": 1.0}},
        "after": {"general": {"loss": 1.6}},
        "change": {"general": {"mean": 0.6, "low": 0.4, "high": 0.8}},
    }
    (found,) = read(curve(100, falling, falling), replace(DONE, scales=scales))
    assert found.code == "forgetting"
    scales["change"]["general"]["low"] = -0.1
    assert codes(read(curve(100, falling, falling), replace(DONE, scales=scales))) != ["forgetting"]


def test_of_four_readings_the_gravest_three_are_told() -> None:
    run = Recorded.of("overfitting")
    scales = {
        "before": {"general": {"loss": 1.0}},
        "after": {"general": {"loss": 1.6}},
        "change": {"general": {"mean": 0.6, "low": 0.4, "high": 0.8}},
    }
    assert codes(read(run.metrics, run.context(scales=scales))) == ["forgetting", "overfitting", "memorising"]


def test_the_start_is_not_that_of_one_odd_batch() -> None:
    rows: list[dict[str, Any]] = [{"step": 0, "eval_loss": 3.0}]
    rows += [{"step": step, "loss": loss} for step, loss in enumerate([0.2, 3.1, 2.9], 1)]
    assert Curves.of(rows).start == 2.9
    assert Curves.of([{"step": step, "loss": loss} for step, loss in enumerate([3.0, 40.0, 90.0], 1)]).start == 3.0


@pytest.mark.parametrize(("rows", "severity"), [(9, "warning"), (30, "info"), (50, None)])
def test_few_rows_are_named_where_they_are_the_cause(rows: int, severity: str | None) -> None:
    metrics = curve(100, lambda step: 3 * math.exp(-step / 20), lambda step: 2 + abs(step - 24) / 50)
    found = read(metrics, replace(DONE, rows=rows))
    assert codes(found)[0] == "overfitting"
    assert [reading.severity for reading in found if reading.code == "too_few_rows"] == ([severity] if severity else [])


def test_few_rows_are_no_fault_of_a_run_that_goes_well() -> None:
    assert codes(read(curve(100, falling, falling), replace(DONE, rows=30))) == ["going_well"]


def test_a_flat_loss_with_a_low_learning_rate_wants_a_higher_one() -> None:
    low = replace(DONE, learning_rate=1e-6)
    metrics = curve(100, lambda step: 3.0, lambda step: 3.0, rate=lambda step: 1e-6)
    (found,) = read(metrics, low)
    assert (found.code, found.change) == ("too_low", {"learning_rate": 2e-4})
    (found,) = read(curve(100, lambda step: 3.0, lambda step: 3.0), DONE)
    assert found.code == "nothing_learned"


def test_a_learning_rate_that_warm_up_kept_low() -> None:
    context = replace(DONE, planned_steps=40, warmup_steps=1000)
    metrics = curve(40, lambda step: 3.0, lambda step: 3.0, rate=lambda step: 1e-3 * step / 1000)
    (found,) = read(metrics, context)
    assert (found.code, found.change) == ("too_low", {"warmup_steps": 4})


def test_a_low_learning_rate_that_teaches_is_not_too_low() -> None:
    metrics = curve(100, falling, falling, rate=lambda step: 2e-5)
    assert codes(read(metrics, replace(DONE, learning_rate=2e-5))) == ["going_well"]


def test_rows_that_the_model_knew_are_no_warning() -> None:
    metrics = curve(100, lambda step: 0.02, lambda step: 0.02)
    (found,) = read(metrics, DONE)
    assert (found.code, found.severity, found.change) == ("nothing_learned", "info", {})


def test_a_run_that_learned_a_little() -> None:
    metrics = curve(100, lambda step: 3 - step / 1000, lambda step: 3 - step / 1000)
    (found,) = read(metrics, replace(DONE, cut_by_budget=True, time_budget_s=180.0))
    assert (found.code, found.change) == ("little_learned", {"time_budget_s": 360.0})


def flattening(step: int) -> float:
    return 1 + 2 * math.exp(-step / 8)


def test_a_loss_that_stands_still_is_a_plateau() -> None:
    metrics = curve(100, flattening, flattening, spread=0.1)
    (found,) = read(metrics, replace(DONE, lr_scheduler_type="constant_with_warmup"))
    assert (found.code, found.change) == ("plateau", {"lr_scheduler_type": "cosine"})
    (found,) = read(metrics, replace(DONE, lr_scheduler_type="linear", max_steps=100))
    assert (found.code, found.change) == ("plateau", {"max_steps": found.step})


def test_a_flat_end_is_no_plateau_where_the_learning_rate_had_run_out() -> None:
    def cosine(step: int) -> float:
        return 1e-3 * 0.5 * (1 + math.cos(math.pi * step / 100))

    settling = lambda step: 1 + 2 * (1 - math.sin(min(step, 64) / 64 * math.pi / 2))  # noqa: E731
    metrics = curve(100, settling, settling, spread=0.05, rate=cosine)
    assert "plateau" not in codes(read(metrics, DONE))
    constant = curve(200, settling, settling, spread=0.05)
    assert codes(read(constant, replace(DONE, planned_steps=200))) == ["plateau"]


def test_a_plateau_of_training_is_none_while_held_out_loss_falls() -> None:
    metrics = curve(100, flattening, lambda step: 3 - step / 60, spread=0.1)
    assert "plateau" not in codes(read(metrics, DONE))


@pytest.mark.parametrize(
    ("known", "change"),
    [
        ({"max_steps": 60}, {"max_steps": 120}),
        ({"num_train_epochs": 8.0}, {"num_train_epochs": 16.0}),
        ({"cut_by_budget": True, "time_budget_s": 180.0}, {"time_budget_s": 360.0}),
        ({"state": "stopped"}, {}),
        ({"num_train_epochs": 1000.0}, {}),
    ],
)
def test_a_run_that_ended_too_soon_wants_more_of_what_ended_it(known: dict[str, Any], change: dict[str, Any]) -> None:
    down = lambda step: 3 - step / 40  # noqa: E731
    found = read(curve(60, down, down), replace(DONE, **known))
    assert codes(found) == ["still_falling", "going_well"]
    assert found[0].change == change


def test_nothing_is_still_falling_while_it_runs() -> None:
    down = lambda step: 3 - step / 40  # noqa: E731
    assert codes(read(curve(60, down, down), replace(DONE, state="running"))) == ["going_well"]


def test_training_that_falls_is_not_still_falling_where_held_out_loss_stands() -> None:
    metrics = curve(60, lambda step: 3 - step / 40, lambda step: 2 + math.exp(-step / 5))
    assert codes(read(metrics, replace(DONE, planned_steps=60))) == ["going_well"]


def test_without_held_out_rows_that_is_said_with_a_setting_that_helps() -> None:
    found = read(curve(60, falling), replace(DONE, held_out_rows=0, rows=12))
    assert codes(found)[-2:] == ["no_held_out", "going_well"]
    assert found[-2].change == {"held_out": 0.17}
    assert read(curve(60, falling), replace(DONE, held_out_rows=0, rows=2))[-1].change == {}


def test_a_single_look_says_nothing_of_held_out_rows() -> None:
    metrics = curve(60, falling)
    metrics[0]["eval_loss"] = 3.0
    (found,) = [reading for reading in read(metrics, DONE) if reading.code == "going_well"]
    assert "training loss" in found.message


def test_a_slope_is_that_of_most_points() -> None:
    odd = Curves.of([{"step": i, "loss": 5 - 0.1 * i if i % 10 else 50.0} for i in range(1, 200)])
    assert slope(odd.steps, odd.losses) < 0
    few = Curves.of([{"step": i, "loss": 5 - 0.1 * i if i != 7 else 50.0} for i in range(1, 30)])
    assert slope(few.steps, few.losses) == pytest.approx(-0.1, abs=0.01)


# Whatever comes

NUMBERS = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 20),
    st.integers(-5, 10**400),
    st.just("x"),
    st.booleans(),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"step": st.integers(0, 60)},
        optional={"loss": NUMBERS, "eval_loss": NUMBERS, "learning_rate": NUMBERS, "grad_norm": NUMBERS},
    ),
    max_size=60,
)
LIKELY = st.lists(st.floats(0.001, 12), min_size=1, max_size=80)
MEANS = st.one_of(st.none(), st.fixed_dictionaries({"loss": st.one_of(st.none(), st.floats(0, 9))}))
SPANS = st.one_of(
    st.none(), st.fixed_dictionaries({"mean": st.floats(-3, 3), "low": st.floats(-3, 3), "high": st.floats(-3, 3)})
)
SCALES = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {
            "before": st.one_of(
                st.none(), st.fixed_dictionaries({"train": MEANS, "held_out": MEANS, "general": MEANS})
            ),
            "after": st.one_of(st.none(), st.fixed_dictionaries({"train": MEANS, "held_out": MEANS, "general": MEANS})),
            "change": st.one_of(
                st.none(), st.fixed_dictionaries({"train": SPANS, "held_out": SPANS, "general": SPANS})
            ),
        }
    ),
)
SETTINGS = st.builds(
    TrainSettings,
    learning_rate=st.floats(1e-8, 1),
    max_steps=st.one_of(st.just(-1), st.integers(1, 100_000)),
    num_train_epochs=st.floats(0.01, 1000),
    warmup_steps=st.integers(0, 10_000),
    lr_scheduler_type=st.sampled_from(["cosine", "linear", "constant_with_warmup"]),
    per_device_train_batch_size=st.integers(1, 256),
    time_budget_s=st.floats(0, 86_400),
    held_out=st.floats(0, 0.5),
    r=st.integers(1, 256),
    lora_alpha=st.integers(1, 1024),
)
KNOWN = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["queued", "running", "done", "stopped", "failed"]),
        "planned_steps": st.integers(0, 100_000),
        "rows": st.integers(0, 50_000),
        "held_out_rows": st.integers(0, 50),
        "cut_by_budget": st.booleans(),
        "scales": SCALES,
    }
)


def check(readings: list[Reading], given: TrainSettings) -> None:
    """What must hold of any readings."""
    assert len(readings) <= MOST_READINGS
    found = codes(readings)
    assert len(set(found)) == len(found)
    course = COURSE & set(found)
    assert len(course) <= 1 or any(course <= together for together in TOGETHER), found
    places = [GRAVITY.index(reading.severity) for reading in readings]
    assert places == sorted(places)
    assert not {"error", "warning"} & {reading.severity for reading in readings} or "good" not in [
        reading.severity for reading in readings
    ]
    wanted: dict[str, Any] = {}
    for reading in readings:
        assert all(wanted.setdefault(name, value) == value for name, value in reading.change.items()), found
        told = reading.to_dict()
        assert unpack(json.loads(json.dumps(pack(told), allow_nan=False))) == told
        assert all(isinstance(told[name], Sentence) and told[name] for name in ("message", "why", "advice"))
        assert "nan" not in reading.message and "inf" not in reading.message.replace("information", "")
        changed = TrainSettings.from_dict({**given.to_dict(), **reading.change})
        assert all(getattr(changed, name) != getattr(given, name) for name in reading.change)


@given(ROWS, SETTINGS, KNOWN)
def test_anything_is_read_without_an_error(
    rows: list[dict[str, Any]], given: TrainSettings, known: dict[str, Any]
) -> None:
    check(read(rows, Context.of(given, **known)), given)


@given(LIKELY, LIKELY, SETTINGS, KNOWN)
def test_likely_curves_are_read_without_contradiction(
    losses: list[float], evaluations: list[float], given: TrainSettings, known: dict[str, Any]
) -> None:
    every = max(len(losses) // len(evaluations), 1)
    rows: list[dict[str, Any]] = [{"step": i + 1, "loss": loss, "grad_norm": loss} for i, loss in enumerate(losses)]
    rows += [{"step": i * every, "eval_loss": look} for i, look in enumerate(evaluations)]
    before = json.dumps(rows)
    readings = read(rows, Context.of(given, **known))
    check(readings, given)
    assert json.dumps(rows) == before
    assert readings or known["state"] == "queued" or not rows


@given(st.integers(0, 10_000), st.floats(0.1, 0.3), st.floats(0.5, 2), st.floats(5, 60))
def test_a_falling_curve_with_usual_noise_never_alarms(seed: int, spread: float, floor: float, speed: float) -> None:
    noise = random.Random(seed)
    level = lambda step: floor + 2 * math.exp(-step / speed)  # noqa: E731
    rows: list[dict[str, Any]] = [{"step": 0, "eval_loss": level(0)}]
    for step in range(1, 61):
        rows.append({"step": step, "loss": level(step) * math.exp(noise.gauss(0, spread)), "learning_rate": 1e-3})
        if step % 8 == 0:
            rows[-1]["eval_loss"] = level(step) * math.exp(noise.gauss(0, 0.004)) + NEAR_ZERO
    for steps in range(1, 62):
        found = read(rows[:steps], replace(DONE, state="running", planned_steps=60))
        assert not {"diverging", "overfitting", "memorising", "too_low"} & set(codes(found)), (steps, codes(found))
