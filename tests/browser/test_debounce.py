"""The elements that draw nothing and ask the server once for all that was changed, on a bare page whose clock the test
moves.
"""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr
import pytest

from playground.ui.widgets.debounce import (
    DRAW_DELAY_MS,
    ESTIMATE_DELAY_MS,
    estimate_debounce,
    rows_debounce,
    settings_debounce,
    template_debounce,
)
from tests.browser.bare import BarePages, told

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("make", "event", "delay"),
    [
        (template_debounce, "sft-template-changed", 0),
        (rows_debounce, "sft-rows", 120),
        (settings_debounce, "sft-settings", DRAW_DELAY_MS),
        (estimate_debounce, "sft-settings", ESTIMATE_DELAY_MS),
        (estimate_debounce, "sft-estimate", ESTIMATE_DELAY_MS),
    ],
    ids=["template", "rows", "settings", "estimate", "estimate of other rows"],
)
def test_what_is_changed_without_a_pause_is_asked_about_once(
    bare: BarePages, make: Callable[[str], gr.HTML], event: str, delay: int
) -> None:
    with bare.without_errors():
        page = bare.put(make("it"), clock=True)
        page.clock.run_for(delay)
        assert [name for name, *_ in told(page)] == ["input"], "as soon as it is there"
        for _ in range(9):
            page.evaluate("event => document.dispatchEvent(new Event(event))", event)
            if delay:
                page.clock.run_for(delay - 1)
        assert len(told(page)) == 1
        page.clock.run_for(1)
        assert len(told(page)) == 2
        numbers = [value for *_, value in told(page)]
        assert make is not rows_debounce or numbers[0] < numbers[1], "a later one has a greater number"
