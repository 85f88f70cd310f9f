"""`unnoise data`: training shards from clones of the art repositories, and a look at any folder."""

import io
import json
import tarfile

import pytest
from PIL import Image

from cli.conftest import files


def png(colour=(200, 30, 30), size=40):
    file = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(file, "png")
    return file.getvalue()


@pytest.fixture
def noto(folder):
    """A clone of Noto Emoji: an apple, a rocket, a sunflower that is held out, and a hand with a skin tone."""
    for path in (folder / "noto" / "png" / "512", folder / "noto" / ".git"):
        path.mkdir(parents=True)
    (folder / "noto" / ".git" / "HEAD").write_text("ab" * 20)
    for k, code in enumerate(("1f34e", "1f680", "1f33b", "1f44b_1f3fb")):
        (folder / "noto" / "png" / "512" / f"emoji_u{code}.png").write_bytes(png((k * 50, 0, 0)))
    return "noto"


def test_shards_are_made_and_told_of(unnoise, folder, noto):
    ended = unnoise("data", "emoji", "--noto", noto, "--out", "a/set", "--size", 16, "--workers", 0)
    assert (ended.code, ended.err) == (0, "")
    head, row, why, total, *_ = ended.lines
    assert head.split() == ["style", "train", "held", "out", "left", "out", "licence"]
    assert row.split() == ["noto", "2", "1", "1", "Apache-2.0"]
    assert why == "noto, left out: 1 skin tone"
    assert total.startswith("2 pictures to train on and 1 held out, 0.0 MiB, in a/set")
    made = ["LICENSES/names-NOTICE.txt", "heldout-00000.tar", "manifest.json", "train-00000.tar"]
    assert files(folder / "a") == [f"set/{name}" for name in made]
    assert json.loads((folder / "a/set/manifest.json").read_text())["styles"]["noto"]["commit"] == "ab" * 20
    assert unnoise("data", "check", "a/set").lines == ["2 pictures", "16x16: 2", "captions of 6 to 7 words"]


def test_json_is_one_object_a_line(unnoise, folder, noto):
    lines = unnoise("data", "emoji", "--noto", noto, "--out", "set", "--size", 16, "--json").lines
    progress, result = map(json.loads, lines)
    assert progress == {"event": "progress", "done": 3, "of": 3}
    assert (result["event"], result["path"], result["train"], result["heldout"]) == ("result", "set", 2, 1)
    assert result["left_out"] == {"noto": {"skin tone": 1}}
    found = json.loads(unnoise("data", "check", "set", "--split", "heldout", "--json").out)
    assert (found["event"], found["count"], found["sizes"], found["broken"]) == ("result", 1, {"16x16": 1}, [])


def test_quiet_tells_the_folder(unnoise, folder, noto):
    ended = unnoise("data", "emoji", "--noto", noto, "--out", "set", "--size", 16, "--quiet", "--heldout", 0)
    assert (ended.out, ended.err) == ("set\n", "")
    assert not (folder / "set" / "heldout-00000.tar").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "one of emoji, check"),
        (["clothes"], "one of emoji, check"),
        (["emoji"], "--out is missing"),
        (["emoji", "--out", "set"], "--fluent DIR, --noto DIR, --twemoji DIR"),
        (["emoji", "--out", "set", "--noto", "nothing"], "nothing is no clone of noto-emoji: there is no such folder"),
        (["emoji", "--out", "set", "--noto", "."], ". is no clone of noto-emoji: there is no png/512 or svg folder"),
        (["emoji", "--out", "set", "--twemoji", "noto"], "noto is no clone of twemoji"),
        (["emoji", "--out", "set", "--fluent", "noto"], "noto is no clone of fluentui-emoji"),
        (["emoji", "--out", "set", "--noto", "noto", "--size", "4"], "from 16 to 256"),
        (["emoji", "--out", "set", "--noto", "noto", "--heldout", "1"], "from 0 to 0.5"),
        (["emoji", "--out", "set", "--noto", "noto", "--styles", "twemoji"], "one of noto"),
        (["emoji", "--out", "set", "--noto", "noto", "--names", "nothing"], "nothing cannot be read"),
        (["emoji", "--out", "set", "--noto", "noto", "--openmoji", "x"], "unknown option '--openmoji'"),
        (["emoji", "--out", "noto", "--noto", "noto"], "there is something in noto already"),
        (["emoji", "--out", "noto/.git/HEAD/x", "--noto", "noto"], "cannot write into"),
        (["check"], "missing"),
        (["check", "nothing"], "there is no 'nothing'"),
        (["check", "noto/.git"], "holds no set of pictures"),
    ],
)
def test_what_cannot_be_is_refused(unnoise, folder, noto, args, said):
    before = files(folder)
    assert said in unnoise("data", *args).refusal()
    assert files(folder) == before


def test_names_of_one_s_own(unnoise, folder, noto):
    (folder / "data.json").write_text(json.dumps([{"label": "pomme", "hexcode": "1F34E", "group": 4, "tags": []}]))
    assert unnoise("data", "emoji", "--noto", noto, "--out", "set", "--names", "data.json", "--size", 16).code == 0
    with tarfile.open("set/train-00000.tar") as archive:
        said = [json.load(archive.extractfile(m)) for m in archive if m.name.endswith(".json")]
    assert [one["caption"] for one in said] == ["pomme, noto emoji, shaded vector art"]


def test_a_full_disk_leaves_nothing(process, folder, noto):
    before = files(folder)
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    ended = process("data", "emoji", "--noto", "noto", "--out", "set", "--size", "16", before=small)
    assert "cannot write set" in ended.refusal()
    assert files(folder) == before and not (folder / "set").exists()


def test_everything_wrong_with_a_folder_is_told(unnoise, folder):
    (folder / "a.png").write_bytes(png())
    (folder / "b.png").write_bytes(png())
    (folder / "\x1b[2Jc.png").write_bytes(b"no picture")
    ended = unnoise("data", "check", ".")
    assert ended.code == 0 and all(line.isprintable() for line in ended.lines)
    text = ended.out
    for fact in ("3 pictures", "40x40: 2", "1 broken", "3 without a caption", "1 exact duplicates: a.png = b.png"):
        assert fact in text


def test_help_loads_no_torch(process):
    loaded = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))"
    for args in (("data", "--help"), ("data", "emoji", "--help"), ("data", "check", "--help")):
        ended = process(*args, before=loaded)
        assert (ended.code, ended.err) == (0, "False\n")
