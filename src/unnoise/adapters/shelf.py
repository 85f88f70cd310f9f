"""Adapters, embeddings and ControlNets by name, path or hash: found in their folders, read once and kept.

Imports no torch.
"""

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unnoise.core.error import Refused
from unnoise.core.home import home
from unnoise.weights.digest import sha256
from unnoise.weights.sharded import weights_in

if TYPE_CHECKING:
    from unnoise.adapters.controlnet import ControlFile
    from unnoise.adapters.lora import Adapter
    from unnoise.adapters.textual_inversion import Embedding

Role = Literal["lora", "embedding", "control"]

FOLDERS: Mapping[Role, str] = {"lora": "adapters", "embedding": "embeddings", "control": "controlnets"}
"""What stands under UNNOISE_HOME."""
SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")


def is_path(name: str, role: Role) -> bool:
    """Whether a name is a file's: spelt as a path, or no name that is known, and such a file lies here."""
    return _is_spelt_path(name) or (name != "" and _is_there(Path(name), role) and name not in names(role))


def _is_spelt_path(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) or os.sep in name


def names(role: Role) -> Iterator[str]:
    """The names in a role's folder."""
    yield from dict.fromkeys(_called(path) for path in _files(role))


def find(name: str, role: Role) -> Path:
    """The file of an adapter, an embedding or a ControlNet, which may be a folder; by path or by name.

    Raises:
        Refused: there is none; the message says what there is.
    """
    if is_path(name, role):
        path = Path(name).expanduser()
        if not _is_there(path, role):
            raise Refused(f"there is no file {name[:200]}", "check the path", role)
        return path
    found = [path for path in _files(role) if _called(path) == name]
    if not found:
        known = list(names(role))
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"name a file, or put one into {home() / FOLDERS[role]}"
        raise Refused(f"there is no {role} '{name[:80]}'", hint, role)
    return found[0]


def holding(digests: Iterable[str], role: Role) -> dict[str, Path]:
    """The files in a role's folder that have one of these sha256, by it."""
    wanted, found = set(digests), dict[str, Path]()
    for path in _files(role) if wanted else ():
        try:
            if (digest := sha256(weights_in(path) if path.is_dir() else path)) in wanted:
                found.setdefault(digest, path)
        except (OSError, Refused):
            continue
    return found


@dataclass
class Adapters:
    """What a library holds of them.

    Args:
        lora, embedding, control: the files of those that requests call by a name of their own.
    """

    lora: "Mapping[str, str | PathLike[str]]" = field(default_factory=dict[str, "str | PathLike[str]"])
    embedding: "Mapping[str, str | PathLike[str]]" = field(default_factory=dict[str, "str | PathLike[str]"])
    control: "Mapping[str, str | PathLike[str]]" = field(default_factory=dict[str, "str | PathLike[str]"])
    _kept: dict[tuple[Role, str], Any] = field(default_factory=dict[tuple[Role, str], Any], init=False, repr=False)

    def beside(self, other: "Adapters") -> "Adapters":
        """Both: where one name is of two files, the file is this one's."""
        return Adapters(
            {**other.lora, **self.lora}, {**other.embedding, **self.embedding}, {**other.control, **self.control}
        )

    def adapter(self, name: str) -> "Adapter":
        """A LoRA or its like, read."""
        from unnoise.adapters.lora import read

        return self._read("lora", name, self.lora, read)

    def learnt(self, name: str) -> "Embedding":
        """An embedding, read."""
        from unnoise.adapters.textual_inversion import read

        return self._read("embedding", name, self.embedding, read)

    def controlnet(self, name: str, memory: int = 0) -> "ControlFile":
        """A ControlNet, its header read; `memory` is what a model may take, in bytes, 0 for what there is."""
        from unnoise.adapters.controlnet import read

        return self._read("control", name, self.control, partial(read, memory=memory))

    def _read(
        self, role: Role, name: str, files: "Mapping[str, str | PathLike[str]]", read: Callable[[Path, str], Any]
    ) -> Any:
        if (role, name) not in self._kept:
            file = find(os.fspath(files.get(name, name)), role)
            self._kept[role, name] = read(file, "" if _is_spelt_path(name) else name)
        return self._kept[role, name]


def _files(role: Role) -> list[Path]:
    folder = home() / FOLDERS[role]
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if _is_there(path, role) and (path.is_dir() or _named(path)))


def _called(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _named(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _is_there(path: Path, role: Role) -> bool:
    """Whether there is such a file; a ControlNet may be a folder, as diffusers saves it."""
    return _is_file(path) or (role == "control" and _is_file(path / "config.json"))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or one with NUL in it
        return False
