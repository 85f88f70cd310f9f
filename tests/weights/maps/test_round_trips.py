"""Every map carries every tensor of every network there and back, bit for bit, in both layouts, and so do its settings
through another program's config.json."""

from dataclasses import asdict

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unnoise.networks.autoencoder_kl import AutoencoderKL, AutoencoderKLConfig
from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.networks.controlnet import ControlNet, ControlNetConfig
from unnoise.networks.flux import Flux, FluxConfig
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetConfig
from unnoise.networks.mmdit import MMDiT, MMDiTConfig
from unnoise.networks.t5 import T5, T5Config
from unnoise.networks.taesd import TAESD, TAESDConfig
from unnoise.weights.maps import clip, controlnet, flux, kl, ldm_unet, mmdit, t5, taesd

small = st.integers(1, 3)


@st.composite
def unets(draw, kind=LDMUNetConfig, **more):
    """U-Nets that diffusers has words for: the middle is as deep as the last level, where that attends."""
    levels = draw(st.integers(1, 3))
    depths = tuple(draw(st.lists(st.integers(0, 2), min_size=levels, max_size=levels)))
    return kind(
        widths=tuple(draw(st.lists(st.sampled_from([4, 8, 12]), min_size=levels, max_size=levels))),
        blocks=draw(st.integers(1, 2)),
        depths=depths,
        middle=depths[-1] or draw(st.integers(1, 2)),
        heads=tuple(draw(st.lists(st.sampled_from([1, 2]), min_size=levels, max_size=levels))),
        context=draw(small) * 4,
        pooled=draw(st.sampled_from([0, 6])),
        linear=draw(st.booleans()),
        groups=draw(st.sampled_from([1, 2, 4])),
        **more,
    )


@st.composite
def latent_unets(draw):
    return draw(unets(channels=draw(small), extra=draw(st.integers(0, 5))))


@st.composite
def controlnets(draw):
    hint = tuple(draw(st.lists(small, min_size=4, max_size=4)))
    return draw(unets(ControlNetConfig, channels=4, hint=hint))


autoencoders = st.builds(
    AutoencoderKLConfig,
    channels=st.integers(1, 4),
    widths=st.lists(st.sampled_from([4, 8]), min_size=1, max_size=3).map(tuple),
    blocks=st.integers(1, 2),
    groups=st.just(2),
    attention=st.booleans(),
    quant=st.booleans(),
    post_quant=st.booleans(),
    scaling=st.sampled_from([0.18215, 1.5305]),
    shift=st.sampled_from([0.0, 0.0609]),
)
clips = st.builds(
    CLIPTextConfig,
    vocabulary=st.integers(4, 9),
    positions=st.integers(3, 5),
    width=st.sampled_from([4, 8]),
    depth=st.integers(1, 3),
    heads=st.sampled_from([1, 2]),
    hidden=st.integers(1, 9),
    activation=st.sampled_from(["gelu", "quick_gelu"]),
    projection=st.integers(0, 5),
    end=st.sampled_from([2, 3]),
)
t5s = st.builds(
    T5Config,
    vocabulary=st.integers(4, 9),
    width=st.integers(1, 5),
    depth=st.integers(1, 11),
    heads=small,
    head_width=st.sampled_from([2, 4]),
    hidden=st.integers(1, 5),
    buckets=st.just(8),
    distance=st.integers(9, 20),
)


@st.composite
def mmdits(draw):
    depth = draw(st.integers(1, 4))
    return MMDiTConfig(
        channels=draw(small),
        patch=draw(st.integers(1, 2)),
        width=8,
        heads=draw(st.sampled_from([1, 2])),
        depth=depth,
        context=draw(small),
        pooled=draw(small),
        positions=draw(small),
        normed=draw(st.booleans()),
        dual=tuple(sorted(draw(st.sets(st.integers(0, depth - 1))))),
    )


fluxes = st.builds(
    FluxConfig,
    channels=small,
    width=st.just(16),
    heads=st.just(2),
    depth=small,
    singles=small,
    context=small,
    pooled=small,
    guidance=st.booleans(),
    axes=st.just((2, 2, 4)),
)
tiny = st.builds(TAESDConfig, channels=small, pooled=st.booleans())

NETWORKS = {
    "ldm_unet": (LDMUNet, latent_unets(), lambda c: (ldm_unet.original(c), ldm_unet.diffusers(c))),
    "controlnet": (ControlNet, controlnets(), lambda c: (controlnet.original(c), controlnet.diffusers(c))),
    "kl": (AutoencoderKL, autoencoders, lambda c: (kl.original(c), kl.diffusers(c))),
    "clip": (
        CLIPText,
        clips,
        lambda c: (clip.original(c, "hf"), clip.original(c, "open_clip"), clip.diffusers(c)),
    ),
    "t5": (T5, t5s, lambda c: (t5.original(c), t5.diffusers(c), t5.original(c, {"token_embd.weight": ()}))),
    "mmdit": (MMDiT, mmdits(), lambda c: (mmdit.original(c), mmdit.diffusers(c))),
    "flux": (Flux, fluxes, lambda c: (flux.original(c), flux.diffusers(c))),
    "taesd": (TAESD, tiny, lambda c: (taesd.diffusers(c),)),
}
"""Each network's class, its configs, and the tables of its layouts."""


def numbered(make):
    """A module's tensors, each place with a number of its own, so that none can be taken for another."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in make().state_dict().items()}
    return {name: torch.arange(shape.numel()).view(shape) + 10**6 * i for i, (name, shape) in enumerate(shapes.items())}


@pytest.mark.parametrize("name", NETWORKS)
def test_there_and_back_no_number_moves(name):
    network, configs, tables = NETWORKS[name]

    @settings(max_examples=12, suppress_health_check=list(HealthCheck))
    @given(configs)
    def holds(config):
        ours = numbered(lambda: network(config))
        for keys in tables(config):
            theirs = keys.theirs(ours)
            back = keys.ours(theirs)
            assert back.keys() == ours.keys()
            assert all(torch.equal(back[k], v) for k, v in ours.items())
            again = keys.theirs(back)
            assert again.keys() == theirs.keys()
            assert all(torch.equal(again[k], v) for k, v in theirs.items())

    holds()


@pytest.mark.parametrize(
    ("maps", "kind", "configs", "unsaid"),
    [
        (ldm_unet, LDMUNetConfig, latent_unets(), ()),
        (kl, AutoencoderKLConfig, autoencoders, ("look", "tile")),
        (clip, CLIPTextConfig, clips, ()),
        (t5, T5Config, t5s, ()),
        (mmdit, MMDiTConfig, mmdits(), ()),
        (flux, FluxConfig, fluxes, ()),
    ],
    ids=["ldm_unet", "kl", "clip", "t5", "mmdit", "flux"],
)
def test_settings_come_back_from_another_program_s_words(maps, kind, configs, unsaid):
    @settings(max_examples=40)
    @given(configs)
    def holds(config):
        said = maps.to_diffusers(asdict(config))
        usual = {name: getattr(config, name) for name in unsaid}
        assert kind(**{**maps.from_diffusers(said), **usual}) == config

    holds()
