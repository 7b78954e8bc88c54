"""`make bench`: how long datasets of 5,000 to 50,000 rows take to be read, linted and shown, and who notices.

The rows are made up from a few hundred words, each another conversation, 400 bytes on the average: 50,000 of them are
20 MB. "direct" is what a script does that only renders and tokenizes them, one after the other, in this process. While
the largest is worked on, somebody else previews a short conversation. Nothing is asserted. The figures go to
tests/artifacts/bench-datasets.json too.
"""

from __future__ import annotations

import json
import os
import platform
import random
import re
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from transformers import AutoTokenizer

from playground.core.settings import Limits
from playground.models.catalogue import DEFAULT
from playground.models.weights import fetch
from playground.server.backend import Backend
from tests.bench.preview import ARTIFACTS, figures, milliseconds, settle

SIZES = (5_000, 10_000, 20_000, 50_000)
DIRECT_ROWS = 2_000
HELLO = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]
SYLLABLES = re.findall("..", "katomirensolbadivorneluapashigratenolmurifazendo")


def rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Conversations of one or two turns whose words differ from row to row."""
    random_ = random.Random(seed)
    words = ["".join(random_.choices(SYLLABLES, k=random_.randint(1, 3))) for _ in range(4_000)]

    def sentence(low: int, high: int) -> str:
        return " ".join(random_.choices(words, k=random_.randint(low, high))).capitalize() + "."

    made = []
    for _ in range(count):
        turns = [("user", sentence(8, 24)), ("assistant", sentence(22, 56))]
        if random_.random() < 0.15:
            turns += [("user", sentence(4, 9)), ("assistant", sentence(8, 20))]
        made.append({"messages": [{"role": role, "content": content} for role, content in turns]})
    return made


def as_lines(made: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in made)


def memory_of_workers() -> int:
    """Bytes of the largest process below this one."""
    sizes = []
    for process in psutil.Process().children(recursive=True):
        try:
            sizes.append(process.memory_info().rss)
        except psutil.Error:
            continue
    return max(sizes, default=0)


def check(backend: Backend, text: str) -> dict[str, Any]:
    """Seconds until the first rows and until the end, how often progress was told, and what others and memory felt."""
    first: list[float] = []
    told: list[float] = []
    others: list[float] = []
    memory: list[int] = []
    over = threading.Event()

    def somebody_else() -> None:
        while not over.wait(0.25):
            others.append(milliseconds(lambda: backend.templates.preview(HELLO, DEFAULT)))
            memory.append(memory_of_workers())

    def tell(news: dict[str, Any]) -> None:
        told.append(time.perf_counter() - begin)
        if "preview" in news:
            first.append(time.perf_counter() - begin)

    other = threading.Thread(target=somebody_else)
    other.start()
    begin = time.perf_counter()
    found = backend.datasets.check(text, tell=tell)
    seconds = time.perf_counter() - begin
    over.set()
    other.join()
    return {
        "rows": found["rows"],
        "megabytes": len(text) / 1e6,
        "first rows, s": first[0],
        "all, s": seconds,
        "progress told": len(told),
        "longest silence, s": max(b - a for a, b in zip([0.0, *told], [*told, seconds], strict=True)),
        "usable": found["usable_rows"],
        "tokens": found["tokens"],
        "others' preview p95, ms": figures("", others)["p95"] if others else None,
        "largest process, MB": max(memory, default=0) / 1e6,
    }


def direct(tokenizer: Any, made: list[dict[str, Any]]) -> float:
    """Milliseconds a row of rendering and tokenizing alone."""
    begin = time.perf_counter()
    for row in made:
        tokenizer.apply_chat_template(row["messages"], return_dict=True)
    return (time.perf_counter() - begin) * 1000 / len(made)


def main() -> None:
    made = rows(max(SIZES))
    with tempfile.TemporaryDirectory() as home:
        backend = Backend(Path(home), Limits(upload_bytes=50_000_000))
        backend.start()
        try:
            tokenizer = AutoTokenizer.from_pretrained(fetch(DEFAULT, lambda line, fraction: None))
            settle(backend)
            alone = direct(tokenizer, made[:DIRECT_ROWS])
            checks = [check(backend, as_lines(made[:count])) for count in SIZES]
            page = min(milliseconds(lambda: backend.datasets.rows(as_lines(made), page=5_000)) for _ in range(2))
        finally:
            backend.close()
    print(f"\n{'rows':>8}{'MB':>7}{'first, s':>10}{'all, s':>8}{'ms a row':>10}{'silence, s':>12}", end="")
    print(f"{'others p95, ms':>16}{'MB':>7}")
    for row in checks:
        others = row["others' preview p95, ms"]
        print(
            f"{row['rows']:8}{row['megabytes']:7.1f}{row['first rows, s']:10.2f}{row['all, s']:8.2f}"
            f"{row['all, s'] * 1000 / row['rows']:10.3f}{row['longest silence, s']:12.2f}"
            f"{others or 0:16.1f}{row['largest process, MB']:7.0f}"
        )
    print(f"rendering and tokenizing alone: {alone:.3f} ms a row; one page out of {max(SIZES)} rows: {page:.0f} ms")
    growth = checks[-1]["all, s"] / checks[0]["all, s"] / (SIZES[-1] / SIZES[0])
    print(f"time a row at {SIZES[-1]} rows is {growth:.2f} times that at {SIZES[0]}")
    ARTIFACTS.mkdir(exist_ok=True)
    report = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
        "direct, ms a row": alone,
        "page, ms": page,
        "checks": checks,
    }
    (ARTIFACTS / "bench-datasets.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
