"""An adapter's file, read: what it does to which layers, in its own words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, isfinite

from unnoise.adapters.alphas import alphas
from unnoise.adapters.dialects import understood
from unnoise.adapters.meant import meant_for
from unnoise.adapters.pieces import Piece, Where, pieces
from unnoise.core.error import Refused
from unnoise.weights.digest import sha256
from unnoise.weights.header import read_header
from unnoise.weights.keymap import some
from unnoise.weights.open import open_tensors


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
    found, stated = layers(header.tensors, path), alphas(header.metadata, path)
    tensors = open_tensors(path)
    made = [
        piece
        for where, slots in found.items()
        for piece in pieces(where, {slot: _sound(tensors, each, path) for slot, each in slots.items()}, stated(where))
    ]
    return Adapter(name or path.stem, made, meant_for(header.shapes, header.metadata), {path.name: sha256(path)})


def layers(names: Iterable[str], path: Path) -> dict[Where, dict[str, str]]:
    """The tensors of each layer: what each is to it -> its name.

    Raises:
        Refused: some are in no dialect, two are the same, or they are no adapter's.
    """
    found: dict[Where, dict[str, str]] = {}
    unknown: list[str] = []
    for name in names:
        if (key := understood(name)) is None:
            unknown.append(name)
            continue
        slots = found.setdefault(Where(key.part, key.layer, key.spelling), {})
        if key.slot in slots:
            raise Refused(f"{path} has {name} twice, once as {slots[key.slot]}", "the file is damaged", "lora")
        slots[key.slot] = name
    unknown += [slots["weight"] for slots in found.values() if "weight" in slots and "on_input" not in slots]
    if unknown or not found:
        what = f"{path} holds {some(unknown)}, which no adapter has" if unknown else f"{path} holds no tensors"
        raise Refused(what, "name a file with a LoRA, LoHa, LoKr, DoRA, IA3 or difference", "lora")
    return found


def _sound(tensors: Mapping[str, Tensor], name: str, path: Path) -> Tensor:
    """A tensor of its own, whatever becomes of the file, whose numbers are numbers."""
    tensor = tensors[name].clone()
    if tensor.is_floating_point() and not isfinite(tensor.float()).all():
        raise Refused(f"{path}: tensor {name!r} holds numbers that are not finite", "the file is damaged", "lora")
    return tensor
