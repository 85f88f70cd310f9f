"""The config that a latent-diffusion U-Net and its ControlNet share, from diffusers' config.json or from shapes."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from unnoise.core.error import Refused
from unnoise.weights.maps._settings import bad, flag, sizes, whole

Shapes = Mapping[str, tuple[int, ...]]


def encoder_from_diffusers(config: Mapping[str, Any], known: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The fields that a U-Net and its ControlNet share.

    Args:
        known: the options that may stand beside those, each with the values that mean what is built here.
    """
    for name, value in config.items():
        if name not in _SHARED and not name.startswith("_") and value not in known.get(name, (None, False)):
            raise bad(name, value, f"{known[name][0]!r}" if name in known else "a model without it")
    attends = levels(config, "down_block_types", ("DownBlock2D", "CrossAttnDownBlock2D"))
    many = len(attends)
    depths = _each(config, "transformer_layers_per_block", many, 1)
    kind = config.get("addition_embed_type")
    if kind not in (None, "text_time"):
        raise bad("addition_embed_type", kind, "null or text_time")
    return {
        "widths": sizes({"block_out_channels": (320, 640, 1280, 1280)} | dict(config), "block_out_channels"),
        "blocks": _one(config, "layers_per_block", many, 2),
        "depths": tuple(d if a else 0 for d, a in zip(depths, attends, strict=True)),
        "middle": depths[-1],
        "heads": _each(config, "attention_head_dim", many, 8),  # diffusers' name for how many there are
        "context": _one(config, "cross_attention_dim", many, 1280),
        "pooled": whole(config, "projection_class_embeddings_input_dim") if kind else 0,
        "linear": flag(config, "use_linear_projection", False),
        "groups": whole(config, "norm_num_groups", 32),
    }


def encoder_from_original(shapes: Shapes) -> dict[str, Any]:
    """The fields that a U-Net and its ControlNet share. Raises as `from_original` does."""
    steps: list[list[tuple[int, int]]] = [[]]  # by level, the width and the depth of each step
    for number in count(1):
        convolution = f"input_blocks.{number}.0.in_layers.2.weight"
        if convolution in shapes:
            steps[-1].append((axis(shapes, convolution, 0), _depth(shapes, f"input_blocks.{number}.1")))
        elif f"input_blocks.{number}.0.op.weight" in shapes:
            steps.append([])
        else:
            break
    if any(len(level) != len(steps[0]) or len(set(level)) != 1 for level in steps):
        raise unlike("input_blocks.1.0.in_layers.2.weight")
    widths, depths = zip(*(level[0] for level in steps), strict=True)
    linear = len(shapes.get("middle_block.1.proj_in.weight", ())) == 2
    return {
        "widths": widths,
        "blocks": len(steps[0]),
        "depths": depths,
        "middle": _depth(shapes, "middle_block.1"),
        "heads": tuple(max(1, width // 64) if linear else 8 for width in widths),
        "context": axis(shapes, "middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1),
        "pooled": axis(shapes, "label_emb.0.0.weight", 1) if "label_emb.0.0.weight" in shapes else 0,
        "linear": linear,
    }


def axis(shapes: Shapes, name: str, which: int) -> int:
    """The length of one axis of a tensor.

    Raises:
        Refused: there is no such tensor, or it has no such axis.
    """
    shape = shapes.get(name, ())
    if len(shape) <= which or not shape[which]:
        raise unlike(name)
    return shape[which]


def unlike(name: str) -> Refused:
    return Refused(f"the U-Net's tensor {name} is missing or unlike any we know", "the file may be damaged", "model")


def _depth(shapes: Shapes, transformer: str) -> int:
    depth = 0
    while f"{transformer}.transformer_blocks.{depth}.norm1.weight" in shapes:
        depth += 1
    return depth


def levels(config: Mapping[str, Any], name: str, known: tuple[str, str]) -> list[bool]:
    """For each level, whether it attends."""
    plain, attends = known
    mirrored = name.startswith("up")
    said = config.get(name, [plain, *[attends] * 3] if mirrored else [*[attends] * 3, plain])
    if not isinstance(said, list | tuple) or not said or not set(map(str, said)) <= set(known):
        raise bad(name, said, f"a list of {plain} and {attends}")
    return [kind == attends for kind in said]


def _each(config: Mapping[str, Any], name: str, levels: int, default: int) -> tuple[int, ...]:
    """A whole number for each level, stated once or for each."""
    value = config.get(name, default)
    if type(value) is int:
        return (whole(config, name, default),) * levels
    found = sizes(config, name)
    if len(found) != levels:
        raise bad(name, value, f"{levels} numbers, one for each level,")
    return found


def _one(config: Mapping[str, Any], name: str, levels: int, default: int) -> int:
    """A whole number that all levels share."""
    found = set(_each(config, name, levels, default))
    if len(found) > 1:
        raise bad(name, config[name], "the same number for all levels")
    return found.pop()


_SHARED = {
    *("out_channels", "in_channels", "down_block_types", "up_block_types", "block_out_channels", "layers_per_block"),
    *("transformer_layers_per_block", "attention_head_dim", "cross_attention_dim", "addition_embed_type"),
    *("projection_class_embeddings_input_dim", "use_linear_projection", "norm_num_groups"),
    # No part of the network, or of no influence on it where those are absent that they belong to.
    *("sample_size", "dropout", "upcast_attention", "addition_time_embed_dim", "addition_embed_type_num_heads"),
}

ENCODER: Mapping[str, tuple[Any, ...]] = {
    "flip_sin_to_cos": (True,),
    "freq_shift": (0,),
    "act_fn": ("silu", "swish"),
    "norm_eps": (1e-5,),
    "downsample_padding": (1,),
    "mid_block_scale_factor": (1,),
    "mid_block_type": ("UNetMidBlock2DCrossAttn",),
    "resnet_time_scale_shift": ("default",),
}
"""Options that may have one value only, in a U-Net and its ControlNet."""
