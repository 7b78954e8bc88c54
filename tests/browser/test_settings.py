"""Choosing the settings of a run in a real browser, in front of a fake backend that answers at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from playground.core.settings import TrainSettings
from playground.core.settings.presets import PRESETS
from tests.browser.conftest import KeptPages, fits_its_width, launched, let_it_come_to_rest, picture
from tests.conftest import wait_for
from tests.ui.fake_settings import SettingsBackend

pytestmark = pytest.mark.browser

Settings = Callable[..., Page]
ROWS = '{"prompt": "Hello", "completion": "Ahoy"}\n' * 12
DEFAULTS = TrainSettings().to_dict()


@pytest.fixture(scope="module")
def backend() -> SettingsBackend:
    return SettingsBackend()


@pytest.fixture(scope="module")
def url(backend: SettingsBackend) -> Iterator[str]:
    with launched(backend) as address:
        yield address


@pytest.fixture
def settings(kept_pages: KeptPages, url: str, backend: SettingsBackend) -> Settings:
    """settings(rows, language, width, scheme): the tab with these rows, and the settings that it begins with."""
    backend.__init__()

    def open_page(rows: str = ROWS, language: str = "en", width: int = 1280, scheme: str = "light") -> Page:
        page, is_new = kept_pages.show(url, language, width, scheme)
        if is_new:
            page.click("#tab-finetune-button")
        else:
            begin_anew(page, language)
        page.wait_for_selector("#preset-view .preset-about")
        page.fill("#paste textarea", rows)
        page.wait_for_selector("#estimate .estimate" if rows else "#check .empty")
        return page

    return open_page


def begin_anew(page: Page, language: str) -> None:
    """Back to the first preset, drawers closed."""
    for preset in (PRESETS[1], PRESETS[0]):  # What is said of the second knows of all changes before.
        page.locator(f'#preset input[value="{preset.name}"]').check()
        expect(page.locator("#preset-view .preset-about")).to_have_text(preset.about.to(language))
    changes = page.locator("#preset-changes")
    if changes.count():
        changes.get_by_role("button").last.click()
        expect(changes).to_have_count(0)
    for opened in (".settings-group > button.open", "#advanced > button.open"):
        page.locator(opened).evaluate_all("buttons => buttons.forEach((button) => button.click())")
        expect(page.locator(opened)).to_have_count(0)


def number(page: Page, name: str) -> Locator:
    return page.locator(f"#setting-{name} input")


def unfold(page: Page, group: str) -> None:
    """By the keyboard: where the page moves between the mouse's two halves of a click, there is none."""
    button = page.locator(f"#settings-{group} > button")
    button.press("Enter")
    expect(button).to_have_class(re.compile(r"\bopen\b"))


def drawer(page: Page, *groups: str) -> None:
    page.click("#advanced > button")
    for group in groups:
        unfold(page, group)
    # Gradio writes a number's first value a moment after it has drawn it, over what a test is quick to type.
    for box in page.locator("#advanced input[type=number]:visible").all():
        expect(box).not_to_have_value("")


def was_never_opened(page: Page) -> bool:
    return page.locator("#setting-r").count() == 0


def pick(page: Page, radio: str, words: str) -> None:
    page.locator(f"#{radio} label", has_text=words).click()


def chosen(page: Page, radio: str) -> str:
    return page.locator(f"#{radio} input:checked").get_attribute("value") or ""


def load(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.click("#load-settings")
    chooser.value.set_files(path)


def started(page: Page, backend: SettingsBackend) -> TrainSettings:
    """What a run is started with."""
    backend.asked.clear()
    page.click("#start")
    wait_for(lambda: any(call[0] == "train" for call in backend.asked), 60, "the run to be started")
    return TrainSettings.from_dict(backend.asked_last("train")[4])


def test_it_begins_with_a_result_in_three_minutes(settings: Settings, backend: SettingsBackend) -> None:
    page = settings()
    assert (chosen(page, "preset"), chosen(page, "choose-by")) == ("quick", "time")
    expect(number(page, "time_budget_s")).to_have_value("3")
    expect(number(page, "num_train_epochs")).to_be_visible()
    expect(number(page, "max_steps")).not_to_be_visible()
    expect(page.locator("#preset-view")).to_contain_text("learning_rate = 0.001")
    expect(page.locator("#preset-changes")).to_have_count(0)
    assert started(page, backend) == TrainSettings()


def test_a_preset_is_what_a_run_gets(settings: Settings, backend: SettingsBackend) -> None:
    """The drawer was never opened: what it holds counts all the same."""
    page = settings()
    assert was_never_opened(page)
    for preset in reversed(PRESETS):
        pick(page, "preset", preset.title)
        expect(page.locator("#preset-view")).to_contain_text(f"learning_rate = {preset.settings['learning_rate']:g}")
        expect(number(page, "num_train_epochs")).to_have_value(f"{preset.settings['num_train_epochs']:g}")
        expect(page.locator("#preset-changes")).to_have_count(0)
        assert started(page, backend) == TrainSettings.from_dict({**DEFAULTS, **preset.settings})


def test_what_is_set_in_a_closed_drawer_is_noticed(settings: Settings, backend: SettingsBackend) -> None:
    """A widget that was never drawn says nothing when the server sets it."""
    page = settings(ROWS + '{"prompt": "huge", "completion": "x"}\n')
    assert was_never_opened(page)
    memory = page.locator("#estimate .memory")
    expect(memory).to_have_class(re.compile("is-too-large"))
    backend.asked.clear()
    memory.get_by_role("button", name="Set r to 8").click()
    expect(memory).to_have_class(re.compile("is-fitting"))
    expect(page.locator("#preset-changes")).to_contain_text("r 16 → 8")
    assert backend.asked_last("check_dataset"), "the rows are looked at too: some settings share them out"
    page.locator("#preset-changes").get_by_role("button", name="Set r back to 16").click()
    expect(memory).to_have_class(re.compile("is-too-large"))
    expect(page.locator("#preset-changes")).to_have_count(0)


def test_a_change_is_said_and_taken_back(settings: Settings, backend: SettingsBackend) -> None:
    page = settings()
    drawer(page, "optimiser", "adapter")
    number(page, "learning_rate").fill("0.0005")
    changes = page.locator("#preset-changes")
    expect(changes).to_contain_text("Changed from the preset:")
    expect(changes).to_contain_text("learning_rate 0.001 → 0.0005")
    number(page, "r").fill("8")
    expect(changes).to_contain_text("r 16 → 8")
    changes.get_by_role("button", name="Set learning_rate back to 0.001").click()
    expect(number(page, "learning_rate")).to_have_value("0.001")
    expect(changes).not_to_contain_text("learning_rate")
    expect(number(page, "r")).to_have_value("8")
    pick(page, "preset", "Facts")
    expect(number(page, "r")).to_have_value("32")
    expect(changes).to_have_count(0)
    number(page, "learning_rate").fill("0.002")
    number(page, "lora_alpha").fill("8")
    expect(changes).to_contain_text("lora_alpha 64 → 8")
    changes.get_by_role("button", name="Back to the preset").click()
    expect(changes).to_have_count(0)
    expect(number(page, "lora_alpha")).to_have_value("64")
    assert started(page, backend) == TrainSettings.from_dict({**DEFAULTS, **PRESETS[2].settings})


def test_only_the_number_that_counts_is_shown(settings: Settings, backend: SettingsBackend) -> None:
    page = settings()
    pick(page, "choose-by", "By epochs")
    expect(number(page, "time_budget_s")).not_to_be_visible()
    expect(number(page, "max_steps")).not_to_be_visible()
    number(page, "num_train_epochs").fill("5")
    expect(page.locator("#estimate")).to_contain_text("40 steps.")
    expect(page.locator("#estimate")).to_contain_text("the epochs")
    run = started(page, backend)
    assert (run.time_budget_s, run.num_train_epochs, run.max_steps) == (0, 5, -1)
    pick(page, "choose-by", "By steps")
    expect(number(page, "num_train_epochs")).not_to_be_visible()
    expect(number(page, "max_steps")).not_to_have_value("")
    number(page, "max_steps").fill("77")
    expect(page.locator("#estimate")).to_contain_text("77 steps.")
    expect(page.locator("#check-facts")).to_contain_text("16 steps")
    run = started(page, backend)
    assert (run.time_budget_s, run.max_steps) == (0, 77)
    pick(page, "choose-by", "By time")
    expect(number(page, "max_steps")).not_to_be_visible()
    expect(number(page, "time_budget_s")).to_have_value("3")
    number(page, "time_budget_s").fill("7")
    expect(page.locator("#estimate")).to_contain_text("the time")
    run = started(page, backend)
    assert (run.time_budget_s, run.num_train_epochs, run.max_steps) == (420, 5, -1)


def test_the_estimate_follows_rows_and_settings(settings: Settings, backend: SettingsBackend) -> None:
    page = settings(rows="")
    expect(page.locator("#estimate")).to_contain_text("as soon as there are rows")
    assert not [call for call in backend.asked if call[0] == "estimate" and not call[1]], (
        "nothing is asked without rows"
    )
    page.fill("#paste textarea", ROWS)
    expect(page.locator("#estimate .estimate-line")).to_contain_text("64 steps.")
    expect(page.locator("#estimate .memory-bar > span")).to_have_count(4)
    page.fill("#paste textarea", "{}")
    expect(page.locator("#estimate .callout")).to_contain_text("no rows to train on")
    page.fill("#paste textarea", ROWS)
    expect(page.locator("#estimate .estimate-line")).to_be_visible()
    number(page, "num_train_epochs").fill("0")
    expect(page.locator("#estimate .callout")).to_contain_text("The setting num_train_epochs is 0")
    number(page, "num_train_epochs").fill("12")
    expect(page.locator("#estimate .estimate-line")).to_contain_text("96 steps.")


def test_a_slow_estimate_never_comes_last(settings: Settings, backend: SettingsBackend) -> None:
    page = settings()
    backend.slow = 99
    pick(page, "choose-by", "By steps")
    expect(number(page, "max_steps")).not_to_have_value("")
    number(page, "max_steps").fill("99")
    wait_for(lambda: backend.asked_last("estimate")[4]["max_steps"] == 99, 60, "the slow estimate to be asked for")
    number(page, "max_steps").fill("50")
    expect(page.locator("#preset-changes")).to_contain_text("max_steps -1 → 50")
    backend.release.set()
    expect(page.locator("#estimate .estimate-line")).to_contain_text("50 steps.")
    assert backend.answered[-2:] == [99, 50], "one at a time: the slow one cannot come after"


def test_advice_sets_the_widget(settings: Settings, backend: SettingsBackend) -> None:
    page = settings()
    drawer(page, "adapter")
    number(page, "r").fill("128")
    memory = page.locator("#estimate .memory")
    expect(memory).to_have_class(re.compile("is-too-large"))
    expect(memory.locator(".memory-bar > i")).to_be_visible()
    memory.get_by_role("button", name="Set r to 8").click()
    expect(memory).to_have_class(re.compile("is-fitting"))
    expect(number(page, "r")).to_have_value("8")
    expect(page.locator("#preset-changes")).to_contain_text("r 16 → 8")


def test_start_is_near_on_a_phone(settings: Settings) -> None:
    """Preset, time and Start: no wall of fields between, whether the drawer is open or not."""
    page = settings(width=390)
    assert fits_its_width(page)
    top = "document.querySelector('{}').getBoundingClientRect().top"
    below = f"{top.format('#start')} - {top.format('#settings-card')}"
    let_it_come_to_rest(page)
    closed = page.evaluate(below)
    assert closed < 1400
    drawer(page)
    let_it_come_to_rest(page)
    assert 0 < page.evaluate(below) - closed < 500
    assert fits_its_width(page)


def test_a_file_gives_every_widget_back(settings: Settings, backend: SettingsBackend, tmp_path: Path) -> None:
    page = settings()
    odd = {
        "time_budget_s": 0.0, "num_train_epochs": 3.5, "learning_rate": 3e-4, "lr_scheduler_type": "linear",
        "r": 4, "lora_alpha": 5, "lora_dropout": 0.15, "target_modules": "q_proj,v_proj", "use_rslora": True,
        "quantization": "fp4", "bnb_4bit_use_double_quant": False, "gradient_checkpointing": True, "packing": True,
        "held_out": 0.25, "shuffle_dataset": False, "eval_steps": 7, "early_stopping_patience": 2, "seed": 7,
        "probe_prompts": ["Who are you?", "海賊ですか。"], "probe_max_new_tokens": 11, "general_ability": False,
        "train_on": "last", "system_prompt": "Be kind.", "max_length": 256, "truncation_mode": "keep_end",
        "warmup_steps": 1, "weight_decay": 0.02, "max_grad_norm": 0.5, "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 3,
    }  # fmt: skip
    given = tmp_path / "mine.json"
    given.write_text(json.dumps(odd), encoding="utf-8")
    drawer(page)
    load(page, given)
    expect(page.locator("#settings-file")).to_contain_text("The settings of mine.json are set.")
    assert chosen(page, "choose-by") == "epochs"
    expect(number(page, "num_train_epochs")).to_have_value("3.5")
    expect(page.locator("#preset-changes")).to_contain_text("target_modules")
    assert started(page, backend) == TrainSettings.from_dict(odd)
    for group in ("trained", "optimiser", "evaluation"):
        unfold(page, group)
    expect(page.locator("#setting-system_prompt textarea")).to_have_value("Be kind.")
    expect(page.locator("#setting-probe_prompts textarea")).to_have_value("Who are you?\n海賊ですか。")
    expect(number(page, "max_length")).to_have_value("256")
    with page.expect_download() as saved:
        page.click("#save-settings")
    assert saved.value.suggested_filename == "sft-settings.json"
    back = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert TrainSettings.from_dict(back) == TrainSettings.from_dict(odd)

    given.write_text('{"max_seq_length": 3}')
    load(page, given)
    expect(page.locator("#settings-file .callout")).to_contain_text("Did you mean max_length?")
    expect(number(page, "max_length")).to_have_value("256")
    assert started(page, backend) == TrainSettings.from_dict(odd), "a refusal changes nothing"

    # A second download is the settings as they are now, not the file before.
    number(page, "max_length").fill("300")
    expect(page.locator("#preset-changes")).to_contain_text("max_length 512 → 300")
    with page.expect_download() as saved:
        page.click("#save-settings")
    assert json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))["max_length"] == 300


@pytest.mark.parametrize(
    ("language", "width", "scheme"),
    [("en", 1280, "light"), ("ja", 1280, "dark"), ("en", 390, "dark"), ("ja", 390, "light")],
)
def test_pictures(settings: Settings, language: str, width: int, scheme: str) -> None:
    page = settings(language=language, width=width, scheme=scheme)
    picture(page, f"settings-{language}-{width}")
    drawer(page, "trained", "steps", "optimiser", "adapter", "memory", "evaluation")
    number(page, "r").fill("128")
    number(page, "learning_rate").fill("0.0005")
    page.wait_for_selector("#estimate .is-too-large")
    picture(page, f"settings-open-{language}-{width}")
    assert fits_its_width(page)
