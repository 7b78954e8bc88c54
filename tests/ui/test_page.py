"""The page as a whole, built in front of a fake backend and looked at without a browser."""

import re
import subprocess
import sys
from dataclasses import fields

import gradio as gr
import pytest

from playground.core.paths import ASSETS, ROOT
from playground.core.settings import TrainSettings
from playground.ui.page import build_page, launch_options
from playground.ui.settings.form import SettingsForm

from .fake_backend import FakeBackend

ENDPOINTS = {"preview", "check_dataset", "train", "run", "stop", "reply", "export"}
IDS = {
    "model", "model-line", "tabs", "conversation", "template", "template-view", "template-inputs", "template-source",
    "template-diff", "template-file", "template-original", "template-breakers", "compare-with", "compare-view",
    "copy-python", "copy-link", "share", "undo-fix", "template-changed",
    "fine-tune-on-this", "template-examples", "examples",
    "paste", "upload", "check", "start", "start-error", "my-runs", "run-state", "run-figures", "curve", "run-outcome",
    "stop", "compare-this-run", "download", "compare-run", "message", "send", "stop-answer", "regenerate", "clear",
    "questions", "newest", "history", "compare-error", "run-scales", "run-readings", "wanted-note", "run-probes",
    "run-facts", "run-log", "resume", "download-report", "estimate", "baseline-ask", "run-history", "start-from",
}  # fmt: skip


@pytest.fixture(scope="module")
def page():
    return build_page(FakeBackend(), "secret")


def test_only_the_named_endpoints_are_public(page):
    public = {fn.api_name for fn in page.fns.values() if fn.api_visibility != "private"}
    assert public == ENDPOINTS


def test_what_browser_tests_look_for_is_there(page):
    assert {block.elem_id for block in page.blocks.values()} >= IDS


def test_every_control_has_a_label_and_says_what_it_does(page):
    controls = (gr.Textbox, gr.Number, gr.Dropdown, gr.Checkbox)
    lacking = [
        block.elem_id
        for block in page.blocks.values()
        if isinstance(block, controls) and not (block.label and block.info)
    ]
    assert lacking == []


def test_polling_and_stopping_never_wait_in_a_queue(page):
    ids = {block._id: block for block in page.blocks.values()}
    for fn in page.fns.values():
        for block_id, event in fn.targets:
            block = ids.get(block_id)
            if event == "tick" or getattr(block, "elem_id", None) in ("stop", "stop-answer"):
                assert fn.queue is False, (event, fn.name)


def test_live_events_keep_order(page):
    live = [fn for fn in page.fns.values() if fn.name in ("show", "check")]
    assert len(live) == 2, "one event for all triggers: two could overtake each other"
    # Rows keep their order by numbers, so that a newer look can stop an older one: see live_work.py.
    assert {fn.name: fn.trigger_mode for fn in live} == {"show": "always_last", "check": "multiple"}


def test_what_a_browser_keeps_survives_a_restart(page):
    stores = [block for block in page.blocks.values() if isinstance(block, gr.BrowserState)]
    keys = ["sft-playground-runs", "sft-playground-rows", "sft-playground-rows-changes"]
    assert [(store.storage_key, store.secret) for store in stores] == [(key, "secret") for key in keys]


def test_nothing_is_recorded_or_sent_elsewhere():
    options = launch_options()
    assert options["run_history"] is False and options["enable_monitoring"] is False
    assert "http" not in options["css"] and "http" not in options["head"]


def test_importing_the_page_brings_in_no_deep_learning():
    code = "import sys, playground.ui.page; print({'torch', 'transformers'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_every_training_setting_has_a_widget_and_starts_at_its_default():
    with gr.Blocks():
        form = SettingsForm()
    from_elsewhere = {"chat_template", "chat_template_kwargs", "chat_template_clock", "mapping", "edits"}
    assert set(form.fields) == {field.name for field in fields(TrainSettings)} - from_elsewhere
    values = form.values([widget.value for widget in form.widgets])
    assert TrainSettings.from_dict(values) == TrainSettings()


def test_an_emptied_setting_means_the_default():
    with gr.Blocks():
        form = SettingsForm()
    assert form.values([None for _ in form.widgets]) == {}


GRADIOS = {
    "cm-editor", "cm-gutters", "cm-scroller", "fillable", "gradio-container", "html-container", "info-text",
    "input-container", "label-wrap", "tab-container", "tab-wrapper", "tabitem", "upload-container", "wrap-inner",
}  # fmt: skip
"""Class names that Gradio's components give themselves."""


def test_every_rule_of_the_style_sheets_has_something_to_style():
    """As far as names tell: one that is an English word may be found in prose."""
    files = [*ASSETS.rglob("*.css"), *(ROOT / "playground").rglob("*.css")]
    sheets = re.sub(r"/\*.*?\*/", "", "\n".join(file.read_text("utf-8") for file in files), flags=re.DOTALL)
    selectors = re.sub(r"\{[^{}]*\}", "\n", sheets)
    sources = [*(ROOT / "playground").rglob("*.py"), *(ROOT / "playground").rglob("*.js")]
    written = "\n".join(source.read_text("utf-8") for source in sources)
    words = set(re.findall(r"[\w-]+", written))
    beginnings = set(re.findall(r"([a-z][\w-]*-)\$?\{", written)) | set(re.findall(r'([a-z]+-)" \+', written))

    def is_made(name: str) -> bool:
        return (
            name in words
            or re.fullmatch(r"c\d", name)
            or any(name[:length] in beginnings for length in range(1, len(name)))
        )

    names = set(re.findall(r"[.#]([a-zA-Z][\w-]*)", selectors))
    assert len(names) > 400
    assert {name for name in names if not is_made(name)} == GRADIOS
