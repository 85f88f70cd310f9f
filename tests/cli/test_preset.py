"""`unnoise preset`: settings under a name, whole or not at all, and which of two settings counts."""

import json
import os

import pytest

from cli.conftest import files
from unnoise.media.embed import read_record


@pytest.fixture
def home(folder):
    return folder.parent / "home"


@pytest.fixture
def mine(unnoise, tiny_model):
    """A preset of this name."""
    ended = unnoise("preset", "save", "mine", "--model", tiny_model, "--steps", 2, "--sampler", "Euler a", "--seed", 5)
    assert ended.code == 0, ended.err
    return "mine"


def test_a_preset_is_saved_listed_shown_and_deleted(unnoise, home, mine, tiny_model):
    assert files(home / "presets") == ["mine.json"]
    assert unnoise("preset", "show", mine).lines[-1].split() == ["seed", "5"]
    expected = {"model": str(tiny_model), "steps": 2, "sampler": "Euler a", "seed": 5}
    assert json.loads(unnoise("preset", "show", mine, "--json").out) == {"name": mine, "request": expected}
    assert [json.loads(line)["request"] for line in unnoise("preset", "list", "--json").lines] == [expected]
    assert "--sampler 'Euler a'" in unnoise("preset", "list").out
    assert unnoise("preset", "delete", mine).code == 0
    assert unnoise("preset", "list").out == "" and files(home / "presets") == []


def test_the_command_line_counts_more_and_the_model_s_defaults_less(unnoise, folder, mine):
    assert unnoise("generate", "x", "--preset", mine, "--steps", 3, "--out", "x.png").code == 0
    record = read_record("x.png")
    assert (record.request["steps"], record.sampler, record.seed) == (3, "euler_ancestral", 5)  # given, preset, preset
    assert record.guidance == "classifier_free:scale=2"  # the model's own
    assert record.model == "tiny"


def test_a_prompt_may_be_kept(unnoise, folder, tiny_model):
    assert unnoise("preset", "save", "fox", "a red fox", "--model", tiny_model, "--steps", "1").code == 0
    assert unnoise("generate", "--preset", "fox", "--out", "x.png").code == 0
    assert read_record("x.png").request["prompt"] == "a red fox"
    assert unnoise("generate", "the moon", "--preset", "fox", "--out", "x.png").code == 0
    assert read_record("x.png").request["prompt"] == "the moon"


def test_saving_again_replaces_all_of_it(unnoise, mine, tiny_model):
    assert unnoise("preset", "save", mine, "--steps", 4, "--model", tiny_model).code == 0
    assert json.loads(unnoise("preset", "show", mine, "--json").out)["request"].keys() == {"steps", "model"}


def test_a_model_s_file_is_found_from_any_folder(unnoise, folder, tiny_model, monkeypatch):
    (folder / "own.safetensors").write_bytes(tiny_model.read_bytes())
    assert unnoise("preset", "save", "own", "--model", "own.safetensors", "--steps", 1).code == 0
    monkeypatch.chdir(folder.parent)
    assert unnoise("generate", "x", "--preset", "own", "--out", folder / "x.png").code == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "save, list, show, delete"),
        (["keep", "x"], "save, list, show, delete"),
        (["save"], "NAME is missing"),
        (["save", "--steps", "3"], "NAME is missing"),
        (["save", "x"], "nothing to keep"),
        (["save", "x", "--steps", "0"], "from 1 to 1,000"),
        (["save", "x", "--sampler", "eluer"], "did you mean 'euler'?"),
        (["save", "x", "--model", "nobody"], "no model 'nobody'"),
        (["save", "x", "--out", "pics"], "unknown option '--out'"),
        (["save", "../x", "--steps", "3"], "no preset's name"),
        (["save", "a/b", "--steps", "3"], "no preset's name"),
        (["save", ".x", "--steps", "3"], "no preset's name"),
        (["save", "x" * 65, "--steps", "3"], "no preset's name"),
        (["save", "a\0b", "--steps", "3"], "no preset's name"),
        (["save", "", "--steps", "3"], "NAME is missing"),
        (["show", "nobody"], "known are none"),
        (["show"], "missing"),
        (["delete", "nobody"], "known are none"),
        (["delete", "../../x"], "no preset's name"),
        (["list", "x"], "one word too many"),
    ],
)
def test_what_cannot_be_is_refused(unnoise, home, args, said):
    known = [] if "--model" in args or "save" not in args or len(args) < 3 else ["--model", "emoji"]
    assert said in unnoise("preset", *args, *known).refusal()
    assert files(home / "presets") == []


def test_a_preset_that_is_not_there_is_refused(unnoise, mine):
    assert "did you mean 'mine'?" in unnoise("generate", "x", "--preset", "mime").refusal()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"unnoise": 1}', '{"unnoise": 1, "request": 5}', '{"unnoise": 2, "request": {}}', "[" * 9**5]
    + [
        json.dumps({"unnoise": 1, "request": r})
        for r in ({"steps": "3"}, {"colour": 1}, {"start": "x"}, {"model": None})
    ],
    ids=range(11),
)
def test_a_damaged_preset_is_refused_and_the_others_still_listed(unnoise, home, mine, text):
    (home / "presets" / "odd.json").write_text(text)
    assert "odd" in unnoise("generate", "x", "--preset", "odd").refusal()
    listed = unnoise("preset", "list")
    assert listed.code == 0 and len(listed.lines) == 2 and "odd" in listed.lines[1]


def test_a_full_disk_leaves_the_old_preset(process, home, tiny_model):
    args = ("preset", "save", "mine", "--model", str(tiny_model), "--steps")
    assert process(*args, "3").code == 0
    before = (home / "presets" / "mine.json").read_bytes()
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))"
    process(*args, "4", before=small).refusal()
    assert files(home / "presets") == ["mine.json"] and (home / "presets" / "mine.json").read_bytes() == before


def test_presets_load_no_torch(process, tiny_model):
    loaded = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))"
    for args in (("save", "x", "--model", str(tiny_model), "--steps", "3"), ("list",), ("show", "x"), ("delete", "x")):
        ended = process("preset", *args, before=loaded)
        assert (ended.code, ended.err) == (0, "False\n")


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_a_device_in_its_place_is_not_waited_for(unnoise, home, make):
    (home / "presets").mkdir(parents=True)
    make(home / "presets" / "odd.json")
    assert "is damaged" in unnoise("preset", "show", "odd").refusal()
    assert "is damaged" in unnoise("preset", "list").out
    assert unnoise("preset", "delete", "odd").code == 0


def test_a_stranger_s_preset_cannot_move_the_cursor(unnoise, home):
    (home / "presets").mkdir(parents=True)
    text = json.dumps({"unnoise": 1, "request": {"prompt": "\x1b[2J\nx"}})
    (home / "presets" / "odd.json").write_text(text)
    for words in (["show", "odd"], ["list"]):
        ended = unnoise("preset", *words)
        assert ended.code == 0 and len(ended.lines) == 1 and ended.lines[0].isprintable()


def test_a_home_that_cannot_be_written_to_is_named_as_people_set_it(unnoise, tmp_path, monkeypatch, tiny_model):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path / "file" / "x"))
    assert "UNNOISE_HOME" in unnoise("preset", "save", "x", "--model", tiny_model, "--steps", 2).refusal()
