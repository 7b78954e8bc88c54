"""The rooms of the house, as the README has them: each imports only those named behind it, which stand above it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.core.paths import ROOT

PACKAGE = ROOT / "playground"
_TABLE = (ROOT / "README.md").read_text(encoding="utf-8").split("## The map")[1]
ROWS = re.findall(r"^\| (`.+?`) \| .+? \| ([\w, ]*)\|$", _TABLE, re.MULTILINE)
FOLDERS = [folder.rstrip("/") for folders, _ in ROWS for folder in re.findall(r"`(.+?)`", folders)]
MAY_IMPORT = {folders.strip("`/"): re.findall(r"\w+", may) for folders, may in ROWS if folders.count("/") == 1}
WHERE = {
    "gradio": ("ui/",),
    "torch": ("models/devices.py", "models/convert_gguf.py", "chat/", "training/", *(
        f"server/processes/{name}.py" for name in ("chat_process", "scoring_queue", "train_process")
    )),
    "transformers": ("templates/", "models/devices.py", "models/convert_gguf.py", "chat/", "training/",
                     "server/processes/train_process.py", "server/sandbox/"),
    "trl": ("training/",),
    "peft": ("training/",),
    "datasets": ("training/", "server/processes/fetch_rows.py"),
    "bitsandbytes": ("models/devices.py",),
}  # fmt: skip


def imports(source: str) -> Iterator[str]:
    """Every module that is imported in `source`, and what `from package import name` may mean by a name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name the whole way"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(folder: Path) -> set[tuple[str, str]]:
    """(file below playground/, imported module) of all files in a folder."""
    return {
        (path.relative_to(PACKAGE).as_posix(), module)
        for path in folder.rglob("*.py")
        for module in imports(path.read_text(encoding="utf-8"))
    }


def test_the_readme_names_every_folder_and_no_other() -> None:
    assert sorted(FOLDERS) == sorted(
        path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE
    )


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_what_the_readme_says_and_all_of_it(room: str) -> None:
    others = {module.split(".")[1] for _, module in imported(PACKAGE / room) if module.startswith("playground.")}
    assert others & MAY_IMPORT.keys() - {room} == set(MAY_IMPORT[room])


def test_no_room_imports_one_below_it() -> None:
    order = list(MAY_IMPORT)
    for room, others in MAY_IMPORT.items():
        assert all(order.index(other) < order.index(room) for other in others), room


@pytest.mark.parametrize("library", WHERE)
def test_a_heavy_library_is_imported_only_where_it_may_be(library: str) -> None:
    files = {file for file, module in imported(PACKAGE) if module.split(".")[0] == library}
    assert files and [file for file in sorted(files) if not file.startswith(WHERE[library])] == []


@pytest.mark.parametrize("room", ["", "models", "runs", "server"])
def test_a_room_is_entered_without_what_stands_in_it(room: str) -> None:
    assert (PACKAGE / room / "__init__.py").read_text().count("import ") == 0
