"""Stable Diffusion XL (Podell et al. 2023): the base with two text encoders, and the refiner with the second alone."""

from dataclasses import replace
from typing import TYPE_CHECKING

from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.families import _tokens as tokens
from unnoise.families import _unets as unets
from unnoise.families._family import Family
from unnoise.families._located import locate
from unnoise.families._noising import Noising
from unnoise.families._slots import CLIP, UNET, VAE
from unnoise.families._source import Slot, Source
from unnoise.families._told import Usual, check_fit, course_of, described
from unnoise.weights.maps import clip, kl, ldm_unet

if TYPE_CHECKING:
    from unnoise.core.model import Model
    from unnoise.text.sdxl import SDXLConfig
    from unnoise.weights.place import Place

CLIP_L = Slot(
    name="clip_l",
    kind="clip",
    folder="text_encoder",
    classes=CLIP,
    prefixes=("conditioner.embedders.0.transformer.", "text_encoders.clip_l.transformer."),
    width=768,
)
CLIP_G = Slot(
    name="clip_g",
    kind="clip",
    folder="text_encoder_2",
    classes=CLIP,
    prefixes=("conditioner.embedders.1.model.", "text_encoders.clip_g.transformer."),
    width=1280,
)
ALONE = replace(CLIP_G, prefixes=("conditioner.embedders.0.model.", "text_encoders.clip_g.transformer."))
BASE, REFINER = (UNET, VAE, CLIP_L, CLIP_G), (UNET, VAE, ALONE)
USUAL = Usual(title="Stable Diffusion XL", size=1024, steps=25, guidance=5.0, noising=unets.LATENT)
KINDS = {0: "", 5: " inpainting", 4: " instruct-pix2pix"}
LATENTS = {"scaling": 0.13025, "look": "sdxl"}
NARROW = 1280
"""The width of the vectors that the refiner reads; the base's are those of both encoders side by side."""


def recognises(source: Source) -> bool:
    network = unets.unet(source)
    return network is not None and unets.linear(network) and unets.pooled(network)


def describe(source: Source) -> Description:
    slots = slots_of(source)
    return described("sdxl", source, locate(source, slots), slots, _usual(source))


def slots_of(source: Source) -> tuple[Slot, ...]:
    """The networks of the base, or of the refiner.

    Files say it by their text encoders, folders and ours by the one they lack, and a network alone by what it reads.
    """
    if source.index or source.own is not None:
        return BASE if source.find(CLIP_L) is not None else REFINER
    own, network = source.find(ALONE), unets.unet(source)
    if own is not None or source.find(CLIP_L) is not None:
        return REFINER if own is not None and own.prefix == ALONE.prefixes[0] else BASE
    return REFINER if network is not None and unets.context(network) == NARROW else BASE


def _usual(source: Source) -> Usual:
    network = locate(source, slots_of(source)).get(UNET.name)
    refiner = " refiner" if slots_of(source) is REFINER else ""
    return replace(USUAL, title=USUAL.title + refiner + unets.variant(network, KINDS)) if network else USUAL


def course(source: Source) -> Noising:
    return course_of(source, _usual(source))


def assemble(source: Source, description: Description, place: "Place") -> "Model":
    from unnoise.families._parts import Parts, joined, looking
    from unnoise.networks.autoencoder_kl import AutoencoderKL
    from unnoise.networks.clip_text import CLIPText
    from unnoise.networks.ldm_unet import LDMUNet
    from unnoise.text._encode import CLIP
    from unnoise.text.sdxl import SDXLConditioner

    parts = Parts(source, slots_of(source), place)
    words = (tokens.clip(source), tokens.clip(source, "tokenizer_2", tokens.ZERO))
    network = parts.network(UNET.name, ldm_unet, LDMUNet)
    codec = parts.network(VAE.name, kl, AutoencoderKL, LATENTS)
    first = parts.network(CLIP_L.name, clip, CLIPText, {"projection": 0}) if CLIP_L in parts.slots else None
    second = parts.network(CLIP_G.name, clip, CLIPText, {"activation": "gelu"})
    check_fit(network, codec, second.config.width + (first.config.width if first else 0))
    conditioner = SDXLConditioner(
        None if first is None else CLIP(first, words[0]),
        CLIP(second, words[1]),
        LDMUNet.Condition,
        _told(source, network.config.pooled - second.config.projection, first is None),
    )
    conditioner = looking(conditioner, codec, network.config.extra, description)
    return joined(course(source), network, codec, conditioner, description)


def _told(source: Source, room: int, refiner: bool) -> "SDXLConfig":
    """What the network is told of a picture beside its words.

    Args:
        room: how many numbers of its vector are not the text's.

    Raises:
        Refused: they are no numbers of a picture's.
    """
    from unnoise.text.sdxl import SDXLConfig

    index = source.index
    scored = index.get("requires_aesthetics_score", refiner) is True
    numbers = 5 if scored else 6
    if room <= 0 or room % (2 * numbers):
        what = f"{source.path} holds a U-Net that is told {room} numbers beside its text"
        raise Refused(what, f"a multiple of {2 * numbers} is known", "model")
    zero = index.get("force_zeros_for_empty_prompt", not refiner) is True
    return SDXLConfig(zero=zero, aesthetic=scored, frequencies=room // numbers)


family = Family("Stable Diffusion XL", recognises, describe, assemble, BASE, course)
