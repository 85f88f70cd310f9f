"""The loop descends every loss with its own optimizer; a step's randomness is a function of seed and step."""

import torch
from torch import Tensor

from unnoise.train.loop import generator, train
from unnoise.train.objective import Example, Loss

CPU = torch.device("cpu")


class Sliding:
    """Moves a value against its gradient."""

    def __init__(self, value: Tensor) -> None:
        self.value, self.factors = value, list[float]()

    def step(self, factor: float) -> Tensor:
        gradient = self.value.grad
        assert gradient is not None
        self.factors.append(factor)
        self.value.data -= 0.1 * factor * gradient
        self.value.grad = None
        return gradient.norm()


def test_each_role_has_its_own_loss_optimizer_and_norm() -> None:
    values = {role: torch.tensor(1.0, requires_grad=True) for role in ("one", "two")}
    optimizers = {role: Sliding(value) for role, value in values.items()}

    def objective(example: Example):
        yield Loss("one", values["one"] ** 2, {})
        # by now the first has been stepped: an adversary sees its opponent's newest weights
        yield Loss("two", values["two"] * values["one"].detach(), {"x": torch.tensor(1)})

    example = [Example(torch.zeros(1), None, torch.Generator())]
    reports = list(train(objective, optimizers, [example] * 2, lambda step: step / 10, start=4))
    assert [report.step for report in reports] == [5, 6]
    assert optimizers["one"].factors == [0.5, 0.6]
    assert [loss.role for loss in reports[0].losses] == ["one", "two"]
    assert not any(loss.value.requires_grad for loss in reports[0].losses)
    assert {role: round(float(norm), 6) for role, norm in reports[0].norms.items()} == {"one": 2.0, "two": 0.9}


def test_pieces_descend_as_the_whole_does() -> None:
    data = torch.arange(6.0)

    def run(cuts: list[int]) -> tuple[Tensor, list[Loss]]:
        value = torch.tensor(1.0, requires_grad=True)
        other = torch.tensor(1.0, requires_grad=True)

        def objective(example: Example):
            errors = (example.data * value - 1) ** 2
            yield Loss("one", errors.mean(), {"error": errors.detach(), "largest": errors.detach().mean()})
            yield Loss("two", (other * value.detach() * example.data).mean(), {})  # sees `one` after its step

        pieces = [Example(part, None, torch.Generator()) for part in data.split(cuts)]
        optimizers = {"one": Sliding(value), "two": Sliding(other)}
        (report,) = train(objective, optimizers, [pieces], lambda _: 1.0)
        return torch.stack([value.detach(), other.detach(), *report.norms.values()]), list(report.losses)

    (wanted, whole), (found, parts) = run([6]), run([1, 3, 2])
    torch.testing.assert_close(found, wanted)
    for one, other in zip(parts, whole, strict=True):
        assert not one.value.requires_grad
        torch.testing.assert_close(one.value, other.value)
        torch.testing.assert_close(dict(one.metrics), dict(other.metrics))


def test_a_steps_randomness_is_its_own() -> None:
    def draws(seed: int, step: int) -> tuple[float, ...]:
        random = generator(seed, step, CPU)
        return float(torch.rand((), generator=random)), float(torch.rand(()))

    first = draws(0, 0)
    torch.rand(7)
    assert draws(0, 0) == first
    found = [draws(seed, step) for seed in range(10) for step in range(10)]
    assert len({v for pair in found for v in pair}) == 200  # dropout does not repeat the noise, nor a step another
