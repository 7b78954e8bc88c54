"""What may be said of a run in the end: each check, and which sentence they come to together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from playground.core.i18n import pack, say
from playground.runs.verdict import FORGOT, KEPT, Evidence, judge
from playground.training.scales import Scores, changes, figures, share_that_ends
from playground.training.trainer import Score


def change(mean: float, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"mean": mean, "low": mean - 0.05 if low is None else low, "high": mean + 0.05 if high is None else high}


def figure(loss: float) -> dict[str, Any]:
    return {"loss": loss, "rows": 9, "tokens": 100}


GOOD = Evidence(
    finite=True,
    changed=True,
    divergence=0.4,
    change={"train": change(-1.4), "held_out": change(-1.0), "general": change(0.02)},
    before={"train": figure(3.0), "held_out": figure(3.0), "general": figure(2.0)},
    after={"train": figure(1.6), "held_out": figure(2.0), "general": figure(2.02)},
    ends=1.0,
)


def with_change(name: str, found: dict[str, float | None] | None) -> Evidence:
    return replace(GOOD, change={**GOOD.change, name: found})


def states(found: Evidence) -> dict[str, str]:
    return {check["code"]: check["state"] for check in judge(found)["checks"]}


def test_a_run_that_passes_every_check_has_learned() -> None:
    assert judge(GOOD)["code"] == "learned"
    assert set(states(GOOD).values()) == {"passed"}
    assert list(states(GOOD)) == ["finite", "changed", "logits", "held_out", "general", "stops"]


@pytest.mark.parametrize(
    ("found", "failed", "code"),
    [
        (replace(GOOD, finite=False), "finite", "broken"),
        (replace(GOOD, changed=False), "changed", "nothing_learned"),
        (replace(GOOD, divergence=1e-5), "logits", "nothing_learned"),
        (with_change("held_out", change(0.3)), "held_out", "not_better"),
        (with_change("held_out", change(-0.02)), "held_out", "not_better"),
        (with_change("general", change(KEPT + 0.01)), "general", "partly"),
        (with_change("general", change(FORGOT)), "general", "forgot"),
        (replace(GOOD, ends=0.5), "stops", "partly"),
    ],
)
def test_a_check_that_fails_says_why_and_what_to_try(found: Evidence, failed: str, code: str) -> None:
    verdict = judge(found)
    assert verdict["code"] == code
    assert [name for name, state in states(found).items() if state == "failed"] == [failed]
    [check] = [check for check in verdict["checks"] if check["code"] == failed]
    assert str(check["message"]) and str(check["fix"])
    assert str(verdict["message"]) != str(judge(GOOD)["message"])


@pytest.mark.parametrize(
    ("found", "unknown", "code"),
    [
        (with_change("held_out", None), "held_out", "unchecked"),
        (with_change("held_out", {"mean": -1.0, "low": None, "high": None}), "held_out", "unchecked"),
        (with_change("general", None), "general", "learned"),
        (replace(GOOD, ends=None), "stops", "learned"),
        (replace(GOOD, divergence=None), "logits", "learned"),
    ],
)
def test_what_was_not_measured_is_unknown_and_never_passed(found: Evidence, unknown: str, code: str) -> None:
    assert states(found)[unknown] == "unknown"
    assert judge(found)["code"] == code


def test_of_a_stopped_run_nothing_is_claimed() -> None:
    stopped = replace(GOOD, change={}, after={}, divergence=None, ends=None, stopped=True)
    assert judge(stopped)["code"] == "unchecked"
    assert list(states(stopped).values()) == ["passed", "passed", "unknown", "unknown", "unknown", "unknown"]
    assert judge(replace(stopped, changed=False))["code"] == "nothing_learned"
    assert judge(replace(stopped, finite=False))["code"] == "broken"


def test_a_change_that_may_be_chance_is_named_with_its_interval() -> None:
    check = judge(with_change("held_out", change(-0.02, -0.3, 0.26)))["checks"][3]
    assert "may be chance" in str(check["message"]) and "-0.30" in str(check["message"])


def test_general_ability_that_was_switched_off_is_told_from_one_that_could_not_be_scored() -> None:
    off = judge(replace(with_change("general", None), wants_general=False))["checks"][4]["message"]
    refused = judge(with_change("general", None))["checks"][4]["message"]
    assert "switched off" in str(off) and "template" in str(refused)


def test_a_broken_adapter_is_broken_whatever_else_it_shows() -> None:
    assert judge(replace(GOOD, finite=False, changed=False))["code"] == "broken"


def test_a_verdict_can_be_written_as_json() -> None:
    json.dumps(pack(judge(GOOD)))


def test_losses_weigh_every_token_alike() -> None:
    scores: Scores = {"train": [Score(10.0, 5, True), Score(1.0, 1, False)], "held_out": [], "general": []}
    assert figures(scores) == {
        "train": {"loss": round(11 / 6, 5), "rows": 2, "tokens": 6},
        "held_out": None,
        "general": None,
    }


def test_changes_are_those_of_the_same_rows() -> None:
    before: Scores = {"train": [Score(nll, 4, None) for nll in (8, 9, 10, 11, 12, 13, 14, 15)]}
    after: Scores = {"train": [Score(score.nll - 4, 4, None) for score in before["train"]]}
    found = changes(before, after)["train"]
    assert found is not None and found["mean"] == pytest.approx(-1) and found["high"] == pytest.approx(-1)
    assert changes(before, {"train": after["train"][:3]})["train"] is None
    assert changes({}, {}) == {"train": None, "held_out": None, "general": None}


def test_rows_without_an_end_do_not_count_among_those_that_end() -> None:
    assert share_that_ends([Score(1, 1, True), Score(1, 1, False), Score(1, 1, None)]) == 0.5
    assert share_that_ends([Score(1, 1, None)]) is None


LOST = say("The tool definitions (1) are not in the text.")


def test_rows_that_the_template_does_not_write_whole_are_told_again_in_the_end():
    found = judge(replace(GOOD, losses=(LOST,)))
    assert (found["code"], found["checks"][-1]["code"], found["checks"][-1]["state"]) == ("partly", "rows", "failed")
    assert str(LOST) in found["checks"][-1]["message"]
    assert judge(replace(GOOD, losses=(LOST,), stopped=True))["checks"][-1]["code"] == "rows"
    assert "rows" not in {check["code"] for check in judge(GOOD)["checks"]}
