"""Which family a model is of, told by shapes and settings, never by a file's name; and what is said of strangers."""

import json
import subprocess
import sys

import pytest
import torch

import unnoise
from families.strangers import (
    FLUX,
    HF,
    INDEX,
    MMDIT,
    OPEN,
    SCHEDULER,
    UNET,
    VAE_SHAPES,
    folder,
    put,
    tensors,
    unet_shapes,
    within,
)
from unnoise.catalogue import describe, reading
from unnoise.core.error import Refused
from unnoise.families import sdxl
from unnoise.families._folder import read_source
from unnoise.families._located import locate
from unnoise.families._told import course_of

LDM, VAE = "model.diffusion_model.", within("first_stage_model.", VAE_SHAPES)
SD1_TEXT = within("cond_stage_model.transformer.", HF)
SD2_TEXT = within("cond_stage_model.model.", OPEN)
XL_TEXTS = within("conditioner.embedders.0.transformer.", HF) | within("conditioner.embedders.1.model.", OPEN)
DUAL = {"joint_blocks.0.x_block.attn2.qkv.weight": (192, 64)}
NORMED = {"joint_blocks.0.x_block.attn.ln_q.weight": (64,)}

FILES = {
    "sd1": (within(LDM, unet_shapes()) | VAE | SD1_TEXT, "sd1", "Stable Diffusion 1", 512),
    "sd1 inpainting": (within(LDM, unet_shapes(inner=9)) | VAE | SD1_TEXT, "sd1", "Stable Diffusion 1 inpainting", 512),
    "sd1 ip2p": (within(LDM, unet_shapes(inner=8)) | VAE, "sd1", "Stable Diffusion 1 instruct-pix2pix", 512),
    "sd1 alone": (unet_shapes(), "sd1", "Stable Diffusion 1", 512),
    "sd2": (within(LDM, unet_shapes(linear=True)) | VAE | SD2_TEXT, "sd2", "Stable Diffusion 2", 768),
    "sdxl": (within(LDM, unet_shapes(True, 24)) | VAE | XL_TEXTS, "sdxl", "Stable Diffusion XL", 1024),
    "sdxl refiner": (
        within(LDM, unet_shapes(True, 24)) | VAE | within("conditioner.embedders.0.model.", OPEN),
        "sdxl",
        "Stable Diffusion XL refiner",
        1024,
    ),
    "refiner alone": (unet_shapes(True, 24, 1280), "sdxl", "Stable Diffusion XL refiner", 1024),
    "sd3": (within(LDM, MMDIT), "sd3", "Stable Diffusion 3 Medium", 1024),
    "sd3.5 medium": (MMDIT | DUAL | NORMED, "sd3", "Stable Diffusion 3.5 Medium", 1024),
    "sd3.5 large": (MMDIT | NORMED, "sd3", "Stable Diffusion 3.5 Large", 1024),
    "dev": (FLUX | {"guidance_in.in_layer.weight": (128, 256)}, "flux", "FLUX.1 dev", 1024),
    "schnell": (within(LDM, FLUX), "flux", "FLUX.1 schnell", 1024),
}


@pytest.mark.parametrize("case", FILES)
def test_single_files_are_told_by_their_shapes(tmp_path, case):
    shapes, family, title, side = FILES[case]
    found = describe(str(tensors(tmp_path / "misleading-flux-sdxl-v1-5.safetensors", shapes)))
    assert (found.family, found.title, found.width, found.height) == (family, title, side, side)
    assert found.parameters == sum(torch.Size(shape).numel() for shape in shapes.values())
    assert found.guidance == {"FLUX.1 dev": "embedded", "FLUX.1 schnell": "none"}.get(title, "free")


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".bin"])
def test_torch_files_are_models_like_any_other(tmp_path, suffix):
    shapes, family, *_ = FILES["sd1"]
    path = tmp_path / f"model{suffix}"
    torch.save({"state_dict": {n: torch.zeros(s) for n, s in shapes.items()}, "global_step": 470000}, path)
    assert describe(str(path)).family == family


def test_gguf_s_transformers_are_models_like_any_other(tmp_path):
    from unnoise.weights.gguf_writer import write_gguf

    shapes = FILES["dev"][0]
    write_gguf(tmp_path / "dev-Q8_0.gguf", {n: torch.zeros(s) for n, s in shapes.items()}, {}, "F16")
    found = describe(str(tmp_path / "dev-Q8_0.gguf"))
    assert (found.family, found.guidance, found.name) == ("flux", "embedded", "dev-Q8_0")
    assert found.facts["missing"] == "vae, clip_l, t5"


def test_a_folder_is_told_by_its_settings(tmp_path):
    found = describe(str(folder(tmp_path / "anything")))
    assert (found.family, found.width, found.multiple, found.name) == ("sd1", 512, 8, "anything")
    assert (found.defaults["sampler"], found.defaults["spacing"]) == (
        "pndm:prk=false",
        "leading:offset=1,start=unit,end=row",
    )
    assert set(found.files) == {
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    }


FOLDERS = {
    "sd2": ({"use_linear_projection": True}, "sd2", "Stable Diffusion 2"),
    "inpainting": ({"in_channels": 9}, "sd1", "Stable Diffusion 1 inpainting"),
    "sdxl": (
        {"use_linear_projection": True, "addition_embed_type": "text_time"},
        "sdxl",
        "Stable Diffusion XL refiner",
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_s_u_net_says_which_family_it_is(tmp_path, case):
    change, family, title = FOLDERS[case]
    put(folder(tmp_path) / "unet" / "config.json", UNET | change)
    put(tmp_path / "model_index.json", INDEX | ({"text_encoder": [None, None]} if case == "sdxl" else {}))
    assert (describe(str(tmp_path)).family, describe(str(tmp_path)).title) == (family, title)


def test_one_network_s_folder_is_a_model_without_its_other_parts(tmp_path):
    found = describe(str(folder(tmp_path) / "unet"))
    assert (found.family, found.facts["missing"]) == ("sd1", "vae, clip_l")


def test_a_scheduler_says_what_is_predicted(tmp_path):
    put(folder(tmp_path) / "scheduler" / "scheduler_config.json", SCHEDULER | {"prediction_type": "v_prediction"})
    assert describe(str(tmp_path)).facts["prediction"] == "v"


@pytest.mark.parametrize(
    ("extra", "metadata", "said"),
    [
        ({}, {}, "epsilon"),
        ({"v_pred": (1,)}, {}, "v"),
        ({}, {"modelspec.prediction_type": "v"}, "v"),
        ({}, {"modelspec.prediction_type": "epsilon"}, "epsilon"),
    ],
)
def test_markers_and_metadata_say_what_is_predicted(tmp_path, extra, metadata, said):
    path = tensors(tmp_path / "x.safetensors", FILES["sdxl"][0] | extra, metadata)
    assert describe(str(path)).facts["prediction"] == said
    assert describe(str(path), reading(family="sdxl:prediction=v")).facts["prediction"] == "v"


def test_a_marker_says_that_the_noisiest_row_holds_no_data(tmp_path):
    """So that steps have to begin there, and not a row below."""
    path = tensors(tmp_path / "x.safetensors", FILES["sdxl"][0] | {"v_pred": (1,), "ztsnr": (1,)})
    course = course_of(read_source(path), sdxl.USUAL)
    _, _, schedule = course.parts()
    assert course.spacing == "trailing" and "spacing" not in course.defaults
    assert schedule.ratios[-1] == float("inf") and len(schedule.ratios) == 1000


@pytest.mark.parametrize("order", [(768, 1280), (1280, 768)])
def test_text_encoders_that_are_given_are_told_apart_by_their_width(tmp_path, order):
    files = [tensors(tmp_path / f"{w}.safetensors", {next(iter(HF)): (9, w)}) for w in order]
    path = tensors(tmp_path / "x.safetensors", unet_shapes(True, 24))
    found = locate(read_source(path, reading({"text": files})), sdxl.BASE)
    assert {name: stored.header.path.stem for name, stored in found.items() if "clip" in name} == {
        "clip_l": "768",
        "clip_g": "1280",
    }


@pytest.mark.parametrize(("spread", "said", "side"), [(0.2, "v", 768), (0.01, "epsilon", 512), (None, "v", 768)])
def test_an_sd2_file_s_own_numbers_say_what_is_predicted(tmp_path, spread, said, side):
    from unnoise.weights.store import write_tensors

    held = {n: torch.zeros(s, dtype=torch.float16) for n, s in FILES["sd2"][0].items()}
    if spread is not None:
        telltale = torch.tensor([spread, -spread] * 8, dtype=torch.bfloat16)
        held[LDM + "output_blocks.11.1.transformer_blocks.0.norm1.bias"] = telltale
    write_tensors(tmp_path / "x.safetensors", held, {})
    found = describe(str(tmp_path / "x.safetensors"))
    assert (found.facts["prediction"], found.width) == (said, side)
    other = describe(str(tmp_path / "x.safetensors"), reading(family="sd2:prediction=epsilon"))
    assert (other.facts["prediction"], other.width) == ("epsilon", 512)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"single_stream_modulation.lin.weight": (1,), "double_blocks.0.img_attn.norm.key_norm.scale": (1,)}, "Flux.2"),
        ({LDM + "distilled_guidance_layer.in_proj.bias": (1,)}, "Chroma"),
        ({"head.modulation": (1,)}, "Wan"),
        ({"control_model.time_embed.0.weight": (1,)}, "a ControlNet"),
        ({"lora_unet_x.lora_down.weight": (1, 1)}, "a LoRA and no model: give it with --lora"),
        (VAE_SHAPES, "an autoencoder alone, no whole model: give it as --part vae"),
        (HF, "a CLIP text encoder alone, no whole model: give it as --part text"),
        ({"a": (1,)}, "no model we know: known families"),
    ],
)
def test_what_no_family_knows_is_called_by_its_name(tmp_path, shapes, said):
    with pytest.raises(Refused) as refused:
        describe(str(tensors(tmp_path / "x.safetensors", shapes)))
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"parts": {"head": "x"}}, "part"),
        ({"parts": {"vae": "nowhere.safetensors"}}, "part"),
        ({"parts": {"vae": "a\0b"}}, "part"),
        ({"parts": {"tokenizer": "nowhere"}}, "part"),
        ({"parts": {"vae": "hub:a/b"}}, "part"),
        ({"parts": {"tokenizer": "hub:a"}}, "part"),
        ({"family": "sd9"}, "family"),
        ({"family": "sd2:prediction=x"}, "family"),
        ({"family": "sd2:colour=red"}, "family"),
    ],
)
def test_what_cannot_be_read_so_is_refused(tmp_path, monkeypatch, said, field):
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path))
    with pytest.raises(Refused) as refused:
        reading(**said)
    assert refused.value.field == field and refused.value.remedy


def test_our_own_files_say_all_themselves(tiny_model, tmp_path):
    vae = tensors(tmp_path / "vae.safetensors", VAE_SHAPES)
    for given in ({"parts": {"vae": vae}}, {"ignore_keys": ["x"]}, {"family": "native:prediction=v"}):
        with pytest.raises(Refused, match="says itself all that it is: leave --"):
            describe(str(tiny_model), reading(**given))


def test_a_family_that_is_named_is_believed(tmp_path):
    shapes = FILES["sd1"][0]
    path = tensors(tmp_path / "x.safetensors", shapes)
    assert describe(str(path), reading(family="sd2")).family == "sd2"
    with pytest.raises(Refused, match="no whole tensor img_in"):
        describe(str(path), reading(family="flux"))
    with pytest.raises(Refused, match="none of our own files"):
        describe(str(path), reading(family="native"))


def test_parts_given_beside_are_told(tmp_path):
    path = tensors(tmp_path / "flux.safetensors", FILES["schnell"][0])
    vae, text = tensors(tmp_path / "ae.safetensors", VAE_SHAPES), tensors(tmp_path / "l.safetensors", HF)
    found = describe(str(path), reading({"vae": vae, "text": [text]}))
    assert found.facts["missing"] == "t5" and found.multiple == 4
    assert set(found.files) == {"flux.safetensors", "ae.safetensors", "l.safetensors"}
    with pytest.raises(
        Refused, match=r"--part text .*ae.safetensors: it holds an autoencoder .*give clip_l .*clip_l.saf"
    ):
        describe(str(path), reading({"text": [vae]}))
    tiny = tensors(tmp_path / "taef2_decoder.safetensors", {"1.weight": (8, 4, 3, 3), "3.conv.0.weight": (8, 8, 3, 3)})
    with pytest.raises(Refused, match=r"holds a tiny autoencoder.*, and no vae .*give vae \(the autoencoder, such as"):
        describe(str(path), reading({"vae": tiny}))
    with pytest.raises(Refused, match="takes no further vae"):
        describe(str(path), reading({"vae": [vae, vae]}))


def test_describing_loads_no_torch(tmp_path):
    name = str(folder(tmp_path))
    code = f"import sys; from unnoise import describe; print(describe({name!r}).family, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "sd1 False\n", done.stderr


def test_files_are_hashed_only_when_they_are_asked_for(tmp_path, monkeypatch):
    from unnoise.weights import digest

    asked = []
    monkeypatch.setattr(digest, "sha256", lambda path: asked.append(path.name) or "0" * 64)
    found = unnoise.describe(str(folder(tmp_path)))
    assert asked == []
    assert json.dumps(dict(found.files)).count("0" * 64) == 3 and len(asked) == 3
