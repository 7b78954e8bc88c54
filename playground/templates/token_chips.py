"""Tokens as a person can look at them: one chip a token, in the words of the text or, where it has none, in bytes."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from playground.templates.rendered import Rendered
from playground.templates.types import TokenChip

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def token_chips(rendered: Rendered, tokenizer: PreTrainedTokenizerBase) -> list[TokenChip]:
    """One chip a token, in order.

    A token that is only part of a character shows its bytes ("E3 81"), since no text of its own exists.
    """
    special = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    special.update(tokenizer.all_special_ids)
    starts = [span.start for span in rendered.spans]
    chips: list[TokenChip] = []
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
                "start": start,
                "end": end,
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
