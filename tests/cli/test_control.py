"""ControlNets on the command line: put on, told of by the record, made again with their pictures, refused by name."""

import json
from dataclasses import replace

import pytest
import torch

from adapters.steering import NET, net, picture, sd1, tensors
from unnoise import Generate, library
from unnoise.adapters.shelf import Adapters
from unnoise.cli._cost import cost
from unnoise.cli._memory import memory
from unnoise.cli._sketch import Sketch
from unnoise.core.error import Refused
from unnoise.media.embed import read_record
from unnoise.media.image import pixels_sha256, read, save
from unnoise.weights.digest import sha256
from unnoise.weights.place import Place
from unnoise.weights.store import write_tensors


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The model and a ControlNet, which every test links to."""
    folder = tmp_path_factory.mktemp("sd1")
    return sd1(folder / "tiny.safetensors"), net(folder / "canny.safetensors")


@pytest.fixture
def here(folder, files):
    """The current folder with the model at home, a ControlNet, and a picture for it."""
    models = folder.parent / "home" / "models"
    models.mkdir(parents=True)
    (models / "tiny.safetensors").symlink_to(files[0])
    (folder / "canny.safetensors").symlink_to(files[1])
    picture(folder / "edges.png")
    return folder


@pytest.fixture
def fox(unnoise, here):
    """`unnoise generate "a red fox"` with more options; the picture's record."""

    def run(*args, out="fox.png"):
        ended = unnoise(
            "generate", "a red fox", "--model", "tiny", "--out", out, *SIZE, "--steps", 3, "--seed", 7, *args
        )
        assert ended.code == 0, ended.err
        return read_record(here / out)

    return run


SIZE = ("--width", 64, "--height", 64)
CANNY = "canny.safetensors:image=edges.png"


def test_the_record_tells_of_the_file_the_picture_and_how_they_were_used(fox, here):
    plain, steered = fox(out="plain.png"), fox("--control", f"{CANNY},weight=0.8,end=0.7")
    digest = pixels_sha256(read(here / "edges.png"))
    assert steered.pixels != plain.pixels and "control" not in plain.request
    assert steered.request["control"] == [f"canny:image={digest},weight=0.8,start=0,end=0.7"]
    assert steered.files["canny.safetensors"] == sha256(here / "canny.safetensors")
    assert str(here) not in steered.json()
    assert len({steered.pixels, fox("--control", CANNY).pixels, fox("--control", f"{CANNY},start=0.3").pixels}) == 3


def test_one_controlnet_may_look_at_two_pictures(fox, here):
    picture(here / "other.png", 1, 50, 90)
    one = fox("--control", CANNY)
    both = fox("--control", CANNY, "--control", "canny.safetensors:image=other.png,weight=0.5")
    assert both.pixels != one.pixels and len(both.request["control"]) == 2


def test_replay_asks_for_the_picture_and_finds_the_file_by_its_hash(unnoise, fox, here):
    fox("--control", f"{CANNY},weight=0.5")
    said = unnoise("replay", "fox.png").refusal()
    assert "canny" in said and "--adapter" in said
    said = unnoise("replay", "fox.png", "--adapter", "canny.safetensors").refusal()
    assert "another picture" in said and "--source" in said
    shelf = here.parent / "home" / "controlnets"
    shelf.mkdir(parents=True)
    (shelf / "renamed.safetensors").symlink_to((here / "canny.safetensors").resolve())
    picture(here / "wrong.png", 1)
    assert "--source" in unnoise("replay", "fox.png", "--source", "wrong.png").refusal()
    ended = unnoise("replay", "fox.png", "--source", "edges.png", "--json")
    assert ended.code == 0 and json.loads(ended.lines[0])["verdict"] == "identical"


def test_another_controlnet_of_the_same_name_is_told(unnoise, fox, here):
    fox("--control", CANNY)
    shelf = here.parent / "home" / "controlnets"
    shelf.mkdir(parents=True)
    net(shelf / "canny.safetensors", seed=9)
    said = json.loads(unnoise("replay", "fox.png", "--source", "edges.png", "--json").lines[0])
    assert said["verdict"] == "parted" and any("other weights" in reason for reason in said["reasons"])


def test_going_on_and_making_others_like_it_take_the_picture_again(unnoise, fox, here):
    shelf = here.parent / "home" / "controlnets"
    shelf.mkdir(parents=True)
    (shelf / "canny.safetensors").symlink_to((here / "canny.safetensors").resolve())
    first = fox("--control", "canny:image=edges.png")
    assert "--control" in unnoise("generate", "--like", "fox.png").refusal()
    again = ["--control", "canny:image=edges.png"]
    assert unnoise("generate", "--like", "fox.png", "--out", "again.png", *again).code == 0
    assert read_record(here / "again.png").pixels == first.pixels
    pause = ["--pause-at", 1, "--state", "x.safetensors"]
    ended = unnoise("generate", "a red fox", "--model", "tiny", *SIZE, "--steps", 3, "--seed", 7, *again, *pause)
    assert ended.code == 0, ended.err
    assert "--control" in unnoise("generate", "--resume", "x.safetensors").refusal()
    assert unnoise("generate", "--resume", "x.safetensors", *again, "--out", "resumed.png").code == 0
    assert read_record(here / "resumed.png").pixels == first.pixels
    ended = unnoise("generate", "--refine", "fox.png", "--steps", 5, *again, "--out", "fine.png")
    assert ended.code == 0, ended.err
    assert unnoise("replay", "fine.png", "--source", "edges.png").code == 0


def test_presets_batches_and_grids_take_them(unnoise, fox, here, monkeypatch):
    steered = fox("--control", CANNY)
    assert unnoise("preset", "save", "mine", "--control", CANNY, "--model", "tiny").code == 0
    rows = [{"prompt": "a red fox", "seed": 7, "steps": 3, "model": "tiny", "width": 64, "height": 64}]
    rows[0]["control"] = [CANNY]
    (here / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = unnoise("batch", "rows.jsonl", "--out", "batch")
    assert ended.code == 0, ended.err
    [made] = (here / "batch").glob("*.png")
    assert read_record(made).pixels == steered.pixels
    vary = ["--vary", f"control={CANNY};{CANNY},weight=0.1", "--out", "grid.png"]
    ended = unnoise("grid", "a fox", "--model", "tiny", "--steps", 1, *SIZE, *vary)
    assert ended.code == 0, ended.err
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    run = ["--preset", "mine", "--out", "preset.png", *SIZE, "--steps", 3, "--seed", 7]
    assert unnoise("generate", "a red fox", *run).code == 0
    assert read_record(here / "elsewhere" / "preset.png").pixels == steered.pixels


def test_a_strangers_record_opens_no_file_by_its_path(unnoise, fox, here):
    record = fox("--control", CANNY)
    for name, image in ((here / "canny.safetensors", "0" * 64), ("canny", here / "edges.png")):
        request = {**record.request, "control": [f"{name}:image={image}"]}
        save(here / "stranger.png", read(here / "fox.png"), replace(record, request=request, files={}).sealed())
        said = unnoise("replay", "stranger.png").refusal()
        assert "is not here" in said
    request = {**record.request, "control": ["canny:image=x,weight=never"]}
    save(here / "stranger.png", read(here / "fox.png"), replace(record, request=request).sealed())
    assert "weight=never" in unnoise("replay", "stranger.png").refusal()


def test_a_request_names_no_file_of_a_servers(here, files):
    shelf = library({"tiny": str(files[0])}, "cpu")
    shelf.adapters = Adapters(control={"canny": files[1]})
    asked = Generate(prompt="x", model="tiny", steps=1, width=64, height=64, control=("canny:image=edges.png",))
    with pytest.raises(Refused, match=r"no picture 'edges\.png'"):
        list(asked.run(shelf))


@pytest.mark.parametrize(
    ("control", "said"),
    [
        ("canny.safetensors", "no picture to go by"),
        ("canny.safetensors:image=none.png", "there is no picture none.png"),
        ("canny.safetensors:image=canny.safetensors", "picture"),
        ("canny.safetensors:image=edges.png,weight=0", "leave it out"),
        ("canny.safetensors:image=edges.png,start=0.5,end=0.2", "start before end"),
        ("canny.safetensors:image=edges.png,start=0.1,end=0.2", "no step lies between"),
        ("nowhere.safetensors:image=edges.png", "there is no file"),
        ("./nowhere:image=edges.png", "there is no file"),
        ("depth:image=edges.png", "there is no control 'depth'"),
        ("union.safetensors:image=edges.png", "a ControlNet-Union"),
        ("xl.safetensors:image=edges.png", "Stable Diffusion XL"),
    ],
)
def test_refused(unnoise, here, control, said):
    write_tensors(here / "union.safetensors", tensors() | {"control_model.task_embedding": torch.ones(1)}, {})
    if "xl" in control:
        net(here / "xl.safetensors", replace(NET, context=2048, pooled=2816))
    run = ["--model", "tiny", *SIZE, "--steps", 2]
    assert said in unnoise("generate", "a fox", *run, "--control", control).refusal()
    assert not list(here.glob("out/*"))


def test_a_model_without_a_unet_takes_none(unnoise, here, tiny_model):
    ended = unnoise("generate", "a fox", "--model", tiny_model, "--steps", 1, "--control", CANNY)
    assert "a DiT, takes no ControlNet" in ended.refusal()


def test_info_says_what_a_file_is(unnoise, here):
    said = json.loads(unnoise("info", "canny.safetensors", "--json").out)
    assert said["kind"] == "control" and said["variety"] == "a ControlNet" and said["parameters"] > 1000
    assert "--control" in unnoise("generate", "x", "--model", "canny.safetensors").refusal()


def test_what_is_at_home_is_listed(unnoise, here):
    shelf = here.parent / "home" / "controlnets"
    (shelf / "folder").mkdir(parents=True)
    (shelf / "folder" / "config.json").write_text("{}")
    net(shelf / "canny.safetensors", replace(NET, context=768))
    net(shelf / "folder" / "diffusion_pytorch_model.safetensors")
    write_tensors(shelf / "union.safetensors", tensors() | {"control_model.task_embedding": torch.ones(1)}, {})
    assert unnoise("list", "controlnets").lines == [
        "canny   a ControlNet for Stable Diffusion 1",
        "folder  a ControlNet",
        "union   cannot be used: a ControlNet-Union",
    ]


def test_beside_an_adapter_and_where_memory_is_bounded(fox, here):
    """Neither takes the other away; weights that stay in their file give the same numbers."""
    layer, random = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", torch.Generator().manual_seed(1)
    pair = {"A": torch.randn(4, 32, generator=random), "B": torch.randn(32, 4, generator=random)}
    held = {f"unet.{layer}.lora_{k}.weight": value for k, value in pair.items()}
    write_tensors(here / "style.safetensors", held, {})
    style = ("--lora", "style.safetensors")
    made = [fox(*more).pixels for more in ((), style, ("--control", CANNY), (*style, "--control", CANNY))]
    assert len(set(made)) == 4
    write_tensors(here / "half.safetensors", {name: value.half() for name, value in tensors().items()}, {})
    half = ("--control", "half.safetensors:image=edges.png")
    assert fox(*half).pixels == fox(*half, "--memory", "1MB").pixels != made[0]


def test_a_plan_counts_their_arithmetic_and_their_weights(here, files):
    shelf = library({"tiny": str(files[0])}, "cpu")
    shelf.adapters = Adapters(control={"canny": files[1]})
    image = shelf.register(here / "edges.png")
    about, sketch = shelf.describe("tiny"), Sketch(shelf, "bfloat16")
    where = Place(torch.device("cpu"), torch.bfloat16)
    found = list[tuple[int, int]]()
    for control in ((), (f"canny:image={image},end=0.5",)):
        plan = Generate(prompt="x", model="tiny", steps=2, width=64, height=64, control=control).plan(about)
        counted = cost(plan, "tiny", sketch, "cpu")
        foretold = memory(plan, "tiny", sketch, counted, where)
        found.append((counted.total_flops, foretold.weights))
    assert found[1][0] > 1.2 * found[0][0]
    held = sum(value.numel() for value in tensors().values())
    assert found[1][1] - found[0][1] == 2 * held  # placed in bfloat16, from a file of float32
