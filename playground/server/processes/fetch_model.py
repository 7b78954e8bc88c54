"""`python -m playground.server.processes.fetch_model NAME [tokenizer]`: get a model's files.

One JSON object a line on how it goes.

{"line": sentence, "fraction": 0..1 or null}   while it works
{"folder": path}                               at the end
{"error": ..., "parts": [...]}                 when the model cannot be had
"""

from __future__ import annotations

import sys

import orjson

from playground.core.errors import PlaygroundError
from playground.core.i18n import Sentence, pack
from playground.models.weights import fetch


def _tell(message: dict[str, object]) -> None:
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
