"""A model as the rest of the system sees it, and the protocols of its parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from unnoise.core.description import Description

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.condition import Condition
    from unnoise.core.denoiser import Denoiser
    from unnoise.core.sampler import Spacing
    from unnoise.core.schedule import Schedule
    from unnoise.core.state import Paused


@runtime_checkable
class Codec(Protocol):
    """Between media, float in [-1, 1] of shape (B, C, H, W), and the samples that are diffused.

    `scale` is the media's side over the sample's; `channels` the sample's.
    """

    @property
    def scale(self) -> int: ...
    @property
    def channels(self) -> int: ...
    def encode(self, media: "Tensor", /) -> "Tensor": ...
    def decode(self, sample: "Tensor", /) -> "Tensor": ...
    def preview(self, sample: "Tensor", /) -> "Tensor":
        """A quick look at a data guess, at any size, float in [-1, 1]."""
        ...


@dataclass(frozen=True)
class Wish:
    """What one picture is asked to be, whole: a conditioner reads what it can honour.

    Args:
        prompt: the words, or a class's name; empty for no wish at all (the free branch of guidance).
    """

    prompt: str = ""


class Conditioner(Protocol):
    """A module that turns wishes into a network's condition.

    `prepare` may run in data workers and its result may be cached; calling the module carries gradient, so that an
    encoder trained with the model is trained like any other.
    """

    def prepare(self, wishes: Sequence[Wish], /) -> Any: ...
    def __call__(self, tokens: Any, /) -> "Condition": ...


@dataclass(frozen=True)
class Model:
    """Everything one checkpoint is."""

    denoiser: "Denoiser[Any]"
    schedule: "Schedule"
    spacing: "Spacing"
    codec: Codec
    conditioner: Conditioner
    description: Description

    def named(self, name: str) -> "Model":
        """The same model under another name."""
        return replace(self, description=replace(self.description, name=name))


class Library(Protocol):
    """Where a task finds what its request names."""

    @property
    def exact(self) -> bool: ...
    def describe(self, name: str, /) -> Description: ...
    def model(self, name: str, /) -> Model: ...
    def state(self, digest: str, /) -> "Paused": ...
