"""Names that columns usually have, in English and Japanese. The order is the order of preference.

Names are compared folded: `fold("Ｕｓｅｒ　Input：")` is "userinput".
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

TURNS = (
    "messages",
    "conversations",
    "conversation",
    "dialogue",
    "dialog",
    "dialogs",
    "chat",
    "turns",
    "会話",
    "対話",
    "contents",
    "data",
)
"""Columns that hold a whole conversation as a list."""
VAGUE = ("contents", "data")
"""Those of them that hold one only where their value is a list of turns."""

QUESTIONS = (
    "question",
    "query",
    "prompt",
    "instruction",
    "input",
    "user",
    "human",
    "request",
    "problem",
    "usermessage",
    "userinput",
    "inputtext",
    "q",
    "質問",
    "質問文",
    "問い",
    "問",
    "問題",
    "問題文",
    "指示",
    "指示文",
    "入力",
    "入力文",
    "プロンプト",
    "ユーザー",
    "ユーザ",
    "クエリ",
    "依頼",
)
ANSWERS = (
    "answer",
    "response",
    "completion",
    "output",
    "reply",
    "assistant",
    "solution",
    "target",
    "gpt",
    "bot",
    "answers",
    "expectedoutput",
    "outputtext",
    "targettext",
    "a",
    "回答",
    "回答文",
    "解答",
    "答え",
    "答",
    "応答",
    "応答文",
    "返答",
    "返事",
    "返信",
    "出力",
    "出力文",
    "アシスタント",
)
PAIRS = (
    ("question", "answer"),
    ("instruction", "response"),
    ("query", "response"),
    ("user", "assistant"),
    ("input", "output"),
    ("質問", "回答"),
    ("指示", "応答"),
    ("入力", "出力"),
)
"""Pairs that belong together, before any other mixture of the two lists above."""
INSTRUCTIONS = ("instruction", "指示", "指示文")
INPUTS = ("input", "入力", "入力文")
SYSTEMS = ("system", "systemprompt", "systemmessage", "システム", "システムプロンプト")
CONTEXTS = ("context", "passage", "文脈", "コンテキスト", "背景", "参考文")
HISTORIES = (
    "history",
    "chathistory",
    "conversationhistory",
    "dialoghistory",
    "previousturns",
    "履歴",
    "会話履歴",
    "対話履歴",
)
TEXTS = ("text", "テキスト", "本文")

ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "system": "system",
    "developer": "developer",
    "tool": "tool",
    "observation": "tool",
    "functionresponse": "tool",
    "toolresponse": "tool",
    "ユーザー": "user",
    "ユーザ": "user",
    "利用者": "user",
    "人間": "user",
    "質問者": "user",
    "アシスタント": "assistant",
    "回答者": "assistant",
    "モデル": "assistant",
    "システム": "system",
    "ツール": "tool",
    "you": "user",
    "customer": "user",
    "prompter": "user",
    "instruction": "user",
    "question": "user",
    "prompt": "user",
    "q": "user",
    "chatbot": "assistant",
    "agent": "assistant",
    "llm": "assistant",
    "claude": "assistant",
    "gemini": "assistant",
    "answer": "assistant",
    "response": "assistant",
    "completion": "assistant",
    "a": "assistant",
    "function": "tool",
    "ipython": "tool",
    "sys": "system",
}
"""Usual names of roles, folded, and the role that each means."""


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """The name without width, case, spaces, underscores, hyphens and colons."""
    folded = unicodedata.normalize("NFKC", name[:200]).casefold()
    return "".join(letter for letter in folded if not letter.isspace() and letter not in "_-:")
