"""What a checkpoint family declares."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.description import Description
from unnoise.weights.header import Header

if TYPE_CHECKING:
    from unnoise.core.model import Model
    from unnoise.weights.place import Place


@dataclass(frozen=True)
class Family:
    """Args:
    title: what people call it.
    recognises: whether a file's header is of this family.
    describe: what the model in it is and can do, from the header alone.
    assemble: read the tensors and put the model together.
    """

    title: str
    recognises: Callable[[Header], bool]
    describe: Callable[[Header], Description]
    assemble: Callable[[Path, Description, "Place"], "Model"]
