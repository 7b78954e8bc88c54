"""What a person is told whose request cannot be met: what arrived, what was expected, what to do, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from playground.core.errors import PlaygroundError
from playground.server.backend import Backend

pytest_plugins = ["tests.tiny"]

CONVERSATION = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]
REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("check_dataset", {"text": "  "}, "No rows arrived: the text is empty"),
    ("check_dataset", {"text": '[{"prompt": 1}, '}, r"starts with \[ but is not JSON"),
    ("check_dataset", {"text": '{"prompt": 1}', "options": {"max_length": 1}}, "max_length is 1.*from 8 to 8192"),
    ("check_dataset", {"text": "{}", "model": "../../etc"}, "There is no model named"),
    ("train", {"text": '{"prompt": "a", "completion": "b"}'}, "1 of 1 rows can be used.*at least two"),
    ("train", {"text": '{"prompt": "a"}\n{"question": "b"}'}, "0 of 2 rows.*Row 1 has the keys prompt"),
    ("train", {"text": "{}", "settings": {"lr": 1}}, "no setting lr.*learning_rate"),
    ("train", {"text": "{}", "settings": {"r": 0}}, "The setting r is 0.*from 1 to 256"),
    ("train", {"text": "{}", "model": "nobody/nothing"}, "nobody/nothing cannot be fetched: the Hugging Face Hub"),
    ("preview", {"conversation": []}, "has no messages"),
    (
        "reply",
        {"messages": [{"role": "wizard", "content": "x"}]},
        "message 1 has the role 'wizard'.*system, user",
    ),
    ("preview", {"conversation": [{"content": "x"}]}, "message 1 has no role"),
    ("preview", {"conversation": [{"role": 3, "content": "x"}]}, "message 1 has the role 3"),
    ("preview", {"conversation": CONVERSATION, "template": "chatmlx"}, "no chat template named chatmlx"),
    ("preview", {"conversation": CONVERSATION, "template": "{% if %}"}, "The chat template refuses"),
    ("preview", {"conversation": CONVERSATION, "options": {"x": 1}}, "no setting x.*add_generation_prompt"),
    ("run", {"run": "../runs"}, "There is no such run"),
    ("stop", {"run": ""}, "There is no such run"),
    ("export", {"run": "A" * 22}, "There is no such run"),
    ("reply", {"messages": [], "run": ""}, "has no messages"),
    ("reply", {"messages": CONVERSATION[:1], "sampling": {"temperature": 9}}, "temperature is 9.*from 0 to 5"),
]


@pytest.fixture(scope="module")
def backend(tiny_folder, tmp_path_factory) -> Iterator[Backend]:
    """Never started: it has its sandbox, and no model is loaded or trained."""
    backend = Backend(tmp_path_factory.mktemp("home"), local_models={"tiny": str(tiny_folder)})
    backend._sandbox.start()
    yield backend
    backend._sandbox.close()


@pytest.mark.parametrize(("method", "arguments", "message"), REFUSALS)
def test_a_refusal_says_what_arrived_and_what_to_do(backend, method, arguments, message):
    with pytest.raises(PlaygroundError, match=message) as refusal:
        list(getattr(backend, method)(**arguments))  # An answer of the model begins when it is read.
    assert re.search("[ぁ-ん].*。$", refusal.value.to("ja"))
