"""The KL autoencoder: the names of diffusers' files, new and old, and of latent diffusion's own, and its sizes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from unnoise.core.error import Refused
from unnoise.weights.keymap import Drop, KeyMap, Rule
from unnoise.weights.maps._settings import bad, flag, layers, listed, number, numbers, one_of, sizes, whole

if TYPE_CHECKING:
    from unnoise.networks.autoencoder_kl import AutoencoderKLConfig

MOST_LEVELS = 10
_ATTENTION = "{}.mid_block.attentions.0."
_OUTSIDE = tuple(Rule(name, name) for name in ("quant_conv", "post_quant_conv"))
_LOSS = (Drop("loss", "what the autoencoder was trained with"), Drop("model_ema", "the average of training"))


def diffusers(config: "AutoencoderKLConfig") -> KeyMap:
    """diffusers' names, of its attention the old ones as well."""
    parts = ("conv_in", "conv_norm_out", "conv_out", "down_blocks", "up_blocks", "mid_block.resnets")
    now = ("group_norm", "to_q", "to_k", "to_v", "to_out.0")
    old = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    return KeyMap(
        (
            *(Rule(f"{{}}.{part}", f"{{}}.{part}") for part in parts),
            *(Rule(_ATTENTION + part, _ATTENTION + part) for part in now),
            *(Rule(_ATTENTION + theirs, _ATTENTION + ours) for theirs, ours in old.items()),
            *_OUTSIDE,
        )
    )


def original(config: "AutoencoderKLConfig") -> KeyMap:
    """Latent diffusion's own names, in which the way up is counted from the picture and attention convolves."""
    top = len(config.widths) - 1
    residual = {part: part for part in ("norm1", "conv1", "norm2", "conv2")} | {"nin_shortcut": "conv_shortcut"}
    attention = {"q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
    rules = [Rule("{}.conv_in", "{}.conv_in"), Rule("{}.norm_out", "{}.conv_norm_out"), *_OUTSIDE]
    rules += [Rule("{}.conv_out", "{}.conv_out"), Rule("{}.mid.attn_1.norm", _ATTENTION + "group_norm")]
    rules += [Rule(f"{{}}.mid.attn_1.{theirs}", _ATTENTION + ours, change="conv") for theirs, ours in attention.items()]
    rules += [
        Rule(f"{{}}.mid.block_{i + 1}.{part}", f"{{}}.mid_block.resnets.{i}.{part}")
        for i in range(2)
        for part in ("norm1", "conv1", "norm2", "conv2")
    ]
    for theirs, ours in residual.items():
        rules.append(Rule(f"encoder.down.{{}}.block.{{}}.{theirs}", f"encoder.down_blocks.{{}}.resnets.{{}}.{ours}"))
        rules += [
            Rule(f"decoder.up.{top - i}.block.{{}}.{theirs}", f"decoder.up_blocks.{i}.resnets.{{}}.{ours}")
            for i in range(top + 1)
        ]
    rules.append(Rule("encoder.down.{}.downsample.conv", "encoder.down_blocks.{}.downsamplers.0.conv"))
    rules += [
        Rule(f"decoder.up.{top - i}.upsample.conv", f"decoder.up_blocks.{i}.upsamplers.0.conv") for i in range(top)
    ]
    return KeyMap(tuple(rules), _LOSS)


def from_diffusers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an `AutoencoderKLConfig` from diffusers' config.json; whose latents they are it does not say.

    Raises:
        Refused: it describes another network.
    """
    one_of(config, "act_fn", ("silu",), "silu")
    for name, only in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")):
        for kind in listed(config, name):
            one_of({name: kind}, name, (only,), only)
    return {
        "channels": whole(config, "latent_channels", 4),
        "media": whole(config, "in_channels", 3),
        "widths": _levels(config),
        "blocks": layers(config, "layers_per_block", 1),
        "groups": whole(config, "norm_num_groups", 32),
        "attention": flag(config, "mid_block_add_attention", True),
        "quant": flag(config, "use_quant_conv", True),
        "post_quant": flag(config, "use_post_quant_conv", True),
        "scaling": number(config, "scaling_factor", 0.18215),
        "shift": number(config, "shift_factor", 0.0),
        "mean": numbers(config, "latents_mean"),
        "std": numbers(config, "latents_std"),
    }


def _levels(config: Mapping[str, Any]) -> tuple[int, ...]:
    widths = sizes(config, "block_out_channels")
    if len(widths) > MOST_LEVELS:
        raise bad("block_out_channels", widths, f"a list of up to {MOST_LEVELS}")
    return widths


def from_original(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Fields of an `AutoencoderKLConfig` from a single file's shapes; scaling and shift stand in no file.

    Raises:
        Refused: the shapes are no such autoencoder's.
    """
    widths: list[int] = []
    try:
        while (name := f"encoder.down.{len(widths)}.block.0.conv1.weight") in shapes and len(widths) < MOST_LEVELS:
            widths.append(shapes[name][0])
        _ = widths[0]
        blocks = next(i for i in range(len(shapes)) if f"encoder.down.0.block.{i}.conv1.weight" not in shapes)
        channels, media = shapes["decoder.conv_in.weight"][1], shapes["encoder.conv_in.weight"][1]
    except (KeyError, IndexError, StopIteration):
        raise Refused("the file's autoencoder is damaged", "name another file", "model") from None
    return {
        "channels": channels,
        "media": media,
        "widths": tuple(widths),
        "blocks": blocks,
        "attention": "encoder.mid.attn_1.q.weight" in shapes,
        "quant": "quant_conv.weight" in shapes,
        "post_quant": "post_quant_conv.weight" in shapes,
    }


def to_diffusers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """diffusers' config.json, less `sample_size`, from all fields of an `AutoencoderKLConfig`."""
    levels = len(fields["widths"])
    measured = {f"latents_{name}": list(fields[name]) for name in ("mean", "std") if fields[name]}
    return {
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "in_channels": fields["media"],
        "out_channels": fields["media"],
        "latent_channels": fields["channels"],
        "block_out_channels": list(fields["widths"]),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "layers_per_block": fields["blocks"],
        "norm_num_groups": fields["groups"],
        "mid_block_add_attention": fields["attention"],
        "use_quant_conv": fields["quant"],
        "use_post_quant_conv": fields["post_quant"],
        "scaling_factor": fields["scaling"],
        "shift_factor": fields["shift"],
        **measured,
    }
