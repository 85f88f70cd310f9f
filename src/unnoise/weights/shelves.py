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
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


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
    if not is_spelt_path(name):
        if (path := _kept(name)) is not None:
            return path
        if not _lies_here(name):
            raise _unknown(name, role)
    path = Path(name).expanduser()
    if not _is_there(path):
        raise _lost(path, name)
    if path.suffix.lower() in PICTURES:
        raise Refused(f"{name[:200]} is a picture, no model", "'generate --like' takes its settings over", "model")
    return path if is_spelt_path(str(path)) else path.absolute()  # "./name" must not become a name


def is_path(name: str) -> bool:
    """Whether a model's name is a file's or a folder's: spelt as a path, or of one here where no such name is known."""
    return is_spelt_path(name) or (_lies_here(name) and _kept(name) is None)


def is_spelt_path(name: str) -> bool:
    """Whether a model's name can be nothing but a path."""
    return os.sep in name or name.lower().endswith((*SUFFIXES, ".safetensors.index.json"))


def is_model_folder(path: Path) -> bool:
    """Whether a folder may be a model's, by the names in it alone."""
    return (path / "model_index.json").is_file() or (path / "config.json").is_file()


def _kept(name: str) -> Path | None:
    """What a name stands for on the shelves."""
    each = (f for shelf in shelves() for f in (shelf / name, *(shelf / f"{name}{suffix}" for suffix in SUFFIXES)))
    return next((path for path in each if name not in ("", ".", "..") and _is_there(path)), None)


def _lies_here(name: str) -> bool:
    return name not in ("", ".", "..") and _is_there(Path(name))


def _lost(path: Path, name: str) -> Refused:
    """The error about a path where no model is."""
    if _is_folder(path) and _is_there(run := path / "model.safetensors"):
        return Refused(f"the folder {name[:200]} is a training's", f"its model is {run}", "model")
    if _is_folder(path):
        what = f"the folder {name[:200]} holds no model: a model's folder has a model_index.json or a config.json"
        return Refused(what, "name such a folder, or a file of weights", "model")
    return Refused(f"there is no model file {name[:200]}", "check the path, or see 'unnoise list models'", "model")


def _unknown(name: str, role: str) -> Refused:
    """The error about a name that is none."""
    if name not in ("", ".", "..") and _is_folder(Path(name)):
        return _lost(Path(name), name)
    known = list(models(role))
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    what = f"there is no {role or 'model'} '{name[:80]}'"
    return Refused(what, f"{hint}known are {', '.join(known) or 'none'}", "model")


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


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
