"""Adapters on the command line: put on, told of by the record, found again by hash, and never by a stranger's path."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from unnoise.catalogue import load
from unnoise.media.embed import read_record
from unnoise.media.image import read, save
from unnoise.weights.store import write_tensors


@pytest.fixture
def tiny(folder, tiny_model):
    """The tiny model at home under its name."""
    models = folder.parent / "home" / "models"
    models.mkdir(parents=True)
    (models / "tiny.safetensors").write_bytes(tiny_model.read_bytes())
    return load(str(tiny_model), "cpu")


@pytest.fixture
def style(folder, tiny):
    """A LoRA of the tiny model's network, in the current folder."""
    random, tensors = torch.Generator().manual_seed(3), {}
    for name, module in tiny.denoiser.network.named_modules():
        if isinstance(module, torch.nn.Linear) and name.startswith("blocks"):
            tensors[f"network.{name}.lora_A.weight"] = torch.randn(2, module.in_features, generator=random)
            tensors[f"network.{name}.lora_B.weight"] = torch.randn(module.out_features, 2, generator=random)
    write_tensors(folder / "style.safetensors", tensors, {"format": "pt"})
    return folder / "style.safetensors"


@pytest.fixture
def fox(unnoise, folder):
    """`unnoise generate "a red fox"` with more options; the picture's record."""

    def run(*args, out="fox.png"):
        ended = unnoise(
            "generate",
            "a red fox",
            "--seed",
            7,
            "--model",
            "tiny",
            "--out",
            out,
            *(args if "--steps" in args else ("--steps", 3, *args)),
        )
        assert ended.code == 0, ended.err
        return read_record(folder / out)

    return run


def test_an_adapter_changes_the_picture_and_its_record_tells(fox, style):
    plain, styled = fox(out="plain.png"), fox("--lora", "style.safetensors:0.8")
    assert styled.pixels != plain.pixels
    assert styled.request["lora"] == ["style:0.8"] and "lora" not in plain.request
    assert styled.files.keys() == {"tiny.safetensors", "style.safetensors"}
    assert fox("--lora", "style.safetensors:0", out="none.png").pixels == plain.pixels
    assert fox("--lora", "style.safetensors:network=0.8,text=3", out="parts.png").pixels == styled.pixels
    assert fox("--lora", "style.safetensors:network=0,text=3", out="text.png").pixels == plain.pixels


def test_several_add_up(fox, style, folder):
    (folder / "more").mkdir()
    (folder / "more" / "style.safetensors").write_bytes(style.read_bytes())
    both = fox("--lora", "style.safetensors:0.5", "--lora", "more/style.safetensors:0.5")
    assert sorted(both.request["lora"]) == ["style-2:0.5", "style:0.5"]
    one = fox(out="one.png")
    assert both.pixels != one.pixels


def test_replay_finds_the_adapter_by_its_hash(unnoise, fox, style, folder):
    fox("--lora", "style.safetensors:0.8")
    said = unnoise("replay", "fox.png").refusal()
    assert "style" in said and "--adapter" in said
    assert unnoise("replay", "fox.png", "--adapter", "style.safetensors").code == 0
    shelf = folder.parent / "home" / "adapters"
    shelf.mkdir(parents=True)
    style.rename(shelf / "renamed.safetensors")
    ended = unnoise("replay", "fox.png", "--json")
    assert ended.code == 0 and json.loads(ended.lines[0])["verdict"] == "identical"


def test_another_adapter_of_the_same_name_is_told(unnoise, fox, style, folder):
    fox("--lora", "style.safetensors:0.8")
    shelf = folder.parent / "home" / "adapters"
    shelf.mkdir(parents=True)
    tensors = {k: v * 2 for k, v in load_file(style).items()}
    write_tensors(shelf / "style.safetensors", tensors, {"format": "pt"})
    ended = unnoise("replay", "fox.png", "--json")
    said = json.loads(ended.lines[0])
    assert said["verdict"] == "parted" and any("other weights" in reason for reason in said["reasons"])


def test_another_picture_like_it_has_the_adapter_too(unnoise, fox, style, folder):
    shelf = folder.parent / "home" / "adapters"
    shelf.mkdir(parents=True)
    style.rename(shelf / "style.safetensors")
    first = fox("--lora", "style:0.8")
    ended = unnoise("generate", "--like", "fox.png", "--out", "again.png")
    assert ended.code == 0, ended.err
    again = read_record(folder / "again.png")
    assert again.pixels == first.pixels and again.request["lora"] == ["style:0.8"]


def test_a_picture_is_refined_with_an_adapter_that_has_moved(unnoise, fox, style, folder):
    fox("--lora", "style.safetensors:0.8", "--steps", 4)
    shelf = folder.parent / "home" / "adapters"
    shelf.mkdir(parents=True)
    style.rename(shelf / "moved.safetensors")
    ended = unnoise("generate", "--refine", "fox.png", "--steps", 6, "--out", "fine.png")
    assert ended.code == 0, ended.err
    assert read_record(folder / "fine.png").request["lora"] == ["moved:0.8"]
    assert unnoise("replay", "fine.png").code == 0


def test_a_strangers_record_opens_no_file_by_its_path(unnoise, fox, style, folder):
    record = fox("--lora", "style.safetensors:0.8")
    stranger = replace(record, request={**record.request, "lora": [f"{style}:0.8"]}, files={}).sealed()
    save(folder / "stranger.png", read(folder / "fox.png"), stranger)
    assert "is not here" in unnoise("replay", "stranger.png").refusal()
    assert "is not here" in unnoise("generate", "--like", "stranger.png").refusal()


def test_all_that_is_missing_is_named_at_once(unnoise, fox, style, folder):
    record = fox("--lora", "style.safetensors:0.8")
    lost = {"lora": ["one:0.5", "two"], "embedding": ["word"], "control": [f"edges:image={'0' * 64}"]}
    other = replace(record, request={**record.request, **lost}, files={"far": "1" * 64}, model="far").sealed()
    save(folder / "other.png", read(folder / "fox.png"), other)
    said = unnoise("replay", "other.png").refusal()
    assert [name for name in ("'far'", "'one'", "'two'", "'word'", "'edges'", "000000000000") if name not in said] == []
    assert said.count("--adapter") == 3 and said.count("--source") == 1  # a folder each for a kind, and no more


def test_presets_batches_and_grids_take_adapters(unnoise, fox, style, folder):
    styled = fox("--lora", "style.safetensors:0.8")
    assert unnoise("preset", "save", "mine", "--lora", "style.safetensors:0.8", "--model", "tiny").code == 0
    (folder / "elsewhere").mkdir()
    assert fox("--preset", "mine", out="preset.png").pixels == styled.pixels
    rows = [{"prompt": "a red fox", "seed": 7, "steps": 3, "model": "tiny", "lora": ["style.safetensors:0.8"]}]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = unnoise("batch", "rows.jsonl", "--out", "batch")
    assert ended.code == 0, ended.err
    [made] = (folder / "batch").glob("*.png")
    assert read_record(made).pixels == styled.pixels
    ended = unnoise("grid", "a red fox", "--model", "tiny", "--steps", 2, "--vary", "lora=,style.safetensors:0.5")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--lora", "nowhere.safetensors"], "there is no file"),
        (["--lora", "stile"], "there is no lora"),
        (["--lora", "style.safetensors:nan"], "out of range"),
        (["--lora", "style.safetensors:unet=1"], "network=1"),
        (["--lora", "style.safetensors", "--lora", "style.safetensors:2"], "twice"),
        (["--lora", "tiny.safetensors"], "there is no file"),
        (["--embedding", "nowhere.pt"], "there is no file"),
        (["--embedding", "style.safetensors"], "no embedding"),
        (["--lora"], "needs a value"),
    ],
)
def test_refused(unnoise, style, args, said):
    assert said in unnoise("generate", "a red fox", "--model", "tiny", *args).refusal()


def test_what_is_at_home_is_listed(unnoise, style, folder, shared):
    home = folder.parent / "home"
    for name, source in {
        "adapters/style": style,
        "adapters/odd": shared / "fixtures/embeddings/test_embedding.safetensors",
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / f"{name}.safetensors").write_bytes(source.read_bytes())
    (home / "adapters" / "broken.pt").write_bytes(b"PK")
    (home / "embeddings").mkdir()
    word = shared / "fixtures" / "embeddings" / "cat-toy_learned_embeds.bin"
    (home / "embeddings" / "cat.bin").write_bytes(word.read_bytes())
    said = unnoise("list", "adapters").lines
    assert [line.split()[0] for line in said] == ["broken", "odd", "style"]
    assert "cannot be used" in said[0] and "no lora" in said[1] and said[2].endswith("LoRA")
    assert unnoise("list", "embeddings").lines == ["cat  a learnt word for Stable Diffusion 1"]


def test_a_model_is_no_adapter(unnoise, style, folder):
    (folder / "model.safetensors").write_bytes((folder.parent / "home" / "models" / "tiny.safetensors").read_bytes())
    assert "no adapter" in unnoise("generate", "x", "--model", "tiny", "--lora", "model.safetensors").refusal()
