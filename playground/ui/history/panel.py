"""The history: this browser's runs in a table, and what can be done with those that are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from playground.core.errors import NotFoundError, PlaygroundError
from playground.core.i18n import Sentence, say
from playground.runs.types import RunStatus
from playground.server.backend import Backend
from playground.ui.history.overlay import DRAWN
from playground.ui.history.side_by_side import Side, curves, note, question, settings_sides, verdict_sides
from playground.ui.history.table import Listed, runs_table
from playground.ui.run.my_runs import (
    ACTIVE,
    TELL_OTHERS,
    example_titles,
    known,
    numbered,
    remembered,
    run_choices,
    title,
    without,
)
from playground.ui.run.panel import RunPanel
from playground.ui.run.start_from import StartFrom
from playground.ui.widgets.elements import heading, html
from playground.ui.widgets.events import PAGE, QUEUED, QUICK
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.markup import callout, refusal

POLL_S = 5.0
"""Seconds between two refreshes while a run of this browser goes or waits; its own panel has one each second."""
NOT_HANDED_ON = ("chat_template", "chat_template_kwargs", "chat_template_clock", "mapping", "edits", "start_from")
"""Settings that are left as they are: they belong to the rows, the template and the line at Start."""
_SCRIPT = (Path(__file__).parent / "table.js").read_text(encoding="utf-8")
_SHOW_PANEL = """() => { if (!document.querySelector('#history-notice .is-error'))
  document.querySelector('#run-panel')?.scrollIntoView({behavior: 'smooth', block: 'start'}); }"""
_SHOW_START = """() => { if (!document.querySelector('#history-notice .is-error'))
  document.querySelector('#start-from')?.scrollIntoView({behavior: 'smooth', block: 'center'}); }"""

Updates = dict[Any, Any]


@dataclass
class HistoryState:
    """Lives in a gr.State and is changed in place, so that a refresh that still works sees the newest choice."""

    slots: dict[str, int] = field(default_factory=dict)
    """The chosen runs, each with the place of its colour, which it keeps while it is chosen."""
    number: int = 0
    """Number of the newest choice."""
    asking: bool = False
    """Whether the page asks if the chosen runs are to be deleted."""
    named: str = ""
    """The run whose name stands in the box; typing in it must not be written over."""
    sent: dict[int, int] = field(default_factory=dict)
    """Hashes of what the page was last sent, so that a refresh without news costs a few bytes."""


def with_choice(slots: dict[str, int], wanted: Sequence[str]) -> dict[str, int]:
    """The wanted runs with the places of their colours: those that had one keep it, others get the lowest free.

    {"a": 0, "b": 1}, ["b", "c"] -> {"b": 1, "c": 0}. Beyond DRAWN there is no colour, so such a place is not kept.
    """
    kept = {run: slot for run, slot in slots.items() if run in wanted and slot < DRAWN}
    for run in dict.fromkeys(wanted):
        if run not in kept:
            taken = set(kept.values())
            kept[run] = next(slot for slot in range(len(kept) + 1) if slot not in taken)
    return kept


class History:
    """Owns the choice among this browser's runs. `wanted` holds the settings that the form is to take over."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.state = gr.State(HistoryState())
        self.wanted = gr.State({})
        self.timer = gr.Timer(POLL_S, active=False)
        with gr.Column(elem_classes="card", elem_id="history-card"):
            heading(
                label("History"),
                label("Runs that were started in this browser. Choose some to see them side by side."),
            )
            self.table = gr.HTML(
                "", html_template="${value}", js_on_load=_SCRIPT, elem_id="run-history", apply_default_css=False
            )
            self.notice = html("history-notice")
            self._acts()
            with gr.Column(visible=False, elem_id="history-details") as self.beside:
                self.note = html("history-note")
                self.axis = gr.Radio(
                    [(label("By step"), "step"), (label("By share of the run"), "share")],
                    value="step",
                    label=label("Curves"),
                    info=label("By share, runs of different lengths lie on each other."),
                    elem_id="history-axis",
                    elem_classes="segmented",
                )
                self.curves = html("history-curves")
                self.verdicts = html("history-verdicts")
                self.settings = html("history-settings")

    def _acts(self) -> None:
        with gr.Column(visible=False, elem_id="history-acts") as self.acts:
            with gr.Row(elem_classes="actions"):
                self.show = gr.Button(label("Show above"), size="md", elem_id="history-show")
                self.use = gr.Button(label("Use these settings"), size="md", elem_id="history-use")
                self.further = gr.Button(label("Train further from this run"), size="md", elem_id="history-further")
                self.resume = gr.Button(label("Resume"), size="md", elem_id="history-resume")
                self.delete = gr.Button(label("Delete"), size="md", variant="stop", elem_id="history-delete")
            with gr.Row(elem_id="history-rename", equal_height=False) as self.renaming:
                self.name = gr.Textbox(
                    label=label("Name of the run"),
                    info=label("It is called so in Compare too. Empty: after its rows."),
                    max_lines=1,
                    elem_id="history-name",
                )
                self.rename = gr.Button(label("Save the name"), size="md", elem_id="history-save-name")
            with gr.Column(visible=False, elem_id="history-confirm") as self.confirm:
                self.question = html("history-question")
                with gr.Row(elem_classes="actions"):
                    self.sure = gr.Button(label("Delete for good"), size="md", variant="stop", elem_id="history-sure")
                    self.keep = gr.Button(label("Keep"), size="md", elem_id="history-keep")

    @property
    def drawn(self) -> list[Any]:
        """What `draw` sets."""
        return [
            self.table, self.notice, self.acts, self.show, self.use, self.further, self.resume, self.delete,
            self.renaming, self.name, self.confirm, self.question, self.beside, self.note, self.curves, self.verdicts,
            self.settings, self.timer,
        ]  # fmt: skip

    def wire(
        self, page: gr.Blocks, runs: gr.BrowserState, panel: RunPanel, compared: gr.Dropdown, start: StartFrom
    ) -> None:
        """`panel` shows one run, `compared` is the choice of the Compare tab, `start` says what the next run does.

        `taken_over` is then the event after which `wanted` holds the settings for the form.
        """
        self.runs, self.panel, self.compared, self.start = runs, panel, compared, start
        inputs = [self.state, runs, self.axis]
        refreshing = {"inputs": inputs, "outputs": self.drawn, **QUICK}
        page.load(self.refresh, **refreshing)
        self.timer.tick(self.refresh, **refreshing, trigger_mode="once")
        self.table.refresh(self.refresh, **refreshing)
        self.axis.input(self.refresh, **refreshing)
        # Otherwise Gradio drops a click that comes while another is answered. Late ones are told by their number.
        self.table.choose(self.choose, **refreshing, trigger_mode="multiple")
        self.delete.click(self.ask, **refreshing)
        self.keep.click(self.leave, **refreshing)
        offers = [*self.drawn, panel.chosen, compared]
        runs.change(self.refresh_offers, [*inputs, panel.chosen, compared], offers, **QUICK)
        gr.on(
            [self.rename.click, self.name.submit],
            self.save_name,
            [*inputs, self.name, panel.chosen, compared],
            offers,
            **QUICK,
        )
        deleted = self.sure.click(
            self.delete_chosen, [*inputs, panel.chosen, compared, start.run], [*offers, runs, start.run, start.line],
            **QUICK,
        )  # fmt: skip
        panel.refresh_after(deleted.then(None, runs, None, js=TELL_OTHERS, **PAGE))
        resumed = self.resume.click(self.resume_chosen, inputs, offers, **QUICK)
        panel.refresh_after(resumed.success(None, None, None, js=_SHOW_PANEL, **PAGE))
        shown = self.show.click(self.show_chosen, self.state, panel.chosen, **QUICK)
        panel.refresh_after(shown).then(None, None, None, js=_SHOW_PANEL, **PAGE)
        self.further.click(self.train_further, inputs, [*self.drawn, start.run, start.line], **QUICK).success(
            None, None, None, js=_SHOW_START, **PAGE
        )
        self.taken_over = self.use.click(self.use_settings, inputs, [*self.drawn, self.wanted], **QUEUED)

    def refresh_after(self, event: Any) -> Any:
        """Look at the runs anew once `event` is through: a run was started, stopped or resumed elsewhere."""
        return event.then(self.refresh, [self.state, self.runs, self.axis], self.drawn, **QUICK)

    # ---- looking -----------------------------------------------------------------------------------------------

    def refresh(self, state: HistoryState, stored: Any, axis: str, request: gr.Request) -> Updates:
        return self.draw(state, self.listed(stored), axis, reader_language(request))

    def listed(self, stored: Any) -> Listed:
        return known(self.backend, remembered(stored))

    def draw(self, state: HistoryState, listed: Listed, axis: str, language: str) -> Updates:
        """All that changed since the page was last sent something. What is not chosen any more is not asked about."""
        there = {entry["run"] for entry, _ in listed}
        if not set(state.slots) <= there:
            state.slots = with_choice(state.slots, [run for run in state.slots if run in there])
            state.asking = False
        number, slots = state.number, state.slots  # In this order: see choose.
        titles = example_titles(self.backend)
        sides = _sides(slots, listed, titles, language)
        news = {
            self.table: runs_table(listed, titles, slots, number, language),
            self.curves: curves(sides, axis, language),
            self.verdicts: verdict_sides(sides, language) if sides else "",
            self.settings: _settings(sides, listed, titles, language) if sides else "",
            self.note: note(sides, len(slots), language),
            self.question: question(sides, len(slots), language) if state.asking else "",
        }
        going = any(run["state"] in ACTIVE for _, run in listed)
        shown = {
            self.timer: gr.update(active=going),
            self.acts: gr.update(visible=bool(slots)),
            self.beside: gr.update(visible=bool(slots)),
            self.confirm: gr.update(visible=state.asking),
            self.delete: gr.update(visible=not state.asking),
            **self._buttons(sides if len(slots) == 1 else []),
        }
        # One key at least: Gradio takes an empty dict for a value.
        return {self.question: gr.skip(), **self._changed(state, {**news, **shown}), **self._box(state, sides)}

    def _buttons(self, sides: Sequence[Side]) -> Updates:
        """What can be done with one run. Several can only be looked at and deleted."""
        run = sides[0].run if sides else None
        ended = run if run is not None and run["state"] not in ACTIVE else None
        return {
            self.show: gr.update(visible=run is not None),
            self.use: gr.update(visible=run is not None),
            self.further: gr.update(visible=ended is not None and bool(ended.get("has_adapter"))),
            self.resume: gr.update(visible=ended is not None and bool(ended.get("can_resume"))),
            self.renaming: gr.update(visible=run is not None),
        }

    def _changed(self, state: HistoryState, everything: Updates) -> Updates:
        marks = {part._id: hash(repr(value)) for part, value in everything.items()}
        before, state.sent = state.sent, marks
        return {part: value for part, value in everything.items() if marks[part._id] != before.get(part._id)}

    def _box(self, state: HistoryState, sides: Sequence[Side]) -> Updates:
        one = sides[0].run["run"] if len(state.slots) == 1 and sides else ""
        if one == state.named:
            return {}
        state.named = one
        # A name by its rows is what an empty box stands for; it is not written into it, or saving would fix it.
        return {self.name: (sides[0].run.get("title") or "") if one else ""}

    def choose(
        self, state: HistoryState, stored: Any, axis: str, request: gr.Request, pressed: gr.EventData
    ) -> Updates:
        """The boxes that are ticked now. A choice that comes late, after a newer one, is no choice any more."""
        given, number = pressed._data.get("runs"), pressed._data.get("number")
        if not isinstance(given, list) or not isinstance(number, int):
            return {self.notice: gr.skip()}
        listed = self.listed(stored)
        if number <= state.number:  # A newer one came meanwhile.
            return {self.notice: gr.skip()}
        state.slots = with_choice(state.slots, [entry["run"] for entry, _ in listed if entry["run"] in given])
        state.number, state.asking = number, False  # After the slots: who sees the number sees its slots.
        state.sent = {}  # Answers can cross on their way. This one is whole, so that asking again mends everything.
        return {**self.draw(state, listed, axis, reader_language(request)), self.notice: ""}

    def refresh_offers(
        self, state: HistoryState, stored: Any, axis: str, watched: Any, compared: Any, request: gr.Request
    ) -> Updates:
        """The browser's list changed, here or in another tab: the choices elsewhere on the page follow it."""
        listed, language = self.listed(stored), reader_language(request)
        return {**self.draw(state, listed, axis, language), **self._offers(listed, watched, compared, language)}

    def _offers(self, listed: Listed, watched: Any, compared: Any, language: str) -> Updates:
        """The two dropdowns of runs. One that shows a run which is gone turns to the newest that is left.

        In Compare any id may be pasted: what is not of this browser stays unless it is gone.
        """
        offered = run_choices(list(listed), example_titles(self.backend), language)
        runs = [run for _, run in offered]
        newest = runs[0] if runs else None
        chosen: dict[str, Any] = {"choices": offered, "visible": bool(offered)}
        if watched and watched not in runs:
            chosen["value"] = newest
        other: dict[str, Any] = {"choices": offered}
        if compared and compared not in runs and not self._exists(compared):
            other["value"] = newest
        return {self.panel.chosen: gr.update(**chosen), self.compared: gr.update(**other)}

    def _exists(self, run: Any) -> bool:
        try:
            self.backend.runs.get(str(run))
        except NotFoundError:
            return False
        except PlaygroundError:
            return True
        return True

    # ---- doing -------------------------------------------------------------------------------------------------

    def ask(self, state: HistoryState, stored: Any, axis: str, request: gr.Request) -> Updates:
        state.asking = bool(state.slots)
        return {**self.refresh(state, stored, axis, request), self.notice: ""}

    def leave(self, state: HistoryState, stored: Any, axis: str, request: gr.Request) -> Updates:
        state.asking = False
        return self.refresh(state, stored, axis, request)

    def save_name(
        self,
        state: HistoryState,
        stored: Any,
        axis: str,
        name: str | None,
        watched: Any,
        compared: Any,
        request: gr.Request,
    ) -> Updates:
        language = reader_language(request)
        try:
            self.backend.runs.rename(self._one(state), " ".join((name or "").split()))
        except PlaygroundError as error:
            return {**self.refresh(state, stored, axis, request), self.notice: refusal(error, language)}
        listed = self.listed(stored)
        told = callout("info", say("The name is saved.").to(language))
        drawn = self.draw(state, listed, axis, language)
        return {**drawn, **self._offers(listed, watched, compared, language), self.notice: told}

    def delete_chosen(
        self,
        state: HistoryState,
        stored: Any,
        axis: str,
        watched: Any,
        compared: Any,
        further: str,
        request: gr.Request,
    ) -> Updates:
        """Delete what is chosen, and forget it here. What the backend refuses stays, and its reason is said."""
        if not state.asking:
            return {self.notice: gr.skip()}
        language = reader_language(request)
        gone, refused = [], []
        for run in list(state.slots):
            try:
                self.backend.runs.delete(run)
                gone.append(run)
            except NotFoundError:
                gone.append(run)
            except PlaygroundError as error:
                refused.append(refusal(error, language))
        state.asking = False
        entries = without(remembered(stored), gone)
        listed = known(self.backend, entries)
        told = say("1 run was deleted.") if len(gone) == 1 else say("{count} runs were deleted.", count=len(gone))
        said = ([callout("info", told.to(language))] if gone else []) + list(dict.fromkeys(refused))
        back = dict(zip((self.start.run, self.start.line), self.start.taken_back(), strict=True))
        return {
            **self.draw(state, listed, axis, language),
            **self._offers(listed, watched, compared, language),
            **({self.runs: entries} if gone else {}),
            **(back if further in gone else {}),
            self.notice: "".join(said),
        }

    def resume_chosen(self, state: HistoryState, stored: Any, axis: str, request: gr.Request) -> Updates:
        """The run goes on from its checkpoint, and the run panel watches it."""
        try:
            run = self._one(state)
            self.backend.runs.resume(run)
        except PlaygroundError as error:
            return {**self.refresh(state, stored, axis, request), self.notice: refusal(error, reader_language(request))}
        return {**self.refresh(state, stored, axis, request), self.notice: "", self.panel.chosen: run}

    def show_chosen(self, state: HistoryState) -> Any:
        return next(iter(state.slots)) if len(state.slots) == 1 else gr.skip()

    def train_further(self, state: HistoryState, stored: Any, axis: str, request: gr.Request) -> Updates:
        try:
            run, name = self._named(state, stored, reader_language(request))
        except PlaygroundError as error:
            return {**self.refresh(state, stored, axis, request), self.notice: refusal(error, reader_language(request))}
        return {self.notice: "", **self.start.chosen(run, name, request)}

    def use_settings(self, state: HistoryState, stored: Any, axis: str, request: gr.Request) -> Updates:
        """`wanted` gets the run's settings; rows and template stay as they are."""
        language = reader_language(request)
        try:
            run, name = self._named(state, stored, language)
        except PlaygroundError as error:
            return {
                **self.refresh(state, stored, axis, request),
                self.notice: refusal(error, language),
                self.wanted: {},
            }
        settings = {key: value for key, value in run["settings"].items() if key not in NOT_HANDED_ON}
        told = say("The settings of “{name}” stand in the form. Rows and template are still your own.", name=name)
        return {self.wanted: settings, self.notice: callout("info", told.to(language))}

    def _one(self, state: HistoryState) -> str:
        if len(state.slots) != 1:
            raise NotFoundError(say("{count} runs are chosen.", count=len(state.slots)), fix=say("Choose one run."))
        return next(iter(state.slots))

    def _named(self, state: HistoryState, stored: Any, language: str) -> tuple[RunStatus, str]:
        """The chosen run and what this browser calls it. Raises NotFoundError where it is gone."""
        run = self.backend.runs.get(self._one(state))
        entry = next((entry for entry in remembered(stored) if entry["run"] == run["run"]), None)
        if entry is None:
            return run, run.get("title") or say("an earlier run").to(language)
        return run, title(entry, run, example_titles(self.backend), language)


def _sides(slots: Mapping[str, int], listed: Listed, titles: Mapping[str, Sentence], language: str) -> list[Side]:
    """The chosen runs that are drawn, in the order of the table."""
    return [
        Side(numbered(entry, run, titles, language), slots[entry["run"]], run)
        for entry, run in listed
        if slots.get(entry["run"], DRAWN) < DRAWN
    ]


def _settings(sides: Sequence[Side], listed: Listed, titles: Mapping[str, Sentence], language: str) -> str:
    names = {entry["run"]: numbered(entry, run, titles, language) for entry, run in listed}
    return settings_sides(sides, names, language)
