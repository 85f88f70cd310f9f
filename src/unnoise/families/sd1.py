"""Stable Diffusion 1.1 to 1.5 (Rombach et al. 2022), and those of its U-Nets that look at a picture: inpainting and
instruct-pix2pix (Brooks et al. 2023)."""

from dataclasses import replace
from typing import TYPE_CHECKING

from unnoise.core.description import Description
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
    from unnoise.weights.place import Place

TEXT = Slot(
    name="clip_l",
    kind="clip",
    folder="text_encoder",
    classes=CLIP,
    prefixes=("cond_stage_model.transformer.", "text_encoders.clip_l.transformer."),
    width=768,
)
SLOTS = (UNET, VAE, TEXT)
USUAL = Usual(title="Stable Diffusion 1", size=512, steps=25, guidance=7.5, noising=unets.LATENT)
KINDS = {0: "", 5: " inpainting", 4: " instruct-pix2pix"}
LATENTS = {"scaling": 0.18215, "look": "sd1"}


def recognises(source: Source) -> bool:
    network = unets.unet(source)
    return network is not None and not unets.linear(network) and not unets.pooled(network)


def describe(source: Source) -> Description:
    return described("sd1", source, locate(source, SLOTS), SLOTS, _usual(source))


def _usual(source: Source) -> Usual:
    network = locate(source, SLOTS).get(UNET.name)
    return replace(USUAL, title=USUAL.title + unets.variant(network, KINDS)) if network else USUAL


def course(source: Source) -> Noising:
    return course_of(source, _usual(source))


def assemble(source: Source, description: Description, place: "Place") -> "Model":
    from unnoise.families._parts import Parts, joined, looking
    from unnoise.networks.autoencoder_kl import AutoencoderKL
    from unnoise.networks.clip_text import CLIPText
    from unnoise.networks.ldm_unet import LDMUNet
    from unnoise.text._encode import CLIP
    from unnoise.text.clip import CLIPConditioner

    parts = Parts(source, SLOTS, place)
    words = tokens.clip(source)
    network = parts.network(UNET.name, ldm_unet, LDMUNet)
    codec = parts.network(VAE.name, kl, AutoencoderKL, LATENTS)
    encoder = parts.network(TEXT.name, clip, CLIPText, {"projection": 0})
    check_fit(network, codec, encoder.config.width)
    conditioner = CLIPConditioner(CLIP(encoder, words), LDMUNet.Condition)
    conditioner = looking(conditioner, codec, network.config.extra, description)
    return joined(course(source), network, codec, conditioner, description)


family = Family("Stable Diffusion 1", recognises, describe, assemble, SLOTS, course)
