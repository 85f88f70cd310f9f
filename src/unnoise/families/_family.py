"""What a checkpoint family declares."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.description import Description
from unnoise.families._noising import Noising
from unnoise.families._source import Slot, Source

if TYPE_CHECKING:
    from unnoise.core.model import Model
    from unnoise.weights.place import Place


@dataclass(frozen=True)
class Family:
    """Args:
    title: what people call it.
    recognises: whether what is there to read is of this family, by headers and settings alone.
    describe: what the model is and can do, from the same.
    assemble: read the tensors and put the model together.
    slots: the networks that it is made of, where files hold them apart.
    course: how data become noise, where its files do not have to say.
    """

    title: str
    recognises: Callable[[Source], bool]
    describe: Callable[[Source], Description]
    assemble: Callable[[Source, Description, "Place"], "Model"]
    slots: tuple[Slot, ...] = ()
    course: Callable[[Source], Noising] | None = None
