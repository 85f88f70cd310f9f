"""A file's sha256, and the cache that may save computing it and may never be wrong or in the way."""

import hashlib
import json
import os

import pytest
import torch

from unnoise.weights import digest


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_it_is_the_files_and_is_computed_once(tmp_path, home, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert digest.sha256(path) == hashlib.sha256(b"abc").hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)
        assert digest.sha256(path) == hashlib.sha256(b"abc").hexdigest()
    assert [path.name for path in (home / "cache").iterdir()] == ["sha256.json"]


@pytest.mark.parametrize("change", ["content", "time", "place"])
def test_a_change_is_seen(tmp_path, home, change):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    digest.sha256(path)
    if change == "content":
        path.write_bytes(b"abcd")
    elif change == "time":
        path.write_bytes(b"abd")
        os.utime(path, ns=(1, 1))
    else:
        path = tmp_path / "y"
        path.write_bytes(b"xyz")
    assert digest.sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1}', "\udcff"])
def test_a_damaged_cache_is_as_none(tmp_path, home, text):
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "sha256.json").write_bytes(os.fsencode(text))
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert digest.sha256(path) == hashlib.sha256(b"abc").hexdigest()
    assert hashlib.sha256(b"abc").hexdigest() in json.loads((home / "cache" / "sha256.json").read_text()).values()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path / "file" / "home"))
    (tmp_path / "x").write_bytes(b"abc")
    assert digest.sha256(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()


def test_the_cache_stays_small(tmp_path, home):
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "sha256.json").write_text(json.dumps({str(i): "x" for i in range(5000)}))
    (tmp_path / "x").write_bytes(b"abc")
    digest.sha256(tmp_path / "x")
    assert len(json.loads((home / "cache" / "sha256.json").read_text())) == 1000


def test_tensors_are_told_apart_by_name_shape_type_and_bits():
    x = torch.arange(6.0)
    known = [
        {"a": x},
        {"b": x},
        {"a": x.view(2, 3)},
        {"a": x.half()},
        {"a": x + 1},
        {"a": x, "b": x},
        {"a": x[:0]},
        {"a": x.int()},
    ]
    assert len({digest.of_tensors(each) for each in known}) == len(known)
    assert digest.of_tensors({"a": x, "b": x + 1}) == digest.of_tensors({"b": x + 1, "a": x.clone()})
    assert digest.of_tensors({"a": x}, "more") != digest.of_tensors({"a": x})
    assert digest.of_tensors({"a": x.view(2, 3).T}) == digest.of_tensors({"a": x.view(2, 3).T.contiguous()})
