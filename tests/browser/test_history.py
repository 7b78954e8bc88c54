"""The history of runs and the look at the base in a real browser. The page around them is a small one, the backend the
fake one: what they change elsewhere stands in plain boxes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from playground.ui.page import launch_options
from tests.browser.conftest import KeptPages, fits_its_width, picture
from tests.ui.fake_history import FakeHistory, build, some_runs

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def backend() -> FakeHistory:
    return FakeHistory()


@pytest.fixture(scope="module")
def url(backend: FakeHistory) -> Iterator[str]:
    page = build(backend).page
    page.queue(default_concurrency_limit=None)
    _, address, _ = page.launch(**launch_options(), prevent_thread_lock=True, quiet=True)
    yield address
    page.close()


@pytest.fixture
def history(kept_pages: KeptPages, url: str, backend: FakeHistory) -> Open:
    """history(language, width, scheme): the page of a browser that started all runs and chose none."""
    backend.__init__()

    def open_page(language: str = "en", width: int = 1280, scheme: str = "light") -> Page:
        page, is_new = kept_pages.show(url, language, width, scheme, "#run-history table")
        if not is_new:
            begin_anew(page, backend)
        return page

    return open_page


def begin_anew(page: Page, backend: FakeHistory) -> None:
    """No run chosen, the curves by step. An answer after all others shows the runs as the backend has them now."""
    look_again(page)
    every = page.locator("#run-history input[data-all]")
    set_to = "(box, wanted) => { if (box.checked !== wanted) box.click(); }"  # A phone has no room for this box.
    every.evaluate(set_to, True)
    expect(page.locator("#run-history tr.is-chosen")).to_have_count(len(backend.stories))
    page.locator('#history-axis input[value="step"]').check()
    every.evaluate(set_to, False)
    expect(page.locator("#run-history tr.is-chosen")).to_have_count(0)
    expect(page.locator("#history-details")).to_be_hidden()


def look_again(page: Page) -> None:
    """As one does who comes back from another tab."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def choose(page: Page, *runs: str) -> None:
    for run in runs:
        page.check(f'#run-history input[data-run="{run}"]')
    for run in runs:
        expect(page.locator(f'#run-history tr.is-chosen input[data-run="{run}"]')).to_be_checked()


def test_runs_are_chosen_compared_and_let_go(history: Open) -> None:
    page = history()
    expect(page.locator("#run-history tbody tr")).to_have_count(6)
    expect(page.locator("#history-details")).to_be_hidden()
    choose(page, "well", "badly")
    expect(page.locator("#history-curves .run-key")).to_have_count(2)
    expect(page.locator("#history-settings")).to_contain_text("num_train_epochs")
    expect(page.locator("#history-verdicts")).to_contain_text("It forgot other things")
    page.get_by_label("By share of the run").check()
    expect(page.locator("#history-curves")).to_contain_text("100 %")
    page.uncheck('#run-history input[data-run="well"]')
    expect(page.locator("#history-curves .run-key")).to_have_count(1)
    expect(page.locator("#history-curves .run-key")).to_have_class("run-key c1")  # It keeps its colour.
    page.check("#run-history input[data-all]")
    expect(page.locator("#run-history tr.is-chosen")).to_have_count(6)
    page.uncheck('#run-history input[data-run="well"]')
    expect(page.locator("#run-history tr.is-chosen")).to_have_count(5)
    every = page.locator("#run-history input[data-all]")
    expect(every).to_be_checked(indeterminate=True)
    page.check('#run-history input[data-run="well"]')
    expect(every).to_be_checked()
    every.uncheck()
    expect(page.locator("#run-history tr.is-chosen")).to_have_count(0)
    expect(page.locator("#history-details")).to_be_hidden()


def test_boxes_that_are_clicked_quickly_are_all_chosen(history: Open) -> None:
    page = history()
    page.evaluate("document.querySelectorAll('#run-history input[data-run]').forEach((box) => box.click())")
    expect(page.locator("#run-history tr.is-chosen")).to_have_count(6)
    expect(page.locator("#run-history input[data-run]:checked")).to_have_count(6)


def test_boxes_that_are_clicked_while_the_server_is_slow_are_all_chosen(history: Open, backend: FakeHistory) -> None:
    page = history()
    backend.awake.clear()
    for run in backend.stories:
        with page.expect_request(lambda request, run=run: f'"{run}"' in (request.post_data or "")):
            page.click(f'#run-history input[data-run="{run}"]')
    backend.awake.set()
    expect(page.locator("#run-history tr.is-chosen")).to_have_count(6)
    expect(page.locator("#history-curves .run-key")).to_have_count(6)


def test_answers_that_cross_on_their_way_are_mended(history: Open) -> None:
    page = history()
    page.evaluate("""() => { const real = window.fetch; window.fetch = async (...given) => {
        window.ticks = document.querySelectorAll("#run-history input[data-run]:checked").length;
        const answer = await real(...given);
        if (!window.letGo && String(given[1]?.body).includes('"runs":["well"]'))
          await new Promise((go) => { window.letGo = go; });
        return answer;
    }; }""")
    page.click('#run-history input[data-run="well"]')
    page.wait_for_function("Boolean(window.letGo)")  # The server has answered; the answer is on its way.
    page.click('#run-history input[data-run="badly"]')
    expect(page.locator("#history-curves .run-key")).to_have_count(2)
    page.evaluate("new Promise((go) => setTimeout(go, 3000))")  # By then the page has looked whether all is well.
    with page.expect_request(lambda request: '"runs":["well","badly"]' in (request.post_data or "")):
        page.evaluate("window.letGo()")
    assert page.evaluate("window.ticks") == 2, "what is ticked here wins meanwhile"
    expect(page.locator("#history-curves .run-key")).to_have_count(2)
    expect(page.locator("#run-history tr.is-chosen")).to_have_count(2)


def test_a_choice_keeps_the_keyboard_where_it_was(history: Open) -> None:
    page = history()
    page.focus('#run-history input[data-run="badly"]')
    page.keyboard.press("Space")
    expect(page.locator("#run-history tr.is-chosen")).to_have_count(1)
    assert page.evaluate("document.activeElement.dataset.run") == "badly"


def test_times_are_the_readers_own(history: Open) -> None:
    page = history()
    expect(page.locator("#run-history time").nth(1)).to_have_text("Sep 21, 2026, 11:13 PM")  # 14:13 UTC, in Tokyo.


def test_a_name_is_given_and_shown_everywhere(history: Open, backend: FakeHistory) -> None:
    page = history()
    choose(page, "badly")
    page.fill("#history-name input, #history-name textarea", "Too <b>long</b>")
    page.click("#history-save-name")
    expect(page.locator("#history-notice")).to_contain_text("The name is saved.")
    expect(page.locator("#run-history tr.is-chosen .run-title")).to_have_text("Too <b>long</b>")
    page.click("#cmp input")
    expect(page.get_by_role("option", name="4. Too <b>long</b> · Done")).to_be_visible()
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator("#run-history")).to_contain_text("Too <b>long</b>")
    assert backend.stories["badly"]["title"] == "Too <b>long</b>"


def test_deleting_asks_and_is_remembered(history: Open, kept_pages: KeptPages, backend: FakeHistory) -> None:
    page = history()
    choose(page, "badly", "live")
    page.click("#history-delete")
    expect(page.locator("#history-question")).to_contain_text("Delete 2 runs for good?")
    page.click("#history-keep")
    expect(page.locator("#history-question")).to_be_hidden()
    page.click("#history-delete")
    page.click("#history-sure")
    expect(page.locator("#history-notice")).to_contain_text("1 run was deleted.")
    expect(page.locator("#history-notice")).to_contain_text("Stop it first.")
    expect(page.locator("#run-history tbody tr")).to_have_count(5)
    expect(page.locator("#run-history input:checked")).to_have_count(1)
    expect(page.locator('#run-history input[data-run="live"]')).to_be_checked()
    page.reload()
    expect(page.locator("#run-history tbody tr")).to_have_count(5)
    backend.stories["badly"] = some_runs()["badly"]
    page.reload()  # Not only the server forgot it.
    expect(page.locator("#run-history tbody tr")).to_have_count(5)
    kept_pages.close()  # The browser remembers it.


def test_training_further_and_taking_it_back(history: Open) -> None:
    page = history()
    choose(page, "well")
    page.click("#history-further")
    expect(page.locator("#start-from")).to_contain_text("“Half the rate” further")
    page.get_by_role("button", name="Begin a new adapter instead").click()
    expect(page.locator(".start-from")).to_have_count(0)


def test_settings_resuming_and_showing_reach_their_places(history: Open, backend: FakeHistory) -> None:
    page = history()
    choose(page, "stopped")
    page.click("#history-use")
    expect(page.locator("#history-notice")).to_contain_text("stand in the form")
    page.wait_for_function("(document.querySelector('#form textarea, #form input').value || '').includes(\"'r': 8\")")
    page.click("#history-resume")
    expect(page.locator("#watched textarea, #watched input").first).to_have_value("stopped")
    expect(page.locator("#run-history tr.is-chosen")).to_contain_text("Queued")
    page.uncheck('#run-history input[data-run="stopped"]')
    choose(page, "well")
    page.click("#history-show")
    expect(page.locator("#watched textarea, #watched input").first).to_have_value("well")


def test_a_run_that_goes_on_is_followed(history: Open, backend: FakeHistory) -> None:
    page = history()
    backend.stories["live"]["step"] = 31
    expect(page.locator("#run-history")).to_contain_text("31 / 48 steps")


def test_two_tabs_keep_one_list(history: Open, kept_pages: KeptPages, backend: FakeHistory) -> None:
    first = history()
    second = first.context.new_page()
    second.goto(first.url)
    choose(first, "badly")
    first.click("#history-delete")
    first.click("#history-sure")
    expect(first.locator("#run-history tbody tr")).to_have_count(5)
    expect(second.locator("#run-history tbody tr")).to_have_count(5)
    choose(second, "well")
    second.click("#history-delete")
    second.click("#history-sure")
    expect(first.locator("#run-history tbody tr")).to_have_count(4)
    backend.stories.update({run: some_runs()[run] for run in ("badly", "well")})
    first.reload()  # What the second tab wrote last did not bring back what the first had taken away.
    expect(first.locator("#run-history tbody tr")).to_have_count(4)
    kept_pages.close()


def test_a_tab_that_opens_while_another_writes_keeps_its_list(
    history: Open, kept_pages: KeptPages, backend: FakeHistory
) -> None:
    first = history()
    read = first.evaluate("localStorage.getItem('sft-test-runs')")
    choose(first, "badly")
    first.click("#history-delete")
    first.click("#history-sure")
    expect(first.locator("#run-history tbody tr")).to_have_count(5)
    backend.stories["badly"] = some_runs()["badly"]
    listen = "heard = []; new BroadcastChannel('sft-playground-runs').onmessage = ({ data }) => heard.push(data)"
    first.evaluate(f"() => {{ {listen}; }}")
    second = first.context.new_page()  # It read the list before that, and listens only now.
    second.add_init_script(f"Storage.prototype.getItem = (key) => key === 'sft-test-runs' ? {json.dumps(read)} : null;")
    second.goto(first.url)
    expect(second.locator("#run-history tbody tr")).to_have_count(5)
    expect(second.locator('input[data-run="badly"]')).to_have_count(0)
    heard = first.evaluate("heard")
    assert heard[0] == {"asks": True} and "badly" not in str(heard), "it tells nothing that it has only read"
    kept_pages.close()


def test_names_are_words_and_nothing_else(history: Open) -> None:
    page = history()
    choose(page, "stopped", "waits")
    page.click("#baseline-ask")
    page.wait_for_selector("#baseline-result")
    expect(page.locator("#history-curves .run-key").first).to_contain_text("<img src=x")
    assert page.evaluate("window.hit") is None


def test_an_empty_history_says_so(history: Open, backend: FakeHistory) -> None:
    page = history()
    backend.stories = {}
    look_again(page)
    expect(page.locator("#run-history")).to_contain_text("No runs yet")


def test_the_look_at_the_base_is_followed_and_cancelled(history: Open, backend: FakeHistory) -> None:
    page = history()
    backend.hold = threading.Event()
    page.click("#baseline-ask")
    expect(page.locator("#baseline-status")).to_contain_text("Scoring 6 rows.")
    expect(page.locator("#baseline-ask")).to_be_disabled()
    page.click("#baseline-cancel")
    expect(page.locator("#baseline-status")).to_contain_text("cancelled")
    assert backend.stopped.wait(60)
    backend.hold = None
    page.click("#baseline-ask")
    expect(page.locator("#baseline-found")).to_contain_text("Examples help, and leave a gap")
    expect(page.locator("#baseline-cancel")).to_be_hidden()
    expect(page.locator("#baseline-status .callout")).to_have_count(0)


@pytest.mark.parametrize(("language", "width", "scheme"), [("ja", 390, "light"), ("en", 390, "dark")])
def test_all_of_it_fits_a_phone(history: Open, language: str, width: int, scheme: str) -> None:
    page = history(language, width, scheme)
    page.click("#baseline-ask")
    page.wait_for_selector("#baseline-result")
    choose(page, "well", "badly", "stopped", "failed")
    page.wait_for_selector("#history-settings .sides")
    assert fits_its_width(page)
    picture(page, f"history-{language}-{scheme}-{width}")


def test_a_tab_that_closes_ends_the_look(history: Open, kept_pages: KeptPages, backend: FakeHistory) -> None:
    page = history()
    backend.hold = threading.Event()
    page.click("#baseline-ask")
    expect(page.locator("#baseline-status")).to_contain_text("Scoring 6 rows.")
    kept_pages.close()
    assert backend.stopped.wait(60)
