"""A model as the rest of the system sees it, and the protocols of its parts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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


@runtime_checkable
class Upscaler(Protocol):
    """A module that makes media (B, channels, H, W), float in [-1, 1], larger: `scale` times as many pixels a side.

    `reach` is how far it looks, in pixels of what it is given: whatever lies farther from a place has no part in it.
    """

    @property
    def scale(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def reach(self) -> int: ...
    def parameters(self) -> "Iterator[Tensor]": ...
    def __call__(self, media: "Tensor", /) -> "Tensor": ...


@dataclass(frozen=True)
class Wish:
    """What one picture is asked to be, whole: a conditioner reads what it can honour.

    Args:
        prompt: the words, or a class's name; empty for no wish at all (the free branch of guidance).
        width, height: in pixels; 0 where the picture may have any size.
        guidance: how closely to follow the prompt, for a network that reads that itself (embedded guidance).
        negative: whether it says what to lead away from.
    """

    prompt: str = ""
    width: int = 0
    height: int = 0
    guidance: float | None = None
    negative: bool = False


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


@dataclass(frozen=True)
class Enlarging:
    """An upscaler as a library holds it.

    Args:
        name: what requests call it.
        network: ready to run.
        files: file name -> sha256.
    """

    name: str
    network: Upscaler
    files: Mapping[str, str] = field(default_factory=dict[str, str])

    def named(self, name: str) -> "Enlarging":
        """The same upscaler under another name."""
        return replace(self, name=name)


class Library(Protocol):
    """Where a task finds what its request names."""

    @property
    def exact(self) -> bool: ...
    def describe(self, name: str, /) -> Description: ...
    def model(self, name: str, /) -> Model: ...
    def state(self, digest: str, /) -> "Paused": ...
    def picture(self, digest: str, /) -> "Tensor":
        """A picture it holds, uint8 (3, H, W), or (4, H, W) with transparency."""
        ...

    def upscaler(self, name: str, /) -> "Enlarging": ...
    def adapter(self, name: str, /) -> Any:
        """What `adapters.lora.read` gives of a file."""
        ...

    def embedding(self, name: str, /) -> Any:
        """What `adapters.textual_inversion.read` gives of a file."""
        ...

    def control(self, name: str, /) -> Any:
        """What `adapters.controlnet.read` gives of a file or folder."""
        ...
