"""What a row says of itself: which of its answers are to be learned, and whether they are any good.

    {"role": "assistant", "content": "Ahoy", "loss": false}    ->  {..., "weight": 0}: read, and not learned
    {"conversations": [...], "loss_mask": [0, 1, 0, 1]}        ->  the same, by place
    {"prompt": "Hi", "completion": "Go away", "label": false}  ->  MarkedBad: the row is left out

OpenAI and mistral-finetune call it weight, ms-swift loss, axolotl train, verl trainable, LLaMA-Factory loss_mask; label
is TRL's name in KTO rows. A mark that cannot be followed is told, never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from playground.core.errors import InputError
from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.messages import json_kind
from playground.data.schemas.column_names import fold

LEARNED = ("weight", "loss", "train", "trainable", "loss_mask")
"""Keys of a message, or columns, that say whether it is learned."""
_BY_PLACE = ("lossmask", "lossmasks", "trainmask", "lossweights", "weights")
_GOOD = (
    "label", "good", "isgood", "correct", "iscorrect", "valid", "isvalid", "accepted", "isaccepted", "approved",
    "isapproved", "passed", "helpful", "ishelpful", "desirable", "thumbsup", "thumbs", "feedback", "verdict",
    "合否", "正誤", "採用",
)  # fmt: skip
_BAD = (
    "bad", "isbad", "wrong", "iswrong", "rejected", "isrejected", "flagged", "isflagged", "spam", "isspam", "toxic",
    "istoxic", "thumbsdown", "exclude", "excluded", "不採用",
)  # fmt: skip
_GRADES = (
    "score", "scores", "rating", "ratings", "quality", "reward", "stars", "rank", "grade", "label", "評価", "スコア",
    "点数", "評点",
)  # fmt: skip
_YES = frozenset(
    (
        "1", "1.0", "true", "yes", "y", "good", "correct", "right", "up", "accepted", "approved", "chosen", "positive",
        "desirable", "pass", "passed", "ok", "thumbsup", "👍", "はい", "良い", "よい",
        "○", "〇", "正", "正解", "合格", "採用",
    )
)  # fmt: skip
_NO = frozenset(
    (
        "0", "0.0", "false", "no", "n", "bad", "incorrect", "wrong", "down", "rejected", "negative", "undesirable",
        "fail", "failed", "thumbsdown", "👎", "いいえ",
        "悪い", "×", "✗", "✕", "誤", "誤り", "不正解", "不合格", "不採用",
    )
)  # fmt: skip


class MarkedBad(InputError):
    """The row says of itself that it is not to be learned from."""


@dataclass(frozen=True)
class MarkColumns:
    """Which of a row's columns are marks."""

    learned: tuple[str, ...]
    by_place: str | None
    verdicts: tuple[tuple[str, bool], ...]
    """(column, whether yes means good)."""
    grades: tuple[str, ...]
    """Columns whose numbers say how good a row is: from where on it is bad, nobody here knows."""


@lru_cache(maxsize=4096)
def mark_columns(keys: tuple[str, ...]) -> MarkColumns:
    """What of a row with these keys may be a mark; whether it is, its value says."""
    names = {key: fold(key) for key in keys}
    return MarkColumns(
        tuple(key for key in keys if key in LEARNED),
        next((key for key, name in names.items() if name in _BY_PLACE), None),
        tuple((key, name in _GOOD) for key, name in names.items() if name in _GOOD or name in _BAD),
        tuple(key for key, name in names.items() if name in _GRADES),
    )


def says_yes(value: Any) -> bool | None:
    """What a value says that is meant as yes or no, in JSON or in a table's cell; None where it says neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return None if value not in (0, 1) else value == 1
    word = fold(value) if isinstance(value, str) and len(value) < 20 else ""
    return True if word in _YES else False if word in _NO else None


def check_marks(data: dict[str, Any], shape: str, where: Sentence) -> None:
    """Raises MarkedBad where the row says that it is bad, or that it is not to be trained on."""
    marks = mark_columns(tuple(data))
    for column in marks.learned:
        # A number under loss is one that somebody measured.
        if says_yes(data[column]) is False and not (column == "loss" and not isinstance(data[column], bool)):
            raise MarkedBad(
                say("{where} is not to be trained on: {column} is {value}.", where=where, column=column,
                    value=str(data[column])[:20])
            )  # fmt: skip
    for column, means_good in marks.verdicts:
        is_class = fold(column) == "label" and (shape == "text" or not _is_word_of_truth(data[column]))
        if not is_class and says_yes(data[column]) is (not means_good):
            raise MarkedBad(
                say("{where} is marked as bad: {column} is {value}.", where=where, column=column,
                    value=str(data[column])[:20])
            )  # fmt: skip


def _is_word_of_truth(value: Any) -> bool:
    """Whether a label is true or false, or a word for good or bad: 0 and 1 may number classes."""
    return isinstance(value, bool) or (isinstance(value, str) and not value.strip().isdigit())


def is_grade(value: Any) -> float | None:
    """The number that a grade is, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and not value):
        return None
    try:
        return float(value) if len(str(value)) < 20 else None
    except ValueError:
        return None


def with_list(turns: list[Any], value: Any, where: Sentence) -> list[Any]:
    """The turns with the weights of the list that stands beside them: one for each turn, or one for each answer.

    Raises InputError where it has another length, or holds anything but yes and no.
    """
    if not isinstance(value, list):
        return turns
    answers = [place for place, turn in enumerate(turns) if isinstance(turn, dict) and turn.get("role") == "assistant"]
    places = list(range(len(turns))) if len(value) == len(turns) else answers
    weights = [says_yes(item) for item in value]
    if len(value) != len(places) or None in weights:
        raise InputError(
            say("{where}: the list of what is to be learned has {count} entries: {shown}.", where=where,
                count=len(value), shown=str(value)[:60]),
            say("It has 0 or 1 for each of the {count} messages.", count=len(turns)),
        )  # fmt: skip
    silent = {place for place, is_learned in zip(places, weights, strict=True) if not is_learned}
    return [
        {**turn, "weight": 0} if place in silent and isinstance(turn, dict) else turn
        for place, turn in enumerate(turns)
    ]


def with_weight(message: dict[str, Any], row: int, number: int) -> tuple[dict[str, Any], Iterator[Finding]]:
    """The message with weight 0 where any of its marks says no, else without a mark, and what is to be told of them."""
    given = {key: message[key] for key in LEARNED if message.get(key) is not None}
    rest = {key: value for key, value in message.items() if key not in LEARNED}
    is_answer = message.get("role") == "assistant"
    says = {key: says_yes(value) for key, value in given.items()}
    if is_answer and False in says.values():
        rest["weight"] = 0
    return rest, _told_of(given, says, row, number, is_answer=is_answer)


def _told_of(
    given: dict[str, Any], says: dict[str, bool | None], row: int, number: int, *, is_answer: bool
) -> Iterator[Finding]:
    for key, value in given.items():
        if says[key] is None or (says[key] and not is_answer):
            yield Finding(
                "weight_ignored",
                "warning",
                say("Row {row}: {key} of message {number} is {value}, which is not followed.", row=row, key=key,
                    number=number, value=str(value)[:20] if not isinstance(value, dict | list) else json_kind(value)),
                say("Write 0 or 1; only an assistant's messages are learned."),
                row,
                say("Answers are learned whole or not at all, and what others say is only read."),
                edits=["drop", "keep"],
            )  # fmt: skip
