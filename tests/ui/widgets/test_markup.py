from playground.core.errors import InputError
from playground.core.i18n import Sentence
from playground.ui.widgets.markup import escape, refusal


def test_escape_leaves_nothing_for_html_or_for_the_browsers_templates():
    assert escape("<a href='x'>${y}{{z}}`") == "&lt;a href=&#x27;x&#x27;&gt;&#36;&#123;y}&#123;&#123;z}}&#96;"


def test_a_refusal_keeps_its_three_parts_apart():
    html = refusal(InputError(Sentence("A."), Sentence("B."), Sentence("C.")), "en")
    assert html.count("<p>") == 3 and 'role="alert"' in html
