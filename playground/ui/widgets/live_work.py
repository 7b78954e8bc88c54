"""Work that is told of while it goes on, and that ends when nobody waits for it any more.

A check of the rows or of the base may take seconds, so a newer one must not wait for it: each carries a number, an
older one that is still worked on is told to stop, and one that arrives late is not begun.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

from playground.core.errors import PlaygroundError

_PATIENCE_S = 0.1
"""Seconds after which a check that is still worked on sees that a newer one waits for it to end."""


class Superseded(Exception):
    """Raised inside work whose answer nobody waits for any more."""


def followed(work: Callable[[Callable[[Any], None]], Any], is_newest: Callable[[], bool]) -> Iterator[tuple[str, Any]]:
    """What `work(tell)` says while it works in a thread: ("waiting", seconds), ("news", item), last ("done", result).

    A refusal is ("refused", error). Where `is_newest` turns false this ends at once, and `tell` raises inside the work.
    """
    heard: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    def tell(item: Any) -> None:
        if not is_newest():
            raise Superseded
        heard.put(("news", item))

    def do() -> None:
        try:
            heard.put(("done", work(tell)))
        except Superseded:
            heard.put(("dropped", None))
        except PlaygroundError as error:
            heard.put(("refused", error))
        except BaseException as error:  # The page's thread raises it again, where it is logged.
            heard.put(("broken", error))

    begun = time.monotonic()
    threading.Thread(target=do, daemon=True, name="rows").start()
    while is_newest():
        try:
            kind, item = heard.get(timeout=_PATIENCE_S)
        except Empty:
            yield "waiting", time.monotonic() - begun
            continue
        if kind == "broken":
            raise item
        if kind == "dropped" or not is_newest():
            return
        yield kind, item
        if kind != "news":
            return
