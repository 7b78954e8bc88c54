"""The drawing of the rows' lengths."""

import re
from xml.etree import ElementTree

from playground.ui.rows.length_chart import describe, length_plot

BINS = [{"start": 1, "end": 10, "rows": 4000}, {"start": 11, "end": 20, "rows": 0}, {"start": 21, "end": 30, "rows": 1}]
LENGTHS = {"bins": BINS, "median": 8, "p95": 10, "max": 30, "over": 0}


def drawn(max_length, over=0):
    html = length_plot({**LENGTHS, "over": over}, max_length, "en")
    return html, ElementTree.fromstring(re.search("<svg.*</svg>", html)[0])


def test_a_bar_for_each_range_that_has_rows_and_one_row_is_still_seen():
    _, svg = drawn(500)
    bars = [rect for rect in svg.iter("rect") if "length-bar" in (rect.get("class") or "")]
    heights = [float(bar.get("height").rstrip("%")) for bar in bars]
    assert len(bars) == 2 and heights[0] == 100 and heights[1] > 1
    assert [bar.find("title").text for bar in bars] == ["1 to 10 tokens: 4,000 rows", "21 to 30 tokens: 1 row"]


def test_the_cut_is_told_by_a_line_a_label_and_a_pattern():
    html, svg = drawn(20, over=1)
    line = next(line for line in svg.iter("line") if line.get("class") == "flag is-cut")
    assert line.get("x1") == "66.67%" and "maximum: 20" in html
    hatched = [rect for rect in svg.iter("rect") if rect.get("fill") == "url(#cut-hatch)"]
    assert len(hatched) == 1 and svg.find(".//pattern").get("id") == "cut-hatch"
    assert "1 row is longer than the maximum of 20." in html


def test_a_maximum_far_beyond_the_rows_is_only_said():
    html, svg = drawn(500)
    assert not [line for line in svg.iter("line") if line.get("class") == "flag is-cut"]
    assert "None is longer than the maximum of 500." in html
    assert [line for line in drawn(35)[1].iter("line") if line.get("class") == "flag is-cut"], "one nearby is drawn"


def test_the_picture_has_a_title_and_says_itself_in_words():
    html, svg = drawn(20, 3)
    told = describe({**LENGTHS, "over": 3}, 20, "en")
    assert svg.get("aria-label") == f"Length of the rows in tokens: {told}" and html.count(told) == 2
    assert "at most 8 tokens" in told and "3 rows are longer" in told


def test_everything_stays_inside():
    _, svg = drawn(20, 1)
    for rect in svg.iter("rect"):
        if "length-bar" in (rect.get("class") or ""):
            x, width = (float(rect.get(name).rstrip("%")) for name in ("x", "width"))
            assert x >= 0 and x + width <= 100


def test_no_rows_no_picture():
    assert length_plot(None, 512, "en") == length_plot({**LENGTHS, "bins": []}, 512, "en") == ""
