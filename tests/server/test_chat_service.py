"""In which conversation a run is asked."""

from __future__ import annotations

import pytest

from playground.core.errors import InputError
from playground.server.chat_service import _with_system

ASKED = [{"role": "user", "content": "Hi"}]
OWN = [{"role": "system", "content": "Mine."}, *ASKED]


@pytest.mark.parametrize(
    ("messages", "given", "trained", "expected"),
    [
        (ASKED, "", "", ASKED),
        (ASKED, "", "Trained.", [{"role": "system", "content": "Trained."}, *ASKED]),
        (ASKED, "Given.", "Trained.", [{"role": "system", "content": "Given."}, *ASKED]),
        (OWN, "", "Trained.", OWN),
        ([{"role": "developer", "content": "Mine."}, *ASKED], "  ", "Trained.", None),
        ([["Hi", None]], "", "Trained.", [{"role": "system", "content": "Trained."}, *ASKED]),
        ("Hi", "Given.", "", "Hi"),
    ],
)
def test_a_run_is_asked_with_the_system_prompt_of_its_rows_unless_another_is_given(messages, given, trained, expected):
    assert _with_system(messages, given, trained) == (messages if expected is None else expected)


def test_two_system_prompts_are_refused():
    with pytest.raises(InputError, match="Two system prompts arrived"):
        _with_system(OWN, "Given.", "")
