"""Which models are on this machine, and fetching those that are not, each in a process of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from playground.core.errors import ModelError, PackedError, PlaygroundError, WorkerError, unpack_error
from playground.core.i18n import Sentence, say, unpack
from playground.models.weights import check_folder
from playground.server.processes.child import Child, Message


@dataclass(frozen=True)
class ModelState:
    """Where the files of one model are, or how far their fetching is."""

    folder: Path | None = None
    line: Sentence = say("Waiting to be fetched.")
    fraction: float | None = None
    error: PlaygroundError | None = None


class ModelStore:
    """Model name -> folder. Fetching starts when a model is first asked for, once for each."""

    def __init__(self, local: dict[str, str]) -> None:
        """`local`: names that stand for folders, from the command line. Raises ModelError when one holds no model."""
        self._changed = threading.Condition()
        self._states: dict[tuple[str, bool], ModelState] = {}
        for name, folder in local.items():
            check_folder(Path(folder))
            for with_weights in (True, False):
                self._states[name, with_weights] = ModelState(Path(folder))

    def state(self, name: str, *, with_weights: bool = True) -> ModelState | None:
        """How the model stands; None if nobody has asked for it."""
        with self._changed:
            return self._states.get((name, with_weights))

    def start(self, name: str, *, with_weights: bool = True) -> ModelState:
        """Begin to fetch the model unless it is here or under way. A failure is tried again when asked again."""
        with self._changed:
            state = self._states.get((name, with_weights))
            if state is not None and state.error is None:
                return state
            whole = self._states.get((name, True))
            if not with_weights and whole is not None and whole.folder is not None:
                return whole
            state = self._states[name, with_weights] = ModelState()
        key = (name, with_weights)
        Child(
            "playground.server.processes.fetch_model",
            name,
            "weights" if with_weights else "tokenizer",
            on_message=lambda message: self._hear(key, message),
            on_end=lambda code: self._end(key, code),
            offline=False,
        )
        return state

    def wait(self, name: str, seconds: float, *, with_weights: bool = True) -> Path:
        """The model's folder, waiting for it if it is being fetched.

        Raises ModelError when it cannot be had, WorkerError when it is not here after `seconds`.
        """
        state = self.start(name, with_weights=with_weights)
        key = (name, with_weights)
        with self._changed:
            self._changed.wait_for(lambda: self._is_settled(key), seconds)
            state = self._states.get(key, state)
        if state.error is not None:
            raise state.error
        if state.folder is None:
            raise WorkerError(
                say("{name} is still being fetched. {line}", name=name, line=state.line),
                fix=say("Try again in a minute."),
            )
        return state.folder

    def _is_settled(self, key: tuple[str, bool]) -> bool:
        state = self._states.get(key)
        return state is None or state.folder is not None or state.error is not None

    def _hear(self, key: tuple[str, bool], message: Message) -> None:
        with self._changed:
            state = self._states[key]
            if "folder" in message:
                state = ModelState(Path(message["folder"]))
            elif "error" in message:
                state = replace(state, error=unpack_error(cast(PackedError, message)))
            else:
                state = replace(state, line=unpack(message["line"]), fraction=message["fraction"])
            self._states[key] = state
            self._changed.notify_all()

    def _end(self, key: tuple[str, bool], code: int) -> None:
        with self._changed:
            if not self._is_settled(key):
                self._states[key] = replace(
                    self._states[key],
                    error=ModelError(
                        say("Fetching {name} ended unexpectedly (code {code}).", name=key[0], code=code),
                        fix=say("Check the network and the free disk space, and try again."),
                    ),
                )
                self._changed.notify_all()
