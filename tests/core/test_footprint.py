"""Memory that is foretold has to be the memory that is taken."""

import torch
from torch import Tensor, nn

from unnoise.core.footprint import imagined, peak, weightless

MEGA = 2**18
"""Numbers of float32 in a mebibyte."""


def ones(count: int = MEGA) -> Tensor:
    return torch.ones(count)


def test_what_is_let_go_is_not_counted() -> None:
    def chain() -> None:
        x = ones()
        for _ in range(5):
            x = x + 1

    with weightless():
        assert peak(chain) == 2 * 2**20


def test_what_is_kept_is_counted() -> None:
    with weightless():
        assert peak(lambda: [ones() for _ in range(5)]) == 5 * 2**20


def test_views_and_changes_in_place_are_free() -> None:
    def run() -> None:
        x = ones()
        x.view(2, -1).transpose(0, 1).add_(1)

    with weightless():
        assert peak(run) == 2**20


def test_what_was_there_before_is_not_counted() -> None:
    with weightless():
        weights = ones(10 * MEGA)
        assert peak(lambda: weights[:MEGA] + 1) == 2**20


def test_a_convolution_on_a_cpu_lays_its_weights_out_anew() -> None:
    with torch.device("meta"):
        made = nn.Conv2d(512, 512, 3, bias=False)
    with weightless():
        layer, x = imagined(made, "cpu"), torch.ones(1, 512, 4, 4)
        weights = 4 * 512 * 512 * 9
        assert weights <= peak(lambda: layer(x)) <= weights + 2**16
        last = x.to(memory_format=torch.channels_last)
        assert 2 * weights <= peak(lambda: layer(last)) <= 2 * weights + 2**16


def test_nothing_is_taken_for_it() -> None:
    with weightless():
        assert peak(lambda: torch.ones(2**45)) == 2**47
