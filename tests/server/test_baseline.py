"""Is it needed? The prompts, what is made of the scores, and the whole of it with processes."""

from __future__ import annotations

import math
import shutil
import time

import orjson
import pyarrow.parquet as pq
import pytest
import torch

from playground.core.errors import InputError, ModelError
from playground.core.settings import Limits, TrainSettings
from playground.data.examples import bundled
from playground.data.few_shot import ANSWER_TOKENS, EXAMPLE_TOKENS
from playground.data.source import Source
from playground.server.baseline import KNOWN, baseline
from playground.server.processes.chat_client import ChatClient
from playground.server.sandbox.jobs import do
from playground.server.sandbox.pool import Sandbox
from playground.server.sandbox.requests import AskBaseline, WriteRows

pytest_plugins = ["tests.tiny"]

LIMITS = Limits()


def source(rows):
    return Source(b"".join(orjson.dumps(row) + b"\n" for row in rows), "")


def row(number, **more):
    return {"prompt": f"Question {number}?", "completion": f"It is {number}.", **more}


def talk(*contents, system="", tools=None):
    roles = ["user", "assistant"] * len(contents)
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    opening = [{"role": "system", "content": system}] if system else []
    return {"messages": [*opening, *messages], **({"tools": tools} if tools else {})}


@pytest.fixture
def prompts(tiny_folder):
    def make(rows, limits=LIMITS, **settings):
        return do(AskBaseline(str(tiny_folder), source(rows), TrainSettings(**settings), limits))

    return make


@pytest.fixture
def written(tiny_folder, tmp_path):
    """written(rows, **settings): the tokens that a run would get, as columns."""

    def write(rows, **settings):
        do(WriteRows(str(tiny_folder), source(rows), TrainSettings(**settings), LIMITS, str(tmp_path)))
        return pq.read_table(tmp_path / "rendered.parquet").to_pydict()

    return write


def scored(tokenizer, side):
    """The text of what is scored, and the text of all."""
    return (
        tokenizer.decode([label for label in side["labels"] if label != -100]),
        tokenizer.decode(side["ids"]),
    )


# --- The prompts ---


def test_the_held_out_rows_of_the_run_are_asked(prompts, written):
    rows = [row(number) for number in range(40)]
    made = prompts(rows, held_out=0.25)
    table = written(rows, held_out=0.25)
    columns = (table[name] for name in ("row", "held_out", "input_ids", "labels"))
    held_out = {number: (ids, [-100, *labels[1:]]) for number, held, ids, labels in zip(*columns, strict=True) if held}
    assert {asked["row"]: (asked["plain"]["ids"], asked["plain"]["labels"]) for asked in made["rows"]} == held_out
    assert made["notes"] == []


def test_the_same_tokens_are_scored_behind_examples(prompts, tokenizer):
    made = prompts([row(number) for number in range(40)])
    assert made["examples"] == 4
    for asked in made["rows"]:
        words, plain = scored(tokenizer, asked["plain"])
        same, behind = scored(tokenizer, asked["examples"])
        assert words == same == f"It is {asked['row'] - 1}.<|im_end|>\n"
        question = plain[plain.index("<|im_start|>user") :]
        assert behind.endswith(question) and behind.count("<|im_start|>user") == 5
        assert behind.startswith(plain[: plain.index("<|im_start|>user")])  # The system prompt stands once, in front.
        assert behind.count("<|im_start|>system") == 1


def test_examples_are_training_rows_from_all_over(prompts, tokenizer):
    made = prompts([row(number) for number in range(40)])
    held_out = {asked["row"] - 1 for asked in made["rows"]}
    text = scored(tokenizer, made["rows"][0]["examples"])[1]
    shown = [number for number in range(40) if f"Question {number}?" in text and number + 1 != made["rows"][0]["row"]]
    assert len(shown) == 4 and not held_out & set(shown)
    assert max(shown) - min(shown) > 20


def test_answers_are_asked_for_in_the_same_words(prompts, tokenizer):
    made = prompts([row(number) for number in range(60)])
    asked = [(one["row"], one["asked"]) for one in made["rows"] if one["asked"]]
    assert len(asked) == 4
    for number, question in asked:
        assert question["question"] == f"Question {number - 1}?" and question["expected"] == f"It is {number - 1}."
        for side in ("plain", "examples"):
            assert tokenizer.decode(question[side]).endswith(
                f"<|im_start|>user\nQuestion {number - 1}?<|im_end|>\n<|im_start|>assistant\n"
            )
        assert len(question["examples"]) > len(question["plain"])
        assert question["room"] == ANSWER_TOKENS[0]
    assert made["stop"] == [tokenizer.convert_tokens_to_ids("<|im_end|>")]


def test_long_answers_get_room_up_to_a_bound(prompts):
    made = prompts([{"prompt": f"{n}?", "completion": "word " * 200} for n in range(4)])
    assert made["rows"][0]["asked"]["room"] == ANSWER_TOKENS[1]


def test_of_many_held_out_rows_sixteen_are_asked_and_it_says_so(prompts):
    made = prompts([row(number) for number in range(100)], held_out=0.4)
    assert len(made["rows"]) == 16
    assert made["notes"] == ["16 of the 40 held-out rows were asked."]


def test_held_out_rows_that_are_not_asked_are_no_examples_either(prompts, written, tokenizer):
    for seed in range(3):
        rows = [row(number) for number in range(60)]
        table = written(rows, held_out=0.5, seed=seed)
        held_out = {number - 1 for number, held in zip(table["row"], table["held_out"], strict=True) if held}
        text = scored(tokenizer, prompts(rows, held_out=0.5, seed=seed)["rows"][0]["examples"])[1]
        shown = {number for number in range(60) if f"Question {number}?" in text}
        assert len(shown) == 5 and len(shown & held_out) == 1


def test_without_held_out_rows_the_first_are_asked_and_are_no_examples(prompts, tokenizer):
    made = prompts([row(number) for number in range(20)], held_out=0)
    assert [asked["row"] for asked in made["rows"]] == [*range(1, 9)]
    assert made["notes"] == ["No rows are held out: the first 8 were asked, which a run would be trained on."]
    text = scored(tokenizer, made["rows"][0]["examples"])[1]
    assert not any(f"Question {number}?" in text for number in range(1, 8))


def test_two_rows_are_enough(prompts):
    for held_out in (0, 0.5):
        made = prompts([row(1), row(2)], held_out=held_out)
        assert len(made["rows"]) == 1 and made["examples"] == 1


def test_every_answer_of_a_conversation_is_scored_and_the_last_is_asked_for(prompts, tokenizer):
    rows = [talk(f"First {n}?", f"One {n}.", f"Second {n}?", f"Two {n}.") for n in range(6)]
    [asked] = prompts(rows)["rows"]
    number = asked["row"] - 1
    for side in ("plain", "examples"):
        assert scored(tokenizer, asked[side])[0] == f"One {number}.<|im_end|>\nTwo {number}.<|im_end|>\n"
        assert tokenizer.decode(asked["asked"][side]).endswith(
            f"One {number}.<|im_end|>\n<|im_start|>user\nSecond {number}?<|im_end|>\n<|im_start|>assistant\n"
        )
    assert asked["asked"]["question"] == f"Second {number}?"
    [last] = prompts(rows, train_on="last")["rows"]
    assert scored(tokenizer, last["plain"])[0] == scored(tokenizer, last["examples"])[0] == f"Two {number}.<|im_end|>\n"


def test_where_all_is_trained_on_the_answers_are_scored_all_the_same(prompts, tokenizer):
    [asked] = prompts([row(n) for n in range(6)], train_on="all")["rows"]
    assert scored(tokenizer, asked["plain"])[0] == f"It is {asked['row'] - 1}.<|im_end|>\n"


@pytest.mark.parametrize("mode", ["keep_start", "keep_end"])
def test_what_a_run_would_cut_off_is_not_scored(prompts, tokenizer, mode):
    rows = [talk("How?", "a b c d e f g h i j k l m n o p q r s t") for _ in range(4)]
    whole = prompts(rows)["rows"][0]
    [asked] = prompts(rows, max_length=len(whole["plain"]["ids"]) - 30, truncation_mode=mode)["rows"]
    assert len(asked["plain"]["ids"]) == len(whole["plain"]["ids"]) - 30
    words = scored(tokenizer, asked["plain"])[0]
    assert words == scored(tokenizer, asked["examples"])[0]
    if mode == "keep_start":
        assert words == scored(tokenizer, whole["plain"])[0][: len(words)] != scored(tokenizer, whole["plain"])[0]
    else:
        assert words == scored(tokenizer, whole["plain"])[0]
    assert len(asked["examples"]["ids"]) == len(whole["examples"]["ids"])


def test_the_first_token_of_a_cut_row_is_not_scored_on_either_side(prompts, tokenizer):
    rows = [talk("How?", "a b c d e f g h i j k l m n o p q r s t") for _ in range(4)]
    [asked] = prompts(rows, max_length=9, truncation_mode="keep_end")["rows"]
    assert asked["plain"]["labels"][0] == -100
    counts = [sum(label != -100 for label in asked[side]["labels"]) for side in ("plain", "examples")]
    assert counts == [len(asked["plain"]["ids"]) - 1] * 2


def test_a_system_prompt_of_the_settings_stands_once_before_the_examples(prompts, tokenizer):
    [asked] = prompts([row(n) for n in range(6)], system_prompt="Be brief.")["rows"]
    text = scored(tokenizer, asked["examples"])[1]
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n") and text.count("Be brief.") == 1


def test_examples_have_the_system_prompt_of_their_row(prompts, tokenizer):
    rows = [talk(f"Q{n}?", f"A{n}.", system=f"House {n % 2}.") for n in range(30)]
    for asked in prompts(rows, held_out=0.2)["rows"]:
        house = (asked["row"] - 1) % 2
        text = scored(tokenizer, asked["examples"])[1]
        assert text.count("House") == 1 and f"House {house}." in text
        shown = [n for n in range(30) if f"Q{n}?" in text]
        assert len(shown) == 5 and all(n % 2 == house for n in shown)


def test_a_row_whose_system_prompt_nobody_shares_has_no_examples_and_it_says_so(prompts):
    made = prompts([talk(f"Q{n}?", f"A{n}.", system=f"House {n}.") for n in range(12)])
    assert all(asked["examples"] is None for asked in made["rows"]) and made["examples"] == 0
    assert made["notes"] == ["No training rows are short enough, and alike enough, to be examples in the prompt."]
    assert made["rows"][0]["asked"]["examples"] is None


def test_rows_with_tools_get_examples_with_the_same_tools(prompts):
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    rows = [talk(f"Q{n}?", f"A{n}.", tools=[tool] if n % 2 else None) for n in range(20)]
    made = prompts(rows, held_out=0.3)
    assert all(asked["examples"] for asked in made["rows"])
    made = prompts([talk("Q?", "A.", tools=[tool]), talk("R?", "B.")], held_out=0.5)
    assert made["rows"][0]["examples"] is None


def test_long_rows_are_no_examples(prompts, tokenizer):
    long = [{"prompt": f"Long {n}?", "completion": "word " * 900} for n in range(20)]
    made = prompts([*long, row(1), row(2)], held_out=0.05, shuffle_dataset=False)
    assert made["examples"] == 1
    text = scored(tokenizer, made["rows"][0]["examples"])[1]
    assert "Question 1?" in text and "Long" not in text
    assert len(made["rows"][0]["examples"]["ids"]) < EXAMPLE_TOKENS


def test_a_row_that_ends_with_the_user_is_no_example(prompts, tokenizer):
    open_ended = [talk(f"Q{n}?", f"A{n}.", "And then?") for n in range(20)]
    made = prompts([*open_ended, row(1), row(2)], held_out=0.05, shuffle_dataset=False)
    assert made["examples"] == 1 and "And then?" not in scored(tokenizer, made["rows"][0]["examples"])[1]


def test_rows_longer_than_the_model_reads_are_left_out(prompts):
    """The tiny model reads 1024 tokens."""
    long = {"prompt": "Q?", "completion": "word " * 900}
    made = prompts([row(n) for n in range(4)] + [long, row(9)], held_out=0.34, shuffle_dataset=False, max_length=8000)
    assert [asked["row"] for asked in made["rows"]] == [6]
    assert any("1 row left out" in note for note in made["notes"])
    with pytest.raises(InputError, match="None of the rows can be scored"):
        prompts([row(1), long], held_out=0.5, shuffle_dataset=False, max_length=8000)


def test_no_more_tokens_are_scored_than_are_worth_the_wait(prompts, monkeypatch):
    rows = [{"prompt": f"{n}?", "completion": "word " * 20} for n in range(60)]
    every = prompts(rows, held_out=0.25)
    assert len(every["rows"]) == 15 and every["notes"] == []
    most = sum(len(one[side]["ids"]) for one in every["rows"][:6] for side in ("plain", "examples"))
    monkeypatch.setattr("playground.data.few_shot.ALL_TOKENS", most)
    made = prompts(rows, held_out=0.25)
    assert made["rows"] == every["rows"][:6]
    assert made["notes"][0].startswith("9 rows left out")


def test_a_template_that_refuses_examples_is_explained(prompts):
    """One question and one answer are all that it knows."""
    strict = (
        "{% if messages|length > 3 %}{{ raise_exception('One turn only') }}{% endif %}"
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    made = prompts([row(n) for n in range(6)], chat_template=strict)
    assert all(asked["examples"] is None for asked in made["rows"])
    [note] = made["notes"]
    assert note.startswith("Rows cannot be given as examples in the prompt.") and "One turn only" in note
    assert made["rows"][0]["asked"]["plain"]


def test_a_template_that_writes_later_answers_otherwise_is_explained(prompts):
    odd = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{{ m.content|upper if messages|length > 2 else m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    made = prompts([row(n) for n in range(6)], chat_template=odd)
    assert all(asked["examples"] is None for asked in made["rows"])
    assert "would write their answers otherwise" in made["notes"][0]


def test_content_in_blocks_is_asked_about_in_words(prompts):
    blocks = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": "Ho"}]
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}"
        "{% else %}{{ m.content[0].text }}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    made = prompts([{"messages": blocks}, {"messages": blocks}], held_out=0.5, chat_template=template)
    assert made["rows"][0]["asked"]["question"] == "Hi"


def test_an_answer_without_a_question_is_scored_but_not_asked_for(prompts):
    alone = {"messages": [{"role": "assistant", "content": "Welcome."}]}
    made = prompts([alone, alone, alone], held_out=0.34)
    assert made["rows"][0]["asked"] is None and made["rows"][0]["plain"]


def test_fewer_than_two_rows_are_refused(prompts):
    with pytest.raises(InputError, match="Training needs at least two"):
        prompts([row(1)])


# --- What is made of it ---


class FakeChat:
    """The chat client's side towards baseline(), with losses of our choosing."""

    state = "ready"

    def __init__(self, plain, behind, noise=0.0, silent=0):
        self.plain, self.behind, self.noise, self.silent = plain, behind, noise, silent
        self.closed = []
        self.kept = []
        """What was handed out: nothing is closed only because nobody holds it any more."""

    def score(self, base, rows, each=False):
        self.kept.append(self._score(rows))
        return self.kept[-1]

    def reply(self, base, rows):
        self.kept.append(self._reply(rows))
        return self.kept[-1]

    def _score(self, rows):
        count = len(rows) - sum(self._is_behind(row, rows) for row in rows)
        try:
            yield from [{"done": 0, "total": 0, "rows": None}] * self.silent
            yield {"done": 1, "total": 2, "rows": None}
            scores = []
            for place, row in enumerate(rows):
                tokens = sum(label != -100 for label in row["labels"])
                loss = self.plain if place < count else self.behind
                loss += self.noise * (-1) ** place
                scores.append({"nll": loss * tokens, "tokens": tokens})
            yield {"done": 2, "total": 2, "rows": scores}
        finally:
            self.closed.append("score")

    @staticmethod
    def _is_behind(row, rows):
        return len(row["ids"]) > 1.5 * min(len(other["ids"]) for other in rows)

    def _reply(self, rows):
        try:
            yield None
            yield [{"text": "It", "tokens": 1, "ended": ""} for _ in rows]
            texts = [f"answer {n}{' behind' * (row['prompt'].count(1) > 4)}" for n, row in enumerate(rows)]
            yield [{"text": text, "tokens": 2, "ended": "stop"} for text in texts]
        finally:
            self.closed.append("reply")


class Here:
    """The sandbox's jobs in this process."""

    def run(self, request, *, seconds, tell):
        tell({"fraction": 0.5})
        return do(request)


@pytest.fixture
def ask(tiny_folder):
    def do(chat, rows=None, tell=lambda news: None, **settings):
        base = {"folder": str(tiny_folder), "quantization": "none"}
        rows = rows or [row(number) for number in range(80)]
        return baseline(Here(), chat, base, source(rows), TrainSettings(**settings), LIMITS, tell)

    return do


@pytest.mark.parametrize(
    ("plain", "behind", "noise", "code"),
    [
        (KNOWN - 0.01, 0.1, 0, "known"),
        (KNOWN + 0.01, 0.4, 0, "examples"),  # Known with them.
        (3.0, 1.7, 0, "examples"),
        (3.0, 1.9, 0, "both"),
        (3.0, 2.9, 0, "both"),
        (3.0, 3.0, 0, "tuning"),
        (3.0, 3.5, 0, "tuning"),
        (3.0, 2.9, 1.0, "both"),  # Noise that both sides share cancels.
        (math.nan, math.nan, 0, "broken"),
        (3.0, math.nan, 0, "untried"),
    ],
)
def test_the_verdict_follows_the_losses(ask, plain, behind, noise, code):
    found = ask(FakeChat(plain, behind, noise))
    assert found["code"] == code


def test_a_difference_within_the_noise_is_none(ask):
    class Noisy(FakeChat):
        def score(self, base, rows, each=False):
            *progress, last = super().score(base, rows)
            for place, score in enumerate(last["rows"][len(last["rows"]) // 2 :]):
                score["nll"] += (place % 3 - 1) * 2.0 * score["tokens"]
            yield from [*progress, last]

    assert ask(Noisy(3.0, 2.9))["code"] == "tuning"


def test_everything_is_told(ask):
    found = ask(FakeChat(3.0, 1.0))
    assert set(found) == {"rows", "plain", "examples", "answers", "gap", "code", "verdict", "notes"}
    assert found["rows"] == 8
    assert found["plain"] == pytest.approx({"loss": 3.0, "low": 3.0, "high": 3.0})
    examples = found["examples"]
    assert examples.pop("tokens") > 50
    assert examples == pytest.approx({"loss": 1.0, "low": 1.0, "high": 1.0, "count": 4})
    assert found["gap"] == (
        "Each token of the expected answers is as hard for the base to guess as one out of 20 (loss 3.00). "
        "With 4 rows of examples in the prompt: one out of 2.7 (loss 1.00)."
    )
    assert "do much of the work" in found["verdict"] and "{" not in found["verdict"]
    assert [(answer["plain"], answer["with_examples"]) for answer in found["answers"]] == [
        (f"answer {n}", f"answer {n + 1} behind") for n in (0, 2, 4, 6)
    ]
    for answer in found["answers"]:
        assert answer["question"] == f"Question {answer['row'] - 1}?" and answer["ended"] == ["stop", "stop"]
    orjson.dumps(found)


def test_without_examples_the_gap_is_told_alone(ask):
    rows = [talk(f"Q{n}?", f"A{n}.", system=f"House {n}.") for n in range(20)]
    found = ask(FakeChat(3.0, 1.0), rows)
    assert found["examples"] is None and found["code"] == "untried" and "With" not in found["gap"]
    assert [answer["with_examples"] for answer in found["answers"]] == [None, None]
    assert [answer["plain"] for answer in found["answers"]] == ["answer 0", "answer 1"]
    assert all(answer["ended"] == ["stop", ""] for answer in found["answers"])


def test_rows_with_and_without_examples_keep_their_own_scores(ask):
    """Only rows of a house that others share have examples."""
    rows = [talk(f"Q{n}?", f"A{n}.", system="Shared." if n % 2 else f"House {n}.") for n in range(40)]

    class Own(FakeChat):
        def score(self, base, rows, each=False):
            *progress, last = super().score(base, rows)
            for one, score in zip(rows, last["rows"], strict=True):
                score["nll"] = score["tokens"] * (1.0 if one["ids"].count(1) > 4 else 3.0)
            yield from [*progress, last]

    found = ask(Own(0, 0), rows, held_out=0.3)
    assert found["plain"]["loss"] == pytest.approx(3.0) and found["examples"]["loss"] == pytest.approx(1.0)
    without = [answer for answer in found["answers"] if answer["with_examples"] is None]
    assert 0 < len(without) < len(found["answers"])
    assert all(answer["row"] % 2 == 1 for answer in without)  # Row 1 is number 0.


def test_progress_rises_to_one_and_says_what_is_done(ask):
    told = []
    chat = FakeChat(3.0, 1.0, silent=1)
    chat.state = "loading"
    ask(chat, tell=told.append)
    fractions = [news["fraction"] for news in told]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    lines = list(dict.fromkeys(news["line"] for news in told))
    assert lines == ["Reading the rows.", "Loading the model.", "Scoring 8 rows.", "Answering 4 of them.", "Done."]


@pytest.mark.parametrize(
    ("line", "closed"), [("Reading", []), ("Scoring", ["score"]), ("Answering", ["score", "reply"])]
)
def test_where_tell_raises_everything_is_cancelled(ask, line, closed):
    def tell(news):
        if news["line"].startswith(line) and news["fraction"] > 0:
            raise KeyboardInterrupt

    chat = FakeChat(3.0, 1.0)
    with pytest.raises(KeyboardInterrupt):
        ask(chat, tell=tell)
    assert chat.closed == closed


# --- With processes ---


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    client = ChatClient(tmp_path_factory.mktemp("chat") / "chat.log")
    yield client
    client.close()


@pytest.fixture(scope="module")
def sandbox():
    pool = Sandbox(LIMITS)
    pool.start()
    yield pool
    pool.close()


def test_the_tiny_model_is_asked_and_its_loss_is_the_models_own(sandbox, chat, tiny_folder, tokenizer, model):
    base = {"folder": str(tiny_folder), "quantization": "none"}
    rows = [row(number) for number in range(40)]
    told = []
    found = baseline(sandbox, chat, base, source(rows), TrainSettings(), LIMITS, told.append)
    total = count = 0
    made = do(AskBaseline(str(tiny_folder), source(rows), TrainSettings(), LIMITS))

    for asked in made["rows"]:
        labels = torch.tensor([asked["plain"]["labels"]])
        supervised = int((labels != -100).sum())
        total += float(model(input_ids=torch.tensor([asked["plain"]["ids"]]), labels=labels).loss.detach()) * supervised
        count += supervised
    assert found["plain"]["loss"] == pytest.approx(total / count, rel=0.03)  # bf16 where the CPU has it.
    assert found["rows"] == 4 and len(found["answers"]) == 4 and found["examples"]["count"] == 4
    assert all(answer["ended"][0] in ("stop", "length") for answer in found["answers"])
    assert told[-1]["fraction"] == 1


def test_a_model_that_cannot_be_loaded_is_told(sandbox, chat, tiny_folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_folder, broken)
    (broken / "model.safetensors").unlink()
    base = {"folder": str(broken), "quantization": "none"}
    with pytest.raises(ModelError):
        baseline(sandbox, chat, base, source([row(n) for n in range(9)]), TrainSettings(), LIMITS)


@pytest.mark.model
def test_the_real_model_and_a_pirate(sandbox, chat, model_folder):
    """A manner is shown by examples better than it is guessed: the loss falls, and the answers take it up."""
    base = {"folder": str(model_folder), "quantization": "auto"}
    begin = time.monotonic()
    pirates = Source("".join(sorted(bundled("pirate-voice").text().splitlines(True), key=len)[:50]).encode(), "")
    found = baseline(sandbox, chat, base, pirates, TrainSettings(), LIMITS)
    print(f"{time.monotonic() - begin:.1f} s", found)
    assert found["rows"] == 5 and found["code"] in ("both", "examples")
    assert found["examples"]["loss"] < found["plain"]["loss"] - 0.3
    assert found["plain"]["low"] < found["plain"]["loss"] < found["plain"]["high"]
    behind = " ".join(answer["with_examples"] for answer in found["answers"])
    assert "matey" in behind.lower() or "arr" in behind.lower()
