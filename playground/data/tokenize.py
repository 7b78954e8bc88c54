"""Rows of a dataset as supervised tokens, many one after the other.

The same renderer as everywhere (renderer.py), at the speed that 50,000 rows ask for: what the template writes around
the words is worked out once for each order of roles (turns.Memory), and while one lot of texts is tokenized, in Rust
and without Python's lock, the next lot is rendered. Tests compare it with one row at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from playground.core.errors import InputError, PlaygroundError
from playground.core.findings import Finding
from playground.core.i18n import say
from playground.core.messages import Conversation
from playground.core.settings import DatasetOptions
from playground.templates.doctor.rows import RowDoctor
from playground.templates.locate import Interval
from playground.templates.masking import Memory
from playground.templates.rendered import Rendered, Supervised, supervised_tokens
from playground.templates.renderer import Renderer

_LOT = 256
"""Rows that are tokenized together."""

Ids = np.ndarray[Any, np.dtype[np.int32]]
Mask = np.ndarray[Any, np.dtype[np.int8]]
_Tokenized = list[tuple[list[int], list[Interval]]]
_Told = tuple[Supervised, list[Finding]]


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One conversation as tokens, before anything is cut. Both arrays have one entry a token."""

    input_ids: Ids
    loss_mask: Mask
    """1 where the token is supervised."""
    findings: list[Finding]
    """What the doctor tells of the row."""


def render_rows(
    conversations: Iterable[Conversation], renderer: Renderer, options: DatasetOptions, doctor: RowDoctor | None = None
) -> Iterator[TokenRow | PlaygroundError]:
    """For each conversation its tokens or, in their place, the refusal that names its row."""
    memory = Memory()
    with ThreadPoolExecutor(1) as tokenizing:
        waiting: tuple[list[_Told | PlaygroundError], Future[_Tokenized]] | None = None
        rest = iter(conversations)
        while lot := list(islice(rest, _LOT)):
            told = [_supervise(conversation, renderer, options, memory, doctor) for conversation in lot]
            texts = [row[0].text for row in told if not isinstance(row, PlaygroundError)]
            following = (told, tokenizing.submit(renderer.tokenize, texts))
            if waiting is not None:
                yield from _with_tokens(*waiting)
            waiting = following
        if waiting is not None:
            yield from _with_tokens(*waiting)


def render_row(
    conversation: Conversation, renderer: Renderer, options: DatasetOptions, *, with_spans: bool = True
) -> Rendered:
    """One row as `render_rows` makes it, with all that can be shown of it. Raises InputError as `render` does."""
    if conversation.plain_text is not None:
        return renderer.render_text(conversation.plain_text)
    asked = options.render_options(conversation.tools)
    return renderer.render(conversation.messages, asked, options.train_on, with_spans)


def _supervise(
    conversation: Conversation, renderer: Renderer, options: DatasetOptions, memory: Memory, doctor: RowDoctor | None
) -> _Told | PlaygroundError:
    words = conversation.plain_text
    if words is not None and words.strip():
        return renderer.supervise_text(words), []
    asked = options.render_options(conversation.tools)
    try:
        found = renderer.supervise(conversation.messages, asked, options.train_on, memory=memory)
        if doctor is not None:
            doctor.require_words(conversation.row, found)
    except PlaygroundError as refusal:
        return refusal
    if found.mask_source == "none":
        return InputError(
            say(
                "Row {row}: where the assistant's words stand cannot be told with this template.", row=conversation.row
            ),
            say("The template rewrites earlier turns when more follow."),
            say("Train on all tokens, or choose another template."),
        )
    told = doctor.look(conversation.row, conversation.messages, conversation.tools, found) if doctor is not None else []
    return found, told


def _with_tokens(
    told: list[_Told | PlaygroundError], tokenized: Future[_Tokenized]
) -> Iterator[TokenRow | PlaygroundError]:
    tokens = iter(tokenized.result())
    for row in told:
        if isinstance(row, PlaygroundError):
            yield row
            continue
        (ids, offsets), (supervised, findings) = next(tokens), row
        yield TokenRow(np.array(ids, dtype=np.int32), supervised_tokens(offsets, supervised.learned), findings)
