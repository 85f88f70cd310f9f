"""Stable Diffusion 3 and 3.5: the single files' names, which are ours, and diffusers' `SD3Transformer2DModel`."""

from collections.abc import Mapping
from math import isqrt
from typing import TYPE_CHECKING, Any

from unnoise.core.error import Refused
from unnoise.weights.keymap import KeyMap, Rule
from unnoise.weights.maps._settings import bad, layers, only, whole
from unnoise.weights.maps._shapes import Shapes, blocks, shape

if TYPE_CHECKING:
    from unnoise.networks.mmdit import MMDiTConfig

HEAD_WIDTH = 64
RATIO = 4

OUTER = (
    ("pos_embed.pos_embed", "pos_embed"),
    ("pos_embed.proj", "x_embedder.proj"),
    ("time_text_embed.timestep_embedder.linear_1", "t_embedder.mlp.0"),
    ("time_text_embed.timestep_embedder.linear_2", "t_embedder.mlp.2"),
    ("time_text_embed.text_embedder.linear_1", "y_embedder.mlp.0"),
    ("time_text_embed.text_embedder.linear_2", "y_embedder.mlp.2"),
    ("context_embedder", "context_embedder"),
    ("proj_out", "final_layer.linear"),
)
INNER = (
    ("attn.to_out.0", "x_block.attn.proj"),
    ("attn.to_add_out", "context_block.attn.proj"),
    ("attn.norm_q", "x_block.attn.ln_q"),
    ("attn.norm_k", "x_block.attn.ln_k"),
    ("attn.norm_added_q", "context_block.attn.ln_q"),
    ("attn.norm_added_k", "context_block.attn.ln_k"),
    ("attn2.to_out.0", "x_block.attn2.proj"),
    ("attn2.norm_q", "x_block.attn2.ln_q"),
    ("attn2.norm_k", "x_block.attn2.ln_k"),
    ("norm1.linear", "x_block.adaLN_modulation.1"),
    ("norm1_context.linear", "context_block.adaLN_modulation.1"),
    ("ff.net.0.proj", "x_block.mlp.fc1"),
    ("ff.net.2", "x_block.mlp.fc2"),
    ("ff_context.net.0.proj", "context_block.mlp.fc1"),
    ("ff_context.net.2", "context_block.mlp.fc2"),
)
FUSED = (
    ("attn.to_{}", "x_block.attn.qkv"),
    ("attn.add_{}_proj", "context_block.attn.qkv"),
    ("attn2.to_{}", "x_block.attn2.qkv"),
)


def original(config: "MMDiTConfig") -> KeyMap:
    """The published single files' names, without a prefix: ours."""
    layers = [*(ours for _, ours in OUTER), "final_layer.adaLN_modulation.1"]
    layers += [f"joint_blocks.{{}}.{ours}" for _, ours in (*INNER, *FUSED)]
    return KeyMap(tuple(Rule(name, name) for name in layers))


def diffusers(config: "MMDiTConfig") -> KeyMap:
    """diffusers' names. Its last modulations put the scale before the shift."""
    last = config.depth - 1
    rules = [
        Rule("norm_out.linear", "final_layer.adaLN_modulation.1", change="swapped"),
        Rule(
            f"transformer_blocks.{last}.norm1_context.linear",
            f"joint_blocks.{last}.context_block.adaLN_modulation.1",
            change="swapped",
        ),
    ]
    rules += [Rule(theirs, ours) for theirs, ours in OUTER]
    rules += [Rule(f"transformer_blocks.{{}}.{theirs}", f"joint_blocks.{{}}.{ours}") for theirs, ours in INNER]
    rules += [
        Rule(f"transformer_blocks.{{}}.{theirs.format(part)}", f"joint_blocks.{{}}.{ours}", rows=(i, i + 1, 3))
        for theirs, ours in FUSED
        for i, part in enumerate("qkv")
    ]
    return KeyMap(tuple(rules))


def from_diffusers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an `MMDiTConfig` from diffusers' config.json.

    Raises:
        Refused: it states what we cannot honour.
    """
    only(config, KNOWN)
    heads, channels = whole(config, "num_attention_heads", 18), whole(config, "in_channels", 16)
    width = heads * whole(config, "attention_head_dim", 64)
    for name, wanted in (("out_channels", channels), ("caption_projection_dim", width)):
        if config.get(name, wanted) not in (None, wanted):
            raise bad(name, config[name], str(wanted))
    if config.get("qk_norm") not in (None, "rms_norm"):
        raise bad("qk_norm", config["qk_norm"], "rms_norm or nothing")
    depth, dual = layers(config, "num_layers", 18), config.get("dual_attention_layers") or ()
    if not isinstance(dual, list | tuple) or not all(type(n) is int and 0 <= n < depth for n in dual):
        raise bad("dual_attention_layers", dual, f"a list of numbers below {depth}")
    return {
        "channels": channels,
        "patch": whole(config, "patch_size", 2),
        "width": width,
        "depth": depth,
        "heads": heads,
        "context": whole(config, "joint_attention_dim", 4096),
        "pooled": whole(config, "pooled_projection_dim", 2048),
        "positions": whole(config, "pos_embed_max_size", 96),
        "normed": config.get("qk_norm") is not None,
        "dual": tuple(dual),
    }


def from_original(shapes: Shapes) -> dict[str, Any]:
    """Fields of an `MMDiTConfig` from the shapes of a single file, by its names without a prefix.

    Raises:
        Refused: they are no MMDiT's, or of one that we cannot run.
    """
    width, channels, patch, _ = shape(shapes, "x_embedder.proj.weight", 4)
    depth = blocks(shapes, "joint_blocks")
    _, table, _ = shape(shapes, "pos_embed", 3)
    norm = shapes.get("joint_blocks.0.x_block.attn.ln_q.weight")
    head_width = norm[0] if norm else HEAD_WIDTH
    out = shape(shapes, "final_layer.linear.weight", 2)[0]
    if isqrt(table) ** 2 != table or out != channels * patch**2 or width % head_width:
        raise Refused("the file's MMDiT has shapes that do not go together", "it is damaged", "model")
    return {
        "channels": channels,
        "patch": patch,
        "width": width,
        "depth": depth,
        "heads": width // head_width,
        "context": shape(shapes, "context_embedder.weight", 2)[1],
        "pooled": shape(shapes, "y_embedder.mlp.0.weight", 2)[1],
        "positions": isqrt(table),
        "normed": norm is not None,
        "dual": tuple(i for i in range(depth) if f"joint_blocks.{i}.x_block.attn2.qkv.weight" in shapes),
    }


def to_diffusers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """diffusers' config.json, less `sample_size`, from all fields of an `MMDiTConfig`.

    Raises:
        Refused: diffusers has no words for them.
    """
    if fields["ratio"] != RATIO:
        what = f"diffusers cannot state an MMDiT whose MLPs widen {fields['ratio']} times"
        raise Refused(what, "convert to the original layout", "out")
    return {
        "_class_name": "SD3Transformer2DModel",
        "in_channels": fields["channels"],
        "out_channels": fields["channels"],
        "patch_size": fields["patch"],
        "num_layers": fields["depth"],
        "num_attention_heads": fields["heads"],
        "attention_head_dim": fields["width"] // fields["heads"],
        "caption_projection_dim": fields["width"],
        "joint_attention_dim": fields["context"],
        "pooled_projection_dim": fields["pooled"],
        "pos_embed_max_size": fields["positions"],
        "qk_norm": "rms_norm" if fields["normed"] else None,
        "dual_attention_layers": list(fields["dual"]),
    }


KNOWN = (
    "attention_head_dim",
    "caption_projection_dim",
    "dual_attention_layers",
    "in_channels",
    "joint_attention_dim",
    "num_attention_heads",
    "num_layers",
    "out_channels",
    "patch_size",
    "pooled_projection_dim",
    "pos_embed_max_size",
    "qk_norm",
)
