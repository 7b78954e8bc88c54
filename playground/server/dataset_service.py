"""The part of the backend that has to do with rows: checking, paging, taking them away, fetching them from the Hub.

Values in and out are JSON-like, text for people is `Sentence`s, a refusal is a `PlaygroundError`; see backend.py.
"""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playground.core.settings import DatasetOptions, Limits
from playground.data.hub import DEFAULT_ROWS
from playground.data.source import read_source
from playground.server.processes.hub_client import fetch_rows
from playground.server.sandbox.pool import Sandbox


class DatasetDesk(ABC):
    """What a person can do with rows before they are trained on. Models are the Backend's business."""

    home: Path
    limits: Limits
    _sandbox: Sandbox

    @abstractmethod
    def _tokenizer_folder(self, model: str) -> str:
        """The folder with its tokenizer, fetched first where need be."""

    def check_dataset(
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
        source = read_source(text, file, self.limits)
        found: dict[str, Any] = self._on_rows("check_dataset", model, source, checked, self.limits, tell=tell)
        return found

    def dataset_rows(
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
        source = read_source(text, file, self.limits)
        found: dict[str, Any] = self._on_rows(
            "dataset_rows", model, source, checked, self.limits, page, per_page, query, rows
        )
        return found

    def clean_rows(
        self, text: str = "", file: str = "", model: str = "", options: dict[str, Any] | None = None
    ) -> Path:
        """A JSON Lines file with the usable rows, as messages, everything done to them that was asked for. Read again,
        they are the same rows. Whoever asked moves it away.
        """
        checked = DatasetOptions.from_dict(options or {})
        source = read_source(text, file, self.limits)
        path = Path(tempfile.mkdtemp(prefix="rows-", dir=self.home)) / "rows.jsonl"
        try:
            self._on_rows("clean_rows", model, source, checked, str(path), self.limits)
        except BaseException:
            shutil.rmtree(path.parent)
            raise
        return path

    def hub_rows(
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
            self.home,
            self.limits,
            lambda line, fraction: tell({"line": line, "fraction": fraction}),
            is_cancelled=is_cancelled,
        )

    def _on_rows(self, job: str, model: str, *arguments: Any, tell: Callable[[Any], None] = lambda news: None) -> Any:
        return self._sandbox.run(
            job, self._tokenizer_folder(model), *arguments, seconds=self.limits.dataset_s, tell=tell
        )
