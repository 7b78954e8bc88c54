"""What config.json tells of a model's size: its linear layers and its parameters, before any weights are there.

Read by family, as transformers' modeling files build them. A family that is not in the table is refused rather than
guessed at: mixtures of experts and state-space models hold several times what the same keys mean for a Llama.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from playground.core.errors import ModelError
from playground.core.i18n import say


@dataclass(frozen=True)
class Linear:
    """One kind of linear layer."""

    name: str
    """As target_modules names it: q_proj."""
    inputs: int
    outputs: int
    count: int
    """Layers that have one."""
    reads: str
    """What it is applied to: attention (the normed input), heads, mlp (the normed input) or gated. Layers that read
    the same keep one copy of it for the backward pass."""
    bias: bool = False

    @property
    def weights(self) -> int:
        """Of all of this kind, without biases."""
        return self.inputs * self.outputs * self.count


@dataclass(frozen=True)
class _Family:
    """What a family does that its config.json does not say."""

    tied: bool = False
    """Where tie_word_embeddings is not given."""
    head_dim: int | None = None
    """Where head_dim is not given; None: hidden_size / num_attention_heads."""
    qkv_bias: bool = False
    """Biases on q, k and v whatever attention_bias says."""
    norms: int = 2
    """Norms of a layer as wide as its hidden state."""
    qk_norm: str = ""
    """head: a norm of head_dim weights for q and for k. width: as wide as q and as k."""
    fused: bool = False
    """One layer for q, k and v and one for gate and up."""
    scales_logits: bool = False
    """One of `LOGIT_SCALES` where config.json names none."""


_FAMILIES = {
    "llama": _Family(),
    "mistral": _Family(),
    "granite": _Family(scales_logits=True),
    "smollm3": _Family(tied=True),
    "qwen2": _Family(qkv_bias=True),
    "qwen3": _Family(head_dim=128, qk_norm="head"),
    "gemma": _Family(tied=True, head_dim=256),
    "gemma2": _Family(tied=True, head_dim=256, norms=4, scales_logits=True),
    "gemma3_text": _Family(tied=True, head_dim=256, norms=4, qk_norm="head"),
    "phi3": _Family(fused=True),
    "olmo2": _Family(qk_norm="width"),
    "lfm2": _Family(tied=True, qk_norm="head"),
}
LOGIT_SCALES = (
    "final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling",
)  # fmt: skip
"""What some architectures do to their logits, by the names in their configurations."""
_NO_BIAS_KEY = ("mistral", "phi3", "lfm2")
"""Families whose code does not read attention_bias."""


@dataclass(frozen=True)
class ModelShape:
    """A causal language model's dimensions and parameters."""

    hidden: int
    layers: int
    vocab: int
    attention: int
    """Width of all query heads together."""
    intermediate: int
    norms: int
    """Norms of a layer."""
    linears: tuple[Linear, ...]
    tied: bool
    """Whether the output head is the embedding."""
    others: int
    """Parameters that are neither in a linear layer's weights nor in the embeddings: norms and biases."""
    plain_logits: bool = True
    """Whether the head's products are the logits, with nothing of `LOGIT_SCALES`."""

    @property
    def linear_parameters(self) -> int:
        """What 4-bit quantisation applies to."""
        return sum(linear.weights for linear in self.linears)

    @property
    def embedding_parameters(self) -> int:
        """Embeddings and head, which stay in 16 or 32 bits."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        return self.linear_parameters + self.embedding_parameters + self.others

    def targeted(self, target_modules: str) -> list[Linear]:
        """The linear layers that get an adapter, as PEFT finds them: all-linear, or names separated by commas."""
        if target_modules == "all-linear":
            return list(self.linears)
        names = {name.strip() for name in target_modules.split(",")}
        return [linear for linear in self.linears if linear.name in names]

    def lora_parameters(self, r: int, target_modules: str) -> int:
        return sum(r * (linear.inputs + linear.outputs) * linear.count for linear in self.targeted(target_modules))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """From config.json as a dict. Raises ModelError where it is not a dense model of a known family."""
        text = config.get("text_config")
        read = _Reader({**config, **text} if isinstance(text, dict) else config)
        family = _FAMILIES[read.kind]
        linears = _conv_layers(read) if read.kind == "lfm2" else _layers(read, family)
        hidden, layers = read.number("hidden_size"), read.number("num_hidden_layers")
        tied = read.given("tie_word_embeddings", read.given("tie_embedding", family.tied))
        return cls(
            hidden=hidden,
            layers=layers,
            vocab=read.number("vocab_size"),
            attention=read.heads * read.head_dim(family),
            intermediate=_intermediate(read),
            norms=family.norms,
            linears=tuple(linears),
            tied=bool(tied),
            others=_other_parameters(read, family, linears),
            plain_logits=not family.scales_logits and all(read.given(name, None) is None for name in LOGIT_SCALES),
        )


class _Reader:
    """config.json, with a refusal for what it lacks."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.kind = str(config.get("model_type", ""))
        if self.kind not in _FAMILIES:
            raise ModelError(
                say("Memory for models of the kind {kind} cannot be estimated.", kind=self.kind or "?"),
                say("Known are {kinds}.", kinds=", ".join(_FAMILIES)),
                say("Start with a batch of 1 and a short max_length."),
            )

    def number(self, name: str) -> int:
        """A count of at least 1."""
        value = self.config.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ModelError(
                say("The model's config.json has no usable {name} ({value}).", name=name, value=repr(value)[:40]),
                fix=say("Save the model with save_pretrained, or choose another."),
            )
        return value

    def given(self, name: str, otherwise: Any) -> Any:
        value = self.config.get(name)
        return otherwise if value is None else value

    @property
    def heads(self) -> int:
        return self.number("num_attention_heads")

    def head_dim(self, family: _Family) -> int:
        if self.config.get("head_dim") is not None:
            return self.number("head_dim")
        return family.head_dim or self.number("hidden_size") // self.heads

    def key_width(self, family: _Family) -> int:
        heads = self.number("num_key_value_heads") if self.config.get("num_key_value_heads") else self.heads
        return heads * self.head_dim(family)


def _layers(read: _Reader, family: _Family) -> list[Linear]:
    hidden, inner, count = read.number("hidden_size"), _intermediate(read), read.number("num_hidden_layers")
    queries, keys = read.heads * read.head_dim(family), read.key_width(family)
    attention_bias = bool(read.given("attention_bias", False)) and read.kind not in _NO_BIAS_KEY
    qkv_bias, mlp_bias = attention_bias or family.qkv_bias, bool(read.given("mlp_bias", False))
    output_bias = attention_bias and not family.qkv_bias
    if family.fused:
        return [
            Linear("qkv_proj", hidden, queries + 2 * keys, count, "attention"),
            Linear("o_proj", queries, hidden, count, "heads"),
            Linear("gate_up_proj", hidden, 2 * inner, count, "mlp"),
            Linear("down_proj", inner, hidden, count, "gated"),
        ]
    return [
        Linear("q_proj", hidden, queries, count, "attention", qkv_bias),
        Linear("k_proj", hidden, keys, count, "attention", qkv_bias),
        Linear("v_proj", hidden, keys, count, "attention", qkv_bias),
        Linear("o_proj", queries, hidden, count, "heads", output_bias),
        Linear("gate_proj", hidden, inner, count, "mlp", mlp_bias),
        Linear("up_proj", hidden, inner, count, "mlp", mlp_bias),
        Linear("down_proj", inner, hidden, count, "gated", mlp_bias),
    ]


def _conv_layers(read: _Reader) -> list[Linear]:
    """LFM2: short convolutions in most layers, attention in the others."""
    family, count = _FAMILIES["lfm2"], read.number("num_hidden_layers")
    hidden, inner, attentions = read.number("hidden_size"), _intermediate(read), _attention_layers(read)
    keys, bias, convolutions = read.key_width(family), bool(read.given("conv_bias", False)), count - attentions
    return [
        Linear("q_proj", hidden, read.heads * read.head_dim(family), attentions, "attention"),
        Linear("k_proj", hidden, keys, attentions, "attention"),
        Linear("v_proj", hidden, keys, attentions, "attention"),
        Linear("out_proj", hidden, hidden, attentions, "heads"),
        Linear("in_proj", hidden, 3 * hidden, convolutions, "attention", bias),
        Linear("out_proj", hidden, hidden, convolutions, "heads", bias),
        Linear("w1", hidden, inner, count, "mlp"),
        Linear("w3", hidden, inner, count, "mlp"),
        Linear("w2", inner, hidden, count, "gated"),
    ]


def _attention_layers(read: _Reader) -> int:
    kinds = read.config.get("layer_types")
    if isinstance(kinds, list):
        return sum(kind == "full_attention" for kind in kinds)
    places = read.config.get("full_attn_idxs")
    return len(places) if isinstance(places, list) else read.number("num_hidden_layers")


def _intermediate(read: _Reader) -> int:
    if read.kind != "lfm2":
        return read.number("intermediate_size")
    size = read.number("block_ff_dim" if "block_ff_dim" in read.config else "intermediate_size")
    if not read.given("block_auto_adjust_ff_dim", True):
        return size
    multiple = read.given("block_multiple_of", 256)
    size = int(read.given("block_ffn_dim_multiplier", 1.0) * int(2 * size / 3))
    return multiple * -(-size // multiple)


def _other_parameters(read: _Reader, family: _Family, linears: list[Linear]) -> int:
    hidden, layers = read.number("hidden_size"), read.number("num_hidden_layers")
    biases = sum(linear.outputs * linear.count for linear in linears if linear.bias)
    norms = hidden * (family.norms * layers + 1)
    attentions = _attention_layers(read) if read.kind == "lfm2" else layers
    if family.qk_norm == "head":
        norms += 2 * read.head_dim(family) * attentions
    elif family.qk_norm == "width":
        norms += (read.heads * read.head_dim(family) + read.key_width(family)) * layers
    if read.kind == "lfm2":
        kernel = read.given("conv_L_cache", 3) + bool(read.given("conv_bias", False))
        norms += hidden * kernel * (layers - attentions)
    return biases + norms
