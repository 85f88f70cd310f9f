"""What a task yields while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.state import Paused, State


@dataclass(frozen=True)
class Progress:
    """One step of one picture; a tile, where a picture is made tile by tile.

    Args:
        picture: its place in the request, from 0.
        step: steps done.
        steps: of how many; None where the sampler decides.
        state: the sampler's state, enough to show, save and go on; None where nothing is sampled.
        preview: the data guess as pixels, uint8 (C, H, W); made when called, since it costs a decode.
        paused: the run as it can be saved here and gone on with; refused where pictures share a run or none is sampled.
    """

    picture: int
    step: int
    steps: int | None
    state: "State | None"
    preview: "Callable[[], Tensor]"
    paused: "Callable[[], Paused]"


@dataclass(frozen=True)
class Result:
    """A finished picture.

    Args:
        picture: its place in the request, from 0.
        seed: its seed.
        pixels: uint8 (C, H, W).
        seconds: what it took, its own steps and decoding.
        record: the `media.record.Record` of how it was made.
        latent: the sample before decoding, float32 (C, h, w); None where nothing was sampled.
    """

    picture: int
    seed: int
    pixels: "Tensor"
    seconds: float
    record: Any
    latent: "Tensor | None"


Event = Progress | Result
