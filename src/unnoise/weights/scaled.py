"""8-bit floats with a scale, as ComfyUI stores them: each number is the stored one times the scale of its tensor.

`LAYER.weight` of such a type has `LAYER.scale_weight` beside it (newer files: `weight_scale`), one number, and at times
`scale_input` (`input_scale`), which is for multiplying in 8 bits, `comfy_quant`, which names the type again, and one
`scaled_fp8` for all, which marks such files.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

from unnoise.core.error import Refused
from unnoise.weights.entry import SCALED, Entry, Header

SCALES = ("scale_weight", "weight_scale")
BESIDE = (*SCALES, "scale_input", "input_scale", "comfy_quant")
MARK = "scaled_fp8"


def with_scales(header: Header) -> Header:
    """The header with each such tensor and its scale as one, and without what else stands beside them.

    Raises:
        Refused: a scale is none that can be read here.
    """
    made, left = dict[str, Entry](), set[str]()
    for name, entry in header.tensors.items():
        layer = name.removesuffix("weight")
        if entry.dtype in SCALED and layer != name:
            made[name] = _scaled(header.path, layer, entry, header.tensors)
            left |= {layer + each for each in BESIDE} if made[name].scale else set()
    marks = (n for n, e in header.tensors.items() if n.rpartition(".")[2] == MARK and prod(e.shape) <= 2)
    left |= set(marks)
    if not left:
        return header
    kept = {name: made.get(name, entry) for name, entry in header.tensors.items() if name not in left}
    return replace(header, tensors=kept)


def _scaled(path: Path, layer: str, entry: Entry, tensors: Mapping[str, Entry]) -> Entry:
    found = [layer + name for name in SCALES if layer + name in tensors]
    if not found:
        return entry
    scale = tensors[found[0]]
    if len(found) > 1 or prod(scale.shape) != 1 or scale.dtype not in ("F32", "F16", "BF16"):
        what = f"{path}: {' and '.join(found)} is {scale.dtype} of shape {scale.shape}"
        raise Refused(what, "one number a tensor is what can be read; take the file in another type", "model")
    return replace(entry, dtype=SCALED[entry.dtype], scale=scale)
