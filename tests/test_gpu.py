"""What must hold on an accelerator: the CPU's picture, within a stated tolerance, in any batch."""

import pytest
import torch

import unnoise
from unnoise.core.level import Level
from unnoise.core.schedule import Rectified

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def cuda():
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")


def pixels(model, device, **fields):
    library = unnoise.library(device=device)
    task = unnoise.Generate(prompt="a red fox", model=str(model), seed=3, **fields)
    return [event.pixels for event in task.run(library) if isinstance(event, unnoise.Result)]


def test_the_picture_is_the_cpu_s_within_two_steps_of_eight_bits(tiny_model):
    (here,), (there,) = pixels(tiny_model, "cpu"), pixels(tiny_model, "cuda")
    assert (here.int() - there.int()).abs().max() <= 2


def test_a_picture_of_a_batch_is_the_picture_alone_within_two_steps(tiny_model):
    alone = pixels(tiny_model, "cuda")[0]
    assert (pixels(tiny_model, "cuda", count=5)[0].int() - alone.int()).abs().max() <= 2


def test_a_shared_level_moves_nothing_between_devices():
    x = torch.randn(2, 3, 8, 8, device="cuda")
    level = Rectified()(torch.tensor(0.3, dtype=torch.float64))
    assert isinstance(level, Level)
    with torch.cuda.device(0):
        torch.cuda.set_sync_debug_mode("error")
        try:
            mixed = level.mix(x, x)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert mixed.device == x.device
    assert mixed.dtype == torch.float32


def test_int8_weights_are_the_cpu_s_and_a_layer_computes_in_its_own_type():
    pytest.importorskip("torchao")
    from unnoise.weights.int8 import quantised

    weight, x = torch.randn(256, 128), torch.randn(4, 64, 128)
    here, there = (quantised(weight, torch.device(d), torch.bfloat16) for d in ("cpu", "cuda"))
    assert there.device.type == "cuda" and torch.equal(here.qdata, there.qdata.cpu())
    with torch.no_grad():
        found = torch.nn.functional.linear(x.cuda().bfloat16(), there).float().cpu()
    expected = torch.nn.functional.linear(x, weight)
    assert (found - expected).norm() < 0.02 * expected.norm()
