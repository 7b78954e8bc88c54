"""The linter for rows that nobody thought of."""

from hypothesis import given
from hypothesis import strategies as st

from playground.data.lint import LintFacts, LintRow, lint
from tests.data.lint.rows import FACTS, assistant, found, named, ordinary, qa, row, user

TEXT = st.text(st.characters(codec=None), max_size=40)  # Half surrogate pairs among them.
CONTENT = st.one_of(
    TEXT,
    st.none(),
    st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}), max_size=3),
    st.lists(st.one_of(TEXT, st.integers(), st.dictionaries(TEXT, st.integers())), max_size=3),
    st.sampled_from(["", " ", "...", "N/A", "<|im_end|>", "ann@acme.co", "the same words for many rows"]),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.one_of(st.sampled_from(["system", "developer", "user", "assistant", "tool"]), TEXT)},
        optional={"content": CONTENT, "tool_calls": JSON, "reasoning_content": JSON, "name": TEXT},
    ),
    max_size=6,
)
ROWS = st.lists(
    st.builds(
        LintRow,
        row=st.integers(1, 99),
        messages=MESSAGES,
        length=st.integers(0, 99),
        kept=st.integers(0, 99),
        trained=st.integers(0, 99),
        answer_cut=st.booleans(),
        held_out=st.booleans(),
    ),
    max_size=12,
)


@given(
    ROWS,
    st.builds(
        LintFacts,
        max_length=st.integers(1, 99),
        control_tokens=st.lists(TEXT, max_size=4).map(tuple),
        rows_per_step=st.integers(0, 9),
        steps=st.none() | st.integers(0, 999),
        epochs=st.floats(0, 1000),
    ),
)
def test_lint_never_raises(rows, facts):
    for finding in lint(rows, facts):
        assert finding.message.encode() and finding.message.to("ja")
        assert finding.row is None or finding.row in [given.row for given in rows]


@given(st.lists(MESSAGES, min_size=1, max_size=8), st.randoms())
def test_exact_copies_are_always_found(conversations, random):
    twice = [*conversations, *conversations]
    random.shuffle(twice)
    rows = [row(number, *messages) for number, messages in enumerate(twice, start=1)]
    copies = named(rows, "duplicate")
    assert len(copies) >= len(conversations)
    assert len(set(copies)) == len(copies)


WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=1, max_size=30)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=10), st.sampled_from(["", "赤い車"]))
def test_wholly_different_rows_are_never_near(pairs, suffix):
    rows = []
    for number, (question, answer) in enumerate(pairs, start=1):
        mark = chr(0x5000 + number) if suffix else f"_{number}"
        rows.append(qa(number, " ".join(w + mark for w in question), " ".join(mark + w for w in answer)))
    assert not found(rows, "near_duplicate") and not found(rows, "duplicate")


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=60, max_size=90, unique=True), st.integers(0, 59))
def test_one_word_changed_in_many_is_near(words, place):
    changed = [*words[:place], "another", *words[place + 1 :]]
    rows = [*ordinary(3), *(row(n, user("a b c"), assistant(" ".join(said))) for n, said in ((4, words), (5, changed)))]
    findings = [item for item in lint(rows, FACTS) if item.code in ("near_duplicate", "contradiction")]
    assert [item.row for item in findings] == [5]
    rows[4] = row(5, user("a b c d"), assistant(" ".join(changed)))
    assert named(rows, "near_duplicate") == [5]
