from playground.errors import InputError
from playground.ui.markup import duration, escape, findings, refusal
from playground.words import Sentence


def finding(row, code="short", severity="warning", message="Short."):
    return {"row": row, "code": code, "severity": severity, "message": Sentence(message), "fix": None}


def test_escape_leaves_nothing_for_html_or_for_the_browsers_templates():
    assert escape("<a href='x'>${y}{{z}}`") == "&lt;a href=&#x27;x&#x27;&gt;&#36;&#123;y}&#123;&#123;z}}&#96;"


def test_findings_of_one_kind_are_one_item_that_names_its_rows():
    html = findings([finding(row) for row in range(1, 10)], "en")
    assert html.count("<li") == 1
    assert "Rows 1, 2, 3, 4, 5, 6 and 3 more" in html


def test_the_gravest_finding_comes_first():
    html = findings([finding(1, "a", "info"), finding(2, "b", "error"), finding(3, "c", "warning")], "en")
    assert html.index("Row 2") < html.index("Row 3") < html.index("Row 1")


def test_findings_about_the_whole_are_not_merged():
    html = findings([finding(None, message="One."), finding(None, message="Two.")], "en")
    assert "One." in html and "Two." in html


def test_findings_escape_what_they_quote():
    assert "<img" not in findings([finding(1, message="<img src=x>")], "en")


def test_no_findings_no_list():
    assert findings([], "en") == ""


def test_a_refusal_keeps_its_three_parts_apart():
    html = refusal(InputError(Sentence("A."), Sentence("B."), Sentence("C.")), "en")
    assert html.count("<p>") == 3 and 'role="alert"' in html


def test_durations_read_as_people_say_them():
    assert [duration(seconds, "en") for seconds in (-1, 59.4, 60, 200)] == ["0 s", "59 s", "1 min 0 s", "3 min 20 s"]
    assert duration(200, "ja") == "3 分 20 秒"
