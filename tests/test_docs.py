"""The documents say what is true of the code as it stands."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from playground import __version__
from playground.core import settings
from playground.core.settings import DatasetOptions, Limits
from playground.data.dataset import prepare
from playground.data.examples import BUNDLED, FOLDER
from playground.data.readers import parse
from playground.data.schemas.marks import LEARNED
from playground.data.source import Source
from playground.templates.renderer import Renderer
from playground.ui.launch import main

pytest_plugins = ["tests.tiny"]

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_pictures_and_links_exist() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_the_front_matter_is_what_a_space_reads() -> None:
    front = yaml.safe_load(README.split("---")[1])
    assert front["sdk"] == "gradio"
    assert (ROOT / front["app_file"]).is_file()
    pinned = (ROOT / "constraints.txt").read_text()
    assert f"gradio=={front['sdk_version']}\n" in pinned
    assert len(front["short_description"]) <= 60


def rows_of_the_table() -> list[tuple[str, str, str]]:
    """(kind, a row as JSON, what is done) of each line of a table in docs/ROWS.md."""
    lines = (ROOT / "docs" / "ROWS.md").read_text(encoding="utf-8").splitlines()
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("| ") and "`{" in line]
    return [(kind.strip(), row.strip(" `").replace("\\|", "|"), done.strip()) for kind, row, done in cells]


@pytest.mark.parametrize(("kind", "row", "done"), rows_of_the_table())
def test_each_kind_of_row_is_done_with_as_the_document_says(tokenizer, kind, row, done) -> None:
    parsed = parse(Source(row.encode(), ""), Limits())
    found = prepare(parsed, Renderer(tokenizer), DatasetOptions())
    told = {finding.code for finding in found.findings if finding.severity != "info"} - {"too_few_rows", "small_step"}
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", done)) or set(re.findall(r"^`([a-z]+)`", done))
    assert told == named, kind
    assert bool(found.examples) is not (("left out" in done) or done == "`unusable`"), kind


def test_every_kind_of_row_has_its_line_in_the_document() -> None:
    text = (ROOT / "docs" / "ROWS.md").read_text(encoding="utf-8")
    assert len(rows_of_the_table()) >= 30
    assert all(name in text for name in (*LEARNED, "parent_id", "history", "function_call", "tool_call"))


def test_the_changelog_knows_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_requirement_is_pinned() -> None:
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / file).read_text().splitlines():
            if line and not line.startswith(("#", "-")):
                assert re.split(r"[\[<>=]", line)[0].lower() in pinned, line


@pytest.mark.parametrize("kind", ["Limits", "TrainSettings", "RenderOptions", "DatasetOptions", "Sampling"])
def test_every_setting_has_a_docstring(kind: str) -> None:
    source = "".join(path.read_text() for path in sorted((ROOT / "playground" / "core" / "settings").glob("*.py")))
    body = source.split(f"class {kind}")[1].split("\n@dataclass")[0]
    for field in fields(getattr(settings, kind)):
        assert re.search(rf'\n    {field.name}: [^\n]+\n    """', body), field.name


def test_bundled_datasets_are_those_in_the_folder() -> None:
    files = {path.stem for path in FOLDER.glob("*.jsonl")}
    assert files == {dataset.name for dataset in BUNDLED}
    listed = (FOLDER / "README.md").read_text()
    assert all(f"`{name}.jsonl`" in listed for name in files)


def test_what_to_ask_afterwards_stands_in_no_row() -> None:
    for dataset in BUNDLED:
        text = dataset.text()
        assert not [question for question in dataset.ask if f'"{question}"' in text]


def test_help_lists_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for flag in ("--model", "--home", "--host", "--port", "--mcp", "--share"):
        assert flag in said
