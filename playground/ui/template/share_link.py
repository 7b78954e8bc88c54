"""A link that opens the same view. Everything is in the part after #, which browsers do not send to any server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr

from playground.core.errors import InputError
from playground.core.i18n import LANGUAGES, localise, say
from playground.core.settings import RenderOptions

LINK_CHARS = 30_000
"""Longest link. Browsers take far more; mail programs and chats cut."""
STATE_CHARS = 2_000_000
"""Most characters that a link may unfold to: a short link can be made to hold gigabytes."""

_SCRIPT = (Path(__file__).parent / "share_link.js").read_text(encoding="utf-8")


def share_link(elem_id: str) -> gr.HTML:
    """Set what `link_to` gives as its value to make a link; `input` fires with `{"open": state}` when one was followed.

    Links that are too long or broken are answered in the element itself.
    """
    return gr.HTML(
        value={},
        html_template='<div class="link-out" role="status"></div>',
        js_on_load=_SCRIPT,
        words={language: localise(_words(), language) for language in LANGUAGES},
        limits={"link": LINK_CHARS, "state": STATE_CHARS},
        elem_id=elem_id,
        apply_default_css=False,
    )


def link_to(state: dict[str, Any]) -> dict[str, Any]:
    """The value that has the element make a link. The time, so that the same link can be asked for twice."""
    return {"make": state, "at": time.time_ns()}


def state_of(link: dict[str, Any] | None) -> dict[str, Any]:
    """The state in an opened link: {messages, model, template, source or None, options}, of the right kinds.

    Raises InputError where it holds anything else; what the words in it are worth is for the backend to say.
    """
    given = (link or {}).get("open")
    state = {"model": "", "template": "", "source": None, "options": {}, **(given if isinstance(given, dict) else {})}
    messages = state.get("messages")
    fits = isinstance(messages, list) and all(isinstance(message, dict) for message in messages)
    fits = fits and isinstance(state["options"], dict) and isinstance(state["source"], str | None)
    if not fits or not isinstance(state["model"], str) or not isinstance(state["template"], str):
        raise InputError(say("The link holds something that is no conversation, so nothing was opened."))
    RenderOptions.from_dict(state["options"])
    return state


def _words() -> dict[str, Any]:
    return {
        "copied": say("The link is copied. Whoever opens it sees this conversation, template and inputs."),
        "byHand": say("Copy this link. Whoever opens it sees this conversation, template and inputs."),
        "private": say("It holds everything itself; nothing was stored on the server."),
        "tooLong": say(
            "The link would have {count} characters, more than mail programs and chats let through. "
            "Shorten the conversation or the template.",
            count="{count}",
        ),
        "broken": say("The link is damaged or incomplete, so nothing was opened. Ask for it once more."),
        "tooLarge": say("The link holds more than can be opened here, so nothing was opened."),
        "link": say("Link to this view"),
    }
