"""Settings as a file: what is saved comes back, and nothing else is taken for settings."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError, LimitError, PlaygroundError
from playground.core.settings import TrainSettings
from playground.core.settings import file as settings_file
from playground.core.settings.presets import PRESETS

VALUES = (
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.lists(st.text(max_size=5), max_size=3) | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)
)  # fmt: skip
NAMES = [*TrainSettings().to_dict(), "lr", ""]


def written(tmp_path, raw):
    path = tmp_path / "mine.json"
    path.write_bytes(raw)
    return path


def refused(text):
    with pytest.raises(PlaygroundError) as refusal:
        settings_file.loads(text)
    assert refusal.value.arrived and refusal.value.expected and refusal.value.fix, "all three are said"
    return refusal.value


def test_what_is_saved_comes_back():
    settings = {**TrainSettings().to_dict(), **PRESETS[3].settings, "probe_prompts": ["あなたは誰ですか。", "Who?"]}
    settings.pop("start_from")
    assert settings_file.loads(settings_file.dumps(settings)) == settings


@given(st.sampled_from(PRESETS), st.floats(1e-8, 1), st.text(max_size=30), st.integers(0, 2**32 - 1), st.booleans())
def test_every_value_comes_back_exactly(preset, rate, words, seed, flag):
    settings = {**preset.settings, "learning_rate": rate, "system_prompt": words, "seed": seed, "packing": flag}
    back = settings_file.loads(settings_file.dumps(settings))
    assert back == settings and {name: type(value) for name, value in back.items()} == {
        name: type(value) for name, value in settings.items()
    }


def test_a_file_is_json_in_the_order_of_the_settings_with_words_as_they_are():
    text = settings_file.dumps({"r": 8, "system_prompt": "海賊", "learning_rate": 5e-4})
    assert list(json.loads(text)) == ["learning_rate", "r", "system_prompt"]
    assert "海賊" in text and text.endswith("}\n")


def test_the_id_of_a_run_is_not_handed_on():
    settings = {"r": 8, "start_from": "A" * 22}
    assert settings_file.loads(settings_file.dumps(settings)) == {"r": 8}
    assert settings_file.loads(json.dumps(settings)) == settings, "one that somebody wrote is taken"


def test_what_a_run_would_refuse_is_not_saved():
    with pytest.raises(InputError, match="The setting r is 0"):
        settings_file.dumps({"r": 0})


@pytest.mark.parametrize(
    ("text", "arrived", "fix"),
    [
        ("", "empty", "Save the settings"),
        ("  \n", "empty", "Save the settings"),
        ("{", "line 1, character", "comma, quote or bracket"),
        ('{"r": 8,\n "seed": }', "line 2, character", "comma, quote or bracket"),
        ("{'r': 8}", "not JSON", "comma, quote or bracket"),
        ('{"learning_rate": NaN}', "not JSON", "comma"),
        ('{"learning_rate": Infinity}', "not JSON", "comma"),
        ("r: 8", "not JSON", "comma"),
        ("null", "null", "Save the settings"),
        ("[]", "a list", "Save the settings"),
        ('"r"', "text", "Save the settings"),
        ("3", "a number", "Save the settings"),
        ('{"lr": 1e-3}', "not known here: lr", "Correct the name"),
        ('{"max_seq_length": 512}', "max_seq_length", "Did you mean max_length?"),
        ('{"Learning_Rate": 1}', "Learning_Rate", "Did you mean learning_rate?"),
        ('{"r": "8"}', "The setting r is '8'", "load it again"),
        ('{"r": 8.5}', "The setting r is 8.5", "load it again"),
        ('{"r": true}', "The setting r is True", "load it again"),
        ('{"r": null}', "The setting r is null", "load it again"),
        ('{"packing": 1}', "The setting packing is 1", "load it again"),
        ('{"packing": "true"}', 'The setting packing is "true"', "load it again"),
        ('{"learning_rate": 5}', "The setting learning_rate is 5", "load it again"),
        ('{"quantization": "int8"}', "quantization", "load it again"),
        ('{"probe_prompts": "Who?"}', "probe_prompts", "load it again"),
        ('{"lr_scheduler_type": ["cosine"]}', "lr_scheduler_type", "load it again"),
        ("[" * 100_000, "JSON", ""),
        ('{"r":' * 100_000, "JSON", ""),
    ],
)
def test_what_is_no_settings_file_is_refused_with_what_helps(text, arrived, fix):
    error = refused(text)
    assert arrived in error.arrived and fix in str(error.fix)


def test_unknown_names_are_shortened():
    error = refused(json.dumps({"x" * 500: 1, **{f"y{number}": 1 for number in range(50)}}))
    assert len(error.arrived) < 200 and error.arrived.endswith("….")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    huge = written(tmp_path, b'{"system_prompt": "' + b"x" * settings_file.LARGEST_BYTES + b'"}')
    monkeypatch.setattr(type(huge), "read_bytes", lambda self: pytest.fail("read"))
    with pytest.raises(LimitError, match="1,000 kB at most"):
        settings_file.read(huge)
    with pytest.raises(LimitError):
        settings_file.loads("x" * (settings_file.LARGEST_BYTES + 1))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_encodings_of_editors_are_read(tmp_path, encoding):
    text = '{"system_prompt": "海賊です。"}'
    assert settings_file.read(written(tmp_path, text.encode(encoding))) == {"system_prompt": "海賊です。"}


@pytest.mark.parametrize(
    ("raw", "arrived"),
    [
        ('{"system_prompt": "海賊"}'.encode("cp932"), "Byte 20 of the file is not UTF-8."),
        ('{"system_prompt": "海賊"}'.encode("euc_jp"), "Byte 20 of the file is not UTF-8."),
        (b"\xff\xfe{\x00\x00\xd8", "is not UTF-16"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "Byte 1 of the file is not UTF-8."),
        (b'{\x00"\x00r\x00"\x00:\x008\x00}\x00', "not JSON"),
        (b"\x00\x00\x00", "not JSON"),
    ],
)
def test_other_bytes_are_refused(tmp_path, raw, arrived):
    with pytest.raises(InputError) as refusal:
        settings_file.read(written(tmp_path, raw))
    assert arrived in refusal.value.arrived and refusal.value.fix


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
def test_any_object_is_settings_of_a_run_or_refused(value):
    try:
        loaded = settings_file.loads(json.dumps(value))
    except PlaygroundError as error:
        assert error.arrived and error.expected and error.fix
    else:
        TrainSettings.from_dict(loaded)
        assert loaded == value


@given(st.text(max_size=60) | st.text(alphabet='{}[]":,rl81e-.truefalsn ', max_size=30))
def test_any_text_is_settings_or_refused(text):
    try:
        loaded = settings_file.loads(text)
    except PlaygroundError as error:
        assert error.arrived and error.expected and error.fix
    else:
        TrainSettings.from_dict(loaded)
