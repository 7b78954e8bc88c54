"""What a template and a tokenizer do with any conversation, found out once by a handful of sentinel conversations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from transformers import PreTrainedTokenizerBase

from playground.core.messages import ROLES, Message
from playground.core.settings import RenderOptions
from playground.templates.doctor.prober import Asker, Budget, OutOfTime, common, parting, sentinel, without_tags
from playground.templates.renderer import Renderer

USER, ANSWER, USER_2, _, SYSTEM = (sentinel(9990 + number) for number in range(5))
SystemTurn = Literal["own", "merged", "dropped", "refused"]


@dataclass(frozen=True)
class TemplateFacts:
    """None means that it could not be told: the template refused what was asked."""

    control: dict[int, tuple[str, bool]]
    """The tokenizer's added tokens: id -> text, and whether it is special. Empty without a tokenizer."""
    adds_bos: bool = False
    """Whether the tokenizer itself puts its BOS before plain text."""
    wants_blocks: bool | None = None
    """Whether content must be a list of blocks, since plain text is refused or left out."""
    prompt: str | None = None
    """What add_generation_prompt writes; "" for nothing."""
    header: str | None = None
    """What stands between a user's turn and the assistant's words."""
    prompt_begins_turn: bool | None = None
    """Whether an assistant's turn begins with the generation prompt."""
    turn_end: str | None = None
    """What follows the assistant's words at the end of a conversation."""
    end_tokens: tuple[int, ...] | None = None
    """The added tokens in `turn_end`; None without a tokenizer."""
    system: SystemTurn | None = None
    preamble: str | None = None
    """What stands before the first user's turn where the conversation has no system turn."""
    default_system: str = ""
    """The words in `preamble`, "" where it has only tokens and names of roles."""
    demands_alternation: bool | None = None
    rewrites: tuple[str, str] | None = None
    """How the end of a conversation reads, and what stands there once another turn follows; None where it stays."""
    unasked: frozenset[str] = frozenset()
    """Facts for which the time did not last."""

    def require(self, *names: str) -> None:
        """Raises OutOfTime where one of these was not asked."""
        if self.unasked.intersection(names):
            raise OutOfTime


def examine(renderer: Renderer, options: RenderOptions, budget: Budget | None = None) -> TemplateFacts:
    """Ask template and tokenizer, in at most nine renders of a few words each.

    The answer depends on the template, the tokenizer and the options alone, never on a conversation: keep it.
    Two options play no part: add_generation_prompt and continue_final_message.
    """
    plain = replace(options, add_generation_prompt=False, continue_final_message=False, documents=None)
    probes = _Probes(Asker(renderer, plain, budget or Budget()))
    facts = TemplateFacts(_control(renderer.tokenizer), _adds_bos(renderer.tokenizer))
    steps = (
        (_content, ("wants_blocks",)),
        (_generation, ("prompt", "header", "prompt_begins_turn", "turn_end", "end_tokens")),
        (_second_turn, ("preamble", "default_system", "rewrites")),
        (_system_turn, ("system",)),
        (_alternation, ("demands_alternation",)),
    )
    unasked: set[str] = set()
    for step, names in steps:
        try:
            facts = step(facts, probes)
        except OutOfTime:
            unasked.update(names)
    return replace(facts, unasked=frozenset(unasked))


class _Probes:
    """The sentinel conversations, each rendered when it is first asked for."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.blocks = False
        self._texts: dict[tuple[str, ...], str | None] = {}

    def text(self, *turns: str, prompt: bool = False) -> str | None:
        """The render of turns given as "role words"; None where it is refused."""
        key = (*turns, "prompt" if prompt else "", "blocks" if self.blocks else "")
        if key not in self._texts:
            messages = [self._message(*turn.split(" ", 1)) for turn in turns]
            self._texts[key] = self.asker.text(messages, add_generation_prompt=prompt)
        return self._texts[key]

    def _message(self, role: str, words: str) -> Message:
        return {"role": role, "content": [{"type": "text", "text": words}] if self.blocks else words}

    def user(self) -> str | None:
        return self.text(f"user {USER}")

    def answered(self) -> str | None:
        return self.text(f"user {USER}", f"assistant {ANSWER}")


def _content(facts: TemplateFacts, probes: _Probes) -> TemplateFacts:
    """Whether words have to come in blocks. The probes that follow give them as the template wants them."""
    plain = probes.user()
    if plain is not None and USER in plain:
        return replace(facts, wants_blocks=False)
    probes.blocks = True
    blocks = probes.user()
    if blocks is not None and USER in blocks:
        return replace(facts, wants_blocks=True)
    probes.blocks = False
    return facts


def _generation(facts: TemplateFacts, probes: _Probes) -> TemplateFacts:
    """The generation prompt next to how an assistant's turn begins, and what ends that turn.

    Compared from the user's words on: what a template writes before them may hang on all that follows.
    """
    user, prompted, answered = probes.user(), probes.text(f"user {USER}", prompt=True), probes.answered()
    if user is None or prompted is None or USER not in user or USER not in prompted:
        return facts
    closed, opened = _after(USER, user), _after(USER, prompted)
    facts = replace(facts, prompt=opened[parting(closed, opened) :])
    if answered is None or USER not in answered or ANSWER not in _after(USER, answered):
        return facts
    turn = _after(USER, answered)
    words = turn.rfind(ANSWER)
    return replace(
        facts,
        header=turn[min(parting(closed, turn), words) : words],
        prompt_begins_turn=turn.startswith(opened),
        turn_end=turn[words + len(ANSWER) :],
        end_tokens=_added_after(probes.asker.renderer.tokenizer, facts, answered, answered.rfind(ANSWER) + len(ANSWER)),
    )


def _after(words: str, text: str) -> str:
    return text[text.find(words) + len(words) :]


def _second_turn(facts: TemplateFacts, probes: _Probes) -> TemplateFacts:
    """What stands before the first turn only, and whether the first turns change when another follows."""
    user, answered = probes.user(), probes.answered()
    further = probes.text(f"user {USER}", f"assistant {ANSWER}", f"user {USER_2}")
    if user is None or USER not in user or answered is None or further is None or USER_2 not in further:
        return facts
    if not further.startswith(answered):
        place = min(parting(answered, further), parting(further, answered))
        facts = replace(facts, rewrites=(answered[place:], further[place : further.find(USER_2)]))
    before = user[: user.find(USER)]
    between = further[further.find(ANSWER) + len(ANSWER) : further.find(USER_2)]
    preamble = before[: len(before) - common(before[::-1], between[::-1])]
    return replace(facts, preamble=preamble, default_system=own_words(preamble, facts))


def _system_turn(facts: TemplateFacts, probes: _Probes) -> TemplateFacts:
    user, both = probes.user(), probes.text(f"system {SYSTEM}", f"user {USER}")
    if user is None or USER not in user:
        return facts
    if both is None:
        return replace(facts, system="refused")
    if SYSTEM not in both:
        return replace(facts, system="dropped")
    before = user[: user.find(USER)]
    inner = both[len(before) : both.rfind(USER) + len(USER)]
    if not both.startswith(before) or SYSTEM not in inner or _has_special(inner, facts):
        return replace(facts, system="own")
    # What stands from the user's header on might have been written by the user: the system prompt is in that turn.
    return replace(facts, system="merged" if probes.text(f"user {inner}") == both else "own")


def _has_special(text: str, facts: TemplateFacts) -> bool:
    return any(special and written in text for written, special in facts.control.values() if written.strip())


def _alternation(facts: TemplateFacts, probes: _Probes) -> TemplateFacts:
    if probes.user() is None:
        return facts
    return replace(facts, demands_alternation=probes.text(f"user {USER}", f"user {USER_2}") is None)


def own_words(preamble: str, facts: TemplateFacts) -> str:
    """What a template says by itself in `preamble`: the words beside tokens, tags and the name of a role."""
    for text, _ in facts.control.values():
        if text.strip():
            preamble = preamble.replace(text, " ")
    words = without_tags(preamble).split()
    if words and words[0].strip(":").lower() in ROLES:
        words = words[1:]
    return " ".join(words) if len(words) > 1 else ""


def _added_after(
    tokenizer: PreTrainedTokenizerBase | None, facts: TemplateFacts, text: str, start: int
) -> tuple[int, ...] | None:
    if tokenizer is None:
        return None
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return tuple(
        token
        for token, (begin, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True)
        if begin >= start
        and token in facts.control
        and facts.control[token][0].strip()
        and facts.control[token][0] in text[begin:end]
    )


def _control(tokenizer: PreTrainedTokenizerBase | None) -> dict[int, tuple[str, bool]]:
    if tokenizer is None:
        return {}
    special = set(tokenizer.all_special_ids)
    return {
        index: (token.content, token.special or index in special)
        for index, token in tokenizer.added_tokens_decoder.items()
    }


def _adds_bos(tokenizer: PreTrainedTokenizerBase | None) -> bool:
    if tokenizer is None or tokenizer.bos_token_id is None:
        return False
    ids: list[int] = tokenizer(USER)["input_ids"]
    return ids[:1] == [tokenizer.bos_token_id]
