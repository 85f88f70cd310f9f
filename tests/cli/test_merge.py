"""`unnoise merge` and `unnoise extract`, on the tiny model and another one."""

import pytest
import torch

from unnoise.media.embed import read_record
from unnoise.weights.header import read_header
from unnoise.weights.open import open_tensors
from unnoise.weights.store import write_tensors


@pytest.fixture
def two(folder, tiny_model):
    """a.safetensors, the tiny model, and b.safetensors, one trained from it."""
    (folder / "a.safetensors").write_bytes(tiny_model.read_bytes())
    header, tensors = read_header(tiny_model), dict(open_tensors(tiny_model))
    random = torch.Generator().manual_seed(5)
    for name, value in tensors.items():
        if name.startswith("network.blocks") and value.ndim == 2:
            tensors[name] = value + torch.randn(len(value), 2, generator=random) @ torch.randn(
                2, value.shape[1], generator=random
            )
    write_tensors(folder / "b.safetensors", tensors, dict(header.metadata))
    return folder


def picture(unnoise, folder, *args):
    ended = unnoise("generate", "a red fox", "--seed", 1, "--steps", 3, "--out", "x.png", *args)
    assert ended.code == 0, ended.err
    return read_record(folder / "x.png").pixels


def test_a_merge_of_all_of_one_is_that_one(unnoise, two):
    assert unnoise("merge", "a.safetensors:1", "b.safetensors:0", "--out", "c.safetensors").code == 0
    assert unnoise("merge", "a.safetensors", "b.safetensors", "--out", "half.safetensors", "--json").code == 0
    first = picture(unnoise, two, "--model", "a.safetensors")
    assert picture(unnoise, two, "--model", "c.safetensors") == first
    assert picture(unnoise, two, "--model", "half.safetensors") != first
    a, b, half = (open_tensors(two / f"{n}.safetensors") for n in ("a", "b", "half"))
    assert all(torch.allclose(half[k], (a[k] + b[k]) / 2, atol=1e-6) for k in a)


def test_what_is_extracted_makes_the_one_the_other(unnoise, two):
    ended = unnoise(
        "extract", "a.safetensors", "b.safetensors", "--rank", 4, "--dtype", "float32", "--out", "d.safetensors"
    )
    assert ended.code == 0, ended.err
    assert "100.0 %" in ended.out
    made = picture(unnoise, two, "--model", "a.safetensors", "--lora", "d.safetensors")
    assert made != picture(unnoise, two, "--model", "a.safetensors")
    unnoise(
        "generate",
        "a red fox",
        "--seed",
        1,
        "--steps",
        3,
        "--model",
        "b.safetensors",
        "--latents-out",
        "b-latent.safetensors",
    )
    unnoise(
        "generate",
        "a red fox",
        "--seed",
        1,
        "--steps",
        3,
        "--model",
        "a.safetensors",
        "--lora",
        "d.safetensors",
        "--latents-out",
        "l-latent.safetensors",
    )
    one, other = (open_tensors(two / f"{n}-latent.safetensors")["latent"] for n in "bl")
    assert torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["merge", "--out", "x.safetensors"], "two or more"),
        (["merge", "a.safetensors", "--out", "x.safetensors"], "two or more"),
        (["merge", "a.safetensors:0.5", "b.safetensors", "--out", "x.safetensors"], "only some"),
        (["merge", "a.safetensors:0.5", "b.safetensors:0.4", "--out", "x.safetensors"], "add up"),
        (["merge", "a.safetensors", "b.safetensors", "--out", "x.png"], "suffix"),
        (["merge", "a.safetensors", "b.safetensors", "--out", "x.safetensors", "--block", "MID"], "BLOCK=SHARE"),
        (["merge", "a.safetensors", "b.safetensors", "--out", "x.safetensors", "--block", "MID=1"], "no tensor"),
        (["merge", "a.safetensors", "no.safetensors", "--out", "x.safetensors"], "no.safetensors"),
        (["extract", "a.safetensors", "a.safetensors", "--out", "x.safetensors"], "the same"),
        (["extract", "a.safetensors", "b.safetensors", "--rank", 0, "--out", "x.safetensors"], "out of range"),
        (["extract", "a.safetensors", "b.safetensors", "--keep", 2, "--out", "x.safetensors"], "out of range"),
        (["extract", "a.safetensors", "--out", "x.safetensors"], "TUNED"),
    ],
)
def test_refused(unnoise, two, args, said):
    assert said in unnoise(*args).refusal()
    assert not (two / "x.safetensors").exists()
