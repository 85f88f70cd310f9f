"""The checks before a run find what would waste it, and leave no trace in it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from train import tiny
from unnoise.core.error import Refused
from unnoise.media.image import read
from unnoise.train import trainer
from unnoise.train.optimizers import Optimizing
from unnoise.train.preflight import preflight
from unnoise.train.run import Run
from unnoise.train.subjects import diffusion
from unnoise.train.trainer import Trainer


def with_network(change) -> Run:
    run = tiny.run()
    change(run.subject.model.denoiser.network)
    return run


def test_a_sound_run_passes_and_its_first_batch_is_drawn(tmp_path: Path) -> None:
    run = tiny.run()
    found = preflight(run, tmp_path)
    assert found.sheet == tmp_path / "first_batch.png"
    assert read(found.sheet).shape[0] == 3
    assert found.losses[-1] < found.losses[0]
    assert found.pictures == 10
    modules = (run.subject.model.denoiser, run.subject.model.conditioner)
    assert found.parameters == sum(p.numel() for module in modules for p in module.parameters())
    assert found.broken == ()


def test_a_run_with_and_without_it_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    plain = Trainer(tiny.run(steps=3))
    wanted = [float(report.losses[0].value) for report in plain.steps()]
    run = tiny.run(steps=3)
    weights = {k: v.clone() for k, v in run.subject.model.denoiser.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    preflight(run, tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, weights[k]) for k, v in run.subject.model.denoiser.state_dict().items())
    checked = Trainer(run)
    assert [float(report.losses[0].value) for report in checked.steps()] == wanted
    mine, theirs = plain.tensors(), checked.tensors()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []


@pytest.mark.parametrize("size", [3, 10])
def test_it_sees_the_first_batch_of_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int) -> None:
    run = tiny.run(batch=size, drop=0.5)
    shown: list[tuple[Tensor, list[str]]] = []

    def captioned(pictures: list[Tensor], captions: list[str]) -> Tensor:
        shown.append((torch.stack(pictures), captions))
        return pictures[0]

    monkeypatch.setattr("unnoise.train.subjects.diffusion.captioned", captioned)
    preflight(run, tmp_path)
    first = Trainer(run)
    batch = next(first.run.pictures.gather([first.order.indices(10, 0)]))
    ((pictures, captions),) = shown
    assert len(pictures) == run.batch
    assert captions == [wish.prompt for wish in diffusion.asked(_batch(first).captions, first.order, 0, 0.5)]
    assert "" in captions
    flips = _batch(first).flipped
    expected = torch.where(flips[:, None, None, None], batch[1].flip(-1), batch[1])
    assert torch.equal(pictures, expected)


def _batch(made: Trainer) -> trainer.Batch:
    return next(trainer.batches(made.run.pictures, made.order, 0, made.run.captions, made.run.flip))


def test_a_tensor_without_gradient_is_named(tmp_path: Path) -> None:
    run = with_network(lambda network: network.register_parameter("idle", nn.Parameter(torch.zeros(2))))
    with pytest.raises(Refused, match=r"no gradient reaches network\.idle"):
        preflight(run, tmp_path)


def test_a_tensor_that_is_cut_off_is_named(tmp_path: Path) -> None:
    run = tiny.run()
    run.subject.model.conditioner.norm.register_forward_hook(lambda _, __, output: output.detach())
    with pytest.raises(Refused, match=r"no gradient reaches conditioner\..* and \d+ more"):
        preflight(run, tmp_path)


def test_a_rate_that_blows_up_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not finite"):
        preflight(tiny.run(optimizing=Optimizing(rate=1e30, clip=0.0)), tmp_path)


def test_a_run_that_learns_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be learnt"):
        preflight(tiny.run(optimizing=Optimizing(rate=0.0, decay=0.0)), tmp_path)


def test_an_average_that_stands_still_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trainer.Average, "update", lambda *_: None)
    with pytest.raises(Refused, match=r"average of width 0\.05 does not move"):
        preflight(tiny.run(), tmp_path)


def test_broken_pictures_are_named(tmp_path: Path) -> None:
    run = tiny.run(pictures=replace(tiny.pictures(), broken=("p2.png: cut short",)))
    assert preflight(run, tmp_path).broken == ("p2.png: cut short",)
