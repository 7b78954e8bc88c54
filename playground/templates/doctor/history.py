"""What a template does to earlier turns, reasoning, tools and documents, and what it takes from the calendar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from difflib import SequenceMatcher

from playground.core.findings import Finding
from playground.core.i18n import say
from playground.templates.doctor.case import Case
from playground.templates.doctor.prober import SENTINELS, common, parting, sentinel, shown
from playground.templates.locate import REASONING, plain_text

_ASKED = 3
"""At most so many turns are asked about."""
_OTHER_DAY = "1987-06-05T04:03:02"
_OTHER_THOUGHTS = sentinel(9960)
_THOUGHTS = re.compile(r"<think>(.*?)</think>", re.DOTALL)


def history_rewritten(case: Case) -> Iterator[Finding]:
    answered = [place for place, message in enumerate(case.messages[:-1]) if message["role"] == "assistant"]
    for place in list(dict.fromkeys([*answered[:1], *answered[-2:]]))[:_ASKED]:
        alone = case.asker.closed(case.messages[: place + 1])
        if alone is not None and not case.text.startswith(alone):
            start = min(parting(alone, case.text), parting(case.text, alone))
            yield _rewritten(case, place, alone[start:], start)
            return
    if answered:
        return
    case.facts.require("rewrites")
    if case.facts.rewrites is not None:
        old, new = case.facts.rewrites
        yield Finding(
            "history_rewritten",
            "info",
            say(
                "Where another turn follows an answer, “{old}” becomes “{new}”.",
                old=_quoted(old),
                new=_quoted(new),
            ),
            fix=say("Train on one answer a row, or with a template that keeps what it wrote."),
            why=say("In a longer conversation, earlier answers are not learned as the model has to write them."),
        )


def _rewritten(case: Case, place: int, old: str, start: int) -> Finding:
    new = case.text[start:]
    return Finding(
        "history_rewritten",
        "warning",
        say(
            "Message {number} ended the text with “{old}”; now that more follows, “{new}” stands there.",
            number=place + 1,
            old=_quoted(old),
            new=_quoted(new),
        ),
        fix=say("Train on one answer a row, or with a template that keeps what it wrote."),
        why=say(
            "Earlier answers are not learned as the model has to write them, and a chat is read anew at every turn."
        ),
        evidence=[_stretch(case.text, start, len(old))],
    )


def _stretch(text: str, start: int, length: int) -> tuple[int, int]:
    """What stands in place of the old text: as much of the new, up to the end of a word or a tag."""
    start = min(start, max(len(text) - 1, 0))
    end = min(start + max(length, 1), len(text))
    while end < len(text) and (text[end].isalnum() or text[end] in "|>_"):
        end += 1
    return start, end


def _quoted(text: str) -> str:
    """The beginning, with an ellipsis for the words that only stood in for somebody's."""
    text = shown(SENTINELS.sub("…", text), 1_000)
    return text if len(text) <= 40 else text[:40] + "…"


def reasoning(case: Case) -> Iterator[Finding]:
    """reasoning_stripped and reasoning_ignored."""
    stripped: list[int] = []
    ignored: list[int] = []
    for place, message in enumerate(case.messages):
        thoughts = _thoughts(message)
        if message["role"] != "assistant" or thoughts is None or _are_written(case, place, thoughts):
            continue
        if len(stripped) + len(ignored) >= _ASKED:
            break
        alone = case.asker.closed(case.messages[: place + 1]) if place + 1 < len(case.messages) else case.text
        if alone is None:
            continue
        (stripped if place + 1 < len(case.messages) and thoughts in alone else ignored).append(place)
    if stripped:
        yield Finding(
            "reasoning_stripped",
            "warning",
            say("The reasoning of message {numbers} is left out because more follows.", numbers=_list(stripped)),
            fix=say("Make a row of its own of each answer whose reasoning is to be learned."),
            why=say("The model learns these answers without the thoughts that led to them."),
            evidence=_of_messages(case, stripped),
        )
    if ignored:
        yield Finding(
            "reasoning_ignored",
            "warning",
            say("The reasoning of message {numbers} is not in the text.", numbers=_list(ignored)),
            fix=say("Choose a template that writes reasoning."),
            why=say("The model learns the answers without the thoughts that led to them."),
            evidence=_of_messages(case, ignored),
        )


def _are_written(case: Case, place: int, thoughts: str) -> bool:
    """Whether the thoughts of a message are in the text, where other messages may have the same ones."""
    if thoughts not in case.text:
        return False
    alike = [number for number, other in enumerate(case.messages) if number != place and _thoughts(other) == thoughts]
    if not alike:
        return True
    other = {key: value.replace(thoughts, _OTHER_THOUGHTS) if isinstance(value, str) else value
             for key, value in case.messages[place].items()}  # fmt: skip
    return case.asker.text([*case.messages[:place], other, *case.messages[place + 1 :]]) != case.text


def _thoughts(message: dict[str, object]) -> str | None:
    """The reasoning that a message carries, in a field of its own or in its words."""
    for name in REASONING:
        value = message.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    found = _THOUGHTS.search(plain_text(message))
    return found.group(1).strip() or None if found else None


def _list(places: list[int]) -> str:
    return ", ".join(str(place + 1) for place in places)


def _of_messages(case: Case, places: list[int]) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in case.rendered.spans if span.message in places and span.end > span.start]


def tools_ignored(case: Case) -> Iterator[Finding]:
    if case.options.tools and case.asker.text(case.messages, tools=None) == case.text:
        yield Finding(
            "tools_ignored",
            "warning",
            say("The tool definitions ({count}) are not in the text.", count=len(case.options.tools)),
            fix=say("Choose a template that writes tools."),
            why=say("The model does not know that it has tools, so it cannot learn when to call them."),
        )
    calling = [place for place, message in enumerate(case.messages) if message.get("tool_calls")]
    lost = [place for place in calling[:_ASKED] if _call_is_lost(case, place)]
    if lost:
        yield Finding(
            "tools_ignored",
            "error",
            say("The tool calls of message {numbers} are not in the text.", numbers=_list(lost)),
            fix=say("Choose a template that writes tool calls."),
            why=say("The model cannot learn when to call a tool, or how."),
        )


def _call_is_lost(case: Case, place: int) -> bool:
    """Whether the text is the same without the calls. A turn without words keeps empty content."""
    silent = {key: value for key, value in case.messages[place].items() if key != "tool_calls"}
    silent.setdefault("content", "")
    others = [*case.messages[:place], silent, *case.messages[place + 1 :]]
    return case.asker.text(others) == case.text


def documents_ignored(case: Case) -> Iterator[Finding]:
    if case.options.documents and case.asker.text(case.messages, documents=None) == case.text:
        yield Finding(
            "documents_ignored",
            "warning",
            say("The documents are not in the text: {count} were given.", count=len(case.options.documents)),
            fix=say("Write them into a turn, or choose a template that writes documents."),
            why=say("The model answers without having read them."),
        )


def depends_on_date(case: Case) -> Iterator[Finding]:
    if case.options.clock is not None or "strftime_now" not in case.asker.renderer.template(case.options):
        return
    other = case.asker.text(case.messages, clock=_OTHER_DAY)
    if other is None or other == case.text:
        return
    places = _differences(case.text, other)
    now = datetime.now().replace(hour=12, minute=0, second=0, microsecond=0).isoformat()
    yield Finding(
        "depends_on_date",
        "warning",
        say("The text has today's date in it: “{text}”.", text=shown(case.text[slice(*places[0])])),
        fix=say("Pin the clock."),
        why=say("The same row becomes another text tomorrow, and what was trained is never seen again."),
        evidence=places,
        action={"kind": "options", "options": {"clock": now}},
    )


def _differences(text: str, other: str) -> list[tuple[int, int]]:
    """The words of `text` that another day changes."""
    start = parting(text, other)
    ending = common(text[start:][::-1], other[start:][::-1])
    stop = len(text) - ending
    if stop - start > 400:
        return [_whole_words(text, start, stop)]
    matcher = SequenceMatcher(None, text[start:stop], other[start : len(other) - ending], autojunk=False)
    changed = [(start + i, start + j) for tag, i, j, _, _ in matcher.get_opcodes() if tag != "equal"]
    return _joined(text, [_whole_words(text, *place) for place in changed or [(start, stop)]])


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return start, end


def _joined(text: str, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches with at most two characters between them made one."""
    joined = [places[0]]
    for start, end in places[1:]:
        if start - joined[-1][1] <= 2:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
