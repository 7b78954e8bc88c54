"""Hostile templates and files meet processes that can be killed; everyone else is served as before."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import psutil
import pyarrow.parquet as pq
import pytest

from playground.core.errors import InputError, LimitError, PlaygroundError, WorkerError
from playground.core.i18n import Sentence
from playground.core.settings import DatasetOptions, Limits, RenderOptions, TrainSettings
from playground.data.source import Source
from playground.server.processes.child import ROOT
from playground.server.sandbox.pool import Sandbox
from playground.server.sandbox.requests import CheckRows, RenderPreview, RenderPrompt, Request, WriteRows
from playground.templates.renderer import Renderer

pytest_plugins = ["tests.tiny"]

LIMITS = Limits(sandbox_bytes=1_000_000_000)
HELLO = [{"role": "user", "content": "Hi"}]
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
SLOW = "{% for a in range(300) %}{% for b in range(3000) %}{% endfor %}{% endfor %}done"
ROWS = Source(b'{"prompt": "Hi", "completion": "Ahoy"}\n' * 5 + b"broken\n", "")


@pytest.fixture(scope="module")
def sandbox():
    """One for all: it is what they try to break."""
    box = Sandbox(LIMITS, workers=2)
    box.start()
    yield box
    box.close()


def preview(box, template, seconds=20.0, messages=HELLO, folder=""):
    return box.run(RenderPreview(folder, template, LIMITS, messages, RenderOptions()), seconds=seconds)


def is_well(box):
    return preview(box, "{{ messages[0].content }} there")["text"] == "Hi there"


# --- Work as usual ---


def test_a_preview_gives_text_and_chips(sandbox, tiny_folder, tokenizer):
    messages = [*HELLO, {"role": "assistant", "content": "Ahoy 🙂"}]
    found = preview(sandbox, "", messages=messages, folder=str(tiny_folder))
    rendered = Renderer(tokenizer).render(messages, RenderOptions())
    assert found["text"] == rendered.text
    assert [chip["id"] for chip in found["tokens"]] == rendered.input_ids
    assert [int(chip["trained"]) for chip in found["tokens"]] == rendered.loss_mask
    assert found["mask"] == "sentinels"
    assert found["spans"] == [asdict(span) for span in rendered.spans]


def test_without_a_tokenizer_a_preview_is_text_alone(sandbox):
    assert preview(sandbox, "qwen3")["tokens"] == []
    assert is_well(sandbox)


def test_a_preview_that_marks_nothing_says_why(sandbox, tiny_folder):
    template = "{{ messages | length }}{% for m in messages %}{{ m.content | length }}{% endfor %}"
    messages = [*HELLO, {"role": "assistant", "content": "Ahoy"}]
    found = preview(sandbox, template, messages=messages, folder=str(tiny_folder))
    assert (found["text"], found["mask"]) == ("224", "none")
    assert "content_rewritten" in [finding["code"] for finding in found["findings"]]


def test_a_continued_answer_does_not_blame_the_template(sandbox, tiny_folder):
    messages = [*HELLO, {"role": "assistant", "content": "Ahoy"}]
    options = RenderOptions(continue_final_message=True)
    found = sandbox.run(RenderPreview(str(tiny_folder), "", LIMITS, messages, options), seconds=20.0)
    assert [finding["code"] for finding in found["findings"] if finding["severity"] != "info"] == []


def test_errors_come_through_with_their_words_in_every_language(sandbox):
    with pytest.raises(InputError, match="The conversation, message 1 has no role") as problem:
        preview(sandbox, "{{ 1 }}", messages=[{"content": "Hi"}])
    assert isinstance(problem.value.arrived, Sentence)
    assert problem.value.arrived.template == "{where} has no role."


def test_a_dataset_is_counted_and_its_first_rows_are_shown(sandbox, tiny_folder):
    found = sandbox.run(CheckRows(str(tiny_folder), ROWS, DatasetOptions(), LIMITS), seconds=20.0)
    assert (found["rows"], found["usable_rows"], found["format"]) == (6, 5, "prompt_completion")
    assert 6 in [finding["row"] for finding in found["findings"] if finding["severity"] == "error"]
    assert [row["row"] for row in found["preview"]] == [1, 2, 3]


def test_the_first_rows_are_told_before_the_rest_is_done_and_then_how_far_it_is(sandbox, tiny_folder):
    rows, news = Source(ROWS.raw * 200, ""), []
    found = sandbox.run(CheckRows(str(tiny_folder), rows, DatasetOptions(), LIMITS), seconds=20.0, tell=news.append)
    assert [row["row"] for row in news[0]["preview"]] == [1, 2, 3]
    assert news[0]["preview"] == found["preview"] and news[0]["rows"] == found["rows"] == 1200
    fractions = [item["fraction"] for item in news]
    assert fractions[0] == 0 and len(fractions) > 3
    assert fractions == sorted(fractions) and fractions[-1] <= 1


def test_work_that_nobody_wants_any_more_is_stopped(sandbox, tiny_folder):
    class Enough(Exception):
        pass

    def tell(_):
        raise Enough

    rows = Source(ROWS.raw * 3000, "")
    with pytest.raises(Enough):
        sandbox.run(CheckRows(str(tiny_folder), rows, DatasetOptions(), LIMITS), seconds=60.0, tell=tell)
    assert eventually(lambda: not slowed_down(sandbox))
    assert is_well(sandbox)


def test_a_runs_rows_are_written_as_the_preview_shows_them(sandbox, tiny_folder, tokenizer, tmp_path):
    settings = TrainSettings(held_out=0.4, seed=7)
    counts = sandbox.run(WriteRows(str(tiny_folder), ROWS, settings, LIMITS, str(tmp_path)), seconds=20.0)
    assert (counts["train_rows"], counts["held_out_rows"]) == (4, 1)  # The broken row is drawn as well.
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert lines == [{"messages": [*HELLO, {"role": "assistant", "content": "Ahoy"}]}] * 5
    table = pq.read_table(tmp_path / "rendered.parquet").to_pydict()
    rendered = Renderer(tokenizer).render([*HELLO, {"role": "assistant", "content": "Ahoy"}], RenderOptions())
    assert table["row"] == [1, 2, 3, 4, 5]
    assert table["input_ids"] == [rendered.input_ids] * 5
    assert table["labels"] == [rendered.labels()] * 5
    told = sandbox.run(CheckRows(str(tiny_folder), ROWS, settings.dataset_options(), LIMITS), seconds=20.0)["split"]
    assert [row for row, out in zip(table["row"], table["held_out"], strict=True) if out] == told["held_out_rows"]


def test_a_prompt_ends_where_the_model_is_to_answer(sandbox, tiny_folder, tokenizer):
    options = RenderOptions()
    prompt = sandbox.run(RenderPrompt(str(tiny_folder), "", LIMITS, HELLO, options), seconds=20.0)
    assert prompt["ids"] == tokenizer.apply_chat_template(HELLO, add_generation_prompt=True)["input_ids"]
    assert prompt["stop"] == [tokenizer.convert_tokens_to_ids("<|im_end|>")]
    with pytest.raises(InputError, match="limit here is 10"):
        short = Limits(prompt_tokens=10)
        sandbox.run(RenderPrompt(str(tiny_folder), "", short, HELLO, options), seconds=20.0)


def test_a_template_longer_than_the_limit_is_refused(sandbox):
    with pytest.raises(InputError, match="limit here is 200000"):
        preview(sandbox, "{{ 1 }}" + " " * 200_000)


# --- Time ---


@pytest.mark.parametrize(
    "template",
    [
        ENDLESS,
        "{{ 9 ** (9 ** 9) }}",  # One call into C, folded while compiling, that no Python exception could end.
        "{{ messages[0].content and 7 ** (7 ** (7 + messages | length)) }}",
    ],
)
def test_a_template_that_never_ends_is_ended(sandbox, template):
    with pytest.raises(LimitError, match="longer than 0.3 seconds"):
        preview(sandbox, template, seconds=0.3)
    assert is_well(sandbox)


def kill_all(box):
    for pid in processes_of(box):
        os.kill(pid, signal.SIGKILL)


def test_a_dataset_that_takes_its_time_holds_up_no_preview(sandbox, tiny_folder):
    hostile = DatasetOptions(template=ENDLESS)
    with ThreadPoolExecutor(4) as pool:
        endless = [
            pool.submit(sandbox.run, CheckRows(str(tiny_folder), ROWS, hostile, LIMITS), seconds=60.0) for _ in range(4)
        ]
        for _ in range(5):
            assert is_well(sandbox)
        assert not any(future.done() for future in endless)
        while not all(future.done() for future in endless):
            kill_all(sandbox)
            time.sleep(0.2)
        assert all(isinstance(future.exception(), WorkerError) for future in endless)


def test_previews_that_never_end_hold_up_no_other(sandbox):
    """Many more of them than there are places for."""
    with ThreadPoolExecutor(16) as pool:
        endless = [pool.submit(preview, sandbox, ENDLESS, 60.0) for _ in range(16)]
        for _ in range(5):
            assert is_well(sandbox)
        assert eventually(lambda: any(future.done() for future in endless))
        stopped = [future.exception() for future in endless if future.done()]
        assert all(isinstance(end, LimitError) and "others were waiting" in str(end) for end in stopped)
        while not all(future.done() for future in endless):
            kill_all(sandbox)
            time.sleep(0.2)


def test_a_slow_preview_that_nobody_waits_behind_is_finished(sandbox):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: preview(sandbox, SLOW)["text"], range(4)))
    assert found == ["done"] * 4


def test_a_deadline_is_over_with_its_job(sandbox):
    """What waits for its next job is not ended by the deadline of the last."""

    def who_did_it():
        return [worker.pid for worker in sandbox._fork_servers[""].idle if worker.seconds == 1.0]

    def is_kept():  # On a machine that is busy a job may be too slow for its worker to be kept.
        with contextlib.suppress(LimitError):
            preview(sandbox, "{{ 1 }}", seconds=1.0)
        return who_did_it()

    assert eventually(is_kept)
    waiting = set(who_did_it())
    time.sleep(1.5)
    assert waiting <= set(processes_of(sandbox))


# --- Memory and nesting ---


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 2000000000 }}",
        "{{ 'a' | center(2000000000) }}",
        "{{ (messages[0].content * 1000000000) | length }}",
        "{% set ns = namespace(s='a' * 1000000) %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{{ '%2000000000d' % 1 }}",
        "{{ [0] * 1000000000 }}",
    ],
)
def test_a_template_that_wants_too_much_memory_is_refused(sandbox, template):
    with pytest.raises((LimitError, InputError), match="memory|refuses"):
        preview(sandbox, template)
    assert is_well(sandbox)


@pytest.mark.parametrize(
    "template",
    [
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
        "{{ " + "[" * 3000 + "]" * 3000 + " }}",
        "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
        "{{ " + "not " * 20_000 + "1 }}",
    ],
)
def test_a_template_nested_without_end_is_refused(sandbox, template):
    with pytest.raises(PlaygroundError):
        preview(sandbox, template)
    assert is_well(sandbox)


def nested(depth):
    deep: list = []
    for _ in range(depth):
        deep = [deep]
    return [{"role": "user", "content": "Hi", "name": deep}]


def test_a_row_nested_too_deeply_ends_no_worker(sandbox, tiny_folder):
    row = b'{"messages": [{"role": "assistant", "content": "Ahoy", "name": ' + b"[" * 900 + b"]" * 900 + b"}]}\n"
    with contextlib.suppress(PlaygroundError):
        sandbox.run(CheckRows(str(tiny_folder), Source(row + ROWS.raw, ""), DatasetOptions(), LIMITS), seconds=20.0)
    assert is_well(sandbox)


def test_a_conversation_that_cannot_even_be_sent_is_refused(sandbox):
    with pytest.raises(PlaygroundError):
        preview(sandbox, "{{ 1 }}", messages=nested(900))
    assert is_well(sandbox)


# --- Escapes ---


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__class__.__base__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__['os'].environ }}",
        "{{ raise_exception.__globals__ }}",
        "{{ strftime_now.__code__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ '{0.__class__.__base__}'.format(messages) }}",
        "{{ '{0.__class__}'.format_map({'0': messages}) }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update(role='system') }}",
        "{% import 'os' as os %}{{ os }}",
        "{{ tojson.__globals__ }}",
    ],
)
def test_a_template_cannot_reach_out_of_its_sandbox(sandbox, template):
    try:
        text = preview(sandbox, template)["text"]
    except InputError:
        return
    assert text.strip() == ""  # The sandbox lets a forbidden attribute be printed as nothing.


def test_a_template_cannot_change_what_the_next_one_sees(sandbox):
    for _ in range(4):
        with pytest.raises(InputError):
            preview(sandbox, "{% set _ = messages[0].update(content='changed') %}")
        assert is_well(sandbox)


# --- Processes ---


def processes_of(box):
    """Every process of the sandbox but the first fork server."""
    first = box._process.pid
    return [pid for pid in psutil.pids() if pid != first and group_of(pid) == first]


def group_of(pid):
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def parent_of(pid):
    return psutil.Process(pid).ppid()


def eventually(question):
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if question():
            return True
        time.sleep(0.02)
    return False


def slowed_down(box):
    """Pids of the workers that are at something slow."""
    return [pid for pid in processes_of(box) if os.getpriority(os.PRIO_PROCESS, pid) > 0]


def test_a_killed_worker_costs_one_request(sandbox):
    assert eventually(lambda: not slowed_down(sandbox))  # Those of the tests before.
    with ThreadPoolExecutor(1) as pool:
        victim = pool.submit(preview, sandbox, ENDLESS, 60.0)
        assert eventually(lambda: slowed_down(sandbox))
        [worker] = slowed_down(sandbox)
        os.kill(worker, signal.SIGKILL)
        assert isinstance(victim.exception(), WorkerError)
    assert is_well(sandbox)


def test_a_worker_that_is_killed_while_idle_costs_nothing(sandbox):
    """As the kernel does when memory is short."""
    assert is_well(sandbox)
    kill_all(sandbox)
    assert is_well(sandbox)


def test_a_fork_server_that_is_killed_is_replaced(sandbox, tiny_folder):
    first = sandbox._process.pid
    for _ in range(2):
        assert preview(sandbox, "", folder=str(tiny_folder))["tokens"]
        kill_all(sandbox)
        assert eventually(lambda: not processes_of(sandbox))
    assert preview(sandbox, "", folder=str(tiny_folder))["tokens"]
    assert sandbox._process.pid == first
    os.kill(first, signal.SIGKILL)
    kill_all(sandbox)
    sandbox._process.wait()
    assert preview(sandbox, "", folder=str(tiny_folder))["tokens"]
    assert is_well(sandbox)
    assert sandbox._process.pid != first


def test_a_fresh_worker_has_its_tokenizer_loaded(sandbox, tiny_folder, tmp_path):
    """It could not load this one: the folder is empty by then."""
    folder = shutil.copytree(tiny_folder, tmp_path / "tokenizer")
    before = preview(sandbox, "", folder=str(folder))
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(LimitError):
        preview(sandbox, ENDLESS, seconds=0.3, folder=str(folder))
    assert preview(sandbox, "", folder=str(folder)) == before


def test_a_tokenizer_that_takes_long_to_load_holds_up_nobody_else(sandbox, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "huge")
    huge = json.loads((folder / "tokenizer.json").read_text())
    token = huge["added_tokens"][0]
    huge["added_tokens"] += [{**token, "id": 400 + number, "content": f"<{number}>"} for number in range(100_000)]
    (folder / "tokenizer.json").write_text(json.dumps(huge))
    others = set(processes_of(sandbox))
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(preview, sandbox, "", folder=str(folder)) for _ in range(8)]
        assert eventually(lambda: set(processes_of(sandbox)) - others)
        assert is_well(sandbox)
        assert not any(future.done() for future in waiting)
        kill_all(sandbox)
        ends = [future.exception(timeout=30) for future in waiting]
    assert all(isinstance(end, WorkerError) for end in ends)
    assert is_well(sandbox)


def test_many_tokenizers_are_served_and_few_kept(sandbox, tiny_folder, tmp_path):
    folders = [str(shutil.copytree(tiny_folder, tmp_path / str(number))) for number in range(6)]
    texts = {preview(sandbox, "", folder=folder)["text"] for folder in [*folders, *folders[:2]]}
    assert len(texts) == 1
    assert set(sandbox._fork_servers) == {"", *folders[4:], *folders[:2]}
    assert is_well(sandbox)


def test_many_ask_at_once_and_each_gets_its_own_answer(sandbox):
    def ask(number):
        found = preview(sandbox, "{{ messages[0].content }}!", messages=[{"role": "user", "content": str(number)}])
        return found["text"]

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, range(40))) == [f"{number}!" for number in range(40)]


def test_a_sandbox_that_was_not_started_or_is_closed_says_so_and_leaves_nothing_behind(tiny_folder):
    box = Sandbox(LIMITS)
    with pytest.raises(WorkerError, match="not running"):
        is_well(box)
    box.start()
    assert preview(box, "", folder=str(tiny_folder))["tokens"]
    group = box._process.pid
    assert len(processes_of(box)) >= 2
    with ThreadPoolExecutor(1) as pool:
        endless = pool.submit(preview, box, ENDLESS, 60.0)
        assert eventually(lambda: len(processes_of(box)) >= 3)
        box.close()
        box.close()
        assert isinstance(endless.exception(), WorkerError)
    with pytest.raises(WorkerError, match="not running"):
        is_well(box)
    assert eventually(lambda: not [pid for pid in psutil.pids() if group_of(pid) == group])


def test_a_folder_without_a_tokenizer_is_an_error_for_people(sandbox, tmp_path):
    with pytest.raises(PlaygroundError):
        preview(sandbox, "{{ 1 }}", folder=str(tmp_path))


def test_a_request_that_no_job_answers_is_an_error_for_people(sandbox):
    with pytest.raises(WorkerError):
        sandbox.run(Request(""), seconds=5.0)


FROM_ELSEWHERE = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from playground.core.settings import Limits
from playground.server.sandbox.pool import Sandbox
from playground.server.sandbox.requests import WarmUp
box = Sandbox(Limits(), 1)
box.start()
box.run(WarmUp(""), seconds=60.0)
print(box._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_runs_wherever_the_app_is_started_from_and_ends_when_the_app_is_killed(tmp_path):
    (tmp_path / "start.py").write_text(FROM_ELSEWHERE)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run(
        [sys.executable, "start.py", str(ROOT)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    group = int(told.stdout)
    assert eventually(lambda: not [pid for pid in psutil.pids() if group_of(pid) == group])


def test_no_process_is_forked_from_the_asking_one(sandbox):
    """It has threads, whose locks nobody would open in a fork of it."""
    assert is_well(sandbox)
    assert processes_of(sandbox)
    assert os.getpid() not in {parent_of(pid) for pid in processes_of(sandbox)}
