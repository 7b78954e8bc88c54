"""Rows of a dataset on the Hub for the web process: starts the process that fetches them, watches it, and ends it."""

from __future__ import annotations

import queue
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import cast

from huggingface_hub import get_token

from playground.core.errors import PlaygroundError, WorkerError, disk_is_full, unpack_error
from playground.core.i18n import say, unpack
from playground.core.settings import Limits
from playground.data.hub import check_count, note_time, nothing_in_time, parse_name
from playground.data.types import FetchedRows
from playground.models.weights import Report
from playground.server.processes.child import Child
from playground.server.processes.types import FetchNews, FetchOrder, Found

SECONDS = 120.0
"""Longest that fetching may take; what has come by then is kept."""
_LOOK_S = 0.1


def fetch_rows(
    name: str,
    config: str,
    split: str,
    count: int,
    folder: Path,
    limits: Limits,
    on_progress: Report = lambda line, fraction: None,
    seconds: float = SECONDS,
    is_cancelled: Callable[[], bool] = lambda: False,
    *,
    token: bool = False,
) -> FetchedRows:
    """The first `count` rows of a dataset, as JSON Lines in a new folder below `folder`, which the caller clears away.

    Blocks until the
    rows are here, at most `seconds`; `is_cancelled` is asked ten times a second. `token`: use the token of the server's
    owner, with which everybody who can ask may read what the owner may. Raises InputError, LimitError or WorkerError.
    """
    wanted = parse_name(name, config, split)
    order: FetchOrder = {
        "name": wanted.name,
        "config": wanted.config,
        "split": wanted.split,
        "count": check_count(count, limits),
        "bytes": limits.upload_bytes,
        "memory": limits.sandbox_bytes,
        "seconds": seconds,
        "token": (get_token() or False) if token else False,
    }
    try:
        work = Path(tempfile.mkdtemp(prefix="hub-", dir=folder))
    except OSError as problem:
        raise (disk_is_full(problem) or problem) from None
    try:
        rows, found = _run(order, work, on_progress, is_cancelled)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work / "cache", ignore_errors=True)
    return {"path": work / "rows.jsonl", "rows": rows, **found}


def _run(order: FetchOrder, work: Path, on_progress: Report, is_cancelled: Callable[[], bool]) -> tuple[int, Found]:
    deadline = monotonic() + order["seconds"]
    heard: queue.Queue[FetchNews] = queue.Queue()
    child = Child(
        "playground.server.processes.fetch_rows",
        str(work.resolve()),
        on_message=lambda message: heard.put(cast(FetchNews, message)),
        on_end=lambda code: heard.put({"ended": code}),
        offline=False,
    )
    found: Found | None = None
    time_is_up = False
    try:
        child.send(order)
        while True:
            if is_cancelled():
                raise PlaygroundError(say("Fetching {name} was cancelled.", name=order["name"]))
            if monotonic() > deadline and not time_is_up:
                time_is_up = True
                child.terminate(patience_s=0)  # What it has said is still heard, to the last word.
            with suppress(queue.Empty):
                message = heard.get(timeout=_LOOK_S)
                if "found" in message:
                    found = unpack(message["found"])
                elif "rows" in message and found is not None:
                    return message["rows"], {**found, "notes": unpack(message["notes"])}
                elif time_is_up and "ended" in message:
                    return _what_came(order, work, found)
                else:
                    _hear(message, order["name"], on_progress)
    finally:
        child.terminate(patience_s=0)


def _hear(message: FetchNews, name: str, on_progress: Report) -> None:
    if "error" in message:
        raise unpack_error({"error": message["error"], "parts": message["parts"]})
    if "ended" in message:
        raise WorkerError(
            say("Fetching {name} ended unexpectedly (code {code}).", name=name, code=message["ended"]),
            fix=say("Check the network and the free disk space, and try again."),
        )
    if "line" in message:
        on_progress(unpack(message["line"]), message["fraction"])


def _what_came(order: FetchOrder, work: Path, found: Found | None) -> tuple[int, Found]:
    """The rows that are whole when time is up. Raises LimitError when there is none."""
    path = work / "rows.jsonl"
    written = path.read_bytes() if path.is_file() else b""
    rows = written.count(b"\n")
    if not found or not rows:
        raise nothing_in_time(order["name"], order["seconds"])
    path.write_bytes(written[: written.rindex(b"\n") + 1])
    return rows, {**found, "notes": [*found["notes"], note_time(rows, order["seconds"])]}
