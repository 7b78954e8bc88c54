"""What the page and the API call: a service for each thing that a person works with.

Values in and out are JSON-like. Text for people is `Sentence`s (see i18n.py): English as they stand, to be said in
the reader's language with `i18n.localise` at the edge. A refusal is a `PlaygroundError`.
Imports neither torch nor transformers: models live in the worker processes.
"""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path

from playground.core.settings import Limits
from playground.runs.store import RunStore
from playground.server.chat_service import ChatService
from playground.server.dataset_service import DatasetService
from playground.server.model_service import ModelService
from playground.server.processes.chat_client import ChatClient
from playground.server.processes.run_queue import RunQueue
from playground.server.run_service import RunService
from playground.server.sandbox.pool import Sandbox
from playground.server.sandbox.requests import WarmUp
from playground.server.template_service import TemplateService

_POLL_S = 0.2


class Backend:
    """Everything behind the page."""

    def __init__(
        self,
        home: Path,
        limits: Limits | None = None,
        local_models: dict[str, str] | None = None,
        default_model: str = "",
    ) -> None:
        """`home`: where runs are kept. `local_models`, `default_model`: see ModelService, which may refuse them."""
        self.limits = limits = limits or Limits()
        self._chat = ChatClient(home / "chat.log")
        self.models = ModelService(local_models or {}, default_model, self._chat)
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home = home
        self._store = RunStore(home / "runs")
        self._sandbox = Sandbox(limits)
        self._queue = RunQueue(self._store, limits, home / "train.log")
        self.templates = TemplateService(self.models, self._sandbox, limits)
        self.datasets = DatasetService(self.models, self._sandbox, limits, home)
        self.runs = RunService(self.models, self._sandbox, self._queue, self._chat, limits, home)
        self.chat = ChatService(self.runs, self._chat, self._sandbox, limits)

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
            self.models.fetch()
            self._sandbox.run(WarmUp(""), seconds=60)
            folder = self.models.folder("")
            self._sandbox.run(WarmUp(str(folder)), seconds=60)
            self._chat.load({"folder": str(folder), "quantization": "auto"})
            while self._chat.state in ("waiting", "loading"):
                time.sleep(_POLL_S)
        except Exception:  # noqa: S110  Nobody asked for anything yet; whoever does gets the reason (ModelService.status).
            pass
        self._queue.warm_up()
