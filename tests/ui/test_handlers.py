"""What the tabs do with what they are given. Handlers are called as Gradio calls them, without a server."""

import gradio as gr
import pytest

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.ui.compare.tab import CompareTab
from playground.ui.finetune_tab import FinetuneTab
from playground.ui.rows.options import template_settings
from playground.ui.widgets.i18n import reader_language, told

from .fake_backend import FakeBackend, reply

REFUSED = InputError(Sentence("No."), None, Sentence("Do <that>."))
SAMPLING = ("", 0, 1, 64, 0)
PRIVATE = {"run": "abc", "number": 1, "example": "pirate", "file": ""}


@pytest.fixture
def backend():
    return FakeBackend()


def tab(kind, backend):
    with gr.Blocks():
        return kind(backend, gr.State({})) if kind is FinetuneTab else kind(backend)


def is_skip(value):
    return isinstance(value, dict) and value.get("__type__") == "update" and len(value) == 1


TEMPLATE = {
    "chat_template": "zephyr",
    "chat_template_kwargs": {"year": 2001},
    "chat_template_clock": "",
    "name": "zephyr",
}


def begun(finetune, pasted="rows", file=None, template=None, changes=None, columns=("", "", "")):
    """What pressing Start sends to the page, one update after the other."""
    given = [widget.value for widget in finetune.settings.widgets]
    return list(
        finetune.begin(None, "org/model", "", [], "", pasted, file, template or {}, changes or {}, *columns, *given)
    )


def test_the_template_of_the_template_tab_is_trained_with_and_named(backend):
    finetune = tab(FinetuneTab, backend)
    begun(finetune, template=TEMPLATE)
    settings = backend.asked[-1][4]
    assert (settings["chat_template"], settings["chat_template_kwargs"]) == ("zephyr", {"year": 2001})
    row, line = finetune.rows.template.tell(TEMPLATE, None)
    assert row["visible"] and "zephyr" in line
    row, line = finetune.rows.template.tell({}, None)
    assert not row["visible"] and template_settings({}) == template_settings(None) == {}


def test_a_run_is_named_after_an_example_only_while_it_is_unchanged(backend):
    names = tab(FinetuneTab, backend).rows.source.names
    assert names(backend.example_text("pirate"), None, "pirate") == ("pirate", "")
    assert names("other", None, "pirate") == ("", "")
    assert names("other", "/tmp/x/rows.jsonl", "pirate") == ("", "rows.jsonl")


def test_starting_remembers_the_run_in_the_browser(backend):
    waiting, last = begun(tab(FinetuneTab, backend))
    assert "Reading the rows" in waiting[0] and is_skip(waiting[1])
    assert last[0] == "" and last[1][0]["run"] == "abc"
    assert backend.asked[0][4]["time_budget_s"] == 180


def test_a_refused_start_changes_nothing_else(backend):
    finetune = tab(FinetuneTab, backend)
    backend.refuse = REFUSED
    *_, last = begun(finetune, "")
    assert "No." in last[0] and is_skip(last[1]) and is_skip(last[2])


def test_an_answer_streams_and_is_kept(backend):
    updates = list(tab(CompareTab, backend).answer(None, [], " Hi ", "abc", "org/model", *SAMPLING))
    assert is_skip(updates[0][0]) and updates[1][0] == "" and is_skip(updates[2][0]), "emptied once, when taken"
    assert updates[-1][3][0]["message"] == "Hi" and "Ans" in updates[-1][1]
    assert backend.asked[0][2] == "abc" and backend.closed == 1
    sampling = {"system": "", "temperature": 0, "top_p": 1, "max_new_tokens": 64, "seed": 0}
    assert backend.asked[0][3] == sampling


def test_stop_ends_the_stream_and_closes_the_request(backend):
    updates = tab(CompareTab, backend).answer(None, [], "Hi", "abc", "", *SAMPLING)
    stopper = next(updates)[4]
    next(updates)
    stopper.set()
    rest = list(updates)
    assert len(rest) == 1 and "stopped" in rest[0][1] and backend.closed == 1


def test_a_refused_message_stays_in_its_box(backend):
    backend.refuse = REFUSED
    updates = list(tab(CompareTab, backend).answer(None, [], "Hi", "", "", *SAMPLING))
    assert all(is_skip(update[0]) for update in updates)
    assert "Do &lt;that&gt;." in updates[-1][5] and "Nothing asked yet" in updates[-1][1]


def test_nothing_is_asked_without_a_message(backend):
    updates = list(tab(CompareTab, backend).answer(None, [], "  ", "", "", *SAMPLING))
    assert "Write a message first." in updates[0][5] and backend.asked == []


def test_answering_again_takes_the_last_message_and_the_next_seed(backend):
    before = [{"message": "Hi", "reply": reply("Hello")}]
    updates = list(tab(CompareTab, backend).answer_again(None, before, "abc", "", *SAMPLING))
    assert updates[0][0] == 1 and backend.asked[0][3]["seed"] == 1
    assert [one["message"] for one in updates[-1][3]] == ["Hi", "Hi"]


def test_an_examples_system_prompt_never_replaces_ones_own(backend):
    compare = tab(CompareTab, backend)
    assert compare.refresh("abc", "", [PRIVATE], None)[2] == "Be a pirate."
    assert compare.refresh(None, "Be a pirate.", [], None)[2] == ""
    assert is_skip(compare.refresh("abc", "My own.", [PRIVATE], None)[2])


def test_the_system_prompt_of_the_chosen_run_stands_in_the_box(backend):
    compare = tab(CompareTab, backend)
    backend.system_prompts = {"abc": "You are the desk.", "def": "Be brief."}
    runs = [PRIVATE, {**PRIVATE, "run": "def", "number": 2, "example": ""}]
    assert compare.refresh("abc", "", runs, None)[2] == "You are the desk."
    assert compare.refresh("abc", "Be brief.", runs, None)[2] == "You are the desk."
    assert is_skip(compare.refresh("abc", "My own.", runs, None)[2])


def test_a_refusal_without_a_place_becomes_a_notice():
    @told
    def handler(request: gr.Request):
        raise REFUSED

    with pytest.raises(gr.Error, match="No. Do <that>."):
        handler(None)
    assert reader_language(None) == "en"
