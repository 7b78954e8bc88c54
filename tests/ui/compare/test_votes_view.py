"""How people voted, as HTML."""

from xml.etree import ElementTree

import pytest

from playground.runs.votes import LeftOut, Tally
from playground.ui.compare.votes_view import votes_view


def pairs(*tallies, language="en", **given):
    return ElementTree.fromstring(votes_view(tallies, language, **given)).findall(".//article")


def text(element):
    return " ".join("".join(element.itertext()).split())


def counts(pair):
    return [(each.findtext("dt"), each.findtext("dd")) for each in pair.findall(".//dl/div")]


def test_without_votes_it_says_how_to_get_some():
    assert "No votes yet" in votes_view([], "en") and "投票はまだありません" in votes_view([], "ja")


def test_a_pair_shows_wins_ties_and_what_may_be_said():
    [pair] = pairs(Tally("base", "tuned", True, 1, 9, 2))
    assert pair.findtext("h4") == "base against tuned" and pair.get("class") == "vote-pair is-uneven"
    assert counts(pair) == [("base", "1"), ("Ties", "2"), ("tuned", "9")]
    assert [part.get("style") for part in pair.findall("div/span")] == ["flex-grow:1", "flex-grow:2", "flex-grow:9"]
    assert "tuned was chosen over base in 9 of 10 decided votes" in text(pair)
    assert "Share won by base: 10.0 %; 95 % interval 0.3 to 44.5 %." in text(pair)
    assert pair.find("svg/path[@class='reach']").get("d") == "M0.3 6H44.5"
    assert pair.find("svg/path[@class='share']").get("d") == "M10.0 1V11"


@pytest.mark.parametrize(
    ("blind", "kind", "sign"),
    [(True, "Blind votes", "done"), (False, "Open votes: the names were in sight", "info")],
)
def test_open_votes_never_look_proved(blind, kind, sign):
    [pair] = pairs(Tally("base", "tuned", blind, 0, 9, 0))
    assert pair.findtext("p[@class='vote-kind']") == kind
    assert pair.find("p[@class='vote-said']/svg").get("class") == f"glyph glyph-{sign}"


def test_chance_looks_like_chance():
    [pair] = pairs(Tally("base", "tuned", True, 4, 6, 0))
    assert (
        pair.get("class") == "vote-pair" and pair.find("p[@class='vote-said']/svg").get("class") == "glyph glyph-info"
    )
    assert len(pair.findall("div/span")) == 2  # No ties, no length for them.


def test_ties_alone_have_no_share():
    [pair] = pairs(Tally("base", "tuned", True, 0, 0, 3))
    assert pair.find("svg") is None and "Share won" not in text(pair)


def test_names_are_the_readers_and_no_html():
    [pair] = pairs(Tally("base", "run-1", True, 0, 9, 0), names={"run-1": "<b>Mochi</b> {x}"})
    assert pair.findtext("h4") == "base against <b>Mochi</b> {x}" and "run-1" not in text(pair)
    assert "<b>Mochi" not in votes_view([Tally("base", "<b>Mochi", True, 0, 9, 0)], "en")


def test_it_says_what_an_export_leaves_out():
    one = Tally("base", "tuned", True, 0, 1, 2)
    assert "Left out of the preference pairs: ties 2, equal answers 1." in votes_view([one], "en", out=LeftOut(2, 1))
    for nothing in (None, LeftOut(0, 0)):
        assert "Left out" not in votes_view([one], "en", out=nothing)


def test_everything_is_said_in_japanese():
    html = votes_view([Tally("b", "t", True, 0, 9, 1), Tally("b", "t", False, 1, 1, 0)], "ja", out=LeftOut(1, 0))
    assert "引き分け" in html and "decided" not in html and "interval" not in html and "Ties" not in html
