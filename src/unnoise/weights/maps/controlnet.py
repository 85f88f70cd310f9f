"""Names of a latent-diffusion U-Net's ControlNet: the published single files' and diffusers'."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from unnoise.weights.keymap import KeyMap, Rule
from unnoise.weights.maps._ldm_config import (
    ENCODER,
    Shapes,
    axis,
    encoder_from_diffusers,
    encoder_from_original,
    unlike,
)
from unnoise.weights.maps._settings import bad, flag, sizes, whole
from unnoise.weights.maps.ldm_unet import entry, projections, way_down

if TYPE_CHECKING:
    from unnoise.networks.controlnet import ControlNetConfig


def original(config: "ControlNetConfig") -> KeyMap:
    """The single files' names, without their prefix `control_model.`."""
    found = (Rule("zero_convs.{}.0", "controlnet_down_blocks.{}"), Rule("middle_block_out.0", "controlnet_mid_block"))
    return KeyMap((*entry(config), *_hint(config), *way_down(config), *found))


def diffusers(config: "ControlNetConfig") -> KeyMap:
    """The names of diffusers' ControlNetModel, which are ours."""
    same = ("conv_in", "time_embedding", "add_embedding", "controlnet_cond_embedding", "down_blocks", "mid_block")
    found = ("controlnet_down_blocks", "controlnet_mid_block")
    return KeyMap((*projections(config), *(Rule(name, name) for name in (*same, *found))))


KNOWN: Mapping[str, tuple[Any, ...]] = {
    **ENCODER,
    "controlnet_conditioning_channel_order": ("rgb",),
    "conditioning_channels": (3,),
}
"""Options of a ControlNet that may have one value only."""


def from_diffusers(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of our config from diffusers' config.json.

    Raises:
        Refused: it has an option that is not built here.
    """
    own = ("conditioning_embedding_out_channels", "global_pool_conditions")
    hint = sizes({own[0]: (16, 32, 96, 256)} | dict(config), own[0])
    if len(hint) != 4:
        raise bad(own[0], list(hint), "a list of 4 numbers")
    return {
        "channels": whole(config, "in_channels", 4),
        "hint": hint,
        "averaged": flag(config, own[1], False),
        **encoder_from_diffusers({k: v for k, v in config.items() if k not in own}, KNOWN),
    }


def from_original(shapes: Shapes) -> dict[str, Any]:
    """The fields of our config from a single file's shapes, by its names without their prefix.

    As for the U-Net, the number of heads is that of the model that the file is for. Whether what it finds is averaged
    stands in no shape.

    Raises:
        Refused: they are not those of a ControlNet that is built here.
    """
    names = (f"input_hint_block.{2 * i}.weight" for i in count())
    layers: list[int] = []
    for name in names:
        if name not in shapes:
            break
        layers.append(axis(shapes, name, 0))
    if len(layers) != 8:
        raise unlike("input_hint_block.14.weight")
    channels = axis(shapes, "input_blocks.0.0.weight", 1)
    return {"channels": channels, "hint": (layers[0], *layers[2:-1:2]), **encoder_from_original(shapes)}


def _hint(config: "ControlNetConfig") -> Iterator[Rule]:
    blocks = 2 * (len(config.hint) - 1)
    yield Rule("input_hint_block.0", "controlnet_cond_embedding.conv_in")
    for i in range(blocks):
        yield Rule(f"input_hint_block.{2 * i + 2}", f"controlnet_cond_embedding.blocks.{i}")
    yield Rule(f"input_hint_block.{2 * blocks + 2}", "controlnet_cond_embedding.conv_out")


def from_shapes(shapes: Shapes) -> dict[str, Any]:
    """The fields of our config from the shapes of diffusers' names, where no config.json is at hand.

    Heads and groups are those of the model that the file is for. Whether what it finds is averaged stands in no shape.

    Raises:
        Refused: they are not those of a ControlNet that is built here.
    """
    hint = "controlnet_cond_embedding.blocks.{}.weight"
    levels = _run(shapes, "down_blocks.{}.resnets.0.conv1.weight")
    blocks = {_run(shapes, f"down_blocks.{level}.resnets.{{}}.conv1.weight") for level in range(levels)}
    if not levels or len(blocks) != 1 or _run(shapes, hint) != 6:
        raise unlike("down_blocks.0.resnets.0.conv1.weight" if not levels or len(blocks) != 1 else hint.format(5))
    middle, block = "mid_block.attentions.0", "transformer_blocks.{}.norm1.weight"
    pooled = "add_embedding.linear_1.weight"
    return {
        "channels": axis(shapes, "conv_in.weight", 1),
        "hint": (*(axis(shapes, hint.format(i), 1) for i in (0, 2, 4)), axis(shapes, hint.format(5), 0)),
        "widths": tuple(axis(shapes, f"down_blocks.{i}.resnets.0.conv1.weight", 0) for i in range(levels)),
        "blocks": blocks.pop(),
        "depths": tuple(_run(shapes, f"down_blocks.{i}.attentions.0.{block}") for i in range(levels)),
        "middle": _run(shapes, f"{middle}.{block}"),
        "context": axis(shapes, f"{middle}.transformer_blocks.0.attn2.to_k.weight", 1),
        "pooled": axis(shapes, pooled, 1) if pooled in shapes else 0,
        "linear": len(shapes.get(f"{middle}.proj_in.weight", ())) == 2,
    }


def _run(shapes: Shapes, pattern: str) -> int:
    """How many tensors there are of this name, numbered from 0 without a gap."""
    return next(i for i in count() if pattern.format(i) not in shapes)
