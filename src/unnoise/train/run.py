"""A training run as a value: what a recipe returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from unnoise.core.error import Refused
from unnoise.data.captions import Choose, any_of
from unnoise.data.pictures import Gallery, Pictures
from unnoise.train.optimizers import Optimizing
from unnoise.train.subject import Subject


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
        subject: what is trained, and what is minimised.
        pictures, heldout: what it learns from, and what only the held-out loss sees.
        steps, batch, seed: how long, how many pictures a step, and the one source of randomness.
        pieces: how many parts of a batch go through the networks one after the other, a divisor of it; parts that fit
            a processor's cache and captions of one length are quicker there, and gradients are the whole batch's.
        optimizing, others: the optimizer, and those of roles that have another.
        matrices: which parameters of two axes Muon takes, by name.
        captions, flip: which caption a picture gets, and how often it is mirrored.
        widths: relative widths of the weight averages kept; the first is what previews, exports and held-out loss use.
        ema: the relative width of the average that the exported file holds, where it is not the first of those kept: it
            is put together from these (EDM2, section 3.2).
        every: how often what is done.
        compiled: run the networks through torch.compile.
        stored: the floating-point type of the exported file.

    Raises:
        Refused: so many steps are no training, the batch is empty, or its pieces do not divide it.
    """

    subject: Subject
    pictures: Gallery
    heldout: Pictures | None = None
    steps: int
    batch: int
    seed: int = 0
    pieces: int = 1
    optimizing: Optimizing = field(default_factory=Optimizing)
    others: Mapping[str, Optimizing] = field(default_factory=dict[str, Optimizing])
    matrices: Callable[[str], bool] = lambda name: "blocks." in name
    captions: Choose = any_of
    flip: float = 0.0
    widths: tuple[float, ...] = (0.05, 0.1)
    ema: float | None = None
    every: Every = field(default_factory=Every)
    compiled: bool = False
    stored: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise Refused(f"a training of {self.steps} steps", "take at least 1", "steps")
        check_pieces(self.batch, self.pieces)


def check_pieces(batch: int, pieces: int) -> None:
    """See that a batch can be taken in so many pieces.

    Raises:
        Refused: it cannot.
    """
    if batch < 1:
        raise Refused(f"a batch of {batch}", "take at least 1", "batch")
    if pieces < 1 or batch % pieces:
        raise Refused(f"a batch of {batch} in {pieces} pieces", "take a divisor of the batch", "pieces")
