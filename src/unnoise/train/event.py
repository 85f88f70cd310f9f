"""What a training yields beside the loop's own reports; a command line or a tracker shows it."""

from dataclasses import dataclass
from pathlib import Path

from unnoise.train.loop import Report


@dataclass(frozen=True)
class Preflight:
    """The checks before the first step passed.

    Args:
        sheet: the picture of the first batch with its captions.
        losses: of the trial steps on one small batch.
        pictures, parameters: how many there are to learn from, and how many numbers are trained.
        broken: "NAME: why" for each picture left out.
    """

    sheet: Path
    losses: tuple[float, ...]
    pictures: int
    parameters: int
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Logged:
    """A line of the log: means over the steps since the line before.

    Args:
        step: the last of them.
        loss, norm: mean loss, and mean norm of the gradient before clipping.
        rate: the learning rate at this step.
        speed: pictures a second, of training alone.
        seconds: of training alone, from the run's beginning.
        left: seconds of training alone until the last step, at the pace since this start.
    """

    step: int
    loss: float
    norm: float
    rate: float
    speed: float
    seconds: float
    left: float


@dataclass(frozen=True)
class Heldout:
    """The averaged model's loss on pictures that training never sees."""

    step: int
    loss: float


@dataclass(frozen=True)
class Previewed:
    """A sheet of pictures that the averaged model makes."""

    step: int
    path: Path


@dataclass(frozen=True)
class Saved:
    """A snapshot to go on from, and the model as it can be used now."""

    step: int
    snapshot: Path
    model: Path


Event = Preflight | Report | Logged | Heldout | Previewed | Saved
