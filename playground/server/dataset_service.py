"""Rows: checking, paging, taking them away, fetching them from the Hub.

Values in and out are JSON-like, text for people is `Sentence`s, a refusal is a `PlaygroundError`; see backend.py.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playground.core.settings import DatasetOptions, Limits, dataset_options_of
from playground.data.examples import BUNDLED, bundled
from playground.data.hub import DEFAULT_ROWS
from playground.data.source import Source, read_source
from playground.data.types import CheckNews, DatasetReport, Example, FetchedRows, HubNews, RowsPage
from playground.server.model_service import ModelService
from playground.server.processes.hub_client import fetch_rows
from playground.server.sandbox.pool import Sandbox
from playground.server.sandbox.requests import CheckRows, CleanRows, PageOfRows


class DatasetService:
    """What a person can do with rows before they are trained on."""

    def __init__(self, models: ModelService, sandbox: Sandbox, limits: Limits, home: Path) -> None:
        """`home`: where files are written that somebody takes away."""
        self._models, self._sandbox, self._limits, self._home = models, sandbox, limits, home

    def examples(self) -> list[Example]:
        """The bundled datasets."""
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
        tell: Callable[[CheckNews], None] = lambda news: None,
    ) -> DatasetReport:
        """Read rows and say what would be trained. `options` are settings.DatasetOptions' fields, or a run's settings.

        `tell` hears how it comes on; where it raises, the work is stopped.
        """
        request = CheckRows(*self._given(text, file, model, options))
        return self._sandbox.run(request, seconds=self._limits.dataset_s, tell=tell)

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
    ) -> RowsPage:
        """One page of the rows that have `query` in them, of those with the numbers `rows` where these are given."""
        request = PageOfRows(*self._given(text, file, model, options), page, per_page, query, rows)
        return self._sandbox.run(request, seconds=self._limits.dataset_s)

    def clean(self, text: str = "", file: str = "", model: str = "", options: dict[str, Any] | None = None) -> Path:
        """A JSON Lines file with the usable rows, as messages, everything done to them that was asked for. Read again,
        they are the same rows. Whoever asked moves it away.
        """
        given = self._given(text, file, model, options)
        path = Path(tempfile.mkdtemp(prefix="rows-", dir=self._home)) / "rows.jsonl"
        try:
            self._sandbox.run(CleanRows(*given, str(path)), seconds=self._limits.dataset_s)
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
        tell: Callable[[HubNews], None] = lambda news: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> FetchedRows:
        """The first `count` rows of a dataset on the Hub. `tell` hears how they come. `is_cancelled` is asked ten times
        a second, also while nothing comes.
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

    def _given(
        self, text: str, file: str, model: str, options: dict[str, Any] | None
    ) -> tuple[str, Source, DatasetOptions, Limits]:
        """What every job on rows needs. The model's folder comes last: it may have to be waited for."""
        checked = dataset_options_of(options or {})
        source = read_source(text, file, self._limits)
        return self._models.tokenizer(model), source, checked, self._limits
