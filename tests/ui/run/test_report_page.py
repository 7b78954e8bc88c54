"""The report as somebody gets it: one file that needs nothing, whole in both languages, with nothing of it run."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from playground.core.errors import InputError
from playground.core.i18n import LANGUAGES, Sentence
from playground.core.settings import TrainSettings
from playground.ui.run.glossary import glossary
from playground.ui.run.report_page import report_html
from tests.ui.fake_backend import ROWS as FAKE_ROWS
from tests.ui.fake_runs import PROBES, a_story, curve

MOMENTS = ("queued", "first", "midway", "well", "badly", "failed", "stopped")
ROWS = {
    "train_rows": 60,
    "fingerprint": "f" * 64,
    "samples": [[{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Mochi."}]],
}
MACHINE = {"versions": {"torch": "2.9.0"}, "dtype": "bfloat16", "quantization": "nf4", "device": "cpu"}
VOID = {"meta", "input", "br", "hr", "img", "link", "stop", "circle", "line", "rect", "path", "polyline"}


class Tidy(HTMLParser):
    """Every element is closed in order; what a reader reads is collected, style apart."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text, self.wrong, self.tags, self.attributes = [], [], [], set(), []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def report(moment="well", rows=ROWS, language="en", **given):
    return report_html({**a_story(moment), **MACHINE, **given}, rows, language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_report_of_any_run_is_one_tidy_file_that_asks_no_server(moment, language):
    html = report(moment, language=language)
    page = Tidy(html)
    assert (page.open, page.wrong) == ([], [])
    assert html.startswith("<!DOCTYPE html>") and f'<html lang="{language}">' in html
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "button", "input"}
    assert not re.search(r"https?:|@import|//[a-z]", html)
    assert not {name for name, _ in page.attributes if name in ("src", "href", "srcset", "action") or name[:2] == "on"}
    assert set(re.findall(r"url\(([^)]*)\)", html)) <= {"#gauge-lost"}
    assert len(html.encode()) < 300_000


def test_ids_are_used_once():
    ids = [value for name, value in Tidy(report("badly")).attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_every_colour_that_the_style_uses_is_defined_in_the_file():
    style = re.search(r"<style>(.*?)</style>", report(), re.DOTALL)[1]
    # Where the line of the step stands that is pointed at is the page's script's to say; the report has neither.
    assert set(re.findall(r"var\((--[\w-]+)", style)) - {"--at"} <= set(re.findall(r"(--[\w-]+):", style))
    assert "@media print" in style
    light, dark = style.split("@media screen and (prefers-color-scheme: dark)", 1)
    colours = re.findall(r"(--sft-[\w-]+):", dark[: dark.index("* {")])
    assert colours == re.findall(r"(--sft-[\w-]+):", light[: light.index("}")])


def test_a_person_could_hand_it_in():
    words = Tidy(report("badly")).words
    for said in (
        "HuggingFaceTB/SmolLM2-135M-Instruct", "66 rows, 6 of them held out", "4,321",
        "finished after step 48 of 48", "2 min 58 s, 5 % more than the 2 min 50 s estimated", "2026-09-21",
        "that of step 18, where the held-out loss was lowest",
        "It learned its rows by heart", "Checks: 3 passed, 2 failed, 1 not known",
        "Train for fewer steps on more rows.",
        "+0.570 to +0.680", "1.86 times as unlikely", "best: step 18", "The learning rate is too high.",
        "Who are you?", "Expected answer", "Arr, I be Captain Mochi, matey!", "cut off at the longest answer",
        "bfloat16", "nf4", "torch 2.9.0", "On the CPU in 32 bit: it has no bf16 units.",
        "Learning rate schedule", "lr_scheduler_type", '"seed": 42', "f" * 64, "Mochi.",
    ):  # fmt: skip
        assert said in words, said
    for term, meaning in glossary():
        assert term in words and meaning in words


def test_settings_that_were_changed_are_marked():
    html = report(settings={**TrainSettings().to_dict(), "r": 8})
    assert html.count('class="is-changed"') == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_english_is_left_in_the_japanese(moment):
    plain = a_story(moment)
    quiet = {
        "notes": [],
        "readings": [{**one, "message": "読", "why": "因", "advice": "試"} for one in plain["readings"]],
        "probes": [{**probe, "prompt": "問", "expected": "答"} for probe in PROBES] if plain["probes"] else [],
        "answers": [{**look, "answers": [{"text": "答", "ended": "length"}] * 3} for look in plain["answers"]],
        "error": InputError(Sentence("誤")) if plain["error"] else None,
    }
    if plain["verdict"]:
        said = [{**check, "message": "確", "fix": "直"} for check in plain["verdict"]["checks"]]
        quiet["verdict"] = {**plain["verdict"], "message": "判", "checks": said}
    page = Tidy(
        report(
            moment, {**FAKE_ROWS, "fingerprint": "1"}, "ja", **quiet, title="餅", settings={"seed": 1, "packing": True}
        )
    )
    labels = [value for name, value in page.attributes if name in ("aria-label", "title", "alt")]
    left = set(re.findall(r"[A-Za-z]{2,}", " ".join([*page.text, *labels])))
    names = {"HuggingFaceTB", "SmolLM", "Instruct", "UTC", "GB", "SFT", "Playground", "LoRA", "QLoRA", "SHA", "exp"}
    assert left <= names | {"abc", "torch", "bfloat", "nf", "cpu", "seed", "packing", "true"}


def test_what_people_and_models_wrote_stays_text():
    hostile = '</style><script>alert(1)</script><img src=x onerror="y">'
    run = a_story("badly")
    page_html = report(
        "badly",
        {
            "fingerprint": hostile,
            "samples": [[{"role": hostile, "content": hostile}, {"content": [1]}]],
        },
        model=hostile,
        title=hostile,
        settings={
            "seed": 1,
            "system_prompt": hostile,
            "probe_prompts": [hostile],
            "mapping": {hostile: hostile},
            hostile: 1,
        },
        notes=[Sentence("{x}", x=hostile)],
        error=InputError(Sentence("{x}", x=hostile)),
        probes=[{"prompt": hostile, "expected": hostile, "source": hostile}],
        answers=[{"step": 0, "answers": [{"text": hostile, "ended": "stop"}]}],
        readings=[{**run["readings"][0], "message": hostile, "why": hostile, "advice": hostile, "code": hostile}],
        verdict={"code": hostile, "message": hostile, "checks": [{**run["verdict"]["checks"][0], "message": hostile}]},
        versions={hostile: hostile},
        start_from=hostile,
        dtype=hostile,
    )
    page = Tidy(page_html)
    assert not page.tags & {"script", "img"} and (page.open, page.wrong) == ([], [])
    assert page_html.count("</style>") == 1


def test_what_is_absent_says_so_or_leaves_no_gap():
    words = Tidy(report("queued", FAKE_ROWS)).words
    assert "There is no verdict" in words and "No step was measured." in words
    assert "not finished when this was written" in words
    assert "Answers over time" not in words and "Some of the rows" not in words
    no_general = report("well", scales={"before": {"train": None, "held_out": None, "general": None}})
    assert "No rows were held out" in no_general


def test_a_long_run_with_many_long_answers_stays_small():
    answers = [{"step": step, "answers": [{"text": "あ" * 2000, "ended": "length"}] * 5} for step in range(0, 2000, 5)]
    probes = [{"prompt": "あ" * 2000, "expected": "い" * 2000, "source": "yours"}] * 5
    edits = [{"do": "drop", "rows": [1]}] * 9000
    settings = {**TrainSettings().to_dict(), "chat_template": "x" * 200_000, "edits": edits}
    html = report(metrics=curve(2000, 2000, every=10), steps=2000, answers=answers, probes=probes, settings=settings)
    print(len(html.encode()))
    assert len(html.encode()) < 300_000


def test_a_report_is_written_without_the_page_and_brings_in_neither_gradio_nor_torch():
    code = "import sys, playground.ui.run.report_page; print({'gradio', 'torch', 'transformers'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
