"""What the three views are given: columns that say what the preview says, in the reader's language, and small."""

import random

import gradio as gr
import orjson
import pytest

from playground.core.errors import InputError
from playground.core.findings import Finding
from playground.core.i18n import Sentence
from playground.ui.template.token_view import empty_data, refusal_data, token_view, view_data

PIECES = ["The", " quick", "\n", " 森", "👩", "<|im_end|>", "  ", "e\u0301"]


def preview(tokens, spans=None, findings=(), text=None, mask="prefix"):
    """`tokens`: (text, role, trained, message), each the characters after the one before."""
    made, at = [], 0
    for place, (shown, role, trained, message) in enumerate(tokens):
        special = shown.startswith("<|")
        piece = {"id": place, "text": shown, "role": role, "trained": trained, "special": special, "message": message}
        made.append({**piece, "start": at, "end": at + len(shown)})
        at += len(shown)
    text = "".join(token["text"] for token in made) if text is None else text
    whole = [{"start": 0, "end": len(text), "role": "user", "message": 0}]
    return {"text": text, "tokens": made, "spans": spans or whole, "mask": mask, "findings": list(findings)}


def finding(severity, **given):
    return Finding("c", severity, Sentence(f"A {severity}."), **given).to_dict()


def read(column):
    return [int(number) for number in column.split()]


def expanded(data, column):
    """One (role, message) for each unit of length, from a column of runs."""
    found = read(data[column])
    triples = zip(found[::3], found[1::3], found[2::3], strict=True)
    return [
        (data["roles"][role], None if message < 0 else message)
        for length, role, message in triples
        for _ in range(length)
    ]


def test_the_columns_say_what_the_tokens_say():
    draw = random.Random(0)
    for _ in range(50):
        tokens = [
            (
                draw.choice(PIECES),
                draw.choice(["user", "assistant", "template"]),
                draw.random() < 0.5,
                draw.choice([None, 0, 1]),
            )
            for _ in range(draw.randrange(40))
        ]
        given = preview(tokens)
        data, start, starts = view_data(given, "en"), 0, []
        for step in read(data["starts"]):
            start += step
            starts.append(start)
        assert starts == [token["start"] for token in given["tokens"]]
        assert read(data["lengths"]) == [token["end"] - token["start"] for token in given["tokens"]]
        assert read(data["ids"]) == [token["id"] for token in given["tokens"]]
        assert [digit == "1" for digit in data["trained"]] == [token["trained"] for token in given["tokens"]]
        assert [digit == "1" for digit in data["special"]] == [token["special"] for token in given["tokens"]]
        assert expanded(data, "runs") == [(token["role"], token["message"]) for token in given["tokens"]]
        assert expanded(data, "spans") == [("user", 0)] * len(given["text"])
        assert data["text"] == given["text"]


def test_parts_of_a_character_share_its_place_and_show_their_bytes():
    part = {"id": 7, "role": "user", "trained": False, "special": False, "message": 0, "start": 1, "end": 2}
    given = preview([("a", "user", False, 0)], text="a森")
    given["tokens"] += [{**part, "text": "E6 A3"}, {**part, "text": "AE"}]
    data = view_data(given, "en")
    assert orjson.loads(data["pieces"]) == {"1": "E6 A3", "2": "AE"}
    assert read(data["starts"]) == [0, 1, 0]
    assert read(data["lengths"]) == [1, 1, 1]


def test_messages_are_counted_and_one_without_a_token_still_has_its_row():
    tokens = [
        ("<s>", "template", False, None),
        ("Hi", "user", False, 1),
        ("Ho", "assistant", True, 2),
        ("!", "assistant", True, 2),
    ]
    said = [{"role": "system", "content": "dropped"}, {"role": "user"}, {"role": "assistant"}]
    rows = view_data(preview(tokens), "en", said)["rows"]
    assert rows == [[0, "system", 0, 0], [1, "user", 1, 0], [2, "assistant", 2, 2], [-1, "template", 1, 0]]
    assert view_data(preview([]), "en", said)["rows"] == []


def test_findings_come_gravest_first_with_all_they_say():
    found = [
        finding("info"),
        finding("warning", why=Sentence("Because."), fix=Sentence("Do."), evidence=[(1, 2), (5, 9)]),
        finding("error"),
    ]
    told = view_data(preview([("a", "user", False, 0)], findings=found), "en")["findings"]
    assert [one["severity"] for one in told] == ["error", "warning", "info"]
    assert [one["word"] for one in told] == ["Error", "Warning", "Note"]
    assert (told[1]["message"], told[1]["why"], told[1]["fix"]) == ("A warning.", "Because.", "Do.")
    assert told[1]["evidence"] == "1 2 5 9"
    assert told[0]["why"] == told[0]["fix"] == told[0]["evidence"] == told[0]["action"] == ""


def test_an_action_is_text_so_that_gradio_finds_no_file_in_it():
    content = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}
    action = {"kind": "conversation", "messages": [{"role": "user", "content": content}]}
    told = view_data(preview([], findings=[finding("error", action=action)]), "en")["findings"]
    assert orjson.loads(told[0]["action"]) == action


def test_the_reader_is_answered_in_their_language():
    tokens = [("Hi", "user", False, 0), ("Ho", "assistant", True, 1)]
    japanese = view_data(preview(tokens, findings=[finding("error")]), "ja")
    assert japanese["counts"].startswith("2 トークン") and "50 %" in japanese["counts"]
    assert "学習" in japanese["mask"]
    assert japanese["findings"][0]["word"] == "エラー"


@pytest.mark.parametrize("mask", ["generation", "training_template", "sentinels", "prefix", "none"])
def test_every_way_to_find_the_mask_is_explained(mask):
    assert view_data(preview([("a", "user", False, 0)], mask=mask), "en")["mask"].endswith(".")


def test_a_refusal_says_every_part_and_keeps_the_findings():
    error = InputError(Sentence("It stopped."), Sentence("It should go on."), Sentence("Push it."))
    data = refusal_data(error, "en", [finding("warning")])
    assert data["refusal"] == ["It stopped.", "It should go on.", "Push it."]
    assert [one["message"] for one in data["findings"]] == ["A warning."]
    assert refusal_data(InputError(Sentence("No.")), "en")["refusal"] == ["No."]


def test_nothing_to_show_says_what_would_be_here():
    assert empty_data(Sentence("None"), Sentence("Add one."), "en")["empty"] == ["None", "Add one."]


def test_eight_thousand_tokens_stay_small():
    draw = random.Random(0)
    tokens = [
        (draw.choice(["word", " and", " another", "\n", "森"]), "user", True, place // 40) for place in range(8000)
    ]
    given = preview(tokens)
    for token in given["tokens"]:
        token["id"] = draw.randrange(150_000)
    size = len(orjson.dumps(view_data(given, "en")))
    print(f"8,000 tokens: {size / 1000:.0f} kB of JSON")
    assert size < 300_000
    # Nothing readable: each token is a byte of a character of four.
    for place, token in enumerate(given["tokens"]):
        token.update(start=place // 4, end=place // 4 + 1, text="F0 9F"[: 2 + 3 * (place % 2)])
    given["text"] = "👩" * 2000
    assert len(orjson.dumps(view_data(given, "en"))) < 300_000


def test_the_component_has_its_words_in_both_languages_and_sends_fixes():
    with gr.Blocks():
        view = token_view("here")
        view.fix(lambda: None)
    words = view.props["words"]
    assert words["en"].keys() == words["ja"].keys()
    assert words["ja"]["roles"].keys() >= {"system", "developer", "user", "assistant", "tool", "template"}
    assert view.elem_id == "here"
