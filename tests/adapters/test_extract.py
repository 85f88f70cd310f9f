"""A LoRA out of two models holds what changed: all of it where that has its rank, and the best part where not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.small import CONV, TO_Q, model, output, pair, text, write
from unnoise.adapters.attach import attach, fuse
from unnoise.adapters.extract import extract, thin
from unnoise.adapters.lora import read
from unnoise.adapters.strength import Strength
from unnoise.core.error import Refused

V = "text_encoder.text_model.encoder.layers.0.self_attn.v_proj"


@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 8))
@settings(max_examples=25)
def test_thin_is_the_best_of_its_rank(out, inner, rank):
    change = torch.randn(out, inner, generator=torch.Generator().manual_seed(out * 41 + inner))
    found = thin(change, rank)
    values = torch.linalg.svdvals(change.double())
    best = values[rank:].square().sum()
    missed = (change - found.up @ found.down).double().square().sum()
    assert len(found.down) <= rank
    assert best * (1 - 1e-6) - 1e-6 <= missed <= 1.02 * best + 1e-6
    assert found.size == pytest.approx(float(values.square().sum()), rel=1e-5)
    assert found.size - found.kept == pytest.approx(float(missed), rel=1e-3, abs=1e-4)


def test_as_small_a_rank_as_will_do():
    torch.manual_seed(0)
    change = torch.randn(30, 3) @ torch.randn(3, 20)
    assert len(thin(change, 16).down) == 3
    values = torch.diag(torch.tensor([10.0, 1.0, 0.1, 0.01]))
    assert len(thin(values, 4, keep=0.9).down) == 1
    assert len(thin(values, 4, keep=0.995).down) == 2


def tuned(base, tmp_path, name="tuned"):
    """A model that differs by low rank in a linear layer, a convolution and a fused text layer, and in a norm."""
    torch.manual_seed(1)
    tensors = pair(f"unet.{TO_Q}", 32, 32) | pair(V, 24, 24)
    tensors |= {
        f"unet.{CONV}.lora_A.weight": torch.randn(3, 32, 3, 3) * 0.1,
        f"unet.{CONV}.lora_B.weight": torch.randn(32, 3, 1, 1),
    }
    tensors |= {"unet.conv_norm_out.w_norm": torch.ones(32), "unet.conv_out.diff_b": torch.ones(4)}
    return fuse(base, [(read(write(tmp_path, tensors, name)), Strength())])


def test_what_was_put_in_comes_out(tmp_path):
    base = model()
    after = tuned(base, tmp_path)
    found = extract(base, after, rank=8)
    assert found.share > 1 - 1e-6 and found.left == ()
    flat = TO_Q.replace(".", "_")
    assert {name.partition(".")[0] for name in found.tensors} == {
        f"lora_unet_{flat}",
        f"lora_unet_{CONV.replace('.', '_')}",
        "lora_unet_conv_norm_out",
        "lora_unet_conv_out",
        "lora_te_text_model_encoder_layers_0_self_attn_v_proj",
    }
    assert len(found.tensors[f"lora_unet_{flat}.lora_down.weight"]) == 4
    made = attach(base, [(read(write(tmp_path, dict(found.tensors), "again")), Strength())])
    assert torch.allclose(output(made), output(after), rtol=1e-3, atol=1e-4)
    assert torch.allclose(text(made)[0], text(after)[0], atol=1e-5)


def test_two_text_encoders_are_numbered(tmp_path):
    base = model(2)
    tensors = pair(V, 24, 24) | pair(V.replace("text_encoder.", "text_encoder_2."), 24, 24)
    after = fuse(base, [(read(write(tmp_path, tensors)), Strength())])
    found = extract(base, after, rank=4)
    assert {name[:9] for name in found.tensors} == {"lora_te1_", "lora_te2_"}
    made = attach(base, [(read(write(tmp_path, dict(found.tensors), "again")), Strength())])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(text(made), text(after), strict=True))


def test_a_table_of_words_is_left(tmp_path):
    base = model()
    words = {"text_encoder.text_model.embeddings.token_embedding.diff": torch.ones(60, 24)}
    after = fuse(base, [(read(write(tmp_path, words | pair(f"unet.{TO_Q}", 32, 32))), Strength())])
    assert extract(base, after).left == ("lora_te_text_model.embeddings.token_embedding",)


def test_refused(tmp_path):
    with pytest.raises(Refused, match="the same"):
        extract(model(), model())
    with pytest.raises(Refused, match="not of the same kind"):
        extract(model(), model(2))
