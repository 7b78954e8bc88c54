"""Public data beside the checkout, in shared/corpora. All tests pass without it: what needs it is skipped by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

CORPORA = ROOT.parent / "shared" / "corpora"
TEMPLATES = CORPORA / "chat_templates"


def cases(pattern: str) -> list[Any]:
    """Parameters for the paths in shared/corpora that match; without any, one that is skipped and says why."""
    if found := sorted(CORPORA.glob(pattern)):
        return [pytest.param(path, id=str(path.relative_to(CORPORA))) for path in found]
    reason = f"shared/corpora/{pattern} is not beside this checkout: no case of it is tried"
    return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id=pattern)]


def needed(path: Path) -> Path:
    """The path, where it is there; else the test that asks is skipped."""
    if not path.exists():
        pytest.skip(f"shared/corpora/{path.relative_to(CORPORA)} is not beside this checkout")
    return path


def template_of(folder: Path) -> tuple[str, dict[str, str]]:
    """(source, special tokens) of a model in shared/corpora/chat_templates."""
    config = json.loads((folder / "tokenizer_config.json").read_bytes())
    beside = folder / "chat_template.jinja"
    source = beside.read_text(encoding="utf-8") if beside.is_file() else config["chat_template"]
    special = {
        name: value["content"] if isinstance(value, dict) else value
        for name, value in config.items()
        if name.endswith("_token") and value is not None
    }
    return source, special
