"""An adapter's file, read: what it does to which layers, in its own words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from unnoise.adapters.alphas import alphas
from unnoise.adapters.dialects import understood
from unnoise.adapters.meant import meant_for
from unnoise.adapters.pieces import Piece, Slots, Where, pieces
from unnoise.core.error import Refused
from unnoise.weights.digest import sha256
from unnoise.weights.header import read_header
from unnoise.weights.keymap import some
from unnoise.weights.store import read_tensors as open_tensors


@dataclass(frozen=True)
class Adapter:
    """What a file does to a model.

    Args:
        name: what requests call it.
        pieces: every change, by layers in the file's own words.
        meant_for: the kind of model it was made for, as far as it tells.
        files: file name -> sha256.
    """

    name: str
    pieces: Sequence[Piece] = field(repr=False)
    meant_for: str = ""
    files: Mapping[str, str] = field(default_factory=dict[str, str])


def read(path: Path, name: str = "") -> Adapter:
    """Read an adapter of any dialect and kind.

    Args:
        name: what requests call it; the file's stem by default.
    Raises:
        Refused: the file is damaged, holds no adapter, or a kind that is not built.
    """
    header = read_header(path)
    stated = alphas(header.metadata, path)
    tensors = open_tensors(path)
    found = [each for where, slots in layers(tensors, path).items() for each in pieces(where, slots, stated(where))]
    return Adapter(name or path.stem, found, meant_for(tensors, header.metadata), {path.name: sha256(path)})


def layers(tensors: Mapping[str, Tensor], path: Path) -> dict[Where, Slots]:
    """The tensors of each layer, by what they are to it.

    Raises:
        Refused: some are in no dialect, or two are the same.
    """
    found: dict[Where, Slots] = {}
    unknown: list[str] = []
    for name, tensor in tensors.items():
        if (key := understood(name)) is None:
            unknown.append(name)
            continue
        slots = found.setdefault(Where(key.part, key.layer, key.spelling), {})
        if key.slot in slots:
            raise Refused(f"{path} has {name} twice, under another name", "the file is damaged", "lora")
        slots[key.slot] = tensor
    if unknown or not found:
        what = f"{path} holds {some(unknown)}" if unknown else f"{path} holds no tensors"
        raise Refused(f"{what}: no adapter that we know", "a LoRA, LoHa, LoKr, DoRA, IA3 or difference will do", "lora")
    return found
