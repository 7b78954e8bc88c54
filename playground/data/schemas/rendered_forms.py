r"""The forms in which chat templates write a conversation as a text, and a text in one of them taken apart into turns.

    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        ->  ChatML, [("user", "Hi", ended), ("assistant", "", not ended)]

A form is known by what opens a turn. Every character has to belong to a turn or to the form, each turn's role has to be
known, and no marker may be left in the words. Of the white space around words only what the form itself writes is left
out. What the turns mean is rendered_text.py's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import zip_longest
from typing import NamedTuple

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
ROLES_OF = {
    **{name: role for name, role in ROLES.items() if role in ("system", "user", "assistant")},
    "inst": "user", "/inst": "assistant", "systemprompt": "system",
    "input": "input", "入力": "input", "指示": "user", "質問": "user", "応答": "assistant", "回答": "assistant",
}  # fmt: skip
_LLAMA_DATES = re.compile(r"Cutting Knowledge Date: [^\n]{1,40}\nToday Date: [^\n]{1,40}\n\n")
_BLANK_LINE = re.compile(r"[ \t]*(?:\r?\n)+| ")


def _after_label(words: str) -> str:
    """Without the space or the line break that a label is followed by, and what stands before the next one."""
    first = _BLANK_LINE.match(words)
    return words[first.end() if first else 0 :].rstrip()


class Form(NamedTuple):
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
    "ChatML": r"<\|im_start\|> ?(\w+)(?:\r?\n|<\|im_sep\|>|\Z)",
    "Llama 3": r"<\|start_header_id\|>(\w+)<\|end_header_id\|>(?:\r?\n){0,2}",
    "Llama 4": r"<\|header_start\|>(\w+)<\|header_end\|>(?:\r?\n){0,2}",
    "Gemma": r"<start_of_turn>(\w+)(?:\r?\n|\Z)",
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
FORMS = (
    *(Form(name, re.compile(header), is_closed=True) for name, header in _CLOSED.items()),
    Form("Zephyr / Phi-3", re.compile(r"(?i)<\|(system|user|prompter|human|assistant)\|>(?:\r?\n)?"), gap="\n"),
    Form("DeepSeek", re.compile(r"<｜(User|Assistant)｜>")),
    Form(
        "Llama 2 / Mistral",
        re.compile(r"\[(INST|/INST|SYSTEM_PROMPT)\]"),
        trim=partial(re.compile(r"\A(?:\r?\n| )|(?:\r?\n| )\Z").sub, ""),
    ),
    Form("Vicuna", re.compile(r"(?:\A|\s|(?<=</s>))(USER|ASSISTANT):"), trim=_after_label, preamble=_VICUNA),
    Form(
        "Alpaca",
        re.compile(r"(?:\A|\n)### ?(Instruction|Input|Response|指示|質問|入力|応答|回答)[:：]"),
        trim=_after_label,
        preamble=_ALPACA,
    ),
    Form(
        "### Human: / ### Assistant:",
        re.compile(r"\s{0,2}### (Human|User|Question|Assistant|Answer|System):"),
        trim=_after_label,
    ),
    Form(
        "Human: / Assistant:",
        re.compile(r"(?:\A|\n\r?\n|(?<=</s>)|(?<=<｜end▁of▁sentence｜>))(Human|User|Assistant|System):"),
        trim=_after_label,
    ),
)
BOS = rf"\s{{0,8}}+(?:(?:{'|'.join(map(re.escape, _STARTS))})\s*+)"
PREAMBLES = "A chat between a curious|Below is an instruction|以下は、タスクを説明する"
MARKED = rf"<\||<｜|<start_of_turn>|\[INST\]|\[SYSTEM_PROMPT\]|{PREAMBLES}"
BEGINS = re.compile(rf"{BOS}{{0,4}}(?:{MARKED}|### ?\w{{2,12}}[:：]|(?:USER|Human|User|System|ASSISTANT):)")
"""The cheap look: most texts are left alone after their first characters."""
TURN = re.compile(
    rf"{'|'.join(header.replace('(', '(?:', 1) for header in _CLOSED.values())}|<\|(?:system|user|assistant)\|>\n"
)
"""Headers that no sentence about them looks like."""


class Turn(NamedTuple):
    role: str
    words: str
    is_ended: bool


def parse(text: str) -> tuple[Form, list[Turn]] | None:
    if BEGINS.match(text) is None:
        return None
    text = without_starts(text).lstrip()
    for form in FORMS:
        preamble = form.preamble.match(text)
        turns = turns_of(form, text[preamble.end() if preamble else 0 :])
        if turns is not None:
            return form, turns
    return None


def turns_of(form: Form, text: str) -> list[Turn] | None:
    """The turns of a text that begins with one; None where anything in it is no part of the form."""
    headers = list(form.header.finditer(text)) if form.header.match(text) else []
    turns: list[Turn] = []
    for header, following in zip_longest(headers, headers[1:]):
        end = following.start() if following else len(text)
        words, is_ended = without_edges(text[header.end() : end])
        role = ROLES_OF.get(fold(header[header.lastindex or 0]))
        # With a second token behind the turn another text begins: two in one row are nobody's conversation.
        ends = MARKERS.findall(text, header.end() + len(words), end)
        if role is None or (following and form.is_closed and len(ends) != 1):
            return None
        if not is_ended:
            words = words.removesuffix(form.gap).removesuffix("\r") if following else words.rstrip()
        words = form.trim(words)
        if words.startswith("<<SYS>>") and not turns:
            given, closing, words = words.removeprefix("<<SYS>>").partition("<</SYS>>")
            if not closing or MARKERS.search(given):
                return None
            turns.append(Turn("system", given.strip(), True))
            words = words.lstrip()
        if MARKERS.search(words) or (not following and not is_ended and _ends_in_half_a_marker(words)):
            return None
        if role == "system" and (dates := _LLAMA_DATES.match(words)):
            words = words[dates.end() :]
            if not words:
                continue
        if role != "input":
            turns.append(Turn(role, words, is_ended))
        elif turns and turns[-1].role == "user":
            turns[-1] = Turn("user", f"{turns[-1].words}\n{words}" if words else turns[-1].words, False)
        else:
            return None
    return turns or None


def _ends_in_half_a_marker(words: str) -> bool:
    tail = words[max(words.rfind("<"), words.rfind("[")) :][:40]
    return len(tail) > 1 and any(token.startswith(tail) for token in (*_EDGES, "[INST]", "<|im_start|>", "<start_of_"))


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
    return TURN.sub(lambda header: "" if is_meant(header[0]) else header[0], text)
