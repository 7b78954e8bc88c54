"""Every text that a person sees exists in English and Japanese, and sentences survive pipes, files and translation.

The first half reads the source: each call of `say`, `Sentence` and `label` is collected from the syntax trees and held
against the catalogue. The second half tests i18n.py and the errors themselves.
"""

from __future__ import annotations

import ast
import copy
import pickle
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core import i18n
from playground.core.errors import InputError, LimitError, PlaygroundError, disk_is_full, unpack_error
from playground.core.findings import finding_of
from playground.core.i18n import LANGUAGES, Sentence, language_of, localise, pack, say, unpack
from playground.core.paths import ROOT

PACKAGE = ROOT / "playground"
MARKERS = dict.fromkeys(("say", "Sentence", "label"), "i18n")
"""Function -> the module that it comes from."""
NO_JAPANESE_NEEDED = {
    "{arrived} {expected}",
    "{where}; {how}.",
    "“{text}”",
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "Top-p",
    "chrF {score}",
}
"""Entries that are only placeholders, or names that stay as they are."""

_JAPANESE = "\u3041-\u3096\u30a1-\u30fa\u30fc\u3005\u4e00-\u9fff"
_SLIPS = {
    "ASCII punctuation after Japanese or a placeholder": re.compile(rf"[{_JAPANESE}\}}][,.;:!?()]"),
    "ASCII bracket before Japanese": re.compile(f"[()][{_JAPANESE}]"),
    "space between Japanese characters": re.compile(f"[{_JAPANESE}、。] +[{_JAPANESE}、。]"),
    "space before Japanese punctuation": re.compile(r"\s[、。：（）」]"),
    "full-width letters, digits or signs": re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff0c\uff0e\u3000]"),
    "half-width kana": re.compile("[\uff61-\uff9f]"),
}


@dataclass(frozen=True)
class Marked:
    """One call that marks a text."""

    where: str
    """file:line, below playground/."""
    function: str
    template: str | None
    """None where the argument is no literal string."""
    given: frozenset[str] | None
    """Names of the values given, None where `**values` hides them."""


def marked_in(source: str, path: str) -> tuple[list[Marked], list[str]]:
    """Calls of the markers in `source`, and places where a marker is used other than by calling it.

    A marker is known by its import (or definition), so that a method or another function named `say` is none.
    """
    tree = ast.parse(source)
    names: dict[str, str] = {}
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").rpartition(".")[2]
            for alias in node.names:
                if MARKERS.get(alias.name) == module:
                    names[alias.asname or alias.name] = alias.name
                elif alias.name in MARKERS.values():
                    modules.add(alias.asname or alias.name)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and MARKERS.get(node.name) == Path(path).stem:
            names[node.name] = node.name

    def marker(node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return names.get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            return node.attr if node.attr in MARKERS else None
        return None

    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {id(call.func) for call in calls}
    found = []
    for call in calls:
        function = marker(call.func)
        if function is None:
            continue
        first = call.args[0] if call.args else None
        literal = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        keywords = [keyword.arg for keyword in call.keywords]
        given = None if None in keywords else frozenset(name for name in keywords if name is not None)
        found.append(Marked(f"{path}:{call.lineno}", function, literal, given))
    # `Sentence` is a type as well: only the functions must not be passed around.
    loose = [
        f"{path}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and marker(node) in ("say", "label") and id(node) not in called
    ]
    return found, loose


def _source_files() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")


@lru_cache
def _all_marked() -> list[Marked]:
    return [call for path, source in _source_files() for call in marked_in(source, path)[0]]


def _templates() -> dict[str, str]:
    """Template -> where it is first used."""
    templates: dict[str, str] = {}
    for call in _all_marked():
        if call.template is not None:
            templates.setdefault(call.template, call.where)
    return templates


def _entries() -> list[tuple[str, str]]:
    """The Japanese catalogue as it stands in the file, doublets included."""
    text = (i18n.LOCALES / "ja.json").read_bytes()
    orjson.loads(text)  # Strict, and what the app reads it with.
    pairs = re.findall(rb'^\s*("(?:[^"\\]|\\.)*")\s*:\s*("(?:[^"\\]|\\.)*"),?$', text, re.MULTILINE)
    return [(orjson.loads(key), orjson.loads(value)) for key, value in pairs]


def _placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


# The source against the catalogue


def test_every_text_has_a_japanese_entry() -> None:
    known = dict(_entries())
    missing = [f"{where}: {template}" for template, where in _templates().items() if template not in known]
    assert not missing, "not in ja.json:\n" + "\n".join(missing)


def test_no_entry_is_stale() -> None:
    used = _templates()
    stale = [key for key, _ in _entries() if key not in used]
    assert not stale, "in ja.json, but nowhere in the code:\n" + "\n".join(stale)


def test_every_text_is_a_literal() -> None:
    hidden = [
        f"{call.where} {call.function}(...)"
        for call in _all_marked()
        if call.template is None and not call.where.startswith(("core/i18n.py:", "ui/i18n.py:"))
    ]
    assert not hidden, "the text is no literal string, so no catalogue can hold it:\n" + "\n".join(hidden)


def test_the_markers_are_only_called() -> None:
    loose = [place for path, source in _source_files() for place in marked_in(source, path)[1]]
    assert not loose, "passed around, so that calls escape the collection:\n" + "\n".join(loose)


def test_every_placeholder_gets_a_value() -> None:
    wrong = [
        f"{call.where} {call.template!r} gets {sorted(call.given)}"
        for call in _all_marked()
        if call.template is not None and call.given is not None and _placeholders(call.template) != call.given
    ]
    assert not wrong, "\n".join(wrong)


def test_labels_hold_no_brace() -> None:
    """Gradio's parser of labels ends at the first closing brace."""
    wrong = [f"{c.where}: {c.template}" for c in _all_marked() if c.function == "label" and "}" in (c.template or "")]
    assert not wrong, "\n".join(wrong)


# The catalogue by itself


def test_the_catalogue_is_flat_sorted_and_without_doublets() -> None:
    entries = _entries()
    keys = [key for key, _ in entries]
    assert dict(entries) == orjson.loads((i18n.LOCALES / "ja.json").read_bytes()), "one entry a line, please"
    assert not [key for key, count in Counter(keys).items() if count > 1]
    assert keys == sorted(keys)


def test_translations_keep_the_placeholders() -> None:
    wrong = [f"{key} -> {value}" for key, value in _entries() if _placeholders(key) != _placeholders(value)]
    assert not wrong, "\n".join(wrong)


def test_translations_are_japanese() -> None:
    pattern = re.compile(f"[{_JAPANESE}]")
    wrong = [f"{k} -> {v}" for k, v in _entries() if k not in NO_JAPANESE_NEEDED and not pattern.search(v)]
    assert not wrong, "\n".join(wrong)


def test_sentences_end_as_sentences_do() -> None:
    wrong = [f"{k} -> {v}" for k, v in _entries() if k.endswith((".", "!", "?")) != v.endswith(("。", "！", "？"))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("slip", _SLIPS)
def test_translations_mix_no_widths(slip: str) -> None:
    wrong = [f"{key} -> {value}" for key, value in _entries() if _SLIPS[slip].search(value)]
    assert not wrong, "\n".join(wrong)


def test_brackets_are_closed_in_their_own_width() -> None:
    pairs = (("（", "）"), ("(", ")"), ("「", "」"))
    wrong = [f"{k} -> {v}" for k, v in _entries() if any(v.count(left) != v.count(right) for left, right in pairs)]
    assert not wrong, "\n".join(wrong)


# The collection


def test_collects_calls_of_the_markers() -> None:
    source = (
        "from playground.core import i18n\n"
        "from playground.ui.widgets.i18n import label as title\n"
        "from playground.core.i18n import say\n"
        "say('one ' 'two {n}', n=1)\n"
        "i18n.Sentence('three')\n"
        "title('four')\n"
        "say('five', **values)\n"
    )
    found, loose = marked_in(source, "a.py")
    assert [(call.where, call.function, call.template, call.given) for call in found] == [
        ("a.py:4", "say", "one two {n}", {"n"}),
        ("a.py:5", "Sentence", "three", frozenset()),
        ("a.py:6", "label", "four", frozenset()),
        ("a.py:7", "say", "five", None),
    ]
    assert loose == []


@pytest.mark.parametrize("argument", ["text", "f'{text}'", "'a' + 'b'", "'a'.strip()", "'a' if b else 'c'", ""])
def test_notices_texts_that_are_no_literals(argument: str) -> None:
    found, _ = marked_in(f"from playground.core.i18n import say\nsay({argument})\n", "a.py")
    assert [call.template for call in found] == [None]


def test_notices_markers_that_are_passed_around() -> None:
    _, loose = marked_in("from playground.core.i18n import Sentence, say\nx: Sentence\ny = map(say, texts)\n", "a.py")
    assert loose == ["a.py:3 say"]


def test_leaves_other_functions_of_the_same_name_alone() -> None:
    source = "from other import label\nlabel(text)\ntold.say(text)\ndef say(text): ...\nsay(text)\n"
    assert marked_in(source, "a.py") == ([], [])


def test_finds_the_texts_of_this_package() -> None:
    """Not fewer than there are: the collection itself has not gone blind."""
    found = _templates()
    assert found["There is no such run."].startswith("runs/store.py:")
    assert found["{arrived} {expected}"].startswith("core/findings.py:")
    assert any(where.startswith("ui/") for where in found.values())
    assert any(call.function == "label" for call in _all_marked())
    assert len(found) > 300


# Sentences


@pytest.fixture
def small_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entries = {
        "Row {row}": "{row} 行目",
        "{where} is {kind}.": "{where}が{kind}になっています。",
        "a list": "リスト",
        "Write text.": "テキストで書いてください。",
        "{first} before {second}.": "{second}より{first}が先です。",
    }
    (tmp_path / "ja.json").write_bytes(orjson.dumps(entries))
    monkeypatch.setattr(i18n, "LOCALES", tmp_path)
    i18n.catalogue.cache_clear()
    yield
    i18n.catalogue.cache_clear()


def _nested() -> Sentence:
    return say("{where} is {kind}.", where=say("Row {row}", row=3), kind=say("a list"))


def test_a_sentence_is_its_english() -> None:
    sentence = _nested()
    assert isinstance(sentence, str)
    assert sentence == "Row 3 is a list."
    assert hash(sentence) == hash("Row 3 is a list.")
    assert orjson.dumps(str(sentence)) == b'"Row 3 is a list."'


def test_a_sentence_without_values_keeps_its_braces() -> None:
    assert say('{"prompt": 1}') == '{"prompt": 1}'
    assert say('{"prompt": 1}').to("ja") == '{"prompt": 1}'


def test_values_are_not_read_as_templates() -> None:
    assert say("{where} is {kind}.", where="{kind}", kind="{0}") == "{kind} is {0}."


@pytest.mark.usefixtures("small_catalogue")
def test_nested_sentences_are_said_in_japanese() -> None:
    assert _nested().to("ja") == "3 行目がリストになっています。"
    assert say("{first} before {second}.", first="A", second="B").to("ja") == "BよりAが先です。"


@pytest.mark.usefixtures("small_catalogue")
@pytest.mark.parametrize("language", ["en", "fr", "", "../ja"])
def test_other_languages_are_english(language: str) -> None:
    assert _nested().to(language) == "Row 3 is a list."


@pytest.mark.usefixtures("small_catalogue")
def test_what_the_catalogue_lacks_is_english() -> None:
    assert say("{where}: unknown.", where=say("Row {row}", row=1)).to("ja") == "1 行目: unknown."


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.usefixtures("small_catalogue")
def test_copies_and_pickles_can_still_be_translated(clone: Any) -> None:
    sentence = clone(_nested())
    assert isinstance(sentence, Sentence)
    assert (sentence, sentence.to("ja")) == ("Row 3 is a list.", "3 行目がリストになっています。")


@pytest.mark.usefixtures("small_catalogue")
def test_localise_reaches_into_nested_values() -> None:
    value = {"a": [_nested(), 1, None, "plain"], "b": {"c": (say("a list"), 2.5)}, "d": InputError(say("Write text."))}
    assert localise(value, "ja") == {
        "a": ["3 行目がリストになっています。", 1, None, "plain"],
        "b": {"c": ["リスト", 2.5]},
        "d": "テキストで書いてください。",
    }
    assert value["a"] == [_nested(), 1, None, "plain"], "the original stays as it was"
    assert type(localise(_nested(), "en")) is str


# Pipes and files

_NAMES = st.sampled_from(["row", "where", "kind", "say", "n"])
_PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)


def _sentences(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Sentence]:
    def build(given: dict[str, Any], words_between: list[str]) -> Sentence:
        fixed = [word.replace("{", "{{").replace("}", "}}") for word in words_between]
        return Sentence(" ".join([*fixed, *(f"{{{name}}}" for name in given)]), **given)

    return st.builds(build, st.dictionaries(_NAMES, values, max_size=3), st.lists(st.text(max_size=8), max_size=2))


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    # A person's own {"say": ..., "values": ...} would be read as a sentence: pack is for what this app writes.
    mappings = st.dictionaries(st.text(max_size=8), inner, max_size=4).filter(lambda d: d.keys() != {"say", "values"})
    return st.lists(inner, max_size=4) | mappings | _sentences(inner)


VALUES = st.recursive(_PLAIN | _sentences(_PLAIN), _containers, max_leaves=12)


@given(VALUES)
def test_pack_and_unpack_are_inverse(value: Any) -> None:
    through_a_pipe = unpack(orjson.loads(orjson.dumps(pack(value))))
    assert through_a_pipe == value
    # Equal text is not enough: what was a sentence has to be one again.
    assert pack(through_a_pipe) == pack(value)


@pytest.mark.usefixtures("small_catalogue")
def test_an_unpacked_sentence_can_be_translated() -> None:
    event = unpack(orjson.loads(orjson.dumps(pack({"event": "note", "note": _nested()}))))
    assert event["note"].to("ja") == "3 行目がリストになっています。"


# Languages


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("ja", "ja"),
        ("JA", "ja"),
        ("ja-JP", "ja"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8,en;q=0.7", "ja"),
        ("en-US,en;q=0.9,ja;q=0.8", "en"),
        ("en;q=0.8,ja;q=0.9", "ja"),
        ("fr;q=0.9,ja;q=0.5", "ja"),
        ("fr", "en"),
        ("*", "en"),
        ("jav", "en"),
        ("ja;q=0.5, en;q=0.5", "ja"),
        ("ja;q=high,en;q=0.1", "en"),
        (";;;=,,q", "en"),
    ],
)
def test_the_language_of_a_request(header: str | None, language: str) -> None:
    assert language_of(header) == language


@given(st.text() | st.text(alphabet="jaen-;q=0.1*, "))
def test_any_header_gives_a_language(header: str) -> None:
    assert language_of(header) in LANGUAGES


# Errors


def test_an_error_joins_its_parts() -> None:
    assert str(InputError(say("No."))) == "No."
    assert str(InputError(say("No."), say("Yes was meant."))) == "No. Yes was meant."
    assert str(InputError(say("No."), fix=say("Say yes."))) == "No. Say yes."
    assert str(InputError(say("No."), say("Yes was meant."), say("Say yes."))) == "No. Yes was meant. Say yes."


@pytest.mark.usefixtures("small_catalogue")
def test_japanese_sentences_follow_without_a_space() -> None:
    error = InputError(_nested(), fix=say("Write text."))
    assert error.to("ja") == "3 行目がリストになっています。テキストで書いてください。"
    assert error.to("en") == "Row 3 is a list. Write text."
    half_translated = InputError(say("Unknown to the catalogue."), fix=say("Write text."))
    assert half_translated.to("ja") == "Unknown to the catalogue. テキストで書いてください。"


@pytest.mark.usefixtures("small_catalogue")
@pytest.mark.parametrize("kind", [PlaygroundError, *PlaygroundError.__subclasses__()])
def test_errors_survive_a_pipe_and_a_pickle(kind: type[PlaygroundError]) -> None:
    error = kind(_nested(), None, say("Write text."))
    by_pipe = unpack_error(orjson.loads(orjson.dumps(error.pack())))
    by_pickle = pickle.loads(pickle.dumps(error))
    for copied in (by_pipe, by_pickle):
        assert type(copied) is kind
        assert (copied.arrived, copied.expected, copied.fix) == (error.arrived, None, error.fix)
        assert copied.to("ja") == error.to("ja")


def test_an_unknown_kind_of_error_stays_an_error() -> None:
    packed = {**InputError(say("No.")).pack(), "error": "NewerError"}
    assert type(unpack_error(packed)) is PlaygroundError


def test_a_full_disk_is_told_apart() -> None:
    full = disk_is_full(OSError(28, "No space left on device"))
    assert isinstance(full, LimitError)
    assert full.fix
    assert disk_is_full(OSError(2, "No such file")) is None
    assert disk_is_full(ValueError("No space left on device")) is None


@pytest.mark.usefixtures("small_catalogue")
def test_a_finding_says_both_parts_of_an_error() -> None:
    finding = finding_of(InputError(_nested(), say("Write text."), say("a list")), "unusable", 3)
    assert finding.message == "Row 3 is a list. Write text."
    assert (finding.fix, finding.row, finding.severity) == ("a list", 3, "error")
    assert finding_of(InputError(_nested()), "unusable").message == _nested()
