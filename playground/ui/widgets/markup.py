"""Small pieces of HTML that several tabs share. Whatever a person wrote passes through `escape` first."""

from __future__ import annotations

import html
import math

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence, say

SEVERITIES = ("error", "warning", "info")
"""Of findings, gravest first."""

# Drawn here, not taken from an icon font: nothing is downloaded, and shape tells severities apart without colour.
_ICONS = {
    "error": '<circle cx="8" cy="8" r="7"/><path d="M5.5 5.5l5 5m0-5l-5 5"/>',
    "warning": '<path d="M8 1.8L15 14.2H1z"/><path d="M8 6.2v3.6m0 2.1v.1"/>',
    "info": '<circle cx="8" cy="8" r="7"/><path d="M8 7.3v4m0-6.5v.1"/>',
    "done": '<circle cx="8" cy="8" r="7"/><path d="M4.8 8.3l2.3 2.3 4.2-4.8"/>',
    "stopped": '<circle cx="8" cy="8" r="7"/><path d="M6 6h4v4H6z"/>',
    "queued": '<circle cx="8" cy="8" r="7"/><path d="M8 4.2V8l2.6 1.6"/>',
    "running": '<path d="M8 1a7 7 0 1 1-7 7"/>',
}


def escape(text: object) -> str:
    """Text made safe inside HTML and inside the browser-side templates of `gr.HTML` (`${...}`, `{{...}}`)."""
    safe = html.escape(str(text), quote=True)
    return safe.replace("$", "&#36;").replace("{", "&#123;").replace("`", "&#96;")


def icon(name: str) -> str:
    return f'<svg class="glyph glyph-{name}" viewBox="0 0 16 16" aria-hidden="true">{_ICONS[name]}</svg>'


def callout(severity: str, *paragraphs: str) -> str:
    """A boxed notice. `paragraphs` are plain text in the reader's language."""
    body = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs if paragraph)
    role = "alert" if severity == "error" else "note"
    return f'<div class="callout is-{severity}" role="{role}">{icon(severity)}<div>{body}</div></div>'


def refusal(error: PlaygroundError, language: str) -> str:
    """A refused request, where it happened: what arrived, what was expected, what to do, a line each."""
    parts = [part.to(language) for part in (error.arrived, error.expected, error.fix) if part]
    return callout("error", *parts)


def waiting(sentence: Sentence, language: str) -> str:
    """Something takes a moment."""
    return f'<p class="waiting-line" role="status">{icon("running")}<span>{escape(sentence.to(language))}</span></p>'


def bar(fraction: float | None, name: str = "") -> str:
    """How far something is; None where that is not known. `name` is what screen readers call it; "" for a bar beside
    words that say the same.
    """
    role = f' role="progressbar" aria-label="{escape(name)}"' if name else ""
    if fraction is None:
        return f'<div class="bar is-unknown"{role}><span></span></div>'
    percent = 100 * min(max(fraction, 0.0), 1.0) if math.isfinite(fraction) else 0.0
    values = f' aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent:.0f}"' if name else ""
    return f'<div class="bar"{role}{values}><span style="width:{percent:.1f}%"></span></div>'


def progress(line: str, fraction: float | None, name: str = "") -> str:
    """What happens now, in the reader's language, and how far it is, see `bar`."""
    said = f'<p role="status">{icon("running")}<span>{escape(line)}</span></p>'
    return f'<div class="waiting-rows">{said}{bar(fraction, name)}</div>'


def empty(title: Sentence, what_next: Sentence, language: str) -> str:
    """What stands where there is nothing yet: says what would be here and how to get it."""
    return (
        f'<div class="empty"><p class="empty-title">{escape(title.to(language))}</p>'
        f"<p>{escape(what_next.to(language))}</p></div>"
    )


def stat(name: Sentence, value: str, note: str, language: str) -> str:
    """One figure with its name. `value` is text, `note` may be empty."""
    extra = f' <span class="stat-note">{escape(note)}</span>' if note else ""
    return f'<div class="stat"><dt>{escape(name.to(language))}</dt><dd>{escape(value)}{extra}</dd></div>'


def severity_word(severity: str, language: str) -> str:
    words = {"error": say("Error"), "warning": say("Warning"), "info": say("Note")}
    return words.get(severity, words["info"]).to(language)
