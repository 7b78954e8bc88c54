"""Figures as they stand in sentences and on the page."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from playground.core.figures import (
    elapsed,
    expected,
    fixed,
    often,
    parameters,
    percent,
    rounded,
    rows_said,
    signed,
    size,
    steps_said,
    times,
    tokens_said,
)
from playground.core.i18n import Sentence


@pytest.mark.parametrize(
    ("value", "said"),
    [(-0.814, "−0.81"), (0.5, "+0.50"), (0.0, "0.00"), (-0.001, "0.00"), (None, "–"), (math.nan, "–")],
)
def test_a_change_has_its_sign(value: float | None, said: str) -> None:
    assert signed(value) == said


def test_numbers_have_the_digits_that_mean_something() -> None:
    assert [fixed(value, 1) for value in (1234.56, None, math.inf)] == ["1,234.6", "–", "–"]
    assert [rounded(value) for value in (12_345, 12.34, 1.857, 0.0456)] == ["1.23e+04", "12.3", "1.86", "0.046"]
    assert [percent(part) for part in (0.413, 0.004)] == ["41\u00a0%", "0.4\u00a0%"]
    assert [times(count) for count in (0.42, 2.0, 15.9)] == ["0.4", "2", "16"]


def test_sizes_as_people_say_them() -> None:
    sizes = (0, 269_060_552, 994_999_999, 995_000_000, 8_030_000_000)
    assert [size(count) for count in sizes] == ["0 MB", "269 MB", "995 MB", "1.0 GB", "8.0 GB"]
    assert size(1_624_000_000, 2) == "1.62 GB"
    counts = (134_515_008, 999_885_952, 1_235_814_400, "?")
    assert [parameters(count) for count in counts] == ["135M", "1.0B", "1.2B", "?"]


def test_times_that_were_measured() -> None:
    measured = ["0 s", "59 s", "1 min 0 s", "3 min 20 s"]
    assert [elapsed(seconds).to("en") for seconds in (-1, 59.4, 60, 200)] == measured
    assert elapsed(200).to("ja") == "3 分 20 秒"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 s"), (9.4, "9 s"), (12, "10 s"), (58, "1 min"), (59.9, "1 min"), (60, "1 min"), (99, "1 min 40 s"),
        (598, "10 min"), (600, "10 min"), (3569, "59 min"), (3571, "1 h"), (7800, "2 h 10 min"), (86400, "24 h"),
    ],
)  # fmt: skip
def test_times_that_are_estimated(seconds: float, said: str) -> None:
    assert expected(seconds).to("en") == said


@pytest.mark.parametrize(
    ("said", "one", "many", "ja"),
    [
        (rows_said, "1 row", "2,000 rows", "1 行"),
        (steps_said, "1 step", "2,000 steps", "1 ステップ"),
        (tokens_said, "1 token", "2,000 tokens", "1 トークン"),
    ],
)
def test_one_is_no_plural(said: Callable[[int], Sentence], one: str, many: str, ja: str) -> None:
    assert (said(1), said(2000), said(1).to("ja")) == (one, many, ja)
    assert said(0).startswith("0 ") and said(0).endswith("s")


def test_how_often_is_said() -> None:
    assert [str(often(times(count))) for count in (0.4, 1, 2.5, 16)] == ["0.4 times", "once", "2.5 times", "16 times"]
