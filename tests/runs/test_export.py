"""What can be taken away from a run, and that nothing of this machine goes with it."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from peft import PeftModel
from safetensors.torch import load

from playground.core.errors import InputError, NotFoundError
from playground.core.i18n import say
from playground.core.settings import DatasetOptions, Limits, TrainSettings
from playground.data.dataset import supervise
from playground.data.readers import parse
from playground.data.source import Source
from playground.runs.export import KINDS, export, model_card
from playground.runs.store import TEMPLATE, RunStore
from playground.server.processes.child import ROOT
from playground.templates.renderer import Renderer

pytest_plugins = ["tests.tiny"]

BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
REPORT = {
    "verdict": {"code": "learned", "message": say("The loss fell from {before}.", before="2.10")},
    "steps": 40,
    "eval_loss_before": 2.1,
    "eval_loss_after": 1.25,
    "choice": say("Runs on 2 CPU cores."),
    "quantization": "nf4",
    "dtype": "bfloat16",
    "versions": {"python": "3.11", "torch": "2.13.0"},
}


@pytest.fixture
def new_run(tmp_path, new_adapter):
    """new_run(model, report) -> a run's folder with an adapter as the train process saves it."""
    store = RunStore(tmp_path / "runs")

    def new(model=BASE, report=REPORT, adapter=True, **asked):
        settings = {
            "settings": TrainSettings(**asked).to_dict(),
            "model": model,
            "model_folder": str(tmp_path / "where-the-model-is"),
            "counts": {"train_rows": 27, "held_out_rows": 3, "trained_tokens": 1234},
        }
        folder = store.create(lambda _: settings)
        if adapter:
            shutil.copytree(new_adapter(3, model), folder.adapter)
        if report is not None:
            folder.write_report(report)
        return folder

    return new


@pytest.fixture
def run(new_run):
    return new_run()


def front_matter(card):
    opening, matter, text = re.split(r"^---$", card, maxsplit=2, flags=re.MULTILINE)
    assert opening == "" and text.strip()
    return yaml.safe_load(matter)


def files_of(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_adapter_comes_as_a_zip_with_a_card(run):
    files = files_of(export(run, "adapter"))
    assert set(files) == {"adapter_config.json", "adapter_model.safetensors", "README.md"}
    assert files["adapter_model.safetensors"] == (run.adapter / "adapter_model.safetensors").read_bytes()
    assert any("lora_A" in name for name in load(files["adapter_model.safetensors"]))
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == BASE
    assert files["README.md"].decode() == model_card(run)


def test_the_zip_can_be_loaded_by_peft(run, tmp_path, model):
    with zipfile.ZipFile(export(run, "adapter")) as archive:
        archive.extractall(tmp_path / "taken-away")
    tuned = PeftModel.from_pretrained(model, str(tmp_path / "taken-away"))
    assert tuned.peft_config["default"].r == 4


def test_no_path_of_this_machine_goes_with_it(run, tmp_path, tiny_folder):
    places = [str(tmp_path), str(tiny_folder), str(run.path), str(Path.home()), str(ROOT), sys.prefix, run.id]
    for name, content in files_of(export(run, "adapter")).items():
        for place in places:
            assert place.encode() not in content, (name, place)
        if name != "adapter_model.safetensors":
            assert not re.search(rb"(?<![\w./:])/(home|tmp|root|usr|work|var|opt|Users)/", content), name


def test_the_cards_front_matter_names_the_base(run):
    matter = front_matter(export(run, "card").read_text(encoding="utf-8"))
    assert matter["base_model"] == BASE
    assert (matter["library_name"], matter["pipeline_tag"], matter["license"]) == (
        "peft",
        "text-generation",
        "apache-2.0",
    )
    assert "lora" in matter["tags"]


def test_a_licence_that_is_not_known_is_not_made_up(new_run):
    assert "license" not in front_matter(model_card(new_run("someone/some-model")))
    assert "license" not in front_matter(model_card(new_run("google/gemma-3-270m-it")))


@pytest.mark.parametrize("name", ["my: model", "- x", "'quoted'", "a\nb: c", "# no", "モデル"])
def test_a_local_models_odd_name_does_not_break_the_front_matter(new_run, name):
    assert front_matter(model_card(new_run(name)))["base_model"] == name


def test_the_card_tells_what_came_of_the_run(run):
    card = model_card(run)
    for told in ("27 rows", "3 rows", "1234 supervised tokens", "The loss fell from 2.10.", "2.100 before", "1.250"):
        assert told in card
    for row in ("| learning_rate | 0.001 |", "| r | 16 |", "| steps | 40 |", "| quantization | nf4 |"):
        assert row in card


def test_the_card_of_a_run_without_held_out_rows_gives_no_losses(new_run):
    card = model_card(new_run(report={**REPORT, "eval_loss_before": None, "eval_loss_after": None}))
    assert "Held-out loss" not in card and "The loss fell" in card


def test_an_adapter_can_be_taken_before_the_run_is_finished(new_run):
    run = new_run(report=None)
    assert "not finished" in model_card(run)
    assert front_matter(model_card(run))["base_model"] == BASE
    assert len(files_of(export(run, "adapter"))) == 3


def test_the_program_in_the_card_is_python(run):
    [program] = re.findall(r"```python\n(.*?)```", model_card(run), flags=re.DOTALL)
    assert f'from_pretrained("{BASE}")' in program
    ast.parse(program)


def test_the_program_in_the_card_asks_in_the_conversation_that_was_trained(new_run, tokenizer):
    prompt = 'You are the "desk".\nBegin with the code | 7.'
    card = model_card(new_run(system_prompt=prompt))
    [program] = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    asked = next(
        node for node in ast.parse(program).body if isinstance(node, ast.Assign) and node.targets[0].id == "messages"
    )
    messages = ast.literal_eval(asked.value)
    assert messages == [{"role": "system", "content": prompt}, {"role": "user", "content": "Who are you?"}]
    parsed = parse(Source(b'{"prompt": "Who are you?", "completion": "The desk."}', ""), Limits())
    [example] = supervise(parsed, Renderer(tokenizer), DatasetOptions(system_prompt=prompt)).examples
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert example.input_ids[: len(ids)].tolist() == ids
    assert '| system_prompt | You are the "desk". Begin with the code \\| 7. |' in card


def test_exporting_again_gives_the_newer_adapter_and_leaves_no_scraps(run, new_adapter):
    first = files_of(export(run, "adapter"))
    shutil.copytree(new_adapter(4, BASE), run.adapter, dirs_exist_ok=True)
    second = files_of(export(run, "adapter"))
    assert first["adapter_model.safetensors"] != second["adapter_model.safetensors"]
    assert [path.name for path in (run.path / "export").iterdir()] == ["adapter.zip"]


def test_a_run_without_an_adapter_has_nothing_to_take_yet(new_run):
    run = new_run(adapter=False)
    for kind in KINDS:
        with pytest.raises(NotFoundError, match="no adapter yet"):
            export(run, kind)


@pytest.mark.parametrize("kind", ["", "other", "../adapter", None, ["adapter"]])
def test_another_kind_is_refused_with_the_known_ones(run, kind):
    with pytest.raises(InputError, match="adapter, card"):
        export(run, kind)


def test_the_template_of_the_run_travels_with_its_adapter(new_run):
    folder = new_run(chat_template="{{ year }}", chat_template_kwargs={"year": 2001})
    (folder.path / TEMPLATE).write_text("{{ year }}", encoding="utf-8")
    with zipfile.ZipFile(export(folder, "adapter")) as archive:
        assert archive.read(TEMPLATE).decode() == "{{ year }}"
        card = archive.read("README.md").decode()
    assert f'tokenizer.chat_template = open("path/to/this/folder/{TEMPLATE}"' in card
    assert "**{'year': 2001}" in card
    snippet = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert snippet is not None
    ast.parse(snippet[1])
