"""Verdict, scales, readings and probes: what is said of a run's results, drawn from the backend's answer."""

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.figures import signed
from playground.runs.bootstrap import paired_change
from playground.ui.history.table import runs_table
from playground.ui.run.diagnosis import change_of, readings_view, wanted_words
from playground.ui.run.probes import marked_change, probes_mark, probes_view, rounds_shown
from playground.ui.run.report_page import report_html
from playground.ui.run.scales import gauge_words, judged, scales_view
from playground.ui.run.verdict import verdict_view
from tests.ui.fake_backend import ROWS
from tests.ui.fake_runs import a_story, reading, rounds, scale, scales


def drawn(html):
    return ElementTree.fromstring(html)


# The verdict


def test_no_verdict_is_no_success():
    assert verdict_view(a_story("midway"), "en") == ""


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("learned", "good"), ("partly", "mixed"), ("not_better", "mixed"), ("nothing_learned", "mixed"),
        ("unchecked", "mixed"), ("forgot", "bad"), ("broken", "bad"), ("unheard_of", "bad"),
    ],
)  # fmt: skip
def test_only_learned_looks_like_it(code, kind):
    html = verdict_view(a_story("well", verdict={"code": code, "message": "<x>", "checks": []}), "en")
    assert drawn(html).get("class") == f"run-verdict is-{kind}" and "&lt;x&gt;" in html


def test_checks_say_their_state_in_words_and_by_shape_and_failed_ones_come_first():
    items = drawn(verdict_view(a_story("badly"), "en")).findall(".//li")
    assert [item.findtext(".//strong") for item in items] == ["Not passed"] * 2 + ["Not known"] + ["Passed"] * 3
    glyphs = {item.find("svg").get("class") for item in items}
    assert glyphs == {"glyph glyph-done", "glyph glyph-error", "glyph glyph-unknown"}
    assert items[0].findtext(".//span[@class='check-try']") == "Train for fewer steps on more rows."
    assert items[-1].find(".//span[@class='check-try']") is None


def test_checks_are_counted():
    said = drawn(verdict_view(a_story("badly"), "en")).findtext("p[@class='check-counts']")
    assert said == "Checks: 3 passed, 2 failed, 1 not known"


# Three scales


def test_scales_are_shown_when_a_run_has_ended():
    assert scales_view(a_story("midway"), "en") == ""
    assert scales_view(a_story("well", scales={}), "en") == ""
    articles = drawn(scales_view(a_story("badly"), "en")).findall(".//article")
    assert [article.get("class") for article in articles] == [
        "scale is-better", "scale is-same", "scale is-worse",
    ]  # fmt: skip
    assert "Change −2.390; 95 % interval −2.600 to −2.200." in "".join(articles[0].itertext())
    assert [article.findtext(".//strong") for article in articles] == ["0.420", "2.940", "2.240"]


def test_a_scale_that_is_missing_says_why():
    measured = scales()
    for part in measured.values():
        part["held_out"] = None
    measured["before"]["general"] = None
    html = scales_view(a_story("well", scales=measured), "en")
    assert "No rows were held out" in html and "Everyday questions were not scored" in html
    assert "Gauge of forgetting" not in html
    assert "the run ended before that" in scales_view(a_story("failed"), "en")


@pytest.mark.parametrize(
    ("low", "high", "kind"), [(-2, -1, "better"), (1, 2, "worse"), (-1, 1, "same"), (0, 1, "same"), (-1, 0, "same")]
)
def test_a_change_counts_only_beyond_its_interval(low, high, kind):
    assert judged("held_out", {"mean": 0, "low": low, "high": high})[0] == kind


def test_a_single_row_has_a_change_without_bounds():
    """As `paired_change` tells it; and a loss that is no number comes as null."""
    measured = scales()
    measured["change"]["held_out"] = measured["change"]["general"] = paired_change([(9.0, 3)], [(6.0, 3)]).to_dict()
    run = a_story("well", scales=measured)
    for html in (scales_view(run, "en"), report_html(run, ROWS, "en"), scales_view(run, "ja")):
        assert "−1.000" in html and "None" not in html
    assert "cannot be told from a single row" in scales_view(run, "en")
    assert "interval" not in "".join(drawn(scales_view(run, "en")).findall(".//article")[1].itertext())
    listed = runs_table([({"run": "abc", "number": 1, "example": "", "file": ""}, run)], {}, {}, 0, "en")
    assert "−1.00<" in listed and "None" not in listed
    measured["after"]["train"] = {**measured["after"]["train"], "loss": None}
    measured["change"]["train"] = paired_change([(9.0, 3)], [(float("nan"), 3)]).to_dict()
    assert "is-missing" in scales_view(run, "en") and report_html(run, ROWS, "en")


def test_keeping_everyday_ability_is_good_and_not_knowing_is_neither():
    assert judged("general", {"mean": 0, "low": -1, "high": 1})[0] == "better"
    assert judged("general", None)[0] == "unknown"


@given(st.floats(-50, 50))
def test_the_gauge_says_how_many_times(moved):
    said = gauge_words(moved, "en")
    assert signed(moved, 3) in said
    assert ("unlikely" in said) == (moved >= 0.005)
    if 0.01 < moved < 2:
        assert f"{math.exp(moved):.2f} times as unlikely" in said


def test_what_lies_beyond_the_gauge_is_drawn_at_its_end():
    measured = scales(forgotten=9.0)
    needle = drawn(scales_view(a_story("well", scales=measured), "en")).find(".//line[@class='gauge-needle']")
    assert needle.get("x1") == "100.0%"
    measured = {**scales(), "change": None}
    assert "gauge-whisker" not in scales_view(a_story("well", scales=measured), "en")


def test_the_same_loss_twice_can_be_drawn():
    same = {part: dict.fromkeys(("train", "held_out", "general"), scale(0.0, 0)) for part in ("before", "after")}
    drawn(scales_view(a_story("well", scales={**same, "change": None}), "ja"))


# Readings


def test_readings_are_ranked_and_those_with_a_change_have_a_button():
    items = drawn(readings_view(a_story("badly"), "en")).findall(".//li")
    assert [item.get("data-code") for item in items] == ["rate_high", "overfitting", "good"]
    assert [item.find(".//button") is not None for item in items] == [True, True, False]
    assert items[0].find(".//button").get("data-given") == '{"code":"rate_high"}'
    assert "Learning rate: 0.0003, Rank: 4" in items[0].find(".//button").get("aria-label")


def test_a_report_has_no_buttons_and_no_reading_no_place():
    assert "button" not in readings_view(a_story("badly"), "en", buttons=False)
    assert readings_view(a_story("queued"), "en") == ""


def test_what_a_reading_says_stays_text():
    odd = reading("odd", "info", "<script>")
    html = readings_view(a_story("well", readings=[odd]), "en")
    assert "&lt;script&gt;" in html and "is-info" in html


def test_what_a_button_sets_is_looked_up():
    run = a_story("badly")
    assert change_of(run, "overfitting") == {"num_train_epochs": 3.0}
    assert change_of(run, "good") == change_of(run, "nothing") == {}
    assert wanted_words({}, "en") == "" and "Epochs: 3" in wanted_words({"num_train_epochs": 3.0}, "en")


# Probes


def test_every_look_at_every_probe_is_there_and_the_last_is_shown():
    element = drawn(probes_view(a_story("midway"), "en"))
    slider = element.find(".//input")
    assert (slider.get("type"), slider.get("max"), slider.get("data-steps")) == ("range", "2", "0 12 24")
    assert len(element.findall(".//li")) == 3
    for item in element.findall(".//li"):
        answers = item.findall(".//div[@data-round]")
        assert [answer.get("hidden") for answer in answers] == ["", "", None]
    names = [name.text for name in element.findall(".//span[@class='probe-rounds']/span")]
    assert names == ["step 0, before training (1 of 3)", "step 12 (2 of 3)", "step 24 (3 of 3)"]


def test_how_an_answer_ended_and_what_was_expected_is_said():
    items = drawn(probes_view(a_story("midway"), "en")).findall(".//li")
    ends = [end.get("class") for end in items[1].findall(".//p[@class]") if "probe-end" in end.get("class")]
    assert ends == ["probe-end is-cut", "probe-end is-cut", "probe-end is-ended"]
    assert "Expected answer" in "".join(items[0].itertext())
    assert "Expected answer" not in "".join(items[2].itertext()), "an everyday question has none here"


def test_what_is_new_is_marked():
    assert marked_change(None, "a <b>") == "a &lt;b&gt;"
    assert marked_change("I am here.", "I am not here.") == "I am <ins>not </ins>here."
    assert marked_change("<x> one", "<x> two") == "&lt;x&gt; <ins>two</ins>"
    assert marked_change("私は犬です", "私は猫です") == "私は<ins>猫</ins>です"
    assert marked_change("same", "same") == "same"


@given(st.text(max_size=40), st.text(max_size=40))
def test_marking_loses_no_text(before, after):
    marked = marked_change(before, after)
    assert marked.replace("<ins>", "").replace("</ins>", "") == marked_change(None, after)


def test_many_looks_and_long_answers_stay_small():
    many = [{"step": step, "answers": [{"text": "x" * 5000, "ended": "length"}] * 3} for step in range(500)]
    run = a_story("midway", answers=many)
    shown = rounds_shown(run)
    assert len(shown) == 20 and (shown[0]["step"], shown[-1]["step"]) == (0, 499)
    assert len(probes_view(run, "en")) < 45_000


def test_a_look_that_lacks_an_answer_and_an_empty_answer_say_so():
    short = [{"step": 0, "answers": [{"text": "", "ended": "stop"}]}]
    html = probes_view(a_story("midway", answers=short), "en")
    assert "The answer is empty." in html and html.count("Not answered at this step.") == 2
    assert probes_view(a_story("queued"), "en") == "" == probes_view(a_story("midway", probes=[]), "en")


def test_probes_are_sent_again_only_when_there_is_a_new_look():
    run = a_story("midway")
    assert probes_mark(run) == probes_mark({**run, "step": 99})
    assert probes_mark(run) != probes_mark({**run, "answers": rounds(0, 12, 24, 36)})


def test_what_people_and_models_wrote_stays_text():
    hostile = "<img src=x onerror=alert(1)>${1}{{2}}"
    probes = [{"prompt": hostile, "expected": hostile * 20, "source": hostile}]
    answers = [{"step": 0, "answers": [{"text": hostile, "ended": hostile}]}]
    html = probes_view(a_story("midway", probes=probes, answers=answers), "en")
    assert "<img" not in html and "${" not in html and "{{" not in html
