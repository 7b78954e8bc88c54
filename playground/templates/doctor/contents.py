"""What a template does to roles and words: dropped, merged, trimmed, rewritten, or added."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from playground.core.figures import listed
from playground.core.findings import Action, Finding
from playground.core.i18n import Sentence, say
from playground.core.messages import Message
from playground.templates.doctor.case import Case
from playground.templates.doctor.facts import own_words
from playground.templates.doctor.prober import common, sentinel, shown
from playground.templates.locate import Slot, put
from playground.templates.repairs import (
    arguments_of,
    arguments_to_text,
    conversation,
    merge_system,
    parse_arguments,
    to_blocks,
    to_text,
)

_INTO_USER = say("Write the system prompt at the beginning of the first user's turn.")
_NEVER_SEEN = say("The model never sees these words, in training or in a chat.")
_OTHER_WORDS = sentinel(9980)
_CHECKED = 8
"""At most so many messages are asked about one by one."""


def system_turn(case: Case) -> Iterator[Finding]:
    """system_dropped, system_merged or system_refused."""
    slots = [slot for slot in case.slots if case.messages[slot.message]["role"] == "system"]
    if case.facts.wants_blocks and any(slot.way == ("content",) for slot in slots):
        return  # Of words that are lost for want of blocks, `lost_words` speaks.
    if slots and len(_lost(case, slots)) == len(slots):
        yield _system_dropped_here(case)
        return
    case.facts.require("system")
    if case.facts.system == "merged":
        yield Finding(
            "system_merged",
            "info",
            say("The template has no system turn: it writes the system prompt into a user's turn."),
            why=say("The model cannot tell your rules from the user's words."),
            evidence=[slot.place for slot in slots if slot.place],
        )
    elif case.facts.system == "dropped" and not slots:
        yield Finding(
            "system_dropped",
            "info",
            say("The template leaves system turns out of the text."),
            _INTO_USER,
            why=_NEVER_SEEN,
        )
    elif case.facts.system == "refused" and not slots:
        yield Finding(
            "system_refused",
            "info",
            say("The template refuses a conversation with a system turn."),
            _INTO_USER,
            why=say("Rows and chats with a system prompt fail with this template."),
        )


def _system_dropped_here(case: Case) -> Finding:
    messages = merge_system(case.messages)
    text = None if messages is None else case.asker.text(messages)
    words = [slot.words.strip() for slot in case.slots if case.messages[slot.message]["role"] == "system"]
    helps = messages is not None and text is not None and all(word in text for word in words)
    return Finding(
        "system_dropped",
        "error",
        say("The template leaves the system turn of this conversation out of the text."),
        fix=_INTO_USER,
        why=_NEVER_SEEN,
        action=conversation(messages) if messages is not None and helps else None,
    )


def default_system(case: Case) -> Iterator[Finding]:
    facts = case.facts
    facts.require("default_system")
    if not facts.default_system or not facts.preamble:
        return
    # With a system turn in the conversation, only what of it still stands in front counts.
    length = common(facts.preamble, case.text)
    first = min((slot.place[0] for slot in case.slots if slot.place), default=len(case.text))
    kept = case.text[: min(length, first)]
    if case.has_role("system") and length < len(facts.preamble):
        kept = kept[: kept.rfind("\n") + 1]
    said = own_words(kept, facts)
    if not said:
        return
    yield Finding(
        "default_system",
        "info",
        say("The template adds text of its own before the first turn: “{text}”.", text=shown(said, 100)),
        fix=say("Write a system turn of your own where you want other words.") if not case.has_role("system") else None,
        why=say("The model reads these words in every row and every chat, though nobody wrote them."),
        evidence=[(0, len(kept))],
    )


def alternation_demanded(case: Case) -> Iterator[Finding]:
    case.facts.require("demands_alternation")
    if case.facts.demands_alternation:
        yield Finding(
            "alternation_demanded",
            "info",
            say("The template refuses two user turns in a row."),
            fix=say("Merge such turns into one."),
            why=say("Rows in which user and assistant do not take turns fail with this template."),
        )


def lost_words(case: Case) -> Iterator[Finding]:
    """role_dropped and content_dropped: messages whose words are nowhere in the text."""
    by_role: dict[str, list[Slot]] = {}
    for slot in case.slots:
        if slot.field == "content":
            by_role.setdefault(case.messages[slot.message]["role"], []).append(slot)
    others: list[Slot] = []
    for role, slots in by_role.items():
        lost = _lost(case, slots)
        whole = len(lost) == len(slots)
        if role in ("user", "assistant") or case.facts.wants_blocks or not whole:
            others += lost
        elif role != "system":  # Of the system turn, `system_turn` speaks.
            yield _role_dropped(role, lost)
    if others:
        yield _content_dropped(case, sorted(others, key=lambda slot: slot.message))


def _lost(case: Case, slots: list[Slot]) -> list[Slot]:
    """Those of the slots whose words make no difference to the text."""
    unseen = [slot for slot in slots if slot.asked is False]
    if not unseen or case.asker.text(put(case.messages, [(slot, _OTHER_WORDS) for slot in unseen])) == case.text:
        return unseen
    return [slot for slot in unseen[:_CHECKED] if _with_others(case, slot) == case.text]


def _with_others(case: Case, slot: Slot) -> str | None:
    return case.asker.text(put(case.messages, [(slot, _OTHER_WORDS)]))


def _numbers(slots: list[Slot]) -> str:
    numbers = list(dict.fromkeys(slot.message + 1 for slot in slots))
    return listed(numbers, 6)


def _role_dropped(role: str, slots: list[Slot]) -> Finding:
    return Finding(
        "role_dropped",
        "error",
        say("The template leaves turns of the role {role} out: message {numbers}.", role=role, numbers=_numbers(slots)),
        fix=say("Choose a template that knows this role, or give the words to another."),
        why=_NEVER_SEEN,
    )


def _content_dropped(case: Case, lost: list[Slot]) -> Finding:
    reshaped = to_blocks(case.messages) if case.facts.wants_blocks else to_text(case.messages)
    text = None if reshaped is None else case.asker.text(reshaped)
    helps = text is not None and all(slot.words.strip() in text for slot in lost)
    if case.facts.wants_blocks and helps:
        fix: Sentence = say("Give the content as a list of blocks: this template reads nothing else.")
    elif helps:
        fix = say("Give the content as plain text: this template does not read blocks.")
    else:
        fix = say("Choose a template that writes these words.")
    return Finding(
        "content_dropped",
        "error",
        say("The words of message {numbers} are not in the text.", numbers=_numbers(lost)),
        fix=fix,
        why=_NEVER_SEEN,
        action=conversation(reshaped) if reshaped is not None and helps else None,
    )


def printed_values(case: Case) -> Iterator[Finding]:
    """printed_value: lists and objects that stand in the text as Python prints them, or JSON in place of words."""
    for number, message in enumerate(case.messages, start=1):
        content = message.get("content")
        if isinstance(content, list | dict) and content and _is_printed(content, case.text):
            yield _printed(
                say(
                    "The content of message {number} is written as the list that it is, not as its words.",
                    number=number,
                ),
                say("Give the content as plain text."),
                _if_it_helps(case, to_text(case.messages), content),
            )
            break
    for number, message in enumerate(case.messages, start=1):
        given = [arguments for arguments in arguments_of(message) if isinstance(arguments, dict) and arguments]
        printed = [arguments for arguments in given if str(arguments) in case.text]
        if printed:
            yield _printed(
                say("The arguments in message {number} are written as Python prints them.", number=number),
                say("Give the arguments as JSON in a string, or choose a template that writes JSON."),
                _if_it_helps(case, arguments_to_text(case.messages), printed[0]),
            )
            break
    if any(isinstance(tool, dict) and str(tool) in case.text for tool in case.options.tools or []):
        yield _printed(
            say("The tool definitions are written as Python prints them."),
            say("Let the template write them with {filter}.", filter="tojson"),
            None,
        )


def _is_printed(value: Any, text: str) -> bool:
    return str(value) in text or json.dumps(value, ensure_ascii=False) in text


def _printed(said: Sentence, fix: Sentence, action: Action | None) -> Finding:
    return Finding(
        "printed_value",
        "error",
        said,
        fix,
        why=say("The model reads or learns brackets and quotation marks that nobody would write."),
        action=action,
    )


def _if_it_helps(case: Case, messages: list[Message] | None, value: Any) -> Action | None:
    text = None if messages is None else case.asker.text(messages)
    return conversation(messages) if messages is not None and text is not None and str(value) not in text else None


def arguments_encoded_twice(case: Case) -> Iterator[Finding]:
    """arguments_as_text: a string of JSON that the template writes as a string once more, with its quotes escaped."""
    for number, message in enumerate(case.messages, start=1):
        texts = [arguments for arguments in arguments_of(message) if isinstance(arguments, str)]
        if any(len(text) > 2 and json.dumps(text, ensure_ascii=False)[1:-1] in case.text for text in texts):
            messages = parse_arguments(case.messages)
            if messages is None or case.asker.text(messages) in (None, case.text):
                return
            yield Finding(
                "arguments_as_text",
                "error",
                say(
                    "The arguments in message {number} are JSON in a string, which is encoded once more.", number=number
                ),
                say("Write the arguments as an object."),
                why=say("The model learns to write its arguments with escaped quotation marks, which no tool reads."),
                action=conversation(messages),
            )
            return


def changed_words(case: Case) -> Iterator[Finding]:
    """content_trimmed and content_rewritten."""
    written = [slot for slot in case.slots if slot.field == "content" and not _is_whole(slot)]
    if not written:
        return
    lost = {id(slot) for slot in _lost(case, written)}
    written = [slot for slot in written if id(slot) not in lost]
    trimmed = _trimmed(case, written)
    known = {id(slot) for slot, _ in trimmed}
    others = [slot for slot in written if slot.place is None and id(slot) not in known]
    rewritten = [slot for slot in others[:_CHECKED] if _is_rewritten(case, slot)]
    if trimmed:
        yield _content_trimmed(case, trimmed)
    if rewritten:
        yield Finding(
            "content_rewritten",
            "warning",
            say("The template changes the words of message {numbers}.", numbers=_numbers(rewritten)),
            fix=say("Compare the text with the conversation, and choose another template where it matters."),
            why=say("The model sees and learns other words than the conversation has."),
            evidence=_spans(case, rewritten),
        )


def _is_whole(slot: Slot) -> bool:
    return slot.place is not None and slot.place[1] - slot.place[0] == len(slot.words)


def _trimmed(case: Case, slots: list[Slot]) -> list[tuple[Slot, str]]:
    """The slots of which white space at the edges makes no difference to the text, with the words that do.

    What the text shows of each is tried for all at once first, then one by one.
    """
    edged = [slot for slot in slots if slot.words != slot.words.strip()]
    forms = [(slot, case.text[slice(*slot.place)] if slot.place else slot.words.strip()) for slot in edged]
    if not forms or case.asker.text(put(case.messages, forms)) == case.text:
        return forms
    one_by_one = [(slot, _trimming(case, slot)) for slot in edged[:_CHECKED]]
    return [(slot, form) for slot, form in one_by_one if form is not None]


def _trimming(case: Case, slot: Slot) -> str | None:
    """The words as the template leaves them, where white space at their edges makes no difference to the text."""
    words = slot.words
    for form in dict.fromkeys((words.strip(), words.rstrip(), words.lstrip(), words.strip("\n"))):
        if form != words and case.asker.text(put(case.messages, [(slot, form)])) == case.text:
            return form
    return None


def _content_trimmed(case: Case, trimmed: list[tuple[Slot, str]]) -> Finding:
    slots = [slot for slot, _ in trimmed]
    messages = put(case.messages, trimmed)
    learned = any(case.messages[slot.message]["role"] == "assistant" for slot in slots)
    return Finding(
        "content_trimmed",
        "warning" if learned else "info",
        say("The template takes white space off the edges of message {numbers}.", numbers=_numbers(slots)),
        fix=say("Leave it out of the conversation as well, so that both say the same."),
        why=say("The model goes on from another place than where the words end.")
        if _ends_elsewhere(case, trimmed[-1])
        else say("The model never sees or learns line breaks and spaces at the edges of a turn."),
        evidence=[slot.place for slot in slots if slot.place],
        action=conversation(messages) if case.asker.text(messages) == case.text else None,
    )


def _ends_elsewhere(case: Case, trimmed: tuple[Slot, str]) -> bool:
    """Whether the last message is open and white space at its end is taken off."""
    slot, form = trimmed
    is_open = case.options.continue_final_message and slot.message == len(case.messages) - 1
    return is_open and not slot.words.endswith(form)


def _is_rewritten(case: Case, slot: Slot) -> bool:
    """Whether the words are in the text, but not as they are. A template that gives up what it thinks of as reasoning
    has a finding of its own."""
    if slot.words.strip() in case.text or _loses_reasoning(case, slot.words):
        return False
    other = _with_others(case, slot)
    return other is not None and other != case.text


def _loses_reasoning(case: Case, words: str) -> bool:
    """Whether the words have reasoning that the text has not."""
    before, found, _ = words.partition("</think>")
    return bool(found) and before.strip() not in case.text


def _spans(case: Case, slots: list[Slot]) -> list[tuple[int, int]]:
    numbers = {slot.message for slot in slots}
    return [(span.start, span.end) for span in case.rendered.spans if span.message in numbers and span.end > span.start]
