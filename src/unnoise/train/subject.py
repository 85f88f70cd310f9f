"""What a run trains, as everything around the loop sees it: a diffusion model, a codec, an upscaler, a judge.

One file a kind in `train/subjects`. A subject holds its modules and the objective that is minimised over them.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.data.batches import Batch, Order
from unnoise.data.pictures import Pictures
from unnoise.train.objective import Example, Objective

Part = TypeVar("Part")


class Subject(Protocol):
    """Its modules are float32 and on the device; they are trained in place."""

    @property
    def name(self) -> str:
        """What the records of its preview pictures call it."""
        ...

    @property
    def objective(self) -> Objective: ...

    def parts(self) -> Mapping[str, nn.Module]:
        """All modules that snapshots and files hold, by the prefix of their tensors' names."""
        ...

    def meaning(self) -> str:
        """What no shape of its weights tells, as any text: the words they have numbers for, what is predicted.

        A run goes on with the same alone.
        """
        ...

    def roles(self) -> Mapping[str, Sequence[nn.Module]]:
        """What is trained, by its optimizer's role; the rest stays as it is. Averages are kept of the role `model`."""
        ...

    def networks(self) -> Sequence[nn.Module]:
        """The modules that torch.compile takes, each whole."""
        ...

    def copied(self) -> Self:
        """The same with modules of its own, for evaluation."""
        ...

    def check(self) -> None:
        """Look for what would be refused later.

        Raises:
            Refused: its preview asks for something that it cannot honour.
        """
        ...

    def example(self, batch: Batch, order: Order, step: int, random: torch.Generator) -> Example:
        """A batch as the objective takes it; random choices about a picture come from the order's keys."""
        ...

    def sheet(self, batch: Batch, order: Order, step: int) -> Tensor:
        """A picture, uint8 (3, H, W), of what the network is given of a batch."""
        ...

    def heldout(self, pictures: Pictures) -> float:
        """A loss on pictures that training never sees, at fixed random numbers: comparable from step to step."""
        ...

    def preview(self) -> Tensor | None:
        """A picture, uint8 (3, H, W), of what it can do by now; None where nothing was asked for."""
        ...

    def export(self, steps: int, dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, str]]:
        """The tensors and the metadata of the file by which it is used, after so many steps."""
        ...


def copied(module: Part) -> Part:
    """A module of its own, frozen and in evaluation, without the forward that torch.compile gave its source."""
    source = cast(nn.Module, module)
    compiled: list[Any] = [part.__dict__["forward"] for part in source.modules() if "forward" in part.__dict__]
    made = copy.deepcopy(source, {id(forward): None for forward in compiled})
    for part in made.modules():
        part.__dict__.pop("forward", None)
    return cast(Part, made.requires_grad_(False).eval())


def on_device(subject: Subject) -> torch.device:
    """Where a subject's modules are."""
    return next(p.device for module in subject.parts().values() for p in module.parameters())


def mean_square(again: Callable[[Tensor], Tensor], images: Tensor, device: torch.device, together: int = 32) -> float:
    """The mean square error, in media, of what becomes of uint8 pictures (N, C, S, S), some together at a time."""
    total = sum(F.mse_loss(again(some), floats(some, device)) * len(some) for some in images.split(together))
    return float(total / len(images))


def floats(images: Tensor, device: torch.device) -> Tensor:
    """uint8 pictures as media, float in [-1, 1]."""
    return images.to(device).float() / 127.5 - 1
