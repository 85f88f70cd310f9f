"""`generate` with settings from elsewhere: like a picture, on from a state, finer than a draft."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, PngImagePlugin

from cli.conftest import files
from unnoise.cli import _shelf
from unnoise.media.embed import read_record
from unnoise.media.image import read, save


@pytest.fixture
def generate(unnoise, folder, tiny_model):
    """`unnoise generate`, the tiny model being at home under its name."""
    models = folder.parent / "home" / "models"
    models.mkdir(parents=True)
    (models / "tiny.safetensors").write_bytes(tiny_model.read_bytes())
    return lambda *args: unnoise("generate", *args)


ASKED = ("a red fox", "--model", "tiny", "--seed", "7", "--steps", "5", "--sampler", "Euler a Karras", "--width", "32")


@pytest.fixture
def fox(generate):
    assert generate(*ASKED, "--negative", "moon", "--guidance", "3", "--out", "fox.png").code == 0
    return read("fox.png")


def bytes_of(*names):
    return {Path(name).read_bytes() for name in names}


def test_like_a_picture_without_a_word_more_is_the_picture(generate, fox):
    ended = generate("--like", "fox.png", "--out", "again.png")
    assert (ended.code, ended.err) == (0, "") and torch.equal(read("again.png"), fox)


def test_like_a_picture_but_for_what_is_given(generate, fox):
    assert generate("the moon", "--like", "fox.png", "--seed", 9, "--sampler", "heun", "--out", "x.png").code == 0
    record = read_record("x.png")
    assert (record.request["prompt"], record.request["negative"], record.seed) == ("the moon", "moon", 9)
    assert (record.sampler, record.spacing, record.width, record.request["steps"]) == ("heun", "karras", 32, 5)
    assert record.guidance == "classifier_free:scale=3"


def test_a_sampler_named_with_its_spacing_brings_it(generate, fox):
    assert generate("--like", "fox.png", "--sampler", "Heun exponential", "--out", "x.png").code == 0
    assert read_record("x.png").spacing == "exponential"


def test_like_counts_seeds_up(generate, fox):
    assert generate("--like", "fox.png", "--count", 2, "--out", "x-{seed}.png").lines == ["x-7.png", "x-8.png"]
    assert torch.equal(read("x-7.png"), fox)


def infotext(text):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save("other.png", pnginfo=chunks)


def test_like_another_program_s_picture_names_what_it_cannot_honour(generate, folder):
    infotext(
        "a castle\nNegative prompt: fog\nSteps: 3, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5, Seed: 11, "
        "Size: 24x16, Model hash: 6ce0161689, Model: v1-5-pruned, Clip skip: 2, Version: v1.9"
    )
    ended = generate("--like", "other.png", "--model", "tiny", "--out", "x.png")
    assert ended.code == 0, ended.err
    record = read_record("x.png")
    assert (record.request["prompt"], record.request["negative"], record.seed) == ("a castle", "fog", 11)
    assert (record.sampler, record.spacing, record.request["steps"]) == ("dpmpp_2m", "karras", 3)
    assert (record.guidance, record.width, record.height) == ("classifier_free:scale=5", 24, 16)
    assert "AUTOMATIC1111" in ended.err and "Clip skip '2'" in ended.err and "Seed" not in ended.err
    events = [json.loads(line) for line in generate("--like", "other.png", "--model", "tiny", "--json").lines]
    assert "Clip skip" in events[1]["text"] and events[0]["event"] == "note"


def test_like_a_sampler_of_another_program_that_we_lack(generate, folder):
    infotext(
        "a castle\nSteps: 3, Sampler: Wonder, Schedule type: Odd, CFG scale: 5, Seed: 11, Size: 24x16, Model: what"
    )
    ended = generate("--like", "other.png", "--model", "tiny", "--out", "x.png")
    assert ended.code == 0 and "sampler 'Wonder'" in ended.err and "spacing 'Odd'" in ended.err
    assert read_record("x.png").sampler == "euler"


SIZED = "a castle\nSteps: 3, Sampler: Euler, CFG scale: 5, Seed: 11, Size: {}"


@pytest.mark.parametrize("size", ["512x400", "24x401", "8x9"])
def test_a_size_that_the_model_here_cannot_make_is_left_to_it(generate, folder, size):
    infotext(SIZED.format(size))
    ended = generate("--like", "other.png", "--model", "tiny", "--out", "x.png")
    assert ended.code == 0 and f"size {size}, which 'tiny' cannot make" in ended.err
    assert (read_record("x.png").width, read_record("x.png").height) == (16, 16)
    assert generate("--like", "other.png", "--model", "tiny", "--width", 24, "--out", "x.png").code == 0
    assert (read_record("x.png").width, read_record("x.png").height) == (24, 16)
    ended = generate("--like", "other.png", "--model", "tiny", "--width", 24, "--height", 24, "--out", "x.png")
    assert ended.code == 0 and "size" not in ended.err


def test_a_size_that_is_asked_for_is_not_forgiven(generate, folder):
    infotext(SIZED.format("24x16"))
    assert "width 25" in generate("--like", "other.png", "--model", "tiny", "--width", 25).refusal()


def test_settings_written_as_json_are_not_read_as_text(generate, folder):
    infotext(
        '{"prompt": "a castle", "negative_prompt": "(bad art:1.4), (name:1.2), (amateur:1.3), ugly", "steps": 3, '
        '"version": "Fooocus v2.2", "sampler": "euler", "scheduler": "karras", "base_model": ""}'
    )
    ended = generate("--like", "other.png", "--model", "tiny", "--out", "x.png")
    assert ended.code == 0 and "Fooocus" in ended.err and "not taken over" not in ended.err


@pytest.mark.parametrize(("strength", "told"), [(0.87, True), (1, False)])
def test_a_variation_s_strength_is_named_among_what_is_lost(generate, folder, strength, told):
    sampler = {"seed": 3, "steps": 3, "cfg": 4, "sampler_name": "euler", "scheduler": "karras", "denoise": strength}
    words = {"class_type": "CLIPTextEncode", "inputs": {"text": "a castle"}}
    graph = {"1": words, "2": {"class_type": "KSampler", "inputs": {**sampler, "positive": ["1", 0]}}}
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("prompt", json.dumps(graph))
    Image.new("RGB", (8, 8)).save("other.png", pnginfo=chunks)
    ended = generate("--like", "other.png", "--model", "tiny", "--out", "x.png")
    assert ended.code == 0 and ("strength 0.87" in ended.err) == told


def test_an_old_name_of_sampler_and_spacing_in_one(generate, folder):
    infotext("a castle\nSteps: 3, Sampler: DPM++ 2M Karras, CFG scale: 5, Seed: 11, Size: 24x16")
    assert generate("--like", "other.png", "--model", "tiny", "--out", "x.png").code == 0
    assert (read_record("x.png").sampler, read_record("x.png").spacing) == ("dpmpp_2m", "karras")


def test_pause_and_resume_is_the_straight_run_to_the_byte(generate, folder, fox):
    asked = (*ASKED, "--negative", "moon", "--guidance", "3")
    ended = generate(*asked, "--pause-at", 2, "--state", "s/fox.safetensors")
    assert (ended.code, ended.lines) == (0, ["s/fox.safetensors"])
    assert files(folder) == ["fox.png", "s/fox.safetensors"]
    assert generate("--resume", "s/fox.safetensors", "--out", "again.png").code == 0
    assert len(bytes_of("fox.png", "again.png")) == 1
    ended = generate("--resume", "s/fox.safetensors", "--pause-at", 4, "--state", "t.safetensors")
    assert ended.code == 0
    assert generate("--resume", "t.safetensors", "--out", "again.png").code == 0
    assert len(bytes_of("fox.png", "again.png")) == 1


def test_pausing_tells_programs_where(generate, folder):
    ended = generate(*ASKED, "--pause-at", 2, "--state", "s.safetensors", "--json")
    events = [json.loads(line) for line in ended.lines]
    assert [e["event"] for e in events] == ["progress", "progress", "state"]
    assert (events[2]["path"], events[2]["step"], events[2]["steps"], events[2]["seed"]) == ("s.safetensors", 2, 5, 7)
    assert len(events[2]["sha256"]) == 64


def test_a_state_says_what_it_is(unnoise, generate):
    generate(*ASKED, "--pause-at", 2, "--state", "s.safetensors")
    said = json.loads(unnoise("info", "s.safetensors", "--json").out)
    assert (said["kind"], said["step"], said["record"]["seed"]) == ("state", 2, 7)
    assert unnoise("info", "s.safetensors").out.startswith("kind")


def test_resuming_with_other_words(generate, folder, fox):
    assert generate(*ASKED, "--pause-at", 2, "--state", "s.safetensors").code == 0
    assert generate("the moon", "--resume", "s.safetensors", "--sampler", "ddim:eta=1", "--out", "x.png").code == 0
    record = read_record("x.png")
    assert record.request["prompt"] == "the moon" and record.sampler == "ddim:eta=1"
    assert record.past[0]["until"] == 2 and record.past[0]["request"]["prompt"] == "a red fox"
    ended = generate("--like", "x.png", "--out", "y.png")
    assert ended.code == 0 and "another request had begun the picture" in ended.err


def test_refining_keeps_the_draft_s_way_and_takes_more_steps(generate, folder):
    draft = ("a red fox", "--model", "tiny", "--seed", "7", "--steps", "6", "--sampler", "Euler a")
    generate(*draft, "--out", "draft.png")
    ended = generate("--refine", "draft.png", "--steps", 30, "--out", "fine.png")
    assert (ended.code, ended.err) == (0, "")
    old, new = read_record("draft.png"), read_record("fine.png")
    (leg,) = new.past
    assert 0 < leg["until"] < 6 and new.levels[leg["until"]][1] >= new.levels[leg["until"]][2]
    assert new.trail[: leg["until"]] == old.trail[: leg["until"]] and new.request["steps"] == 30
    assert len(new.trail) > 15 and new.seed == 7 and new.levels[-1][2] == 0
    generate(*draft[:6], "30", *draft[7:], "--out", "straight.png")
    assert read_record("straight.png").trail[0] != new.trail[0]


def test_a_draft_of_one_step_gives_its_settings(generate, folder):
    generate("a red fox", "--model", "tiny", "--seed", 7, "--steps", 1, "--out", "draft.png")
    ended = generate("--refine", "draft.png", "--steps", 4, "--out", "fine.png")
    assert ended.code == 0 and "only its settings" in ended.err
    generate("a red fox", "--model", "tiny", "--seed", 7, "--steps", 4, "--out", "straight.png")
    assert torch.equal(read("fine.png"), read("straight.png"))


def odd_pictures(fox_path):
    """Pictures nobody can go by."""
    record = read_record(fox_path)
    save("bare.png", torch.zeros(3, 8, 8, dtype=torch.uint8))
    save("vary.png", read(fox_path), replace(record, task="vary"))
    save("away.png", read(fox_path), replace(record, model="../x.safetensors", files={"x": "0" * 64}))
    save("lies.png", read(fox_path), replace(record, request={"prompt": 5, "steps": "x"}))


REFUSED = {
    "two sources": (["--like", "fox.png", "--preset", "x"], "--preset and --like"),
    "like nothing": (["--like", "nowhere.png"], "nowhere.png"),
    "like a bare picture": (["--like", "bare.png"], "does not tell how it was made"),
    "like without its model": (["--like", "away.png"], "name its file with --model"),
    "like a liar": (["--like", "lies.png"], "PROMPT is missing"),
    "refine without steps": (["--refine", "fox.png"], "more than the draft's 5"),
    "refine with as many": (["--refine", "fox.png", "--steps", "5"], "more than the draft's 5"),
    "refine a bare picture": (["--refine", "bare.png", "--steps", "9"], "no record"),
    "refine another task's": (["--refine", "vary.png", "--steps", "9"], "cannot be refined"),
    "refine without counting": (
        ["--refine", "fox.png", "--steps", "9", "--sampler", "dpm_adaptive"],
        "chooses its steps",
    ),
    "refine of another size": (["--refine", "fox.png", "--steps", "9", "--width", "16"], "width 32, not 16"),
    "resume nothing": (["--resume", "nowhere.safetensors"], "cannot read nowhere.safetensors"),
    "resume a picture": (["--resume", "fox.png"], "fox.png"),
    "resume a model": (["--resume", "MODEL"], "no paused run"),
    "resume of another size": (["--resume", "s.safetensors", "--height", "32"], "height 16, not 32"),
    "resume with another model": (["--resume", "s.safetensors", "--model", "emoji"], "other weights"),
    "resume a cut state": (["--resume", "cut.safetensors"], "cut.safetensors"),
    "pause without state": (["x", "--pause-at", "2"], "without --state"),
    "state without pause": (["x", "--state", "t.safetensors"], "without --pause-at"),
    "pause and trace": (["x", "--pause-at", "2", "--state", "t.safetensors", "--trace", "t.gif"], "finished picture"),
    "pause of several": (["x", "--pause-at", "2", "--state", "t.safetensors", "--count", "2"], "leave --count out"),
    "pause at 0": (["x", "--pause-at", "0", "--state", "t.safetensors"], "pause after step 0"),
    "pause behind": (
        ["--resume", "s.safetensors", "--pause-at", "2", "--state", "t.safetensors"],
        "pause after step 2",
    ),
    "pause at the end": (["x", "--model", "tiny", "--pause-at", "4", "--state", "t.safetensors"], "has 4 steps"),
    "state suffix": (["x", "--pause-at", "2", "--state", "t.pt"], ".safetensors"),
    "state in a file": (["x", "--pause-at", "2", "--state", "fox.png/t.safetensors"], "--state"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_gone_by_is_refused_and_leaves_no_trace(generate, folder, fox, case, tiny_model):
    odd_pictures("fox.png")
    generate(*ASKED, "--pause-at", 2, "--state", "s.safetensors")
    (folder / "cut.safetensors").write_bytes((folder / "s.safetensors").read_bytes()[:-1])
    before = files(folder)
    args, said = REFUSED[case]
    assert said in generate(*[str(tiny_model) if a == "MODEL" else a for a in args]).refusal()
    assert files(folder) == before


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.safetensors": "a" * 64, "text_encoder/model.safetensors": "b" * 64, "unet/x.safetensors": "c" * 64}, "c"),
        ({"a.safetensors": "a" * 64, "far.safetensors": "c" * 64, "vae.safetensors": "b" * 64}, "c"),
        ({"a.safetensors": "a" * 64, "b.safetensors": "b" * 64}, ""),
    ],
)
def test_a_model_that_is_not_here_is_told_by_its_own_file(unnoise, fox, files, said):
    save("far.png", read("fox.png"), replace(read_record("fox.png"), model="far", files=files))
    for words in (("replay", "far.png"), ("generate", "--like", "far.png")):
        sha = f" (sha256 {said * 12})" if said else ""
        assert f"model 'far'{sha} is not here" in unnoise(*words).refusal()


def retold(name, **fields):
    """The picture with a record that a stranger has changed."""
    values = json.loads(read_record(name).json()) | fields
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("unnoise", json.dumps(values))
    Image.open(name).save("told.png", pnginfo=chunks)


def test_no_record_has_a_file_of_this_machine_opened_or_told(unnoise, generate, fox, folder, monkeypatch):
    """A path in a guidance, wherever the record has one, is refused before it is looked at."""
    record = json.loads(read_record("fox.png").json())
    spec = f"auto:scale=2, model = {folder}/secret.safetensors"
    asked = record["request"] | {"guidance": spec, "negative": ""}
    looked = []
    is_file = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: looked.append(path.name) or is_file(path))
    for changed in ({"guidance": spec}, {"request": asked}, {"past": [{"request": asked, "until": 1}]}):
        retold("fox.png", **changed)
        for words in (["replay", "told.png"], ["generate", "--refine", "told.png", "--steps", 9]):
            assert "names another model by a path" in unnoise(*words).refusal()
    retold("fox.png", guidance=spec)
    assert "names another model by a path" in generate("--like", "told.png").refusal()
    assert "secret.safetensors" not in looked
    assert generate("--like", "told.png", "--guidance", 3, "--out", "x.png").code == 0


def test_a_record_of_requests_without_end_is_refused(unnoise, generate, fox, monkeypatch):
    asked = list[object]()
    monkeypatch.setattr(_shelf, "others", lambda guidance: asked.append(guidance) or ())
    retold("fox.png", past=[{"request": {}, "until": 1}] * 100_000)
    assert "more than 100 requests" in unnoise("replay", "told.png").refusal() and asked == []
    retold("fox.png", past=[{"request": {"guidance": 3.0}, "until": 1}] * 100)
    unnoise("replay", "told.png")
    assert sorted(asked) == ["3", "3.0", "classifier_free:scale=3"]  # each guidance once


def test_a_guidance_s_own_file_goes_by_its_name_as_the_model_s_does(unnoise, generate, folder, tiny_model):
    """No path in the picture, and two files of one name are kept apart."""
    (folder / "a").mkdir()
    (folder / "a" / "tiny.safetensors").write_bytes(tiny_model.read_bytes())
    spec = "auto:model=a/tiny.safetensors,scale=3"
    made = generate("x", "--model", "tiny", "--seed", 1, "--guidance", spec, "--out", "x.png")
    assert made.code == 0, made.err
    record = read_record("x.png")
    assert record.guidance == "auto:model=tiny-2,scale=3" and "a/tiny" not in record.json()
    assert unnoise("preset", "save", "mine", "--model", "tiny", "--guidance", spec).code == 0
    kept = json.loads((folder.parent / "home" / "presets" / "mine.json").read_text())
    assert kept["request"]["guidance"] == f"auto:model={folder}/a/tiny.safetensors,scale=3"
    (folder / "r.jsonl").write_text(json.dumps({"prompt": "x", "model": "tiny", "seed": 1, "guidance": spec}))
    assert unnoise("batch", "r.jsonl", "--out", "many").code == 0
    assert torch.equal(read("many/000001-x-1.png"), read("x.png"))
