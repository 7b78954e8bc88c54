"""What the linter says about the messages of one row."""

import pytest

from playground.data.lint import LintFacts, lint, words_of
from playground.data.schemas.rendered_text import read_loosely
from tests.data.lint.rows import FACTS, assistant, found, named, qa, row, system, user

TOOL = {"role": "tool", "content": "22 degrees"}
CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}]}


@pytest.mark.parametrize(
    ("messages", "said", "merges"),
    [
        ([user("a b"), user("c d"), assistant("e")], "messages 1 and 2 are both from user", True),
        ([user("a"), assistant("b"), assistant("c")], "messages 2 and 3 are both from assistant", True),
        ([user("a"), CALL, assistant("c")], "messages 2 and 3 are both from assistant", False),
        ([user("a"), {**assistant("b"), "x": 0}, assistant("c")], "messages 2 and 3 are both from assistant", False),
        ([user([{"type": "text", "text": "a"}]), user("b"), assistant("c")], "messages 1 and 2 are both", False),
        ([assistant("Hello!"), user("Hi"), assistant("b")], "begins with assistant (message 1)", False),
        ([system("s"), assistant("Hello!"), user("Hi"), assistant("b")], "begins with assistant (message 2)", False),
        ([TOOL, assistant("b")], "begins with tool (message 1)", False),
        ([user("a"), system("s"), assistant("b")], "system prompt is message 2", False),
        ([user("a"), assistant("b"), user("c")], "ends with user (message 3)", False),
        ([user("a"), CALL, TOOL], "ends with tool (message 3)", False),
    ],
)
def test_role_order(messages, said, merges):
    (finding,) = found([row(3, *messages)], "role_order")
    assert str(finding.message).startswith("Row 3") and said in finding.message
    assert finding.severity == "warning" and finding.row == 3
    assert ("merge" in finding.edits) == merges and {"drop", "keep"} <= set(finding.edits)


@pytest.mark.parametrize(
    "messages",
    [
        [user("a"), assistant("b")],
        [system("s"), user("a"), assistant("b"), user("c"), assistant("d")],
        [{"role": "developer", "content": "s"}, system("t"), user("a"), assistant("b")],
        [user("a"), CALL, TOOL, TOOL, assistant("b")],
        [assistant("Plain text to go on with.")],
    ],
)
def test_order_of_a_chat(messages):
    assert not found([row(3, *messages)], "role_order")


def test_each_fault_of_the_order_is_said():
    findings = found([row(1, assistant("a"), assistant("b"), system("s"), user("c"))], "role_order")
    assert len(findings) == 4


@pytest.mark.parametrize(
    ("answer", "said", "emptied"),
    [
        ("", "is empty", True),
        (" \n\t", "only white space", True),
        ("\u3000", "only white space", True),
        (" " * 500, "only white space", True),
        ("\u200b" * 50, "only white space", False),
        ("...", "only punctuation: ...", False),
        ("…", "only punctuation: …", False),
        ("。", "only punctuation", False),
        ("N/A", "placeholder: N/A", False),
        (" todo. ", "placeholder: todo.", False),
        ("未回答", "placeholder", False),
        ([{"type": "text", "text": ""}], "is empty", True),
    ],
)
def test_empty_answer(answer, said, emptied):
    (finding,) = found([row(5, user("q"), assistant("ok"), user("r"), assistant(answer))], "empty_answer")
    assert "Row 5" in finding.message and said in finding.message and "message 4" in finding.message
    assert ("drop_empty" in finding.edits) == emptied


@pytest.mark.parametrize("answer", ["No", "None", "NA", "0", "+", "<", "なし", "🙂", "Nothing to do here: TODO lists"])
def test_short_answers_are_answers(answer):
    assert not found([qa(1, "q", answer)], "empty_answer")


def test_calls_and_thoughts_are_answers():
    thought = {"role": "assistant", "content": "", "reasoning_content": "Better say nothing."}
    assert not found([row(1, user("q"), CALL, TOOL, thought)], "empty_answer")
    assert not found([row(1, user(""), assistant("b"))], "empty_answer")


@pytest.mark.parametrize("text", [" a", "a\n", "\u3000a", "a\u00a0"])
def test_outer_whitespace(text):
    (finding,) = found(
        [qa(2, "q", "fine"), row(7, user(text), assistant("b"), user("c"), assistant(text))][1:], "outer_whitespace"
    )
    assert "message 1, 4" in finding.message and finding.severity == "info" and "trim" in finding.edits


def test_inner_whitespace_is_nobodys_business():
    blocks = [{"type": "text", "text": ""}, {"type": "text", "text": "a"}]
    assert not found([qa(1, "a\n\n  b", "c \t d"), row(2, user(blocks), assistant(""))], "outer_whitespace")


def test_answer_cut():
    rows = [
        qa(1, "q", "a"),
        qa(2, "q", "b", length=900, kept=512, answer_cut=True),
        qa(3, "q", "c", length=700, kept=512),
    ]
    (finding,) = found(rows, "answer_cut")
    assert finding.row == 2 and "900" in finding.message and "512" in finding.message and "900" in finding.fix


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Bye<|im_end|>", "<|im_end|>"),
        ("<b><|im_start|>system x", "<|im_start|>"),
        ("a </s> b", "</s>"),
        ("[</s>]", "</s>"),
    ],
)
def test_real_control_tokens(text, name):
    (finding,) = found([row(4, user("q"), assistant(text))], "control_tokens")
    assert finding.severity == "warning" and name in finding.message and "message 2" in finding.message
    assert "remove_control_tokens" in finding.edits


@pytest.mark.parametrize("text", ["Use [INST] and [/INST]", "<start_of_turn>user x", "<|eot_id|>", "<｜User｜>"])
def test_control_tokens_of_others(text):
    (finding,) = found([row(4, user(text), assistant("b"))], "control_tokens")
    assert (
        finding.severity == "info" and "remove_control_tokens" not in finding.edits and "message 1" in finding.message
    )


@pytest.mark.parametrize("end", ["</s>", " <end_of_turn>\n", "<|endoftext|>", "<|eot_id|><|eot_id|>"])
def test_an_end_of_other_models_behind_an_answer(end):
    facts = LintFacts(512, ("<|im_start|>", "<|im_end|>"), 8, None, 1.0)
    (finding,) = found([qa(4, "q", f"b{end}")], "control_tokens", facts)
    assert finding.severity == "warning" and end.strip()[:5] in finding.message
    assert finding.edits == ["remove_control_tokens", "drop", "keep"]
    (finding,) = found([qa(4, "q", f"a {end} b")], "control_tokens", facts)
    assert finding.severity == "info"


RENDERED = [
    ("Where?<|im_end|>\n<|im_start|>assistant\nThere.<|im_end|>", "<|im_end|>, <|im_start|>"),
    ("<|im_start|>narrator\nOnce.<|im_end|>\n<|im_start|>assistant\nThere.<|im_end|>", "<|im_start|>, <|im_end|>"),
    ("Where? [/INST] There. </s>", "[/INST], </s>"),
    ("<|start|>user<|message|>Where?<|end|>", "<|start|>, <|message|>, <|end|>"),
    ("You are a clerk.\n\n### Instruction:\nWhere?\n\n### Response:\nThere.", "### Instruction:, ### Response:"),
    ("### 指示:\nどこ？\n\n### 応答:\nそこ。\n\n### 入力:\nx", "### 指示:, ### 応答:"),
    ("User: Where?\nAssistant: There.", "User:, Assistant:"),
    ("質問：どこ？\n回答：そこ。", "質問：, 回答："),
    ("Be brief. USER: Where? ASSISTANT: There.</s>", "USER:, ASSISTANT:"),
]


@pytest.mark.parametrize(("text", "names"), RENDERED)
def test_words_that_look_rendered_are_told_with_their_markers(text, names):
    """And never with an edit that takes the markers out and leaves the names of roles behind."""
    (finding,) = found([row(4, assistant(text))], "rendered_already")
    assert finding.severity == "warning" and names in finding.message
    assert [edit for edit in finding.edits if edit != "read_back"] == ["drop", "keep"]
    assert ("read_back" in finding.edits) == (read_loosely([assistant(text)]) is not None)
    assert not found([row(4, assistant(text))], "control_tokens")


@pytest.mark.parametrize(
    "text",
    ["Use [INST] for Llama", "# Human\nAll of us.\n# Assistant\nNobody.", "a [/INST] b", "Not <s>old</s>", "<b>Hi</b>"],
)
def test_a_word_about_a_marker_is_a_word(text):
    assert not found([row(4, assistant(text))], "rendered_already")


def test_a_transcript_within_a_question_is_a_question():
    assert not found([qa(4, "User: Hi\nAssistant: Ahoy\n\nSum up.", "They greet.")], "rendered_already")


def test_a_real_one_is_said_before_its_likes():
    (finding,) = found([row(4, user("[INST]"), assistant("x </s>"))], "control_tokens")
    assert finding.severity == "warning" and "message 2" in finding.message and "[INST]" not in finding.message


def test_tokens_of_any_shape_are_found_and_ordinary_text_is_not():
    facts = LintFacts(512, ("\n\n", "  ", "the", "@@END@@", "<think>", "<s>"), 8, None, 1.0)
    assert named([qa(1, "q", "x @@END@@ y")], "control_tokens", facts) == [1]
    assert named([qa(1, "<think>", "b")], "control_tokens", facts) == [1]
    text = "<think>the  words</think>\n\n<table> a[0] < b [1] <strong>"
    assert not found([qa(1, "a < b", text)], "control_tokens", facts)
    assert not found([qa(1, "<table> a < b, list[0], <s>no</s>"[:26], "<div>")], "control_tokens", FACTS)


SECRET = "anna.schmidt@acme.co"


def test_private_data_is_masked():
    number = "+49 171 2345678"
    rows = [qa(1, "hello", "you"), qa(2, f"I am {SECRET}", "ok"), qa(3, f"{number}, {SECRET}", SECRET)]
    one, several = found(rows, "private_data")
    assert (one.row, several.row) == (2, 3) and "an e-mail address" in one.message and "3 places" in several.message
    assert one.severity == "warning" and one.edits == ["mask", "drop", "keep"]
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "mail", "arguments": {"to": SECRET}}}]}
    assert named([row(9, user("q"), call)], "private_data") == [9]


def test_no_finding_holds_a_secret():
    rows = [qa(number, f"q{number}", f"Write to {SECRET}") for number in range(1, 12)]
    rows += [qa(12, SECRET, SECRET + "<|im_end|> "), qa(13, SECRET, "..."), qa(14, SECRET, "b"), qa(15, SECRET, "b")]
    findings = lint(rows, FACTS)
    assert {"private_data", "repeated_answer", "duplicate", "contradiction"} <= {finding.code for finding in findings}
    assert not [
        finding for finding in findings if SECRET in str(finding.to_dict()) or "schmidt" in str(finding.to_dict())
    ]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"role": "user", "content": "Hi"}, "Hi"),
        ({"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image"}, {"text": "you"}]}, "Hi\nyou"),
        ({"role": "assistant", "tool_calls": [{}]}, ""),
        ({"role": "assistant", "content": None}, ""),
        ({"role": "user", "content": {"odd": 1}}, ""),
        ({"role": "user", "content": "a\ud800b"}, "a?b"),
    ],
)
def test_words_of(message, words):
    assert words_of(message) == words


def test_half_a_surrogate_pair_anywhere_is_no_reason_to_fail():
    half = "\ud800"
    odd = {"role": half, "content": half, "name": half, "tool_calls": [{half: half}], "reasoning_content": half}
    assert lint([row(1, odd, user(half), assistant(half)), row(2, odd), row(3, odd)], FACTS)


def test_nothing_but_blanks_is_not_trimmed():
    assert not found([qa(1, " ", "\n")], "outer_whitespace")
