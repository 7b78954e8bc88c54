"""Many adapters in one batch, against PEFT with one adapter at a time, on a tiny random model."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from playground.chat.adapters import BASE, AdapterBank
from playground.core.errors import InputError

pytest_plugins = ["tests.tiny"]

KINDS = {
    "rank 4": {"r": 4, "lora_alpha": 8},
    "rank 1": {"r": 1, "lora_alpha": 1},
    "rank 16": {"r": 16, "lora_alpha": 4},
    "rsLoRA": {"r": 9, "lora_alpha": 6, "use_rslora": True},
    "two modules": {"r": 3, "lora_alpha": 12, "target_modules": ["q_proj", "v_proj"]},
    "one layer": {"r": 5, "lora_alpha": 5, "target_modules": ["down_proj"], "layers_to_transform": [1]},
}
IDS = torch.tensor([[5, 80, 12, 300, 41, 7], [9, 9, 31, 222, 100, 3]])


@pytest.fixture(scope="module")
def adapters(new_adapter):
    return {name: new_adapter(seed, **lora) for seed, (name, lora) in enumerate(KINDS.items())}


@pytest.fixture(scope="module")
def expected(adapters, tiny_folder, single_thread):
    """Logits of each adapter by PEFT alone, and of the base by the model alone."""
    answers = {None: logits(load_base(tiny_folder), IDS)}
    for name, folder in adapters.items():
        answers[name] = logits(PeftModel.from_pretrained(load_base(tiny_folder), str(folder)).eval(), IDS)
    return answers


def load_base(folder):
    return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()


def logits(model, ids):
    with torch.inference_mode():
        return model(input_ids=ids).logits


@pytest.fixture
def bank(model):
    return AdapterBank(model, torch.float32)


def with_slots(bank, model, slots, ids):
    bank.use(slots)
    return logits(model, ids)


@pytest.mark.parametrize("name", KINDS)
def test_a_row_with_an_adapter_equals_peft(bank, model, adapters, expected, name):
    slot = bank.slot(adapters[name], set())
    assert slot != BASE
    found = with_slots(bank, model, [slot, slot], IDS)
    assert not torch.allclose(expected[name], expected[None], atol=1e-2)
    torch.testing.assert_close(found, expected[name], atol=1e-4, rtol=1e-4)


def test_every_row_of_a_mixed_batch_equals_peft_with_its_own_adapter(bank, model, adapters, expected):
    names = [None, *KINDS, None, "rsLoRA", "rank 1"]
    slots = [bank.slot(adapters[name], set()) if name else BASE for name in names]
    found = with_slots(bank, model, slots, IDS[:1].expand(len(names), -1))
    for row, name in enumerate(names):
        torch.testing.assert_close(found[row], expected[name][0], atol=1e-4, rtol=1e-4)


def test_base_rows_equal_the_bare_model_to_the_bit(bank, model, adapters, tiny_folder):
    slots = [bank.slot(adapters[name], set()) for name in KINDS]
    bare = load_base(tiny_folder)
    rows = IDS[:1].expand(4, -1)
    wanted = logits(bare, rows)
    found = with_slots(bank, model, [BASE, slots[0], BASE, slots[3]], rows)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[2], wanted[2])
    assert not torch.equal(found[1], wanted[1])
    assert torch.equal(with_slots(bank, model, [BASE] * 4, rows), wanted)


def test_base_is_base_again_after_adapters_were_used(bank, model, adapters, tiny_folder):
    wanted = logits(load_base(tiny_folder), IDS)
    slot = bank.slot(adapters["rank 16"], set())
    with_slots(bank, model, [slot, slot], IDS)
    assert torch.equal(with_slots(bank, model, [BASE, BASE], IDS), wanted)


def test_an_adapter_in_hand_is_not_read_again(bank, adapters, monkeypatch):
    slot = bank.slot(adapters["rank 4"], set())
    monkeypatch.setattr("playground.chat.adapters._read", lambda folder: pytest.fail("read again"))
    assert bank.slot(adapters["rank 4"], set()) == slot


def test_an_adapter_that_was_saved_anew_is_read_anew(bank, model, new_adapter, adapters, expected, tmp_path):
    folder = shutil.copytree(new_adapter(77), tmp_path / "adapter")
    first = with_slots(bank, model, [bank.slot(folder, set())] * 2, IDS)
    shutil.copytree(adapters["rank 4"], folder, dirs_exist_ok=True)
    os.utime(folder / "adapter_model.safetensors", (2_000_000_000, 2_000_000_000))
    second = with_slots(bank, model, [bank.slot(folder, set())] * 2, IDS)
    assert not torch.allclose(first, second, atol=1e-2)
    torch.testing.assert_close(second, expected["rank 4"], atol=1e-4, rtol=1e-4)


def test_the_least_recently_used_adapter_makes_room(model, adapters, expected):
    bank = AdapterBank(model, torch.float32, capacity=2)
    oldest, other = bank.slot(adapters["rank 16"], set()), bank.slot(adapters["rsLoRA"], set())
    assert bank.slot(adapters["rank 16"], set()) == oldest  # Used again, so now the other one is older.
    newest = bank.slot(adapters["two modules"], set())
    assert newest == other
    for name, slot in (("two modules", newest), ("rank 16", oldest)):
        found = with_slots(bank, model, [slot, BASE], IDS)
        # A slot that held an adapter of all layers and a higher rank keeps nothing of it.
        torch.testing.assert_close(found[0], expected[name][0], atol=1e-4, rtol=1e-4)
        assert torch.equal(found[1], expected[None][1])
    back = with_slots(bank, model, [bank.slot(adapters["rsLoRA"], set())] * 2, IDS)
    torch.testing.assert_close(back, expected["rsLoRA"], atol=1e-4, rtol=1e-4)


def test_an_adapter_in_use_is_never_put_out(model, adapters):
    bank = AdapterBank(model, torch.float32, capacity=2)
    first, second = bank.slot(adapters["rank 4"], set()), bank.slot(adapters["rank 1"], set())
    assert bank.slot(adapters["rank 16"], {first}) == second
    with pytest.raises(InputError, match="2 adapters are answering at once"):
        bank.slot(adapters["rsLoRA"], {first, second})
    assert bank.slot(adapters["rank 4"], {first, second}) == first


# --- What does not fit ---


@pytest.fixture
def changed(adapters, tmp_path):
    """The folder of an adapter whose configuration and weights were changed."""

    def change(config=None, weights=None):
        folder = shutil.copytree(adapters["rank 4"], tmp_path / "changed")
        path = folder / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **(config or {})}))
        if weights is not None:
            save_file(weights(load_file(folder / "adapter_model.safetensors")), folder / "adapter_model.safetensors")
        return folder

    return change


def one(weights, side):
    return next(name for name in weights if "q_proj" in name and f"lora_{side}" in name)


def wider(weights):
    return {**weights, one(weights, "A"): torch.zeros(4, 128)}


def taller(weights):
    return {**weights, one(weights, "B"): torch.zeros(128, 4)}


def of_a_deeper_model(weights):
    return {name.replace("layers.1", "layers.9"): value for name, value in weights.items()}


def without_a_b(weights):
    return {name: value for name, value in weights.items() if name != one(weights, "B")}


def of_two_ranks(weights):
    return {**weights, one(weights, "B"): torch.zeros(64, 6)}


def without_anything(weights):
    return {"something.else": torch.zeros(1)}


@pytest.mark.parametrize("wrong", [wider, taller, of_a_deeper_model])
def test_an_adapter_of_another_model_is_refused_and_the_others_answer_as_before(
    bank, model, adapters, expected, changed, wrong
):
    slot = bank.slot(adapters["rank 16"], set())
    folder = changed(weights=wrong)
    for _ in range(2):
        with pytest.raises(InputError, match="does not fit this model .layer .*proj"):
            bank.slot(folder, set())
    found = with_slots(bank, model, [slot, BASE], IDS)
    torch.testing.assert_close(found[0], expected["rank 16"][0], atol=1e-4, rtol=1e-4)
    assert torch.equal(found[1], expected[None][1])


@pytest.mark.parametrize("wrong", [without_a_b, of_two_ranks, without_anything])
def test_an_adapter_with_missing_or_odd_matrices_is_refused(bank, changed, wrong):
    with pytest.raises(InputError):
        bank.use([bank.slot(changed(weights=wrong), set())])


@pytest.mark.parametrize(
    "config", [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"peft_type": "LOHA"}, {"peft_type": None}]
)
def test_a_kind_of_adapter_that_is_not_served_is_refused(bank, changed, config):
    with pytest.raises(InputError, match="cannot be compared here"):
        bank.slot(changed(config=config), set())


@pytest.mark.parametrize(
    "lora",
    [
        {"rank_pattern": {"q_proj": 2}},
        {"alpha_pattern": {"q_proj": 64}},
        {"target_modules": ["q_proj", "embed_tokens"]},
    ],
    ids=lambda lora: next(iter(lora)),
)
def test_an_adapter_with_patterns_or_embeddings_equals_peft_or_is_refused(bank, model, tiny_folder, new_adapter, lora):
    folder = new_adapter(5, **lora)
    wanted = logits(PeftModel.from_pretrained(load_base(tiny_folder), str(folder)).eval(), IDS)
    try:
        slot = bank.slot(folder, set())
    except InputError:
        return
    torch.testing.assert_close(with_slots(bank, model, [slot, slot], IDS), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("lost", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_with_a_file_missing_is_refused(bank, changed, lost):
    folder = changed()
    (folder / lost).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        bank.slot(folder, set())


@pytest.mark.parametrize(
    "broken",
    [
        "adapter_config.json",
        "adapter_model.safetensors",
    ],
)
def test_an_adapter_with_a_broken_file_is_refused(bank, changed, broken):
    folder = changed()
    (folder / broken).write_bytes(b"{ broken")
    with pytest.raises(InputError, match="cannot be read"):
        bank.slot(folder, set())
