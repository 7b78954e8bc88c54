"""Text that people write by hand: which words become whose, and which encoding they stood in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import InputError
from playground.core.settings import Limits
from playground.data.readers import parse
from playground.data.source import Source


def read(text, name=""):
    return parse(Source(text if isinstance(text, bytes) else text.encode(), name), Limits())


def turns(text):
    """The conversations as lists of (first letter of the role, words)."""
    return [
        [(message["role"][0], message["content"]) for message in record.data["messages"]]
        for record in read(text).records
    ]


PAIR = [("u", "Hi"), ("a", "Ahoy")]


@pytest.mark.parametrize(
    "text",
    [
        "Q: Hi\nA: Ahoy", "Q: Hi A: Ahoy", "q1. Hi\na1. Ahoy", "Question: Hi\n\nAnswer:\nAhoy\n",
        "質問：Hi\n回答：Ahoy",
        "問：Hi\n答：Ahoy", "【質問】Hi\n【回答】Ahoy", "User: Hi\nAssistant: Ahoy", "Human: Hi\n\nAI: Ahoy",
        "ユーザー：Hi\nアシスタント：Ahoy", "**User:** Hi\n\n**Assistant:** Ahoy", "**User**: Hi\n**Assistant**: Ahoy",
        "## User\nHi\n## Assistant\nAhoy", "You said:\nHi\nChatGPT said:\nAhoy", "[User] Hi\n[Assistant] Ahoy",
        "質問１：Hi\r\n回答１：Ahoy\r\n", "A title\n\nQ: Hi\nA: Ahoy",
    ],
)  # fmt: skip
def test_speakers_are_known_however_they_are_written(text):
    assert turns(text) == [PAIR]


def test_each_question_begins_a_row_and_other_talk_goes_on():
    assert turns("Q: Hi\nA: Ahoy\n\nQ: Hi\nA: Ahoy") == [PAIR, PAIR]
    assert turns("User: Hi\nAI: Ahoy\n\nUser: Hi\nAI: Ahoy") == [PAIR + PAIR]


@pytest.mark.parametrize("rule", ["---", "===", "***", "\n----------\n"])
def test_a_rule_before_a_speaker_ends_a_conversation_and_one_inside_an_answer_stays(rule):
    assert turns(f"User: Hi\nAI: Ahoy\n{rule}\nUser: Hi\nAI: Ahoy") == [PAIR, PAIR]
    assert turns("User: Hi\nAI: Ahoy\n---\nmore") == [[("u", "Hi"), ("a", "Ahoy\n---\nmore")]]


CHATML = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nAhoy\n\nAhoy<|im_end|>"
ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\nHi\n\n### Response:\nAhoy</s>"
)


@pytest.mark.parametrize(
    ("one", "breaks"),
    [
        (CHATML, ("\n\n", "\n---\n")),
        (f"<|im_start|>system\nBe brief.<|im_end|>\n{CHATML}", ("\n", "\n\n")),
        (ALPACA, ("\n", "\n\n", "\n\n---\n\n")),
        (ALPACA[ALPACA.index("#") :], ("\n", "\n\n")),
        ("<s>[INST] Hi [/INST] Ahoy </s>", ("\n", "\n\n")),
        ("[INST] Hi [/INST] Ahoy", ("\n\n",)),
        ("### Human: Hi### Assistant: Ahoy", ("\n\n", "\n---\n")),
    ],
)
def test_rendered_conversations_stay_whole_and_each_is_a_row(one, breaks):
    for gap in breaks:
        parsed = read(gap.join([one, one, one]))
        assert [record.data["text"].strip() for record in parsed.records] == [one] * 3
        assert "in a chat template's form" in str(parsed.findings[-1].message)


def test_a_rendered_conversation_with_anything_else_in_the_file_is_read_as_before():
    for text in (f"{CHATML}\n\nBetween.\n\n{CHATML}", f"A title\n\n{CHATML}", CHATML[:-20] + "<|im_"):
        assert "paragraphs" in str(read(text).findings[-1].message)
    with pytest.raises(InputError):  # A table of | with the same header throughout.
        read("<|im_start|>user\n\n" * 50_000)  # Not looked through again and again.


def test_a_system_prompt_begins_a_conversation():
    assert turns("System: S\nUser: Hi\nAI: Ahoy\nSystem: S\nQ: Hi\nA: Ahoy") == [[("s", "S"), *PAIR]] * 2


def test_code_keeps_its_labels_and_lines():
    answer = "```yaml\nuser: me\n\n---\n```"
    assert turns(f"User: Hi\nAssistant: {answer[:0]}\n{answer}") == [[("u", "Hi"), ("a", answer)]]


def test_the_text_before_the_first_speaker_is_told():
    found = read("A title\n\nQ: Hi\nA: Ahoy")
    assert [finding.code for finding in found.findings] == ["read_as", "left_out"]


def test_headings_are_questions():
    found = read("# Guide\n\n## Who?\nMe.\n\n```\n# no heading\n```\n## Why?\nSo.\n", "a.md")
    assert [record.data for record in found.records] == [
        {"prompt": "Who?", "completion": "Me.\n\n```\n# no heading\n```"},
        {"prompt": "Why?", "completion": "So."},
    ]


def test_anything_else_is_paragraphs():
    found = read("One,\ntwo.\n \n\nThree: four.\n")
    assert [record.data for record in found.records] == [{"text": "One,\ntwo."}, {"text": "Three: four."}]
    assert found.file_format == "text" and found.findings[0].severity == "info"


def test_a_markdown_table_is_a_table():
    found = read("| question | answer |\n|---|:--|\n| a \\| b | c |\n")
    assert [record.data for record in found.records] == [{"question": "a | b", "answer": "c"}]


def test_nul_in_text_is_refused_with_its_place():
    with pytest.raises(InputError, match="Character 3 of the text is NUL"):
        read("ab\x00" + "c" * 50)


# --- Encodings ---

japanese = st.text(
    st.sampled_from("あいうえおかきくけこさしすせそのはをがでアイウエオカキ日本語東京今日天気元気質問回答猫犬。、「」"),
    min_size=8, max_size=60,
)  # fmt: skip


@given(words=japanese, encoding=st.sampled_from(["cp932", "euc_jp", "iso2022_jp", "utf-16", "utf-8-sig", "utf-32"]))
def test_japanese_comes_back_equal_from_every_usual_encoding(words, encoding):
    text = f"質問：{words}ですか\n回答：これは{words}です。"
    found = read(text.encode(encoding))
    assert [message["content"] for message in found.records[0].data["messages"]] == [
        f"{words}ですか", f"これは{words}です。"
    ]  # fmt: skip
    assert found.encoding == {"utf-8-sig": "utf-8"}.get(encoding, encoding)


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1252", "Café naïve — “quoted” it’s ok"), ("cp1252", "It’s fine, don’t worry."), ("cp1252", "é"),
        ("cp1252", "Grüße aus München, schöne Straße"), ("gb18030", "你好，今天天气怎么样？我很好谢谢。"),
        ("big5", "你好，今天天氣怎麼樣？我很好謝謝。"), ("cp949", "안녕하세요 오늘 날씨가 어때요"), ("cp932", "日本"),
        ("cp1251", "Привет, как дела? Всё хорошо."), ("cp932", "髙橋さん①は？～ですか、﨑"), ("cp932", "ﾃｽﾄです"),
        ("cp1250", "Příliš žluťoučký kůň úpěl"), ("utf-16-le", "question: why?"),
    ],
)  # fmt: skip
def test_other_encodings_are_recognised_and_told(encoding, words):
    found = read(words.encode(encoding))
    assert found.records[0].data == {"text": words}
    assert found.encoding == encoding
    assert found.findings[0].code == "encoding"


def test_accents_far_behind_are_seen():
    words = "plain words " * 20_000 + "très célèbre"
    assert read(words.encode("cp1252")).records[0].data == {"text": words}


@pytest.mark.parametrize("raw", ["日本語です。\n".encode() * 3 + b"\xff", "é è ê ë à".encode() + b"\xe9"])
def test_a_byte_that_does_not_belong_is_named(raw):
    with pytest.raises(InputError, match=f"Byte {len(raw)} of the file is not UTF-8"):
        read(raw)


def test_japanese_with_a_byte_that_does_not_belong_is_not_mangled():
    raw = "これは日本語の文章です。".encode("cp932") * 50 + b"\xff"
    with pytest.raises(InputError, match=rf"Shift_JIS \(cp932\), but byte {len(raw)} "):
        read(raw)
