"""Lists as Python or NumPy prints them, which is what a CSV cell holds after `DataFrame.to_csv`.

    "[{'role': 'user', 'content': 'It\\'s me'}]"          ->  [{"role": "user", "content": "It's me"}]
    "[{'from': 'human', 'value': 'Hi'}\\n {'from': ...}]"  ->  NumPy leaves the commas out
    "array([{'role': ...}], dtype=object)"                ->  without its wrapping

The text is taken apart by one linear pattern and put together again as JSON; orjson then bounds the nesting. Nothing of
it is ever evaluated, not even by `ast.literal_eval`, whose parser text from strangers can bring down.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

LONGEST = 500_000
"""Characters of a cell that are looked at."""
_TOKEN = re.compile(
    r"""\s*+(?:(?P<string>'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")|(?P<number>-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?)"""
    r"""|(?P<name>None|True|False)(?!\w)|(?P<opening>[\[{(])|(?P<closing>[\])}])|(?P<between>[,:])|(?P<array>array(?=\())|(?P<dtype>dtype=object(?!\w)))""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|(.))", re.DOTALL)
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\n": ""}
_NAMES = {"None": "null", "True": "true", "False": "false"}
_SINGLE_QUOTE = re.compile(r"\s*\[[\[({\s]*(?:array\([\[({\s]*)?'")


def is_python_list(text: str) -> bool:
    """Whether the text begins as Python prints a list of objects or texts: JSON has no single quotation marks."""
    return _SINGLE_QUOTE.match(text[:200]) is not None


def read_python_list(text: str) -> list[Any] | None:
    """The list; None where the text is none, or is too long."""
    if len(text) > LONGEST:
        return None
    try:
        value = orjson.loads(_as_json(text))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def _as_json(text: str) -> str:
    """The text as JSON where it is a list; raises ValueError for what no list holds."""
    parts: list[str] = []
    closing: list[str] = []
    """What closes the brackets that are open; "" for those of array(...), which leave no trace."""
    place, end, is_array = 0, len(text.rstrip()), False
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError
        place = match.end()
        kind, word = str(match.lastgroup), match[str(match.lastgroup)]
        if kind == "array":
            is_array = True
        elif kind == "opening":
            _separate(parts, closing)
            closing.append("" if is_array else "}" if word == "{" else "]")
            parts.append("" if is_array else "{" if word == "{" else "[")
            is_array = False
        elif kind == "closing":
            if not closing or (closing[-1] or "]") != {")": "]"}.get(word, word):
                raise ValueError
            if parts[-1:] == [","]:
                parts.pop()  # A tuple of one, or what stood before dtype.
            parts.append(closing.pop())
        elif kind == "between":
            parts.append(word)
        elif kind != "dtype":
            _separate(parts, closing)
            parts.append(
                orjson.dumps(_ESCAPE.sub(_unescaped, word[1:-1])).decode()
                if kind == "string"
                else _NAMES.get(word, word)
            )
    return "".join(parts)


def _separate(parts: list[str], closing: list[str]) -> None:
    """A comma where NumPy left it out: between two items of a list."""
    if closing and closing[-1] == "]" and parts[-1] not in ("[", ","):
        parts.append(",")


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code or match[4]:
        return chr(int(code, 16) if code else int(match[4], 8))
    # Python leaves a backslash before any other letter where it is.
    return _SHORT.get(match[5], match[5] if match[5] in "\\'\"" else match[0])
