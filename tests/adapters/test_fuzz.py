"""Whatever names and shapes a file has, it is read and put on in full, or refused in one line."""

from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.small import CONV, TO_Q, model
from unnoise.adapters.attach import attach, fuse
from unnoise.adapters.lora import Adapter, layers
from unnoise.adapters.pieces import pieces
from unnoise.adapters.strength import Strength
from unnoise.core.error import Refused

SMALL = model()
HEADS = st.sampled_from(
    ["unet.", "lora_unet_", "lora_te_", "text_encoder.", "base_model.model.", "unet:", "lora_te3_", ""]
)
BODIES = st.sampled_from(
    [
        TO_Q,
        CONV,
        TO_Q.replace(".", "_"),
        CONV.replace(".", "_"),
        "conv_out",
        "conv_norm_out",
        "0",
        "x",
        "text_model.final_layer_norm",
    ]
)
ENDS = st.sampled_from(
    [f".{end}.weight" for end in ("lora_down", "lora_up", "lora_mid", "lora_A", "lora_B", "lora_A.default", "a1")]
    + [f".hada_w{k}_{x}" for k in "12" for x in "ab"]
    + [
        ".lokr_w1",
        ".lokr_w2",
        ".lokr_w2_a",
        ".lokr_w2_b",
        ".lokr_t2",
        ".alpha",
        ".scale",
        ".dora_scale",
        ".diff",
        ".diff_b",
    ]
    + [
        ".w_norm",
        ".b_norm",
        ".weight",
        ".on_input",
        ".lora_magnitude_vector",
        ".oft_blocks",
        ":down",
        ":up",
        ".lora_B.bias",
        "",
    ]
)
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 4, 8, 32, 64]), max_size=5).filter(
    lambda s: torch.Size(s).numel() < 70_000
)
FILES = st.dictionaries(st.tuples(HEADS, BODIES, ENDS).map("".join), SHAPES, min_size=1, max_size=6)


def put(tensors: dict[str, torch.Tensor]) -> None:
    """Read and put on, both ways; a fault that is not a refusal is one of ours."""
    try:
        found = layers(tensors, Path("a.safetensors"))
        made = [p for where, slots in found.items() for p in pieces(where, {s: tensors[n] for s, n in slots.items()})]
        asked = [(Adapter("a", made), Strength(0.5))]
        attach(SMALL, asked)
        changed = fuse(SMALL, asked)
    except Refused as refused:
        assert "\n" not in str(refused) and len(str(refused)) < 1000
    else:
        for one, other in ((SMALL.denoiser, changed.denoiser), (SMALL.conditioner, changed.conditioner)):
            for (name, old), new in zip(one.named_parameters(), other.parameters(), strict=False):
                assert old.shape == new.shape, name


@given(FILES)
@settings(max_examples=300)
def test_any_names_and_shapes(file):
    put({name: torch.ones(shape) for name, shape in file.items()})


GOOD = {
    f"unet.{TO_Q}": {"lora_down.weight": (4, 32), "lora_up.weight": (32, 4), "alpha": (), "dora_scale": (32, 1)},
    f"unet.{CONV}": {"lora_down.weight": (4, 32, 3, 3), "lora_up.weight": (32, 4, 1, 1), "alpha": ()},
    "unet.conv_out": {"diff": (4, 32, 3, 3), "diff_b": (4,)},
}


@given(st.data())
@settings(max_examples=200)
def test_a_good_file_with_one_thing_changed(data):
    tensors = {f"{layer}.{slot}": torch.ones(shape) for layer, slots in GOOD.items() for slot, shape in slots.items()}
    name = data.draw(st.sampled_from(sorted(tensors)))
    change = data.draw(st.sampled_from(["gone", "shape", "name", "huge", "transposed"]))
    value = tensors.pop(name)
    if change == "shape":
        tensors[name] = torch.ones(data.draw(SHAPES))
    elif change == "name":
        place = data.draw(st.integers(0, len(name) - 1))
        tensors[name[:place] + data.draw(st.characters(min_codepoint=32, max_codepoint=126)) + name[place + 1 :]] = (
            value
        )
    elif change == "huge":
        tensors[name] = value * 1e38
    elif change == "transposed" and value.ndim > 1:
        tensors[name] = value.transpose(0, 1)
    put(tensors)
