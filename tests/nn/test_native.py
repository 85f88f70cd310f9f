"""Layers that follow the type they are given, and the choice of that type."""

import pytest
import torch

from building import drawn, stirred
from unnoise.nn.native import HALVES, Conv2d, LayerNorm, Linear, multiplied, native

LAYERS = {
    "linear": (lambda: Linear(8, 6), lambda: torch.nn.Linear(8, 6), (2, 3, 8)),
    "without bias": (lambda: Linear(8, 6, bias=False), lambda: torch.nn.Linear(8, 6, bias=False), (2, 3, 8)),
    "convolution": (
        lambda: Conv2d(8, 6, 3, stride=2, padding=1),
        lambda: torch.nn.Conv2d(8, 6, 3, stride=2, padding=1),
        (2, 8, 5, 6),
    ),
    "norm": (lambda: LayerNorm(8), lambda: torch.nn.LayerNorm(8), (2, 3, 8)),
}
layers = pytest.mark.parametrize(("ours", "theirs", "shape"), LAYERS.values(), ids=LAYERS)


@layers
@torch.no_grad()
def test_they_are_torch_s_own_in_the_type_they_are_given(ours, theirs, shape):
    layer, reference = stirred(ours(), 0.3).to(torch.bfloat16), theirs()
    reference.load_state_dict({k: v.float() for k, v in layer.state_dict().items()})
    x = drawn(*shape)
    assert torch.equal(layer(x), reference(x))
    assert layer(x.bfloat16()).dtype == torch.bfloat16
    assert isinstance(layer, type(reference)) and {p.dtype for p in layer.parameters()} == {torch.bfloat16}


@layers
def test_gradient_reaches_their_parameters(ours, theirs, shape):
    layer = ours().to(torch.bfloat16)
    layer(drawn(*shape)).square().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.bfloat16 for p in layer.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_where_the_machine_can(monkeypatch, dtype):
    kind = "bf16" if dtype == torch.bfloat16 else "fp16"
    for can in (True, False):
        monkeypatch.setattr(torch.ops.mkldnn, f"_is_mkldnn_{kind}_supported", lambda can=can: can)
        assert multiplied(dtype) == (can and torch.backends.mkldnn.is_available())
    for computed in (dtype, torch.float32):
        monkeypatch.setitem(HALVES, dtype, computed)
        assert native("cpu", dtype) == computed and native("cuda", dtype) == dtype
    assert native("cpu", torch.float32) == torch.float32
