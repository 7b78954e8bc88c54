"""What would be trained, row by row, and what is in the way."""

from __future__ import annotations

import copy
import gc
import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing

from playground.core.errors import InputError
from playground.core.settings import DatasetOptions, Limits, RenderOptions, TrainSettings
from playground.data import row_reader
from playground.data.cut import needed_lengths
from playground.data.dataset import as_row, prepare, require_trainable, supervise
from playground.data.readers import parse
from playground.data.report import chips, counts_of, losses
from playground.data.row_reader import RowReader
from playground.data.source import Source
from playground.server.sandbox.jobs import do
from playground.server.sandbox.requests import CheckRows, WriteRows
from playground.templates.renderer import Renderer

pytest_plugins = ["tests.tiny"]


@pytest.fixture
def renderer(tokenizer):
    return Renderer(tokenizer)


BROKEN = '{"prompt": '
"""No row, and nothing to make one of."""


def row(prompt="Hi", completion="Ahoy", **more):
    return {"prompt": prompt, "completion": completion, **more}


def talk(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def read(*rows):
    text = "\n".join(item if isinstance(item, str) else json.dumps(item) for item in rows)
    return parse(Source(text.encode(), ""), Limits())


def prepared(renderer, *rows, **options):
    return prepare(read(*rows), renderer, DatasetOptions(**options))


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
    one, other = found.examples if found.held_out == {1} else found.examples[::-1]
    assert found.trained_tokens == one.trained > 0
    assert found.held_out_tokens == other.trained > 0


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
        assert told(found, 1).severity == "warning"
        assert f"{whole.length} tokens" in told(found, 1).message and str(limit) in told(found, 1).message
        return
    kept = slice(0, limit) if mode == "keep_start" else slice(5, whole.length)
    assert found.truncated == 1
    assert found.examples[0].kept_ids.tolist() == whole.input_ids[kept].tolist()
    assert found.examples[0].labels.tolist() == whole.labels[kept].tolist()
    assert (("answer_cut", 1) in codes(found)) == (mode == "keep_start")
    assert found.examples[1].kept_ids.tolist() == prepared(renderer, row()).examples[0].input_ids.tolist()


def test_a_cut_that_leaves_the_end_of_the_turn_alone_leaves_nothing_to_learn(renderer):
    asked_on = {"messages": [*talk("Hi", "Ahoy"), {"role": "user", "content": "And now to something else."}]}
    [whole] = prepared(renderer, asked_on).examples
    after = whole.length - int(whole.loss_mask.nonzero()[0][-1])
    of_cut = {
        limit: codes(prepared(renderer, asked_on, max_length=limit, truncation_mode="keep_end"))
        for limit in (after + 1, after + 2, after + 3)
    }
    assert [("no_supervised_token", 1) in found for found in of_cut.values()] == [True, True, False]


def test_a_row_that_is_just_as_long_as_allowed_is_not_truncated(renderer):
    length = prepared(renderer, row()).examples[0].length
    for mode in ("keep_start", "keep_end", "drop"):
        for limit in (length, length + 1, length + 9):
            found = prepared(renderer, row(), max_length=limit, truncation_mode=mode)
            assert (found.truncated, codes(found), len(found.examples)) == (0, [], 1)
            assert len(found.examples[0].kept_ids) == length


def test_a_row_without_a_supervised_token_is_refused_with_the_length_that_it_needs(renderer):
    question = "Tell me a long story about books. " * 10
    length = prepared(renderer, row(question)).examples[0].length
    found = prepared(renderer, row(question), row(), max_length=100)
    assert rows_used(found) == [2]
    [finding] = [finding for finding in found.findings if finding.row]
    assert (finding.code, finding.severity, finding.row) == ("no_supervised_token", "error", 1)
    assert "no supervised token within 100 tokens" in finding.message
    [some, every] = map(int, re.findall("from ([0-9]+) on", finding.fix))
    assert every == length and some < every
    for mode in ("keep_start", "keep_end"):
        assert needs(renderer, question, mode) == ([(some, every)] if mode == "keep_start" else [])


def needs(renderer, question, mode):
    """Each (length for something, length for all) that is named, the lengths being what they are said to be."""
    mask = prepared(renderer, row(question), max_length=2000).examples[0].loss_mask
    named = []
    for limit in range(8, len(mask) + 1):
        found = prepared(renderer, row(question), max_length=limit, truncation_mode=mode, held_out=0)
        if not found.examples:
            named += [tuple(map(int, re.findall("from ([0-9]+) on", told(found, 1).fix)))]
            some, every = named[-1]
            assert limit < some
        else:
            assert not named or limit >= some
            assert not named or (found.trained_tokens == mask.sum()) == (limit >= every)
    return sorted(set(named))


@given(mask=st.lists(st.integers(0, 1), min_size=1, max_size=30), keeps_end=st.booleans())
def test_the_lengths_that_a_row_needs_are_the_smallest(mask, keeps_end):
    mask = np.array(mask, dtype=np.int8)
    needed = needed_lengths(mask, keeps_end=keeps_end)
    learned = {
        limit: int((mask[-limit:] if keeps_end else mask[:limit])[1:].sum()) for limit in range(1, len(mask) + 1)
    }
    some = min((limit for limit, count in learned.items() if count), default=None)
    assert needed == (
        None if some is None else (some, min(k for k, count in learned.items() if count == learned[len(mask)]))
    )


def test_a_cut_of_the_beginning_names_the_question_that_it_takes(renderer):
    question = "Tell me a long story about books. " * 10 + "Go!"
    found = prepared(renderer, row(question), row(), max_length=100, truncation_mode="keep_end")
    assert rows_used(found) == [1, 2] and codes(found) == [("question_cut", 1)]
    cut = found.examples[0].length - 100
    assert told(found, 1).severity == "warning" and f"cuts {cut} of them from its beginning" in told(found, 1).message
    assert ("question_cut", 1) not in codes(prepared(renderer, row("Hi", question), row(), max_length=100))
    text = {"text": "Only words. " * 60}
    assert "question_cut" not in [
        code for code, _ in codes(prepared(renderer, text, max_length=60, truncation_mode="keep_end"))
    ]


def test_rows_that_the_maximum_leaves_out_have_their_lengths_told(renderer):
    long = row("Tell me a long story about books. " * 10)
    length = prepared(renderer, long).examples[0].length
    for mode in ("keep_start", "drop"):
        found = prepared(renderer, long, row(), row("Who?"), max_length=100, truncation_mode=mode)
        assert rows_used(found) == [2, 3] and found.lengths[0] == length and len(found.lengths) == 3


def test_a_row_whose_only_supervised_token_is_the_first_teaches_nothing(tokenizer):
    template = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    messages = {"messages": [{"role": "assistant", "content": "<|im_end|>"}]}
    found = prepared(Renderer(tokenizer, template), messages)
    assert found.examples == []
    assert "no supervised token, however long" in told(found, 1).message


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
def test_a_row_that_says_nothing_is_left_out_and_an_empty_answer_among_others_is_warned_of(renderer, blank):
    found = prepared(renderer, row(completion=blank), {"messages": [*talk("Hi", blank), *talk("Who?", "Mochi")]}, row())
    assert [(finding.code, finding.row, finding.severity) for finding in found.findings if finding.row] == [
        ("empty_answer", 1, "error"),
        ("empty_answer", 2, "warning"),
    ]
    assert "only the end of a turn would be learned" in told(found, 1).message
    assert rows_used(found) == [2, 3]
    assert rows_used(prepared(renderer, row(completion=blank), train_on="all")) == [1]


def test_what_a_run_does_not_learn_because_of_the_template_is_kept_for_its_verdict(renderer):
    call = {"role": "assistant", "content": "", "tool_calls": [{"name": "tide", "arguments": {"port": "Husum"}}]}
    rows = [
        {"messages": [talk("When?", "")[0], call, *talk("And?", answer)], "tools": [{"name": "tide"}]}
        for answer in "ab"
    ]
    assert losses(prepared(renderer, row(), row("b", "c"))) == []
    assert losses(supervise(read(row(), *rows), renderer, DatasetOptions())) == [
        "2 rows. The first: Row 2: The tool calls of message 2 are not in the text.",
        "The tool definitions (1) are not in the text.",
    ]
    endless = Renderer(renderer.tokenizer, renderer.tokenizer.chat_template.replace("<|im_end|>", ""))
    assert [loss.split(":")[0] for loss in losses(prepared(endless, row()))] == [
        "Nothing stands after the assistant's last words"
    ]


# --- Text that is no conversation ---


@pytest.mark.parametrize("train_on", ["assistant", "last", "all"])
def test_plain_text_is_learned_whole_as_it_stands_and_then_ends(renderer, train_on):
    found = prepared(renderer, {"text": "  The fox.\n"}, {"text": "こんにちは <|im_end|>"}, train_on=train_on)
    texts = [renderer.tokenizer.decode(example.input_ids) for example in found.examples]
    assert texts == ["  The fox.\n<|im_end|>", "こんにちは <|im_end|>"]
    assert all(example.trained == example.length for example in found.examples)
    assert "as it stands, without a chat template" in found.examples[0].conversation.reason
    shown = chips(found.examples[0], renderer, found.options)
    assert "".join(chip["text"] for chip in shown["tokens"]) == texts[0]
    assert {chip["role"] for chip in shown["tokens"]} == {"assistant", "template"}
    assert as_row(found.examples[0].conversation) == {"text": "  The fox.\n"}


def test_text_is_a_conversation_where_a_system_prompt_is_put_before_it(renderer):
    [example] = prepared(renderer, {"text": "The fox."}, system_prompt="Be brief.").examples
    assert renderer.tokenizer.decode(example.input_ids).startswith("<|im_start|>system\nBe brief.<|im_end|>")


def test_text_that_is_blank_is_left_out(renderer):
    assert codes(prepared(renderer, {"text": "  \n"}, {"text": "a"})) == [("empty_answer", 1)]


def test_a_tokenizer_that_begins_texts_begins_this_one_too(renderer):
    tokenizer = copy.deepcopy(renderer.tokenizer)
    begins = [("<|im_start|>", tokenizer.bos_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<|im_start|> $A", special_tokens=begins)
    [example] = prepared(Renderer(tokenizer), {"text": "The fox."}).examples
    assert tokenizer.decode(example.input_ids) == "<|im_start|>The fox.<|im_end|>"


# --- What rows say of themselves ---

SLIP = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Go away", "weight": 0},
    {"role": "user", "content": "Again"},
    {"role": "assistant", "content": "Ahoy"},
]


def learned(renderer, example):
    """The stretches of trained text."""
    ids, mask, runs = example.input_ids.tolist(), example.loss_mask.tolist(), [[]]
    for token, counts in zip(ids, mask, strict=True):
        if counts:
            runs[-1].append(token)
        elif runs[-1]:
            runs.append([])
    return [renderer.tokenizer.decode(run) for run in runs if run]


def test_an_answer_of_the_weight_0_is_read_and_not_learned(renderer):
    found = prepared(renderer, {"messages": SLIP}, row())
    assert learned(renderer, found.examples[0]) == ["Ahoy<|im_end|>\n"]
    assert "Go away<|im_end|>" in renderer.tokenizer.decode(found.examples[0].input_ids)
    assert codes(found) == []
    [again] = prepared(renderer, as_row(found.examples[0].conversation)).examples
    assert again.labels.tolist() == found.examples[0].labels.tolist()


def test_the_last_answer_is_the_last_whatever_its_weight(renderer):
    assert learned(renderer, prepared(renderer, {"messages": SLIP}, train_on="last").examples[0]) == [
        "Ahoy<|im_end|>\n"
    ]
    last_is_slip = prepared(renderer, {"messages": [*SLIP[2:], *SLIP[:2]]}, train_on="last")
    assert (last_is_slip.examples, codes(last_is_slip)) == ([], [("nothing_to_learn", 1)])


def test_that_all_tokens_are_trained_whatever_the_weights_say_is_told(renderer):
    found = prepared(renderer, {"messages": SLIP}, row(), train_on="all")
    assert found.examples[0].trained == found.examples[0].length
    assert "weights_overridden" in {finding.code for finding in found.findings if finding.severity == "warning"}


def test_a_row_of_which_nothing_is_to_be_learned_is_left_out_with_the_reason(renderer):
    found = prepared(renderer, {"messages": SLIP[:2]}, row())
    assert rows_used(found) == [2]
    assert (told(found, 1).code, told(found, 1).severity) == ("nothing_to_learn", "warning")


def test_a_row_that_is_marked_as_bad_is_left_out_until_somebody_keeps_it(renderer):
    rows = row(label=True), row("Who?", "Nobody", label=False)
    found = prepared(renderer, *rows)
    assert rows_used(found) == [1]
    assert (told(found, 2).code, told(found, 2).severity) == ("marked_bad", "warning")
    assert "label is False" in told(found, 2).message
    kept = prepared(renderer, *rows, edits=[{"do": "keep", "rows": [2], "code": "marked_bad"}])
    assert (rows_used(kept), codes(kept)) == ([1, 2], [])


def test_columns_and_keys_that_are_not_used_are_named_once(renderer):
    messages = [{"role": "user", "content": "Hi", "time": 3}, {"role": "assistant", "content": "Ahoy"}]
    found = prepared(
        renderer, row(id=1, lang="en", empty=""), row("b", "c", id=2, lang="en"), {"messages": messages, "tags": ["x"]}
    )
    assert [finding.message for finding in found.findings if finding.code.endswith("_not_used")] == [
        "Not used: id, lang, tags.",
        "Not used of the messages: time.",
    ]
    reads_time = Renderer(renderer.tokenizer, renderer.tokenizer.chat_template + "{{ messages[0].time }}")
    assert "keys_not_used" not in {finding.code for finding in prepared(reads_time, {"messages": messages}).findings}


def test_grades_that_differ_are_told_since_bad_answers_are_learned_like_good_ones(renderer):
    def told_of(*rows):
        return [finding.message for finding in prepared(renderer, *rows).findings if finding.code == "grades_not_used"]

    assert told_of(row(score=5), row("b", "c", score=1.5)) == ["score goes from 1.5 to 5 and is not used."]
    assert told_of(row(label=0), row("b", "c", label=1)) == ["label goes from 0 to 1 and is not used."]
    assert told_of(row(score=5), row("b", "c", score=5)) == []


# --- What the person has done to the rows ---


def test_dropped_rows_are_gone_and_counted_and_the_others_keep_their_numbers(renderer):
    found = prepared(renderer, row("a", "b"), BROKEN, row("c", "d"), edits=[{"do": "drop", "rows": [1, 2, 99]}])
    assert rows_used(found) == [3]
    assert (found.rows, found.dropped, codes(found)) == (3, 2, [])


def test_a_kept_finding_is_not_told_again_and_the_row_stays(renderer):
    half_empty = {"messages": [*talk("Hi", ""), *talk("Who?", "Mochi")]}
    before = prepared(renderer, half_empty, row())
    assert ("empty_answer", 1) in codes(before)
    found = prepared(renderer, half_empty, row(), edits=[{"do": "keep", "rows": [1], "code": "empty_answer"}])
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


def test_a_repair_is_offered_for_what_the_edits_so_far_have_left(renderer):
    twice = {"messages": [*({"role": role, "content": "a"} for role in ("human", "bot")), {"role": "human"}]}
    assert told(prepared(renderer, twice, row()), 1).edits == ["drop"]
    found = prepared(renderer, twice, row(), edits=[{"do": "roles", "rows": [1]}])
    assert told(found, 1).edits == ["drop_empty", "drop"]


def test_of_very_many_refused_rows_the_first_have_their_repairs_tried(renderer, monkeypatch):
    monkeypatch.setattr(row_reader, "_REPAIRS_TRIED", 2)
    human = {"messages": [{"role": "human", "content": "Hi"}, {"role": "bot", "content": "Ahoy"}]}
    found = prepared(renderer, *[human] * 3)
    assert [finding.edits for finding in found.findings if finding.code == "unusable"] == [["roles", "drop"]] * 2 + [
        ["drop"]
    ]


def test_a_system_prompt_is_added_where_there_is_none(renderer):
    own = {"messages": [{"role": role, "content": role} for role in ("system", "user", "assistant")]}
    found = prepared(renderer, row(), own, system_prompt="Be brief.")
    assert [example.conversation.messages[0]["content"] for example in found.examples] == ["Be brief.", "system"]
    told = {"messages": [{"role": role, "content": role} for role in ("developer", "user", "assistant")]}
    reader = RowReader(read(told), renderer, DatasetOptions(system_prompt="Be brief."))
    [record] = reader.records()
    assert [message["role"] for message in reader.conversation(record).messages] == ["developer", "user", "assistant"]
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


DOUBLED = [row(f"Question {n}?", f"Answer {n}.") for n in range(18)]


def held_rows(found):
    return [found.examples[place].row for place in sorted(found.held_out)]


@pytest.mark.parametrize("edit", [{"do": "trim"}, {"do": "replace", "data": row("Other?", "Words.")}, {"do": "mask"}])
def test_rows_that_are_mended_change_no_side(renderer, edit):
    rows = [*DOUBLED, row(" padded ", " ann@library.org ")]
    before = prepared(renderer, *rows, held_out=0.3)
    for number in (1, 19):
        after = prepared(renderer, *rows, held_out=0.3, edits=[{**edit, "rows": [number]}])
        assert held_rows(after) == held_rows(before)


def test_a_dropped_row_moves_no_other(renderer):
    before = held_rows(prepared(renderer, *DOUBLED, held_out=0.3))
    assert len(before) == 5
    for number in range(1, 19):
        after = held_rows(prepared(renderer, *DOUBLED, held_out=0.3, edits=[{"do": "drop", "rows": [number]}]))
        assert after == [row for row in before if row != number]


def test_a_repaired_row_is_drawn_by_what_arrived(renderer):
    broken = '{"prompt": "Who?", "completion": "Mochi",}'
    rows, mend = [*DOUBLED, broken], {"do": "repair_json", "rows": [19]}
    sides = {seed: held_rows(prepared(renderer, *rows, held_out=0.3, seed=seed, edits=[mend])) for seed in range(20)}
    assert 0 < sum(19 in held for held in sides.values()) < 20
    for seed, held in sides.items():
        trimmed = prepared(renderer, *rows, held_out=0.3, seed=seed, edits=[mend, {"do": "trim", "rows": [19]}])
        assert held_rows(trimmed) == held


def test_a_run_holds_out_the_rows_that_the_page_names(tiny_folder, tmp_path):
    source = Source("\n".join(json.dumps(item) for item in [*DOUBLED, *DOUBLED[:3]]).encode(), "")
    edits = [{"do": "drop", "rows": [4]}]
    for number, shuffle in enumerate((True, False)):
        settings = TrainSettings(held_out=0.3, seed=7, shuffle_dataset=shuffle, edits=edits)
        told = do(CheckRows(str(tiny_folder), source, settings.dataset_options(), Limits()))["split"]
        destination = tmp_path / str(number)
        destination.mkdir()
        do(WriteRows(str(tiny_folder), source, settings, Limits(), str(destination)))
        table = pq.read_table(destination / "rendered.parquet").to_pydict()
        held = [row for row, out in zip(table["row"], table["held_out"], strict=True) if out]
        assert held == told["held_out_rows"] and len(held) in (5, 6)


def test_copies_stand_on_one_side_so_that_nothing_leaks(renderer):
    for seed in range(20):
        found = prepared(renderer, *DOUBLED, *DOUBLED[:4], held_out=0.3, seed=seed)
        assert len(found.held_out) == 7
        assert "held_out_in_training" not in {code for code, _ in codes(found)}


def test_a_held_out_row_that_stands_in_training_is_named(renderer):
    found = prepared(renderer, *DOUBLED, DOUBLED[0], held_out=0.05, shuffle_dataset=False)
    assert held_rows(found) == [19]
    assert ("held_out_in_training", 19) in codes(found)


def test_how_often_rows_are_seen_is_counted_over_the_training_rows(renderer):
    def seen(**options):
        found = prepared(renderer, *DOUBLED, held_out=0.5, **options)
        return next(
            ((finding.message, finding.fix) for finding in found.findings if finding.code == "seen_often"), None
        )

    # A pass over nine rows is two batches of four and one of a single row; over all eighteen rows it were five.
    assert seen(max_steps=34) == (
        "The run sees each training row about 11 times.",
        "Lower the number of steps to about 30, or add rows.",
    )
    assert seen(num_train_epochs=40.0)[0] == "The run sees each training row about 40 times."
    assert seen(num_train_epochs=40.0)[1] == "Lower the number of epochs to 10 or less, or add rows."
    assert seen(max_steps=30) is None and seen(num_train_epochs=7.0) is None


def test_how_far_the_work_is_never_falls_and_ends_at_all(renderer):
    told = []
    prepare(read(*DOUBLED, *[BROKEN] * 3, *[{"what": "?"}] * 3), renderer, DatasetOptions(), told.append)
    assert told == sorted(told) and 0 <= told[0] < 0.1 and told[-1] == 1 and len(told) > 10
    told.clear()
    prepare(read(*[row(str(n), str(n)) for n in range(600)]), renderer, DatasetOptions(), told.append)
    assert {round(part, 3) for part in told if part < 0.7} == {round(0.7 * n / 600, 3) for n in (0, 256, 512)}


def test_the_collector_is_left_as_it_was_found(renderer):
    def stop(fraction):
        raise KeyError(fraction)

    before, seen = gc.get_threshold(), []
    prepare(read(*DOUBLED), renderer, DatasetOptions(), lambda fraction: seen.append(gc.get_threshold()))
    with pytest.raises(KeyError):
        prepare(read(*DOUBLED), renderer, DatasetOptions(), stop)
    assert gc.get_threshold() == before != seen[0]


def test_rows_that_the_maximum_length_leaves_out_are_not_among_the_held_out(renderer):
    rows = [*DOUBLED, row("Long?", "Ahoy " * 60)]
    found = prepared(renderer, *rows, held_out=0.5, max_length=80, truncation_mode="drop")
    whole = prepared(renderer, *rows, held_out=0.5, max_length=512)
    assert len(found.examples) == 18 and len(whole.examples) == 19
    assert held_rows(found) == [row for row in held_rows(whole) if row != 19]


def test_without_shuffling_the_last_rows_are_held_out(renderer):
    found = prepared(renderer, *[row(str(n), str(n)) for n in range(10)], held_out=0.2, shuffle_dataset=False)
    assert found.held_out == {8, 9}


# --- Counts ---


def test_fewer_than_two_usable_rows_are_refused_with_the_first_problem(renderer):
    with pytest.raises(InputError, match="0 of 2 rows can be used.*at least two.*Row 1 is not JSON"):
        require_trainable(prepared(renderer, BROKEN, "null"))
    long = row("Tell me a long story about books. " * 10)
    for mode, needed in (("keep_start", "from [0-9]+ on something"), ("drop", "maximum length to [0-9]+")):
        with pytest.raises(InputError, match=f"0 of 2 rows can be used.*first problem.*{needed}"):
            require_trainable(prepared(renderer, long, long, max_length=100, truncation_mode=mode))
    unweighted = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]}
    with pytest.raises(InputError, match="0 of 2 rows can be used.*first problem.*weight 0"):
        require_trainable(prepared(renderer, unweighted, unweighted))
    with pytest.raises(InputError, match="1 of 1 row can be used.*Add more rows"):
        require_trainable(prepared(renderer, row()))
    require_trainable(prepared(renderer, row(), row(), BROKEN))


def test_the_summary_counts_what_would_be_trained(renderer):
    found = prepared(renderer, row(), row("b", "c"), BROKEN)
    counts = counts_of(found)
    assert (counts["format"], counts["rows"], counts["usable_rows"]) == ("prompt_completion", 3, 2)
    assert counts["tokens"] == sum(example.length for example in found.examples)
    assert counts["trained_tokens"] == found.trained_tokens
    assert [finding.row for finding in found.findings if finding.row] == [3]


def test_the_format_is_mixed_or_unknown_where_it_is(renderer):
    messages = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    assert counts_of(prepared(renderer, messages))["format"] == "messages"
    assert counts_of(prepared(renderer, messages, row()))["format"] == "mixed"
    assert counts_of(prepared(renderer, BROKEN))["format"] == "unknown"


def test_the_shape_of_rows_that_were_all_refused_is_still_named(renderer):
    found = prepared(renderer, {"conversations": [{"from": "narrator", "value": "x"}]})
    assert (found.examples, counts_of(found)["format"]) == ([], "sharegpt")
    assert prepared(renderer, {"a": 1, "b": 2}).seen is None


def test_who_needs_the_rows_alone_gets_the_same_ones_without_what_the_linter_says(renderer):
    parsed = read(row(), row(), row("long " * 200, "b"), BROKEN)
    options = DatasetOptions(max_length=150, truncation_mode="drop")
    linted, plain = prepare(parsed, renderer, options), supervise(parsed, renderer, options)
    assert [example.row for example in plain.examples] == [example.row for example in linted.examples] == [1, 2]
    assert plain.held_out == linted.held_out
    assert {finding.code for finding in linted.findings} - {finding.code for finding in plain.findings} >= {
        "too_few_rows"
    }
    assert {finding.row for finding in plain.findings} == {3, 4}
