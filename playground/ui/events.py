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
    "concurrency_id": "live",
    "concurrency_limit": 8,
    "show_progress": "minimal",
}
"""Follows typing. One request of a visitor at a time and then the newest, so an older answer never comes last."""

STREAM: dict[str, Any] = {**PAGE, "concurrency_id": "answers", "concurrency_limit": 64, "show_progress": "hidden"}
"""A stream holds its place while it waits, so the limit is the number of people and not of machines."""
