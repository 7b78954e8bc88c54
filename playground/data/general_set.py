"""The general-ability set: everyday questions that a tuned model should answer no worse than before.

The rows were written for this project, 48 in English and 32 in Japanese (assets/general/README.md). Their loss before
and after a run tells how much the model has moved away from its ordinary way of answering: forgetting, or a new manner
that covers everything. It is no examination: a loss says nothing about how well other questions are answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import deepcopy
from functools import lru_cache
from itertools import islice
from typing import Any

import orjson

from playground.core.paths import ASSETS

FOLDER = ASSETS / "general"
LANGUAGES = ("en", "ja")
MIXED = "mixed"
KINDS = (
    "fact",
    "arithmetic",
    "opposite",
    "common_sense",
    "politeness",
    "instruction",
    "translation",
    "summary",
    "honesty",
)

_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_READ, _TEXTS = 300, 500
"""Characters of a text, and texts, that are looked at."""
_MOST = 0.8
"""Share of texts in one language that makes a dataset one of that language."""


def general_rows(language: str) -> list[dict[str, Any]]:
    """[{id, kind: one of KINDS, messages: [user, assistant]}] in a `language` of LANGUAGES.

    MIXED gives every second row of both, so that they cost no more time; any other language gives the English rows.
    """
    if language == MIXED:
        return [*general_rows("en")[::2], *general_rows("ja")[::2]]
    return deepcopy(_read(language if language in LANGUAGES else "en"))


def general_language(texts: Iterable[str]) -> str:
    """Which rows go with a dataset whose answers are `texts`: ja or en where most are that, else MIXED.

    A text with kana is Japanese. What is neither counts as English: there are no rows in other languages.
    """
    looked_at = [text[:_READ] for text in islice(texts, _TEXTS)]
    japanese = sum(bool(_KANA.search(text)) for text in looked_at)
    if japanese <= (1 - _MOST) * len(looked_at):
        return "en"
    return "ja" if japanese >= _MOST * len(looked_at) else MIXED


@lru_cache
def _read(language: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (FOLDER / f"{language}.jsonl").read_bytes().splitlines()]
