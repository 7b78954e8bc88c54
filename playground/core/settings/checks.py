"""Checks that every settings object makes where it is made, each with a refusal that names the setting."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from playground.core.errors import InputError
from playground.core.i18n import Sentence, say

T = TypeVar("T")


def refuse(name: str, value: object, expected: Sentence) -> InputError:
    return InputError(
        say("The setting {name} is {value}.", name=name, value=repr(value)[:80]),
        say("It must be {expected}.", expected=expected),
        say("Change it and try again."),
    )


def check_number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    right_type = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not right_type or not low <= value <= high:  # type: ignore[operator]
        bounds = {"low": f"{low:g}", "high": f"{high:g}"}
        if whole:
            raise refuse(name, value, say("a whole number from {low} to {high}", **bounds))
        raise refuse(name, value, say("a number from {low} to {high}", **bounds))


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise refuse(name, value, say("one of {choices}", choices=", ".join(str(choice) for choice in choices)))


def build(cls: type[T], given: dict[str, Any]) -> T:
    """Build a settings object, refusing keys that it does not know with the list of those that it does."""
    if not isinstance(given, dict):
        raise InputError(
            say("The settings arrived as {kind}.", kind=type(given).__name__),
            say("They must be a JSON object of names and values."),
        )
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InputError(
            say("There is no setting {names}.", names=", ".join(unknown)),
            say("Known settings: {names}.", names=", ".join(known)),
            say("Correct the name or leave it out."),
        )
    return cls(**given)


def check_clock(name: str, value: str) -> None:
    try:
        datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise refuse(name, value, say("an ISO date and time such as 2026-01-31T12:00:00")) from None
