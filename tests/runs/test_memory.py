"""Memory of a run before it starts, and what to change where it is too much."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.settings import TrainSettings
from playground.runs import memory
from playground.runs.memory import Memory, ModelShape, advise, estimate, fits, memory_line, peak_needed
from tests.models.test_shape import KNOWN

SMALL = ModelShape.from_config(KNOWN["SmolLM2-135M"][1])
LARGE = ModelShape.from_config(KNOWN["Llama-3.1-8B"][1])
SETTINGS = TrainSettings()
GB = 1_000_000_000

MEASURED = [
    # batch, length, quantised, checkpointing, MB: peaks of runs on 2 CPU cores, see memory.py
    (1, 128, True, False, 1055),
    (4, 128, True, False, 1447),
    (8, 128, True, False, 2021),
    (1, 512, True, False, 1449),
    (4, 512, True, False, 3183),
    (4, 128, True, True, 906),
    (4, 512, True, True, 1514),
    (1, 128, False, False, 1157),
    (4, 128, False, False, 1688),
    (4, 512, False, False, 3750),
    (4, 512, False, True, 2117),
    (8, 512, True, True, 2744),
    (8, 128, False, False, 2278),
    (1, 512, False, True, 1234),
]


def of(shape: ModelShape = SMALL, batch: int = 4, longest: int = 128, quantised: bool = True, **more: Any) -> Memory:
    arguments = {"device": "cpu", "dtype_bytes": 2, "fp16": False}
    arguments |= {name: more.pop(name) for name in list(more) if name in arguments}
    return estimate(shape, replace(SETTINGS, **more), batch, longest, quantised=quantised, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("batch", "length", "quantised", "checkpointing", "megabytes"), MEASURED)
def test_the_estimate_is_near_what_was_measured(
    batch: int, length: int, quantised: bool, checkpointing: bool, megabytes: int
) -> None:
    told = of(SMALL, batch, length, quantised, gradient_checkpointing=checkpointing)
    assert told.total == pytest.approx(megabytes * 1e6, rel=0.2)


def test_four_bits_and_their_constants() -> None:
    rest = (49152 * 576 + 576 * 61) * 2
    linear = SMALL.linear_parameters
    assert of().weights == pytest.approx(linear * 0.5159 + rest, rel=1e-4)
    assert of(bnb_4bit_use_double_quant=False).weights == pytest.approx(linear * 0.5625 + rest, rel=1e-6)
    assert of(quantised=False).weights == SMALL.parameters * 2
    assert of(quantised=False, dtype_bytes=4).weights == SMALL.parameters * 4


def test_a_large_model_in_four_bits_is_as_large_as_people_know_it() -> None:
    assert of(LARGE).weights == pytest.approx(5.7e9, rel=0.02)  # With embeddings and head in 16 bits.


@pytest.mark.parametrize(("quantised", "fp16", "width"), [(True, False, 2), (False, False, 4), (True, True, 4)])
def test_the_adapter_and_what_trains_it(quantised: bool, fp16: bool, width: int) -> None:
    told = of(quantised=quantised, fp16=fp16)
    assert (told.adapter, told.gradients, told.optimizer) == tuple(4_884_480 * width * times for times in (1, 1, 2))


def test_rank_and_modules_count() -> None:
    assert of(r=32).adapter == 2 * of(r=16).adapter
    few = of(target_modules="q_proj,v_proj")
    assert few.adapter == 2 * 16 * 30 * (576 + 576 + 576 + 192)
    assert few.activations < of().activations


def test_activations_by_token_and_layer() -> None:
    # Norms, attention, MLP, inputs of the adapters' layers, and what the adapters make of them.
    kept = 8 * 576 + 8 * 576 + 6 * 1536 + 2 * (3 * 576 + 1536) + 2 * 16 * 7

    def activations(**more: Any) -> int:
        return of(batch=1, longest=100, device="cuda", **more).activations

    assert activations() == pytest.approx(1.15 * 100 * 30 * kept, rel=1e-6)
    # An adapter in another number format than its inputs: q, k, v and gate, up copy theirs each.
    copies = kept + 2 * 576 * 3
    assert activations(quantised=False) == pytest.approx(1.15 * 100 * 30 * copies, rel=1e-6)
    again = activations(gradient_checkpointing=True)
    assert again == pytest.approx(1.15 * 100 * (30 * 576 * 2 + kept), rel=1e-6)
    # What the heap of a CPU cannot use is the same with checkpointing and without.
    for checkpointing in (False, True):
        on_cpu = of(batch=1, longest=100, gradient_checkpointing=checkpointing).activations
        holes = on_cpu - activations(gradient_checkpointing=checkpointing)
        assert holes == pytest.approx(0.4 * 100 * 30 * kept, rel=1e-6)


def test_logits_are_bound_by_the_tile() -> None:
    once, twice = (of(LARGE, batch, 4096, device="cuda", max_length=4096).logits for batch in (1, 2))
    assert twice - once == 4096 * 4096 * 4  # Only the gradient of the last hidden state grows.


def test_logits_of_a_cpu_are_those_of_a_few_positions() -> None:
    few, many = (of(batch=batch, longest=128).logits for batch in (1, 8))
    assert few == 64 * 49152 * 8 + 128 * 576 * 6 and many - few == 7 * 128 * 576 * 6
    assert of(replace(SMALL, plain_logits=False)).logits > 10 * of().logits


def test_rows_are_cut_before_they_are_counted() -> None:
    assert of(longest=9000, max_length=512) == of(longest=512, max_length=512)
    assert of(longest=30, max_length=512, packing=True) == of(longest=512, max_length=512)


def test_parts_are_the_total() -> None:
    told = of()
    parts = told.parts()
    assert sum(part["bytes"] for part in parts) == told.total and len(parts) == 7
    assert parts[0] == {"name": "weights of the model", "bytes": told.weights}
    assert all(isinstance(part["bytes"], int) for part in parts)


def test_what_fits_leaves_something_to_spare() -> None:
    told = of()
    assert fits(told, None) is None
    assert fits(told, round(told.total / 0.89))
    assert not fits(told, round(told.total / 0.91))


def advice(available: int, shape: ModelShape = LARGE, quantised: bool = False, **changes: Any) -> list[dict[str, Any]]:
    asked = replace(SETTINGS, **{"quantization": "none", "max_length": 2048, "r": 64, **changes})
    return advise(shape, asked, asked.per_device_train_batch_size, 2048, "cuda", 2, quantised, available)


def test_nothing_is_advised_where_it_fits_or_nobody_knows() -> None:
    assert advice(100 * GB) == []
    assert advise(LARGE, SETTINGS, 4, 512, "cuda", 2, True, None) == []


def test_the_first_advice_keeps_the_rows_of_an_update() -> None:
    found = advice(65 * GB, per_device_train_batch_size=8, gradient_accumulation_steps=2)
    assert [item["setting"] for item in found] == ["per_device_train_batch_size"]
    assert found[0]["changes"] == {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 8}
    assert found[0]["value"] == 2 and found[0]["total"] <= 0.9 * 65 * GB


def test_what_harms_less_comes_first_and_no_more_than_is_needed() -> None:
    ways = ["per_device_train_batch_size", "gradient_checkpointing", "quantization", "max_length", "r"]
    for available, needed in ((65, 1), (30, 2), (12, 3), (9, 4), (8, 5)):
        assert [item["setting"] for item in advice(available * GB)] == ways[:needed]


def test_where_nothing_helps_a_smaller_model() -> None:
    found = advice(4 * GB)
    assert [item["setting"] for item in found[-2:]] == ["r", "model"]
    assert found[-1]["value"] == "" and found[-1]["changes"] == {}
    assert found[-1]["total"] == found[-2]["total"]


def test_four_bits_are_advised_only_where_they_were_declined() -> None:
    assert "quantization" in [item["setting"] for item in advice(4 * GB)]
    assert "quantization" not in [item["setting"] for item in advice(4 * GB, quantization="auto")]
    assert "quantization" not in [item["setting"] for item in advice(4 * GB, quantised=True, quantization="nf4")]


def test_what_is_on_already_is_not_advised() -> None:
    found = [
        item["setting"] for item in advice(4 * GB, gradient_checkpointing=True, per_device_train_batch_size=1, r=8)
    ]
    assert found == ["quantization", "max_length", "model"]


def test_what_frees_next_to_nothing_is_not_advised() -> None:
    found = advise(SMALL, TrainSettings(r=10, gradient_checkpointing=True), 1, 64, "cpu", 2, True, GB // 10)
    assert [item["setting"] for item in found] == ["model"]


def test_accumulation_stays_within_its_limit() -> None:
    found = advice(4 * GB, per_device_train_batch_size=8, gradient_accumulation_steps=64)
    assert found[0]["changes"] == {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 256}


@given(
    st.sampled_from(list(KNOWN)),
    st.integers(1, 256),
    st.integers(1, 256),
    st.integers(8, 8192),
    st.integers(1, 256),
    st.sampled_from(["cpu", "cuda"]),
    st.booleans(),
    st.sampled_from(["auto", "nf4", "fp4", "none"]),
    st.integers(GB // 10, 80 * GB),
    st.booleans(),
)
def test_all_advice_can_be_followed_and_does_what_it_says(
    model: str,
    batch: int,
    accumulation: int,
    longest: int,
    r: int,
    device: str,
    quantised: bool,
    quantization: str,
    available: int,
    packing: bool,
) -> None:
    shape = ModelShape.from_config(KNOWN[model][1])
    asked = TrainSettings(
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        max_length=2048,
        r=r,
        quantization=quantization,  # type: ignore[arg-type]
        packing=packing,
    )
    now = estimate(shape, asked, batch, longest, device, 2, quantised)
    found = advise(shape, asked, batch, longest, device, 2, quantised, available)
    assert bool(found) == (fits(now, available) is False)
    total, changed = now.total, asked
    for item in found:
        assert set(item) == {"setting", "value", "message", "total", "changes"}
        if item["setting"] == "model":
            assert item is found[-1] and item["total"] == total
            continue
        changed = replace(changed, **item["changes"])  # Raises for a value that the settings refuse.
        assert changed.to_dict()[item["setting"]] == item["value"]
        four_bits = (
            quantised
            or changed.quantization == "nf4"
            and "quantization" in {step["setting"] for step in found[: found.index(item) + 1]}
        )
        then = estimate(shape, changed, changed.per_device_train_batch_size, longest, device, 2, four_bits)
        assert then.total == item["total"] < total
        assert bool(fits(then, available)) == (item is found[-1])
        total = then.total
    rows = changed.per_device_train_batch_size * changed.gradient_accumulation_steps
    assert rows == batch * accumulation


def test_advice_in_words() -> None:
    said = {item["setting"]: str(item["message"]) for item in advice(4 * GB)}
    assert said["per_device_train_batch_size"].startswith(
        "Batches of 1, 4 of them in a step, so that each update sees as many rows as before: "
    )
    assert said["max_length"].startswith("A maximum length of 256 tokens; longer rows are cut: ")
    assert said["r"].startswith("An adapter of rank 8: ") and said["r"].endswith(" GB.")
    assert said["model"].startswith("A smaller model: this one takes ")


@pytest.mark.parametrize(
    ("available", "device", "said"),
    [
        (None, "cpu", "Training takes about 2.0 GB of memory."),
        (16 * GB, "cpu", "Training takes about 2.0 GB of the 16.0 GB of memory that are free."),
        (16 * GB, "cuda", "Training takes about 2.0 GB of the 16.0 GB that are free on the GPU."),
        (2_050_000_000, "cpu", "Training takes about 2.0 GB, and 2.0 GB are free: it may run out of memory."),
        (GB // 2, "cpu", "Training takes about 2.0 GB, but only 500 MB are free: it will not fit."),
    ],
)
def test_the_estimate_in_a_line(available: int | None, device: str, said: str) -> None:
    told = Memory(1_000_000_000, 0, 0, 0, 300_000_000, 0, 700_000_000)
    assert memory_line(told, available, device) == said


STATUS = "Name:\tpython\nVmHWM:\t 2094000 kB\nVmRSS:\t 1045000 kB\nRssFile:\t  445000 kB\nRssShmem:\t  1000 kB\n"


def test_a_file_that_the_kernel_can_take_back_was_not_needed() -> None:
    own = 1_649_000 * 1024
    assert peak_needed(STATUS, 0)[0] == own + 150_000_000
    assert peak_needed(STATUS, 57_000_000)[0] == own + 207_000_000
    assert peak_needed(STATUS, 10**12) == (2_094_000 * 1024, 2_094_000 * 1024)
    assert peak_needed("", 5) == (0, 0)


def test_files_that_the_kernel_takes_back_later_are_no_growth() -> None:
    first, largest = peak_needed("VmHWM: 2000000 kB\nVmRSS: 1900000 kB\nRssFile: 900000 kB", 0)
    then, _ = peak_needed("VmHWM: 2000000 kB\nVmRSS: 1300000 kB\nRssFile: 300000 kB", 0, largest)
    assert then < first
    grown, larger = peak_needed("VmHWM: 2500000 kB\nVmRSS: 2400000 kB\nRssFile: 300000 kB", 0, largest)
    assert grown > first and larger == 2_500_000 * 1024


def test_this_process_needs_something() -> None:
    with open("/proc/self/status", encoding="ascii") as file:
        assert peak_needed(file.read(), 0)[0] > 10_000_000


def test_the_docstring_has_the_figures_that_are_tested() -> None:
    said = memory.__doc__ or ""
    assert all(str(megabytes) in said for *_, megabytes in MEASURED)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
def test_what_the_heap_holds_and_nobody_uses_is_given_back() -> None:
    """In a process of its own: what this one has allocated before would lie in the holes."""
    code = (
        "from pathlib import Path\n"
        "from playground.runs.memory import give_back_memory\n"
        "def resident():\n"
        "    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096 // 1_000_000\n"
        "blocks = [bytearray(100_000) for _ in range(4_000)]\n"  # 100 kB each, below what is mapped by itself.
        "blocks = blocks[::40]\n"
        "before = resident(); give_back_memory(); print(before - resident())"
    )
    freed = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert freed > 300  # Of 400 MB.
