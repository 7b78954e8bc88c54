"""Votes: what one may be, what may be said of many, and preference rows that TRL takes."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import DPOConfig, DPOTrainer
from trl.data_utils import apply_chat_template, is_conversational

from playground.core.errors import InputError, LimitError
from playground.runs.votes import (
    LONGEST_COMMENT,
    MOST_VOTES,
    LeftOut,
    Tally,
    Vote,
    exact_interval,
    from_jsonl,
    left_out,
    shuffled,
    tally,
    to_dpo,
    to_jsonl,
    with_vote,
)

pytest_plugins = ["tests.tiny"]

ASKED = [{"role": "user", "content": "Who are you?"}]


def vote(choice: Any = "a", **changed: Any) -> Vote:
    values: dict[str, Any] = {
        "question": ASKED, "a": "base", "b": "tuned", "answer_a": "A model.", "answer_b": "I am Mochi.",
        "choice": choice, "comment": "", "blind": True, "at": 1.5,
    }  # fmt: skip
    return Vote(**{**values, **changed})


# One vote


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"choice": "c"}, "The choice of a vote is 'c'. It is one of a, b, tie."),
        ({"choice": None}, "A vote's choice is null."),
        ({"question": ()}, "A vote's question is an object."),
        ({"question": []}, "The question of a vote has no messages."),
        ({"question": [{"role": "robot", "content": ""}]}, "The question of a vote, message 1 has the role 'robot'."),
        ({"question": [*ASKED, {"role": "assistant", "content": "x"}]}, "ends with the role assistant."),
        ({"a": "tuned"}, "The sides of a vote are called 'tuned' and 'tuned'."),
        ({"a": ""}, "The sides of a vote are called '' and 'tuned'."),
        ({"b": ""}, "The sides of a vote are called 'base' and ''."),
        ({"answer_b": 3}, "A vote's answer_b is a number."),
        ({"blind": 1}, "A vote's blind is a number."),
        ({"at": True}, "A vote's at is true or false."),
        ({"at": math.nan}, "A vote has something in it that JSON cannot hold."),
        ({"comment": "\ud800"}, "A vote has something in it that JSON cannot hold."),
        ({"question": [{**ASKED[0], "note": (1,)}]}, "A vote has something in it that JSON cannot hold."),
    ],
)
def test_what_is_no_vote(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        vote(**changed)
    assert said in str(caught.value)


def test_a_comment_has_an_end() -> None:
    assert vote(comment="x" * LONGEST_COMMENT)
    with pytest.raises(LimitError, match="2001 characters. A comment has at most 2000 characters."):
        vote(comment="x" * (LONGEST_COMMENT + 1))


def test_a_vote_does_not_change_with_the_conversation() -> None:
    conversation = [dict(message) for message in ASKED]
    cast = vote(question=conversation)
    conversation[0]["content"] = "Something else"
    assert cast.question == ASKED
    with pytest.raises(dataclasses.FrozenInstanceError):
        cast.choice = "b"  # type: ignore[misc]


@pytest.mark.parametrize(("choice", "winner"), [("a", "base"), ("b", "tuned"), ("tie", None)])
def test_the_winner_is_a_name(choice: str, winner: str | None) -> None:
    assert vote(choice).winner == winner


# The order of sides


def test_the_same_key_gives_the_same_order() -> None:
    # By openssl dgst -sha256 -hmac, sorted: another order would mix up the exchanges that are still blind.
    assert shuffled(5, b"sixteen bytes ok") == [1, 0, 4, 3, 2]


def test_all_orders_are_equally_likely() -> None:
    keys = random.Random(0)
    seen = Counter(tuple(shuffled(3, keys.randbytes(16))) for _ in range(6000))
    assert set(seen) == set(itertools.permutations(range(3)))
    # Five degrees of freedom: chi square exceeds 25.7 once in 10,000 times; the keys are fixed.
    assert sum((count - 1000) ** 2 / 1000 for count in seen.values()) < 25.7


def test_a_key_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="15 bytes can be guessed"):
        shuffled(2, b"x" * 15)


# What may be said


@pytest.mark.parametrize(
    ("won", "decided", "low", "high"),
    [
        # Closed forms: with no win, high is 1 - 0.025 ** (1 / n).
        (0, 10, 0.0, 1 - 0.025 ** (1 / 10)),
        (10, 10, 0.025 ** (1 / 10), 1.0),
        (5, 5, 0.025 ** (1 / 5), 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_at_its_ends(won: int, decided: int, low: float, high: float) -> None:
    assert exact_interval(won, decided) == pytest.approx((low, high), abs=1e-9)


@given(decided=st.integers(1, 300), part=st.floats(0, 1))
def test_the_interval_is_where_the_binomial_tails_are_two_and_a_half_percent(decided: int, part: float) -> None:
    won = round(part * decided)
    low, high = exact_interval(won, decided)

    def at_least(wins: int, share: float) -> float:
        ways = range(wins, decided + 1)
        return sum(math.comb(decided, k) * share**k * (1 - share) ** (decided - k) for k in ways)

    assert 0 <= low <= won / decided <= high <= 1
    if won:
        assert at_least(won, low) == pytest.approx(0.025, rel=1e-5)
    if won < decided:
        assert 1 - at_least(won + 1, high) == pytest.approx(0.025, rel=1e-5)


def test_the_interval_does_not_break_on_the_most_votes() -> None:
    low, high = exact_interval(MOST_VOTES // 2, MOST_VOTES)
    assert 0.47 < low < 0.5 < high < 0.53 and low + high == pytest.approx(1)


@pytest.mark.parametrize(
    ("first", "second", "uneven"),
    [
        (0, 0, False),
        (4, 0, False),
        (5, 0, False),
        (6, 0, True),
        (0, 6, True),
        (9, 1, True),
        (8, 2, False),
        (50, 50, False),
    ],
)
def test_uneven_is_what_a_two_sided_sign_test_calls_so(first: int, second: int, uneven: bool) -> None:
    counted = Tally("base", "tuned", True, first, second, 3)
    decided = first + second
    chance = sum(math.comb(decided, k) for k in range(max(first, second), decided + 1)) / 2**decided
    assert counted.is_uneven == uneven == (2 * chance < 0.05)


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        (Tally("base", "tuned", True, 0, 4, 9), "Decided votes so far: 4. Nothing can be said with fewer than 5."),
        (Tally("base", "tuned", True, 0, 0, 0), "Decided votes so far: 0. Nothing can be said with fewer than 5."),
        (
            Tally("base", "tuned", True, 0, 5, 0),
            "No difference beyond chance: tuned was chosen over base in 5 of 5 decided votes (95 % interval 47.8 to "
            "100.0 %).",
        ),
        (
            Tally("base", "tuned", True, 9, 1, 0),
            "base was chosen over tuned in 9 of 10 decided votes, more often than chance explains (95 % interval 55.5 "
            "to 99.7 %).",
        ),
        (
            Tally("base", "tuned", False, 1, 9, 0),
            "tuned was chosen over base in 9 of 10 decided votes, more often than chance explains (95 % interval 55.5 "
            "to 99.7 %). But the names were in sight, so it may be the name that was chosen.",
        ),
    ],
)  # fmt: skip
def test_what_may_be_said(counted: Tally, said: str) -> None:
    assert counted.said() == said
    assert counted.said().to("ja") != said


def test_sides_are_told_by_name_and_blind_votes_apart() -> None:
    votes = [
        vote("a"),
        vote("b", a="tuned", b="base"),  # The same pair, sides swapped: base again.
        vote("a", a="tuned", b="base"),
        vote("tie"),
        vote("a", blind=False),
        vote("b", b="another"),
    ]
    assert tally(votes) == [
        Tally("another", "base", True, 1, 0, 0),
        Tally("base", "tuned", True, 2, 1, 1),
        Tally("base", "tuned", False, 1, 0, 0),
    ]
    assert tally(votes)[1].share == pytest.approx(2 / 3)
    assert Tally("a", "b", True, 0, 0, 4).share is None
    assert tally([]) == []


def test_votes_have_an_end() -> None:
    full = [vote()] * MOST_VOTES
    assert len(with_vote(full[1:], vote("b"))) == MOST_VOTES
    line = to_jsonl([vote()])
    for refused in (
        lambda: with_vote(full, vote()),
        lambda: tally([*full, vote()]),
        lambda: to_dpo([*full, vote()]),
        lambda: to_jsonl([*full, vote()]),
        lambda: from_jsonl(line * (MOST_VOTES + 1)),
    ):
        with pytest.raises(LimitError, match="There are 2001 votes. At most 2000 votes are kept."):
            refused()


def test_a_vote_is_added_to_a_new_list() -> None:
    votes = [vote()]
    assert with_vote(votes, vote("b")) == [vote(), vote("b")] and votes == [vote()]


# Files

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user"]), "content": TEXTS}, optional={"extra": st.just({"a": [1, 0.1, None]})}
)
VOTES = st.builds(
    Vote,
    question=st.lists(MESSAGES, max_size=3).map(lambda before: [*before, *ASKED]),
    a=TEXTS.map("a{}".format),
    b=TEXTS.map("b{}".format),
    answer_a=TEXTS,
    answer_b=TEXTS,
    choice=st.sampled_from(["a", "b", "tie"]),
    comment=TEXTS,
    blind=st.booleans(),
    at=st.one_of(st.integers(0, 2**50), st.floats(allow_nan=False, allow_infinity=False)),
)  # fmt: skip


@given(st.lists(VOTES, max_size=4))
def test_votes_come_back_as_they_went(votes: list[Vote]) -> None:
    back = from_jsonl(to_jsonl(votes))
    assert back == votes
    assert [type(each.at) for each in back] == [type(each.at) for each in votes]


def test_a_line_of_a_text_is_no_line_of_the_file() -> None:
    votes = [vote(comment="one\u2028two\x85three\nfour\x0b")]
    assert to_jsonl(votes).count("\n") == 1
    assert from_jsonl("\n" + to_jsonl(votes) + "  \r\n") == votes


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 2 is no vote. A vote is an object with question, a, b,"),
        ("[]", "Line 2 is no vote."),
        ('{"a": "base"}', "Line 2 is no vote."),
        (json.dumps({**dataclasses.asdict(vote()), "more": 1}), "Line 2 is no vote."),
        (
            json.dumps({**dataclasses.asdict(vote()), "choice": "c"}),
            "Line 2: The choice of a vote is 'c'. It is one of",
        ),
    ],
)
def test_a_bad_line_is_named(line: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        from_jsonl(to_jsonl([vote()]) + line)
    assert said in str(caught.value)


def test_a_long_comment_in_a_file_is_a_limit() -> None:
    with pytest.raises(LimitError, match="Line 1: The comment has 3000 characters."):
        from_jsonl(json.dumps({**dataclasses.asdict(vote()), "comment": "x" * 3000}))


# Preference rows


def rows(votes: list[Vote]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in to_dpo(votes).splitlines()]


def test_the_chosen_answer_is_chosen() -> None:
    assert rows([vote("a"), vote("b")]) == [
        {
            "prompt": ASKED,
            "chosen": [{"role": "assistant", "content": "A model."}],
            "rejected": [{"role": "assistant", "content": "I am Mochi."}],
        },
        {
            "prompt": ASKED,
            "chosen": [{"role": "assistant", "content": "I am Mochi."}],
            "rejected": [{"role": "assistant", "content": "A model."}],
        },
    ]


def test_ties_and_equal_answers_are_left_out_and_counted_once() -> None:
    same = {"answer_a": "Hm.", "answer_b": "Hm."}
    votes = [vote("tie"), vote("tie", **same), vote("a", **same), vote("b")]
    assert len(rows(votes)) == 1
    assert left_out(votes) == LeftOut(ties=2, equal=1)
    assert to_dpo(votes[:3]) == ""


def test_trl_takes_the_rows_and_trains_on_them(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    longer = [{"role": "system", "content": "Be brief."}, *ASKED, {"role": "assistant", "content": "Mochi."}, *ASKED]
    given = rows([vote("a"), vote("b", question=longer)])
    assert all(is_conversational(row) for row in given)
    shown = apply_chat_template(given[1], tokenizer)
    assert shown["chosen"] == "I am Mochi.<|im_end|>\n" and shown["prompt"].endswith("<|im_start|>assistant\n")
    settings = DPOConfig(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=2, learning_rate=1e-2, bf16=False,
        report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no",
        logging_steps=1,
    )  # fmt: skip
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    trainer = DPOTrainer(model, args=settings, train_dataset=Dataset.from_list(given), processing_class=tokenizer)
    result = trainer.train()
    # The policy is still its own reference in the first step: the loss is that of not knowing, log 2.
    assert result.training_loss == pytest.approx(math.log(2), abs=1e-3)
    assert any(not weights.equal(before[name]) for name, weights in model.named_parameters())
