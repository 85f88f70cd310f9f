"""A codec trains by the loop that trains models: it learns, resumes bit for bit, previews and exports."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from train import tiny
from unnoise.catalogue import place
from unnoise.media.image import read
from unnoise.networks import CODECS
from unnoise.networks.autoencoder import Autoencoder, AutoencoderConfig
from unnoise.train.fit import fit
from unnoise.train.objectives.codec import Coding, Critic
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Every, Run
from unnoise.train.snapshot import every
from unnoise.train.subjects.codec import Codec
from unnoise.train.trainer import Trainer
from unnoise.weights.parts import read_part


def subject(critic: bool = False) -> Codec:
    torch.manual_seed(0)
    codec = Autoencoder(AutoencoderConfig(channels=2, widths=(16, 16), blocks=1, smooth=8))
    objective = Coding(codec=codec, critic=Critic(width=4) if critic else None)
    return Codec(title="tiny", objective=objective, shown=tiny.pictures().images[:3])


def run(**changes: object) -> Run:
    known = tiny.run(steps=6, every=Every(report=2, snapshot=3, preview=6, heldout=6))
    return replace(known, subject=subject(), optimizing=Optimizing(rate=1e-2, warmup=2), **changes)


@pytest.mark.parametrize("critic", [False, True])
def test_resume_equals_a_straight_run_bit_for_bit(critic: bool) -> None:
    def trainer() -> Trainer:
        return Trainer(run() if not critic else replace(run(), subject=subject(critic)))

    straight, begun, gone_on = trainer(), trainer(), trainer()
    list(straight.steps())
    steps = begun.steps()
    for _ in range(3):
        next(steps)
    gone_on.restore({k: v.clone() for k, v in begun.tensors().items()}, begun.step)
    list(gone_on.steps())
    wanted, found = straight.tensors(), gone_on.tensors()
    assert wanted.keys() == found.keys()
    assert [k for k in wanted if not torch.equal(wanted[k], found[k])] == []
    assert any("critic" in k for k in wanted) == critic
    assert not any("critic" in k for k in wanted if k.startswith("average"))


def test_a_whole_run_with_its_files(tmp_path: Path) -> None:
    list(fit(run(), tmp_path))
    assert [found.step for found in every(tmp_path / "snapshots")][-1] == 6
    assert read(tmp_path / "first_batch.png").shape[0] == read(tmp_path / "previews" / "step-000006.png").shape[0] == 3
    made = read_part(tmp_path / "model.safetensors", "codec", CODECS, place("cpu", "float32"))
    assert isinstance(made, Autoencoder)
    media = tiny.pictures().images.float() / 127.5 - 1
    assert made.decode(made.encode(media)).shape == media.shape


def made_of(subject: Codec) -> Autoencoder:
    """The codec as its file has it."""
    tensors, _ = subject.export(0, torch.float32)
    codec = Autoencoder(subject.objective.codec.config).eval()
    codec.load_state_dict({name.removeprefix("codec."): value for name, value in tensors.items()})
    return codec


def test_the_latents_of_an_averaged_codec_are_white_too() -> None:
    trainer = Trainer(run(steps=20, widths=(0.1,)))
    list(trainer.steps())
    averaged = trainer.averaged()
    with torch.no_grad():
        latents = made_of(averaged).encode(averaged.shown.float() / 127.5 - 1)
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(latents.shape[1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(latents.shape[1]), atol=1e-3, rtol=0)


def test_it_learns_and_the_held_out_loss_is_the_mean_square_error() -> None:
    made = run(steps=100, widths=(0.1,))
    trainer = Trainer(made)
    first = trainer.heldout(trainer.averaged())
    list(trainer.steps())
    averaged = trainer.averaged()
    last = trainer.heldout(averaged)
    assert first is not None and last is not None and last < first / 2
    media = tiny.pictures(6, seed=1).images.float() / 127.5 - 1
    codec = made_of(averaged)
    with torch.no_grad():
        again = codec.decode(codec.encode(media)).clamp(-1, 1)
    assert last == pytest.approx(float((again - media).square().mean()), rel=1e-5)
