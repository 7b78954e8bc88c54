"""Runs: what one will take, whether it is needed, starting it, how it stands, going on, names, reports, taking it away.

Values in and out are JSON-like, text for people is `Sentence`s, a refusal is a `PlaygroundError`; see backend.py.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, cast

import orjson

from playground.core.errors import InputError, PlaygroundError
from playground.core.i18n import say, unpack
from playground.core.settings import Limits, TrainSettings
from playground.core.settings.presets import PRESETS
from playground.data.source import Source, read_source
from playground.data.types import RowLengths
from playground.models.shape import ModelShape
from playground.runs import diagnosis, memory
from playground.runs import export as exporting
from playground.runs.plan import Plan, Speed, Work, make_plan, sentence
from playground.runs.store import FINISHED, SPEEDS, Progress, RunFolder
from playground.runs.throughput import ThroughputCache, speed_key
from playground.runs.types import (
    Baseline,
    Estimate,
    ExpectedMemory,
    Machine,
    MemoryEstimate,
    News,
    Queued,
    ReadingDict,
    Report,
    ReportRows,
    RunRecord,
    RunStatus,
    Settings,
    State,
    UsedMemory,
)
from playground.server.baseline import baseline
from playground.server.model_service import ModelService
from playground.server.processes.chat_client import ChatClient
from playground.server.processes.run_queue import RunQueue
from playground.server.processes.types import Base
from playground.server.sandbox.pool import Sandbox
from playground.server.sandbox.requests import MeasureRows, WriteRows

_SHAPE = ("r", "lora_alpha", "use_rslora", "target_modules")
"""Settings that belong to an adapter for good."""
_TITLE = 80
"""Longest name of a run, in characters."""
_LENGTHS_KEPT = 8
"""Datasets whose lengths are remembered, so that turning at a setting does not render their rows again."""
_REPORT_ROWS = 3


@dataclass(frozen=True)
class RunReport:
    """What a report of a run is written from, and where the run lies."""

    run: RunStatus
    rows: ReportRows
    folder: Path


class RunService:
    """What a person can do with runs."""

    def __init__(
        self, models: ModelService, sandbox: Sandbox, queue: RunQueue, chat: ChatClient, limits: Limits, home: Path
    ) -> None:
        """`home`: where the measured speeds are kept; runs are where the queue's store has them."""
        self._models, self._sandbox, self._queue, self._chat = models, sandbox, queue, chat
        self._limits, self._home, self._store = limits, home, queue.store
        self._lengths: OrderedDict[str, RowLengths] = OrderedDict()
        self._lengths_lock = Lock()

    def folder(self, run: str) -> RunFolder:
        """Raises NotFoundError where there is no such run."""
        return self._store.open(run)

    def base_of(self, run: str, model: str) -> tuple[Base, Path | None]:
        """The base model to ask, as the chat process takes it, and the run's adapter folder or None."""
        if not run:
            folder = self._models.folder(model)
            return {"folder": str(folder), "quantization": "auto"}, None
        run_folder = self._store.open(run)
        if not run_folder.has_adapter():
            raise InputError(
                say("The run has no adapter yet."),
                say("It has one after its first evaluation on the held-out rows, and when it is finished."),
                say("Wait a little, then ask again."),
            )
        asked = run_folder.settings()
        base: Base = {"folder": asked["model_folder"], "quantization": asked["settings"]["quantization"]}
        if not asked["settings"].get("bnb_4bit_use_double_quant", True):
            base["double_quant"] = False
        return base, run_folder.adapter

    # --- Before a run ---

    def presets(self) -> list[dict[str, Any]]:
        """[{name, title: Sentence, about: Sentence, settings}]."""
        return [preset.to_dict() for preset in PRESETS]

    def estimate(self, text: str = "", file: str = "", model: str = "", settings: Settings | None = None) -> Estimate:
        """What a run with these rows and settings will take, before it is started."""
        asked = TrainSettings.from_dict(settings or {})
        source = read_source(text, file, self._limits)
        folder = self._models.tokenizer(model)
        found = self._row_lengths(folder, source, asked)
        work = Work(found["train"], found["held_out"], found["scored_tokens"], found["probes"])
        speed = self._speed(self._models.name(model), asked)
        plan = make_plan(asked, work, speed)
        return {
            "plan": plan.to_dict(),
            "measured": speed is not None,
            "line": sentence(plan, asked, speed is not None),
            "memory": self._memory(Path(folder), asked, plan, max(found["train"], default=1)),
        }

    def baseline(
        self,
        text: str = "",
        file: str = "",
        model: str = "",
        settings: Settings | None = None,
        tell: Callable[[News], None] = lambda news: None,
    ) -> Baseline:
        """What the base already does with the held-out rows, see baseline.baseline."""
        asked = TrainSettings.from_dict(settings or {})
        source = read_source(text, file, self._limits)
        base, _ = self.base_of("", model)
        return baseline(self._sandbox, self._chat, base, source, asked, self._limits, tell)

    def _row_lengths(self, folder: str, source: Source, asked: TrainSettings) -> RowLengths:
        # What does not change the rows is put aside, so that turning at it finds the lengths again.
        options = asked.dataset_options()
        shape: list[Any] = [
            options.max_length,
            options.truncation_mode,
            options.train_on,
            options.template,
            options.clock,
        ]
        shape += [options.template_kwargs, options.system_prompt, options.mapping, options.edits, options.held_out]
        shape += [options.shuffle_dataset, options.seed, asked.general_ability, asked.probe_prompts]
        shape += [bool(asked.probe_max_new_tokens), folder, source.name]
        digest = hashlib.blake2b(source.raw, digest_size=16)
        digest.update(json.dumps(shape, sort_keys=True, default=str).encode())
        key = digest.hexdigest()
        with self._lengths_lock:
            if key in self._lengths:
                self._lengths.move_to_end(key)
                return self._lengths[key]
        request = MeasureRows(folder, source, asked, self._limits)
        found = self._sandbox.run(request, seconds=self._limits.dataset_s)
        with self._lengths_lock:
            self._lengths[key] = found
            while len(self._lengths) > _LENGTHS_KEPT:
                self._lengths.popitem(last=False)
        return found

    def _speed(self, model: str, asked: TrainSettings) -> Speed | None:
        device = self._chat.device
        if not device:
            return None
        quantised = asked.quantization != "none" and device["quantised"]
        kind = ("fp4" if asked.quantization == "fp4" else "nf4") if quantised else "none"
        return ThroughputCache(self._home / SPEEDS).get(speed_key(model, kind, device, asked))

    def _memory(self, folder: Path, asked: TrainSettings, plan: Plan, longest: int) -> MemoryEstimate | None:
        device = self._chat.device
        if not device:
            return None
        try:
            shape = ModelShape.from_config(orjson.loads((folder / "config.json").read_bytes()))
        except (PlaygroundError, OSError, ValueError):
            return None
        quantised = asked.quantization != "none" and device["quantised"]
        given = (plan.per_device_train_batch_size, longest, device["kind"], device["dtype_bytes"], quantised)
        needed = memory.estimate(shape, asked, *given)
        return {
            "parts": needed.parts(),
            "total": needed.total,
            "available": device["free"],
            "fits": memory.fits(needed, device["free"]),
            "advice": memory.advise(shape, asked, *given, device["free"]),
            "line": memory.memory_line(needed, device["free"], device["kind"]),
        }

    def train(self, text: str = "", file: str = "", model: str = "", settings: Settings | None = None) -> Queued:
        """Queue a run."""
        checked = TrainSettings.from_dict(settings or {})
        source = read_source(text, file, self._limits)
        name = self._models.name(model)
        self._queue.check_room()
        earlier = self._earlier(checked.start_from, name)
        if earlier is not None:
            # The adapter that is trained further has its shape already.
            checked = replace(checked, **{key: earlier.settings()["settings"][key] for key in _SHAPE})
        model_folder = str(self._models.folder(model))
        takes = self._takes(text, file, model, checked)

        def fill(folder: Path) -> RunRecord:
            request = WriteRows(model_folder, source, checked, self._limits, str(folder))
            counts = self._sandbox.run(request, seconds=self._limits.dataset_s)
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

    def _takes(self, text: str, file: str, model: str, asked: TrainSettings) -> ExpectedMemory:
        """The memory that was expected, to hold against what was used."""
        try:
            found = self.estimate(text, file, model, asked.to_dict())["memory"]
        except PlaygroundError:
            return {}  # Whatever is wrong with the rows is said where they are written.
        device = self._chat.device["kind"] if self._chat.device else "cpu"
        return {"total": found["total"], "available": found["available"], "device": device} if found else {}

    # --- While it goes and afterwards ---

    def system_prompt(self, run: str) -> str:
        """What stood before each row that brought no system prompt of its own; "" for nothing."""
        return str(self._store.open(run).settings()["settings"].get("system_prompt") or "")

    def get(self, run: str) -> RunStatus:
        """How a run stands. Cheap, for polling every second."""
        folder = self._store.open(run)
        asked = folder.settings()
        progress = self._store.progress(folder)
        position, wait_s = self._queue.position(folder)
        counts = asked["counts"]
        report = folder.report() if progress.state in FINISHED else None
        return {
            "run": folder.id,
            "state": progress.state,
            "position": position,
            "wait_s": round(wait_s) if position else None,
            "step": progress.step,
            "steps": progress.steps,
            "eta_s": progress.eta_s,
            "metrics": sorted(progress.metrics, key=lambda row: row["step"]),
            "phase": progress.phase,
            "notes": [*unpack(counts.get("losses", [])), *progress.notes],
            "plan": progress.plan,
            "probes": folder.probes(),
            "answers": progress.answers,
            "scales": progress.scales,
            "readings": readings(progress, asked),
            "verdict": progress.verdict,
            "memory": _memory_used(progress, asked, report),
            "best_step": progress.best_step,
            "can_resume": progress.state in ("stopped", "failed") and folder.has_checkpoint(),
            "error": progress.error,
            "settings": asked["settings"],
            "model": asked["model"],
            "title": folder.title(),
            "start_from": asked["settings"].get("start_from", ""),
            "rows": counts["usable_rows"],
            "held_out_rows": counts["held_out_rows"],
            "trained_tokens": counts["trained_tokens"],
            "has_adapter": folder.has_adapter(),
            "created": asked["created"],
            "started": progress.started,
            "ended": progress.ended,
            **_machine(report),
        }

    def stop(self, run: str) -> dict[str, State]:
        """Ask a run to end after the step in hand and keep its adapter: {state}."""
        folder = self._store.open(run)
        self._queue.stop(folder)
        return {"state": self._store.progress(folder).state}

    def resume(self, run: str) -> Queued:
        """Let a stopped or failed run go on from its checkpoint."""
        folder = self._store.open(run)
        state = self._store.progress(folder).state
        if state not in ("stopped", "failed") or not folder.has_checkpoint():
            raise InputError(
                say("The run cannot go on."),
                say("A run goes on that was stopped or failed after its first evaluation on the held-out rows."),
                say("Start a new run with the same settings."),
            )
        self._queue.check_room()
        self._queue.resume(folder)
        return {"run": folder.id, "state": "queued", "position": self._queue.position(folder)[0]}

    def rename(self, run: str, title: str) -> dict[str, object]:
        """Give a run a name; "" takes it away: {}."""
        folder = self._store.open(run)
        words = " ".join(title.split()) if isinstance(title, str) else ""
        if len(words) > _TITLE:
            raise InputError(
                say("The name has {length} characters.", length=len(words)),
                say("The limit here is {limit} characters.", limit=_TITLE),
            )
        folder.rename(words)
        return {}

    def delete(self, run: str) -> dict[str, object]:
        """Remove a run and all that it left: {}."""
        folder = self._store.open(run)
        if self._store.progress(folder).state not in FINISHED:
            raise InputError(
                say("The run is still going."),
                say("Only a run that has ended can be deleted."),
                say("Stop it first."),
            )
        self._store.delete(folder)
        return {}

    def log(self, run: str) -> str:
        """The end of what the train process printed."""
        return self._store.open(run).log()

    def report(self, run: str) -> RunReport:
        """What a report of the run is written from."""
        folder = self._store.open(run)
        rows = (folder.path / "rows.jsonl").read_bytes()
        lines = rows.splitlines()
        return RunReport(
            run=self.get(run),
            rows={
                "fingerprint": hashlib.sha256(rows).hexdigest(),
                "train_rows": len(lines) - folder.settings()["counts"]["held_out_rows"],
                "samples": [orjson.loads(line)["messages"] for line in lines[:_REPORT_ROWS]],
            },
            folder=folder.path,
        )

    def export(self, run: str, kind: str = "adapter") -> Path:
        """A file to take away: kind adapter (zip of safetensors and model card) or card (Markdown)."""
        return exporting.export(self._store.open(run), kind)


def readings(progress: Progress, asked: RunRecord) -> list[ReadingDict]:
    """What the curves say."""
    settings = TrainSettings.from_dict(asked["settings"])
    counts, plan = asked["counts"], progress.plan
    known: dict[str, Any] = {
        "state": progress.state,
        "planned_steps": progress.steps,
        "rows": counts["train_rows"],
        "held_out_rows": counts["held_out_rows"],
        "scales": progress.scales,
        "cut_by_budget": plan.get("bound_by") == "time",
        "not_finite_at": progress.not_finite_at,
    }
    if plan:
        known["rows_per_step"] = plan["epochs"] * known["rows"] / plan["steps"]  # Also where rows are packed.
    context = diagnosis.Context.of(settings, **known)
    return [reading.to_dict() for reading in diagnosis.read(progress.metrics, context)]


def _machine(report: Report | None) -> Machine:
    names = ("versions", "device", "dtype", "quantization")
    return cast(Machine, {name: value for name, value in report.items() if name in names}) if report else {}


def _memory_used(progress: Progress, asked: RunRecord, report: Report | None) -> UsedMemory:
    known = asked.get("memory", {})
    if progress.peak is None and not known:
        return {}
    return {
        "peak": progress.peak,
        "estimated": known.get("total"),
        "available": known.get("available"),
        "device": (report and report.get("device")) or known.get("device", "cpu"),
    }
