"""Control tokens inside the words that people wrote."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from playground.core.findings import Action, Finding
from playground.core.i18n import say
from playground.core.messages import Message
from playground.templates.doctor.case import Case
from playground.templates.locate import Slot, locate_slots, put
from playground.templates.repairs import conversation

_ROUNDS = 3


@dataclass(frozen=True)
class _Hit:
    """A real control token that has some of its characters in a slot."""

    token: int
    place: tuple[int, int]
    slot: Slot


def control_tokens_in_content(case: Case) -> Iterator[Finding]:
    hits = _hits(case, case.text, case.rendered.input_ids, case.rendered.offsets, case.slots)
    if not hits:
        return
    names = list(dict.fromkeys(case.token_text(hit.token) for hit in hits))
    numbers = list(dict.fromkeys(str(hit.slot.message + 1) for hit in hits))
    yield Finding(
        "control_tokens_in_content",
        "warning",
        say(
            "Words of message {numbers} are taken as the control token {names}.",
            numbers=", ".join(numbers[:6]),
            names=", ".join(names[:6]),
        ),
        fix=say("Break it with a space; with plain transformers, sanitize_control_tokens=True keeps it as text."),
        why=say("Whoever wrote these words can end their turn and speak as somebody else."),
        evidence=[hit.place for hit in hits],
        action=_broken(case, hits),
    )


def _hits(case: Case, text: str, ids: list[int], offsets: list[tuple[int, int]], slots: list[Slot]) -> list[_Hit]:
    """Control tokens that stand in somebody's words, or take up some characters of them.

    Special tokens, and other added tokens that the template writes too. What an assistant writes itself, such as
    <think>, is meant.
    """
    source = case.asker.renderer.template(case.options)
    placed = sorted((slot.place, number) for number, slot in enumerate(slots) if slot.place is not None)
    starts = [place[0] for place, _ in placed]
    hits = []
    for token, (start, end) in zip(ids, offsets, strict=True):
        if token not in case.facts.control or start == end:
            continue
        written, special = case.facts.control[token]
        nearest = bisect_left(starts, end) - 1
        if nearest < 0 or placed[nearest][0][1] <= start or not written.strip():
            continue
        if written not in text[start:end]:
            continue  # An unknown character, which is a special token of many tokenizers, but no one's words for it.
        slot = slots[placed[nearest][1]]
        own = case.messages[slot.message]["role"] == "assistant"
        if special or (written in source and not own):
            hits.append(_Hit(token, (start, end), slot))
    return hits


def _broken(case: Case, hits: list[_Hit]) -> Action | None:
    """The conversation with a space after the first character of each; None where that does not help."""
    messages = case.messages
    for _ in range(_ROUNDS):
        messages = _break(messages, hits)
        text = case.asker.text(messages)
        if text is None:
            return None
        slots = locate_slots(messages, text, case.asker.text)
        encoding = case.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        hits = _hits(case, text, list(encoding["input_ids"]), list(encoding["offset_mapping"]), slots)
        if not hits:
            return conversation(messages)
    return None


def _break(messages: list[Message], hits: list[_Hit]) -> list[Message]:
    """Later hits first, so that the places of the earlier ones stay."""
    words: dict[tuple[int, tuple[Any, ...]], tuple[Slot, str]] = {}
    for hit in sorted(hits, key=lambda hit: hit.place, reverse=True):
        slot = hit.slot
        assert slot.place is not None
        key = (slot.message, slot.way)
        current = words.get(key, (slot, slot.words))[1]
        # Where the text has the words without the white space at their edges, the places begin later.
        length = slot.place[1] - slot.place[0]
        shift = 0 if length == len(slot.words) else len(slot.words) - len(slot.words.lstrip())
        inside = max(hit.place[0] - slot.place[0], 0) + shift
        # A token that the template begins and whose last character alone is the words': only before it is room.
        cut = inside if hit.place[1] - slot.place[0] == 1 else inside + 1
        words[key] = (slot, current[:cut] + " " + current[cut:])
    return put(messages, words.values())
