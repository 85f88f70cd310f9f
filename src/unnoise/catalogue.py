"""Models by name, path or the names a person keeps; describing costs no torch, loading does."""

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.home import home
from unnoise.families import FAMILIES
from unnoise.families._family import Family
from unnoise.weights.digest import sha256
from unnoise.weights.header import Header, read_header

if TYPE_CHECKING:
    from unnoise.core.model import Model
    from unnoise.weights.place import Place

DTYPES = ("float32", "bfloat16", "float16")


def shelves() -> tuple[Path, ...]:
    """The folders models are looked for in: a person's own, then what comes with the package."""
    return (home() / "models", Path(str(files("unnoise") / "shipped")))


def models() -> Iterator[str]:
    """The names `find` knows."""
    seen: set[str] = set()
    for shelf in shelves():
        for path in sorted(shelf.glob("*.safetensors")) if shelf.is_dir() else ():
            if path.stem not in seen:
                seen.add(path.stem)
                yield path.stem


def find(name: str) -> Path:
    """The file of a model, by path or by name.

    Raises:
        Refused: there is none; the message says what there is.
    """
    if "\0" in name:
        raise Refused("a model's name holds a NUL character", "give a name or a path", "model")
    if name.endswith(".safetensors") or os.sep in name:
        path = Path(name).expanduser()
        if not path.is_file():
            raise Refused(f"there is no model file {name}", "check the path, or see 'unnoise list models'", "model")
        return path
    for shelf in shelves():
        if (path := shelf / f"{name}.safetensors").is_file():
            return path
    known = list(models())
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise Refused(f"there is no model '{name[:80]}'", f"{hint}known are {', '.join(known) or 'none'}", "model")


def recognise(header: Header) -> Family:
    """The family a file is of.

    Raises:
        Refused: none knows it.
    """
    for name in FAMILIES:
        if FAMILIES[name].recognises(header):
            return FAMILIES[name]
    titles = ", ".join(FAMILIES[n].title for n in FAMILIES)
    raise Refused(f"{header.path} holds no model we know", f"known families: {titles}", "model")


def describe(name: str) -> Description:
    """What a model is and can do, from its header alone.

    Args:
        name: a shipped name, one under UNNOISE_HOME, or a path.
    Raises:
        Refused: it is not there, not whole, or of no family we know.
    """
    path = find(name)
    header = read_header(path)
    return replace(recognise(header).describe(header), files={path.name: sha256(path)})


def place(device: str | None = None, dtype: str | None = None) -> "Place":
    """Where to run: the best device there is, unless one is named; float32 unless another type is.

    Raises:
        Refused: the device is not there, or the type is none of float32, bfloat16, float16.
    """
    import torch

    from unnoise.weights.place import Place

    if dtype is not None and dtype not in DTYPES:
        raise Refused(f"'{dtype}' is no floating-point type we run in", f"one of {', '.join(DTYPES)}", "dtype")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    chosen = device or next(n for n in ("cuda", "mps", "cpu") if there[n])
    kind = chosen.partition(":")[0]
    if not there.get(kind, False):
        raise Refused(f"this machine has no device '{chosen}'", f"it has {', '.join(n for n in there if there[n])}", "device")
    return Place(torch.device(chosen), getattr(torch, dtype or "float32"))


def load(name: str, device: str | None = None, dtype: str | None = None) -> "Model":
    """Read a model, ready to run.

    Args:
        name: a shipped name, one under UNNOISE_HOME, or a path.
        device: cpu, cuda or mps; the best there is by default.
        dtype: float32 (default), bfloat16 or float16.
    """
    path = find(name)
    return recognise(read_header(path)).assemble(path, describe(name), place(device, dtype))


@dataclass
class Shelf:
    """A `Library`: models by name, read once and kept.

    Args:
        models: models you hold, by the name requests call them.
        device, dtype: where the others are loaded to.
        exact: compute every picture alone, so that it is the same in any batch on any device.
    """

    models: "Mapping[str, Model]" = field(default_factory=dict[str, "Model"])
    device: str | None = None
    dtype: str | None = None
    exact: bool = False

    @cached_property
    def _kept(self) -> "dict[str, Model]":
        return {name: model.named(name) for name, model in self.models.items()}

    def describe(self, name: str) -> Description:
        return self._kept[name].description if name in self._kept else describe(name)

    def model(self, name: str) -> "Model":
        if name not in self._kept:
            self._kept[name] = load(name, self.device, self.dtype)
        return self._kept[name]


def library(
    models: "Mapping[str, Model] | None" = None,
    device: str | None = None,
    dtype: str | None = None,
    exact: bool = False,
) -> Shelf:
    """Where tasks find their models.

    Args:
        models: models you hold, by the name requests call them.
        device, dtype: where others are loaded to, as in `load`.
        exact: compute every picture alone.
    """
    return Shelf(models or {}, device, dtype, exact)
