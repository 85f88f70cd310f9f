"""Webdataset shards: tar files whose members NAME.webp, NAME.json and NAME.txt make up the picture NAME.

A folder's shards are told apart by name: `train-*.tar`, `heldout-*.tar`; shards named `extra-*` belong to the split
they name further on and are taken only by "train+extra". Shards without such a name are all of them "train".
A tar is indexed once, by offsets; pictures are read straight from it. NAME.alpha.webp (or .png) says how opaque the
picture is that NAME.webp shows on white. Members of other kinds and names without a picture are passed over.
"""

import tarfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unnoise.core.error import Refused
from unnoise.data.metadata import PICTURES, captions_in, captions_of, decoded, parsed, tags_of
from unnoise.data.source import Item, Stored

SPLITS = ("train", "heldout", "test", "validation", "val")
LARGEST_TEXT = 1 << 20  # bytes of one caption file; more is a mistake or an attack

Members = Mapping[str, tarfile.TarInfo]


@dataclass(frozen=True)
class Shards:
    """Tar files of pictures with their captions."""

    def claims(self, path: Path) -> int:
        return 2 if path.suffix == ".tar" or any(path.glob("*.tar")) else 0

    def open(self, path: Path, split: str) -> tuple[Item, ...]:
        return tuple(item for shard in _shards(path, split) for item in _items(shard))


def _shards(path: Path, split: str) -> list[Path]:
    """The files of a split, in order of their names."""
    if path.is_file():
        if split != "train" and not path.name.startswith(split + "-"):
            raise Refused(f"'{path}' is one shard and has no split '{split}'", "give the folder of shards", "split")
        return [path]
    split, _, more = split.partition("+")
    if more not in ("", "extra"):
        raise Refused(f"'{more}' cannot be added to a split", "write train or train+extra", "split")
    every = sorted(path.glob("*.tar"))
    plain = [shard for shard in every if not shard.name.startswith("extra-")]
    own = [shard for shard in plain if shard.name.startswith(split + "-")]
    if split == "train" and not any(shard.name.startswith(tuple(s + "-" for s in SPLITS)) for shard in plain):
        own = plain
    if not own:
        there = ", ".join(shard.name for shard in every[:5])
        raise Refused(f"'{path}' has no shard {split}-*.tar", f"it holds {there}", "split")
    return own + [s for s in every if more and s not in plain and f"-{split}-" in s.name]


def _items(shard: Path) -> Iterator[Item]:
    with _archive(shard) as archive:
        for key, members in _grouped(archive, shard).items():
            if kind := next((k for k in PICTURES if k in members), ""):
                captions, tags = _words(archive, members, shard)
                alpha = next((members[f".alpha{k}"] for k in PICTURES if f".alpha{k}" in members), None)
                opaque = _stored(shard, alpha, 1) if alpha else None
                yield Item(key, captions, tags, _stored(shard, members[kind]), opaque)


def _stored(shard: Path, member: tarfile.TarInfo, channels: int = 3) -> Stored:
    return Stored(shard, f"{shard}:{member.name}", member.offset_data, member.size, channels)


def _grouped(archive: tarfile.TarFile, shard: Path) -> dict[str, dict[str, tarfile.TarInfo]]:
    """Members by name up to the first dot of the file's name, then by what follows."""
    found: dict[str, dict[str, tarfile.TarInfo]] = {}
    for member in archive:
        if not member.isreg():
            continue
        path = PurePosixPath(member.name)
        stem, dot, kind = path.name.partition(".")
        members = found.setdefault(str(path.with_name(stem)) if stem else member.name, {})
        if dot + kind.lower() in members:
            raise Refused(f"'{shard}' has two members named '{member.name}'", "write the shard again", "data")
        members[dot + kind.lower()] = member
    _check_end(archive)
    return found


def _check_end(archive: tarfile.TarFile) -> None:
    # tarfile takes a damaged header past the first for the end, and so would lose the rest of a shard without a word.
    with Path(str(archive.name)).open("rb") as file:
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"no end mark at byte {archive.offset}")


def _words(archive: tarfile.TarFile, members: Members, shard: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    captions, tags = (), {}
    if about := members.get(".json"):
        record = parsed(_text(archive, about, shard), f"'{shard}', member '{about.name}',")
        captions, tags = captions_of(record), tags_of(record)
    if not captions and (plain := members.get(".txt")):
        captions = captions_in(decoded(_text(archive, plain, shard), f"'{shard}', member '{plain.name}',"))
    return captions, tags


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo, shard: Path) -> bytes:
    file = archive.extractfile(member)
    if file is None or member.size > LARGEST_TEXT:
        raise Refused(f"'{shard}', member '{member.name}', is too long for a caption", "mend or remove it", "data")
    return file.read()


@contextmanager
def _archive(shard: Path) -> Generator[tarfile.TarFile, None, None]:
    try:
        with tarfile.open(shard, "r:") as archive:
            yield archive
    except (tarfile.TarError, EOFError) as error:
        remedy = "shards are uncompressed tar files; fetch or write this one again"
        raise Refused(f"'{shard}' is broken or no tar file ({error})", remedy, "data") from None
    except OSError as error:
        raise Refused(f"'{shard}' cannot be read ({error.strerror})", "check the file", "data") from None


layout = Shards()
