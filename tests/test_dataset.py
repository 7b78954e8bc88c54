"""What would be trained, row by row, and what is in the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.dataset import as_row, held_out_places, prepare, require_trainable
from playground.dataset_report import summary
from playground.errors import InputError
from playground.reading import parse
from playground.records import Source
from playground.rendering import Renderer
from playground.settings import DatasetOptions, Limits, RenderOptions

pytest_plugins = ["tests.tiny"]


@pytest.fixture
def renderer(tokenizer):
    return Renderer(tokenizer)


BROKEN = '{"prompt": '
"""No row, and nothing to make one of."""


def row(prompt="Hi", completion="Ahoy", **more):
    return {"prompt": prompt, "completion": completion, **more}


def prepared(renderer, *rows, **options):
    text = "\n".join(item if isinstance(item, str) else json.dumps(item) for item in rows)
    return prepare(parse(Source(text.encode(), ""), Limits()), renderer, DatasetOptions(**options))


def codes(found):
    return [(finding.code, finding.row) for finding in found.findings if finding.row is not None]


def told(found, row):
    """The first finding on a row."""
    return next(finding for finding in found.findings if finding.row == row)


def rows_used(found):
    return [example.row for example in found.examples]


# --- Rows ---


def test_each_usable_row_has_the_tokens_and_mask_of_the_renderer(renderer):
    found = prepared(renderer, row(), row("Who are you?", "Mochi 🙂"))
    assert codes(found) == []
    for example, words in zip(found.examples, [("Hi", "Ahoy"), ("Who are you?", "Mochi 🙂")], strict=True):
        messages = [{"role": "user", "content": words[0]}, {"role": "assistant", "content": words[1]}]
        expected = renderer.render(messages, RenderOptions(), with_spans=False)
        assert example.kept_ids.tolist() == expected.input_ids
        assert example.labels.tolist() == expected.labels()
        assert example.trained == sum(expected.loss_mask)
    assert found.trained_tokens == sum(example.trained for example in found.examples) > 0


def test_rows_that_cannot_be_used_are_named_and_the_others_stay(renderer):
    found = prepared(renderer, row(), BROKEN, {"question": "Hi"}, "null", row(completion=None), row("b", "Else."))
    assert rows_used(found) == [1, 6]
    assert codes(found) == [("not_json", 2), ("unusable", 3), ("not_an_object", 4), ("unusable", 5)]
    assert found.rows == 6
    assert all(finding.severity == "error" for finding in found.findings if finding.row)


def test_a_row_that_the_template_refuses_costs_no_other_row(tokenizer):
    template = "{% for m in messages %}{% if 'no' in m.content %}{{ raise_exception('Never no.') }}{% endif %}"
    found = prepared(Renderer(tokenizer, template + "{{ m.content }}\n{% endfor %}"), row("no"), row("yes"))
    assert rows_used(found) == [2]
    assert "Never no." in told(found, 1).message


def test_a_row_nested_too_deeply_costs_no_other_row(renderer):
    deep: list = []
    for _ in range(900):
        deep = [deep]
    found = prepared(renderer, row(tools=[{"function": deep}]), row())
    assert rows_used(found) == [2]


LONG = row(completion="Ahoy " * 40)


@pytest.mark.parametrize("mode", ["keep_start", "keep_end", "drop"])
def test_a_long_row_is_cut_at_its_end_or_its_beginning_or_left_out(renderer, mode):
    whole = prepared(renderer, LONG).examples[0]
    limit = whole.length - 5
    found = prepared(renderer, LONG, row(), max_length=limit, truncation_mode=mode)
    if mode == "drop":
        assert rows_used(found) == [2]
        assert codes(found) == [("too_long", 1)]
        assert f"{whole.length} tokens" in told(found, 1).message and str(limit) in told(found, 1).message
        return
    kept = slice(0, limit) if mode == "keep_start" else slice(5, whole.length)
    assert found.truncated == 1
    assert found.examples[0].kept_ids.tolist() == whole.input_ids[kept].tolist()
    assert found.examples[0].labels.tolist() == whole.labels[kept].tolist()
    assert ("answer_cut", 1) in codes(found) or mode == "keep_end"


def test_a_row_that_is_just_as_long_as_allowed_is_not_truncated(renderer):
    length = prepared(renderer, row()).examples[0].length
    for mode in ("keep_start", "keep_end", "drop"):
        found = prepared(renderer, row(), max_length=length, truncation_mode=mode)
        assert (found.truncated, codes(found), len(found.examples)) == (0, [], 1)


def test_a_row_without_a_supervised_token_is_refused_with_the_length_that_it_needs(renderer):
    question = "Tell me a long story about books. " * 10
    length = prepared(renderer, row(question)).examples[0].length
    found = prepared(renderer, row(question), row(), max_length=100)
    assert rows_used(found) == [2]
    [finding] = [finding for finding in found.findings if finding.row]
    assert (finding.code, finding.severity, finding.row) == ("no_supervised_token", "error", 1)
    assert "no supervised token within 100 tokens" in finding.message
    assert f"maximum length to {length}." in finding.fix


def test_a_row_whose_only_supervised_token_is_the_first_teaches_nothing(tokenizer):
    template = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    messages = {"messages": [{"role": "assistant", "content": "<|im_end|>"}]}
    found = prepared(Renderer(tokenizer, template), messages)
    assert found.examples == []
    assert "no supervised token" in told(found, 1).message


def test_a_template_that_does_not_show_the_answer_is_refused_unless_all_is_trained(tokenizer):
    template = "{{ messages | length }}{% for m in messages %}{{ m.content | length }}\n{% endfor %}"
    renderer = Renderer(tokenizer, template)
    assert "cannot be told with this template" in prepared(renderer, row()).findings[0].message
    found = prepared(renderer, row(), train_on="all")
    assert found.examples[0].trained == found.examples[0].length


def test_train_on_last_supervises_the_last_answer_alone(renderer):
    turns = [
        {"role": role, "content": words}
        for role, words in (("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    ]
    both = prepared(renderer, {"messages": turns}).trained_tokens
    assert 0 < prepared(renderer, {"messages": turns}, train_on="last").trained_tokens < both


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_an_empty_answer_is_warned_of(renderer, blank):
    found = prepared(renderer, row(completion=blank), row())
    assert ("empty_answer", 1) in codes(found)
    assert len(found.examples) == 2


# --- What the person has done to the rows ---


def test_dropped_rows_are_gone_and_counted_and_the_others_keep_their_numbers(renderer):
    found = prepared(renderer, row("a", "b"), BROKEN, row("c", "d"), edits=[{"do": "drop", "rows": [1, 2]}])
    assert rows_used(found) == [3]
    assert (found.rows, found.dropped, codes(found)) == (3, 2, [])


def test_a_kept_finding_is_not_told_again_and_the_row_stays(renderer):
    before = prepared(renderer, row(completion=""), row())
    assert ("empty_answer", 1) in codes(before)
    found = prepared(renderer, row(completion=""), row(), edits=[{"do": "keep", "rows": [1], "code": "empty_answer"}])
    assert ("empty_answer", 1) not in codes(found)
    assert rows_used(found) == [1, 2]


def test_a_repaired_line_is_read_in_its_place(renderer):
    broken = '{"prompt": "Who?", "completion": "Mochi",}'
    before = prepared(renderer, row(), broken, row("b", "c"))
    [finding] = [finding for finding in before.findings if finding.row == 2]
    assert "repair_json" in finding.edits
    found = prepared(renderer, row(), broken, row("b", "c"), edits=[{"do": "repair_json", "rows": [2]}])
    assert rows_used(found) == [1, 2, 3]
    assert codes(found) == []
    assert found.examples[1].conversation.messages[1]["content"] == "Mochi"


def test_the_edits_that_are_offered_for_a_refused_row_are_those_that_make_it_usable(renderer):
    human = {"messages": [{"role": "human", "content": "Hi"}, {"role": "bot", "content": "Ahoy"}]}
    hopeless = {"messages": [{"role": "user", "content": 3}]}
    found = prepared(renderer, human, hopeless, row())
    offered = {finding.row: finding.edits for finding in found.findings if finding.code == "unusable"}
    assert "roles" in offered[1] and offered[2] == ["drop"]
    mended = prepared(renderer, human, hopeless, row(), edits=[{"do": "roles", "rows": [1]}])
    assert rows_used(mended) == [1, 3]


def test_a_system_prompt_is_added_where_there_is_none(renderer):
    own = {"messages": [{"role": role, "content": role} for role in ("system", "user", "assistant")]}
    found = prepared(renderer, row(), own, system_prompt="Be brief.")
    assert [example.conversation.messages[0]["content"] for example in found.examples] == ["Be brief.", "system"]
    assert prepared(renderer, row(), system_prompt=" ").examples[0].conversation.messages[0]["role"] == "user"


def test_other_columns_are_read_as_the_mapping_says(renderer):
    rows = [{"city": "Rome", "land": "Italy"}, {"city": "Kyoto", "land": "Japan"}]
    assert prepared(renderer, *rows).examples == []
    found = prepared(renderer, *rows, mapping={"user": "Where is {city}?", "assistant": "{land}"})
    assert [message["content"] for message in found.examples[1].conversation.messages] == ["Where is Kyoto?", "Japan"]


def test_usable_rows_written_and_read_again_are_the_same_tokens(renderer):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    rows = [
        row("a", " b "),
        {"messages": [{"role": "user", "content": "🙂\u2028"}, {"role": "assistant", "content": "x"}]},
    ]
    first = prepared(
        renderer, *rows, {**rows[1], "tools": tools}, system_prompt="S", edits=[{"do": "trim", "rows": [1]}]
    )
    again = prepared(renderer, *[as_row(example.conversation) for example in first.examples])
    assert len(again.examples) == 3
    for one, other in zip(first.examples, again.examples, strict=True):
        assert as_row(one.conversation) == as_row(other.conversation)
        assert one.labels.tolist() == other.labels.tolist()


# --- The held-out part ---


@given(count=st.integers(2, 500), share=st.floats(0.001, 0.5), seed=st.integers(0, 2**32 - 1))
def test_held_out_rows_are_at_least_one_and_never_all_and_always_the_same(count, share, seed):
    places = held_out_places(count, share, seed)
    assert places == held_out_places(count, share, seed)
    assert places == sorted(set(places))
    assert 1 <= len(places) < count
    assert set(places) <= set(range(count))
    assert abs(len(places) - count * share) <= 1


@pytest.mark.parametrize(("count", "share"), [(10, 0), (1, 0.1), (0, 0.5)])
def test_nothing_is_held_out_where_nothing_is_asked_for_or_to_spare(count, share):
    assert held_out_places(count, share, 0) == []


def test_the_seed_decides_which_rows_are_held_out():
    assert len({tuple(held_out_places(100, 0.1, seed)) for seed in range(20)}) == 20
    assert held_out_places(20, 0.1, 42) == [0, 3]  # On every machine, or a run could not be done again.


def test_without_shuffling_the_last_rows_are_held_out(renderer):
    assert held_out_places(10, 0.2, 42, shuffle=False) == [8, 9]
    found = prepared(renderer, *[row(str(n), str(n)) for n in range(10)], held_out=0.2, shuffle_dataset=False)
    assert found.held_out == {8, 9}


# --- Counts ---


def test_fewer_than_two_usable_rows_are_refused_with_the_first_problem(renderer):
    with pytest.raises(InputError, match="0 of 2 rows can be used.*at least two.*Row 1 is not JSON"):
        require_trainable(prepared(renderer, BROKEN, "null"))
    with pytest.raises(InputError, match="1 of 1 rows can be used.*Add more rows"):
        require_trainable(prepared(renderer, row()))
    require_trainable(prepared(renderer, row(), row(), BROKEN))


def test_the_summary_counts_what_would_be_trained(renderer):
    found = prepared(renderer, row(), row("b", "c"), BROKEN)
    counts = summary(found)
    assert (counts["format"], counts["rows"], counts["usable_rows"]) == ("prompt_completion", 3, 2)
    assert counts["tokens"] == sum(example.length for example in found.examples)
    assert counts["trained_tokens"] == found.trained_tokens
    assert [finding["row"] for finding in counts["findings"] if finding["row"]] == [3]


def test_the_format_is_mixed_or_unknown_where_it_is(renderer):
    messages = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    assert summary(prepared(renderer, messages))["format"] == "messages"
    assert summary(prepared(renderer, messages, row()))["format"] == "mixed"
    assert summary(prepared(renderer, BROKEN))["format"] == "unknown"


def test_more_findings_than_can_be_shown_are_counted(renderer):
    counts = summary(prepared(renderer, *[BROKEN] * 203))
    assert len(counts["findings"]) == 200
    assert counts["findings_left_out"] >= 3
