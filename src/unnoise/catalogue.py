"""Models by name, path or the names a person keeps; describing costs no torch, loading does."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.adapters.shelf import Adapters
from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.size import read_size
from unnoise.families import FAMILIES
from unnoise.families._family import Family
from unnoise.families._folder import read_source
from unnoise.families._reading import Paths
from unnoise.families._reading import reading as reading
from unnoise.families._source import Reading as Reading
from unnoise.families._source import Source
from unnoise.families._strangers import stranger
from unnoise.weights.digest import sha256
from unnoise.weights.held import Held
from unnoise.weights.shelves import find as find
from unnoise.weights.shelves import is_path as is_path
from unnoise.weights.shelves import models as models

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.adapters.controlnet import ControlFile
    from unnoise.adapters.lora import Adapter
    from unnoise.adapters.textual_inversion import Embedding
    from unnoise.core.model import Enlarging, Model
    from unnoise.core.state import Paused
    from unnoise.weights.place import Place

DTYPES = ("float32", "bfloat16", "float16", "int8")


def holding(digests: Iterable[str], name: str = "") -> str | None:
    """The name of a model whose weights have one of these sha256, this name's own first; None where there is none.

    The name may be a stranger's, out of a picture: one that is a path is not looked at.
    """
    wanted = set(digests)
    for each in dict.fromkeys([name, *models()] if name and not is_path(name) else models()):
        try:
            if _held_in(find(each), wanted):
                return each
        except (Refused, OSError):
            continue
    return None


def _held_in(path: Path, digests: set[str]) -> bool:
    """Whether a model's file is one of these; of a folder, whether all that it holds are."""
    if not path.is_dir():
        return sha256(path) in digests
    own = set(describe(str(path)).files.values())
    return bool(own) and own <= digests


def recognise(source: Source) -> Family:
    """The family that a model is of.

    Raises:
        Refused: none knows it.
    """
    if name := source.reading.family or (source.own.family if source.own else ""):
        return FAMILIES[name]
    for name in FAMILIES:
        if FAMILIES[name].recognises(source):
            return FAMILIES[name]
    raise stranger(source, [FAMILIES[n].title for n in FAMILIES])


def describe(name: str, reading: Reading | None = None) -> Description:
    """What a model is and can do, from its headers alone.

    Args:
        name: a shipped name, one under UNNOISE_HOME, or a path.
        reading: how it is read, where its files do not say.
    Raises:
        Refused: it is not there, not whole, or of no family we know.
    """
    source = read_source(find(name), reading)
    return recognise(source).describe(source)


def place(device: str | None = None, dtype: str | None = None, memory: str | int | None = None) -> "Place":
    """Where to run: the best device there is, unless one is named; float32 unless another type is.

    Args:
        memory: what it may take of the device's memory, such as 2GB; what there is by default.

    Raises:
        Refused: the device is not there, the type is none of `DTYPES` or needs torchao, or the memory is no amount.
    """
    import torch

    from unnoise.weights.place import Place

    if dtype is not None and dtype not in DTYPES:
        raise Refused(f"'{dtype}' is no type we run in", f"one of {', '.join(DTYPES)}", "dtype")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    chosen = device or next(n for n in ("cuda", "mps", "cpu") if there[n])
    try:
        where = torch.device(chosen)
    except (RuntimeError, ValueError):
        where = None
    count = torch.cuda.device_count() if where and where.type == "cuda" else 1
    if where is None or not there.get(where.type, False) or (where.index or 0) >= count:
        has = ", ".join(n for n in there if there[n])
        raise Refused(f"this machine has no device '{chosen[:40]}'", f"it has {has}", "device")
    return Place.of(where, dtype or "float32", 0 if memory is None else read_size(memory))


def load(
    name: str,
    device: str | None = None,
    dtype: str | None = None,
    parts: "Mapping[str, Paths] | None" = None,
    family: str = "",
    ignore_keys: "Sequence[str]" = (),
    memory: str | int | None = None,
) -> "Model":
    """Read a model, ready to run.

    Args:
        name: a shipped name, one under UNNOISE_HOME, or a path: of a file, or of a folder as diffusers saves it.
        device: cpu, cuda or mps; the best there is by default.
        dtype: float32 (default), bfloat16, float16, or int8 for the linear layers of the network's blocks.
        parts, family, ignore_keys: as in `reading`.
        memory: what it may take, such as 2GB. Weights that would need more stay in their file, and each is brought
            over when its turn comes: the same numbers, only slower.
    """
    return assembled(name, place(device, dtype, memory), reading(parts, family, ignore_keys))


def assembled(name: str, where: "Place", reading: Reading) -> "Model":
    """A model in a place, which may be torch's meta device."""
    source = read_source(find(name), reading)
    family = recognise(source)
    return family.assemble(source, family.describe(source), where)


def load_upscaler(name: str, device: str | None = None, dtype: str | None = None) -> "Enlarging":
    """Read an upscaler, ready to run; arguments as for `load`."""
    from unnoise.core.model import Enlarging
    from unnoise.networks import UPSCALERS
    from unnoise.weights.parts import read_part

    path = find(name, "upscaler")
    network: Any = read_part(path, "upscaler", UPSCALERS, place(device, dtype).plain)
    return Enlarging(path.stem, network, {path.name: sha256(path)})


@dataclass
class Shelf:
    """A `Library`: models by name, read once and kept.

    Args:
        models: models you hold, or the files of others, by the name requests call them.
        device, dtype: where files are loaded to.
        exact: compute every picture alone, so that it is the same in any batch on any device.
        reading: how the files of models are read, where they do not say.
        adapters: LoRAs, embeddings and ControlNets by names of their own.
        memory: what a model may take, as in `load`.
    """

    models: "Mapping[str, Model | str | PathLike[str]]" = field(
        default_factory=dict[str, "Model | str | PathLike[str]"]
    )
    device: str | None = None
    dtype: str | None = None
    exact: bool = False
    reading: Reading = field(default_factory=Reading)
    adapters: Adapters = field(default_factory=Adapters)
    memory: str | int | None = None
    _held: Held = field(default_factory=Held, init=False, repr=False)
    _enlarging: "dict[str, Enlarging]" = field(default_factory=dict[str, "Enlarging"], init=False, repr=False)

    @cached_property
    def _kept(self) -> "dict[str, Model]":
        held = {name: m for name, m in self.models.items() if not isinstance(m, str | PathLike)}
        return {name: model.named(name) for name, model in held.items()}

    def _file(self, name: str) -> str:
        found = self.models.get(name, name)
        return os.fspath(found) if isinstance(found, str | PathLike) else name

    def describe(self, name: str) -> Description:
        if name in self._kept:
            return self._kept[name].description
        found = describe(self._file(name), self.reading)
        return replace(found, name=name) if name in self.models else found

    def model(self, name: str) -> "Model":
        if name not in self._kept:
            read = assembled(self._file(name), place(self.device, self.dtype, self.memory), self.reading)
            self._kept[name] = read.named(name) if name in self.models else read
        return self._kept[name]

    def upscaler(self, name: str) -> "Enlarging":
        if name not in self._enlarging:
            self._enlarging[name] = load_upscaler(self._file(name), self.device, self.dtype).named(name)
        return self._enlarging[name]

    def adapter(self, name: str) -> "Adapter":
        return self.adapters.adapter(name)

    def embedding(self, name: str) -> "Embedding":
        return self.adapters.learnt(name)

    def control(self, name: str) -> "ControlFile":
        return self.adapters.controlnet(name, 0 if self.memory is None else read_size(self.memory))

    def state(self, digest: str) -> "Paused":
        return self._held.state(digest)

    def picture(self, digest: str) -> "Tensor":
        return self._held.picture(digest)

    def register(self, thing: "Paused | Tensor | str | PathLike[str]") -> str:
        """Keep a paused run or a picture, or a file that holds one; gives the sha256 that requests call it by.

        Raises:
            Refused: it cannot be kept, or the file is not sound.
        """
        return self._held.register(thing)


def library(
    models: "Mapping[str, Model | str | PathLike[str]] | None" = None,
    device: str | None = None,
    dtype: str | None = None,
    exact: bool = False,
    reading: Reading | None = None,
    memory: str | int | None = None,
) -> Shelf:
    """Where tasks find their models, adapters and pictures. LoRAs and embeddings are found by path or under
    UNNOISE_HOME; the `adapters` of what this gives hold others by names of their own.

    Args:
        models: models you hold, or the files of others, by the name requests call them.
        device, dtype, exact, reading, memory: as in `Shelf`.
    """
    return Shelf(models or {}, device, dtype, exact, reading or Reading(), memory=memory)
