"""The loss is the mean over questions of the cross entropy of those answers that there are."""

import pytest
import torch
import torch.nn.functional as F

from evaluate.witnesses import witness
from unnoise.data.augment import Augment
from unnoise.train.objective import Example
from unnoise.train.objectives.answering import Answering, error

QUESTIONS = ("first", "second", "colour", "count", "relation", "background", "style")


def example(answers, seed=0):
    random = torch.Generator().manual_seed(seed)
    data = torch.rand(4, 3, 8, 8, generator=random) * 2 - 1
    return Example(data, {name: torch.tensor(answers) for name in QUESTIONS}, torch.Generator().manual_seed(1))


def test_it_is_the_mean_of_the_questions() -> None:
    made, given = witness(), example([0, 1, 0, 1])
    (loss,) = Answering(witness=made, augment=None)(given)
    errors = {name: F.cross_entropy(logits, given.tokens[name]) for name, logits in made(given.data).items()}
    errors = {name: value.detach() for name, value in errors.items()}
    assert loss.role == "model" and float(loss.value.detach()) == pytest.approx(
        float(sum(errors.values())) / 7, rel=1e-5
    )
    assert {name: float(v) for name, v in loss.metrics.items()} == pytest.approx(
        {name: float(v) for name, v in errors.items()}
    )


def test_what_was_not_asked_does_not_count() -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    some = error(logits, torch.tensor([2, -1, 1]))
    assert float(some) == pytest.approx(float(F.cross_entropy(logits[[0, 2]], torch.tensor([2, 1]))))
    assert float(error(logits, torch.tensor([-1, -1, -1]))) == 0


def test_pictures_are_varied_by_the_steps_own_generator() -> None:
    made, still = witness(), Augment(shift=0, scale=0, light=0, ground=0)
    one, again = (next(Answering(witness=made)(example([0] * 4))).value.detach() for _ in range(2))
    plain = next(Answering(witness=made, augment=None)(example([0] * 4))).value.detach()
    same = next(Answering(witness=made, augment=still)(example([0] * 4))).value.detach()
    assert float(one) == float(again) != float(plain) and float(same) == pytest.approx(float(plain), rel=1e-5)


@pytest.mark.usefixtures("quick_in_half")
def test_autocast_changes_little_and_leaves_the_weights() -> None:
    made = witness()
    half = next(Answering(witness=made, augment=None, autocast=torch.bfloat16)(example([0] * 4))).value
    whole = next(Answering(witness=made, augment=None)(example([0] * 4))).value
    half, whole = float(half.detach()), float(whole.detach())
    assert half != whole and half == pytest.approx(whole, rel=0.05)
    assert {p.dtype for p in made.parameters()} == {torch.float32}
