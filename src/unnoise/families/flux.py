"""FLUX.1 dev, which reads its guidance as a number, and schnell, which needs four steps and none (Black Forest Labs
2024)."""

from dataclasses import replace
from typing import TYPE_CHECKING

from unnoise.core.description import Description
from unnoise.families import _slots as slots
from unnoise.families import _tokens as tokens
from unnoise.families._family import Family
from unnoise.families._located import locate
from unnoise.families._noising import Noising
from unnoise.families._slots import VAE
from unnoise.families._source import Source
from unnoise.families._told import Usual, check_fit, course_of, described, settings_of
from unnoise.weights.maps import clip, flux, kl, t5

if TYPE_CHECKING:
    from unnoise.core.model import Model
    from unnoise.weights.place import Place

NETWORK = replace(slots.TRANSFORMER, classes=("FluxTransformer2DModel",))
CLIP_L, T5XXL = slots.CLIP_L, replace(slots.T5XXL, folder="text_encoder_2")
SLOTS = (NETWORK, VAE, CLIP_L, T5XXL)
DYNAMIC = Noising(path="straight", prediction="flow", spacing="dynamic", sampler="euler")
EVEN = replace(DYNAMIC, spacing="uniform")
DEV = Usual(title="FLUX.1 dev", size=1024, steps=28, guidance=3.5, noising=DYNAMIC, guided="embedded", patch=2)
SCHNELL = replace(DEV, title="FLUX.1 schnell", steps=4, guidance=1.0, noising=EVEN, guided="none")
LATENTS = {"scaling": 0.3611, "shift": 0.1159, "look": "flux"}
MARKS = ("double_blocks.0.img_attn.norm.key_norm.scale", "vector_in.in_layer.weight")
"""The first is in Flux.2 and Chroma as well, the second is not."""


def recognises(source: Source) -> bool:
    found = source.find(NETWORK)
    return found is not None and (found.config is not None or all(mark in found.shapes for mark in MARKS))


def describe(source: Source) -> Description:
    return described("flux", source, locate(source, SLOTS), SLOTS, usual_of(source))


def usual_of(source: Source) -> Usual:
    network = locate(source, SLOTS).get(NETWORK.name)
    return DEV if network is None or settings_of(network, flux)["guidance"] else SCHNELL


def course(source: Source) -> Noising:
    return course_of(source, usual_of(source))


def assemble(source: Source, description: Description, place: "Place") -> "Model":
    from unnoise.families._parts import Parts, joined
    from unnoise.networks.autoencoder_kl import AutoencoderKL
    from unnoise.networks.clip_text import CLIPText
    from unnoise.networks.flux import Flux
    from unnoise.networks.t5 import T5 as T5Encoder
    from unnoise.text._encode import CLIP as Clip
    from unnoise.text._encode import T5Text
    from unnoise.text.flux import FluxConditioner

    parts = Parts(source, SLOTS, place)
    usual = usual_of(source)
    pieces = tokens.t5(source, "tokenizer_2")
    network = parts.network(NETWORK.name, flux, Flux)
    codec = parts.network(VAE.name, kl, AutoencoderKL, LATENTS)
    encoder = parts.network(CLIP_L.name, clip, CLIPText, {"projection": 0})
    behind = parts.network(T5XXL.name, t5, T5Encoder)
    check_fit(network, codec, behind.config.width)
    conditioner = FluxConditioner(
        Clip(encoder, tokens.clip(source)),
        T5Text(behind, pieces),
        Flux.Condition,
        tokens=512 if usual is DEV else 256,
        guidance=usual.guidance if usual is DEV else None,
    )
    return joined(course(source), network, codec, conditioner, description)


family = Family("FLUX.1", recognises, describe, assemble, SLOTS, course)
