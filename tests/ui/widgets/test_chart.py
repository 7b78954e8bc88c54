import math
import re
from xml.etree import ElementTree

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.ui.run.curve_charts import drawn_plots, figure
from playground.ui.run.curves import columns_of, curve_group, value_words
from playground.ui.widgets.chart import (
    POINTS,
    SMOOTHING,
    Axis,
    Frame,
    flag,
    series,
    smooth,
    spread,
    thin,
    tick_words,
    ticks,
)
from tests.ui.fake_runs import a_story, curve


def group(run=None, language="en", **given):
    run = run or a_story("midway", **given)
    return ElementTree.fromstring(curve_group(run["metrics"], run["steps"], run["best_step"], language))


def points_of(element):
    return orjson.loads(element.find(".//*[@data-points]").get("data-points"))


@pytest.mark.parametrize(
    ("low", "high", "wanted", "expected"),
    [
        (0, 4, 5, [0, 1, 2, 3, 4]),
        (0, 0.9, 5, [0, 0.5]),
        (0, 48, 6, [0, 10, 20, 30, 40]),
        (0, 1e-8, 3, [0, 5e-9, 1e-8]),
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


@given(st.integers(0, 500), st.integers(1, 60))
def test_an_even_choice_has_both_ends_and_no_more_than_asked_for(count, limit):
    places = spread(count, limit)
    assert len(places) == min(count, limit) and places == sorted(set(places))
    if count:
        assert places[-1] == count - 1 and (limit == 1 or places[0] == 0)


def test_smoothing_is_an_exponential_average_with_bias_correction():
    assert smooth([(1, 2.0), (2, 1.0)], 0.5) == [(1, 2.0), (2, pytest.approx((0.5 * 1 + 0.25 * 2) / 0.75))]


@given(st.floats(-1e3, 1e3), st.integers(1, 50))
def test_a_constant_stays_what_it_is_from_the_first_step(value, count):
    for _, smoothed in smooth([(step, value) for step in range(count)]):
        assert smoothed == pytest.approx(value, abs=1e-9)


def test_values_that_cannot_be_drawn_are_left_out():
    rows = [{"step": 1, "loss": math.nan}, {"step": 2, "loss": None}, {"step": 3, "loss": 1.5}, {"step": 4}]
    assert series(rows, "loss", 2) == [(3.0, 3.0)]


def test_one_spike_does_not_flatten_the_rest():
    assert not Axis.of([1.0] * 20).is_log
    spiked = Axis.of([1.0] * 20 + [5000.0])
    assert spiked.is_log and 0 <= spiked.percent(1.0) < spiked.percent(5000.0) <= 100
    assert spiked.percent(0.0) == 0, "what has no logarithm lies on the axis"
    assert spiked.marks()[0] == 1.0


def test_a_point_stands_from_the_left_and_from_the_top():
    assert Frame(Axis(0, 50), Axis(-1, 3)).at((10, 2)) == (20, 25)


def test_the_words_of_a_flag_stand_on_the_side_that_has_room():
    assert 'text-anchor="start"' in flag(60, "", "here") and 'text-anchor="end"' in flag(61, "", "here")


def test_a_logarithmic_axis_says_so():
    rows = [{"step": step, "grad_norm": 1.0} for step in range(1, 9)] + [{"step": 9, "grad_norm": 900.0}]
    assert "logarithmic" in curve_group(rows, 9, None, "en")
    assert "logarithmic" not in curve_group(rows[:-1], 9, None, "en")


def test_every_picture_is_well_formed_and_describes_itself():
    pictures = group().findall(".//figure")
    assert [picture.get("class") for picture in pictures] == [
        f"plot plot-{name}" for name in ("loss", "accuracy", "rate", "gradient", "speed", "memory")
    ]
    for picture in pictures:
        svg = picture.find(".//svg")
        assert svg.get("role") == "img" and "at step 25" in svg.get("aria-label")
    told = pictures[0].find(".//svg").get("aria-label")
    assert told.startswith("Training loss: ") and "Held-out loss: 2.8 at step 0" in told
    assert "Lowest held-out loss: 1.056 at step 24." in told


def test_the_raw_values_are_always_drawn_under_the_smoothed_ones():
    lines = [line.get("class") for line in group().findall(".//figure[1]//polyline")]
    assert lines == ["line line-raw", "line line-train", "line line-held"]


def test_the_end_of_the_axis_is_the_planned_end():
    raw = group(metrics=curve(24)).find(".//polyline[@class='line line-raw']")
    assert raw.get("points").split()[-1].startswith("500,")


def test_the_best_look_is_marked_where_there_is_more_than_one():
    assert "best: step 18" in curve_group(curve(48), 48, 18, "en")
    assert "is-best" not in curve_group(curve(48), 48, None, "en")
    assert "is-best" not in curve_group(curve(3), 48, 0, "en")


def test_only_what_was_measured_is_drawn():
    rows = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    assert [plot.name for plot in drawn_plots(rows)] == ["loss"]
    assert "curve-chooser" not in curve_group(rows, 2, None, "en")
    assert curve_group([], 10, None, "en") == ""
    assert curve_group([{"step": 0, "loss": None, "eval_loss": math.inf}], 10, None, "en") == ""


def test_one_point_and_a_loss_of_zero_can_be_drawn():
    ElementTree.fromstring(curve_group([{"step": 0, "loss": 0.0}], 0, None, "en"))


def test_values_of_all_series_at_every_step_that_can_be_pointed_at():
    run = a_story("midway")
    element = group(run)
    data = points_of(element)
    names = [cell.findtext("dt") for cell in element.findall(".//dl[@class='at-values']/div")]
    assert names[:3] == ["Training loss", "Smoothed loss", "Held-out loss"] and len(names) == len(data["values"]) == 8
    place = data["steps"].index(7)
    row = run["metrics"][7]
    assert data["values"]["loss"][place] == pytest.approx(row["loss"], rel=1e-3)
    cells = element.findall(".//dl[@class='at-values']/div")
    assert [cell.get("data-key") for cell in cells] == list(data["values"])
    assert data["values"]["token_accuracy"][place] == pytest.approx(100 * row["token_accuracy"], rel=1e-3)
    assert data["right"] == 48


def test_what_is_shown_at_first_is_the_last_step():
    element = group()
    assert element.findtext(".//output") == "25"
    slider = element.find(".//input[@type='range']")
    assert slider.get("value") == slider.get("max") == "25"


def test_the_table_has_the_looks_and_the_ends():
    rows = [row.findtext("th") for row in group().findall(".//tbody/tr")]
    assert rows == ["0", "6", "12", "18", "24", "25"]
    without = [{"step": step, "loss": 1.0} for step in range(1, 101)]
    body = ElementTree.fromstring(curve_group(without, 100, None, "en")).findall(".//tbody/tr")
    assert len(body) == 16 and (body[0].findtext("th"), body[-1].findtext("th")) == ("1", "100")


def test_a_long_run_stays_small():
    run = a_story("midway", metrics=curve(2000, 2000, every=40), steps=2000)
    html = curve_group(run["metrics"], 2000, 2000, "ja")
    print(len(html.encode()))
    assert len(html.encode()) < 60_000


def test_figures_read_as_people_write_them():
    assert [tick_words(value) for value in (0, 0.5, 0.001, 0.0004, 1200, 2e6, 1e-5)] == [
        "0",
        "0.5",
        "1e-3",
        "4e-4",
        "1.2k",
        "2e6",
        "1e-5",
    ]
    assert value_words(None, "%") == "–" and value_words(93.456, "%") == "93.46 %" and value_words(0.0, "") == "0"


def test_the_strength_of_the_smoothing_is_named():
    assert f"strength {SMOOTHING:g}" in curve_group(curve(5), 5, None, "en")


def test_everything_is_said_in_japanese():
    element = group(language="ja")
    labels = [one.get("aria-label") for one in element.iter() if one.get("aria-label")]
    words = " ".join([*element.itertext(), *labels])
    assert set(re.findall(r"[A-Za-z]{2,}", words)) == {"GB"}


def test_columns_hold_no_step_before_the_first_look():
    rows = [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 1.0, "eval_loss": 3.0}, {"step": 3, "loss": 1.0}]
    held = next(values for key, *_, values in columns_of(rows, drawn_plots(rows)) if key == "eval_loss")
    assert held == {2.0: 3.0, 3.0: 3.0}


def test_a_figure_says_where_its_axis_has_another_unit():
    plots = {plot.name: plot for plot in drawn_plots(curve(5))}
    assert "Memory (GB)" in figure(plots["memory"], curve(5), 5, None, "en")
