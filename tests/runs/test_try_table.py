"""Rows compared, what they say together, and the files to take away."""

from __future__ import annotations

import csv
import io
import json

import orjson
import pytest

from playground.core.i18n import Sentence
from playground.runs.bootstrap import paired_change
from playground.runs.try_table import (
    DEAD_BAND,
    FEWEST,
    compare_answers,
    figure,
    printable,
    signed,
    summary,
    to_csv,
    to_jsonl,
)

GOOD, BAD = "I am Mochi, the library robot.", "As a language model, no."


def row(base=BAD, tuned=GOOD, expected=GOOD, number=1, source="held_out", ended=("stop", "stop"), question="Who?"):
    return {
        "row": number,
        "source": source,
        "question": question,
        "expected": expected,
        "base": {"text": base, "ended": ended[0]},
        "tuned": {"text": tuned, "ended": ended[1]},
    }


def compared(*rows):
    return compare_answers(rows)


def told(*rows):
    return summary(compare_answers(rows))


def measure(found, name):
    [one] = [one for one in found["measures"] if one["name"] == name]
    return one


# --- Row by row ---


def test_the_nearer_answer_is_the_better_one():
    rows = compared(row(BAD, GOOD), row(GOOD, BAD), row(BAD, BAD), row(GOOD, GOOD))
    assert [one["change"] for one in rows] == ["better", "worse", "same", "same"]
    assert rows[0]["scores"]["base"]["chrf"] < 30 and rows[0]["scores"]["tuned"]["chrf"] == 100
    assert rows[0]["scores"]["tuned"]["exact"] is True and rows[0]["scores"]["tuned"]["valid_json"] is None


def test_the_rows_given_are_left_alone():
    given = row(BAD, GOOD)
    before = json.dumps(given)
    [made] = compare_answers([given])
    assert json.dumps(given) == before and {name: made[name] for name in given} == given


def test_a_small_difference_is_none():
    expected = "The quick brown fox jumps over the lazy dog, again and again and again, all day long until it is dark."
    for other, change in ((expected + "!", "same"), (expected[:80], "worse")):
        [one] = compared(row(expected, other, expected))
        gain = one["scores"]["tuned"]["chrf"] - one["scores"]["base"]["chrf"]
        assert one["change"] == change and (0 < -gain < DEAD_BAND) is (change == "same")


def test_of_json_the_shape_counts_first():
    expected = '{"kind": "late", "text": "My order never showed up and the party is tonight"}'
    nearer_but_broken = expected[:-1]
    shaped = '{"kind": "x", "text": "y"}'
    both = compared(
        row(nearer_but_broken, shaped, expected),
        row(shaped, nearer_but_broken, expected),
        row(shaped, expected, expected),
        row("no", "none", expected),
    )
    assert [one["change"] for one in both] == ["better", "worse", "better", "same"]
    assert both[0]["scores"]["base"]["chrf"] > both[0]["scores"]["tuned"]["chrf"]


def test_without_json_in_every_row_it_is_text():
    rows = compared(row("{}", "{}", '{"a": 1}'), row("{}", "{}", "words"))
    assert [one["scores"]["base"]["valid_json"] for one in rows] == [None, None]


def test_everyday_questions_and_own_ones_do_not_make_a_json_run_text():
    json_row = row('{"a": 2}', "no", '{"a": 1}')
    rows = compared(json_row, row("Paris", "Rome", "Paris", source="general"), row("x", "y", "", source="yours"))
    assert rows[0]["change"] == "worse" and rows[0]["scores"]["base"]["same_shape"] is True
    assert rows[1]["scores"]["base"]["valid_json"] is None and rows[1]["change"] == "worse"


@pytest.mark.parametrize(
    "given",
    [
        row(BAD, GOOD, expected=" "),
        row(BAD, GOOD, ended=("stop", "cancelled")),
        row(BAD, GOOD, ended=("", "stop")),
        {**row(BAD, GOOD), "base": None},
        {name: value for name, value in row(BAD, GOOD).items() if name != "tuned"},
    ],
)
def test_what_cannot_be_compared_is_neither_better_nor_worse(given):
    [one] = compared(given)
    assert one["change"] == ""
    found = summary([one])
    assert found["rows"] == 0 and found["measures"] == [] and found["code"] == "none"


def test_an_answer_that_ran_on_is_compared():
    [one] = compared(row(BAD, GOOD, ended=("length", "stop")))
    assert one["change"] == "better" and one["scores"]["base"]["ended"] is False


# --- Together ---


def test_means_and_intervals_are_those_of_the_pairs():
    rows = [row(BAD if n % 2 else GOOD, GOOD if n % 3 else "I am Mochi.", number=n) for n in range(12)]
    made = compare_answers(rows)
    found = measure(summary(made), "chrf")
    base, tuned = ([one["scores"][side]["chrf"] for one in made] for side in ("base", "tuned"))
    assert found["base"] == pytest.approx(sum(base) / 12) and found["tuned"] == pytest.approx(sum(tuned) / 12)
    change = paired_change([(value, 1) for value in base], [(value, 1) for value in tuned])
    assert (found["change"], found["low"], found["high"]) == change
    assert found["change"] == pytest.approx(found["tuned"] - found["base"]) and found["rows"] == 12


def test_counts_shares_and_lengths():
    rows = [row(BAD, GOOD)] * 3 + [row(GOOD, GOOD, ended=("length", "stop"))] * 2 + [row(GOOD, BAD)]
    found = told(*rows)
    assert (found["better"], found["worse"], found["same"], found["rows"]) == (3, 1, 2, 6)
    assert measure(found, "exact")["base"] == 0.5 and measure(found, "exact")["tuned"] == pytest.approx(5 / 6)
    assert measure(found, "ended")["base"] == pytest.approx(4 / 6) and measure(found, "ended")["tuned"] == 1
    assert measure(found, "length_ratio")["unit"] == "ratio"
    assert [one["name"] for one in found["measures"]] == ["chrf", "exact", "length_ratio", "ended"]


def test_everyday_questions_are_counted_apart():
    rows = [row(BAD, GOOD)] * 6
    found = told(*rows, *[row(GOOD, BAD, source="general")] * 9)
    assert found["everyday"] == 9 and found["rows"] == 6 and found["worse"] == 0
    assert measure(found, "chrf")["change"] == measure(told(*rows), "chrf")["change"] > 0
    assert found["code"] == "better"


def test_what_is_sure_is_claimed_either_way():
    better = told(*[row(BAD, GOOD[:n]) for n in range(18, 26)])
    assert better["code"] == "better" and isinstance(better["verdict"], Sentence)
    assert better["verdict"].startswith("Over 8 rows, tuned comes nearer to the expected answers than base: chrF +")
    worse = told(*[row(GOOD[:n], BAD) for n in range(18, 26)])
    assert worse["code"] == "worse" and "further" in worse["verdict"] and "chrF −" in worse["verdict"]
    assert better["verdict"].to("ja") != better["verdict"]


def test_what_may_be_chance_is_not_claimed():
    found = told(*[row(BAD, GOOD), row(GOOD, BAD)] * 4, row(BAD, GOOD))
    change = measure(found, "chrf")
    assert change["low"] < 0 < change["high"] and change["change"] > 0
    assert found["code"] == "unclear" and "may be chance" in found["verdict"]


def test_no_change_at_all_is_not_claimed():
    found = told(*[row(GOOD, GOOD)] * 8)
    assert found["code"] == "unclear" and measure(found, "chrf")["low"] == 0 == measure(found, "chrf")["high"]


def test_few_rows_claim_nothing_and_have_no_interval():
    for count in range(1, FEWEST):
        found = told(*[row(BAD, GOOD)] * count)
        assert found["code"] == "few" and found["better"] == count
        assert {one[bound] for one in found["measures"] for bound in ("low", "high")} == {None}
    assert told(*[row(BAD, GOOD)] * FEWEST)["code"] == "better"
    assert told()["code"] == "none"


def test_of_json_the_verdict_rests_on_the_shape_and_else_on_chrf():
    expected = '{"kind": "late", "text": "My order never showed up"}'
    shaped = '{"kind": "x", "text": "y"}'
    by_shape = told(*[row(expected[:-1], shaped, expected)] * 6)
    assert by_shape["code"] == "better" and "+100 pt" in by_shape["verdict"] and "JSON" in by_shape["verdict"]
    assert measure(by_shape, "chrf")["high"] < 0
    lost = told(*[row(shaped, expected[:-1], expected)] * 6)
    assert lost["code"] == "worse" and "less often" in lost["verdict"]
    one = [row(expected[:-1], shaped, expected), *[row(expected, shaped, expected)] * 7]
    assert told(*one)["code"] == "unclear" and "the expected shape changed by" in told(*one)["verdict"]
    all_shaped = told(*[row(shaped, expected, expected)] * 6)
    assert all_shaped["code"] == "better" and "chrF" in all_shaped["verdict"]
    assert measure(all_shaped, "same_shape")["tuned"] == measure(all_shaped, "valid_json")["base"] == 1


def test_a_summary_is_json():
    assert orjson.loads(orjson.dumps(told(*[row(BAD, GOOD)] * 6)))["code"] == "better"


@pytest.mark.parametrize(
    ("value", "unit", "mean", "difference"),
    [
        (45.25, "points", "45.2", "+45.2"),
        (-0.125, "share", "-12 %", "−12 pt"),
        (0.4, "share", "40 %", "+40 pt"),
        (1.5, "ratio", "1.50 ×", "+1.50 ×"),
        (0.004, "share", "0 %", "0 pt"),
        (-0.004, "points", "-0.0", "0.0"),
        (None, "points", "–", "–"),
    ],
)
def test_figures_in_their_units(value, unit, mean, difference):
    assert figure(value, unit) == mean and signed(value, unit) == difference


# --- To take away ---

TEXTS = [
    "plain",
    "こんにちは、元気？",
    'quoted "twice", with; separators\tand tabs',
    "two\nlines\r\nand more",
    "<b>bold</b>",
    "👩‍👩‍👧",
    "",
]
FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    "  =1",
    "\u3000=1",
    "\ufeff=1",
    "\u200b=cmd|' /C calc'!A0",
    "\t=1",
    "\tx",
    "\r=1",
    "\n=1",
    "\0=1",
]


def read(rows):
    raw = to_csv(compare_answers(rows))
    return raw, list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back_from_the_csv(text):
    raw, [line] = read([row(text, text, text, question=text)])
    assert raw.startswith(b"\xef\xbb\xbf") and raw.endswith(b"\r\n")
    assert {line[name] for name in ("question", "expected", "base", "tuned")} == {text}


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text):
    _, [line] = read([row(text, text, text, question=text, source=text)])
    for name in ("question", "expected", "base", "tuned", "source"):
        assert line[name] == f"'{printable(text)}"


@pytest.mark.parametrize("text", ["1-1", "a=b", "e@x.y", "「=」", "’=", ".-"])
def test_other_texts_get_no_apostrophe(text):
    _, [line] = read([row(text, text, text)])
    assert line["base"] == text


def test_what_no_spreadsheet_holds_is_replaced():
    _, [line] = read([row("nul\0 half \ud800 esc \x1b del \x7f", "tab\tok", "x")])
    assert line["base"] == "nul\ufffd half \ufffd esc \ufffd del \ufffd" and line["tuned"] == "tab\tok"


def test_scores_stand_in_the_csv_as_numbers():
    rows = [row(BAD, GOOD, number=7), row(BAD, GOOD, "", number=None, source="yours")]
    raw, [first, second] = read(rows)
    assert first["row"] == "7" and first["change"] == "better" and first["tuned_chrf"] == "100.0"
    assert (first["base_exact"], first["tuned_exact"], first["tuned_ended"]) == ("0", "1", "1")
    assert first["base_valid_json"] == second["base_chrf"] == second["row"] == second["change"] == ""
    assert second["base_ended"] == "1"
    assert b'7,"held_out","Who?"' in raw  # Texts are quoted, numbers are not.


def test_a_side_without_an_answer_is_empty():
    _, [line] = read([{**row(BAD, GOOD), "tuned": None}])
    assert line["tuned"] == line["tuned_chrf"] == "" and line["base"] == BAD and line["base_chrf"]


def test_no_rows_are_a_heading():
    assert to_csv([]).count(b"\r\n") == 1 and to_jsonl([]) == b""


@pytest.mark.parametrize("text", [*TEXTS, *FORMULAS, "nul\0", "half \ud800", "\udcff", "\u2028 \u2029", "\x85"])
def test_json_lines_are_exact(text):
    rows = compare_answers([row(text, text, text, question=text), row(BAD, GOOD)])
    lines = to_jsonl(rows).decode("utf-8").removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == rows


def test_json_lines_are_readable():
    assert "こんにちは" in to_jsonl(compare_answers([row("こんにちは", "x")])).decode()
