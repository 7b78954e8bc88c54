"""The lab as the page calls it: a Backend with its sandbox, and no model that answers or trains."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.settings import Limits
from playground.server.backend import Backend
from playground.server.template_service import TemplateService
from playground.templates.catalogue import gallery

pytest_plugins = ["tests.tiny"]

MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]


@pytest.fixture(scope="module")
def templates(tmp_path_factory, tiny_folder) -> Iterator[TemplateService]:
    limits = Limits(preview_s=20.0, upload_bytes=1_000_000)
    backend = Backend(tmp_path_factory.mktemp("home"), limits, local_models={"tiny": str(tiny_folder)})
    backend._sandbox.start()
    yield backend.templates
    backend._sandbox.close()


def test_a_preview_has_the_text_the_tokens_their_places_and_the_doctors_findings(templates):
    shown = templates.preview([MESSAGES[0], {"role": "assistant", "content": "<|im_end|>Ahoy 🙂"}], "tiny")
    assert "".join(shown["text"][token["start"] : token["end"]] for token in shown["tokens"][:9]) in shown["text"]
    assert shown["mask"] == "sentinels"
    assert [span["message"] for span in shown["spans"]] == [None, 0, 1]
    found = {finding["code"]: finding for finding in shown["findings"]}
    assert {"control_tokens_in_content", "default_system", "pad_is_eos"} <= set(found)
    for start, end in found["control_tokens_in_content"]["evidence"]:
        assert shown["text"][start:end] == "<|im_end|>"
    assert found["control_tokens_in_content"]["why"]
    mended = found["control_tokens_in_content"]["action"]
    again = templates.preview(mended["messages"], "tiny")
    assert "control_tokens_in_content" not in {finding["code"] for finding in again["findings"]}


def test_without_a_model_there_is_text_and_what_can_be_said_of_it(templates):
    shown = templates.preview(MESSAGES, "", "qwen3")
    assert shown["tokens"] == [] and shown["text"].startswith("<|im_start|>user\nHi")
    assert [span["role"] for span in shown["spans"]] == ["user", "assistant"]


def test_a_refusal_brings_the_doctors_explanation_with_it(templates):
    with pytest.raises(InputError, match="System role not supported") as refusal:
        templates.preview([{"role": "system", "content": "Be brief."}, *MESSAGES], "tiny", "gemma")
    [finding] = refusal.value.findings
    assert finding["code"] == "system_refused"
    assert templates.preview(finding["action"]["messages"], "tiny", "gemma")["text"]


def test_a_template_comes_with_everything_that_it_reads(templates):
    own = templates.template("tiny")
    assert own["source"].startswith("{% for message in messages %}")
    assert (own["name"], own["variables"], own["tools"]) == ("", [], False)
    assert own["special_tokens"]["eos_token"] == "<|im_end|>"
    qwen = templates.template("tiny", "qwen3")
    assert qwen["name"] == "qwen3" and qwen["training_twin"] == "qwen3_training" and qwen["tools"]
    assert [variable["name"] for variable in qwen["variables"]] == ["enable_thinking"]
    assert templates.template("", "llama3_2")["clock"]
    assert {"qwen3", "smollm2", "zephyr"} <= set(templates.names())
    with pytest.raises(InputError, match="Line 2"):
        templates.template("tiny", "{{ 1 }}\n{% for %}")


def test_a_template_is_read_from_a_models_file(templates, tmp_path):
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({"chat_template": "{{ bos_token }}", "bos_token": "<s>"}))
    found = templates.read_file(str(path))
    assert (found["source"], found["special_tokens"]) == ("{{ bos_token }}", {"bos_token": "<s>"})
    path.write_bytes(b" " * 1_000_001)
    with pytest.raises(LimitError, match=r"1\.0 MB"):
        templates.read_file(str(path))


def test_two_templates_are_compared_and_one_that_fails_costs_the_other_nothing(templates):
    sides = [{"model": "tiny", "template": ""}, {"model": "tiny", "template": "zephyr"}]
    found = templates.compare(MESSAGES, sides)
    texts = [templates.preview(MESSAGES, side["model"], side["template"])["text"] for side in sides]
    assert [side["text"] for side in found["sides"]] == texts
    assert "".join(piece["text"] for piece in found["diff"] if piece["op"] != "insert") == texts[0]
    assert "".join(piece["text"] for piece in found["diff"] if piece["op"] != "delete") == texts[1]
    assert all(side["turn_cost"]["user"] > 0 for side in found["sides"])
    broken = templates.compare(MESSAGES, [sides[0], {"model": "no such model", "template": ""}])
    assert broken["sides"][0]["text"] == texts[0]
    assert isinstance(broken["sides"][1]["error"], PlaygroundError) and broken["diff"] == []


def test_a_script_names_the_model_and_holds_the_template(templates):
    script = templates.reproduce(MESSAGES, "tiny", "zephyr", {"add_generation_prompt": True})
    assert "from_pretrained('tiny')" in script and gallery()["zephyr"].read_text().strip() in script
    compile(script, "script", "exec")


def test_the_samples_render(templates):
    samples = templates.samples()
    assert sum(sample.breaks for sample in samples) >= 5
    for sample in samples:
        options = {**sample.options, "tools": sample.tools}
        assert templates.preview(sample.messages, "tiny", "qwen3", options)["text"], sample.name
