"""T5's tokenizer from the files that it comes in: transformers' `tokenizer.json`, or `spiece.model`, which
sentencepiece wrote: a protocol buffer, of which the few fields that count are read here.

A unigram model (Kudo 2018): of all ways to cut a text into known pieces, the likeliest.
"""

import math
import struct
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from unnoise.core.error import Refused
from unnoise.text._clip_files import LARGEST, damaged, whole
from unnoise.text._stranger import check_growth, check_tokens, guarded
from unnoise.text._words import Words

SENTINELS = 100
"""Tokens that T5 has beyond sentencepiece's own, the last one first."""
_PIECE, _NORMALIZER = 1, 3  # fields of a model
_TEXT, _SCORE = 1, 2  # of a piece
_CHARACTERS = 2  # of a normalizer
_UNKNOWN = 2
_WORDS = {"type": "Metaspace", "replacement": "▁"}


def t5_words(path: Path) -> Words:
    """The tokenizer in a folder or a file.

    Args:
        path: a folder with `tokenizer.json` or `spiece.model`, or one of these files.

    Raises:
        Refused: there is none, or it is damaged.
    """
    file = path
    if path.is_dir():
        here = [path / name for name in ("tokenizer.json", "spiece.model") if (path / name).is_file()]
        if not here:
            raise Refused(f"there is no tokenizer in {path}", "it needs tokenizer.json or spiece.model", "model")
        file = here[0]
    tokenizer = whole(file) if file.suffix == ".json" else t5_tokenizer(_bytes(file), file)
    end, pad = tokenizer.token_to_id("</s>"), tokenizer.token_to_id("<pad>")
    if end is None or pad is None:
        raise damaged(file, "it has no token '</s>' or '<pad>'")
    return Words(tokenizer, None, end, pad)


def t5_tokenizer(model: bytes, file: Path) -> Tokenizer:
    """The same from a `spiece.model`'s bytes; `file` says where they are from. Raises as `t5_words` does."""
    with guarded(f"{file} is no whole tokenizer"):  # broken fields, and whatever the library makes of them
        pieces, characters = _read(model)
        pieces += [(f"<extra_id_{SENTINELS - 1 - i}>", 0.0) for i in range(SENTINELS)]
        check_tokens(text for text, _ in pieces)
        tokenizer = Tokenizer(models.Unigram(pieces, _UNKNOWN, byte_fallback=False))
        if characters:
            check_growth([{"type": "Precompiled", "precompiled_charsmap": b64encode(characters)}, _WORDS])
            tokenizer.normalizer = normalizers.Precompiled(characters)
    # The start of a word is part of its piece.
    words = pre_tokenizers.Metaspace(replacement=_WORDS["replacement"], prepend_scheme="always", split=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), words])
    marks = [text for text, _ in pieces[:3]] + [text for text, _ in pieces[-SENTINELS:]]
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    return tokenizer


def _read(model: bytes) -> tuple[list[tuple[str, float]], bytes]:
    """A model's pieces with their scores, and the table of characters that are written alike."""
    pieces: list[tuple[str, float]] = []
    characters = b""
    for number, value in _fields(model):
        if number == _PIECE and isinstance(value, bytes):
            inner = dict(_fields(value))
            text, score = inner.get(_TEXT, b""), inner.get(_SCORE, 0.0)
            if not isinstance(text, bytes) or not isinstance(score, float) or not math.isfinite(score):
                raise ValueError(f"piece {len(pieces)} is damaged")
            pieces.append((text.decode("utf-8"), score))
        elif number == _NORMALIZER and isinstance(value, bytes):
            found = dict(_fields(value)).get(_CHARACTERS, b"")
            characters = found if isinstance(found, bytes) else b""
    if [text for text, _ in pieces[:3]] != ["<pad>", "</s>", "<unk>"]:
        raise ValueError("its first pieces are not T5's")
    return pieces, characters


def _fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a protocol buffer, by number: whole numbers, numbers of four bytes, and bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(kind, 0)
        if kind == 2:
            length, place = _varint(data, place)
        elif not length:
            raise ValueError(f"a field is of kind {kind}")
        if place + length > len(data):
            raise ValueError("it is cut short")
        part = data[place : place + length]
        yield key >> 3, struct.unpack("<f", part)[0] if kind == 5 else part
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A whole number in sevens of bits, and where the next thing starts."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("it is cut short")
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number is too long")


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        raise damaged(file, error.strerror or str(error)) from None
    if len(content) > LARGEST:
        raise damaged(file, "it is too large")
    return content
