"""How near one answer comes to the expected one.

Five scores, none of which asks a model: the same characters, chrF, JSON that a program can use, the length, and
whether the answer came to an end. Answer and expected one are compared in NFC and without the whitespace around them:
how か゛ is coded, or a newline at the end, says nothing of an answer.

chrF (Popović 2015, sacrebleu's, with its defaults: characters in groups of one to six, twice the weight on recall)
needs no words and so no word splitter: Japanese is scored as English is. It does not look at whitespace.

The shape of JSON is compared here and not by jsonschema: all that one expected answer says of a shape is its keys and
kinds, which would first have to be written as a schema, and a schema made of one example says nothing more than it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson
from sacrebleu.metrics.chrf import CHRF

from playground.core.messages import json_kind
from playground.runs.types import AnswerScores

LONGEST = 20_000
"""Characters of a text that chrF looks at: as many take a twentieth of a second."""
_DEEPEST = 50
"""Levels of nesting whose shape is compared; what lies deeper is taken to match."""
_ITEMS = 50
"""Items of an expected list that an item may be like."""


def score_answer(text: str, expected: str, ended: str = "", *, as_json: bool = False) -> AnswerScores:
    """Scores of `text`; a blank `expected` is none. `ended` as chat.Row has it; `as_json`: the run's answers are JSON.

    A row whose own expected answer is no JSON gets no scores for it, whatever the run's are.
    """
    said, wanted = _normal(text), _normal(expected)
    scores: AnswerScores = {
        "chrf": None,
        "exact": None,
        "valid_json": None,
        "same_shape": None,
        "length_ratio": None,
        "ended": {"stop": True, "length": False}.get(ended),
    }
    if not wanted:
        return scores
    if as_json and is_json(expected):
        scores["valid_json"] = is_json(text)
        scores["same_shape"] = scores["valid_json"] and has_shape(orjson.loads(said), orjson.loads(wanted))
    return {
        **scores,
        "chrf": _chrf(said, wanted),
        "exact": said == wanted,
        "length_ratio": len(said) / len(wanted),
    }


def are_json(expected: Iterable[str]) -> bool:
    """Whether the expected answers of a run are JSON: there are some, and each is an object or array."""
    given = [text for text in expected if text.strip()]
    return bool(given) and all(is_json(text) for text in given)


def is_json(text: str) -> bool:
    """Whether the whole text is a JSON object or array, by RFC 8259: no fence around it, no word before it, no NaN."""
    try:
        return isinstance(orjson.loads(_normal(text)), dict | list)
    except orjson.JSONDecodeError:
        return False


def has_shape(value: Any, expected: Any, depth: int = 0) -> bool:
    """Whether JSON has the keys and kinds of `expected`, whatever its values.

    Objects have the same keys, in any order. Each item of a list is like one of the expected list; an empty list fits
    any, and any list fits an empty one. 1 and 1.5 are of one kind; null is a kind of its own.

        {"a": 1, "b": ["x"]}  like  {"b": [], "a": 2.5};  unlike  {"a": "1", "b": []}  and  {"a": 1}
    """
    if json_kind(value) != json_kind(expected):
        return False
    if depth == _DEEPEST:
        return True
    if isinstance(value, dict):
        return value.keys() == expected.keys() and all(
            has_shape(value[key], expected[key], depth + 1) for key in expected
        )
    if isinstance(value, list) and expected:
        return all(any(has_shape(item, like, depth + 1) for like in expected[:_ITEMS]) for item in value)
    return True


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _chrf(said: str, wanted: str) -> float:
    # A float's last digits would make 99.99999999999999 of equal texts.
    return round(_metric().sentence_score(said[:LONGEST], [wanted[:LONGEST]]).score, 4)


@lru_cache
def _metric() -> CHRF:
    return CHRF()
