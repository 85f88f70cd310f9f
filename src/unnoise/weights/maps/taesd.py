"""Tiny autoencoders: the names of diffusers' files. Their authors' own files are two, one a way, in our names."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from unnoise.weights.keymap import KeyMap, Rule
from unnoise.weights.maps._settings import listed, one_of, whole

if TYPE_CHECKING:
    from unnoise.networks.taesd import TAESDConfig


def diffusers(config: "TAESDConfig") -> KeyMap:
    """diffusers' names, which do not count the clamp that the decoder starts with."""
    up = (Rule(f"decoder.layers.{i}", f"decoder.{i + 1}") for i in range(19))
    return KeyMap((Rule("encoder.layers.{}", "encoder.{}"), *up))


def from_diffusers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `TAESDConfig` from diffusers' config.json.

    Raises:
        Refused: it describes another network.
    """
    one_of(config, "act_fn", ("relu",), "relu")
    for name, only in (("encoder_block_out_channels", 64), ("decoder_block_out_channels", 64)):
        for width in listed(config, name):
            one_of({name: str(width)}, name, (str(only),), str(only))
    return {"channels": whole(config, "latent_channels", 4)}
