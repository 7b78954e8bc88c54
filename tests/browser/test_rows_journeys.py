"""Rows in front of the launched app: files as people have them, faults mended and undone, a run on what is left."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visit, fits_its_width, picture

pytestmark = [pytest.mark.app, pytest.mark.browser, pytest.mark.model]

GOOD = [
    {"prompt": f"What is the {name} of Mochi?", "completion": f"The {name} is {value}."}
    for name, value in [
        ("colour", "moss green"),
        ("home", "the library"),
        ("favourite book", "an atlas of rivers"),
        ("best friend", "a fern by the window"),
        ("work", "sorting books after closing time"),
        ("birthday", "the first of March"),
        ("wish", "to see the sea once"),
        ("fear", "spilt tea"),
    ]
]
MESSY = "\n".join(
    [
        *map(json.dumps, GOOD),
        json.dumps(GOOD[2]),
        '{"prompt": "Who built Mochi?", "completion": "A student called Aya",}',
        '{"messages": [{"role": "human", "content": "Hi"}, {"role": "gpt", "content": "Ahoy, and welcome."}]}',
        '{"prompt": "How can I write to the library?", "completion": "Write to aya.sato@books-and-ferns.org."}',
        '{"prompt": "Does Mochi sleep?", "completion": "  "}',
        '{"prompt": "What does it say?", "completion": "Good night.<|im_end|> Sleep well."}',
        json.dumps({"prompt": "Tell me everything.", "completion": "Mochi sorts the books. " * 120}),
    ]
)


def finetune(page: Page) -> None:
    page.click("#tab-finetune-button")
    page.wait_for_selector("#paste textarea")


def kind(page: Page, code: str) -> Locator:
    return page.locator(f'#check-findings .finding[data-code="{code}"]')


def fix(page: Page, code: str, do: str) -> None:
    kind(page, code).locator(f'button[data-event="fix"][data-given*="{do}"]').click()


def usable(page: Page, count: int) -> None:
    expect(page.locator("#check-counts dd").first).to_have_text(re.compile(rf"^{count}\b"))


MENDED = [("not_json", "repair_json", 13), ("unusable", "roles", 14), ("duplicate", "drop", 13)]
"""Code of the finding, the button that mends it, usable rows afterwards."""


@pytest.mark.parametrize(
    ("language", "width", "mended"),
    [("en", 1280, [*MENDED, ("private_data", "mask", 13)]), ("ja", 390, [("private_data", "mask", 12)])],
    ids=["en-1280", "ja-390"],
)
def test_messy_rows_are_mended_by_clicks_and_every_click_is_undone(
    stay: Visit, language: str, width: int, mended: list[tuple[str, str, int]]
) -> None:
    page = stay(language, width)
    finetune(page)
    page.fill("#paste textarea", MESSY)
    usable(page, 12)
    for code in ("not_json", "unusable", "duplicate", "private_data", "empty_answer", "control_tokens", "answer_cut"):
        expect(kind(page, code)).to_be_visible()
    assert fits_its_width(page)
    picture(page, f"rows-{language}-{width}")
    for code, do, count in mended:
        fix(page, code, do)
        usable(page, count)
    expect(kind(page, "private_data")).to_have_count(0)
    page.fill("#rows-search textarea, #rows-search input", "[email]")
    expect(page.locator("#check-preview > li")).to_have_count(1)
    expect(page.locator("#check-preview")).not_to_contain_text("aya.sato")
    for left, back in list(zip((3, 2, 1, 0), (13, 14, 13, 12), strict=True))[-len(mended) :]:
        page.click('#rows-changes button[data-event="undo"]')
        changes = page.locator("#rows-changes .changes-words")  # The first number in it is how many there are.
        expect(changes).to_have_text(re.compile(rf"^\D*{left}\b")) if left else expect(changes).to_have_count(0)
        usable(page, back)
    expect(kind(page, "private_data")).to_be_visible()
    expect(page.locator("#paste textarea")).to_have_value(MESSY)
    page.fill("#rows-search textarea, #rows-search input", "")
    expect(page.locator("#check-preview > li").nth(1)).to_be_visible()


def test_a_spreadsheet_in_shift_jis_is_mapped_and_its_rows_are_taken_away(stay: Visit, tmp_path: Path) -> None:
    page = stay("ja")
    finetune(page)
    packed = tmp_path / "都市.csv.gz"
    table = tmp_path / "table.csv"
    with table.open("w", newline="", encoding="cp932") as file:
        csv.writer(file).writerows([["都市", "国"], ["京都", "日本"], ["ローマ", "イタリア"], ["パリ", "フランス"]])
    packed.write_bytes(gzip.compress(table.read_bytes()))
    page.set_input_files("#upload input[type=file]", packed)
    expect(page.locator("#check-findings")).to_contain_text("都市")
    if not page.locator("#map-columns").is_visible():
        page.locator("#columns-panel > button").click()
    fields = page.locator("#columns-panel textarea")
    fields.nth(0).fill("{都市}はどこの国の都市ですか？")
    fields.nth(1).fill("国")
    usable(page, 3)
    page.locator("#rows-tools").get_by_text("会話", exact=True).click()
    expect(page.locator("#check-preview")).to_contain_text("京都はどこの国の都市ですか？")
    with page.expect_download() as download:
        page.click("#download-rows")
    rows = [json.loads(line) for line in Path(download.value.path()).read_text(encoding="utf-8").splitlines()]
    assert rows[1]["messages"] == [
        {"role": "user", "content": "ローマはどこの国の都市ですか？"},
        {"role": "assistant", "content": "イタリア"},
    ]
    page.locator("#upload button[aria-label]").first.click()
    page.fill("#paste textarea", "\n".join(json.dumps(row) for row in rows))
    usable(page, 3)


def test_whatever_is_pasted_is_recognised_with_a_reason(stay: Visit) -> None:
    page = stay()
    finetune(page)
    for text, shape, count in [
        ("Q: Who are you?\nA: Mochi.\n\nQ: Where?\nA: In the library.\n", "messages", 2),
        ('[{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Mochi"}]', "ShareGPT", 1),
        ('question,answer\nWho?,Mochi\nWhere?,"In the\nlibrary"\n', "question", 2),
    ]:
        page.fill("#paste textarea", text)
        usable(page, count)
        expect(page.locator("#check-shapes")).to_contain_text(shape)
        expect(page.locator("#check-preview > li")).to_have_count(count)
        expect(page.locator("#check-preview .k.t").first).to_be_visible()
