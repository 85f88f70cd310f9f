"""Pictures decoded, cut square and brought to one size: all at once in memory, or a batch at a time."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.data.source import Item, Read, Source, items
from unnoise.data.workers import ordered

TOGETHER = 32  # pictures a job: a message of a megabyte or so

Keep = Callable[[Mapping[str, str]], bool]
Named = tuple[str, Read]
Gathered = Generator[tuple[list[int], Tensor], None, None]


class Gallery(Protocol):
    """Pictures of one size by number, with what is said of them. `Pictures` and `Stream` are two."""

    @property
    def captions(self) -> Sequence[tuple[str, ...]]: ...
    @property
    def tags(self) -> Sequence[Mapping[str, str]]: ...
    def __len__(self) -> int: ...
    def gather(self, wanted: Iterable[list[int]], /) -> Gathered:
        """For each list of numbers, uint8 (B, C, size, size) and its numbers: another one where a picture is broken."""
        ...


@dataclass(frozen=True)
class Pictures:
    """A set in memory.

    Args:
        images: uint8 (N, C, size, size).
        names, captions, tags: of each picture.
        broken: "NAME: why" for every picture that could not be decoded and was left out.
    """

    images: Tensor
    names: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    tags: tuple[Mapping[str, str], ...]
    broken: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> "Pictures":
        """The same pictures held on another device."""
        return replace(self, images=self.images.to(device))

    def gather(self, wanted: Iterable[list[int]]) -> Gathered:
        for indices in wanted:
            yield indices, self.images[torch.tensor(indices, device=self.images.device)]


def load(source: Source, size: int, workers: int = 2, keep: Keep | None = None) -> Pictures:
    """Decode a set into memory, N * C * size**2 bytes.

    Args:
        size: the side in pixels that every picture is brought to, as `square` does.
        workers: processes at most; a set that takes seconds is decoded without any.
        keep: takes a picture's tags and says whether it is wanted, such as `lambda tags: tags.get("group") != "Flags"`.

    Raises:
        Refused: the size is not positive, nothing is kept, or every picture is broken.
    """
    chosen = _chosen(source, size, keep)
    jobs = (Job(size, some) for some in grouped(chosen))
    done = ordered(decode_all, jobs, workers)
    good: list[Item] = []
    broken: list[str] = []
    images = torch.empty(0, dtype=torch.uint8)
    for item, found in zip(chosen, chain.from_iterable(results for _, results in done), strict=True):
        if isinstance(found, str):
            broken.append(found)
            continue
        picture = _picture(found, size)
        if not len(images):
            images = torch.empty(len(chosen), *picture.shape, dtype=torch.uint8)
        images[len(good)] = picture
        good.append(item)
    if not good:
        raise Refused(f"all {len(broken)} pictures are broken, the first is {broken[0]}", "check the files", "data")
    names, captions, tags = zip(*((item.name, item.captions, item.tags) for item in good), strict=True)
    return Pictures(images[: len(good)], names, captions, tags, tuple(broken))


@dataclass(frozen=True, eq=False)
class Stream:
    """A set that does not fit into memory: each batch is decoded when its turn comes, a few ahead, in worker processes.

    A broken picture's place is taken by the next one that is not, so that a batch depends on nothing but its numbers.

    Args:
        items: the pictures.
        size: the side in pixels that every picture is brought to.
        workers: processes; 0 decodes here.
        broken: "NAME: why" for every broken picture met so far, by its number.
    """

    items: tuple[Item, ...]
    size: int
    workers: int = 2
    broken: dict[int, str] = field(default_factory=dict[int, str])

    @cached_property
    def captions(self) -> tuple[tuple[str, ...], ...]:
        return tuple(item.captions for item in self.items)

    @cached_property
    def tags(self) -> tuple[Mapping[str, str], ...]:
        return tuple(item.tags for item in self.items)

    def __len__(self) -> int:
        return len(self.items)

    def gather(self, wanted: Iterable[list[int]]) -> Gathered:
        jobs = (Job(self.size, self._reads(indices), tuple(indices)) for indices in wanted)
        for job, results in ordered(decode_all, jobs, self.workers):
            whole = [self._whole(index, found) for index, found in zip(job.indices, results, strict=True)]
            yield [index for index, _ in whole], torch.stack([picture for _, picture in whole])

    def _reads(self, indices: Iterable[int]) -> tuple[Named, ...]:
        return tuple((self.items[i].name, self.items[i].read) for i in indices)

    def _whole(self, index: int, found: bytes | str) -> tuple[int, Tensor]:
        for _ in range(len(self)):
            if not isinstance(found, str):
                return index, _picture(found, self.size)
            self.broken[index] = found
            index = (index + 1) % len(self)
            found = decode_all(Job(self.size, self._reads([index])))[0]
        raise Refused(f"all {len(self)} pictures are broken, the first is {self.broken[0]}", "check the files", "data")


def stream(source: Source, size: int, workers: int = 2, keep: Keep | None = None) -> Stream:
    """A set to be decoded as it is used; arguments and errors as for `load`, broken pictures aside."""
    return Stream(_chosen(source, size, keep), size, workers)


@dataclass(frozen=True)
class Job:
    """Pictures to decode in one go: the size, and each one's name and how to read it."""

    size: int
    reads: tuple[Named, ...]
    indices: tuple[int, ...] = ()


def decode_all(job: Job) -> list[bytes | str]:
    """Each picture's bytes at the job's size, (C, size, size) in a row, or "NAME: why" for one that is broken."""
    return [_decoded(name, read, job.size) for name, read in job.reads]


def grouped(chosen: Iterable[Item], together: int = TOGETHER) -> Iterator[tuple[Named, ...]]:
    """Names and readers, so many a job."""
    named = ((item.name, item.read) for item in chosen)
    return iter(lambda: tuple(islice(named, together)), ())


def square(picture: Tensor, size: int) -> Tensor:
    """The middle of a uint8 picture (C, H, W), as large a square as fits, at size x size.

    It is resized by an antialiased bicubic filter; a picture of that size already is not touched.
    """
    cut = middle(picture)
    if cut.shape[-1] == size:
        return cut
    return F.interpolate(cut[None], size=(size, size), mode="bicubic", antialias=True)[0]


def middle(picture: Tensor) -> Tensor:
    """The middle of a picture (C, H, W), as large a square as fits."""
    side = min(picture.shape[-2:])
    top, left = ((length - side) // 2 for length in picture.shape[-2:])
    return picture[:, top : top + side, left : left + side]


def _decoded(name: str, read: Read, size: int) -> bytes | str:
    try:
        return square(read(), size).numpy().tobytes()
    except Refused as error:
        return str(error)
    except OSError as error:
        return f"{name}: {error}"


def _picture(data: bytes, size: int) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(-1, size, size)


def _chosen(source: Source, size: int, keep: Keep | None) -> tuple[Item, ...]:
    if size < 1:
        raise Refused(f"pictures of {size} pixels", "take at least 1", "size")
    chosen = tuple(item for item in items(source) if keep is None or keep(item.tags))
    if not chosen:
        raise Refused(f"none of the {len(source)} pictures is kept", "loosen the filter", "keep")
    return chosen
