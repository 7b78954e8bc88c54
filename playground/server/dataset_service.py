"""Rows: checking, paging, taking them away, fetching them from the Hub.

Values in and out are JSON-like, text for people is `Sentence`s, a refusal is a `PlaygroundError`; see backend.py.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playground.core.settings import DatasetOptions, Limits
from playground.data.examples import BUNDLED, bundled
from playground.data.hub import DEFAULT_ROWS
from playground.data.source import read_source
from playground.server.model_service import ModelService
from playground.server.processes.hub_client import fetch_rows
from playground.server.sandbox.pool import Sandbox


class DatasetService:
    """What a person can do with rows before they are trained on."""

    def __init__(self, models: ModelService, sandbox: Sandbox, limits: Limits, home: Path) -> None:
        """`home`: where files are written that somebody takes away."""
        self._models, self._sandbox, self._limits, self._home = models, sandbox, limits, home

    def examples(self) -> list[dict[str, Any]]:
        """[{name, title: Sentence, teaches: Sentence, language, rows: int, ask: [str, ...], system: str}]."""
        return [
            {
                "name": dataset.name,
                "title": dataset.title,
                "teaches": dataset.teaches,
                "language": dataset.language,
                "rows": dataset.text().count("\n"),
                "ask": list(dataset.ask),
                "system": dataset.system,
            }
            for dataset in BUNDLED
        ]

    def example_text(self, name: str) -> str:
        """The JSONL of a bundled example dataset."""
        return bundled(name).text()

    def check(
        self,
        text: str = "",
        file: str = "",
        model: str = "",
        options: dict[str, Any] | None = None,
        tell: Callable[[dict[str, Any]], None] = lambda news: None,
    ) -> dict[str, Any]:
        """Read rows and say what would be trained: the keys of report.full_report, and preview: the first
        usable rows as report.chips makes them. `options` are settings.DatasetOptions' fields.

        `tell` gets {fraction: 0 to 1}, the first time with {rows, preview} of the first rows; where it raises, the work
        is stopped.
        """
        checked = DatasetOptions.from_dict(options or {})
        source = read_source(text, file, self._limits)
        found: dict[str, Any] = self._on_rows("check_dataset", model, source, checked, self._limits, tell=tell)
        return found

    def rows(
        self,
        text: str = "",
        file: str = "",
        model: str = "",
        options: dict[str, Any] | None = None,
        page: int = 1,
        per_page: int = 5,
        query: str = "",
        rows: list[int] | None = None,
    ) -> dict[str, Any]:
        """One page of the rows that have `query` in them, of those with the numbers `rows` where these are given:
        {page, pages, total, rows: see pages.page}.
        """
        checked = DatasetOptions.from_dict(options or {})
        source = read_source(text, file, self._limits)
        found: dict[str, Any] = self._on_rows(
            "dataset_rows", model, source, checked, self._limits, page, per_page, query, rows
        )
        return found

    def clean(self, text: str = "", file: str = "", model: str = "", options: dict[str, Any] | None = None) -> Path:
        """A JSON Lines file with the usable rows, as messages, everything done to them that was asked for. Read again,
        they are the same rows. Whoever asked moves it away.
        """
        checked = DatasetOptions.from_dict(options or {})
        source = read_source(text, file, self._limits)
        path = Path(tempfile.mkdtemp(prefix="rows-", dir=self._home)) / "rows.jsonl"
        try:
            self._on_rows("clean_rows", model, source, checked, str(path), self._limits)
        except BaseException:
            shutil.rmtree(path.parent)
            raise
        return path

    def from_hub(
        self,
        name: str,
        config: str = "",
        split: str = "",
        count: int = DEFAULT_ROWS,
        tell: Callable[[dict[str, Any]], None] = lambda news: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """The first `count` rows of a dataset on the Hub: {path (a .jsonl in a folder of its own, which whoever asked
        clears away), name, config, split, rows, configs: [...], splits: [...], notes: [Sentence]}.

        `tell` gets {line: Sentence, fraction: 0 to 1 or None} as they come. `is_cancelled` is asked ten times a second,
        also while nothing comes.
        """
        return fetch_rows(
            name,
            config,
            split,
            count,
            self._home,
            self._limits,
            lambda line, fraction: tell({"line": line, "fraction": fraction}),
            is_cancelled=is_cancelled,
        )

    def _on_rows(self, job: str, model: str, *arguments: Any, tell: Callable[[Any], None] = lambda news: None) -> Any:
        return self._sandbox.run(
            job, self._models.tokenizer(model), *arguments, seconds=self._limits.dataset_s, tell=tell
        )
