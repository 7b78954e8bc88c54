"""The head on supervised positions: the same numbers as TRL's, on fewer positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from trl.trainer.utils import add_fused_lm_head

from playground.core.settings import TrainSettings
from playground.training import head
from playground.training.head import score_supervised_only
from tests.training.runs import a_trainer, few_rows

pytestmark = pytest.mark.model
pytest_plugins = ["tests.tiny"]

FIELDS = ("log_probs", "is_top1", "label_mask")


def model_of(folder: Path, dtype: torch.dtype = torch.float32, **config: Any) -> PreTrainedModel:
    """The tiny model with TRL's head: its own head is frozen and the rest learns, so that gradients can be compared."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    for name, value in config.items():
        setattr(model.config, name, value)
    model.get_output_embeddings().weight.requires_grad_(False)
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    return model


def a_batch(model: PreTrainedModel, supervised: float = 0.4) -> dict[str, torch.Tensor]:
    """Five rows of 90 tokens, the first of them padded: more supervised positions than one chunk holds."""
    dice = torch.Generator().manual_seed(3)
    ids = torch.randint(0, model.config.vocab_size, (5, 90), generator=dice)
    labels = ids.masked_fill(torch.rand(ids.shape, generator=dice) >= supervised, -100)
    mask = torch.ones_like(ids)
    mask[0, 60:], labels[0, 60:] = 0, -100
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def seen(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> tuple[Any, dict[str, torch.Tensor]]:
    """What the head said, and every gradient of its summed loss."""
    model.zero_grad()
    outputs = model(**batch, fused_lm_head=True, use_cache=False)
    (-outputs.log_probs.sum() / 7).backward()
    return outputs, {
        name: weights.grad.clone() for name, weights in model.named_parameters() if weights.grad is not None
    }


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_losses_and_gradients_are_those_of_trl(dtype: torch.dtype, error: float, tiny_folder: Path) -> None:
    model = model_of(tiny_folder, dtype)
    batch = a_batch(model)
    assert (batch["labels"] != -100).sum() > 2 * head.PLACES_AT_ONCE
    theirs, their_gradients = seen(model, batch)
    score_supervised_only(model)
    ours, our_gradients = seen(model, batch)
    assert torch.equal(ours.label_mask, theirs.label_mask)
    assert torch.allclose(ours.log_probs, theirs.log_probs * theirs.label_mask, rtol=error, atol=error)
    assert (ours.is_top1 != theirs.is_top1 * theirs.label_mask).float().mean() <= error
    assert ours.loss.item() == pytest.approx(theirs.loss.item(), rel=error)
    assert our_gradients.keys() == their_gradients.keys() and len(our_gradients) > 10
    for name, gradient in our_gradients.items():
        off = (gradient - their_gradients[name]).float().norm() / their_gradients[name].float().norm()
        assert off < error, name


def test_a_batch_without_a_supervised_position_has_a_loss_of_nought_and_gradients_of_nought(tiny_folder: Path) -> None:
    model = model_of(tiny_folder)
    score_supervised_only(model)
    outputs, gradients = seen(model, a_batch(model, supervised=0))
    assert outputs.loss.item() == 0 and not outputs.log_probs.any()
    assert gradients and not any(gradient.any() for gradient in gradients.values())


def test_logits_are_made_of_supervised_positions_alone(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, made = model_of(tiny_folder), list[int]()
    linear = head.functional.linear
    score_supervised_only(model)
    batch = a_batch(model)

    def spy(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        made.extend([len(hidden)] * (weight is model.get_output_embeddings().weight))
        return linear(hidden, weight, bias)

    monkeypatch.setattr(head.functional, "linear", spy)
    model(**batch, fused_lm_head=True, use_cache=False)
    assert sum(made) == (batch["labels"][:, 1:] != -100).sum() and max(made) <= head.PLACES_AT_ONCE


def refuses(model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(head, "_output", lambda *_: pytest.fail("our head was taken"))
    score_supervised_only(model)
    return bool(model(**a_batch(model), fused_lm_head=True).log_probs.any())


@pytest.mark.parametrize("name", ["final_logit_softcapping", "logit_scale", "logits_scaling"])
def test_logits_that_are_scaled_are_left_to_trl(name: str, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refuses(model_of(tiny_folder, **{name: 2.0}), monkeypatch)


def test_a_head_that_learns_is_left_to_trl(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(tiny_folder)
    model.get_output_embeddings().weight.requires_grad_(True)
    assert refuses(model, monkeypatch)


def test_a_head_of_another_kind_is_left_to_trl(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Adapted(torch.nn.Linear):
        """Stands for an adapter on the head."""

    model = model_of(tiny_folder)
    plain = model.get_output_embeddings()
    adapted = Adapted(plain.in_features, plain.out_features, bias=False)
    adapted.weight = plain.weight
    model.set_output_embeddings(adapted)
    assert refuses(model, monkeypatch)


def test_without_the_fused_head_the_model_is_as_it_was(tiny_folder: Path) -> None:
    model = model_of(tiny_folder)
    batch = a_batch(model)
    before = model(**batch)
    score_supervised_only(model)
    after = model(**batch)
    assert torch.equal(before.logits, after.logits) and torch.equal(before.loss, after.loss)
    asked = {"input_ids": batch["input_ids"][1:2, :9], "max_new_tokens": 3, "do_sample": False}
    assert model.generate(**asked).shape == (1, 12)  # It checks its arguments against the signature.


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_a_run_trains_and_scores_with_it(
    quantization: Any, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainSettings(max_steps=2, time_budget_s=0, held_out=0.25, quantization=quantization)
    trainer, taken = a_trainer(tmp_path, tiny_folder, settings, few_rows(12)), list[int]()
    output = head._output
    monkeypatch.setattr(head, "_output", lambda *given: taken.append(1) or output(*given))
    trainer.train()
    steps = len(taken)
    assert steps == 2 * trainer.args.gradient_accumulation_steps
    trainer.score(trainer.train_dataset)
    assert len(taken) > steps
