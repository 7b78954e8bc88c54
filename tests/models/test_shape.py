"""A model's size from its config.json, against known models and against what transformers builds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from playground.core.errors import ModelError
from playground.models import shape as model_shape
from playground.models.shape import ModelShape


def config(kind: str, hidden: int, inner: int, layers: int, heads: int, keys: int, vocab: int, **more: Any) -> Any:
    return {
        "model_type": kind,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "vocab_size": vocab,
        **more,
    }


KNOWN = {
    "SmolLM2-135M": (134_515_008, config("llama", 576, 1536, 30, 9, 3, 49152, tie_word_embeddings=True)),
    "SmolLM2-360M": (361_821_120, config("llama", 960, 2560, 32, 15, 5, 49152, tie_word_embeddings=True)),
    "SmolLM2-1.7B": (1_711_376_384, config("llama", 2048, 8192, 24, 32, 32, 49152, tie_word_embeddings=True)),
    "Qwen2.5-0.5B": (494_032_768, config("qwen2", 896, 4864, 24, 14, 2, 151936, tie_word_embeddings=True)),
    "Qwen3-0.6B": (596_049_920, config("qwen3", 1024, 3072, 28, 16, 8, 151936, tie_word_embeddings=True, head_dim=128)),
    "Llama-3.2-1B": (1_235_814_400, config("llama", 2048, 8192, 16, 32, 8, 128256, tie_word_embeddings=True)),
    "Llama-3.1-8B": (8_030_261_248, config("llama", 4096, 14336, 32, 32, 8, 128256, tie_word_embeddings=False)),
    "Mistral-7B-v0.3": (7_248_023_552, config("mistral", 4096, 14336, 32, 32, 8, 32768)),
    "gemma-2-2b": (2_614_341_888, config("gemma2", 2304, 9216, 26, 8, 4, 256000, head_dim=256)),
    "Phi-3-mini": (3_821_079_552, config("phi3", 3072, 8192, 32, 32, 32, 32064)),
    "SmolLM3-3B": (3_075_098_624, config("smollm3", 2048, 11008, 36, 16, 4, 128256)),
    "gemma-3-270m": (268_098_176, config("gemma3_text", 640, 2048, 18, 4, 1, 262144, head_dim=256)),
    "LFM2-350M": (
        354_483_968,
        config("lfm2", 1024, 6656, 16, 16, 8, 65536, full_attn_idxs=[2, 5, 8, 10, 12, 14], block_ff_dim=6656),
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_parameters_of_known_models(name: str) -> None:
    parameters, given = KNOWN[name]
    assert ModelShape.from_config(given).parameters == parameters


SMALL = [
    config("llama", 64, 96, 3, 4, 2, 200),
    config("llama", 64, 96, 3, 4, 2, 200, attention_bias=True, mlp_bias=True, head_dim=24, tie_word_embeddings=True),
    config("mistral", 64, 96, 3, 4, 2, 200, head_dim=32),
    config("granite", 64, 96, 3, 4, 2, 200, attention_bias=True),
    config("smollm3", 64, 96, 3, 4, 2, 200, pad_token_id=0),
    config("qwen2", 64, 96, 3, 4, 2, 200),
    config("qwen3", 64, 96, 3, 4, 2, 200),
    config("qwen3", 64, 96, 3, 4, 2, 200, attention_bias=True, head_dim=8),
    config("gemma", 64, 96, 3, 4, 1, 200),
    config("gemma2", 64, 96, 3, 4, 2, 200, head_dim=16),
    config("gemma3_text", 64, 96, 3, 4, 1, 200, head_dim=32, tie_word_embeddings=False),
    config("phi3", 64, 96, 3, 4, 2, 200, pad_token_id=0),
    config("olmo2", 64, 96, 3, 4, 2, 200),
    config("lfm2", 64, 768, 4, 4, 2, 200, full_attn_idxs=[1, 3]),
    config("lfm2", 64, 96, 3, 4, 2, 200, full_attn_idxs=[0], conv_bias=True, block_auto_adjust_ff_dim=False),
]


@pytest.mark.parametrize("given", SMALL, ids=lambda given: given["model_type"])
@pytest.mark.parametrize("modules", ["all-linear", "q_proj, v_proj, down_proj, qkv_proj, w2"])
def test_what_transformers_and_peft_build(given: dict[str, Any], modules: str) -> None:
    shape = ModelShape.from_config(given)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**given))
        assert shape.parameters == sum(weights.numel() for weights in model.parameters())
        names = [name.strip() for name in modules.split(",")]
        lora = LoraConfig(r=5, target_modules=modules if modules == "all-linear" else names, task_type="CAUSAL_LM")
        model = get_peft_model(model, lora)
    trained = sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
    assert shape.lora_parameters(5, modules) == trained


def test_what_the_real_model_has() -> None:
    shape = ModelShape.from_config(KNOWN["SmolLM2-135M"][1])
    assert shape.lora_parameters(16, "all-linear") == 4_884_480
    assert shape.embedding_parameters == 49152 * 576
    assert shape.linear_parameters == 134_515_008 - 49152 * 576 - 576 * 61


def test_a_text_model_inside_another() -> None:
    parameters, text = KNOWN["gemma-3-270m"]
    outer = {"model_type": "gemma3", "hidden_size": 3, "text_config": text}
    assert ModelShape.from_config(outer).parameters == parameters


@pytest.mark.parametrize("kind", sorted(model_shape._FAMILIES))
def test_whether_logits_are_scaled_is_what_transformers_says(kind: str) -> None:
    built = AutoConfig.for_model(kind)
    scales = [name for name in model_shape.LOGIT_SCALES if getattr(built, name, None) is not None]
    sizes = KNOWN["LFM2-350M" if kind == "lfm2" else "SmolLM2-135M"][1]
    assert ModelShape.from_config({**sizes, "model_type": kind}).plain_logits == (not scales)


def test_a_scale_that_the_config_names_counts() -> None:
    assert not ModelShape.from_config({**KNOWN["SmolLM2-135M"][1], "logit_scale": 0.5}).plain_logits


def test_modules_that_do_not_exist_have_no_parameters() -> None:
    assert ModelShape.from_config(KNOWN["SmolLM2-135M"][1]).lora_parameters(16, "query_key_value") == 0


@pytest.mark.parametrize("kind", ["mixtral", "qwen3_moe", "mamba", "gpt2", ""])
def test_a_kind_that_is_not_known_is_refused(kind: str) -> None:
    with pytest.raises(ModelError) as caught:
        ModelShape.from_config({**KNOWN["SmolLM2-135M"][1], "model_type": kind})
    assert kind in str(caught.value) and "llama" in str(caught.value)


@pytest.mark.parametrize("name", ["hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"])
@pytest.mark.parametrize("value", [None, 0, -4, "many", 1.5, True, [4]])
def test_a_number_that_is_missing_or_none_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ModelError, match=name):
        ModelShape.from_config({**KNOWN["SmolLM2-135M"][1], name: value})


def test_an_empty_config_is_refused() -> None:
    with pytest.raises(ModelError):
        ModelShape.from_config({})
