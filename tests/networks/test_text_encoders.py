"""Text encoders compute as well where their weights stay as they are stored, and in every type."""

import pytest
import torch

from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.networks.t5 import T5, GatedMLP, T5Config
from unnoise.weights.place import Place, filled

CLIP = CLIPTextConfig(vocabulary=30, positions=8, width=16, depth=2, heads=2, hidden=24, projection=12, end=29)
SMALL = T5Config(vocabulary=30, width=16, depth=2, heads=2, head_width=4, hidden=24)
IDS = torch.tensor([[0, 5, 7, 29, 1, 1, 1, 1], [0, 3, 4, 9, 11, 12, 13, 29]])


def stored(make, dtype):
    torch.manual_seed(0)
    return {name: value.to(dtype) for name, value in make().state_dict().items()}


def states(encoder):
    found = encoder(IDS)
    return found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("make", [lambda: CLIPText(CLIP), lambda: T5(SMALL)], ids=["CLIP", "T5"])
@torch.no_grad()
def test_weights_may_stay_as_they_are_stored(make, dtype):
    tensors, place = stored(make, dtype), Place(torch.device("cpu"), torch.float32)
    moved, kept = filled(make, tensors, "", place), filled(make, tensors, "", place, kept=True)
    assert torch.equal(states(moved), states(kept))
    there = {value.data_ptr() for value in kept.state_dict().values()}
    assert len(there & {value.data_ptr() for value in tensors.values()}) > len(tensors) / 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("make", [lambda: CLIPText(CLIP), lambda: T5(SMALL)], ids=["CLIP", "T5"])
@torch.no_grad()
def test_half_precision_is_near(make, dtype):
    whole = filled(make, stored(make, dtype), "", Place(torch.device("cpu"), torch.float32))
    half = filled(make, stored(make, dtype), "", Place(torch.device("cpu"), dtype))
    expected = states(whole)
    assert (states(half).float() - expected).abs().max() < 0.03 * expected.abs().max()


@torch.no_grad()
def test_t5_in_float16_makes_what_float16_cannot_hold():
    torch.manual_seed(0)
    mlp, x = GatedMLP(SMALL), 3 * torch.randn(1, 5, 16)
    mlp.wo.weight *= 60_000
    expected, found = mlp(x), mlp.half()(x.half())
    assert found.dtype == torch.float32 and expected.abs().max() > 65504
    assert (found - expected).abs().max() < 0.01 * expected.abs().max()
