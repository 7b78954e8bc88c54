"""Questions that ask nothing, and the words that programs write where a cell is empty: "nan", "None", "NULL", "#N/A".

    {"instruction": "Name a river.", "input": "nan", "output": "Elbe"}  ->  missing_value: input holds only the word nan

As an answer such a word is a placeholder (answers.py), but for "None", which can be meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.messages import Conversation, Message
from playground.data.lint.rows import LEADS, View, fold, is_blank, words_of
from playground.data.schemas.column_names import CONTEXTS, INPUTS, QUESTIONS, SYSTEMS
from playground.data.schemas.column_names import fold as fold_name
from playground.data.schemas.mapping import pieces_of
from playground.data.source import Record

_MISSING = frozenset({"nan", "none", "null", "<na>", "#n/a", "n/a", "na", "nat", "undefined"})
_LONGEST = 20
"""Characters of a cell, blanks around the word included."""
_ASKING = frozenset((*QUESTIONS, *INPUTS, *CONTEXTS, *SYSTEMS))
_WHOLE_CONVERSATIONS = ("messages", "sharegpt")


def empty_question(views: Iterable[View]) -> Iterator[Finding]:
    fix = say("Write the question, or remove the row.")
    why = say("The model learns to give this answer to nothing at all.")
    for view in views:
        place = next(
            (place for place, role in enumerate(view.roles) if role == "user" and _asks_nothing(view, place)), None
        )
        if place is None:
            continue
        message = (
            say("Row {row}: the question in message {number} is only white space.", row=view.row, number=place + 1)
            if view.words[place]
            else say("Row {row}: the question in message {number} is empty.", row=view.row, number=place + 1)
        )
        # Without its question an answer would follow nothing: only beside another one the empty one can go.
        helps = "user" in view.roles[max(place - 1, 0) : place] + view.roles[place + 1 : place + 2]
        edits = [*(["drop_empty"] if helps else []), "drop", "keep"]
        yield Finding("empty_question", "warning", message, fix, view.row, why, edits=edits)


def _asks_nothing(view: View, place: int) -> bool:
    words, content = view.words[place], view.messages[place].get("content")
    if not is_blank(words):
        return False
    return not isinstance(content, list) or all(
        isinstance(block, str) or (isinstance(block, dict) and block.get("type", "text") == "text") for block in content
    )


def missing_value(views: Iterable[View]) -> Iterator[Finding]:
    """The first question or a system prompt is such a word. Later in a conversation "None" may be a reply."""
    for view in views:
        first = view.roles.index("user") if "user" in view.roles else len(view.roles)
        for place, role in enumerate(view.roles[: first + 1]):
            if (role == "user" or role in LEADS) and _is_missing(view.words[place]):
                word = view.words[place].strip()
                said = say("Row {row}: message {number} ({role}) is only the word {word}.",
                           row=view.row, number=place + 1, role=role, word=word)  # fmt: skip
                yield _finding(view.row, said)
                break


def missing_part(record: Record, conversation: Conversation, mapping: dict[str, str] | None) -> Finding | None:
    """A column is such a word and was put into a question or a system prompt that has more in it."""
    found = [column for column, value in record.data.items() if isinstance(value, str) and _is_missing(value)]
    if not found or conversation.shape in _WHOLE_CONVERSATIONS:
        return None
    asked = [words_of(message) for message in conversation.messages if _is_asked(message)]
    if mapping and conversation.shape == "mapped":
        read = {name for part in ("system", "user") for _, name in pieces_of(mapping.get(part, ""))}
        found = [column for column in found if column in read]
    else:
        found = [column for column in found if fold_name(column) in _ASKING]
    for column in found:
        word = record.data[column].strip()
        if any(word in words and words.strip() != word for words in asked):
            said = say("Row {row}: {column} holds only the word {word}.", row=record.row, column=column[:40], word=word)
            return _finding(record.row, said)
    return None


def _is_asked(message: Message) -> bool:
    return message["role"] == "user" or message["role"] in LEADS


def _is_missing(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and fold(text) in _MISSING


def _finding(row: int, message: Sentence) -> Finding:
    fix = say("Empty the cell, write what belongs there, or remove the row.")
    why = say("Programs write such a word where a cell is empty. The model would learn it as a word of the question.")
    return Finding("missing_value", "warning", message, fix, row, why, edits=["drop", "keep"])
