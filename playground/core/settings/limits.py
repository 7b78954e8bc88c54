"""What one installation allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one installation allows. The message that refuses something names the limit."""

    upload_bytes: int = 20_000_000
    """Largest pasted text or uploaded file, in bytes."""
    rows: int = 50_000
    """Most rows in a dataset."""
    conversation_chars: int = 200_000
    """Longest conversation for a preview, in characters of JSON."""
    template_chars: int = 200_000
    """Longest chat template, in characters."""
    output_chars: int = 2_000_000
    """Longest rendered text, in characters."""
    preview_tokens: int = 50_000
    """Longest conversation for a preview, in tokens."""
    preview_s: float = 1.8
    """Seconds that one template preview may take in the sandbox: with what surrounds it, two."""
    dataset_s: float = 60.0
    """Seconds that one dataset may take in the sandbox to be read, rendered and counted."""
    sandbox_bytes: int = 2_000_000_000
    """Memory that one sandbox job may take on top of what its process started with, in bytes."""
    prompt_tokens: int = 4_096
    """Longest chat prompt, in tokens."""
    new_tokens: int = 1_024
    """Longest chat answer, in tokens."""
    runs_waiting: int = 20
    """Most runs in the queue."""
