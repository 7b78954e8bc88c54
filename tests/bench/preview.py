"""`make bench`: what a preview costs beyond the render itself, and how much of an attack on the sandbox others notice.

The baseline is what a script would do: transformers' `apply_chat_template`, text and tokens, in this very process. The
preview gives spans, masks and findings on top, from another process. Both in one run, in turns; times in milliseconds.
Nothing is asserted. The figures go to tests/artifacts/bench-preview.json too.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from transformers import AutoTokenizer

from playground.core.errors import PlaygroundError
from playground.models.catalogue import DEFAULT
from playground.models.weights import fetch
from playground.server.backend import Backend
from playground.templates.catalogue import template_source

ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts"
TEMPLATE = "qwen3"
TOKENS = 500
REPETITIONS = 200
WARM_UP = 10
ATTACK_S = 8.0
HOSTILE = (
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{{ 9 ** (9 ** 9) }}",
    "{% set ns = namespace(s='a' * 1000000) %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
)
Row = dict[str, Any]


def conversation(tokenizer: Any, template: str) -> list[dict[str, str]]:
    """Turns as people write them, until they are 500 tokens."""
    words = "The ferry leaves at seven, so let us meet at the harbour by half past six and have breakfast there."
    messages: list[dict[str, str]] = []
    for role in itertools.cycle(("user", "assistant")):
        messages.append({"role": role, "content": f"{len(messages) + 1}. {words} {words}"})
        if role == "assistant" and direct(tokenizer, messages, template)[1] >= TOKENS:
            return messages
    raise AssertionError


def direct(tokenizer: Any, messages: list[dict[str, str]], template: str) -> tuple[str, int]:
    """Text and number of tokens."""
    text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
    ids = tokenizer.apply_chat_template(messages, chat_template=template, return_dict=True)["input_ids"]
    return text, len(ids)


def milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


def figures(name: str, times: Iterable[float]) -> Row:
    ordered = sorted(times)
    ninety_five = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return {
        "what": name,
        "p50": statistics.median(ordered),
        "p95": ninety_five,
        "worst": ordered[-1],
        "n": len(ordered),
    }


def side_by_side(backend: Backend, tokenizer: Any, source: str, messages: list[dict[str, str]]) -> list[Row]:
    """Direct and preview in turns, with a template that both have compiled and with one just edited each time."""
    times: dict[str, list[float]] = {}
    for number in range(-WARM_UP, REPETITIONS):
        for kind, template in (("same template", source), ("just edited", f"{source}{{# {number} #}}")):
            sides = {
                f"direct, {kind}": lambda template=template: direct(tokenizer, messages, template),
                f"preview, {kind}": lambda template=template: backend.templates.preview(messages, DEFAULT, template),
            }
            for side, call in sides.items():
                taken = milliseconds(call)
                if number >= 0:
                    times.setdefault(side, []).append(taken)
    return [figures(name, times[name]) for name in sorted(times, key=lambda name: name.split(", ")[::-1])]


def under_attack(backend: Backend, attackers: int, messages: list[dict[str, str]]) -> Row:
    """One person previews with short pauses, while others send hostile templates as fast as they are refused."""
    over = threading.Event()
    refused = itertools.count()

    def attack(first: int) -> None:
        for number in itertools.count(first):
            if over.is_set():
                return
            with suppress(PlaygroundError):
                backend.templates.preview(messages, DEFAULT, HOSTILE[number % len(HOSTILE)])
            next(refused)

    threads = [threading.Thread(target=attack, args=[first]) for first in range(attackers)]
    for thread in threads:
        thread.start()
    times: list[float] = []
    turned_away = 0
    until = time.monotonic() + ATTACK_S
    while time.monotonic() < until:
        try:
            times.append(milliseconds(lambda: backend.templates.preview(messages, DEFAULT, TEMPLATE)))
        except PlaygroundError:
            turned_away += 1
        time.sleep(0.1)
    over.set()
    for thread in threads:
        thread.join()
    name = f"preview, {attackers} attackers"
    return {**figures(name, times), "turned away": turned_away, "hostile templates": next(refused)}


def settle(backend: Backend) -> None:
    """Wait until the models are loaded and the next run's process is warm: nothing else shall run meanwhile."""
    while backend.models.status()["state"] not in ("ready", "failed"):
        time.sleep(0.5)
    quiet = 0
    for _ in range(60):
        quiet = quiet + 1 if psutil.cpu_percent(1.0) < 20 else 0
        if quiet >= 3:
            return
    print("This machine is busy: expect longer times.")


def show(rows: list[Row]) -> None:
    print(f"\n{'ms':28}{'p50':>9}{'p95':>9}{'worst':>9}{'n':>6}")
    for row in rows:
        away = f"  {row['turned away']} turned away" if row.get("turned away") else ""
        print(f"{row['what']:28}{row['p50']:9.1f}{row['p95']:9.1f}{row['worst']:9.1f}{row['n']:6}{away}")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        backend = Backend(Path(home))
        backend.start()
        try:
            tokenizer = AutoTokenizer.from_pretrained(fetch(DEFAULT, lambda line, fraction: None))
            source = template_source(TEMPLATE)
            assert source is not None
            messages = conversation(tokenizer, source)
            settle(backend)
            costs = side_by_side(backend, tokenizer, source, messages)
            show(costs)
            attacks = [under_attack(backend, attackers, messages) for attackers in (0, 1, 2, 4, 8)]
            show(attacks)
        finally:
            backend.close()
    ARTIFACTS.mkdir(exist_ok=True)
    report = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
        "tokens": direct(tokenizer, messages, source)[1],
        "rows": [*costs, *attacks],
    }
    (ARTIFACTS / "bench-preview.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
