"""How the page's own events are declared: private, so that they are no API endpoints, and sharing no queue by chance.

Gradio runs the events of all visitors one by one unless told otherwise. Each kind of work gets its own line here.
"""

from __future__ import annotations

from typing import Any

PAGE: dict[str, Any] = {"api_visibility": "private"}
"""Any event of the page."""

QUICK: dict[str, Any] = {**PAGE, "queue": False, "show_progress": "hidden"}
"""Answers at once and must never wait behind other work: timers, Stop, showing a run."""

LIVE: dict[str, Any] = {
    **PAGE,
    "trigger_mode": "always_last",
    "concurrency_limit": None,
    "show_progress": "minimal",
}
"""Follows typing. One request of a visitor at a time and then the newest, so an older answer never comes last."""

QUEUED: dict[str, Any] = {**PAGE, "concurrency_limit": None, "show_progress": "hidden"}
"""Writes a gr.State that somebody listens to: Gradio tells the page that a state has changed only through its queue."""

STREAM: dict[str, Any] = {**PAGE, "concurrency_limit": None, "show_progress": "hidden"}
"""Goes on for a while. What limits it is behind the backend, which says to each how long it waits."""
