"""Averages stored along a training, and from them the average of any width, chosen afterwards (EDM2, section 3.2).

A file a step and width, float16 as in EDM2: step-00001000.0.05.safetensors.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.train.ema import Average, combination, misfit
from unnoise.weights.header import read_header
from unnoise.weights.store import read_tensors, write_tensors

WORST = 0.1
"""The largest misfit that is accepted; the averages of another width are further off than this when it is passed."""


@dataclass(frozen=True)
class Stored:
    """One average on disk."""

    path: Path
    step: int
    width: float


def keep(folder: Path, average: Average) -> Path:
    """Store an average as it stands.

    Raises:
        Refused: the folder cannot be written to, or is full.
    """
    path = folder / f"step-{average.step:08d}.{average.width:g}.safetensors"
    about = {"step": str(average.step), "width": repr(average.width)}
    write_tensors(path, {name: value.half() for name, value in average.values.items()}, about)
    return path


def stored(folder: Path) -> list[Stored]:
    """The averages of a folder, by step and width.

    Raises:
        Refused: a file is not whole, or is none of ours.
    """
    found: list[Stored] = []
    for path in folder.glob("step-*.safetensors"):
        about = read_header(path).metadata
        try:
            found.append(Stored(path, int(about["step"]), float(about["width"])))
        except (KeyError, ValueError):
            raise Refused(f"{path} does not say which average it holds", "remove it", "averages") from None
    return sorted(found, key=lambda one: (one.step, one.width))


def post_hoc(folder: Path, width: float, step: int | None = None) -> dict[str, Tensor]:
    """The average of a width at a step, put together from those stored.

    Args:
        folder: a run's `averages`.
        width: relative, as `Average` takes it.
        step: the last one stored, by default; the averages up to it are used.
    Returns:
        float32 tensors by the names of the model's parts, `network.*` and `conditioner.*`.
    Raises:
        Refused: nothing is stored, or what is stored cannot give this width.
    """
    known = stored(folder)
    end = max((one.step for one in known), default=0) if step is None else step
    used = [one for one in known if one.step <= end]
    if not used:
        raise Refused(f"no averages are stored in {folder}", "name a run's folder 'averages'", "averages")
    steps, widths = [one.step for one in used], [one.width for one in used]
    factors = combination(steps, widths, end, width)
    if (off := misfit(steps, widths, factors, end, width)) > WORST:
        raise Refused(
            f"width {width:g} at step {end} cannot be made of what is stored (off by {off:.0%})",
            f"stored are {', '.join(f'{w:g}' for w in sorted(set(widths)))} at {len(set(steps))} steps; "
            "take a width nearer to these",
            "width",
        )
    total: dict[str, Tensor] = {}
    for one, factor in zip(used, factors, strict=True):
        for name, value in read_tensors(one.path).items():
            total[name] = torch.add(total.get(name, torch.zeros(())), value.float(), alpha=factor)
    return total
