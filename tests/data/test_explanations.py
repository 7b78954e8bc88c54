"""Rows that a template refuses: in words about the row, with the edits that mend it."""

from __future__ import annotations

import json

import pytest

from playground.core.settings import DatasetOptions, Limits
from playground.data.dataset import prepare
from playground.data.readers import parse
from playground.data.source import Source
from playground.templates.renderer import Renderer
from tests.templates.doctor.cases import HEALTHY, RULED, TALK, user
from tests.templates.doctor.test_findings import ALTERNATES, REFUSES_SYSTEM
from tests.templates.doctor.test_refusals import FIRST_USER, KNOWS, NO_LAST

pytest_plugins = ["tests.tiny"]

DEVELOPER = [{"role": "developer", "content": "Be brief."}, *TALK]


def prepared(tokenizer, template, *conversations, edits=()):
    text = "\n".join(json.dumps({"messages": messages}) for messages in conversations)
    options = DatasetOptions(edits=list(edits))
    return prepare(parse(Source(text.encode(), ""), Limits()), Renderer(tokenizer, template), options)


def of_rows(found):
    return [finding for finding in found.findings if finding.row is not None]


@pytest.mark.parametrize(
    ("template", "messages", "code", "edit"),
    [
        (REFUSES_SYSTEM, RULED, "system_refused", "merge_system"),
        (ALTERNATES, [user("Hi"), *TALK], "alternation_demanded", "merge"),
        (KNOWS, DEVELOPER, "role_refused", "developer_to_system"),
    ],
)
def test_a_refused_row_is_explained_and_one_edit_makes_it_usable(tokenizer, template, messages, code, edit):
    found = prepared(tokenizer, template, TALK, messages, messages)
    assert [(one.code, one.row, one.severity, one.edits) for one in of_rows(found)] == [
        (code, row, "error", [edit, "drop"]) for row in (2, 3)
    ]
    assert str(of_rows(found)[1].message).startswith("Row 3: The template ")
    assert [example.row for example in found.examples] == [1]
    mended = prepared(tokenizer, template, TALK, messages, messages, edits=[{"do": edit, "rows": [2, 3]}])
    assert [example.row for example in mended.examples] == [1, 2, 3]


def test_where_several_changes_are_needed_each_is_offered(tokenizer):
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('No system.') }}{% endif %}" + ALTERNATES
    [finding] = of_rows(prepared(tokenizer, template, [RULED[0], user("Hi"), *TALK]))
    assert finding.edits == ["merge_system", "merge", "drop"]


def test_an_edit_that_would_not_help_is_not_offered(tokenizer):
    [finding] = of_rows(prepared(tokenizer, FIRST_USER, [TALK[1], *TALK]))
    assert (finding.code, finding.edits) == ("alternation_demanded", ["drop"])


def test_neither_python_nor_jinja_speaks_to_people(tokenizer):
    adds, misses = "messages[0].content + 1", "messages.nothing.at_all"
    found = prepared(tokenizer, HEALTHY + f"{{{{ {adds} if messages | length == 2 else {misses} }}}}", TALK, RULED)
    assert found.examples == []
    for finding in of_rows(found):
        assert not any(word in str(finding.message) for word in ("str", "undefined", "concatenate", "attribute"))


def test_what_the_author_of_a_template_says_is_quoted_where_nothing_better_is_known(tokenizer):
    never = "{{ raise_exception('Not with me.') }}"
    [finding] = of_rows(prepared(tokenizer, never, TALK))
    assert str(finding.message) == "The chat template refuses row 1: “Not with me.”"
    [finding] = of_rows(prepared(tokenizer, NO_LAST, TALK))
    assert finding.code == "message_refused" and "up to message 1" in finding.message
