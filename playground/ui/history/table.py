"""The table of this browser's runs, as HTML. Pure functions of what the backend says of each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from playground.core.figures import fixed, signed
from playground.core.i18n import Sentence, say
from playground.runs.types import Change, RunStatus, bounds
from playground.ui.history.overlay import DRAWN, swatch
from playground.ui.run.my_runs import Entry, numbered, state_word, title
from playground.ui.widgets.chart import series
from playground.ui.widgets.markup import empty, escape, icon

Listed = Sequence[tuple[Entry, RunStatus]]
"""Each run with what the browser knows of it, newest first: `own_runs.known`."""

_STATE_ICONS = {"queued": "queued", "running": "running", "done": "done", "stopped": "stopped", "failed": "error"}
_VERDICT_ICONS = {
    "learned": "done",
    "partly": "warning",
    "not_better": "warning",
    "forgot": "warning",
    "nothing_learned": "error",
    "broken": "error",
}


def icon_for(verdict: str) -> str:
    return _VERDICT_ICONS.get(verdict, "info")


def verdict_word(code: str) -> Sentence | None:
    """A verdict in a word or two; None for a code that is not known here."""
    words = {
        "learned": say("It learned"),
        "partly": say("It partly learned"),
        "not_better": say("No better"),
        "nothing_learned": say("It learned nothing"),
        "forgot": say("It forgot other things"),
        "broken": say("Broken"),
        "unchecked": say("Not checked"),
    }
    return words.get(code)


def held_out_losses(run: RunStatus) -> tuple[float | None, float | None, Change | None]:
    """(before, after, change with its interval) in nats for each supervised token.

    From the scales of a finished run; until then from the curve: step 0, and the best step or else the latest.
    """
    scales = run["scales"]
    before, after = ((figures or {}).get("held_out") for figures in (scales.get("before"), scales.get("after")))
    if before and after:
        return before["loss"], after["loss"], (scales.get("change") or {}).get("held_out")
    evaluations = dict(series(run["metrics"], "eval_loss"))
    first = evaluations.pop(0.0, None)
    best = evaluations.get(float(run["best_step"])) if run["best_step"] is not None else None
    last = evaluations[max(evaluations)] if evaluations else None
    return first, best if best is not None else last, None


def general_change(run: RunStatus) -> Change | None:
    """{mean, low, high} of the loss on everyday questions, after minus before: above 0 is forgetting."""
    return (run["scales"].get("change") or {}).get("general")


def no_history(language: str) -> str:
    return empty(
        say("No runs yet"),
        say("Runs that you start in this browser are listed here, to be compared, renamed and trained further."),
        language,
    )


def runs_table(
    listed: Listed, titles: dict[str, Sentence], slots: Mapping[str, int], number: int, language: str
) -> str:
    """The table. `slots`: the chosen runs, each with the place of its colour. `number`: the choice that this shows."""
    if not listed:
        return no_history(language)
    heads = [
        say("Run"),
        say("State"),
        say("Held-out loss"),
        say("Everyday questions"),
        say("Verdict"),
        say("Best step"),
    ]
    columns = "".join(f'<th role="columnheader" scope="col">{escape(head.to(language))}</th>' for head in heads)
    every = escape(say("Choose all runs").to(language))
    chosen = sum(entry["run"] in slots for entry, _ in listed)
    ticked = " checked" if chosen == len(listed) else ""
    rows = "".join(_row(entry, run, titles, slots, heads, language) for entry, run in listed)
    told = escape(say("Your runs, newest first").to(language))
    return (
        f'<table class="runs-table" role="table" aria-label="{told}" data-number="{number}"><thead><tr role="row">'
        f'<th role="columnheader" scope="col" class="pick"><input type="checkbox" data-all aria-label="{every}"'
        f"{ticked}></th>{columns}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(
    entry: Entry,
    run: RunStatus,
    titles: dict[str, Sentence],
    slots: Mapping[str, int],
    heads: Sequence[Sentence],
    language: str,
) -> str:
    name = numbered(entry, run, titles, language)
    slot = slots.get(entry["run"])
    choose = escape(say("Choose {name}", name=name).to(language))
    ticked = " checked" if slot is not None else ""
    cells = (_state(run, language), _held_out(run), _general(run), _verdict(run, language), _best(run))
    made = "".join(
        f'<td role="cell" data-label="{escape(head.to(language))}">{cell}</td>'
        for head, cell in zip(heads[1:], cells, strict=True)
    )
    return (
        f'<tr role="row"{"" if slot is None else " class=is-chosen"}>'
        f'<td role="cell" class="pick"><input type="checkbox" data-run="{escape(entry["run"])}" aria-label="{choose}"'
        f'{ticked}></td><th role="rowheader" scope="row">{_name(entry, run, titles, slot, language)}</th>{made}</tr>'
    )


def _name(entry: Entry, run: RunStatus, titles: dict[str, Sentence], slot: int | None, language: str) -> str:
    mark = swatch(slot) if slot is not None and slot < DRAWN else ""
    return (
        f'<span class="run-name"><span class="run-number">{entry["number"]}</span>'
        f'<span class="run-title">{escape(title(entry, run, titles, language))}</span>{mark}</span>'
        f'<span class="run-about">{_when(run["created"])}<span>{escape(run["model"])}</span></span>'
    )


def _when(seconds: Any) -> str:
    """A time that the page's script writes in the reader's own zone; UTC without it."""
    try:
        moment = datetime.fromtimestamp(float(seconds), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M} UTC</time>'


def _state(run: RunStatus, language: str) -> str:
    state = run["state"]
    steps = f"{run['step']} / {run['steps']}" if run["steps"] else ""
    counted = say("{steps} steps", steps=steps).to(language) if steps else ""
    return _cell(
        f'<span class="state-word is-{escape(state)}">{icon(_STATE_ICONS.get(state, "queued"))}'
        f"{escape(state_word(state).to(language))}</span>",
        counted,
    )


def _held_out(run: RunStatus) -> str:
    before, after, change = held_out_losses(run)
    if before is None and after is None:
        return _none()
    losses = f"{fixed(before)} → {fixed(after)}"
    if change is None and before is not None and after is not None:
        return _cell(f"<span>{losses}</span>", signed(after - before))
    return _cell(f"<span>{losses}</span>", interval(change) if change else "")


def _general(run: RunStatus) -> str:
    change = general_change(run)
    return _cell(f"<span>{signed(change['mean'])}</span>", span_of(change)) if change else _none()


def _verdict(run: RunStatus, language: str) -> str:
    if run["error"]:
        # What arrived is enough here; what to do about it stands below, once the run is chosen.
        return f'<span class="run-error">{escape(run["error"].arrived.to(language))}</span>'
    code = run["verdict"].get("code", "")
    word = verdict_word(code)
    if word is None:
        return _none()
    mark = icon_for(code)
    return f'<span class="verdict-word is-{mark}">{icon(mark)}<span>{escape(word.to(language))}</span></span>'


def _best(run: RunStatus) -> str:
    return f"<span>{run['best_step']}</span>" if run["best_step"] is not None else _none()


def _cell(first: str, second: str) -> str:
    more = f'<span class="cell-more">{escape(second)}</span>' if second else ""
    return f'<span class="cell-lines">{first}{more}</span>'


def _none() -> str:
    return '<span class="none-yet">–</span>'


def span_of(change: Change) -> str:
    """ "" where it cannot be told, as from a single row."""
    span = bounds(change)
    return f"({signed(span[0])} … {signed(span[1])})" if span else ""


def interval(change: Change) -> str:
    """A change with its 95 % interval: "−0.81 (−0.95 … −0.66)"."""
    return f"{signed(change['mean'])} {span_of(change)}".rstrip()
