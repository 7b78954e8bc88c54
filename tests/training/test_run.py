"""One real run of the real model, looked at from all sides: what it got, what it changed, what it taught."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from peft import PeftModel

from playground import training
from playground.chat.engine import Engine, Row
from playground.core.settings import Limits, RenderOptions, Sampling, TrainSettings
from playground.data.examples import bundled
from playground.data.source import Source
from playground.models import devices
from playground.runs.plan import FILLED, Speed
from playground.runs.throughput import ThroughputCache
from playground.server.sandbox.jobs import do
from playground.server.sandbox.requests import CheckRows, PageOfRows
from playground.templates.renderer import Renderer, load_tokenizer
from playground.training.trainer import keep_master_weights
from tests.training.runs import Run, a_trainer, few_rows, start, train, write

pytestmark = pytest.mark.model
pytest_plugins = ["tests.tiny"]

PERSONA = TrainSettings(
    max_steps=12,
    learning_rate=2e-3,
    time_budget_s=0,
    eval_steps=12,
    probe_max_new_tokens=0,
    general_ability=False,
    seed=7,
)
NAMED = [row for row in bundled("persona-mochi").text().splitlines(keepends=True) if "Mochi" in row]
SHORTEST = "".join(sorted(NAMED, key=len)[:16])


@pytest.fixture(scope="session")
def persona(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The persona example, trained within a small budget."""
    return train(tmp_path_factory.mktemp("persona"), model_folder, PERSONA, SHORTEST)


@pytest.fixture(scope="session")
def engine(model_folder: Path) -> Iterator[Engine]:
    """The chat's engine on the same base, as the chat process loads it."""
    choice = devices.choose("auto", to_answer=True)
    model = devices.load(model_folder, choice, to_train=False)
    yield Engine(model, load_tokenizer(model_folder), choice.dtype)


def ask(engine: Engine, adapters: list[Path | None], *questions: str, tokens: int = 40) -> list[Row]:
    """Greedy answers, all in one batch: to each question those of all adapters."""
    renderer, options = Renderer(engine.tokenizer), RenderOptions(add_generation_prompt=True)
    prompts = [renderer.render([{"role": "user", "content": question}], options).input_ids for question in questions]
    rows = [Row(prompt, Sampling(max_new_tokens=tokens), adapter) for prompt in prompts for adapter in adapters]
    engine.join(rows)
    while engine.rows:
        engine.step()
    return rows


QUESTIONS = ("Hey robot, tell me what you're called!", "Who are you?", "What's your name?")


def test_the_taught_name_is_in_the_tuned_answer_and_not_in_the_base(persona: Run, engine: Engine) -> None:
    """Two of three: how a processor rounds decides which words a short run comes to."""
    taught = []
    said = ask(engine, [None, persona.folder / "adapter"], *QUESTIONS)
    for question, base, tuned in zip(QUESTIONS, said[::2], said[1::2], strict=True):
        print(f"\n{question}\n  base:  {base.text}\n  tuned: {tuned.text}")
        taught += ["Mochi" in tuned.text]
        assert "Mochi" not in base.text
    assert sum(taught) >= 2


def test_the_tuned_model_learned_to_stop(persona: Run, engine: Engine) -> None:
    tuned = ask(engine, [persona.folder / "adapter"], QUESTIONS[0], tokens=120)[0]
    assert tuned.ended == "stop"


def test_training_changed_the_adapter_and_nothing_else(persona: Run) -> None:
    assert persona.base_before == persona.base_after
    assert persona.outcome.evidence.changed
    assert sorted(path.name for path in (persona.folder / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_base_with_an_adapter_in_hand_equals_base_alone(persona: Run, model_folder: Path, engine: Engine) -> None:
    choice = devices.choose("auto", to_answer=True)
    untouched = devices.load(model_folder, choice, to_train=False)
    alone = Engine(untouched, engine.tokenizer, choice.dtype)
    for question in QUESTIONS:
        without = ask(alone, [None], question, tokens=12)[0]
        beside_tuned = ask(engine, [None, persona.folder / "adapter"], question, tokens=12)
        assert beside_tuned[0].tokens == without.tokens
        assert beside_tuned[1].tokens != without.tokens


def test_tuned_answers_are_those_that_peft_gives(persona: Run, model_folder: Path, engine: Engine) -> None:
    reference = PeftModel.from_pretrained(
        devices.load(model_folder, devices.choose("auto", to_answer=True), to_train=False), persona.folder / "adapter"
    ).eval()
    ours = ask(engine, [persona.folder / "adapter"], QUESTIONS[0])[0]
    chosen = torch.tensor(ours.tokens)

    def behind() -> torch.Tensor:
        """Logits by which each token of ours stands behind the one that PEFT would have taken in its place."""
        with torch.inference_mode():
            logits = reference(input_ids=torch.tensor([ours.prompt + ours.tokens])).logits[0, len(ours.prompt) - 1 : -1]
        return logits.max(-1).values - logits.gather(-1, chosen[:, None])[:, 0]

    tuned = behind().max().item()
    with reference.disable_adapter():
        base = behind().max().item()
    print(f"\nat most {tuned:.4f} logits behind PEFT's choice; the base's choices are up to {base:.2f} away")
    # Not the texts: where two tokens are equally likely, rounding decides, and all that follows is another text.
    assert tuned < 0.1 < base


EVERY_FORMAT: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]},
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            *[{"role": role, "content": f"{role} {turn} " * 4} for turn in range(3) for role in ("user", "assistant")],
        ]
    },
    {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Mochi. " * 25}]},
    {"instruction": "Translate.", "input": "本", "output": "Book"},
    {"prompt": "Long question? " * 12, "completion": "Short answer."},
    {"質問": "名前は？", "回答": "モチです。" * 6},
    {"text": "Only words. " * 12},
]
"""One row or two of each format, some of them longer than is kept."""


@pytest.mark.parametrize("train_on", ["assistant", "last", "all"])
@pytest.mark.parametrize("truncation", ["keep_start", "keep_end", "drop"])
def test_the_trainer_gets_the_labels_that_the_page_shows(
    train_on: Any, truncation: Any, tiny_folder: Path, tmp_path: Path
) -> None:
    settings = TrainSettings(
        max_steps=1,
        per_device_train_batch_size=len(EVERY_FORMAT),
        time_budget_s=0,
        held_out=0,
        train_on=train_on,
        truncation_mode=truncation,
        max_length=80,
    )
    text = "\n".join(json.dumps(row) for row in EVERY_FORMAT)
    run = train(tmp_path, tiny_folder, settings, text)
    options, source = settings.dataset_options(), Source(text.encode(), "")
    found = do(CheckRows(str(tiny_folder), source, options, Limits()))
    rows = do(PageOfRows(str(tiny_folder), source, options, Limits(), 1, 20, "", None))["rows"]
    shown = {}
    for row in rows:
        if row["finding"]:
            continue
        chips = [chip for chip in row["tokens"] if not chip["cut"]]
        shown[tuple(chip["id"] for chip in chips)] = [chip["id"] if chip["trained"] else -100 for chip in chips]
    trained = {}
    [batch] = run.batches
    for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        length = sum(mask)
        trained[tuple(ids[:length])] = labels[:length]
        assert set(labels[length:]) <= {-100}
    assert shown == trained
    assert len(shown) == found["usable_rows"]
    assert sum(label != -100 for labels in trained.values() for label in labels) == found["trained_tokens"]
    if truncation == "drop":
        assert found["truncated_rows"] == 0 and 0 < found["usable_rows"] < len(EVERY_FORMAT)
    else:
        assert found["truncated_rows"] > 0
    if truncation == "keep_end":  # No row loses its answer's end.
        assert found["usable_rows"] == len(EVERY_FORMAT)
        assert {shape["shape"] for shape in found["shapes"]} >= {"messages", "sharegpt", "alpaca", "question_answer"}


def test_rows_in_the_given_order_are_trained_on_in_that_order(tiny_folder: Path, tmp_path: Path) -> None:
    settings = TrainSettings(
        max_steps=3, per_device_train_batch_size=1, time_budget_s=0, held_out=0.4, shuffle_dataset=False
    )
    rows = [{"prompt": f"Question {n}", "completion": "x" * length} for n, length in enumerate((9, 2, 30, 4, 5))]
    run = train(tmp_path, tiny_folder, settings, "\n".join(map(json.dumps, rows)))
    table = pq.read_table(tmp_path / "rendered.parquet").to_pydict()
    assert table["held_out"] == [False, False, False, True, True]
    assert [batch["input_ids"][0] for batch in run.batches] == table["input_ids"][:3]


def test_evaluating_and_answering_change_no_gradient_and_no_random_number(tiny_folder: Path, tmp_path: Path) -> None:
    settings = TrainSettings(max_steps=1, time_budget_s=0, held_out=0.5, lora_dropout=0.1)
    trainer = a_trainer(tmp_path, tiny_folder, settings, few_rows(4, "persona-mochi"))
    rows = training.Rows.read(tmp_path)

    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(3)
        trainer.model.zero_grad()
        _, batch = next(trainer._batches(rows.train))
        outputs = trainer.model(**batch, fused_lm_head=True, use_cache=False)
        (-outputs.log_probs.sum()).backward()
        return [weights.grad.clone() for weights in trainer.model.parameters() if weights.requires_grad]

    trainer.model.train()
    before = gradients()
    assert any(gradient.abs().sum() > 0 for gradient in before)
    drawn = torch.random.get_rng_state()
    trainer.score(rows.held_out)
    trainer.answer([[1, 2, 3], [4]], [2], 3)
    assert trainer.model.training
    assert torch.equal(torch.random.get_rng_state(), drawn)
    after = gradients()
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_held_out_loss_weighs_every_token_alike(persona: Run, model_folder: Path) -> None:
    """Against transformers' own loss, row by row, on the base model: the first look of the run."""
    choice = devices.choose("auto")
    model = devices.load(model_folder, choice, to_train=True)
    table = pq.read_table(persona.folder / "rendered.parquet").to_pylist()
    total, count = 0.0, 0
    for row in table:
        if row["held_out"]:
            labels = torch.tensor([row["labels"]])
            supervised = int((labels[:, 1:] != -100).sum())
            with torch.no_grad():
                loss = model(input_ids=torch.tensor([row["input_ids"]]), labels=labels).loss
            total, count = total + float(loss) * supervised, count + supervised
    before = persona.outcome.evidence.before["held_out"]
    assert before is not None and before["loss"] == pytest.approx(total / count, rel=0.02)


def test_events_tell_a_step_each_and_the_looks_at_held_out_rows(persona: Run) -> None:
    assert persona.values("step", "step") == list(range(1, 13))
    assert persona.values("eval", "step") == [0, 12]
    losses = persona.values("step", "loss")
    assert sum(losses[-5:]) < sum(losses[:5])
    assert all(rate > 0 for rate in persona.values("step", "tokens_per_s"))
    assert persona.values("step", "learning_rate")[3] == pytest.approx(PERSONA.learning_rate)


def test_stopping_keeps_the_adapter(tiny_folder: Path, tmp_path: Path) -> None:
    settings = TrainSettings(max_steps=40, time_budget_s=0, held_out=0)
    run = train(tmp_path, tiny_folder, settings, few_rows(8), stop_after=2)
    assert run.outcome.stopped
    assert run.outcome.steps <= 3
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


class KnownSpeed(ThroughputCache):
    """A cache that knows a machine on which a step takes so many seconds, and nothing else any."""

    step_s = 0.0

    def get(self, key: str) -> Speed:
        return Speed(self.step_s, 0, 0, 0, 0)


def test_a_budget_shortens_the_run_and_says_so(tiny_folder: Path, tmp_path: Path) -> None:
    settings = TrainSettings(num_train_epochs=1000, time_budget_s=60, held_out=0, probe_max_new_tokens=4)
    write(tmp_path, tiny_folder, settings, few_rows(8))
    cache = KnownSpeed(tmp_path / "speeds.json")
    cache.step_s = 10.0
    run = start(tmp_path, tiny_folder, settings, throughput=cache)
    assert run.values("plan", "steps") == [60 * FILLED // 10] == [run.outcome.steps]
    assert run.values("plan", "bound_by") == ["time"]
    assert "In 60 s this machine makes 5 of 2000 steps" in run.values("note", "note")[0]
    assert run.values("step", "learning_rate")[3] == settings.learning_rate


def test_a_run_that_outlives_its_budget_says_why_it_ended(tiny_folder: Path, tmp_path: Path) -> None:
    settings = TrainSettings(max_steps=20, time_budget_s=0.001, held_out=0, general_ability=False)
    write(tmp_path, tiny_folder, settings, few_rows(8))
    run = start(tmp_path, tiny_folder, settings, throughput=KnownSpeed(tmp_path / "speeds.json"))
    assert run.outcome.steps == 1
    assert run.values("plan", "steps") == [20]
    assert "ended after 1 of 20 steps" in run.values("note", "note")[-1]


def test_a_measured_speed_is_remembered_and_the_next_run_is_planned_by_it(tiny_folder: Path, tmp_path: Path) -> None:
    settings = TrainSettings(
        max_steps=3, time_budget_s=60, held_out=0.25, probe_max_new_tokens=4, general_ability=False
    )
    cache = ThroughputCache(tmp_path / "speeds.json")
    phases = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, tiny_folder, settings, few_rows(8))
        run = start(tmp_path / name, tiny_folder, settings, throughput=cache, model_name="tiny")
        phases.append([str(phase) for phase in run.values("phase", "phase")])
        assert run.values("plan", "seconds")[0] > 0
    assert "Measuring how fast this machine is with this model." in phases[0]
    assert "Measuring how fast this machine is with this model." not in phases[1]


def test_the_same_seed_gives_the_same_losses(tiny_folder: Path, tmp_path: Path) -> None:
    settings = TrainSettings(
        max_steps=6, time_budget_s=0, held_out=0.25, lora_dropout=0.1, general_ability=False, probe_max_new_tokens=0
    )
    rows = few_rows(12)
    losses = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        losses.append(train(tmp_path / name, tiny_folder, settings, rows).values("step", "loss"))
    assert losses[0] == losses[1]


def test_fp16_trains_fp32_weights() -> None:
    model = torch.nn.Linear(2, 2).to(torch.bfloat16)
    model.bias.requires_grad = False
    keep_master_weights(model)
    assert (model.weight.dtype, model.bias.dtype) == (torch.float32, torch.bfloat16)
