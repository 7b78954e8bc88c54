"""A model's answer as HTML, while it streams or whole: Markdown that is safe for whoever reads it.

What a model writes is untrusted. HTML in it is shown as text, an image is named and never fetched, and links go to
http, https and mailto only. Nothing that it wrote is lost: what Markdown would swallow (link definitions, surplus table
cells, entities) stays as text, and a text too entangled to be read in good time is shown as it came.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import escapedSplit, getLine, table
from markdown_it.token import Token

from playground.core.i18n import say
from playground.ui.widgets.markup import escape

_NESTING = 20
"""Levels of quotes and lists: the parser drops what lies deeper."""
_MOST_CHARS = 10_000
_MOST_WORK = 2_000
"""Lines, marks and table cells in one text. The worst texts found take 30 µs for each of them; an answer of 500 tokens
has a few hundred."""
_BRACKET, _LINK = 3, 4
"""What these weigh beside being marks: the end of a label is looked for, and an address read, more than once."""
_MARKS = re.compile(r"[*_~`\[\]!<>|\\&#+-]")
_OPEN, _CLOSE = "<think>", "</think>"
_HEADINGS_BELOW = 3
"""The page's own headings go down to h3."""


def answer_html(text: str, *, done: bool, language: str = "en", opened: bool = False) -> str:
    """HTML of an answer, or of any beginning of one while it streams (`done` is False).

    Reasoning at its start, between <think> and </think>, is folded away once the answer is done. `opened`: the prompt
    already ended with <think>, so the text begins inside the reasoning. Any characters will do, NUL and lone
    surrogates too: they become U+FFFD.
    """
    whole = text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    whole = whole.replace("\r\n", "\n").replace("\r", "\n")
    reasoning, answer, closed = _split_reasoning(whole, done=done, opened=opened)
    folded = ""
    if reasoning is not None and (reasoning.strip() or not (closed or done)):
        folded = _reasoning(reasoning, language, done=done, closed=closed)
    return f'<div class="answer-prose{"" if done else " is-writing"}">{folded}{_prose(answer)}</div>'


def _split_reasoning(text: str, *, done: bool, opened: bool) -> tuple[str | None, str, bool]:
    """(reasoning or None, answer, whether the reasoning ended). Half a tag is waited for, not shown."""
    start = text.lstrip()
    if not done and start and _OPEN.startswith(start) and start != _OPEN:
        return ("" if opened else None), "", False
    if start.startswith(_OPEN):
        inside = start.removeprefix(_OPEN)
    elif opened:
        inside = text
    else:
        return None, text, False
    reasoning, tag, answer = inside.partition(_CLOSE)
    return reasoning if tag or done else _without_half(reasoning, _CLOSE), answer, bool(tag)


def _without_half(text: str, tag: str) -> str:
    """`text` without a beginning of `tag` at its end."""
    half = next((size for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size])), 0)
    return text[: len(text) - half]


def _reasoning(text: str, language: str, *, done: bool, closed: bool) -> str:
    if closed:
        summary = say("Reasoning")
    elif done:
        summary = say("Reasoning, cut off before the answer")
    else:
        summary = say("Reasoning so far")
    is_open = "" if done else " open"
    return (
        f'<details class="reasoning"{is_open}><summary>{escape(summary.to(language))}</summary>'
        f"<div>{_prose(text)}</div></details>"
    )


def _prose(text: str) -> str:
    """One text as HTML: Markdown, or as it came where that would take too long or lose something."""
    if not text.strip():
        return ""
    tokens = None if _is_too_much(text) else _MARKDOWN.parse(text)
    if tokens is None or any(token.level >= _NESTING - 1 for token in tokens):
        return f'<p class="as-written">{escape(text)}</p>'
    # As `escape` does: Gradio's templates in the browser read these three.
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return html.replace("$", "&#36;").replace("{", "&#123;").replace("`", "&#96;")


def _is_too_much(text: str) -> bool:
    """Whether Markdown could take a tenth of a second. Counted, not timed: the same text always looks the same."""
    if len(text) > _MOST_CHARS:
        return True
    lines = text.split("\n")
    columns = max(line.count("|") for line in lines)
    links = _BRACKET * text.count("[") + _LINK * text.count("](")
    cells = columns * len(lines)  # A table fills short rows up to the width of its head.
    return 2 * len(lines) + len(_MARKS.findall(text)) + links + cells > _MOST_WORK


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The library's rule, but a row with more cells than the head keeps them, in its last one."""
    first = len(state.tokens)
    if not table(state, start, end, silent):
        return False
    columns, last = 0, Token("inline", "", 0)
    for token in [] if silent else state.tokens[first:]:
        columns += token.type == "th_open"
        if token.type == "inline":
            last = token
        elif token.type == "tr_close" and last.map:
            cells = _cells(getLine(state, last.map[0]))
            if len(cells) > columns:
                last.content = " | ".join(cell.strip() for cell in cells[columns - 1 :])
    return True


def _cells(line: str) -> list[str]:
    """The cells of a table's row; pipes at its ends are a frame."""
    cells = escapedSplit(line.strip())
    start, end = cells[0] == "", len(cells) - (cells[-1] == "")
    return cells[start:end]


def _fence(tokens: Sequence[Token], at: int, *_: Any) -> str:
    """A block of code. What stands behind the fence names its language, and is shown by the stylesheet."""
    info = tokens[at].info.strip()
    language = re.match(r"[\w+#.-]+", info)
    classes = f' class="language-{escapeHtml(language[0])}"' if language else ""
    named = f' data-info="{escapeHtml(info)}"' if info else ""
    return f"<pre{named}><code{classes}>{escapeHtml(tokens[at].content)}</code></pre>\n"


def _image(tokens: Sequence[Token], at: int, *_: Any) -> str:
    return f'<span class="image">{escapeHtml(_described(tokens[at]))}</span>'


def _described(image: Token) -> str:
    """Alt text, address and title of an image as text; links and images inside it likewise."""
    said, addresses = "", []
    for token in image.children or []:
        if token.type == "image":
            said += _described(token)
        elif token.type == "link_open":
            addresses.append(_address(token, "href"))
        elif token.type == "link_close":
            said += f" ({addresses.pop()})"
        else:
            said += "\n" if token.type.endswith("break") else token.content
    return f"{said} ({_address(image, 'src')})"


def _address(token: Token, attribute: str) -> str:
    return " ".join(str(token.attrs[name]) for name in (attribute, "title") if name in token.attrs)


def _link(tokens: Sequence[Token], at: int, *_: Any) -> str:
    if not tokens[at].attrs.get("href"):
        return "<a>"  # `[words]()` asks nobody whether it is allowed; an empty address would be this page.
    # The page it leads to learns neither who sent the visitor nor gets a hand on this one.
    attributes = {**tokens[at].attrs, "rel": "noopener noreferrer nofollow", "target": "_blank"}
    return "<a" + "".join(f' {name}="{escapeHtml(str(value))}"' for name, value in attributes.items()) + ">"


def _item(tokens: Sequence[Token], at: int, *_: Any) -> str:
    number = tokens[at].info  # As the model counted: Markdown itself reads only the first item's number.
    return f'<li value="{int(number)}">' if number else "<li>"


def _heading(tokens: Sequence[Token], at: int, *_: Any) -> str:
    level = min(6, int(tokens[at].tag[1]) + _HEADINGS_BELOW)
    return f"<h{level}>" if tokens[at].nesting == 1 else f"</h{level}>\n"


class _Prose(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # The name is the library's.
        return re.match(r"(https?|mailto):", url, re.IGNORECASE) is not None


def _markdown() -> MarkdownIt:
    """CommonMark with tables and strikethrough, without what fetches, what hides words, and what flickers: in a stream
    a list's first hyphen would for a moment turn the line above it into a heading."""
    markdown = _Prose("commonmark", {"html": False, "breaks": True, "maxNesting": _NESTING})
    markdown.enable(["table", "strikethrough"])
    markdown.disable(["reference", "entity", "lheading"])
    markdown.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    assert isinstance(markdown.renderer, RendererHTML)
    rules: Any = markdown.renderer.rules  # It says methods; functions are what it calls.
    rules.update(fence=_fence, image=_image, link_open=_link, list_item_open=_item)
    rules.update(heading_open=_heading, heading_close=_heading)
    rules["table_open"] = lambda *_: '<div class="wide"><table>\n'
    rules["table_close"] = lambda *_: "</table></div>\n"
    return markdown


_MARKDOWN = _markdown()
