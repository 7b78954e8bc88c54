"""The template tab in front of the whole app: a real tokenizer, the doctor, the sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, picture
from tests.browser.test_template_lab import add, choose, source, text

pytestmark = [pytest.mark.app, pytest.mark.browser, pytest.mark.model]


def breaker(page: Page, title: str) -> None:
    if not page.locator("#template-breakers button").first.is_visible():
        page.click("#breakers-panel > button")
    page.locator("#template-breakers button", has_text=title).click()


def test_the_doctor_finds_control_tokens_and_one_click_mends_them(visit: Visit) -> None:
    page = visit()
    breaker(page, "ontrol tokens")
    row = page.locator("#template-findings li, #template-findings .finding").filter(
        has_text="taken as the control token"
    )
    expect(row.first).to_be_visible()
    row.first.locator(".apply-fix").click()
    expect(page.locator("#template-findings")).not_to_contain_text("taken as the control token")
    page.click("#undo-fix")
    expect(page.locator("#template-findings")).to_contain_text("taken as the control token")


def test_a_refused_conversation_is_explained_and_mended(visit: Visit) -> None:
    page = visit("ja")
    page.locator("#template-examples button", has_text="システムプロンプト").first.click()
    choose(page, "#template", "gemma")
    expect(page.locator("#template-view")).to_contain_text("System role not supported")
    page.locator("#template-view .apply-fix").first.click()
    expect(text(page)).to_contain_text("<start_of_turn>user")
    expect(page.locator("#template-view")).not_to_contain_text("System role not supported")


def test_a_models_file_an_edit_and_a_link(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    source(page)
    config = tmp_path / "tokenizer_config.json"
    template = "{{ bos_token }}{% for m in messages %}({{ m.role }}) {{ m.content }}{{ bos_token }}{% endfor %}"
    config.write_text(json.dumps({"chat_template": template, "bos_token": "<<B>>"}))
    page.set_input_files("#source-panel input[type=file]", config)
    expect(text(page)).to_contain_text("<<B>>(user) What is a chat template?")
    add(page, "!end")
    expect(text(page)).to_contain_text("!end")
    page.click("#copy-link")
    page.wait_for_function("document.querySelector('#share input')?.value.includes('#lab=')")
    link = page.locator("#share input").input_value()
    other = visit("ja", 390, link=link)
    expect(text(other)).to_contain_text("!end")
    expect(text(other)).to_contain_text("<<B>>(user) What is a chat template?")


def test_two_real_templates_side_by_side(visit: Visit) -> None:
    page = visit()
    page.click("#compare-panel > button")
    choose(page, "#compare-with", "zephyr")
    expect(page.locator("#compare-view")).to_contain_text("assistant|>")
    choose(page, "#template", "broken_bos_twice")
    expect(page.locator("#template-findings")).to_contain_text("twice")
    picture(page, "doctor-en-1280")


def test_the_template_goes_along_to_training_and_back(visit: Visit) -> None:
    page = visit()
    choose(page, "#template", "zephyr")
    expect(text(page)).to_contain_text("<|user|>")
    page.click("#fine-tune-on-this")
    expect(page.locator("#run-template")).to_contain_text("zephyr")
    expect(page.locator("#check-preview")).to_contain_text("user")
    expect(page.locator("#check-preview .k.x")).to_have_count(2)  # Two turn ends: no <|im_start|> in this template.
    page.click("#own-template")
    expect(page.locator("#run-template")).to_be_hidden()
    expect(page.locator("#check-preview .k.x", has_text="im_start")).to_have_count(3)
