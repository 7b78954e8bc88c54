"""What can be taken away from a run: the adapter with a model card that is filled in from the run itself."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from playground.core.errors import InputError, NotFoundError
from playground.core.i18n import say
from playground.core.whole_files import publish, write_durably
from playground.models.catalogue import entry
from playground.runs.store import TEMPLATE, RunFolder
from playground.runs.types import Report, Settings

KINDS = ("adapter", "card")
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_SETTINGS_SHOWN = (
    "learning_rate", "lr_scheduler_type", "warmup_steps", "per_device_train_batch_size", "gradient_accumulation_steps",
    "max_length", "train_on", "system_prompt", "r", "lora_alpha", "lora_dropout", "target_modules", "held_out", "seed",
    "chat_template_kwargs", "chat_template_clock",
)  # fmt: skip


def export(folder: RunFolder, kind: str) -> Path:
    """Write the file into the run's folder and return it.

    Raises InputError for a kind that is not known, NotFoundError while the run has no adapter.
    """
    if kind not in KINDS:
        raise InputError(
            say("There is no export of the kind {kind}.", kind=repr(kind)[:40]),
            say("Known kinds: {kinds}.", kinds=", ".join(KINDS)),
        )
    if not folder.has_adapter():
        raise NotFoundError(
            say("The run has no adapter yet."), fix=say("Wait until it has trained for a while, then try again.")
        )
    destination = folder.path / "export"
    destination.mkdir(exist_ok=True)
    card = model_card(folder)
    if kind == "card":
        path = destination / "README.md"
        write_durably(path, card.encode())
        return path
    path = destination / "adapter.zip"
    work = destination / "adapter.zip.part"
    with zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _ADAPTER_FILES:
            archive.write(folder.adapter / name, name)
        archive.writestr("README.md", card)
        if template := folder.template():
            archive.writestr(TEMPLATE, template)
    publish(work, path)
    return path


def model_card(folder: RunFolder) -> str:
    """Markdown with the Hub's front matter. In English, as model cards are."""
    asked = folder.settings()
    report = folder.report()
    data = ModelCardData(
        base_model=asked["model"],
        library_name="peft",
        pipeline_tag="text-generation",
        license=_licence(asked["model"]),
        tags=["lora", "sft", "trl", "transformers", "smol-course", "module_1"],
    )
    return f"""---
{data.to_yaml()}
---

# LoRA adapter for {asked["model"]}

Trained with [SFT Playground](https://github.com/huggingface/smol-course): supervised fine-tuning on
{asked["counts"]["train_rows"]} rows ({asked["counts"]["trained_tokens"]} supervised tokens in one pass),
{asked["counts"]["held_out_rows"]} rows held out.

## What came of it

{_results(report)}

## How to use it

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{asked["model"]}"){_template_line(folder)}
model = AutoModelForCausalLM.from_pretrained("{asked["model"]}")
model = PeftModel.from_pretrained(model, "path/to/this/folder")
messages = {_messages(asked["settings"])}
inputs = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True{_template_variables(asked["settings"])}
)
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=64)[0]))
```

## Settings

{_table(asked["settings"], report)}

## Limits

A short run on few rows changes manner and wording more than knowledge. It may repeat what its rows say, also where
they are wrong, and it was checked on nothing but the held-out rows named above.
"""


def _messages(settings: Settings) -> str:
    """What the example asks, in the conversation that the rows were."""
    prompt = str(settings.get("system_prompt") or "")
    asked = '    {"role": "user", "content": "Who are you?"},'
    if prompt.strip():
        asked = f'    {{"role": "system", "content": {json.dumps(prompt, ensure_ascii=False)}}},\n{asked}'
    return f"[\n{asked}\n]"


def _template_line(folder: RunFolder) -> str:
    if not folder.template():
        return ""
    return f'\ntokenizer.chat_template = open("path/to/this/folder/{TEMPLATE}", encoding="utf-8").read()'


def _template_variables(settings: Settings) -> str:
    variables = settings.get("chat_template_kwargs") or {}
    return f", **{variables!r}" if variables else ""


def _licence(model: str) -> str | None:
    known = entry(model)
    return "apache-2.0" if known is not None and known.licence == "Apache-2.0" else None


def _results(report: Report | None) -> str:
    if report is None:
        return "The run was not finished when this was written."
    lines = [str(report["verdict"]["message"])]
    if report["eval_loss_before"] is not None:
        lines.append(
            f"\nHeld-out loss (nats a token): {report['eval_loss_before']:.3f} before, "
            f"{report['eval_loss_after']:.3f} after {report['steps']} steps."
        )
    return "\n".join(lines)


def _table(settings: Settings, report: Report | None) -> str:
    rows = [(name, _in_a_cell(settings[name])) for name in _SETTINGS_SHOWN if settings.get(name) not in (None, "", {})]
    rows += [("steps", report["steps"]), ("quantization", report["quantization"])] if report else []
    rows += [("dtype", report["dtype"]), *report["versions"].items()] if report else []
    return "\n".join(["| setting | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _in_a_cell(value: Any) -> Any:
    """A value in one line of a Markdown table."""
    return " ".join(value.replace("|", "\\|").split()) if isinstance(value, str) else value
