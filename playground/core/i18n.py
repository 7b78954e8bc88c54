"""Sentences for people, in English where they are written and in Japanese from a catalogue.

A `Sentence` is an ordinary `str` holding the English, so logs, tests and exceptions read naturally. It also remembers
its template and values, so that whoever shows it can say it again in the reader's language. The English template is
the catalogue's key: there are no invented identifiers to keep in step (the idea of gettext).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson

from playground.core.paths import ASSETS

LOCALES = ASSETS / "locales"
LANGUAGES = ("en", "ja")


class Sentence(str):
    """English text that can be said again in another language.

    `Sentence("Row {row} is empty.", row=3)` equals `"Row 3 is empty."`; `.to("ja")` gives the Japanese.
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, **values: Any) -> Sentence:
        self = super().__new__(cls, template.format_map(values) if values else template)
        self.template = template
        self.values = values
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.template, self.values))

    def to(self, language: str) -> str:
        """The sentence in `language`; English where the catalogue has no entry."""
        template = catalogue(language).get(self.template, self.template)
        values = {name: localise(value, language) for name, value in self.values.items()}
        return template.format_map(values) if values else template


def _rebuild(template: str, values: dict[str, Any]) -> Sentence:
    return Sentence(template, **values)


def say(template: str, **values: Any) -> Sentence:
    """Mark a sentence for the catalogue (tests collect every call) and fill it in."""
    return Sentence(template, **values)


def sentences(said: Iterable[str | None], language: str) -> str:
    """One after the other, those that say anything. Japanese sentences follow each other without a space."""
    return ("" if language == "ja" else " ").join(localise(sentence, language) for sentence in said if sentence)


@lru_cache
def catalogue(language: str) -> dict[str, str]:
    """English template -> translation. Empty for English and for a language without a catalogue."""
    path = LOCALES / f"{language}.json"
    if language not in LANGUAGES or not path.is_file():
        return {}
    entries: dict[str, str] = orjson.loads(path.read_bytes())
    return entries


def localise(value: Any, language: str) -> Any:
    """A copy of a JSON-like value with every `Sentence` and every error for people in it said in `language`."""
    if hasattr(value, "to"):
        return value.to(language)
    if isinstance(value, dict):
        return {key: localise(item, language) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [localise(item, language) for item in value]
    return value


def language_of(accept_language: str | None) -> str:
    """The language to answer in, from an Accept-Language header: the first preference that we speak, else English.

    The page itself is translated in the browser from `navigator.language`, which is what browsers put first.
    """
    ranked = []
    for place, part in enumerate((accept_language or "").lower().split(",")):
        tag, *parameters = [piece.strip() for piece in part.split(";")]
        quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            continue
        if weight > 0:  # 0 means "not this one"; NaN is no weight either.
            ranked.append((-weight, place, tag.split("-")[0]))
    for _, _, tag in sorted(ranked):
        if tag in LANGUAGES:
            return tag
    return "en"


def pack(value: Any) -> Any:
    """A JSON-ready copy in which each `Sentence` is `{"__say__": template, "values": {...}}`, for pipes and files."""
    if isinstance(value, Sentence):
        return {"__say__": value.template, "values": pack(value.values)}
    if isinstance(value, dict):
        return {key: pack(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(item) for item in value]
    return value


def unpack(value: Any) -> Any:
    """The inverse of `pack`."""
    if isinstance(value, dict):
        if value.keys() == {"__say__", "values"}:
            return Sentence(value["__say__"], **unpack(value["values"]))
        return {key: unpack(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unpack(item) for item in value]
    return value
