"""`unnoise batch`: each picture of a file exactly once, whatever stops it; a bad line is named before anything runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import environment, files
from unnoise.media.embed import read_record
from unnoise.media.image import read

SCRIPT = Path(__file__).with_name("batch_kills.py")


def written(folder, model, *requests):
    path = folder / "r.jsonl"
    path.write_text("".join(json.dumps({"model": str(model), "steps": 2, **r}) + "\n" for r in requests))
    return path


@pytest.fixture
def batch(unnoise, folder):
    def run(*args):
        return unnoise("batch", "r.jsonl", "--out", "out", *args)

    return run


def pictures(folder):
    return [name for name in files(folder / "out") if name.endswith(".png")]


def test_each_request_of_a_file(batch, folder, tiny_model):
    written(folder, tiny_model, {"prompt": "a fox", "seed": 5, "count": 2}, {"prompt": "moon", "width": 32, "seed": 9})
    ended = batch()
    assert (ended.code, ended.err) == (0, "")
    names = ["000001-a-fox-5.png", "000001-a-fox-6.png", "000002-moon-9.png"]
    assert ended.lines == [*(f"out/{name}" for name in names), "3 made, 0 there before, 0 lines left out"]
    assert pictures(folder) == names
    record = read_record(folder / "out" / names[1])
    assert (record.seed, record.request["prompt"], record.model) == (6, "a fox", "tiny")
    assert read(folder / "out" / names[2]).shape == (3, 16, 32)


def test_a_picture_is_the_one_that_generate_makes(batch, unnoise, folder, tiny_model):
    written(folder, tiny_model, {"prompt": "a fox", "seed": 5, "count": 2})
    batch()
    unnoise("generate", "a fox", "--model", tiny_model, "--steps", 2, "--seed", 6, "--out", "x.png")
    assert (folder / "x.png").read_bytes() == (folder / "out" / "000001-a-fox-6.png").read_bytes()


def test_json_lines(batch, folder, tiny_model):
    written(folder, tiny_model, {"prompt": "a", "seed": 1}, {"prompt": "b", "seed": 2})
    events = [json.loads(line) for line in batch("--json").lines]
    assert [e["picture"] for e in events if e["event"] == "progress"] == [0, 0, 1, 1]
    results = [e for e in events if e["event"] == "result"]
    assert [Path(e["path"]).name for e in results] == ["000001-a-1.png", "000002-b-2.png"]
    assert events[-1] == {"event": "batch", "made": 2, "kept": 0, "left_out": 0, "faults": []}
    again = [json.loads(line) for line in batch("--json").lines]
    assert again == [{"event": "batch", "made": 0, "kept": 2, "left_out": 0, "faults": []}]


def test_it_makes_what_is_missing_and_nothing_twice(batch, folder, tiny_model):
    written(folder, tiny_model, {"prompt": "a", "count": 4}, {"prompt": "b"})
    assert batch().code == 0
    names = pictures(folder)
    before = {name: (folder / "out" / name).read_bytes() for name in names}
    for name in (names[1], names[3]):  # with a gap, and random seeds that must be the same again
        (folder / "out" / name).unlink()
    (folder / "out" / ".unnoise-0123456789abcdef.tmp").write_text("half of a picture")
    ended = batch()
    assert ended.lines[:-1] == [f"out/{names[1]}", f"out/{names[3]}"]
    assert pictures(folder) == names
    assert {name: (folder / "out" / name).read_bytes() for name in names} == before
    assert not list((folder / "out").glob("*.tmp"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"prompt": "x", "stepps": 3}', "line 2, stepps: there is no field 'stepps': did you mean 'steps'?"),
        ('{"prompt": "x", "steps": 0}', "line 2, steps: steps 0 is out of range"),
        ('{"prompt": "x", "steps": "3"}', "line 2, steps: steps cannot be \"3\": it takes a whole number"),
        ('{"prompt": "x", "steps": 2.5}', "line 2, steps: steps cannot be 2.5"),
        ('{"prompt": "x", "seed": true}', "line 2, seed: seed cannot be true"),
        ('{"prompt": "x", "sampler": "oiler"}', "line 2, sampler: there is no sampler 'oiler'"),
        ('{"prompt": "x", "width": 17}', "line 2, width: width 17 is no multiple of 4"),
        ('{"prompt": "x", "model": "nowhere"}', "line 2, model: there is no model 'nowhere'"),
        ('{"prompt": ["x"]}', "line 2, prompt: prompt cannot be"),
        ('{"steps": 3}', "line 2, prompt: it has no prompt"),
        ('{"prompt": "x"', "line 2: it is no JSON"),
        ("[" * 100_000, "line 2: it is no JSON"),
        ('["x"]', "line 2: it is no JSON object"),
        ('{"prompt": "x", "out": "y"}', "line 2, out: there is no field 'out'"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_before_anything_runs(batch, folder, tiny_model, line, said):
    path = written(folder, tiny_model, {"prompt": "a"}, {}, {"prompt": "b"})
    lines = path.read_text().splitlines()
    whole = line.replace('{"', f'{{"model": {json.dumps(str(tiny_model))}, "', 1) if '"model"' not in line else line
    path.write_text("\n".join([lines[0], whole, lines[2]]))
    assert said in batch().refusal()
    assert files(folder) == ["r.jsonl"]
    ended = batch("--keep-going", "--json")
    assert ended.code == 2 and "1 line was left out (2)" in ended.err and said.partition(": ")[2] in ended.err
    assert len(ended.err.splitlines()) == 1
    last = json.loads(ended.lines[-1])
    assert (last["made"], last["left_out"], [f["line"] for f in last["faults"]]) == (2, 1, [2])
    assert [name[:6] for name in pictures(folder)] == ["000001", "000003"]


def test_a_line_that_is_mended_is_made(batch, folder, tiny_model):
    path = written(folder, tiny_model, {"prompt": "a"}, {"prompt": "b", "steps": 0}, {"prompt": "c"})
    assert batch("--keep-going").code == 2
    path.write_text(path.read_text().replace('"steps": 0', '"steps": 1'))
    ended = batch()
    assert ended.code == 0 and ended.lines[-1] == "1 made, 2 there before, 0 lines left out"
    assert [name[:6] for name in pictures(folder)] == ["000001", "000002", "000003"]


def test_a_changed_file_is_noticed(batch, folder, tiny_model):
    written(folder, tiny_model, {"prompt": "a"}, {"prompt": "b"})
    assert batch().code == 0
    before = files(folder)
    written(folder, tiny_model, {"prompt": "a"}, {"prompt": "b", "steps": 3})
    assert "line 2 is another" in batch().refusal()
    written(folder, tiny_model, {"prompt": "a"})
    assert "line 2 is another" in batch().refusal()
    assert files(folder) == before
    path = written(folder, tiny_model, {"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"})
    path.write_text(path.read_text().replace('": ', '" :  '))  # written in another way, it is the same
    assert batch().lines[-1] == "1 made, 2 there before, 0 lines left out"


def test_what_pictures_depend_on_may_not_change_either(batch, folder, tiny_model):
    model = folder / "mine.safetensors"
    model.write_bytes(tiny_model.read_bytes())
    written(folder, model, {"prompt": "a"})
    assert batch().code == 0
    assert "format png" in batch("--format", "webp").refusal()
    assert "dtype float32" in batch("--dtype", "bfloat16").refusal()
    assert "exact False" in batch("--exact").refusal()
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    assert "the model 'mine' has changed" in batch().refusal()


def test_a_folder_that_is_no_batch_s(batch, folder, tiny_model):
    written(folder, tiny_model, {"prompt": "a", "seed": 1})
    (folder / "out").mkdir()
    (folder / "out" / "000001-a-1.png").write_text("mine")
    (folder / "out" / "batch.json").write_text("{}")
    assert "batch.json is no batch's" in batch().refusal()
    (folder / "out" / "batch.json").unlink()
    assert "000001-a-1.png is there already" in batch().refusal()
    assert (folder / "out" / "000001-a-1.png").read_text() == "mine"
    assert "000001-a-1.png is there already" in batch().refusal()


@pytest.mark.skipif(os.name != "posix", reason="locks of files")
def test_two_batches_do_not_share_a_folder(batch, folder, tiny_model):
    import fcntl

    written(folder, tiny_model, {"prompt": "a"})
    assert batch().code == 0
    with (folder / "out" / ".unnoise-batch.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another batch is writing" in batch().refusal()
    assert batch().code == 0


def test_a_table(unnoise, folder, tiny_model):
    rows = [
        "prompt,steps,guidance,model,seed",
        f'"a fox, ""red""\nin snow",2,1.5,{tiny_model},7',
        "",
        f"moon,2,,{tiny_model},8",
    ]
    (folder / "r.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    assert unnoise("batch", "r.csv", "--out", "out").code == 0
    assert pictures(folder) == ["000002-a-fox-red-in-snow-7.png", "000005-moon-8.png"]
    record = read_record(folder / "out" / "000002-a-fox-red-in-snow-7.png")
    assert record.request["prompt"] == 'a fox, "red"\nin snow' and record.guidance == "classifier_free:scale=1.5"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt,steps\na,x\n", "line 2, steps: steps cannot be 'x': it takes a whole number"),
        ("prompt,stepps\na,1\n", "line 2, stepps: there is no field"),
        ("prompt\na,b\n", "line 2: it has 2 cells for 1 columns"),
        ('prompt\n"a" b\n', "line 2: it is no CSV"),
        ("prompt,prompt\na,b\n", "names a column twice"),
        ("prompt,\na,b\n", "names a column twice, or not at all"),
        ("prompt\n", "holds no request"),
        ("", "holds no request"),
    ],
)  # fmt: skip
def test_a_bad_table(unnoise, folder, text, said):
    (folder / "r.csv").write_text(text)
    assert said in unnoise("batch", "r.csv", "--out", "out").refusal()
    assert files(folder) == ["r.csv"]


def test_files_that_cannot_be_used(unnoise, folder):
    (folder / "r.txt").write_text("{}")
    (folder / "latin.jsonl").write_bytes(b'{"prompt": "\xe9"}')
    for name, said in (
        ("r.txt", "is no file of requests"),
        ("latin.jsonl", "no text in UTF-8"),
        ("nowhere.jsonl", "cannot read nowhere.jsonl"),
        (".", "is no file of requests"),
        ("", "names no file"),
    ):
        assert said in unnoise("batch", name, "--out", "out").refusal()
    assert "--out" in unnoise("batch", "r.txt").refusal()


def test_models_of_one_name(batch, folder, tiny_model):
    for place in ("one", "two"):
        (folder / place).mkdir()
        (folder / place / "m.safetensors").write_bytes(tiny_model.read_bytes())
    written(
        folder,
        "one/m.safetensors",
        {"prompt": "a", "seed": 1},
        {"prompt": "b", "seed": 2, "model": "two/m.safetensors"},
    )
    assert batch().code == 0
    assert [read_record(folder / "out" / p).model for p in pictures(folder)] == ["m", "m-2"]


def killed(requests: Path, folder: Path, *how: object) -> list[dict[str, object]]:
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), str(requests), str(folder), *map(str, how)],
        env=environment() | {"UNNOISE_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def whole(folder: Path) -> dict[str, str]:
    """Each picture's pixels by its name, all readable and carrying their own seed; nothing half-written beside them."""
    assert [p.name for p in folder.iterdir() if p.suffix not in (".png", ".json", ".lock")] == []
    found = {}
    for path in sorted(folder.glob("*.png")):
        record = read_record(path)
        assert path.stem.endswith(f"-{record.seed}")
        assert read(path).shape == (3, record.height, record.width)
        found[path.name] = record.pixels
    return found


def check_operations(folder, tiny_model, stride):
    three = ({"prompt": "a", "count": 2, "seed": 3}, {"prompt": "b"}, {"prompt": "c", "seed": 1})
    *attempts, straight = killed(written(folder, tiny_model, *three), folder, "operations", stride)
    assert straight["points"] >= 16
    names = set(whole(Path(straight["out"])))
    for attempt in attempts:
        assert (attempt["ended"], attempt["resumed"]) == (-9, 0), attempt
        found = whole(Path(attempt["out"]))
        assert len(found) == len(names) == 4
        assert {n for n in names if "-b-" not in n} < set(found)  # b has a random seed
    assert {attempt["left"] for attempt in attempts} >= {0, 1, 2, 3}


@pytest.mark.skipif(sys.platform == "win32", reason="kills by fork and SIGKILL")
def test_killed_before_a_file_operation_it_goes_on(folder, tiny_model):
    check_operations(folder, tiny_model, 3)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by fork and SIGKILL")
def test_killed_before_any_file_operation_it_goes_on(folder, tiny_model):
    check_operations(folder, tiny_model, 1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by fork and SIGKILL")
def test_two_hundred_pictures_and_twenty_kills(folder, tiny_model):
    many = ({"prompt": f"picture {k}", "seed": k, "count": 1 + k % 3} for k in range(100))
    requests = written(folder, tiny_model, *many, {"prompt": "the last", "seed": 0})
    *kills, last = killed(requests, folder, "times", 20, 0)
    assert len(kills) == 20 and last == {"resumed": 0, "straight": 0}
    assert [kill["ended"] for kill in kills] == [-9] * 20, kills
    assert len({kill["left"] for kill in kills}) > 10, kills
    found = whole(folder / "killed")
    assert len(found) == 200
    assert found == whole(folder / "straight")
