"""Models by name, path or the names a person keeps; describing costs no torch, loading does."""

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.home import home
from unnoise.families import FAMILIES
from unnoise.families._family import Family
from unnoise.weights.digest import sha256
from unnoise.weights.header import Header, read_header
from unnoise.weights.held import Held
from unnoise.weights.parts import held, holds

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.model import Enlarging, Model
    from unnoise.core.state import Paused
    from unnoise.weights.place import Place

DTYPES = ("float32", "bfloat16", "float16")


def shelves() -> tuple[Path, ...]:
    """The folders models are looked for in: a person's own, then what comes with the package."""
    return (home() / "models", Path(str(files("unnoise") / "shipped")))


def models(role: str = "") -> Iterator[str]:
    """The names of models on the shelves; with a role, of files that hold such a part alone."""
    seen: set[str] = set()
    for shelf in shelves():
        for path in sorted(shelf.glob("*.safetensors")) if shelf.is_dir() else ():
            if path.stem not in seen and (role in held(path) if role else not held(path)):
                seen.add(path.stem)
                yield path.stem


def find(name: str, role: str = "") -> Path:
    """The file of a model, by path or by name; with a role, of such a part of one.

    Raises:
        Refused: there is none; the message says what there is.
    """
    if "\0" in name:
        raise Refused("a model's name holds a NUL character", "give a name or a path", "model")
    if is_path(name):
        path = Path(name).expanduser()
        if not _is_file(path):
            what = f"there is no model file {name[:200]}"
            raise Refused(what, "check the path, or see 'unnoise list models'", "model")
        return path
    for shelf in shelves():
        if _is_file(path := shelf / f"{name}.safetensors"):
            return path
    known = list(models(role))
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    what = f"there is no {role or 'model'} '{name[:80]}'"
    raise Refused(what, f"{hint}known are {', '.join(known) or 'none'}", "model")


def is_path(name: str) -> bool:
    """Whether a model's name is a file's."""
    return name.endswith(".safetensors") or os.sep in name


def holding(digests: Iterable[str], name: str = "") -> str | None:
    """The name of a model whose weights have one of these sha256, this name's own first; None where there is none.

    The name may be a stranger's, out of a picture: one that is a path is not looked at.
    """
    wanted = set(digests)
    for each in dict.fromkeys([name, *models()] if name and not is_path(name) else models()):
        try:
            if sha256(find(each)) in wanted:
                return each
        except (Refused, OSError):
            continue
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long, or a folder that may not be looked into
        return False


def recognise(header: Header) -> Family:
    """The family a file is of.

    Raises:
        Refused: none knows it.
    """
    for name in FAMILIES:
        if FAMILIES[name].recognises(header):
            return FAMILIES[name]
    if parts := holds(header):
        raise Refused(f"{header.path} holds {' and '.join(parts)} alone, no whole model", "name a model", "model")
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
    try:
        where = torch.device(chosen)
    except (RuntimeError, ValueError):
        where = None
    count = torch.cuda.device_count() if where and where.type == "cuda" else 1
    if where is None or not there.get(where.type, False) or (where.index or 0) >= count:
        has = ", ".join(n for n in there if there[n])
        raise Refused(f"this machine has no device '{chosen[:40]}'", f"it has {has}", "device")
    return Place(where, getattr(torch, dtype or "float32"))


def load(name: str, device: str | None = None, dtype: str | None = None) -> "Model":
    """Read a model, ready to run.

    Args:
        name: a shipped name, one under UNNOISE_HOME, or a path.
        device: cpu, cuda or mps; the best there is by default.
        dtype: float32 (default), bfloat16 or float16.
    """
    path = find(name)
    return recognise(read_header(path)).assemble(path, describe(name), place(device, dtype))


def load_upscaler(name: str, device: str | None = None, dtype: str | None = None) -> "Enlarging":
    """Read an upscaler, ready to run; arguments as for `load`."""
    from unnoise.core.model import Enlarging
    from unnoise.networks import UPSCALERS
    from unnoise.weights.parts import read_part

    path = find(name, "upscaler")
    network: Any = read_part(path, "upscaler", UPSCALERS, place(device, dtype))
    return Enlarging(path.stem, network, {path.name: sha256(path)})


@dataclass
class Shelf:
    """A `Library`: models by name, read once and kept.

    Args:
        models: models you hold, or the files of others, by the name requests call them.
        device, dtype: where files are loaded to.
        exact: compute every picture alone, so that it is the same in any batch on any device.
    """

    models: "Mapping[str, Model | str | PathLike[str]]" = field(
        default_factory=dict[str, "Model | str | PathLike[str]"]
    )
    device: str | None = None
    dtype: str | None = None
    exact: bool = False
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
        found = describe(self._file(name))
        return replace(found, name=name) if name in self.models else found

    def model(self, name: str) -> "Model":
        if name not in self._kept:
            read = load(self._file(name), self.device, self.dtype)
            self._kept[name] = read.named(name) if name in self.models else read
        return self._kept[name]

    def upscaler(self, name: str) -> "Enlarging":
        if name not in self._enlarging:
            self._enlarging[name] = load_upscaler(self._file(name), self.device, self.dtype).named(name)
        return self._enlarging[name]

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
) -> Shelf:
    """Where tasks find their models.

    Args:
        models: models you hold, or the files of others, by the name requests call them.
        device, dtype: where files are loaded to, as in `load`.
        exact: compute every picture alone.
    """
    return Shelf(models or {}, device, dtype, exact)
