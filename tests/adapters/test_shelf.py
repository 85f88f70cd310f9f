"""Adapters are found by path, by name and by hash, read once, and nothing else is."""

import pytest

from adapters.small import TO_Q, pair, write
from unnoise.adapters.shelf import Adapters, find, holding, is_path, names
from unnoise.core.error import Refused
from unnoise.weights.digest import sha256


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path))
    made = tmp_path / "adapters"
    made.mkdir()
    write(made, pair(f"unet.{TO_Q}", 32, 32))
    (made / "notes.txt").write_text("no adapter")
    return made


def test_by_name_path_and_hash(folder):
    path = folder / "style.safetensors"
    assert list(names("lora")) == ["style"] and list(names("embedding")) == []
    assert find("style", "lora") == find(str(path), "lora") == path
    assert holding([sha256(path), "0"], "lora") == {sha256(path): path}
    assert holding([], "lora") == {}


def test_a_file_here_is_taken_where_no_name_is_known(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("style", "other"):
        (tmp_path / name).write_bytes((folder / "style.safetensors").read_bytes())
    (tmp_path / "canny").mkdir()
    (tmp_path / "canny" / "config.json").write_text("{}")
    assert find("style", "lora") == folder / "style.safetensors" and find("other", "lora").samefile("other")
    assert find("canny", "control").samefile("canny") and not is_path("canny", "lora") and is_path("other", "lora")
    assert Adapters().adapter("other").name == "other"


@pytest.mark.parametrize(
    ("name", "said"),
    [("stile", "did you mean 'style'"), ("zzz", "put one into"), ("a/b", "no file"), ("x.pt", "no file")],
)
def test_what_is_not_there(folder, name, said):
    with pytest.raises(Refused, match=said):
        find(name, "lora")
    with pytest.raises(Refused):
        find("style", "embedding")


def test_a_library_reads_each_once_and_by_its_own_name(folder):
    held = Adapters(lora={"mine": folder / "style.safetensors"})
    assert held.adapter("mine") is held.adapter("mine")
    assert held.adapter("mine").name == "mine"
    assert held.adapter(str(folder / "style.safetensors")).name == "style"
