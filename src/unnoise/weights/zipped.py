"""Where a zip archive's files lie in it: names and spans, for archives that store their files as they are.

torch stores tensors uncompressed, so that they can be mapped. A compressed file could unfold to a thousand times its
size and is refused; so are names that stand twice, files that overlap, and a directory at odds with the files' headers.
(PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16.)
"""

from pathlib import Path
from struct import Struct
from typing import BinaryIO

from unnoise.weights.entry import MOST, broken

Span = tuple[int, int]

LOCAL = Struct("<4s5H3L2H")
CENTRAL = Struct("<4s6H3L5H2L")
END = Struct("<4s4H2LH")
END64 = Struct("<4sQ2H2L4Q")
LOCATOR = Struct("<4sLQL")
LARGEST = 64 * 2**20
"""The most bytes of a directory."""
_FULL = 0xFFFFFFFF


def spans(path: Path, file: BinaryIO, whole: int) -> dict[str, Span]:
    """The first byte of each file in an archive of `whole` bytes, and the one after its last.

    Raises:
        Refused: the archive is damaged, compressed or encrypted.
    """
    count, length, start = _directory(path, file, whole)
    if count > 2 * MOST or length > LARGEST or start + length > whole:
        raise broken(path, f"its directory of {count:,} files cannot be", "torch")
    file.seek(start)
    directory, at = file.read(length), 0
    found: dict[str, Span] = {}
    for _ in range(count):
        if at + CENTRAL.size > length:
            raise broken(path, "its directory is cut short", "torch")
        name, size, offset, at = _listed(path, directory, at)
        if name in found:
            raise broken(path, f"its file {name[:60]!r} stands twice", "torch")
        found[name] = _span(path, file, name, offset, size, whole)
    _check_apart(path, found)
    return found


def _directory(path: Path, file: BinaryIO, whole: int) -> tuple[int, int, int]:
    """How many files the directory lists, its length and its first byte."""
    first = max(0, whole - END.size - 0xFFFF)
    file.seek(first)
    tail = file.read(whole - first)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + END.size > len(tail):
        raise broken(path, "it is cut short: the archive has no directory", "torch")
    _, _, _, _, count, length, start, _ = END.unpack_from(tail, at)
    if at >= LOCATOR.size and tail.startswith(b"PK\6\7", at - LOCATOR.size):
        _, _, where, _ = LOCATOR.unpack_from(tail, at - LOCATOR.size)
        file.seek(min(where, whole))
        record = file.read(END64.size)
        if len(record) < END64.size or not record.startswith(b"PK\6\6"):
            raise broken(path, "its directory cannot be found", "torch")
        *_, count, length, start = END64.unpack(record)
    return count, length, start


def _listed(path: Path, directory: bytes, at: int) -> tuple[str, int, int, int]:
    """A directory's entry: name, size, where the file's own header lies, and where the next entry begins."""
    said = CENTRAL.unpack_from(directory, at)
    mark, flags, method = said[0], said[3], said[4]
    packed, size, n, m, k, offset = said[8], said[9], said[10], said[11], said[12], said[16]
    first = at + CENTRAL.size
    name = directory[first : first + n].decode("utf-8", "replace")
    if mark != b"PK\1\2" or len(directory) < first + n + m + k or not name.isprintable():
        raise broken(path, "its directory is damaged", "torch")
    if method or flags & 1:
        what = "encrypted" if flags & 1 else "compressed, which torch never does"
        raise broken(path, f"its file {name[:60]!r} is {what}", "torch")
    wide = _wide(directory[first + n : first + n + m])
    size, packed, offset = (wide.pop(0) if v == _FULL and wide else v for v in (size, packed, offset))
    if size != packed:
        raise broken(path, f"its file {name[:60]!r} has two sizes", "torch")
    return name, size, offset, first + n + m + k


def _wide(extra: bytes) -> list[int]:
    """The numbers of 64 bits that stand in an entry's extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = int.from_bytes(extra[at : at + 2], "little"), int.from_bytes(extra[at + 2 : at + 4], "little")
        if kind == 1:
            data = extra[at + 4 : at + 4 + length]
            return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data) - 7, 8)]
        at += 4 + length
    return []


def _span(path: Path, file: BinaryIO, name: str, offset: int, size: int, whole: int) -> Span:
    """A file's bytes, behind its own header, which has to agree with the directory."""
    file.seek(min(offset, whole))
    head = file.read(LOCAL.size)
    if len(head) == LOCAL.size and head.startswith(b"PK\3\4"):
        said = LOCAL.unpack(head)
        n, m = said[9], said[10]
        first = offset + LOCAL.size + n + m
        if file.read(n).decode("utf-8", "replace") == name and first + size <= whole:
            return first, first + size
    raise broken(path, f"its file {name[:60]!r} is not where the directory has it", "torch")


def _check_apart(path: Path, found: dict[str, Span]) -> None:
    last = 0
    for name, (first, after) in sorted(found.items(), key=lambda item: item[1]):
        if first < last:
            raise broken(path, f"its file {name[:60]!r} overlaps another", "torch")
        last = after
