"""How people voted: for each pair of sides how often each won, and what may be said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from playground.core.i18n import Sentence, say
from playground.runs.votes import LeftOut, Tally
from playground.ui.widgets.markup import empty, escape, icon


def votes_view(
    tallies: Sequence[Tally], language: str, *, names: Mapping[str, str] | None = None, out: LeftOut | None = None
) -> str:
    """The tallies as HTML. `names`: what this reader calls a side, by its name in the votes; `out`: what an export as
    preference pairs leaves out."""
    if not tallies:
        return empty(
            say("No votes yet"), say("Choose the better of two answers; what the votes show stands here."), language
        )
    known = names or {}
    shown = [
        replace(one, first=known.get(one.first, one.first), second=known.get(one.second, one.second))
        for one in tallies
    ]  # fmt: skip
    hint = say(
        "Ties are not counted in shares. An interval holds where the number of votes was decided on beforehand: who "
        "stops at a good moment finds differences by chance."
    )
    items = "".join(_tally(one, language) for one in shown)
    return (
        f'<section class="votes"><h3>{escape(say("Votes").to(language))}</h3>'
        f'<p class="run-hint">{escape(hint.to(language))}</p>'
        f'<div class="vote-list">{items}</div>{_left_out(out, language)}</section>'
    )


def _tally(one: Tally, language: str) -> str:
    title = say("{first} against {second}", first=one.first, second=one.second)
    kind = say("Blind votes") if one.blind else say("Open votes: the names were in sight")
    sign = "done" if one.is_uneven and one.blind else "info"
    return (
        f'<article class="vote-pair{" is-uneven" if one.is_uneven else ""}"><h4>{escape(title.to(language))}</h4>'
        f'<p class="vote-kind">{escape(kind.to(language))}</p>{_bar(one, language)}{_share(one, language)}'
        f'<p class="vote-said">{icon(sign)}<span>{escape(one.said().to(language))}</span></p></article>'
    )


def _bar(one: Tally, language: str) -> str:
    """Wins, ties, wins as lengths. The figures stand below, so the bar itself says nothing to a screen reader."""
    parts = [
        ("first", one.first, one.first_wins),
        ("tie", say("Ties"), one.ties),
        ("second", one.second, one.second_wins),
    ]
    lengths = "".join(f'<span class="is-{kind}" style="flex-grow:{count}"></span>' for kind, _, count in parts if count)
    figures = "".join(
        f'<div class="is-{kind}"><dt>{escape(_said(name, language))}</dt><dd>{count}</dd></div>'
        for kind, name, count in parts
    )
    return f'<div class="vote-bar" aria-hidden="true">{lengths}</div><dl class="vote-counts">{figures}</dl>'


def _said(name: str, language: str) -> str:
    return name.to(language) if isinstance(name, Sentence) else name


def _share(one: Tally, language: str) -> str:
    """The share that the first side won, with its interval on a rail whose middle is marked; "" without a decision."""
    if one.share is None:
        return ""
    low, high = one.interval
    said = say(
        "Share won by {name}: {share} %; 95 % interval {low} to {high} %.",
        name=one.first,
        share=f"{100 * one.share:.1f}",
        low=f"{100 * low:.1f}",
        high=f"{100 * high:.1f}",
    )
    return (
        '<svg class="vote-rail" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="rail" d="M0 6H100"/><path class="middle" d="M50 0V12"/>'
        f'<path class="reach" d="M{100 * low:.1f} 6H{100 * high:.1f}"/>'
        f'<path class="share" d="M{100 * one.share:.1f} 1V11"/></svg>'
        f'<p class="vote-share">{escape(said.to(language))}</p>'
    )


def _left_out(out: LeftOut | None, language: str) -> str:
    if out is None or not out.ties + out.equal:
        return ""
    said = say(
        "Left out of the preference pairs: ties {ties}, equal answers {equal}.", ties=out.ties, equal=out.equal
    )  # fmt: skip
    return f'<p class="vote-share">{escape(said.to(language))}</p>'
