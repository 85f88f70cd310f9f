"""CLIP text encoders as transformers has them: the same numbers from the files it saves, and every full-size layout."""

import json
import warnings

import pytest
import torch
from safetensors.torch import load_file

from unnoise.core.error import Refused
from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.weights.maps import clip
from unnoise.weights.place import Place, filled

transformers = pytest.importorskip("transformers", reason="transformers, the library compared with, is not installed")
CPU = Place(torch.device("cpu"), torch.float32)
LARGE, HUGE, GIGANTIC = (
    {
        "hidden_size": w,
        "intermediate_size": 4 * w,
        "num_hidden_layers": d,
        "num_attention_heads": w // 64,
        "hidden_act": a,
    }
    for w, d, a in ((768, 12, "quick_gelu"), (1024, 24, "gelu"), (1280, 32, "gelu"))
)


def theirs(kind, seed=0, **changes):
    torch.manual_seed(seed)
    sizes = {
        "vocab_size": 120,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
    }
    sizes |= {
        "max_position_embeddings": 16,
        "projection_dim": 24,
        "bos_token_id": 118,
        "eos_token_id": 119,
        "pad_token_id": 119,
    }
    model = getattr(transformers, kind)(transformers.CLIPTextConfig(**(sizes | changes))).eval()
    for parameter in model.parameters():  # biases and norms that are not what they start as
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def ours(folder):
    fields = clip.from_diffusers(json.loads((folder / "config.json").read_text()))
    config = CLIPTextConfig(**fields)
    tensors = clip.diffusers(config).ours(load_file(folder / "model.safetensors"))
    return filled(lambda: CLIPText(config), tensors, "", CPU)


def ids(end, rows=4, length=16, seed=1):
    found = torch.randint(3, 118, (rows, length), generator=torch.Generator().manual_seed(seed))
    for row, place in zip(found, (3, 9, 15, 6), strict=True):
        row[place:] = 119 if end == 2 else end
    return found


def near(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("end", [2, 119, 7])
@pytest.mark.parametrize("kind", ["CLIPTextModel", "CLIPTextModelWithProjection"])
@torch.no_grad()
def test_it_gives_the_same_numbers(tmp_path, kind, end, activation):
    model = theirs(kind, hidden_act=activation, eos_token_id=end)
    model.save_pretrained(tmp_path)
    mine, words = ours(tmp_path), ids(end)
    told = model(input_ids=words, output_hidden_states=True)
    pooled = told.text_embeds if kind.endswith("Projection") else told.pooler_output
    for skip in (0, 1, 2):
        states, found = mine(words, skip, norm=False)
        near(found, pooled)
        if skip:
            near(states, told.hidden_states[-1 - skip])
        assert torch.equal(mine.states(words, skip, norm=False), states)
        assert torch.equal(mine.states(words, skip), mine.final_layer_norm(states))
    near(mine.states(words), told.last_hidden_state)


@torch.no_grad()
def test_a_prompt_shorter_than_the_window(tmp_path):
    model = theirs("CLIPTextModel")
    model.save_pretrained(tmp_path)
    words = ids(119)[:, :10]
    near(ours(tmp_path).states(words), model(input_ids=words).last_hidden_state)


@torch.no_grad()
def test_learnt_tokens_do_not_end_a_prompt_of_an_old_file(tmp_path):
    """transformers takes the highest token for the end; one learnt later is higher: a known fault of its own."""
    theirs("CLIPTextModel", eos_token_id=2).save_pretrained(tmp_path)
    mine, words = ours(tmp_path), ids(2)
    mine.embeddings.token_embedding.weight = torch.nn.Parameter(torch.randn(122, 48))
    words[:, 1] = 121
    assert mine._ends(words).tolist() == [3, 9, 15, 6]


def full(sizes, kind="CLIPTextModelWithProjection", projection=0):
    with torch.device("meta"):
        config = transformers.CLIPTextConfig(**sizes, vocab_size=49408, projection_dim=projection or 512)
        return getattr(transformers, kind)(config)


@pytest.mark.parametrize(
    ("sizes", "kind", "projection"),
    [
        (LARGE, "CLIPTextModel", 0),
        (LARGE, "CLIPTextModelWithProjection", 768),
        (HUGE, "CLIPTextModel", 0),
        (GIGANTIC, "CLIPTextModelWithProjection", 1280),
    ],
    ids=["L", "L projected", "H", "bigG"],
)
def test_full_size_layouts_both_ways(sizes, kind, projection):
    model = full(sizes, kind, projection)
    told = json.loads(model.config.to_json_string()) | {"architectures": [kind]}
    config = CLIPTextConfig(**clip.from_diffusers(told))
    with torch.device("meta"):
        mine = CLIPText(config).state_dict()
    written = {k if k.startswith("text_") else f"text_model.{k}": v for k, v in model.state_dict().items()}
    for stored in (written, model.state_dict()):  # published ones, and as the newest transformers writes them
        found = clip.diffusers(config).ours({**stored, "text_model.embeddings.position_ids": torch.arange(77)[None]})
        assert {k: found[k].shape for k in found} == {k: v.shape for k, v in mine.items()}
    back = clip.diffusers(config).theirs(mine)
    assert {k: v.shape for k, v in back.items()} == {k: v.shape for k, v in written.items()}
    said = CLIPTextConfig(**clip.from_original({k: tuple(v.shape) for k, v in written.items()}))
    assert said == CLIPTextConfig(**(clip.from_diffusers(told) | {"end": 49407}))


@pytest.fixture(scope="module")
def converter():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of optional packages
        reason = "diffusers, whose converter is compared with, is not installed"
        return pytest.importorskip("diffusers.loaders.single_file_utils", reason=reason)


@pytest.mark.parametrize("projection", [0, 48])
def test_a_file_of_openclip_s_names_is_what_diffusers_takes_it_for(tmp_path, converter, projection):
    kind = "CLIPTextModelWithProjection" if projection else "CLIPTextModel"
    model = theirs(kind, projection_dim=projection or 24)
    model.save_pretrained(tmp_path)
    mine = ours(tmp_path)
    table = clip.original(mine.config, "open_clip")
    written = table.theirs(mine.state_dict())
    assert clip.variant_of(written) == "open_clip"
    told = converter.convert_open_clip_checkpoint(model, {f"p.{k}": v for k, v in written.items()}, "p.")
    expected = {k if k.startswith("text_") else f"text_model.{k}": v for k, v in model.state_dict().items()}
    assert told.keys() == expected.keys()
    assert all(torch.equal(told[k], expected[k]) for k in told)
    extra = {"logit_scale": torch.ones(())} | ({} if projection else {"text_projection": torch.zeros(48, 48)})
    again = table.ours({**written, **extra})
    assert all(torch.equal(again[k], v) for k, v in mine.state_dict().items())


@pytest.mark.parametrize(("sizes", "projection"), [(HUGE, 0), (GIGANTIC, 1280)], ids=["H", "bigG"])
def test_full_size_layouts_of_openclip(sizes, projection):
    width, depth = sizes["hidden_size"], sizes["num_hidden_layers"]
    layer = {"ln_1.weight": (width,), "ln_1.bias": (width,), "ln_2.weight": (width,), "ln_2.bias": (width,)}
    layer |= {"attn.in_proj_weight": (3 * width, width), "attn.in_proj_bias": (3 * width,)}
    layer |= {"attn.out_proj.weight": (width, width), "attn.out_proj.bias": (width,)}
    layer |= {"mlp.c_fc.weight": (4 * width, width), "mlp.c_fc.bias": (4 * width,)}
    layer |= {"mlp.c_proj.weight": (width, 4 * width), "mlp.c_proj.bias": (width,)}
    stored = {f"transformer.resblocks.{i}.{name}": shape for i in range(depth) for name, shape in layer.items()}
    stored |= {"positional_embedding": (77, width), "token_embedding.weight": (49408, width)}
    stored |= {"ln_final.weight": (width,), "ln_final.bias": (width,)}
    stored |= {"text_projection": (width, projection)} if projection else {}
    config = CLIPTextConfig(**clip.from_original(stored))
    assert (config.depth, config.heads, config.activation) == (depth, width // 64, "gelu")
    with torch.device("meta"):
        mine, files = CLIPText(config).state_dict(), {k: torch.empty(v) for k, v in stored.items()}
    table = clip.original(config, "open_clip")
    found = table.ours({**files, "logit_scale": torch.empty(())})
    assert {k: found[k].shape for k in found} == {k: v.shape for k, v in mine.items()}
    assert {k: tuple(v.shape) for k, v in table.theirs(mine).items()} == stored


@pytest.mark.parametrize("wrong", [{"hidden_act": "relu"}, {"hidden_size": "768"}, {"num_hidden_layers": 0}])
def test_what_cannot_be_honoured_is_refused(wrong):
    with pytest.raises(Refused, match=next(iter(wrong))):
        clip.from_diffusers(wrong)


def test_a_file_without_a_text_encoder_is_refused():
    with pytest.raises(Refused, match="damaged"):
        clip.from_original({"text_model.embeddings.token_embedding.weight": (49408, 768)})
