import pytest

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.ui.run.plan import memory_words, plan_lines
from playground.ui.run.status import about, curve_mark, facts, figures, outcome, state_line
from playground.ui.widgets.header import choice_name, model_line
from tests.ui.fake_backend import a_run
from tests.ui.fake_runs import PLAN, a_story


def test_a_queued_run_says_its_place_and_its_wait():
    html = state_line(a_run(state="queued", position=3, wait_s=90, step=0), "en")
    assert "Queued" in html and "Place 3 in the queue." in html and "1 min 30 s" in html


def test_the_next_run_in_the_queue_starts_now():
    assert "It starts now." in state_line(a_run(state="queued", position=0, step=0), "en")


def test_a_running_run_has_a_bar_at_its_share():
    html = state_line(a_run(), "en")
    assert 'aria-valuenow="50"' in html and "Training." in html


def test_a_finished_run_has_no_bar():
    html = state_line(a_run(state="done", step=4), "en")
    assert "progressbar" not in html and "The adapter is ready." in html
    assert "There is no adapter." in state_line(a_run(state="failed", has_adapter=False), "en")


def test_only_the_state_is_a_live_region():
    run = a_story("badly")
    assert 'role="status"' in state_line(run, "en")
    for html in (figures(run, "en"), about(run, "en"), outcome(run, "en")):
        assert "status" not in html and "aria-live" not in html


def test_figures_show_the_latest_values_and_a_dash_for_what_is_unknown():
    html = figures(a_run(), "en")
    assert "2 / 4" in html and "2.000" in html and "2.200" in html and "1 min 5 s" in html
    assert figures(a_run(metrics=[], eta_s=None), "en").count("–") == 5
    assert "1.67 GB" in figures(a_story("midway"), "en")


def test_the_message_of_a_failed_run_comes_first_and_stays_text():
    run = a_run(
        error=InputError(Sentence("<b>Bad</b>.")),
        verdict={"code": "learned", "message": Sentence("It learned."), "checks": []},
    )
    html = outcome(run, "en")
    assert html.index("&lt;b&gt;Bad") < html.index("It learned.")
    assert outcome(a_run(), "en") == ""


def test_notes_stand_with_the_facts():
    assert "<li>Cut to 4 steps.</li>" in about(a_run(notes=[Sentence("Cut to 4 steps.")]), "en")


def test_facts_name_what_was_trained_on_what():
    assert "org/model · 20 rows, 2 of them held out · 1,234 trained tokens · learning rate 0.001 · rank 16" in facts(
        a_run(), "en"
    )


def test_the_curve_is_sent_again_only_when_it_changed():
    later = a_run(metrics=[*a_run()["metrics"], {**a_run()["metrics"][-1], "step": 3, "loss": 1.0}])
    assert curve_mark(a_run()) == curve_mark(a_run(eta_s=1.0))
    assert curve_mark(a_run()) != curve_mark(later)
    assert curve_mark(a_run()) != curve_mark(a_run(best_step=1))


# What was planned and what it took


def said_of(run, name):
    return dict((str(name), str(said)) for name, said in plan_lines(run)).get(name)


def test_the_plan_says_steps_rows_and_epochs():
    assert said_of(a_story("midway"), "Plan") == (
        "48 steps of 4 rows, each row seen 8.0 times; as the time budget allows"
    )
    few = a_story("midway", rows=4, held_out_rows=1)
    assert "48 steps of 3 rows" in said_of(few, "Plan")  # A step has no more rows than there are.


@pytest.mark.parametrize(
    ("took", "said"),
    [
        (178.0, "2 min 58 s, 5 % more than the 2 min 50 s estimated"),
        (153.0, "2 min 33 s, 10 % less than the 2 min 50 s estimated"),
        (170.0, "2 min 50 s, as estimated"),
    ],
)
def test_how_long_it_took_is_held_against_the_estimate(took, said):
    assert said_of(a_story("well", started=100.0, ended=100.0 + took), "Time") == said


def test_a_stopped_run_is_not_held_against_the_estimate_of_a_whole_one():
    assert said_of(a_story("stopped"), "Time") == "1 min 30 s; 2 min 50 s were estimated for all of it"
    assert said_of(a_story("well", plan={**PLAN, "seconds": None}), "Time") == "2 min 58 s"
    assert said_of(a_story("midway"), "Time") is None


def test_memory_used_is_held_against_the_estimate():
    whole = {"peak": 1.67e9, "estimated": 1.9e9, "available": 4.1e9}
    assert memory_words(whole) == "1.67 GB used at the most; 1.90 GB were estimated, 4.10 GB there"
    assert memory_words({**whole, "available": None}) == "1.67 GB used at the most; 1.90 GB were estimated"
    assert memory_words({"peak": 1e9, "estimated": None, "available": None}) == "1.00 GB used at the most"
    html = about(a_story("midway"), "en")
    assert "width:40.7%" in html and "left:46.3%" in html
    assert "used-bar" not in about(a_run(), "en")


def test_the_adapter_that_is_offered_is_named_at_the_end():
    assert said_of(a_story("badly"), "Adapter offered") == "that of step 18, where the held-out loss was lowest"
    last = a_story("well", held_out_rows=0)
    assert said_of(last, "Adapter offered") == "that of step 48, the last; nothing was held out"
    assert said_of(a_story("failed"), "Adapter offered") == "none: nothing was saved"
    assert said_of(a_story("midway"), "Adapter offered") is None


# The header's line on the model


def test_a_model_without_facts_is_named_without_them():
    local = {"name": "mine", "parameters": "", "download": 0, "licence": "", "gated": False}
    assert choice_name(local, "en") == "mine"
    gated = {"name": "o/m", "parameters": 1_000_000_000, "download": 1, "licence": "Gemma", "gated": True}
    assert choice_name(gated, "en") == "m · 1.0B · Gemma · gated"


def test_the_model_line_tells_the_reason_of_a_failure():
    status = {"state": "failed", "fraction": None, "line": "", "error": InputError(Sentence("No <net>."))}
    html = model_line(status, None, "en")
    assert "Not available" in html and "No &lt;net&gt;." in html and "progressbar" not in html


def test_a_fetched_share_shows_as_a_bar():
    status = {"state": "fetching", "fraction": 0.25, "line": Sentence("Fetching."), "error": None}
    assert 'aria-valuenow="25"' in model_line(status, None, "en")
