"""Two answers to one message, side by side. The text is shown as it came: no Markdown, every space kept."""

from __future__ import annotations

from typing import Any

from playground.core.i18n import localise, say
from playground.ui.widgets.markup import empty, escape

SIDES = ("base", "tuned")


def exchange(message: str, reply: dict[str, Any] | None, language: str, *, newest: bool, alone: bool = False) -> str:
    """One message and what both sides made of it. `newest` gives the two texts their ids.

    While nothing came yet `reply` is None, and `alone` says that only the base was asked.
    """
    reply = reply or {"base": {}, "tuned": None if alone else {}}
    asked = escape(say("Message").to(language))
    waiting = localise(reply.get("waiting"), language) or say("Waiting for the first token.").to(language)
    sides = "".join(_answer(side, reply, waiting, language, newest=newest) for side in SIDES)
    return (
        f'<section class="exchange"><p class="asked"><span class="asked-name">{asked}</span>{escape(message)}</p>'
        f'<div class="pair">{sides}</div></section>'
    )


def _answer(side: str, reply: dict[str, Any], waiting: str, language: str, *, newest: bool) -> str:
    names = {"base": say("Base: before training"), "tuned": say("Tuned: after training")}
    elem_id = f' id="answer-{side}"' if newest else ""
    answer = reply.get(side)
    head = f"<header>{escape(names[side].to(language))}</header>"
    if answer is None:
        gap = empty(say("No run chosen"), say("Choose one of your runs above to see its answer here."), language)
        return f'<article class="answer is-{side}">{head}<div class="answer-text"{elem_id}>{gap}</div></article>'
    text, done = answer.get("text", ""), bool(answer.get("ended"))
    if not text and not done:
        body = f'<span class="waiting">{escape(waiting)}</span>'
    elif not text:
        body = f'<span class="waiting">{escape(say("The answer is empty.").to(language))}</span>'
    else:
        body = escape(text) + ("" if done else '<span class="caret"></span>')
    return (
        f'<article class="answer is-{side}" aria-busy="{"false" if done else "true"}">{head}'
        f'<div class="answer-text"{elem_id}>{body}</div><footer>{escape(_speed(answer, language))}</footer></article>'
    )


def _speed(answer: dict[str, Any], language: str) -> str:
    """How much and how fast, and why it ended. A blank keeps the line's height while nothing came yet."""
    if not answer.get("tokens"):
        return "\u00a0"
    said = [say("{tokens} tokens", tokens=answer["tokens"]).to(language)]
    if answer.get("tokens_per_s"):
        said.append(say("{speed} tokens/s", speed=f"{answer['tokens_per_s']:.1f}").to(language))
    ends = {
        "stop": say("ended by itself"),
        "length": say("cut at the longest answer"),
        "cancelled": say("stopped"),
    }
    if answer.get("ended") in ends:
        said.append(ends[answer["ended"]].to(language))
    return " · ".join(said)


def cancelled(reply: dict[str, Any]) -> dict[str, Any]:
    """The reply as it stood when Stop was pressed."""

    def end(answer: dict[str, Any] | None) -> dict[str, Any] | None:
        return answer if answer is None or answer.get("ended") else {**answer, "ended": "cancelled"}

    return {**reply, "base": end(reply.get("base")) or {}, "tuned": end(reply.get("tuned"))}
