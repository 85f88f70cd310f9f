"""Where models are found: by path, by a name on a person's own shelf, or by one of those that come with the package."""

import difflib
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from unnoise.core.error import Refused
from unnoise.core.home import home
from unnoise.weights.parts import held

SUFFIXES = (".safetensors", ".gguf", ".ckpt", ".pt", ".pth", ".bin")
"""What files of weights are called; what they are, their content tells."""


def shelves() -> tuple[Path, ...]:
    """The folders models are looked for in: a person's own, then what comes with the package."""
    return (home() / "models", Path(str(files("unnoise") / "shipped")))


def models(role: str = "") -> Iterator[str]:
    """The names of models on the shelves, files and folders; with a role, of files that hold such a part alone."""
    seen: set[str] = set()
    for shelf in shelves():
        for path in sorted(shelf.iterdir()) if shelf.is_dir() else ():
            name = _called(path)
            parts = held(path) if path.suffix == ".safetensors" else ()
            if name and name not in seen and (role in parts if role else not parts):
                seen.add(name)
                yield name


def find(name: str, role: str = "") -> Path:
    """The file or folder of a model, by path or by name; with a role, of such a part of one.

    Raises:
        Refused: there is none; the message says what there is.
    """
    if "\0" in name:
        raise Refused("a model's name holds a NUL character", "give a name or a path", "model")
    if is_path(name):
        path = Path(name).expanduser()
        if not _is_there(path):
            what = f"there is no model file {name[:200]}"
            raise Refused(what, "check the path, or see 'unnoise list models'", "model")
        return path if is_path(str(path)) else path.absolute()  # "./name" must not become a name
    for shelf in shelves():
        for path in (shelf / name, *(shelf / f"{name}{suffix}" for suffix in SUFFIXES)):
            if name not in ("", ".", "..") and _is_there(path):
                return path
    known = list(models(role))
    near = difflib.get_close_matches(name, known, 1)
    hint = (
        f"did you mean '{near[0]}'? " if near else f"did you mean '.{os.sep}{name}'? " if _is_there(Path(name)) else ""
    )
    what = f"there is no {role or 'model'} '{name[:80]}'"
    raise Refused(what, f"{hint}known are {', '.join(known) or 'none'}", "model")


def is_path(name: str) -> bool:
    """Whether a model's name is a file's or a folder's."""
    return os.sep in name or name.lower().endswith((*SUFFIXES, ".safetensors.index.json"))


def is_model_folder(path: Path) -> bool:
    """Whether a folder may be a model's, by the names in it alone."""
    return (path / "model_index.json").is_file() or (path / "config.json").is_file()


def _called(path: Path) -> str:
    """What a model on a shelf is called; empty where it is none."""
    if path.is_dir():
        return path.name if is_model_folder(path) else ""
    return path.stem if path.suffix in SUFFIXES and not path.name.startswith(".") else ""


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() or (path.is_dir() and is_model_folder(path))
    except (OSError, ValueError):  # a name too long, half a character, or a folder that may not be looked into
        return False
