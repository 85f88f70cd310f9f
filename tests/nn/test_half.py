"""What is too large for float16 becomes its largest number; other types are left alone."""

import torch

from unnoise.nn.half import bounded


def test_infinite_numbers_become_the_largest():
    x = torch.tensor([1.0, torch.inf, -torch.inf], dtype=torch.float16)
    assert bounded(x).tolist() == [1.0, 65504.0, -65504.0]


def test_other_types_are_given_back_as_they_are():
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.tensor([1.0, torch.inf, 1e6], dtype=dtype)
        assert bounded(x) is x
