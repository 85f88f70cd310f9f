"""`unnoise info`: what it says of each kind of file, and of what is none."""

import json
import struct

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from families.strangers import tensors, unet_shapes
from unnoise.networks.taesd import TAESD, TAESDConfig
from unnoise.weights.parts import export_parts
from unnoise.weights.store import write_tensors


def facts(unnoise, *args):
    ended = unnoise("info", *args, "--json")
    assert (ended.code, ended.err, len(ended.lines)) == (0, "", 1)
    return json.loads(ended.out)


def test_a_model(unnoise, tiny_model):
    found = facts(unnoise, tiny_model)
    assert found["kind"] == "model" and found["family"] == "native" and found["multiple"] == 4
    assert found["parameters"] > 100_000 and len(found["files"]["tiny.safetensors"]) == 64
    said = unnoise("info", tiny_model).out
    assert "random weights" in said and f"{found['parameters']:,}" in said


def test_a_model_by_name(unnoise, folder, tiny_model):
    models = folder.parent / "home" / "models"
    models.mkdir(parents=True)
    (models / "mine.safetensors").write_bytes(tiny_model.read_bytes())
    assert facts(unnoise, "mine")["name"] == "mine"


def test_a_picture_of_ours(unnoise, tiny_model):
    unnoise("generate", "a red fox", "--model", tiny_model, "--seed", 3, "--out", "x.png", "--negative", "dog")
    found = facts(unnoise, "x.png")
    assert found["kind"] == "picture" and (found["format"], found["width"], found["height"]) == ("PNG", 16, 16)
    assert found["record"]["seed"] == 3 and found["source"].endswith("trainedAlgorithmicMedia")
    assert found["parameters"].startswith("a red fox\nNegative prompt: dog\nSteps: 4")
    said = unnoise("info", "x.png").out
    assert "a red fox" in said and "trainedAlgorithmicMedia" in said and "Steps: 4" in said


def test_a_sample(unnoise, tiny_model):
    unnoise("generate", "x", "--model", tiny_model, "--out", "x.png", "--latents-out", "l.safetensors", "--seed", 3)
    found = facts(unnoise, "l.safetensors")
    assert found["kind"] == "sample" and found["record"]["seed"] == 3


def test_parts_of_a_model(unnoise, folder):
    made = export_parts({"codec": TAESD(TAESDConfig())}, torch.float16, {"title": "tiny"})
    write_tensors(folder / "c.safetensors", *made)
    found = facts(unnoise, "c.safetensors")
    assert (found["kind"], found["parts"], found["facts"]) == ("parts", ["codec"], {"title": "tiny"})
    assert found["parameters"] == sum(v.numel() for v in made[0].values())


def test_a_stranger_s_files(unnoise, folder):
    Image.new("L", (5, 7)).save("x.jpg")
    found = facts(unnoise, "x.jpg")
    assert (found["format"], found["width"], found["height"], found["record"]) == ("JPEG", 5, 7, None)
    write_tensors(folder / "t.safetensors", {"a": torch.zeros(2, 3)}, {"by": "someone"})
    found = facts(unnoise, "t.safetensors")
    assert found["kind"] == "tensors" and found["first"] == {"a": [2, 3]} and found["metadata"] == {"by": "someone"}


def test_people_are_told_alike_entries_once_and_no_raw_tables(unnoise, folder):
    told = {f"text_encoder:{i}:rank": "4" for i in range(49)} | {"by": "someone"}
    write_tensors(folder / "t.safetensors", {"a": torch.zeros(2, 3)}, told)
    said = unnoise("info", "t.safetensors").out
    assert said.count("text_encoder") == 1 and "text_encoder:N:rank  4 (49 of them)" in said and "someone" in said
    assert facts(unnoise, "t.safetensors")["metadata"] == told
    tensors(folder / "unet.safetensors", unet_shapes(context=768))
    assert facts(unnoise, "unet.safetensors")["parts"].keys() == {"unet"}
    said = unnoise("info", "unet.safetensors").out
    assert "{" not in said and "parts\n  unet\n    parameters" in said


def test_pictures_of_other_programs(unnoise, shared):
    folder = shared / "fixtures" / "metadata"
    for name, program in (
        ("AUTOMATIC1111/automatic1111_cropped.jpg", "AUTOMATIC1111"),
        ("ComfyUI/img2img_cropped.png", "ComfyUI"),
        ("Fooocus/fooocus1_cropped.png", "Fooocus"),
        ("InvokeAI/invokeai_imeta1.png", "InvokeAI"),
    ):
        found = facts(unnoise, folder / name)
        assert found["told"]["program"] == program and found["record"] is None
        said = unnoise("info", folder / name).out
        assert found["told"]["prompt"] in said and f"seed      {found['told']['seed']}\n" in said
    assert facts(unnoise, folder / "bad_images" / "empty_image.png")["told"] is None


def test_a_picture_of_ours_is_not_another_program_s(unnoise, tiny_model):
    unnoise("generate", "x", "--model", tiny_model, "--out", "x.png")
    assert facts(unnoise, "x.png")["told"] is None


def test_a_snapshot_and_a_run(unnoise, folder):
    for step in (10, 20):
        place = folder / "run" / "snapshots" / f"step-{step:08d}"
        place.mkdir(parents=True)
        (place / "manifest.json").write_text(json.dumps({"step": step, "facts": {"rate": "0.1"}}))
    assert facts(unnoise, place) == {"kind": "snapshot", "path": str(place), "step": 20, "facts": {"rate": "0.1"}}
    found = facts(unnoise, "run")
    assert found["kind"] == "run" and found["step"] == 20 and len(found["snapshots"]) == 2


def test_a_text_cannot_move_the_cursor(unnoise, folder):
    write_tensors(folder / "t.safetensors", {"a": torch.zeros(1)}, {"by": "\x1b[2Jgone"})
    assert "\x1b" not in unnoise("info", "t.safetensors").out


def test_what_is_nothing_we_know_is_refused(unnoise, folder):
    (folder / "empty").mkdir()
    (folder / "text.png").write_text("no picture")
    (folder / "none.png").touch()
    (folder / "none.safetensors").touch()
    (folder / "huge.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    (folder / "bad").mkdir()
    (folder / "bad" / "manifest.json").write_text("[1]")
    for name in (
        "empty",
        "text.png",
        "none.png",
        "none.safetensors",
        "huge.safetensors",
        "bad",
        "nowhere.png",
        "nowhere",
        "a/b/c",
        "",
        "x" * 5000,
        "\udcff.png",
        "a\0b",
    ):
        unnoise("info", name).refusal()


def test_a_damaged_picture_is_refused(unnoise, folder):
    Image.effect_noise((64, 64), 50).save("x.png")
    data = (folder / "x.png").read_bytes()
    (folder / "x.png").write_bytes(data[: len(data) // 2])
    assert "x.png" in unnoise("info", "x.png").refusal()


@pytest.mark.parametrize("name", ["x.png", "t.safetensors", "run"])
def test_telling_loads_no_torch(process, folder, name):
    Image.new("L", (5, 7)).save("x.png")
    write_tensors(folder / "t.safetensors", {"a": torch.zeros(2, 3)}, {})
    (folder / "run").mkdir()
    (folder / "run" / "manifest.json").write_text("{}")
    loaded = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))"
    ended = process("info", name, before=loaded)
    assert (ended.code, ended.err) == (0, "False\n")


@pytest.mark.parametrize("odd", ["NaN", "1e999", "[" * 400 + "]" * 400, '{"a":' * 900 + "1" + "}" * 900])
def test_json_that_cannot_be_told_again_is_told_as_text(unnoise, folder, odd):
    chunks = PngInfo()
    chunks.add_text("unnoise", f'{{"levels": {odd}}}')
    Image.new("RGB", (8, 8)).save(folder / "x.png", pnginfo=chunks)
    ended = unnoise("info", "x.png", "--json")
    assert ended.code == 0 and json.loads(ended.out, parse_constant=pytest.fail)["record"].startswith('{"levels"')
    assert unnoise("info", "x.png").code == 0
