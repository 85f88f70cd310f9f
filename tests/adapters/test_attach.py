"""Adapters change what they should, add up, and leave the model as it was."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.small import CONV, TO_Q, model, output, pair, text, write
from unnoise.adapters.attach import Adapted, Touch, attach, beside, fuse, fused
from unnoise.adapters.kinds import LowRank
from unnoise.adapters.layers import parts
from unnoise.adapters.lora import Adapter, layers, read
from unnoise.adapters.pieces import pieces
from unnoise.adapters.strength import Strength
from unnoise.core.error import Refused
from unnoise.weights.keymap import Spot

FULL = Strength()
V = "text_model.encoder.layers.0.self_attn.v_proj"


@pytest.fixture(scope="module")
def small():
    return model()


def state(model):
    return {k: v.clone() for m in (model.denoiser, model.conditioner) for k, v in m.state_dict().items()}


def low_rank():
    return pair(f"unet.{TO_Q}", 32, 32) | {
        f"unet.{CONV}.lora_A.weight": torch.randn(3, 32, 3, 3) * 0.2,
        f"unet.{CONV}.lora_B.weight": torch.randn(32, 3, 1, 1) * 0.2,
        f"unet.{CONV}.alpha": torch.tensor(1.5),
    }


def several():
    """A file of every kind."""
    half = TO_Q.removesuffix("attn1.to_q")
    torch.manual_seed(3)
    return {
        **low_rank(),
        f"unet.{half}attn1.to_k.hada_w1_a": torch.randn(32, 2),
        f"unet.{half}attn1.to_k.hada_w1_b": torch.randn(2, 32) * 0.1,
        f"unet.{half}attn1.to_k.hada_w2_a": torch.randn(32, 2),
        f"unet.{half}attn1.to_k.hada_w2_b": torch.randn(2, 32) * 0.1,
        f"unet.{half}attn2.to_k.lokr_w1": torch.randn(4, 3) * 0.2,
        f"unet.{half}attn2.to_k.lokr_w2": torch.randn(8, 8) * 0.2,
        **pair(f"unet.{half}attn2.to_q", 32, 32),
        f"unet.{half}attn2.to_q.dora_scale": torch.rand(32, 1) + 0.5,
        "unet.conv_out.diff": torch.randn(4, 32, 3, 3) * 0.1,
        "unet.conv_out.diff_b": torch.randn(4),
        f"unet.{half}norm1.w_norm": torch.randn(32),
        f"unet.{half}norm1.b_norm": torch.randn(32),
        f"unet.{half}attn1.to_v.weight": torch.randn(32, 1) * 0.3,
        f"unet.{half}attn1.to_v.on_input": torch.tensor(False),
        **pair(f"text_encoder.{V}", 24, 24),
    }


def test_every_kind_attached_and_fused_is_the_same_and_changes_the_output(small, tmp_path):
    asked = [(read(write(tmp_path, several())), Strength(0.7))]
    attached, fused = attach(small, asked), fuse(small, asked)
    before, beside, within = output(small), output(attached), output(fused)
    assert (beside - before).abs().max() > 0.1 * before.abs().max()
    assert torch.allclose(beside, within, rtol=1e-4, atol=1e-5 * float(before.abs().max()))
    assert not torch.allclose(text(small)[0], text(attached)[0], atol=1e-3)
    assert torch.allclose(text(attached)[0], text(fused)[0], atol=1e-5)


def test_every_layer_that_the_file_names_is_changed(small, tmp_path):
    adapter = read(write(tmp_path, several()))
    known, made = parts(small), parts(fuse(small, [(adapter, FULL)]))
    named = {
        (p.where.part, known[p.where.part].spot(p.where.layer, p.where.spelling).name, p.tensor) for p in adapter.pieces
    }
    changed = {
        (part, layer, name)
        for part in known
        for layer in known[part].layers
        for name, value in known[part].layers[layer].named_parameters(recurse=False)
        if not torch.equal(value, getattr(made[part].layers[layer], name))
    }
    assert changed == named


def test_the_model_is_untouched_and_shared(small, tmp_path):
    before, out = state(small), output(small)
    attached = attach(small, [(read(write(tmp_path, several())), FULL)])
    output(attached)
    assert all(torch.equal(v, state(small)[k]) for k, v in before.items())
    assert torch.equal(output(small), out)
    assert attached.denoiser.network.conv_in.weight is small.denoiser.network.conv_in.weight
    assert attached.denoiser.network.get_submodule(TO_Q).base is small.denoiser.network.get_submodule(TO_Q)


def test_low_rank_is_never_written_out(small, tmp_path):
    attached = attach(small, [(read(write(tmp_path, low_rank())), FULL)])
    own = {id(p) for p in small.denoiser.parameters()}
    added = [p for p in attached.denoiser.parameters() if id(p) not in own]
    assert sorted(p.numel() for p in added) == sorted([4 * 32, 4 * 32, 3 * 32 * 9, 3 * 32])


@given(st.permutations(range(3)), st.tuples(*[st.floats(-2, 2)] * 3))
@settings(max_examples=8)
def test_several_add_up_in_any_order(order, weights):
    small = model()
    files = [low_rank(), pair(f"unet.{TO_Q}", 32, 32, 2), {f"unet.{TO_Q}.diff": torch.ones(32, 32)}]
    asked = [
        (
            Adapter(
                str(k), [p for w, s in layers(f, None).items() for p in pieces(w, {a: f[b] for a, b in s.items()})]
            ),
            Strength(w),
        )
        for k, (f, w) in enumerate(zip(files, weights, strict=True))
    ]
    straight, mixed = fuse(small, asked), fuse(small, [asked[i] for i in order])
    weight = small.denoiser.network.get_submodule(TO_Q).weight
    expected = weight + sum(
        w * p.kind.delta(weight)
        for (a, _), w in zip(asked, weights, strict=True)
        for p in a.pieces
        if p.where.layer == TO_Q
    )
    assert torch.allclose(straight.denoiser.network.get_submodule(TO_Q).weight, expected, atol=1e-5)
    assert torch.allclose(
        straight.denoiser.network.get_submodule(TO_Q).weight,
        mixed.denoiser.network.get_submodule(TO_Q).weight,
        atol=1e-5,
    )
    assert torch.allclose(output(attach(small, asked)), output(fuse(small, asked)), rtol=1e-3, atol=1e-4)


def test_a_strength_of_nothing_is_the_model_and_of_half_is_half(small, tmp_path):
    adapter = read(write(tmp_path, several()))
    assert torch.allclose(output(fuse(small, [(adapter, Strength(0.0))])), output(small), atol=1e-6)
    layer = small.denoiser.network.get_submodule("conv_out")
    half = fuse(small, [(adapter, Strength(0.5))]).denoiser.network.get_submodule("conv_out")
    assert torch.allclose(half.weight - layer.weight, several()["unet.conv_out.diff"] / 2, atol=1e-6)


def test_parts_have_strengths_of_their_own(small, tmp_path):
    adapter = read(write(tmp_path, several()))
    made = attach(small, [(adapter, Strength(1.0, {"text": 0.0}))])
    assert torch.allclose(text(made)[0], text(small)[0], atol=1e-6)
    assert not torch.allclose(output(made), output(small), atol=1e-2)


def test_only_the_named_rows_of_a_fused_layer_change(small, tmp_path):
    made = fuse(small, [(read(write(tmp_path, pair(f"text_encoder.{V}", 24, 24))), FULL)])
    layer = "encoders.0.encoder.layers.0.self_attn.qkv"
    changed = made.conditioner.get_submodule(layer).weight != small.conditioner.get_submodule(layer).weight
    assert changed[48:].all() and not changed[:48].any()
    attached = attach(small, [(read(write(tmp_path, pair(f"text_encoder.{V}", 24, 24))), FULL)])
    beside, x = attached.conditioner.get_submodule(layer), torch.randn(2, 24)
    assert torch.equal(beside(x)[:, :48], beside.base(x)[:, :48])


@pytest.mark.parametrize("change", ["same", "swapped", "transposed", "conv"])
@pytest.mark.parametrize("rows", [None, (1, 2, 2)])
def test_beside_and_within_agree_however_theirs_differs(change, rows):
    layer = torch.nn.Linear(8, 8)
    out, inner = (4, 8) if rows else (8, 8)
    if change == "transposed":
        out, inner = inner, out
    touch = Touch("weight", Spot("x", rows, change), LowRank(torch.randn(2, inner), torch.randn(out, 2)), 0.5)
    x = torch.randn(5, 8)
    found, expected = beside(layer, [touch]), fused(layer, [touch])
    assert isinstance(found, Adapted)
    assert torch.allclose(found(x), expected(x), atol=1e-5)
    weight = touch.kind.up @ touch.kind.down
    weight = weight.T if change == "transposed" else weight.roll(out // 2, 0) if change == "swapped" else weight
    changed = expected.weight - layer.weight
    assert torch.allclose(changed[4:] if rows else changed, 0.5 * weight, atol=1e-6)
    assert not rows or not changed[:4].any()


def test_adapters_follow_the_weights_type(tmp_path):
    low = model()
    low.denoiser.network.bfloat16()
    made = attach(low, [(read(write(tmp_path, several())), FULL)])
    assert {p.dtype for p in made.denoiser.parameters()} == {torch.bfloat16}
    assert output(made).isfinite().all()


def test_adapted_layers_are_seen_as_such(small, tmp_path):
    made = attach(small, [(read(write(tmp_path, low_rank())), FULL)])
    found = [name for name, module in made.denoiser.network.named_modules() if isinstance(module, Adapted)]
    assert sorted(found) == sorted([TO_Q, CONV])


def test_a_layer_that_the_model_has_not_is_named(small, tmp_path):
    strange = low_rank() | pair("unet.down_blocks.7.attentions.0.to_q", 32, 32)
    with pytest.raises(Refused, match=r"down_blocks\.7\.attentions\.0\.to_q"):
        attach(small, [(read(write(tmp_path, strange)), FULL)])


def test_another_kind_of_model_is_named(small, tmp_path):
    flux = pair("transformer.single_transformer_blocks.0.attn.to_q", 32, 32)
    with pytest.raises(Refused, match=r"FLUX\.1"):
        attach(small, [(read(write(tmp_path, flux)), FULL)])
    wide = pair(f"lora_unet_{TO_Q.replace('attn1.to_q', 'attn2.to_k').replace('.', '_')}", 32, 768)
    with pytest.raises(Refused, match="Stable Diffusion 1"):
        attach(small, [(read(write(tmp_path, wide)), FULL)])


def test_an_adapter_of_nothing_is_refused(small, tmp_path):
    zero = {k: torch.zeros_like(v) if "up" in k else v for k, v in pair(f"unet.{TO_Q}", 32, 32).items()}
    with pytest.raises(Refused, match="changes nothing"):
        attach(small, [(read(write(tmp_path, zero)), FULL)])
    partly = zero | pair(f"unet.{TO_Q.replace('to_q', 'to_k')}", 32, 32)
    assert not torch.equal(output(attach(small, [(read(write(tmp_path, partly)), FULL)])), output(small))


def test_numbers_beyond_the_weights_type_are_refused(tmp_path):
    low = model()
    low.denoiser.network.half()
    huge = {k: v * 1e7 for k, v in pair(f"unet.{TO_Q}", 32, 32).items()}
    for put in (attach, fuse):
        with pytest.raises(Refused, match="too large for float16"):
            put(low, [(read(write(tmp_path, huge)), FULL)])


def test_a_bias_where_there_was_none(small, tmp_path):
    made = attach(small, [(read(write(tmp_path, {f"unet.{TO_Q}.diff_b": torch.ones(32)})), FULL)])
    layer, x = small.denoiser.network.get_submodule(TO_Q), torch.randn(3, 32)
    assert layer.bias is None
    assert torch.allclose(made.denoiser.network.get_submodule(TO_Q)(x), layer(x) + 1, atol=1e-6)
    words = {"text_encoder.text_model.embeddings.token_embedding.diff_b": torch.ones(24)}
    with pytest.raises(Refused, match="bias"):
        attach(small, [(read(write(tmp_path, words)), FULL)])


def test_on_int8_weights_adapters_have_the_strength_that_they_have_on_float_ones(tmp_path, monkeypatch):
    pytest.importorskip("torchao")
    from unnoise.nn import int8
    from unnoise.weights.int8 import chosen, quantised

    monkeypatch.setattr(int8, "multiplied", lambda _: False)  # inputs in int8 would drown what is faint
    whole = model()
    network = whole.denoiser.network
    for name in chosen(network):
        layer = network.get_submodule(name.removesuffix(".weight"))
        layer.weight = torch.nn.Parameter(quantised(layer.weight, torch.device("cpu"), torch.float32), False)
    plain = model()
    asked = [(read(write(tmp_path, several())), Strength(0.7))]
    change = output(attach(plain, asked)) - output(plain)
    for put in (attach, fuse):  # what changes a weight as a whole makes it float again: rounded, it would be lost
        found = output(put(whole, asked)) - output(whole)
        assert (found - change).norm() < 0.03 * change.norm()
        assert (found * change).sum() / change.square().sum() == pytest.approx(1, abs=0.01)
    low = [(read(write(tmp_path, low_rank(), "low")), Strength(0.01))]  # far below what int8 can tell apart
    change, found = (output(attach(m, low)) - output(m) for m in (plain, whole))
    assert (found - change).norm() < 0.03 * change.norm()
    assert any(hasattr(p, "qdata") for p in attach(whole, low).denoiser.network.parameters())
