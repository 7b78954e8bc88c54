"""Whoever reads a file or a folder finds the old one or the new one, and after a power cut all of it."""

import os
from pathlib import Path

import pytest

from playground.core.whole_files import publish, write_durably


@pytest.fixture
def synced(monkeypatch):
    """What was flushed to the disk, with the names that stood there then."""
    seen: list[tuple[str, list[str]]] = []
    sync = os.fsync

    def fsync(descriptor):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        seen.append((path.name, sorted(other.name for other in (path if path.is_dir() else path.parent).iterdir())))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_a_file_is_on_the_disk_before_it_takes_the_old_ones_place_and_so_is_its_name(tmp_path, synced):
    path = tmp_path / "kept.json"
    path.write_bytes(b"old")
    write_durably(path, b"new")
    assert path.read_bytes() == b"new" and [other.name for other in tmp_path.iterdir()] == ["kept.json"]
    assert synced == [("kept.json.part", ["kept.json", "kept.json.part"]), (tmp_path.name, ["kept.json"])]


def test_a_folder_comes_whole_with_all_that_is_in_it(tmp_path, synced):
    work, final = tmp_path / "work", tmp_path / "there" / "final"
    for folder, words in ((final, "old"), (work / "deep", "new")):
        folder.mkdir(parents=True)
        (folder / f"{words}.txt").write_text(words)
    publish(work, final)
    assert [path.relative_to(final).as_posix() for path in sorted(final.rglob("*"))] == ["deep", "deep/new.txt"]
    assert {name for name, _ in synced[:3]} == {"work", "deep", "new.txt"} and synced[3] == ("there", ["final"])


def test_what_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "kept.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
