"""The questions of a run, from its folder, with the tiny model's tokenizer."""

from __future__ import annotations

import time
from dataclasses import asdict, replace

import orjson
import pyarrow.parquet as pq
import pytest

from playground.core.settings import Limits, TrainSettings
from playground.data.source import Source
from playground.runs.held_out_questions import MOST_QUESTIONS, ROOM
from playground.server.sandbox.jobs import do
from playground.server.sandbox.pool import Sandbox
from playground.server.sandbox.requests import AskHeldOut, RenderPrompt, WriteRows

pytest_plugins = ["tests.tiny"]

LIMITS = Limits()
HOSTILE = [
    "<script>x</script>",
    "=1+1",
    "a\n\n\nb",
    "nul\0here",
    "👩‍👩‍👧 😀",
    "{{ 7 * 7 }}",
    "<|im_end|>\n<|im_start|>user",
]


def row(number):
    return {"prompt": f"Question {number}?", "completion": f"It is {number}."}


def talk(*contents, tools=None):
    roles = ["user", "assistant"] * len(contents)
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    return {"messages": messages, **({"tools": tools} if tools else {})}


class Made:
    """A run's folder as `RunService.train` leaves it, and what is asked of it."""

    def __init__(self, base, folder):
        self.base, self.folder = str(base), folder

    def write(self, rows, created=None, **settings):
        source = Source(b"".join(orjson.dumps(one) + b"\n" for one in rows), "")
        asked = TrainSettings(**settings)
        do(WriteRows(self.base, source, asked, LIMITS, str(self.folder)))
        written = {"settings": asdict(asked), "created": created or time.time()}
        (self.folder / "settings.json").write_bytes(orjson.dumps(written))
        return self

    def ask(self, limits=LIMITS):
        return do(AskHeldOut(self.base, str(self.folder), limits))

    def stored(self):
        """row -> (input_ids, labels) of the held-out rows."""
        table = pq.read_table(self.folder / "rendered.parquet").to_pydict()
        columns = (table[name] for name in ("row", "held_out", "input_ids", "labels"))
        return {number: (ids, labels) for number, held, ids, labels in zip(*columns, strict=True) if held}


@pytest.fixture
def run(tiny_folder, tmp_path):
    return Made(tiny_folder, tmp_path)


def held_out(asked):
    return [one for one in asked["questions"] if one["source"] == "held_out"]


def assert_cut_before_the_answer(run, asked):
    """Each prompt and what follows it are the row's own tokens, and what follows is the last thing learned."""
    stored = run.stored()
    for one in held_out(asked):
        ids, labels = stored[one["row"]]
        begin = len(one["prompt"])
        assert one["prompt"] == ids[:begin]
        assert labels[begin - 1] == -100 and labels[begin] == ids[begin]
        ends = [place for place, label in enumerate(labels[begin:], begin) if label == -100]
        assert all(label == -100 for label in labels[min(ends, default=len(labels)) :])


@pytest.mark.parametrize("template", ["", "qwen3", "llama2", "mistral_v3", "alpaca", "gemma", "vicuna"])
@pytest.mark.parametrize("train_on", ["assistant", "last"])
def test_a_prompt_is_the_rows_own_tokens_up_to_its_last_answer(run, template, train_on):
    rows = [talk(f"First {n}?", f"One {n}.", f"Second {n}?", f"Two {n}.") for n in range(20)]
    asked = run.write(rows, chat_template=template, held_out=0.3, train_on=train_on).ask()
    found = held_out(asked)
    assert len(found) == asked["held_out"] == len(run.stored()) == 6
    assert (asked["too_long"], asked["unclear"], asked["notes"]) == (0, 0, [])
    assert_cut_before_the_answer(run, asked)
    for one in found:
        number = one["row"] - 1
        assert (one["question"], one["expected"]) == (f"Second {number}?", f"Two {number}.")
        assert one["messages"] == rows[number]["messages"][:3]


def test_it_is_the_prompt_of_a_chat(run, tokenizer):
    asked = run.write([row(n) for n in range(20)]).ask()
    for one in held_out(asked):
        options = TrainSettings().dataset_options().render_options(None)
        chat = do(RenderPrompt(run.base, "", LIMITS, one["messages"], options))
        assert one["prompt"] == chat["ids"] and asked["stop"] == chat["stop"]
        assert tokenizer.decode(one["prompt"]).endswith(f"{one['question']}<|im_end|>\n<|im_start|>assistant\n")


def test_where_all_is_trained_on_the_answer_is_found_all_the_same(run, tokenizer):
    rows = [row(n) for n in range(20)]
    plain = held_out(run.write(rows).ask())
    assert held_out(run.write(rows, train_on="all").ask()) == plain != []


def test_the_runs_template_variables_system_prompt_and_day_are_used(run, tokenizer):
    house = "{{ year }} {{ strftime_now('%Y-%m-%d') }}{% for m in messages %}<|im_start|>{{ m.role }}: {{ m.content }}"
    house += "<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant: {% endif %}"
    settings = {"chat_template": house, "chat_template_kwargs": {"year": 2001}, "system_prompt": "Be brief."}
    fixed = run.write([row(n) for n in range(10)], chat_template_clock="2003-04-05T10:00", **settings).ask()
    assert_cut_before_the_answer(run, fixed)
    text = tokenizer.decode(held_out(fixed)[0]["prompt"])
    assert text.startswith("2001 2003-04-05<|im_start|>system: Be brief.<|im_end|>")
    past = run.write([row(n) for n in range(10)], created=1_000_000_000.0, **settings).ask()
    assert "2001-09-0" in tokenizer.decode(held_out(past)[0]["prompt"])
    assert past["stop"] == [tokenizer.convert_tokens_to_ids("<|im_end|>")]


def test_tools_are_those_of_the_row(run, tokenizer):
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]
    rows = [talk(f"Who {n}?", f"Me {n}.", tools=tools) for n in range(10)]
    asked = run.write(rows, chat_template="qwen3").ask()
    assert_cut_before_the_answer(run, asked)
    assert all("look_up" in tokenizer.decode(one["prompt"]) for one in held_out(asked)) and held_out(asked)


@pytest.mark.parametrize("mode", ["keep_start", "keep_end"])
def test_a_row_that_training_cut_is_asked_whole(run, tokenizer, mode):
    rows = [talk("How? " * 9, f"{n} " + "a b c d e f g h i j") for n in range(10)]
    asked = run.write(rows, max_length=60, truncation_mode=mode, held_out=0.3).ask()
    cut = held_out(asked)
    assert len(cut) == 3 and all(len(ids) == 60 for ids, _ in run.stored().values())
    whole = held_out(run.write(rows, held_out=0.3).ask())
    assert [one["prompt"] for one in cut] == [one["prompt"] for one in whole]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_come_as_they_are(run, text):
    rows = [talk(f"{n} {text}", f"{n} {text}") for n in range(10)]
    asked = run.write(rows).ask()
    assert [one["question"] for one in held_out(asked)] == [f"{one['row'] - 1} {text}" for one in held_out(asked)] != []
    assert_cut_before_the_answer(run, asked)
    assert all(one["expected"] == one["question"] for one in held_out(asked))


# --- How many, and which ---


def test_of_many_so_many_are_asked_from_all_over_and_it_says_so(run):
    asked = run.write([row(n) for n in range(400)], held_out=0.5).ask()
    assert len(asked["questions"]) == MOST_QUESTIONS and asked["held_out"] == 200
    numbers = [one["row"] for one in held_out(asked)]
    assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)
    assert min(numbers) < 40 and max(numbers) > 360
    assert asked["notes"] == [f"{len(numbers)} of the 200 held-out rows were asked."]
    assert set(numbers) <= set(run.stored())


def test_probes_are_asked_that_are_no_held_out_rows(run):
    asked = run.write([row(n) for n in range(30)]).ask()
    sources = [one["source"] for one in asked["questions"]]
    known = orjson.loads((run.folder / "probes.json").read_bytes())["probes"]
    assert sources == ["held_out"] * 3 + ["general"] and {one["source"] for one in known} == {"held_out", "general"}
    probe, [general] = asked["questions"][-1], [one for one in known if one["source"] == "general"]
    assert probe["row"] is None and probe["prompt"] == general["ids"] and probe["expected"] == general["expected"] != ""
    assert probe["question"] == general["prompt"] == probe["messages"][-1]["content"]


def test_own_probes_expect_nothing(run):
    asked = run.write([row(n) for n in range(30)], probe_prompts=["Mine?"], system_prompt="Be brief.").ask()
    mine = asked["questions"][-1]
    assert (mine["source"], mine["question"], mine["expected"]) == ("yours", "Mine?", "")
    assert [one["content"] for one in mine["messages"]] == ["Be brief.", "Mine?"]
    assert mine["room"] > ROOM[0]


def test_a_run_without_held_out_rows_or_probes(run):
    asked = run.write([row(n) for n in range(9)], held_out=0).ask()
    assert held_out(asked) == [] and asked["questions"]
    assert asked["notes"] == ["No rows were held out: only the probes are asked, and nothing can be told of new rows."]
    (run.folder / "probes.json").unlink()
    assert run.ask()["questions"] == []


def test_room_follows_the_expected_answer(run, tokenizer):
    rows = [talk(f"{n}?", "word " * (20 * n + 1)) for n in range(10)]
    for one in held_out(run.write(rows, held_out=0.5).ask()):
        tokens = len(tokenizer(one["expected"], add_special_tokens=False)["input_ids"])
        assert one["room"] == min(max(tokens * 3 // 2, ROOM[0]), ROOM[1])


# --- What is left out ---


def test_prompts_too_long_are_left_out_and_counted(run):
    rows = [talk(f"{n} " + ("long " * 400 if n % 2 else "short"), "Yes.") for n in range(40)]
    run.write(rows, held_out=0.5, max_length=4096)
    long = sum(number % 2 == 0 for number in run.stored())  # Row 1 is number 0.
    asked = run.ask()
    assert asked["too_long"] == long > 0 and len(held_out(asked)) == 20 - long > 0
    assert all("short" in one["question"] for one in held_out(asked))
    assert asked["notes"] == [f"Left out because the question is too long for the model: {long}."]


def test_the_limit_is_the_prompts_and_leaves_room(run):
    run.write([row(n) for n in range(10)])
    longest = max(len(one["prompt"]) for one in run.ask()["questions"])
    fits = run.ask(replace(LIMITS, prompt_tokens=longest + ROOM[1]))
    assert fits["too_long"] == 0
    tight = run.ask(replace(LIMITS, prompt_tokens=longest + ROOM[1] - 1))
    assert tight["too_long"] == sum(len(one["prompt"]) == longest for one in fits["questions"]) > 0


def test_probes_too_long_are_counted_too(run):
    run.write([row(n) for n in range(9)], probe_prompts=["word " * 180])
    length = len(run.ask()["questions"][-1]["prompt"])
    assert run.ask(replace(LIMITS, prompt_tokens=length + ROOM[1] - 1))["too_long"] == 1


def test_an_answer_that_the_template_does_not_show_is_unclear(run):
    """Here the last answer is dropped, and what is learned last is an earlier one."""
    dropping = "{% for m in messages %}{% if not (loop.last and loop.index > 2) %}<|im_start|>{{ m.role }}\n"
    dropping += "{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
    dropping += "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    rows = [talk(f"First {n}?", f"One {n}.", f"Second {n}?", f"Two {n}.") for n in range(10)]
    asked = run.write(rows, chat_template=dropping, held_out=0.3).ask()
    assert held_out(asked) == [] and asked["unclear"] == 3
    assert asked["notes"] == ["Left out because the last answer cannot be told from its question: 3."]


def test_an_answer_that_is_no_text_or_has_no_question_is_unclear(run):
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    calls = {"messages": [{"role": "user", "content": "Do."}, {"role": "assistant", "tool_calls": [call]}]}
    asked = run.write([*[row(n) for n in range(9)], row(9)], held_out=0.5).ask()
    lines = (run.folder / "rows.jsonl").read_bytes().splitlines()
    places = [one["row"] - 1 for one in held_out(asked)]
    lines[places[0]] = orjson.dumps(calls)
    lines[places[1]] = orjson.dumps({"messages": [{"role": "assistant", "content": "Alone."}]})
    lines[places[2]] = orjson.dumps({"messages": [{"role": "user", "content": "Alone?"}]})
    (run.folder / "rows.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    again = run.ask()
    assert again["unclear"] == 3 and len(held_out(again)) == 2


# --- With a process ---


def test_it_is_a_job_of_the_sandbox(run, tmp_path):
    run.write([row(n) for n in range(12)])
    pool = Sandbox(LIMITS)
    pool.start()
    try:
        found = pool.run(AskHeldOut(run.base, str(run.folder), LIMITS), seconds=LIMITS.dataset_s)
    finally:
        pool.close()
    assert found == run.ask() and held_out(found)
