"""Three linked views of one rendered conversation: its exact text, its tokens as chips, its messages as a table.

The page gets columns instead of an object a token, since 8,000 tokens follow every key that is typed: about 120 kB
where objects would be a megabyte. token_view.js and its parts draw them and link
the views.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import orjson

from playground.core.errors import PlaygroundError
from playground.core.findings import FindingDict
from playground.core.i18n import LANGUAGES, Sentence, localise, say
from playground.core.messages import Message
from playground.templates.types import Preview, TokenChip
from playground.ui.widgets.markup import SEVERITIES, icon, severity_word
from playground.ui.widgets.token_chips import ROLES, role_word

_SCRIPT = "\n".join(
    (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8")
    for name in ("token_cells", "token_links", "token_view")
)


def token_view(elem_id: str = "template-view") -> gr.HTML:
    """Shows what `view_data`, `refusal_data` or `empty_data` made. Its event `fix` brings the `action` of a finding
    whose fix was pressed: a handler reads `chosen.action` of its gr.EventData, and trusts it no more than typed text.
    """
    return gr.HTML(
        value=None,
        html_template='<div class="token-view"></div>',
        js_on_load=_SCRIPT,
        words={language: _words(language) for language in LANGUAGES},
        icons={name: icon(name) for name in (*SEVERITIES, "done")},
        elem_id=elem_id,
        apply_default_css=False,
    )


def view_data(preview: Preview, language: str, messages: Sequence[Message] = ()) -> dict[str, Any]:
    """What the views draw, from `TemplateService.preview`'s answer.

    `messages` are those of the conversation: one that left no token in the text still gets its row. Columns are
    strings of numbers, since Gradio copies and compares every value that it passes on, and strings are quick:

        starts   of tokens, in characters (code points) of the text, each counted from the start before
        lengths  of tokens, in characters
        runs     triples (tokens, place in `roles`, message or -1), in order
        spans    the same for characters of the text
        trained, special   one digit a token
        pieces   JSON, token -> what it shows where that is not the text it stands for, such as "E3 81"
    """
    tokens, text = preview["tokens"], preview["text"]
    spans = [(span["end"] - span["start"], span["role"], span["message"]) for span in preview["spans"]]
    roles = sorted({token["role"] for token in tokens} | {role for _, role, _ in spans})
    starts = [token["start"] for token in tokens]
    trained = sum(1 for token in tokens if token["trained"])
    pieces = {
        place: token["text"]
        for place, token in enumerate(tokens)
        if token["text"] != text[token["start"] : token["end"]]
    }
    return {
        "state": "shown",
        "text": text,
        "ids": _column(token["id"] for token in tokens),
        "starts": _column(start - before for before, start in zip([0, *starts], starts, strict=False)),
        "lengths": _column(token["end"] - token["start"] for token in tokens),
        "trained": "".join("1" if token["trained"] else "0" for token in tokens),
        "special": "".join("1" if token["special"] else "0" for token in tokens),
        "pieces": orjson.dumps(pieces, option=orjson.OPT_NON_STR_KEYS).decode(),
        "roles": roles,
        "runs": _runs(((1, token["role"], token["message"]) for token in tokens), roles),
        "spans": _runs(spans, roles),
        "rows": _rows(tokens, messages),
        "counts": _counts(trained, len(tokens), language),
        "mask": _mask_note(preview["mask"], language) if tokens else "",
        "findings": _findings(preview["findings"], language),
    }


def refusal_data(error: PlaygroundError, language: str, findings: Iterable[FindingDict] = ()) -> dict[str, Any]:
    """The conversation could not be rendered: what was refused and why. What was drawn before stays, dimmed."""
    parts = [part.to(language) for part in (error.arrived, error.expected, error.fix) if part]
    return {"state": "refused", "refusal": parts, "findings": _findings(findings, language)}


def empty_data(title: Sentence, what_next: Sentence, language: str) -> dict[str, Any]:
    """There is no conversation yet: what would be here, and how to get it."""
    return {"state": "empty", "empty": [title.to(language), what_next.to(language)]}


def _column(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))


def _runs(stretches: Iterable[tuple[int, str, int | None]], roles: list[str]) -> str:
    """Neighbours of one message and role as one: "length role message" for each."""
    place = {role: index for index, role in enumerate(roles)}
    runs: list[list[int]] = []
    for length, role, message in stretches:
        source = [place[role], -1 if message is None else message]
        if runs and runs[-1][1:] == source:
            runs[-1][0] += length
        else:
            runs.append([length, *source])
    return _column(number for run in runs for number in run)


def _rows(tokens: list[TokenChip], messages: Sequence[Message]) -> list[list[Any]]:
    """[message or -1, role, tokens, trained tokens] by message, the template's own last. None without tokens."""
    if not tokens:
        return []
    rows: dict[int, list[Any]] = {
        place: [place, str(message.get("role", "")), 0, 0] for place, message in enumerate(messages)
    }
    for token in tokens:
        place = -1 if token["message"] is None else token["message"]
        row = rows.setdefault(place, [place, "template" if place < 0 else token["role"], 0, 0])
        row[2] += 1
        row[3] += int(token["trained"])
    return sorted(rows.values(), key=lambda row: (row[0] < 0, row[0]))


def _counts(trained: int, tokens: int, language: str) -> str:
    percent = 100 * trained / tokens if tokens else 0.0
    return say(
        "{tokens} tokens, {trained} of them trained ({percent} %)",
        tokens=f"{tokens:,}",
        trained=f"{trained:,}",
        percent=f"{percent:.0f}",
    ).to(language)


def _mask_note(mask: str, language: str) -> str:
    notes = {
        "generation": say("The template itself marks what the assistant wrote; that is what is trained."),
        "training_template": say("What is trained is what TRL's own training version of this template marks."),
        "sentinels": say("What is trained was found by markers in place of each answer; the text stayed the same."),
        "prefix": say("What is trained was found by rendering the conversation with and without each answer."),
        "none": say("With this template it is not known which tokens are the assistant's: nothing is trained."),
    }
    return notes[mask].to(language) if mask in notes else ""


def _findings(found: Iterable[FindingDict], language: str) -> list[dict[str, Any]]:
    """Gravest first, each said in `language`. An action goes as JSON text: Gradio looks into objects for files."""
    ranked = sorted(found, key=lambda finding: SEVERITIES.index(finding["severity"]))
    return [
        {
            "severity": finding["severity"],
            "word": severity_word(finding["severity"], language),
            **{part: localise(finding[part], language) or "" for part in ("message", "why", "fix")},
            "evidence": _column(edge for stretch in finding["evidence"] for edge in stretch),
            "action": orjson.dumps(finding["action"]).decode() if finding["action"] else "",
        }
        for finding in ranked
    ]


def _words(language: str) -> dict[str, Any]:
    """What the script says by itself. It fills in what stands in braces."""
    said = {
        "text": say("Exact text"),
        "tokens": say("Tokens"),
        "messages": say("By message"),
        "findings": say("Findings"),
        "copy": say("Copy"),
        "copied": say("Copied"),
        "ids": say("Show ids"),
        "number": say("Number"),
        "role": say("Role"),
        "trained_tokens": say("Trained"),
        "share": say("Share"),
        "own": say("The template's own"),
        "total": say("Total"),
        "absent": say("not in the text"),
        "message": say("Message {number}", number="{number}"),
        "token": say("Token {number} of {total}", number="{number}", total="{total}"),
        "several": say("{count} tokens", count="{count}"),
        "quoted": say("“{text}”", text="{text}"),
        "part": say("bytes {bytes}, part of {text}", bytes="{bytes}", text="{text}"),
        "characters": say("characters {start} to {end}", start="{start}", end="{end}"),
        "no_characters": say("no characters of its own"),
        "trained": say("trained"),
        "untrained": say("not trained"),
        "special": say("special token"),
        "legend_trained": say("trained: the model learns to write it"),
        "legend_evidence": say("what a finding is about"),
        "hint": say("Point at a token, tap it, or move with the arrow keys: the other views follow."),
        "waiting": say("Working out the tokens."),
        "stale": say("Below: what the template wrote before this."),
        "no_tokens": say("No tokens: no model is chosen."),
        "show": say("Show"),
        "apply": say("Apply this fix"),
        "faultless": say("Nothing to find fault with."),
    }
    roles = {role: role_word(role, language) for role in (*ROLES, "developer")}
    return {**localise(said, language), "roles": roles}
