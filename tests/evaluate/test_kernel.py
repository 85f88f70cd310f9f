"""The kernel distance is unbiased, and a picture drawn twice is no pair."""

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.evaluate import kernel as module
from unnoise.evaluate.bootstrap import resample
from unnoise.evaluate.kernel import discrepancy, kernel, similarity


def drawn(count, seed, shift=0.0, size=4):
    random = torch.Generator().manual_seed(seed)
    return shift + torch.randn(count, size, generator=random, dtype=torch.float64)


def by_pairs(a, b):
    """The definition, pair by pair."""
    k = lambda x, y: float((x @ y / len(x) + 1) ** 3)  # noqa: E731
    within = sum(k(a[i], a[j]) for i in range(len(a)) for j in range(len(a)) if i != j) / (len(a) * (len(a) - 1))
    across = sum(k(b[i], b[j]) for i in range(len(b)) for j in range(len(b)) if i != j) / (len(b) * (len(b) - 1))
    between = sum(k(x, y) for x in a for y in b) / (len(a) * len(b))
    return within + across - 2 * between


def test_it_is_the_definition() -> None:
    a, b = drawn(7, 0), drawn(5, 1, 0.5)
    assert kernel(a, b, 2).value == pytest.approx(by_pairs(a, b), rel=1e-10)


def test_of_one_kind_it_is_zero_on_average_however_few() -> None:
    found = torch.tensor([kernel(drawn(5, 2 * s), drawn(5, 2 * s + 1), 2).value for s in range(400)])
    assert float(found.mean()) == pytest.approx(0, abs=3 * float(found.std()) / 20)
    assert float(kernel(drawn(50, 0), drawn(50, 1, 0.5), 2).value) > 0.1


def test_resamples_are_not_further_off_than_the_figure() -> None:
    a, b = drawn(30, 3), drawn(30, 4)
    tables, random = (similarity(a, a), similarity(b, b), similarity(a, b)), torch.Generator().manual_seed(0)
    found = torch.tensor([discrepancy(tables, resample(30, random), resample(30, random)) for _ in range(500)])
    # Counting a repeated picture as a pair would add about a thirtieth of the kernel of a picture with itself.
    assert float(found.mean()) == pytest.approx(kernel(a, b, 2).value, abs=4 * float(found.std()) / 500**0.5)
    assert float(similarity(a, a).diagonal().mean()) / 30 > 20 * float(found.std()) / 500**0.5


def test_its_interval_holds_it() -> None:
    found = kernel(drawn(60, 5), drawn(60, 6, 0.4), 100)
    assert found.low < found.value < found.high and found.low > 0 and found.count == 60


def test_large_sets_are_looked_at_in_part(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST", 20)
    found = kernel(drawn(100, 7), drawn(30, 8), 5)
    assert found.count == 20 and found == kernel(drawn(100, 7), drawn(30, 8), 5)


def test_one_picture_is_refused() -> None:
    with pytest.raises(Refused, match="at least 2 pictures"):
        kernel(drawn(1, 0), drawn(5, 0))
