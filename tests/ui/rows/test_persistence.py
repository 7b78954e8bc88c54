"""What a browser keeps of its rows, and what of it is believed after a reload."""

from __future__ import annotations

from functools import cache

import gradio as gr
import pytest

from playground.ui.finetune_tab import FinetuneTab
from playground.ui.rows.edits import source_mark, with_edit
from playground.ui.rows.options import FORMED
from playground.ui.rows.persistence import MOST_BYTES, KeptRows, Restored, is_kept, rest_of, restored
from tests.ui.fake_backend import FakeBackend
from tests.ui.rows.test_panel import MESSY, ROWS, Page

NONE = ("", "", "")
EDITS = with_edit({}, source_mark(MESSY, None), "drop", [2, 3])["edits"]


def rest(text=MESSY, file="", edits=(), columns=NONE, **settings):
    return rest_of(text, file, list(edits), columns, settings)


def test_what_is_kept_comes_back():
    kept = rest(edits=EDITS, columns=("{q}", "a", None), max_length=99, held_out=0.0, seed=42, learning_rate=0.5)
    assert restored({"text": MESSY}, kept) == Restored(
        MESSY,
        {"source": source_mark(MESSY, None), "edits": EDITS},
        ("{q}", "a", ""),
        {"max_length": 99, "held_out": 0.0},
    )


def test_a_row_edited_by_hand_comes_back_with_its_data():
    changes = with_edit({}, source_mark(ROWS, None), "replace", [1], data={"prompt": "本", "completion": "b"})
    assert restored({"text": ROWS}, rest(ROWS, edits=changes["edits"])).changes == changes


def test_nothing_done_is_nothing_kept():
    assert rest() == {} and rest(max_length=512) == {}
    assert restored({"text": MESSY}, {}) == Restored(MESSY)


def test_edits_count_for_their_own_text_alone():
    assert restored({"text": MESSY + "\n"}, rest(edits=EDITS)).changes == {}


def test_of_a_file_nothing_is_kept_but_the_settings():
    assert rest(file="/tmp/rows.jsonl", edits=EDITS, columns=("a", "b", ""), max_length=99) == {
        "settings": {"max_length": 99}
    }
    assert restored({}, {"settings": {"max_length": 99}}) == Restored(settings={"max_length": 99})


def test_what_is_too_large_is_not_kept():
    assert is_kept("a" * MOST_BYTES, "") and not is_kept("a" * MOST_BYTES + "a", "")
    assert not is_kept("本" * (MOST_BYTES // 3 + 1), None) and not is_kept("", "file")
    assert rest("a" * MOST_BYTES + "a", edits=EDITS) == {}
    many = [{"do": "drop", "rows": list(range(1, 50_000)), "code": ""}]
    assert rest(edits=many) == {} and "edits" in rest(edits=[{**many[0], "rows": list(range(1, 30_000))}])


@pytest.mark.parametrize("text", [None, 3, "text", [], {}, {"text": 3}, {"text": " \n"}, {"text": "a" * 200_001}])
def test_a_text_of_another_shape_is_left_out(text):
    assert restored(text, rest(edits=EDITS, columns=("a", "b", ""))) == Restored()


@pytest.mark.parametrize(
    "other",
    [
        None,
        "x",
        [],
        {"source": source_mark(MESSY, None)},
        {"source": source_mark(MESSY, None), "edits": "drop"},
        {"source": source_mark(MESSY, None), "edits": [{"do": "format_disk", "rows": [1]}]},
        {"source": source_mark(MESSY, None), "edits": [{"do": "drop", "rows": ["1"]}]},
        {"source": "", "edits": EDITS},
        {"columns": ["a"]},
        {"columns": ["a", "b", 3]},
        {"settings": {"max_length": "x"}},
        {"settings": {"max_length": 9e9}},
        {"settings": {"chat_template": "{{ 1 }}", "start_from": "abc"}},
        {"settings": [1]},
    ],
)
def test_a_rest_of_another_shape_is_left_out(other):
    assert restored({"text": MESSY}, other) in (
        Restored(MESSY),
        Restored(MESSY, {"source": source_mark(MESSY, None), "edits": []}),
    )


# --- On the page ---


@cache
def tab_that_keeps():
    with gr.Blocks():
        tab = FinetuneTab(FakeBackend(), gr.State({}))
        tab.rows.kept = KeptRows("secret")
    return tab


class Kept(Page):
    """The panel of a page that keeps its rows."""

    def __init__(self):
        super().__init__(tab_that_keeps())
        self.settings = tab_that_keeps().settings

    @property
    def rest(self):
        return self.shown.get(self.rows.kept.rest)

    def bring_back(self, text, pasted=""):
        return self.rows.bring_back(self.settings, {"text": text}, self.rest, pasted)


def test_a_check_hands_over_what_is_to_be_kept_once():
    page = Kept()
    page.check(MESSY)
    assert page.rest == {}
    page.press(page.rows.fix, do="drop", **page.kind("duplicate"))
    page.check(MESSY, max_length=99)
    assert page.rest == {"source": source_mark(MESSY, None), "edits": EDITS, "settings": {"max_length": 99}}
    page.shown.pop(page.rows.kept.rest)
    page.check(MESSY, max_length=99)
    assert page.rest is None
    page.check("")
    assert page.rest is None, "an empty box forgets nothing: before the rows are back every box is empty"


def test_a_page_that_is_loaded_again_begins_where_it_was():
    page = Kept()
    page.check(MESSY)
    page.press(page.rows.fix, do="drop", **page.kind("duplicate"))
    page.check(MESSY, columns=("{prompt}", "{completion}", ""), max_length=99)
    text, changes, example, panel, *rest = page.bring_back(MESSY)
    assert (text, changes, example, panel["open"]) == (MESSY, page.changes, "", True)
    assert rest[:3] == ["{prompt}", "{completion}", ""]
    chosen = dict(zip(page.settings.fields, rest[3:], strict=False))
    assert chosen["max_length"]["value"] == 99
    assert [name for name, update in chosen.items() if "value" in update] == ["max_length"]


def test_who_was_quicker_than_the_store_keeps_what_is_in_the_box():
    page = Kept()
    page.check(MESSY)
    assert all(update == gr.skip() for update in page.bring_back(MESSY, pasted=ROWS))


def test_an_example_is_known_again_by_its_text():
    page = Kept()
    example = page.backend.examples()[0]["name"]
    page.check(ROWS)
    assert page.bring_back(page.backend.example_text(example))[2] == example


def test_what_a_reload_forgets_is_said():
    page, long = Kept(), ROWS + '{"prompt": "' + "a" * MOST_BYTES
    assert "forgets" not in page.check(MESSY)
    assert "forgets rows of more than 200 kB" in page.check(long)
    plain = Page()
    assert "forgets" not in plain.check(long), "a page that keeps nothing promises nothing"


def test_what_a_reload_forgets_of_a_file_is_said_once_something_was_done_to_it(tmp_path):
    page, path = Kept(), tmp_path / "rows.jsonl"
    path.write_text(MESSY)
    assert "forgets" not in page.check("", str(path))
    page.press(page.rows.fix, do="drop", **page.kind("duplicate"))
    assert "forgets the file and what you changed" in page.check("", str(path))
    assert "max_length" in FORMED
