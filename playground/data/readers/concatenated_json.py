"""JSON values one after another in a text, each as an editor shows it: over several lines.

    {                     ->   ['{\\n  "a": 1\\n}', '{\\n  "a": 2\\n}']
      "a": 1
    }
    {
      "a": 2
    }

Where a value ends is told by its brackets, strings left out, without parsing it. One whose brackets do not close ends
all the same where the next begins: a brace at the beginning of a line, with nothing before it that JSON allows there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

_BRACKETS_AND_STRINGS = re.compile(r'"(?:[^"\\\n]|\\[^\n])*+"|[{}\[\]]')
_SAMPLE = 200_000
"""Characters in which a value over several lines has to stand, unless the first one is longer."""
_MOST_BROKEN = 1_000
"""Values that do not close, in what is looked at."""
_DEEPEST = 1_100
"""Brackets within each other: more than orjson reads."""


def is_in_pieces(text: str) -> bool:
    """Whether text that is no JSON as a whole has a value over several lines in it.

    Lines with a value each are none: there a line that is broken costs that line alone.
    """
    looked_at = closed = broken = 0
    for piece, is_closed in pieces(text):
        if is_closed and "\n" in piece and _is_json(piece):
            return True
        looked_at += len(piece)
        closed, broken = closed + is_closed, broken + (not is_closed)
        if (looked_at > _SAMPLE and closed) or broken > _MOST_BROKEN:
            return False
    return False


def _is_json(piece: str) -> bool:
    try:
        orjson.loads(piece)
    except (ValueError, RecursionError):
        return False
    return True


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """(a value, whether its brackets close) of each, without the comma behind it."""
    lines: list[str] = []
    depth = 0
    before = ""
    for line in text.split("\n"):
        bare = line.strip()
        if not bare:
            continue
        # In JSON a brace stands behind one of these or begins a value of its own.
        if depth and line[:1] in ("{", "[") and before not in (",", ":", "["):
            yield _piece(lines), False
            lines, depth = [], 0
        before = bare[-1]
        start = 0
        for match in _BRACKETS_AND_STRINGS.finditer(line):
            sign = match[0]
            if sign in ("{", "["):
                depth += 1
                if depth > _DEEPEST:  # The rest of the line goes with it.
                    yield _piece([*lines, line[start:]]), False
                    lines, depth, start = [], 0, len(line)
                    break
            elif sign in ("}", "]"):
                depth -= 1
                if depth <= 0:
                    yield _piece([*lines, line[start : match.end()]]), depth == 0
                    lines, depth, start = [], 0, match.end()
        if line[start:].strip(" \t\r,") or depth:
            lines.append(line[start:])
    if lines:
        yield _piece(lines), False


def _piece(lines: list[str]) -> str:
    return "\n".join(lines).strip().removeprefix(",").strip()
