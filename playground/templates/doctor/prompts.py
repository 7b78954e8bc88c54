"""How an answer begins and what of it is trained: generation prompt and mask."""

from __future__ import annotations

from collections.abc import Iterator

from playground.core.findings import Action, Finding
from playground.core.i18n import say
from playground.templates import catalogue as templates
from playground.templates.doctor.case import Case
from playground.templates.doctor.prober import parting, shown


def generation_prompt_mismatch(case: Case) -> Iterator[Finding]:
    facts = case.facts
    facts.require("prompt")
    if facts.prompt_begins_turn is not False or not facts.prompt or facts.header is None:
        return
    here = _last_answer_begins_otherwise(case)
    values = {"prompt": shown(facts.prompt), "header": shown(facts.header)}
    yield Finding(
        "generation_prompt_mismatch",
        "warning" if here else "info",
        say("The generation prompt is “{prompt}”, but an assistant's turn begins with “{header}”.", **values)
        if here
        else say("The generation prompt is “{prompt}”, but a plain answer begins with “{header}”.", **values),
        fix=say("Train with a template whose assistant turns begin as its generation prompt does."),
        why=say("In a chat the answer begins at a place that no training row has."),
        evidence=_headers(case, facts.header)[:1] + _final(case, facts.prompt),
    )


def _last_answer_begins_otherwise(case: Case) -> bool:
    """Whether it is so in this conversation too: an answer with reasoning may begin as the prompt does."""
    answers = [place for place, message in enumerate(case.messages) if message["role"] == "assistant"]
    if not answers:
        return False
    prompt = case.asker.text(case.messages[: answers[-1]], add_generation_prompt=True, continue_final_message=False)
    return prompt is None or not case.text.startswith(prompt)


def _headers(case: Case, header: str) -> list[tuple[int, int]]:
    """What stands before the assistant's words, where it is this."""
    starts = [slot.place[0] for slot in case.answers() if slot.place]
    return [(start - len(header), start) for start in starts if header and case.text[:start].endswith(header)]


def _final(case: Case, prompt: str) -> list[tuple[int, int]]:
    if not case.options.add_generation_prompt or not prompt or not case.text.endswith(prompt):
        return []
    return [(len(case.text) - len(prompt), len(case.text))]


def open_answer(case: Case) -> Iterator[Finding]:
    """open_answer: what a model is to go on with stands elsewhere than behind the generation prompt."""
    before, last = case.messages[:-1], case.messages[-1]
    words = last.get("content")
    if not case.options.continue_final_message or last["role"] != "assistant" or not isinstance(words, str):
        return
    prompt = case.asker.text(before, add_generation_prompt=True, continue_final_message=False)
    if prompt is None:
        return
    if not words.strip():
        if case.text not in (prompt, prompt + words):
            yield _empty_answer_elsewhere(case, prompt)
        return
    end = len(case.text.rstrip()) - len(words.strip())
    between = case.text[len(prompt) : end]
    if not between.strip() or not case.text.startswith(prompt) or not case.text.startswith(words.strip(), end):
        return  # Of a turn that begins in another way, `generation_prompt_mismatch` speaks.
    in_thought = "<think>" in words and "</think>" not in words
    yield Finding(
        "open_answer",
        "warning" if in_thought else "info",
        say("The template writes “{text}” before the words of the open answer.", text=shown(between)),
        fix=say("Choose a template that leaves an open thought as it is.") if in_thought else None,
        why=say("The model goes on behind it: with an answer, or with a second thought behind an empty one."),
        evidence=[(len(prompt), end)],
    )


def _empty_answer_elsewhere(case: Case, prompt: str) -> Finding:
    start = parting(case.asker.closed(case.messages[:-1]) or "", prompt)
    start = start if prompt[start:] else max(len(prompt) - 20, 0)
    return Finding(
        "open_answer",
        "warning",
        say(
            "An empty open answer ends the text with “{here}”, but the generation prompt is “{prompt}”.",
            here=shown(case.text[start:]),
            prompt=shown(prompt[start:]),
        ),
        fix=say("Take the empty message out and switch the generation prompt on."),
        why=say("The model begins its answer at a place that no training row has."),
        evidence=[(min(start, len(case.text)), len(case.text))],
    )


def generation_prompt_ignored(case: Case) -> Iterator[Finding]:
    facts = case.facts
    facts.require("prompt")
    if facts.prompt != "" or facts.header is None:
        return
    if facts.header.strip():
        yield Finding(
            "generation_prompt_ignored",
            "warning",
            say(
                "The template writes no generation prompt, though an assistant's turn begins with “{header}”.",
                header=shown(facts.header),
            ),
            fix=say("Let the template write it where add_generation_prompt is on."),
            why=say("Asked for an answer, the model has to guess whose turn it is and may go on as the user."),
            evidence=_headers(case, facts.header)[:1],
            action=_prompt_added(case, facts.header),
        )
    elif case.options.add_generation_prompt:
        yield Finding(
            "generation_prompt_ignored",
            "info",
            say("The generation prompt adds nothing with this template: an answer follows the user's turn directly."),
            why=say("Nothing is missing: what opens an answer is part of every user's turn, or is not needed."),
        )


def _prompt_added(case: Case, header: str) -> Action | None:
    """The template with the header as its generation prompt, where turns then begin with it."""
    source = case.asker.renderer.template(case.options)
    source += "{% if add_generation_prompt %}{{ " + ascii(header) + " }}{% endif %}"
    asker = case.asker.with_template(source)
    turn = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    prompt = asker.text(turn[:1], add_generation_prompt=True, continue_final_message=False)
    whole = asker.closed(turn)
    if not prompt or not whole or not whole.startswith(prompt) or not prompt.endswith(header):
        return None
    return {"kind": "template", "template": source}


def generation_prompt_trained(case: Case) -> Iterator[Finding]:
    case.facts.require("prompt")
    prompt = case.facts.prompt
    if not prompt or case.rendered.mask_source == "all":
        return
    found = []
    for start in _trained_starts(case):
        place = case.text.rfind(prompt, max(start - len(prompt), 0), start + len(prompt))
        # A token that reaches from the prompt into the answer is no fault: its loss cannot be split.
        inside = [case.rendered.offsets[token][1] for token in case.tokens(start, place + len(prompt))]
        if 0 <= place <= start and min(inside, default=len(case.text)) <= place + len(prompt):
            found.append((start, place + len(prompt)))
    if not found:
        return
    piece = case.text[found[0][0] : found[0][1]]
    # A line break or a <think> at its end does little; a whole header or a special token is a mistake.
    heavy = piece == prompt or any(special and text in piece for text, special in case.facts.control.values())
    yield Finding(
        "generation_prompt_trained",
        "warning" if heavy and case.rendered.mask_source == "generation" else "info",
        say("“{text}” is trained, though the generation prompt gives it to the model.", text=shown(piece)),
        fix=say("Let the mask begin after the generation prompt."),
        why=say("The loss looks better than it is: the model is graded on text that it never has to write."),
        evidence=found,
    )


def _trained_starts(case: Case) -> list[int]:
    """The character at which each unbroken run of trained tokens begins."""
    mask = case.rendered.loss_mask
    return [
        case.rendered.offsets[place][0]
        for place, kept in enumerate(mask)
        if kept and (place == 0 or not mask[place - 1])
    ]


def nothing_trained(case: Case) -> Iterator[Finding]:
    answers = [slot for slot in case.slots if case.messages[slot.message]["role"] == "assistant"]
    if case.tokenizer is None or not answers or any(case.rendered.loss_mask):
        return
    message = say("The assistant's words are in the text, but no token is trained.")
    if case.rendered.mask_source == "none":
        message = say(
            "Where the assistant's words stand cannot be told with this template: nothing is marked as trained."
        )
    elif all(slot.asked is False for slot in answers):
        return
    yield Finding(
        "nothing_trained",
        "error",
        message,
        fix=say("Train on all tokens, or choose another template."),
        why=say("A run on such rows learns nothing."),
        evidence=[slot.place for slot in case.answers() if slot.place],
    )


def no_generation_markers(case: Case) -> Iterator[Finding]:
    found = {
        "prefix": say("by rendering the conversation turn by turn"),
        "sentinels": say("by rendering marked words in their place"),
        "training_template": say("by a training template that writes the same text"),
    }.get(str(case.rendered.mask_source))
    if found is None or case.tokenizer is None or not case.has_role("assistant"):
        return
    if case.options.continue_final_message:
        return  # transformers does not look for the markers then, whether the template has them or not.
    yield Finding(
        "no_generation_markers",
        "info",
        say("The template does not mark the assistant's words; they were found {how}.", how=found),
        fix=say(
            "Nothing is needed here. Elsewhere, train with a template that has {marker}.", marker="{% generation %}"
        ),
        why=say(
            "TRL's assistant_only_loss needs the markers and refuses templates without them, where it knows no twin."
        ),
        action=_twin(case),
    )


def _twin(case: Case) -> Action | None:
    """The gallery's training twin of this template, where it gave the mask: it then writes the same text."""
    if case.rendered.mask_source != "training_template":
        return None
    name = templates.training_twin(case.asker.renderer.template(case.options))
    return {"kind": "template", "template": name} if name else None
