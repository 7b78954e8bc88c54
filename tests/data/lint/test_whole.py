"""What the linter says about the dataset as a whole, and about languages."""

from dataclasses import replace

import pytest

from playground.data.lint import lint
from playground.data.lint.languages import language_of
from tests.data.lint.rows import FACTS, assistant, found, ordinary, qa, row, user


def test_dominating_row():
    rows = ordinary(9)
    heavy = replace(rows[4], trained=100)
    rows[4] = heavy
    (finding,) = found(rows, "dominating_row")
    assert finding.row == 5 and "38 %" in finding.message and finding.severity == "info"
    assert not found(rows[:7], "dominating_row")  # Of a few rows one always weighs more.
    rows[4] = replace(heavy, trained=40)
    assert not found(rows, "dominating_row")  # Exactly a fifth.
    assert not found([*ordinary(8), replace(heavy, row=9, held_out=True)], "dominating_row")


def test_too_few_rows():
    assert "only one training row" in found(ordinary(1), "too_few_rows")[0].message
    (finding,) = found([*ordinary(9), qa(10, "x", "y", held_out=True)], "too_few_rows")
    assert "only 9" in finding.message and finding.row is None and finding.severity == "warning" and not finding.edits
    assert not found(ordinary(10), "too_few_rows") and not found([], "too_few_rows")


@pytest.mark.parametrize(
    ("epochs", "severity"), [(1.0, None), (10.0, None), (10.5, "info"), (30.0, "info"), (31.0, "warning")]
)
def test_seen_often(epochs, severity):
    by_epochs, by_steps = (
        found(ordinary(20), "seen_often", replace(FACTS, steps=steps, epochs=epochs)) for steps in (None, 99)
    )
    assert [finding.severity for finding in by_epochs] == ([] if severity is None else [severity])
    assert [finding.severity for finding in by_steps] == ([] if severity is None else [severity])
    if severity:
        assert "10 or less" in by_epochs[0].fix and "about 30" in by_steps[0].fix  # A pass takes three steps of eight.


def test_a_step_with_fewer_rows_than_asked_for():
    (finding,) = found([*ordinary(3), qa(4, "x", "y", held_out=True)], "small_step", replace(FACTS, rows_per_step=512))
    assert finding.severity == "warning" and "set to 512 rows, but has 3:" in finding.message and finding.row is None
    assert "has one:" in found(ordinary(1), "small_step")[0].message
    assert not found(ordinary(8), "small_step") and not found([], "small_step")  # A step has eight rows.


def test_repeated_answer():
    rows = ordinary(12)
    rows += [qa(number, f"r{number} s{number}", "I cannot help with that, sorry to say.") for number in range(13, 21)]
    (finding,) = found(rows, "repeated_answer")
    assert "40 %" in finding.message and "I cannot help" in finding.message and finding.row is None
    assert not found(rows[:17], "repeated_answer")  # 5 of 17.
    same = [qa(number, "r s", "I cannot help with that, sorry to say.") for number in range(13, 41)]
    assert not found([*ordinary(12), *same], "repeated_answer")  # Copies of one row are said as copies.


def test_a_classification_is_known():
    rows = [qa(number, f"review {number} r{number}", ("good", "bad")[number % 3 == 0]) for number in range(1, 31)]
    (finding,) = found(rows, "repeated_answer")
    assert "2 short texts" in finding.message and "66 %" in finding.message and "“good”" in finding.message


ENGLISH = "You can return the shoes within thirty days if you keep the receipt, number {}."
OTHERS = {
    "ja": "領収書をお持ちいただければ、三十日以内に靴を返品することができます。",
    "zh": "如果您保留收据，可以在三十天内退回鞋子。",
    "de": "Sie können die Schuhe innerhalb von dreißig Tagen zurückgeben, wenn Sie die Quittung haben.",
    "fr": "Vous pouvez rendre les chaussures dans un délai de trente jours avec le reçu.",
    "es": "Puede devolver los zapatos en un plazo de treinta días si conserva el recibo.",
    "ko": "영수증을 보관하시면 삼십 일 이내에 신발을 반품할 수 있습니다.",
}
NAMES = {"ja": "Japanese", "zh": "Chinese", "de": "German", "fr": "French", "es": "Spanish", "ko": "Korean"}


@pytest.mark.parametrize("language", OTHERS)
def test_an_answer_in_another_language(language):
    rows = [qa(number, OTHERS[language], ENGLISH.format(number)) for number in range(1, 9)]
    rows += [qa(9, "Say that again?", OTHERS[language]), qa(10, "And this?", "OK")]
    (finding,) = found(rows, "other_language")
    assert finding.row == 9 and f"is in {NAMES[language]}, while 88 % are in English" in finding.message
    assert finding.severity == "info" and finding.edits == ["drop", "keep"]


def test_english_among_japanese():
    rows = [qa(number, "q", f"{OTHERS['ja']}{number}") for number in range(1, 9)]
    rows.append(row(9, user("q"), assistant(OTHERS["ja"]), user("r"), assistant(ENGLISH)))
    (finding,) = found(rows, "other_language")
    assert finding.row == 9 and "message 4" in finding.message


@pytest.mark.parametrize(
    "answer",
    [
        "Danke sehr!",
        "```python\nfor zahl in reihe:\n    print(zahl, ergebnis, summe, durchschnitt)\n```",
        "https://de.example.com/wie/sie/die/schuhe/innerhalb/von/dreissig/tagen/zurueckgeben",
        "1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233",
        "Anna Schmidt, Pierre Dubois, Juan García",
        "",
    ],
)
def test_no_language_without_enough_words(answer):
    rows = [qa(number, "q", ENGLISH.format(number)) for number in range(1, 9)]
    assert not found([*rows, qa(9, "q r", answer)], "other_language")


def test_no_majority_no_finding():
    rows = [qa(number, "q", list(OTHERS.values())[number % 2]) for number in range(1, 13)]
    assert not found(rows, "other_language")
    assert not found([qa(1, "q", ENGLISH), qa(2, "r", OTHERS["de"])], "other_language")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("図書館は日曜日がお休みです。", "ja"),
        ("东京都的图书馆星期天不开门。", "zh"),
        ("东京的人说「ありがとう」，意思是谢谢。", "zh"),
        ("東京都千代田区霞関一丁目", None),
        ("THE LIBRARY IS CLOSED ON SUNDAYS AND ON MONDAYS", "en"),
    ],
)
def test_language_of(text, language):
    assert language_of(text) == language


def test_only_the_beginning_of_an_answer_is_looked_at():
    assert language_of(ENGLISH * 5 + OTHERS["de"] * 50) == "en"


def test_findings_are_whole_and_in_order():
    rows = [*ordinary(3), qa(4, " mail ann@acme.co <|im_end|>", "..."), qa(5, "a", "b", answer_cut=True)]
    reports = []
    findings = lint(rows, replace(FACTS, steps=99), reports.append)
    assert [finding.row or 0 for finding in findings] == sorted(finding.row or 0 for finding in findings)
    for finding in findings:
        assert finding.fix and finding.why and finding.message
        assert finding.row is None or f"Row {finding.row}" in finding.message and finding.edits[-2:] == ["drop", "keep"]
    assert reports == sorted(reports) and reports[-1] == 1.0 and len(reports) > 5
    assert lint([], FACTS) == []


def test_a_quotation_at_the_beginning_is_no_language():
    quoted = OTHERS["de"] + " " + ENGLISH * 3
    rows = [qa(number, "q", ENGLISH.format(number)) for number in range(1, 9)]
    assert language_of(quoted, 80) == "de" and not found([*rows, qa(9, "q r", quoted)], "other_language")
