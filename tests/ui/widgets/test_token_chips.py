from html.parser import HTMLParser

from playground.ui.widgets.token_chips import TOKENS_SHOWN, chips, legend, visible
from tests.ui.fake_backend import TOKENS


def token(text, **given):
    return {"id": 7, "text": text, "role": "user", "trained": False, "special": False, **given}


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def classes(html):
    return [attributes.get("class", "").split() for tag, attributes in Tags(html).tags if tag == "span"]


def test_a_chip_for_each_token_and_a_tag_where_a_role_begins():
    found = classes(chips(TOKENS, "en"))
    assert sum("k" in names for names in found) == len(TOKENS)
    assert [names[1] for names in found if "who" in names] == ["r-user", "r-assistant"]


def test_trained_special_and_cut_are_told_apart_by_class_and_by_title():
    html = chips([token("a", trained=True, special=True), token("b", cut=True)], "en")
    chip_names = [set(names) - {"k", "r-user"} for names in classes(html) if "k" in names]
    assert chip_names == [{"t", "x"}, {"c"}]
    assert 'title="id 7 · user · trained · special token"' in html
    assert 'title="id 7 · user · cut off"' in html


def test_the_titles_are_in_the_readers_language():
    assert "学習対象" in chips([token("a", trained=True)], "ja")


def test_whitespace_and_invisible_characters_can_be_seen():
    assert visible(" \t\u3000") == "<i>·</i><i>→</i><i>□</i>"
    assert visible("a\nb") == "a<i>↵</i>\nb"
    assert visible("\u200b\u202e\x00") == "<i>U+200B</i><i>U+202E</i><i>U+0000</i>"
    assert visible("日本語é") == "日本語é"


def test_a_newline_token_breaks_the_line_after_its_chip():
    assert chips([token("\n")], "en").count("</span><br>") == 1


def test_markup_in_tokens_and_roles_stays_text():
    hostile = '<img src=x onerror="alert(1)">${1}{{x}}`'
    html = chips([token(hostile, role=hostile)], "en")
    assert {tag for tag, _ in Tags(html).tags} <= {"div", "span", "i"}
    assert "${" not in html and "{{" not in html and "`" not in html


def test_long_rows_are_counted_not_drawn():
    html = chips([token("a")] * (TOKENS_SHOWN + 5), "en", left_out=10)
    assert sum("k" in names for names in classes(html)) == TOKENS_SHOWN
    assert "and 15 more tokens" in html


def test_the_legend_explains_only_what_is_there():
    words = legend([token("a")], "en")
    assert "user" in words and "trained" not in words and "assistant" not in words
    assert legend([], "en") == ""
