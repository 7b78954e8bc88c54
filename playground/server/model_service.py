"""Models: which there are, where their files are, and how far the one that answers has come."""

from __future__ import annotations

from pathlib import Path

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence, say
from playground.models.catalogue import CATALOGUE, Model, model_name
from playground.models.types import CatalogueEntry, LoadingState, ModelStatus
from playground.server.processes.chat_client import ChatClient
from playground.server.processes.model_store import ModelStore

FETCH_PATIENCE_S = 900.0
"""Longest that anybody waits for a model to be fetched."""


class ModelService:
    """What a person can do with models, and what the other services ask of them."""

    def __init__(self, local: dict[str, str], default: str, chat: ChatClient) -> None:
        """`local`: names that stand for folders on this machine, the first being the default. `default`: a Hub id to
        begin with. Raises ModelError when one of them is no model.
        """
        self._local = dict(local)
        self._default = model_name(default, self._local)
        self._store = ModelStore(self._local)
        self._chat = chat

    def name(self, model: str) -> str:
        """The model's name; "" is the default model."""
        return model_name(model, self._local) if model else self._default

    def folder(self, model: str, *, with_weights: bool = True) -> Path:
        """The folder with its files, fetched first where need be; without weights that with its tokenizer."""
        return self._store.wait(self.name(model), FETCH_PATIENCE_S, with_weights=with_weights)

    def tokenizer(self, model: str) -> str:
        """The folder with its tokenizer, as the sandbox takes it."""
        return str(self.folder(model, with_weights=False))

    def catalogue(self) -> list[CatalogueEntry]:
        default = self.name("")
        local = [Model(name, "local", "", 0, "") for name in self._local]
        return [model.entry(default=model.name == default) for model in (*local, *CATALOGUE)]

    def status(self, model: str = "") -> ModelStatus:
        """Where the weights of `model` ("": the default) are. Cheap, for polling."""
        name, chat = self.name(model), self._chat
        store = self._store.state(name)
        if store is None:
            return _status(name, "waiting", say("It will be fetched when it is first used."))
        if store.error is not None:
            return _status(name, "failed", store.error.arrived, error=store.error)
        if store.folder is None:
            return _status(name, "fetching", store.line, fraction=store.fraction)
        if chat.base is not None and chat.base["folder"] == str(store.folder):
            if chat.error is not None:
                return _status(name, "failed", chat.error.arrived, error=chat.error)
            if chat.state == "ready" and chat.line is not None:
                return _status(name, "ready", chat.line)
        elif chat.state == "ready":
            return _status(name, "ready", say("On this machine; loaded when it is first asked."))
        return _status(name, "loading", say("Its weights are being read into memory."))

    def fetch(self, model: str = "") -> None:
        """Begin to fetch a model in the background; `status` tells how it goes."""
        self._store.start(self.name(model))


def _status(
    name: str,
    state: LoadingState,
    line: Sentence,
    fraction: float | None = None,
    error: PlaygroundError | None = None,
) -> ModelStatus:
    return {"name": name, "state": state, "fraction": fraction, "line": line, "error": error}
