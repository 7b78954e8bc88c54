"""The row linter: what is wrong with the rows of a dataset, and what each fault does to the run.

    rows with their lengths  ->  findings by row, each with the edits that answer it

    rows.py            LintRow, LintFacts, and the words of a message
    roles.py           the order of the messages
    questions.py       empty questions, words that stand for an empty cell
    answers.py         empty answers, blanks around words, answers and questions that are cut
    control.py         control tokens in the words
    privacy.py         personal data and secrets
    contradictions.py  one question, two answers
    duplicates.py      copies, near copies (near.py), held-out rows that are trained on
    languages.py       answers in another language than the rest
    balance.py         rows, answers and counts that decide the whole run

It renders nothing and changes nothing. Time and memory grow with the characters of the rows, whatever they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from playground.core.findings import Finding
from playground.data.lint.answers import answer_cut, empty_answer, outer_whitespace, question_cut
from playground.data.lint.balance import dominating_row, repeated_answer, row_count
from playground.data.lint.contradictions import contradictions
from playground.data.lint.control import control_tokens
from playground.data.lint.duplicates import duplicates
from playground.data.lint.languages import other_language
from playground.data.lint.privacy import private_data
from playground.data.lint.questions import empty_question, missing_value
from playground.data.lint.roles import role_order
from playground.data.lint.rows import LintFacts, LintRow, Report, View, digest_of, words_of

__all__ = ["LintFacts", "LintRow", "digest_of", "lint", "words_of"]


def lint(rows: Sequence[LintRow], facts: LintFacts, report: Report = lambda share: None) -> list[Finding]:
    """All findings, those about the whole first, then by row. Never raises for any conversation.

    report: called with the share of the work that is done, 0 to 1, never less than before.
    """
    views = [View(row) for row in rows]
    report(0.05)
    training = [view for view in views if not view.given.held_out]
    findings: list[Finding] = []
    checks: list[tuple[float, Callable[[], Iterator[Finding]]]] = [
        (0.08, lambda: row_count(training, facts)),
        (0.09, lambda: dominating_row(training)),
        (0.12, lambda: repeated_answer(training)),
        (0.15, lambda: role_order(views)),
        (0.16, lambda: empty_question(views)),
        (0.165, lambda: missing_value(views)),
        (0.17, lambda: empty_answer(views)),
        (0.20, lambda: outer_whitespace(views)),
        (0.21, lambda: answer_cut(views, facts)),
        (0.22, lambda: question_cut(views, facts)),
        (0.25, lambda: control_tokens(views, facts)),
        (0.35, lambda: private_data(views)),
        (0.40, lambda: contradictions(views)),
    ]
    for share, check in checks:
        findings += check()
        report(share)
    contradicting = {finding.row for finding in findings if finding.code == "contradiction" and finding.row is not None}
    findings += duplicates(views, contradicting, lambda share: report(0.4 + 0.3 * share))
    findings += other_language(views, lambda share: report(0.7 + 0.3 * share))
    report(1.0)
    return sorted(findings, key=lambda finding: finding.row or 0)
