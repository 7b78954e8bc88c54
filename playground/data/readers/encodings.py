"""From bytes to text, and in which encoding it was written.

UTF-8 is tried first, then byte order marks, then what Japanese files are usually in, then charset-normalizer on a
sample. Japanese comes before it because it takes a short EUC-JP text for Korean: the two share their bytes, and only
kana tell them apart. Nothing is ever replaced: what is recognised must decode to the last byte.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field

from charset_normalizer import CharsetMatch, from_bytes

from playground.core.errors import InputError
from playground.core.findings import Finding
from playground.core.i18n import say
from playground.data.readers.bounds import note

_SAMPLE = 64_000
_LOOKED_AT = 2_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES = {
    "cp932": "Shift_JIS (cp932)",
    "euc_jp": "EUC-JP",
    "iso2022_jp": "ISO-2022-JP",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252",
    "gb18030": "GB18030",
    "big5": "Big5",
    "cp949": "EUC-KR (cp949)",
}
# In the order of preference where texts look equally sound; EBCDIC and the like are left out, since a short text in any
# encoding is "sound" in one of them.
_CANDIDATES = (
    "cp1252", "gb18030", "big5", "cp949", "cp932", "euc_jp", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254",
    "cp1255", "cp1256", "cp874", "cp1258",
)  # fmt: skip
_NO_CP932 = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\u30fc]")
_JAPANESE_SIGNS = re.compile(r"[\u3000-\u301c\u3041-\u3096\u30a1-\u30fc\uff01-\uff5e\u2026\u2015\u00d7\u2192]")


@dataclass(frozen=True)
class Decoded:
    """Text, its encoding, and what to tell about it."""

    text: str
    encoding: str
    findings: list[Finding] = field(default_factory=list)
    bad_byte: int | None = None
    """Place, from 1, of the first byte that is not UTF-8 in a file that otherwise is. In `text` such bytes are lone
    surrogates (PEP 383), so that a reader of rows can refuse those rows alone; others call `require_whole`."""

    def require_whole(self) -> str:
        """The text. Raises InputError where some byte of it could not be decoded."""
        if self.bad_byte is not None:
            raise _not_utf8(self.bad_byte)
        return self.text


def _not_utf8(place: int) -> InputError:
    return InputError(
        say("Byte {place} of the file is not UTF-8.", place=place),
        say("The rest of the file is."),
        say("Save the file again with the encoding UTF-8."),
    )


def decode(raw: bytes) -> Decoded:
    """The bytes as text. Raises InputError for what is no text, or is in no encoding that can be told."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _told(_strictly(raw, encoding), encoding)
    wide = _utf16_without_mark(raw)
    if wide:
        return _told(_strictly(raw, wide), wide)
    if b"\x1b$" in raw and raw.isascii():
        return _told(_strictly(raw, "iso2022_jp"), "iso2022_jp")
    try:
        return Decoded(raw.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as problem:
        place = problem.start + 1
    text = raw.decode("utf-8", "surrogateescape")
    if _has_halves(raw) or _mostly_utf8(raw, text):
        return Decoded(text, "utf-8", bad_byte=place)
    encoding = _japanese(raw) or _recognised(raw)
    if not encoding:
        raise InputError(
            say("Byte {place} of the file is not UTF-8.", place=place),
            say("Which encoding it is cannot be told."),
            say("Save the file again with the encoding UTF-8."),
        )
    return _told(_strictly(raw, encoding), encoding)


def _told(text: str, encoding: str) -> Decoded:
    if encoding == "utf-8-sig":
        return Decoded(text, "utf-8")
    name = _NAMES.get(encoding, encoding)
    fix = say("If words look wrong in the rows, save the file again with the encoding UTF-8.")
    return Decoded(text, encoding, [note("encoding", say("Read as {encoding}.", encoding=name), fix)])


def _strictly(raw: bytes, encoding: str) -> str:
    try:
        text = raw.decode(encoding)
        # Python makes private characters of the five bytes that cp932 does not have.
        stray = _NO_CP932.search(text) if encoding == "cp932" else None
        if stray is None:
            return text
        place = len(text[: stray.start()].encode(encoding))
    except UnicodeDecodeError as problem:
        place = problem.start
    raise InputError(
        say(
            "The file looks like {encoding}, but byte {place} does not belong to it.",
            encoding=_NAMES.get(encoding, encoding.removesuffix("-sig").upper()),
            place=place + 1,
        ),
        say("Each byte has to be text in one encoding."),
        say("Save the file again with the encoding UTF-8."),
    )


def _utf16_without_mark(raw: bytes) -> str:
    """utf-16-le or -be where every other byte of a beginning is 0, as in Latin text and in JSON; "" elsewhere.

    Raises InputError where the zeros lie otherwise: that is no text. A few of them may stand in a row that then fails.
    """
    beginning = raw[:4096]
    odd, even = beginning[1::2].count(0), beginning[::2].count(0)
    if (odd + even) * 8 <= len(beginning):
        return ""
    if len(raw) % 2 == 0 and min(odd, even) * 20 < max(odd, even):
        return "utf-16-le" if odd > even else "utf-16-be"
    raise InputError(
        say("The file is not text."),
        say("Rows are JSON objects, a table, or questions and answers."),
        say("Export the rows as JSON Lines and try again."),
    )


def _has_halves(raw: bytes) -> bool:
    """Whether bytes would be UTF-8 but for halves of surrogate pairs, which pasted text may have."""
    try:
        raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(raw: bytes, text: str) -> bool:
    """Whether bytes are UTF-8 with a fault: far more characters beyond ASCII in it than stray bytes.

    `text`: the bytes decoded with surrogateescape, each stray byte a character of its own.
    """
    stray = len(text) - len(raw.decode("utf-8", "ignore"))
    wide = len(text) - len(text.encode("ascii", "ignore")) - stray
    return wide >= 4 * stray


def _japanese(raw: bytes) -> str:
    """cp932 or euc_jp where the bytes make plausible Japanese in it, else ""."""
    scores = []
    for encoding in ("cp932", "euc_jp"):
        # A fault far behind should not hide the encoding: decoding it strictly then names the byte.
        score = _plausible(_sample(raw).decode(encoding, "replace"), encoding)
        if score:
            scores.append((score, encoding))
    return max(scores)[1] if scores else ""


def _plausible(text: str, encoding: str) -> float:
    """How far the characters beyond ASCII are everyday Japanese: 0 (no) to 2.

    Everyday: kana, full-width signs, and kanji of JIS level 1. They stand together, where the accents of a Latin text
    stand alone. Kana must be among them unless there are few, for GB2312 and EUC-KR share EUC-JP's rows of kanji.
    """
    if text.count("\ufffd") > len(text) // 500:
        return 0.0
    runs = re.findall(r"[^\x00-\x7f\ufffd]+", text)
    words = "".join(runs)[:_LOOKED_AT]
    if not words:
        return 0.0
    together = sum(len(run) for run in runs if len(run) > 1) / sum(len(run) for run in runs)
    kana = len(_KANA.findall(words)) / len(words)
    everyday = sum(bool(_JAPANESE_SIGNS.match(character)) or _is_level_1(character) for character in words) / len(words)
    few = encoding == "cp932" or len(words) < 8
    # Names have kanji beyond level 1, and cp932 has signs of its own: among many kana they are no surprise.
    if everyday < (0.8 if kana < 0.2 else 0.6) or together < 0.5 or (kana < 0.05 and not few):
        return 0.0
    return everyday + kana


def _is_level_1(character: str) -> bool:
    """Whether a character is one of the 2,965 kanji of JIS X 0208 level 1: rows 16 to 47."""
    try:
        raw = character.encode("euc_jp")
    except UnicodeEncodeError:
        return False
    return len(raw) == 2 and 0xB0 <= raw[0] <= 0xCF


def _sample(raw: bytes) -> bytes:
    """Lines with bytes beyond ASCII, about 64 kB of them: in a large file the beginning may have none."""
    first = re.search(rb"[\x80-\xff]", raw)
    if first is None or len(raw) <= _SAMPLE:
        return raw
    start = raw.rfind(b"\n", 0, first.start()) + 1
    start = max(start, first.start() - 200)
    end = raw.rfind(b"\n", start, start + _SAMPLE)
    if end > first.start():
        return raw[start:end]
    # One long line: cut behind a byte that is no part of a longer character in any of these encodings.
    sample = raw[start : start + _SAMPLE]
    return sample[: max(sample.rfind(sign) for sign in b" \"',.") + 1] or sample


def _recognised(raw: bytes) -> str:
    """What charset-normalizer takes it for, "" where it finds nothing sound."""
    matches = from_bytes(_sample(raw), cp_isolation=list(_CANDIDATES), threshold=0.3)
    best = matches.best()
    if best is None:
        return ""
    # It lists encodings that read the same, or look as sound, in an order of its own: cp1250 before cp1252.
    equal: set[str] = set()
    for match in matches:
        if _as_sound(match, best):
            equal.update(match.could_be_from_charset)
    return next((encoding for encoding in _CANDIDATES if encoding in equal), best.encoding)


def _as_sound(match: CharsetMatch, best: CharsetMatch) -> bool:
    return match.chaos <= best.chaos + 0.02 and match.coherence >= best.coherence - 0.1
