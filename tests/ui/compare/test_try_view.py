"""The table of answers as HTML: what stands in it, what a filter leaves, and that no text becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from playground.core.errors import InputError
from playground.core.i18n import LANGUAGES
from playground.runs.try_table import compare_answers, summary
from playground.ui.compare.try_view import FILTERS, filter_choices, try_view
from playground.ui.page import STYLES
from tests.runs.test_try_table import BAD, GOOD, row

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "${value} {{x}} `y`",
    "a\r\nb",
    "nul\0here",
    "half \ud800",
    "👩‍👩‍👧",
    "</td></tr></table>",
    "&lt;b&gt;",
]


def shown(*rows, language="en", show="all"):
    made = compare_answers(rows)
    return try_view(made, summary(made), language, show)


class Reader(HTMLParser):
    """Tags, cells and whether all is closed that was opened."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text, self.cells = [], [], "", []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, given):
        self.tags.append((tag, dict(given)))
        if tag not in ("path", "circle", "img", "br"):
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag, given):
        self.tags.append((tag, dict(given)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text += text
        if {"td", "th"} & set(self.open):
            self.cells[-1] += text


def answers(html):
    """The cells of the answers' table, row by row."""
    table = html[html.index('<table class="try-table"') :]
    rows = re.findall(r'<tr role="row">(.*?)</tr>', table, re.DOTALL)[1:]
    return [Reader(one).cells for one in rows]


FOUR = [row(number=3), row(GOOD, BAD, number=5), row(GOOD, GOOD, number=8), row(number=9)]


def test_each_row_stands_there_with_its_texts_and_scores():
    [cells, *_] = answers(shown(*FOUR))
    assert cells[0] == "Row 3Tuned is betterWho?" and cells[1] == GOOD
    assert cells[2].startswith(f"{BAD}chrF ") and cells[2].endswith("0.80 × as long · ended by itself")
    assert cells[3] == f"{GOOD}exactly as expected · 1.00 × as long · ended by itself"


def test_an_answer_that_ran_on_says_so():
    [cells] = answers(shown(row(ended=("length", "stop"))))
    assert cells[2].endswith("ran on and was cut") and cells[3].endswith("ended by itself")


def test_json_is_told():
    expected = '{"a": 1}'
    cells = [answers(shown(row("no", text, expected)))[0] for text in ('{"a": 2}', '{"b": 2}')]
    assert "no valid JSON" in cells[0][2] and "JSON of the expected shape" in cells[0][3]
    assert "JSON of another shape" in cells[1][3]
    assert "JSON" not in answers(shown(row()))[0][2]


def test_what_was_not_compared_has_no_mark():
    [own, missing, stopped, blank] = answers(
        shown(
            row(expected="", number=None, source="yours"),
            {**row(), "tuned": None},
            row(ended=("cancelled", "")),
            row(tuned=" "),
        )
    )
    assert own[0] == "your questionWho?" and own[1] == "none" and own[3] == f"{GOOD}ended by itself"
    assert missing[0] == "Row 1Who?" and missing[3] == "Not answered."
    assert stopped[2] == f"{BAD}stopped" and stopped[3] == f"{GOOD}not finished"
    assert blank[3].startswith("The answer is empty.chrF 0.0")


@pytest.mark.parametrize(("show", "numbers"), [("all", "3589"), ("better", "39"), ("worse", "5"), ("same", "8")])
def test_a_filter_leaves_its_rows(show, numbers):
    html = shown(*FOUR, show=show)
    assert [cells[0][4] for cells in answers(html)] == list(numbers)
    assert f"{len(numbers)} of 4 rows" in html
    # What it says together is of all rows, whatever is shown.
    assert "Better: 2, worse: 1, same: 1." in html and dict(filter_choices(compare_answers(FOUR), "en")) == {
        "All rows (4)": "all",
        "Better (2)": "better",
        "Worse (1)": "worse",
        "Same (1)": "same",
    }


def test_a_filter_that_leaves_nothing_says_so():
    html = shown(row(), show="worse")
    assert "No such rows" in html and "try-table" not in html and "0 of 1 row<" in html


@pytest.mark.parametrize("show", ["", "best", "<b>", None])
def test_another_filter_is_refused(show):
    with pytest.raises(InputError, match="all, better, worse, same"):
        shown(row(), show=show)


def test_mean_scores_and_intervals():
    rows = [row(BAD, GOOD[:n]) for n in range(18, 26)]
    html = shown(*rows)
    [measure] = [one for one in summary(compare_answers(rows))["measures"] if one["name"] == "chrf"]
    cells = Reader(html[html.index("<table") : html.index("</table>") + 8]).cells
    assert cells[4] == "Nearness (chrF)" and cells[5] == f"{measure['base']:.1f}"
    assert cells[7] == f"+{measure['change']:.1f}+{measure['low']:.1f} to +{measure['high']:.1f}"
    assert 'class="try-verdict is-better"' in html and "95 % interval: where it holds 0" in html


def test_few_rows_show_no_interval():
    html = shown(row(), row())
    assert "is-few" in html and "try-span" not in html and "95 % interval:" not in html


def test_everyday_questions_are_told_apart():
    html = shown(*[row()] * 6, row(source="general", number=None))
    assert "not counted above: 1." in html and answers(html)[-1][0].startswith("an everyday question")
    assert "not counted above" not in shown(*[row()] * 6)


def test_without_rows_it_says_so():
    html = shown()
    assert "No row has an expected answer" in html and "No such rows" in html and "<table" not in html


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_becomes_markup(text, language):
    given = compare_answers([row(text, text, text, question=text)])
    html = try_view(given, summary(given), language)
    plain = shown(row("x", "x", "x", question="x"), language=language)
    assert [tag for tag, _ in Reader(html).tags] == [tag for tag, _ in Reader(plain).tags]
    assert not {"$", "{", "`", "\0"} & set(html)
    html.encode()  # No lone surrogate is left, which no answer to a browser could hold.
    if text.isprintable():
        assert answers(html)[0][1] == text


def test_long_texts_are_cut_for_the_page_alone():
    [cells] = answers(shown(row("a" * 5_000, GOOD)))
    assert cells[2].startswith("a" * 1_500 + "…")


def test_japanese_throughout():
    html = shown(*FOUR, *FOUR, row(source="general", number=None), language="ja")
    text = Reader(html.replace("<", " <")).text.replace(GOOD, "").replace(BAD, "").replace("Who?", "")
    assert set(re.findall("[A-Za-z]{3,}", text)) == {"chrF", "JSON"}
    assert [words for words, _ in filter_choices(compare_answers(FOUR), "ja")][0] == "すべての行 (4)"


def test_cells_name_themselves_for_cards_and_for_readers():
    tags = Reader(shown(*FOUR)).tags
    cells = [given for tag, given in tags if tag == "td"]
    assert cells and all(given["data-label"] and given["role"] == "cell" for given in cells)
    assert all(given["role"] == "table" and given["aria-label"] for tag, given in tags if tag == "table")


def test_every_class_has_its_style():
    html = shown(*FOUR, *FOUR)
    css = "".join(Path(path).read_text(encoding="utf-8") for path in STYLES)
    used = {name for value in re.findall(r'class="([^"]*)"', html) for name in value.split() if name.startswith("try")}
    assert len(used) > 10 and {name for name in used if f".{name}" not in css} == set()


def test_the_filters_are_those_of_the_table():
    assert FILTERS == ("all", "better", "worse", "same")
