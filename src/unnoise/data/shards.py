"""Webdataset shards, written: what `data/layouts/shards.py` reads. The same samples give the same bytes."""

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

EACH = 2000
"""Samples a shard holds at most."""


class Sample(Protocol):
    """One picture of a set: its name, and its files by what follows the name, such as ".webp"."""

    @property
    def name(self) -> str: ...
    def members(self) -> Mapping[str, bytes]:
        """Read when the sample's turn comes, so that a set need not fit into memory."""
        ...


@dataclass(frozen=True)
class Shard:
    """A shard that was written: its file's name, how many samples it holds, its bytes and their sha256."""

    file: str
    samples: int
    bytes: int
    sha256: str


def write(folder: Path, split: str, samples: Sequence[Sample], each: int = EACH) -> Iterator[Shard]:
    """Write SPLIT-00000.tar and so on, samples in their order, about as many in each; tells each once it is there."""
    count = -(-len(samples) // each)
    for number in range(count):
        first, last = (len(samples) * k // count for k in (number, number + 1))
        path = folder / f"{split}-{number:05}.tar"
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for sample in samples[first:last]:
                for suffix, data in sample.members().items():
                    _add(archive, sample.name + suffix, data)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        yield Shard(path.name, last - first, path.stat().st_size, digest)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # time, owner and rights are the same for all
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
