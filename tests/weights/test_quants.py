"""Quantised blocks: every type gives the numbers that its own library gives, bit for bit, whatever the bytes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unnoise.weights.entry import BLOCKS
from unnoise.weights.quants import AT_ONCE, SCALES, packed_q8_0, unpacked

gguf = pytest.importorskip("gguf")


def theirs(blocks: np.ndarray, kind: str) -> np.ndarray:
    with np.errstate(all="ignore"):  # scales that are not finite
        return gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[kind]).reshape(-1)


@pytest.mark.parametrize("kind", SCALES)
def test_blocks_are_what_they_are_elsewhere(kind):
    assert gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]] == BLOCKS[kind]
    blocks = np.random.default_rng(0).integers(0, 256, (200, BLOCKS[kind][1]), dtype=np.uint8)
    found = unpacked(torch.from_numpy(blocks).flatten(), kind)
    assert found.dtype == torch.float32
    assert np.array_equal(found.numpy(), theirs(blocks, kind), equal_nan=True)


@pytest.mark.parametrize("count", [1, AT_ONCE // 32 - 1, AT_ONCE // 32, AT_ONCE // 32 + 1])
def test_any_number_of_blocks_will_do(count):
    data = packed_q8_0(torch.arange(32.0).repeat(count))
    assert len(data) == 34 * count
    assert (unpacked(data, "Q8_0") - torch.arange(32.0).repeat(count)).abs().max() < 0.15


@given(arrays(np.float32, (4, 32), elements=st.floats(-1e4, 1e4, width=32)))
def test_numbers_are_packed_as_they_are_elsewhere(values):
    with np.errstate(all="ignore"):  # their inverse of a scale of nothing
        want = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0).reshape(-1)
    assert np.array_equal(packed_q8_0(torch.from_numpy(values).flatten()).numpy(), want)
