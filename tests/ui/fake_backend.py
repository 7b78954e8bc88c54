"""A backend that answers at once, for tests of the page's own pieces."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, TemplateError, TemplateSyntaxError, meta

from playground.core.errors import InputError, NotFoundError
from playground.core.findings import Action, Finding, FindingDict
from playground.core.i18n import Sentence
from playground.core.messages import Message
from playground.data.types import Example
from playground.runs.types import METRICS, ReportRows, RunStatus
from playground.server.processes.types import Answer, Reply
from playground.server.run_service import RunReport
from playground.templates.samples import Sample
from playground.templates.types import (
    Comparison,
    DiffPart,
    Kind,
    Preview,
    Side,
    SpanDict,
    TemplateDescription,
    TemplateFile,
    TokenChip,
)

from .fake_rows import FakeRows
from .fake_runs import a_story

CHATML = """{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
ZEPHYR = """{%- for message in messages %}
{{- '<|' + message.role + '|>\\n' + message.content + eos_token + '\\n' }}
{%- endfor %}
{%- if enable_thinking %}{{ '<think>\\n' }}{% endif %}"""
SOURCES = {"": CHATML, "chatml": CHATML, "zephyr": ZEPHYR}
PROVIDED = {"messages", "tools", "documents", "add_generation_prompt", "eos_token", "bos_token", "strftime_now"}

TOKENS = [
    {"id": 1, "text": "<|im_start|>", "role": "template", "trained": False, "special": True, "message": None},
    {"id": 2, "text": "user", "role": "template", "trained": False, "special": False, "message": None},
    {"id": 198, "text": "\n", "role": "template", "trained": False, "special": False, "message": None},
    {"id": 3, "text": " Hi", "role": "user", "trained": False, "special": False, "message": 0},
    {"id": 4, "text": "Arr", "role": "assistant", "trained": True, "special": False, "message": 1},
    {"id": 5, "text": "<|im_end|>", "role": "assistant", "trained": True, "special": True, "message": 1},
]


def a_run(**given: Any) -> RunStatus:
    """A run as `RunService.get` describes it, halfway through."""
    none: Any = dict.fromkeys(METRICS)
    metrics = [
        {**none, "step": 0, "eval_loss": 3.0},
        {**none, "step": 1, "loss": 2.5, "tokens_per_s": 200.0},
        {**none, "step": 2, "loss": 2.0, "eval_loss": 2.2, "tokens_per_s": 210.0},
    ]
    values: Any = {"step": 2, "steps": 4, "eta_s": 65.0, "metrics": metrics, "notes": [], "plan": {}, "probes": []}
    values |= {"settings": {"learning_rate": 1e-3, "r": 16}, "model": "org/model", "rows": 20, "held_out_rows": 2}
    values |= {"trained_tokens": 1234, "answers": [], "scales": {}, "readings": [], "memory": {}, "best_step": 2}
    return a_story("midway", **values | {"started": 1_790_000_001.0} | given)


def answer(text: str = "", ended: str = "") -> Answer:
    return {"text": text, "tokens": len(text), "tokens_per_s": 20.0, "first_s": 0.1, "ended": ended}


def reply(base: str | Answer, tuned: Answer | None = None, waiting: Sentence | None = None) -> Reply:
    return {"base": answer(base, "stop") if isinstance(base, str) else base, "tuned": tuned, "waiting": waiting}


def a_sample(name: str, title: str, messages: list[Message], **given: Any) -> Sample:
    """A conversation to start from."""
    rest = {"tools": None, "options": {}, "breaks": False, **given}
    return Sample(name, Sentence(title), Sentence(title), messages, **rest)


def a_finding(**given: Any) -> FindingDict:
    """What the template doctor says, with a fix that takes the last turn away."""
    said = {"message": Sentence("The text begins twice."), "fix": Sentence("Take one away.")}
    action: Action = {"kind": "conversation", "messages": [{"role": "user", "content": "Fixed"}]}
    told = {**said, "why": Sentence("It confuses."), "evidence": [(0, 3)], "action": action, **given}
    return Finding("bos_twice", "warning", **told).to_dict()


ROWS: ReportRows = {"fingerprint": "0123", "train_rows": 60, "samples": []}


class FakeBackend(FakeRows):
    """Keeps what it was asked in `asked`; `refuse` makes the next call fail."""

    def __init__(self) -> None:
        # One object stands for all services; none has a method of another's name.
        self.models = self.templates = self.datasets = self.runs = self.chat = self
        self.system_prompts: dict[str, str] = {}
        self.stories: dict[str, RunStatus] = {"abc": a_run()}
        self.next_run = "abc"
        """The run that `train` starts."""
        self.asked: list[tuple[Any, ...]] = []
        self.hub_cancelled = threading.Event()
        self.refuse: InputError | None = None
        self.findings: list[FindingDict] = []
        self.closed = 0

    def catalogue(self) -> list[dict[str, Any]]:
        facts = {"family": "f", "parameters": 134_515_008, "download": 269_000_000, "licence": "Apache-2.0"}
        return [{"name": "org/model", **facts, "gated": False, "default": True}]

    def status(self, model: str = "") -> dict[str, Any]:
        return {"name": model, "state": "ready", "fraction": None, "line": Sentence("On the CPU."), "error": None}

    def fetch(self, model: str = "") -> None:
        self.asked.append(("fetch_model", model))

    def names(self) -> list[str]:
        return ["chatml", "zephyr"]

    def examples(self) -> list[Example]:
        words = {"title": Sentence("Pirate"), "teaches": Sentence("A voice."), "language": "en"}
        return [Example(name="pirate", **words, rows=1, ask=["Why?"], system="Be a pirate.")]

    def example_text(self, name: str) -> str:
        return '{"prompt": "a", "completion": "b"}\n'

    def preview(
        self,
        conversation: list[dict[str, Any]],
        model: str = "",
        template: str = "",
        options: dict[str, Any] | None = None,
    ) -> Preview:
        self._note("preview", conversation, model, template, options)
        return self._render(conversation, template, options or {})

    def _render(self, messages: list[Message], template: str, options: dict[str, Any]) -> Preview:
        """Rendered by Jinja itself; a token is a word, and a message's text is whatever its content is."""
        given = {**options, **(options.get("template_kwargs") or {})}
        tokens = {"eos_token": "</s>", **(options.get("special_tokens") or {})}
        try:
            text = (
                Environment().from_string(SOURCES.get(template, template)).render(messages=messages, **tokens, **given)
            )
        except TemplateError as problem:
            raise InputError(Sentence("The chat template refuses the conversation: {why}", why=str(problem))) from None
        spans: list[SpanDict] = []
        start = 0
        for place, message in enumerate(messages):
            content = message.get("content") or ""
            found = text.find(content, start)
            if found < 0 or not content:
                continue
            if found > start:
                spans.append({"start": start, "end": found, "role": "template", "message": None})
            start = found + len(content)
            spans.append({"start": found, "end": start, "role": message["role"], "message": place})
        if start < len(text):
            spans.append({"start": start, "end": len(text), "role": "template", "message": None})
        cut: list[TokenChip] = [
            {
                "id": sum(map(ord, match.group())),
                "text": match.group(),
                "role": span["role"],
                "trained": span["role"] == "assistant",
                "special": match.group().startswith("<|"),
                "message": span["message"],
                "start": span["start"] + match.start(),
                "end": span["start"] + match.end(),
            }
            for span in spans
            for match in re.finditer(r"<\|\w+\|>|\s?\w+|\s|.", text[span["start"] : span["end"]])
        ]
        return {"text": text, "tokens": cut, "mask": "prefix", "spans": spans, "findings": list(self.findings)}

    def template(self, model: str = "", template: str = "") -> TemplateDescription:
        self._note("template", model, template)
        source = SOURCES.get(template, template)
        try:
            names = meta.find_undeclared_variables(Environment().parse(source))
        except TemplateSyntaxError as problem:
            where = Sentence("Line {line}: {problem}", line=problem.lineno, problem=problem.message)
            raise InputError(where, fix=Sentence("Correct the template.")) from None
        return {
            "source": source,
            "name": template if template in SOURCES else "",
            "variables": [
                {"name": name, "kind": self.kind(name), "default": None, "choices": []}
                for name in sorted(names - PROVIDED)
            ],
            "clock": "strftime_now" in names,
            "tools": "tools" in names,
            "documents": "documents" in names,
            "special_tokens": {"bos_token": "<s>", "eos_token": "</s>"},
            "training_twin": "",
        }

    def kind(self, name: str) -> Kind:
        return "boolean" if name.startswith("enable") else "json" if name.endswith("s") else "text"

    def read_file(self, path: str) -> TemplateFile:
        self._note("read_template_file", path)
        source = Path(path).read_text(encoding="utf-8")
        return {"source": source, "special_tokens": {"eos_token": "<END>"}, "name": Path(path).name, "note": None}

    def compare(
        self, conversation: list[dict[str, Any]], sides: list[dict[str, str]], options: dict[str, Any]
    ) -> Comparison:
        self._note("compare_templates", conversation, sides, options)
        texts = [self._render(conversation, side["template"], options)["text"] for side in sides]
        figures: list[Side] = [
            {
                "label": side["template"][:20] or side["model"],
                "text": text,
                "tokens": len(text) // 3,
                "trained": len(text) // 6,
                "characters": len(text),
                "turn_cost": {"user": 4, "assistant": 5},
                "error": None,
            }
            for side, text in zip(sides, texts, strict=True)
        ]
        diff: list[DiffPart] = [{"op": "equal", "text": texts[0]}]
        if texts[0] != texts[1]:
            diff = [{"op": "delete", "text": texts[0]}, {"op": "insert", "text": texts[1]}]
        return {"sides": figures, "diff": diff}

    def reproduce(self, conversation: list[dict[str, Any]], model: str, template: str, options: dict[str, Any]) -> str:
        self._note("reproduction", conversation, model, template, options)
        return f"messages = {conversation!r}\nprint(tokenizer.apply_chat_template(messages, **{options!r}))\n"

    def samples(self) -> list[Sample]:
        question = {"role": "user", "content": "Hi there"}
        answer = {"role": "assistant", "content": "Arr matey"}
        tools = [{"type": "function", "function": {"name": "look"}}]
        return [
            a_sample("turns", "Question and answer", [question, answer]),
            a_sample("tools", "With tools", [question], tools=tools, options={"add_generation_prompt": True}),
            a_sample("empty", "An empty turn", [{"role": "user", "content": ""}, answer], breaks=True),
        ]

    def train(self, *given: Any) -> dict[str, Any]:
        self._note("train", *given)
        return {"run": self.next_run, "state": "queued", "position": 1}

    def system_prompt(self, run: str) -> str:
        return self.system_prompts.get(run, "")

    def get(self, run: str) -> RunStatus:
        if run not in self.stories:
            raise NotFoundError(Sentence("There is no run {run}.", run=run))
        return self.stories[run]

    def stop(self, run: str) -> dict[str, Any]:
        return {"state": "running"}

    def reply(self, *given: Any) -> Iterator[dict[str, Any]]:
        self._note("reply", *given)
        try:
            for text in ("A", "An"):
                yield {"base": answer(text), "tuned": answer(text), "waiting": None}
            yield {"base": answer("Ans", "stop"), "tuned": answer("Ans", "length"), "waiting": None}
        finally:
            self.closed += 1

    def estimate(self, *given: Any) -> dict[str, Any]:
        """Of an installation that has measured nothing yet; fake_settings.py has one that has."""
        plan = {
            "steps": 4,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 1,
            "eval_steps": 1,
            "epochs": 1.0,
            "seconds": None,
            "bound_by": "epochs",
            **dict.fromkeys(("train_s", "eval_s", "other_s")),
        }
        memory = {"parts": [], "total": 10**9, "available": None, "fits": None, "advice": [], "line": Sentence("1 GB.")}
        return {"plan": plan, "measured": False, "line": Sentence("4 steps."), "memory": memory}

    def resume(self, run: str) -> dict[str, Any]:
        self._note("resume", run)
        self.stories[run] = {**self.stories[run], "state": "queued", "position": 1, "can_resume": False}
        return {"run": run, "state": "queued", "position": 1}

    def log(self, run: str) -> str:
        self._note("log", run)
        return "Traceback <most> recent call last"

    def report(self, run: str) -> RunReport:
        self._note("report", run)
        return RunReport(self.get(run), ROWS, Path(tempfile.mkdtemp()))

    def rename(self, run: str, title: str) -> dict[str, Any]:
        self._note("rename", run, title)
        self.stories[run] = {**self.get(run), "title": title}
        return {}

    def delete(self, run: str) -> dict[str, Any]:
        self._note("delete", run)
        self.stories.pop(run, None)
        return {}

    def export(self, run: str, kind: str = "adapter") -> str:
        return f"/tmp/{run}-{kind}"

    def _note(self, *given: Any) -> None:
        self.asked.append(given)
        if self.refuse:
            raise self.refuse
