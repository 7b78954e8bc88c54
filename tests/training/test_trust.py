"""What makes a run trustworthy: the losses of a plain SFTTrainer, going on after a stop, and every fault that a run can
meet, injected.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

from playground import training
from playground.core.errors import InputError
from playground.core.settings import TrainSettings
from playground.models import devices
from playground.templates.renderer import load_tokenizer
from playground.training import callback, checkpoints, scales
from playground.training.rows import EpochSampler, lengths
from tests.training.runs import Run, a_trainer, few_rows, start, train, write

pytestmark = pytest.mark.model
pytest_plugins = ["tests.tiny"]

SHORT = TrainSettings(
    max_steps=6, time_budget_s=0, held_out=0.25, probe_max_new_tokens=0, general_ability=False, quantization="none"
)


def close(one: list[float], other: list[float], share: float = 0.01) -> bool:
    return len(one) == len(other) and all(abs(a - b) <= share * abs(b) for a, b in zip(one, other, strict=True))


# --- The same as elsewhere ---


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_the_losses_are_those_of_a_plain_sft_trainer(
    quantization: Any, accumulation: int, tiny_folder: Path, tmp_path: Path
) -> None:
    settings = replace(
        SHORT, quantization=quantization, gradient_accumulation_steps=accumulation, per_device_train_batch_size=2
    )
    make(tmp_path / "ours")
    ours = train(tmp_path / "ours", tiny_folder, settings, few_rows(16))
    rows, choice = training.Rows.read(tmp_path / "ours"), devices.choose(quantization)
    # The same rows in the order in which the run took them: the order is ours, all else is the library's.
    sampler = EpochSampler(2 * accumulation, lengths(rows.train), settings.seed)
    order = []
    for epoch in range(6):
        sampler.set_epoch(epoch)
        order += list(sampler)
    config = SFTConfig(
        output_dir=str(tmp_path / "plain"),
        max_steps=6,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=3,
        seed=settings.seed,
        bf16=choice.dtype is torch.bfloat16,
        use_cpu=True,
        max_length=None,
        train_sampling_strategy="sequential",
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    plain = SFTTrainer(
        devices.load(tiny_folder, choice, to_train=True),
        args=config,
        train_dataset=rows.train.select(order),
        processing_class=load_tokenizer(tiny_folder),
        peft_config=LoraConfig(
            r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    plain.train()
    logged = [entry for entry in plain.state.log_history if "loss" in entry]
    print("\nours ", ours.values("step", "loss"), "\nplain", [entry["loss"] for entry in logged])
    assert close(ours.values("step", "loss"), [entry["loss"] for entry in logged], 0.002)
    assert close(ours.values("step", "grad_norm"), [entry["grad_norm"] for entry in logged], 0.02)
    assert ours.values("step", "learning_rate") == pytest.approx([entry["learning_rate"] for entry in logged])


def make(folder: Path) -> None:
    folder.mkdir()


def test_accumulating_batches_of_unequal_rows_is_one_large_batch(tiny_folder: Path, tmp_path: Path) -> None:
    found = []
    for batch, accumulation in ((4, 1), (2, 2), (1, 4)):
        folder = tmp_path / f"{batch}"
        folder.mkdir()
        settings = replace(SHORT, per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation)
        run = train(folder, tiny_folder, settings, few_rows(16))
        found.append((run.values("step", "loss"), run.values("step", "grad_norm")))
    for losses, norms in found[1:]:
        assert close(losses, found[0][0], 1e-3)
        assert close(norms, found[0][1], 1e-2)


def test_packed_rows_do_not_see_one_another(tiny_folder: Path, tmp_path: Path) -> None:
    """The loss of a pack is that of its rows by themselves."""
    settings = replace(SHORT, packing=True, max_length=1024, held_out=0)
    trainer = a_trainer(tmp_path, tiny_folder, settings, few_rows(12, "persona-mochi"))
    rows = training.Rows.read(tmp_path)
    pack = trainer.train_dataset[0]
    assert len(pack["seq_lengths"]) > 1
    batch = trainer._prepare_inputs(trainer.data_collator([pack]))
    trainer.model.eval()
    with torch.no_grad():
        outputs = trainer.model(**batch, fused_lm_head=True, use_cache=False)
    total = -float(outputs.log_probs.sum())
    scores = trainer.score(rows.train)
    alone, begin = 0.0, 0
    for length in pack["seq_lengths"]:
        ids = pack["input_ids"][begin : begin + length]
        alone += scores[list(rows.train["input_ids"]).index(ids)].nll
        begin += length
    assert total == pytest.approx(alone, rel=1e-4)


def test_packing_learns_as_no_packing_does(tiny_folder: Path, tmp_path: Path) -> None:
    """As many rows in a step, as many steps."""
    plain = replace(
        SHORT, max_length=1024, max_steps=20, learning_rate=2e-3, lr_scheduler_type="constant_with_warmup", held_out=0.2
    )
    packed = replace(plain, packing=True, per_device_train_batch_size=1)
    trainer = a_trainer(tmp_path, tiny_folder, packed, few_rows(40, "persona-mochi"))
    rows_in_a_pack = sum(map(len, trainer.train_dataset["seq_lengths"])) / len(trainer.train_dataset)
    plain = replace(plain, per_device_train_batch_size=round(rows_in_a_pack))
    losses = []
    for settings in (plain, packed):
        folder = tmp_path / str(settings.packing)
        make(folder)
        run = train(folder, tiny_folder, settings, few_rows(40, "persona-mochi"))
        losses.append(run.outcome.evidence.after["held_out"]["loss"])  # type: ignore[index]
    before = run.outcome.evidence.before["held_out"]["loss"]  # type: ignore[index]
    print(f"\nheld-out loss {before} -> {losses}, {rows_in_a_pack:.1f} rows in a pack")
    assert losses[0] < before - 0.5
    assert losses[1] == pytest.approx(losses[0], rel=0.03)


# --- Going on ---


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(tiny_folder: Path, tmp_path: Path) -> None:
    settings = replace(SHORT, max_steps=12, eval_steps=3, lora_dropout=0.1, per_device_train_batch_size=3)
    for name in ("whole", "parts"):
        make(tmp_path / name)
        write(tmp_path / name, tiny_folder, settings, few_rows(16))
    whole = start(tmp_path / "whole", tiny_folder, settings)
    first = start(tmp_path / "parts", tiny_folder, settings, stop_after=5)
    assert first.outcome.stopped and first.outcome.steps == 6  # The step in hand was finished.
    rest = start(tmp_path / "parts", tiny_folder, settings)
    assert rest.values("restart", "step") == [6]
    assert rest.values("step", "step") == list(range(7, 13))
    assert close(first.values("step", "loss") + rest.values("step", "loss"), whole.values("step", "loss"), 0.01)
    assert rest.outcome.evidence.before == whole.outcome.evidence.before
    assert close([rest.outcome.evidence.after["held_out"]["loss"]], [whole.outcome.evidence.after["held_out"]["loss"]])  # type: ignore[index]
    assert rest.values("step", "learning_rate") == pytest.approx(whole.values("step", "learning_rate")[6:])


def test_a_killed_run_goes_on_from_its_last_look(tiny_folder: Path, tmp_path: Path) -> None:
    settings = replace(SHORT, max_steps=8, eval_steps=3)
    write(tmp_path, tiny_folder, settings, few_rows(16))
    with pytest.raises(Killed):
        start(tmp_path, tiny_folder, settings, on_event=kill_at(5))
    assert checkpoints.newest_checkpoint(tmp_path) == tmp_path / "checkpoint" / "step-3"
    rest = start(tmp_path, tiny_folder, settings)
    assert rest.values("step", "step") == [4, 5, 6, 7, 8]


def test_a_run_that_an_earlier_version_began_goes_on(tiny_folder: Path, tmp_path: Path) -> None:
    """It wrote looks.json, and other names into the plan."""
    settings = replace(SHORT, max_steps=4, eval_steps=2)
    write(tmp_path, tiny_folder, settings, few_rows(16))
    first = start(tmp_path, tiny_folder, settings, stop_after=1)
    plan, known = (json.loads((tmp_path / name).read_text()) for name in ("plan.json", "evaluations.json"))
    plan["look_rows"], plan["look_s"] = plan.pop("eval_rows"), plan.pop("eval_s")
    known["looks_since_best"] = known.pop("evaluations_since_best")
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "looks.json").write_text(json.dumps(known))
    (tmp_path / "evaluations.json").unlink()
    rest = start(tmp_path, tiny_folder, settings)
    assert rest.values("step", "step") == [3, 4]
    assert rest.values("plan", "eval_rows") == first.values("plan", "eval_rows")


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the run may catch it."""


def kill_at(step: int) -> Any:
    def on_event(event: str, values: dict[str, Any]) -> None:
        if event == "step" and values["step"] == step:
            raise Killed

    return on_event


def test_what_a_power_cut_leaves_between_two_writes_is_no_checkpoint(tiny_folder: Path, tmp_path: Path) -> None:
    settings = replace(SHORT, max_steps=4, eval_steps=2)
    write(tmp_path, tiny_folder, settings, few_rows(16))
    start(tmp_path, tiny_folder, settings, stop_after=1)
    whole = checkpoints.newest_checkpoint(tmp_path)
    assert whole is not None
    half = tmp_path / "checkpoint.part" / "checkpoint-4"
    half.mkdir(parents=True)
    shutil.copyfile(whole / "trainer_state.json", half / "trainer_state.json")
    assert checkpoints.newest_checkpoint(tmp_path) == whole
    assert start(tmp_path, tiny_folder, settings).values("step", "step") == [3, 4]


def test_an_adapter_is_published_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        def save_pretrained(self, path: str, **_: Any) -> None:
            for name in ("adapter_config.json", "adapter_model.safetensors"):
                (Path(path) / name).write_bytes(b"x")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        checkpoints.save_adapter(Model(), tmp_path, 3)  # type: ignore[arg-type]
    assert not (tmp_path / "adapters" / "step-3").exists()


def test_training_further_begins_with_the_earlier_adapter(tiny_folder: Path, tmp_path: Path) -> None:
    make(tmp_path / "first")
    first = train(tmp_path / "first", tiny_folder, SHORT, few_rows(16))
    make(tmp_path / "more")
    write(tmp_path / "more", tiny_folder, SHORT, few_rows(16))
    shutil.copytree(tmp_path / "first" / "adapter", tmp_path / "more" / "start")
    more = start(tmp_path / "more", tiny_folder, SHORT)
    assert more.outcome.evidence.before["held_out"] == first.outcome.evidence.after["held_out"]
    assert more.outcome.evidence.changed
    assert more.outcome.evidence.after["train"]["loss"] < first.outcome.evidence.after["train"]["loss"]  # type: ignore[index]


# --- Which adapter is offered ---


def hand_in(monkeypatch: pytest.MonkeyPatch, *losses: float) -> list[float | None]:
    """Have the looks at the held-out rows find these losses, the first before step 1, whatever training does to them.

    Returns what they would have found, filled while the run goes.
    """
    found: list[float | None] = []
    given = iter(losses)

    def mean_loss(scores: Any) -> float:
        found.append(scales.mean_loss(scores))
        return next(given)

    monkeypatch.setattr(callback, "mean_loss", mean_loss)
    return found


def test_the_best_look_is_the_one_that_is_offered(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = hand_in(monkeypatch, 3.0, 2.5, 2.0, 2.2, 2.4)
    run = train(tmp_path, tiny_folder, replace(SHORT, max_steps=12, eval_steps=3), few_rows(8))
    assert run.values("eval", "step") == [0, 3, 6, 9, 12]
    assert run.values("eval", "eval_loss") == [3.0, 2.5, 2.0, 2.2, 2.4]
    assert run.outcome.best_step == 6 == run.values("best", "step")[-1]
    offered = (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes()
    assert offered == (tmp_path / "adapters" / "step-6" / "adapter_model.safetensors").read_bytes()
    assert offered != (tmp_path / "adapters" / "step-12" / "adapter_model.safetensors").read_bytes()
    after = run.outcome.evidence.after["held_out"]["loss"]  # type: ignore[index]
    assert after == pytest.approx(found[2], rel=1e-3), "what is said of the run is said of the adapter that is offered"
    assert after != pytest.approx(found[4], rel=1e-3)


def test_a_run_without_a_new_best_is_ended_early_where_that_is_wanted(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(monkeypatch, 3.0, 2.5, 2.6, 2.4, 2.7, 2.5, 1.0)
    settings = replace(SHORT, max_steps=30, eval_steps=2, early_stopping_patience=2)
    run = train(tmp_path, tiny_folder, settings, few_rows(8))
    assert (run.outcome.best_step, run.outcome.steps) == (6, 10), "one look without a new best is not two"
    assert "the last 2 evaluations" in str(run.values("note", "note")[-1])


# --- Faults ---


def test_a_loss_that_is_no_number_ends_the_run_with_advice(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = training.RunTrainer.compute_loss

    def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
        loss = compute(self, *args, **kwargs)
        return loss * float("nan") if self.state.global_step == 3 else loss

    monkeypatch.setattr(training.RunTrainer, "compute_loss", broken)
    with pytest.raises(InputError, match=r"stopped being a number at step 4.*Lower the learning rate"):
        train(tmp_path, tiny_folder, replace(SHORT, eval_steps=2), few_rows(16))
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file(), "the look before is kept"


def test_memory_that_runs_out_halves_the_batch_once_and_says_so(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = with_memory_for(2, train, tmp_path, tiny_folder, monkeypatch)
    assert run.outcome.steps == 6
    assert run.values("plan", "per_device_train_batch_size") == [4, 2]
    assert run.values("plan", "gradient_accumulation_steps") == [1, 2]
    assert "2 rows in a batch and 2 batches in a step" in str(run.values("note", "note")[0])
    assert run.values("restart", "step") == [0]


def test_memory_that_does_not_do_for_half_the_batch_ends_the_run(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        with_memory_for(1, train, tmp_path, tiny_folder, monkeypatch)


def with_memory_for(rows: int, run: Any, folder: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A machine whose memory does for batches of so many rows (the fault is injected where the forward begins)."""
    compute = training.RunTrainer.compute_loss

    def hungry(self: Any, model: Any, inputs: dict[str, torch.Tensor], *args: Any, **kwargs: Any) -> Any:
        if len(inputs["input_ids"]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return compute(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(training.RunTrainer, "compute_loss", hungry)
    found: Run = run(folder, model_folder, SHORT, few_rows(16))
    return found


def test_a_cpu_says_that_memory_ran_out_in_words_of_its_own() -> None:
    with pytest.raises(RuntimeError) as problem:
        torch.empty(2**45)
    assert training.is_out_of_memory(problem.value)
    assert not training.is_out_of_memory(RuntimeError("shapes do not match"))


def test_the_order_of_rows_depends_on_seed_and_epoch_alone() -> None:
    sampler = EpochSampler(2, list(range(5, 25)), 7)
    first = list(sampler)
    torch.rand(3)
    assert list(sampler) == first and sorted(first) == list(range(20))
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert list(EpochSampler(2, list(range(5, 25)), 8)) != first


def test_events_can_be_written_as_json(tiny_folder: Path, tmp_path: Path) -> None:
    run = train(tmp_path, tiny_folder, replace(SHORT, probe_max_new_tokens=3, general_ability=True), few_rows(16))
    for event, values in run.events:
        if event not in ("note", "phase"):
            json.dumps(values)
    [scales] = [values for event, values in run.events if event == "scales" and values["after"]]
    assert set(scales["change"]) == {"train", "held_out", "general"}
    assert [answer["ended"] for answer in run.values("answers", "answers")[0]]
    assert run.values("answers", "step")[0] == 0 and run.values("answers", "step")[-1] == 6
