"""`unnoise doctor`: a line for each check, a remedy for each problem, and an exit code that says if there is one."""

import json
import sys
from types import SimpleNamespace

import pytest

from unnoise.cli import doctor


@pytest.fixture
def sound(folder, tiny_model, monkeypatch):
    """A shipped model, wherever the tests run."""
    models = folder.parent / "home" / "models"
    models.mkdir(parents=True)
    (models / "emoji.safetensors").write_bytes(tiny_model.read_bytes())
    monkeypatch.setattr(doctor, "memory", lambda: doctor.Finding("memory", "enough"))


def findings(unnoise):
    ended = unnoise("doctor", "--json")
    return ended.code, {row["check"]: row for row in map(json.loads, ended.lines)}


def test_a_sound_installation(unnoise, sound):
    code, rows = findings(unnoise)
    assert code == 0 and all(row["ok"] and row["found"] for row in rows.values())
    assert len(rows) == len(doctor.CHECKS)
    ended = unnoise("doctor")
    assert ended.code == 0 and all(line.startswith("ok ") for line in ended.lines)
    assert any("torch" in line and "thread" in line for line in ended.lines)


def test_a_missing_model_and_a_cut_one_are_problems(unnoise, folder, sound):
    shipped = folder.parent / "home" / "models" / "emoji.safetensors"
    shipped.write_bytes(shipped.read_bytes()[:-10])
    code, rows = findings(unnoise)
    assert code == 1 and not rows["shipped model"]["ok"] and rows["shipped model"]["remedy"]
    assert "PROBLEM  shipped model" in unnoise("doctor").out


def test_a_broken_torchvision_is_found(unnoise, folder, sound, monkeypatch):
    (folder / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(str(folder))
    code, rows = findings(unnoise)
    assert code == 1 and "nms" in rows["torchvision"]["found"] and "uninstall" in rows["torchvision"]["remedy"]


def test_a_broken_torch_is_found(unnoise, sound, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, rows = findings(unnoise)
    assert code == 1 and not rows["torch"]["ok"] and not rows["device"]["ok"]


def test_a_home_that_cannot_be_written_is_found(unnoise, folder, sound, monkeypatch):
    (folder / "file").touch()
    monkeypatch.setenv("UNNOISE_HOME", str(folder / "file" / "home"))
    _, rows = findings(unnoise)
    assert "set UNNOISE_HOME" in rows["UNNOISE_HOME"]["remedy"]


def test_nothing_is_left_in_the_home_folder(unnoise, folder, monkeypatch):
    monkeypatch.setenv("UNNOISE_HOME", str(folder / "new"))
    assert doctor.own_folder().ok and not (folder / "new").exists()


def test_the_processor_s_features_are_read(monkeypatch):
    monkeypatch.setattr(doctor, "_cpu_flags", lambda: {"avx512_bf16", "sse"})
    assert "bfloat16 in hardware (avx512_bf16)" in doctor.processor().found
    monkeypatch.setattr(doctor, "_cpu_flags", lambda: {"sse"})
    assert "no bfloat16" in doctor.processor().found
    monkeypatch.setattr(doctor, "_cpu_flags", set)
    assert "unknown" in doctor.processor().found


def test_an_old_python_is_found(monkeypatch):
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=(3, 10)))
    assert not doctor.python().ok
