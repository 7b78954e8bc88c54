"""The panel's handlers, called as Gradio calls them, without a server."""

from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.ui.run.panel import RunPanel
from tests.ui.fake_backend import FakeBackend
from tests.ui.fake_runs import a_story, curve

PRIVATE = {"run": "abc", "number": 1, "example": "pirate", "file": ""}


@pytest.fixture(scope="module")
def made():
    """One for all people, as the app has it."""
    with gr.Blocks():
        made = RunPanel(FakeBackend())
        made.compared = gr.Dropdown([])
        made.wire(gr.BrowserState([]), made.compared)
    return made


@pytest.fixture
def panel(made):
    made.backend.__init__()
    return made


def show(panel, moment, seen=None, **given):
    panel.backend.stories["abc"] = a_story(moment, **given)
    return panel.refresh("abc", seen or {}, [PRIVATE], None)


def visible(panel, shown):
    return [button.elem_id for button in panel.buttons if shown[button]["visible"]]


def test_a_look_shows_every_part(panel):
    shown = show(panel, "badly")
    assert set(shown) >= set(panel.views.values())
    for view, words in (
        (panel.curve, "<svg"),
        (panel.outcome, "by heart"),
        (panel.scales, "Three scales"),
        (panel.readings, "Set for the next run"),
        (panel.probes, "Who are you?"),
        (panel.facts, "48 steps of 4 rows"),
    ):
        assert words in shown[view], view.elem_id


def test_a_second_without_news_sends_nothing_but_what_was_seen(panel):
    first = show(panel, "midway")
    second = panel.refresh("abc", first[panel.seen], [PRIVATE], None)
    assert set(second) == {panel.seen}
    assert first[panel.timer].active


def test_a_step_sends_its_curve_and_no_probes(panel):
    seen = show(panel, "midway")[panel.seen]
    shown = show(panel, "midway", seen, metrics=curve(26), step=26)
    assert set(shown) == {panel.seen, panel.state, panel.figures, panel.curve}


def test_a_long_run_sends_little_a_second(panel):
    rows = curve(1999, 2000, every=40)
    looks = [{"step": step, "answers": [{"text": "あ" * 400, "ended": "stop"}] * 3} for step in range(0, 2000, 10)]
    seen = show(panel, "midway", metrics=rows, steps=2000, step=1999, answers=looks)[panel.seen]
    shown = show(panel, "midway", seen, metrics=curve(2000, 2000, every=40), steps=2000, step=2000, answers=looks)
    sent = sum(len(html.encode()) for html in shown.values() if isinstance(html, str))
    print(sent)
    assert sent < 60_000


def test_looking_stops_when_the_run_ends_and_it_is_the_one_to_compare(panel):
    seen = show(panel, "midway")[panel.seen]
    ended = show(panel, "well", seen)
    assert not ended[panel.timer].active
    assert visible(panel, ended) == ["compare-this-run", "download", "download-report"]
    assert ended[panel.compared]["value"] == "abc"


@pytest.mark.parametrize(
    ("moment", "buttons"),
    [
        ("queued", ["stop"]),
        ("midway", ["stop", "compare-this-run"]),
        ("failed", ["download-report"]),
        ("stopped", ["compare-this-run", "resume", "download", "download-report"]),
    ],
)
def test_only_what_can_be_done_is_offered(panel, moment, buttons):
    assert visible(panel, show(panel, moment)) == buttons


def test_an_unknown_run_says_so_and_is_not_looked_at_again(panel):
    shown = panel.refresh("gone", {}, [], None)
    assert "There is no run gone." in shown[panel.state] and not shown[panel.timer].active
    assert visible(panel, shown) == [] and shown[panel.curve] == "" and shown[panel.log_box]["visible"] is False


def test_no_run_says_what_would_be_here(panel):
    assert "No run yet" in panel.refresh(None, {}, [], None)[panel.state]


def test_another_run_starts_with_its_log_closed_and_nothing_wanted(panel):
    shown = show(panel, "midway", {"run": "other"})
    assert shown[panel.log] == "" and shown[panel.log_box] == gr.update(visible=True, open=False)
    assert shown[panel.wanted_note] == ""
    assert panel.log not in show(panel, "well", shown[panel.seen]), "the log of the same run stays open"


def test_the_log_is_read_when_it_is_opened_and_stays_text(panel):
    show(panel, "failed")
    assert not [asked for asked in panel.backend.asked if asked[0] == "log"]
    assert "Traceback &lt;most&gt;" in panel.read_log("abc", None)
    panel.backend.log = lambda run: "  \n"
    assert "The log is empty" in panel.read_log("abc", None)
    assert panel.read_log(None, None) == ""


def press(panel, wanted, **data):
    return panel.want("abc", wanted, None, SimpleNamespace(_data=data))


def test_a_reading_is_set_for_the_next_run_by_what_the_server_knows(panel):
    show(panel, "badly")
    change, note = press(panel, {}, code="rate_high", change={"seed": 1})
    assert change == {"learning_rate": 0.0003, "r": 4}
    assert "Learning rate: 0.0003, Rank: 4" in note
    change, note = press(panel, {"r": 1}, code="unheard_of")
    assert change == {"r": 1} and note == ""


def test_resuming_asks_the_backend_and_looks_again(panel):
    show(panel, "stopped")
    panel.ask_to_resume("abc", None)
    assert ("resume", "abc") in panel.backend.asked
    assert panel.refresh_all("abc", {}, [PRIVATE], None)[panel.timer].active


def test_a_refused_resume_becomes_a_notice(panel):
    show(panel, "stopped")
    panel.backend.refuse = InputError(Sentence("No room."))
    with pytest.raises(gr.Error, match="No room."):
        panel.ask_to_resume("abc", None)


def test_the_report_is_made_in_the_readers_language(panel):
    show(panel, "well")
    path = panel.make_report("abc", SimpleNamespace(headers={"accept-language": "ja"}))
    assert ("report", "abc") in panel.backend.asked and 'lang="ja"' in Path(path).read_text(encoding="utf-8")


def test_a_reload_finds_the_newest_run_and_shows_it_while_it_goes(panel):
    panel.backend.stories["abc"] = a_story("midway")
    chosen, _, tabs = panel.find_again([PRIVATE], None)
    assert chosen["value"] == "abc" and tabs.selected == "finetune"
    panel.backend.stories["abc"] = a_story("well")
    assert len(panel.find_again([PRIVATE], None)[2]) == 1
    assert len(panel.find_again([], None)[0]) == 1
