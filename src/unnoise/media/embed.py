"""Where a picture's record stands in its file, and reading what any program wrote there.

    PNG         text chunks `parameters` (AUTOMATIC1111's text), `unnoise` (our JSON), `XML:com.adobe.xmp`
    WebP, JPEG  EXIF UserComment (AUTOMATIC1111's text), XMP (with our JSON as a property)

A JPEG segment holds 64 KiB. A longer `parameters` is left out there, since the record says the same and more; a longer
record goes into extended XMP (Adobe, XMP Specification part 3, 1.1.3.1).
"""

import hashlib
import struct
from os import PathLike
from typing import Any, cast

from PIL import Image, PngImagePlugin

from unnoise.media.container import FAULTS, opened, quiet, read_bytes
from unnoise.media.infotext import parameters
from unnoise.media.provenance import RECORD, packet, properties, source_properties
from unnoise.media.record import Record, from_json

TEXT = 4 * 2**20
"""The most characters of one text that are read; a longer one is left out."""
ENTRIES = 100

XMP = "XML:com.adobe.xmp"
_SEGMENT = 65_000  # of a JPEG segment's 65,533 bytes; the rest is for the headers inside
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_NOTE = "xmpNote:HasExtendedXMP"
_EXIF, _USER_COMMENT, _MODEL, _MAKE, _DESCRIPTION = 0x8769, 0x9286, 0x0110, 0x010F, 0x010E


def options(format: str, record: Record) -> dict[str, Any]:
    """What Pillow's `save` takes to put the record into a file of this format: png, webp or jpeg."""
    source = source_properties(record)
    if format == "png":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_text("parameters", parameters(record))
        chunks.add_text("unnoise", record.json())
        chunks.add_itxt(XMP, packet(source))
        return {"pnginfo": chunks}
    exif = _user_comment(parameters(record))
    xmp = packet({**source, RECORD: record.json()}).encode()
    if format == "webp":
        return {"exif": exif, "xmp": xmp}
    fitting = {"exif": exif} if len(exif) <= _SEGMENT else {}
    if len(xmp) <= _SEGMENT:
        return {**fitting, "xmp": xmp}
    extension = packet({RECORD: record.json()}).encode()
    digest = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()
    return {**fitting, "xmp": packet({**source, _NOTE: digest}).encode(), "extra": _segments(extension, digest)}


def read_metadata(path: str | PathLike[str]) -> dict[str, str]:
    """The texts in a picture's file, as `metadata` gives them.

    Raises:
        Refused: if the file cannot be read or is no sound picture.
    """
    return metadata(read_bytes(path), str(path))


def read_record(path: str | PathLike[str]) -> Record | None:
    """The record in a picture's file; None if it has none.

    Raises:
        Refused: if the file cannot be read, is no sound picture, or its record is damaged or too new.
    """
    text = read_metadata(path).get("unnoise")
    return None if text is None else from_json(text)


def metadata(data: bytes, name: str) -> dict[str, str]:
    """The texts in a picture's bytes, by name; `name` is the picture's, for errors.

    PNG's text chunks keep their keywords. `parameters` is also EXIF's UserComment, `unnoise` our record wherever it
    stands, `XML:com.adobe.xmp` the XMP packet, `comment` a GIF's or JPEG's; EXIF's "key:value" texts, as ComfyUI writes
    into WebP, stand under their key. At most `ENTRIES` texts of `TEXT` characters: they are a stranger's, to be judged.

    Raises:
        Refused: if the bytes are no sound picture.
    """
    with opened(data, name) as image:
        if image.format == "PNG":
            image.load()  # texts may stand behind the pixels
        with quiet():
            exif = _exif_texts(image)
        info = cast(dict[Any, object], image.info)
        found = {str(key): str(value) for key, value in info.items() if isinstance(value, str)}
        if isinstance(comment := info.get("comment"), bytes):
            found["comment"] = comment.decode("utf-8", "replace")
        if isinstance(xmp := info.get("xmp"), bytes) and len(xmp) <= TEXT:
            found[XMP] = xmp.decode("utf-8", "replace")
        found = {**exif, **found}
        if "unnoise" not in found and XMP in found:
            found |= _record_text(properties(found[XMP]), image)
    fitting = [(key, text) for key, text in found.items() if len(text) <= TEXT]
    return dict(fitting[:ENTRIES])


def _user_comment(text: str) -> bytes:
    exif = Image.Exif()
    exif.endian = ">"  # so that a reader who takes the file's byte order and one who takes UTF-16BE agree
    exif.get_ifd(_EXIF)[_USER_COMMENT] = b"UNICODE\0" + text.encode("utf-16-be")
    return exif.tobytes()


def _segments(extension: bytes, digest: str) -> bytes:
    parts: list[bytes] = []
    for offset in range(0, len(extension), _SEGMENT):
        piece = extension[offset : offset + _SEGMENT]
        body = _EXTENSION + digest.encode() + struct.pack(">II", len(extension), offset) + piece
        parts.append(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body)
    return b"".join(parts)


def _record_text(xmp: dict[str, str], image: Image.Image) -> dict[str, str]:
    text = xmp.get(RECORD)
    if text is None and _NOTE in xmp:
        text = properties(_extension(image, xmp[_NOTE])).get(RECORD)
    return {} if text is None else {"unnoise": text}


def _extension(image: Image.Image, digest: str) -> str:
    """The extended XMP of this digest; empty if it is not whole."""
    head = _EXTENSION + digest.encode("ascii", "replace")
    segments = cast(list[tuple[str, bytes]], getattr(image, "applist", []))
    pieces: dict[int, bytes] = {}
    for _, body in segments:
        if body.startswith(head) and len(body) >= len(head) + 8:
            offset = struct.unpack_from(">I", body, len(head) + 4)[0]
            pieces[offset] = body[len(head) + 8 :]
    whole = b"".join(pieces[offset] for offset in sorted(pieces))
    sound = len(whole) <= TEXT and hashlib.md5(whole, usedforsecurity=False).hexdigest().upper() == digest.upper()
    return whole.decode("utf-8", "replace") if sound else ""


def _exif_texts(image: Image.Image) -> dict[str, str]:
    """The texts in EXIF that programs of the field write; none if it is damaged."""
    try:
        exif = image.getexif()
        comment = exif.get_ifd(_EXIF).get(_USER_COMMENT)
        texts = [exif.get(tag) for tag in range(_MODEL, _DESCRIPTION - 100, -1) if tag in exif]
    except FAULTS:  # damaged EXIF must not cost the rest
        return {}
    found: dict[str, str] = {}
    for text in texts:
        key, colon, value = text.partition(":") if isinstance(text, str) else ("", "", "")
        if colon and key.isidentifier():
            found[key] = value.rstrip("\0")
    if isinstance(comment, bytes):
        found["parameters"] = _comment_text(comment)
    return found


def _comment_text(comment: bytes) -> str:
    """EXIF's UserComment: eight bytes name the code (CIPA DC-008, 4.6.5), of which UTF-16 comes in both byte orders."""
    code, body = comment[:8], comment[8:]
    if code == b"UNICODE\0":
        little = body.startswith(b"\xff\xfe") or body[1::2].count(0) > body[::2].count(0)
        return body.decode("utf-16-le" if little else "utf-16-be", "replace").lstrip("\ufeff").rstrip("\0")
    if code in (b"ASCII\0\0\0", bytes(8)):
        return body.decode("utf-8", "replace").rstrip("\0")
    return comment.decode("utf-8", "replace").rstrip("\0")
