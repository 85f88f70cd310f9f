"""The published tiny autoencoder of FLUX.2's latents, read from its own files, gives its own numbers."""

import json
import tarfile

import pytest
import torch

from unnoise.media.image import decode
from unnoise.networks import CODECS
from unnoise.networks.taesd import TAESD, TAESDConfig
from unnoise.weights.open import open_tensors
from unnoise.weights.store import read_tensors


@pytest.fixture(scope="module")
def taef2(shared):
    folder = shared / "fixtures" / "autoencoders"
    if not folder.is_dir():
        pytest.skip("the published autoencoder is not in the folder 'shared'")
    codec = TAESD(TAESDConfig(channels=32, pooled=True)).eval()
    for part in ("encoder", "decoder"):
        tensors = {k: v.float() for k, v in read_tensors(folder / f"taef2_{part}.safetensors").items()}
        getattr(codec, part).load_state_dict(tensors)
    return codec, json.loads((folder / "taef2_expected.json").read_text())


def agrees(found, told):
    assert list(found.shape) == told["shape"]
    assert float(found.sum()) == pytest.approx(told["sum"], rel=1e-4)
    if "abs_sum" in told:
        assert float(found.abs().sum()) == pytest.approx(told["abs_sum"], rel=1e-4)
    assert found.flatten()[:8].tolist() == pytest.approx(told["first_8"], rel=1e-4, abs=1e-5)


@torch.no_grad()
def test_it_gives_the_published_numbers(taef2):
    codec, told = taef2
    y, x = torch.meshgrid(torch.arange(64) / 63, torch.arange(64) / 63, indexing="ij")
    picture = torch.stack([x, y, x * y])[None] * 2 - 1
    latents = codec.encode(picture)
    agrees(latents, told["encoder"]["output"])
    again = codec.decode(latents)
    agrees((again + 1) / 2, told["decoder_of_that"]["output"])
    error = ((again.clamp(-1, 1) - picture) / 2).square().mean()
    assert float(-10 * error.log10()) == pytest.approx(told["decoder_of_that"]["psnr_to_input"], abs=0.01)
    ramp = torch.arange(2048).reshape(1, 32, 8, 8) / 2048 * 2 - 1
    agrees((codec.decode(ramp) + 1) / 2, told["decoder"]["output"])


@pytest.mark.parametrize("channels", [4, 16])
def test_the_small_ones_have_no_look_at_the_whole(channels):
    codec = CODECS["taesd"](TAESDConfig(channels=channels))
    assert (codec.scale, codec.channels) == (8, channels)
    assert not any("pool" in name for name in codec.state_dict())
    with torch.no_grad():
        sample = codec.encode(torch.zeros(1, 3, 16, 24))
        assert sample.shape == (1, channels, 2, 3)
        assert codec.decode(sample).shape == (1, 3, 16, 24)


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
@torch.no_grad()
def test_it_makes_emoji_again(shared, taef2, kind):
    """From either form of its files, the same: held-out emoji come back at more than 30 dB."""
    codec, _ = taef2
    folder = shared / "fixtures" / "autoencoders"
    for part in ("encoder", "decoder"):
        tensors = {k: v.float() for k, v in open_tensors(folder / f"taef2_{part}.{kind}").items()}
        assert tensors.keys() == getattr(codec, part).state_dict().keys()
        assert all(torch.equal(v, getattr(codec, part).state_dict()[k]) for k, v in tensors.items())
    with tarfile.open(shared / "data" / "emoji128" / "heldout-00000.tar") as archive:
        names = [m for m in archive.getmembers() if m.name.endswith(".webp") and ".alpha." not in m.name][::40][:4]
        found = [decode(archive.extractfile(m).read(), m.name).float() for m in names]
    pictures = torch.stack(found) / 127.5 - 1
    again = codec.decode(codec.encode(pictures)).clamp(-1, 1)
    error = ((again - pictures) / 2).square().mean((1, 2, 3))
    assert float((-10 * error.log10()).mean()) > 30
