"""`unnoise generate`: what it writes and prints, and every request that it must refuse without a trace."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from cli.conftest import environment, files
from unnoise.media.embed import read_record
from unnoise.media.image import read
from unnoise.weights.store import read_tensors


@pytest.fixture
def generate(unnoise, tiny_model):
    """`unnoise generate` with the tiny model."""

    def run(*args):
        return unnoise("generate", *args, "--model", tiny_model)

    return run


def test_a_picture_is_made_and_its_path_printed(generate, folder):
    ended = generate("a red fox", "--seed", 7)
    assert (ended.code, ended.out, ended.err) == (0, "out/a-red-fox-7.png\n", "")
    assert files(folder) == ["out/a-red-fox-7.png"]
    record = read_record("out/a-red-fox-7.png")
    assert record.seed == 7 and record.request["prompt"] == "a red fox"
    assert read("out/a-red-fox-7.png").shape == (3, 16, 16)


def test_nothing_is_overwritten_in_a_folder_but_a_named_file_is(generate, folder):
    for _ in range(2):
        assert generate("x", "--seed", 1, "--out", "pics/").code == 0
        assert generate("x", "--seed", 1, "--out", "pics/named.png").code == 0
    assert files(folder) == ["pics/named.png", "pics/x-1-2.png", "pics/x-1.png"]


def test_json_lines_are_the_contract(generate):
    ended = generate("x", "--seed", 5, "--count", 2, "--steps", 3, "--json", "--width", 32)
    assert (ended.code, ended.err) == (0, "")
    events = [json.loads(line) for line in ended.lines]
    progress = [e for e in events if e["event"] == "progress"]
    assert progress == [
        {"event": "progress", "picture": p, "step": s, "steps": 3} for p in range(2) for s in range(1, 4)
    ]
    results = [e for e in events if e["event"] == "result"]
    assert len(results) + len(progress) == len(events)
    for place, result in enumerate(results):
        assert set(result) == {"event", "path", "seed", "width", "height", "seconds", "sha256"}
        assert (result["seed"], result["width"], result["height"]) == (5 + place, 32, 16)
        assert result["seconds"] > 0
        assert hashlib.sha256(Path(result["path"]).read_bytes()).hexdigest() == result["sha256"]


def test_a_size_that_the_model_has_not_learnt_is_drawn_and_told_of(generate, folder):
    ended = generate("x", "--seed", 5, "--width", 64)
    assert ended.code == 0 and files(folder) == ["out/x-5.png"]
    assert "has learnt pictures of 16x16" in ended.err and "64x16" in ended.err
    assert generate("x", "--seed", 6, "--width", 64, "--quiet").err == ""


def test_quiet_leaves_what_was_made(generate):
    assert generate("x", "--seed", 5, "--quiet").out == "out/x-5.png\n"
    events = [json.loads(line)["event"] for line in generate("x", "--seed", 5, "--quiet", "--json").lines]
    assert events == ["result"]


def test_the_same_words_give_the_same_file(generate, folder):
    for name in ("a.png", "b.png"):
        assert generate("x", "--seed", 5, "--sampler", "Euler a", "--out", name).code == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()


@pytest.mark.parametrize(("format", "suffix"), [("png", ".png"), ("webp", ".webp"), ("jpeg", ".jpg")])
def test_formats(generate, folder, format, suffix):
    assert generate("x", "--seed", 5, "--format", format).code == 0
    path = folder / "out" / f"x-5{suffix}"
    with Image.open(path) as image:
        assert image.format == format.upper()
    assert read_record(path).seed == 5


def test_what_goes_beside_a_picture(generate, folder):
    ended = generate(
        *("x", "--seed", 5, "--count", 2, "--steps", 3, "--out", "{seed}.png", "--latents-out", "l/{seed}.safetensors"),
        *("--trace", "t/{seed}.gif", "--preview", "now.png"),
    )
    assert (ended.code, ended.lines) == (0, ["5.png", "6.png"])
    assert files(folder) == sorted(
        ["5.png", "6.png", "l/5.safetensors", "l/6.safetensors", "now.png", "t/5.gif", "t/6.gif"]
    )
    with Image.open("t/6.gif") as gif:
        assert gif.n_frames >= 3 and gif.size == (16, 16)
    assert (folder / "now.png").read_bytes() == (folder / "6.png").read_bytes()
    assert {k: v.shape for k, v in read_tensors(folder / "l/5.safetensors").items()} == {"latent": (3, 16, 16)}


def test_a_picture_does_not_tell_where_its_model_lay(generate, folder, tiny_model):
    generate("x", "--seed", 5, "--out", "a.png")
    assert read_record("a.png").request["model"] == "tiny"
    assert str(tiny_model.parent).encode() not in (folder / "a.png").read_bytes()


def test_a_model_in_the_home_folder_is_found_by_name(unnoise, folder, tiny_model):
    models = folder.parent / "home" / "models"
    models.mkdir(parents=True)
    (models / "mine.safetensors").write_bytes(tiny_model.read_bytes())
    assert unnoise("generate", "x", "--model", "mine", "--seed", 1).code == 0
    assert "did you mean 'mine'?" in unnoise("generate", "x", "--model", "mime").refusal()


NUMBER = str(10**30)
REFUSED = {
    "sampler": (["--sampler", "eluer"], "did you mean 'euler'?"),
    "sampler option": (["--sampler", "ddim:etta=1"], "eta"),
    "sampler value": (["--sampler", "ddim:eta=much"], "number"),
    "spacing": (["--spacing", "caras"], "karras"),
    "spacing option": (["--spacing", "karras:low=1,height=2"], "has no option 'height=2'"),
    "guidance": (["--guidance", "strong"], "one of"),
    "guidance nan": (["--guidance", "nan"], "finite"),
    "guidance infinite": (["--guidance", "1e999"], "finite"),
    "guidance huge": (["--guidance", NUMBER], "out of range"),
    "negative at 1": (["--guidance", "1", "--negative", "dog"], "no effect"),
    "width": (["--width", "30"], "try 32"),
    "width 0": (["--width", "0"], "try 4"),
    "width below 0": (["--width", "-16"], "try 4"),
    "width huge": (["--width", "1000000"], "out of range"),
    "height beyond all": (["--height", NUMBER], "out of range"),
    "steps 0": (["--steps", "0"], "from 1 to 1,000"),
    "steps below 0": (["--steps", "-5"], "from 1 to 1,000"),
    "steps many": (["--steps", str(10**9)], "from 1 to 1,000"),
    "steps word": (["--steps", "few"], "whole number"),
    "count 0": (["--count", "0"], "count 0 is out of range"),
    "count below 0": (["--count", "-1"], "out of range"),
    "count many": (["--count", NUMBER], "out of range"),
    "seed below 0": (["--seed", "-1"], "out of range"),
    "seed huge": (["--seed", NUMBER], "out of range"),
    "seed and count": (["--seed", str(2**64 - 1), "--count", "2"], "out of range"),
    "seed fraction": (["--seed", "1.5"], "whole number"),
    "format": (["--format", "bmp"], "one of png, webp, jpeg"),
    "format of the file": (["--out", "x.png", "--format", "webp"], "does not end as webp does"),
    "suffix": (["--out", "x.bmp"], ".png"),
    "one file for many": (["--out", "x.png", "--count", "2"], "{seed}"),
    "one latent for many": (["--latents-out", "x.safetensors", "--count", "2"], "{seed}"),
    "latent suffix": (["--latents-out", "x.pt"], ".safetensors"),
    "trace suffix": (["--trace", "x.mp4"], ".gif"),
    "preview suffix": (["--preview", "x.tga"], ".png"),
    "device": (["--device", "tpu"], "cpu"),
    "device part": (["--device", "cpu:x"], "cpu"),
    "dtype": (["--dtype", "int4"], "float32"),
    "option": (["--guidence", "3"], "did you mean --guidance?"),
    "no value": (["--steps"], "needs a value"),
    "second prompt": (["blue"], "one word too many"),
    "model name": (["--model", "nobody"], "no model 'nobody'"),
    "model path": (["--model", "no/such.safetensors"], "no model file"),
    "model folder": (["--model", "."], "no model"),
    "model path too long": (["--model", "/" + "x" * 100_000], "no model file"),
    "model NUL": (["--model", "a\0b"], "NUL"),
    "out in a file": (["--out", "file/deep/x.png"], "cannot write into"),
    "out is a file without a suffix": (["--out", "file"], "cannot write into"),
    "latents in a file": (["--latents-out", "file/x.safetensors"], "--latents-out"),
    "out of a name too long": (["--out", "y" * 300 + "/"], "File name too long"),
    "out empty": (["--out", ""], "give a path"),
    "out NUL": (["--out", "a\0/"], "give a path"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_request_that_cannot_be_honoured_leaves_no_trace(unnoise, folder, tiny_model, case):
    (folder / "file").write_text("mine")
    args, said = REFUSED[case]
    model = [] if "--model" in args else ["--model", tiny_model]
    assert said in unnoise("generate", "x", *model, *args).refusal()
    assert files(folder) == ["file"] and [p.name for p in folder.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [("a\0b", "NUL"), ("x" * 2**20, "32,000"), ("a\ud800b", "surrogate"), ("\udcff", "surrogate")],
    ids=["NUL", "a megabyte", "surrogate", "bytes"],
)
@pytest.mark.parametrize("field", ["prompt", "negative"])
def test_texts_that_cannot_be_kept_are_refused(generate, folder, prompt, said, field):
    args = [prompt] if field == "prompt" else ["x", f"--negative={prompt}"]
    assert said in generate(*args).refusal()
    assert files(folder) == []


def test_odd_texts_are_drawn(unnoise, tiny_model, folder):
    for prompt in ("", " ", "%s {seed} <lora:x:1>", "e\u0301\u202e🦊", "a\nb\tc", "long " * 100, "-dash"):
        ended = unnoise("generate", "--model", tiny_model, "--out", "x.png", "--", prompt)
        assert ended.code == 0, ended.err
        assert read_record("x.png").request["prompt"] == prompt


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 5000, -1000, -1])
def test_truncated_weights_are_refused(unnoise, folder, tiny_model, kept):
    data = tiny_model.read_bytes()
    (folder / "cut.safetensors").write_bytes(data[:kept] if kept >= 0 else data[: len(data) + kept])
    assert "cut.safetensors" in unnoise("generate", "x", "--model", "cut.safetensors").refusal()
    assert files(folder) == ["cut.safetensors"]


def test_a_file_that_is_no_model_is_refused(unnoise, folder):
    Image.new("RGB", (8, 8)).save(folder / "picture.safetensors", "png")
    assert "no whole safetensors" in unnoise("generate", "x", "--model", "picture.safetensors").refusal()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_refused(generate, folder):
    folder.chmod(0o500)
    assert "cannot write into" in generate("x").refusal()
    folder.chmod(0o700)


def test_a_full_disk_is_refused_and_leaves_nothing_half_written(process, folder, tiny_model):
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))"
    args = ("generate", "x", "--model", str(tiny_model), "--seed", "1")
    assert "cannot write out/x-1.png" in process(*args, before=small).refusal()
    assert files(folder) == []
    latents = ("--latents-out", "l.safetensors", "--out", "x.png")
    roomy = small.replace("200", "3500")
    ended = process(*args, *latents, before=roomy)
    assert ended.code == 2 and "l.safetensors" in ended.err
    assert files(folder) == ["x.png"]


@pytest.mark.parametrize("field", ["prompt", "negative", "model", "sampler", "out"])
def test_bytes_that_are_no_text_are_refused_or_kept(process, folder, tiny_model, field):
    odd = b"a\xff\xfeb"
    given = {"prompt": [odd], "out": [b"x", b"--out", odd + b"/"]}.get(field, [b"x", b"--" + field.encode(), odd])
    model = [] if field == "model" else [b"--model", os.fsencode(tiny_model)]
    ended = process("generate", *given, *model)
    if field == "out":
        assert ended.code == 0
        assert [os.fsencode(path.name) for path in folder.iterdir()] == [odd]
    else:
        ended.refusal()
        assert files(folder) == []


def test_a_device_that_is_not_there_is_refused(unnoise, tiny_model, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no device 'cuda'" in unnoise("generate", "x", "--model", tiny_model, "--device", "cuda").refusal()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_whole_pictures_only(folder, tiny_model, number):
    code = "from unnoise.cli.main import run; run()"
    args = ["generate", "x", "--model", str(tiny_model), "--count", "100000", "--steps", "2", "--seed", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as running:
        first = running.stdout.readline().decode().strip()
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130 and err.decode() == "unnoise: interrupted\n"
    assert first == "out/x-0.png"
    for name in files(folder):
        assert name.endswith(".png") and read_record(name) is not None
