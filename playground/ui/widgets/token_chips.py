"""Tokens as chips, and text with its whitespace showing.

What a chip says is said twice, once without colour: the role by tint and by a tag where it changes, trained by a bar
under the token, special by a dashed frame, cut by a line through it. A chip is one short element because a page shows
thousands of them over a workshop's wifi.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from playground.core.i18n import say
from playground.data.types import RowChip
from playground.templates.types import TokenChip
from playground.ui.widgets.markup import escape

TOKENS_SHOWN = 600
"""Chips in one row at most; the rest is counted. 600 chips are about 60 kB of HTML."""

ROLES = ("system", "developer", "user", "assistant", "tool", "template")
_VISIBLE = {" ": "·", "\t": "→", "\u00a0": "⍽", "\u3000": "□"}


def role_word(role: str, language: str) -> str:
    words = {
        "system": say("system"),
        "developer": say("developer"),
        "user": say("user"),
        "assistant": say("assistant"),
        "tool": say("tool"),
        "template": say("template"),
    }
    return words[role].to(language) if role in words else role


def visible(text: str) -> str:
    """HTML of `text` in which spaces, line ends and invisible characters can be seen.

    A line end shows as a mark and also breaks the line. Characters that draw nothing, or that turn the writing
    direction, show as their code point: they are in the training data too.
    """
    return "".join(_visible_character(character) for character in text)


def _visible_character(character: str) -> str:
    if character == "\n":
        return "<i>↵</i>\n"
    if character in _VISIBLE:
        return f"<i>{_VISIBLE[character]}</i>"
    if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Zs", "Cs"):
        return f"<i>U+{ord(character):04X}</i>"
    return escape(character)


def chips(tokens: Sequence[TokenChip | RowChip], language: str, left_out: int = 0) -> str:
    """Chips of one conversation. `left_out` tokens follow that the backend did not send; they are counted with those
    that are not shown.
    """
    parts: list[str] = []
    before = ""
    for token in tokens[:TOKENS_SHOWN]:
        role = token["role"]
        if role not in (before, "template"):
            parts.append(f'<span class="who {role_class(role)}">{escape(role_word(role, language))}</span>')
        before = role
        parts.append(_chip(token, language))
    more = max(0, len(tokens) - TOKENS_SHOWN) + left_out
    if more > 0:
        words = say("and 1 more token") if more == 1 else say("and {more} more tokens", more=f"{more:,}")
        parts.append(f'<span class="more">{escape(words.to(language))}</span>')
    return f'<div class="chips">{"".join(parts)}</div>'


def _chip(token: TokenChip | RowChip, language: str) -> str:
    classes = ["k", role_class(token["role"])]
    told = [f"id {token['id']}", role_word(token["role"], language)]
    for key, letter, word in (
        ("trained", "t", say("trained")),
        ("special", "x", say("special token")),
        ("cut", "c", say("cut off")),
    ):
        if token.get(key):
            classes.append(letter)
            told.append(word.to(language))
    # The line break of a newline token stands outside its chip, so that the chip itself keeps its shape.
    shown, breaks = visible(token["text"]), token["text"].count("\n")
    inner = shown.replace("\n", "")
    return (
        f'<span class="{" ".join(classes)}" title="{escape(" · ".join(told))}">{inner}</span>{"<br>" if breaks else ""}'
    )


def role_class(role: str) -> str:
    return f"r-{role}" if role in ROLES else "r-template"


def legend(tokens: Iterable[TokenChip | RowChip], language: str) -> str:
    """Only what is on the page is explained."""
    seen = list(tokens)
    roles = {token["role"] for token in seen}
    entries = [
        f'<li><span class="k {role_class(role)}">{escape(role_word(role, language))}</span></li>'
        for role in ROLES
        if role in roles
    ]
    marks = (
        ("trained", "t r-assistant", say("trained: the model learns to write it")),
        ("special", "x r-template", say("special token")),
        ("cut", "c r-template", say("cut off: too long")),
    )
    for key, letter, words in marks:
        if any(token.get(key) for token in seen):
            entries.append(f'<li><span class="k {letter}">abc</span> {escape(words.to(language))}</li>')
    return f'<ul class="legend">{"".join(entries)}</ul>' if entries else ""
