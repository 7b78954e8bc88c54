"""What a person is told whose request cannot be met: what arrived, what was expected, what to do, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import pytest

from playground.core.errors import PlaygroundError
from playground.server.backend import Backend

pytest_plugins = ["tests.tiny"]

CONVERSATION = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]
REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("datasets.check", {"text": "  "}, "No rows arrived: the text is empty"),
    ("datasets.check", {"text": '[{"prompt": 1}, '}, r"starts with \[ but is not JSON"),
    ("datasets.check", {"text": '{"prompt": 1}', "options": {"max_length": 1}}, "max_length is 1.*from 8 to 8192"),
    ("datasets.check", {"text": "{}", "model": "../../etc"}, "There is no model named"),
    ("runs.train", {"text": '{"prompt": "a", "completion": "b"}'}, "1 of 1 row can be used.*at least two"),
    ("runs.train", {"text": '{"prompt": "a"}\n{"question": "b"}'}, "0 of 2 rows.*Row 1 has the keys prompt"),
    ("runs.train", {"text": "{}", "settings": {"lr": 1}}, "no setting lr.*learning_rate"),
    ("runs.train", {"text": "{}", "settings": {"r": 0}}, "The setting r is 0.*from 1 to 256"),
    ("runs.train", {"text": "{}", "model": "nobody/nothing"}, "nobody/nothing cannot be fetched: the Hugging Face Hub"),
    ("templates.preview", {"conversation": []}, "has no messages"),
    (
        "chat.reply",
        {"messages": [{"role": "wizard", "content": "x"}]},
        "message 1 has the role 'wizard'.*system, user",
    ),
    ("templates.preview", {"conversation": [{"content": "x"}]}, "message 1 has no role"),
    ("templates.preview", {"conversation": [{"role": 3, "content": "x"}]}, "message 1 has the role 3"),
    ("templates.preview", {"conversation": CONVERSATION, "template": "chatmlx"}, "no chat template named chatmlx"),
    ("templates.preview", {"conversation": CONVERSATION, "template": "{% if %}"}, "The chat template refuses"),
    ("templates.preview", {"conversation": CONVERSATION, "options": {"x": 1}}, "no setting x.*add_generation_prompt"),
    ("runs.get", {"run": "../runs"}, "There is no such run"),
    ("runs.stop", {"run": ""}, "There is no such run"),
    ("runs.export", {"run": "A" * 22}, "There is no such run"),
    ("chat.reply", {"messages": [], "run": ""}, "has no messages"),
    ("chat.reply", {"messages": CONVERSATION[:1], "sampling": {"temperature": 9}}, "temperature is 9.*from 0 to 5"),
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
        list(attrgetter(method)(backend)(**arguments))  # An answer of the model begins when it is read.
    assert re.search("[ぁ-ん].*。$", refusal.value.to("ja"))
