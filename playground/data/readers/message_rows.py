"""Rows that are one message each, joined to conversations.

    {"role": "user", "content": "Hi"}             ->  one row {"messages": [{"role": "user", ...}, ...]}
    {"role": "assistant", "content": "Ahoy"}

Where one conversation ends and the next begins is told by the first of these that there is: a column that names the
message that is replied to (a tree, of which each path is a conversation), a column that is equal for messages of one
conversation, a blank line between two rows, system prompts, a question behind an answer. An info says which it was. A
conversation with a message that cannot be read is left out as a whole: with a hole in it, it would be another
conversation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from playground.core.errors import LimitError
from playground.core.figures import listed
from playground.core.findings import Finding
from playground.core.i18n import say
from playground.data.readers.bounds import note
from playground.data.schemas.column_names import ROLES, fold
from playground.data.schemas.marks import LEARNED
from playground.data.source import Parsed, Record

SPEAKERS = ("role", "from", "speaker", "役割", "ロール", "話者", "発言者")
WORDS = ("content", "value", "text", "message", "utterance", "内容", "発言", "テキスト", "本文")
_CONVERSATIONS = (
    "conversationid", "convid", "dialogueid", "dialogid", "chatid", "sessionid", "threadid", "messagetreeid",
    "conversation", "dialogue", "dialog", "chat", "session", "thread", "会話id", "対話id", "会話", "対話", "id",
)  # fmt: skip
"""Columns that say which conversation a message is from, folded, the surest first."""
_IDS = ("messageid", "msgid", "id", "uuid")
_PARENTS = ("parentid", "parentmessageid", "parent", "replyto", "inreplyto", "replytoid")
_RANKS = ("rank",)
"""0 is the best, as OpenAssistant has it."""
_KEPT = ("name", "tool_calls", "tool_call_id", "function_call", "reasoning_content", *LEARNED)
"""What a message has beside its role and its words; other columns are about it, not of it."""
_LONGEST = 1_000_000
"""Messages on all paths of trees."""
_LEAST_SHARE = 0.9
"""Of all rows, how many have to be messages."""


@dataclass(frozen=True)
class _Item:
    """One row as it came."""

    row: int
    record: Record | None
    """None where it cannot be read."""
    message: dict[str, Any] | None
    """None where it is none."""

    @property
    def role(self) -> str:
        return self.message["role"] if self.message else ""


def join_messages(parsed: Parsed) -> Parsed:
    """The rows as conversations where they are messages, else `parsed` itself."""
    names = _columns([record.data for record in parsed.records])
    if names is None:
        return parsed
    items = [
        *(_Item(record.row, record, _message(record.data, *names)) for record in parsed.records),
        *(_Item(row, None, None) for row in parsed.broken),
    ]
    items.sort(key=lambda item: item.row)
    tree = _tree(items)
    groups, told = tree or _divided(items)
    records: list[Record] = []
    broken: dict[int, str] = {}
    belongs: dict[int, int] = {}
    for group in groups:
        row = group[-1 if tree else 0].row  # Paths of one tree have their beginning in common.
        belongs.update((item.row, row) for item in group)
        if any(item.record is None for item in group):
            broken[row] = "\n".join(_written(item, parsed) for item in group)
        elif group[0].message is None:
            records += [item.record for item in group if item.record is not None]
        else:
            records.append(Record(row, _conversation(group)))
    others = dict.fromkeys(key for record in parsed.records for key, value in record.data.items() if value is not None)
    unused = [str(key)[:40] for key in others if key not in {*names, *_KEPT, "tools", *told.used}]
    findings = [told.finding, *(_of_its_conversation(finding, belongs) for finding in parsed.findings)]
    if unused:
        findings.append(note("columns_not_used", say("Not used: {names}.", names=listed(unused, 20))))
    return replace(parsed, records=records, broken=broken, findings=findings)


def conversation_column(rows: Iterable[dict[str, Any]]) -> str | None:
    """The column whose values repeat and say which conversation a message is from, None where there is none."""
    rows = list(rows)
    columns = {fold(str(key)): key for key in rows[0]} if rows else {}
    for name in _CONVERSATIONS:
        values = [row.get(columns.get(name, "")) for row in rows]
        if all(isinstance(value, str | int) and value != "" for value in values) and len(set(values)) < len(values):
            return columns[name]
    return None


def _columns(rows: list[dict[str, Any]]) -> tuple[str, str] | None:
    """The columns with the role and the words, where nearly all rows are messages, of both sides."""
    if len(rows) < 2:
        return None
    columns = {fold(str(key)): key for key in reversed(rows[0])}
    role = next((columns[name] for name in SPEAKERS if name in columns), None)
    words = next((columns[name] for name in WORDS if name in columns), None)
    if role is None or words is None:
        return None
    roles = [message["role"] for row in rows if (message := _message(row, role, words)) is not None]
    enough = len(roles) >= _LEAST_SHARE * len(rows)
    return (role, words) if enough and {"user", "assistant"} <= set(roles) else None


def _message(row: dict[str, Any], role: str, words: str) -> dict[str, Any] | None:
    """The row as a message, None where it is none."""
    known = ROLES.get(fold(row[role])) if isinstance(row.get(role), str) else None
    content = row.get(words)
    says = isinstance(content, str | list) or any(row.get(key) for key in ("tool_calls", "reasoning_content"))
    if known is None or not says:
        return None
    return {"role": known, "content": content, **{key: row[key] for key in _KEPT if row.get(key) not in (None, "")}}


@dataclass(frozen=True)
class _Told:
    """How conversations were told apart."""

    finding: Finding
    used: tuple[str, ...] = ()
    """The columns that told it."""


def _tree(items: list[_Item]) -> tuple[list[list[_Item]], _Told] | None:
    """The paths of the trees where messages name the one that they reply to; None where they do not.

    What hangs on no root, since it replies to itself in the end, stands alone, to be refused by name.
    """
    said = [(item, item.record.data) for item in items if item.message and item.record]
    columns = {fold(str(key)): key for _, data in said for key in data}
    own, parent, rank = (
        next((columns[name] for name in names if name in columns), "") for names in (_IDS, _PARENTS, _RANKS)
    )
    ids = {str(data.get(own)) for _, data in said}
    replies: dict[str, list[_Item]] = {}
    for item, data in said:
        replies.setdefault(str(data[parent]) if data.get(parent) not in (None, "") else "", []).append(item)
    if not own or not parent or len(ids) < len(said) or not ids & replies.keys():
        return None
    roots = [item for key, some in replies.items() if key not in ids for item in some]
    paths = _paths(roots, own, replies)
    reached = {item.row for path in paths for item in path}
    alone = [[item] for item in items if item.message is None or item.row not in reached]
    told = say("Each row is a message that names the one it replies to in {column}: each path of a tree is one "
               "conversation.", column=parent)  # fmt: skip
    if rank and any(data.get(rank) not in (None, "") for _, data in said):
        told = say("Each row is a message that names the one it replies to in {column}: of each tree the path of the "
                   "replies with the best {rank} is one conversation.", column=parent, rank=rank)  # fmt: skip
        best = {key: [min(some, key=lambda item: _rank(item, rank))] for key, some in replies.items()}
        paths = _paths(roots, own, best)
    return sorted([*_answered(paths), *alone], key=lambda path: path[-1].row), _Told(
        note("read_as", told), (own, parent, rank)
    )


def _rank(item: _Item, column: str) -> tuple[float, int]:
    value = item.record.data.get(column) if item.record else None
    try:
        return float(value) if value not in (None, "") else float("inf"), item.row
    except (TypeError, ValueError):
        return float("inf"), item.row


def _paths(roots: list[_Item], own: str, replies: dict[str, list[_Item]]) -> list[list[_Item]]:
    """From each root to each message that nobody replies to."""
    found: list[list[_Item]] = []
    rest = [[root] for root in roots]
    messages = 0
    while rest:
        path = rest.pop()
        record = path[-1].record
        following = replies.get(str(record.data.get(own)), []) if record else []
        rest += [[*path, item] for item in following]
        messages += len(path)
        if messages > _LONGEST:
            raise LimitError(
                say("The paths of the trees of replies have more than {limit} messages.", limit=_LONGEST),
                fix=say("Take fewer rows, or write each conversation as one row."),
            )
        if not following:
            found.append(path)
    return found


def _answered(paths: list[list[_Item]]) -> list[list[_Item]]:
    """The paths up to their last answer, without those that are the beginning of another; one without stays whole."""
    cut: dict[int, list[_Item]] = {}
    for path in paths:
        last = max((place for place, item in enumerate(path) if item.role == "assistant"), default=len(path) - 1)
        cut[path[last].row] = path[: last + 1]
    within = {item.row for path in cut.values() for item in path[:-1]}
    return [path for row, path in cut.items() if row not in within]


def _divided(items: list[_Item]) -> tuple[list[list[_Item]], _Told]:
    """The rows of each conversation, and a note that says how they were told apart."""
    said = [item for item in items if item.message]
    column = conversation_column(item.record.data for item in said if item.record is not None)
    if column is not None:
        told = say("Each row is a message: rows with the same {column} are one conversation.", column=column)
        return _grouped(items, column), _Told(note("read_as", told), (column,))
    if any(later.row - item.row > 1 for item, later in zip(items, items[1:], strict=False)):
        told = say("Each row is a message: a blank line ends a conversation.")
        return _cut(items, lambda before, item: item.row - before.row > 1), _Told(note("read_as", told))
    if any(item.role in ("system", "developer") for item in said):
        told = say("Each row is a message: a system prompt begins a conversation.")
        return _cut(items, lambda before, item: item.role in ("system", "developer")), _Told(note("read_as", told))
    told = say("Each row is a message: a question behind an answer begins a conversation.")
    fix = say("For conversations of several turns leave a blank line between two of them.")
    # What cannot be read behind an answer was the next question.
    return _cut(items, lambda before, item: item.role in ("user", "") and before.role != "user"), _Told(
        note("read_as", told, fix)
    )


def _grouped(items: list[_Item], column: str) -> list[list[_Item]]:
    """By the column's value, in the order of their first rows. What has none belongs to the row before."""
    groups: dict[Any, list[_Item]] = {}
    value: Any = None
    for item in items:
        if item.record is not None:
            value = item.record.data.get(column) if item.message else ("", item.row)
        groups.setdefault(value, []).append(item)
    return list(groups.values())


def _cut(items: list[_Item], begins: Callable[[_Item, _Item], bool]) -> list[list[_Item]]:
    """Cut before each row that begins a conversation, and around what is no message."""
    groups = [items[:1]]
    for before, item in zip(items, items[1:], strict=False):
        is_other = item.record is not None and item.message is None
        was_other = before.record is not None and before.message is None
        if is_other or was_other or begins(before, item):
            groups.append([])
        groups[-1].append(item)
    return groups


def _conversation(group: list[_Item]) -> dict[str, Any]:
    tools = next((item.record.data["tools"] for item in group if item.record and item.record.data.get("tools")), None)
    return {"messages": [item.message for item in group], **({"tools": tools} if tools else {})}


def _written(item: _Item, parsed: Parsed) -> str:
    if item.record is None:
        return parsed.broken[item.row]
    return json.dumps(item.record.data, ensure_ascii=False, default=str)


def _of_its_conversation(finding: Finding, belongs: dict[int, int]) -> Finding:
    """The finding on a message as one on the conversation that goes with it."""
    if finding.row is None or belongs.get(finding.row, finding.row) == finding.row:
        return finding
    row = belongs[finding.row]
    if finding.severity != "error":
        return replace(finding, row=row)
    why = say("The conversation that begins in row {row} is left out: a message of it cannot be read.", row=row)
    return replace(finding, row=row, why=why)
