"""Precision, recall, density and coverage say what their papers say of them."""

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.evaluate.precision_recall import neighbours, precision_recall


def drawn(count, seed, shift=0.0, spread=1.0):
    random = torch.Generator().manual_seed(seed)
    return shift + spread * torch.randn(count, 2, generator=random, dtype=torch.float64)


def value(found):
    return {name: estimate.value for name, estimate in found.items()}


def test_of_the_same_pictures_all_is_covered() -> None:
    x = drawn(50, 0)
    found = value(precision_recall(x, x, rounds=2))
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)


def test_far_from_each_other_nothing_is() -> None:
    assert set(value(precision_recall(drawn(30, 0), drawn(30, 1, 100), rounds=2)).values()) == {0}


def test_one_kind_only_is_precise_and_covers_little() -> None:
    two = torch.cat([drawn(100, 0), drawn(100, 1, 50)])
    found = value(precision_recall(drawn(60, 2), two, rounds=2))
    assert found["precision"] > 0.9 and found["recall"] < 0.6 and found["coverage"] < 0.5
    other = value(precision_recall(two, drawn(60, 2), rounds=2))
    assert other["precision"] < 0.6 and other["recall"] > 0.9


def test_outliers_swell_recall_but_not_coverage() -> None:
    real, core = drawn(100, 3), drawn(20, 4, 0, 0.05)
    made = torch.cat([core, torch.tensor([[40.0, 0.0], [-40.0, 0.0]], dtype=torch.float64)])
    without, found = (value(precision_recall(x, real, rounds=2)) for x in (core, made))
    assert without["recall"] < 0.1 and found["recall"] > 0.85
    assert found["coverage"] == without["coverage"] < 0.5


def test_each_by_hand() -> None:
    real = torch.tensor([[0.0], [1.0], [3.0]])
    made = torch.tensor([[0.5], [10.0], [10.5]])
    found = neighbours(made, real, 1)  # real balls reach 1, 1 and 2; made ones 9.5, 0.5 and 0.5
    assert found.inside.tolist() == [True, False, False]
    assert found.density.tolist() == [2, 0, 0]  # 0.5 lies in the balls around 0 and 1, not in that around 3
    assert found.covered.tolist() == [True, True, False]
    assert found.reached.tolist() == [True, True, True]


def test_of_one_kind_density_and_coverage_are_as_expected() -> None:
    found = value(precision_recall(drawn(400, 5), drawn(400, 6), 5, 2))
    assert found["density"] == pytest.approx(1, abs=0.15)
    assert found["coverage"] == pytest.approx(1 - 0.5**5, abs=0.03)


def test_intervals() -> None:
    found = precision_recall(drawn(50, 7), drawn(80, 8, 1.0), rounds=100)
    for name, count in {"precision": 50, "recall": 80, "density": 50, "coverage": 80}.items():
        assert found[name].low < found[name].value < found[name].high and found[name].count == count


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(Refused, match="more than 3 pictures"):
        neighbours(drawn(3, 0), drawn(9, 0))
