"""Every text of the page exists in both languages, found by walking the sources for label(...) and say(...)."""

import ast
import json
import string
from pathlib import Path

import pytest

import playground.ui
from playground.words import LOCALES

UI = Path(playground.ui.__file__).parent
JAPANESE = json.loads((LOCALES / "ja.json").read_text(encoding="utf-8"))


def calls():
    for path in sorted(UI.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("label", "say"):
                yield f"{path.name}:{node.lineno}", node.func.id, node.args[0]


def texts(kind=None):
    return sorted({text.value for _, name, text in calls() if kind in (None, name) and isinstance(text, ast.Constant)})


def fields(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_text_is_written_out_where_it_is_used():
    assert [place for place, _, text in calls() if not isinstance(text, ast.Constant)] == []


def test_there_are_texts():
    assert len(texts("label")) > 80 and len(texts("say")) > 60


@pytest.mark.parametrize("text", texts())
def test_every_text_has_its_japanese_with_the_same_values(text):
    assert text in JAPANESE
    assert fields(JAPANESE[text]) == fields(text)


def test_labels_hold_no_braces():
    # Gradio's translation in the browser breaks on them.
    assert [text for text in texts("label") if "{" in text or "}" in text] == []


def test_the_catalogue_is_sorted_so_that_changes_read_well():
    assert list(JAPANESE) == sorted(JAPANESE)
