from playground.core.i18n import Sentence
from playground.ui.compare.answers import cancelled, exchange
from tests.ui.fake_backend import answer, reply


def test_both_answers_stand_under_their_message():
    html = exchange("Hi", reply("Yes", answer("Arr", "length")), "en", newest=True)
    assert html.index("Hi") < html.index('id="answer-base">Yes') < html.index('id="answer-tuned">Arr')
    assert "ended by itself" in html and "cut at the longest answer" in html and "20.0 tokens/s" in html


def test_only_the_newest_exchange_has_ids():
    assert "id=" not in exchange("Hi", reply("Yes"), "en", newest=False)


def test_an_answer_in_hand_is_busy_and_shows_a_caret():
    html = exchange("Hi", reply(answer("Ye"), answer("Arr", "stop")), "en", newest=True)
    assert html.count('aria-busy="true"') == 1 and html.count("caret") == 1


def test_waiting_says_why():
    waiting = reply(answer(), answer(), Sentence("Two are before you."))
    assert exchange("Hi", waiting, "en", newest=True).count("Two are before you.") == 2


def test_without_a_run_the_tuned_side_says_what_to_do():
    assert "No run chosen" in exchange("Hi", None, "en", newest=True, alone=True)
    assert "No run chosen" not in exchange("Hi", None, "en", newest=True)


def test_an_empty_answer_is_called_so():
    assert "The answer is empty." in exchange("Hi", reply(""), "en", newest=True)


def test_messages_and_answers_stay_text():
    html = exchange("<b>", reply("<script>", answer("${x}")), "en", newest=True)
    assert "<b>" not in html and "<script>" not in html and "${" not in html


def test_cancelling_ends_only_what_still_goes():
    stopped = cancelled(reply(answer("Ye"), answer("Arr", "stop")))
    assert stopped["base"]["ended"] == "cancelled" and stopped["tuned"]["ended"] == "stop"
    assert cancelled(reply(answer("Ye")))["tuned"] is None
