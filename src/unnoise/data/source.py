"""A set of captioned pictures as it lies on disk: known in full, decoded only when asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from unnoise.core.error import Refused
from unnoise.data.layouts import LAYOUTS
from unnoise.media.image import decode


class Read(Protocol):
    """Decodes one picture to uint8 (C, H, W). Picklable and small, because it travels to worker processes.

    Raises:
        Refused: these bytes are no picture.
        OSError: the file cannot be read.
    """

    def __call__(self) -> Tensor: ...


@dataclass(frozen=True)
class Item:
    """One picture of a set.

    Args:
        name: where it lies, as a person would look for it; one of a kind in its set.
        captions: what it shows, the fullest first; empty where nobody said.
        tags: everything else that is known, such as name, style, group, label, keywords (joined by ", ").
        read: decodes it.
        alpha: decodes how opaque it is, uint8 (1, H, W), where a set keeps that beside its pictures on white.
    """

    name: str
    captions: tuple[str, ...]
    tags: Mapping[str, str]
    read: Read
    alpha: Read | None = None


class Source(Protocol):
    """Items by number, 0 to len - 1, always in the same order."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Item: ...


class Layout(Protocol):
    """One way of laying out a set."""

    def claims(self, path: Path, /) -> int:
        """How sure it is that this is its own: 0 no, 1 perhaps, 2 certainly."""
        ...

    def open(self, path: Path, split: str, /) -> Source:
        """The items of a split, possibly none; `Refused` where there is no such split or a file is broken."""
        ...


@dataclass(frozen=True)
class Stored:
    """A compressed picture: `size` bytes of a file from `offset` on (to the end where size is negative)."""

    path: Path
    name: str
    offset: int = 0
    size: int = -1
    channels: int = 3

    def __call__(self) -> Tensor:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return decode(file.read(self.size), self.name, self.channels)


def open_source(path: Path, split: str = "train", captionless: bool = False) -> Source:
    """Open a set of pictures, whichever layout it has.

    Args:
        path: a folder of webdataset shards, of pictures or of IDX files; or one shard.
        split: "train", "heldout" or another name that the set uses; "train+extra" adds a set's `extra-*` shards.
        captionless: accept a set without a single caption, to train without text.

    Raises:
        Refused: nothing is there, no layout fits, the split is missing or empty, no picture has a caption, or a file
            is broken.
    """
    if not path.exists():
        raise Refused(f"there is no '{path}'", "give the folder that holds the pictures", "data")
    source = _layout(path).open(path, split)
    if not len(source):
        raise Refused(f"'{path}' has no picture in its split '{split}'", "add pictures or name another split", "data")
    if not captionless and not any(item.captions for item in items(source)):
        raise Refused(
            f"none of the {len(source)} pictures in '{path}' has a caption",
            "put NAME.txt beside each NAME.png, write a metadata.jsonl, or train without text",
            "data",
        )
    return source


def items(source: Source) -> Iterator[Item]:
    """Every item in order."""
    return (source[index] for index in range(len(source)))


def layers(item: Item) -> tuple[Tensor, Tensor | None]:
    """A picture, and how opaque it is where its set keeps that.

    Raises:
        Refused: one of them is damaged, or they are of two sizes.
        OSError: a file cannot be read.
    """
    picture, alpha = item.read(), item.alpha() if item.alpha else None
    if alpha is not None and alpha.shape[1:] != picture.shape[1:]:
        (height, width), (tall, wide) = picture.shape[1:], alpha.shape[1:]
        what = f"{item.name} is of {width}x{height} pixels and its alpha of {wide}x{tall}"
        raise Refused(what, "make them of one size", "data")
    return picture, alpha


def _layout(path: Path) -> Layout:
    claims = {name: layout.claims(path) for name, layout in LAYOUTS.items()}
    surest = [name for name, claim in claims.items() if claim and claim == max(claims.values())]
    if not surest:
        raise Refused(
            f"'{path}' holds no set of pictures",
            "known are webdataset shards (train-*.tar), pictures with .txt, .json or metadata.jsonl, and IDX files",
            "data",
        )
    if len(surest) > 1:
        raise Refused(f"'{path}' could be {' or '.join(surest)}", "keep one layout in a folder", "data")
    return LAYOUTS[surest[0]]
