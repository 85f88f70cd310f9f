"""Views: new trees over the same parameters, whose changes are none of the original's."""

import torch
from torch import nn

from unnoise.nn.view import replaced


def made():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), nn.Linear(3, 2))
    module.register_buffer("place", torch.zeros(1), persistent=False)
    return module.eval()


def test_a_part_is_replaced_and_everything_else_shared():
    module, other = made(), nn.Linear(3, 3)
    view = replaced(module, {"1.0": other})
    assert type(view) is nn.Sequential and view is not module and view[1][0] is other
    assert view[0] is module[0] and view[1][1] is module[1][1] and view[2] is module[2]
    shared = {n: p.data_ptr() for n, p in view.named_parameters() if not n.startswith("1.0")}
    assert shared == {n: p.data_ptr() for n, p in module.named_parameters() if not n.startswith("1.0")}
    assert view.place is module.place


def test_the_original_stays_as_it_is():
    module = made()
    x = torch.randn(4, 3)
    before, keys = module(x), list(module.state_dict())
    view = replaced(module, {"1.0": nn.Identity(), "2": nn.Identity()})
    view.extra = 1
    view.register_buffer("more", torch.ones(1))
    view[1].register_forward_hook(lambda *_: torch.zeros(4, 3))
    assert torch.equal(module(x), before) and list(module.state_dict()) == keys and not hasattr(module, "extra")
    assert not torch.equal(view(x), before[:, :1].expand(4, 3))
    assert isinstance(module[1][0], nn.Linear) and len(module[1]._forward_hooks) == 0


def test_a_changed_weight_is_changed_in_both():
    module = made()
    view = replaced(module, {})
    with torch.no_grad():
        view[0].weight.zero_()
    assert not module[0].weight.any()


def test_a_view_of_a_view():
    module = made()
    view = replaced(replaced(module, {"1.0": nn.Identity()}), {"1.1": nn.Identity()})
    x = torch.randn(4, 3)
    torch.testing.assert_close(view(x), module[2](module[0](x)))
