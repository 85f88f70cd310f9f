"""The U-Net in all its forms: shapes, beginnings, what may influence what, and diffusers' own blocks."""

from dataclasses import replace

import pytest
import torch

from building import drawn, reader, stirred, there_and_back
from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.networks import NETWORKS
from unnoise.networks.unet import Attend, Residual, UNet, UNetCondition, UNetConfig, together
from unnoise.text.labels import Labels, LabelsConfig

SMALL = UNetConfig(channels=1, width=8, multipliers=(1, 2, 3), blocks=1, attention=(2,), head_width=4)
FORMS = {
    "plain": SMALL,
    "classes": replace(SMALL, classes=4),
    "text": replace(SMALL, context=16),
    "both": replace(SMALL, classes=4, context=16, blocks=2, attention=(1, 4), multipliers=(2, 1, 2)),
    "ddpm": replace(SMALL, classes=4, modulation="add", resample="conv", rescale=False, attention=()),
    "wide groups": replace(SMALL, width=16, group_width=16, classes=4),
    "one level": replace(SMALL, multipliers=(2,), attention=(1,)),
}
forms = pytest.mark.parametrize("config", FORMS.values(), ids=list(FORMS))
texts = pytest.mark.parametrize("config", [c for c in FORMS.values() if c.context], ids=["text", "both"])
TIME = torch.tensor([5.0, 500.0])


def asked(config, batch=2, length=5, counted=None, seed=2):
    mask = torch.arange(length)[None] < torch.tensor(counted or [length] * batch)[:, None]
    return UNetCondition(
        label=torch.arange(batch) if config.classes else None,
        context=drawn(batch, length, 16, seed=seed) if config.context else None,
        mask=mask if config.context else None,
        pooled=drawn(batch, 16, seed=seed + 1) if config.context else None,
    )


def made(config):
    torch.manual_seed(0)
    return stirred(UNet(config)).eval()


@forms
@pytest.mark.parametrize("cells", [(1, 1), (2, 3), (7, 7)])
def test_the_output_has_the_input_s_shape(config, cells):
    x = drawn(2, 1, *(n * UNet.multiple(config) for n in cells))
    assert made(config)(x, TIME, asked(config)).shape == x.shape


@forms
def test_sides_are_multiples_of_what_the_levels_shrink(config):
    assert UNet.multiple(config) == 2 ** (len(config.multipliers) - 1)
    assert NETWORKS["unet"] is UNet


@forms
def test_untrained_it_gives_nothing(config):
    assert (UNet(config)(drawn(2, 1, 8, 8), TIME, asked(config)) == 0).all()


@forms
def test_gradient_reaches_every_parameter(config):
    network = made(config).train()
    network(drawn(2, 1, 8, 8), TIME, asked(config, counted=[5, 3])).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@forms
@torch.no_grad()
def test_a_sample_does_not_depend_on_its_neighbours(config):
    network, x, condition = made(config), drawn(2, 1, 8, 8), asked(config)
    together = network(x, TIME, condition)
    for i in range(2):
        alone = network(x[i : i + 1], TIME[i : i + 1], condition.map(lambda v, i=i: v[i : i + 1]))
        assert torch.allclose(alone, together[i : i + 1], atol=1e-5)


@texts
@torch.no_grad()
def test_masked_tokens_have_no_influence_and_others_have(config):
    network, x, condition = made(config), drawn(2, 1, 8, 8), asked(config, counted=[3, 5])
    noise = drawn(2, 5, 16, seed=9) * 10
    hidden = replace(condition, context=torch.where(condition.mask[..., None], condition.context, noise))
    seen = replace(condition, context=torch.where(condition.mask[..., None], noise, condition.context))
    out = network(x, TIME, condition)
    assert torch.equal(network(x, TIME, hidden), out)
    assert (network(x, TIME, seen) - out).abs().amax((1, 2, 3)).min() > 1e-4


@texts
@torch.no_grad()
def test_conditions_of_two_lengths_run_as_one_batch(config):
    network, x = made(config), drawn(2, 1, 8, 8)
    short, long = asked(config, 1, 3, seed=3), asked(config, 1, 7, seed=5)
    together = network(x, TIME, short.cat(long))
    apart = torch.cat([network(x[:1], TIME[:1], short), network(x[1:], TIME[1:], long)])
    assert torch.allclose(together, apart, atol=1e-5)


@forms
@torch.no_grad()
def test_time_class_and_text_matter(config):
    network, x, condition = made(config), drawn(2, 1, 8, 8), asked(config)
    out = network(x, TIME, condition)
    changed = {"time": network(x, TIME + 300, condition)}
    if config.classes:
        changed["label"] = network(x, TIME, replace(condition, label=condition.label + 1))
    if config.context:
        changed["pooled"] = network(x, TIME, replace(condition, pooled=-condition.pooled))
        changed["context"] = network(x, TIME, replace(condition, context=-condition.context))
    assert [name for name, other in changed.items() if not (other - out).abs().max() > 1e-4] == []


@torch.no_grad()
def test_no_label_is_the_null_class():
    config = FORMS["classes"]
    network, x = made(config), drawn(2, 1, 8, 8)
    null = network(x, TIME, UNetCondition(label=torch.full((2,), config.classes)))
    assert torch.equal(network(x, TIME, UNetCondition()), null)


@forms
@torch.no_grad()
def test_a_network_in_bfloat16_stays_in_it(config):
    network = made(config).to(torch.bfloat16)
    out = network(drawn(2, 1, 8, 8).bfloat16(), TIME, asked(config).to(torch.bfloat16))
    assert out.dtype == torch.bfloat16 and torch.isfinite(out).all()


@forms
def test_under_autocast_it_is_near_what_it_is_in_float32(config):
    network, x, condition = made(config), drawn(2, 1, 8, 8), asked(config)
    with torch.autocast("cpu", torch.bfloat16):
        low = network(x, TIME, condition)
    high = network(x, TIME, condition)
    assert low.dtype == torch.bfloat16
    assert (low.float() - high).norm() < 0.05 * high.norm()


@torch.no_grad()
def test_the_layout_in_memory_changes_no_number():
    config = FORMS["wide groups"]
    network, x, found = made(config), drawn(2, 1, 8, 8), []
    network.down[0].register_forward_hook(lambda _module, _args, out: found.append(out))
    out = network(x, TIME, asked(config))
    assert found[0].is_contiguous(memory_format=torch.channels_last) and not found[0].is_contiguous()
    network.config = replace(config, group_width=15)
    assert torch.allclose(network(x, TIME, asked(config)), out, atol=1e-5)
    assert found[1].is_contiguous()


@forms
def test_it_is_built_without_memory(config):
    with torch.device("meta"):
        network = UNet(config)
    assert {p.device.type for p in network.parameters()} == {"meta"}
    assert network.state_dict().keys() == UNet(config).state_dict().keys()


def same_output(model, again, wishes):
    x = drawn(2, 1, 8, 8)
    first, second = (m.denoiser.network(x, TIME, m.conditioner(m.conditioner.prepare(wishes))) for m in (model, again))
    # Weights lie elsewhere in memory, off a vector's boundary, and sums are grouped otherwise: the last bit may differ.
    assert torch.allclose(first, second, atol=1e-6) and (first[0] - first[1]).abs().max() > 1e-3


@torch.no_grad()
def test_its_file_gives_it_back_with_classes(tmp_path):
    labels = Labels(LabelsConfig(classes=("coat", "bag", "shirt", "boot")), "", UNet.Condition)
    model, again = there_and_back(made(FORMS["classes"]), labels, tmp_path)
    assert again.denoiser.network.config == FORMS["classes"]
    same_output(model, again, [Wish("bag"), Wish("")])


@torch.no_grad()
def test_its_file_gives_it_back_with_text(tmp_path):
    model, again = there_and_back(made(FORMS["text"]), reader(UNet.Condition).eval(), tmp_path)
    same_output(model, again, [Wish("a red fox"), Wish("")])


def test_dropout_is_for_training_only():
    network, args = made(replace(SMALL, dropout=0.5)), (drawn(2, 1, 8, 8), TIME, UNetCondition())
    assert torch.equal(network(*args), network(*args))
    network.train()
    assert not torch.equal(network(*args), network(*args))


@pytest.mark.parametrize("rescale", [True, False])
@torch.no_grad()
def test_rescaled_sums_keep_their_variance(rescale):
    x, branch = drawn(4, 32, 16, 16), drawn(4, 32, 16, 16, seed=5)
    assert together(x, branch, rescale).var() == pytest.approx(1 if rescale else 2, rel=0.05)
    untrained = Residual(replace(SMALL, rescale=rescale), 32, 32)
    assert torch.allclose(untrained(x, drawn(4, 32)), x * (0.5**0.5 if rescale else 1))


@pytest.mark.parametrize(
    "wrong", [{"multipliers": ()}, {"blocks": 0}, {"attention": (3,)}, {"attention": (8,)}, {"head_width": 5}]
)
def test_settings_that_make_no_network_are_refused(wrong):
    with pytest.raises(Refused):
        replace(SMALL, **wrong)


@pytest.mark.parametrize("way", [None, "down", "up"])
@pytest.mark.parametrize(("modulation", "theirs"), [("scale_shift", "scale_shift"), ("add", "default")])
@pytest.mark.parametrize("after", [32, 48])
@torch.no_grad()
def test_residual_blocks_are_those_of_diffusers(way, modulation, theirs, after):
    resnet = pytest.importorskip("diffusers.models.resnet")
    config = replace(SMALL, width=16, modulation=modulation, rescale=True)
    block = stirred(Residual(config, 32, after, way))
    reference = resnet.ResnetBlock2D(
        in_channels=32,
        out_channels=after,
        temb_channels=config.vector,
        groups=block.first_norm.groups,
        groups_out=block.second_norm.groups,
        eps=block.first_norm.eps,
        time_embedding_norm=theirs,
        output_scale_factor=2**0.5,
        up=way == "up",
        down=way == "down",
    )
    names = {
        "norm1": "first_norm",
        "conv1": "first",
        "time_emb_proj": "steer",
        "norm2": "second_norm",
        "conv2": "second",
        "conv_shortcut": "skip",
    }
    ours = block.state_dict()
    reference.load_state_dict({k: ours[f"{names[k.split('.')[0]]}.{k.split('.')[1]}"] for k in reference.state_dict()})
    x, vector = drawn(2, 32, 8, 8), drawn(2, config.vector, seed=3)
    assert torch.allclose(block(x, torch.nn.functional.silu(vector)), reference(x, vector), atol=1e-5)


@torch.no_grad()
def test_attention_sees_every_cell_whatever_its_place():
    config = replace(SMALL, width=16)
    attend = stirred(Attend(config, 16), 0.3)
    x = drawn(1, 16, 4, 6)
    out = attend(x, None, None)
    assert out.shape == x.shape
    # Attention alone knows no places: moving cells moves results.
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    moved = x.flatten(2)[:, :, order].view_as(x)
    assert torch.allclose(attend(moved, None, None).flatten(2), out.flatten(2)[:, :, order], atol=1e-5)
    other = x.clone()
    other[..., -1, -1] += 3
    assert (attend(other, None, None) - out)[..., 0, 0].abs().max() > 1e-4
