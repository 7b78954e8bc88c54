"""The verdict: what the run's own numbers allow to be said, and the checks that it stands on."""

from __future__ import annotations

from playground.core.i18n import Sentence, localise, say
from playground.runs.types import Check, RunStatus
from playground.ui.widgets.markup import escape, icon

_KINDS = {"learned": "good", "partly": "mixed", "unchecked": "mixed", "not_better": "mixed", "nothing_learned": "mixed"}
"""Anything else is bad."""
_SIGNS = {"passed": "done", "failed": "error", "unknown": "unknown"}
# A ring with a question mark: told from the others by its shape.
_UNKNOWN = (
    '<svg class="glyph glyph-unknown" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="7" '
    'stroke-dasharray="2.4 2"/><path d="M6.2 6.3a1.9 1.9 0 1 1 2.7 1.7c-.6.3-.9.6-.9 1.3m0 1.9v.1"/></svg>'
)


def verdict_view(run: RunStatus, language: str) -> str:
    """ "" while there is no verdict."""
    verdict = run["verdict"]
    if not verdict:
        return ""
    kind = _KINDS.get(verdict["code"], "bad")
    checks = verdict.get("checks", [])
    return (
        f'<section class="run-verdict is-{kind}" id="verdict"><h3>{escape(say("Verdict").to(language))}</h3>'
        f'<p class="verdict-words">{escape(localise(verdict["message"], language))}</p>'
        f"{_counts(checks, language)}{check_list(checks, language)}</section>"
    )


def _counts(checks: list[Check], language: str) -> str:
    if not checks:
        return ""
    of = {state: sum(check["state"] == state for check in checks) for state in _SIGNS}
    said = say("Checks: {passed} passed, {failed} failed, {unknown} not known", **of)
    return f'<p class="check-counts">{escape(said.to(language))}</p>'


def check_list(checks: list[Check], language: str) -> str:
    """Failed ones first: they say what to do."""
    order = ("failed", "unknown", "passed")
    ranked = sorted(checks, key=lambda check: order.index(check["state"]))
    items = "".join(_check(check, language) for check in ranked)
    return f'<ul class="checks">{items}</ul>' if items else ""


def _check(check: Check, language: str) -> str:
    state = check["state"]
    sign = _UNKNOWN if state == "unknown" else icon(_SIGNS[state])
    name = check_name(check["code"])
    title = f'<span class="check-name">{escape(name.to(language))}</span>' if name else ""
    fix = ""
    if check["fix"]:
        fix = f'<span class="check-try">{escape(localise(check["fix"], language))}</span>'
    return (
        f'<li class="check is-{state}" data-code="{escape(check["code"])}">{sign}<div><span class="check-head">'
        f"<strong>{escape(state_name(state).to(language))}</strong>{title}</span>"
        f'<span class="check-message">{escape(localise(check["message"], language))}</span>{fix}</div></li>'
    )


def state_name(state: str) -> Sentence:
    return {"passed": say("Passed"), "failed": say("Not passed")}.get(state, say("Not known"))


def check_name(code: str) -> Sentence | None:
    names = {
        "finite": say("Weights are numbers"),
        "changed": say("The adapter changed"),
        "logits": say("Answers changed"),
        "held_out": say("Better at new rows"),
        "general": say("Everyday ability kept"),
        "stops": say("Answers end"),
        "rows": say("Rows in the text"),
    }
    return names.get(code)
