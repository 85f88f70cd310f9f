"""Quantised weights that stay in their blocks: whatever is done with them is done with their numbers."""

import copy

import pytest
import torch
from torch.nn.functional import embedding, linear

from building import drawn
from unnoise.adapters.attach import Touch, beside, fused
from unnoise.adapters.kinds import LowRank
from unnoise.core.error import Refused
from unnoise.nn.native import Linear
from unnoise.weights.entry import BLOCKS
from unnoise.weights.gguf_writer import write_gguf
from unnoise.weights.keymap import Spot
from unnoise.weights.open import open_tensors
from unnoise.weights.packed import Packed
from unnoise.weights.place import Place, filled, finite
from unnoise.weights.quants import SCALES, packed_q8_0, scales, unpacked

CPU = torch.device("cpu")


def weight(kind, rows=6, columns=512):
    """Random blocks with small scales."""
    numbers, width = BLOCKS[kind]
    blocks = torch.randint(0, 256, (rows * columns // numbers, width), generator=torch.Generator().manual_seed(1))
    blocks = blocks.to(torch.uint8)
    first, last = SCALES[kind]
    blocks[:, first:last] = torch.full(((last - first) // 2,), 0.01).half().view(torch.uint8)
    return Packed(blocks.flatten(), kind, (rows, columns))


@pytest.mark.parametrize("kind", SCALES)
def test_a_number_is_finite_where_its_block_s_scales_are(kind):
    numbers, width = BLOCKS[kind]
    blocks = torch.randint(0, 256, (4000, width), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    known = torch.isfinite(scales(blocks.flatten(), kind)).all(1)
    assert 0 < known.sum() < len(known)
    assert torch.equal(torch.isfinite(unpacked(blocks.flatten(), kind).view(-1, numbers)).all(1), known)


@pytest.mark.parametrize("kind", SCALES)
@torch.no_grad()
def test_what_is_done_with_it_is_done_with_its_numbers(kind):
    packed = weight(kind)
    numbers = packed.numbers()
    assert packed.shape == numbers.shape and packed.dtype == torch.float32 and packed.device == CPU
    x, ids = drawn(3, 512), torch.tensor([[5, 0], [2, 5]])
    assert torch.equal(linear(x, packed), linear(x, numbers))
    assert torch.equal(embedding(ids, packed), embedding(ids, numbers))
    assert torch.equal(packed.to(torch.bfloat16), numbers.to(torch.bfloat16))
    assert torch.equal(packed.to(x.double()), numbers.double())
    assert torch.equal(packed + 1, numbers + 1) and torch.equal(packed.roll(1, 0), numbers.roll(1, 0))
    assert torch.equal(torch.cat((packed, packed)), torch.cat((numbers, numbers)))
    assert type(packed.detach()) is Packed and type(packed.roll(1, 0)) is torch.Tensor
    assert kind in repr(packed)


def test_a_layer_holds_blocks_alone_and_computes_in_its_input_s_type(tmp_path):
    values = {"weight": drawn(48, 64), "bias": drawn(48)}
    write_gguf(tmp_path / "a.gguf", values, {"general.architecture": "test"}, "Q8_0")
    stored = open_tensors(tmp_path / "a.gguf", unpack=False)
    assert isinstance(stored["weight"], Packed) and type(open_tensors(tmp_path / "a.gguf")["weight"]) is torch.Tensor
    with torch.no_grad():
        for dtype in (torch.float32, torch.bfloat16):
            for kept in (True, False):
                layer = filled(lambda: Linear(64, 48), stored, "", Place(CPU, dtype), kept)
                assert isinstance(layer.weight, Packed) and len(layer.weight.blocks) == 48 * 64 // 32 * 34
                x = drawn(3, 64).to(dtype)
                plain = unpacked(packed_q8_0(values["weight"].flatten()), "Q8_0").view(48, 64).to(dtype)
                assert torch.equal(layer(x), linear(x, plain, values["bias"].to(dtype)))


def test_layers_that_do_not_follow_get_numbers(tmp_path):
    write_gguf(
        tmp_path / "a.gguf", {"weight": drawn(48, 64), "bias": drawn(48)}, {"general.architecture": "test"}, "Q8_0"
    )
    stored = open_tensors(tmp_path / "a.gguf", unpack=False)
    for dtype in (torch.float32, torch.bfloat16):
        layer = filled(lambda: torch.nn.Linear(64, 48), stored, "", Place(CPU, dtype))
        assert not isinstance(layer.weight, Packed) and layer.weight.dtype == dtype


def test_blocks_whose_scales_are_not_finite_are_refused():
    data = packed_q8_0(drawn(64 * 48).flatten())
    assert finite(Packed(data, "Q8_0", (48, 64)))
    data[34:36] = torch.tensor([float("inf")]).half().view(torch.uint8)
    broken = {"weight": Packed(data, "Q8_0", (48, 64)), "bias": drawn(48)}
    with pytest.raises(Refused, match="not finite"):
        filled(lambda: Linear(64, 48), broken, "", Place(CPU, torch.float32))


@torch.no_grad()
def test_an_adapter_on_blocks_adds_what_it_adds_to_their_numbers():
    touched = [Touch("weight", Spot("w"), LowRank(drawn(4, 64), drawn(48, 4)), 0.5)]
    plain, packed = Linear(64, 48, bias=False), Linear(64, 48, bias=False)
    blocks = Packed(packed_q8_0(drawn(48, 64).flatten()), "Q8_0", (48, 64))
    plain.weight, packed.weight = torch.nn.Parameter(blocks.numbers()), torch.nn.Parameter(blocks)
    x = drawn(3, 64)
    assert torch.equal(beside(packed, touched)(x), beside(plain, touched)(x))
    assert torch.equal(fused(packed, touched)(x), fused(plain, touched)(x))
    assert isinstance(packed.weight, Packed)


WRITES = {
    "added to": lambda p: p.add_(1),
    "copied into": lambda p: p.copy_(torch.zeros(6, 512)),
    "zeroed": lambda p: p.zero_(),
    "set": lambda p: p.__setitem__(0, 0.0),
    "an output": lambda p: torch.add(torch.zeros(6, 512), 1, out=p),
    "renormed": lambda p: embedding(torch.tensor([0]), p, max_norm=1.0),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@torch.no_grad()
def test_nobody_writes_into_blocks(write):
    packed = weight("Q8_0")
    before = packed.numbers()
    with pytest.raises(RuntimeError, match="cannot be written to"):
        write(packed)
    assert torch.equal(packed.numbers(), before)


def test_a_state_cannot_be_loaded_over_blocks():
    layer = Linear(512, 6, bias=False)
    layer.weight = torch.nn.Parameter(weight("Q8_0"), requires_grad=False)
    with pytest.raises(RuntimeError, match="cannot be written to"):
        layer.load_state_dict({"weight": torch.zeros(6, 512)})


@pytest.mark.parametrize("columns", [16, 48, 64])
@torch.no_grad()
def test_rows_are_right_where_they_are_not_whole_blocks(columns):
    rows = 32 * 64 // columns if columns != 48 else 64
    packed = Packed(packed_q8_0(drawn(rows * columns)), "Q8_0", (rows, columns))
    for ids in (torch.tensor([0]), torch.tensor([5, 9]), torch.tensor([[1, 0], [4, 8]])):
        assert torch.equal(embedding(ids, packed), packed.numbers()[ids])


@torch.no_grad()
def test_a_copy_of_a_layer_has_the_same_blocks():
    layer = Linear(512, 6, bias=False)
    layer.weight = torch.nn.Parameter(weight("Q4_K"), requires_grad=False)
    made, x = copy.deepcopy(layer), drawn(2, 512)
    assert isinstance(made.weight, Packed) and isinstance(made.weight, torch.nn.Parameter)
    assert torch.equal(made(x), layer(x))


@pytest.mark.parametrize("size", [1.0, 3e5])
def test_numbers_too_large_for_half_precision_are_refused_there_alone(size):
    tensors = {"weight": Packed(packed_q8_0(drawn(48 * 64).clamp(-1, 1) * size), "Q8_0", (48, 64)), "bias": drawn(48)}
    for dtype in (torch.float32, torch.bfloat16):
        filled(lambda: Linear(64, 48), tensors, "", Place(CPU, dtype))
    if size == 1.0:
        filled(lambda: Linear(64, 48), tensors, "", Place(CPU, torch.float16))
    else:
        with pytest.raises(Refused, match=r"too large for torch\.float16"):
            filled(lambda: Linear(64, 48), tensors, "", Place(CPU, torch.float16))
