"""A run's state is whole: what it gives, another run takes, and goes on bit for bit."""

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from train import tiny
from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.data.batches import batches
from unnoise.text._vocabulary import PAD
from unnoise.train.optimizers import Optimizing
from unnoise.train.trainer import Trainer


def trained(trainer: Trainer, steps: int) -> list[Tensor]:
    """The losses of so many steps."""
    reports = trainer.steps()
    losses = [next(reports).losses[0].value for _ in range(steps)]
    reports.close()
    return losses


def saved(trainer: Trainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.tensors().items()}


@pytest.mark.parametrize(("muon", "pieces"), [(0.0, 1), (1e-3, 1), (1e-3, 2)])
@pytest.mark.parametrize("first", [1, 3, 5])
def test_resume_equals_a_straight_run_bit_for_bit(muon: float, pieces: int, first: int) -> None:
    settings: dict[str, Any] = {"optimizing": Optimizing(rate=1e-3, muon=muon, warmup=2), "pieces": pieces}
    straight = Trainer(tiny.run(**settings))
    losses = trained(straight, 6)
    begun = Trainer(tiny.run(**settings))
    before = trained(begun, first)
    torch.manual_seed(99)  # the global generator's state is no part of a run
    gone_on = Trainer(tiny.run(**settings))
    gone_on.restore(saved(begun), begun.step)
    after = trained(gone_on, 6 - first)
    assert [float(v) for v in before + after] == [float(v) for v in losses]
    wanted, found = straight.tensors(), gone_on.tensors()
    assert wanted.keys() == found.keys()
    assert [name for name in wanted if not torch.equal(wanted[name], found[name])] == []
    assert any(name.startswith("optimizer.model.1.") for name in wanted) == bool(muon)


def test_pieces_are_the_batch_by_the_length_of_captions() -> None:
    trainer = Trainer(tiny.run(batch=6, pieces=3, drop=0.0, captions=lambda captions, _, draw: draw.choice(captions)))
    with closing(batches(trainer.run.pictures, trainer.order, captions=trainer.run.captions)) as found:
        batch = next(found)
    pieces = trainer.pieces(batch, 0)
    assert [len(piece.data) for piece in pieces] == [2, 2, 2]
    ranked = sorted(range(6), key=lambda k: len(batch.captions[k]))
    images = batch.images[ranked].float() / 127.5 - 1
    assert torch.equal(torch.cat([piece.data for piece in pieces]), images)
    said = [trainer.run.subject.model.conditioner.prepare([Wish(batch.captions[k])]).ids[0].tolist() for k in ranked]
    read = [row for piece in pieces for row in piece.tokens.ids.tolist()]
    assert [[i for i in row if i != PAD] for row in read] == [[i for i in row if i != PAD] for row in said]


def test_pieces_drop_the_captions_that_the_whole_drops() -> None:
    """Which are those that the picture of the first batch shows."""
    trainer = Trainer(tiny.run(batch=40, pieces=2, drop=0.5, pictures=tiny.pictures(40)))
    with closing(batches(trainer.run.pictures, trainer.order)) as found:
        batch = next(found)
    ranked = sorted(range(40), key=lambda k: len(batch.captions[k]))
    whole = [int(mask.sum()) == 2 for mask in trainer.example(batch, 0).tokens.mask]
    pieces = [int(mask.sum()) == 2 for piece in trainer.pieces(batch, 0) for mask in piece.tokens.mask]
    assert pieces == [whole[k] for k in ranked]
    assert 8 < sum(pieces) < 32


def test_pieces_that_do_not_divide_the_batch_are_refused() -> None:
    for pieces in (0, 3, 8):
        with pytest.raises(Refused, match="divisor") as refused:
            Trainer(tiny.run(batch=4, pieces=pieces))
        assert refused.value.field == "pieces"


def test_dropout_flips_captions_and_drops_take_part() -> None:
    """Else the test above would hold of too little."""
    plain = tiny.run()
    losses = [float(v) for v in trained(Trainer(plain), 4)]
    for change in ({"flip": 0.0}, {"drop": 0.9}, {"captions": lambda captions, *_: captions[0]}, {"seed": 1}):
        assert [float(v) for v in trained(Trainer(tiny.run(**change)), 4)] != losses
    still = tiny.model(dropout=0.0)
    subject = replace(plain.subject, model=still, objective=plain.subject.objective.of(still))
    assert [float(v) for v in trained(Trainer(replace(plain, subject=subject)), 4)] != losses


def test_the_loop_ends_at_the_runs_last_step_and_takes_no_example_more() -> None:
    trainer = Trainer(tiny.run(steps=3))
    assert [report.step for report in trainer.steps()] == [1, 2, 3]
    assert list(trainer.steps()) == []


def test_the_averaged_model_is_apart_from_the_one_in_training() -> None:
    trainer = Trainer(tiny.run())
    trained(trainer, 2)
    made = trainer.averaged().model
    before = {k: v.clone() for k, v in made.denoiser.state_dict().items()}
    assert torch.equal(before["network.patches.weight"], trainer.averages[0].values["network.patches.weight"])
    assert not torch.equal(before["network.patches.weight"], trainer.weights["network.patches.weight"])
    trained(trainer, 2)
    assert all(torch.equal(v, before[k]) for k, v in made.denoiser.state_dict().items())
    assert not made.denoiser.training
    assert not any(p.requires_grad for p in made.denoiser.parameters())


def test_without_averages_it_is_the_model_itself() -> None:
    trainer = Trainer(tiny.run(widths=()))
    trained(trainer, 1)
    made = trainer.averaged().model
    assert torch.equal(made.denoiser.network.patches.weight, trainer.weights["network.patches.weight"])


def test_the_codec_is_not_trained() -> None:
    class Coded(nn.Module):
        scale, channels = 1, 3

        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.tensor(1.0))

        def encode(self, media: Tensor) -> Tensor:
            return media * self.gain

        decode = preview = encode

    model = replace(tiny.model(), codec=Coded())
    run = tiny.run()
    subject = replace(run.subject, model=model, objective=run.subject.objective.of(model))
    trainer = Trainer(replace(run, subject=subject))
    trained(trainer, 2)
    assert not any("codec" in name for name in trainer.weights)
    assert "weights.codec.gain" in trainer.tensors()
    assert not model.codec.training
    assert float(model.codec.gain) == 1
    held = trainer.tensors()
    Trainer(replace(run, subject=subject)).restore(held, 2)
    held["weights.codec.gain"] = torch.tensor(2.0)
    with pytest.raises(Refused, match="codec is another one"):
        Trainer(replace(run, subject=subject)).restore(held, 2)


def test_a_compiled_forward_stays_behind_when_a_model_is_copied() -> None:
    subject = tiny.run().subject
    subject.model.denoiser.network.forward = lambda *_: None
    network = subject.copied().model.denoiser.network
    assert network.forward.__func__ is type(network).forward


def test_held_out_loss_is_repeatable_and_falls() -> None:
    trainer = Trainer(tiny.run(steps=60))
    first = trainer.heldout(trainer.averaged())
    assert first == trainer.heldout(trainer.averaged())
    trained(trainer, 60)
    last = trainer.heldout(trainer.averaged())
    assert first is not None
    assert last is not None
    assert last < 0.9 * first
    assert Trainer(tiny.run(heldout=None)).heldout(tiny.run().subject) is None


def test_another_runs_state_is_refused() -> None:
    trainer = Trainer(tiny.run())
    trained(trainer, 1)
    state = saved(trainer)
    with pytest.raises(Refused, match="average"):
        Trainer(tiny.run(widths=(0.05,))).restore(state, 1)
    with pytest.raises(Refused, match="other optimizers"):
        Trainer(tiny.run(optimizing=Optimizing(muon=0.0))).restore(state, 1)
    with pytest.raises(Refused, match="other parameters"):
        Trainer(tiny.run(matrices=lambda name: "mlp" in name)).restore(state, 1)
