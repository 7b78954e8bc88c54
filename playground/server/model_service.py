"""Models: which there are, where their files are, and how far the one that answers has come."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from playground.core.i18n import say
from playground.models.catalogue import CATALOGUE, model_name
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

    def catalogue(self) -> list[dict[str, Any]]:
        """The catalogue: [{name (Hub id), family, parameters, download (bytes), licence, gated, default}]."""
        default = self.name("")
        local = [
            {"name": name, "family": "local", "parameters": "", "download": 0, "licence": "", "gated": False}
            for name in self._local
        ]
        return [{**model, "default": model["name"] == default} for model in [*local, *map(asdict, CATALOGUE)]]

    def status(self, model: str = "") -> dict[str, Any]:
        """Where the weights of `model` ("": the default) are. Cheap, for polling.

        {name, state: waiting|fetching|loading|ready|failed, fraction: 0..1 or None, line: Sentence (what happens now,
        or when ready what was chosen (device, dtype, 4-bit or not) and why), error: PlaygroundError or None}
        """
        name = self.name(model)
        state = self._store.state(name)
        status: dict[str, Any] = {"name": name, "state": "waiting", "fraction": None, "error": None}
        if state is None:
            return {**status, "line": say("It will be fetched when it is first used.")}
        if state.error is not None:
            return {**status, "state": "failed", "line": state.error.arrived, "error": state.error}
        if state.folder is None:
            return {**status, "state": "fetching", "fraction": state.fraction, "line": state.line}
        if self._chat.base is not None and self._chat.base["folder"] == str(state.folder):
            if self._chat.error is not None:
                return {**status, "state": "failed", "line": self._chat.error.arrived, "error": self._chat.error}
            if self._chat.state == "ready" and self._chat.line is not None:
                return {**status, "state": "ready", "line": self._chat.line}
        elif self._chat.state == "ready":
            return {**status, "state": "ready", "line": say("On this machine; loaded when it is first asked.")}
        return {**status, "state": "loading", "line": say("Its weights are being read into memory.")}

    def fetch(self, model: str = "") -> None:
        """Begin to fetch a model in the background; `status` tells how it goes."""
        self._store.start(self.name(model))
