"""How a text begins and how a turn ends: BOS, turn ends, stop tokens, padding."""

from __future__ import annotations

import re
from collections.abc import Iterator

from playground.core.findings import Action, Finding
from playground.core.i18n import say
from playground.templates.doctor.case import Case
from playground.templates.doctor.prober import shown
from playground.templates.locate import Slot


def bos_twice(case: Case) -> Iterator[Finding]:
    bos = getattr(case.tokenizer, "bos_token_id", None)
    ids = case.rendered.input_ids
    if bos is None or ids[:1] != [bos]:
        return
    written = case.token_text(bos)
    if ids[1:2] == [bos]:
        yield Finding(
            "bos_twice",
            "error",
            say("The text begins with {token} twice.", token=written),
            fix=say("Let only one of them write it: the template, or the value of bos_token."),
            why=say(
                "Hardly any model has learned from texts that begin twice; its answers can get worse without any error."
            ),
            evidence=[(0, case.rendered.offsets[1][1])],
            action=_one_bos(case, bos),
        )
    elif case.facts.adds_bos:
        yield Finding(
            "bos_twice",
            "info",
            say(
                "The template writes {token}, and the tokenizer adds another when it is left to itself.", token=written
            ),
            fix=say("Tokenise rendered text with add_special_tokens=False, as is done here."),
            why=say("A script that tokenises the rendered text in the usual way begins it twice."),
            evidence=[case.rendered.offsets[0]],
        )


def _one_bos(case: Case, bos: int) -> Action | None:
    """An empty bos_token, or the template without its first mention of it: where the text then begins once."""
    special = {**(case.options.special_tokens or {}), "bos_token": ""}
    if _begins_once(case, case.asker.text(case.messages, special_tokens=special), bos):
        return {"kind": "options", "options": {"special_tokens": special}}
    source = _BOS.sub("", case.asker.renderer.template(case.options), count=1)
    if _begins_once(case, case.asker.with_template(source).text(case.messages), bos):
        return {"kind": "template", "template": source}
    return None


def _begins_once(case: Case, text: str | None, bos: int) -> bool:
    ids = [] if text is None else _first_ids(case, text)[:2]
    return ids[:1] == [bos] and ids[1:] != [bos]


def _first_ids(case: Case, text: str) -> list[int]:
    ids: list[int] = case.tokenizer(text[:400], add_special_tokens=False)["input_ids"]
    return ids


def bos_missing(case: Case) -> Iterator[Finding]:
    if not case.facts.adds_bos or not case.rendered.input_ids:
        return
    bos = case.tokenizer.bos_token_id
    if case.rendered.input_ids[0] == bos:
        return
    written = case.token_text(bos)
    source = "{{ bos_token }}" + case.asker.renderer.template(case.options)
    text = case.asker.with_template(source).text(case.messages)
    helps = text is not None and _first_ids(case, text)[:1] == [bos]
    yield Finding(
        "bos_missing",
        "warning",
        say("The tokenizer begins plain text with {token}, but the template does not write it.", token=written),
        fix=say("Let the template begin with bos_token."),
        why=say(
            "A model whose tokenizer adds it has most likely learned with it in front, and some answer badly without "
            "it."
        ),
        evidence=[case.rendered.offsets[0]],
        action={"kind": "template", "template": source} if helps else None,
    )


def turn_end_missing(case: Case) -> Iterator[Finding]:
    case.facts.require("end_tokens")
    if case.facts.end_tokens is None or case.facts.end_tokens:
        return
    after = (case.facts.turn_end or "").strip()
    if after:
        said = say("“{text}” ends the assistant's turn, but for this tokenizer it is ordinary text.", text=shown(after))
        fix = say("Choose the template that belongs to this model, or end the turn with eos_token.")
    else:
        said = say("Nothing stands after the assistant's last words: no token ends the turn.")
        fix = say("Let the template write eos_token after the assistant's words.")
    answers = case.answers()
    open_ends = [place for slot in answers if (place := _open_end(slot, case, after)) is not None]
    closed = case.messages[:-1] if case.options.continue_final_message else case.messages
    here = any(message["role"] == "assistant" for message in closed) and (open_ends or not answers)
    yield Finding(
        "turn_end_missing",
        "error" if here else "info",
        said,
        fix=fix,
        why=say("A model trained on this never learns to stop: it goes on until the limit of tokens."),
        evidence=open_ends,
    )


def _open_end(slot: Slot, case: Case, after: str) -> tuple[int, int] | None:
    """What stands for an end after the words, or their last character; None where a stop token follows."""
    assert slot.place is not None
    end = slot.place[1]
    if case.options.continue_final_message and slot.message == len(case.messages) - 1:
        return None
    if after and case.text[end:].lstrip().startswith(after):
        return end, case.text.find(after, end) + len(after)
    follows = next(iter(case.tokens(end, case.next_words(end))), None)
    if follows is not None and case.rendered.input_ids[follows] in _stops(case):
        return None
    return end - 1, end


def _stops(case: Case) -> set[int]:
    """What ends an answer: generation_config's tokens, the tokenizer's eos_token where they are not known."""
    if case.stop_ids is not None:
        return set(case.stop_ids)
    eos = getattr(case.tokenizer, "eos_token_id", None)
    return set() if eos is None else {eos}


def turn_end_untrained(case: Case) -> Iterator[Finding]:
    case.facts.require("end_tokens")
    ends = [place for slot in case.answers() if (place := _untrained_end(slot, case)) is not None]
    if not ends:
        return
    token = case.token_text(case.rendered.input_ids[ends[0]])
    yield Finding(
        "turn_end_untrained",
        "error",
        say("The assistant's words are trained, but {token} after them is not.", token=token),
        fix=say("Let the mask reach over the end of the turn: put {endgeneration} after it.", endgeneration=_END),
        why=say("The model learns what to say but never that it has to stop."),
        evidence=[case.rendered.offsets[place] for place in ends],
    )


_END = "{% endgeneration %}"
_BOS = re.compile(r"\{\{-?\s*bos_token\s*-?\}\}")


def _untrained_end(slot: Slot, case: Case) -> int | None:
    """The token that ends the turn, where the words before it are trained and it is not."""
    assert slot.place is not None
    start, end = slot.place
    last_and_open = case.options.continue_final_message and slot.message == len(case.messages) - 1
    if last_and_open or not any(case.trained(start, end)):
        return None
    for place in case.tokens(end, case.next_words(end)):
        if case.rendered.offsets[place][0] >= end and case.rendered.input_ids[place] in (case.facts.end_tokens or ()):
            return None if case.rendered.loss_mask[place] else place
    return None


def stop_token_unknown(case: Case) -> Iterator[Finding]:
    case.facts.require("end_tokens")
    ends = case.facts.end_tokens or ()
    known = _stops(case)
    if not ends or not known or known.intersection(ends):
        return
    token = case.token_text(ends[0])
    names = ", ".join(case.token_text(index) for index in sorted(known)[:6])
    if case.stop_ids is None:
        said = say(
            "{token} ends the assistant's turn, but the tokenizer's eos_token is {names}.", token=token, names=names
        )
    else:
        said = say("{token} ends the assistant's turn, but generation stops on {names}.", token=token, names=names)
    yield Finding(
        "stop_token_unknown",
        "warning",
        said,
        fix=say(
            "Put the id {number} into eos_token_id of generation_config; chats here stop on it already.", number=ends[0]
        ),
        why=say("The model ends its turn and is not stopped: it may go on to write the user's next turn itself."),
        evidence=_every(case, ends[0]),
    )


def pad_is_eos(case: Case) -> Iterator[Finding]:
    tokenizer = case.tokenizer
    if tokenizer is None or tokenizer.pad_token_id is None or tokenizer.pad_token_id != tokenizer.eos_token_id:
        return
    yield Finding(
        "pad_is_eos",
        "info",
        say("Padding and end are the same token: {token}.", token=case.token_text(tokenizer.pad_token_id)),
        fix=say("Elsewhere, set pad_token to a token that nothing else uses, or make the labels before padding."),
        why=say(
            "A script that leaves padding out of the loss by its id leaves the end out too, and the model never stops. "
            "Runs here are safe: their labels are made before padding."
        ),
        evidence=_every(case, tokenizer.pad_token_id),
    )


def _every(case: Case, token: int) -> list[tuple[int, int]]:
    """Where this token stands right after an answer."""
    ends = {slot.place[1] for slot in case.answers() if slot.place}
    return [
        place for index, place in zip(case.rendered.input_ids, case.rendered.offsets, strict=True)
        if index == token and place[0] in ends
    ]  # fmt: skip
