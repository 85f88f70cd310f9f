"""`unnoise convert`: what a name asks for, what stays as it was, what is left out, and what is refused in one line."""

import json
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from building import stirred
from cli.conftest import files
from families.whole import single, tokenizers
from unnoise import describe
from unnoise.catalogue import reading
from unnoise.networks.autoencoder_kl import AutoencoderKL, AutoencoderKLConfig
from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.networks.flux import Flux, FluxConfig
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetConfig
from unnoise.weights.gguf_writer import write_gguf
from unnoise.weights.header import read_header
from unnoise.weights.maps import clip, flux, kl, ldm_unet
from unnoise.weights.open import open_tensors

TEXT = CLIPTextConfig(vocabulary=49408, width=64, heads=1, hidden=32, depth=2, positions=77)
CODEC = AutoencoderKLConfig(widths=(32, 32), blocks=1)


def numbers(network, config, keys, prefix, seed=0):
    torch.manual_seed(seed)
    module = stirred(network(config))
    return {prefix + name: value.half() for name, value in keys(config).theirs(module.state_dict()).items()}


def codec(prefix, config=CODEC):
    return numbers(AutoencoderKL, config, kl.original, prefix)


def text(prefix, variant="hf", config=TEXT):
    return numbers(CLIPText, config, lambda c: clip.original(c, variant), prefix)


@pytest.fixture(scope="session")
def sd1(tmp_path_factory):
    """A whole single file of SD 1's kind, with what training left in it."""
    config = LDMUNetConfig(widths=(32, 64), blocks=1, depths=(1, 0), heads=(8, 8), context=64)
    held = numbers(LDMUNet, config, ldm_unet.original, "model.diffusion_model.")
    held |= codec("first_stage_model.") | text("cond_stage_model.transformer.")
    held |= {"alphas_cumprod": torch.zeros(1000), "model_ema.decay": torch.zeros(())}
    path = tmp_path_factory.mktemp("convert") / "sd1.safetensors"
    save_file(held, path, {"modelspec.author": "somebody"})
    return path


@pytest.fixture(scope="session")
def schnell(tmp_path_factory):
    """Flux's transformer alone."""
    config = FluxConfig(width=128, heads=1, depth=1, singles=1, context=64, pooled=64, guidance=False)
    path = tmp_path_factory.mktemp("convert") / "schnell.safetensors"
    save_file(numbers(Flux, config, flux.original, ""), path)
    return path


def same(mine, others):
    assert mine.keys() == others.keys()
    assert all(mine[k].dtype == v.dtype and torch.equal(mine[k], v) for k, v in others.items())


def of_use(held):
    return {k: v for k, v in held.items() if not k.startswith(("alphas", "model_ema"))}


def test_a_folder_and_back_is_the_same_file(unnoise, folder, sd1):
    assert unnoise("convert", sd1, "folder").lines == ["folder"]
    assert unnoise("convert", "folder", "back.safetensors").code == 0
    same(load_file(folder / "back.safetensors"), of_use(load_file(sd1)))
    assert describe("./folder").family == describe("back.safetensors").family == "sd1"


def test_a_folder_is_complete(unnoise, folder, sd1):
    unnoise("convert", sd1, "made")
    index = json.loads((folder / "made" / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline" and index["tokenizer"] == ["transformers", "CLIPTokenizer"]
    assert set(files(folder / "made")) == {
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/special_tokens_map.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    }
    assert json.loads((folder / "made" / "vae" / "config.json").read_text())["scaling_factor"] == 0.18215


def test_a_single_file_says_what_it_is(unnoise, folder, sd1):
    unnoise("convert", sd1, "again.safetensors")
    with safe_open(folder / "again.safetensors", "pt") as file:
        said = file.metadata()
    assert said["modelspec.author"] == "somebody" and said["modelspec.architecture"] == "stable-diffusion-v1"
    assert said["modelspec.prediction_type"] == "epsilon" and said["format"] == "pt"


def test_what_no_shape_tells_goes_along(unnoise, folder, sd1):
    """A network that predicts v, on betas that end in noise alone: in markers, and in a scheduler's words."""
    save_file(load_file(sd1) | {"v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)}, folder / "v.safetensors")
    unnoise("convert", "v.safetensors", "made")
    said = json.loads((folder / "made" / "scheduler" / "scheduler_config.json").read_text())
    assert (said["prediction_type"], said["rescale_betas_zero_snr"], said["timestep_spacing"]) == (
        "v_prediction",
        True,
        "trailing",
    )
    unnoise("convert", "made", "back.safetensors")
    assert {"v_pred", "ztsnr"} <= load_file(folder / "back.safetensors").keys()
    assert describe("back.safetensors").facts["prediction"] == describe("./made").facts["prediction"] == "v"


@pytest.mark.parametrize("ending", ["ckpt", "bin"])
def test_pickles_are_read(unnoise, folder, sd1, ending):
    torch.save({"state_dict": load_file(sd1), "global_step": 7}, folder / f"model.{ending}")
    assert unnoise("convert", f"model.{ending}", "made.safetensors").code == 0
    same(load_file(folder / "made.safetensors"), of_use(load_file(sd1)))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_type_is_taken_on_request(unnoise, folder, sd1, dtype):
    unnoise("convert", sd1, "made.safetensors", "--dtype", dtype)
    wanted = getattr(torch, dtype)
    same(load_file(folder / "made.safetensors"), {k: v.to(wanted) for k, v in of_use(load_file(sd1)).items()})
    unnoise("convert", sd1, "folder", "--dtype", dtype)
    assert (
        load_file(folder / "folder" / "vae" / "diffusion_pytorch_model.safetensors")["quant_conv.bias"].dtype == wanted
    )


def test_numbers_too_large_for_the_type_are_refused(unnoise, folder, sd1):
    held = {k: v.float() for k, v in load_file(sd1).items()}
    held["first_stage_model.quant_conv.bias"] *= 1e9
    save_file(held, folder / "large.safetensors")
    said = unnoise("convert", "large.safetensors", "made.safetensors", "--dtype", "float16").refusal()
    assert "quant_conv.bias" in said and "bfloat16" in said and files(folder) == ["large.safetensors"]


def test_what_is_left_out_is_said(unnoise, folder, sd1):
    more = {"cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None]}
    more |= {f"model_ema.{i}": torch.zeros(1) for i in range(5)} | {"strange.weight": torch.zeros(1)}
    save_file(load_file(sd1) | more, folder / "x.safetensors")
    done = unnoise("convert", "x.safetensors", "made.safetensors", "--ignore-keys", "strange.*")
    assert done.out == "made.safetensors\n"
    assert "6 tensors, the average of training" in done.err and "1 tensor, the numbers of the places" in done.err
    assert "1 tensor, as --ignore-keys says" in done.err and done.err.count("\n") == 1
    assert unnoise("convert", "x.safetensors", "y.safetensors", "--ignore-keys", "strange.*", "--quiet").err == ""


def test_what_a_layout_has_no_place_for_is_named(unnoise, folder, sd1):
    kept, lost = "which --to unnoise keeps\n", "note: left out: the default sampler and spacing"
    unnoise("convert", sd1, "model")
    path = folder / "model" / "scheduler" / "scheduler_config.json"
    usual = json.loads(path.read_text())
    for change in ({"_class_name": "DDIMScheduler"}, {"timestep_spacing": "trailing"}):
        path.write_text(json.dumps(usual | change))
        for out in ("a.safetensors", "a.gguf"):
            said = unnoise("convert", "model", out).err
            assert "the default sampler and spacing" in said and said.endswith(kept)
            assert describe("./model").defaults != describe(str(folder / out)).defaults
        assert unnoise("convert", "model", "own.safetensors", "--to", "unnoise").err == ""
        assert describe("./model").defaults == describe(str(folder / "own.safetensors")).defaults
        assert unnoise("convert", "own.safetensors", "b.safetensors").err == f"{lost}, {kept}"


def test_t5_s_tokenizer_is_named(unnoise, folder):
    single("flux dev", folder / "flux.safetensors")
    words = [word for path in tokenizers(folder / "words") for word in ("--part", f"tokenizer={path}")]
    said = unnoise("convert", "flux.safetensors", "a.safetensors", *words)
    assert said.code == 0 and said.err.endswith("; the tokenizer of T5, which --to unnoise keeps\n")
    assert "tokenizer" not in unnoise("convert", "flux.safetensors", "b.safetensors").err  # none was there
    unnoise("convert", "flux.safetensors", "own.safetensors", "--to", "unnoise", *words)
    assert "the tokenizer of T5" in unnoise("convert", "own.safetensors", "c.safetensors").err


def test_a_network_alone_stays_bare(unnoise, folder, schnell):
    unnoise("convert", schnell, "again.safetensors")
    same(load_file(folder / "again.safetensors"), load_file(schnell))


def test_parts_given_beside_make_one_file(unnoise, folder, schnell):
    bare = AutoencoderKLConfig(channels=16, widths=(32, 32), blocks=1, quant=False, post_quant=False)
    save_file(codec("", bare), folder / "ae.safetensors")
    save_file(text(""), folder / "l.safetensors")
    unnoise("convert", schnell, "all.safetensors", "--part", "vae=ae.safetensors", "--part", "text=l.safetensors")
    found = describe("all.safetensors")
    assert found.family == "flux" and found.facts["missing"] == "t5"
    names = load_file(folder / "all.safetensors")
    assert {n.split(".")[0] for n in names} == {"model", "vae", "text_encoders"}


def test_gguf_holds_the_network_as_it_was(unnoise, folder, schnell):
    unnoise("convert", schnell, "made.gguf")
    same(dict(open_tensors(folder / "made.gguf")), load_file(schnell))
    assert read_header(folder / "made.gguf").metadata["general.architecture"] == "flux"


def test_gguf_in_eight_bits(unnoise, folder, schnell, sd1):
    unnoise("convert", schnell, "q8.gguf", "--dtype", "q8_0")
    write_gguf(folder / "expected.gguf", load_file(schnell), {}, "Q8_0")
    same(dict(open_tensors(folder / "q8.gguf")), dict(open_tensors(folder / "expected.gguf")))
    done = unnoise("convert", sd1, "unet.gguf", "--dtype", "q8_0")
    assert done.code == 0 and done.err.startswith("note: left out: vae; clip_l; 1 tensor, ")
    unnoise("convert", "unet.gguf", "unet.safetensors")
    assert all(v.dtype in (torch.float32, torch.float16) for v in load_file(folder / "unet.safetensors").values())


def test_our_own_format_in_another_type(unnoise, folder, tiny_model):
    unnoise("convert", tiny_model, "half.safetensors", "--dtype", "float16")
    same(load_file(folder / "half.safetensors"), {k: v.half() for k, v in load_file(tiny_model).items()})
    assert describe("half.safetensors").family == "native"
    assert "no other program knows" in unnoise("convert", tiny_model, "folder").refusal()


def test_our_own_format_of_scaled_8_bit_floats_becomes_their_numbers(unnoise, folder, tiny_model):
    held, name = load_file(tiny_model), "network.patches"
    short, scale = held[f"{name}.weight"].to(torch.float8_e4m3fn), torch.tensor(0.5)
    told = dict(read_header(tiny_model).metadata)
    save_file(held | {f"{name}.weight": short, f"{name}.scale_weight": scale}, folder / "eight.safetensors", told)
    unnoise("convert", "eight.safetensors", "plain.safetensors")
    same(load_file(folder / "plain.safetensors"), held | {f"{name}.weight": short.float() * scale})
    assert describe("plain.safetensors").family == "native"


def test_a_published_model_in_our_own_format_runs_by_itself(unnoise, folder, sd1):
    assert unnoise("convert", sd1, "own.safetensors", "--to", "unnoise").out == "own.safetensors\n"
    said = json.loads(unnoise("info", "own.safetensors", "--json").out)
    assert (said["kind"], said["family"], said["title"]) == ("model", "sd1", "Stable Diffusion 1")
    assert set(said["parts"]) == {"unet", "vae", "clip_l"} and "missing" not in said["facts"]
    asked = ("a fox", "--steps", 1, "--width", 16, "--height", 16, "--device", "cpu")
    assert unnoise("generate", *asked, "--model", "own.safetensors", "--out", "x.png").code == 0
    assert unnoise("convert", "own.safetensors", "back.safetensors").err == ""
    same(load_file(folder / "back.safetensors"), of_use(load_file(sd1)))


def test_programs_are_told(unnoise, folder, schnell):
    said = json.loads(unnoise("convert", schnell, "made.gguf", "--json").out)
    assert said == {
        "event": "converted",
        "path": "made.gguf",
        "layout": "gguf",
        "family": "flux",
        "parts": ["transformer"],
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["made.ckpt"], "are not written as .ckpt"),
        (["made.pt", "--to", "original"], "end it in .safetensors"),
        (["made.safetensors", "--to", "gguf"], "end it in .gguf"),
        (["made.gguf", "--to", "diffusers"], "name a folder"),
        (["made", "--to", "comfy"], "one of diffusers, original, gguf, unnoise"),
        (["made", "--dtype", "int4"], "--dtype cannot be 'int4'"),
        (["made.safetensors", "--dtype", "q8_0"], "q8_0 is a type of GGUF alone"),
        (["made", "--to", "unnoise"], "end it in .safetensors"),
        (["nowhere/made"], "make the folder first"),
        (["nowhere/made.safetensors"], "make the folder first"),
        (["full"], "there is something in"),
        ([""], "names no file or folder"),
        ([], "OUT is missing"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_line(unnoise, folder, sd1, words, said):
    (folder / "full").mkdir()
    (folder / "full" / "thing").touch()
    assert said in unnoise("convert", sd1, *words).refusal()
    assert files(folder) == ["full/thing"]


def test_a_model_is_not_written_over_itself(unnoise, folder, schnell):
    (folder / "a.safetensors").write_bytes(schnell.read_bytes())
    save_file(text(""), folder / "l.safetensors")
    held = (folder / "l.safetensors").read_bytes()
    assert "is the model itself" in unnoise("convert", "a.safetensors", "./a.safetensors").refusal()
    said = unnoise("convert", "a.safetensors", "l.safetensors", "--part", "text=./l.safetensors").refusal()
    assert "or a part of it" in said and (folder / "l.safetensors").read_bytes() == held
    assert (folder / "a.safetensors").read_bytes() == schnell.read_bytes()


@pytest.mark.parametrize("out", ["made.safetensors", "made"])
def test_a_full_disk_is_told_before_anything_is_written(unnoise, folder, sd1, monkeypatch, out):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    assert "0.0 GiB are free" in unnoise("convert", sd1, out).refusal() and files(folder) == []


def test_a_folder_needs_every_part(unnoise, folder, schnell):
    said = unnoise("convert", schnell, "made").refusal()
    assert "lacks vae" in said and "--part vae=FILE" in said and "--part text=FILE" in said and files(folder) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model.diffusion_model.lora": torch.zeros(1)}, "of no use here: lora"),
        ({"strange.weight": torch.zeros(1)}, "of no use here: strange.weight"),
        ({"first_stage_model.quant_conv.bias": torch.zeros(3)}, "of another shape: quant_conv.bias"),
        ({"first_stage_model.quant_conv.bias": torch.full((8,), torch.nan)}, "not finite"),
    ],
    ids=str,
)
def test_what_has_no_place_is_named_and_nothing_is_written(unnoise, folder, sd1, change, said):
    save_file(load_file(sd1) | change, folder / "bad.safetensors")
    for out in ("made.safetensors", "made"):
        assert said in unnoise("convert", "bad.safetensors", out).refusal()
        assert files(folder) == ["bad.safetensors"]


def test_tensors_may_be_left_out_by_name(unnoise, folder, sd1):
    save_file(load_file(sd1) | {"strange.weight": torch.zeros(1)}, folder / "x.safetensors")
    assert unnoise("convert", "x.safetensors", "made.safetensors", "--ignore-keys", "strange.*").code == 0
    same(load_file(folder / "made.safetensors"), of_use(load_file(sd1)))
    assert describe("x.safetensors", reading(ignore_keys=["strange.*"])).family == "sd1"
