"""Obvious personal data and secrets in words: what a model would learn by heart and might say to anybody.

    "Write to ann@acme.co"  ->  find_private: [("email", 9, 20)]    masked: "Write to [email]"

Kinds: email, phone, card, iban, my_number, key, private_key, token. Conservative on purpose, since a list of false
alarms is not read: a card must pass Luhn's check, an IBAN its mod 97 (ISO 13616), a Japanese My Number stands behind
its name, a key has the shape its maker gives it. What documentation is made of stays: example.com, 555-01xx, groups
of zeros, AWS's EXAMPLE keys. Not looked for: names, postal and IP addresses, passwords without a shape of their own.

Why patterns of our own: detect-secrets has had no release since 2024 and reads source code, presidio needs a language
model for each language. Every pattern is linear in the text: repetitions are bounded or possessive, and a start in the
middle of a run of the same characters is refused by a look behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from playground.core.i18n import Sentence, say

Found = tuple[str, int, int]
"""(kind, start, end) in characters of the text."""

_SEPARATOR = r"[ .()\-]"
_LONG_NUMBER = re.compile(rf"[0-9](?:{_SEPARATOR}{{0,2}}+[0-9]){{8}}")
"""Nine digits: no phone, card, IBAN or My Number has fewer, and most messages have none."""

_WIDE = re.compile("[\uff10-\uff19\uff20]")
_NARROW = {0xFF10 + digit: 0x30 + digit for digit in range(10)} | str.maketrans("＠＋－‐−–（）．　", "@+----(). ")
_LONG_VOWEL = re.compile(r"(?<=[0-9])ー(?=[0-9])")

_EMAIL = re.compile(
    r"([A-Za-z0-9](?<![A-Za-z0-9._%+-].)[A-Za-z0-9._%+-]{0,63})@((?:[A-Za-z0-9-]{1,63}\.){1,8}([A-Za-z]{2,24}))(?![\w@-])",
    re.ASCII,
)
_NOBODY = {"git", "noreply", "no-reply", "donotreply", "do-not-reply"}
_RESERVED_NAMES = {"example", "test", "invalid", "localhost", "local"}
"""RFC 2606 and RFC 6762: names that never belong to anybody."""
_FILE_ENDINGS = {"png", "jpg", "jpeg", "gif", "svg", "webp", "js", "mjs", "css", "json", "html", "tgz"}
"""logo@2x.png and jquery@3.7.min.js are no addresses."""

_KEYS = [
    (marks, kind, re.compile(pattern, re.ASCII))
    for marks, kind, pattern in (
        (("AKIA", "ASIA"), "key", r"A(?<![A-Za-z0-9_-].)(?:KIA|SIA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
        (("ecret", "ECRET"), "key", r"[A-Za-z0-9/+](?<=[=:\"' ].)[A-Za-z0-9/+]{39}(?![A-Za-z0-9/+=])"),
        (("gh",), "key", r"g(?<![A-Za-z0-9_-].)h[pousr]_[A-Za-z0-9]{36,}+"),
        (("github_pat_",), "key", r"g(?<![A-Za-z0-9_-].)ithub_pat_[A-Za-z0-9_]{50,}+"),
        (("glpat-",), "key", r"g(?<![A-Za-z0-9_-].)lpat-[A-Za-z0-9_-]{20,}+"),
        (("sk-",), "key", r"s(?<![A-Za-z0-9_-].)k-[A-Za-z0-9_-]{32,}+"),
        (("k_live_",), "key", r"[sr](?<![A-Za-z0-9_-].)k_live_[A-Za-z0-9]{20,}+"),
        (("hf_",), "key", r"h(?<![A-Za-z0-9_-].)f_[A-Za-z0-9]{30,}+"),
        (("xox",), "key", r"x(?<![A-Za-z0-9_-].)ox[abeoprs]-[0-9]{8,}+-[A-Za-z0-9-]{10,}+"),
        (("AIza",), "key", r"A(?<![A-Za-z0-9_-].)Iza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
        (("eyJ",), "token", r"e(?<![A-Za-z0-9_-].)yJ[A-Za-z0-9_-]{10,}+\.eyJ[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{10,}+"),
    )
]
"""(what must stand in the text at all, kind, pattern): AWS id and secret, GitHub, GitLab, OpenAI and Anthropic, Stripe,
Hugging Face, Slack, Google, JSON Web Tokens."""
_AWS_SECRET_NAME = re.compile(r"secret_?(?:access_?)?key[\"']?\s{0,3}[=:]\s{0,3}[\"']?$", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"-----(BEGIN|END) (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_LEAST_KEY_BODY = 40

_PHONE_ABROAD = re.compile(rf"[+](?<![\w+].)[1-9](?:{_SEPARATOR}{{0,2}}+[0-9]){{8,14}}+(?![0-9])", re.ASCII)
_PHONE_JAPAN = re.compile(
    r"[(0](?<![\w.+-].)(?:(?:(?<=[(])0[0-9]{1,4}[)][- ]?|(?<=0)[0-9]{1,4}[-( ])([0-9]{1,4})[-) ]([0-9]{4})"
    r"|(?<=0)[789]0([1-9][0-9]{3})([0-9]{4}))(?![0-9A-Za-z-])",
    re.ASCII,
)
_PHONE_US = re.compile(
    r"[(1-9](?<![\w.+-].)(?:(?<=1)[-. ][(]?[2-9][0-9]{2}[-.)]|(?<=[2-9])[0-9]{2}[-.]|(?<=[(])[2-9][0-9]{2}[)]) ?"
    r"[2-9][0-9]{2}[-.][0-9]{4}(?![0-9A-Za-z-])",
    re.ASCII,
)
_NO_PERSON_US = {"800", "888", "877", "866", "855", "844", "833", "822", "900"}
_NO_PERSON_JAPAN = ("0120", "0800", "0570", "0990")
_CARD = re.compile(
    r"[2-6](?<![\w.+-].)[0-9]{3}(?:([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}|([ -]?)[0-9]{6}\2[0-9]{4,5})(?![\w-]|[.][0-9])",
    re.ASCII,
)
_CARD_MAKERS = re.compile(
    "(?:4|5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|35[2-8]|6011|64[4-9]|65)[0-9]{12,}$"
    "|3[47][0-9]{13}$|3(?:0[0-5]|6|8)[0-9]{11,12}$"
)
"""Beginning and length. American Express has 15 digits, Diners Club 14, the others 16."""
_IBAN = re.compile(r"[A-Z](?<![A-Za-z0-9].)[A-Z][0-9]{2}(?: ?[A-Z0-9]{4}){2,7}+(?: ?[A-Z0-9]{1,3}(?![A-Za-z0-9]))?")
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "BE": 16, "BG": 22, "BR": 29, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18,
    "EE": 20, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26,
    "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25,
    "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TR": 26, "UA": 29,
}  # fmt: skip
_MY_NUMBER = re.compile(
    r"(?:マイナンバー|個人番号|[Mm]y ?[Nn]umber|[Ii]ndividual [Nn]umber)[^0-9\n]{0,20}"
    r"([0-9]{4}([ -]?)[0-9]{4}\2[0-9]{4})(?![0-9])"
)


def find_private(text: str) -> list[Found]:
    """What looks private in `text`, in order and without overlap. Any characters, lone surrogates too."""
    if not text.isascii() and _WIDE.search(text):
        # Each character stays one character, so that the places are those of the given text.
        text = _LONG_VOWEL.sub("-", text.translate(_NARROW))
    found: list[Found] = []
    if "PRIVATE KEY" in text:
        found += _private_keys(text)
    for marks, kind, pattern in _KEYS:
        if any(mark in text for mark in marks):
            found += ((kind, *match.span()) for match in pattern.finditer(text) if _is_a_key(text, match, marks[0]))
    if "@" in text:
        found += (("email", *match.span()) for match in _EMAIL.finditer(text) if _is_somebodys(match))
    if _LONG_NUMBER.search(text):
        found += _numbers(text)
    return _without_overlap(found) if len(found) > 1 else found


def masked(text: str) -> str:
    """The text with each find replaced by its kind in brackets: [email], [phone], [card], [key], …"""
    parts = []
    done = 0
    for kind, start, end in find_private(text):
        parts += [text[done:start], f"[{kind}]"]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def hint(found: str) -> str:
    """A found piece of text as it may be shown: enough to find it again, too little to use it.

    "ann@acme.co" -> "an…@…", "090-1234-5678" -> "090…"
    """
    if "@" in found:
        local = found.split("@")[0]
        return local[: min(2, len(local) // 2)] + "…@…"
    return found.lstrip("-")[:3].strip() + "…"


def kind_in_words(kind: str) -> Sentence:
    """What a kind is, for a sentence that tells of it."""
    names = {
        "email": say("an e-mail address"),
        "phone": say("a phone number"),
        "card": say("a card number"),
        "iban": say("a bank account (IBAN)"),
        "my_number": say("a My Number"),
        "key": say("an access key"),
        "private_key": say("a private key"),
    }
    return names.get(kind, say("an access token"))


def _without_overlap(found: list[Found]) -> list[Found]:
    """The earliest and, of those, the longest. Equal stretches: the kind that was looked for first."""
    kept: list[Found] = []
    for item in sorted(found, key=lambda item: (item[1], -item[2])):
        if not kept or item[1] >= kept[-1][2]:
            kept.append(item)
    return kept


def _private_keys(text: str) -> Iterator[Found]:
    """Blocks from BEGIN to END; one that is cut short reaches to the end of the text."""
    start: tuple[int, int] | None = None
    for match in _PRIVATE_KEY.finditer(text):
        if match[1] == "BEGIN":
            start = start or match.span()
        elif start:
            if match.start() - start[1] >= _LEAST_KEY_BODY:  # Shorter is "…", as documentation shows it.
                yield "private_key", start[0], match.end()
            start = None
    if start and len(text) - start[1] >= _LEAST_KEY_BODY:
        yield "private_key", start[0], len(text)


def _is_a_key(text: str, match: re.Match[str], mark: str) -> bool:
    word = match[0]
    body = word[8:]
    if len(set(body)) < 8 or "EXAMPLE" in word.upper() or "your" in word.lower():
        return False  # xxxxxxxx, AKIAIOSFODNN7EXAMPLE
    if mark == "ecret":
        return bool(_AWS_SECRET_NAME.search(text, max(0, match.start() - 40), match.start()))
    if mark == "sk-":  # Class names of style sheets start with it too, in small letters.
        return any("A" <= letter <= "Z" for letter in body) and any("0" <= letter <= "9" for letter in body)
    return True


def _is_somebodys(match: re.Match[str]) -> bool:
    local, domain, ending = match[1].lower(), match[2].lower(), match[3].lower()
    return (
        local not in _NOBODY
        and ".." not in match[0]
        and ending not in _FILE_ENDINGS
        and _RESERVED_NAMES.isdisjoint(domain.split("."))
    )


def _numbers(text: str) -> Iterator[Found]:
    for match in _MY_NUMBER.finditer(text):
        if len(set(_digits(match[1]))) > 1:
            yield "my_number", *match.span(1)
    for match in _IBAN.finditer(text):
        if end := _iban_end(match[0]):
            yield "iban", match.start(), match.start() + end
    for match in _CARD.finditer(text):
        digits = _digits(match[0])
        if _CARD_MAKERS.match(digits) and _passes_luhn(digits):
            yield "card", *match.span()
    for match in _PHONE_ABROAD.finditer(text):
        if _is_a_phone_abroad(match[0]):
            yield "phone", *match.span()
    for match in _PHONE_JAPAN.finditer(text):
        if _is_a_phone_in_japan(_digits(match[0])) and _is_taken(*(group for group in match.groups() if group)):
            yield "phone", *match.span()
    for match in _PHONE_US.finditer(text):
        if _is_a_phone_in_america(_digits(match[0])[-10:]):
            yield "phone", *match.span()


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter.isdigit())


def _is_taken(*groups: str) -> bool:
    """Whether no group is all zeros, as the numbers of forms and examples are."""
    return all(group.strip("0") for group in groups)


def _is_a_phone_in_japan(digits: str) -> bool:
    length = 11 if digits.startswith(("050", "070", "080", "090")) else 10
    return len(digits) == length and digits[1] != "0" and not digits.startswith(_NO_PERSON_JAPAN)


def _is_a_phone_in_america(digits: str) -> bool:
    return digits[:3] not in _NO_PERSON_US and digits[3:6] != "555" and _is_taken(digits[6:])


def _is_a_phone_abroad(number: str) -> bool:
    groups = re.findall("[0-9]+", number)
    digits = "".join(groups)
    if len(groups) > 6 or (len(groups) == 1 and len(digits) < 10) or "0000" in digits:
        return False
    if digits[0] == "1":
        return len(digits) == 11 and digits[1] > "1" and digits[4] > "1" and _is_a_phone_in_america(digits[1:])
    return True


def _passes_luhn(digits: str) -> bool:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(value - 9 * (value > 9) for value in doubled)) % 10 == 0


def _iban_end(text: str) -> int:
    """How many characters of `text` are an IBAN; 0: it is none. A word in capitals behind it may have been caught."""
    wanted = _IBAN_LENGTHS.get(text[:2], 0)
    places = [place for place, letter in enumerate(text) if letter != " "][:wanted]
    if not wanted or len(places) < wanted:
        return 0
    letters = "".join(text[place] for place in places)
    number = "".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])
    return places[-1] + 1 if int(number) % 97 == 1 else 0
