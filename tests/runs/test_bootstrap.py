"""Intervals of a loss over rows: by hand, by simulation, and what must hold for any rows."""

from __future__ import annotations

import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.runs.bootstrap import Interval, _student, interval, paired_change

ROWS = st.lists(st.tuples(st.floats(0, 500), st.integers(1, 200)), min_size=2, max_size=40)


def drawn(dice, rows, shift=0.0):
    """Rows of unequal length whose losses differ from one another more than from token to token."""
    tokens = dice.integers(3, 40, rows)
    return [(float(t * loss), int(t)) for t, loss in zip(tokens, dice.normal(2.0 + shift, 0.5, rows), strict=True)]


def test_the_mean_weighs_rows_by_their_tokens():
    assert interval([(1.0, 1), (30.0, 10), (4.0, 2)]).mean == pytest.approx(35 / 13)
    before, after = [(2.0, 2), (40.0, 10)], [(1.0, 2), (10.0, 10)]
    assert paired_change(before, after).mean == pytest.approx(11 / 12 - 42 / 12)


def test_it_is_the_percentile_interval_of_rows_drawn_again():
    rows = drawn(np.random.default_rng(0), 400)
    found = interval(rows)
    nll, tokens = np.array(rows).T
    chosen = np.random.default_rng(99).integers(0, 400, (4000, 400))
    low, high = np.quantile(nll[chosen].sum(1) / tokens[chosen].sum(1), [0.025, 0.975])
    # Two draws of the same thing: each bound is uncertain by about a thirtieth of the width.
    assert (found.low, found.high) == pytest.approx((low, high), abs=(high - low) / 10)


@pytest.mark.parametrize("rows", [3, 5, 6, 10, 40])
def test_about_95_of_100_intervals_hold_the_truth(rows):
    dice = np.random.default_rng(rows)
    found = [interval(drawn(dice, rows), seed=number, draws=400) for number in range(800)]
    held = sum(i.low <= 2.0 <= i.high for i in found) / len(found)
    assert 0.9 <= held <= 0.98  # Four standard deviations of such a count are 3 %.


@pytest.mark.parametrize("rows", [4, 8, 30])
def test_about_95_of_100_intervals_of_a_change_hold_it(rows):
    dice = np.random.default_rng(rows)
    held = 0
    for number in range(400):
        before = drawn(dice, rows)
        gains = dice.normal(-0.3, 0.2, rows)
        after = [(nll + gain * tokens, tokens) for (nll, tokens), gain in zip(before, gains, strict=True)]
        found = paired_change(before, after, seed=number, draws=400)
        held += found.low <= -0.3 <= found.high
    assert 0.9 <= held / 400 <= 0.99


@pytest.mark.parametrize("rows", [4, 12])
def test_nothing_learned_is_seldom_called_a_change(rows):
    dice = np.random.default_rng(5)
    false = 0
    for number in range(400):
        before = drawn(dice, rows)
        noises = dice.normal(0, 0.1, rows)
        after = [(nll + noise * tokens, tokens) for (nll, tokens), noise in zip(before, noises, strict=True)]
        found = paired_change(before, after, seed=number, draws=400)
        false += found.is_below() or found.is_above()
    assert false / 400 <= 0.09


def test_a_share_of_eighty_is_narrower():
    for rows in (4, 30):
        values = drawn(np.random.default_rng(1), rows)
        wide, narrow = interval(values), interval(values, share=0.8)
        assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_rows_are_compared_in_pairs():
    """Rows differ by 0.5 from one another, and each of them has become better by 0.1: that is sure."""
    before = drawn(np.random.default_rng(2), 30)
    after = [(nll - 0.1 * tokens, tokens) for nll, tokens in before]
    found = paired_change(before, after)
    assert found.is_below() and found.low == pytest.approx(-0.1) and found.high == pytest.approx(-0.1)
    alone = interval(before)
    assert alone.high - alone.low > 0.2


def test_the_same_rows_give_the_same_interval_and_another_seed_nearly_the_same():
    rows = drawn(np.random.default_rng(3), 25)
    assert interval(rows) == interval(rows)
    other = interval(rows, seed=1)
    assert other != interval(rows) and other.low == pytest.approx(interval(rows).low, abs=0.05)


def test_one_row_says_nothing_about_others():
    found = interval([(3.0, 2)])
    assert found == (1.5, None, None)
    assert not found.is_below(100) and not found.is_above(-100)
    assert paired_change([(3.0, 2)], [(1.0, 2)]) == (-1.0, None, None)


def test_nothing_supervised_is_unknown():
    for nothing in ([], [(0.0, 0)], [(0.0, 0)] * 9):
        assert interval(nothing) == (None, None, None)
        assert paired_change(nothing, nothing) == (None, None, None)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_unknown(broken):
    rows = [(1.0, 2), (broken, 3), (2.0, 2)]
    assert interval(rows) == (None, None, None)
    assert paired_change([(1.0, 1)] * 3, rows) == (None, None, None)


def test_rows_without_supervised_tokens_have_no_part():
    rows = drawn(np.random.default_rng(4), 12)
    assert interval([*rows[:5], (0.0, 0), *rows[5:], (0.0, 0)]) == interval(rows)


def test_lists_of_unequal_length_cannot_be_pairs():
    with pytest.raises(ValueError, match="2 rows cannot be paired with 1"):
        paired_change([(1.0, 1)], [(1.0, 1), (1.0, 1)])


def test_many_rows_are_drawn_in_blocks_that_fit_together(monkeypatch):
    rows = drawn(np.random.default_rng(6), 50)
    whole = interval(rows)
    monkeypatch.setattr("playground.runs.bootstrap._BLOCK", 1700)
    assert interval(rows) == pytest.approx(whole)


def test_students_t_is_that_of_the_tables():
    table = {1: 12.706, 2: 4.303, 3: 3.182, 5: 2.571, 10: 2.228, 30: 2.042, 120: 1.980, 5000: 1.960}
    assert {freedom: round(_student(0.95, freedom), 3) for freedom in table} == table
    assert _student(0.99, 10) == pytest.approx(3.169, abs=1e-3)


def test_it_can_be_written_as_json():
    assert orjson.loads(orjson.dumps(interval([(1.0, 1)]).to_dict())) == {"mean": 1.0, "low": None, "high": None}
    assert Interval(-0.2, -0.3, -0.1).is_below() and not Interval(-0.2, -0.3, 0.1).is_below()
    assert Interval(0.2, 0.1, 0.3).is_above() and not Interval(0.2, 0.1, 0.3).is_below()


@given(ROWS)
def test_the_mean_lies_within_and_the_bounds_among_the_rows_where_these_are_drawn_again(rows):
    found = interval(rows, draws=300)
    slack = 1e-9 * (1 + abs(found.mean))
    assert found.low - slack <= found.mean <= found.high + slack
    if len(rows) >= 6:
        each = [nll / tokens for nll, tokens in rows]
        assert min(each) - slack <= found.low <= found.high <= max(each) + slack


@given(ROWS, st.randoms(use_true_random=False))
def test_a_change_the_other_way_round_is_the_same_with_the_other_sign(rows, dice):
    after = [(nll * dice.uniform(0.2, 1.5), tokens) for nll, tokens in rows]
    there, back = paired_change(rows, after, draws=300), paired_change(after, rows, draws=300)
    assert there == pytest.approx((-back.mean, -back.high, -back.low), abs=1e-9)


def test_equal_rows_give_no_spread():
    assert interval([(4.0, 2)] * 10) == (2.0, 2.0, 2.0)
    assert paired_change([(4.0, 2)] * 3, [(4.0, 2)] * 3) == (0.0, 0.0, 0.0)
