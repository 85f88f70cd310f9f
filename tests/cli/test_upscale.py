"""`unnoise upscale`: what it writes and prints, and what it refuses in one line."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import enlarging
from cli.conftest import files
from cli.test_rates import MEASURED
from unnoise.cli import _rates
from unnoise.media.embed import read_record
from unnoise.media.image import decode, read, save
from unnoise.tasks._enlarge import whole


@pytest.fixture
def home(folder):
    """At home there is an upscaler under the name of the one that comes with the package; here, a picture."""
    models = folder.parent / "home" / "models"
    models.mkdir(parents=True)
    enlarging.written(models / "emoji_x4.safetensors")
    save("fox.png", enlarging.picture())
    return folder


def test_a_picture_is_made_larger_and_its_path_printed(unnoise, home):
    for name in ("out/fox-x4.png", "out/fox-x4-2.png"):  # nothing is overwritten
        ended = unnoise("upscale", "fox.png")
        assert (ended.code, ended.out, ended.err) == (0, name + "\n", "")
        assert torch.equal(read(name), whole(enlarging.network(), enlarging.picture(), 4))
    record = read_record("out/fox-x4.png")
    assert (record.task, record.model, record.composite) == ("upscale", "emoji_x4", True)
    assert unnoise("upscale", "fox.png", "--scale", 2, "--out", "large.webp").out == "large.webp\n"
    assert read("large.webp").shape == (3, 40, 60)


def test_json_lines_are_the_contract(unnoise, home):
    save("tall.png", enlarging.picture(300, 5))
    ended = unnoise("upscale", "tall.png", "--json", "--scale", 3)
    *progress, result = (json.loads(line) for line in ended.lines)
    assert (ended.code, ended.err) == (0, "")
    assert progress == [{"event": "progress", "picture": 0, "step": k, "steps": 2} for k in (1, 2)]
    assert set(result) == {"event", "path", "seed", "width", "height", "seconds", "sha256"}
    assert (result["event"], result["width"], result["height"]) == ("result", 15, 900)
    assert hashlib.sha256(Path(result["path"]).read_bytes()).hexdigest() == result["sha256"]
    assert len(unnoise("upscale", "tall.png", "--json", "--quiet").lines) == 1


def test_transparency_is_kept(unnoise, home):
    pixels = enlarging.picture(channels=4)
    pixels[3, :10] = 0
    save("cut.png", pixels)
    assert unnoise("upscale", "cut.png", "--out", "large.png").code == 0
    made = decode(Path("large.png").read_bytes(), "x", 4)
    assert torch.equal(made, whole(enlarging.network(), pixels, 4))
    assert (made[3, :30] == 0).all() and made[3].any()
    assert "transparent in places" in unnoise("upscale", "cut.png", "--out", "large.jpg").refusal()


def test_the_same_picture_gives_the_same_file(unnoise, home):
    for name in ("a.png", "b.png"):
        assert unnoise("upscale", "fox.png", "--out", name).code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_a_network_by_its_path_is_called_by_its_name(unnoise, home):
    enlarging.written(home / "mine.safetensors", seed=1)
    assert unnoise("upscale", "fox.png", "--model", home / "mine.safetensors", "--out", "a.png").code == 0
    assert b"here" not in Path("a.png").read_bytes()
    assert read_record("a.png").model == "mine"
    assert torch.equal(read("a.png"), whole(enlarging.network(1), enlarging.picture(), 4))


def test_small_and_thin_pictures(unnoise, home):
    save("dot.png", enlarging.picture(1, 1))
    save("line.png", enlarging.picture(1, 20_000))
    assert unnoise("upscale", "dot.png", "--out", "a.png").code == 0 and read("a.png").shape == (3, 4, 4)
    assert unnoise("upscale", "line.png", "--out", "b.png", "--quiet").code == 0
    assert read("b.png").shape == (3, 4, 80_000)
    assert "webp has sides of at most 16383" in unnoise("upscale", "line.png", "--out", "b.webp").refusal()
    assert "jpeg has sides of at most 65500" in unnoise("upscale", "line.png", "--out", "b.jpg").refusal()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "IMAGE is missing"),
        (["nothing.png"], "cannot read nothing.png"),
        (["."], "cannot read ."),
        (["text.png"], "not a picture"),
        (["moves.gif"], "moves: it holds 2 pictures"),
        (["fox.png", "a red fox"], "takes no prompt: leave the prompt out"),
        (["fox.png", "--scale", "0"], "one of 2, 3, 4, 8, 12, 16"),
        (["fox.png", "--scale", "3.5"], "a whole number"),
        (["fox.png", "--scale", "nan"], "a whole number"),
        (["fox.png", "--scale", "-4"], "one of 2, 3, 4"),
        (["fox.png", "--model", "tiny_x4"], "no upscaler 'tiny_x4': known are emoji_x4"),
        (["fox.png", "--model", "emoji_x"], "did you mean 'emoji_x4'?"),
        (["fox.png", "--model", "no/such.safetensors"], "no model file"),
        (["fox.png", "--model", "tiny"], "holds no upscaler"),
        (["fox.png", "--out", "a.gif"], "no picture's name"),
        (["fox.png", "--device", "tpu"], "no device"),
        (["wide.png", "--scale", "16"], "1600000x64 pixels: at most"),
    ],
)
def test_refusals(unnoise, home, tiny_model, args, said):
    (home.parent / "home" / "models" / "tiny.safetensors").write_bytes(tiny_model.read_bytes())
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save("moves.gif", save_all=True, append_images=frames[1:])
    Path("text.png").write_text("no picture")
    save("wide.png", torch.zeros(3, 4, 10**5, dtype=torch.uint8))
    before = files(home)
    assert said in unnoise("upscale", *args).refusal()
    assert files(home) == before


def test_a_replay_needs_the_picture_it_was_made_of(unnoise, home):
    for name in ("a.png", "b.webp", "c.jpg"):
        assert unnoise("upscale", "fox.png", "--scale", 3, "--out", name).code == 0
    ended = unnoise("replay", "a.png", "b.webp", "c.jpg", "--source", "fox.png")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[0] for line in ended.lines] == ["identical"] * 3
    assert "was made of another picture, whose pixels" in unnoise("replay", "a.png").refusal()
    assert "name it with --source" in unnoise("replay", "a.png", "--source", "a.png").refusal()
    assert "cannot read" in unnoise("replay", "a.png", "--source", "nothing.png").refusal()


def test_a_replay_tells_of_another_picture_and_of_other_weights(unnoise, home):
    assert unnoise("upscale", "fox.png", "--out", "a.png").code == 0
    other = read("a.png")
    other[0, 0, 0] ^= 255
    save("b.png", other, read_record("a.png"))
    ended = unnoise("replay", "b.png", "--source", "fox.png")
    assert ended.code == 1 and "the file's pixels were changed: 1 of 9,600" in ended.out
    enlarging.written(home / "mine.safetensors", seed=1)
    ended = unnoise("replay", "a.png", "--source", "fox.png", "--model", home / "mine.safetensors")
    assert ended.code == 1 and "other weights" in ended.out and "parts" in ended.out


def test_it_is_no_model(unnoise, home, tiny_model, monkeypatch):
    monkeypatch.setattr(_rates, "measure", lambda *_, **__: MEASURED)
    assert "emoji_x4" not in unnoise("list", "models").out
    facts = json.loads(unnoise("info", "emoji_x4", "--json").out)
    assert (facts["kind"], facts["parts"], facts["facts"]) == ("parts", ["upscaler"], {"title": "tiny"})
    assert "holds upscaler alone" in unnoise("generate", "x", "--model", "emoji_x4").refusal()
    unnoise("upscale", "fox.png", "--out", "a.png")
    assert "made of another picture" in unnoise("generate", "--like", "a.png").refusal()
    ended = unnoise("plan", "generate", "x", "--model", tiny_model, "--upscale", 4)
    assert "not counted" in ended.err


def test_generate_chains_it(unnoise, home, tiny_model):
    words = ("generate", "a fox", "--model", tiny_model, "--seed", 3)
    assert unnoise(*words, "--out", "small.png").code == 0
    ended = unnoise(*words, "--upscale", 4, "--out", "large.png", "--json")
    result = json.loads(ended.lines[-1])
    assert (result["width"], result["height"]) == (64, 64)
    assert torch.equal(read("large.png"), whole(enlarging.network(), read("small.png"), 4))
    assert "one of 2, 3, 4" in unnoise(*words, "--upscale", 7).refusal()
    ended = unnoise("replay", "large.png", "--model", tiny_model)
    assert (ended.code, ended.out.split()[0]) == (0, "identical")
    enlarging.written(home.parent / "home" / "models" / "emoji_x4.safetensors", seed=1)
    ended = unnoise("replay", "large.png", "--model", tiny_model)
    assert ended.code == 1 and "other weights" in ended.out


def test_an_upscaler_has_nothing_to_be_int8(unnoise, folder):
    Image.new("RGB", (8, 8)).save("small.png")
    assert "leave --dtype int8 out" in unnoise("upscale", "small.png", "--dtype", "int8").refusal()
    assert not list(folder.glob("*x4*"))
