"""Latents kept in a file: the codec's own, whatever was interrupted, and for their own pictures alone."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import sleep

import pytest
import torch

from train import tiny
from unnoise.core.error import Refused
from unnoise.data import latents as module
from unnoise.data.latents import latents, name_of
from unnoise.networks.autoencoder import Autoencoder, AutoencoderConfig


@pytest.fixture
def codec() -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(AutoencoderConfig(channels=2, widths=(4,), blocks=1, smooth=2)).eval()


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOGETHER", 4)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is logged."""
    lines: list[str] = []
    monkeypatch.setattr(module.LOG, "info", lambda text, *args: lines.append(text % args))
    return lines


CPU = torch.device("cpu")


def test_they_are_the_codec_s(codec: Autoencoder, tmp_path: Path, told: list[str]) -> None:
    pictures = tiny.pictures(10)
    found = latents(pictures, codec, CPU, tmp_path / "kept" / "a.f16")
    with torch.no_grad():
        wanted = codec.encode(pictures.images.float() / 127.5 - 1)
    torch.testing.assert_close(found.samples.float(), wanted, rtol=1e-3, atol=1e-3)
    assert found.captions == pictures.captions and len(found) == 10
    assert told == [f"encoding pictures: {done} of 10" for done in (4, 8, 10)]
    ((indices, batch),) = found.gather([[7, 2]])
    assert indices == [7, 2] and torch.equal(batch, found.samples[[7, 2]].float())
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["a.f16"]


@pytest.mark.parametrize("left", [0, 1, 100, 129, 200])
def test_what_was_stopped_half_way_goes_on(codec: Autoencoder, tmp_path: Path, left: int, told: list[str]) -> None:
    pictures = tiny.pictures(10)
    whole = latents(pictures, codec, CPU, tmp_path / "whole.f16").samples
    content = (tmp_path / "whole.f16").read_bytes()
    (tmp_path / "again.f16.part").write_bytes(content[:left])
    told.clear()
    again = latents(pictures, codec, CPU, tmp_path / "again.f16").samples
    assert torch.equal(again, whole)
    assert told[0] == f"encoding pictures: {min(left // 16 // 4 * 4 + 4, 10)} of 10"  # 16 bytes each, 4 at once
    assert not (tmp_path / "again.f16.part").exists()


def test_of_two_at_once_one_makes_them_and_the_other_waits(
    codec: Autoencoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, file = tiny.pictures(10), tmp_path / "a.f16"
    begun, waiting, go, lines = Event(), Event(), Event(), list[str]()

    def info(text: str, *args: int) -> None:
        lines.append(text)
        (waiting if text.startswith("waiting for another") else begun).set()
        if args:
            go.wait(30)

    monkeypatch.setattr(module.LOG, "info", info)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(latents, pictures, codec, CPU, file)
        assert begun.wait(30)
        second = pool.submit(latents, pictures, codec, CPU, file)
        assert waiting.wait(30)
        sleep(0.2)
        assert not second.done()
        go.set()
        assert torch.equal(first.result().samples, second.result().samples)
    assert len(lines) == 4 and [path.name for path in tmp_path.iterdir()] == ["a.f16"]


def test_what_another_finished_meanwhile_is_taken(
    codec: Autoencoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    pictures = tiny.pictures(10)
    whole = latents(pictures, codec, CPU, tmp_path / "whole.f16").samples

    @contextmanager
    def late(part: Path) -> Generator[None]:
        (tmp_path / "whole.f16").rename(tmp_path / "a.f16")
        part.touch()
        yield

    monkeypatch.setattr(module, "_alone", late)
    told.clear()
    assert torch.equal(latents(pictures, codec, CPU, tmp_path / "a.f16").samples, whole)
    assert told == [] and [path.name for path in tmp_path.iterdir()] == ["a.f16"]


def test_a_file_of_other_latents_is_refused(codec: Autoencoder, tmp_path: Path) -> None:
    latents(tiny.pictures(10), codec, CPU, tmp_path / "a.f16")
    with pytest.raises(Refused, match="holds other latents"):
        latents(tiny.pictures(9), codec, CPU, tmp_path / "a.f16")


def test_a_folder_that_cannot_be_written_is_refused(codec: Autoencoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot keep latents"):
        latents(tiny.pictures(2), codec, CPU, tmp_path / "file" / "a.f16")


def test_the_name_stands_for_codec_and_pictures(codec: Autoencoder) -> None:
    pictures, others = tiny.pictures(10), tiny.pictures(10, seed=1)
    same = [name_of(codec, made, "a") for made in (pictures, tiny.pictures(10))]
    names = [same[0], name_of(codec, pictures, "b"), name_of(codec, others, "a"), name_of(codec, tiny.pictures(9), "a")]
    with torch.no_grad():
        codec.whiten.running_var[0] += 0.5
    names.append(name_of(codec, pictures, "a"))
    assert same[0] == same[1] and len(set(names)) == 5
