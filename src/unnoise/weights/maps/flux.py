"""Flux.1: the single files' names, which are ours, and diffusers' `FluxTransformer2DModel`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from unnoise.core.error import Refused
from unnoise.weights.keymap import KeyMap, Rule
from unnoise.weights.maps._settings import bad, flag, layers, only, sizes, whole
from unnoise.weights.maps._shapes import Shapes, blocks, shape

if TYPE_CHECKING:
    from unnoise.networks.flux import FluxConfig

PATCH = 2
AXES = (16, 56, 56)
RATIO = 4
PERIOD = 10_000.0

OUTER = (
    ("x_embedder", "img_in"),
    ("context_embedder", "txt_in"),
    ("time_text_embed.timestep_embedder.linear_1", "time_in.in_layer"),
    ("time_text_embed.timestep_embedder.linear_2", "time_in.out_layer"),
    ("time_text_embed.text_embedder.linear_1", "vector_in.in_layer"),
    ("time_text_embed.text_embedder.linear_2", "vector_in.out_layer"),
    ("time_text_embed.guidance_embedder.linear_1", "guidance_in.in_layer"),
    ("time_text_embed.guidance_embedder.linear_2", "guidance_in.out_layer"),
    ("proj_out", "final_layer.linear"),
)
DOUBLE = (
    ("attn.norm_q.weight", "img_attn.norm.query_norm.scale"),
    ("attn.norm_k.weight", "img_attn.norm.key_norm.scale"),
    ("attn.norm_added_q.weight", "txt_attn.norm.query_norm.scale"),
    ("attn.norm_added_k.weight", "txt_attn.norm.key_norm.scale"),
    ("attn.to_out.0", "img_attn.proj"),
    ("attn.to_add_out", "txt_attn.proj"),
    ("norm1.linear", "img_mod.lin"),
    ("norm1_context.linear", "txt_mod.lin"),
    ("ff.net.0.proj", "img_mlp.0"),
    ("ff.net.2", "img_mlp.2"),
    ("ff_context.net.0.proj", "txt_mlp.0"),
    ("ff_context.net.2", "txt_mlp.2"),
)
SINGLE = (
    ("attn.norm_q.weight", "norm.query_norm.scale"),
    ("attn.norm_k.weight", "norm.key_norm.scale"),
    ("norm.linear", "modulation.lin"),
    ("proj_out", "linear2"),
)
FUSED = (("attn.to_{}", "img_attn.qkv"), ("attn.add_{}_proj", "txt_attn.qkv"))


def original(config: "FluxConfig") -> KeyMap:
    """The published single files' names, without a prefix: ours."""
    layers = [*(ours for _, ours in OUTER), "final_layer.adaLN_modulation.1"]
    layers += [f"double_blocks.{{}}.{ours}" for _, ours in (*DOUBLE, *FUSED)]
    layers += [f"single_blocks.{{}}.{ours}" for ours in (*(ours for _, ours in SINGLE), "linear1")]
    return KeyMap(tuple(Rule(name, name) for name in layers))


def diffusers(config: "FluxConfig") -> KeyMap:
    """diffusers' names. Its last modulation puts the scale before the shift."""
    double, single = (
        ("transformer_blocks.{}.", "double_blocks.{}."),
        ("single_transformer_blocks.{}.", "single_blocks.{}."),
    )
    parts = 3 + config.ratio
    rules = [Rule("norm_out.linear", "final_layer.adaLN_modulation.1", change="swapped")]
    rules += [Rule(theirs, ours) for theirs, ours in OUTER]
    rules += [Rule(double[0] + theirs, double[1] + ours) for theirs, ours in DOUBLE]
    rules += [
        Rule(double[0] + theirs.format(part), double[1] + ours, rows=(i, i + 1, 3))
        for theirs, ours in FUSED
        for i, part in enumerate("qkv")
    ]
    rules += [Rule(single[0] + theirs, single[1] + ours) for theirs, ours in SINGLE]
    rules += [
        Rule(f"{single[0]}attn.to_{part}", f"{single[1]}linear1", rows=(i, i + 1, parts))
        for i, part in enumerate("qkv")
    ]
    rules += [Rule(f"{single[0]}proj_mlp", f"{single[1]}linear1", rows=(3, parts, parts))]
    return KeyMap(tuple(rules))


def from_diffusers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `FluxConfig` from diffusers' config.json.

    Raises:
        Refused: it states what we cannot honour.
    """
    only(config, KNOWN)
    heads, head_width = whole(config, "num_attention_heads", 24), whole(config, "attention_head_dim", 128)
    packed, axes = whole(config, "in_channels", 64), sizes({"axes_dims_rope": AXES, **config}, "axes_dims_rope")
    for name, wanted in (("out_channels", packed), ("patch_size", 1)):
        if config.get(name, wanted) not in (None, wanted):
            raise bad(name, config[name], str(wanted))
    if packed % PATCH**2:
        raise bad("in_channels", packed, f"a multiple of {PATCH**2}")
    if len(axes) != 3 or sum(axes) != head_width or any(n % 2 for n in axes):
        raise bad("axes_dims_rope", axes, f"three even numbers that make {head_width}")
    return {
        "channels": packed // PATCH**2,
        "patch": PATCH,
        "width": heads * head_width,
        "heads": heads,
        "depth": layers(config, "num_layers", 19),
        "singles": layers(config, "num_single_layers", 38),
        "context": whole(config, "joint_attention_dim", 4096),
        "pooled": whole(config, "pooled_projection_dim", 768),
        "guidance": flag(config, "guidance_embeds", False),
        "axes": axes,
    }


def from_original(shapes: Shapes) -> dict[str, Any]:
    """Fields of a `FluxConfig` from the shapes of a single file, by its names without a prefix.

    Raises:
        Refused: they are no Flux's, or of one that we cannot run.
    """
    width, packed = shape(shapes, "img_in.weight", 2)
    [head_width] = shape(shapes, "double_blocks.0.img_attn.norm.key_norm.scale", 1)
    hidden = shape(shapes, "double_blocks.0.img_mlp.0.weight", 2)[0]
    if shape(shapes, "final_layer.linear.weight", 2)[0] != packed or packed % PATCH**2:
        raise Refused("this Flux reads more than it gives (Fill, Depth or Canny)", "dev and schnell are known", "model")
    if head_width != sum(AXES) or width % head_width or hidden % width:
        raise Refused("the file's Flux has shapes that do not go together", "it is another kind of model", "model")
    return {
        "channels": packed // PATCH**2,
        "patch": PATCH,
        "width": width,
        "heads": width // head_width,
        "depth": blocks(shapes, "double_blocks"),
        "singles": blocks(shapes, "single_blocks"),
        "context": shape(shapes, "txt_in.weight", 2)[1],
        "pooled": shape(shapes, "vector_in.in_layer.weight", 2)[1],
        "guidance": "guidance_in.in_layer.weight" in shapes,
        "ratio": hidden // width,
    }


def to_diffusers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """diffusers' config.json from all fields of a `FluxConfig`.

    Raises:
        Refused: diffusers has no words for them.
    """
    if (fields["ratio"], fields["patch"], fields["period"]) != (RATIO, PATCH, PERIOD):
        what = "diffusers cannot state a Flux with other patches, waves or MLPs than the published"
        raise Refused(what, "convert to the original layout", "out")
    return {
        "_class_name": "FluxTransformer2DModel",
        "patch_size": 1,
        "in_channels": fields["channels"] * PATCH**2,
        "num_layers": fields["depth"],
        "num_single_layers": fields["singles"],
        "num_attention_heads": fields["heads"],
        "attention_head_dim": fields["width"] // fields["heads"],
        "joint_attention_dim": fields["context"],
        "pooled_projection_dim": fields["pooled"],
        "guidance_embeds": fields["guidance"],
        "axes_dims_rope": list(fields["axes"]),
    }


KNOWN = (
    "attention_head_dim",
    "axes_dims_rope",
    "guidance_embeds",
    "in_channels",
    "joint_attention_dim",
    "num_attention_heads",
    "num_layers",
    "num_single_layers",
    "out_channels",
    "patch_size",
    "pooled_projection_dim",
)
