"""Stable Diffusion 2.0 and 2.1: OpenCLIP's text encoder, and for 768 px a network that predicts v.

Which of the two a single file's network predicts stands in no shape. Where neither a marker nor its metadata say,
it is told by one tensor of the last transformer, whose numbers spread further in those that predict v (ComfyUI's rule).
"""

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
    name="clip_h",
    kind="clip",
    folder="text_encoder",
    classes=CLIP,
    prefixes=("cond_stage_model.model.",),
    width=1024,
)
SLOTS = (UNET, VAE, TEXT)
V = Usual(title="Stable Diffusion 2", size=768, steps=25, guidance=7.5, noising=replace(unets.LATENT, prediction="v"))
EPSILON = replace(V, size=512, noising=unets.LATENT)
KINDS = {0: "", 5: " inpainting"}
LATENTS = {"scaling": 0.18215, "look": "sd1"}
TELLTALE, SPREAD = "output_blocks.11.1.transformer_blocks.0.norm1.bias", 0.09


def recognises(source: Source) -> bool:
    network = unets.unet(source)
    return network is not None and unets.linear(network) and not unets.pooled(network)


def describe(source: Source) -> Description:
    return described("sd2", source, locate(source, SLOTS), SLOTS, _usual(source))


def _usual(source: Source) -> Usual:
    network = locate(source, SLOTS).get(UNET.name)
    if network is None:
        return V
    kind = unets.variant(network, KINDS)
    spread = unets.spread(network, TELLTALE)
    plain = kind or (spread is not None and spread <= SPREAD)
    usual = EPSILON if plain else V
    return replace(usual, title=usual.title + kind, size=512 if _predicts(source, usual) == "epsilon" else 768)


def course(source: Source) -> Noising:
    return course_of(source, _usual(source))


def _predicts(source: Source, usual: Usual) -> str:
    return course_of(source, usual).prediction


def assemble(source: Source, description: Description, place: "Place") -> "Model":
    from unnoise.families._parts import Parts, joined, looking
    from unnoise.networks.autoencoder_kl import AutoencoderKL
    from unnoise.networks.clip_text import CLIPText
    from unnoise.networks.ldm_unet import LDMUNet
    from unnoise.text._encode import CLIP
    from unnoise.text.clip import CLIPConditioner

    parts = Parts(source, SLOTS, place)
    words = tokens.clip(source, pad=tokens.ZERO)
    network = parts.network(UNET.name, ldm_unet, LDMUNet)
    codec = parts.network(VAE.name, kl, AutoencoderKL, LATENTS)
    encoder = parts.network(TEXT.name, clip, CLIPText, {"projection": 0, "activation": "gelu"})
    full = parts.found[TEXT.name].full  # diffusers' folders do without the last layer, which is never used
    check_fit(network, codec, encoder.config.width)
    conditioner = CLIPConditioner(CLIP(encoder, words), LDMUNet.Condition, skip=int(full))
    conditioner = looking(conditioner, codec, network.config.extra, description)
    return joined(course(source), network, codec, conditioner, description)


family = Family("Stable Diffusion 2", recognises, describe, assemble, SLOTS, course)
