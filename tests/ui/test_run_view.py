from playground.errors import InputError
from playground.ui.header import choice_name, megabytes, model_line, parameters
from playground.ui.run_view import curve_mark, facts, figures, outcome, state_line
from playground.words import Sentence

from .fake_backend import a_run


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


def test_figures_show_the_latest_values_and_a_dash_for_what_is_unknown():
    html = figures(a_run(), "en")
    assert "2 / 4" in html and "2.000" in html and "2.200" in html and "1 min 5 s" in html
    assert figures(a_run(metrics=[], eta_s=None), "en").count("–") == 4


def test_outcome_shows_error_verdict_and_notes_as_text():
    run = a_run(
        error=InputError(Sentence("<b>Bad</b>.")),
        verdict={"code": "learnt", "message": Sentence("It learnt.")},
        notes=[Sentence("Cut to 4 steps.")],
    )
    html = outcome(run, "en")
    assert "&lt;b&gt;Bad" in html and "It learnt." in html and "Cut to 4 steps." in html
    assert outcome(a_run(), "en") == ""


def test_facts_name_what_was_trained_on_what():
    assert "org/model · 20 rows, 2 of them held out · 1,234 trained tokens · learning rate 0.001 · rank 16" in facts(
        a_run(), "en"
    )


def test_the_curve_is_sent_again_only_when_it_changed():
    later = a_run(metrics=[*a_run()["metrics"], {"step": 3, "loss": 1.0, "eval_loss": None}])
    assert curve_mark(a_run()) == curve_mark(a_run(eta_s=1.0))
    assert curve_mark(a_run()) != curve_mark(later)


def test_sizes_read_as_people_say_them():
    assert [parameters(count) for count in (134_515_008, 999_885_952, 1_235_814_400, "?")] == [
        "135M",
        "1.0B",
        "1.2B",
        "?",
    ]
    assert [megabytes(size) for size in (269_060_552, 2_471_645_608)] == ["269 MB", "2.5 GB"]


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
