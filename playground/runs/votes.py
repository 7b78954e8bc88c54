"""Which of two answers a person liked better: votes, what they allow to be said, and preference pairs out of them.

    Vote -> tally -> how often each side won, and whether that is more than chance
         -> to_dpo -> rows for TRL's DPOTrainer

Knows nothing of models or pages. A side is a name; two votes are about the same side where the names are equal.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

import orjson

from playground.core.errors import InputError, LimitError
from playground.core.i18n import Sentence, say
from playground.core.messages import Message, check_messages, json_kind

MOST_VOTES = 2_000
LONGEST_COMMENT = 2_000
"""In characters."""
LEAST_DECIDED = 5
"""Fewer decided votes than this are not spoken about."""
CHOICES = ("a", "b", "tie")
_LEVEL = 0.95
_SHORTEST_KEY = 16


@dataclass(frozen=True)
class Vote:
    """One choice between two answers to the same question.

    Raises InputError for a value of the wrong kind, LimitError for a comment that is too long.
    """

    question: list[Message]
    """The conversation up to and including the user's message that was answered."""
    a: str
    """What stood on side a: "base", or a run's or a step's name."""
    b: str
    answer_a: str
    answer_b: str
    choice: Literal["a", "b", "tie"]
    comment: str
    blind: bool
    """Whether the names were hidden until the choice was made."""
    at: float
    """Seconds since 1970, UTC."""

    def __post_init__(self) -> None:
        _check_kinds(self)
        _check_values(self)
        # A copy of its own: a page goes on changing its list.
        object.__setattr__(self, "question", orjson.loads(orjson.dumps(self.question)))

    @property
    def winner(self) -> str | None:
        """Name of the side that was chosen; None for a tie."""
        return {"a": self.a, "b": self.b}.get(self.choice)


def _check_kinds(vote: Vote) -> None:
    kinds: dict[str, type | tuple[type, ...]] = {"question": list, "blind": bool, "at": (int, float)}
    for field in fields(Vote):
        value = getattr(vote, field.name)
        is_flag = isinstance(value, bool) and field.name != "blind"  # To Python true is a number.
        if is_flag or not isinstance(value, kinds.get(field.name, str)):
            raise InputError(
                say("A vote's {field} is {kind}.", field=field.name, kind=json_kind(value)),
                say("A vote has a question as a list of messages, two names, two answers, a choice and a comment as "
                    "text, blind as true or false, and a time in seconds."),
            )  # fmt: skip


def _check_values(vote: Vote) -> None:
    messages = check_messages(vote.question, say("The question of a vote"))
    if messages[-1]["role"] != "user":
        raise InputError(
            say("The question of a vote ends with the role {role}.", role=messages[-1]["role"]),
            say("It must end with the user's message that was answered."),
        )
    if vote.choice not in CHOICES:
        raise InputError(
            say("The choice of a vote is {choice}.", choice=repr(vote.choice)[:40]),
            say("It is one of {choices}.", choices=", ".join(CHOICES)),
        )
    if not vote.a or vote.a == vote.b or not vote.b:
        raise InputError(
            say("The sides of a vote are called {a} and {b}.", a=repr(vote.a)[:40], b=repr(vote.b)[:40]),
            say("They need two different names."),
        )
    if len(vote.comment) > LONGEST_COMMENT:
        raise LimitError(
            say("The comment has {count} characters.", count=len(vote.comment)),
            say("A comment has at most {limit} characters.", limit=LONGEST_COMMENT),
            say("Shorten the comment."),
        )
    _check_exact(asdict(vote))


def _check_exact(values: dict[str, object]) -> None:
    """What would come back from JSON as something else (half a surrogate pair, NaN, a tuple) is no vote."""
    try:
        is_exact = orjson.loads(orjson.dumps(values)) == values
    except TypeError:
        is_exact = False
    if not is_exact:
        raise InputError(
            say("A vote has something in it that JSON cannot hold."),
            say("Texts must be valid Unicode, and numbers finite."),
        )


def shuffled(count: int, key: bytes) -> list[int]:
    """The order in which the sides 0 to `count` - 1 of a blind exchange are shown; always the same for the same key.

    Sorted by HMAC-SHA256 of their numbers, so all orders are equally likely and nobody without the key can tell which.
    `key`: at least 16 bytes, a new one for each exchange, as `secrets.token_bytes(16)` gives. Raises ValueError for a
    shorter one.
    """
    if len(key) < _SHORTEST_KEY:
        raise ValueError(f"a key of {len(key)} bytes can be guessed; at least {_SHORTEST_KEY} are needed")
    return sorted(range(count), key=lambda side: hmac.digest(key, str(side).encode(), "sha256"))


def with_vote(votes: Sequence[Vote], vote: Vote) -> list[Vote]:
    """The votes and one more. Raises LimitError where there are MOST_VOTES already."""
    more = [*votes, vote]
    _check_count(len(more))
    return more


def _check_count(count: int) -> None:
    if count > MOST_VOTES:
        raise LimitError(
            say("There are {count} votes.", count=count),
            say("At most {limit} votes are kept.", limit=MOST_VOTES),
            say("Download the votes, then begin anew."),
        )


@dataclass(frozen=True)
class Tally:
    """The votes between two sides, either the blind ones or the open ones."""

    first: str
    second: str
    """In alphabetical order, whichever side each stood on."""
    blind: bool
    first_wins: int
    second_wins: int
    ties: int

    @property
    def decided(self) -> int:
        return self.first_wins + self.second_wins

    @property
    def share(self) -> float | None:
        """Share of the decided votes that `first` won, 0 to 1; None where there are none."""
        return self.first_wins / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `share`. It holds for one pair and for a number of votes that was decided on beforehand:
        who stops at a good moment, or tries many pairs, finds differences by chance."""
        return exact_interval(self.first_wins, self.decided)

    @property
    def is_uneven(self) -> bool:
        """Whether one side was chosen more often than chance explains; fewer than six decided votes never show that."""
        low, high = self.interval
        return not low <= 0.5 <= high

    def said(self) -> Sentence:
        """What may be said of these votes, and no more."""
        if self.decided < LEAST_DECIDED:
            return say(
                "Decided votes so far: {decided}. Nothing can be said with fewer than {least}.",
                decided=self.decided,
                least=LEAST_DECIDED,
            )
        low, high = self.interval
        leads = self.first_wins >= self.second_wins
        values = {
            "leader": self.first if leads else self.second,
            "other": self.second if leads else self.first,
            "wins": max(self.first_wins, self.second_wins),
            "decided": self.decided,
            "low": f"{100 * (low if leads else 1 - high):.1f}",
            "high": f"{100 * (high if leads else 1 - low):.1f}",
        }
        return _claim(values, blind=self.blind) if self.is_uneven else _no_claim(values)


def _claim(values: dict[str, object], *, blind: bool) -> Sentence:
    if blind:
        return say(
            "{leader} was chosen over {other} in {wins} of {decided} decided votes, more often than chance explains "
            "(95 % interval {low} to {high} %).",
            **values,
        )
    return say(
        "{leader} was chosen over {other} in {wins} of {decided} decided votes, more often than chance explains "
        "(95 % interval {low} to {high} %). But the names were in sight, so it may be the name that was chosen.",
        **values,
    )


def _no_claim(values: dict[str, object]) -> Sentence:
    return say(
        "No difference beyond chance: {leader} was chosen over {other} in {wins} of {decided} decided votes (95 % "
        "interval {low} to {high} %).",
        **values,
    )


def exact_interval(won: int, decided: int) -> tuple[float, float]:
    """The 95 % interval of a share by Clopper and Pearson (Biometrika 26, 1934): it holds the true share at least 95
    times in 100 however few votes there are. Wilson's is narrower, but calls 5 votes of 5 a difference, which an even
    coin gives once in 16 times. (0, 1) without votes.
    """
    return _lower(won, decided), 1 - _lower(decided - won, decided)


def _lower(won: int, decided: int) -> float:
    """The share at which winning `won` times or more has the probability 2.5 %, by halving."""
    if won == 0:
        return 0.0
    ways = [
        (wins, math.lgamma(decided + 1) - math.lgamma(wins + 1) - math.lgamma(decided - wins + 1))
        for wins in range(won, decided + 1)
    ]
    low, high = 0.0, 1.0
    for _ in range(40):
        share = (low + high) / 2
        log_won, log_lost = math.log(share), math.log1p(-share)
        tail = math.fsum(math.exp(log + wins * log_won + (decided - wins) * log_lost) for wins, log in ways)
        low, high = (low, share) if tail > (1 - _LEVEL) / 2 else (share, high)
    return (low + high) / 2


def tally(votes: Sequence[Vote]) -> list[Tally]:
    """A Tally for each pair of sides that was voted on, pairs by name, the blind votes before the open ones."""
    _check_count(len(votes))
    groups: dict[tuple[str, str, bool], list[str | None]] = {}
    for vote in votes:
        first, second = sorted((vote.a, vote.b))
        groups.setdefault((first, second, not vote.blind), []).append(vote.winner)
    return [
        Tally(first, second, not is_open, won.count(first), won.count(second), won.count(None))
        for (first, second, is_open), won in sorted(groups.items())
    ]


@dataclass(frozen=True)
class LeftOut:
    """Votes that teach no preference."""

    ties: int
    equal: int
    """A side was chosen, but both answers were the same."""


def left_out(votes: Sequence[Vote]) -> LeftOut:
    """How many votes `to_dpo` leaves out, each counted once."""
    return LeftOut(
        ties=sum(vote.winner is None for vote in votes),
        equal=sum(vote.winner is not None and vote.answer_a == vote.answer_b for vote in votes),
    )


def to_dpo(votes: Sequence[Vote]) -> str:
    """JSONL of the votes as TRL's preference rows, conversational and with an explicit prompt; "" where none is left.

        {"prompt": [{"role": "user", ...}], "chosen": [{"role": "assistant", ...}], "rejected": [...]}

    Ties and equal answers are left out: see `left_out`.
    """
    _check_count(len(votes))
    rows = []
    for vote in votes:
        if vote.winner is not None and vote.answer_a != vote.answer_b:
            answers = [vote.answer_a, vote.answer_b]
            chosen, rejected = answers if vote.choice == "a" else reversed(answers)
            rows.append({"prompt": vote.question, "chosen": _said(chosen), "rejected": _said(rejected)})
    return _lines(rows)


def _said(answer: str) -> list[Message]:
    return [{"role": "assistant", "content": answer}]


def to_jsonl(votes: Sequence[Vote]) -> str:
    """The votes themselves, a line each; `from_jsonl` gives equal ones."""
    _check_count(len(votes))
    return _lines([asdict(vote) for vote in votes])


def _lines(rows: Sequence[object]) -> str:
    return "".join(orjson.dumps(row).decode() + "\n" for row in rows)


def from_jsonl(text: str) -> list[Vote]:
    """The votes that `to_jsonl` wrote; blank lines are skipped. Raises InputError that names the line, LimitError."""
    # Not splitlines: JSON leaves U+2028 and its like as they are inside a text.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    _check_count(len(lines))
    return [_vote(number, line) for number, line in lines]


def _vote(number: int, line: str) -> Vote:
    try:
        values = orjson.loads(line)
    except ValueError:
        values = None
    if not isinstance(values, dict) or set(values) != {field.name for field in fields(Vote)}:
        raise InputError(
            say("Line {line} is no vote.", line=number),
            say("A vote is an object with {fields}.", fields=", ".join(field.name for field in fields(Vote))),
            say("Use a file of votes as it was downloaded here."),
        )
    try:
        return Vote(**values)
    except (InputError, LimitError) as error:
        where = say("Line {line}: {problem}", line=number, problem=error.arrived)
        raise type(error)(where, error.expected, error.fix) from None
