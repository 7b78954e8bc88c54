"""The one renderer: from messages to text, tokens and loss mask.

The template tab, the dataset preview, the trainer's rows and the chat's prompts all come from `render`, so the colours
on the screen are the labels that are trained on.

The text comes from transformers' own `render_jinja_template`, with the arguments that `apply_chat_template` gives it.
The mask is worked out here, on characters, and then carried to tokens by their offsets:

    generation   the template marks the assistant's words with {% generation %}
    prefix       otherwise: what an assistant turn adds after the generation prompt, found by rendering the conversation
                 up to that turn; accepted only where each such text begins the whole

transformers has a mask of its own (`return_assistant_tokens_mask`), which marks the rest of the sequence when a span
ends on a character without a token (transformers#47325), and none for templates without markers.

Runs templates, which are programs: call it in the sandbox (workers/sandbox.py) unless the template is trusted.
Knows nothing of padding, truncation to a batch, or models.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import TemplateError
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

from playground.conversations import Message
from playground.errors import InputError, LimitError, ModelError
from playground.settings import RenderOptions, TrainOn
from playground.words import say

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Interval = tuple[int, int]
MaskSource = Literal["generation", "prefix", "all", "none"]
_PROBE = "\u2983probe\u2984"
_REFUSALS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What a template can raise on a conversation that it was not written for, or on purpose."""
_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class Span:
    """A stretch of the text that one message, or the template by itself, put there."""

    start: int
    end: int
    role: str
    """The message's role, or "template" for text that the template adds without being asked."""
    message: int | None
    """Index of the message, or None."""


@dataclass(frozen=True)
class Rendered:
    """A conversation as the model sees it. The lists `input_ids`, `loss_mask` and `offsets` have one entry a token."""

    text: str
    spans: list[Span]
    mask_source: MaskSource
    input_ids: list[int]
    loss_mask: list[int]
    """1 where the token is supervised."""
    offsets: list[Interval]
    """The characters of `text` that each token stands for."""

    def labels(self) -> list[int]:
        """`input_ids` with -100 where nothing is learnt: what the trainer gets."""
        return [token if kept else -100 for token, kept in zip(self.input_ids, self.loss_mask, strict=True)]

    def cut(self, max_length: int) -> Rendered:
        """The first `max_length` tokens (TRL's keep_start)."""
        return replace(
            self,
            input_ids=self.input_ids[:max_length],
            loss_mask=self.loss_mask[:max_length],
            offsets=self.offsets[:max_length],
        )


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

    def render(self, messages: list[Message], options: RenderOptions, train_on: TrainOn = "assistant") -> Rendered:
        """Text, tokens, mask and spans of one conversation.

        Raises InputError where the template refuses the conversation or is no valid Jinja.
        """
        # transformers refuses to track the markers while a message is continued.
        has_markers = _MARKER.search(self.template(options)) is not None and not options.continue_final_message
        text, marked = self._render(messages, options, track_generation=has_markers)
        boundaries = self._boundaries(messages, options, text)
        source: MaskSource
        if marked:
            source, trained = "generation", marked
        else:
            source, trained = self._prefix_intervals(messages, options, text)
        if train_on == "all":
            source, trained = "all", [(0, len(text))]
        elif train_on == "last":
            trained = trained[-1:]
        ids, offsets = self._tokenize(text)
        spans = self._spans(messages, options, text, boundaries)
        return Rendered(text, spans, source, ids, _mask(offsets, trained), offsets)

    def _tokenize(self, text: str) -> tuple[list[int], list[Interval]]:
        if self.tokenizer is None:
            return [], []
        encoding = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return list(encoding["input_ids"]), [(start, end) for start, end in encoding["offset_mapping"]]

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
            raise InputError(
                say("The chat template refuses the conversation: {detail}", detail=_sentence(detail)),
                fix=say("Change the conversation to what the template expects, or choose another template."),
            ) from None
        text = rendered[0]
        if len(text) > self.output_chars:
            raise LimitError(
                say("The template wrote {count} characters.", count=len(text)),
                say("The limit here is {limit}.", limit=self.output_chars),
                say("Shorten the conversation or correct the template."),
            )
        return text, [(start, end) for start, end in intervals[0]] if track_generation else []

    def _try(self, messages: list[Message], options: RenderOptions, **changes: Any) -> str | None:
        """The text of part of a conversation, None where the template refuses the part."""
        try:
            return self._render(messages, replace(options, continue_final_message=False, **changes))[0]
        except InputError:
            return None

    def _boundaries(self, messages: list[Message], options: RenderOptions, text: str) -> list[int | None]:
        """For each message, where its text ends: the length of the render up to it, where that begins the whole."""
        ends: list[int | None] = []
        for count in range(1, len(messages) + 1):
            part = self._try(messages[:count], options, add_generation_prompt=False)
            ends.append(len(part) if part is not None and text.startswith(part) else None)
        return ends

    def _prefix_intervals(
        self, messages: list[Message], options: RenderOptions, text: str
    ) -> tuple[MaskSource, list[Interval]]:
        """What each assistant turn adds after the generation prompt; ("none", []) where that cannot be told."""
        intervals: list[Interval] = []
        for index, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            prompt = self._try(messages[:index], options, add_generation_prompt=True)
            turn = self._try(messages[: index + 1], options, add_generation_prompt=False)
            if options.continue_final_message and index == len(messages) - 1 and turn and turn.startswith(text):
                turn = text  # The last turn is left open: it ends where the text does.
            if prompt is None or turn is None or not turn.startswith(prompt) or not text.startswith(turn):
                return "none", []
            intervals.append((len(prompt), len(turn)))
        return "prefix", intervals

    def _spans(self, messages: list[Message], options: RenderOptions, text: str, ends: list[int | None]) -> list[Span]:
        spans: list[Span] = []
        start = 0
        for index, (message, end) in enumerate(zip(messages, ends, strict=True)):
            if end is None:
                # The template rewrites earlier text when more follows: which message wrote what cannot be told here.
                continue
            if index == 0 and (own := self._preamble(messages, options, text[:end])):
                spans.append(Span(0, own, "template", None))
                start = own
            if end > start:
                spans.append(Span(start, end, message["role"], index))
                start = end
        if start < len(text):
            # The generation prompt, or what stands after the last message that could be placed.
            role = "assistant" if options.add_generation_prompt and ends and ends[-1] == start else "template"
            spans.append(Span(start, len(text), role, None))
        return spans

    def _preamble(self, messages: list[Message], options: RenderOptions, first: str) -> int:
        """Length of what the template puts before the first message by itself, such as a default system prompt.

        A second turn of the same role shows how such a turn opens; where the first turn opens later than its text
        begins, the rest is the template's own.
        """
        content = messages[0].get("content")
        if messages[0]["role"] != "user" or not isinstance(content, str) or not content.strip():
            return 0
        earlier = [messages[0], {"role": "assistant", "content": _PROBE}]
        before = self._try(earlier, options, add_generation_prompt=False)
        after = self._try([*earlier, messages[0]], options, add_generation_prompt=False)
        if before is None or after is None or not after.startswith(before):
            return 0
        return max(first.rfind(after[len(before) :]), 0)


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


def _mask(offsets: list[Interval], trained: list[Interval]) -> list[int]:
    """1 for each token that stands for at least one trained character.

    A token across the edge of a span counts, as it does for transformers: its loss cannot be split.
    """
    trained = [interval for interval in trained if interval[0] < interval[1]]
    starts = [start for start, _ in trained]
    mask = []
    for start, end in offsets:
        # The last interval that begins before the token ends is the only one that can reach into it.
        place = bisect_right(starts, max(end - 1, start)) - 1
        mask.append(int(place >= 0 and trained[place][1] > start))
    return mask


def pieces(rendered: Rendered, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, Any]]:
    """One chip a token: {id, text, role, trained, special, message}, in order.

    A token that is only part of a character shows its bytes ("E3 81"), since no text of its own exists.
    """
    special = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    special.update(tokenizer.all_special_ids)
    starts = [span.start for span in rendered.spans]
    chips = []
    for place, (token, (start, end)) in enumerate(zip(rendered.input_ids, rendered.offsets, strict=True)):
        span = rendered.spans[max(bisect_right(starts, start) - 1, 0)]
        before = rendered.offsets[place - 1] if place > 0 else (0, 0)
        after = rendered.offsets[place + 1] if place + 1 < len(rendered.offsets) else (end, end)
        shares = before[1] > start or after[0] < end
        chips.append(
            {
                "id": token,
                "text": _part_of_character(tokenizer, token) if shares and end > start else rendered.text[start:end],
                "role": span.role,
                "trained": bool(rendered.loss_mask[place]),
                "special": token in special,
                "message": span.message,
            }
        )
    return chips


def _part_of_character(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    piece = tokenizer.convert_ids_to_tokens(token)
    if not isinstance(piece, str):
        return ""
    if piece.startswith("<0x") and piece.endswith(">"):  # SentencePiece's byte fallback.
        return piece[3:-1]
    values = [_BYTES.get(character) for character in piece]
    return " ".join(f"{value:02X}" for value in values if value is not None) if None not in values else piece


def _byte_alphabet() -> dict[str, int]:
    """Character -> byte of byte-level BPE (GPT-2): printable bytes stand for themselves, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    alphabet.update({chr(0x100 + place): byte for place, byte in enumerate(others)})
    return alphabet


_BYTES = _byte_alphabet()
