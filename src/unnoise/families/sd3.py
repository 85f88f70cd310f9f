"""Stable Diffusion 3 medium, 3.5 medium and 3.5 large (Esser et al. 2024): rectified flow, two CLIPs and T5."""

from dataclasses import replace
from typing import TYPE_CHECKING

from unnoise.core.description import Description
from unnoise.families import _slots as slots
from unnoise.families import _tokens as tokens
from unnoise.families._family import Family
from unnoise.families._located import locate
from unnoise.families._noising import Noising, shifted
from unnoise.families._slots import VAE
from unnoise.families._source import Source
from unnoise.families._told import Usual, check_fit, course_of, described, settings_of
from unnoise.weights.maps import clip, kl, mmdit, t5

if TYPE_CHECKING:
    from unnoise.core.model import Model
    from unnoise.families._parts import Parts
    from unnoise.text.sd3 import SD3Config, SD3Texts
    from unnoise.weights.place import Place

NETWORK = replace(slots.TRANSFORMER, classes=("SD3Transformer2DModel",))
CLIP_L, T5XXL = (replace(slot, needed=False) for slot in (slots.CLIP_L, slots.T5XXL))
CLIP_G = replace(
    CLIP_L, name="clip_g", folder="text_encoder_2", prefixes=("text_encoders.clip_g.transformer.",), width=1280
)
SLOTS = (NETWORK, VAE, CLIP_L, CLIP_G, T5XXL)
COURSE = Noising(path="straight", prediction="flow", spacing=shifted(3.0, True), sampler="euler")
MEDIUM = Usual(title="Stable Diffusion 3 Medium", size=1024, steps=28, guidance=7.0, noising=COURSE, patch=2)
MEDIUM_35 = replace(MEDIUM, title="Stable Diffusion 3.5 Medium", steps=40, guidance=4.5)
LARGE_35 = replace(MEDIUM, title="Stable Diffusion 3.5 Large", guidance=3.5)
LATENTS = {"scaling": 1.5305, "shift": 0.0609, "look": "sd3"}
MARK = "joint_blocks.0.x_block.attn.qkv.weight"


def recognises(source: Source) -> bool:
    found = source.find(NETWORK)
    return found is not None and (found.config is not None or MARK in found.shapes)


def describe(source: Source) -> Description:
    return described("sd3", source, locate(source, SLOTS), SLOTS, _usual(source))


def _usual(source: Source) -> Usual:
    network = locate(source, SLOTS).get(NETWORK.name)
    sizes = settings_of(network, mmdit) if network else {}
    if sizes.get("dual"):
        return MEDIUM_35
    return LARGE_35 if sizes.get("normed") else MEDIUM


def course(source: Source) -> Noising:
    return course_of(source, _usual(source))


def assemble(source: Source, description: Description, place: "Place") -> "Model":
    from unnoise.families._parts import Parts, joined
    from unnoise.networks.autoencoder_kl import AutoencoderKL
    from unnoise.networks.mmdit import MMDiT
    from unnoise.text.sd3 import SD3Conditioner

    parts = Parts(source, SLOTS, place)
    texts = _texts(source, parts)
    network = parts.network(NETWORK.name, mmdit, MMDiT)
    codec = parts.network(VAE.name, kl, AutoencoderKL, LATENTS)
    check_fit(network, codec, texts.t5.encoder.config.width if texts.t5 else network.config.context)
    conditioner = SD3Conditioner(texts, MMDiT.Condition, _told(texts, network.config.context, network.config.pooled))
    return joined(course(source), network, codec, conditioner, description)


def _texts(source: Source, parts: "Parts") -> "SD3Texts":
    """The text encoders that there are."""
    from unnoise.networks.clip_text import CLIPText
    from unnoise.networks.t5 import T5 as T5Encoder
    from unnoise.text._encode import CLIP as Clip
    from unnoise.text._encode import T5Text
    from unnoise.text.sd3 import SD3Texts

    here = parts.found
    words = tokens.t5(source, "tokenizer_3") if T5XXL.name in here else None
    large = parts.network(CLIP_L.name, clip, CLIPText) if CLIP_L.name in here else None
    gigantic = parts.network(CLIP_G.name, clip, CLIPText, {"activation": "gelu"}) if CLIP_G.name in here else None
    return SD3Texts(
        None if large is None else Clip(large, tokens.clip(source)),
        None if gigantic is None else Clip(gigantic, tokens.clip(source, "tokenizer_2", tokens.ZERO)),
        None if words is None else T5Text(parts.network(T5XXL.name, t5, T5Encoder), words),
    )


def _told(texts: "SD3Texts", context: int, pooled: int) -> "SD3Config":
    """The widths of what the network reads; what a missing encoder leaves is the rest."""
    from unnoise.text.sd3 import SD3Config

    large, gigantic = (None if text is None else text.encoder.config for text in (texts.large, texts.gigantic))
    wide = large.width if large else pooled - gigantic.width if gigantic else CLIP_L.width
    window = next((each.positions for each in (large, gigantic) if each), SD3Config.window)
    return SD3Config(width=context, large=wide, gigantic=pooled - wide, window=window)


family = Family("Stable Diffusion 3 and 3.5", recognises, describe, assemble, SLOTS, course)
