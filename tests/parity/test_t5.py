"""T5's encoder as transformers has it: the same numbers from the files it saves, and the XXL model's layout."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from unnoise.core.error import Refused
from unnoise.networks.t5 import T5, T5Config, bucket
from unnoise.weights.maps import t5
from unnoise.weights.place import Place, filled

transformers = pytest.importorskip("transformers", reason="transformers, the library compared with, is not installed")
CPU = Place(torch.device("cpu"), torch.float32)
XXL = {"vocab_size": 32128, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}


def near(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 60,
        "d_model": 32,
        "d_kv": 6,
        "d_ff": 40,
        "num_layers": 3,
        "num_heads": 4,
        "feed_forward_proj": "gated-gelu",
    }
    model = transformers.T5EncoderModel(transformers.T5Config(**sizes)).eval()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, std=1.0 if "bias" in name else 0.3)
    folder = tmp_path_factory.mktemp("t5")
    model.save_pretrained(folder)
    config = T5Config(**t5.from_diffusers(json.loads((folder / "config.json").read_text())))
    tensors = t5.diffusers(config).ours(load_file(folder / "model.safetensors"))
    return model, filled(lambda: T5(config), tensors, "", CPU)


@pytest.mark.parametrize("length", [1, 2, 30, 300])
@torch.no_grad()
def test_it_gives_the_same_numbers(both, length):
    model, mine = both
    ids = torch.randint(60, (2, length), generator=torch.Generator().manual_seed(length))
    near(mine(ids), model(input_ids=ids)[0])


@given(st.integers(2, 32).map(lambda n: 4 * n), st.integers(2, 1000))
def test_distances_fall_into_its_buckets(buckets, most):
    most += buckets  # every bucket of its own lies within reach
    distance = torch.arange(-2 * most, 2 * most)
    attention = transformers.models.t5.modeling_t5.T5Attention
    expected = attention._relative_position_bucket(distance, True, buckets, most)
    assert torch.equal(bucket(distance, buckets, most), expected)


def names(model):
    return {k: v for k, v in model.state_dict().items() if k != "encoder.embed_tokens.weight"}


def test_full_size_layouts_both_ways():
    with torch.device("meta"):
        model = transformers.T5EncoderModel(transformers.T5Config(**XXL, feed_forward_proj="gated-gelu"))
    config = T5Config(**t5.from_diffusers(json.loads(model.config.to_json_string())))
    assert config == T5Config()
    with torch.device("meta"):
        mine = T5(config).state_dict()
    table = t5.diffusers(config)
    found = table.ours(model.state_dict())
    assert "encoder.embed_tokens.weight" in model.state_dict()
    assert {k: found[k].shape for k in found} == {k: v.shape for k, v in mine.items()}
    back = {k: tuple(v.shape) for k, v in table.theirs(mine).items()}
    assert back == {k: tuple(v.shape) for k, v in names(model).items()}
    assert T5Config(**t5.from_original(back)) == config
    assert t5.original(config, back) is table


def test_words_under_their_other_name_alone_are_read(both):
    model, mine = both
    stored = {k.replace("shared", "encoder.embed_tokens"): v for k, v in names(model).items()}
    found = t5.original(mine.config, stored).ours(stored)
    assert all(torch.equal(found[k], v) for k, v in mine.state_dict().items())
    shapes = {k: tuple(v.shape) for k, v in stored.items()}
    assert T5Config(**t5.from_original(shapes)) == mine.config


def test_llama_cpp_s_names(both):
    mine = both[1]
    table = t5.original(mine.config, {"token_embd.weight"})
    stored = table.theirs(mine.state_dict())
    assert {"enc.blk.2.ffn_gate.weight", "enc.blk.0.attn_rel_b.weight", "enc.output_norm.weight"} <= stored.keys()
    assert table.spot("enc.blk.2.ffn_gate").name == "blocks.2.mlp.wi_0"  # behind the GELU
    assert table.spot("enc.blk.2.ffn_up").name == "blocks.2.mlp.wi_1"
    found = table.ours(stored)
    assert all(torch.equal(found[k], v) for k, v in mine.state_dict().items())
    assert T5Config(**t5.from_original({k: tuple(v.shape) for k, v in stored.items()})) == mine.config


@pytest.mark.parametrize("wrong", [{"feed_forward_proj": "relu"}, {"feed_forward_proj": "gated-gelu", "d_kv": -1}])
def test_what_cannot_be_honoured_is_refused(wrong):
    with pytest.raises(Refused, match=list(wrong)[-1]):
        t5.from_diffusers(wrong)


def test_a_file_of_version_1_is_refused():
    old = {"shared.weight": (32128, 512), "encoder.block.0.layer.1.DenseReluDense.wi.weight": (2048, 512)}
    with pytest.raises(Refused, match=r"not of version 1\.1"):
        t5.from_original(old)
