"""What lies in a batch's folder may be anybody's: nothing of it hangs, breaks or leads out of the folder."""

import json
import os

import pytest

from cli.conftest import files


@pytest.fixture
def batch(unnoise, folder, tiny_model):
    (folder / "r.jsonl").write_text(json.dumps({"prompt": "a", "seed": 1, "steps": 1, "model": str(tiny_model)}))
    (folder / "out").mkdir()
    return lambda *args: unnoise("batch", "r.jsonl", "--out", "out", *args)


HEAD = {"unnoise_batch": 1, "lines": [], "format": "png", "dtype": "float32", "exact": False}


@pytest.mark.parametrize("models", [5, [1], "abc", {"tiny": 1}])
def test_a_ledger_whose_models_are_none(batch, folder, models):
    (folder / "out" / "batch.json").write_text(json.dumps(HEAD | {"models": models}))
    batch().refusal()
    assert not [name for name in files(folder / "out") if name.endswith(".png")]


@pytest.mark.parametrize("line", ["1e999", "NaN", "null", '"x"', "[]"])
def test_a_ledger_whose_lines_are_none(batch, folder, line):
    text = json.dumps(HEAD | {"lines": [{"line": "X", "request": "x", "seed": 1}]}).replace('"X"', line)
    (folder / "out" / "batch.json").write_text(text)
    assert "is no batch's" in batch().refusal()


@pytest.mark.skipif(os.name != "posix", reason="pipes and links")
def test_pipes_links_and_folders_in_the_place_of_its_files(batch, folder):
    out = folder / "out"
    os.mkfifo(out / "batch.json")
    assert "is no batch's" in batch().refusal()
    (out / "batch.json").unlink()
    (out / ".unnoise-batch.lock").unlink()
    (out / ".unnoise-batch.lock").symlink_to(folder / "elsewhere")
    assert "cannot lock" in batch().refusal() and not (folder / "elsewhere").exists()
    (out / ".unnoise-batch.lock").unlink()
    (out / ".unnoise-batch.lock").mkdir()
    assert "cannot lock" in batch().refusal()
    (out / ".unnoise-batch.lock").rmdir()
    (out / ".unnoise-mine.tmp").mkdir()
    assert batch().code == 0 and (out / ".unnoise-mine.tmp").is_dir()


def test_a_folder_is_no_picture(batch, folder):
    assert batch().code == 0
    (folder / "out" / "000001-a-1.png").unlink()
    (folder / "out" / "000001-a-1.png").mkdir()
    assert "000001-a-1.png" in batch("--quiet").refusal()


def test_more_pictures_than_can_be_kept_in_mind(batch, folder):
    many = json.loads((folder / "r.jsonl").read_text()) | {"count": 100_000}
    (folder / "r.jsonl").write_text("\n".join([json.dumps(many)] * 11))
    assert "asks for 1,100,000 pictures" in batch().refusal()
    assert files(folder / "out") == []
