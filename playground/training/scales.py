"""Three scales: what the model makes of rows that it trained on, of rows held out, and of everyday questions.

Each is a loss per supervised token, before training and after, with the change's 95 % interval by a paired bootstrap
over rows (bootstrap.py). The first says what was learned, the second what carries over, the third what was forgotten.
"""

from __future__ import annotations

from playground.runs.bootstrap import paired_change
from playground.runs.types import SCALES, Changes, Figure, Figures, Scale
from playground.training.trainer import Score

Scores = dict[Scale, list[Score]]


def figures(scores: Scores) -> Figures:
    return {name: _figure(scores.get(name) or []) for name in SCALES}


def _figure(scores: list[Score]) -> Figure | None:
    tokens = sum(score.tokens for score in scores)
    if not tokens:
        return None
    return {"loss": round(sum(score.nll for score in scores) / tokens, 5), "rows": len(scores), "tokens": tokens}


def changes(before: Scores, after: Scores) -> Changes:
    found: Changes = {}
    for name in SCALES:
        one, other = ([(score.nll, score.tokens) for score in scores.get(name) or []] for scores in (before, after))
        found[name] = paired_change(one, other).to_dict() if one and len(one) == len(other) else None
    return found


def mean_loss(scores: list[Score]) -> float | None:
    """Nats per supervised token over all rows."""
    figure = _figure(scores)
    return figure["loss"] if figure else None


def share_that_ends(scores: list[Score]) -> float | None:
    """Of the rows that end with a turn end, the share where the model finds that end the likeliest token there."""
    known = [score.ends for score in scores if score.ends is not None]
    return sum(known) / len(known) if known else None
