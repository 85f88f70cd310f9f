"""The kind of model that an adapter was made for, told by what its header says or by its layers. Imports no torch."""

import re
from collections.abc import Mapping

_STATED = (
    (r"sdxl|stable-diffusion-xl", "SDXL"),
    (r"flux", "FLUX.1"),
    (r"sd3|stable-diffusion-3", "Stable Diffusion 3"),
    (r"sd_?v?2|stable-diffusion-v2|stable-diffusion-2", "Stable Diffusion 2"),
    (r"sd_?v?1|stable-diffusion-v1|stable-diffusion-1", "Stable Diffusion 1"),
)
_NAMED = (
    (r"double_blocks[._]|single_transformer_blocks[._]|single_blocks[._]", "FLUX.1"),
    (r"joint_blocks[._]|(?<!single_)(?<!_)transformer_blocks[._]\d+[._]attn[._]add_[qkv]_proj", "Stable Diffusion 3"),
    (r"lora_te2_|text_encoder_2\.|clip_g\.", "SDXL"),
)
_WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "SDXL", 1280: "the SDXL refiner"}
_CONTEXT = re.compile(r"attn2[._](?:processor\.)?to_k.*(?:down|lora_A).*weight$")


def meant_for(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> str:
    """A title for people; empty where nothing tells."""
    said = " ".join(metadata.get(k, "") for k in ("modelspec.architecture", "ss_base_model_version")).lower()
    for pattern, title in _STATED:
        if re.search(pattern, said):
            return title
    for pattern, title in _NAMED:
        if any(re.search(pattern, name) for name in shapes):
            return title
    widths = {shape[1] for name, shape in shapes.items() if _CONTEXT.search(name) and len(shape) > 1}
    return _WIDTHS.get(widths.pop(), "") if len(widths) == 1 else ""
