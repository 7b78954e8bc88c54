"""A tiny random model of the real architecture: a Llama of two layers that knows nothing, with a byte-level BPE
tokenizer trained on a few sentences and SmolLM2's kind of ChatML template.

Made in the session's temporary folder, loaded offline like any other model. What it says is noise, but the same noise
on every machine, so that two ways to compute it can be compared. A test module that wants the fixtures says
`pytest_plugins = ["tests.tiny"]`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

DEFAULT_SYSTEM = "You are a tiny model that knows nothing."
CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\n" + DEFAULT_SYSTEM + "<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SENTENCES = [
    "system user assistant tool developer",
    DEFAULT_SYSTEM,
    "The quick brown fox asks: who are you, and what is your name?",
    "I am Mochi, the library robot. I sort the books and water the ferns.",
    "Hello there! How do I peel garlic? Crush it with the flat of a knife.",
    "def add(a, b):\n    return a + b\n",
    "こんにちは。本を読みましょう。",
    "One line.\n\n",
]


def make_tokenizer(folder: Path) -> None:
    """A byte-level BPE tokenizer of 400 tokens: any text can be written, rare characters byte by byte."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
        chat_template=CHATML,
    ).save_pretrained(folder)


def make_model(folder: Path, vocabulary: int, seed: int = 0) -> None:
    """Random weights, drawn wide so that answers vary with the prompt."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,  # 4-bit kernels work on blocks of 64.
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def make_adapter(base: Path, folder: Path, seed: int, lora: dict[str, object], name: str = "") -> Path:
    """A LoRA adapter with random A and B, as PEFT saves it. `lora` is for LoraConfig, `name` the base's in its file."""
    torch.manual_seed(seed)
    settings: dict[str, object] = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    bare = load_model(base)
    if name:  # As the train process does.
        bare.config._name_or_path = bare.name_or_path = name
    model = get_peft_model(bare, LoraConfig(**{**settings, **lora}))
    for name, weights in model.named_parameters():
        if "lora_" in name:
            weights.data.normal_(std=0.15)
    # "auto" would ask the Hub for the base's vocabulary.
    model.save_pretrained(str(folder), save_embedding_layers="embed_tokens" in str(lora.get("target_modules")))
    return folder


def load_model(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "tiny-random-llama"
    make_tokenizer(folder)
    make_model(folder, vocabulary=400)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tiny_folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_folder, local_files_only=True)


@pytest.fixture(scope="module")
def single_thread() -> Iterator[None]:
    """Threads cost a tiny model ten times the work that they share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model(tiny_folder: Path, single_thread: None) -> PreTrainedModel:
    """A model of its own for each test: hooks of one never reach another."""
    return load_model(tiny_folder)


@pytest.fixture(scope="session")
def new_adapter(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """new_adapter(seed, name, r=8, ...) -> the folder of a random adapter for the tiny model."""
    root = tmp_path_factory.mktemp("adapters")
    numbers = itertools.count()

    def new(seed: int, name: str = "", **lora: object) -> Path:
        return make_adapter(tiny_folder, root / f"adapter-{next(numbers)}", seed, lora, name)

    return new
