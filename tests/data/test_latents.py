"""Latents kept in a file: the codec's own, whatever was interrupted, and for their own pictures alone."""

from pathlib import Path

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


CPU = torch.device("cpu")


def test_they_are_the_codec_s(codec: Autoencoder, tmp_path: Path) -> None:
    pictures, told = tiny.pictures(10), []
    found = latents(pictures, codec, CPU, tmp_path / "kept" / "a.f16", told.append)
    with torch.no_grad():
        wanted = codec.encode(pictures.images.float() / 127.5 - 1)
    torch.testing.assert_close(found.samples.float(), wanted, rtol=1e-3, atol=1e-3)
    assert found.captions == pictures.captions and len(found) == 10 and told == [4, 8, 10]
    ((indices, batch),) = found.gather([[7, 2]])
    assert indices == [7, 2] and torch.equal(batch, found.samples[[7, 2]].float())
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["a.f16"]


@pytest.mark.parametrize("left", [0, 1, 100, 129, 200])
def test_what_was_stopped_half_way_goes_on(codec: Autoencoder, tmp_path: Path, left: int) -> None:
    pictures, told = tiny.pictures(10), []
    whole = latents(pictures, codec, CPU, tmp_path / "whole.f16").samples
    content = (tmp_path / "whole.f16").read_bytes()
    (tmp_path / "again.f16.part").write_bytes(content[:left])
    again = latents(pictures, codec, CPU, tmp_path / "again.f16", told.append).samples
    assert torch.equal(again, whole)
    assert told[0] == min(left // 16 // 4 * 4 + 4, 10)  # 16 bytes each, 4 at once
    assert not (tmp_path / "again.f16.part").exists()


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
