"""The page in the reader's language.

Two kinds of text meet on the page. What stands in a widget (`label`) is translated in the browser, from its own
language setting. What the server writes while answering (`say`) is translated here, from the request. Both use
one catalogue, keyed by the English sentence, so a widget reads naturally where it is written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from playground.core.errors import PlaygroundError
from playground.core.i18n import LANGUAGES, Sentence, catalogue, language_of, say


def label(english: str) -> I18nData:
    """Mark a widget's text for translation in the browser (tests collect every literal call)."""
    return I18nData(english)


def translations() -> gr.I18n:
    """What `launch(i18n=...)` wants."""
    return gr.I18n(**{language: catalogue(language) for language in LANGUAGES})


def reader_language(request: gr.Request | None) -> str:
    """The language of whoever sent this request; English where there is no request, as in a test."""
    headers = getattr(request, "headers", None)
    return language_of(headers.get("accept-language") if headers else None)


def warn(sentence: Sentence, language: str) -> None:
    """A passing notice, where nothing failed but nothing was done either."""
    gr.Warning(sentence.to(language), title=say("Warning").to(language))


def told(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Show a refusal as a notice in the reader's language, for handlers that have no better place on the page.

    The handler must take a `gr.Request`. Gradio itself does not translate `gr.Error`.
    """

    @functools.wraps(handler)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except PlaygroundError as error:
            request = next((arg for arg in args if isinstance(arg, gr.Request)), None)
            language = reader_language(request)
            raise gr.Error(error.to(language), title=say("Error").to(language), print_exception=False) from error

    return wrapped
