""" "Is it needed?": what the page makes of the backend's answer, and how a look at the base is followed and ended."""

import copy
import math
import re
import threading
from types import SimpleNamespace

import gradio as gr
import pytest

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.ui.run.baseline_panel import Newest
from playground.ui.run.baseline_view import baseline_progress, baseline_view
from tests.ui.fake_history import BASELINE, FakeHistory, build

REQUEST = SimpleNamespace(headers={"accept-language": "en"})


def found(**given):
    return {**copy.deepcopy(BASELINE), **given}


def points(html):
    return [float(x) for x in re.findall(r'class="rail-to" cx="([\d.]+)%', html)]


def ranges(html):
    found = re.findall(r'class="rail-bar" x="([\d.]+)%" y="\d+" width="([\d.]+)%', html)
    return [(float(low), float(low) + float(width)) for low, width in found]


def test_the_sentence_the_losses_and_the_answers():
    html = baseline_view(found(), "en")
    for said in ("that is what tuning can close", "one out of 16", "2.79</strong> (2.41 – 3.20)", "Question alone",
                 "With 3 rows as examples", "1.90</strong> (1.60 – 2.25)", "How do I reset my password?",
                 "Arr! Press the wee link", "6 held-out rows were looked at."):  # fmt: skip
        assert said in html, said


def test_both_losses_stand_on_one_scale():
    html = baseline_view(found(), "en")
    plain, examples = points(html)
    assert plain / examples == pytest.approx(2.79 / 1.9, rel=0.01)
    (low, high), _ = ranges(html)
    assert low < plain and examples > 0 and plain < 100
    assert high == pytest.approx(plain * 3.2 / 2.79, rel=0.01) and high < 100


def test_an_answer_that_was_cut_off_says_so_and_an_empty_one_too():
    html = baseline_view(found(), "en")
    assert html.count("(cut off here)") == 1 and "<em>nothing</em>" in html
    cut = found()
    cut["answers"][0]["ended"] = ["stop", "length"]
    sides = baseline_view(cut, "en").split("baseline-side-name")
    assert "(cut off here)" in sides[3] and "(cut off here)" not in sides[2]


def test_without_examples_the_reason_stands_there():
    html = baseline_view(found(examples=None), "en")
    assert "could not be tried" in html and len(points(html)) == 1
    assert "could not be tried" not in baseline_view(found(), "en")


def test_an_interval_that_cannot_be_told_is_left_out():
    html = baseline_view(found(plain={"loss": 2.0, "low": None, "high": None}, examples=None), "en")
    assert "2.00</strong></span>" in html and ranges(html) == []


@pytest.mark.parametrize("loss", [None, math.nan, math.inf])
def test_a_loss_that_is_no_number_has_no_scale(loss):
    html = baseline_view(found(plain={"loss": loss, "low": loss, "high": loss}, examples=None, code="broken"), "en")
    assert points(html) == [] and "is-error" in html and "nan" not in html


def test_a_loss_of_nothing_is_drawn():
    zero = {"loss": 0.0, "low": 0.0, "high": 0.0}
    assert points(baseline_view(found(plain=zero, examples=None), "en")) == [0.0]


def test_what_rows_say_cannot_become_html():
    html = baseline_view(found(), "en")
    assert "<img" not in html and "${" not in html and "{{" not in html and "&lt;img" in html


def test_one_row_no_answers_and_notes():
    html = baseline_view(found(rows=1, answers=[], notes=[Sentence("A row was too long.")]), "ja")
    assert "検証用の1行を調べました。" in html and "A row was too long." in html and "baseline-answer" not in html


def test_a_very_long_answer_is_cut():
    long = found()
    long["answers"][0]["plain"] = "x" * 5000
    assert "x" * 1500 + "…" in baseline_view(long, "en") and "x" * 1501 not in baseline_view(long, "en")


@pytest.mark.parametrize(
    ("fraction", "share"), [(0.254, "25"), (0.0, "0"), (1.7, "100"), (-1.0, "0"), (math.nan, "0"), (None, None)]
)
def test_progress(fraction, share):
    html = baseline_progress(fraction, "Scoring <6> rows.", "en")
    assert "Scoring &lt;6&gt; rows." in html
    assert (f'aria-valuenow="{share}"' in html) if share else ("is-unknown" in html)


# The panel


class Page:
    def __init__(self):
        self.backend, self.newest, self.shown = FakeHistory(), Newest(), []
        self.baseline = build(self.backend).baseline

    def check(self, text="rows"):
        return self.baseline.ask_base(REQUEST, self.newest, text)

    def kept(self, part, updates):
        return [update[part] for update in updates if part in update and update[part] != gr.skip()]


@pytest.fixture
def page():
    return Page()


def test_a_look_says_how_far_it_is_and_what_it_found(page):
    updates = list(page.check())
    assert page.backend.asked == [("baseline", "rows", "", "org/model", {})]
    lines = page.kept(page.baseline.status, updates)
    assert "is-unknown" in lines[0] and "Scoring 6 rows." in lines[1] and 'valuenow="25"' in lines[1]
    assert lines[-1] == "" and "baseline-result" in page.kept(page.baseline.found, updates)[-1]
    assert [part["interactive"] for part in page.kept(page.baseline.ask, updates)] == [False, True]
    assert [part["visible"] for part in page.kept(page.baseline.cancel, updates)] == [True, False]


def test_an_old_result_does_not_stand_beside_a_new_look(page):
    assert page.kept(page.baseline.found, list(page.check()))[0] == ""


def test_a_refusal_is_said_and_the_button_comes_back(page):
    page.backend.refuse = InputError(Sentence("No <rows>."), fix=Sentence("Paste some."))
    last = list(page.check())[-1]
    assert "No &lt;rows&gt;." in last[page.baseline.status] and last[page.baseline.ask]["interactive"] is True
    assert page.baseline.found not in last


def test_settings_that_are_refused_never_reach_the_backend(page):
    def refuse(*given):
        raise InputError(Sentence("The setting r is 0."))

    page.baseline.asked = refuse
    last = list(page.check())[-1]
    assert "The setting r is 0." in last[page.baseline.status] and page.backend.asked == []
    assert last[page.baseline.cancel]["visible"] is False


def test_cancel_stops_the_work_and_says_so(page):
    page.backend.hold = threading.Event()
    going = page.check()
    next(going), next(going)
    status, ask, cancel = page.baseline.give_up(page.newest, REQUEST)
    assert "cancelled" in status and ask["interactive"] is True and cancel["visible"] is False
    assert [page.kept(page.baseline.status, [update]) for update in going] == [[]], "nothing is drawn over it"
    assert page.backend.stopped.wait(5)


def test_a_page_that_goes_stops_the_work(page):
    page.backend.hold = threading.Event()
    going = page.check()
    next(going), next(going)
    going.close()
    assert page.backend.stopped.wait(5)


def test_a_cancelled_look_does_not_stop_the_next_one(page):
    page.backend.hold = threading.Event()
    first = page.check()
    next(first), next(first)
    page.baseline.give_up(page.newest, REQUEST)
    page.backend.hold = None
    second = page.check("other rows")
    next(second)
    first.close()
    assert "baseline-result" in page.kept(page.baseline.found, list(second))[-1]
