"""Paging and searching through the rows of a dataset, each as it would be trained.

Only the rows of the page are rendered; the others are at most searched. A row looks here just as `dataset.prepare`
makes it.
"""

from __future__ import annotations

from heapq import merge
from operator import itemgetter
from typing import Any

from playground.core.errors import PlaygroundError
from playground.core.findings import Finding
from playground.core.settings import DatasetOptions
from playground.data.dataset import example_of
from playground.data.report import chips
from playground.data.row_reader import RowReader, Rows
from playground.data.source import Parsed, Record
from playground.data.tokenize import render_rows
from playground.data.types import RowsPage, ShownRow
from playground.templates.renderer import Renderer

_BROKEN_SHOWN = 2_000
"""Characters shown of a row that cannot be read."""


def page(
    parsed: Parsed,
    renderer: Renderer,
    options: DatasetOptions,
    number: int = 1,
    per_page: int = 5,
    query: str = "",
    rows: list[int] | None = None,
) -> RowsPage:
    """Those of the rows with these numbers (None: all) that have `query` in them. A page past the last is the last."""
    reader = RowReader(parsed, renderer, options)
    wanted = None if rows is None else set(rows)
    needle = query.strip().casefold()
    found = [
        (row, entry)
        for row, entry in _entries(reader)
        if (wanted is None or row in wanted) and (not needle or needle in _words(reader, entry))
    ]
    pages = max(-(-len(found) // per_page), 1)
    number = min(max(number, 1), pages)
    shown = found[(number - 1) * per_page : number * per_page]
    return {
        "page": number,
        "pages": pages,
        "total": len(found),
        "rows": [_row(row, entry, reader, renderer, options) for row, entry in shown],
    }


def _entries(reader: RowReader) -> Rows:
    """Each row that was not taken out: its record or, where it cannot be read, its text."""
    read: Rows = ((record.row, record) for record in list(reader.records()))
    unread: Rows = ((row, text) for row, text in sorted(reader.parsed.broken.items()) if row not in reader.readable)
    return merge(read, unread, key=itemgetter(0))


def _words(reader: RowReader, entry: Record | str) -> str:
    """All texts of a row as it is after the edits, to be searched."""
    if isinstance(entry, str):
        return entry.casefold()
    try:
        found = reader.conversation(entry)
        rest: list[Any] = [found.messages, found.tools]
    except PlaygroundError:
        rest = [entry.data]
    texts: list[str] = []
    while rest:  # Not by recursion: a row may be nested deeper than Python goes.
        value = rest.pop()
        if isinstance(value, dict):
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
        elif value is not None:
            texts.append(value if isinstance(value, str) else str(value))
    return "\n".join(texts).casefold()


def _row(row: int, entry: Record | str, reader: RowReader, renderer: Renderer, options: DatasetOptions) -> ShownRow:
    if isinstance(entry, str):
        finding = next((finding for finding in reader.parsed.findings if finding.row == row), None)
        return {
            "row": row,
            "finding": reader.with_repairs(finding).to_dict() if finding else None,
            "text": entry[:_BROKEN_SHOWN],
        }
    try:
        conversation = reader.conversation(entry)
    except PlaygroundError as problem:
        [refusal] = reader.refusals([(entry, problem)])
        return {"row": row, "finding": refusal.to_dict(), "data": entry.data}
    [tokens] = render_rows([conversation], renderer, options, reader.doctor)
    made = example_of(conversation, tokens, reader)
    if isinstance(made, Finding):
        return {"row": row, "finding": made.to_dict(), "messages": conversation.messages, "data": entry.data}
    return {**chips(made, renderer, options), "data": entry.data, "finding": None}
