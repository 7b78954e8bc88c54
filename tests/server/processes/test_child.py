"""A child process that is spoken to in JSON, with small programs in the place of ours."""

from __future__ import annotations

import os
import queue
import signal
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from playground.server.processes.child import Child

PATIENCE_S = 30
ECHO = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"heard": json.loads(line)}))
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """start(source, ...) -> (child, messages, ends): a program of these lines as a child."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    children = []

    def begin(source, *arguments, **options):
        (tmp_path / "stand_in_child.py").write_text(source)
        messages, ends = queue.Queue(), queue.Queue()
        child = Child("stand_in_child", *arguments, on_message=messages.put, on_end=ends.put, **options)
        children.append(child)
        return child, messages, ends

    yield begin
    for child in children:
        child.terminate(patience_s=0.1)


def test_messages_go_both_ways(start):
    child, messages, _ = start(ECHO)
    for message in ({"a": 1}, {"text": "鬱\u2028\n"}, {"long": "x" * 1_000_000}):
        assert child.send(message)
        assert messages.get(timeout=PATIENCE_S) == {"heard": message}
    assert child.is_alive()


def test_arguments_reach_the_program(start):
    _, messages, _ = start("import json, sys; print(json.dumps({'got': sys.argv[1:]}))", "one", "two words")
    assert messages.get(timeout=PATIENCE_S) == {"got": ["one", "two words"]}


def test_what_a_library_prints_is_no_message(start):
    _, messages, ends = start("print('Loading weights...'); print('[1]'); print('3'); print(''); print('{\"a\": 1}')")
    assert ends.get(timeout=PATIENCE_S) == 0
    assert messages.get_nowait() == {"a": 1}
    assert messages.empty()


def test_the_end_is_told_once_after_the_last_message_with_the_exit_code(start):
    child, messages, ends = start("print('{\"last\": 1}', flush=True); raise SystemExit(3)")
    assert ends.get(timeout=PATIENCE_S) == 3
    assert messages.get_nowait() == {"last": 1}
    assert ends.empty()
    assert (child.is_alive(), child.wait()) == (False, 3)


def test_a_killed_child_is_told_by_its_signal_and_cannot_be_sent_to(start):
    child, _, ends = start(ECHO)
    os.kill(child.pid, signal.SIGKILL)
    assert ends.get(timeout=PATIENCE_S) == -signal.SIGKILL
    assert child.send({"a": 1}) is False
    assert not child.is_alive()


def test_a_module_that_does_not_exist_ends_with_a_code(start, tmp_path):
    with open(tmp_path / "log.txt", "wb") as log:
        _, _, ends = start("import no_such_module_anywhere", log=log)
        assert ends.get(timeout=PATIENCE_S) == 1
    assert "no_such_module_anywhere" in (tmp_path / "log.txt").read_text()


POLITE = """
import signal, sys, time
def bye(*_):
    print('{"said": "bye"}', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, bye)
print('{"ready": 1}', flush=True)
while True: time.sleep(0.05)
"""
STUBBORN = POLITE.replace("signal.SIGTERM, bye", "signal.SIGTERM, signal.SIG_IGN")


def test_terminate_asks_first(start):
    child, messages, ends = start(POLITE)
    messages.get(timeout=PATIENCE_S)
    child.terminate(patience_s=PATIENCE_S)
    assert messages.get(timeout=PATIENCE_S) == {"said": "bye"}
    assert ends.get(timeout=PATIENCE_S) == 0


def test_terminate_kills_who_does_not_listen(start):
    child, messages, ends = start(STUBBORN)
    messages.get(timeout=PATIENCE_S)
    child.terminate(patience_s=0.1)
    assert ends.get(timeout=PATIENCE_S) == -signal.SIGKILL


def test_a_dead_child_can_be_terminated(start):
    child, _, ends = start("pass")
    ends.get(timeout=PATIENCE_S)
    child.terminate()


TELL = """
import json, os, sys
names = ("HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM")
try:
    import playground.core.i18n as words
except ImportError:
    words = None
print(json.dumps({"env": {name: os.environ.get(name) for name in names}, "nice": os.nice(0),
                  "session": os.getsid(0), "pid": os.getpid(), "finds": words is not None}))
"""


def test_a_child_is_offline_in_a_session_of_its_own_and_finds_the_package(start, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    child, messages, _ = start(TELL)
    told = messages.get(timeout=PATIENCE_S)
    assert told["env"] == {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    assert told["session"] == told["pid"] == child.pid != os.getsid(0)
    assert told["nice"] == os.nice(0)
    assert told["finds"]


def test_a_child_may_be_let_online_and_made_nice(start, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    child, messages, _ = start(TELL, offline=False, niceness=5)
    told = messages.get(timeout=PATIENCE_S)
    assert told["env"]["HF_HUB_OFFLINE"] is None
    assert told["nice"] == min(os.nice(0) + 5, 19)
    assert told["pid"] == child.pid  # Or signals would go to `nice` alone.


def test_many_threads_may_send_at_once(start):
    child, messages, _ = start(ECHO)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda number: child.send({"number": number, "filling": "x" * 5000}), range(100)))
    heard = [messages.get(timeout=PATIENCE_S)["heard"]["number"] for _ in range(100)]
    assert sorted(heard) == list(range(100))


def test_a_child_whose_parent_closes_its_input_can_end_by_itself(start):
    child, _, ends = start(ECHO)
    child._process.stdin.close()
    assert ends.get(timeout=PATIENCE_S) == 0
    assert not psutil.pid_exists(child.pid) or not child.is_alive()
