r"""Text that has been through a chat template already, back into messages.

    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>\n"
        ->  [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}], as ChatML writes it
    "### Instruction:\nHi\n\n### Response:\nAhoy</s>"   ->  the same, as Alpaca does
    "### Human: Hi### Assistant: Ahoy"                  ->  the same, OpenAssistant Guanaco's way
    "\n\nHuman: Hi\n\nAssistant: Ahoy"                  ->  the same, HH-RLHF's way

Read only where the text begins with one of rendered_forms.py, nothing else stands in it, and a question has an answer.
Whatever else looks rendered is named by `marks_in`, for the linter to tell of; `read_loosely` guesses, where a person
asks for it. Transcripts that people paste are readers/transcripts.py's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from playground.core.messages import is_plain
from playground.data.schemas.column_names import fold
from playground.data.schemas.rendered_forms import (
    BEGINS,
    BOS,
    FORMS,
    MARKED,
    MARKERS,
    PREAMBLES,
    ROLES_OF,
    TURN,
    Form,
    Turn,
    parse,
    turns_of,
    without_edges,
    without_starts,
)

_PASTED = re.compile(rf"{BOS}{{0,4}}(?:{MARKED}|### ?(?:Instruction|Human|指示)[:：]|USER:)")
_ANEW = re.compile(
    rf"{BOS}{{1,4}}(?:{MARKED}|###|USER)|{PREAMBLES}|<\|im_start\|> ?system\n|<\|system\|>"
    r"|### ?(?:System|Instruction|指示)[:：]"
)
_NAMES = "Human|User|Assistant|System|Question|Answer|[QA]|ユーザー|アシスタント|システム|質問|回答"
_LOOSE = (*FORMS, FORMS[-1]._replace(header=re.compile(rf"(?:\A|\n)({_NAMES})[:：]")))
_MISSES = 8
_GAPS = re.compile(r"\n(?:[ \t]*+\n|-{3,}+[ \t]*+\n)*+")
_OF_TURNS = re.compile(r"(?i)user|assistant|chatbot|inst\]|turn|message|header|role|sys|im_")
_HEADINGS = re.compile(
    r"(?:\A|\n)[ \t]{0,8}### ?(?:Instruction|Human|User|Response|Assistant|指示|質問|応答|回答)[:：]"
)
_SPEAKERS = re.compile(rf"(?:\A|\n)(?:{_NAMES})[:：]|(?:\A|\s)(?:USER|ASSISTANT):")


@dataclass(frozen=True)
class Reading:
    """What a rendered text means."""

    messages: list[dict[str, Any]]
    form: str
    """Name of the way in which it was written."""
    is_cut: bool = False
    """The last turn has no end, though those of this form have one."""


def read_rendered(text: str) -> Reading | None:
    """The conversation in a text; None where it is none from its beginning to its end."""
    found = parse(text)
    return None if found is None else _reading(*found)


def texts_in(text: str) -> list[str]:
    """The rendered conversations that stand in a text one after the other; [] where there is anything else in it.

    One ends where it can be read and a blank line, a line of ---, or what only begins a text follows: a BOS token, a
    preamble, a system prompt, Alpaca's instruction. Names before the turns ("Human:") are readers/transcripts.py's.
    """
    if _PASTED.match(text) is None:
        return []
    texts: list[str] = []
    start = misses = 0
    for gap in _GAPS.finditer(text):
        is_break = _PASTED.match(text, gap.end()) if gap[0].count("\n") > 1 else _ANEW.match(text, gap.end())
        if not is_break:
            continue
        part = text[start : gap.start()]
        if read_rendered(part):
            texts.append(part)
            start, misses = gap.end(), 0
        elif (misses := misses + 1) > _MISSES:
            return []  # Each try looks through all that was not read so far.
    return [*texts, text[start:]] if read_rendered(text[start:]) else []


def read_pair(prompt: str, answer: str) -> Reading | None:
    """The conversation in a prompt that is rendered up to where the answer begins, or in an answer that repeats it."""
    found = parse(prompt)
    if whole := read_rendered(answer):
        asked = _messages(_asked(found[1])) if found else []
        last = [message["content"] for message in whole.messages if message["role"] == "user"][-1]
        repeats = last == prompt.strip() or (bool(asked) and whole.messages[: len(asked)] == asked)
        return whole if repeats else None
    return None if found is None else _answered(*found, answer)


def _answered(form: Form, turns: list[Turn], answer: str) -> Reading | None:
    """The turns of a prompt, and what goes on behind them."""
    asked = _asked(turns)
    if not asked or asked[-1].role != "user":
        return None
    following = turns_of(form, answer.lstrip())
    if following is None:
        words, is_ended = without_edges(answer)
        # Without a generation prompt, or an end of the question, what follows may be more of the question.
        if not (len(asked) < len(turns) or asked[-1].is_ended) or MARKERS.search(words):
            return None
        following = [Turn("assistant", form.trim(words), is_ended)]
    elif following[0].role != "assistant":
        return None
    return _reading(form, [*asked, *following], is_whole=True)


def read_loosely(messages: list[Any]) -> list[Any] | None:
    """The messages of a text, or of a question with its answer, where other words stand before the first header: they
    are taken for the question where an answer follows, for a system prompt where a question does. None where it fails.

        "Be brief. USER: Hi ASSISTANT: Ahoy</s>"    ->  system, user, assistant
        "Hi<|im_end|>\n<|im_start|>assistant\nAhoy"  ->  user, assistant
    """
    if not messages or not all(is_plain(message) for message in messages):
        return None
    lead, texts = _apart(messages)
    found = _parse_loosely(texts[0]["content"])
    if found is None or len(texts) > 2 or (len(texts) == 2 and texts[1]["role"] != "assistant"):
        return None
    reading = _reading(*found) if len(texts) == 1 else _answered(*found, texts[1]["content"])
    if reading is None or (lead and reading.messages[0]["role"] == "system"):
        return None
    return [*lead, *reading.messages]


def _parse_loosely(text: str) -> tuple[Form, list[Turn]] | None:
    text = without_starts(text)
    places = ((found.start(), place) for place, form in enumerate(_LOOSE) if (found := form.header.search(text)))
    for start, place in sorted(places):
        form, lead = _LOOSE[place], without_edges(text[:start])[0].strip()
        turns = turns_of(form, text[start:]) or []
        if any(turn.role == "assistant" for turn in turns) and not MARKERS.search(lead):
            role = "user" if turns[0].role == "assistant" else "system"
            return form, [*([Turn(role, lead, True)] if lead else []), *turns]
    return None


def _apart(messages: list[Any]) -> tuple[list[Any], list[Any]]:
    """(a system prompt in front, the others)"""
    has_lead = len(messages) > 1 and messages[0]["role"] in ("system", "developer")
    return messages[:has_lead], messages[has_lead:]


def read_messages(messages: list[Any]) -> Reading | None:
    """The conversation that stands, rendered, in the words of messages: in one of them, in a question with its answer,
    or in each its own turn. None where there is none.
    """
    contents = [message.get("content") if isinstance(message, dict) else None for message in messages]
    if not any(isinstance(content, str) and BEGINS.match(content) for content in contents):
        return None
    if not all(is_plain(message) for message in messages):
        return None
    lead, rest = _apart(messages)
    found = None
    if len(rest) == 1:
        found = read_rendered(rest[0]["content"])
    elif [message["role"] for message in rest] == ["user", "assistant"]:
        found = read_pair(rest[0]["content"], rest[1]["content"])
    if found is None:
        return _each(messages)
    if found.messages[0]["role"] != "system":
        return Reading([*lead, *found.messages], found.form, found.is_cut)
    return found if not lead or lead[0]["content"].strip() == found.messages[0]["content"].strip() else None


def _each(messages: list[Any]) -> Reading | None:
    """The messages with those unwrapped that hold one turn of their own role; None where one holds anything else."""
    unwrapped: list[Any] = []
    name = ""
    for message in messages:
        found = parse(message["content"])
        if found is not None:
            form, turns = found[0], _asked(found[1])
            is_closed = bool(turns) and (turns[0].is_ended or len(turns) < len(found[1]))
            if not is_closed or [turn.role for turn in turns] != [message["role"]]:
                return None
            name, message = form.name, {**message, "content": turns[0].words}
        unwrapped.append(message)
    return Reading(unwrapped, name) if name else None


def _reading(form: Form, turns: list[Turn], *, is_whole: bool = False) -> Reading | None:
    roles = {turn.role for turn in turns}
    is_prompt = len(_asked(turns)) < len(turns)
    if turns[0].role == "assistant" or not {"user", "assistant"} <= roles or is_prompt:
        return None
    is_cut = not is_whole and not turns[-1].is_ended and any(turn.is_ended for turn in turns)
    return Reading(_messages(turns), form.name, is_cut)


def _messages(turns: list[Turn]) -> list[dict[str, Any]]:
    return [{"role": turn.role, "content": turn.words} for turn in turns]


def _asked(turns: list[Turn]) -> list[Turn]:
    """The turns without a last one that is empty and open: the generation prompt."""
    is_prompt = bool(turns) and turns[-1].role == "assistant" and not turns[-1].words and not turns[-1].is_ended
    return turns[:-1] if is_prompt else turns


def marks_in(text: str, *, is_alone: bool) -> list[str]:
    """The markers in words that look rendered, each once; [] where at most a word is said about one.

        "Hi<|im_end|>\\n<|im_start|>assistant\\nAhoy"  ->  ["<|im_end|>", "<|im_start|>"]
        "Use [INST] for Llama"                         ->  []

    `is_alone`: the text is a whole row; names of speakers at the beginning of lines then count as well.
    """
    if "<" in text or "[" in text:
        marks = list(dict.fromkeys(MARKERS.findall(text)))
        at_edge = len(marks) > 1 and (MARKERS.match(without_starts(text).lstrip()) or without_edges(text)[1])
        if (at_edge and any(map(_OF_TURNS.search, marks))) or (marks and TURN.search(text)):
            return marks
    for label, is_asked in ((_HEADINGS, "###" in text), (_SPEAKERS, is_alone)):
        labels = list(dict.fromkeys(found[0].strip() for found in label.finditer(text))) if is_asked else []
        if {"user", "assistant"} <= {ROLES_OF.get(fold(name.strip("# "))) for name in labels}:
            return labels
    return []
