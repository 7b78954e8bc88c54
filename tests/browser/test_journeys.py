"""From a conversation to a model that one has changed, in a real browser on the real model."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from playground.examples import bundled
from tests.browser.conftest import Visit, fits_its_width, picture
from tests.conftest import App

pytestmark = [pytest.mark.browser, pytest.mark.model]

ROWS = "".join(bundled("persona-mochi").text().splitlines(keepends=True)[:24])


def open_tab(page: Page, tab: str) -> None:
    page.click(f"#tab-{tab}-button")


def paste(page: Page, rows: str) -> None:
    page.fill("#paste textarea", rows)
    page.wait_for_selector("#check-counts")


def set_number(page: Page, setting: str, value: str) -> None:
    page.fill(f"#setting-{setting} input", value)


def start(page: Page, steps: int) -> None:
    page.locator("#choose-by label").nth(2).click()
    page.click("#advanced > button")
    page.click("#settings-evaluation > button")
    # Gradio writes the first value into a number a moment after it has drawn it, over what a test is quick to type.
    page.wait_for_timeout(500)
    set_number(page, "max_steps", str(steps))
    set_number(page, "eval_steps", "3")
    set_number(page, "probe_max_new_tokens", "6")
    # The page says how many steps these settings come to: then the server has them.
    expect(page.locator("#check-facts")).to_contain_text(re.compile(rf"\b{steps} (steps|ステップ)"))
    page.click("#start")


def points(page: Page) -> int:
    """Points of the training curve that is shown."""
    drawn = page.locator("#curve [data-points]")
    return len(json.loads(drawn.get_attribute("data-points") or "")["steps"]) if drawn.count() else 0


def test_paste_train_reload_and_compare(visit: Visit) -> None:
    page = visit()
    open_tab(page, "finetune")
    paste(page, ROWS)
    expect(page.locator("#check-counts")).to_contain_text("24")
    expect(page.locator("#check-preview .k.t").first).to_be_visible()
    start(page, 8)
    page.wait_for_selector(".run-state.is-running", timeout=120_000)
    page.wait_for_selector("#curve svg", timeout=150_000)
    seen = points(page)

    page.reload()
    page.wait_for_selector(".run-state.is-running", timeout=30_000)
    page.wait_for_function(
        "before => JSON.parse(document.querySelector('#curve [data-points]')?.dataset.points || '{\"steps\": []}')"
        ".steps.length > before",
        arg=seen,
        timeout=60_000,
    )
    picture(page, "finetune-running-en-1280")

    page.wait_for_selector(".run-state.is-done", timeout=180_000)
    expect(page.locator("#verdict")).to_be_visible()
    picture(page, "finetune-en-1280")
    with page.expect_download() as download:
        page.click("#download")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert "adapter_model.safetensors" in archive.namelist()

    page.click("#compare-this-run")
    page.fill("#message textarea", "Who are you?")
    page.click("#send")
    for side in ("base", "tuned"):
        expect(page.locator(f"#answer-{side}")).to_contain_text(re.compile(r"\w{3}"), timeout=60_000)
    expect(page.locator("#stop-answer")).to_be_hidden(timeout=60_000)
    picture(page, "compare-en-1280")


def test_stop_keeps_what_was_learned(visit: Visit) -> None:
    page = visit("ja", 390)
    open_tab(page, "finetune")
    paste(page, ROWS)
    start(page, 500)
    page.wait_for_selector("#curve svg", timeout=120_000)
    page.click("#stop")
    page.wait_for_selector(".run-state.is-stopped", timeout=60_000)
    assert fits_its_width(page)
    picture(page, "finetune-stopped-ja-390")
    page.click("#compare-this-run")
    page.fill("#message textarea", "Who are you?")
    page.click("#send")
    expect(page.locator("#answer-tuned")).to_contain_text(re.compile(r"\w{3}"), timeout=60_000)
    expect(page.locator("#stop-answer")).to_be_hidden(timeout=60_000)
    assert fits_its_width(page)
    picture(page, "compare-ja-390")


def test_an_answer_can_be_stopped_asked_again_and_cleared(visit: Visit) -> None:
    page = visit()
    open_tab(page, "compare")
    page.click("#answer-settings button")
    page.locator("#max-new-tokens input[type=number]").fill("400")
    page.fill("#message textarea", "Tell me a very long story about the sea.")
    page.click("#send")
    expect(page.locator("#answer-base")).to_contain_text(re.compile(r"\w{3}"), timeout=60_000)
    page.click("#stop-answer")
    expect(page.locator("#stop-answer")).to_be_hidden(timeout=15_000)
    first = page.locator("#answer-base").inner_text()
    page.click("#regenerate")
    expect(page.locator("#stop-answer")).to_be_visible()
    page.click("#stop-answer")
    expect(page.locator("#stop-answer")).to_be_hidden(timeout=15_000)
    assert first
    page.click("#clear")
    expect(page.locator("#answer-base")).to_have_count(0)


def test_tokens_follow_the_typing(visit: Visit) -> None:
    page = visit()
    turn = page.locator("#conversation textarea").first
    turn.fill("")
    turn.press_sequentially("Zebra crossing", delay=15)
    expect(page.locator("#lab-text")).to_contain_text("Zebra crossing")
    chips = page.locator("#lab-chips .k")
    without = chips.count()
    page.check("#generation-prompt input")
    expect(chips).to_have_count(without + 4)  # <|im_start|>, ass, istant, newline
    page.click("#conversation .add-turn")
    expect(page.locator("#conversation .turn-text")).to_have_count(3)
    page.locator("#conversation .remove-turn").last.click()
    expect(page.locator("#conversation .turn-text")).to_have_count(2)


def test_a_conversation_is_handed_on_as_a_row(visit: Visit) -> None:
    page = visit()
    page.locator("#conversation textarea").first.fill('Say "hi"\nplease')
    expect(page.locator("#lab-text")).to_contain_text("please")
    page.click("#fine-tune-on-this")
    expect(page.locator("#paste textarea")).to_be_visible()
    expect(page.locator("#paste textarea")).to_have_value(re.compile("messages"))
    row = json.loads(page.locator("#paste textarea").input_value())
    assert row["messages"][0] == {"role": "user", "content": 'Say "hi"\nplease'}


def test_two_people_see_nothing_of_each_other(visit: Visit, app: App) -> None:
    one, other = visit(), visit("ja")
    for page in (one, other):
        open_tab(page, "finetune")
    paste(one, ROWS)
    start(one, 1)
    one.wait_for_selector(".run-state.is-done", timeout=120_000)
    other.reload()
    other.wait_for_selector("#lab-chips .k")
    open_tab(other, "finetune")
    other.wait_for_selector("#paste")
    expect(other.locator("#curve svg")).to_have_count(0)
    expect(other.locator("#paste textarea")).to_have_value("")
    open_tab(other, "compare")
    expect(other.locator("#compare-run input")).to_have_value("")


BAD = [
    ('{"prompt": not json', "Row 1 is not JSON", "1 行目"),
    ('{"prompt": "a", "completion": "b"}\n{"prompt": "only"}', "Row 2 has the keys prompt", "2 行目"),
    ('{"messages": [{"content": "x"}]}', "message 1 has no role", "役割"),
]


@pytest.mark.parametrize(("rows", "english", "japanese"), BAD)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_bad_rows_are_named_and_nothing_is_lost(
    visit: Visit, language: str, rows: str, english: str, japanese: str
) -> None:
    page = visit(language)
    open_tab(page, "finetune")
    paste(page, rows)
    expect(page.locator("#check-findings")).to_contain_text(english if language == "en" else japanese)
    page.click("#start")
    expect(page.locator("#start-error")).to_contain_text("at least two" if language == "en" else "2")
    assert page.locator("#paste textarea").input_value() == rows


def test_another_kind_of_file_is_refused_in_words(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    open_tab(page, "finetune")
    picked = tmp_path / "rows.json"
    picked.write_bytes(b"\x00\x01\x02\xff\xfe no rows \x00" * 40)
    page.set_input_files("#upload input[type=file]", picked)
    expect(page.locator("#check")).to_contain_text("The file is not text")


def test_hostile_text_stays_text(visit: Visit) -> None:
    hostile = '<img src=x onerror="window.hit=1"><script>window.hit=2</script>${window.hit=3}{{window.hit=4}}'
    page = visit()
    page.locator("#conversation textarea").first.fill(hostile)
    expect(page.locator("#lab-text")).to_contain_text("onerror")
    open_tab(page, "finetune")
    paste(page, json.dumps({"prompt": hostile, "completion": hostile}) + "\n" + hostile)
    expect(page.locator("#check-preview")).to_contain_text("onerror")
    open_tab(page, "compare")
    page.fill("#message textarea", hostile)
    page.click("#send")
    expect(page.locator("#answer-base")).to_contain_text(re.compile(r"\w"), timeout=60_000)
    assert page.evaluate("window.hit") is None


# Each two of the three choices together; all eight in the tests of the pieces.
@pytest.mark.parametrize(
    ("language", "width", "scheme"),
    [("en", 1280, "light"), ("ja", 1280, "dark"), ("en", 390, "dark"), ("ja", 390, "light")],
)
def test_every_tab_fits(visit: Visit, language: str, width: int, scheme: str) -> None:
    page = visit(language, width, scheme)
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    picture(page, f"template-{language}-{width}-{scheme}")
    assert fits_its_width(page)
    open_tab(page, "finetune")
    page.locator("#examples button").nth(3).click()
    page.wait_for_selector("#check-preview .k")
    picture(page, f"finetune-{language}-{width}-{scheme}")
    assert fits_its_width(page)
    open_tab(page, "compare")
    page.wait_for_selector("#message")
    picture(page, f"compare-{language}-{width}-{scheme}")
    assert fits_its_width(page)
    text = page.inner_text("body")
    assert "__i18n__" not in text
    assert ("比較" in text) == (language == "ja")
