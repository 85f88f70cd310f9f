"""What an adapter's, an embedding's or a ControlNet's file is, from its header alone: for people. Imports no torch."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from unnoise.adapters.controlnet import ControlFile, layout_of, other
from unnoise.adapters.dialects import understood
from unnoise.adapters.meant import meant_for
from unnoise.core.error import Refused
from unnoise.weights.entry import Header

KINDS: Mapping[str, str] = {
    "down": "LoRA",
    "mid": "LoCon",
    "dora_scale": "DoRA",
    "magnitude": "DoRA",
    "hada_w1_a": "LoHa",
    "lokr_w1": "LoKr",
    "lokr_w1_a": "LoKr",
    "diff": "difference",
    "diff_b": "bias",
    "bias": "bias",
    "w_norm": "norm",
    "on_input": "IA3",
    "OFT": "OFT",
    "GLoRA": "GLoRA",
}
"""A slot that tells -> what people call such a thing."""
_VECTORS = ("emb_params", "*", "clip_l", "clip_g")
_WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 1280: "SDXL"}


def told(header: Header) -> dict[str, Any] | None:
    """What the file holds, as JSON values, its `kind` first; None where it is none of these."""
    return _adapter(header) or _control(header) or _embedding(header)


def _adapter(header: Header) -> dict[str, Any] | None:
    keys = {name: understood(name) for name in header.tensors}
    found = {name: key for name, key in keys.items() if key is not None}
    if not found or len(found) < len(keys) or not any(key.slot in KINDS for key in found.values()):
        return None
    layers = {(key.part, key.layer) for key in found.values()}
    ranks = Counter(_rank(header, name) for name, key in found.items() if key.slot == "down")
    return {
        "kind": "lora",
        "meant_for": meant_for(header.shapes, header.metadata) or "unknown",
        "kinds": sorted({KINDS[key.slot] for key in found.values() if key.slot in KINDS}),
        "layers": dict(Counter(part for part, _ in sorted(layers))),
        "ranks": {str(rank): count for rank, count in sorted(ranks.items())},
    }


def _rank(header: Header, name: str) -> int:
    shape = header.tensors[name].shape
    return shape[0] if shape else 0


def _control(header: Header) -> dict[str, Any] | None:
    if said := other(header):
        return {"kind": "control", "variety": said[0], "runs": False, "instead": said[1]}
    if (found := layout_of(header)) is None:
        return None
    try:
        meant_for = ControlFile("", header).meant_for()
    except Refused:  # damaged, or smaller than any we know
        meant_for = "unknown"
    return {"kind": "control", "meant_for": meant_for, "variety": "a ControlNet", "layout": found[0]}


def _embedding(header: Header) -> dict[str, Any] | None:
    shapes = {name: (1, *shape) if len(shape) == 1 else shape for name, shape in header.shapes.items()}
    plain = len(shapes) == 1 or shapes.keys() <= set(_VECTORS)
    if not shapes or not plain or any(len(shape) != 2 or not 0 < shape[0] <= 75 for shape in shapes.values()):
        return None
    word = next(iter(shapes))
    width = max(shape[1] for shape in shapes.values())
    if word not in _VECTORS and width not in _WIDTHS:  # any table of one matrix may be called anything
        return None
    return {
        "kind": "embedding",
        "meant_for": _WIDTHS.get(width, "unknown"),
        "word": header.path.stem if word in _VECTORS else word,
        "vectors": {name: list(shape) for name, shape in shapes.items()},
    }
