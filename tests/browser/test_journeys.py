"""From a conversation to a model that one has changed, in a real browser on the real model."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from playground.data.examples import bundled
from tests.browser.conftest import PATIENCE_MS, Visit, fits_its_width, picture

pytestmark = [pytest.mark.app, pytest.mark.browser, pytest.mark.model]

ROWS = "".join(sorted(bundled("persona-mochi").text().splitlines(keepends=True), key=len)[:4])
ENDLESS = 100_000
"""Steps of a run that is still going whenever the test comes to look."""


def open_tab(page: Page, tab: str) -> None:
    page.click(f"#tab-{tab}-button")


def paste(page: Page, rows: str) -> None:
    page.fill("#paste textarea", rows)
    expect(page.locator("#check-counts")).to_be_visible()


def set_number(page: Page, number: str, value: int) -> None:
    """Once the page has written the number's first value: it does so a moment after it has drawn it."""
    box = page.locator(f"{number} input[type=number]")
    expect(box).not_to_have_value("")
    box.fill(str(value))


def start(page: Page, steps: int, probe_tokens: int) -> None:
    page.locator("#choose-by label").nth(2).click()
    page.click("#advanced > button")
    page.click("#settings-evaluation > button")
    set_number(page, "#setting-eval_steps", 2)
    set_number(page, "#setting-probe_max_new_tokens", probe_tokens)
    page.uncheck("#setting-general_ability input")
    set_number(page, "#setting-max_steps", steps)
    # The page says how many steps these settings come to: then the server has them.
    expect(page.locator("#check-facts")).to_contain_text(re.compile(rf"\b{steps:,} (steps|ステップ)"))
    page.click("#start")


def points(page: Page) -> int:
    """Points of the training curve that is shown."""
    return len(json.loads(page.locator("#curve [data-points]").get_attribute("data-points") or "")["steps"])


def ask(page: Page, message: str, tokens: int) -> None:
    if not page.locator("#max-new-tokens").is_visible():
        page.click("#answer-settings button")
    set_number(page, "#max-new-tokens", tokens)
    page.fill("#message textarea", message)
    page.click("#send")


def answer(page: Page, side: str, busy: str) -> Locator:
    """The text of an answer, of which something has come; `busy`: "true" while more may come, else "false"."""
    return page.locator(f'.answer[aria-busy="{busy}"] #answer-{side}:not(:has(.waiting))')


def test_paste_train_and_compare(visit: Visit) -> None:
    page = visit()
    open_tab(page, "finetune")
    paste(page, ROWS)
    expect(page.locator("#check-counts")).to_contain_text("4")
    expect(page.locator("#check-preview .k.t").first).to_be_visible()
    start(page, 4, 2)
    expect(page.locator(".run-state.is-done")).to_be_visible(timeout=4 * PATIENCE_MS)
    expect(page.locator("#verdict")).to_be_visible()
    picture(page, "finetune-en-1280")
    with page.expect_download() as download:
        page.click("#download")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert "adapter_model.safetensors" in archive.namelist()

    page.click("#compare-this-run")
    ask(page, "Who are you?", 24)
    for side in ("base", "tuned"):
        expect(answer(page, side, "false")).to_contain_text(re.compile(r"\w{2}"))
    expect(page.locator("#stop-answer")).to_be_hidden()
    picture(page, "compare-en-1280")


def test_a_run_goes_on_over_a_reload_unseen_by_others_and_stop_keeps_what_was_learned(visit: Visit) -> None:
    page = visit("ja", 390)
    open_tab(page, "finetune")
    paste(page, ROWS)
    start(page, ENDLESS, 0)
    expect(page.locator("#curve svg").first).to_be_visible()
    seen = points(page)

    other = visit()
    open_tab(other, "finetune")
    expect(other.locator("#paste textarea")).to_have_value("")
    expect(other.locator("#start")).to_be_visible()
    expect(other.locator("#curve svg")).to_have_count(0)
    open_tab(other, "compare")
    expect(other.locator("#compare-run input")).to_have_value("")

    page.reload()
    expect(page.locator(".run-state.is-running")).to_be_visible()
    page.wait_for_function(
        "before => JSON.parse(document.querySelector('#curve [data-points]')?.dataset.points || '{\"steps\": []}')"
        ".steps.length > before",
        arg=seen,
    )
    page.click("#stop")
    expect(page.locator(".run-state.is-stopped")).to_be_visible()
    assert fits_its_width(page)
    picture(page, "finetune-stopped-ja-390")
    page.click("#compare-this-run")
    ask(page, "Who are you?", 8)
    expect(answer(page, "tuned", "false")).to_contain_text(re.compile(r"\w{2}"))
    expect(page.locator("#stop-answer")).to_be_hidden()
    assert fits_its_width(page)
    picture(page, "compare-ja-390")


def test_an_answer_can_be_stopped_asked_again_and_cleared(stay: Visit) -> None:
    page = stay()
    open_tab(page, "compare")
    ask(page, "Tell me a very long story about the sea.", 1000)
    for again in (True, False):
        expect(answer(page, "base", "true")).to_contain_text(re.compile(r"\w{2}"))
        page.click("#stop-answer")
        expect(page.locator("#stop-answer")).to_be_hidden()
        expect(answer(page, "base", "false")).to_contain_text(re.compile(r"\w{2}"))
        if again:
            page.click("#regenerate")
    page.click("#clear")
    expect(page.locator("#answer-base")).to_have_count(0)


def test_tokens_follow_the_typing_and_the_conversation_is_handed_on_as_a_row(stay: Visit) -> None:
    page = stay()
    open_tab(page, "template")
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

    turn.fill('Say "hi"\nplease')
    expect(page.locator("#lab-text")).to_contain_text("please")
    page.click("#fine-tune-on-this")
    expect(page.locator("#paste textarea")).to_have_value(re.compile("messages"))
    row = json.loads(page.locator("#paste textarea").input_value())
    assert row["messages"][0] == {"role": "user", "content": 'Say "hi"\nplease'}


BAD = [
    ('{"prompt": not json', {"en": "Row 1 is not JSON", "ja": "1 行目"}, (0, 1)),
    ('{"prompt": "a", "completion": "b"}\n{"prompt": "only"}', {"en": "Row 2 has the keys", "ja": "2 行目"}, (1, 2)),
    ('{"messages": [{"content": "x"}]}', {"en": "message 1 has no role", "ja": "役割"}, (0, 1)),
]


@pytest.mark.parametrize(
    ("language", "refused"),
    [("en", "{0} of {1} row"), ("ja", "{1} 行のうち、使えるのは {0} 行です。")],
    ids=["en", "ja"],
)
def test_bad_rows_are_named_and_nothing_is_lost(stay: Visit, language: str, refused: str) -> None:
    page = stay(language)
    open_tab(page, "finetune")
    for rows, finding, counts in BAD:
        paste(page, rows)
        expect(page.locator("#check-findings")).to_contain_text(finding[language])
        page.click("#start")
        expect(page.locator("#start-error")).to_contain_text(refused.format(*counts))
        expect(page.locator("#paste textarea")).to_have_value(rows)


def test_another_kind_of_file_is_refused_and_hostile_text_stays_text(stay: Visit, tmp_path: Path) -> None:
    hostile = '<img src=x onerror="window.hit=1"><script>window.hit=2</script>${window.hit=3}{{window.hit=4}}'
    page = stay()
    open_tab(page, "template")
    page.locator("#conversation textarea").first.fill(hostile)
    expect(page.locator("#lab-text")).to_contain_text("onerror")
    open_tab(page, "compare")
    ask(page, hostile, 8)
    expect(answer(page, "base", "false")).to_contain_text(re.compile(r"\w"))
    open_tab(page, "finetune")
    paste(page, json.dumps({"prompt": hostile, "completion": hostile}) + "\n" + hostile)
    expect(page.locator("#check-preview")).to_contain_text("onerror")
    assert page.evaluate("window.hit") is None

    picked = tmp_path / "rows.json"
    picked.write_bytes(b"\x00\x01\x02\xff\xfe no rows \x00" * 40)
    page.set_input_files("#upload input[type=file]", picked)
    expect(page.locator("#check")).to_contain_text("The file is not text")
    page.locator("#upload button[aria-label]").first.click()
    expect(page.locator("#check")).not_to_contain_text("The file is not text")


# Both schemes in both languages are seen of the settings and of the views (their own tests), not of whole tabs.
@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("ja", "dark")])
def test_every_tab_fits(stay: Visit, language: str, scheme: str) -> None:
    page = stay(language, 1280, scheme)
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")

    def fits(tab: str) -> None:
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            picture(page, f"{tab}-{language}-{width}-{scheme}")
            assert fits_its_width(page)

    open_tab(page, "template")
    fits("template")
    open_tab(page, "finetune")
    page.locator("#examples button").nth(3).click()
    page.wait_for_selector("#check-preview .k")
    fits("finetune")
    open_tab(page, "compare")
    page.wait_for_selector("#message")
    fits("compare")
    text = page.inner_text("body")
    assert "__i18n__" not in text
    assert ("比較" in text) == (language == "ja")
