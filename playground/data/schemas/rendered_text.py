r"""Text that has been through a chat template already, back into messages.

    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nAhoy<|im_end|>\n"
        ->  [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}], as ChatML writes it
    "### Instruction:\nHi\n\n### Response:\nAhoy</s>"   ->  the same, as Alpaca does
    "### Human: Hi### Assistant: Ahoy"                  ->  the same, OpenAssistant Guanaco's way
    "\n\nHuman: Hi\n\nAssistant: Ahoy"                  ->  the same, HH-RLHF's way

Read only where the text begins with such a form, every character of it belongs to a turn or to the form, each turn's
role is known, a question has an answer, and no marker is left in the words. Of the white space around words only what
the form itself writes is left out. Whatever else looks rendered is named by `marks_in`, for the linter to tell of.
Transcripts that people paste are readers/transcripts.py's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

from playground.core.messages import is_plain
from playground.data.schemas.column_names import ROLES, fold

MARKERS = re.compile(
    r"<\|[^<>|\s]{1,50}\|>|<｜[^<>｜\s]{1,50}｜>|</s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>"
    r"|\[/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\]|<<SYS>>|<</SYS>>"
)
"""Control tokens of widely used models. <s> alone is not here: in HTML it strikes words out."""
_STARTS = (
    "<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>",
    "<｜begin▁of▁sentence｜>", "<BOS_TOKEN>",
)  # fmt: skip
_ENDS = (
    "<|im_end|>", "</s>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|end|>", "<|end_of_text|>",
    "<end_of_turn>", "<eos>", "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>", "<|end_of_turn|>", "[/SYSTEM_PROMPT]",
)  # fmt: skip
_EDGES = (*_ENDS, *_STARTS)
_EDGES_TRIED = 8
_ROLES = {
    **{name: role for name, role in ROLES.items() if role in ("system", "user", "assistant")},
    "inst": "user", "/inst": "assistant", "systemprompt": "system",
    "input": "input", "入力": "input", "指示": "user", "応答": "assistant", "回答": "assistant",
}  # fmt: skip
_LLAMA_DATES = re.compile(r"Cutting Knowledge Date: [^\n]{1,40}\nToday Date: [^\n]{1,40}\n\n")
_BLANK_LINE = re.compile(r"[ \t]*\n+| ")


def _after_label(words: str) -> str:
    """Without the space or the line break that a label is followed by, and what stands before the next one."""
    first = _BLANK_LINE.match(words)
    return words[first.end() if first else 0 :].rstrip()


class _Form(NamedTuple):
    """One way to write a conversation as a text."""

    name: str
    header: re.Pattern[str]
    """What opens a turn; its only group that matches is the role."""
    is_closed: bool = False
    """Whether each turn ends with a token."""
    gap: str = ""
    """What stands between a turn without an end and the next header."""
    trim: Callable[[str], str] = str
    """Takes the form's own white space off the words."""
    preamble: re.Pattern[str] = re.compile("")


_CLOSED = {
    "ChatML": r"<\|im_start\|> ?(\w+)(?:\n|<\|im_sep\|>|\Z)",
    "Llama 3": r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\n{0,2}",
    "Llama 4": r"<\|header_start\|>(\w+)<\|header_end\|>\n{0,2}",
    "Gemma": r"<start_of_turn>(\w+)(?:\n|\Z)",
    "Granite": r"<\|start_of_role\|>(\w+)<\|end_of_role\|>",
    "Command R": r"<\|START_OF_TURN_TOKEN\|><\|(\w+)_TOKEN\|>",
}
_VICUNA = re.compile(
    r"(?:A chat between a curious (?:user|human) and an artificial intelligence assistant\. The assistant gives "
    r"helpful, detailed, and polite answers to the (?:user|human)'s questions\.\s*)?"
)
_ALPACA = re.compile(
    r"(?:Below is an instruction that describes a task(?:, paired with an input that provides further context)?\.\s+"
    r"Write a response that appropriately completes the request\.\s*|以下は、タスクを説明する指示"
    r"(?:と、文脈のある入力の組み合わせ)?です。\s*要求を適切に満たす応答を書きなさい。\s*)?"
)
_FORMS = (
    *(_Form(name, re.compile(header), is_closed=True) for name, header in _CLOSED.items()),
    _Form("Zephyr / Phi-3", re.compile(r"<\|(system|user|assistant)\|>\n?"), gap="\n"),
    _Form("DeepSeek", re.compile(r"<｜(User|Assistant)｜>")),
    _Form(
        "Llama 2 / Mistral",
        re.compile(r"\[(INST|/INST|SYSTEM_PROMPT)\]"),
        trim=partial(re.compile(r"\A[ \n]|[ \n]\Z").sub, ""),
    ),
    _Form("Vicuna", re.compile(r"(?:\A|\s|(?<=</s>))(USER|ASSISTANT):"), trim=_after_label, preamble=_VICUNA),
    _Form(
        "Alpaca",
        re.compile(r"(?:\A|\n)### ?(Instruction|Input|Response|指示|入力|応答|回答)[:：]"),
        trim=_after_label,
        preamble=_ALPACA,
    ),
    _Form(
        "### Human: / ### Assistant:",
        re.compile(r"\s{0,2}### (Human|User|Question|Assistant|Answer|System):"),
        trim=_after_label,
    ),
    _Form(
        "Human: / Assistant:",
        re.compile(r"(?:\A|\n\n|(?<=</s>)|(?<=<｜end▁of▁sentence｜>))(Human|User|Assistant|System):"),
        trim=_after_label,
    ),
)
_BOS = rf"\s{{0,8}}+(?:(?:{'|'.join(map(re.escape, _STARTS))})\s*+)"
_PREAMBLES = "A chat between a curious|Below is an instruction|以下は、タスクを説明する"
_MARKED = rf"<\||<｜|<start_of_turn>|\[INST\]|\[SYSTEM_PROMPT\]|{_PREAMBLES}"
_BEGINS = re.compile(rf"{_BOS}{{0,4}}(?:{_MARKED}|### ?\w{{2,12}}[:：]|(?:USER|Human|User|System|ASSISTANT):)")
"""The cheap look: most texts are left alone after their first characters."""
_PASTED = re.compile(rf"{_BOS}{{0,4}}(?:{_MARKED}|### ?(?:Instruction|Human|指示)[:：]|USER:)")
_ANEW = re.compile(
    rf"{_BOS}{{1,4}}(?:{_MARKED}|###|USER)|{_PREAMBLES}|<\|im_start\|> ?system\n|<\|system\|>"
    r"|### ?(?:System|Instruction|指示)[:：]"
)
_GAPS = re.compile(r"\n(?:[ \t]*+\n|-{3,}+[ \t]*+\n)*+")
_TURN = re.compile(
    rf"{'|'.join(header.replace('(', '(?:', 1) for header in _CLOSED.values())}|<\|(?:system|user|assistant)\|>\n"
)
"""Headers that no sentence about them looks like."""
_OF_TURNS = re.compile(r"(?i)user|assistant|chatbot|inst\]|turn|message|header|role|sys|im_")
_HEADINGS = re.compile(r"(?:\A|\n)[ \t]{0,8}### ?(Instruction|Human|User|Response|Assistant|指示|応答|回答)[:：]")
_SPEAKERS = re.compile(r"(?:\A|\n)(Human|User|Assistant):|(?:\A|\s)(USER|ASSISTANT):")


class _Turn(NamedTuple):
    role: str
    words: str
    is_ended: bool


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
    found = _parse(text)
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
        elif (misses := misses + 1) > _EDGES_TRIED:
            return []  # Each try looks through all that was not read so far.
    return [*texts, text[start:]] if read_rendered(text[start:]) else []


def read_pair(prompt: str, answer: str) -> Reading | None:
    """The conversation in a prompt that is rendered up to where the answer begins, or in an answer that repeats it."""
    found = _parse(prompt)
    asked = _asked(found[1]) if found else []
    if whole := read_rendered(answer):
        last = [message["content"] for message in whole.messages if message["role"] == "user"][-1]
        repeats = last == prompt.strip() or (bool(asked) and whole.messages[: len(asked)] == _messages(asked))
        return whole if repeats else None
    if found is None or not asked or asked[-1].role != "user":
        return None
    form, turns = found
    following = _turns(form, answer.lstrip())
    if following is None:
        words, is_ended = without_edges(answer)
        # Without a generation prompt, or an end of the question, what follows may be more of the question.
        if not (len(asked) < len(turns) or asked[-1].is_ended) or MARKERS.search(words):
            return None
        following = [_Turn("assistant", form.trim(words), is_ended)]
    elif following[0].role != "assistant":
        return None
    return _reading(form, [*asked, *following], is_whole=True)


def read_messages(messages: list[Any]) -> Reading | None:
    """The conversation that stands, rendered, in the words of messages: in one of them, in a question with its answer,
    or in each its own turn. None where there is none.
    """
    contents = [message.get("content") if isinstance(message, dict) else None for message in messages]
    if not any(isinstance(content, str) and _BEGINS.match(content) for content in contents):
        return None
    if not all(is_plain(message) for message in messages):
        return None
    lead = messages[:1] if len(messages) > 1 and messages[0]["role"] in ("system", "developer") else []
    rest = messages[len(lead) :]
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
        found = _parse(message["content"])
        if found is not None:
            form, turns = found[0], _asked(found[1])
            is_closed = bool(turns) and (turns[0].is_ended or len(turns) < len(found[1]))
            if not is_closed or [turn.role for turn in turns] != [message["role"]]:
                return None
            name, message = form.name, {**message, "content": turns[0].words}
        unwrapped.append(message)
    return Reading(unwrapped, name) if name else None


def _reading(form: _Form, turns: list[_Turn], *, is_whole: bool = False) -> Reading | None:
    roles = {turn.role for turn in turns}
    is_prompt = len(_asked(turns)) < len(turns)
    if turns[0].role == "assistant" or not {"user", "assistant"} <= roles or is_prompt:
        return None
    is_cut = not is_whole and not turns[-1].is_ended and any(turn.is_ended for turn in turns)
    return Reading(_messages(turns), form.name, is_cut)


def _messages(turns: list[_Turn]) -> list[dict[str, Any]]:
    return [{"role": turn.role, "content": turn.words} for turn in turns]


def _asked(turns: list[_Turn]) -> list[_Turn]:
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
        if (at_edge and any(map(_OF_TURNS.search, marks))) or (marks and _TURN.search(text)):
            return marks
    for label, is_asked in ((_HEADINGS, "###" in text), (_SPEAKERS, is_alone)):
        labels = list(dict.fromkeys(found[0].strip() for found in label.finditer(text))) if is_asked else []
        if {"user", "assistant"} <= {_ROLES.get(fold(name.strip("# "))) for name in labels}:
            return labels
    return []


def without_edges(words: str) -> tuple[str, bool]:
    """The words before the tokens that end a turn, and whether there were any. Without any all stays as it is.

    "Bye </s>\\n"     ->  ("Bye ", True)
    "Not <s>old</s>"  ->  no end: words that HTML strikes out
    """
    is_ended = False
    for _ in range(_EDGES_TRIED):
        stripped = words.rstrip()
        token = next((token for token in _EDGES if stripped.endswith(token)), "")
        if not token or (token == "</s>" and stripped.rfind("<s>") > 0):
            break
        words = stripped[: -len(token)]
        is_ended = is_ended or token in _ENDS
    return words, is_ended


def without_starts(text: str) -> str:
    """The text after the tokens that begin a text. Without any all stays as it is."""
    for _ in range(_EDGES_TRIED):
        stripped = text.lstrip()
        token = next((token for token in _STARTS if stripped.startswith(token)), "")
        if not token:
            break
        text = stripped[len(token) :]
    return text


def without_headers(text: str, is_meant: Callable[[str], object]) -> str:
    """The text without those headers of turns for which `is_meant` is true, the name of the role with its markers."""
    return _TURN.sub(lambda header: "" if is_meant(header[0]) else header[0], text)


# --- One form ---


def _parse(text: str) -> tuple[_Form, list[_Turn]] | None:
    if _BEGINS.match(text) is None:
        return None
    text = without_starts(text).lstrip()
    for form in _FORMS:
        preamble = form.preamble.match(text)
        turns = _turns(form, text[preamble.end() if preamble else 0 :])
        if turns is not None:
            return form, turns
    return None


def _turns(form: _Form, text: str) -> list[_Turn] | None:
    """The turns of a text that begins with one; None where anything in it is no part of the form."""
    headers = list(form.header.finditer(text)) if form.header.match(text) else []
    turns: list[_Turn] = []
    for header, following in zip_longest(headers, headers[1:]):
        words, is_ended = without_edges(text[header.end() : following.start() if following else len(text)])
        role = _ROLES.get(fold(header[header.lastindex or 0]))
        if role is None or (following and form.is_closed and not is_ended):
            return None
        if not is_ended:
            words = words.removesuffix(form.gap) if following else words.rstrip()
        words = form.trim(words)
        if words.startswith("<<SYS>>") and not turns:
            given, closing, words = words.removeprefix("<<SYS>>").partition("<</SYS>>")
            if not closing or MARKERS.search(given):
                return None
            turns.append(_Turn("system", given.strip(), True))
            words = words.lstrip()
        if MARKERS.search(words) or (not following and not is_ended and _ends_in_half_a_marker(words)):
            return None
        if role == "system" and (dates := _LLAMA_DATES.match(words)):
            words = words[dates.end() :]
            if not words:
                continue
        if role != "input":
            turns.append(_Turn(role, words, is_ended))
        elif turns and turns[-1].role == "user":
            turns[-1] = _Turn("user", f"{turns[-1].words}\n{words}" if words else turns[-1].words, False)
        else:
            return None
    return turns or None


def _ends_in_half_a_marker(words: str) -> bool:
    tail = words[max(words.rfind("<"), words.rfind("[")) :][:40]
    return len(tail) > 1 and any(token.startswith(tail) for token in (*_EDGES, "[INST]", "<|im_start|>", "<start_of_"))
