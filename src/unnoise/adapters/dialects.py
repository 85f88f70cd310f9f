"""The dialects in which adapters' files are written, as tables: a tensor's name is PREFIX + layer + SUFFIX.

The prefix says which part of a model a layer belongs to and how the layer is spelt: with its dots, with underscores in
their place (kohya's scripts, OneTrainer, LyCORIS), or as a number (the first `lora` package). The suffix says what the
tensor is. Files that mix dialects are read as well, as each name is understood by itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Spelling = Literal["dotted", "flat", "numbered"]

NETWORK, TEXTS = "network", ("text", "text_2", "text_3")


@dataclass(frozen=True)
class Key:
    """A tensor's name, understood.

    Args:
        part: of the model: network, text, text_2 or text_3.
        layer: in its dialect's own words.
        spelling: of the layer.
        slot: what the tensor is to the layer.
    """

    part: str
    layer: str
    spelling: Spelling
    slot: str


PREFIXES: tuple[tuple[str, str, Spelling], ...] = (
    (r"lora_unet_", NETWORK, "flat"),
    (r"lora_transformer_", NETWORK, "flat"),
    (r"lycoris_", NETWORK, "flat"),
    (r"lora_te1?_", "text", "flat"),
    (r"lora_te2_", "text_2", "flat"),
    (r"lora_te3_", "text_3", "flat"),
    (r"unet:", NETWORK, "numbered"),
    (r"text_encoder:", "text", "numbered"),
    (r"(?:model\.)?diffusion_model\.", NETWORK, "dotted"),
    (r"(?:unet|transformer|network)\.", NETWORK, "dotted"),
    (r"(?:text_encoder|conditioner)\.", "text", "dotted"),
    (r"text_encoder_2\.", "text_2", "dotted"),
    (r"text_encoder_3\.", "text_3", "dotted"),
    (r"(?:text_encoders\.)?clip_[lh]\.(?:transformer\.)?", "text", "dotted"),
    (r"(?:text_encoders\.)?clip_g\.(?:transformer\.)?", "text_2", "dotted"),
    (r"(?:text_encoders\.)?t5xxl\.(?:transformer\.)?", "text_3", "dotted"),
    (r"", NETWORK, "dotted"),
)
"""Which part a name belongs to; the first that fits counts. A name without any is the network's."""

_WRAPPED = re.compile(r"(?:base_model\.model\.)+")
"""What PEFT puts before, or after, a part's name."""

SUFFIXES: tuple[tuple[str, str], ...] = (
    (r"\.(?:oft|boft)_[\w.]+|\.oft_diag", "OFT"),
    (r"\.[ab][12]\.weight", "GLoRA"),
    (r"\.lora_embedding_[AB](?:\.[^.]+)?", "an embedding's LoRA"),
    (r"\.lora_(?:down|A)(?:\.[^.]+)?\.weight", "down"),
    (r"\.lora_(?:up|B)(?:\.[^.]+)?\.weight", "up"),
    (r"\.lora_(?:up|B)(?:\.[^.]+)?\.bias", "bias"),
    (r"\.lora_mid\.weight", "mid"),
    (r"(?:\.lora|\.lora_linear_layer)?\.down\.weight", "down"),
    (r"(?:\.lora|\.lora_linear_layer)?\.up\.weight", "up"),
    (r":down", "down"),
    (r":up", "up"),
    (r"\.alpha", "alpha"),
    (r"\.scale", "scale"),
    (r"\.dora_scale", "dora_scale"),
    (r"\.lora_magnitude_vector(?:\.[^.]+){0,2}", "magnitude"),
    (r"\.(hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t2|diff|diff_b|w_norm|b_norm|on_input|weight)", r"\1"),
)
"""What a tensor is. `weight` is IA3's, beside `on_input`; the first three are known by name and not built."""

UNBUILT = ("OFT", "GLoRA", "an embedding's LoRA")

_RENAMED: tuple[tuple[str, str], ...] = ((r"\.processor\.", "."),)
_RENAMED_NETWORK: tuple[tuple[str, str], ...] = (
    (r"\.to_([qkv])_lora$", r".to_\1"),
    (r"\.to_out_lora$", ".to_out.0"),
    (r"\.to_out$", ".to_out.0"),
)
_RENAMED_TEXT: tuple[tuple[str, str], ...] = (
    (r"\.to_([qkv])_lora$", r".\1_proj"),
    (r"\.to_out_lora$", ".out_proj"),
)
"""Layers that attention processors name after themselves, by the name of the layer that they stand beside."""

_PREFIXES: Sequence[tuple[re.Pattern[str], str, Spelling]] = [(re.compile(p), part, how) for p, part, how in PREFIXES]
_SUFFIXES = tuple((re.compile(f"(?:{pattern})$"), slot) for pattern, slot in SUFFIXES)


def understood(name: str) -> Key | None:
    """A tensor's name in any dialect; None where it is in none."""
    found = next(((m, slot) for pattern, slot in _SUFFIXES if (m := pattern.search(name))), None)
    if found is None:
        return None
    end, slot = found
    layer = _unwrapped(name[: end.start()])
    for pattern, part, spelling in _PREFIXES:
        if before := pattern.match(layer):
            layer = _unwrapped(layer[before.end() :])
            return Key(part, renamed(layer, part), spelling, end.expand(slot)) if layer else None
    return None


def renamed(layer: str, part: str) -> str:
    """The layer that an attention processor's own name stands for."""
    for pattern, other in (*_RENAMED, *(_RENAMED_NETWORK if part == NETWORK else _RENAMED_TEXT)):
        layer = re.sub(pattern, other, layer)
    return layer


def _unwrapped(layer: str) -> str:
    found = _WRAPPED.match(layer)
    return layer[found.end() :] if found else layer
