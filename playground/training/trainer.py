"""SFTTrainer on rows that are already tokens and labels, and the few things that it does not do.

The trainer must not render, truncate or mask again: it gets `input_ids` and `labels` as the preview showed them, and
`max_length=None`. Added are scores of rows one by one, answers to probes, and an order of rows that depends on the seed
alone. Optimiser, schedule, loss, clipping and accumulation are Trainer's own: its losses are a plain SFTTrainer's.

Speed, on 2 CPU cores (SmolLM2-135M, NF4, rows of 20 to 200 tokens): SFTTrainer's defaults are 4 times slower than
with batches of like length and no gradient checkpointing, so both are set; the model fits without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer, pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from playground.core.settings import TrainSettings
from playground.models.devices import Choice
from playground.runs.plan import Plan
from playground.training.checkpoints import publish_checkpoint
from playground.training.head import score_supervised_only
from playground.training.meter import Meter
from playground.training.rows import EpochSampler, Rows, lengths

_SCORED_ROWS = 8
"""Rows scored in one batch."""


@dataclass(frozen=True)
class Score:
    """How one row was found."""

    nll: float
    """Negative log-likelihood of its supervised tokens, in nats."""
    tokens: int
    """Supervised tokens."""
    ends: bool | None
    """Whether the token that ends its last turn was the likeliest one there; None where the row has no such token."""


class RunTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer that can also score rows and answer prompts, neither of which changes its training."""

    meter: Meter
    order: EpochSampler | None = None

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Any:
        return self.order or super()._get_train_sampler(train_dataset)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        self.meter.padded_tokens += inputs["input_ids"].numel()
        return super().training_step(model, inputs, *args, **kwargs)

    def score(self, rows: Dataset, stop: Sequence[int] = ()) -> list[Score]:
        """Each row's score, in order. `stop`: tokens that end a turn."""
        found: dict[int, Score] = {}
        with self._aside():
            for places, batch in self._batches(rows):
                with self.meter.timing(self.meter.evaluations, batch["input_ids"].numel()):
                    outputs = self.model(**batch, fused_lm_head=True, use_cache=False)
                    likelihood = outputs.log_probs.double().sum(dim=1).tolist()
                    counts = outputs.label_mask.sum(dim=1).tolist()
                top = outputs.is_top1.bool()
                for line, place in enumerate(places):
                    ends = _ends(batch["labels"][line, 1:], top[line], stop)
                    found[place] = Score(-likelihood[line], int(counts[line]), ends)
        return [found[place] for place in range(len(rows))]

    def answer(self, prompts: Sequence[Sequence[int]], stop: Sequence[int], tokens: int) -> list[dict[str, str]]:
        """[{text, ended: stop or length}]: greedy answers of at most `tokens` tokens, all in one batch."""
        pad = self.processing_class.pad_token_id
        width = max(map(len, prompts))
        ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        how = GenerationConfig(
            do_sample=False, max_new_tokens=tokens, pad_token_id=pad, eos_token_id=list(stop) or None, use_cache=True
        )
        device = next(self.model.parameters()).device
        with self._aside():
            with self.meter.timing(self.meter.answers, tokens):
                whole = self.model.generate(
                    input_ids=ids.to(device), attention_mask=mask.to(device), generation_config=how
                )
            count, seconds = self.meter.answers.pop()
            self.meter.answers.append((min(count, whole.shape[1] - width), seconds))
        return [self._said(row[width:].tolist(), stop) for row in whole]

    def _said(self, ids: list[int], stop: Sequence[int]) -> dict[str, str]:
        end = next((place for place, token in enumerate(ids) if token in stop), None)
        text = self.processing_class.decode(ids[:end], skip_special_tokens=True)
        return {"text": text, "ended": "length" if end is None else "stop"}

    def log_probabilities(self, ids: Sequence[int]) -> torch.Tensor:
        """[vocabulary]: log-probabilities of the token that follows `ids`, in float32 on the CPU."""
        with self._aside():
            batch = torch.tensor([list(ids)], device=next(self.model.parameters()).device)
            return self.model(input_ids=batch, use_cache=False).logits[0, -1].float().log_softmax(-1).cpu()

    def save_checkpoint(self, folder: Path) -> None:
        """Leave checkpoint/step-N in `folder`, to go on from."""
        self._save_checkpoint(self.model, trial=None)
        publish_checkpoint(Path(self.args.output_dir), folder, self.state.global_step)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Something that is no training: without gradients and dropout, and without a trace in the random numbers."""
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), torch.random.fork_rng(), self.accelerator.autocast():
                yield
        finally:
            self.model.train(was_training)

    def _batches(self, rows: Dataset) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
        """(places in `rows`, batch), longest first, so that what does not fit into memory shows at once."""
        collate = DataCollatorForLanguageModeling(pad_token_id=self.processing_class.pad_token_id)
        taken = rows.to_list()
        order = sorted(range(len(taken)), key=lambda place: -len(taken[place]["input_ids"]))
        for start in range(0, len(order), _SCORED_ROWS):
            places = order[start : start + _SCORED_ROWS]
            yield places, self._prepare_inputs(collate([taken[place] for place in places]))


def _ends(labels: torch.Tensor, top: torch.Tensor, stop: Sequence[int]) -> bool | None:
    """`labels` and `top` are shifted: place i is what follows token i. A line break may follow the end."""
    supervised = (labels != -100).nonzero().flatten().tolist()
    for place in reversed(supervised[-3:]):
        if int(labels[place]) in stop:
            return bool(top[place])
    return None


def build_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    settings: TrainSettings,
    choice: Choice,
    folder: Path,
    plan: Plan,
) -> RunTrainer:
    """SFTTrainer with the run's settings, its `plan`, and nothing switched on that nobody looks at."""
    config = SFTConfig(
        output_dir=str(folder / "checkpoint.part"),
        max_steps=plan.steps,
        per_device_train_batch_size=plan.per_device_train_batch_size,
        gradient_accumulation_steps=plan.gradient_accumulation_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.lr_scheduler_type,
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        bf16=choice.dtype is torch.bfloat16,
        fp16=choice.dtype is torch.float16,
        use_cpu=choice.device == "cpu",
        # Rows come as tokens, cut and labelled; nothing may be done to them again.
        max_length=settings.max_length if settings.packing else None,
        dataset_kwargs={"skip_prepare_dataset": True},
        packing=settings.packing,
        # Batches of like length: on a CPU every padding token costs as much as a real one.
        train_sampling_strategy="group_by_length" if settings.shuffle_dataset else "sequential",
        gradient_checkpointing=settings.gradient_checkpointing,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=choice.device == "cuda",
    )
    train = pack_dataset(rows.train, settings.max_length, "bfd") if settings.packing else rows.train
    started = folder / "start"
    if started.is_dir():
        adapted = PeftModel.from_pretrained(model, started, is_trainable=True)
        trainer = RunTrainer(adapted, args=config, train_dataset=train, processing_class=tokenizer)
    else:
        trainer = RunTrainer(
            model, args=config, train_dataset=train, processing_class=tokenizer, peft_config=_lora(settings)
        )
    score_supervised_only(trainer.model.get_base_model())
    trainer.meter = Meter()
    if settings.shuffle_dataset:
        together = plan.per_device_train_batch_size * plan.gradient_accumulation_steps
        trainer.order = EpochSampler(together, lengths(train), settings.seed)
    if choice.dtype is torch.float16:
        keep_master_weights(trainer.model)
    return trainer


def keep_master_weights(model: torch.nn.Module) -> None:
    """Trainable weights in fp32: the gradient scaler of fp16 refuses others, and TRL makes a quantised model's bf16."""
    for weights in model.parameters():
        if weights.requires_grad:
            weights.data = weights.data.float()


def _lora(settings: TrainSettings) -> LoraConfig:
    names = settings.target_modules
    modules = names if names == "all-linear" else [name.strip() for name in names.split(",")]
    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        use_rslora=settings.use_rslora,
        target_modules=modules,
        task_type="CAUSAL_LM",
    )
