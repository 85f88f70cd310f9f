"""8-bit floats with a scale are the numbers that they stand for, and what stands beside them is used or refused."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import embedding, linear

from building import drawn
from families.whole import single, tokenizers
from unnoise import Generate, Result, describe, library, load
from unnoise.catalogue import reading, recognise
from unnoise.core.error import Refused
from unnoise.families._converted import convert
from unnoise.families._folder import read_source
from unnoise.weights.header import read_header
from unnoise.weights.open import open_tensors
from unnoise.weights.packed import Packed

TYPES = {torch.float8_e4m3fn: 448.0, torch.float8_e5m2: 57344.0}


def scaled(values, dtype=torch.float8_e4m3fn):
    """Numbers as 8-bit floats, and the scale that brings them back."""
    scale = (values.abs().max() / TYPES[dtype]).float()
    return (values / scale).to(dtype), scale


def stored(path, **tensors):
    save_file({name.replace("__", "."): value.contiguous() for name, value in tensors.items()}, path)
    return path


def eight(path, out, mark="model.diffusion_model.scaled_fp8", scale=lambda s: {"scale_weight": s}):
    """A single file with its matrices as 8-bit floats, and one of the numbers that these stand for."""
    made, plain = dict[str, torch.Tensor](), dict[str, torch.Tensor]()
    for name, value in load_file(path).items():
        if value.ndim == 2 and name.endswith(".weight"):
            made[name], factor = scaled(value)
            made |= {name.removesuffix("weight") + n: v for n, v in scale(factor).items()}
            plain[name] = made[name].float() * factor
        else:
            made[name] = plain[name] = value
    save_file(made | ({mark: torch.zeros(2).to(torch.float8_e4m3fn)} if mark else {}), out)
    save_file(plain, out.with_name("plain.safetensors"))
    return out


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)], ids=str)
@torch.no_grad()
def test_its_numbers_are_the_stored_ones_times_the_scale(tmp_path, dtype, shape):
    values, scale = scaled(drawn(6, 16), dtype)
    path = stored(tmp_path / "x.safetensors", a__weight=values, a__scale_weight=scale.view(shape), b=drawn(3))
    expected = values.float() * scale
    assert set(open_tensors(path)) == {"a.weight", "b"}
    assert torch.equal(open_tensors(path)["a.weight"], expected)
    held = open_tensors(path, unpack=False)["a.weight"]
    assert isinstance(held, Packed) and held.sound() and held.blocks.numel() == 96
    x, ids = drawn(3, 16), torch.tensor([[5, 0], [2, 5]])
    assert torch.equal(linear(x, held), linear(x, expected)) and torch.equal(embedding(ids, held), expected[ids])
    assert torch.equal(held.detach().to(torch.bfloat16), expected.to(torch.bfloat16))


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_numbers_that_are_none_are_found(tmp_path, dtype):
    values, scale = scaled(drawn(6, 16), dtype)
    bad = values.clone()
    bad[2, 3] = torch.tensor(torch.nan).to(dtype)
    for each, factor in ((bad, scale), (values, torch.tensor(torch.nan)), (values, torch.tensor(3e38))):
        path = stored(tmp_path / "x.safetensors", a__weight=each, a__scale_weight=factor)
        assert not open_tensors(path, unpack=False)["a.weight"].sound()


@pytest.mark.parametrize(
    "tensors",
    [
        {"a__scale_weight": torch.ones(6)},
        {"a__scale_weight": torch.ones(6, 1)},
        {"a__scale_weight": torch.ones(0)},
        {"a__scale_weight": torch.ones((), dtype=torch.int32)},
        {"a__scale_weight": torch.ones(()), "a__weight_scale": torch.ones(())},
    ],
    ids=str,
)
def test_a_scale_that_is_no_number_is_refused(tmp_path, tensors):
    path = stored(tmp_path / "x.safetensors", a__weight=scaled(drawn(6, 16))[0], **tensors)
    with pytest.raises(Refused, match="one number a tensor"):
        read_header(path)


def test_what_belongs_to_no_such_tensor_stays(tmp_path):
    """A scale of other numbers, or a large tensor under the mark's name, is not passed over."""
    path = stored(tmp_path / "x.safetensors", a__weight=drawn(6, 16), a__scale_weight=drawn(1), scaled_fp8=drawn(9))
    assert set(read_header(path).tensors) == {"a.weight", "a.scale_weight", "scaled_fp8"}


def latent(path, words):
    model = load(str(path), device="cpu", parts={"tokenizer": [str(word) for word in words]})
    asked = Generate(prompt="a fox", model="m", width=16, height=32, steps=2, seed=1)
    return next(e.latent for e in asked.run(library({"m": model})) if isinstance(e, Result))


OTHERS = {
    "old": lambda s: {"scale_weight": s.view(1), "scale_input": torch.ones(1)},
    "new": lambda s: {
        "weight_scale": s,
        "input_scale": torch.ones(()),
        "comfy_quant": torch.zeros(9, dtype=torch.uint8),
    },
}


@pytest.mark.parametrize("kind", ["sd1", "sd3", "flux dev"])
@pytest.mark.parametrize("spelling", OTHERS)
def test_a_model_of_them_is_the_model_of_their_numbers(tmp_path, kind, spelling):
    words = tokenizers(tmp_path / "words")
    path = eight(single(kind, tmp_path / "x.safetensors"), tmp_path / "eight.safetensors", scale=OTHERS[spelling])
    made, expected = latent(path, words), latent(tmp_path / "plain.safetensors", words)
    # Sums are rounded by where their numbers lie in memory: 1e-6 of a call, which guidance makes ten times as much.
    assert (made - expected).abs().max() <= 3e-5 * expected.abs().max()


def test_they_are_carried_into_other_layouts_as_their_numbers(tmp_path):
    words = reading({"tokenizer": list(tokenizers(tmp_path / "words"))})
    path = eight(single("sd1", tmp_path / "x.safetensors"), tmp_path / "eight.safetensors")
    for target in ("original", "unnoise"):
        source = read_source(path, words)
        convert(source, recognise(source).describe(source), tmp_path / f"{target}.safetensors", target, "")
    made, expected = load_file(tmp_path / "original.safetensors"), load_file(tmp_path / "plain.safetensors")
    assert made.keys() == expected.keys() and all(torch.equal(made[k], v) for k, v in expected.items())
    assert describe(str(tmp_path / "unnoise.safetensors")).family == "sd1"


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("kind", ["sd1", "sdxl", "flux dev"])
def test_without_a_scale_they_are_numbers_as_they_are(tmp_path, kind, dtype):
    words = tokenizers(tmp_path / "words")
    held = load_file(single(kind, tmp_path / "x.safetensors"))
    short = {name: value.to(dtype) if value.ndim == 2 else value for name, value in held.items()}
    save_file(short, tmp_path / "short.safetensors")
    save_file({name: value.float() for name, value in short.items()}, tmp_path / "plain.safetensors")
    made, expected = latent(tmp_path / "short.safetensors", words), latent(tmp_path / "plain.safetensors", words)
    assert (made - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    "cut", [lambda w: w.T, lambda w: w[:, ::2], lambda w: w[2:5]], ids=["turned", "thinned", "cut"]
)
def test_a_torch_file_s_steps_through_its_numbers_are_kept(tmp_path, cut):
    values, scale = scaled(drawn(6, 16))
    torch.save({"a.weight": cut(values), "a.scale_weight": scale}, tmp_path / "x.pt")
    assert torch.equal(open_tensors(tmp_path / "x.pt")["a.weight"], cut(values).float() * scale)


def test_a_file_that_is_replaced_while_it_is_open_gives_its_own_weight_with_its_own_scale(tmp_path):
    old, new = ({"a__weight": torch.full((4, 4), n).to(torch.float8_e4m3fn)} for n in (1.0, 4.0))
    path = stored(tmp_path / "x.safetensors", **old, a__scale_weight=torch.tensor(1.0))
    tensors = open_tensors(path)
    stored(tmp_path / "y.safetensors", **new, a__scale_weight=torch.tensor(100.0)).replace(path)
    assert torch.equal(tensors["a.weight"], torch.ones(4, 4))
    path.unlink()
    assert torch.equal(tensors["a.weight"], torch.ones(4, 4))
