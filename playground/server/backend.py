"""What the page and the API call: one object, one method for each thing that a person can do.

Values in and out are JSON-like. Text for people is `Sentence`s (see i18n.py): English as they stand, to be said in
the reader's language with `i18n.localise` at the edge. A refusal is a `PlaygroundError`.
Imports neither torch nor transformers: models live in the worker processes.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.i18n import say
from playground.core.settings import Limits, RenderOptions, Sampling, TrainSettings
from playground.data.examples import BUNDLED, bundled
from playground.data.source import read_source
from playground.models.catalogue import CATALOGUE, model_name
from playground.runs import export as exporting
from playground.runs.store import RunFolder, RunStore
from playground.server.dataset_service import DatasetDesk
from playground.server.processes.chat_client import ChatClient
from playground.server.processes.model_store import ModelStore
from playground.server.processes.run_queue import RunQueue
from playground.server.run_service import TrainingDesk
from playground.server.sandbox.pool import Sandbox
from playground.server.template_service import TemplateLab

_FETCH_PATIENCE_S = 900.0
_POLL_S = 0.2
_SHAPE = ("r", "lora_alpha", "use_rslora", "target_modules")
"""Settings that belong to an adapter for good."""


class Backend(TemplateLab, DatasetDesk, TrainingDesk):
    """Everything behind the page."""

    def __init__(
        self,
        home: Path,
        limits: Limits | None = None,
        local_models: dict[str, str] | None = None,
        default_model: str = "",
    ) -> None:
        """`home`: where runs are kept. `local_models`: names that stand for folders on this machine, the first being
        the default. `default_model`: a Hub id to begin with. Raises ModelError when one of them is no model.
        """
        super().__init__()
        self.limits = limits or Limits()
        self._default = model_name(default_model, local_models or {})
        self._local = dict(local_models or {})
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home = home
        self._store = RunStore(home / "runs")
        self._models = ModelStore(self._local)
        self._sandbox = Sandbox(self.limits)
        self._chat = ChatClient(home / "chat.log")
        self._queue = RunQueue(self._store, self.limits, home / "train.log")

    def start(self) -> None:
        """Start the workers and have the default model loaded, all in the background."""
        self._sandbox.start()
        self._queue.start()
        threading.Thread(target=self._warm_up, daemon=True, name="warm up").start()

    def close(self) -> None:
        """End the workers. A run in hand saves its adapter first."""
        self._chat.close()
        self._queue.close()
        self._sandbox.close()

    def browser_secret(self) -> str:
        """What the browser's own storage is encrypted with; the same after a restart."""
        path = self.home / "browser-secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(32))
        return path.read_text()

    def _warm_up(self) -> None:
        """One after the other: on two cores, three processes importing torch at once would all be late."""
        try:
            self._models.start(self._name(""))
            self._sandbox.run("warm_up", "", seconds=60)
            folder = self._models.wait(self._name(""), _FETCH_PATIENCE_S)
            self._sandbox.run("warm_up", str(folder), seconds=60)
            self._chat.load({"folder": str(folder), "quantization": "auto"})
            while self._chat.state in ("waiting", "loading"):
                time.sleep(_POLL_S)
        except Exception:  # noqa: S110  Nobody asked for anything yet; whoever does gets the reason (model_status).
            pass
        self._queue.warm_up()

    def _name(self, model: str) -> str:
        return model_name(model, self._local) if model else self._default

    def models(self) -> list[dict[str, Any]]:
        """The catalogue: [{name (Hub id), family, parameters, download (bytes), licence, gated, default}]."""
        default = self._name("")
        local = [
            {"name": name, "family": "local", "parameters": "", "download": 0, "licence": "", "gated": False}
            for name in self._local
        ]
        return [{**model, "default": model["name"] == default} for model in [*local, *map(asdict, CATALOGUE)]]

    def model_status(self, model: str = "") -> dict[str, Any]:
        """Where the weights of `model` ("": the default) are. Cheap, for polling.

        {name, state: waiting|fetching|loading|ready|failed, fraction: 0..1 or None, line: Sentence (what happens now,
        or when ready what was chosen (device, dtype, 4-bit or not) and why), error: PlaygroundError or None}
        """
        name = self._name(model)
        place = self._models.state(name)
        status: dict[str, Any] = {"name": name, "state": "waiting", "fraction": None, "error": None}
        if place is None:
            return {**status, "line": say("It will be fetched when it is first used.")}
        if place.error is not None:
            return {**status, "state": "failed", "line": place.error.arrived, "error": place.error}
        if place.folder is None:
            return {**status, "state": "fetching", "fraction": place.fraction, "line": place.line}
        if self._chat.base is not None and self._chat.base["folder"] == str(place.folder):
            if self._chat.error is not None:
                return {**status, "state": "failed", "line": self._chat.error.arrived, "error": self._chat.error}
            if self._chat.state == "ready" and self._chat.line is not None:
                return {**status, "state": "ready", "line": self._chat.line}
        elif self._chat.state == "ready":
            return {**status, "state": "ready", "line": say("On this machine; loaded when it is first asked.")}
        return {**status, "state": "loading", "line": say("Its weights are being read into memory.")}

    def fetch_model(self, model: str = "") -> None:
        """Begin to fetch a model in the background; `model_status` tells how it goes."""
        self._models.start(self._name(model))

    def examples(self) -> list[dict[str, Any]]:
        """[{name, title: Sentence, teaches: Sentence, language, rows: int, ask: [str, ...], system: str}]."""
        return [
            {
                "name": dataset.name,
                "title": dataset.title,
                "teaches": dataset.teaches,
                "language": dataset.language,
                "rows": dataset.text().count("\n"),
                "ask": list(dataset.ask),
                "system": dataset.system,
            }
            for dataset in BUNDLED
        ]

    def example_text(self, name: str) -> str:
        """The JSONL of a bundled example dataset."""
        return bundled(name).text()

    def _tokenizer_folder(self, model: str) -> str:
        return str(self._models.wait(self._name(model), _FETCH_PATIENCE_S, with_weights=False))

    def train(
        self, text: str = "", file: str = "", model: str = "", settings: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Queue a run: {run (unguessable id), state, position}. `settings` are settings.TrainSettings' fields."""
        checked = TrainSettings.from_dict(settings or {})
        source = read_source(text, file, self.limits)
        name = self._name(model)
        self._queue.check_room()
        earlier = self._earlier(checked.start_from, name)
        if earlier is not None:
            # The adapter that is trained further has its shape already.
            checked = replace(checked, **{key: earlier.settings()["settings"][key] for key in _SHAPE})
        model_folder = str(self._models.wait(name, _FETCH_PATIENCE_S))
        takes = self._takes(text, file, model, checked)

        def fill(folder: Path) -> dict[str, Any]:
            counts = self._sandbox.run(
                "write_rows", model_folder, source, checked, str(folder), self.limits, seconds=self.limits.dataset_s
            )
            counts.pop("findings")
            if earlier is not None:
                shutil.copytree(earlier.adapter, folder / "start")
            return {
                "settings": checked.to_dict(),
                "model": name,
                "model_folder": model_folder,
                "counts": counts,
                "memory": takes,
                "created": time.time(),
            }

        folder = self._store.create(fill)
        self._queue.submit(folder)
        return {"run": folder.id, "state": "queued", "position": self._queue.position(folder)[0]}

    def _earlier(self, run: str, model: str) -> RunFolder | None:
        """The run whose adapter is trained further, or None. Raises InputError where that cannot be."""
        if not run:
            return None
        folder = self._store.open(run)
        if not folder.has_adapter() or folder.settings()["model"] != model:
            raise InputError(
                say("That run cannot be trained further here."),
                say("It needs an adapter, and the model that it was trained on ({model}).", model=model),
                say("Choose another run, or that model."),
            )
        return folder

    def _takes(self, text: str, file: str, model: str, asked: TrainSettings) -> dict[str, Any]:
        """The memory that was expected, to hold against what was used: {total, available, device} or {}."""
        try:
            found = self.estimate(text, file, model, asked.to_dict())["memory"]
        except PlaygroundError:
            return {}  # Whatever is wrong with the rows is said where they are written.
        device = self._chat.device.get("kind", "cpu")
        return {"total": found["total"], "available": found["available"], "device": device} if found else {}

    def reply(
        self, messages: list[dict[str, Any]], run: str = "", sampling: dict[str, Any] | None = None, model: str = ""
    ) -> Generator[dict[str, Any], None, None]:
        """Stream base and tuned answers, at most ten updates a second.

        {base: {text, tokens, tokens_per_s, first_s, ended: ""|"stop"|"length"|"cancelled"}, tuned: the same or None,
        waiting: Sentence or None (why nothing comes yet)}

        `sampling` are settings.Sampling's fields. `model` counts only without a run. Closing the generator cancels.
        """
        drawn = Sampling.from_dict(sampling or {})
        if drawn.max_new_tokens > self.limits.new_tokens:
            raise LimitError(
                say("{count} new tokens were asked for.", count=drawn.max_new_tokens),
                say("The limit here is {limit}.", limit=self.limits.new_tokens),
            )
        base, adapter = self._base_of(run, model)
        if drawn.system:
            messages = [{"role": "system", "content": drawn.system}, *(messages or [])]
        template, options = self._template_of(run)
        prompt = self._sandbox.run(
            "chat_prompt", base["folder"], messages, template, options, self.limits, seconds=self.limits.preview_s
        )
        asked = {"prompt": prompt["ids"], "stop": prompt["stop"], "sampling": asdict(drawn)}
        rows = [{**asked, "adapter": None}]
        if adapter is not None:
            rows.append({**asked, "adapter": str(adapter)})
        if self._chat.state != "ready" or self._chat.base != base:
            yield {
                "base": _NOTHING_YET,
                "tuned": _NOTHING_YET if adapter else None,
                "waiting": say("Loading the model."),
            }
        with closing(self._chat.reply(base, rows)) as answers:
            said = {"base": _NOTHING_YET, "tuned": _NOTHING_YET if adapter else None}
            for answer in answers:
                if answer["rows"] is not None:
                    base_side, tuned_side = [*answer["rows"], None][:2]
                    said = {"base": base_side, "tuned": tuned_side}
                    yield {**said, "waiting": None}
                else:
                    yield {**said, "waiting": say("Waiting for the model.")}

    def _base_of(self, run: str, model: str) -> tuple[dict[str, Any], Path | None]:
        """The base model to ask, as the chat process takes it, and the run's adapter folder or None."""
        if not run:
            folder = self._models.wait(self._name(model), _FETCH_PATIENCE_S)
            return {"folder": str(folder), "quantization": "auto"}, None
        run_folder = self._store.open(run)
        if not run_folder.has_adapter():
            raise InputError(
                say("The run has no adapter yet."),
                say("It has one after its first look at the held-out rows, and when it is finished."),
                say("Wait a little, then ask again."),
            )
        asked = run_folder.settings()
        base = {"folder": asked["model_folder"], "quantization": asked["settings"]["quantization"]}
        if not asked["settings"].get("bnb_4bit_use_double_quant", True):
            base["double_quant"] = False
        return base, run_folder.adapter

    def _template_of(self, run: str) -> tuple[str, RenderOptions]:
        """The template that the run's rows were rendered with, and its variables: its chat prompts are too."""
        if not run:
            return "", RenderOptions()
        folder = self._store.open(run)
        settings = TrainSettings.from_dict(folder.settings()["settings"])
        return folder.template(), settings.dataset_options().render_options(None)

    def export(self, run: str, kind: str = "adapter") -> Path:
        """A file to take away: kind adapter (zip of safetensors and model card) or card (Markdown)."""
        return exporting.export(self._store.open(run), kind)


_NOTHING_YET = {"text": "", "tokens": 0, "tokens_per_s": 0.0, "first_s": 0.0, "ended": ""}
