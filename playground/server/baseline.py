""" "Is it needed?": what the base does with the held-out rows before anybody trains, with and without examples.

The rows are made into prompts in the sandbox (few_shot.py), the chat process scores and answers them, and what
comes of it is put into sentences here. Imports neither torch nor transformers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict

from playground.core.figures import rows_said
from playground.core.i18n import Sentence, say
from playground.core.settings import Limits, Sampling, TrainSettings
from playground.data.source import Source
from playground.data.types import AskedRow, BaselineRow
from playground.runs.bootstrap import Interval, interval, paired_change
from playground.runs.types import Baseline, BaselineAnswer, BaselineFindings, ExamplesLoss, Loss, News
from playground.server.processes.chat_client import ChatClient
from playground.server.processes.types import Answer, Base, LabelledRow, Question, RowScore
from playground.server.sandbox.pool import Sandbox
from playground.server.sandbox.requests import AskBaseline

Tell = Callable[[News], None]

KNOWN = 0.5
"""Loss per token, in nats, below which there is little left to learn: each token is given 61 % on average."""
MUCH = 0.4
"""Share of the loss that examples have to take away to count as doing much of the work."""
_READING, _SCORING = 0.15, 0.75
"""Share of the work that is done after each part; answering is the rest."""


def baseline(
    sandbox: Sandbox,
    chat: ChatClient,
    base: Base,
    source: Source,
    settings: TrainSettings,
    limits: Limits,
    tell: Tell = lambda news: None,
) -> Baseline:
    """What the base does. `tell` is called at least each second once the rows are read; where it raises, everything is
    cancelled. Raises PlaygroundError for rows that cannot be used.
    """
    tell({"fraction": 0.0, "line": say("Reading the rows.")})
    prompts = sandbox.run(
        AskBaseline(base["folder"], source, settings, limits),
        seconds=limits.dataset_s,
        tell=lambda news: tell({"fraction": news["fraction"] * _READING, "line": say("Reading the rows.")}),
    )
    rows = prompts["rows"]
    plain, behind = _score(chat, base, rows, tell)
    answers = _answer(chat, base, rows, prompts["stop"], tell)
    tell({"fraction": 1.0, "line": say("Done.")})
    return {**_findings(rows, plain, behind, prompts["examples"]), "answers": answers, "notes": prompts["notes"]}


# --- Asking the model ---


def _score(
    chat: ChatClient, base: Base, rows: list[BaselineRow], tell: Tell
) -> tuple[list[tuple[float, int]], list[tuple[float, int] | None]]:
    """(nll, tokens) of each row as it is, and behind examples; None where it has none."""
    sides = [row["plain"] for row in rows] + [row["examples"] for row in rows]
    asked: list[LabelledRow] = [{**side, "adapter": None} for side in sides if side is not None]
    found: list[RowScore] = []
    with closing(chat.score(base, asked)) as scores:
        for message in scores:
            found = message["rows"] or []
            part = message["done"] / max(message["total"], 1)
            waiting = not message["total"] and chat.state != "ready"
            line = say("Loading the model.") if waiting else say("Scoring {rows}.", rows=rows_said(len(rows)))
            tell({"fraction": _READING + part * (_SCORING - _READING), "line": line})
    scored = iter([(score["nll"], score["tokens"]) for score in found])
    each = [None if side is None else next(scored) for side in sides]
    return [score for score in each[: len(rows)] if score is not None], each[len(rows) :]


def _answer(chat: ChatClient, base: Base, rows: list[BaselineRow], stop: list[int], tell: Tell) -> list[BaselineAnswer]:
    asked = [(row["row"], row["asked"]) for row in rows if row["asked"] is not None]
    prompts: list[Question] = [
        {
            "prompt": ids,
            "stop": stop,
            "sampling": asdict(Sampling(max_new_tokens=question["room"])),
            "adapter": None,
        }
        for _, question in asked
        for ids in (question["plain"], question["examples"])
        if ids is not None
    ]
    if not prompts:
        return []
    longest = max(question["room"] for _, question in asked)
    said: list[Answer] = []
    part = 0.0
    with closing(chat.reply(base, prompts)) as answers:
        for newest in answers:
            said = newest or said
            # The longest answer still being written tells how far it is.
            part = max(part, *(row["tokens"] / longest for row in said if not row["ended"]), 0.0)
            line = say("Answering {count} of them.", count=len(asked))
            tell({"fraction": _SCORING + part * (1 - _SCORING), "line": line})
    texts = iter(said)
    return [_beside(row, question, texts) for row, question in asked]


def _beside(row: int, question: AskedRow, texts: Iterable[Answer]) -> BaselineAnswer:
    """The answers beside the expected one; takes them from `texts`."""
    taken = iter(texts)
    plain = next(taken)
    behind = next(taken) if question["examples"] is not None else None
    return {
        "row": row,
        "question": question["question"],
        "expected": question["expected"],
        "plain": plain["text"],
        "with_examples": behind["text"] if behind else None,
        "ended": [plain["ended"], behind["ended"] if behind else ""],
    }


# --- Saying what it means ---


def _findings(
    rows: list[BaselineRow], plain: list[tuple[float, int]], behind: list[tuple[float, int] | None], count: int
) -> BaselineFindings:
    pairs = [(one, other) for one, other in zip(plain, behind, strict=True) if other is not None]
    change = paired_change([one for one, _ in pairs], [other for _, other in pairs]) if pairs else None
    alone, helped = interval(plain), interval([other for _, other in pairs])
    examples: ExamplesLoss | None = None
    if pairs:
        added = [len(row["examples"]["ids"]) - len(row["plain"]["ids"]) for row in rows if row["examples"]]
        examples = {**_loss(helped), "count": count, "tokens": round(sum(added) / len(added))}
    code = _code(alone, helped, change)
    return {
        "rows": len(rows),
        "plain": _loss(alone),
        "examples": examples,
        "gap": _gap(alone, helped, examples),
        "code": code,
        "verdict": _verdict(code, examples),
    }


def _loss(found: Interval) -> Loss:
    return {"loss": found.mean, "low": found.low, "high": found.high}


def _code(plain: Interval, examples: Interval, change: Interval | None) -> str:
    if plain.mean is None:
        return "broken"
    if plain.mean < KNOWN:
        return "known"
    if change is None or change.mean is None or examples.mean is None:
        return "untried"
    if not change.is_below():
        return "tuning"
    # Where a part of the rows has examples, the loss before is that of those rows.
    before = examples.mean - change.mean
    return "examples" if examples.mean < KNOWN or -change.mean >= MUCH * before else "both"


def _gap(plain: Interval, helped: Interval, examples: ExamplesLoss | None) -> Sentence:
    if plain.mean is None:
        return say("The base's loss on these answers is no number.")
    alone = say(
        "Each token of the expected answers is as hard for the base to guess as one out of {choices} (loss {loss}).",
        choices=_choices(plain.mean),
        loss=f"{plain.mean:.2f}",
    )
    if examples is None or helped.mean is None:
        return alone
    return say(
        "{alone} With {rows} of examples in the prompt: one out of {choices} (loss {loss}).",
        alone=alone,
        rows=rows_said(examples["count"]),
        choices=_choices(helped.mean),
        loss=f"{helped.mean:.2f}",
    )


def _choices(loss: float) -> str:
    """Equally likely tokens that would be as hard to guess among (the perplexity)."""
    among = math.exp(min(loss, 20))
    return f"{among:.1f}" if among < 10 else f"{among:.0f}"


def _verdict(code: str, examples: ExamplesLoss | None) -> Sentence:
    tokens = examples["tokens"] if examples else 0
    return {
        "known": say("The base nearly knows these answers already: tuning has little left to teach."),
        "examples": say(
            "A few examples in the prompt do much of the work. Where they can be given each time, at {tokens} tokens a "
            "question, tuning may not be needed.",
            tokens=tokens,
        ),
        "both": say(
            "Examples in the prompt help, and leave a gap: that is what tuning can close, without {tokens} tokens of "
            "examples before each question.",
            tokens=tokens,
        ),
        "tuning": say(
            "Examples in the prompt do not surely help: what is missing has to be learned, so tuning is needed."
        ),
        "untried": say("There is a gap, and examples in the prompt could not be tried: tuning is the way to close it."),
        "broken": say("The base cannot be judged: its weights or number format are not sound. Choose another model."),
    }[code]
