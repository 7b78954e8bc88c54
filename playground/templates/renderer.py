"""The one renderer: from messages to text, tokens and loss mask.

The template tab, the dataset preview, the trainer's rows and the chat's prompts all come from `render`, so the colours
on the screen are the labels that are trained on.

The text comes from transformers' own `render_jinja_template`, with the arguments that `apply_chat_template` gives it.
The mask is worked out here, on characters, and then carried to tokens by their offsets:

    generation         the template marks what the assistant writes with {% generation %}
    training_template  TRL ships this very template with markers, and with them it writes the same text
    sentinels          otherwise: marks set into the messages show where their words stand (locate.py); believed only
                       where the text without the marks is the same
    prefix             otherwise: what an assistant turn adds after the generation prompt, found by rendering the
                       conversation up to that turn; believed only where each such text begins the whole
    none               otherwise: nothing is trained, rather than something guessed

transformers has a mask of its own (`return_assistant_tokens_mask`), which marks the rest of the sequence when a span
ends on a character without a token (transformers#47325), and none for templates without markers.

Runs templates, which are programs: call it in the sandbox (server/sandbox/pool.py) unless the template is trusted.
Knows nothing of padding, truncation to a batch, or models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import TemplateError
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

from playground.core.errors import InputError, LimitError, ModelError
from playground.core.i18n import say
from playground.core.messages import Message, is_read_only
from playground.core.settings import RenderOptions, TrainOn
from playground.templates.catalogue import template_source, training_twin
from playground.templates.locate import Interval
from playground.templates.masking import Memory, Turn, locate_turns
from playground.templates.rendered import MaskSource, Rendered, Supervised, TemplateRefusal, supervised_tokens
from playground.templates.spans import ONE_TURN, Span, share_out

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_REFUSALS = (
    TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, SyntaxError,
)  # fmt: skip
"""What a template can raise on a conversation that it was not written for, or on purpose, or while it is compiled."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")


class Renderer:
    """A template with its tokenizer; `tokenizer` None renders text alone."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase | None, template: str | None = None, output_chars: int = 2_000_000
    ) -> None:
        """`template` None is the tokenizer's own. Raises InputError where it has none."""
        if template is None and (tokenizer is None or not tokenizer.chat_template):
            raise InputError(
                say("The model has no chat template of its own."),
                say("Without a chat template a conversation cannot become text."),
                say("Choose a template by name, or give its Jinja source."),
            )
        self.tokenizer = tokenizer
        self.output_chars = output_chars
        self._given = template
        self._leads: dict[str, str] = {}

    def template(self, options: RenderOptions) -> str:
        """The template's source. Some models have one of its own for conversations with tools."""
        if self._given is not None:
            return self._given
        assert self.tokenizer is not None
        source: str = self.tokenizer.get_chat_template(tools=options.tools)
        return source

    def text(self, messages: list[Message], options: RenderOptions) -> str:
        """The rendered text alone."""
        return self._render(messages, options)[0]

    def prompt_ids(self, messages: list[Message], options: RenderOptions) -> list[int]:
        """The tokens that the next answer is asked by. Nothing of a prompt is learned, so no mask is looked for."""
        [(ids, _)] = self.tokenize([self.text(messages, replace(options, add_generation_prompt=True))])
        return ids

    def render(
        self,
        messages: list[Message],
        options: RenderOptions,
        train_on: TrainOn = "assistant",
        with_spans: bool = True,
    ) -> Rendered:
        """Text, tokens, mask and spans of one conversation.

        `with_spans` False leaves the spans out, which saves renders where only the labels are wanted.
        Raises InputError where the template refuses the conversation or is no valid Jinja.
        """
        supervised = self.supervise(messages, options, train_on, with_turns=with_spans)
        text = supervised.text
        [(ids, offsets)] = self.tokenize([text])
        spans = (
            share_out(
                messages,
                text,
                supervised.turns,
                lambda some: self._try(some, _closed(options)),
                has_prompt=options.add_generation_prompt,
            )
            if with_spans
            else []
        )
        mask = supervised_tokens(offsets, supervised.learned).tolist()
        return Rendered(text, spans, supervised.mask_source, ids, mask, offsets)

    def supervise(
        self,
        messages: list[Message],
        options: RenderOptions,
        train_on: TrainOn = "assistant",
        *,
        with_turns: bool = False,
        memory: Memory | None = None,
    ) -> Supervised:
        """The text and which characters of it are learned, without tokens.

        `with_turns`: where each message stands is told even where the mask does not need it. `memory` is for rows that
        are rendered one after the other, see `turns.Memory`. Raises InputError as `render` does.
        """
        text, marked = self._render_marked(messages, options)
        source: MaskSource = "generation"
        if not marked and (marked := self._marked_by_twin(messages, options, text)):
            source = "training_template"
        read_only = [place for place, message in enumerate(messages) if is_read_only(message)]
        turns = self.turns(messages, options, text, memory) if with_turns or not marked or read_only else []
        if not marked:
            source, marked = self._learned(messages, options, text, turns)
        elif any(turns[place] is None for place in read_only):
            source, marked = "none", []
        elif read_only:
            marked = _without(marked, [turns[place] for place in read_only])
        if train_on == "all":
            source, marked = "all", [(0, len(text))]
        elif train_on == "last":
            answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
            marked = [] if answers[-1:] == read_only[-1:] != [] else marked[-1:]
        return Supervised(text, source, marked, turns)

    def supervise_text(self, words: str) -> Supervised:
        """Text that is no conversation, learned as TRL learns a text column: all of it, and then the token that ends
        it. Nothing of a template stands around it.
        """
        if self.tokenizer is None:
            return Supervised(words, "all", [(0, len(words))], [])
        begin, end = (str(getattr(self.tokenizer, name) or "") for name in ("bos_token", "eos_token"))
        [bare] = self.tokenizer([""])["input_ids"]
        begins = begin if bare[:1] == [self.tokenizer.bos_token_id] and not words.startswith(begin) else ""
        text = begins + words + ("" if words.rstrip().endswith(end) else end)
        return Supervised(text, "all", [(0, len(text))], [])

    def render_text(self, words: str) -> Rendered:
        """The same with its tokens; all but what begins and ends it are the assistant's words."""
        found = self.supervise_text(words)
        [(ids, offsets)] = self.tokenize([found.text])
        start = found.text.index(words)
        edges = (0, start, start + len(words), len(found.text))
        roles = (("template", None), ("assistant", 0), ("template", None))
        spans = [Span(a, b, *whose) for a, b, whose in zip(edges, edges[1:], roles, strict=False) if b > a]
        return Rendered(found.text, spans, "all", ids, [1] * len(ids), offsets)

    def turns(
        self, messages: list[Message], options: RenderOptions, text: str, memory: Memory | None = None
    ) -> list[Turn | None]:
        """Where each message stands in `text`, which `messages` were rendered to."""
        return locate_turns(
            messages,
            text,
            lambda some, prompt: self._try(
                some, replace(options, continue_final_message=False, add_generation_prompt=prompt)
            ),
            lambda marked: self._try(marked, options),
            is_open=options.continue_final_message,
            control_tokens=self.control_tokens,
            memory=None if options.tools or options.documents else memory,
        )

    def turn_end(self, options: RenderOptions) -> list[int]:
        """The token that the template ends an assistant's turn with, [] where there is none: whoever answers in this
        template stops there, whatever the model's generation config says.
        """
        if self.tokenizer is None:
            return []
        plain = _closed(options)
        text = self._try(ONE_TURN, plain)
        turn = self.turns(ONE_TURN, plain, text)[1] if text is not None else None
        if text is None or turn is None:
            return []
        special = set(self.tokenizer.added_tokens_decoder) | set(self.tokenizer.all_special_ids)
        [(ids, _)] = self.tokenize([text[turn.words[1] : turn.end]])
        return [token for token in ids if token in special][:1]

    @cached_property
    def control_tokens(self) -> list[str]:
        return [] if self.tokenizer is None else [str(token) for token in self.tokenizer.added_tokens_decoder.values()]

    def _render_marked(self, messages: list[Message], options: RenderOptions) -> tuple[str, list[Interval]]:
        """The text, and what the template itself marks as the assistant's."""
        # transformers refuses to track the markers while a message is continued.
        has_markers = _MARKER.search(self.template(options)) is not None and not options.continue_final_message
        return self._render(messages, options, track_generation=has_markers)

    def _marked_by_twin(self, messages: list[Message], options: RenderOptions, text: str) -> list[Interval]:
        """What TRL's own marked version of this template marks, [] where there is none or it writes another text."""
        twin = training_twin(self.template(options))
        if not twin or options.continue_final_message:
            return []
        marked = Renderer(self.tokenizer, template_source(twin), self.output_chars)
        try:
            same, intervals = marked._render_marked(messages, options)
        except InputError:
            return []
        return intervals if same == text else []

    def _learned(
        self, messages: list[Message], options: RenderOptions, text: str, turns: list[Turn | None]
    ) -> tuple[MaskSource, list[Interval]]:
        """What the assistant has to learn to write, ("none", []) where that cannot be told for every answer shown."""
        source: MaskSource = "sentinels"
        intervals: list[Interval] = []
        is_dropped = False
        for place, (message, turn) in enumerate(zip(messages, turns, strict=True)):
            if message["role"] != "assistant" or is_read_only(message):
                continue
            learned = turn.learned if turn is not None else None
            if learned is None:
                learned = self._added_by(messages, place, options, text)
                if learned is None and _is_missing(message, text):
                    is_dropped = True  # The template leaves this answer out, so there is nothing of it to learn.
                    continue
                source = "prefix"
            if learned is None:
                return "none", []
            intervals.append(learned)
        # One rule for all rows of a file: where TRL's twin writes a row otherwise, what it trains of the generation
        # prompt in the others is trained here too.
        lead = self._lead(options)
        if lead:
            intervals = [(start - len(lead) * text.endswith(lead, 0, start), end) for start, end in intervals]
        return ("none" if is_dropped and not intervals else source), sorted(intervals)

    def _lead(self, options: RenderOptions) -> str:
        """What TRL's marked version of the template trains of the generation prompt; mostly "", or a line break."""
        source = self.template(options)
        if source not in self._leads:
            self._leads[source] = ""
            plain = _closed(options)
            text = self._try(ONE_TURN, plain) if training_twin(source) else None
            marked = self._marked_by_twin(ONE_TURN, plain, text) if text is not None else []
            turn = self.turns(ONE_TURN, plain, text)[1] if text is not None and marked else None
            if text is not None and turn is not None and turn.learned is not None:
                self._leads[source] = text[marked[-1][0] : turn.learned[0]]
        return self._leads[source]

    def _added_by(self, messages: list[Message], place: int, options: RenderOptions, text: str) -> Interval | None:
        """What one assistant turn adds after the generation prompt, None where the text was written otherwise."""
        plain = replace(options, continue_final_message=False)
        prompt = self._try(messages[:place], replace(plain, add_generation_prompt=True))
        turn = self._try(messages[: place + 1], replace(plain, add_generation_prompt=False))
        if options.continue_final_message and place == len(messages) - 1 and turn and turn.startswith(text):
            turn = text  # The last turn is left open: it ends where the text does.
        if prompt is None or turn is None or not turn.startswith(prompt) or not text.startswith(turn):
            return None
        return len(prompt), len(turn)

    def tokenize(self, texts: list[str]) -> list[tuple[list[int], list[Interval]]]:
        """For each text its token ids and the characters that each token stands for; nothing is added to it."""
        if self.tokenizer is None or not texts:
            return [([], []) for _ in texts]
        encodings = self.tokenizer(
            texts, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False
        )
        return list(zip(encodings["input_ids"], encodings["offset_mapping"], strict=True))

    def _render(
        self, messages: list[Message], options: RenderOptions, track_generation: bool = False
    ) -> tuple[str, list[Interval]]:
        """Text, and the character intervals inside {% generation %} blocks when they are asked for."""
        special = dict(self.tokenizer.special_tokens_map) if self.tokenizer is not None else {}
        variables = {**special, **(options.special_tokens or {}), **(options.template_kwargs or {})}
        try:
            with _clock(self.template(options), options.clock):
                rendered, intervals = chat_template_utils.render_jinja_template(
                    conversations=[messages],
                    tools=options.tools,
                    documents=options.documents,
                    chat_template=self.template(options),
                    return_assistant_tokens_mask=track_generation,
                    continue_final_message=options.continue_final_message,
                    add_generation_prompt=options.add_generation_prompt,
                    **variables,
                )
        except _REFUSALS as problem:
            detail = str(problem).strip() or type(problem).__name__
            # Only `raise_exception` raises just this: the author of the template wrote it for people.
            said = _sentence(detail) if type(problem) is TemplateError else ""
            raise TemplateRefusal(
                say("The chat template refuses the conversation: {detail}", detail=_sentence(detail)),
                fix=say("Change the conversation to what the template expects, or choose another template."),
            ).quoting(said) from None
        text = rendered[0]
        if not text.isascii() and _LONE_SURROGATE.search(text):
            raise InputError(
                say("The text holds half of a character (a lone surrogate)."),
                say("Neither a tokenizer nor a file can hold it."),
                say("Take it out of the conversation or the template."),
            )
        if len(text) > self.output_chars:
            raise LimitError(
                say("The template wrote {count} characters.", count=len(text)),
                say("The limit here is {limit}.", limit=self.output_chars),
                say("Shorten the conversation or correct the template."),
            )
        return text, [(start, end) for start, end in intervals[0]] if track_generation else []

    def _try(self, messages: list[Message], options: RenderOptions) -> str | None:
        """The text, None where the template refuses."""
        try:
            return self._render(messages, options)[0]
        except InputError:
            return None


def _closed(options: RenderOptions) -> RenderOptions:
    """The same, with nothing left open and no generation prompt."""
    return replace(options, continue_final_message=False, add_generation_prompt=False)


@contextmanager
def _clock(template: str, moment: str | None) -> Iterator[None]:
    """Make `strftime_now` tell `moment`. transformers keeps compiled templates, and their globals, in a cache."""
    if moment is None:
        yield
        return
    compiled = chat_template_utils._compile_jinja_template(template)
    real = compiled.globals["strftime_now"]
    compiled.globals["strftime_now"] = datetime.fromisoformat(moment).strftime
    try:
        yield
    finally:
        compiled.globals["strftime_now"] = real


def _without(marked: list[Interval], turns: list[Turn | None]) -> list[Interval]:
    """The stretches that are not of these turns."""
    return [
        (start, end)
        for start, end in marked
        if not any(turn is not None and turn.start < end and start < turn.end for turn in turns)
    ]


def _is_missing(message: Message, text: str) -> bool:
    """Whether what an answer says stands nowhere in the text."""
    content = message.get("content")
    return isinstance(content, str) and bool(content.strip()) and content.strip() not in text


def _sentence(detail: str) -> str:
    detail = detail[:400]
    return detail if detail.endswith((".", "!", "?")) else detail + "."


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`, without running code of its own. Raises ModelError where that cannot be."""
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError) as problem:
        raise ModelError(
            say("The model's tokenizer cannot be loaded ({kind}).", kind=type(problem).__name__),
            fix=say("Choose a model whose tokenizer transformers knows without code of its own."),
        ) from None
    return tokenizer
