"""Which models are on this machine, and fetching those that are not, each in a process of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playground.core.errors import ModelError, PlaygroundError, WorkerError, unpack_error
from playground.core.i18n import Sentence, say, unpack
from playground.models.weights import check_folder
from playground.server.processes.child import Child


@dataclass(frozen=True)
class Place:
    """Where the files of one model are, or how far their fetching is."""

    folder: Path | None = None
    line: Sentence = say("Waiting to be fetched.")
    fraction: float | None = None
    error: PlaygroundError | None = None


class Shelf:
    """Model name -> folder. Fetching starts when a model is first asked for, once for each."""

    def __init__(self, local: dict[str, str]) -> None:
        """`local`: names that stand for folders, from the command line. Raises ModelError when one holds no model."""
        self._changed = threading.Condition()
        self._places: dict[tuple[str, bool], Place] = {}
        for name, folder in local.items():
            check_folder(Path(folder))
            for with_weights in (True, False):
                self._places[name, with_weights] = Place(Path(folder))

    def place(self, name: str, *, with_weights: bool = True) -> Place | None:
        """How the model stands; None if nobody has asked for it."""
        with self._changed:
            return self._places.get((name, with_weights))

    def start(self, name: str, *, with_weights: bool = True) -> Place:
        """Begin to fetch the model unless it is here or under way. A failure is tried again when asked again."""
        with self._changed:
            place = self._places.get((name, with_weights))
            if place is not None and place.error is None:
                return place
            whole = self._places.get((name, True))
            if not with_weights and whole is not None and whole.folder is not None:
                return whole
            place = self._places[name, with_weights] = Place()
        key = (name, with_weights)
        Child(
            "playground.server.processes.fetch_model",
            name,
            "weights" if with_weights else "tokenizer",
            on_message=lambda message: self._hear(key, message),
            on_end=lambda code: self._end(key, code),
            offline=False,
        )
        return place

    def wait(self, name: str, seconds: float, *, with_weights: bool = True) -> Path:
        """The model's folder, waiting for it if it is being fetched.

        Raises ModelError when it cannot be had, WorkerError when it is not here after `seconds`.
        """
        place = self.start(name, with_weights=with_weights)
        key = (name, with_weights)
        with self._changed:
            self._changed.wait_for(lambda: self._is_settled(key), seconds)
            place = self._places.get(key, place)
        if place.error is not None:
            raise place.error
        if place.folder is None:
            raise WorkerError(
                say("{name} is still being fetched. {line}", name=name, line=place.line),
                fix=say("Try again in a minute."),
            )
        return place.folder

    def _is_settled(self, key: tuple[str, bool]) -> bool:
        place = self._places.get(key)
        return place is None or place.folder is not None or place.error is not None

    def _hear(self, key: tuple[str, bool], message: dict[str, Any]) -> None:
        with self._changed:
            place = self._places[key]
            if "folder" in message:
                place = Place(Path(message["folder"]))
            elif "error" in message:
                place = replace(place, error=unpack_error(message))
            else:
                place = replace(place, line=unpack(message["line"]), fraction=message["fraction"])
            self._places[key] = place
            self._changed.notify_all()

    def _end(self, key: tuple[str, bool], code: int) -> None:
        with self._changed:
            if not self._is_settled(key):
                self._places[key] = replace(
                    self._places[key],
                    error=ModelError(
                        say("Fetching {name} ended unexpectedly (code {code}).", name=key[0], code=code),
                        fix=say("Check the network and the free disk space, and try again."),
                    ),
                )
                self._changed.notify_all()
