"""Adapters' files are read whole or refused by name, whatever is in them."""

import json
import struct

import pytest
import torch

from adapters.small import CONV, TO_Q, meta, model, output, pair, text, write
from unnoise.adapters.attach import attach, beside, touches
from unnoise.adapters.lora import read
from unnoise.adapters.strength import Strength
from unnoise.core.error import Refused

NAME = f"unet.{TO_Q}"


def attached(path):
    return attach(model(), [(read(path), Strength())])


def spelt(name, ends=("lora_down", "lora_up")):
    """The same numbers under another layer's name."""
    made = pair("x", 32, 32)
    return dict(zip([f"{name}.{end}.weight" for end in ends], made.values(), strict=True))


SGM = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q"
PROCESSOR = TO_Q.replace(".to_q", ".processor.to_q_lora")
DIALECTS = {
    "kohya, diffusers' blocks": spelt(f"lora_unet_{TO_Q.replace('.', '_')}"),
    "kohya, SGM's blocks": spelt(SGM),
    "ComfyUI, SGM's blocks": spelt(
        "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q", ("lora_A", "lora_B")
    ),
    "diffusers, processors": spelt(PROCESSOR, ("down", "up")),
    "diffusers, processors, with the part": spelt(f"unet.{PROCESSOR}", ("down", "up")),
    "diffusers, layers": spelt(NAME, ("lora.down", "lora.up")),
    "PEFT": spelt(f"base_model.model.{TO_Q}", ("lora_A", "lora_B")),
    "PEFT, with the adapter's name": spelt(f"unet.base_model.model.{TO_Q}", ("lora_A.default", "lora_B.default")),
    "diffusers, PEFT": spelt(NAME, ("lora_A", "lora_B")),
    "OneTrainer": spelt(f"lora_transformer_{TO_Q.replace('.', '_')}"),
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return output(attached(write(tmp_path_factory.mktemp("x"), DIALECTS["diffusers, PEFT"])))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_says_the_same(dialect, expected, tmp_path):
    assert torch.equal(output(attached(write(tmp_path, DIALECTS[dialect]))), expected)


def test_what_scales(tmp_path):
    def scale(tensors, **metadata):
        [piece] = read(write(tmp_path, pair(NAME, 32, 32) | tensors, **metadata)).pieces
        return piece.kind.scale

    stated = json.dumps({"unet.lora_alpha": 8, "unet.r": 4, "unet.alpha_pattern": {}})
    assert scale({}) == 1
    assert scale({f"{NAME}.alpha": torch.tensor(2.0)}) == 0.5
    assert scale({f"{NAME}.alpha": torch.tensor(2.0), f"{NAME}.scale": torch.tensor(3.0)}) == 3
    assert scale({}, lora_adapter_metadata=stated) == 2
    assert scale({f"{NAME}.alpha": torch.tensor(2.0)}, lora_adapter_metadata=stated) == 0.5


def test_a_torch_file_and_a_safetensors_file_are_the_same(tmp_path):
    tensors = pair(NAME, 32, 32)
    torch.save(tensors, tmp_path / "style.bin")
    one, other = read(tmp_path / "style.bin"), read(write(tmp_path, tensors))
    assert torch.equal(one.pieces[0].kind.down, other.pieces[0].kind.down)
    assert one.files.keys() == {"style.bin"} and one.files.values() != other.files.values()


def test_a_file_may_go_once_it_is_read(tmp_path):
    path = write(tmp_path, pair(NAME, 32, 32))
    adapter = read(path)
    path.write_bytes(b"\0" * 4096)
    assert output(attach(model(), [(adapter, Strength())])).isfinite().all()


GOOD = pair(NAME, 32, 32)
DOWN, UP = GOOD
KRON = {f"{NAME}.lokr_w1": torch.ones(4, 4), f"{NAME}.lokr_w2": torch.ones(8, 8)}
HOSTILE = {
    "ranks that differ": (GOOD | {UP: torch.ones(32, 5)}, "rank 4 and up of rank 5"),
    "no up": ({DOWN: GOOD[DOWN]}, "down without up"),
    "no down": ({UP: GOOD[UP]}, "up without down"),
    "NaN": (GOOD | {UP: torch.full((32, 4), torch.nan)}, "not finite"),
    "infinite in half": (GOOD | {UP: torch.full((32, 4), torch.inf, dtype=torch.float16)}, "not finite"),
    "an alpha without end": (GOOD | {f"{NAME}.alpha": torch.tensor(1e30)}, "scaled by"),
    "an alpha of NaN": (GOOD | {f"{NAME}.alpha": torch.tensor(torch.nan)}, "finite"),
    "an alpha of many": (GOOD | {f"{NAME}.alpha": torch.ones(3)}, "finite"),
    "an alpha alone": (GOOD | {"unet.conv_in.alpha": torch.tensor(1.0)}, "conv_in has alpha, which alone"),
    "rank 0": (GOOD | {DOWN: torch.ones(0, 32), UP: torch.ones(32, 0)}, "factor of shape"),
    "numbers for matrices": (GOOD | {DOWN: torch.ones(4), UP: torch.ones(4)}, "factor of shape"),
    "another width": (pair(NAME, 32, 48), "does not fit"),
    "another height": (pair(NAME, 48, 32), "does not fit"),
    "a kernel too many": (
        {f"unet.{CONV}.lora_A.weight": torch.ones(2, 32, 5, 5), f"unet.{CONV}.lora_B.weight": torch.ones(32, 2, 1, 1)},
        "does not fit",
    ),
    "a convolution's for a linear layer": (
        {DOWN: torch.ones(4, 32, 3, 3), UP: torch.ones(32, 4, 1, 1)},
        "does not fit",
    ),
    "a layer of another model": (pair("unet.down_blocks.3.attentions.0.proj_in", 8, 8), "this model has not"),
    "a text encoder's layer of none": (pair("text_encoder.layers.77.fc1", 8, 8), "this model has not"),
    "a name in no dialect": (GOOD | {"hello": torch.ones(1)}, "holds hello"),
    "a whole model's weights": (GOOD | {"unet.conv_in.weight": torch.ones(1)}, "conv_in.weight"),
    "twice the same": (GOOD | {f"{NAME}.lora_A.weight": GOOD[DOWN].clone()}, "twice"),
    "no tensors": ({}, "holds no tensors"),
    "a magnitude of another length": (GOOD | {f"{NAME}.dora_scale": torch.ones(31, 1)}, "does not fit"),
    "a magnitude of nothing": ({f"{NAME}.dora_scale": torch.ones(32, 1)}, "alone says nothing"),
    "a Kronecker product too large": (KRON | {f"{NAME}.lokr_w2": torch.ones(80, 80)}, "does not fit"),
    "half a Kronecker product": ({f"{NAME}.lokr_w1": torch.ones(4, 4)}, "without lokr_w2_a"),
    "half a Hadamard product": ({f"{NAME}.hada_w1_a": torch.ones(32, 2)}, "without hada_w1_b"),
    "factors that do not meet": (
        {
            f"{NAME}.hada_w1_a": torch.ones(32, 2),
            f"{NAME}.hada_w1_b": torch.ones(3, 32),
            f"{NAME}.hada_w2_a": torch.ones(32, 2),
            f"{NAME}.hada_w2_b": torch.ones(2, 32),
        },
        "does not fit",
    ),
    "a mid that would fill memory": (
        {
            f"unet.{CONV}.lora_down.weight": torch.ones(2, 32, 1, 1),
            f"unet.{CONV}.lora_up.weight": torch.ones(32, 2, 1, 1),
            f"unet.{CONV}.lora_mid.weight": torch.ones(2, 2, 90, 90),
        },
        "does not fit",
    ),
    "OFT": ({f"{NAME}.oft_blocks": torch.ones(4, 8, 8)}, "OFT, a kind of adapter that is not built"),
    "GLoRA": ({f"{NAME}.a1.weight": torch.ones(4, 8)}, "GLoRA, a kind of adapter that is not built"),
    "a number that is no layer": ({"unet:999:down": GOOD[DOWN], "unet:999:up": GOOD[UP]}, "this model has not"),
    "a number that is none": ({"unet:-1:down": GOOD[DOWN], "unet:-1:up": GOOD[UP]}, "this model has not"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_refused_by_name(case, tmp_path):
    tensors, said = HOSTILE[case]
    with pytest.raises(Refused, match=said) as refused:
        attached(write(tmp_path, tensors))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


@pytest.mark.parametrize("said", ["", "[]", "{", '{"unet.lora_alpha": 1' + "0" * 2**20 + "}", "[" * 100_000])
def test_a_header_that_cannot_be_read(said, tmp_path):
    with pytest.raises(Refused, match="cannot be read"):
        read(write(tmp_path, GOOD, lora_adapter_metadata=said))


@pytest.mark.parametrize(
    "data", [b"", b"PK\3\4", b"<!DOCTYPE html>", struct.pack("<Q", 2**60), b"\x80\x02}q\0.", b"\0" * 100]
)
def test_a_file_of_something_else(data, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(Refused):
        read(path)


def test_a_file_that_ends_too_soon(tmp_path):
    path = write(tmp_path, GOOD)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(Refused):
        read(path)


def test_there_is_no_file(tmp_path):
    with pytest.raises(Refused, match="cannot read"):
        read(tmp_path / "no.safetensors")


@pytest.mark.parametrize(
    "name", ["analog_svd_rank4.safetensors", "weapons_sd15_rank4.safetensors", "weapons_sd15_rank4.bin"]
)
def test_real_files_apply_in_full_to_sd1(shared, name):
    """Every tensor has its layer in a model of SD 1's shape, and changes it."""
    known = {"network": meta("sd1"), "text": meta("clip")}
    adapter = read(shared / "fixtures" / "lora" / name)
    found = list(touches(adapter, Strength(), known))
    assert len(found) == len(adapter.pieces) == (192 if "analog" in name else 128)
    for part, layer, touch in found:
        weight = known[part].layers[layer].weight
        made = beside(known[part].layers[layer], [touch])
        assert made.down.shape == (4, weight.shape[1]) and made.up.shape == (weight.shape[0], 4)
        assert (touch.kind.up @ touch.kind.down).any()


def test_the_text_encoders_share_is_read(tmp_path):
    tensors = pair("lora_te_text_model_encoder_layers_0_self_attn_v_proj", 24, 24)
    small = model()
    made = attach(small, [(read(write(tmp_path, tensors)), Strength())])
    assert not torch.equal(text(made)[0], text(small)[0]) and torch.equal(output(made), output(small))
