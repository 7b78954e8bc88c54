"""What is told of many rows: of each what the template loses of it, of all what it does to all."""

from __future__ import annotations

import pytest

from playground.core.settings import RenderOptions
from playground.templates.catalogue import gallery
from playground.templates.doctor.rows import NothingSaid, RowDoctor, is_all_there, shape_of
from playground.templates.renderer import Renderer
from tests.templates.doctor.cases import (
    CALLING,
    HEALTHY,
    LONGER,
    RULED,
    TALK,
    THINKING,
    TOOLS,
    assistant,
    fitting,
    user,
)
from tests.templates.doctor.test_findings import CALLS, DROPS_SYSTEM, FORGETS, THINKS

pytest_plugins = ["tests.tiny"]


class Rows:
    """Rows shown to the doctor one after the other."""

    def __init__(self, tokenizer, template):
        self.renderer = Renderer(fitting(tokenizer), template)
        self.doctor = RowDoctor(self.renderer, RenderOptions())
        self.count = 0

    def told(self, messages, tools=None):
        self.count += 1
        supervised = self.renderer.supervise(messages, RenderOptions(tools=tools))
        self.doctor.require_words(self.count, supervised)
        return [
            (finding.code, str(finding.message))
            for finding in self.doctor.look(self.count, messages, tools, supervised)
        ]

    def about_all(self):
        return {finding.code: str(finding.message) for finding in self.doctor.about_all()}


LOSES = {
    "tools_ignored": (HEALTHY, CALLING, "The tool calls of message 2 are not in the text."),
    "reasoning_ignored": (HEALTHY, THINKING, "The reasoning of message 2 is not in the text."),
    "reasoning_stripped": (FORGETS, THINKING, "The reasoning of message 2 is left out because more follows."),
    "system_dropped": (DROPS_SYSTEM, RULED, "leaves the system turn of this conversation out"),
    "role_dropped": (HEALTHY.replace("in messages", "in messages if m.role != 'tool'"), CALLING[2:], "role tool"),
}


@pytest.mark.parametrize("code", LOSES)
def test_what_a_template_loses_is_told_of_every_row_that_has_it(tokenizer, code):
    template, messages, words = LOSES[code]
    rows = Rows(tokenizer, template)
    others = [{**one, "content": one["content"] and one["content"] + "!"} for one in messages]
    for row, conversation in enumerate((messages, others, messages), start=1):
        found = dict(rows.told(conversation))
        assert found[code].startswith(f"Row {row}: ")
        assert words in found[code]
    assert rows.told(LONGER) == []


def test_what_is_learned_in_place_of_what_was_lost_is_quoted(tokenizer):
    rows = Rows(tokenizer, HEALTHY)
    supervised = rows.renderer.supervise(CALLING, RenderOptions())
    [finding] = rows.doctor.look(1, CALLING, None, supervised)
    assert str(finding.why) == "What is learned of the row: “<|im_end|> … Sunny.<|im_end|>”."


def test_a_row_whose_words_are_lost_though_those_of_its_kind_are_not_is_found(tokenizer):
    rows = Rows(tokenizer, HEALTHY.replace("m.content", "(m.content | replace('secret', ''))"))
    assert rows.told(TALK) == []
    assert [code for code, _ in rows.told([user("Tell the secret."), assistant("No.")])] == ["content_rewritten"]
    assert rows.told(TALK) == []


def test_after_many_such_rows_the_others_are_told_without_being_examined(tokenizer, monkeypatch):
    monkeypatch.setattr("playground.templates.doctor.rows._ONE_BY_ONE", 1)
    rows = Rows(tokenizer, HEALTHY.replace("m.content", "(m.content | replace('secret', ''))"))
    secret = [user("Tell the secret."), assistant("No.")]
    told = [rows.told(conversation) for conversation in (TALK, secret, secret)]
    assert [[code for code, _ in found] for found in told] == [[], ["content_rewritten"], ["content_rewritten"]]
    assert "Not all of its words" in told[2][0][1]


def test_what_holds_for_the_template_is_told_once(tokenizer):
    rows = Rows(tokenizer, HEALTHY.replace("<|im_end|>", ""))
    for _ in range(3):
        assert rows.told(TALK, TOOLS) == []
    assert rows.about_all() == {
        "turn_end_missing": "Nothing stands after the assistant's last words: no token ends the turn.",
        "tools_ignored": "The tool definitions (1) are not in the text.",
    }


@pytest.mark.parametrize(
    "template", [HEALTHY, CALLS, gallery()["qwen3"].read_text(), HEALTHY.replace("<|im_end|>", "[end]")]
)
@pytest.mark.parametrize("silent", ["", "  ", "\n"])
def test_a_row_that_teaches_nothing_but_the_end_of_a_turn_is_refused(tokenizer, template, silent):
    rows = Rows(tokenizer, template)
    with pytest.raises(NothingSaid, match="Row 1 teaches nothing but the end of a turn"):
        rows.told([user("Hi"), assistant(silent)])
    rows.told([user("Hi"), assistant("."), user("Bye"), assistant(silent)])


def test_a_call_that_the_template_drops_leaves_nothing_to_learn(tokenizer):
    with pytest.raises(NothingSaid):
        Rows(tokenizer, HEALTHY).told(CALLING[:2])
    assert Rows(tokenizer, CALLS).told(CALLING[:2]) == []


def test_a_sound_template_is_not_accused(tokenizer):
    rows = Rows(tokenizer, THINKS)
    assert [rows.told(conversation) for conversation in (TALK, LONGER, RULED, THINKING)] == [[]] * 4
    assert rows.about_all() == {}


def test_a_shape_is_the_order_of_roles_and_of_keys_that_say_something():
    assert shape_of(TALK, None) == shape_of([user("a"), assistant("b")], None)
    others = [LONGER, RULED, CALLING[:2], [user("a"), assistant("")], [user("a"), assistant("<think>b</think>c")]]
    assert len({shape_of(messages, None) for messages in [TALK, *others]}) == 6
    assert shape_of(TALK, None) != shape_of(TALK, TOOLS)


def test_what_a_tool_answered_may_stand_there_as_json():
    messages = [{"role": "tool", "content": 'say "hi"\n'}]
    assert is_all_there(messages, '{"content": "say \\"hi\\"\\n"}')
    assert not is_all_there([user('say "hi"\n')], '{"content": "say \\"hi\\"\\n"}')
    assert not is_all_there(messages, "say hi")
