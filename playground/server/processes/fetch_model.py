"""`python -m playground.server.processes.fetch_model NAME [tokenizer]`: get a model's files.

One FetchNews a line on how it goes (types.py).
"""

from __future__ import annotations

import sys

import orjson

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence, pack
from playground.models.weights import fetch
from playground.server.processes.types import FetchNews


def _tell(message: FetchNews) -> None:
    sys.stdout.buffer.write(orjson.dumps(pack(message)) + b"\n")
    sys.stdout.buffer.flush()


def main(name: str, what: str = "weights") -> None:
    def report(line: Sentence, fraction: float | None) -> None:
        _tell({"line": line, "fraction": fraction})

    try:
        _tell({"folder": str(fetch(name, report, with_weights=what == "weights"))})
    except PlaygroundError as problem:
        sys.stdout.buffer.write(orjson.dumps(problem.pack()) + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
