"""A whole run that trains in a moment: eight by eight pixels, a transformer of one block, words and all."""

from dataclasses import replace
from typing import Any

import torch

from unnoise.core.clock import Scaled
from unnoise.core.denoiser import Denoiser
from unnoise.core.description import Description
from unnoise.core.model import Model
from unnoise.core.prediction import Data
from unnoise.core.schedule import Rectified
from unnoise.data.pictures import Pictures
from unnoise.networks.dit import DiT, DiTConfig
from unnoise.networks.pixels import Pixels, PixelsConfig
from unnoise.spacings.uniform import Uniform
from unnoise.text._vocabulary import learn
from unnoise.text.transformer import TransformerConditioner, TransformerConfig
from unnoise.train.objectives.denoising import Denoising
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Every, Run
from unnoise.train.subjects.diffusion import Diffusion
from unnoise.train.times import LogitNormal
from unnoise.train.weighting import Velocity

WORDS = ("red square", "green square", "blue square", "dark corner")


def pictures(count: int = 10, seed: int = 0) -> Pictures:
    """Squares of one colour with a little noise, two captions each."""
    random = torch.Generator().manual_seed(seed)
    names = tuple(f"picture {k}" for k in range(count))
    captions = tuple((WORDS[k % 4], f"a {WORDS[k % 4]}") for k in range(count))
    base = torch.tensor([[220, 40, 40], [40, 220, 40], [40, 40, 220], [30, 30, 30]])[torch.arange(count) % 4]
    noise = torch.randint(-20, 20, (count, 3, 8, 8), generator=random)
    return Pictures((base[:, :, None, None] + noise).clamp(0, 255).byte(), names, captions, ({},) * count)


def model(dropout: float = 0.1) -> Model:
    """An untrained one, always the same."""
    torch.manual_seed(0)
    network = DiT(DiTConfig(patch=4, width=32, depth=1, heads=2, context=32, dropout=dropout))
    size = TransformerConfig(vocabulary=300, window=16, width=32, depth=1, heads=2)
    conditioner = TransformerConditioner(size, learn(WORDS, 300), DiT.Condition)
    description = Description(
        name="tiny",
        family="native",
        width=8,
        height=8,
        multiple=4,
        defaults={"steps": 2, "guidance": 2.0, "sampler": "euler"},
    )
    return Model(
        Denoiser(network, Data(), Scaled()), Rectified(), Uniform(), Pixels(PixelsConfig()), conditioner, description
    )


def run(**changes: Any) -> Run:
    """Muon and AdamW, dropout, flips, dropped captions, two averages."""
    made = model()
    objective = Denoising(made.denoiser, made.conditioner, made.schedule, LogitNormal(), Velocity())
    subject = Diffusion(model=made, objective=objective, previews=("red square",))
    inner = {name: changes.pop(name) for name in ("drop", "previews") if name in changes}
    known = Run(
        subject=replace(subject, **inner),
        pictures=pictures(),
        heldout=pictures(6, seed=1),
        steps=6,
        batch=4,
        optimizing=Optimizing(rate=1e-3, muon=1e-3, warmup=2),
        flip=0.5,
        every=Every(report=2, snapshot=2, preview=0, heldout=0),
    )
    return replace(known, **changes)
