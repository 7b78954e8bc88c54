"""The template tab's handlers, called as Gradio calls them; what a browser does with it is in tests/browser."""

from __future__ import annotations

from functools import lru_cache

import gradio as gr
import orjson
import pytest

from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.core.settings import RenderOptions
from playground.ui.template.compare import ORIGINAL, SAME, comparison
from playground.ui.template.controls import VARIABLES_SHOWN, asked, merged
from playground.ui.template.share_link import link_to, state_of
from playground.ui.template.source import EDITED, FILE, TemplateState, as_source, wish
from playground.ui.template.tab import TemplateTab
from tests.ui.fake_backend import CHATML, ZEPHYR, FakeBackend

REFUSED = InputError(Sentence("No."), None, Sentence("Do <that>."))
HI = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Arr"}]


@lru_cache
def one_tab() -> TemplateTab:
    """Building the widgets takes most of a test's time, and a tab remembers nothing: that is in the widgets."""
    with gr.Blocks():
        return TemplateTab(FakeBackend())


class Lab:
    """A tab with what stands in its widgets: each call of `show` puts the answers back, as the browser does."""

    def __init__(self) -> None:
        self.tab = one_tab()
        self.backend = self.tab.backend
        self.backend.__dict__.clear()
        self.backend.__init__()
        source = self.tab.source
        self.widgets = {"messages": self.tab.conversation, "chosen": source.template, "box": source.source}
        self.widgets |= {"options": self.tab.inputs, "wished": source.wish, "state": source.state}
        self.widgets |= {"shown": self.tab.shown, "news": self.tab.compare.news}
        self.values = {"messages": HI, "chosen": "", "box": "", "options": {}, "wished": {}, "state": TemplateState()}
        self.values |= {"model": "org/model", "shown": {}, "news": 0, "comparing": False, "python": False}
        self.changes: dict = {}
        self.look()

    def look(self, **changed):
        self.backend.asked.clear()
        self.values |= changed
        self.changes = self.tab.show(**self.values, request=None)
        for name, widget in self.widgets.items():
            update = self.changes.get(widget, {})
            value = update.get("value", self.values[name]) if is_update(update) else update
            self.values[name] = value if widget in self.changes else self.values[name]
        return self

    @property
    def rendered(self):
        """What the backend was last asked to render: (conversation, model, template, options), None if not at all."""
        return next((call[1:] for call in reversed(self.backend.asked) if call[0] == "preview"), None)

    @property
    def view(self):
        return self.changes.get(self.tab.view)

    @property
    def state(self):
        return self.values["state"]

    def offered(self):
        return [value for _, value in self.tab.source.choices(self.state, "en")]


def is_update(value):
    return isinstance(value, dict) and value.get("__type__") == "update"


def is_skip(value):
    return is_update(value) and len(value) == 1


def event(**data):
    return gr.EventData(None, data)


@pytest.fixture
def lab():
    return Lab()


# Choosing and editing


def test_the_models_own_template_stands_in_the_box_at_first(lab):
    assert lab.values["box"] == CHATML and lab.rendered == (HI, "org/model", "", {})
    assert lab.view["text"].startswith("<|im_start|>user\nHi<|im_end|>")


def test_nothing_is_rendered_twice(lab):
    assert lab.look().rendered is None and lab.view is None
    assert lab.look(options={"add_generation_prompt": True}).rendered is not None


def test_an_edit_is_rendered_and_the_box_left_alone(lab):
    lab.look(box=CHATML + "!")
    assert lab.rendered[2] == CHATML + "!" and lab.view["text"].endswith("!")
    assert lab.tab.source.source not in lab.changes, "a box that is written back loses what was typed meanwhile"
    assert lab.values["chosen"] == EDITED
    assert lab.changes[lab.tab.source.original]["interactive"] is True
    assert lab.changes[lab.tab.source.diff] == {"original": CHATML, "source": CHATML + "!"}


def test_typing_the_original_again_is_no_edit(lab):
    lab.look(box=CHATML + "!").look(box=CHATML)
    assert lab.values["chosen"] == "" and lab.rendered[2] == ""


def test_another_template_puts_edits_by_and_gives_them_back(lab):
    lab.look(box=CHATML + "!").look(chosen="zephyr")
    assert lab.values["box"] == ZEPHYR and lab.rendered[2] == "zephyr" and EDITED in lab.offered()
    lab.look(chosen=EDITED)
    assert lab.values["box"] == CHATML + "!" and lab.state.original == CHATML and lab.rendered[2] == CHATML + "!"


def test_back_to_the_original_keeps_the_edits_in_the_list(lab):
    lab.look(chosen="zephyr").look(box=ZEPHYR + "!")
    lab.look(wished=lab.tab.to_original(lab.state))
    assert lab.values["chosen"] == "zephyr" and lab.values["box"] == ZEPHYR and EDITED in lab.offered()


def test_jinja_that_does_not_compile_keeps_the_view_and_the_controls(lab):
    lab.look(chosen="zephyr").look(box=ZEPHYR + "\n{% if %}")
    assert lab.view["state"] == "refused" and "Line 5" in " ".join(lab.view["refusal"])
    assert lab.rendered is None
    assert [one["name"] for one in lab.state.facts["variables"]] == ["enable_thinking"]
    assert lab.look(box=ZEPHYR).view["state"] == "shown", "what was shown before the mistake is shown again"


@pytest.mark.parametrize("typed", ["", "chatml", "hello"])
def test_what_is_typed_is_source_and_never_a_name(lab, typed):
    lab.look(box=typed)
    assert lab.rendered[2] == typed + "\n" and lab.view["text"] == typed


def test_a_model_without_a_template_can_be_given_one():
    lab = Lab()
    lab.backend.refuse = REFUSED
    lab.look(model="org/base")
    assert lab.view["state"] == "refused" and lab.values["box"] == ""
    lab.backend.refuse = None
    assert lab.look(box="{{ 'x' }}").view["text"] == "x"


def test_a_refusal_is_tried_again_when_the_model_is_there():
    lab = Lab()
    lab.backend.refuse = REFUSED
    lab.look(model="org/other")
    lab.backend.refuse = None
    assert lab.look().view["state"] == "shown" and lab.values["box"] == CHATML


def test_edits_survive_another_model(lab):
    lab.look(box=CHATML + "!").look(model="org/other")
    assert lab.rendered[1:3] == ("org/other", CHATML + "!") and lab.values["chosen"] == EDITED


def test_windows_line_ends_are_no_edit_and_reach_the_template(lab, tmp_path):
    path = tmp_path / "t.jinja"
    path.write_bytes(b"a\r\nb{{ eos_token }}")
    wanted, options = lab.tab.read_file(str(path), {"clock": "2026-01-01T00:00"}, None)
    wanted["file"]["source"] = "a\r\nb{{ eos_token }}"  # What reads the file is the backend's; it keeps line ends.
    lab.look(wished=wanted, options=options)
    assert options == {"clock": "2026-01-01T00:00", "special_tokens": {"eos_token": "<END>"}}
    assert lab.values["chosen"] == FILE and lab.values["box"] == "a\nb{{ eos_token }}"
    assert lab.rendered[2] == "a\r\nb{{ eos_token }}"
    lab.look(chosen="zephyr")
    assert lab.rendered[3] == {"clock": "2026-01-01T00:00"}, "a file's special tokens leave with it"
    assert FILE in lab.offered()


def test_a_file_that_cannot_be_read_is_told_and_changes_nothing(lab):
    lab.backend.read_file = lambda path: (_ for _ in ()).throw(REFUSED)
    with pytest.raises(gr.Error, match="No. Do <that>."):
        lab.tab.read_file("x", {}, None)


def test_an_empty_conversation_says_what_to_do(lab):
    assert "Add a turn" in lab.look(messages=[]).view["empty"][1]


def test_a_refused_conversation_says_why_and_is_asked_again(lab):
    lab.backend.refuse = REFUSED
    lab.look(options={"tools": []})
    assert lab.view["refusal"][-1] == "Do <that>." and lab.values["shown"] == {}
    lab.backend.refuse = None
    assert lab.look(options={}).view["state"] == "shown"


# Inputs


def test_the_form_follows_the_variables_of_the_source(lab):
    assert lab.tab.inputs in lab.changes
    lab.look(chosen="zephyr")
    assert [one["name"] for one in lab.changes[lab.tab.inputs]["asked"]["variables"]] == ["enable_thinking"]
    lab.look(box=ZEPHYR + "{{ place }}")
    assert [one["name"] for one in lab.changes[lab.tab.inputs]["asked"]["variables"]] == ["enable_thinking", "place"]
    assert lab.tab.inputs not in lab.look(box=ZEPHYR + "{{ place }}.").changes


def test_a_template_cannot_flood_the_form():
    facts = FakeBackend().template(template="".join(f"{{{{ v{n} }}}}" for n in range(999)))
    assert len(facts["variables"]) == 999 and len(asked(facts)["variables"]) == VARIABLES_SHOWN


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({"continue_final_message": True}, {"continue_final_message": True, "clock": "2026-01-01"}),
        ({"add_generation_prompt": False}, {"clock": "2026-01-01"}),
        ({"clock": None}, {"add_generation_prompt": True}),
    ],
)
def test_changes_of_inputs_leave_what_the_options_allow(changes, after):
    together = merged({"add_generation_prompt": True, "clock": "2026-01-01"}, changes)
    assert together == after and RenderOptions.from_dict(together)


def test_a_sample_brings_its_tools_and_drops_what_was_set(lab):
    messages, options = lab.tab.start_from(1, False)
    assert messages[0]["content"] == "Hi there"
    assert options == {"add_generation_prompt": True, "tools": [{"type": "function", "function": {"name": "look"}}]}
    assert lab.tab.start_from(0, True)[0][0]["content"] == ""


def test_tools_of_a_pasted_row_become_an_input(lab):
    assert lab.tab.take_tools({"clock": "x"}, event(tools=[{"a": 1}])) == {"clock": "x", "tools": [{"a": 1}]}


# Fixes


@pytest.mark.parametrize(
    ("action", "messages", "options", "template"),
    [
        ({"kind": "conversation", "messages": HI[:1]}, HI[:1], {}, ""),
        ({"kind": "options", "options": {"add_generation_prompt": True}}, HI, {"add_generation_prompt": True}, ""),
        ({"kind": "template", "template": "zephyr"}, HI, {}, "zephyr"),
        ({"kind": "template", "template": CHATML + "!"}, HI, {}, CHATML + "!"),
    ],
)
def test_a_fix_is_applied_and_can_be_undone(lab, action, messages, options, template):
    put = lab.tab.apply_fix(HI, {}, lab.state, event(action=action))
    assert put[4]["visible"] is True
    set_values(lab, put)
    assert lab.rendered == (messages, "org/model", template, options)
    put = lab.tab.undo_fix(put[3])
    assert put[4]["visible"] is False
    set_values(lab, put)
    assert lab.rendered == (HI, "org/model", "", {})


def set_values(lab, put):
    names = ("messages", "options", "wished")
    lab.look(**{name: value for name, value in zip(names, put[:3], strict=True) if not is_skip(value)})


def test_undoing_leaves_what_was_edited_elsewhere(lab):
    put = lab.tab.apply_fix(HI, {}, lab.state, event(action={"kind": "options", "options": {"clock": "2026-01-01"}}))
    set_values(lab, put)
    lab.look(messages=HI[:1])
    set_values(lab, lab.tab.undo_fix(put[3]))
    assert lab.rendered == (HI[:1], "org/model", "", {})


def test_undoing_gives_edits_back(lab):
    lab.look(box=CHATML + "!")
    put = lab.tab.apply_fix(HI, {}, lab.state, event(action={"kind": "template", "template": "zephyr"}))
    set_values(lab, put)
    assert lab.values["box"] == ZEPHYR
    set_values(lab, lab.tab.undo_fix(put[3]))
    assert lab.values["box"] == CHATML + "!" and lab.state.original == CHATML


def test_source_from_a_fix_is_an_edit_of_what_was_chosen(lab):
    lab.look(chosen="zephyr")
    set_values(lab, lab.tab.apply_fix(HI, {}, lab.state, event(action={"kind": "template", "template": ZEPHYR + "!"})))
    assert lab.values["chosen"] == EDITED and (lab.state.base, lab.state.original) == ("zephyr", ZEPHYR)


@pytest.mark.parametrize("action", [None, {}, {"kind": "conversation", "messages": "x"}, {"kind": "shell"}])
def test_an_action_that_is_none_does_nothing(lab, action):
    assert all(is_skip(value) for value in lab.tab.apply_fix(HI, {}, lab.state, event(action=action)))


# Side by side


def test_nothing_is_compared_while_it_is_closed(lab):
    assert is_skip(lab.tab.compare.compare(False, lab.values["shown"], "chatml", SAME, None))
    assert lab.tab.compare.news not in lab.look(box=CHATML + "!").changes
    assert lab.look(box=CHATML, comparing=True).values["news"] == 1


def test_both_sides_get_the_conversation_and_inputs(lab):
    lab.look(box=CHATML + "!", options={"clock": "2026-01-01"})
    lab.backend.asked.clear()
    told = lab.tab.compare.compare(True, lab.values["shown"], ORIGINAL, "org/other", None)
    one, other = {"model": "org/model", "template": CHATML + "!"}, {"model": "org/other", "template": ""}
    assert lab.backend.asked == [("compare_templates", HI, [one, other], {"clock": "2026-01-01"})]
    assert "Edited here · org/model" in told and "Before the edits · org/other" in told


def test_equal_sides_and_refusals_are_said(lab):
    compare = lab.tab.compare.compare
    assert "Both sides are the same" in compare(True, lab.values["shown"], SAME, SAME, None)
    assert "Nothing to compare yet" in compare(True, {}, SAME, SAME, None)
    lab.backend.compare = lambda *given: (_ for _ in ()).throw(REFUSED)
    assert "Do &lt;that&gt;." in compare(True, lab.values["shown"], "zephyr", SAME, None)


def test_a_comparison_shows_figures_and_marks_what_differs():
    side = {"tokens": 10, "trained": 4, "characters": 1200, "turn_cost": {"user": 5, "assistant": 6}, "error": None}
    broken = {"tokens": 12, "trained": 4, "characters": 1180, "turn_cost": None, "error": REFUSED}
    diff = [{"op": "equal", "text": "a" * 500}, {"op": "delete", "text": "<b>\n"}, {"op": "insert", "text": " "}]
    html = comparison({"sides": [side, broken], "diff": diff}, ["one", "<two>"], "en")
    assert "+2" in html and "\u221220" in html and "1,200" in html and "–" in html and "&lt;two&gt;" in html
    assert '<del><span class="sign">\u2212</span>&lt;b&gt;<i>↵</i>' in html
    assert '<ins><span class="sign">+</span><i>·</i></ins>' in html
    assert "a" * 61 not in html and "a" * 60 in html and "Do &lt;that&gt;." in html


def test_equal_texts_say_so():
    side = {"tokens": 1, "trained": 0, "characters": 1, "turn_cost": None, "error": None}
    told = comparison({"sides": [side, side], "diff": [{"op": "equal", "text": "a"}]}, ["a", "b"], "en")
    assert "Both sides write the same text." in told and "+" not in told


# Python, links, training


def test_python_is_written_and_stays_true_while_it_is_shown(lab):
    code, panel, is_open = lab.tab.write_python(lab.values["shown"], None)
    assert "apply_chat_template" in code and panel["visible"] is True and is_open
    assert lab.look(options={"clock": "2026-02-03"}, python=True).values["news"] == 1
    assert "2026-02-03" in lab.tab.renew_python(True, lab.values["shown"])
    assert is_skip(lab.tab.renew_python(False, lab.values["shown"]))


def opened(link):
    return {"open": orjson.loads(orjson.dumps(link["make"]))}


def test_a_link_brings_everything_back(lab):
    lab.look(chosen="zephyr").look(box=ZEPHYR + "!", options={"add_generation_prompt": True})
    link = lab.tab.make_link(HI, {"add_generation_prompt": True}, "org/model", lab.state)
    messages, options, wished, model, timer = lab.tab.open_link(opened(link), None)
    other = Lab()
    other.look(messages=messages, options=options, wished=wished, model=model)
    assert other.rendered == (HI, "org/model", ZEPHYR + "!", {"add_generation_prompt": True})
    assert other.state.original == ZEPHYR and timer.active is True


def test_a_link_to_a_files_template_holds_its_source(lab):
    file = {"source": "{{ 1 }}", "special_tokens": {}, "name": "t.jinja"}
    lab.look(wished=wish(FILE, file=file))
    assert lab.tab.make_link(HI, {}, "m", lab.state)["make"]["source"] == "{{ 1 }}"


def test_a_link_cannot_bring_another_model_or_template(lab):
    state = {"messages": HI, "model": "evil/model", "template": "/etc/passwd"}
    messages, _, wished, model, _ = lab.tab.open_link({"open": state}, None)
    assert messages == HI and wished["template"] == "" and is_skip(model)
    assert ("fetch_model", "evil/model") not in lab.backend.asked


@pytest.mark.parametrize(
    "state",
    [
        None, 1, {}, {"messages": "x"}, {"messages": [1]}, {"messages": [], "options": []},
        {"messages": [], "options": {"shell": 1}}, {"messages": [], "source": 1}, {"messages": [], "template": {}},
        {"messages": [], "model": 1},
    ],
)  # fmt: skip
def test_a_link_that_holds_something_else_opens_nothing(lab, state):
    with pytest.raises(InputError):
        state_of({"open": state})
    with pytest.raises(gr.Error):
        lab.tab.open_link({"open": state}, None)


def test_the_same_link_can_be_asked_for_twice():
    assert link_to({})["at"] != link_to({})["at"]


def test_a_row_takes_its_tools_and_the_template_along(lab):
    lab.look(box=CHATML + "!")
    options = {"tools": [{"a": 1}], "template_kwargs": {"enable_thinking": False}, "clock": "2026-01-01"}
    pasted, file, _, handed = lab.tab.as_row(HI, options, lab.state, "{}\n\n", None, None)
    row = orjson.loads(pasted.splitlines()[1])
    assert row == {"messages": HI, "tools": [{"a": 1}]} and file is None and pasted.startswith("{}\n{")
    assert handed == {
        "chat_template": CHATML + "!",
        "chat_template_kwargs": {"enable_thinking": False},
        "chat_template_clock": "2026-01-01",
        "name": "Edited here",
    }
    row = orjson.loads(lab.tab.as_row(HI, {}, Lab().state, "", None, None)[0])
    assert row == {"messages": HI}


def test_rows_in_a_json_list_are_left_alone(lab):
    pasted, file, _, handed = lab.tab.as_row(HI, {}, lab.state, "[{}]", "f", None)
    assert is_skip(pasted) and is_skip(file) and is_skip(handed)


def test_source_without_jinja_is_still_source():
    assert as_source("x") == "x\n" and as_source("a\nb") == "a\nb" and as_source("{{ x }}") == "{{ x }}"
