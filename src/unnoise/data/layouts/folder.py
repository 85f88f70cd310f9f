"""A folder of pictures, with captions in NAME.txt or NAME.json beside them or in a metadata.jsonl.

`metadata.jsonl` is Hugging Face's imagefolder convention: one object a line, `file_name` relative to the file's own
folder and `text` or `caption`. A split is a subfolder; what lies in none of another split's is "train" where no folder
of that name is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unnoise.core.error import Refused
from unnoise.data.metadata import PICTURES, captions_in, captions_of, decoded, parsed, tags_of
from unnoise.data.source import Item, Stored

ALIASES: Mapping[str, tuple[str, ...]] = {"heldout": ("heldout", "test", "validation", "valid", "val")}
METADATA = "metadata.jsonl"

Records = Mapping[Path, Mapping[str, Any]]


@dataclass(frozen=True)
class Folder:
    """Loose pictures."""

    def claims(self, path: Path) -> int:
        if not path.is_dir():
            return 0
        return 2 if (path / METADATA).is_file() else int(any(_pictures(path)))

    def open(self, path: Path, split: str) -> tuple[Item, ...]:
        root = _root(path, split)
        listed = sorted({path / METADATA, *root.rglob(METADATA)})
        records = {file: record for each in listed if each.is_file() for file, record in _records(each)}
        away = {path / name for names in ALIASES.values() for name in names} if root == path else set[Path]()
        wanted = (file for file in _pictures(root) if away.isdisjoint(file.parents))
        return tuple(_item(file, path, records) for file in sorted(wanted))


def _root(path: Path, split: str) -> Path:
    names = ALIASES.get(split, (split,))
    found = next((path / name for name in names if name and (path / name).is_dir()), None)
    if found:
        return found
    if split != "train":
        raise Refused(f"'{path}' has no split '{split}'", f"put its pictures in {path / split}", "split")
    return path


def _pictures(root: Path) -> Iterator[Path]:
    return (f for f in root.rglob("*") if f.suffix.lower() in PICTURES and not f.name.startswith(".") and f.is_file())


def _records(listing: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    lines = decoded(_bytes(listing), f"'{listing}'").split("\n")  # other ends of lines may be in a text
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"'{listing}', line {number},"
        record = parsed(line.encode(), where)
        name = record.get("file_name")
        if not isinstance(name, str) or not name:
            raise Refused(f"{where} has no file_name", 'write {"file_name": "a.png", "text": "..."}', "data")
        file = listing.parent / name
        if ".." in Path(name).parts or Path(name).is_absolute() or not file.is_file():
            raise Refused(
                f"{where} names '{name}', which is not in the folder", "mend the line or add the file", "data"
            )
        yield file, record


def _item(file: Path, path: Path, records: Records) -> Item:
    record = dict(records.get(file, {}))
    if (about := file.with_suffix(".json")).is_file():
        record |= parsed(_bytes(about), f"'{about}'")
    captions = captions_of(record)
    if not captions and (plain := file.with_suffix(".txt")).is_file():
        captions = captions_in(decoded(_bytes(plain), f"'{plain}'"))
    place = file.relative_to(path)
    tags = {"folder": place.parent.as_posix()} if place.parent.name else {}
    return Item(place.as_posix(), captions, tags | tags_of(record, ("file_name",)), Stored(file, str(file)))


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"'{file}' cannot be read ({error.strerror})", "check the file", "data") from None


layout = Folder()
