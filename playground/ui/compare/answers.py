"""Two answers to one message, side by side. The text is shown as it came: no Markdown, every space kept."""

from __future__ import annotations

from typing import Literal, get_args

from playground.core.figures import tokens_said
from playground.core.i18n import say
from playground.server.processes.types import NOTHING_YET, Answer, Reply
from playground.ui.widgets.markup import empty, escape

Side = Literal["base", "tuned"]
SIDES: tuple[Side, ...] = get_args(Side)


def exchange(message: str, reply: Reply | None, language: str, *, newest: bool, alone: bool = False) -> str:
    """One message and what both sides made of it. `newest` gives the two texts their ids.

    While nothing came yet `reply` is None, and `alone` says that only the base was asked.
    """
    reply = reply or {"base": NOTHING_YET, "tuned": None if alone else NOTHING_YET, "waiting": None}
    asked = escape(say("Message").to(language))
    waiting = (reply["waiting"] or say("Waiting for the first token.")).to(language)
    sides = "".join(_answer(side, reply, waiting, language, newest=newest) for side in SIDES)
    return (
        f'<section class="exchange"><p class="asked"><span class="asked-name">{asked}</span>{escape(message)}</p>'
        f'<div class="pair">{sides}</div></section>'
    )


def _answer(side: Side, reply: Reply, waiting: str, language: str, *, newest: bool) -> str:
    names = {"base": say("Base: before training"), "tuned": say("Tuned: after training")}
    elem_id = f' id="answer-{side}"' if newest else ""
    answer = reply[side]
    head = f"<header>{escape(names[side].to(language))}</header>"
    if answer is None:
        gap = empty(say("No run chosen"), say("Choose one of your runs above to see its answer here."), language)
        return f'<article class="answer is-{side}">{head}<div class="answer-text"{elem_id}>{gap}</div></article>'
    text, done = answer["text"], bool(answer["ended"])
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


def _speed(answer: Answer, language: str) -> str:
    """How much and how fast, and why it ended. A blank keeps the line's height while nothing came yet."""
    if not answer["tokens"]:
        return "\u00a0"
    said = [tokens_said(answer["tokens"]).to(language)]
    if answer["tokens_per_s"]:
        said.append(say("{speed} tokens/s", speed=f"{answer['tokens_per_s']:.1f}").to(language))
    ends = {
        "stop": say("ended by itself"),
        "length": say("cut at the longest answer"),
        "cancelled": say("stopped"),
    }
    if answer["ended"] in ends:
        said.append(ends[answer["ended"]].to(language))
    return " · ".join(said)


def cancelled(reply: Reply) -> Reply:
    """The reply as it stood when Stop was pressed."""

    def end(answer: Answer) -> Answer:
        return answer if answer["ended"] else {**answer, "ended": "cancelled"}

    return {**reply, "base": end(reply["base"]), "tuned": end(reply["tuned"]) if reply["tuned"] else None}
