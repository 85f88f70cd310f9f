"""An upscaler trains by the loop that trains models: it learns, resumes bit for bit, previews and exports."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from train import tiny
from unnoise.catalogue import place
from unnoise.data.batches import batches
from unnoise.data.degradations import Degradations, eight_bits
from unnoise.data.pictures import Pictures
from unnoise.media.image import read, to_bytes
from unnoise.networks import UPSCALERS
from unnoise.networks.upscaler import Upscaler as Network
from unnoise.networks.upscaler import UpscalerConfig
from unnoise.train.fit import fit
from unnoise.train.objectives.upscaling import Upscaling
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Every, Run
from unnoise.train.subjects import upscaler
from unnoise.train.subjects.upscaler import Upscaler
from unnoise.train.trainer import Trainer
from unnoise.weights.header import read_header
from unnoise.weights.parts import holds, read_part


def pictures(count: int = 12, seed: int = 0) -> Pictures:
    """Dark discs on light grounds, 32 x 32."""
    random = torch.Generator().manual_seed(seed)
    across = torch.arange(32) - 15.5
    radius = 4 + 10 * torch.rand(count, 1, 1, 1, generator=random)
    inside = (across[:, None].square() + across.square()).sqrt() < radius
    images = torch.where(inside, 30, 230).byte().expand(-1, 3, -1, -1).contiguous()
    return Pictures(images, tuple(map(str, range(count))), ((),) * count, ({},) * count)


def subject() -> Upscaler:
    torch.manual_seed(0)
    objective = Upscaling(upscaler=Network(UpscalerConfig(width=12, blocks=1)))
    return Upscaler(title="tiny", objective=objective, shown=pictures(3, 1).images)


def run(**changes: object) -> Run:
    known = tiny.run(steps=6, every=Every(report=2, snapshot=3, preview=6, heldout=6))
    own = {"pictures": pictures(), "heldout": pictures(40, 1), "optimizing": Optimizing(rate=1e-2, warmup=2)}
    return replace(known, subject=subject(), **own | changes)


def test_resume_equals_a_straight_run_bit_for_bit() -> None:
    straight, begun, gone_on = (Trainer(run()) for _ in range(3))
    list(straight.steps())
    steps = begun.steps()
    for _ in range(3):
        next(steps)
    gone_on.restore({k: v.clone() for k, v in begun.tensors().items()}, begun.step)
    list(gone_on.steps())
    wanted, found = straight.tensors(), gone_on.tensors()
    assert wanted.keys() == found.keys()
    assert [k for k in wanted if not torch.equal(wanted[k], found[k])] == []


def test_a_whole_run_with_its_files(tmp_path: Path) -> None:
    list(fit(run(stored=torch.bfloat16), tmp_path))
    assert read(tmp_path / "first_batch.png").shape[0] == 3
    assert read(tmp_path / "previews" / "step-000006.png").shape[1] > 3 * 32
    assert holds(read_header(tmp_path / "model.safetensors")) == ("upscaler",)
    made = read_part(tmp_path / "model.safetensors", "upscaler", UPSCALERS, place("cpu", "float32"))
    assert isinstance(made, Network) and made.config == UpscalerConfig(width=12, blocks=1)
    assert made(torch.zeros(1, 3, 4, 5)).shape == (1, 3, 16, 20)


def test_it_learns_and_the_held_out_loss_is_the_mean_square_error() -> None:
    made = subject()
    objective = replace(made.objective, tint=0.0, degradations=Degradations(clean=1.0))
    plain = replace(run(steps=80, widths=(0.1,)), subject=replace(made, objective=objective))
    trainer = Trainer(plain)
    first = trainer.heldout(trainer.averaged())
    list(trainer.steps())
    averaged = trainer.averaged()
    last = trainer.heldout(averaged)
    assert first is not None and last is not None and last < 0.7 * first
    media = pictures(40, 1).images.float() / 127.5 - 1
    small = eight_bits(F.interpolate(media, scale_factor=0.25, mode="bicubic", antialias=True))
    bicubic = F.interpolate(small, scale_factor=4, mode="bicubic").clamp(-1, 1)
    assert first == pytest.approx(float((bicubic - media).square().mean()), rel=1e-3)  # untrained, it is that
    with torch.no_grad():
        again = averaged.objective.upscaler(small).clamp(-1, 1)
    assert last == pytest.approx(float((again - media).square().mean()), rel=1e-3)


def test_the_first_batch_is_drawn_as_the_network_is_given_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run()
    made = replace(made, subject=replace(made.subject, objective=replace(made.subject.objective, crop=16)))
    trainer = Trainer(made)
    with closing(batches(made.pictures, trainer.order)) as found:
        batch = next(found)
    shown = list[Tensor]()
    monkeypatch.setattr(upscaler, "captioned", lambda pictures, _: shown.extend(pictures) or pictures[0])
    made.subject.sheet(batch, trainer.order, 0)
    given = list[Tensor]()
    made.subject.objective.upscaler.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    next(trainer.steps())
    assert shown[0].shape == (3, 4, 4)
    assert torch.equal(torch.stack(shown), to_bytes(given[0][: len(shown)]))


def test_no_preview_where_nothing_is_to_be_shown() -> None:
    assert replace(subject(), shown=None).preview() is None
