"""Names of the latent-diffusion U-Net: the published single files' (CompVis, Stability AI) and diffusers'."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from unnoise.core.error import Refused
from unnoise.weights.keymap import Change, KeyMap, Rule
from unnoise.weights.maps._ldm_config import (
    ENCODER,
    Shapes,
    axis,
    encoder_from_diffusers,
    encoder_from_original,
    levels,
    unlike,
)
from unnoise.weights.maps._settings import bad, whole

if TYPE_CHECKING:
    from unnoise.networks.ldm_unet import LDMUNetConfig

RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
"""The layers of a residual block, theirs and ours."""


def original(config: "LDMUNetConfig") -> KeyMap:
    """The single files' names, without their prefix `model.diffusion_model.`."""
    rules = [*entry(config), *way_down(config), *_way_up(config)]
    return KeyMap((*rules, Rule("out.0", "conv_norm_out"), Rule("out.2", "conv_out")))


def diffusers(config: "LDMUNetConfig") -> KeyMap:
    """The names of diffusers' UNet2DConditionModel, which are ours."""
    same = ("conv_in", "time_embedding", "add_embedding", "down_blocks", "mid_block", "up_blocks")
    return KeyMap((*projections(config), *(Rule(name, name) for name in (*same, "conv_norm_out", "conv_out"))))


def entry(config: "LDMUNetConfig") -> Iterator[Rule]:
    """What stands before the levels, in a U-Net and its ControlNet."""
    yield Rule("input_blocks.0.0", "conv_in")
    pairs = {"time_embed": "time_embedding"} | ({"label_emb.0": "add_embedding"} if config.pooled else {})
    for theirs, ours in pairs.items():
        yield Rule(f"{theirs}.0", f"{ours}.linear_1")
        yield Rule(f"{theirs}.2", f"{ours}.linear_2")


def way_down(config: "LDMUNetConfig") -> Iterator[Rule]:
    """The levels on the way down, and the middle."""
    number, last = 1, len(config.widths) - 1
    for level, depth in enumerate(config.depths):
        for i in range(config.blocks):
            yield from _step(config, f"input_blocks.{number}", f"down_blocks.{level}", i, depth > 0)
            number += 1
        if level < last:
            yield Rule(f"input_blocks.{number}.0.op", f"down_blocks.{level}.downsamplers.0.conv")
            number += 1
    yield from _residual("middle_block.0", "mid_block.resnets.0")
    yield from _transformer(config, "middle_block.1", "mid_block.attentions.0")
    yield from _residual("middle_block.2", "mid_block.resnets.1")


def projections(config: "LDMUNetConfig") -> Iterator[Rule]:
    """diffusers' transformers have our names; their outer projections may be 1 x 1 convolutions."""
    for place in ("down_blocks.{}.attentions.{}", "mid_block.attentions.{}", "up_blocks.{}.attentions.{}"):
        for layer in ("proj_in", "proj_out"):
            yield Rule(f"{place}.{layer}", f"{place}.{layer}", change=_change(config))


UNET: Mapping[str, tuple[Any, ...]] = {
    **ENCODER,
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "time_embedding_type": ("positional",),
    "attention_type": ("default",),
    "resnet_out_scale_factor": (1.0,),
}
"""Options of a U-Net that may have one value only."""


def from_diffusers(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of our config from diffusers' config.json.

    Raises:
        Refused: it has an option that is not built here.
    """
    channels, first = whole(config, "out_channels", 4), whole(config, "in_channels", 4)
    if first < channels:
        raise bad("in_channels", first, f"a whole number from {channels}")
    ways = [
        levels(config, "up_block_types", ("UpBlock2D", "CrossAttnUpBlock2D"))[::-1],
        levels(config, "down_block_types", ("DownBlock2D", "CrossAttnDownBlock2D")),
    ]
    if ways[0] != ways[1]:
        raise bad("up_block_types", config.get("up_block_types"), "the mirror image of down_block_types")
    return {"channels": channels, "extra": first - channels, **encoder_from_diffusers(config, UNET)}


def from_original(shapes: Shapes) -> dict[str, Any]:
    """The fields of our config from a single file's shapes, by its names without their prefix.

    The number of heads stands in no shape: it is 8 throughout where the transformers' projections are convolutions
    (Stable Diffusion 1), and one for each 64 channels where they are linear (2 and XL).

    Raises:
        Refused: they are not those of a U-Net that is built here.
    """
    channels = axis(shapes, "out.2.weight", 0)
    extra = axis(shapes, "input_blocks.0.0.weight", 1) - channels
    if extra < 0:
        raise unlike("input_blocks.0.0.weight")
    return {"channels": channels, "extra": extra, **encoder_from_original(shapes)}


def _way_up(config: "LDMUNetConfig") -> Iterator[Rule]:
    last = len(config.widths) - 1
    for level, depth in enumerate(reversed(config.depths)):
        for i in range(config.blocks + 1):
            theirs = f"output_blocks.{level * (config.blocks + 1) + i}"
            if i == config.blocks and level < last:  # behind the transformer, where there is one
                yield Rule(f"{theirs}.{1 + (depth > 0)}.conv", f"up_blocks.{level}.upsamplers.0.conv")
            yield from _step(config, theirs, f"up_blocks.{level}", i, depth > 0)


def _step(config: "LDMUNetConfig", theirs: str, ours: str, number: int, attends: bool) -> Iterator[Rule]:
    yield from _residual(f"{theirs}.0", f"{ours}.resnets.{number}")
    if attends:
        yield from _transformer(config, f"{theirs}.1", f"{ours}.attentions.{number}")


def _residual(theirs: str, ours: str) -> Iterator[Rule]:
    return (Rule(f"{theirs}.{layer}", f"{ours}.{name}") for layer, name in RESIDUAL.items())


def _transformer(config: "LDMUNetConfig", theirs: str, ours: str) -> Iterator[Rule]:
    for layer in ("proj_in", "proj_out"):
        yield Rule(f"{theirs}.{layer}", f"{ours}.{layer}", change=_change(config))
    yield Rule(theirs, ours)  # inside, both have the same names


def _change(config: "LDMUNetConfig") -> Change:
    return "same" if config.linear else "conv"


def to_diffusers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """diffusers' config.json, less what belongs to the model around it (`sample_size`), from all fields of our config.

    Raises:
        Refused: diffusers has no words for them.
    """
    depths, middle = fields["depths"], fields["middle"]
    attends = [depth > 0 for depth in depths]
    plain = middle if {*depths} <= {0, middle} else 1  # said of levels without any
    if not middle or (attends[-1] and depths[-1] != middle):  # the middle's depth is the last level's there
        what = f"a U-Net with {middle} transformers in its middle and {depths[-1]} on its last level"
        raise Refused(f"diffusers cannot state {what}", "convert to the original layout", "out")
    down = ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends]
    up = ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)]
    pooled: dict[str, Any] = {"addition_embed_type": "text_time"} if fields["pooled"] else {}
    pooled |= {"projection_class_embeddings_input_dim": fields["pooled"]} if fields["pooled"] else {}
    return {
        "_class_name": "UNet2DConditionModel",
        "in_channels": fields["channels"] + fields["extra"],
        "out_channels": fields["channels"],
        "down_block_types": down,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": up,
        "block_out_channels": list(fields["widths"]),
        "layers_per_block": fields["blocks"],
        "transformer_layers_per_block": [*(depth or plain for depth in depths[:-1]), middle],
        "attention_head_dim": list(fields["heads"]),
        "cross_attention_dim": fields["context"],
        "use_linear_projection": fields["linear"],
        "norm_num_groups": fields["groups"],
        **pooled,
    }
