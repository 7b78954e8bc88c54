"""Which shape a row has, by the names of its columns.

`plans(keys)` lists the ways to read a row with these keys, the best first; a way may still decline (None) when it sees
the values. Kept for each tuple of keys, so that a dataset of one shape is recognised once.

Order: a conversation (messages, then the other names); prompt with completion or response; Alpaca; a preference pair;
question and answer under any usual name, exact pairs first; text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from playground.core.errors import InputError
from playground.core.i18n import Sentence, say
from playground.core.messages import json_kind
from playground.data.schemas import column_names
from playground.data.schemas.column_names import fold
from playground.data.schemas.mapping import as_text, words_in
from playground.data.schemas.marks import mark_columns, with_list
from playground.data.schemas.python_lists import is_python_list
from playground.data.schemas.rendered_text import Reading, read_pair, read_rendered
from playground.data.schemas.turns import (
    are_messages,
    decoded,
    is_from_value,
    is_list_of_pairs,
    pair_keys,
    turns_of,
)


@dataclass(frozen=True)
class Shape:
    """What a row was recognised as, and by what."""

    name: str
    """messages, sharegpt, alpaca, prompt_completion, question_answer, text or mapped."""
    reason: Sentence


Read = tuple[list[Any], Shape]


@dataclass(frozen=True)
class Plan:
    """One way to read a row."""

    read: Callable[[dict[str, Any], Sentence], Read | None]
    """(a row, how errors call it) -> its messages and shape, or None: the values are not what the names promise."""
    columns: frozenset[str]
    """The columns that it reads."""

    @classmethod
    def of(cls, read: Callable[[dict[str, Any], Sentence], Read | None], *columns: str | None) -> Plan:
        return cls(read, frozenset(column for column in columns if column is not None))


MESSAGES = Shape("messages", say("It has messages with role and content, as OpenAI's have."))


@lru_cache(maxsize=4096)
def plans(keys: tuple[str, ...]) -> tuple[Plan, ...]:
    """Ways to read a row with these keys, the best first; () where nothing is recognised."""
    columns: dict[str, str] = {}
    for key in keys:
        columns.setdefault(fold(key), key)
    if "messages" in keys:
        columns["messages"] = "messages"
    system = _first(columns, column_names.SYSTEMS)
    found = [
        Plan.of(partial(_turns, columns[name], columns), columns[name], system, columns.get("chosen"))
        for name in column_names.TURNS
        if name in columns
    ]
    found += _prompt_plans(columns)
    found += _alpaca_plans(columns)
    if "chosen" in columns:
        question = next((columns[name] for name in column_names.QUESTIONS if name in columns), None)
        chosen = partial(_preference, question, columns["chosen"], system)
        found.append(Plan.of(chosen, question, columns["chosen"], system, columns.get("rejected")))
    found += _question_answer_plans(columns)
    text = _first(columns, column_names.TEXTS)
    if text is not None:
        shape = Shape(
            "text",
            say("It has {column} alone: all of it is learned as it stands, without a chat template.", column=text),
        )
        found.append(Plan.of(partial(_text, text, shape), text))
    return tuple(found)


def _first(columns: dict[str, str], wanted: tuple[str, ...]) -> str | None:
    return next((columns[name] for name in wanted if name in columns), None)


def _with_system(data: dict[str, Any], column: str | None, messages: list[Any], where: Sentence) -> list[Any]:
    """The messages with the system column's words in front, where there are any and the messages bring none."""
    words = as_text(data[column], where) if column is not None and data.get(column) is not None else ""
    first = messages[0] if messages and isinstance(messages[0], dict) else {}
    if not words.strip() or first.get("role") == "system":
        return messages
    return [{"role": "system", "content": words}, *messages]


# --- A whole conversation in one column ---


def _turns(column: str, columns: dict[str, str], data: dict[str, Any], where: Sentence) -> Read | None:
    if isinstance(data[column], str) and (found := read_rendered(data[column])):
        return found.messages, _dialogue_shape("text", column, found.form, found.is_cut)
    value = decoded(data[column], where, column)
    if not isinstance(value, list):
        if column != "messages" or not (value is None or value == "" or len(columns) == 1):
            return None
        return _refuse_list(where, column, value)
    pairs = pair_keys(value) or (is_list_of_pairs(value) and ("[0]", "[1]")) or None
    texts = bool(value) and all(isinstance(turn, str) for turn in value)
    if fold(column) in column_names.VAGUE and not (pairs or texts or are_messages(value)):
        return None
    is_plain = column == "messages" and not (pairs or texts or is_from_value(value))
    turns = value if is_plain else turns_of(value)
    if by_place := mark_columns(tuple(data)).by_place:
        turns = with_list(turns, decoded(data[by_place], where, by_place), where)
    turns = _with_system(data, _first(columns, column_names.SYSTEMS), turns, where)
    printed = isinstance(data[column], str) and is_python_list(data[column])
    if is_plain:
        return turns, _printed(MESSAGES, column) if printed else MESSAGES
    chosen = data.get(columns.get("chosen", ""))
    if isinstance(chosen, dict):  # A preference row as LLaMA-Factory has them: the list ends with the question.
        turns = [*turns, *turns_of([chosen])]
    shape = _turns_shape(column, is_from_value(value), texts, pairs)
    return turns, _printed(shape, column) if printed else shape


@lru_cache(maxsize=256)
def _turns_shape(column: str, from_value: bool, texts: bool, pairs: tuple[str, str] | None) -> Shape:
    if pairs:
        said = say("It has {column}, a list of pairs of {question} and {answer}.", column=column, question=pairs[0],
                   answer=pairs[1])  # fmt: skip
        return Shape("sharegpt", said)
    if texts:
        return Shape("sharegpt", say("It has {column}, a list of texts: user and assistant take turns.", column=column))
    if from_value:
        return Shape("sharegpt", say("It has {column} with from and value, as ShareGPT has.", column=column))
    return Shape("sharegpt", say("It has {column} with role and content.", column=column))


@lru_cache(maxsize=256)
def _printed(shape: Shape, column: str) -> Shape:
    reason = say("{reason} {column} is text, a list as Python or NumPy prints it.", reason=shape.reason, column=column)
    return Shape(shape.name, reason)


def _refuse_list(where: Sentence, column: str, value: Any) -> Read:
    raise InputError(
        say("{where}: {column} is {kind}.", where=where, column=column, kind=json_kind(value)),
        say("It must be a list of messages, each with a role and content."),
    )


# --- Two columns: a question and an answer ---


def _prompt_plans(columns: dict[str, str]) -> list[Plan]:
    prompt = columns.get("prompt")
    if prompt is None:
        return []
    answers = [columns[name] for name in ("completion", "response") if name in columns]
    system = _first(columns, column_names.SYSTEMS)
    return [
        Plan.of(
            partial(_prompt_completion, prompt, answer, system, _pair_shape("prompt_completion", prompt, answer, ())),
            *(prompt, answer, system),
        )
        for answer in answers[:1]
    ]


def _prompt_completion(
    prompt: str, completion: str, system: str | None, shape: Shape, data: dict[str, Any], where: Sentence
) -> Read:
    messages = [
        *_side(data, prompt, "user", (prompt, completion), where),
        *_side(data, completion, "assistant", (prompt, completion), where),
    ]
    return _with_system(data, system, messages, where), shape


def _side(data: dict[str, Any], column: str, role: str, pair: tuple[str, str], where: Sentence) -> list[Any]:
    """The column as messages: text becomes one message, a list is taken as messages."""
    value = data[column]
    if isinstance(value, str):
        if value.lstrip()[:2] in ("[{", "[ ", "[\n") and are_messages(found := _decoded_or_none(value)):
            return turns_of(found)
        return [{"role": role, "content": value}]
    if isinstance(value, list):
        return turns_of(value) if are_messages(value) else value
    raise InputError(
        say("{where}: the {side} is {kind}.", where=where, side=column, kind=json_kind(value)),
        say("{question} and {answer} are text, or lists of messages.", question=pair[0], answer=pair[1]),
    )


def _decoded_or_none(value: str) -> Any:
    try:
        return decoded(value, say("The row"), "")
    except InputError:
        return None


def _pair_shape(name: str, question: str, answer: str, others: tuple[str, ...]) -> Shape:
    if others:
        reason = say(
            "{question} is taken as the question and {answer} as the answer; {others} could be meant as well.",
            question=question,
            answer=answer,
            others=", ".join(others),
        )
    else:
        reason = say("It has the question in {question} and the answer in {answer}.", question=question, answer=answer)
    return Shape(name, reason)


def _question_answer_plans(columns: dict[str, str]) -> list[Plan]:
    questions = [columns[name] for name in column_names.QUESTIONS if name in columns]
    answers = [columns[name] for name in column_names.ANSWERS if name in columns]
    if not questions or not answers:
        return []
    pairs = [(columns[q], columns[a]) for q, a in column_names.PAIRS if q in columns and a in columns]
    question, answer = pairs[0] if pairs else (questions[0], answers[0])
    others = tuple(column for column in [*questions, *answers] if column not in (question, answer))
    shape = _pair_shape("question_answer", question, answer, others)
    context = _first(columns, column_names.CONTEXTS)
    if context is not None:
        shape = Shape(
            shape.name, say("{reason} {context} stands before the question.", reason=shape.reason, context=context)
        )
    sources = (_first(columns, column_names.SYSTEMS), context, question, answer)
    return [Plan.of(partial(_question_answer, sources, shape), *sources)]


def _question_answer(
    sources: tuple[str | None, str | None, str, str], shape: Shape, data: dict[str, Any], where: Sentence
) -> Read:
    system, context, question, answer = sources
    asked = words_in(data, question, where)
    before = as_text(data[context], where) if context is not None and data.get(context) is not None else ""
    if before.strip():
        asked = f"{before}\n\n{asked}"
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": words_in(data, answer, where)}]
    return _with_system(data, system, messages, where), shape


# --- Alpaca ---


def _alpaca_plans(columns: dict[str, str]) -> list[Plan]:
    """instruction with output; or instruction, input and an answer under another name."""
    instruction, given = _first(columns, column_names.INSTRUCTIONS), _first(columns, column_names.INPUTS)
    answers = column_names.ANSWERS if given is not None else ("output", "出力")
    output = columns.get("output") or _first(columns, answers)
    if instruction is None or output is None:
        return []
    sources = (_first(columns, column_names.SYSTEMS), instruction, given, output)
    reason = say("It has {columns}, as Alpaca has.", columns=", ".join(filter(None, (instruction, given, output))))
    return [Plan.of(partial(_alpaca, sources, Shape("alpaca", reason)), *sources)]


def _alpaca(
    sources: tuple[str | None, str, str | None, str], shape: Shape, data: dict[str, Any], where: Sentence
) -> Read:
    """Instruction and input are joined by a line break: LLaMA-Factory's way."""
    system, instruction, given, output = sources
    asked = words_in(data, instruction, where)
    more = as_text(data[given], where) if given is not None and data.get(given) is not None else ""
    if more.strip():
        asked = f"{asked}\n{more}" if asked.strip() else more
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": words_in(data, output, where)}]
    return _with_system(data, system, messages, where), shape


# --- What was said before, in a column of its own ---


@lru_cache(maxsize=4096)
def history_column(keys: tuple[str, ...]) -> str | None:
    return _first({fold(key): key for key in reversed(keys)}, column_names.HISTORIES)


def with_history(messages: list[Any], data: dict[str, Any], column: str, where: Sentence) -> list[Any]:
    """The messages behind the turns of the history, and both behind the system prompt.

    Raises InputError where the column is no list of turns, pairs or texts.
    """
    history = decoded(data[column], where, column)
    if history is None or history in ("", []):
        return messages
    turns = turns_of(history) if isinstance(history, list) else []
    texts = isinstance(history, list) and all(isinstance(turn, str) for turn in history)
    if not are_messages(turns) or (texts and len(turns) % 2):
        raise InputError(
            say("{where}: {column} is {kind}.", where=where, column=column, kind=json_kind(history)),
            say("It must be a list of pairs, each a question and its answer, or a list of messages."),
        )
    leads = 1 if messages and isinstance(messages[0], dict) and messages[0].get("role") == "system" else 0
    if leads and turns[0]["role"] == "system":
        turns = turns[1:]
    return [*messages[:leads], *turns, *messages[leads:]]


# --- A preference pair, and text ---


def _preference(
    question: str | None, chosen: str, system: str | None, data: dict[str, Any], where: Sentence
) -> Read | None:
    """The chosen side, after the prompt unless it already begins with it."""
    asked = (
        [] if question is None or data[question] is None else _side(data, question, "user", (question, chosen), where)
    )
    if isinstance(data[chosen], str) and (found := _dialogue(asked, data[chosen])):
        return _with_system(data, system, found.messages, where), _dialogue_shape(
            "prompt_completion", chosen, found.form, found.is_cut
        )
    answer = _side(data, chosen, "assistant", (question or chosen, chosen), where)
    if not asked and len(answer) < 2:
        return None
    first = answer[0] if answer and isinstance(answer[0], dict) else {}
    messages = answer if first.get("role") in ("user", "system") else [*asked, *answer]
    reason = say("It is a preference row: the answer in {column} is learned, the rejected one is not.", column=chosen)
    return _with_system(data, system, messages, where), Shape("prompt_completion", reason)


def _dialogue(asked: list[Any], answer: str) -> Reading | None:
    """What an answer holds that is a whole dialogue as text, or goes on where the prompt of such a text ends."""
    first = asked[0].get("content") if len(asked) == 1 and isinstance(asked[0], dict) else None
    return read_rendered(answer) or (read_pair(first, answer) if isinstance(first, str) else None)


@lru_cache(maxsize=256)
def _dialogue_shape(name: str, column: str, form: str, is_cut: bool) -> Shape:
    reason = say(
        "{column} holds a whole dialogue in one text (form: {form}), which was read back into messages.",
        column=column,
        form=form,
    )
    if name != "text":
        reason = say("{reason} It is learned, the rejected one is not.", reason=reason)
    return _cut(Shape(name, reason)) if is_cut else Shape(name, reason)


@lru_cache(maxsize=256)
def read_back(shape: Shape, form: str, is_cut: bool) -> Shape:
    """The shape of a row whose words were a rendered conversation."""
    reason = say(
        "{reason} A chat template had been applied to the words (form: {form}): they were read back into messages.",
        reason=shape.reason,
        form=form,
    )
    return _cut(Shape(shape.name, reason)) if is_cut else Shape(shape.name, reason)


def _cut(shape: Shape) -> Shape:
    return Shape(
        shape.name, say("{reason} Its last turn has no end there: it may have been cut off.", reason=shape.reason)
    )


def _text(column: str, shape: Shape, data: dict[str, Any], where: Sentence) -> Read:
    words = words_in(data, column, where)
    if found := read_rendered(words):
        return found.messages, _dialogue_shape("text", column, found.form, found.is_cut)
    return [{"role": "assistant", "content": words}], shape
