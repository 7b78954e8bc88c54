"""Scores against transformers' own loss, one row at a time, on a tiny random model; then through the chat process."""

from __future__ import annotations

import math
import os
import signal
import threading
from contextlib import closing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from transformers import AutoModelForCausalLM

from playground.chat.engine import Engine, Row
from playground.chat.scoring import LONGEST, MOST_TOKENS, ScoreRow, Scoring
from playground.core.errors import InputError, LimitError, ModelError, WorkerError
from playground.core.settings import Sampling
from playground.models import devices as facts_module
from playground.models.devices import device_facts, memory_of_this_machine, processor_name
from playground.server.processes.chat_client import ChatClient
from playground.server.processes.scoring_queue import ScoringQueue
from tests.conftest import wait_for
from tests.tiny import load_model

pytest_plugins = ["tests.tiny"]

DICE = torch.Generator().manual_seed(3)


def tokens(count):
    return torch.randint(3, 400, (count,), generator=DICE).tolist()


def tail(ids, supervised):
    """Labels of which only the last few count."""
    return [-100] * (len(ids) - supervised) + ids[len(ids) - supervised :]


IDS = [tokens(count) for count in (7, 30, 3, 90, 31, 12, 64)]
ROWS = [(ids, tail(ids, max(len(ids) // 3, 1))) for ids in IDS]
ROWS[1] = (IDS[1], [*IDS[1][:5], *[-100] * 20, *IDS[1][25:]])  # Two stretches, and a first label.
ROWS[5] = (IDS[5], [*[-100] * 3, *IDS[5][3:6], *[-100] * 6])  # Nothing at the end.


@pytest.fixture(scope="module")
def adapters(new_adapter):
    return [None, new_adapter(1, r=4), new_adapter(2, r=11, use_rslora=True, lora_alpha=6)]


@pytest.fixture(scope="module")
def own_loss(tiny_folder, single_thread):
    """own_loss(ids, labels, adapter): (nll, supervised tokens) by transformers' loss, alone in its batch."""
    models = {}

    def score(ids, labels, adapter):
        if adapter not in models:
            model = AutoModelForCausalLM.from_pretrained(tiny_folder, local_files_only=True, dtype=torch.float32)
            models[adapter] = (PeftModel.from_pretrained(model, str(adapter)) if adapter else model).eval()
        count = sum(label != -100 for label in labels[1:])
        with torch.inference_mode():
            loss = models[adapter](input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
        return float(loss) * count, count

    return score


@pytest.fixture
def engine(model, tokenizer):
    return Engine(model, tokenizer, torch.float32)


def scored(engine, rows, tokens=4096):
    scoring = Scoring(engine, rows)
    while not scoring.is_done():
        scoring.advance(tokens)
    return [(row.nll, row.tokens) for row in rows]


def same(found, wanted, rel=1e-5):
    assert [count for _, count in found] == [count for _, count in wanted]
    assert [nll for nll, _ in found] == pytest.approx([nll for nll, _ in wanted], rel=rel, abs=1e-4)


# --- What is scored ---


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("slice_tokens", [1, 5, 64, 4096])
def test_a_score_is_transformers_own_loss(engine, own_loss, adapters, which, slice_tokens):
    """In slices of one token and in one of all rows."""
    rows = [ScoreRow(ids, labels, adapters[which]) for ids, labels in ROWS]
    same(scored(engine, rows, slice_tokens), [own_loss(ids, labels, adapters[which]) for ids, labels in ROWS])


def test_the_adapters_of_these_tests_do_change_the_loss(own_loss, adapters):
    losses = [own_loss(*ROWS[3], adapter)[0] for adapter in adapters]
    assert min(abs(losses[0] - losses[1]), abs(losses[1] - losses[2]), abs(losses[0] - losses[2])) > 1


@pytest.mark.parametrize("slice_tokens", [40, 4096])
def test_base_and_tuned_rows_share_batches_and_base_is_base(engine, own_loss, adapters, slice_tokens):
    mixed = [(ids, labels, adapters[place % 3]) for place, (ids, labels) in enumerate([*ROWS, *ROWS])]
    rows = [ScoreRow(*row) for row in mixed]
    same(scored(engine, rows, slice_tokens), [own_loss(*row) for row in mixed])


@given(st.data())
def test_any_rows_in_any_slices_have_their_own_loss(engine, own_loss, data):
    rows = []
    for _ in range(data.draw(st.integers(1, 5))):
        ids = data.draw(st.lists(st.integers(0, 399), min_size=1, max_size=40))
        labels = [token if data.draw(st.booleans()) else -100 for token in ids]
        rows.append((ids, labels))
    found = scored(engine, [ScoreRow(*row) for row in rows], data.draw(st.integers(1, 100)))
    wanted = [own_loss(*row, None) if any(label != -100 for label in row[1][1:]) else (0.0, 0) for row in rows]
    same(found, wanted)


def test_each_token_has_its_own_probability(engine, model):
    ids, labels = ROWS[1]
    row = ScoreRow(ids, labels)
    scored(engine, [row], 7)
    with torch.inference_mode():
        shares = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    wanted = [float(shares[place - 1, label]) for place, label in enumerate(labels) if place and label != -100]
    assert row.log_probs == pytest.approx(wanted, abs=1e-4)
    assert row.nll == -sum(row.log_probs)


def test_a_label_need_not_be_the_token_that_stands_there(engine, own_loss):
    ids = IDS[3]
    row = ScoreRow(ids, tail(ids[::-1], 9))
    same(scored(engine, [row]), [own_loss(ids, tail(ids[::-1], 9), None)])


def test_rows_without_anything_to_score_cost_nothing(engine, model, monkeypatch):
    monkeypatch.setattr(model, "forward", lambda **_: pytest.fail("asked the model"))
    assert scored(engine, [ScoreRow([], []), ScoreRow([5], [5]), ScoreRow(IDS[0], [-100] * 7)]) == [(0.0, 0)] * 3


def test_what_follows_the_last_label_is_not_read():
    row = ScoreRow(*ROWS[5])
    assert (row.length, row.tokens) == (5, 3)


def test_many_labels_are_looked_up_in_parts(engine, own_loss, monkeypatch):
    monkeypatch.setattr("playground.chat.scoring._AT_ONCE", 3)
    same(scored(engine, [ScoreRow(*row) for row in ROWS]), [own_loss(*row, None) for row in ROWS])


def test_progress_ends_with_all_tokens(engine):
    scoring = Scoring(engine, [ScoreRow(*row) for row in ROWS])
    seen = [scoring.done]
    while not scoring.is_done():
        assert scoring.advance(20) > 0
        seen.append(scoring.done)
    assert seen == sorted(seen) and len(seen) > 5
    assert seen[-1] == scoring.total == sum(ScoreRow(*row).length for row in ROWS)
    assert scoring.advance(20) == 0


def test_slices_are_no_larger_than_asked_where_rows_allow_it(engine, model, monkeypatch):
    sizes = []
    usual = model.forward

    def forward(**inputs):
        sizes.append(inputs["input_ids"].numel())
        return usual(**inputs)

    monkeypatch.setattr(model, "forward", forward)
    scored(engine, [ScoreRow(*row) for row in ROWS], 50)
    assert max(sizes) <= 50 and len(sizes) < len(ROWS) + 3


# --- Refusals ---


def test_a_row_longer_than_the_model_reads_is_refused(engine):
    ids = tokens(1100)  # The tiny model knows 1024 places.
    with pytest.raises(LimitError, match="A row to be scored has 1099 tokens. The limit here is 1024"):
        Scoring(engine, [ScoreRow(ids, ids)])
    engine.model.config.max_position_embeddings = 100_000
    Scoring(engine, [ScoreRow(ids, ids)])
    with pytest.raises(LimitError, match=f"The limit here is {LONGEST}"):
        Scoring(engine, [ScoreRow([5] * (LONGEST + 2), [5] * (LONGEST + 2))])


def test_too_many_tokens_in_all_are_refused(engine):
    rows = [ScoreRow([5] * 1024, [5] * 1024) for _ in range(MOST_TOKENS // 1024 + 1)]
    with pytest.raises(LimitError, match=f"in all. The limit here is {MOST_TOKENS}"):
        Scoring(engine, rows)


@pytest.mark.parametrize(("ids", "labels"), [([5, 400], [5, 7]), ([5, 7], [5, 400]), ([-1, 7], [5, 7])])
def test_tokens_that_the_model_does_not_have_are_refused(engine, ids, labels):
    with pytest.raises(InputError, match="tokens that this model does not have"):
        Scoring(engine, [ScoreRow(*ROWS[0]), ScoreRow(ids, labels)])


def test_labels_must_be_as_many_as_tokens():
    with pytest.raises(ValueError, match="2 tokens have 1 labels"):
        ScoreRow([5, 6], [5])


# --- Beside answers ---


def finish(engine):
    while engine.rows:
        engine.step()


def test_answers_and_scores_do_not_change_each_other(engine, own_loss, adapters):
    def answers():
        return [Row(list(IDS[place]), Sampling(max_new_tokens=20), adapters[place % 3]) for place in range(4)]

    alone = answers()
    engine.join(alone)
    finish(engine)
    among = answers()
    engine.join(among[:2])
    rows = [ScoreRow(*row, adapters[(place + 1) % 3]) for place, row in enumerate(ROWS)]
    scoring = Scoring(engine, rows)
    while not scoring.is_done():
        scoring.advance(25)
        if among[2] not in engine.rows and scoring.done > 60 and not among[2].tokens:
            engine.join(among[2:])
        engine.step()
    finish(engine)
    assert [row.tokens for row in among] == [row.tokens for row in alone]
    same(
        [(row.nll, row.tokens) for row in rows],
        [own_loss(*row, adapters[(place + 1) % 3]) for place, row in enumerate(ROWS)],
    )


def test_an_adapter_in_use_by_a_scoring_does_not_make_room_for_answers(engine, own_loss, adapters, new_adapter):
    engine.bank.capacity = 1
    scoring = Scoring(engine, [row := ScoreRow(*ROWS[3], adapters[1])])
    scoring.advance(10)
    with pytest.raises(InputError, match="adapters are answering at once"):
        engine.join([Row([5, 6], Sampling(max_new_tokens=2), adapters[2])])
    while not scoring.is_done():
        scoring.advance(10)
    same([(row.nll, row.tokens)], [own_loss(*ROWS[3], adapters[1])])
    engine.join([Row([5, 6], Sampling(max_new_tokens=2), adapters[2])])


def test_an_adapter_in_use_by_an_answer_does_not_make_room_for_a_scoring(engine, adapters):
    engine.bank.capacity = 1
    answer = Row(list(IDS[0]), Sampling(max_new_tokens=9), adapters[1])
    engine.join([answer])
    scoring = Scoring(engine, [ScoreRow(*ROWS[3], adapters[2])])
    with pytest.raises(InputError, match="adapters are answering at once"):
        scoring.advance(10)
    finish(engine)
    assert scoring.advance(10) == 10


@pytest.mark.parametrize("fails_at", [1, 3])
def test_a_failure_leaves_the_answers_alone_and_the_batch_begins_again(
    engine, model, own_loss, adapters, monkeypatch, fails_at
):
    alone, among = (Row(list(IDS[1]), Sampling(max_new_tokens=15), adapters[1]) for _ in range(2))
    engine.join([alone])
    finish(engine)
    engine.join([among])
    every = (IDS[3], IDS[3])
    row = ScoreRow(*every, adapters[2])
    scoring = Scoring(engine, [row])
    for _ in range(fails_at - 1):
        scoring.advance(10)
    assert len(row.log_probs) == 10 * (fails_at - 1)
    with monkeypatch.context() as broken:
        broken.setattr(model.lm_head, "forward", lambda _: (_ for _ in ()).throw(RuntimeError("out of luck")))
        with pytest.raises(RuntimeError, match="out of luck"):
            scoring.advance(10)
    assert (scoring.done, row.log_probs, engine.kept) == (0, [], frozenset())
    finish(engine)
    assert among.tokens == alone.tokens
    while not scoring.is_done():
        scoring.advance(10)
    same([(row.nll, row.tokens)], [own_loss(*every, adapters[2])])
    assert scoring.done == scoring.total


# --- The queue of the chat process ---


def order(name, rows=ROWS, each=False):
    return {"op": "score", "id": name, "rows": asked(rows), "each": each}


@pytest.fixture
def said():
    return []


@pytest.fixture
def scorings(said):
    return ScoringQueue(said.append)


def drain(scorings):
    while not scorings.is_empty():
        scorings.step(beside_answers=False)


def test_requests_are_scored_in_their_order(engine, scorings, said, own_loss):
    scorings.add(engine, order("first"))
    scorings.add(engine, order("second", ROWS[:2], each=True))
    drain(scorings)
    last = [message for message in said if message["rows"] is not None]
    assert [message["id"] for message in last] == ["first", "second"]
    same([(row["nll"], row["tokens"]) for row in last[0]["rows"]], [own_loss(*row, None) for row in ROWS])
    assert all(set(row) == {"nll", "tokens"} for row in last[0]["rows"])
    assert [len(row["log_probs"]) for row in last[1]["rows"]] == [row["tokens"] for row in last[1]["rows"]]


def test_nothing_to_score_is_answered_at_once(engine, scorings, said):
    scorings.add(engine, order("empty", []))
    assert scorings.is_empty()
    assert said == [{"event": "scores", "id": "empty", "done": 0, "total": 0, "rows": []}]


def test_a_cancelled_request_says_nothing_more_and_keeps_nothing(engine, scorings, said):
    scorings.add(engine, order("one", [(IDS[3], IDS[3])] * 5))
    scorings.add(engine, order("two", ROWS[:1]))
    scorings.step(beside_answers=False)
    said.clear()
    assert engine.kept  # Ninety tokens are more than the first slice: the batch is in hand.
    scorings.cancel("one")
    assert engine.kept == frozenset()
    drain(scorings)
    assert {message["id"] for message in said} == {"two"}


def test_answers_have_as_much_time_as_scores(engine, scorings, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("playground.server.processes.scoring_queue.time.monotonic", lambda: clock[0])
    slices = []

    def advance(scoring, tokens):
        slices.append(tokens)
        clock[0] += 0.2
        return tokens

    monkeypatch.setattr(Scoring, "advance", advance)
    scorings.add(engine, order("long"))
    for _ in range(10):
        scorings.step(beside_answers=True)
        clock[0] += 0.05  # A step of the answers.
    assert len(slices) == 2
    for _ in range(5):
        scorings.step(beside_answers=False)
    assert len(slices) == 7


def test_slices_become_as_long_as_they_may_take(engine, scorings, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("playground.server.processes.scoring_queue.time.monotonic", lambda: clock[0])
    seconds_a_token = 0.001
    slices = []

    def advance(scoring, tokens):
        slices.append(tokens)
        clock[0] += tokens * seconds_a_token
        return tokens

    monkeypatch.setattr(Scoring, "advance", advance)
    scorings.add(engine, order("long"))
    for _ in range(5):
        scorings.step(beside_answers=False)
    assert slices == [64, 128, 150, 150, 150] or slices[2:] == pytest.approx([150] * 3, abs=1)
    seconds_a_token = 0.1  # The machine got busy.
    for _ in range(3):
        scorings.step(beside_answers=False)
    assert slices[-1] == 64


def test_a_short_rest_does_not_shrink_the_slices(engine, scorings, monkeypatch):
    scorings._slice = 1000
    scorings._fit_slice(3, 0.1)
    assert scorings._slice == 1000


def test_without_memory_slices_shrink_before_it_is_given_up(engine, model, scorings, said, own_loss, monkeypatch):
    usual = model.forward

    def forward(**inputs):
        if inputs["input_ids"].numel() > 20:
            raise torch.OutOfMemoryError("no more")
        return usual(**inputs)

    monkeypatch.setattr(model, "forward", forward)
    scorings.add(engine, order("tight"))
    drain(scorings)
    same([(row["nll"], row["tokens"]) for row in said[-1]["rows"]], [own_loss(*row, None) for row in ROWS])
    monkeypatch.setattr(model, "forward", lambda **_: (_ for _ in ()).throw(torch.OutOfMemoryError("no more")))
    scorings.add(engine, order("none"))
    drain(scorings)
    assert said[-1]["event"] == "refused" and said[-1]["error"] == "LimitError"


@pytest.mark.parametrize("problem", [RuntimeError("cuda"), ValueError("shape"), IndexError("row")])
def test_a_failure_ends_its_request_alone(engine, model, scorings, said, monkeypatch, problem):
    scorings.add(engine, order("bad"))
    with monkeypatch.context() as broken:
        broken.setattr(model, "forward", lambda **_: (_ for _ in ()).throw(problem))
        scorings.step(beside_answers=False)
    scorings.add(engine, order("good"))
    drain(scorings)
    assert [(message["id"], message["event"]) for message in said if message.get("rows") or "error" in message] == [
        ("bad", "refused"),
        ("good", "scores"),
    ]
    assert said[0]["error"] == "WorkerError"


@pytest.mark.parametrize(
    "rows", [None, [{"ids": [5]}], [{"ids": [5, 6], "labels": [5]}], [{"ids": [5, "x"], "labels": [5, 5]}]]
)
def test_an_order_that_is_none_is_refused(engine, scorings, said, rows):
    scorings.add(engine, {"id": "odd", "rows": rows})
    assert scorings.is_empty() and [message["event"] for message in said] == ["refused"]


def test_a_loss_that_is_no_number_is_null(engine, model, scorings, said):
    model.lm_head.weight.data[7] = math.nan
    scorings.add(engine, order("broken", ROWS[:1]))
    drain(scorings)
    assert said[-1]["rows"] == [{"nll": None, "tokens": ROWS[0][1].__len__() - ROWS[0][1].count(-100)}]


# --- Through the process ---

BF16 = 0.03
"""The process computes in bf16 where the CPU has it, which differs so much from fp32; the adapters differ by more."""


@pytest.fixture(scope="module")
def base(tiny_folder):
    return {"folder": str(tiny_folder), "quantization": "none"}


class Overhearing(ChatClient):
    """A client that remembers what its process said of scores."""

    heard: list[dict]

    def _hear(self, message):
        self.heard.append(message)
        super()._hear(message)


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    client = Overhearing(tmp_path_factory.mktemp("chat") / "chat.log")
    client.heard = []
    yield client
    client.close()


def asked(rows=ROWS, adapter=None):
    return [{"ids": ids, "labels": labels, "adapter": adapter} for ids, labels in rows]


def test_the_client_gets_progress_and_the_scores(chat, base, own_loss, adapters):
    for adapter in (None, adapters[1]):
        *progress, last = chat.score(base, asked(ROWS * 20, str(adapter) if adapter else None))
        same(
            [(row["nll"], row["tokens"]) for row in last["rows"]], [own_loss(*row, adapter) for row in ROWS] * 20, BF16
        )
        assert last["done"] == last["total"] == 20 * sum(ScoreRow(*row).length for row in ROWS)
        assert all(set(message) == {"done", "total", "rows"} and message["rows"] is None for message in progress)


def test_the_client_gets_each_token_where_it_asks(chat, base):
    *_, last = chat.score(base, asked(ROWS[:2]), each=True)
    assert [-sum(row["log_probs"]) for row in last["rows"]] == pytest.approx([row["nll"] for row in last["rows"]])


def test_the_client_knows_the_device(chat, base):
    list(chat.score(base, asked(ROWS[:1])))
    assert chat.device == {
        **chat.device,
        **device_facts("none"),
        "free": chat.device["free"],
        "cores": chat.device["cores"],
    }
    assert 0 < chat.device["free"] <= chat.device["total"]


def test_the_client_raises_what_is_refused(chat, base):
    ids = tokens(1100)
    with pytest.raises(LimitError, match="The limit here is 1024"):
        list(chat.score(base, asked([(ids, ids)])))
    with pytest.raises(ModelError):
        list(chat.score({"folder": "/nowhere", "quantization": "none"}, asked()))
    *_, last = chat.score(base, asked(ROWS[:1]))
    assert last["rows"]


def test_closing_cancels_and_answers_go_on_meanwhile(chat, base):
    long = [(ids := tokens(900), ids)] * 60
    question = {"prompt": IDS[0], "stop": [], "sampling": {"max_new_tokens": 30}, "adapter": None}
    *_, alone = chat.reply(base, [question])
    with closing(chat.score(base, asked(long))) as scores:
        next(scores)
        *_, among = chat.reply(base, [question])
        late = next(scores)
        assert late["rows"] is None and late["done"] < late["total"]  # The answer did not wait for the scores.
    assert among[0]["text"] == alone[0]["text"]
    chat.heard.clear()
    *_, last = chat.score(base, asked(ROWS[:1]))
    assert last["total"] == ScoreRow(*ROWS[0]).length
    ended = [message["total"] for message in chat.heard if message["event"] == "scores" and message["rows"]]
    assert ended == [last["total"]]  # Requests are done in their order: the long one was given up.


def test_a_process_that_dies_is_told_and_comes_again(chat, base):
    list(chat.score(base, asked(ROWS[:1])))
    long = [(ids := tokens(900), ids)] * 60
    scores = chat.score(base, asked(long))
    next(scores)
    os.kill(chat._child.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="The chat process died"):
        list(scores)
    wait_for(lambda: chat.state == "ready", 60, "the chat process to come again")
    *_, last = chat.score(base, asked(ROWS[:1]))
    assert last["rows"]


def test_two_score_at_once(chat, base, own_loss):
    found, threads = {}, []

    def ask(name):
        *_, found[name] = chat.score(base, asked(ROWS * 3))

    for name in range(3):
        threads.append(threading.Thread(target=ask, args=(name,)))
        threads[-1].start()
    for thread in threads:
        thread.join(60)
    for last in found.values():
        same([(row["nll"], row["tokens"]) for row in last["rows"]], [own_loss(*row, None) for row in ROWS] * 3, BF16)
    assert len(found) == 3


# --- The device ---


def test_device_facts_are_figures():
    facts = device_facts("none")
    assert set(facts) == {"kind", "name", "total", "free", "dtype_bytes", "quantised", "cores"}
    assert facts["quantised"] is False and facts["dtype_bytes"] in (2, 4) and facts["name"]


def test_a_containers_limit_counts(tmp_path):
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("800000\n")
    (tmp_path / "memory.stat").write_text("anon 500000\ninactive_file 250000\n")
    assert memory_of_this_machine(tmp_path) == (450_000, 1_000_000)
    (tmp_path / "memory.current").write_text("2000000\n")
    assert memory_of_this_machine(tmp_path) == (0, 1_000_000)
    (tmp_path / "memory.stat").unlink()
    (tmp_path / "memory.current").write_text("600000\n")
    assert memory_of_this_machine(tmp_path) == (400_000, 1_000_000)


@pytest.mark.parametrize("limit", ["max", "99999999999999999999", None])
def test_no_limit_is_the_machines_memory(tmp_path, limit):
    if limit:
        (tmp_path / "memory.max").write_text(limit)
        (tmp_path / "memory.current").write_text("1")
    free, total = memory_of_this_machine(tmp_path)
    assert total == facts_module.psutil.virtual_memory().total and 0 < free <= total


def test_the_older_kind_of_container_counts_as_well(tmp_path):
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("1000000")
    (tmp_path / "memory" / "memory.usage_in_bytes").write_text("700000")
    (tmp_path / "memory" / "memory.stat").write_text("inactive_file 5\ntotal_inactive_file 100000")
    assert memory_of_this_machine(tmp_path) == (400_000, 1_000_000)


def test_a_processor_without_a_name_is_called_by_its_kind(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: \nmodel name\t: A fine CPU @ 3 GHz\n")
    assert processor_name(tmp_path / "cpuinfo") == "A fine CPU @ 3 GHz"
    assert processor_name(tmp_path / "none")


# --- The real model ---


@pytest.mark.model
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_everyday_answers_have_the_loss_that_their_readme_tells(model_folder, tmp_path, quantization):
    from playground.core.settings import RenderOptions  # noqa: PLC0415
    from playground.data.general_set import general_rows  # noqa: PLC0415
    from playground.templates.renderer import Renderer, load_tokenizer  # noqa: PLC0415

    renderer = Renderer(load_tokenizer(model_folder))
    rendered = [renderer.render(row["messages"], RenderOptions(), with_spans=False) for row in general_rows("en")]
    client = ChatClient(tmp_path / "chat.log")
    try:
        base = {"folder": str(model_folder), "quantization": quantization}
        *_, last = client.score(base, asked((row.input_ids, row.labels()) for row in rendered))
    finally:
        client.close()
    loss = sum(row["nll"] for row in last["rows"]) / sum(row["tokens"] for row in last["rows"])
    assert loss == pytest.approx(1.02, abs=0.01 if quantization == "none" else 0.2)
    if quantization == "none":
        model = load_model(model_folder)
        for row, score in list(zip(rendered, last["rows"], strict=True))[::8]:
            with torch.inference_mode():
                own = model(input_ids=torch.tensor([row.input_ids]), labels=torch.tensor([row.labels()])).loss
            # bf16 where the CPU has it: its noise is a few hundredths a token.
            assert score["nll"] / score["tokens"] == pytest.approx(float(own), abs=0.05)
