"""A training run as a value: what a recipe returns."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from unnoise.core.model import Model
from unnoise.data.captions import Choose, any_of
from unnoise.data.pictures import Gallery, Pictures
from unnoise.train.objectives.denoising import Denoising
from unnoise.train.optimizers import Optimizing


@dataclass(frozen=True, kw_only=True)
class Every:
    """How many steps lie between two of each. 0 leaves it out."""

    report: int = 20
    snapshot: int = 1000
    preview: int = 1000
    heldout: int = 500


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything a training needs.

    Args:
        model: the model to be, its modules float32 and on the device; trained in place.
        objective: what is minimised.
        pictures, heldout: what it learns from, and what only the held-out loss sees.
        steps, batch, seed: how long, how many pictures a step, and the one source of randomness.
        optimizing, matrices: the optimizer, and which parameters of two axes Muon takes, by name.
        captions, flip, drop: which caption a picture gets, how often it is mirrored, and how often its caption is
            dropped so that guidance has a free branch.
        widths: relative widths of the weight averages kept; the first is what previews, exports and held-out loss use.
        previews: the prompts of the preview sheet.
        every: how often what is done.
        compiled: run the network through torch.compile.
        stored: the floating-point type of the exported model.
    """

    model: Model
    objective: Denoising
    pictures: Gallery
    heldout: Pictures | None = None
    steps: int
    batch: int
    seed: int = 0
    optimizing: Optimizing = field(default_factory=Optimizing)
    matrices: Callable[[str], bool] = lambda name: "blocks." in name
    captions: Choose = any_of
    flip: float = 0.0
    drop: float = 0.1
    widths: tuple[float, ...] = (0.05, 0.1)
    previews: tuple[str, ...] = ()
    every: Every = field(default_factory=Every)
    compiled: bool = False
    stored: torch.dtype = torch.float32
