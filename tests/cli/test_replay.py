"""`unnoise replay`: identical with every sampler, however a picture came about; or what parts it, and where."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from families.whole import single, tokenizers
from unnoise.core.sampler import upward
from unnoise.media.embed import read_record
from unnoise.media.image import read, save
from unnoise.samplers import SAMPLERS


@pytest.fixture
def generate(unnoise, folder, tiny_model):
    """`unnoise generate` with the tiny model, which is at home under its name."""
    models = folder.parent / "home" / "models"
    models.mkdir(parents=True)
    (models / "tiny.safetensors").write_bytes(tiny_model.read_bytes())

    def run(*args):
        ended = unnoise("generate", *args, "--model", "tiny")
        assert ended.code == 0, ended.err
        return ended.lines

    return run


@pytest.fixture
def fox(generate, folder):
    """A picture, as pixels and record."""
    generate("a red fox", "--seed", 7, "--steps", 5, "--out", "fox.png")
    return read("fox.png"), read_record("fox.png")


def verdicts(ended):
    found = [json.loads(line) for line in ended.lines]
    assert all(f["event"] == "replay" for f in found)
    return {f["path"]: (f["verdict"], "; ".join(f["reasons"])) for f in found}


def test_fifty_pictures_of_all_samplers_are_identical(unnoise, generate, folder):
    made = list[str]()
    for place, name in enumerate(n for n in SAMPLERS if not upward(SAMPLERS[n])):
        ending = (".png", ".webp", ".jpg")[place % 3]
        out, format = f"out/{name}-{{seed}}{ending}", ["--guidance", "rescaled"] if place % 4 == 3 else []
        made += generate(
            "a red fox", "--seed", place, "--count", 2, "--steps", 3, "--sampler", name, "--out", out, *format
        )
    assert len(made) >= 50
    ended = unnoise("replay", *made, "--json")
    assert ended.code == 0 and ended.err == ""
    assert verdicts(ended) == dict.fromkeys(made, ("identical", ""))


def test_what_went_on_from_something_is_made_again_with_it(unnoise, generate, fox):
    generate(
        "a red fox", "--seed", 7, "--steps", 5, "--sampler", "Euler a", "--pause-at", 2, "--state", "s.safetensors"
    )
    generate("--resume", "s.safetensors", "--out", "same.png")
    generate("a blue whale", "--resume", "s.safetensors", "--sampler", "heun", "--out", "whale.png")
    generate("the moon", "--resume", "s.safetensors", "--pause-at", 4, "--state", "t.safetensors")
    generate("a blue whale", "--resume", "t.safetensors", "--out", "twice.png")
    generate("--refine", "fox.png", "--steps", 20, "--out", "fine.png")
    generate("--refine", "fine.png", "--steps", 40, "--out", "finer.png")
    for name in ("s.safetensors", "t.safetensors"):
        Path(name).unlink()  # the record needs no state
    names = ["same.png", "whale.png", "twice.png", "fine.png", "finer.png"]
    assert verdicts(unnoise("replay", *names, "--json")) == dict.fromkeys(names, ("identical", ""))


def test_a_flipped_pixel_is_told(unnoise, fox):
    pixels, record = fox
    pixels[1, 3, 4] ^= 4
    save("odd.png", pixels, record)
    ended = unnoise("replay", "fox.png", "odd.png")
    assert ended.code == 1 and ended.err == ""
    assert ended.lines[0] == "identical  fox.png"
    assert ended.lines[1].startswith("parted     odd.png: the file's pixels were changed: 1 of 256 pixels differ")


@pytest.mark.parametrize("ending", ["jpg", "webp"])
def test_a_change_shows_where_pixels_are_not_kept_exactly(unnoise, fox, ending):
    pixels, record = fox
    save(f"whole.{ending}", pixels, record)
    pixels[:, 2:6, 2:6] = 255 - pixels[:, 2:6, 2:6]
    save(f"odd.{ending}", pixels, record)
    found = verdicts(unnoise("replay", f"whole.{ending}", f"odd.{ending}", "--json"))
    assert found[f"whole.{ending}"] == ("identical", "")
    assert found[f"odd.{ending}"][0] == "parted" and "pixels were changed" in found[f"odd.{ending}"][1]


@pytest.mark.parametrize(
    ("field", "value"),
    [("prompt", "a blue whale"), ("negative", "moon"), ("seed", 8), ("steps", 6), ("sampler", "heun")],
)
def test_a_changed_request_is_named(unnoise, fox, field, value):
    pixels, record = fox
    save("odd.png", pixels, replace(record, request=record.request | {field: value}))
    ended = unnoise("replay", "odd.png", "--json")
    said = json.loads(ended.out)
    assert ended.code == 1 and said["verdict"] == "parted"
    assert f"the record was changed: its {field}" in said["reasons"]
    assert said["step"] == 1 and said["steps"] == 5 and said["apart"] > 0


def test_a_changed_request_is_named_by_the_file_s_other_text(unnoise, fox, monkeypatch):
    from unnoise.media import embed

    pixels, record = fox
    text = embed.parameters(record)
    with monkeypatch.context() as other:
        other.setattr(embed, "parameters", lambda _: text)
        save("odd.png", pixels, replace(record, request=record.request | {"prompt": "a blue whale"}).sealed())
    assert "the record was changed: its prompt" in unnoise("replay", "odd.png").out


def test_a_change_that_leaves_the_picture_is_told_all_the_same(unnoise, fox):
    pixels, record = fox
    save("odd.png", pixels, replace(record, levels=record.levels[:-1]))
    ended = unnoise("replay", "odd.png")
    assert ended.code == 1 and "its levels" in ended.out


def test_a_change_that_cannot_even_run_is_told(unnoise, fox):
    pixels, record = fox
    save("odd.png", pixels, replace(record, request=record.request | {"sampler": "eluer"}))
    ended = unnoise("replay", "odd.png")
    assert ended.code == 1 and "its sampler" in ended.out and "cannot be made again" in ended.out


def other_weights(source, target, names=("network",)):
    from safetensors.torch import load_file, save_file

    from unnoise.weights.header import read_header

    tensors = {k: v * 1.01 if k.startswith(names) else v for k, v in load_file(source).items()}
    save_file(tensors, target, dict(read_header(source).metadata))


def test_other_weights_are_told(unnoise, fox, folder, tiny_model):
    home = folder.parent / "home" / "models" / "tiny.safetensors"
    other_weights(tiny_model, home)
    ended = unnoise("replay", "fox.png", "--json")
    said = json.loads(ended.out)
    assert ended.code == 1 and said["verdict"] == "parted" and said["step"] == 1
    (reason,) = (r for r in said["reasons"] if r.startswith("other weights"))
    assert fox[1].files["tiny.safetensors"][:12] in reason
    assert not any("record" in r for r in said["reasons"])
    assert unnoise("replay", "fox.png", "--model", tiny_model).out == "identical  fox.png\n"


def test_other_weights_of_a_guidance_s_own_model_are_told(unnoise, generate, folder, tiny_model):
    weak = folder.parent / "home" / "models" / "weak.safetensors"
    other_weights(tiny_model, weak)
    generate("a red fox", "--seed", 7, "--guidance", "auto:model=weak", "--out", "auto.png")
    assert set(read_record("auto.png").files) == {"tiny.safetensors", "weak.safetensors"}
    assert unnoise("replay", "auto.png").out == "identical  auto.png\n"
    other_weights(weak, weak)
    ended = unnoise("replay", "auto.png")
    assert ended.code == 1 and "other weights" in ended.out and "parts at step 1 of 4" in ended.out
    weak.unlink()
    assert "no model 'weak'" in unnoise("replay", "auto.png").refusal()


def test_the_same_weights_are_found_under_any_name(unnoise, fox, folder):
    models = folder.parent / "home" / "models"
    (models / "tiny.safetensors").rename(models / "renamed.safetensors")
    assert unnoise("replay", "fox.png").out == "identical  fox.png\n"
    (models / "renamed.safetensors").unlink()
    assert "name its file with --model" in unnoise("replay", "fox.png").refusal()


def test_another_place_and_version_are_told(unnoise, fox, monkeypatch):
    import unnoise.cli._again as again

    pixels, record = fox
    made = again._made

    def parted(*args):
        result = made(*args)
        trail = list(result.record.trail)
        trail[3:] = [("00000000", *(v + 1e-3 for v in mark[1:])) for mark in trail[3:]]
        return replace(
            result, pixels=result.pixels ^ 1, record=replace(result.record, trail=tuple(trail), pixels="f" * 64)
        )

    monkeypatch.setattr(again, "_made", parted)
    save("old.png", pixels, replace(record, versions={"torch": "1.0", "unnoise": "0.0"}, epoch=0, device="mps"))
    ended = unnoise("replay", "old.png", "--json")
    said = json.loads(ended.out)
    assert ended.code == 1 and (said["step"], said["steps"]) == (4, 5) and 1e-3 < said["apart"] < 3e-3
    for reason in ("device mps then, cpu now", "torch 1.0 then", "unnoise 0.0 then", "numerics epoch 0 then"):
        assert any(reason in r for r in said["reasons"]), reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": "vary"}, "'vary'"),
        ({"request": {"prompt": 5}}, "cannot read"),
        ({"request": {"steps": 3}}, "no prompt"),
        ({"request": {"prompt": "x", "colour": 1}}, "colour"),
        ({"request": {"prompt": "x", "start": "f" * 64}}, "went on from a state"),
        ({"dtype": "int4"}, "int4"),
        ({"model": "../../etc/x.safetensors", "files": {"x": "0" * 64}}, "not here"),
    ],
    ids=str,
)
def test_what_cannot_be_made_again_is_refused(unnoise, fox, change, said):
    pixels, record = fox
    save("odd.png", pixels, replace(record, **change).sealed())
    assert said in unnoise("replay", "odd.png").refusal()


def test_one_that_cannot_be_made_again_leaves_the_others(unnoise, fox):
    save("bare.png", torch.zeros(3, 8, 8, dtype=torch.uint8))
    ended = unnoise("replay", "bare.png", "fox.png", "nowhere.png")
    assert ended.code == 2 and len(ended.err.splitlines()) == 1 and "2 of 3 pictures" in ended.err
    assert [line.split()[0] for line in ended.lines] == ["refused", "identical", "refused"]
    assert "no record" in unnoise("replay", "bare.png").refusal()
    assert "missing" in unnoise("replay").refusal()


def test_a_picture_of_an_int8_network_says_so_and_is_made_again(unnoise, generate):
    pytest.importorskip("torchao")
    (path,) = generate("a fox", "--steps", 2, "--dtype", "int8", "--exact")
    assert read_record(path).dtype == "int8"
    assert unnoise("replay", path).code == 0
    other = unnoise("replay", path, "--dtype", "float32")
    assert other.code == 1 and "dtype int8 then, float32 now" in other.out


def test_what_had_to_be_said_of_a_model_s_files_need_not_be_said_again(unnoise, folder, tmp_path):
    """A family and patterns of tensors that were left over stand in the record; the command line may say otherwise."""
    words, _ = tokenizers(folder / "words")
    single("sd1", tmp_path / "sd1.safetensors")
    held = load_file(tmp_path / "sd1.safetensors") | {"strange.weight": torch.zeros(1)}
    models = folder.parent / "home" / "models"
    models.mkdir(parents=True)
    save_file(held, models / "odd.safetensors")
    asked = ("a fox", "--model", "odd", "--steps", 2, "--width", 16, "--height", 16, "--out", "x.png")
    said = ("--family", "sd1:prediction=v", "--ignore-keys", "strange.*")
    done = unnoise("generate", *asked, *said, "--part", f"tokenizer={words}")
    assert done.code == 0, done.err
    assert read_record("x.png").reading == {"family": "sd1:prediction=v", "ignore_keys": ["strange.*"]}
    assert verdicts(unnoise("replay", "x.png", "--json", "--part", f"tokenizer={words}"))["x.png"] == ("identical", "")
    other = unnoise("replay", "x.png", "--json", "--part", f"tokenizer={words}", "--family", "sd1:prediction=epsilon")
    assert other.code == 1 and verdicts(other)["x.png"][0] == "parted"
    part = ("--part", f"tokenizer={words}")
    like = unnoise("generate", "--like", "x.png", "--out", "y.png", *part)
    assert like.code == 0 and torch.equal(read("y.png"), read("x.png")), like.err
    assert read_record("y.png").reading == read_record("x.png").reading
    assert unnoise("plan", "generate", "--like", "x.png", *part).code == 0
    assert unnoise("grid", "--like", "x.png", "--count", 2, "--out", "g.png", *part).code == 0
    assert unnoise("generate", "--refine", "x.png", "--steps", 3, "--out", "z.png", *part).code == 0
    paused = unnoise("generate", *asked[:-2], *said, *part, "--pause-at", 1, "--state", "p.safetensors")
    assert paused.code == 0 and unnoise("generate", "--resume", "p.safetensors", "--out", "r.png", *part).code == 0
    assert read_record("r.png").reading == read_record("x.png").reading
    another = unnoise("generate", "--like", "x.png", "--model", "odd", "--out", "w.png", *part)
    assert (
        another.code == 2 and "strange.weight" in another.err
    )  # of a model that is named here the record says nothing
