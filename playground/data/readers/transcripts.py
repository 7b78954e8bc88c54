"""Conversations written as plain text: lines that open with who speaks.

    "Q: Who are you?\\nA: Mochi.\\n\\nQ: ..."    ->  one conversation for each question
    "User: Hi\\nAssistant: Ahoy\\nUser: ..."     ->  one conversation, until a line of --- or a system prompt

Labels may be numbered (Q1.), bold (**User:**), headings (## Assistant), in brackets (【質問】) or with a full-width
colon; ChatGPT's page copies as "You said:" and "ChatGPT said:".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ASKING = (
    "q",
    "question",
    "質問",
    "問",
    "問い",
    "問題",
    "設問",
    "prompt",
    "instruction",
    "input",
    "プロンプト",
    "入力",
    "指示",
)
_ANSWERING = ("a", "answer", "回答", "答", "答え", "解答", "response", "output", "completion", "応答", "返答", "出力")
_USER = (
    "user",
    "human",
    "you",
    "you said",
    "me",
    "customer",
    "ユーザー",
    "ユーザ",
    "人間",
    "利用者",
    "お客様",
    "あなた",
    "私",
)
_ASSISTANT = (
    "assistant", "ai", "bot", "model", "chatbot", "gpt", "chatgpt", "chatgpt said", "claude", "gemini", "copilot",
    "agent", "アシスタント", "ボット", "モデル", "人工知能", "担当者", "オペレーター",
)  # fmt: skip
_SYSTEM = ("system", "system prompt", "system message", "システム", "システムプロンプト", "システムメッセージ")
_ROLES = {
    **dict.fromkeys((*_ASKING, *_USER), "user"),
    **dict.fromkeys((*_ANSWERING, *_ASSISTANT), "assistant"),
    **dict.fromkeys(_SYSTEM, "system"),
}
_FIRST_LETTERS = {word[0] for word in _ROLES}
_BEFORE_A_SPEAKER = " \t>#*_-0123456789.)[【＜「<"
_WORDS = "|".join(re.escape(word) for word in sorted(_ROLES, key=len, reverse=True))
_LABEL = re.compile(
    rf"""[ \t>]{{0,12}}(?:[-*][ ]|\d{{1,4}}[.)][ ])?(?P<heading>\#{{1,6}}[ ]+)?(?P<bold>\*\*|__)?
    (?P<open>[\[【＜「<])?(?P<word>{_WORDS})[ ]?(?P<number>[#.]?\d{{1,4}}|[０-９]{{1,4}})?(?P<close>[\]】＞」>])?
    (?P<early>\*\*|__)?[ \u3000]?(?P<mark>[:：]|(?<=[0-9０-９])[.．、)）])?(?P<late>\*\*|__)?
    (?=(?P<gap>[ \t\u3000]*))(?P=gap)(?P<said>.*)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_INNER_ANSWER = re.compile(
    rf"(?:(?<=\s)|(?<=[。？！?!]))(?:{'|'.join(_ANSWERING)})\d{{0,4}}[ ]?[:：]\s*", re.IGNORECASE
)
_SEPARATOR = re.compile(r"\s*([-=*_－＝―─])\1{2,}\s*|\s*([-*_] ){2,}[-*_]\s*")
_FENCE = re.compile(r"\s*(```|~~~)")


@dataclass
class Turn:
    """One speaker's words, as lines."""

    role: str
    asks: bool
    """Whether the label is one of question and answer, where each question begins a conversation."""
    lines: list[str] = field(default_factory=list)

    def message(self) -> dict[str, str]:
        return {"role": self.role, "content": "\n".join(self.lines).strip()}


@dataclass
class Transcript:
    """Conversations, each a list of messages, and what stood before the first of them."""

    conversations: list[list[dict[str, str]]] = field(default_factory=list)
    before: str = ""
    asks: bool = False


def label_of(line: str) -> tuple[str, bool, str] | None:
    """(role, is it of question and answer, what is said on the line) where a line opens with a speaker, else None.

    A speaker has a colon behind it, or stands in brackets, or alone in a heading or in bold. "Answer the phone" and
    "A. First choice" open with none.
    """
    # Most lines open with no speaker: the long pattern is asked only where one could stand.
    if line[:40].lstrip(_BEFORE_A_SPEAKER)[:1].lower() not in _FIRST_LETTERS:
        return None
    match = _LABEL.fullmatch(line)
    if match is None:
        return None
    said = match["said"]
    in_brackets = bool(match["open"]) and bool(match["close"])
    if bool(match["open"]) != bool(match["close"]):
        return None
    is_bold = bool(match["bold"]) and bool(match["early"] or match["late"])
    alone = not said.strip() and (bool(match["heading"]) or is_bold)
    if not (match["mark"] or in_brackets or alone):
        return None
    if bool(match["bold"]) and not is_bold:
        return None
    word = match["word"].lower()
    return _ROLES[word], word in _ASKING or word in _ANSWERING, said


def read_transcript(text: str) -> Transcript | None:
    """The conversations in text; None where it has no question with an answer behind it, told apart by labels."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    transcript = _read(_split_answers(lines), fences=True)
    if sum(bool(_FENCE.match(line)) for line in lines) % 2:
        transcript = _read(_split_answers(lines), fences=False)  # One is never closed: it would hide all that follows.
    answered = any(
        {"user", "assistant"} <= {message["role"] for message in messages} for messages in transcript.conversations
    )
    return transcript if answered else None


def _split_answers(lines: list[str]) -> list[str]:
    """Questions and answers on one line ("Q: Who? A: Me.") as two lines."""
    labels = [label_of(line) if len(line) < 20_000 else None for line in lines]
    split: list[str] = []
    following: str | None = None
    parts: list[list[str]] = []
    for line, label in zip(reversed(lines), reversed(labels), strict=True):
        inner = _INNER_ANSWER.search(line, 1) if label and label[0] == "user" and label[1] else None
        # "Q: What does A: mean?" with its own answer below stays whole.
        if inner and inner.end() < len(line) and following != "assistant":
            parts.append([line[: inner.start()].rstrip(), line[inner.start() :]])
        else:
            parts.append([line])
        if label:
            following = label[0]
    for part in reversed(parts):
        split.extend(part)
    return split


def _read(lines: list[str], fences: bool) -> Transcript:
    transcript = Transcript()
    turns: list[Turn] = []
    before: list[str] = []
    in_fence = False
    rule: list[str] = []
    """Separators whose meaning the next words tell: before a speaker they end the conversation."""
    for line in lines:
        if fences and _FENCE.match(line):
            in_fence = not in_fence
        label = None if in_fence else label_of(line)
        if label:
            role, asks, said = label
            if turns and (rule or _begins_anew(role, asks, turns)):
                transcript.conversations.append([turn.message() for turn in turns])
                turns = []
            rule = []
            transcript.asks = transcript.asks or asks
            turns.append(Turn(role, asks, [said]))
        elif not in_fence and _SEPARATOR.fullmatch(line) and turns:
            rule.append(line)
        elif turns:
            if rule and not line.strip():
                rule.append(line)
                continue
            turns[-1].lines.extend([*rule, line])
            rule = []
        else:
            before.append(line)
    if turns:
        transcript.conversations.append([turn.message() for turn in turns])
    transcript.before = "\n".join(before).strip()
    return transcript


def _begins_anew(role: str, asks: bool, turns: list[Turn]) -> bool:
    """Whether a label begins a conversation: a system prompt, or the next question of questions and answers."""
    if role == "system":
        return True
    return role == "user" and asks and turns[-1].role != "system"
