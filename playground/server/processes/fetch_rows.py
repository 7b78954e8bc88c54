"""`python -m playground.server.processes.fetch_rows FOLDER`: rows from the Hub.

The first rows of a dataset there, into FOLDER/rows.jsonl.

One FetchOrder in (types.py).
Out, one JSON object a line:
{"line": sentence, "fraction": 0..1 or null}                     while it works
{"found": {name, config, split, configs, splits, notes}}         once it is known what will be read
{"rows": n, "notes": [...]}                                      at the end
{"error": ..., "parts": [...]}                                   when the rows cannot be had

Rows are streamed: files are read from their beginning, and only as far as the wanted rows go. FOLDER holds the
libraries' caches, and is the working folder: a name that stands for a folder of the server's stands for nothing there.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import IO, Any

from playground.core.errors import PackedError
from playground.server.processes.types import FetchNews, FetchOrder

if __name__ == "__main__":
    # The libraries read these while they are imported.
    os.environ.update(HF_HOME=str(Path(sys.argv[1], "cache")), USE_TORCH="0", USE_TF="0", USE_JAX="0")
    os.environ.update(HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1")
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        os.environ.pop(variable, None)  # A token that may be used comes in the line.

import datasets  # noqa: E402
import httpx  # noqa: E402
import orjson  # noqa: E402
import yaml  # type: ignore[import-untyped] # noqa: E402
from datasets.data_files import EmptyDatasetError  # noqa: E402
from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError  # noqa: E402
from huggingface_hub import DatasetCard, HfApi  # noqa: E402
from huggingface_hub.errors import (  # noqa: E402
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from playground.core.errors import PlaygroundError, disk_is_full  # noqa: E402
from playground.core.i18n import pack, say  # noqa: E402
from playground.data import hub as hub  # noqa: E402
from playground.models.weights import hub_answers  # noqa: E402

ROWS = "rows.jsonl"
READERS = ("arrow", "csv", "json", "parquet", "text")
"""Formats of `datasets` that hold rows; others open files that a row names, or hold pictures and the like."""
_REPORT_S = 0.2
_PATIENCE_S = 10.0
_BATCH = 200
"""Rows that are decoded at once. The reader's own choice, the size of the first group, fails where that is empty."""
_LARGEST_FILE = 64_000_000
"""Most bytes of one file here, but for the rows: a dataset's card is a few thousand."""


def _tell(message: FetchNews | PackedError) -> None:
    sys.stdout.buffer.write(orjson.dumps(pack(message)) + b"\n")
    sys.stdout.buffer.flush()


def main(folder: Path) -> None:
    order = orjson.loads(sys.stdin.buffer.readline())
    os.chdir(folder)
    _limit(order)
    name = order["name"]
    try:
        _fetch(order)
    except PlaygroundError as problem:
        _tell(problem.pack())
    except BaseException as problem:
        _tell(describe(problem, name).pack())
    os._exit(0)  # Threads that still wait for the Hub are not waited for.


def _limit(order: FetchOrder) -> None:
    """Ends that hold even where nobody is left to end this process, and bounds on what a hostile dataset can take."""
    signal.alarm(int(order["seconds"]) + 30)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _cap(resource.RLIMIT_AS, pages * resource.getpagesize() + order["memory"])
    _cap(resource.RLIMIT_FSIZE, max(order["bytes"], _LARGEST_FILE))
    _cap(resource.RLIMIT_CORE, 0)
    # Several tries, but within seconds: the library's own patience is minutes.
    datasets.config.STREAMING_READ_MAX_RETRIES = datasets.config.STREAMING_OPEN_MAX_RETRIES = 2
    datasets.config.STREAMING_READ_RETRY_INTERVAL = datasets.config.STREAMING_OPEN_RETRY_INTERVAL = 1
    datasets.config.STREAMING_READ_SERVER_UNAVAILABLE_RETRY_INTERVAL = 2
    datasets.config.STREAMING_READ_RATE_LIMIT_RETRY_INTERVAL = 5


def _cap(what: int, limit: int) -> None:
    hard = resource.getrlimit(what)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(what, (limit, limit))


def _fetch(order: FetchOrder) -> None:
    name = order["name"]
    _tell({"line": say("Asking the Hugging Face Hub for {name}.", name=name), "fraction": None})
    if not hub_answers():
        raise hub.hub_is_silent(name)
    api = HfApi(token=order["token"])
    commit = api.dataset_info(name, timeout=_PATIENCE_S).sha or ""
    _check_card(api, name, commit)
    builder = _builder(name, order["config"], commit, order["token"])
    splits = [str(split) for split in builder.config.data_files or ()]
    split = order["split"] or ("train" if "train" in splits else next(iter(splits), ""))
    if not splits:
        raise hub.is_empty(name)
    if split not in splits:
        raise hub.no_such_split(name, split, splits)
    rows = builder.as_streaming_dataset(split=split)
    notes = [] if order["split"] or len(splits) == 1 else [hub.note_split(split, [s for s in splits if s != split])]
    media = hub.media_columns(rows.features)
    if media:
        if len(media) == len(rows.features):
            raise hub.only_media(name, media)
        kept = [column for column in rows.features if column not in media]
        rows = rows.select_columns(kept)  # `remove_columns` decodes what it removes.
        notes.append(hub.note_media(media))
    configs = list(builder.builder_configs)
    found = {"name": name, "config": builder.config.name, "split": split, "configs": configs, "splits": splits}
    _tell({"found": {**found, "notes": notes}})
    with open(ROWS, "wb", buffering=0) as file:  # Unbuffered: what is here counts, whenever this process is ended.
        count, ending = _write(iter(rows), file, order)
    _tell({"rows": count, "notes": notes + ending})


def _check_card(api: HfApi, name: str, commit: str) -> None:
    """Raises InputError when the dataset's card, or the file that may stand in for it, leads out of its repository."""
    for file in ("README.md", ".huggingface.yaml"):
        try:
            path = api.hf_hub_download(name, file, repo_type="dataset", revision=commit)
        except LocalEntryNotFoundError:  # The network's doing: it is an EntryNotFoundError by descent alone.
            raise
        except EntryNotFoundError:
            continue
        card = DatasetCard.load(path).data.to_dict() if file == "README.md" else yaml.safe_load(Path(path).read_bytes())
        outside = hub.path_outside(card.get("configs") if isinstance(card, dict) else None)
        if outside is not None:
            raise hub.leads_outside(name, outside)


def _builder(name: str, config: str, commit: str, token: str | bool) -> Any:
    # "hf://" is never looked for on this machine's disk, where a bare owner/name would be.
    where: dict[str, Any] = {"path": f"hf://datasets/{name}", "revision": commit, "token": token}
    try:
        builder = datasets.load_dataset_builder(name=config or None, **where)
    except ValueError:
        configs = datasets.get_dataset_config_names(**where)
        if config and config not in configs:
            raise hub.no_such_config(name, config, configs) from None
        if not config and len(configs) > 1:
            raise hub.needs_config(name, configs) from None
        raise
    reader = type(builder).__module__.split(".")[-1]
    if reader not in READERS:
        raise hub.is_unsupported(name, reader)
    if reader == "parquet":
        builder.config.batch_size = _BATCH
    return builder


def _write(rows: Iterator[dict[str, Any]], file: IO[bytes], order: FetchOrder) -> tuple[int, list[Any]]:
    """Rows as JSON Lines until there are enough. Returns how many, and notes on why there are not more."""
    count = written = 0
    told = monotonic()
    while count < order["count"]:
        try:
            line = orjson.dumps(hub.to_row(next(rows))) + b"\n"
        except StopIteration:
            if not count:
                raise
            return count, [hub.note_all(count)]
        except Exception as problem:
            if not count:
                raise
            return count, [hub.note_broken(count, _first_line(problem))]
        if written + len(line) > order["bytes"]:
            if not count:
                raise hub.row_too_large(order["name"], order["bytes"])
            return count, [hub.note_bytes(count, order["bytes"])]
        file.write(line)
        written, count = written + len(line), count + 1
        if monotonic() - told > _REPORT_S or count == 1:
            told = monotonic()
            line_said = say("Reading rows: {rows} of {count}.", rows=count, count=order["count"])
            _tell({"line": line_said, "fraction": count / order["count"]})
    return count, []


def describe(problem: BaseException, name: str) -> PlaygroundError:
    """What a library raised, in words."""
    full = disk_is_full(problem)
    if full:
        return full
    if isinstance(problem, GatedRepoError) or "is a gated dataset" in str(problem):
        return hub.is_gated(name)
    if isinstance(problem, (RepositoryNotFoundError, DatasetNotFoundError)):
        return hub.no_such_dataset(name)
    if "scripts are no longer supported" in str(problem):
        return hub.is_a_script(name)
    if isinstance(problem, (EmptyDatasetError, StopIteration)):
        return hub.is_empty(name)
    if isinstance(problem, (DataFilesNotFoundError, ImportError)):
        return hub.is_unsupported(name)
    if isinstance(problem, MemoryError):
        return hub.takes_memory(name)
    status = problem.response.status_code if isinstance(problem, HfHubHTTPError) else 0
    if status == 429:
        return hub.hub_is_busy(name)
    network = (httpx.TransportError, ConnectionError, TimeoutError, LocalEntryNotFoundError)
    if isinstance(problem, network) or status >= 500:
        return hub.hub_is_silent(name)
    return hub.is_unreadable(name, _first_line(problem))


def _first_line(problem: BaseException) -> str:
    said = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
    return said.replace(os.getcwd(), "…")[:200]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
