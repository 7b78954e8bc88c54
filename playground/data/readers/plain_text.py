"""Text that is neither JSON nor a table to records: conversations, rendered or not, headings with their text, or
paragraphs.

An info says how it was read, for no text says so itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from playground.core.errors import LimitError
from playground.core.i18n import say
from playground.core.settings import Limits
from playground.data.readers.bounds import Rows, excerpt, note
from playground.data.readers.tables import column_names
from playground.data.readers.transcripts import Transcript, label_of, read_transcript
from playground.data.schemas.rendered_text import texts_in
from playground.data.source import Parsed

_HEADING = re.compile(r"#{1,6}[ \t]+(\S.*?)(?:[ \t]+#+)?[ \t]*")
_FENCE = re.compile(r"[ ]{0,3}(```|~~~)")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(?:[\w-]+:.*\n|[ \t]+.*\n|-[ ].*\n)*---[ \t]*\n")
_RULE_OF_TABLE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_LINE_CHARS = 2_000
"""A longer line is neither a heading nor the rule of a table."""
_LINES_A_ROW = 20
"""Lines that the limit of rows allows for, so many a row."""
_RENDERED = say(
    "Read as conversations in a chat template's form: a row ends at a blank line or a line of --- behind an answer."
)
_BAR = re.compile(r"(?<!\\)\|")


def has_speakers(text: str) -> bool:
    """Whether the first lines are labelled with both a user and an assistant."""
    labels = [label_of(line) for line in text[:20_000].splitlines()]
    return {"user", "assistant"} <= {label[0] for label in labels if label}


def read_plain_text(text: str, limits: Limits) -> Parsed:
    """Rows by place from 1: {"messages": ...} of conversations, {"prompt", "completion"} of headings, the cells of a
    Markdown table, {"text": ...} of paragraphs.

    Raises InputError for text that is blank, LimitError for too many rows.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    rows = Rows(limits)
    most = _LINES_A_ROW * limits.rows
    if text.count("\n") > most:
        raise LimitError(
            say("The text has more than {limit} lines.", limit=most),
            say("The limit here is {limit}.", limit=most),
            say("Take fewer rows; a few hundred are enough to see what tuning does."),
        )
    if texts := texts_in(text):
        rows.findings.append(note("read_as", _RENDERED))
        return _of_texts(texts, rows)
    transcript = read_transcript(text)
    if transcript:
        return _of_transcript(transcript, rows)
    table = _markdown_table(text)
    if table:
        header, *body = table
        names = column_names(header, rows)
        rows.findings.append(note("read_as", say("Read as a Markdown table: each line below its header is a row.")))
        for row, cells in enumerate(body, start=1):
            if any(cells):
                rows.add(row, dict(zip(names, cells, strict=False)))
        return rows.parsed("markdown")
    sections, before = _sections(_FRONT_MATTER.sub("", text, count=1) if text.startswith("---") else text)
    if len(sections) >= 2:
        rows.findings.append(
            note("read_as", say("Read as headings: each is a question, and the text below it the answer."))
        )
        _tell_of_left_out(before, rows)
        for row, (heading, body_text) in enumerate(sections, start=1):
            rows.add(row, {"prompt": heading, "completion": body_text})
        return rows.parsed("markdown")
    rows.findings.append(
        note(
            "read_as",
            say("Read as paragraphs: each one is a row of text."),
            say("For questions and answers begin their lines with Q: and A:, or User: and Assistant:."),
        )
    )
    return _of_texts(_paragraphs(text), rows)


def _of_texts(texts: Iterable[str], rows: Rows) -> Parsed:
    for row, text in enumerate(texts, start=1):
        rows.add(row, {"text": text})
    return rows.parsed("text")


def _of_transcript(transcript: Transcript, rows: Rows) -> Parsed:
    if transcript.asks:
        message = say("Read as questions and answers: each question begins a row.")
    else:
        message = say("Read as conversations: a row ends at a line of --- or before a system prompt.")
    rows.findings.append(note("read_as", message))
    _tell_of_left_out(transcript.before, rows)
    for row, messages in enumerate(transcript.conversations, start=1):
        rows.add(row, {"messages": messages})
    return rows.parsed("text")


def _tell_of_left_out(before: str, rows: Rows) -> None:
    if before:
        rows.findings.append(
            note("left_out", say("The text before the first row is left out: {excerpt}", excerpt=excerpt(before)))
        )


def _markdown_table(text: str) -> list[list[str]]:
    """Header and rows where the whole text is one Markdown table, else []."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 3 or "|" not in lines[0] or not _RULE_OF_TABLE.fullmatch(lines[1][:_LINE_CHARS]):
        return []
    if not all("|" in line for line in lines):
        return []
    table = [[cell.strip().replace("\\|", "|").replace("<br>", "\n") for cell in _cells(line)] for line in lines]
    return [table[0], *table[2:]]


def _cells(line: str) -> list[str]:
    inside = line.strip().removeprefix("|")
    return _BAR.split(inside[:-1] if inside.endswith("|") and not inside.endswith("\\|") else inside)


def _sections(text: str) -> tuple[list[tuple[str, str]], str]:
    """(heading, text below it) of each heading with text, and what stands before the first heading.

    A heading without text of its own is a title of those below it, and no question.
    """
    sections: list[tuple[str, list[str]]] = []
    before: list[str] = []
    in_fence = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            in_fence = not in_fence
        heading = None if in_fence or len(line) > _LINE_CHARS else _HEADING.fullmatch(line)
        if heading:
            sections.append((heading[1].strip("*_ "), []))
        elif sections:
            sections[-1][1].append(line)
        else:
            before.append(line)
    bodies = [(heading, "\n".join(lines).strip()) for heading, lines in sections]
    return [(heading, body) for heading, body in bodies if body], "\n".join(before).strip()


def _paragraphs(text: str) -> Iterator[str]:
    """Stretches of text between blank lines, blank also where they have spaces."""
    part: list[str] = []
    for line in [*text.split("\n"), ""]:
        if line.strip():
            part.append(line.rstrip())
        elif part:
            yield "\n".join(part).strip()
            part = []
