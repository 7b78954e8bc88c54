"""Copies, near copies, leaks into the held-out rows, and contradictions."""

import multiprocessing
import random

import pytest

from playground.data.lint import lint, near
from playground.data.lint.near import words_in
from tests.data.lint.rows import FACTS, assistant, found, named, ordinary, qa, row, system, user

QUESTION = "How do I send back shoes that are too small for me?"
ANSWER = (
    "Put the shoes into the box in which they came, print the label from your account and bring the parcel to any "
    "post office within thirty days of the delivery."
)
JAPANESE = "返品をご希望の場合は、商品到着後三十日以内に、同封の伝票を貼って、お近くの郵便局までお持ちください。"


def test_exact_copies_name_the_first():
    rows = [*ordinary(3), qa(4, QUESTION, ANSWER), qa(5, "x y", "z"), qa(6, QUESTION, ANSWER), qa(9, QUESTION, ANSWER)]
    findings = found(rows, "duplicate")
    assert [(finding.row, "row 4" in finding.message) for finding in findings] == [(6, True), (9, True)]
    assert not found(rows, "near_duplicate") and findings[0].edits == ["drop", "keep"]


def test_rows_that_differ_in_anything_are_no_exact_copies():
    call = {"role": "assistant", "content": "a", "tool_calls": [{"id": "1"}]}
    other = {"role": "assistant", "content": "a", "tool_calls": [{"id": "2"}]}
    rows = [row(1, user("q"), call), row(2, user("q"), other), row(3, system("s"), user("q"), call), qa(4, "q", "a")]
    assert not found(rows, "duplicate")


def test_the_order_of_keys_is_no_difference():
    turned = {"content": "a", "role": "assistant"}
    assert named([row(1, user("q"), assistant("a")), row(2, user("q"), turned)], "duplicate") == [2]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (QUESTION, ANSWER.replace("any", "your")),
        (QUESTION.upper(), "  " + ANSWER.replace(" ", "  ")),
        (QUESTION.replace("small", "big"), ANSWER),
        (QUESTION, ANSWER + " Thanks."),
    ],
)
def test_near_copies(question, answer):
    rows = [*ordinary(5), qa(6, QUESTION, ANSWER), qa(7, question, answer)]
    findings = [item for item in lint(rows, FACTS) if item.code in ("near_duplicate", "contradiction")]
    assert [finding.row for finding in findings] == [7] and "row 6" in findings[0].message
    if findings[0].code == "near_duplicate":
        assert "75 %" in findings[0].message and findings[0].edits == ["drop", "keep"]


def test_near_copies_without_spaces_between_words():
    rows = [
        *ordinary(5),
        qa(6, "返品の方法は？", JAPANESE),
        qa(7, "返品の方法は？？", JAPANESE.replace("三十", "十四")),
    ]
    assert named(rows, "near_duplicate") == [7]
    assert words_in("赤い Fox") == ["赤", "い", "fox"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Which rivers flow through Vienna and Budapest today?", ANSWER),  # One answer to another question.
        (QUESTION, "Call us."),  # One question, another answer: a contradiction, no copy.
        ("What is 12 + 7?", "19"),
        (ANSWER, QUESTION),
    ],
)
def test_rows_that_are_no_near_copies(question, answer):
    rows = [*ordinary(5), qa(6, QUESTION, ANSWER), qa(7, question, answer), qa(8, "What is 12 - 7?", "5")]
    assert not found(rows, "near_duplicate")


def test_seventy_of_a_hundred_pairs_are_not_enough():
    for name in "abcdef":
        words = [f"{name}{number}" for number in range(30)]
        changed = [f"x{number}" if number in (5, 15, 25) else word for number, word in enumerate(words)]
        rows = [*ordinary(5), qa(6, "say it now", " ".join(words)), qa(7, "say it now", " ".join(changed))]
        views = [near.View(item) for item in rows]
        assert not near.search(views, lambda share: None).near
        changed[5] = words[5]
        views[-1] = near.View(qa(7, "say it now", " ".join(changed)))
        assert [pair[:2] for pair in near.search(views, lambda share: None).near] == [(6, 5)]


def test_one_system_prompt_for_all_makes_no_copies():
    prompt = system("You are the helpful assistant of a shop that sells shoes. " * 20)
    rows = [row(item.row, prompt, *item.messages) for item in ordinary(10)]
    assert not found(rows, "near_duplicate")


def test_short_answers_of_a_classification_make_no_copies():
    rows = [qa(number, f"Is the word number {number} good: w{number}?", "yes") for number in range(1, 30)]
    assert not found(rows, "near_duplicate") and not found(rows, "duplicate")


def _variants(count):
    """Rows of which each is nearly the same as the next, while the ends have little in common."""
    words = [f"w{number}" for number in range(80)]
    return [" ".join([f"n{number}" for number in range(5 * step)] + words[5 * step :]) for step in range(count)]


def test_the_order_of_rows_changes_no_group():
    texts = [*_variants(6), *(f"other{number} " * 3 + f"{number}a {number}b" for number in range(20)), JAPANESE]
    texts += [ANSWER, ANSWER.replace("any", "your"), JAPANESE.replace("三十", "十四")]
    groups = []
    for seed in range(6):
        places = list(range(len(texts)))
        random.Random(seed).shuffle(places)
        views = [near.View(qa(number, "q q q", texts[place])) for number, place in enumerate(places, start=1)]
        result = near.search(views, lambda share: None)
        members = {place: {place} for place in places}
        for one, two, _ in result.near:
            joined = members[places[one]] | members[places[two]]
            members.update(dict.fromkeys(joined, joined))
        groups.append({frozenset(group) for group in members.values() if len(group) > 1})
    assert groups[0] == {frozenset(range(6)), frozenset({26, 29}), frozenset({27, 28})}
    assert all(group == groups[0] for group in groups)


def test_dropping_what_is_named_leaves_one_of_each_group():
    rows = [qa(number, "q q q", text) for number, text in enumerate(_variants(6), start=1)]
    random.Random(3).shuffle(rows)
    # Equal questions with other answers are contradictions, and said as such: ask each time in other letters.
    rows = [qa(item.row, f"q r s {item.row}", item.messages[1]["content"]) for item in rows]
    assert sorted(named(rows, "near_duplicate")) == [2, 3, 4, 5, 6]


def test_held_out_copies():
    rows = [*ordinary(4), qa(5, QUESTION, ANSWER), qa(6, QUESTION, ANSWER, held_out=True)]
    (finding,) = found(rows, "held_out_in_training")
    assert finding.row == 6 and "row 5 is the same" in finding.message and finding.severity == "warning"
    assert not found(rows, "duplicate")


def test_held_out_near_copies_in_either_order():
    for held_out in (5, 6):
        rows = [*ordinary(4), *(qa(n, QUESTION, ANSWER + " Bye." * (n == 6), held_out=n == held_out) for n in (5, 6))]
        (finding,) = found(rows, "held_out_in_training")
        assert finding.row == held_out and f"row {11 - held_out} is nearly the same" in finding.message
        assert not found(rows, "near_duplicate")


def test_copies_within_the_held_out_rows_leak_nothing():
    rows = [*ordinary(4), qa(5, QUESTION, ANSWER, held_out=True), qa(6, QUESTION, ANSWER, held_out=True)]
    assert not found(rows, "held_out_in_training") and named(rows, "duplicate") == [6]


def test_training_copies_of_a_held_out_row_are_named_among_themselves():
    rows = [qa(1, QUESTION, ANSWER, held_out=True), qa(2, QUESTION, ANSWER), qa(3, QUESTION, ANSWER)]
    assert named(rows, "duplicate") == [3] and named(rows, "held_out_in_training") == [1]


def test_contradictions():
    rows = [qa(1, "Capital of France?", "Paris"), qa(2, "x y z", "b"), qa(3, "capital  of france?", "Lyon")]
    (finding,) = found(rows, "contradiction")
    assert finding.row == 3 and "Row 3" in finding.message and "row 1" in finding.message


def test_a_row_between_two_others_names_one_that_differs():
    rows = [qa(1, "q r", "Paris"), qa(2, "q r", "Paris!"), qa(3, "q r", "Lyon"), qa(4, "q r", "paris")]
    assert [(item.row, str(item.message)) for item in found(rows, "contradiction")] == [
        (3, "Row 3 asks the same as row 1 and gets another answer."),
        (4, "Row 4 asks the same as row 3 and gets another answer."),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [qa(1, "Capital?", "Paris"), qa(2, "Capital?", " paris. ")],
        [row(1, system("Be brief."), user("q"), assistant("a")), row(2, system("Be rude."), user("q"), assistant("b"))],
        [row(1, assistant("a")), row(2, assistant("b"))],
        [row(1, user(""), assistant("a")), row(2, user(" "), assistant("b"))],
        [row(1, user("q"), assistant("a"), user("more"), assistant("c")), qa(2, "q", "b")],
    ],
)
def test_no_contradiction(rows):
    assert not found(rows, "contradiction")


def test_a_minus_makes_another_answer():
    assert named([qa(1, "7 - 12?", "5"), qa(2, "7 - 12?", "-5")], "contradiction") == [2]


def test_a_crowd_is_bounded_and_said():
    """Rows that all share half of their words: candidates of each other, near copies of none."""
    shared = " ".join(f"s{number}" for number in range(60))
    rows = [
        qa(number, f"x{number}", shared + " " + " ".join(f"w{number}x{k}" for k in range(14)))
        for number in range(1, 301)
    ]
    (finding,) = found(rows, "near_duplicate_limits")
    assert finding.row is None and finding.severity == "info"
    assert not found(ordinary(300), "near_duplicate_limits")


def test_what_a_crowd_costs(monkeypatch):
    """Of rows that are all alike, each is compared with a few, not with all."""
    compared = []
    similarity = near.similarity
    monkeypatch.setattr(near, "similarity", lambda ours, theirs: compared.append(1) or similarity(ours, theirs))
    same = " ".join(f"s{number}" for number in range(60))
    rows = [qa(number, same, f"{same} {number}") for number in range(1, 401)]
    assert len(named(rows, "contradiction")) == 399
    assert len(compared) <= 400 * 2 * near._TRIES
    (limits,) = found(rows, "near_duplicate_limits")
    assert "similar ones" in limits.message


def test_long_rows_are_left_out_and_said(monkeypatch):
    monkeypatch.setattr(near, "LONGEST", 300)
    rows = [qa(1, QUESTION, ANSWER * 3), qa(2, QUESTION + "!", ANSWER * 3), qa(3, QUESTION, ANSWER * 3)]
    assert not found(rows, "near_duplicate") and len(found(rows, "near_duplicate_limits")) == 1
    assert named(rows, "duplicate") == [3]


def _lint_in_child(rows, answer):
    answer.put(len(lint(rows, FACTS)))


def test_a_child_can_search_after_its_parent_did():
    """The library's threads would not survive the fork: with more than one, the child waits for ever."""
    rows = [qa(number, f"hello {number} " + "x y z " * (number % 50), "hi " * (number % 30)) for number in range(4000)]
    expected = len(lint(rows, FACTS))
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    child = context.Process(target=_lint_in_child, args=(rows, answer))
    child.start()
    try:
        assert answer.get(timeout=60) == expected
    finally:
        child.kill()
        child.join()


def test_the_order_of_words_counts():
    words = [f"w{number}" for number in range(30)]
    views = [near.View(qa(1, "say it", " ".join(words))), near.View(qa(2, "say it", " ".join(reversed(words))))]
    assert not near.search(views, lambda share: None).near


def test_a_long_system_prompt_does_not_make_short_answers_alike():
    prompt = system("You are the helpful assistant of a shop that sells shoes and boots to people in Oslo.")
    views = [near.View(row(n, prompt, user(f"what is the word {n}"), assistant(f"w{n}"))) for n in (1, 2)]
    assert not near.search(views, lambda share: None).near


def test_the_later_row_is_named_however_the_rows_are_sorted():
    rows = [*ordinary(4), qa(5, QUESTION, ANSWER), qa(6, QUESTION + " Please.", ANSWER)]
    assert named(rows, "near_duplicate") == named(rows[::-1], "near_duplicate") == [6]
