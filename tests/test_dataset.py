"""What would be trained, row by row, and what is in the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.dataset import held_out_places, prepare, preview_rows, require_trainable, summary
from playground.errors import InputError
from playground.records import parse_records
from playground.rendering import Renderer
from playground.settings import DatasetOptions, Limits, RenderOptions

pytest_plugins = ["tests.tiny"]


@pytest.fixture
def renderer(tokenizer):
    return Renderer(tokenizer)


def row(prompt="Hi", completion="Ahoy", **more):
    return {"prompt": prompt, "completion": completion, **more}


def prepared(renderer, *rows, **options):
    text = "\n".join(item if isinstance(item, str) else json.dumps(item) for item in rows)
    return prepare(parse_records(text.encode(), Limits()), renderer, DatasetOptions(**options))


def codes(found):
    return [(finding.code, finding.row) for finding in found.findings]


# --- Rows ---


def test_each_usable_row_has_the_tokens_and_mask_of_the_renderer(renderer):
    found = prepared(renderer, row(), row("Who are you?", "Mochi 🙂"))
    assert found.findings == []
    for example, words in zip(found.examples, [("Hi", "Ahoy"), ("Who are you?", "Mochi 🙂")], strict=True):
        messages = [{"role": "user", "content": words[0]}, {"role": "assistant", "content": words[1]}]
        assert example.rendered == renderer.render(messages, RenderOptions(), with_spans=False)
    assert found.trained_tokens == sum(sum(example.rendered.loss_mask) for example in found.examples) > 0


def test_rows_that_cannot_be_used_are_named_and_the_others_stay(renderer):
    found = prepared(renderer, row(), "broken", {"question": "Hi"}, "null", row(completion=3), row())
    assert [example.record.row for example in found.examples] == [1, 6]
    assert codes(found) == [("not_json", 2), ("unusable", 3), ("not_an_object", 4), ("unusable", 5)]
    assert found.rows == 6
    assert all(finding.severity == "error" for finding in found.findings)


def test_a_row_that_the_template_refuses_costs_no_other_row(tokenizer):
    template = "{% for m in messages %}{% if 'no' in m.content %}{{ raise_exception('Never no.') }}{% endif %}"
    found = prepared(Renderer(tokenizer, template + "{{ m.content }}\n{% endfor %}"), row("no"), row("yes"))
    assert [example.record.row for example in found.examples] == [2]
    assert "Never no." in found.findings[0].message


def test_a_row_nested_too_deeply_costs_no_other_row(renderer):
    deep: list = []
    for _ in range(900):
        deep = [deep]
    found = prepared(renderer, row(tools=[{"function": deep}]), row())
    assert [example.record.row for example in found.examples] == [2]


def test_a_truncated_row_is_told_with_how_much_is_cut(renderer):
    whole = prepared(renderer, row(completion="Ahoy " * 40)).examples[0]
    length = len(whole.rendered.input_ids)
    found = prepared(renderer, row(completion="Ahoy " * 40), row(), max_length=length - 5)
    assert codes(found) == [("truncated", 1)]
    assert f"{length} tokens; 5 beyond" in found.findings[0].message
    assert found.truncated == 1
    assert found.examples[0].rendered == whole.rendered.cut(length - 5)
    assert found.examples[0].whole == whole.rendered


def test_a_row_that_is_just_as_long_as_allowed_is_not_truncated(renderer):
    length = len(prepared(renderer, row()).examples[0].rendered.input_ids)
    found = prepared(renderer, row(), max_length=length)
    assert (found.truncated, found.findings) == (0, [])


def test_a_row_without_a_supervised_token_is_refused_with_the_length_that_it_needs(renderer):
    question = "Tell me a long story about books. " * 10
    length = len(prepared(renderer, row(question)).examples[0].rendered.input_ids)
    found = prepared(renderer, row(question), row(), max_length=100)
    assert [example.record.row for example in found.examples] == [2]
    [finding] = found.findings
    assert (finding.code, finding.severity, finding.row) == ("unusable", "error", 1)
    assert "no supervised token within 100 tokens" in finding.message
    assert f"maximum length to {length}." in finding.fix


def test_a_row_whose_only_supervised_token_is_the_first_teaches_nothing(tokenizer):
    template = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    messages = {"messages": [{"role": "assistant", "content": "<|im_end|>"}]}
    found = prepared(Renderer(tokenizer, template), messages)
    assert found.examples == []
    assert "no supervised token" in found.findings[0].message


def test_a_template_that_does_not_show_the_answer_is_refused_unless_all_is_trained(tokenizer):
    template = "{{ messages | length }}{% for m in messages %}{{ m.content | length }}\n{% endfor %}"
    renderer = Renderer(tokenizer, template)
    assert "cannot be told with this template" in prepared(renderer, row()).findings[0].message
    found = prepared(renderer, row(), train_on="all")
    assert sum(found.examples[0].rendered.loss_mask) == len(found.examples[0].rendered.input_ids)


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
    assert codes(found) == [("empty_answer", 1)]
    assert len(found.examples) == 2


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


# --- Counts and the preview ---


def test_fewer_than_two_usable_rows_are_refused_with_the_first_problem(renderer):
    with pytest.raises(InputError, match="0 of 2 rows can be used.*at least two.*Row 1 is not JSON"):
        require_trainable(prepared(renderer, "broken", "null"))
    with pytest.raises(InputError, match="1 of 1 rows can be used.*Add more rows"):
        require_trainable(prepared(renderer, row()))
    require_trainable(prepared(renderer, row(), row(), "broken"))


def test_the_summary_counts_what_would_be_trained(renderer):
    found = prepared(renderer, row(), row("b", "c"), "broken")
    counts = summary(found)
    assert (counts["format"], counts["rows"], counts["usable_rows"]) == ("prompt_completion", 3, 2)
    assert counts["tokens"] == sum(len(example.rendered.input_ids) for example in found.examples)
    assert counts["trained_tokens"] == found.trained_tokens
    assert [finding["row"] for finding in counts["findings"]] == [3]


def test_the_format_is_mixed_or_unknown_where_it_is(renderer):
    messages = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    assert summary(prepared(renderer, messages))["format"] == "messages"
    assert summary(prepared(renderer, messages, row()))["format"] == "mixed"
    assert summary(prepared(renderer, "broken"))["format"] == "unknown"


def test_more_findings_than_can_be_shown_are_counted(renderer):
    counts = summary(prepared(renderer, *["broken"] * 203))
    assert (len(counts["findings"]), counts["findings_left_out"]) == (200, 3)


def test_the_preview_marks_what_is_cut_off_as_not_trained(renderer):
    found = prepared(renderer, row(completion="Ahoy " * 40), row(), row(), row(), max_length=60)
    shown = preview_rows(found, renderer)
    assert [item["row"] for item in shown] == [1, 2, 3]
    chips = shown[0]["tokens"]
    whole = found.examples[0].whole
    assert [chip["id"] for chip in chips] == whole.input_ids
    assert [chip["cut"] for chip in chips] == [False] * 60 + [True] * (len(whole.input_ids) - 60)
    kept = found.examples[0].rendered.loss_mask + [0] * (len(whole.input_ids) - 60)
    assert [chip["trained"] for chip in chips] == [bool(trained) for trained in kept]


def test_a_very_long_row_is_shown_by_its_beginning(renderer):
    found = prepared(renderer, row(completion="Ahoy " * 2000), max_length=512)
    [shown] = preview_rows(found, renderer)
    assert len(shown["tokens"]) == 600
    assert shown["left_out"] == len(found.examples[0].whole.input_ids) - 600
