"""A fake Hugging Face Hub at the edge: a local server that answers what `datasets` and `huggingface_hub` ask for.

It stands in for https://huggingface.co (HF_ENDPOINT points to it) because tests ask no network. The answers follow the
Hub's: status, X-Error-Code, X-Repo-Commit, ETag and ranges. What it has been asked is in `asked`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, Image, Json, Value

SHA = "c0ffee" + "0" * 34


@dataclass
class Repo:
    """A dataset's repository: path -> content."""

    files: dict[str, bytes]
    gated: bool = False
    stuck: tuple[str, ...] = ()
    """Files whose content never comes, until `release` is set."""
    status: int = 0
    """What every question is refused with, 0 for none."""


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str] = field(repr=False)


class FakeHub:
    """`with FakeHub({name: Repo}) as hub: hub.url`"""

    def __init__(self, repos: dict[str, Repo]) -> None:
        self.repos = repos
        self.asked: list[Asked] = []
        self.release = threading.Event()
        self.reached = threading.Event()
        """Set when somebody waits for a stuck file."""
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeHub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    do_GET = do_POST = do_HEAD

    def _answer(self) -> None:
        self.hub.asked.append(Asked(self.command, self.path, dict(self.headers)))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        address = urlsplit(self.path)
        parts = [unquote(part) for part in address.path.strip("/").split("/")]
        if parts[:2] == ["api", "models"]:
            self._json({})
        elif parts[:2] == ["api", "datasets"] and len(parts) >= 4:
            self._api("/".join(parts[2:4]), parts[4:], parse_qs(address.query), body)
        elif parts[0] == "datasets" and len(parts) > 5 and parts[3] == "resolve":
            self._resolve("/".join(parts[1:3]), "/".join(parts[5:]))
        else:
            self._refuse(404, "", "Not Found")

    def _repo(self, name: str) -> Repo | None:
        repo = self.hub.repos.get(name)
        if repo is None:  # The Hub says the same of what does not exist and of what is private.
            self._refuse(401, "RepoNotFound", "Repository not found")
        elif repo.status:
            self._refuse(repo.status, "", "Trouble")
            return None
        return repo

    def _api(self, name: str, rest: list[str], query: dict[str, list[str]], body: str) -> None:
        repo = self._repo(name)
        if repo is None:
            return
        if not rest or rest[0] == "revision":
            siblings = [{"rfilename": path} for path in repo.files]
            self._json(
                {"id": name, "sha": SHA, "private": False, "gated": repo.gated, "tags": [], "siblings": siblings}
            )
        elif rest[0] == "tree":
            folder = "/".join(rest[2:])
            entries = _entries(repo, folder, "true" in [value.lower() for value in query.get("recursive", [])])
            if folder and not entries:
                self._refuse(404, "EntryNotFound", "Entry not found")
            else:
                self._json(entries)
        elif rest[0] == "paths-info":
            given = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body).get("paths", [])
            self._json([entry for entry in _entries(repo, "", True) if entry["path"] in given])
        else:
            self._refuse(404, "", "Not Found")

    def _resolve(self, name: str, path: str) -> None:
        repo = self._repo(name)
        if repo is None:
            return
        if repo.gated and path != "README.md":
            self._refuse(403, "GatedRepo", f"Access to dataset {name} is restricted.")
        elif path not in repo.files:
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            self._send_file(repo, path)

    def _send_file(self, repo: Repo, path: str) -> None:
        content = repo.files[path]
        start, end = 0, len(content) - 1
        given = self.headers.get("Range", "")
        if given.startswith("bytes="):
            first, last = given.removeprefix("bytes=").split("-")
            start, end = int(first), min(int(last or end), end)
        if given and start > end:
            self._refuse(416, "", "Range Not Satisfiable")
            return
        if path in repo.stuck and self.command == "GET":
            self.hub.reached.set()
            self.hub.release.wait(60)
        headers = {
            "X-Repo-Commit": SHA,
            "ETag": f'"{hashlib.sha1(content).hexdigest()}"',
            "Accept-Ranges": "bytes",
            **({"Content-Range": f"bytes {start}-{end}/{len(content)}"} if given else {}),
        }
        self._send(206 if given else 200, content[start : end + 1], headers)

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
        self._send(status, json.dumps({"error": message}).encode(), {"Content-Type": "application/json", **headers})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _entries(repo: Repo, folder: str, recursive: bool) -> list[dict[str, object]]:
    """Files and folders below `folder`, as the Hub's tree lists them."""
    found: dict[str, dict[str, object]] = {}
    prefix = f"{folder}/" if folder else ""
    for path, content in repo.files.items():
        if not path.startswith(prefix):
            continue
        rest = path.removeprefix(prefix).split("/")
        for depth in range(1, len(rest)):
            if depth == 1 or recursive:
                name = prefix + "/".join(rest[:depth])
                found[name] = {"type": "directory", "path": name, "size": 0, "oid": "0" * 40}
        if len(rest) == 1 or recursive:
            oid = hashlib.sha1(content).hexdigest()
            found[path] = {"type": "file", "path": path, "size": len(content), "oid": oid}
    return list(found.values())


# --- Datasets to serve ---


def parquet(rows, **options):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, **options), file)
    return file.getvalue()


def jsonl(*rows):
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def card(*configs):
    """A dataset's README.md; JSON is YAML as well."""
    return f"---\nconfigs: {json.dumps(configs)}\n---\n# A dataset\n".encode()


def with_picture(features, rows):
    schema = pa.schema(Features(features).arrow_schema)
    return parquet(rows, schema=schema)


QUESTIONS = [{"question": f"{number}?", "answer": str(number)} for number in range(300)]
TALK = {
    "messages": [
        {"role": "user", "content": "Hi", "tools": None},
        {"role": "assistant", "content": "Yes", "tools": ["t"]},
    ],
    "at": datetime(2026, 1, 2),
    "nothing": None,
}
TWO = {"config_name": "en", "data_files": "en.jsonl"}, {"config_name": "ja", "data_files": "ja.jsonl"}
PICTURE = {"bytes": b"no picture: to decode it fails", "path": None}
REPOS = {
    "tiny/parquet": Repo({"data/train-00000-of-00001.parquet": parquet(QUESTIONS), "README.md": b"# Hi\n"}),
    "tiny/splits": Repo(
        {
            f"data/{split}-00000-of-00001.parquet": parquet([{"from": split}])
            for split in ("test", "train", "validation")
        }
    ),
    "tiny/test-first": Repo(
        {
            "README.md": card(
                {
                    "config_name": "default",
                    "data_files": [{"split": name, "path": f"{name}.csv"} for name in ("a", "train")],
                }
            ),
            "a.csv": b"from\na\n",
            "train.csv": b"from\ntrain\n",
        }
    ),
    "tiny/test-only": Repo({"test.jsonl": jsonl({"from": "test"})}),
    "tiny/two": Repo({"README.md": card(*TWO), "en.jsonl": jsonl({"a": "Hi"}), "ja.jsonl": jsonl({"a": "やあ"})}),
    "tiny/usual": Repo(
        {
            "README.md": card(TWO[0], {**TWO[1], "default": True}),
            "en.jsonl": jsonl({"a": 1}),
            "ja.jsonl": jsonl({"a": 2}),
        }
    ),
    "tiny/talk": Repo({"train.parquet": parquet([TALK])}),
    "tiny/csv": Repo({"rows.csv": b"a,b\n1,two\n"}),
    "tiny/text": Repo({"rows.txt": b"one\ntwo\n"}),
    "tiny/pictures": Repo(
        {
            "train.parquet": with_picture(
                {"image": Image(), "text": Value("string"), "json": Json()},
                [{"image": PICTURE, "text": "a dot", "json": '{"a": [1, null]}'}],
            )
        }
    ),
    "tiny/only-pictures": Repo({"train.parquet": with_picture({"image": Image()}, [{"image": PICTURE}])}),
    "tiny/broken-later": Repo({"a.jsonl": jsonl({"a": 1}, {"a": 2}), "b.jsonl": b'{"a": \n{"a": 4}\n'}),
    "tiny/broken": Repo({"train.parquet": b"PAR1 no parquet PAR1"}),
    "tiny/slow": Repo({"a.jsonl": jsonl({"a": 1}, {"a": 2}), "b.jsonl": jsonl({"a": 3})}, stuck=("b.jsonl",)),
    "tiny/bomb": Repo({"rows.jsonl.gz": gzip.compress(b'{"a": "') + gzip.compress(b"a" * 10_000_000) * 150}),
    "tiny/stuck": Repo({"a.jsonl": jsonl({"a": 1})}, stuck=("a.jsonl",)),
    "tiny/gated": Repo({"README.md": b"# Hi\n", "train.parquet": parquet(QUESTIONS)}, gated=True),
    "tiny/gated-no-card": Repo({"train.parquet": parquet(QUESTIONS)}, gated=True),
    "tiny/script": Repo({"script.py": b"raise SystemExit('code of the dataset ran')", "rows.jsonl": jsonl({"a": 1})}),
    "tiny/nothing": Repo({".gitattributes": b"*"}),
    "tiny/no-rows": Repo({"train.parquet": parquet([], schema=pa.schema([("a", pa.string())]))}),
    "tiny/no-bytes": Repo({"train.jsonl": b""}),
    "tiny/weights": Repo({"model.bin": b"\0" * 9}),
    "tiny/image-files": Repo({"train/a.png": b"no picture"}),
    "tiny/bad-card": Repo({"README.md": b"---\nconfigs: [\n---\n", "rows.jsonl": jsonl({"a": 1})}),
}
