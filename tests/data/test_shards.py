"""Shards that are written are read back, and come out the same every time."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from unnoise.data.shards import write
from unnoise.data.source import items, open_source


@dataclass(frozen=True)
class One:
    name: str
    picture: bytes

    def members(self) -> Mapping[str, bytes]:
        return {".png": self.picture, ".txt": self.name.encode()}


@pytest.fixture
def samples(png) -> list[One]:
    return [One(f"p{k}", png((k * 20, 0, 0))) for k in range(7)]


def test_samples_come_back_in_order_from_shards_of_like_length(tmp_path: Path, samples: list[One]) -> None:
    written = list(write(tmp_path, "train", samples, each=3))
    assert [(s.file, s.samples) for s in written] == [(f"train-0000{k}.tar", n) for k, n in enumerate((2, 2, 3))]
    found = list(items(open_source(tmp_path)))
    assert [item.captions for item in found] == [(one.name,) for one in samples]
    assert [int(item.read()[0, 0, 0]) for item in found] == [k * 20 for k in range(7)]
    for shard in written:
        data = (tmp_path / shard.file).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard.bytes, shard.sha256)


def test_the_same_samples_give_the_same_bytes(tmp_path: Path, samples: list[One]) -> None:
    first, second = (list(write(tmp_path, split, samples)) for split in ("train", "again"))
    assert first[0].sha256 == second[0].sha256


def test_nothing_is_no_shard(tmp_path: Path) -> None:
    assert list(write(tmp_path, "heldout", [])) == [] and list(tmp_path.iterdir()) == []
