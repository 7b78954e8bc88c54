"""Every named endpoint of a launched app, through gradio_client, as a script elsewhere would call it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from huggingface_hub import ModelCard
from safetensors import safe_open

from playground.data.examples import BUNDLED, bundled
from tests.conftest import App, wait_for

pytestmark = [pytest.mark.app, pytest.mark.model]

CONVERSATION = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]
ENDPOINTS = {"/preview", "/check_dataset", "/train", "/run", "/stop", "/reply", "/export"}

CHEAP = {"general_ability": False, "probe_max_new_tokens": 2}
"""What is measured beside the steps is tested elsewhere."""


@pytest.fixture(scope="module")
def client(app: App) -> Client:
    return Client(app.url, verbose=False)


@pytest.fixture(scope="module")
def run(client: Client) -> str:
    """A short finished run of the real model."""
    rows = "".join(sorted(bundled("persona-mochi").text().splitlines(keepends=True), key=len)[:24])
    settings = {"max_steps": 4, "eval_steps": 2, "per_device_train_batch_size": 2, **CHEAP}
    started = client.predict(text=rows, settings=settings, api_name="/train")
    assert started["state"] == "queued"
    wait_for(lambda: client.predict(started["run"], api_name="/run")["state"] not in ("queued", "running"), 600, "it")
    return started["run"]


def test_only_the_named_endpoints_are_listed(client: Client) -> None:
    listed = client.view_api(return_format="dict")
    assert set(listed["named_endpoints"]) == ENDPOINTS
    assert not listed["unnamed_endpoints"]


def test_preview_gives_text_tokens_and_what_is_trained(client: Client) -> None:
    preview = client.predict(CONVERSATION, api_name="/preview")
    assert preview["text"].endswith("<|im_start|>assistant\nAhoy<|im_end|>\n")
    assert "".join(token["text"] for token in preview["tokens"]) == preview["text"]
    assert "".join(token["text"] for token in preview["tokens"] if token["trained"]) == "Ahoy<|im_end|>\n"
    assert {token["role"] for token in preview["tokens"]} == {"template", "user", "assistant"}
    assert "error" not in {finding["severity"] for finding in preview["findings"]}


def test_preview_takes_template_source_with_its_special_tokens_and_clock(client: Client) -> None:
    source = (
        "{{ bos_token }}{{ strftime_now('%Y') }}"
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}{{ mood }}"
    )
    options = {
        "special_tokens": {"bos_token": "<s>"},
        "clock": "1999-12-31T23:59:00",
        "template_kwargs": {"mood": "!"},
    }
    preview = client.predict(CONVERSATION, "", source, options, api_name="/preview")
    assert preview["text"] == "<s>1999[user] Hi[assistant] Ahoy!"
    assert preview["tokens"] == []


def test_a_conversation_that_the_template_refuses_comes_with_what_mends_it(client: Client) -> None:
    blocks = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, *CONVERSATION[1:]]
    refused = client.predict(blocks, api_name="/preview")
    assert (refused["text"], refused["tokens"]) == ("", [])
    assert [finding["code"] for finding in refused["findings"]] == ["refused", "text_wanted"]
    mended = client.predict(refused["findings"][1]["action"]["messages"], api_name="/preview")
    assert mended["text"] == client.predict(CONVERSATION, api_name="/preview")["text"]


def test_check_dataset_takes_a_file(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\nnot json\n')
    found = client.predict(file=handle_file(path), api_name="/check_dataset")
    assert (found["format"], found["rows"], found["usable_rows"]) == ("prompt_completion", 2, 1)
    assert [(finding["row"], finding["code"]) for finding in found["findings"] if finding["row"]] == [(2, "not_json")]


@pytest.mark.parametrize("name", [dataset.name for dataset in BUNDLED])
def test_every_bundled_example_can_be_trained_on_whole(client: Client, name: str) -> None:
    found = client.predict(text=bundled(name).text(), api_name="/check_dataset")
    assert 60 <= found["rows"] <= 200
    assert found["usable_rows"] == found["rows"]
    assert [finding for finding in found["findings"] if finding["severity"] == "error"] == []


def test_a_run_tells_its_curve_and_verdict(client: Client, run: str) -> None:
    status = client.predict(run, api_name="/run")
    assert (status["state"], status["position"], status["error"]) == ("done", 0, None)
    assert (status["step"], status["steps"]) == (4, 4)
    assert [row["step"] for row in status["metrics"] if row["loss"] is not None] == [1, 2, 3, 4]
    assert [row["step"] for row in status["metrics"] if row["eval_loss"] is not None] == [0, 2, 4]
    for name in ("learning_rate", "grad_norm", "tokens", "tokens_per_s"):
        assert status["metrics"][-1][name] is not None
    assert status["verdict"]["code"] in ("learned", "not_better")
    assert any("NF4" in note or "not quantised" in note for note in status["notes"]), "the choice and its reason"


def test_reply_streams_both_sides_and_base_alone(client: Client, run: str) -> None:
    question = [{"role": "user", "content": "Who are you?"}]
    updates = list(client.submit(question, run, {"max_new_tokens": 12}, api_name="/reply"))
    assert len(updates) > 1
    last = updates[-1]
    assert last["base"]["ended"] in ("stop", "length") and last["tuned"]["ended"] in ("stop", "length")
    assert last["base"]["tokens"] > 0 and last["base"]["tokens_per_s"] > 0
    alone = client.predict(question, "", {"max_new_tokens": 12}, api_name="/reply")
    assert alone["tuned"] is None
    assert alone["base"]["text"] == last["base"]["text"]


def test_people_who_ask_at_once_get_their_own_answers(client: Client) -> None:
    """That each equals the answer of a solo run to the token is tested in fp32 (test_engine.py)."""
    places = ("France", "Japan", "Italy", "Spain")
    questions = [[{"role": "user", "content": f"What is the capital of {place}?"}] for place in places]
    jobs = [client.submit(question, "", {"max_new_tokens": 12}, api_name="/reply") for question in questions]
    for place, job in zip(places, jobs, strict=True):
        assert place in job.result(timeout=300)["base"]["text"]


def test_export_gives_safetensors_and_a_card_that_names_the_base(client: Client, run: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(client.predict(run, api_name="/export")) as archive:
        assert sorted(archive.namelist()) == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
        archive.extractall(tmp_path)
    with safe_open(tmp_path / "adapter_model.safetensors", "pt") as weights:
        assert all("lora_" in name for name in weights.keys())  # noqa: SIM118  Not a dict.
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert Path(client.predict(run, "card", api_name="/export")).read_text() == (tmp_path / "README.md").read_text()


REFUSED = {
    "/preview": [[]],
    "/check_dataset": [" "],
    "/train": [" "],
    "/run": ["../runs"],
    "/stop": [""],
    "/reply": [[]],
    "/export": ["A" * 22],
}


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "No rows arrived|has no messages|There is no such run"), ("ja-JP", "^[^A-Za-z]*[ぁ-ん].*。$")],
)
def test_every_endpoint_refuses_in_the_language_of_the_request(app: App, language: str, said: str) -> None:
    """What is refused, and why, is tested where it is said (test_refusals.py)."""
    client = Client(app.url, verbose=False, headers={"Accept-Language": f"{language},fr;q=0.9"})
    for endpoint in ENDPOINTS:
        with pytest.raises(AppError, match=said):
            client.predict(*REFUSED[endpoint], api_name=endpoint)


def test_unknown_exports_are_refused(client: Client, run: str) -> None:
    with pytest.raises(AppError, match="no export of the kind 'gguf'.*adapter, card"):
        client.predict(run, "gguf", api_name="/export")


def raw_call(app: App, endpoint: str, data: list[Any]) -> str:
    """What a hand-made request gets, past gradio_client's own checks."""
    event = httpx.post(f"{app.url}gradio_api/call/{endpoint}", json={"data": data}).json()
    return httpx.get(f"{app.url}gradio_api/call/{endpoint}/{event['event_id']}", timeout=120).text


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_a_path_on_the_server_is_no_upload(app: App, meta: dict[str, Any]) -> None:
    private = app.home / "somebody-elses.jsonl"
    private.write_text('{"prompt": "Where?", "completion": "Here."}\n' * 2)
    answer = raw_call(app, "check_dataset", ["", {"path": str(private), **meta}, "", {}])
    assert "event: error" in answer
    assert "usable_rows" not in answer


def test_another_kind_of_file_is_refused_by_name(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "rows.exe"
    path.write_bytes(b"MZ")
    with pytest.raises(AppError, match=r"A file of the type \.exe arrived.*\.jsonl, \.json"):
        client.predict(file=handle_file(path), api_name="/check_dataset")


def test_runs_cannot_be_listed_and_are_private_files(app: App, run: str) -> None:
    folder = app.home / "runs" / run
    assert folder.is_dir()
    for path in (folder / "settings.json", folder / "rows.jsonl", app.home / "browser-secret"):
        for route in ("file=", "gradio_api/file="):
            assert httpx.get(f"{app.url}{route}{path}").status_code in (403, 404)
    assert (app.home / "runs").stat().st_mode & 0o077 == 0


def test_no_monitoring_and_no_history(app: App) -> None:
    assert httpx.get(f"{app.url}monitoring").status_code in (403, 404)
    assert httpx.get(f"{app.url}gradio_api/runs").status_code in (403, 404)
