"""A merge is the weighted sum, block by block where asked, and only of files that hold the same."""

import pytest
import torch

from unnoise.adapters.merge import Block, block_of, merged
from unnoise.core.error import Refused
from unnoise.weights.open import open_tensors
from unnoise.weights.safetensors_writer import write_safetensors
from unnoise.weights.store import write_tensors

UNET = "model.diffusion_model."
NAMES = [f"{UNET}input_blocks.{n}.0.weight" for n in (0, 4, 11)]
NAMES += [f"{UNET}middle_block.1.weight", f"{UNET}output_blocks.3.0.weight", f"{UNET}out.2.weight"]
NAMES += ["cond_stage_model.x.weight", "first_stage_model.y.weight"]


@pytest.fixture
def files(tmp_path):
    """Three files, all ones, all twos and all fours."""
    found = []
    for k, value in enumerate((1.0, 2.0, 4.0)):
        tensors = {name: torch.full((2, 3), value) for name in NAMES} | {"position_ids": torch.arange(4) + k}
        write_tensors(tmp_path / f"{k}.safetensors", tensors, {"title": str(k), "modelspec.hash_sha256": "0x0"})
        found.append(tmp_path / f"{k}.safetensors")
    return found


def values(made):
    return {name: float(made[name].flatten()[0]) for name in NAMES}


def test_weights(files):
    lazy, metadata = merged([(files[0], 0.75), (files[1], 0.25)])
    assert set(values(lazy.tensors).values()) == {1.25}
    assert torch.equal(lazy.tensors["position_ids"], torch.arange(4))
    assert metadata == {"title": "0", "modelspec.merged_from": "0.safetensors, 1.safetensors"}
    assert set(values(merged([(files[0], 1), (files[2], 1), (files[1], -1)])[0].tensors).values()) == {3.0}


def test_what_is_written_is_what_was_promised(files, tmp_path):
    lazy, metadata = merged([(files[0], 0.5), (files[2], 0.5)])
    write_safetensors(tmp_path / "out.safetensors", lazy, metadata)
    made = open_tensors(tmp_path / "out.safetensors")
    assert set(values(made).values()) == {2.5} and made.keys() == lazy.like.keys()


def test_types_are_the_first_ones(tmp_path):
    for name, dtype in (("a", torch.float16), ("b", torch.float32)):
        write_tensors(tmp_path / f"{name}.safetensors", {"x": torch.full((3,), 1 / 3, dtype=dtype)}, {"a": "b"})
    lazy, _ = merged([(tmp_path / "a.safetensors", 0.5), (tmp_path / "b.safetensors", 0.5)])
    assert lazy.tensors["x"].dtype == lazy.like["x"].dtype == torch.float16


def test_blocks(files):
    blocks = [Block("IN04-IN11", 1.0), Block("mid", 0.5), Block("*out.2*", 0.25), Block("BASE", 0.0)]
    made = values(merged([(files[0], 0.9), (files[1], 0.1)], blocks)[0].tensors)
    expected = [1.1, 2.0, 2.0, 1.5, 1.1, 1.25, 1.0, 1.0]
    assert [round(made[name], 6) for name in NAMES] == expected


def test_names_of_blocks():
    assert [block_of(name) for name in NAMES] == ["IN00", "IN04", "IN11", "MID", "OUT03", "BASE", "BASE", "BASE"]
    assert block_of("diffusion_model.output_blocks.11.1.proj_in.weight") == "OUT11"
    assert Block("OUT03", 1).holds(NAMES[4]) and not Block("OUT3-4", 1).holds(NAMES[0])


def test_refused(files, tmp_path):
    with pytest.raises(Refused, match="add up"):
        merged([(files[0], 0.5), (files[1], 0.6)])
    with pytest.raises(Refused, match="add up"):
        merged([(files[0], 1.0)])
    with pytest.raises(Refused, match="two models"):
        merged([(files[0], 0.5), (files[1], 0.25), (files[2], 0.25)], [Block("MID", 1)])
    with pytest.raises(Refused, match="in the block 'IN12'"):
        merged([(files[0], 0.5), (files[1], 0.5)], [Block("IN12", 1)])
    write_tensors(tmp_path / "odd.safetensors", {NAMES[0]: torch.ones(2, 4)}, {"a": "b"})
    with pytest.raises(Refused, match="differ in"):
        merged([(files[0], 0.5), (tmp_path / "odd.safetensors", 0.5)])
