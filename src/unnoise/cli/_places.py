"""Where files go: named before anything is computed, over no file that is there, and only where they can be written."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from unnoise.core.error import Refused

SUFFIXES = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
_ENDS = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}
WIDEST = {"webp": 16_383, "jpeg": 65_500}
"""The longest side that a format's files can have, in pixels."""
_LONGEST = 64


@dataclass(frozen=True)
class Place:
    """Where pictures go.

    Args:
        folder: that holds them.
        name: the file's name, "{seed}" standing for the seed; empty where pictures are named by prompt and seed.
        suffix: theirs, where they have no name.
    """

    folder: Path
    name: str
    suffix: str

    def path(self, title: str, seed: int | str) -> Path:
        """This picture's file: the one that was named, or one that is not there yet."""
        if self.name:
            return self.folder / self.name.replace("{seed}", str(seed))
        stem, again = f"{slug(title)}-{seed}", 1
        while (path := self.folder / f"{stem}{f'-{again}' if again > 1 else ''}{self.suffix}").exists():
            again += 1
        return path


def place(out: str, format: str | None, count: int) -> Place:
    """What `--out` and `--format` mean together.

    A folder, where one is there, the name ends in a slash or it has no suffix; else a file.

    Raises:
        Refused: the file's name is no picture's, is another format's than asked for, or would hold several pictures.
    """
    path = user_path(out, "--out")
    if path.is_dir() or out.endswith(("/", "\\")) or not path.suffix:
        return Place(path, "", _ENDS[format or "png"])
    found = SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise Refused(
            f"--out {out} is no picture's name", f"end it in {', '.join(SUFFIXES)}, or in / for a folder", "out"
        )
    if format and found != format:
        raise Refused(f"--out {out} does not end as {format} does", "leave --format out, or change the name", "format")
    return Place(path.parent, _single(path, count, "out").name, path.suffix)


def check_sides(place: Place, width: int, height: int) -> None:
    """See that a picture of this size can be kept in its format, before it is computed.

    Raises:
        Refused: it cannot.
    """
    format = format_of(place)
    if (longest := max(height, width)) > WIDEST.get(format, longest):
        what = f"the result is {width}x{height}, and {format} has sides of at most {WIDEST[format]}"
        raise Refused(what, "use png", "format")


def format_of(place: Place) -> str:
    return SUFFIXES[Path(place.name or place.suffix).suffix.lower() or place.suffix]


def beside(word: str | None, suffixes: tuple[str, ...], option: str, count: int) -> Path | None:
    """A file that goes with each picture.

    Raises:
        Refused: its suffix is none of these, or it would hold what belongs to several pictures.
    """
    if word is None:
        return None
    path = user_path(word, f"--{option}")
    if path.suffix.lower() not in suffixes:
        raise Refused(f"--{option} {word} has another suffix", f"end it in {', '.join(suffixes)}", option)
    return _single(path, count, option)


def user_path(word: str, called: str) -> Path:
    """A path as people write it; `called` is what it is given by, such as "--out".

    Raises:
        Refused: it is none, or cannot even be looked at.
    """
    if not word.strip() or "\0" in word:
        raise Refused(f"{called} names no file or folder", "give a path", called)
    try:
        path = Path(word).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no such user
        why = getattr(error, "strerror", None) or str(error)
        raise Refused(f"{called} '{word[:60]}' cannot be used ({why})", "give another path", called) from None
    return path


def _single(path: Path, count: int, option: str) -> Path:
    if count > 1 and "{seed}" not in path.name:
        what = f"--{option} {path} names one file for {count} pictures"
        raise Refused(
            what, "name a folder, or put {seed} into the name" if option == "out" else "put {seed} into it", option
        )
    return path


def probe(folder: Path, option: str = "out") -> None:
    """See that files can be made in a folder, or in what it would be made in; nothing stays behind.

    Raises:
        Refused: they cannot.
    """
    try:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except (OSError, ValueError) as error:
        raise _shut(folder, error, option) from None


def made(folder: Path, option: str = "out") -> Path:
    """The folder, made where it is not there.

    Raises:
        Refused: it cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise _shut(folder, error, option) from None
    return folder


def _shut(folder: Path, error: Exception, option: str) -> Refused:
    why = getattr(error, "strerror", None) or str(error)
    other = "set UNNOISE_HOME to another folder" if option == "home" else f"name another folder with --{option}"
    return Refused(f"cannot write into {folder} ({why})", other, option)


def slug(title: str) -> str:
    """A file name's worth of a text: its words in lower case, joined by dashes, at most 64 bytes."""
    whole = "-".join(re.findall(r"[^\W_]+", title[:1000].lower()))
    name = whole.encode()[:_LONGEST].decode(errors="ignore")
    if name != whole and "-" in name:
        name = name.rpartition("-")[0]
    return name or "picture"
