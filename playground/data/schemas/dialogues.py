"""A whole dialogue in one text, as some well-known datasets have it.

    "\\n\\nHuman: Hi\\n\\nAssistant: Ahoy"  ->  [{"role": "user", "content": "Hi"}, {"role": "assistant", ...}]
    "### Human: Hi### Assistant: Ahoy"    ->  the same

The first is HH-RLHF's way, the second OpenAssistant Guanaco's.

Only where the text begins with such a label and an answer follows: "Human: all of us" in the middle of a text is text.
Transcripts that people paste are readers/transcripts.py's.
"""

from __future__ import annotations

import re
from typing import Any

_ROLES = {"Human": "user", "Assistant": "assistant", "System": "system"}
_STYLES = (
    re.compile(r"(?:\A\s{0,8}|\n\n)(Human|Assistant|System):"),
    re.compile(r"(?:\A\s{0,8}|\s{0,2})### (Human|Assistant|System):"),
)


def read_dialogue(text: str) -> list[dict[str, Any]] | None:
    """The messages, the white space around each left out; None where the text is no dialogue from its beginning on."""
    for style in _STYLES:
        first = style.match(text)
        if first is None or first[1] == "Assistant":
            continue
        labels = list(style.finditer(text))
        ends = [label.start() for label in labels[1:]] + [len(text)]
        messages = [
            {"role": _ROLES[label[1]], "content": text[label.end() : end].strip()}
            for label, end in zip(labels, ends, strict=True)
        ]
        if {"user", "assistant"} <= {message["role"] for message in messages}:
            return messages
    return None
