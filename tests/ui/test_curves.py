import math
from xml.etree import ElementTree

import pytest

from playground.ui.curves import POINTS, describe, loss_curve, series, thin, ticks

from .fake_backend import a_run


@pytest.mark.parametrize(
    ("low", "high", "wanted", "expected"),
    [
        (0, 4, 5, [0, 1, 2, 3, 4]),
        (0, 0.9, 5, [0, 0.5]),
        (0, 48, 6, [0, 10, 20, 30, 40]),
        (3, 3, 5, [3]),
        (0, math.inf, 5, [0]),
    ],
)
def test_ticks_are_round_numbers(low, high, wanted, expected):
    assert ticks(low, high, wanted) == expected


def test_thinning_keeps_the_highest_and_lowest():
    points = [(float(step), 1.0) for step in range(5000)]
    points[1234] = (1234.0, 9.0)
    points[4000] = (4000.0, 0.1)
    kept = thin(points)
    assert len(kept) <= POINTS + 2
    assert (1234.0, 9.0) in kept and (4000.0, 0.1) in kept
    assert kept == sorted(kept)


def test_values_that_cannot_be_drawn_are_left_out():
    rows = [{"step": 1, "loss": math.nan}, {"step": 2, "loss": None}, {"step": 3, "loss": 1.5}, {"step": 4}]
    assert series(rows, "loss") == [(3.0, 1.5)]


def test_the_curve_is_well_formed_and_describes_itself():
    figure = ElementTree.fromstring(loss_curve(a_run()["metrics"], 4, "en"))
    picture = figure.find(".//svg")
    assert picture.get("role") == "img"
    assert "Training loss: 2.50 at step 1, 2.00 at step 2." in picture.get("aria-label")
    assert len(figure.findall(".//polyline")) == 2
    titles = [title.text for title in figure.iter("title")]
    assert "Step 2: held-out loss 2.200" in titles


def test_the_end_of_the_axis_is_the_planned_end():
    half = ElementTree.fromstring(loss_curve(a_run()["metrics"], 4, "en")).find(".//polyline[@class='line line-train']")
    assert half.get("points").split()[-1].startswith("500.0,")


def test_nothing_to_draw_draws_nothing():
    assert loss_curve([], 10, "en") == ""
    assert loss_curve([{"step": 0, "loss": None, "eval_loss": math.inf}], 10, "en") == ""


def test_one_point_and_a_loss_of_zero_can_be_drawn():
    ElementTree.fromstring(loss_curve([{"step": 0, "loss": 0.0}], 0, "en"))


def test_the_description_is_in_the_readers_language():
    assert describe([(1, 2.0)], [], "ja").startswith("学習損失")
