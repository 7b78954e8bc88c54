"""What is packed in .gz or .zip: one file of rows, unpacked under a limit.

Sizes that an archive states about itself are read to refuse early, never to trust: what comes out is counted.
Names inside it are shown and their suffix is read; none becomes a path.
"""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO

from playground.core.errors import InputError
from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.settings import Limits
from playground.data.readers.bounds import expanded_limit, note, too_large
from playground.data.source import SUFFIXES, Source

GZIP = b"\x1f\x8b"
ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_CHUNK = 1 << 20
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)
_DAMAGED_NAMES = (UnicodeDecodeError, ValueError, IndexError)


def unpack(source: Source, limits: Limits) -> tuple[Source, list[Finding]]:
    """The file inside, with what there is to say about the choice; the source itself where nothing is packed.

    Raises InputError for an archive that is damaged, locked, in another archive, or holds no rows; LimitError for one
    that holds too much.
    """
    findings: list[Finding] = []
    if source.raw.startswith(GZIP):
        name = source.name[: -len(".gz")] if source.name.lower().endswith(".gz") else source.name
        inner = Source(_gunzip(source.raw, limits), name)
    elif is_zip(source.raw) and not is_workbook(source.raw):
        inner, findings = _unzip(source.raw, limits)
    else:
        return source, []
    if inner.raw.startswith(GZIP) or (is_zip(inner.raw) and not is_workbook(inner.raw)) or _is_tar(inner.raw):
        raise InputError(
            say("The archive holds another archive."),
            say("A .gz or .zip holds one file of rows."),
            say("Unpack it once and upload what is inside."),
        )
    return inner, findings


def is_zip(raw: bytes) -> bool:
    return raw.startswith(ZIP)


def is_workbook(raw: bytes) -> bool:
    """Whether a zip is an Excel workbook. A damaged one is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (*_DAMAGED, *_DAMAGED_NAMES):
        return False


def _is_tar(raw: bytes) -> bool:
    return raw[257:262] == b"ustar"


def read_bounded(stream: IO[bytes] | gzip.GzipFile, most: int, limits: Limits) -> bytes:
    """All of a stream that unpacks as it is read. Raises LimitError beyond `most` bytes, before they are kept."""
    parts, size = [], 0
    while part := stream.read(_CHUNK):
        size += len(part)
        if size > most:
            raise too_large(limits)
        parts.append(part)
    return b"".join(parts)


def _gunzip(raw: bytes, limits: Limits) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            return read_bounded(stream, expanded_limit(limits), limits)
    except _DAMAGED as problem:
        raise damaged(".gz", problem) from None


def damaged(kind: str, problem: BaseException) -> InputError:
    """The error for a packed file that cannot be unpacked."""
    detail = str(problem).strip()[:120] or type(problem).__name__
    return InputError(
        say("The {kind} file is damaged ({detail}).", kind=kind, detail=detail),
        say("It cannot be unpacked to its end."),
        say("Make it again, or upload it once more."),
    )


def _unzip(raw: bytes, limits: Limits) -> tuple[Source, list[Finding]]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            infos = archive.infolist()
            files = [info for info in infos if _holds_rows(info.filename)]
            if not files:
                raise _without_rows([info.filename for info in infos if not info.is_dir()])
            chosen = files[0]
            if chosen.flag_bits & 0x1:
                raise InputError(
                    say("The .zip file is locked with a password."),
                    say("It has to be open to be read."),
                    say("Unpack it and upload what is inside."),
                )
            if chosen.file_size > expanded_limit(limits):
                raise too_large(limits)
            with archive.open(chosen) as stream:
                inner = Source(read_bounded(stream, expanded_limit(limits), limits), _shown(chosen.filename))
    except (*_DAMAGED, *_DAMAGED_NAMES) as problem:
        raise damaged(".zip", problem) from None
    if len(files) == 1:
        return inner, []
    message = say("The .zip has {count} files with rows. This is {name}, the first.", count=len(files), name=inner.name)
    return inner, [note("first_file", message, say("For another one, upload that file alone."))]


def _holds_rows(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    if name.endswith("/") or path.name.startswith(".") or "__MACOSX" in path.parts:
        return False
    return path.suffix.lower() in SUFFIXES


def _shown(name: str) -> str:
    """The last part of a name in an archive, fit to be shown."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(character if character.isprintable() else "\ufffd" for character in last)[-80:]


def _without_rows(names: list[str]) -> InputError:
    suffixes = ", ".join(SUFFIXES)
    if "word/document.xml" in names:
        arrived: Sentence = say("This is a Word document.")
    elif any(PurePosixPath(name).suffix.lower() in (".gz", ".zip") for name in names):
        arrived = say("The archive holds another archive.")
    elif not names:
        arrived = say("The .zip file is empty.")
    else:
        shown = ", ".join(_shown(name) for name in names[:5]) + ("…" if len(names) > 5 else "")
        arrived = say("The .zip file holds no file of rows, only {names}.", names=shown)
    return InputError(
        arrived,
        say("Files with rows end in {suffixes}.", suffixes=suffixes),
        say("Save the rows as one of these and try again."),
    )
