"""`unnoise evaluate`: figures of a model, of pictures made elsewhere or of data; a second run makes nothing again."""

import json
import shutil

import pytest
import torch

from cli.conftest import files
from evaluate.witnesses import questions, written
from unnoise.cli import _prompted
from unnoise.evaluate.measures import MEASURES
from unnoise.media.embed import read_record
from unnoise.media.image import read, save

COLOURS = ("red", "green", "blue", "grey")


def drawn(seed, count):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 16, 16), generator=random).byte()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twenty-four pictures to train on in two styles, and six held out."""
    root = tmp_path_factory.mktemp("data")
    for split, count in (("train", 24), ("heldout", 6)):
        (root / split).mkdir()
        for k, picture in enumerate(drawn(len(split), count)):
            name, style = f"{COLOURS[k % 4]} {split} {k}", ("flat", "round")[k % 3 == 0]
            save(root / split / f"{k:02}.png", picture)
            told = {"caption": f"{name}, {style} style", "name": name, "style": style}
            (root / split / f"{k:02}.json").write_text(json.dumps(told))
    return root


@pytest.fixture
def evaluate(unnoise, data, tiny_model):
    def run(*args, model=tiny_model):
        named = () if model is None else (model, "--steps", 1, "--count", 6)
        return unnoise("evaluate", *named, "--data", data, "--rounds", 10, "--out", "out", *args)

    return run


QUICK = ("--measures", "frechet", "memorisation", "--features", "pixels:size=2")


def made(folder):
    return [name for name in files(folder / "out") if name.endswith(".png")]


def figures(ended):
    events = [json.loads(line) for line in ended.lines]
    return {(e["title"], e["of"]): e for e in events if e["event"] == "figure"}


def test_the_table_the_page_and_the_pictures(evaluate, folder):
    ended = evaluate(*QUICK)
    assert ended.code == 0 and ended.err == ""
    head, first, *rest = ended.lines
    assert head.split()[:3] == ["measure", "of", "figure"] and first.startswith("Fréchet distance  ")
    assert "[" in first and "real pictures of the same prompts" in first and rest[-1] == "out/evaluation.html"
    pictures = made(folder)
    assert len(pictures) == 6 and pictures[0].startswith("000001-") and pictures[5].endswith("-5.png")
    page = (folder / "out/evaluation.html").read_text()
    record = read_record(folder / "out" / pictures[0])
    how = f"steps 1, sampler {record.sampler}, guidance {record.guidance}"  # its spacing is the model's own
    assert f"6 pictures, seeds from 0; {how}; " in page and record.guidance and not record.spacing
    assert page.count("<img") == 18 and "Fréchet distance" in page and "nearest training picture" in page
    assert json.loads((folder / "out/figures.json").read_text())["figures"][0]["measure"] == "frechet"


def test_pictures_are_those_that_generate_makes(evaluate, unnoise, folder, tiny_model):
    evaluate(*QUICK, "--seed", 7)
    name = made(folder)[2]
    record = read_record(folder / "out" / name)
    prompt = record.request["prompt"]
    assert record.seed == 9 and "style" in prompt  # two styles: names alone would not tell them apart
    unnoise("generate", prompt, "--model", tiny_model, "--steps", 1, "--seed", 9, "--out", "x.png")
    assert torch.equal(read(folder / "x.png"), read(folder / "out" / name))


def test_half_are_held_out_and_names_may_be_asked_for(evaluate, folder):
    evaluate(*QUICK, "--captions", "name")
    splits = [name.split("-")[2] for name in made(folder)]
    assert splits == ["heldout", "train"] * 3


def test_a_second_run_goes_on_where_the_first_stopped(evaluate, folder, monkeypatch):
    one = evaluate(*QUICK, "--json")
    (folder / "out" / made(folder)[3]).unlink()
    times = {name: (folder / "out" / name).stat().st_mtime_ns for name in made(folder)}
    again = evaluate(*QUICK, "--json")
    assert sum(json.loads(line)["event"] == "result" for line in again.lines) == 1
    assert {name: (folder / "out" / name).stat().st_mtime_ns for name in times} == times
    assert figures(again) == figures(one) and len(figures(one)) == 5
    assert evaluate(*QUICK, "--count", 8).code == 0 and len(made(folder)) == 8
    monkeypatch.setattr(_prompted, "_make", lambda *_: pytest.fail("made again") if _[2] else None)
    assert figures(evaluate(*QUICK, "--json")) == figures(one)  # fewer than there are


def test_a_killed_run_leaves_whole_pictures(evaluate, folder, monkeypatch):
    from unnoise.media import image

    real, count = image.save, []

    def stopping(*args):
        count.append(1)
        if len(count) == 3:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(image, "save", stopping)
    assert evaluate(*QUICK).code == 130 and len(made(folder)) == 2
    monkeypatch.setattr(image, "save", real)
    assert evaluate(*QUICK).code == 0 and len(made(folder)) == 6


@pytest.mark.parametrize(
    "other", [("--seed", 1), ("--captions", "name"), ("--leave", "style=round"), ("--guidance", 1)]
)
def test_a_folder_begun_with_something_else_is_refused(evaluate, folder, other):
    evaluate(*QUICK)
    assert "was begun with other data" in evaluate(*QUICK, *other).refusal()
    assert len(made(folder)) == 6


def test_another_model_or_a_damaged_list_is_refused(evaluate, folder, tiny_model):
    evaluate(*QUICK)
    assert "another dtype" in evaluate(*QUICK, "--dtype", "bfloat16").refusal()
    (folder / "out/pictures.json").write_text("[]")
    assert "is no evaluation's" in evaluate(*QUICK).refusal()


def test_everything_is_measured_by_default(evaluate):
    found = evaluate("--json")
    assert found.code == 0, found.err
    measures = {f["measure"] for f in figures(found).values()}
    assert measures >= {"duplicates", "frechet", "kernel", "likelihood", "loss", "memorisation", "precision_recall"}
    for figure in figures(found).values():
        assert figure["low"] is None or figure["low"] <= figure["high"]
    assert json.loads(found.lines[-1])["event"] == "evaluation"


def test_questions_are_drawn_once_and_kept_beside(evaluate, folder):
    file = written(folder / "mine.safetensors")
    asked = ("--measures", f"compositional:witness={file},count=2", "--json")
    one = evaluate(*asked)
    assert one.code == 0, one.err
    kept = [name for name in files(folder / "out/compositional") if name.endswith(".png")]
    record = read_record(folder / "out/compositional" / kept[0])
    assert len(kept) == 12 and record.request["prompt"] == questions()[0].prompt and record.request["steps"] == 1
    assert len(figures(one)) == 7 and {f["of"] for f in figures(one).values()} == {"mine"}
    again = evaluate(*asked)
    assert figures(again) == figures(one) and not any(json.loads(line)["event"] == "result" for line in again.lines)


def test_what_cannot_be_had_is_told_and_left_out(evaluate, monkeypatch):
    few = ("--count", 2, "--features", "pixels:size=1")
    for name in ("likelihood", "loss"):  # which take their time, and are tested by themselves
        monkeypatch.setattr(MEASURES[name], "usual", False, raising=False)
    ended = evaluate(*few)
    assert ended.code == 0 and "left out: precision and recall look at the 3 nearest" in ended.err
    assert "Fréchet distance" in ended.out and "precision" not in ended.out
    refused = evaluate(*few, "--measures", "precision_recall")
    assert refused.code == 2 and "look at the 3 nearest" in refused.err.splitlines()[-1]


def test_data_alone(evaluate, data, folder):
    ended = evaluate(model=None)
    assert ended.code == 0 and any(line.startswith("near-duplicates in training") for line in ended.lines)
    assert files(folder) == ["out/evaluation.html", "out/figures.json"]


def test_pictures_made_elsewhere(evaluate, data, folder):
    (folder / "mine").mkdir()
    for k in range(5):
        shutil.copy(data / "train" / f"{k:02}.png", folder / "mine" / f"{k}.png")
    ended = evaluate(*QUICK, "--pictures", "mine", "--json", model=None)
    assert ended.code == 0 and "drawn by the seed" in json.loads(ended.lines[0])["text"]
    found = figures(ended)
    assert found["copies of training pictures", "16x16 pixels, in 1/255"]["value"] == 1
    assert found["Fréchet distance", "pixels 2x2"]["count"] == 5


def test_pictures_with_the_data_s_own_captions_stand_beside_those(evaluate, folder):
    evaluate(*QUICK)
    shutil.copytree(folder / "out", folder / "mine")
    ended = evaluate(*QUICK, "--pictures", "mine", "--out", "other", "--json", model=None)
    assert ended.code == 0 and not any(json.loads(line)["event"] == "note" for line in ended.lines)
    model = evaluate(*QUICK, "--json")
    for key, figure in figures(model).items():
        assert figures(ended)[key]["value"] == pytest.approx(figure["value"], rel=1e-6)
        assert figures(ended)[key]["beside"]["value"] == pytest.approx(figure["beside"]["value"], rel=0.5)


def test_tags_choose_the_data(evaluate, folder):
    evaluate(*QUICK, "--only", "style=flat", "--count", 4)
    told = [read_record(folder / "out" / name).request["prompt"] for name in made(folder)]
    assert len(told) == 4 and not any("style" in prompt for prompt in told)  # one style: names tell all


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--pictures", "mine"), "two things to measure"),
        (("--count", 1), "count 1 is out of range"),
        (("--count", 30), "too many to ask for"),
        (("--only", "flat"), "names no tag's value"),
        (("--only", "style=cubist"), "is kept"),
        (("--measures", "fid"), "no measure 'fid'"),
        (("--features", "clip"), "no features 'clip'"),
        (("--features", "clip.pt"), "there is no file"),
        (("--sampler", "eular"), "no sampler"),
        (("--rounds", 1), "rounds 1 is out of range"),
        (("--measures", "compositional:witness=typo"), "no witness: "),
        (("--measures", "duplicates", "retrieval:judge=typo"), "no judge: "),
        (("--features", "judge:file=typo"), "no judge: "),
        (("--features", "torchscript:file=typo.pt,size=299"), "'typo.pt' is no TorchScript file"),
        (("--measures", "loss:count=0"), "a loss of 0 pictures"),
    ],
)
def test_mistakes_are_refused_before_a_picture_is_made(evaluate, folder, args, said):
    assert said in evaluate(*args).refusal()
    assert made(folder) == []


def test_what_is_missing_is_said(unnoise, folder, data):
    assert "--data is missing" in unnoise("evaluate", "emoji").refusal()
    assert "there is no 'nowhere'" in unnoise("evaluate", "--data", "nowhere").refusal()
    assert "of a model" in unnoise("evaluate", "--data", data, "--steps", 3).refusal()
    assert "needs pictures" in unnoise("evaluate", "--data", data, "--measures", "frechet").refusal()
    assert "is out of range" in unnoise("evaluate", "--data", data, "--seed", 2**64).refusal()


def test_a_model_pictures_and_data_of_one_name_have_folders_of_their_own(unnoise, folder, data):
    shutil.copytree(data / "train", folder / "pics/emoji")
    few = ("--data", data, "--measures", "duplicates", "--seed", 99999999999999)
    assert unnoise("evaluate", *few, "--pictures", "pics/emoji").code == 0
    shutil.copytree(data, folder / "emoji")
    assert unnoise("evaluate", *few[2:], "--data", "emoji").code == 0
    assert {path.name for path in (folder / "out").iterdir()} == {"evaluate-data-emoji", "evaluate-pictures-emoji"}


def test_help_and_refusals_load_no_torch(process, data):
    after = "import atexit, os, sys; atexit.register(lambda: os.write(2, b'torch' if 'torch' in sys.modules else b''))"
    ended = process("evaluate", "--help", before=after)
    assert ended.code == 0 and "--features" in ended.out and ended.err == ""
    ended = process("evaluate", "emoji", "--data", str(data), "--measures", "fid", before=after)
    assert ended.code == 2 and "no measure" in ended.err and not ended.err.endswith("torch")
