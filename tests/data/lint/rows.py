"""Rows for the linter's tests."""

from playground.data.lint import LintFacts, LintRow, lint

FACTS = LintFacts(
    max_length=512, control_tokens=("<|im_start|>", "<|im_end|>", "</s>"), rows_per_step=8, steps=None, epochs=1.0
)


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


def system(content):
    return {"role": "system", "content": content}


def row(number, *messages, length=40, kept=40, trained=20, answer_cut=False, held_out=False):
    return LintRow(number, list(messages), length, kept, trained, answer_cut, held_out)


def qa(number, question, answer, **more):
    return row(number, user(question), assistant(answer), **more)


def found(rows, code, facts=FACTS):
    """Findings with that code, the rest of what the linter says aside."""
    return [finding for finding in lint(rows, facts) if finding.code == code]


def named(rows, code, facts=FACTS):
    """Rows that have a finding with that code."""
    return [finding.row for finding in found(rows, code, facts)]


def ordinary(count, start=1):
    """Rows with nothing in common that a check could name."""
    return [
        qa(number, f"q{number}a q{number}b q{number}c?", f"w{number}a w{number}b w{number}c w{number}d.")
        for number in range(start, start + count)
    ]
