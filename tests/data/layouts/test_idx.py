"""IDX files give grey pictures captioned by their labels' names; a wrong file is named."""

import gzip
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.data.layouts.idx import read_idx
from unnoise.data.source import items, open_source


def _idx(shape: tuple[int, ...], values: bytes) -> bytes:
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + values


def _digits(path: Path, labels: bytes = bytes((7, 0, 3)), stem: str = "train") -> Path:
    path.mkdir(exist_ok=True)
    (path / f"{stem}-images-idx3-ubyte").write_bytes(_idx((3, 2, 4), bytes(range(24))))
    (path / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(_idx((len(labels),), labels)))
    return path


def test_digits(tmp_path: Path) -> None:
    source = open_source(_digits(tmp_path / "mnist"))
    assert [item.captions for item in items(source)] == [("7",), ("0",), ("3",)]
    assert torch.equal(source[1].read(), torch.arange(8, 16, dtype=torch.uint8).view(1, 2, 4))


def test_fashion_by_the_folders_name(tmp_path: Path) -> None:
    source = open_source(_digits(tmp_path / "Fashion-MNIST"))
    assert source[0].captions == ("sneaker",)
    assert source[0].tags == {"label": "7", "name": "sneaker"}
    with pytest.raises(Refused, match="label above 9"):
        open_source(_digits(tmp_path / "fashion", bytes((1, 2, 10))))


def test_fashion_by_its_labels(shared: Path, tmp_path: Path) -> None:
    for file in (shared / "data" / "fashion-mnist").glob("t10k-*"):
        (tmp_path / file.name).symlink_to(file)
    source = open_source(tmp_path, "heldout")
    assert len(source) == 10_000
    assert source[0].captions == ("ankle boot",)
    assert source[9_999].read().shape == (1, 28, 28)


@pytest.mark.parametrize(
    "damage", ["magic", "axes", "short", "long", "header", "empty", "gzip", "gzip body", "no pixels"]
)
def test_a_wrong_file_is_named(tmp_path: Path, damage: str) -> None:
    good = _idx((3, 2, 4), bytes(range(24)))
    packed = gzip.compress(good)
    data = {
        "magic": b"\x01" + good[1:],
        "axes": _idx((3,), bytes(3)),
        "short": good[:-1],
        "long": good + b"\0",
        "header": good[:9],
        "empty": b"",
        "gzip": packed[:-9],
        "gzip body": packed[:12] + bytes(8) + packed[20:],
        "no pixels": _idx((3, 0, 0), b""),
    }[damage]
    path = _digits(tmp_path / "mnist")
    (path / "train-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(Refused, match="train-images-idx3-ubyte"):
        open_source(path)


@given(st.binary(max_size=64))
def test_no_bytes_end_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("idx") / "x"
    for start in (b"", bytes((0, 0, 8, 1)), b"\x1f\x8b\x08"):
        file.write_bytes(start + data)
        try:
            table = read_idx(file, 1)
        except Refused as error:
            assert str(file) in str(error)
        else:
            assert len(table.values) == table.shape[0]


def test_missing_and_uneven_files(tmp_path: Path) -> None:
    path = _digits(tmp_path / "mnist")
    with pytest.raises(Refused, match="no t10k-labels-idx1-ubyte"):
        open_source(path, "heldout")
    with pytest.raises(Refused, match="no split 'validation'"):
        open_source(path, "validation")
    with pytest.raises(Refused, match="3 pictures but 2 labels"):
        open_source(_digits(path, bytes(2)))
