"""One family of errors for people.

    PlaygroundError
    ├── InputError       what was given cannot be used: rows, messages, templates, settings, files
    ├── ModelError       a model cannot be had or cannot be loaded
    ├── LimitError       a limit of this installation was met: size, time, memory
    ├── NotFoundError    no run, example or export of that name
    └── WorkerError      a worker process died or did not answer

Each says what arrived, what was expected and what to do, as sentences that exist in every language of the app.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, TypedDict

from playground.core.i18n import Sentence, say, unpack
from playground.core.i18n import pack as pack_words

if TYPE_CHECKING:
    from playground.core.findings import FindingDict


class PackedError(TypedDict):
    """An error for a pipe or a run's events."""

    error: str
    """Name of its class."""
    parts: list[Any]
    """What arrived, what was expected, what to do: packed sentences."""


class PlaygroundError(Exception):
    """What arrived, what was expected, what to do. `str()` is the English; `.to(language)` says it in another."""

    def __init__(self, arrived: Sentence, expected: Sentence | None = None, fix: Sentence | None = None) -> None:
        super().__init__(arrived, expected, fix)
        self.arrived = arrived
        self.expected = expected
        self.fix = fix
        self.findings: list[FindingDict] = []
        """What a closer look found to be the matter; a process passes it on."""

    def __str__(self) -> str:
        return self.to("en")

    def to(self, language: str) -> str:
        said = ""
        for part in (self.arrived, self.expected, self.fix):
            if part:
                # Japanese sentences follow each other without a space.
                said += (" " if said and not said.endswith("。") else "") + part.to(language)
        return said

    def pack(self) -> PackedError:
        return {"error": type(self).__name__, "parts": pack_words([self.arrived, self.expected, self.fix])}


class InputError(PlaygroundError):
    """What was given cannot be used."""


class ModelError(PlaygroundError):
    """A model cannot be had or cannot be loaded."""


class LimitError(PlaygroundError):
    """A limit of this installation was met."""


class NotFoundError(PlaygroundError):
    """No run, example or export of that name."""


class WorkerError(PlaygroundError):
    """A worker process died or did not answer."""


_FAMILY = {
    kind.__name__: kind for kind in (PlaygroundError, InputError, ModelError, LimitError, NotFoundError, WorkerError)
}


def disk_is_full(problem: BaseException) -> LimitError | None:
    """The error for people where `problem` is a full disk or a used-up quota, else None."""
    full = isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "os error 28" in str(problem):  # safetensors has an error of its own for it.
        return LimitError(say("The disk is full."), fix=say("Free some space and try again; nothing else was lost."))
    return None


def unpack_error(packed: PackedError) -> PlaygroundError:
    """The error that `PlaygroundError.pack` wrote."""
    return _FAMILY.get(packed["error"], PlaygroundError)(*unpack(packed["parts"]))
