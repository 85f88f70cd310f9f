"""Models of other programs on the command line: what is told of them, and how they are read."""

import hashlib
import json

import pytest
import torch

from families.strangers import FLUX, HF, SCHEDULER, VAE_SHAPES, put, tensors, unet_shapes, within
from families.strangers import folder as pipeline

SHAPES = within("model.diffusion_model.", unet_shapes()) | within("first_stage_model.", VAE_SHAPES)
SPEC = {
    "modelspec.title": "My model",
    "modelspec.prediction_type": "v",
    "ss_network_dim": "4",
    "ss_tag_frequency": '{"a": {"fox": 3}}',
    "note": "by someone",
}


def facts(unnoise, *args):
    ended = unnoise("info", *args, "--json")
    assert (ended.code, ended.err, len(ended.lines)) == (0, "", 1), ended
    return json.loads(ended.out)


def test_a_single_file(unnoise, folder):
    path = tensors(folder / "x.safetensors", SHAPES, SPEC)
    found = facts(unnoise, "x.safetensors")
    assert (found["kind"], found["family"], found["title"]) == ("model", "sd1", "Stable Diffusion 1")
    assert found["facts"] == {"prediction": "v", "layout": "single file", "missing": "clip_l"}
    assert found["parts"]["vae"] == {
        "where": "first_stage_model.",
        "parameters": sum(torch.Size(s).numel() for s in VAE_SHAPES.values()),
        "types": {"F16": len(VAE_SHAPES)},
    }
    assert found["modelspec"]["title"] == "My model" and found["metadata"] == {"note": "by someone"}
    assert found["training"] == {"ss_network_dim": 4, "ss_tag_frequency": {"a": {"fox": 3}}}
    whole = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["hashes"]["sha256"] == found["files"]["x.safetensors"] == whole
    assert found["hashes"]["autov2"] == whole[:10] and "autov1" not in found["hashes"]
    said = unnoise("info", "x.safetensors").out
    assert "Stable Diffusion 1" in said and "first_stage_model." in said and whole[:10] in said


def test_hashes_of_stretches_and_of_tensors_alone(unnoise, folder):
    path = tensors(folder / "x.safetensors", {"a": (2**20,)}, {"note": "x"})
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    found = facts(unnoise, "x.safetensors")["hashes"]
    assert found["autov1"] == hashlib.sha256(data[2**20 : 2**20 + 2**16]).hexdigest()[:8]
    assert found["autov3"] == hashlib.sha256(data[8 + length :]).hexdigest()[:12]


def test_a_folder(unnoise, folder):
    pipeline(folder / "model")
    found = facts(unnoise, "model")
    assert (found["kind"], found["family"]) == ("model", "sd1")
    assert found["parts"]["unet"]["where"] == "unet/diffusion_pytorch_model.safetensors"
    assert set(found["files"]) == {part["where"] for part in found["parts"].values()}
    assert all(len(digest) == 64 for digest in found["files"].values())


@pytest.mark.parametrize("suffix", ["ckpt", "gguf", "bin"])
def test_other_formats(unnoise, folder, suffix):
    held = {name: torch.zeros(shape) for name, shape in FLUX.items()}
    path = folder / f"x.{suffix}"
    if suffix == "gguf":
        from unnoise.weights.gguf_writer import write_gguf

        write_gguf(path, held, {}, "F16")
    else:
        torch.save(held, path)
    found = facts(unnoise, path.name)
    assert (found["family"], found["title"], found["tensors"]) == ("flux", "FLUX.1 schnell", len(FLUX))
    assert found["format"] == {"gguf": "gguf"}.get(suffix, "torch") and "autov3" not in found["hashes"]


def test_what_is_no_model_is_told_as_far_as_it_is_known(unnoise, folder):
    tensors(folder / "vae.safetensors", VAE_SHAPES)
    found = facts(unnoise, "vae.safetensors")
    assert found["kind"] == "tensors" and found["seems"].startswith("an autoencoder alone")
    tensors(folder / "lora.safetensors", {"lora_unet_x.lora_down.weight": (1, 1)}, {"ss_network_dim": "8"})
    found = facts(unnoise, "lora.safetensors")
    assert found["kind"] == "lora" and found["training"] == {"ss_network_dim": 8}


def test_folders_on_the_shelf_have_names(unnoise, folder):
    shelf = folder.parent / "home" / "models"
    pipeline(shelf / "mine")
    tensors(shelf / "single.safetensors", SHAPES)
    torch.save({name: torch.zeros(shape) for name, shape in SHAPES.items()}, shelf / "old.ckpt")
    (shelf / "notes").mkdir()
    names = [line.split()[0] for line in unnoise("list", "models").lines]
    assert {"mine", "single", "old"} <= set(names) and "notes" not in names
    assert facts(unnoise, "mine")["family"] == facts(unnoise, "old")["family"] == "sd1"


def test_a_folder_here_is_a_model_by_its_bare_name(unnoise, folder):
    pipeline(folder / "mine")
    assert "Stable Diffusion 1" in unnoise("info", "mine").out
    said = unnoise("plan", "generate", "x", "--model", "mine").refusal()
    assert "tokenizer is missing" in said  # it was found, and is a stub


def test_what_is_missing_is_said_before_anything_is_read(unnoise, folder):
    tensors(folder / "x.safetensors", SHAPES)
    said = unnoise("generate", "x", "--model", "x.safetensors").refusal()
    assert "lacks clip_l (a CLIP text encoder" in said and "--part text=FILE" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--part", "vae"], "write ROLE=PATH"),
        (["--part", "vae="], "write ROLE=PATH"),
        (["--part", "head=x"], "there is no part 'head'"),
        (["--part", "vae=nowhere.safetensors"], "nowhere.safetensors"),
        (["--family", "sd9"], "there is no family 'sd9'"),
        (["--family", "sd1:colour=red"], "prediction=v or epsilon"),
        (["--part"], "--part needs a value"),
    ],
)
@pytest.mark.parametrize("command", ["generate", "plan"])
def test_what_cannot_be_read_so_is_refused(unnoise, folder, command, words, said):
    tensors(folder / "x.safetensors", SHAPES)
    line = ["generate"] if command == "generate" else ["plan", "generate"]
    assert said in unnoise(*line, "x", "--model", "x.safetensors", *words).refusal()


def test_tensors_that_are_left_over_are_an_error_unless_they_may_be(unnoise, folder):
    text = within("cond_stage_model.transformer.", HF)
    tensors(folder / "x.safetensors", SHAPES | text | {"odd.one": (1,), "odd.two": (1,)})
    line = ("generate", "x", "--model", "x.safetensors")
    said = unnoise(*line).refusal()
    assert "2 tensors of no use here: odd.one, odd.two" in said and "--ignore-keys PATTERN" in said
    assert "odd" not in unnoise(*line, "--ignore-keys", "odd.*").refusal()  # its networks are not whole, either


def test_an_upscaler_takes_no_parts(unnoise, folder):
    from PIL import Image

    Image.new("RGB", (8, 8)).save("x.png")
    assert "leave --part" in unnoise("upscale", "x.png", "--family", "sd1").refusal()


def test_the_default_sampler_is_the_scheduler_s_and_others_go_along_plain_rows(unnoise, folder):
    from unnoise import Generate, describe

    about = describe(str(pipeline(folder / "model")))
    made = Generate(prompt="x").plan(about)
    assert (made.sampler, made.spacing) == ("pndm:prk=false", "leading:offset=1,start=unit,end=row")
    made = Generate(prompt="x", sampler="euler").plan(about)
    assert (made.sampler, made.spacing) == ("euler", "")
    put(folder / "model" / "scheduler" / "scheduler_config.json", SCHEDULER | {"use_karras_sigmas": True})
    assert Generate(prompt="x").plan(describe(str(folder / "model"))).spacing == "karras:start=unit"
