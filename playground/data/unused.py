"""What of a dataset is not used: columns, keys of messages, and grades that nobody can take for good or bad.

Named once for all rows, so that nothing that carries meaning is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from playground.core.figures import listed, rows_said
from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.messages import Conversation, is_read_only
from playground.data.schemas.marks import is_grade, mark_columns
from playground.data.source import Parsed

_MESSAGE_KEYS = frozenset(
    ("role", "content", "name", "weight", "tool_calls", "tool_call_id", "reasoning_content", "thinking", "reasoning")
)
_NAMED = 20


def not_used(conversations: Sequence[Conversation], parsed: Parsed, template: str) -> Iterator[Finding]:
    """`template`: the source of the template, which may read keys of messages that nothing else does."""
    rows = {record.row: record.data for record in parsed.records}
    kinds: dict[tuple[str, ...], list[int]] = {}
    for conversation in conversations:
        kinds.setdefault(conversation.unused, []).append(conversation.row)
    columns = {
        column: None
        for unused, numbers in kinds.items()
        for column in unused
        if any(rows.get(number, {}).get(column) not in (None, "", [], {}) for number in numbers)
    }
    keys = dict.fromkeys(
        key
        for conversation in conversations
        for message in conversation.messages
        if len(message) > 2
        for key in message
        if key not in _MESSAGE_KEYS and key not in template
    )
    if columns:
        yield _info("columns_not_used", say("Not used: {names}.", names=_list(columns)))
    if keys:
        yield _info("keys_not_used", say("Not used of the messages: {names}.", names=_list(keys)))
    yield from _grades([rows[conversation.row] for conversation in conversations if conversation.row in rows])


def _list(names: dict[str, None]) -> str:
    return listed((str(name)[:40] for name in names), _NAMED)


def _info(code: str, message: Sentence) -> Finding:
    return Finding(
        code,
        "info",
        message,
        say("Where it belongs to the question or the answer, choose the columns by hand."),
        why=say("The model learns nothing of it."),
    )


def _grades(rows: list[dict[str, Any]]) -> Iterator[Finding]:
    """A finding for each column of grades that differ."""
    columns = dict.fromkeys(column for row in rows for column in mark_columns(tuple(row)).grades)
    for column in columns:
        grades = [grade for row in rows if (grade := is_grade(row.get(column))) is not None]
        if grades and min(grades) < max(grades):
            yield Finding(
                "grades_not_used",
                "warning",
                say("{column} goes from {least} to {most} and is not used.", column=column, least=f"{min(grades):g}",
                    most=f"{max(grades):g}"),
                say("Take out the rows whose answers nobody should learn."),
                why=say("Answers that somebody graded as bad are learned like the good ones."),
            )  # fmt: skip


def weights_overridden(conversations: Sequence[Conversation], train_on: str) -> Iterator[Finding]:
    """That all tokens are trained, whatever the rows say."""
    if train_on != "all":
        return
    count = sum(any(map(is_read_only, conversation.messages)) for conversation in conversations)
    if count:
        yield Finding(
            "weights_overridden",
            "warning",
            say("All tokens are trained on, also the answers with the weight 0 ({rows}).", rows=rows_said(count)),
            say("Train on the assistant's words to follow the weights."),
            why=say("The model learns answers that the file says not to learn."),
        )
