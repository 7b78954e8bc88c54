"""The history's table, curves, comparison and handlers, without a server."""

import math
import re
from types import SimpleNamespace

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.core.settings import TrainSettings
from playground.ui.history.overlay import DRAWN, Line, overlay
from playground.ui.history.panel import NOT_HANDED_ON, HistoryState, with_choice
from playground.ui.history.side_by_side import (
    Side,
    comparable,
    differences,
    settings_sides,
    verdict_sides,
)
from playground.ui.history.table import general_change, held_out_losses, interval, runs_table
from playground.ui.run.my_runs import OtherTabs, known
from tests.ui.fake_history import HOSTILE, FakeHistory, build, entries, story

REQUEST = SimpleNamespace(headers={"accept-language": "en"})


def table(backend, slots=None, number=0, language="en"):
    return runs_table(known(backend, entries(backend)), {"pirate": Sentence("Pirate")}, slots or {}, number, language)


def row_of(html, run):
    return next(row for row in html.split("<tr ") if f'data-run="{run}"' in row)


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


# The table


def test_no_runs_says_so_and_what_would_be_here():
    html = runs_table([], {}, {}, 0, "en")
    assert "No runs yet" in html and "<table" not in html


def test_a_row_for_each_run_newest_first():
    html = table(FakeHistory())
    assert re.findall(r'data-run="(\w+)"', html) == ["live", "well", "badly", "stopped", "failed", "waits"]
    assert re.findall(r'run-number">(\d+)<', html) == ["6", "5", "4", "3", "2", "1"]


def test_a_finished_run_says_what_came_of_it():
    row = text_of(row_of(table(FakeHistory()), "well"))
    for said in ("Half the rate", "SmolLM2-135M", "Done", "48 / 48 steps", "2.79 → 1.59", "−1.20 (−1.50 … −0.90)",
                 "+0.04 (−0.01 … +0.10)", "It learned", "2026-09-21 14:13 UTC"):  # fmt: skip
        assert said in row, said
    assert row.endswith("48")


def test_a_run_that_failed_at_once_has_dashes_and_its_reason():
    row = text_of(row_of(table(FakeHistory()), "failed"))
    assert "Failed" in row and "The loss stopped being a number at step 13." in row and row.count("–") == 3
    assert "third" not in row, "what to do about it stands in the comparison"


def test_the_chosen_are_ticked_and_wear_their_colour():
    html = table(FakeHistory(), {"well": 1, "badly": DRAWN}, number=7)
    assert 'data-number="7"' in html and html.count(" checked") == 2
    assert "swatch c1" in row_of(html, "well") and "swatch" not in row_of(html, "badly")
    assert "checked" not in row_of(html, "live")


def test_an_error_cannot_become_html():
    backend = FakeHistory()
    backend.stories["failed"]["error"] = InputError(Sentence("{what}", what=HOSTILE))
    assert "<img" not in table(backend)
    assert "<img" not in verdict_sides([Side("one", 0, backend.stories["failed"])], "en")


def test_names_cannot_become_html():
    html = table(FakeHistory(), {"stopped": 0})
    assert "<img" not in html and "${" not in html and "{{" not in html
    assert "&lt;img" in row_of(html, "stopped")


@pytest.mark.parametrize("created", [None, "x", 1e300, float("nan")])
def test_a_time_that_is_none_is_left_out(created):
    backend = FakeHistory()
    backend.stories = {"well": story("well", "well", created=created)}
    assert "<time" not in table(backend)


# Figures


def test_losses_of_a_finished_run_are_those_of_the_scales():
    before, after, change = held_out_losses(story("well", "well"))
    assert (before, round(after, 2)) == (2.79, 1.59) and change["mean"] == -1.2


def looks(*values):
    return [{"step": 10 * place, "eval_loss": value} for place, value in enumerate(values)]


@pytest.mark.parametrize(
    ("metrics", "best", "expected"),
    [
        ([], None, (None, None)),
        (looks(3.0), None, (3.0, None)),
        (looks(3.0, 2.0, 2.5), None, (3.0, 2.5)),
        (looks(3.0, 2.0, 2.5), 10, (3.0, 2.0)),
        (looks(3.0, 2.0, 2.5), 15, (3.0, 2.5)),
        (looks(3.0, math.nan), None, (3.0, None)),
        (looks(None, 2.0), None, (None, 2.0)),
    ],
)
def test_until_then_from_the_curve(metrics, best, expected):
    run = {"metrics": metrics, "best_step": best, "scales": {}}
    assert held_out_losses(run) == (*expected, None)


def test_scales_with_nothing_held_out():
    scales = {"before": {"train": {"loss": 1}, "held_out": None, "general": None}, "after": None, "change": None}
    assert held_out_losses(story("queued", "a", scales=scales)) == (None, None, None)
    assert general_change(story("queued", "a", scales=scales)) is None


def test_a_change_comes_with_its_interval():
    assert interval({"mean": -0.8, "low": -1.0, "high": -0.6}) == "−0.80 (−1.00 … −0.60)"


# The choice


def test_a_run_keeps_its_colour_while_others_come_and_go():
    slots = with_choice({}, ["a", "b", "c"])
    assert slots == {"a": 0, "b": 1, "c": 2}
    assert with_choice(slots, ["b", "c"]) == {"b": 1, "c": 2}
    assert with_choice({"b": 1, "c": 2}, ["d", "b", "c"]) == {"b": 1, "c": 2, "d": 0}


def test_a_run_beyond_the_colours_gets_one_that_became_free():
    many = with_choice({}, [str(number) for number in range(DRAWN + 2)])
    left = with_choice(many, [str(number) for number in range(1, DRAWN + 2)])
    assert left[str(DRAWN)] == 0 and left["1"] == 1


@given(st.lists(st.lists(st.sampled_from("abcdefghij"), unique=True), max_size=6))
def test_no_two_runs_share_a_colour(choices):
    slots = {}
    for wanted in choices:
        before, slots = slots, with_choice(slots, wanted)
        assert set(slots) == set(wanted) and len(set(slots.values())) == len(wanted)
        assert sorted(slots.values())[:DRAWN] == list(range(min(len(wanted), DRAWN))) or before
        assert all(slots[run] == before[run] for run in wanted if before.get(run, DRAWN) < DRAWN)


# Curves


def line(name="one", slot=0, values=(3.0, 2.0, 1.0), steps=4, best=None):
    metrics = [{"step": step, "loss": value if step else None, "eval_loss": value} for step, value in enumerate(values)]
    return Line(name, slot, metrics, steps, best)


def test_each_run_has_a_line_in_both_pictures_and_a_place_in_the_legend():
    html = overlay([line("one", 0), line("two", 3)], "step", "en")
    assert html.count("<figure") == 2
    for slot in (0, 3):
        assert html.count(f'polyline class="line run-line c{slot}"') == 2 and f'run-key c{slot}"' in html
    assert "two, step 1: held-out loss 2.000" in html and "one, step 2: training loss" in html


def test_what_stands_under_the_pointer_is_said_in_the_language_of_the_page():
    html = overlay([line("one", 0)], "step", "ja")
    assert "one、ステップ 1：検証損失 2.000" in html and "one、ステップ 1：学習損失" in html
    assert "held-out loss" not in html and "training loss" not in html


def test_the_offered_step_is_ringed():
    html = overlay([line(best=1)], "step", "en")
    assert re.findall(r"is-best[^>]*><title>one, step (\d)", html) == ["1"]
    assert "is-best" not in overlay([line(best=None)], "step", "en")


def test_by_share_runs_of_different_lengths_end_where_their_plans_do():
    lines = [line("short", 0, (3.0, 2.0), steps=1), line("long", 1, tuple(range(9, 0, -1)), steps=16)]
    by_step = overlay(lines, "step", "en")
    by_share = overlay(lines, "share", "en")
    ends = [
        re.findall(rf'polyline class="line run-line c{slot}" points="[^"]* ([\d.]+),', by_share)[0] for slot in (0, 1)
    ]
    assert ends == ["1000", "500"], "the long one was stopped halfway"
    ends = [
        re.findall(rf'polyline class="line run-line c{slot}" points="[^"]* ([\d.]+),', by_step)[0] for slot in (0, 1)
    ]
    assert ends == ["125", "1000"]
    assert "100 %" in by_share and "Share of the planned steps" in by_share and "100 %" not in by_step


def test_a_run_without_a_plan_shares_out_the_steps_that_it_made():
    assert "1000," in overlay([line(steps=0)], "share", "en")


def test_a_diverged_run_leaves_the_others_readable():
    calm = tuple(3.0 - step / 4 for step in range(9))
    html = overlay([line("fine", 0, calm), line("wild", 1, (3.0, 900.0, 5000.0))], "step", "en")
    assert "are not drawn" in html and "5000.000" not in html
    heights = [float(y) for y in re.findall(r'polyline class="line run-line c0" points="[\d.]+,([\d.]+)', html)]
    assert len(heights) == 2 and all(200 < y < 700 for y in heights), heights
    alone = overlay([line("wild", 1, (3.0, 900.0, 5000.0))], "step", "en")
    assert "5000.000" in alone, "nothing is hidden by it"
    assert "are not drawn" not in overlay([line()], "step", "en")


@pytest.mark.parametrize("values", [(), (2.0,), (2.0, 2.0), (0.0, 0.0), (math.nan, math.inf), (math.inf, 2.0, 1.0)])
def test_any_curve_can_be_drawn(values):
    html = overlay([line(values=values), line("fine", 1)], "share", "en")
    assert "nan" not in html.lower() and "inf" not in html.replace("info", "")


def test_runs_without_figures_have_no_picture():
    assert overlay([Line("a", 0, [], 0)], "step", "en") == ""
    assert overlay([], "step", "en") == ""


def test_a_name_in_a_picture_cannot_become_html():
    html = overlay([line(HOSTILE)], "step", "en")
    assert "<img" not in html and "${" not in html


# Side by side


def side(name="one", slot=0, moment="well", **settings):
    return Side(name, slot, story(moment, name, settings=settings))


def test_only_differences_are_in_the_table_the_others_behind_a_click():
    html = settings_sides([side(r=4), side("two", 1, r=64)], {}, "en")
    shown, hidden = html.split("<details")
    assert "<code>r</code>" in shown and "learning_rate" not in shown
    assert "learning_rate" in hidden and f"{len(TrainSettings().to_dict()) - 1} settings are the same" in hidden
    assert shown.count("is-other") == 1, "the second differs from the first"


def test_runs_with_equal_settings_say_so():
    assert "These runs have the same settings." in settings_sides([side(), side("two", 1)], {}, "en")


def test_one_run_stands_beside_the_defaults():
    html = settings_sides([side(r=4)], {}, "en").split("<details")[0]
    assert "Default" in html and html.index(">16<") < html.index(">4<"), "the default is what it differs from"
    same = Side("one", 0, {**story("well", "one"), "settings": TrainSettings().to_dict()})
    assert "All settings are the defaults." in settings_sides([same], {}, "en")


def test_a_run_older_than_a_setting_ran_as_its_default():
    old = Side("old", 0, {**story("well", "old"), "settings": {"r": 16}})
    new = Side("new", 1, {**story("well", "new"), "settings": {**TrainSettings().to_dict(), "packing": True}})
    shown = settings_sides([old, new], {}, "en").split("<details")[0]
    assert "packing" in shown and "learning_rate" not in shown


def test_differences_are_of_values_not_of_words():
    assert differences([{"a": 1, "b": [1, {"x": 2}]}, {"b": [1, {"x": 2}], "a": True}]) == (["a"], ["b"])
    assert differences([{"a": None}, {}]) == ([], ["a"])


def test_an_id_is_never_shown():
    sides = [side(start_from="a-secret-id-of-a-run"), side("two", 1)]
    assert "a-secret-id" not in settings_sides(sides, {}, "en")


def test_checks_stand_in_one_row_for_all_runs():
    html = verdict_sides([side(), side("two", 1, "badly"), side("three", 2, "failed")], "en")
    rows = [text_of(row) for row in html.split("<tr ")]
    kept = next(row for row in rows if "Everyday ability kept" in row)
    assert kept.count("Passed") == 1 and "Not passed" in kept and "Train for fewer steps" in kept
    assert kept.endswith("–"), "a failed run has no checks"
    assert "It forgot other things" in rows[2] and "stopped being a number" in rows[2]


def test_what_to_do_is_said_where_a_check_did_not_pass():
    for state, is_said in (("passed", False), ("failed", True), ("unknown", True)):
        check = {"code": "general", "state": state, "message": Sentence("M."), "fix": Sentence("Do it.")}
        verdict = {"code": "learned", "message": Sentence("V."), "checks": [check]}
        html = verdict_sides([Side("one", 0, {**story("well", "one"), "verdict": verdict})], "en")
        assert ("Do it." in html) is is_said


def test_what_does_not_compare_is_said():
    assert comparable([side(), side("two", 1, learning_rate=1.0)]) is None
    other = Side("two", 1, {**story("well", "two"), "model": "another/model"})
    assert "different base models" in comparable([side(), other])
    fewer = Side("two", 1, {**story("well", "two"), "rows": 7})
    assert "different rows" in comparable([side(), fewer])
    assert "different rows" in comparable([side(), side("two", 1, seed=7)])


# The handlers


class Page:
    """The history with one person in front of it, and what they see."""

    def __init__(self):
        self.backend = FakeHistory()
        self.parts = build(self.backend)
        self.history, self.state, self.number = self.parts.history, HistoryState(), 0
        self.stored, self.shown, self.axis = entries(self.backend), {}, "step"

    def see(self, updates):
        assert updates, "Gradio takes an empty dict for a value"
        for part, value in updates.items():
            if value != gr.skip():
                self.shown[part] = value
        if self.parts.runs in updates:
            self.stored = updates[self.parts.runs]
        return updates

    def do(self, name, *given):
        handler = getattr(self.history, name)
        return self.see(handler(self.state, self.stored, self.axis, *given, request=REQUEST))

    def choose(self, *runs):
        self.number += 1
        pressed = SimpleNamespace(_data={"runs": list(runs), "number": self.number})
        return self.see(self.history.choose(self.state, self.stored, self.axis, REQUEST, pressed))

    def is_visible(self, part):
        return self.shown[part]["visible"]

    @property
    def notice(self):
        return text_of(self.shown.get(self.history.notice) or "")


@pytest.fixture
def page():
    page = Page()
    page.do("refresh")
    return page


def test_the_first_look_shows_the_runs_and_nothing_to_do(page):
    assert "Half the rate" in page.shown[page.history.table]
    assert not page.is_visible(page.history.acts) and not page.is_visible(page.history.beside)
    assert page.shown[page.history.timer]["active"] is True


def test_a_look_without_news_sends_nothing(page):
    assert page.do("refresh") == {page.history.question: gr.skip()}


def test_news_of_a_run_are_sent(page):
    page.backend.stories["live"]["step"] = 26
    assert set(page.do("refresh")) == {page.history.question, page.history.table}


def test_no_run_going_no_polling(page):
    for run in ("live", "waits"):
        del page.backend.stories[run]
    assert page.do("refresh")[page.history.timer]["active"] is False


@pytest.mark.parametrize(
    ("run", "further", "resume"),
    [("well", True, False), ("live", False, False), ("stopped", True, True), ("failed", False, False)],
)
def test_what_can_be_done_with_one_run(page, run, further, resume):
    page.choose(run)
    history = page.history
    assert page.is_visible(history.acts) and page.is_visible(history.use) and page.is_visible(history.renaming)
    assert (page.is_visible(history.further), page.is_visible(history.resume)) == (further, resume)


def test_several_runs_are_compared_and_deleted_only(page):
    page.choose("well", "badly")
    assert page.is_visible(page.history.acts) and page.is_visible(page.history.delete)
    for button in (page.history.show, page.history.use, page.history.further, page.history.renaming):
        assert not page.is_visible(button)
    assert page.shown[page.history.curves].count("run-key ") == 2
    assert "Settings that differ" in page.shown[page.history.settings]


def test_a_choice_of_strangers_or_of_nonsense_is_none(page):
    page.choose("well", "somebody-elses", 5)
    assert list(page.state.slots) == ["well"]
    for data in ({}, {"runs": "well", "number": 9}, {"runs": ["badly"], "number": "9"}, {"runs": None, "number": 9}):
        page.see(page.history.choose(page.state, page.stored, "step", REQUEST, SimpleNamespace(_data=data)))
    assert list(page.state.slots) == ["well"]


def test_a_choice_that_comes_late_changes_nothing(page):
    page.choose("well")
    page.choose("well", "badly")
    late = SimpleNamespace(_data={"runs": ["failed"], "number": 1})
    page.see(page.history.choose(page.state, page.stored, "step", REQUEST, late))
    assert list(page.state.slots) == ["well", "badly"]


def test_an_answer_to_a_choice_is_whole(page):
    page.choose("well")
    again = page.choose("well")
    assert {page.history.table, page.history.curves, page.history.settings, page.history.acts} <= set(again)


def test_more_runs_than_colours(page):
    for number in range(10):
        page.backend.stories[f"r{number}"] = story("well", f"r{number}")
    page.stored = entries(page.backend)
    page.choose(*page.backend.stories)
    assert "16 runs are chosen; 6 of them" in page.shown[page.history.note]
    assert page.shown[page.history.curves].count("run-key ") == DRAWN


def test_a_chosen_run_that_is_deleted_elsewhere_is_chosen_no_more(page):
    page.choose("well")
    page.do("ask")
    del page.backend.stories["well"]
    page.do("refresh")
    assert page.state.slots == {} and not page.state.asking and not page.is_visible(page.history.acts)
    assert "Half the rate" not in page.shown[page.history.table]


def test_the_name_box_is_filled_by_a_choice_and_not_by_a_look(page):
    page.choose("well")
    assert page.shown[page.history.name] == "Half the rate"
    assert page.history.name not in page.do("refresh"), "somebody may be typing"
    page.choose("badly")
    assert page.shown[page.history.name] == "", "a name by its rows is none that was given"


def test_a_new_name_is_kept_by_the_server_and_shown_everywhere(page):
    page.choose("well")
    page.do("save_name", "  A \n new   name ", "well", "well")
    assert ("rename", "well", "A new name") in page.backend.asked
    assert "A new name" in page.shown[page.history.table]
    for part in (page.parts.panel.chosen, page.parts.compared):
        assert ("5. A new name · Done", "well") in page.shown[part]["choices"]
        assert "value" not in page.shown[part]


def test_a_refused_name_says_why(page):
    page.choose("well")
    page.backend.refuse = InputError(Sentence("Too <long>."))
    page.do("save_name", "x", None, None)
    assert "Too &lt;long&gt;." in page.notice


def test_deleting_asks_once_more(page):
    page.choose("badly")
    page.do("delete_chosen", None, None, "")
    assert "badly" in page.backend.stories, "nobody was asked"
    page.do("ask")
    assert "Delete “4. Your rows” for good?" in page.shown[page.history.question]
    assert page.is_visible(page.history.confirm) and not page.is_visible(page.history.delete)
    page.do("leave")
    assert not page.is_visible(page.history.confirm) and page.shown[page.history.question] == ""
    page.do("delete_chosen", None, None, "")
    assert "badly" in page.backend.stories


def test_another_choice_is_asked_about_anew(page):
    page.choose("badly")
    page.do("ask")
    page.choose("badly", "well")
    assert not page.state.asking
    page.do("delete_chosen", None, None, "")
    assert {"badly", "well"} <= set(page.backend.stories)


def test_deleted_runs_are_forgotten_everywhere(page):
    page.choose("badly", "well")
    page.do("ask")
    assert "Delete 2 runs for good?" in page.shown[page.history.question]
    page.do("delete_chosen", "well", "badly", "well")
    assert {"badly", "well"}.isdisjoint(page.backend.stories)
    assert [entry["run"] for entry in page.stored] == ["live", "stopped", "failed", "waits"]
    assert [entry["number"] for entry in page.stored] == [6, 3, 2, 1]
    assert "2 runs were deleted." in page.notice
    assert page.shown[page.parts.panel.chosen]["value"] == "live" == page.shown[page.parts.compared]["value"]
    assert page.shown[page.parts.start.run] == "" == page.shown[page.parts.start.line]


def test_what_shows_other_runs_goes_on_showing_them(page):
    page.choose("badly")
    page.do("ask")
    page.backend.stories["pasted"] = story("well", "pasted")
    page.do("delete_chosen", "live", "pasted", "well")
    assert "value" not in page.shown[page.parts.panel.chosen] and "value" not in page.shown[page.parts.compared]
    assert page.parts.start.run not in page.shown


def test_a_running_run_is_not_deleted_and_the_others_are(page):
    page.choose("live", "badly")
    page.do("ask")
    page.do("delete_chosen", None, None, "")
    assert "live" in page.backend.stories and "badly" not in page.backend.stories
    assert "1 run was deleted." in page.notice and "Stop it first." in page.notice
    assert list(page.state.slots) == ["live"] and "live" in [entry["run"] for entry in page.stored]


def test_a_run_that_is_gone_already_is_forgotten(page):
    page.choose("badly")
    page.do("ask")
    del page.backend.stories["badly"]
    page.do("delete_chosen", None, None, "")
    assert "badly" not in [entry["run"] for entry in page.stored]


def test_a_run_is_resumed_and_watched(page):
    page.choose("stopped")
    page.do("resume_chosen")
    assert ("resume", "stopped") in page.backend.asked and page.shown[page.parts.panel.chosen] == "stopped"
    assert not page.is_visible(page.history.resume)


def test_a_run_that_cannot_be_resumed_says_why(page):
    page.choose("well")
    page.do("resume_chosen")
    assert "The run has no checkpoint." in page.notice and page.parts.panel.chosen not in page.shown


def test_training_further_is_said_near_start_and_taken_back(page):
    page.choose("stopped")
    page.do("train_further")
    assert page.shown[page.parts.start.run] == "stopped"
    line_shown = page.shown[page.parts.start.line]
    assert "take_back" in line_shown and "&lt;img" in line_shown and "<img" not in line_shown
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in line_shown
    assert page.parts.start.taken_back() == ("", "")


def test_the_settings_are_handed_to_the_form(page):
    page.choose("badly")
    page.do("use_settings")
    wanted = page.shown[page.history.wanted]
    assert wanted["num_train_epochs"] == 20.0 and wanted["packing"] is True
    assert not set(NOT_HANDED_ON) & set(wanted)
    assert set(wanted) | set(NOT_HANDED_ON) == set(TrainSettings().to_dict())
    assert "“Your rows” stand in the form" in page.notice


@pytest.mark.parametrize("name", ["train_further", "use_settings", "resume_chosen"])
def test_what_is_for_one_run_refuses_another_number_and_runs_that_are_gone(page, name):
    page.do(name)
    assert "Choose one run." in page.notice
    page.choose("stopped")
    del page.backend.stories["stopped"]
    page.do(name)
    assert "There is no run stopped." in page.notice
    assert page.parts.start.run not in page.shown and page.shown.get(page.history.wanted, {}) == {}


def test_only_one_run_can_be_shown_above(page):
    assert page.history.show_chosen(page.state) == gr.skip()
    page.choose("well")
    assert page.history.show_chosen(page.state) == "well"


def test_a_list_that_changed_elsewhere_is_followed(page):
    page.stored = [entry for entry in page.stored if entry["run"] != "well"]
    page.do("refresh_offers", "well", "badly")
    assert "Half the rate" not in page.shown[page.history.table]
    assert page.shown[page.parts.panel.chosen]["value"] == "live"
    assert "value" not in page.shown[page.parts.compared]


def test_a_store_of_nonsense_is_an_empty_history(page):
    page.stored = [{"run": 3}, "x", None]
    page.do("refresh")
    assert "No runs yet" in page.shown[page.history.table]


def test_another_tab_is_believed_once():
    with gr.Blocks():
        others = OtherTabs()
    mine = [{"run": "a", "number": 1, "example": "", "file": ""}]
    theirs = [{"run": "b", "number": 2, "example": "", "file": ""}, *mine]
    heard = SimpleNamespace(_data={"entries": theirs})
    assert others.take_over(mine, heard) == theirs
    assert others.take_over(theirs, heard) == gr.skip()
    assert others.take_over(mine, SimpleNamespace(_data={"entries": [{"run": 1}, "x"]})) == []
    assert others.take_over([], SimpleNamespace(_data={})) == gr.skip()
