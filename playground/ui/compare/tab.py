"""Tab "Compare": one message, and the answers of the model before and after training."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypedDict

import gradio as gr

from playground.core.errors import PlaygroundError
from playground.core.i18n import say
from playground.core.settings import Sampling
from playground.data.types import Example
from playground.server.backend import Backend
from playground.server.processes.types import Reply
from playground.ui.compare.answers import cancelled, exchange
from playground.ui.run.my_runs import remembered
from playground.ui.run.status import facts
from playground.ui.widgets.elements import Choice, buttons, choices, heading, html
from playground.ui.widgets.events import QUICK, STREAM
from playground.ui.widgets.header import Header
from playground.ui.widgets.i18n import label, reader_language
from playground.ui.widgets.markup import callout, empty, refusal

KEPT = 12
"""Earlier exchanges that stay on the page."""

# On a phone the answers are below the screen when they are asked for.
_SHOW_ANSWERS = """() => setTimeout(() => {
  const answers = document.querySelector("#newest");
  if (answers && answers.getBoundingClientRect().top > 0.7 * window.innerHeight)
    answers.scrollIntoView({block: "start"});
}, 300)"""
_DEFAULTS = Sampling()


class Exchange(TypedDict):
    """A message and what came of it."""

    message: str
    reply: Reply | None


"""{message, reply}: the true texts, kept apart from the HTML that shows them."""


@dataclass(frozen=True)
class _Update:
    """One update of the page while an answer streams; what is left out stays as it is."""

    newest: Any = field(default_factory=gr.skip)
    history: Any = field(default_factory=gr.skip)
    exchanges: Any = field(default_factory=gr.skip)
    stopper: Any = field(default_factory=gr.skip)
    error: Any = field(default_factory=gr.skip)
    buttons: tuple[Any, ...] = field(default_factory=lambda: tuple(gr.skip() for _ in range(4)))
    taken: bool = False
    """The backend took the request, so the message may leave its box."""

    def values(self) -> tuple[Any, ...]:
        return self.newest, self.history, self.exchanges, self.stopper, self.error, *self.buttons


class CompareTab:
    """Owns the choice of the run that is compared: one of this browser's, or any whose id is pasted."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.exchanges = gr.State([])
        self.stopper = gr.State(None)
        """A threading.Event of the answer in hand: Stop sets it and the generator ends itself, closing the request."""
        with gr.Column(elem_classes="card"):
            heading(
                label("Compare"),
                label("One message, two answers: the base model, and the same model with your adapter."),
            )
            with gr.Row(equal_height=False):
                with gr.Column(scale=5, min_width=300):
                    self.run = gr.Dropdown(
                        [],
                        value=None,
                        label=label("Run"),
                        info=label("Choose one of your runs, or paste the id of another."),
                        allow_custom_value=True,
                        elem_id="compare-run",
                    )
                    self.facts = html("compare-facts")
                with gr.Column(scale=7, min_width=300):
                    self._composer()
            with gr.Accordion(label("Answer settings"), open=False, elem_id="answer-settings"):
                self._sampling()
        self.error = html("compare-error")
        self.newest = html("newest")
        self.history = html("history")

    def _composer(self) -> None:
        self.message = gr.Textbox(
            label=label("Message"),
            info=label("Each message stands alone: earlier ones are not sent along."),
            placeholder=label("Ask both models the same thing"),
            lines=1,
            max_lines=6,
            elem_id="message",
        )
        self.questions = choices(label("Suggested questions"), "questions", "pills")
        with gr.Row(elem_classes="actions"):
            self.send = gr.Button(label("Send"), variant="primary", elem_id="send")
            self.stop = gr.Button(label("Stop"), variant="stop", elem_id="stop-answer", visible=False)
            self.again = gr.Button(label("Answer again"), elem_id="regenerate", visible=False)
            self.clear = gr.Button(label("Clear"), elem_id="clear", visible=False)

    def _sampling(self) -> None:
        self.system = gr.Textbox(
            label=label("System prompt"),
            info=label("Said to both before the message. Use the one of your rows, if they have one."),
            lines=1,
            max_lines=4,
            elem_id="system",
        )
        with gr.Row(elem_classes="settings-row"):
            self.temperature = gr.Number(
                _DEFAULTS.temperature,
                label=label("Temperature"),
                info=label("0: always the likeliest token. Higher: more variety."),
                step=0.1,
                min_width=150,
                elem_id="temperature",
            )
            self.top_p = gr.Number(
                _DEFAULTS.top_p,
                label=label("Top-p"),
                info=label("Draw from the likeliest tokens with this share of the probability."),
                step=0.05,
                min_width=150,
                elem_id="top-p",
            )
            self.length = gr.Number(
                _DEFAULTS.max_new_tokens,
                label=label("Longest answer (tokens)"),
                info=label("Answers are cut there."),
                precision=0,
                min_width=150,
                elem_id="max-new-tokens",
            )
            self.seed = gr.Number(
                _DEFAULTS.seed,
                label=label("Seed"),
                info=label("Both sides draw with the same random numbers."),
                precision=0,
                min_width=150,
                elem_id="seed",
            )

    def wire(self, page: gr.Blocks, header: Header, runs: gr.BrowserState) -> None:
        gr.on(
            [page.load, self.run.change],
            self.refresh,
            [self.run, self.system, runs],
            [self.facts, self.questions, self.system],
            **QUICK,
        )
        page.load(self.before_first, None, self.newest, **QUICK)
        buttons = [self.send, self.stop, self.again, self.clear]
        shown = [self.newest, self.history, self.exchanges, self.stopper, self.error, *buttons]
        settings = [self.run, header.model, self.system, self.temperature, self.top_p, self.length, self.seed]
        # Before the streams: Gradio starts the events of one press in this order and waits for each.
        sent = [self.send.click, self.message.submit, self.again.click]
        gr.on(sent, None, None, None, js=_SHOW_ANSWERS, **QUICK)
        asked = gr.on(
            [self.send.click, self.message.submit],
            self.answer,
            [self.exchanges, self.message, *settings],
            [self.message, *shown],
            trigger_mode="once",
            **STREAM,
        )
        again = self.again.click(
            self.answer_again, [self.exchanges, *settings], [self.seed, *shown], trigger_mode="once", **STREAM
        )
        for event in (asked, again):
            # Also after a failure that nobody foresaw: a page that can only be reloaded is worse than any error.
            event.then(self.idle, self.exchanges, buttons, **QUICK)
        self.stop.click(self.ask_to_stop, self.stopper, None, **QUICK)
        self.clear.click(self.forget, None, [self.newest, *shown[1:3], self.error, *buttons], **QUICK)
        self.questions.select(self.take_question, [self.run, runs], self.message, **QUICK)

    def refresh(self, run: str | None, system: str, stored: Any, request: gr.Request) -> tuple[str, str, Any]:
        """What the chosen run was trained on, questions that suit it, and the system prompt of its rows."""
        language = reader_language(request)
        example = self._example(run, stored)
        offered = buttons([Choice(question) for question in (example["ask"] if example else [])])
        # Only what an example or a run put there is replaced, never what a person wrote.
        trained = {entry["run"]: self._trained_prompt(entry["run"]) for entry in remembered(stored)}
        ours = {"", *(each["system"] for each in self.backend.datasets.examples()), *trained.values()}
        own = self._trained_prompt(run) if run else ""
        prompt = own or (example["system"] if example else "") if (system or "") in ours else gr.skip()
        if not run:
            return "", offered, prompt
        try:
            return facts(self.backend.runs.get(run), language), offered, prompt
        except PlaygroundError as error:
            return refusal(error, language), "", gr.skip()

    def _trained_prompt(self, run: str) -> str:
        """The system prompt that the run was trained with; "" also where the run is gone."""
        try:
            return self.backend.runs.system_prompt(run)
        except PlaygroundError:
            return ""

    def _example(self, run: str | None, stored: Any) -> Example | None:
        """The bundled example that a run of this browser was trained on; None for any other run."""
        entry = next((entry for entry in remembered(stored) if entry["run"] == run), None)
        name = entry["example"] if entry else ""
        return next((example for example in self.backend.datasets.examples() if example["name"] == name), None)

    def take_question(self, run: str | None, stored: Any, chosen: gr.SelectData) -> Any:
        example = self._example(run, stored)
        asked = example["ask"] if example else []
        return asked[int(chosen.index)] if int(chosen.index) < len(asked) else gr.skip()

    def before_first(self, request: gr.Request) -> str:
        return nothing_asked(reader_language(request))

    def answer(
        self,
        request: gr.Request,
        before: list[Exchange],
        message: str,
        run: str | None,
        model: str | None,
        *given: Any,
    ) -> Iterator[tuple[Any, ...]]:
        """Streams both answers. The box is emptied when they begin to come: a refusal leaves the message in it."""
        emptied = False
        for update in self._stream(before, (message or "").strip(), (run, model), given, request):
            yield ("" if update.taken and not emptied else gr.skip(), *update.values())
            emptied = emptied or update.taken

    def answer_again(
        self, request: gr.Request, before: list[Exchange], run: str | None, model: str | None, *given: Any
    ) -> Iterator[tuple[Any, ...]]:
        """The last message once more with the next seed, which shows in its box."""
        *others, seed = given
        following = int(seed or 0) + 1
        for update in self._stream(before, before[-1]["message"], (run, model), (*others, following), request):
            yield (following, *update.values())

    def _stream(
        self,
        before: list[Exchange],
        message: str,
        whom: tuple[str | None, str | None],
        given: tuple[Any, ...],
        request: gr.Request,
    ) -> Iterator[_Update]:
        """`whom`: the run, and the base model that is asked where there is none."""
        language = reader_language(request)
        run, model = whom
        if not message:
            yield _Update(error=callout("info", say("Write a message first.").to(language)))
            return
        stop = threading.Event()
        reply: Reply | None = None
        pending = exchange(message, None, language, newest=True, alone=not run)
        yield _Update(pending, earlier(before, language), stopper=stop, error="", buttons=_buttons(busy=True))
        try:
            asked = [{"role": "user", "content": message}]
            with closing(self.backend.chat.reply(asked, run or "", _sampling(given), model or "")) as answers:
                for reply in answers:
                    if stop.is_set():
                        reply = cancelled(reply)
                        break
                    yield _Update(exchange(message, reply, language, newest=True), taken=True)
        except PlaygroundError as error:
            yield _Update(latest(before, language), earlier(before[:-1], language), error=refusal(error, language))
            return
        after: list[Exchange] = [*before, Exchange(message=message, reply=reply)][-KEPT:]
        yield _Update(latest(after, language), exchanges=after, stopper=None, buttons=_buttons(after), taken=True)

    def idle(self, exchanges: list[Exchange]) -> tuple[Any, ...]:
        return _buttons(exchanges)

    def ask_to_stop(self, stop: threading.Event | None) -> None:
        if stop:
            stop.set()

    def forget(self, request: gr.Request) -> tuple[Any, ...]:
        return nothing_asked(reader_language(request)), "", [], "", *_buttons()


def _buttons(exchanges: list[Exchange] | None = None, *, busy: bool = False) -> tuple[Any, ...]:
    """Send, Stop, Answer again, Clear: only those that would do something now."""
    return (
        gr.update(visible=not busy),
        gr.update(visible=busy),
        gr.update(visible=bool(exchanges) and not busy),
        gr.update(visible=bool(exchanges) and not busy),
    )


def _sampling(given: tuple[Any, ...]) -> dict[str, Any]:
    """Settings from the boxes' values; an emptied box means the default."""
    names = ("system", "temperature", "top_p", "max_new_tokens", "seed")
    return {name: value for name, value in zip(names, given, strict=True) if value is not None}


def nothing_asked(language: str) -> str:
    return empty(
        say("Nothing asked yet"),
        say("Write a message and press Send. Without a run the base model answers alone."),
        language,
    )


def latest(exchanges: list[Exchange], language: str) -> str:
    """The newest exchange, whose two answers have ids; the invitation to ask where there is none."""
    if not exchanges:
        return nothing_asked(language)
    return exchange(exchanges[-1]["message"], exchanges[-1]["reply"], language, newest=True)


def earlier(exchanges: list[Exchange], language: str) -> str:
    """The exchanges before the newest, newest first, so that nothing moves under the box where one writes."""
    return "".join(exchange(one["message"], one["reply"], language, newest=False) for one in reversed(exchanges))
