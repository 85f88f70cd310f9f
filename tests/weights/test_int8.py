"""Which weights are int8, that they become so one by one, and what is said where they cannot."""

import pytest
import torch
from torch import nn

pytest.importorskip("torchao")

from adapters.small import FULL
from unnoise.core.error import Refused
from unnoise.networks.dit import DiT, DiTConfig
from unnoise.weights import int8, place
from unnoise.weights.place import Place, filled
from weights.watched import Watched

CPU = torch.device("cpu")
WHOLE = Place(CPU, torch.float32, int8=True)


class Blocks(nn.Module):
    """A layer before blocks, four blocks and a layer behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 8)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16)) for _ in range(4))

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.last(x)


@pytest.mark.parametrize("name", ["sd1", "sdxl", "sd3", "flux", "dit"])
def test_most_of_a_network_s_linear_weights_are_int8_and_none_before_or_behind_its_blocks(name):
    kind, config = FULL.get(name) or (DiT, DiTConfig())
    with torch.device("meta"):
        network = kind(config)
    names = int8.chosen(network)
    layers = {f"{n}.weight" for n, layer in network.named_modules() if isinstance(layer, nn.Linear)}
    most = sum(network.get_parameter(n).numel() for n in layers)
    assert names < layers and sum(network.get_parameter(n).numel() for n in names) > 0.75 * most
    assert all(n.split(".")[0].endswith(("blocks", "mid_block")) for n in names)


def test_the_chosen_are_int8_and_nothing_else():
    torch.manual_seed(0)
    plain = Blocks()
    module = filled(Blocks, plain.state_dict(), "", WHOLE)
    whole = {n for n, p in module.named_parameters() if hasattr(p, "qdata")}
    assert whole == int8.chosen(plain) == {f"blocks.{i}.0.weight" for i in range(4)}
    x = torch.randn(5, 8)
    with torch.no_grad():
        apart = (module(x) - plain(x)).norm() / plain(x).norm()
    assert 1e-4 < apart < 0.02
    assert (int8.stated(module), int8.stated(plain), int8.stated(plain.bfloat16())) == ("int8", "float32", "bfloat16")


def test_what_they_take_is_foretold():
    made = int8.quantised(torch.randn(12, 7), CPU, torch.float32)
    assert int8.size((12, 7)) == made.qdata.nbytes + made.scale.nbytes
    like = int8.like(torch.empty(12, 7), torch.float32)
    assert int8.size((12, 7)) == like.qdata.nbytes + like.scale.nbytes


def test_one_float_weight_at_a_time_is_in_memory():
    tensors = Watched({name: value.shape for name, value in Blocks().state_dict().items() if "blocks" in name})
    filled(Inner, tensors, "", Place(CPU, torch.bfloat16, int8=True))  # so that all others are made anew, too
    assert tensors.most == 1


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = Blocks().blocks


def test_numbers_that_are_not_finite_are_refused():
    tensors = Blocks().state_dict()
    tensors["blocks.2.0.weight"] = torch.full((16, 16), torch.inf)
    with pytest.raises(Refused, match=r"'blocks\.2\.0\.weight' holds numbers that are not finite"):
        filled(Blocks, tensors, "", WHOLE)


def test_a_network_without_such_layers_is_refused():
    with pytest.raises(Refused, match="Linear has no linear layer in its blocks"):
        filled(lambda: nn.Linear(3, 2), nn.Linear(3, 2).state_dict(), "", WHOLE)


def test_the_extra_is_named_where_torchao_is_missing(monkeypatch):
    monkeypatch.setattr(int8, "find_spec", lambda _: None)
    with pytest.raises(Refused, match=r"torchao, which is not installed.*unnoise\[quant\]"):
        filled(Blocks, Blocks().state_dict(), "", WHOLE)


def test_a_torchao_that_cannot_be_loaded_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "unnoise.nn.int8", None)
    monkeypatch.delattr("unnoise.nn.int8", raising=False)
    with pytest.raises(Refused, match="torchao cannot be loaded"):
        int8.quantised(torch.ones(2, 2), CPU, torch.float32)


def test_a_float_place_quantises_nothing():
    assert WHOLE.plain == Place(CPU, torch.float32) and place.Place(CPU, torch.float32).plain == WHOLE.plain
    assert not any(hasattr(p, "qdata") for p in filled(Blocks, Blocks().state_dict(), "", WHOLE.plain).parameters())
