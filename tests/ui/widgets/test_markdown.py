"""A model's answer as HTML: what is allowed in it, that nothing is lost, and how reasoning folds."""

import html
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from playground.ui.widgets.markdown import answer_html

ALLOWED = {
    "div": {"class"}, "details": {"class", "open"}, "summary": set(), "span": {"class"}, "p": {"class"}, "br": set(),
    "hr": set(), "h4": set(), "h5": set(), "h6": set(), "ul": set(), "ol": {"start"}, "li": {"value"},
    "blockquote": set(), "em": set(), "strong": set(), "s": set(), "code": {"class"}, "pre": {"data-info"},
    "a": {"href", "title", "rel", "target"}, "table": set(), "thead": set(), "tbody": set(), "tr": set(),
    "th": {"style"}, "td": {"style"},
}  # fmt: skip
VOID = {"br", "hr"}
SUMMARIES = ("Reasoning, cut off before the answer", "Reasoning so far", "Reasoning")


class Page(HTMLParser):
    """What a browser would make of it: tags with their attributes, text, and whether each tag is closed in order."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.opened, self.wrong = [], "", [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID and (not self.opened or self.opened.pop() != tag):
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.wrong.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def tags(source, name):
    return [attrs for tag, attrs in Page(source).tags if tag == name]


def inner(text, **given):
    """The HTML inside the answer's own box."""
    found = answer_html(text, **{"done": True, **given})
    return re.fullmatch(r'<div class="answer-prose(?: is-writing)?">(.*)</div>', found, re.DOTALL)[1]


def flat(text, **given):
    return inner(text, **given).replace("\n", "")


# Any text

PIECES = [
    "*", "**", "_", "~~", "`", "```", "~~~\n", "```py title\n", "[", "](", ")", "![", "](http://x.y/z", '"t"', "<", ">",
    "<b>", "</div>", "<script>", "<!--", "<![CDATA[", "<?", "&", "&lt;", "&#60;", "\\", "|", "|-|-|\n", "\n", "\n\n",
    "    ", "\t", "# ", "> ", "- ", "1. ", "17) ", "---\n", "===\n", "[r]: http://u.v\n", "<http://a.b>", "<c@d.e>",
    "javascript:", "data:image/png;base64,", "//h", "\0", "\r", "\x0c", "\ud800", "\udc00", "\u2028", "$", "{", "}",
    "word", "日本", "7", " ", "<think>", "</think>", "'", '"', "onclick=", "http://[", "%",
]  # fmt: skip
HOSTILE = st.one_of(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.text(max_size=200))
GIVEN = {"text": HOSTILE, "done": st.booleans(), "opened": st.booleans(), "language": st.sampled_from(["en", "ja"])}


@given(**GIVEN)
def test_only_allowed_tags_come_out_of_any_text(text, done, opened, language):
    source = answer_html(text, done=done, opened=opened, language=language)
    page = Page(source)
    assert not page.wrong and not page.opened
    for tag, attrs in page.tags:
        assert set(attrs) <= ALLOWED[tag]
        if tag == "a" and attrs:
            assert re.match(r"(https?|mailto):", attrs["href"], re.IGNORECASE)
            assert (attrs["rel"], attrs["target"]) == ("noopener noreferrer nofollow", "_blank")
        if "style" in attrs:
            assert attrs["style"] in ("text-align:left", "text-align:center", "text-align:right")
    assert not set("${`\0") & set(source)  # The first three mean something to Gradio's templates.
    source.encode("utf-8")


WORDS = st.integers(0, 99).map(lambda number: f"w{number}x")
WORDY = st.lists(st.one_of(WORDS, st.sampled_from(PIECES)), max_size=40).map("".join)


@given(text=WORDY, opened=st.booleans())
@example(text="[w1x]: http://w2x.y", opened=False)
@example(text="|w1x|\n|-|\n|w2x|w3x|w4x", opened=False)
@example(text="> " * 40 + "w1x", opened=False)
@example(text="```w1x w2x\nw3x", opened=False)
@example(text="![w1x [w2x](http://w3x 'w4x') ![w5x](http://w6x)](http://w7x 'w8x')", opened=False)
@example(text="<w1x>&w2x;<!-- w3x --><w4x@w5x.w6x>", opened=False)
def test_every_word_is_still_there(text, opened):
    page = Page(answer_html(text, done=True, opened=opened))
    kept = page.text + " ".join(unquote(value or "") for _, attrs in page.tags for value in attrs.values())
    assert [word for word in re.findall(r"w\d+x", text) if word not in kept] == []


LONG = """<think>
What is **asked**?
</think>
# Title

1. one
   ```py
   if a < b: pass
   ```
2. two with [a link](https://example.org "t") and `code`

| a | b |
|---|:-:|
| 1 | 2 |

> quoted *words* ~~gone~~ ![alt](http://x.y/z.png)
"""


@pytest.mark.parametrize("opened", [False, True])
def test_an_answer_may_be_cut_anywhere(opened):
    for end in range(len(LONG) + 1):
        page = Page(answer_html(LONG[:end], done=False, opened=opened))
        assert not page.wrong and not page.opened
        assert not re.search(r"</|<t", page.text) and page.text != "<"  # No tag, and no half of one.


@pytest.mark.parametrize("text", ["", " ", "\n", "\0", "\ud83d", "\udc00\ud800"])
def test_next_to_nothing_is_no_error(text):
    assert Page(answer_html(text, done=True)).text.strip("\ufffd \n") == ""


def test_halves_of_a_character_become_one_again():
    assert flat("\ud83d\ude00 \ud83d") == "<p>😀 \ufffd</p>"


def test_nul_is_nowhere():
    assert "\0" not in answer_html("\0" + "[" * 10_000 + "<think>\0", done=True)


# Time


@pytest.mark.parametrize(
    "mark", ["[", "*", ">", "![", "_~", "1. a\n", "- ", "[[a](x)", "|a", "<", "`", "a\n", "a\r", "[](http://a.b/c"]
)
def test_a_hostile_text_is_shown_as_it_came(mark):
    text = (mark * 10_000)[:10_000]
    assert (
        inner(text) == f'<p class="as-written">{html.escape(text).replace("`", "&#96;").replace(chr(13), chr(10))}</p>'
    )


def test_short_rows_cannot_blow_a_table_up():
    text = "|a" * 256 + "|\n" + "|-" * 256 + "|\n" + "|\n" * 256
    assert "as-written" in inner(text) and len(inner(text)) < 2 * len(text)


def test_links_weigh_more_than_their_marks():
    assert "as-written" in inner("[a](http://b.c) " * 300) and "as-written" not in inner("[a](http://b.c) " * 100)


def test_a_very_long_text_is_shown_as_it_came():
    assert "as-written" in inner("a " * 5_001) and "as-written" not in inner("a " * 5_000)


def test_too_deep_is_shown_as_it_came_and_not_cut():
    assert inner("> " * 30 + "deep") == f'<p class="as-written">{"&gt; " * 30}deep</p>'
    assert "<blockquote>" in inner("> " * 10 + "deep")


def test_a_long_honest_answer_is_markdown():
    answer = (LONG.partition("</think>")[2] + "\n") * 15
    assert "as-written" not in inner(answer)


# What Markdown becomes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo", "<p>one<br />two</p>"),
        ("# A\n\n###### B", "<h4>A</h4><h6>B</h6>"),
        ("Here:\n-", "<p>Here:<br />-</p>"),
        ("**a** *b* ~~c~~ `d<`", "<p><strong>a</strong> <em>b</em> <s>c</s> <code>d&lt;</code></p>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("3. a\n3. b", '<ol start="3"><li value="3">a</li><li value="3">b</li></ol>'),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ("<div>\nx\n</div>", "<p>&lt;div&gt;<br />x<br />&lt;/div&gt;</p>"),
        ("&copy; &lt;", "<p>&amp;copy; &amp;lt;</p>"),
        ("```c++ a=1\n<x>", '<pre data-info="c++ a=1"><code class="language-c++">&lt;x&gt;</code></pre>'),
        ('```"x\ny\n```', '<pre data-info="&quot;x"><code>y</code></pre>'),
        ("```\ny\n```", "<pre><code>y</code></pre>"),
        ("![a *b*](http://x/y.png)", '<p><span class="image">a b (http://x/y.png)</span></p>'),
        ("![<b>](http://x)", '<p><span class="image">&lt;b&gt; (http://x)</span></p>'),
        ("![a](data:image/png;base64,AA)", "<p>![a](data:image/png;base64,AA)</p>"),
        ("[a](javascript:x)", "<p>[a](javascript:x)</p>"),
        ("[a](/runs)", "<p>[a](/runs)</p>"),
        ("[a](//host/x)", "<p>[a](//host/x)</p>"),
        ("[a](xhttp:b)", "<p>[a](xhttp:b)</p>"),
        ("[a]()", "<p><a>a</a></p>"),
        ("a\r\nb\rc", "<p>a<br />b<br />c</p>"),
        ("[a]: http://b.c", "<p>[a]: http://b.c</p>"),
    ],
)
def test_markdown(text, expected):
    assert flat(text) == expected


@pytest.mark.parametrize("address", ["http://a.b/", "HTTPS://a.b/", "mailto:a@b.c"])
def test_links_go_to_three_kinds_of_addresses(address):
    found = tags(answer_html(f'[x]({address} "say")', done=True), "a")
    assert found == [{"href": address, "title": "say", "rel": "noopener noreferrer nofollow", "target": "_blank"}]


def cells(text):
    return re.findall(r"<td[^>]*>(.*?)</td>", inner(text))


def test_a_row_keeps_the_cells_that_its_head_has_no_column_for():
    head = "|a|b|\n|:-|-:|\n"
    assert cells(head + "|1|2|") == ["1", "2"]
    assert cells(head + "|1|2|**3**|4|") == ["1", "2 | <strong>3</strong> | 4"]
    assert cells(head + "1|2|3") == ["1", "2 | 3"]
    assert cells(head + "|1\n|1|x\\|y|z") == ["1", "", "1", "x|y | z"]
    assert '<div class="wide"><table>' in inner(head)


def test_a_table_may_follow_a_line_of_text():
    assert flat("Here:\n|a|\n|-|").startswith('<p>Here:</p><div class="wide"><table>')


# Reasoning


def reasoning(text, **given):
    """(summary, whether it is open, the reasoning's text, the answer's text); None in the first three without any."""
    source = inner(text, **given)
    found = re.match(
        r'<details class="reasoning"( open)?><summary>(.*?)</summary><div>(.*?)</div></details>', source, re.S
    )
    if not found:
        return None, None, None, Page(source).text.strip()
    return found[2], bool(found[1]), Page(found[3]).text.strip(), Page(source[found.end() :]).text.strip()


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("<think>a</think>b", {}, ("Reasoning", False, "a", "b")),
        ("\n <think>\na\n</think>\n\nb", {}, ("Reasoning", False, "a", "b")),
        ("<think>a</think>b", {"done": False}, ("Reasoning", True, "a", "b")),
        ("<think>a", {"done": False}, ("Reasoning so far", True, "a", "")),
        ("<think>", {"done": False}, ("Reasoning so far", True, "", "")),
        ("<think>a</thin", {"done": False}, ("Reasoning so far", True, "a", "")),
        ("<think>a<", {"done": False}, ("Reasoning so far", True, "a", "")),
        ("<think>a</thin", {}, ("Reasoning, cut off before the answer", False, "a</thin", "")),
        ("<think>\n\n</think>\n\nb", {}, (None, None, None, "b")),
        ("<think>", {}, (None, None, None, "")),
        ("<thi", {"done": False}, (None, None, None, "")),
        ("<thi", {}, (None, None, None, "<thi")),
        ("a</think>b", {"opened": True}, ("Reasoning", False, "a", "b")),
        ("a", {"opened": True, "done": False}, ("Reasoning so far", True, "a", "")),
        ("", {"opened": True, "done": False}, ("Reasoning so far", True, "", "")),
        ("<thi", {"opened": True, "done": False}, ("Reasoning so far", True, "", "")),
        ("<think>a</think>b", {"opened": True}, ("Reasoning", False, "a", "b")),
        ("a</think>b</think>c", {"opened": True}, ("Reasoning", False, "a", "b</think>c")),
        ("a</think>b", {}, (None, None, None, "a</think>b")),
        ("The <think> tag", {}, (None, None, None, "The <think> tag")),
        ("<think>a</think>b", {"language": "ja"}, ("思考", False, "a", "b")),
    ],
)
def test_reasoning_is_folded(text, given, expected):
    assert reasoning(text, **given) == expected


def test_an_answer_says_whether_it_is_being_written():
    assert 'class="answer-prose is-writing"' in answer_html("a", done=False)
    assert 'class="answer-prose"' in answer_html("a", done=True)
